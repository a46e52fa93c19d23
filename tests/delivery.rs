//! What a consumer may rely on, and what becomes of a consumer that cannot be relied on.

use std::time::{Duration, SystemTime};

use crate::support::{Article, Gate, Home, Origin, Publisher, Receiver, Reply, Service};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OLD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn feed(name: &str, publisher: &Publisher) -> String {
    format!("[feeds.{name}]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n", publisher.url())
}

fn hook(receiver: &Receiver) -> String {
    let secrets = "{ credential = \"hook\" }, { credential = \"old\" }";
    format!("[sinks.hook.webhook]\nurl = {:?}\nsecrets = [{secrets}]\n", receiver.url("/"))
}

fn home(config: &str) -> Home {
    Home::new(config).credential("hook", SECRET).credential("old", OLD_SECRET)
}

#[tokio::test]
async fn d17_d18_d23_a_retry_has_the_same_id_and_body_and_a_fresh_signature() {
    let origin = Origin::start().await;
    // The old secret verifies too, while it is rotated out.
    let receiver = Receiver::verifying(OLD_SECRET).await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(1);
    receiver.answer_once(Reply::status(503));
    receiver.answer_once(Reply::status(302).header("location", "/elsewhere"));
    let home = home(&(feed("a", &publisher) + &hook(&receiver))).retry("1100ms");
    let _daemon = home.start().await;
    receiver.acknowledged(1).await;
    let arrivals = receiver.arrivals();
    let [first, second, third] = &arrivals[..] else { panic!("{arrivals:?}") };
    for (again, attempt) in [(first, "1"), (second, "2"), (third, "3")] {
        assert_eq!((again.id(), &again.body, again.path.as_str()), (first.id(), &first.body, "/"));
        assert_eq!((again.header("feedwire-attempt"), again.header("feedwire-lane-seq")), (attempt, "1"));
        assert_eq!(again.header("content-type"), "application/json");
        assert_eq!(again.header("webhook-signature").split(' ').count(), 2);
        let received = again.received.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert!(received.abs_diff(again.timestamp()) <= 1, "signed at {} and sent at {received}", again.timestamp());
    }
    assert!(second.timestamp() > first.timestamp() && second.header("webhook-signature") != first.header("webhook-signature"));
}

/// Promise 3.
#[tokio::test]
async fn d11_d12_a_lane_is_in_order_whatever_fails() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/feed").window(1000);
    publisher.publish(30);
    for _ in 0..10 {
        receiver.answer_once(Reply::status(500));
        receiver.answer_once(Reply::status(204));
        receiver.answer_once(Reply::status(429));
    }
    let home = home(&(feed("a", &publisher) + &hook(&receiver))).retry("5ms");
    let _daemon = home.start().await;
    receiver.acknowledged(30).await;
    let accepted: Vec<_> = receiver.accepted().iter().map(|a| a.event.entry_id().to_owned()).collect();
    assert_eq!(accepted, publisher.published());
}

/// Promise 6.
#[tokio::test]
async fn d6_a_dead_or_hanging_consumer_delays_no_other_sink_and_no_poll() {
    let origin = Origin::start().await;
    let (dead, hanging) = (Receiver::start().await, Receiver::start().await);
    dead.down().await;
    let gate = Gate::shut();
    hanging.answer(Reply::status(204).held(&gate));
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(3);
    let config = feed("a", &publisher)
        + &format!(
            "[sinks.dead.webhook]\nurl = {:?}\n[sinks.hanging.webhook]\nurl = {:?}\n[sinks.out.stdout]\n",
            dead.url("/"),
            hanging.url("/")
        );
    let home = home(&config);
    let daemon = home.start().await;
    daemon.printed(3).await;
    publisher.publish(2);
    daemon.printed(5).await;
    gate.open();
    dead.up().await;
    assert_eq!(dead.acknowledged(5).await.len(), 5);
    hanging.acknowledged(5).await;
}

