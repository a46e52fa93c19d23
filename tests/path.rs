//! The path of an entry, from a feed on a socket to what a consumer holds in its hands.

use chrono::DateTime;
use encoding_rs::{Encoding, KOI8_U, UTF_8, WINDOWS_1251};

use crate::support::{Answer, Article, Format, Home, Origin, Publisher, Receiver};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const TITLE: &str = "Умєров під час зустрічі розповів президенту Південної Кореї про співпрацю Росії та КНДР";
const BODY: &str = "<p>Є, і, ї та ґ — об’єкт і обʼєкт: «щастя»</p>";

fn glavcom() -> Article {
    Article {
        id: "https://glavcom.ua/news/1030001.html".into(),
        url: "https://glavcom.ua/news/1030001.html".into(),
        title: TITLE.into(),
        html: BODY.into(),
        published: DateTime::parse_from_rfc2822("Wed, 27 Nov 2024 18:45:00 +0200").unwrap(),
    }
}

fn config(feeds: &[(&str, String)], receiver: &Receiver) -> String {
    let mut config =
        format!("[sinks.out.stdout]\n[sinks.hook.webhook]\nurl = {:?}\nsecrets = [{{ credential = \"hook\" }}]\n", receiver.url("/"));
    for (name, url) in feeds {
        config += &format!("[feeds.{name}]\nurl = {url:?}\ninterval = \"100ms\"\nbacklog = \"all\"\ntags = [\"ua\"]\n");
    }
    config
}

