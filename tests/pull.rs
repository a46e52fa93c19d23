//! Those who come for events themselves: page by page, or over a stream.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::pages::{address, ask, client, page, text};
use crate::support::{Article, Event, Follower, Home, Origin, Publisher};

const ADMIN: &str = "[sinks.out.stdout]\n[admin]\nlisten = \"127.0.0.1:0\"\n";

fn feed(name: &str, publisher: &Publisher) -> String {
    format!("[feeds.{name}]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n", publisher.url())
}

fn sequences(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| text(event, "/sequence").parse().unwrap()).collect()
}

/// All pages from there on.
async fn pages(address: &str, mut after: String, query: &str) -> (Vec<Value>, String) {
    let mut all = Vec::new();
    loop {
        let page = page(address, &format!("/v1/events?after={after}{query}")).await;
        assert_eq!(page["gap"], false);
        all.extend(page["events"].as_array().unwrap().iter().cloned());
        after = text(&page, "/next").to_owned();
        if page["more"] == false {
            return (all, after);
        }
    }
}

#[tokio::test]
async fn pages_give_every_event_once_as_a_sink_gets_it_across_restarts() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed").window(1000);
    publisher.publish(7);
    let home = Home::new(&(feed("a", &publisher) + ADMIN));
    let (mut seen, mut printed, mut after) = (Vec::new(), Vec::new(), "0".to_owned());
    for round in 1..=3 {
        let mut daemon = home.start().await;
        let address = address(&daemon).await;
        daemon.printed(if round == 1 { 7 } else { 5 }).await;
        let (events, next) = pages(&address, after, "&limit=2").await;
        assert_eq!((sequences(&events).last().copied(), next.len()), (next.parse().ok(), 20));
        seen.extend(events);
        after = next;
        printed.extend(daemon.events());
        if round == 2 {
            daemon.kill()
        } else {
            assert_eq!(daemon.terminate().await, 0)
        }
        publisher.publish(5);
    }
    assert_eq!(sequences(&seen), (1..=17).collect::<Vec<_>>());
    assert_eq!(seen.into_iter().map(Event).collect::<Vec<_>>(), printed);
}