/// The consumer is down for a long time, the daemon is killed twice meanwhile: everything arrives, in order, once for each id.
#[tokio::test]
async fn an_outage_and_two_kills_lose_nothing() {
    let origin = Origin::start().await;
    let receiver = Receiver::verifying(SECRET).await;
    let publishers = [Publisher::new(&origin, "/a").window(1000), Publisher::new(&origin, "/b").window(1000)];
    let home = home(&(feed("a", &publishers[0]) + &feed("b", &publishers[1]) + &hook(&receiver))).retry("20ms,50ms");
    receiver.down().await;
    for _ in 0..3 {
        let mut daemon = home.start().await;
        for publisher in &publishers {
            publisher.publish(20);
            publisher.read().await;
        }
        daemon.kill();
    }
    receiver.up().await;
    let _daemon = home.start().await;
    receiver.acknowledged(120).await;
    for (name, publisher) in [("a", &publishers[0]), ("b", &publishers[1])] {
        let lane: Vec<_> = receiver.by_lane()[name].iter().map(|a| a.event.entry_id().to_owned()).collect();
        assert_eq!(lane, publisher.published());
    }
    assert_eq!(receiver.arrivals().len(), 120);
}

#[tokio::test]
async fn d25_d26_retry_after_is_a_floor_for_the_whole_sink() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    receiver.answer_once(Reply::status(429).header("retry-after", "1"));
    let home = home(&(feed("a", &publisher) + &hook(&receiver))).retry("1ms");
    let _daemon = home.start().await;
    receiver.acknowledged(2).await;
    let arrivals = receiver.arrivals();
    assert!(arrivals[1].at - arrivals[0].at >= Duration::from_millis(990), "{:?}", arrivals[1].at - arrivals[0].at);
    assert_eq!(arrivals[0].id(), arrivals[1].id());
}

#[tokio::test]
async fn d15_d27_a_refused_message_is_buried_and_the_lane_goes_on() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(3);
    receiver.answer_when(|a| a.event.entry_id() == Article::id(2), Reply::status(400));
    let home = home(&(feed("a", &publisher) + &hook(&receiver))).retry("1ms");
    let daemon = home.start().await;
    receiver.acknowledged(2).await;
    let arrivals = receiver.arrivals();
    let seen: Vec<_> = arrivals.iter().map(|a| (a.event.entry_id().to_owned(), a.header("feedwire-lane-seq").to_owned())).collect();
    let expected = [(1, "1"), (2, "2"), (2, "2"), (2, "2"), (3, "3")].map(|(n, seq)| (Article::id(n), seq.to_owned()));
    assert_eq!(seen, expected);
    daemon.stderr.until("the burial in the log", |all| all.iter().find(|l| l.contains("dead letter")).cloned()).await;
}

#[tokio::test]
async fn d27_three_refused_messages_in_a_row_are_the_endpoints_fault() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publishers: Vec<_> = (0..4).map(|n| Publisher::new(&origin, &format!("/{n}"))).collect();
    let mut config = hook(&receiver);
    for (n, publisher) in publishers.iter().enumerate() {
        publisher.publish(1);
        config += &feed(&format!("f{n}"), publisher);
    }
    receiver.answer(Reply::status(422));
    let home = home(&config).retry("1ms");
    let _daemon = home.start().await;
    receiver.received(40).await;
    receiver.answer(Reply::status(204));
    // The first may have been tried three times before there were three; all others are still there.
    receiver.acknowledged(3).await;
}

#[tokio::test]
async fn d24_a_consumer_that_is_gone_holds_its_events() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    receiver.answer_once(Reply::status(410));
    let home = home(&(feed("a", &publisher) + &hook(&receiver))).retry("1ms");
    let mut daemon = home.start().await;
    daemon.stderr.until("the 410 in the log", |all| all.iter().find(|l| l.contains("says it is gone")).cloned()).await;
    publisher.read().await;
    publisher.read().await;
    assert_eq!(receiver.arrivals().len(), 1);
    daemon.terminate().await;
    let _daemon = home.start().await;
    receiver.acknowledged(2).await;
    let arrivals = receiver.arrivals();
    assert_eq!((arrivals.len(), arrivals[0].id()), (3, arrivals[1].id()));
}