/// Promise 5, and the seed's own case.
#[tokio::test]
async fn every_letter_and_the_offset_arrive_in_every_charset_and_format() {
    let origin = Origin::start().await;
    let receiver = Receiver::verifying(SECRET).await;
    let charsets: [(&str, &'static Encoding); 3] = [("utf8", UTF_8), ("cp1251", WINDOWS_1251), ("koi8u", KOI8_U)];
    let mut feeds = vec![];
    for (name, charset) in charsets {
        let publisher = Publisher::new(&origin, &format!("/{name}")).charset(charset);
        publisher.publish_article(glavcom());
        feeds.push((name, publisher.url()));
    }
    for (name, format) in [("atom", Format::Atom), ("json", Format::Json)] {
        let publisher = Publisher::new(&origin, &format!("/{name}")).format(format);
        publisher.publish_article(glavcom());
        feeds.push((name, publisher.url()));
    }
    let home = Home::new(&config(&feeds, &receiver)).credential("hook", SECRET);
    let daemon = home.start().await;

    let printed = daemon.printed(5).await;
    let received: Vec<_> = receiver.received(5).await.into_iter().map(|a| a.event).collect();
    for event in printed.iter().chain(&received) {
        assert_eq!((event.kind(), event.title()), ("entry.created", TITLE), "{}", event.0);
        assert_eq!(event.str("/data/entry/published"), "2024-11-27T18:45:00+02:00", "{}", event.feed());
        assert_eq!(event.str("/data/entry/content_text"), "Є, і, ї та ґ — об’єкт і обʼєкт: «щастя»");
        assert_eq!(event.str("/data/entry/content_html"), BODY);
        assert_eq!(event.str("/data/entry/url"), "https://glavcom.ua/news/1030001.html");
        assert_eq!(event.str("/source"), format!("urn:feedwire:main:feed:{}", event.feed()));
        assert_eq!(event.at("/data/fetch/first_poll"), true);
        assert_eq!(event.at("/data/feed/tags/0"), "ua");
    }
    let mut feeds: Vec<_> = printed.iter().map(|e| e.feed().to_owned()).collect();
    feeds.sort();
    assert_eq!(feeds, ["atom", "cp1251", "json", "koi8u", "utf8"]);
}

/// Promise 7.
#[tokio::test]
async fn p01_p03_p04_the_second_poll_is_conditional_byte_for_byte() {
    let origin = Origin::start().await;
    let body = "<rss><channel><item><guid>1</guid><title>one</title></item></channel></rss>";
    let (etag, modified) = ("W/\"ab\u{fc} c\"".as_bytes(), "Wed, 27 Nov 2024 16:45:00 GMT");
    origin.set("/feed", Answer::ok("text/xml", body).etag(etag).last_modified(modified));
    let home = Home::new(&format!("[feeds.a]\nurl = {:?}\ninterval = \"100ms\"\n[sinks.out.stdout]\n", origin.url("/feed")));
    let _daemon = home.start().await;
    let first = origin.request("/feed", 1).await;
    assert_eq!((first.header("if-none-match"), first.header("if-modified-since")), (None, None));
    assert!(first.header("user-agent").unwrap().starts_with(b"feedwire/"));
    let second = origin.request("/feed", 2).await;
    assert_eq!((second.header("if-none-match"), second.header("if-modified-since")), (Some(etag), Some(modified.as_bytes())));
    assert_eq!(second.status, 304);
}

/// Promise 4.
#[tokio::test]
async fn what_was_there_before_is_no_news_and_a_restart_repeats_nothing() {
    let origin = Origin::start().await;
    let (none, some) = (Publisher::new(&origin, "/none"), Publisher::new(&origin, "/some"));
    none.publish(20);
    some.publish(20);
    let config = format!(
        "[feeds.none]\nurl = {:?}\ninterval = \"100ms\"\n[feeds.some]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = 2\n[sinks.out.stdout]\n",
        none.url(),
        some.url()
    );
    let home = Home::new(&config);
    let mut daemon = home.start().await;
    assert_eq!(titles(&daemon.printed(2).await), ["Стаття 19", "Стаття 20"]);
    none.read().await;
    none.publish(2);
    assert_eq!(titles(&daemon.printed(4).await[2..]), ["Стаття 21", "Стаття 22"]);
    assert_eq!(daemon.terminate().await, 0);
    assert_eq!(daemon.events().len(), 4);

    some.publish(1);
    let mut daemon = home.start().await;
    assert_eq!(titles(&daemon.printed(1).await), ["Стаття 21"]);
    none.read().await;
    some.read().await;
    daemon.kill();
    assert_eq!(daemon.events().len(), 1);
}

/// Promise 2: the id of an event depends on what happened and on nothing else.
#[tokio::test]
async fn d9_another_state_directory_gives_the_same_ids() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    let home = || Home::new(&format!("[feeds.a]\nurl = {:?}\nbacklog = 2\n[sinks.out.stdout]\n", publisher.url()));
    let (first, second) = (home(), home());
    let ids = |events: Vec<crate::support::Event>| events.iter().map(|e| e.id().to_owned()).collect::<Vec<_>>();
    let once = ids(first.start().await.printed(2).await);
    assert_eq!(once, ids(second.start().await.printed(2).await));
    assert_ne!(once[0], once[1]);
}

/// Promise 7: what decides the next poll outlives the process. Another host's feed is the clock, for the first answer to a restart would
/// be to poll what is overdue.
#[tokio::test]
async fn a_restart_polls_nothing_early() {
    let (origin, other) = (Origin::start().await, Origin::start_at("127.0.0.2".parse().unwrap()).await);
    let (slow, fast) = (Publisher::new(&origin, "/slow"), Publisher::new(&other, "/fast"));
    let url = [slow.url(), fast.url()];
    let home = Home::new(&format!(
        "[feeds.slow]\nurl = {:?}\ninterval = \"1h\"\n[feeds.fast]\nurl = {:?}\ninterval = \"100ms\"\n[sinks.out.stdout]\n",
        url[0], url[1]
    ));
    let mut daemon = home.start().await;
    origin.request("/slow", 1).await;
    // The poll is over when its validators are stored, which nobody outside sees: a few rounds of the clock leave it the time.
    other.more_requests("/fast", 5).await;
    assert_eq!(daemon.terminate().await, 0);
    for end in ["kill", "terminate"] {
        let mut daemon = home.start().await;
        other.more_requests("/fast", 5).await;
        match end {
            "kill" => daemon.kill(),
            _ => assert_eq!(daemon.terminate().await, 0),
        }
    }
    assert_eq!(origin.requests("/slow").all().len(), 1);
}

/// Promise 7: what a document asks for holds, also when its feed has no interval and the budget would allow more, and also after a restart.
#[tokio::test]
async fn a_document_that_asks_for_rest_is_left_alone() {
    let (origin, other) = (Origin::start().await, Origin::start_at("127.0.0.2".parse().unwrap()).await);
    let resting = "<rss version=\"2.0\"><channel><title>a</title><ttl>60</ttl><item><guid>1</guid><title>b</title></item></channel></rss>";
    origin.set("/resting", Answer::ok("application/rss+xml", resting));
    let busy = Publisher::new(&other, "/busy");
    let urls = (origin.url("/resting"), busy.url());
    let home = Home::new(&format!("[feeds.resting]\nurl = {:?}\n[feeds.busy]\nurl = {:?}\n[sinks.out.stdout]\n", urls.0, urls.1));
    for _ in 0..2 {
        let mut daemon = home.start().await;
        origin.request("/resting", 1).await;
        other.more_requests("/busy", 8).await;
        assert_eq!(daemon.terminate().await, 0);
    }
    assert_eq!(origin.requests("/resting").all().len(), 1);
}

/// Promise 7: what the server calls fresh is not asked for again, nor after a restart. Another host's feed is the clock.
#[tokio::test]
async fn p18_p20_what_is_fresh_is_not_asked_for() {
    let (origin, other) = (Origin::start().await, Origin::start_at("127.0.0.3".parse().unwrap()).await);
    let body = "<rss><channel><item><guid>1</guid><title>one</title></item></channel></rss>";
    origin.set("/hour", Answer::ok("text/xml", body).header("cache-control", "public, max-age=3600"));
    origin.set("/etag", Answer::ok("text/xml", body).etag("\"x\"").header("cache-control", "no-cache"));
    let fast = Publisher::new(&other, "/fast");
    let urls = [origin.url("/hour"), origin.url("/etag"), fast.url()];
    let feed = |name: &str, url: &str| format!("[feeds.{name}]\nurl = {url:?}\ninterval = \"100ms\"\n");
    let home = Home::new(&(feed("hour", &urls[0]) + &feed("etag", &urls[1]) + &feed("fast", &urls[2]) + "[sinks.out.stdout]\n"));
    for _ in 0..2 {
        let mut daemon = home.start().await;
        origin.request("/hour", 1).await;
        other.more_requests("/fast", 5).await;
        assert_eq!(daemon.terminate().await, 0);
    }
    assert_eq!(origin.requests("/hour").all().len(), 1);
    assert!(origin.requests("/etag").all().len() > 2, "no-cache is no freshness");
}

/// Promise 4: the first *successful* poll is the first.
#[tokio::test]
async fn a_failed_first_poll_does_not_turn_the_backlog_into_news() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(5);
    origin.set_once("/feed", Answer::status(503));
    origin.set_once("/feed", Answer::ok("text/html", "<!DOCTYPE html><html><body>Just a moment</body></html>").etag("\"challenge\""));
    let home = Home::new(&format!("[feeds.a]\nurl = {:?}\ninterval = \"100ms\"\n[sinks.out.stdout]\n", publisher.url()));
    let daemon = home.start().await;
    let third = origin.request("/feed", 3).await;
    assert_eq!(third.header("if-none-match"), None, "validators of a page that is no feed are not kept");
    publisher.read().await;
    publisher.publish(1);
    assert_eq!(titles(&daemon.printed(1).await), ["Стаття 6"]);
}