#[tokio::test]
async fn a_cursor_beyond_the_end_is_no_error_and_nonsense_is_one() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    let home = Home::new(&(feed("a", &publisher) + ADMIN));
    let daemon = home.start().await;
    let address = address(&daemon).await;
    daemon.printed(2).await;
    let beyond = ask(&address, "/v1/events?after=0000000000000000000077").await;
    let empty = "{\"events\":[],\"next\":\"00000000000000000077\",\"more\":false,\"gap\":false}\n";
    assert_eq!(beyond, (200, empty.to_owned()));
    for (path, words) in [
        ("/v1/events?after=x", "\"x\" is no sequence: digits, as in an event's \"sequence\"\n"),
        ("/v1/events?limit=0", "limit=\"0\" is no number from 1 on\n"),
        ("/v1/events?feed=b", "there is no feed \"b\"\n"),
        ("/v1/stream?feed=b", "there is no feed \"b\"\n"),
        ("/v1/stream?wait=3s", "there is no parameter \"wait\"; there are after, feed, tag, type\n"),
        ("/feed.atom?after=3", "there is no parameter \"after\"; there are limit, feed, tag, type\n"),
    ] {
        assert_eq!(ask(&address, path).await, (400, words.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn filters_give_what_they_say_and_the_rest_is_passed_by() {
    let origin = Origin::start().await;
    let publishers = ["/a", "/b", "/c"].map(|path| Publisher::new(&origin, path));
    let mut config = ADMIN.to_owned();
    for (publisher, (name, tags)) in publishers.iter().zip([("a", "[\"новини\"]"), ("b", "[\"новини\", \"x\"]"), ("c", "[]")]) {
        publisher.publish(3);
        config += &format!("{}tags = {tags}\n", feed(name, publisher));
    }
    let home = Home::new(&config);
    let daemon = home.start().await;
    let address = address(&daemon).await;
    daemon.printed(9).await;
    let feeds = |query: &'static str| {
        let address = address.clone();
        async move {
            let (events, next) = pages(&address, "0".into(), query).await;
            assert_eq!(next, format!("{:020}", 9), "the next page need not look at what was passed by");
            let mut feeds: Vec<_> = events.iter().map(|event| text(event, "/data/feed/id").to_owned()).collect();
            feeds.dedup();
            feeds.sort();
            (feeds.join(""), events.len())
        }
    };
    assert_eq!(feeds("&feed=a&feed=c&limit=1").await, ("ac".into(), 6));
    assert_eq!(feeds("&feed=a,b").await, ("ab".into(), 6));
    assert_eq!(feeds("&tag=%D0%BD%D0%BE%D0%B2%D0%B8%D0%BD%D0%B8&limit=2").await, ("ab".into(), 6));
    assert_eq!(feeds("&tag=x&feed=a").await, (String::new(), 0));
    assert_eq!(feeds("&type=entry.created&feed=b").await, ("b".into(), 3));
    assert_eq!(feeds("&type=entry.updated,feed.gap").await, (String::new(), 0));
}

#[tokio::test]
async fn a_page_can_be_waited_for() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    let home = Home::new(&(feed("a", &publisher) + ADMIN));
    let mut daemon = home.start().await;
    let address = address(&daemon).await;
    publisher.read().await;
    let (page, ()) = tokio::join!(page(&address, "/v1/events?wait=60s"), async { publisher.publish(1) });
    assert_eq!(sequences(page["events"].as_array().unwrap()), [1]);
    assert_eq!(ask(&address, "/v1/events?after=1&wait=1ms").await.0, 200);
    // Whoever waits is sent home when the daemon stops.
    let waiting = tokio::spawn(async move { ask(&address, "/v1/events?after=1&wait=60s").await });
    let begun = std::time::Instant::now();
    assert_eq!(daemon.terminate().await, 0);
    // It may have come too late to be let in.
    drop(waiting.await);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_behind_the_last_event_id_after_kill_9_without_a_gap_or_a_repeat() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed").window(1000);
    let home = Home::new(&(feed("a", &publisher) + ADMIN));
    let follower = Follower::new();
    let mut last = None;
    for round in 1..=6 {
        let mut daemon = home.start().await;
        let stream = follower.open(&address(&daemon).await, "/v1/stream?after=0", last.clone()).await;
        // Killed while events come in, not when all are there.
        publisher.publish(40);
        follower.has(round * 40 - 39).await;
        daemon.kill();
        stream.await.unwrap();
        last = follower.events().last().map(|event| text(event, "/sequence").to_owned());
    }
    let daemon = home.start().await;
    follower.open(&address(&daemon).await, "/v1/stream?after=0", last).await;
    follower.has(240).await;
    assert_eq!(sequences(&follower.events()), (1..=240).collect::<Vec<_>>());
    let entries: Vec<_> = follower.events().iter().map(|event| text(event, "/data/entry/id").to_owned()).collect();
    assert_eq!(entries, publisher.published());
}

#[tokio::test]
async fn a_stream_begins_now_outlives_a_reload_and_ends_in_order() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    let config = feed("a", &publisher) + ADMIN;
    let home = Home::new(&config);
    let mut daemon = home.start().await;
    let address = address(&daemon).await;
    daemon.printed(2).await;
    let (follower, other) = (Follower::new(), Follower::new());
    let stream = follower.open(&address, "/v1/stream", None).await;
    publisher.publish(1);
    follower.has(1).await;
    let second = Publisher::new(&origin, "/second");
    second.publish(1);
    home.configure(&(feed("b", &second) + &config));
    daemon.hup();
    daemon.ready(2).await;
    let filtered = other.open(&address, "/v1/stream?feed=b&after=0", None).await;
    publisher.publish(1);
    follower.has(3).await;
    other.has(1).await;
    assert_eq!(daemon.terminate().await, 0);
    stream.await.unwrap();
    filtered.await.unwrap();
    assert_eq!((follower.ended.all(), other.ended.all()), (vec![true], vec![true]));
    assert_eq!(sequences(&follower.events()), [3, 4, 5]);
    assert_eq!(text(&other.events()[0], "/data/feed/id"), "b");
    assert_eq!(other.events().len(), 1);
}