#[tokio::test]
async fn d33_a_rate_is_kept() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(6);
    let config = feed("a", &publisher)
        + &format!("[sinks.hook]\nrate = {{ per = \"200ms\", burst = 2 }}\n[sinks.hook.webhook]\nurl = {:?}\n", receiver.url("/"));
    let home = home(&config);
    let _daemon = home.start().await;
    let arrivals = receiver.acknowledged(6).await;
    // Four times 200 ms between the sends; the first arrivals may have been late by what a connection takes on a busy machine.
    assert!(arrivals[5].at - arrivals[1].at >= Duration::from_millis(650), "{:?}", arrivals[5].at - arrivals[1].at);
}

#[tokio::test]
async fn d14_one_lane_for_a_sink_that_wants_it() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let mut config = format!("[sinks.hook]\norder = \"sink\"\n[sinks.hook.webhook]\nurl = {:?}\n", receiver.url("/"));
    for n in 0..3 {
        let publisher = Publisher::new(&origin, &format!("/{n}"));
        publisher.publish(4);
        config += &feed(&format!("f{n}"), &publisher);
    }
    let home = home(&config);
    let _daemon = home.start().await;
    let arrivals = receiver.acknowledged(12).await;
    let numbers: Vec<_> = arrivals.iter().map(|a| a.header("feedwire-lane-seq").parse::<u64>().unwrap()).collect();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    let sequences: Vec<_> = arrivals.iter().map(|a| a.event.str("/sequence").to_owned()).collect();
    assert!(sequences.is_sorted() && sequences[0].len() == 20, "{sequences:?}");
}

/// CloudEvents or not, it is the same body; what is signed is what is sent, whatever is in it.
#[tokio::test]
async fn d20_d21_the_bytes_that_are_signed_are_sent_and_content_type_is_all_that_differs() {
    let origin = Origin::start().await;
    let (plain, cloud) = (Receiver::verifying(SECRET).await, Receiver::verifying(SECRET).await);
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(1);
    let sink = |name: &str, receiver: &Receiver, keys: &str| {
        format!("[sinks.{name}.webhook]\nurl = {:?}\nsecrets = [{{ credential = \"hook\" }}]\n{keys}\n", receiver.url("/"))
    };
    let config = feed("a", &publisher)
        + &sink("plain", &plain, "")
        + &sink("cloud", &cloud, "content_type = \"cloudevents\"\nidempotency_key = true\n");
    let home = home(&config);
    let _daemon = home.start().await;
    let (plain, cloud) = (plain.acknowledged(1).await.remove(0), cloud.acknowledged(1).await.remove(0));
    assert_eq!(plain.body, cloud.body);
    assert!(!plain.id().contains('.'));
    assert_eq!((plain.header("content-type"), cloud.header("content-type")), ("application/json", "application/cloudevents+json"));
    assert_eq!((plain.headers.get("idempotency-key"), cloud.header("idempotency-key")), (None, format!("\"{}\"", cloud.id()).as_str()));
    for key in ["specversion", "id", "source", "type"] {
        assert!(!cloud.event.str(&format!("/{key}")).is_empty(), "required by CloudEvents 1.0: {key}");
    }
}

#[tokio::test]
async fn a_signature_like_githubs() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(1);
    let keys = "secrets = [{ credential = \"hook\" }]\nsignature = \"github\"\ncontent = \"none\"\n";
    let home = home(&(feed("a", &publisher) + &format!("[sinks.hook.webhook]\nurl = {:?}\n{keys}", receiver.url("/"))));
    let _daemon = home.start().await;
    let arrival = receiver.acknowledged(1).await.remove(0);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let hex: String = ring::hmac::sign(&key, &arrival.body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(arrival.header("x-hub-signature-256"), format!("sha256={hex}"));
    assert_eq!((arrival.headers.get("webhook-signature"), arrival.event.at("/data/entry/content_text")), (None, &serde_json::Value::Null));
}