#[tokio::test]
async fn changed_words_are_an_update_for_those_who_ask() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(1);
    let config = format!(
        "[feeds.a]\nurl = {:?}\ninterval = \"100ms\"\n[sinks.out.stdout]\n[sinks.hook]\nevents = [\"entry.updated\"]\n[sinks.hook.webhook]\nurl = {:?}\n",
        publisher.url(),
        receiver.url("/")
    );
    let home = Home::new(&config);
    let daemon = home.start().await;
    publisher.read().await;
    publisher.edit(&Article::id(1), |a| a.html = "<div><p>Зміст&nbsp;<b class=\"x\">1</b></p></div>".into());
    publisher.read().await;
    publisher.edit(&Article::id(1), |a| a.title = "Інша стаття".into());
    let event = receiver.received(1).await.remove(0).event;
    assert_eq!((event.kind(), event.title(), event.at("/data/entry/revision")), ("entry.updated", "Інша стаття", &1.into()));
    publisher.publish(1);
    assert_eq!(daemon.printed(1).await[0].kind(), "entry.created", "who did not ask is not told");
}

#[tokio::test]
async fn filters_choose_by_feed_tag_and_text() {
    let origin = Origin::start().await;
    let (a, b) = (Publisher::new(&origin, "/a"), Publisher::new(&origin, "/b"));
    a.publish(3);
    b.publish(1);
    let config = format!(
        "[feeds.glav]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\ntags = [\"ua\"]\n[feeds.other]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n
         [sinks.out]\nfilter = {{ tags = [\"ua\"], feeds = [\"gl*\"], include = [\"(?i)СТАТТЯ\"], exclude = [\"зміст 2\", \"(?i)зміст 3\"] }}\n[sinks.out.stdout]\n",
        a.url(),
        b.url()
    );
    let home = Home::new(&config);
    let mut daemon = home.start().await;
    b.read().await;
    a.read().await;
    daemon.terminate().await;
    assert_eq!(titles(&daemon.events()), ["Стаття 1", "Стаття 2"]);
}

fn titles(events: &[crate::support::Event]) -> Vec<&str> {
    events.iter().map(|e| e.title()).collect()
}