/// Asks until there is a place for one who waits.
async fn a_place(address: &str, path: &str) {
    let asking = async { while ask(address, path).await.0 != 200 {} };
    tokio::time::timeout(Duration::from_secs(30), asking).await.expect("a place");
}

#[tokio::test]
async fn a_silent_stream_has_a_heartbeat_and_places_come_to_an_end() {
    let home = Home::new(&format!("[feeds.a]\nurl = \"https://feed.invalid/rss\"\n{ADMIN}")).variable("FEEDWIRE_TEST_PULL", "20ms,30s,2");
    let daemon = home.start().await;
    let address = address(&daemon).await;
    let (first, second) = (Follower::new(), Follower::new());
    let stream = first.open(&address, "/v1/stream", None).await;
    second.open(&address, "/v1/stream", None).await;
    first.messages.nth("the third heartbeat", 3).await;
    assert_eq!(first.messages.all()[0], HashMap::from([(String::new(), String::new())]));
    for path in ["/v1/stream", "/v1/events?wait=30s"] {
        let answer = client().get(format!("http://{address}{path}")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "10"));
        assert_eq!(answer.text().await.unwrap(), "2 readers are waiting already, and there are no more places\n");
    }
    assert_eq!(ask(&address, "/v1/events").await.0, 200, "who does not wait needs no place");
    // Whoever goes makes room.
    stream.abort();
    a_place(&address, "/v1/events?wait=1ms").await;
}

/// A reader who does not read costs nobody else anything, and himself the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_stops_reading_is_dropped_and_others_get_everything() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    let long = format!("<p>{}</p>", "слово ".repeat(45_000));
    for n in 1..=15 {
        publisher.publish_article(Article { html: long.clone(), ..Article::number(n) });
    }
    let home = Home::new(&(feed("a", &publisher) + ADMIN)).variable("FEEDWIRE_TEST_PULL", "30s,300ms,2");
    let daemon = home.start().await;
    let address = address(&daemon).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stuck: TcpStream = socket.connect(address.parse().unwrap()).await.unwrap();
    stuck.write_all(format!("GET /v1/stream?after=0 HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await.unwrap();
    let mut first = [0; 15];
    stuck.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    let follower = Follower::new();
    follower.open(&address, "/v1/stream?after=0", None).await;
    follower.has(15).await;
    assert_eq!(sequences(&follower.events()), (1..=15).collect::<Vec<_>>());
    // There is no third place before the stuck one is free.
    a_place(&address, "/v1/events?after=15&wait=1ms").await;
    let mut left = Vec::new();
    // It may end in a reset.
    drop(stuck.read_to_end(&mut left).await);
    let whole: usize = follower.messages.all().iter().filter_map(|message| message.get("data")).map(String::len).sum();
    assert!(left.len() < whole, "{} of {whole}", left.len());
}

/// A page of the web whose name was made to lead here is a stranger.
#[tokio::test]
async fn pages_are_for_those_who_call_the_server_by_its_name() {
    let home = Home::new(&format!("[feeds.a]\nurl = \"https://feed.invalid/rss\"\n{ADMIN}hosts = [\"feeds.example.org\"]\n"));
    let daemon = home.start().await;
    let address = address(&daemon).await;
    for (host, status) in [("evil.example", 421), ("evil.example:7744", 421), ("localhost:7744", 200), ("Feeds.Example.org", 200)] {
        for path in ["/v1/events", "/v1/status", "/livez", "/feed.atom"] {
            let answer = client().get(format!("http://{address}{path}")).header("host", host).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{host} {path}");
        }
    }
    // Whoever may open the socket need not be told apart.
    let socket = feedwire::http::over_socket(&home.path("state/control.sock"), Duration::from_secs(30)).unwrap();
    assert_eq!(socket.get("http://feedwire/v1/events").send().await.unwrap().status().as_u16(), 200);
}