/// Promise 1 holds for a template that fails on what feeds really write: its events wait until it is mended.
#[tokio::test]
async fn d36_a_template_that_fails_gives_nothing_up_and_a_mended_one_applies_to_what_waits() {
    let origin = Origin::start().await;
    let service = Service::start("").await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    let sink = |template: &str| {
        format!("[sinks.hook.webhook]\nurl = {:?}\ncontent_type = \"text/plain\"\ntemplate = '{template}'\n", service.url("/"))
    };
    // The made-up event has a title of many characters and tags; no entry of this feed has a tag.
    let bad = "{{ event.data.feed.tags[0] }}: {{ event.data.entry.title }}";
    let home = home(&(feed("a", &publisher) + &sink(bad))).retry("1ms");
    let daemon = home.start().await;
    daemon.stderr.until("the template's fault", |all| all.iter().filter(|l| l.contains("the template: undefined")).nth(7).cloned()).await;
    home.configure(&(feed("a", &publisher) + &sink("{{ event.data.entry.id }}")));
    daemon.hup();
    let calls = service.received(2).await;
    let bodies: Vec<_> = calls.iter().map(|call| String::from_utf8_lossy(&call.body).into_owned()).collect();
    assert_eq!((bodies, calls[0].headers["content-type"].to_str().unwrap()), (publisher.published(), "text/plain"));
    assert!(!daemon.stderr.all().iter().any(|line| line.contains("dead letter")));
}

/// A batch is an array, the same bytes at each repetition; what is refused in it is found, and costs its neighbours nothing.
#[tokio::test]
async fn d27_a_batch_goes_whole_and_one_bad_event_in_it_is_found() {
    let origin = Origin::start().await;
    let service = Service::start("").await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(10);
    service.answer_once(503, "");
    let sink = format!(
        "[sinks.hook.webhook]\nurl = {:?}\nbatch = {{ max = 4, wait = \"100ms\" }}\ncontent_type = \"cloudevents\"\nsecrets = [{{ credential = \"hook\" }}]\n",
        service.url("/")
    );
    let home = home(&(feed("a", &publisher) + &sink)).retry("1ms");
    let _daemon = home.start().await;
    let calls = service.received(4).await;
    let articles = |n: usize| {
        let events = calls[n].json();
        let ids = events.as_array().unwrap().iter().map(|e| e["data"]["entry"]["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let published = publisher.published();
    assert_eq!([articles(0), articles(1), articles(2), articles(3)], [&published[..4], &published[..4], &published[4..8], &published[8..]]);
    let header = |n: usize, name: &str| calls[n].headers[name].to_str().unwrap().to_owned();
    assert_eq!((header(0, "webhook-id"), &calls[0].body), (header(1, "webhook-id"), &calls[1].body));
    assert!(header(1, "webhook-id").starts_with("bat_") && header(1, "webhook-id") != header(2, "webhook-id"));
    assert_eq!(["content-type", "feedwire-lane-seq"].map(|name| header(2, name)), ["application/cloudevents-batch+json", "5"]);
    standardwebhooks::Webhook::new(SECRET).unwrap().verify(&calls[1].body, &calls[1].headers).unwrap();
    // The third of the next four is refused.
    publisher.publish(4);
    for status in [400, 204, 400, 400, 400, 400] {
        service.answer_once(status, "");
    }
    let calls = service.received(10).await;
    let sizes: Vec<_> = calls[4..].iter().map(|call| call.json().as_array().unwrap().len()).collect();
    assert_eq!(sizes, [4, 2, 2, 1, 1, 1], "halves, then three tries of the one");
    let calls = service.received(11).await;
    assert_eq!(calls[10].json()[0]["data"]["entry"]["id"], publisher.published()[13]);
}
