//! Which entry is new, told from outside: floods, articles of two feeds, and the story of an entry.

use std::fmt::Write as _;

use crate::support::{Answer, Article, Home, Origin, Publisher, Receiver};

/// An RSS document of entries `names`, an hour between them, the first of them the newest.
fn rss(names: &[String], day: u32) -> Answer {
    let mut items = String::new();
    for (n, name) in names.iter().enumerate() {
        let date = format!("{day} Nov 2024 {:02}:00:00 +0200", 23 - n);
        let words = name.repeat(3);
        write!(items, "<item><guid>{name}</guid><link>https://a.ua/{name}</link><title>{words}</title><pubDate>{date}</pubDate></item>")
            .unwrap();
    }
    Answer::ok("text/xml", format!("<rss><channel><title>A</title>{items}</channel></rss>")).etag(format!("\"{day} {}\"", names.concat()))
}

fn names(prefix: &str, n: usize) -> Vec<String> {
    (0..n).map(|n| format!("{prefix}{}", ["є", "ї", "ґ", "ж", "щ", "ю", "я", "ф", "ц", "ш"][n])).collect()
}

fn config(feeds: &[(&str, String)]) -> String {
    feeds.iter().map(|(name, url)| format!("[feeds.{name}]\nurl = {url:?}\ninterval = \"100ms\"\n")).collect()
}

async fn ctl(home: &Home, arguments: &[&str]) -> (i32, Vec<String>) {
    let socket = home.path("state/control.sock");
    let mut ctl = home.launch(&[&["ctl", "--socket", socket.to_str().unwrap()], arguments].concat());
    (ctl.exit().await, ctl.stdout.all())
}

/// Promise 4, and that it costs nothing: what was held back is told when an operator says so, even after a crash.
#[tokio::test]
async fn old_entries_under_new_names_are_held_until_released() {
    let origin = Origin::start().await;
    origin.set("/feed", rss(&names("own", 3), 27));
    let sink = "[sinks.out]\nevents = [\"entry.created\", \"feed.flood\"]\n[sinks.out.stdout]\n";
    let home = Home::new(&(config(&[("a", origin.url("/feed"))]) + sink));
    let mut daemon = home.start().await;
    origin.more_requests("/feed", 2).await;
    origin.set("/feed", rss(&names("moved", 9), 20));
    let flood = daemon.printed(1).await.remove(0);
    assert_eq!((flood.kind(), flood.at("/data/flood/held"), flood.at("/data/flood/entries")), ("feed.flood", &9.into(), &9.into()));
    // The poll that confirms it is over when a conditional request is answered 304.
    while origin.more_requests("/feed", 1).await.status != 304 {}
    assert_eq!(ctl(&home, &["flood", "release", "nobody"]).await.0, 65);
    let (_, lines) = ctl(&home, &["feeds"]).await;
    assert!(lines[1].starts_with("a ") && lines[1].contains("held") && lines[1].ends_with("9 entries held back"), "{lines:?}");
    daemon.kill();
    assert_eq!(daemon.events().len(), 1, "nothing else was told");

    let daemon = home.start().await;
    origin.more_requests("/feed", 2).await;
    assert_eq!(ctl(&home, &["flood", "release", "a"]).await.0, 0);
    let told = daemon.printed(9).await;
    assert_eq!(told.iter().map(|e| e.entry_id().to_owned()).collect::<Vec<_>>(), names("moved", 9).into_iter().rev().collect::<Vec<_>>());
    assert_eq!(ctl(&home, &["flood", "release", "a"]).await.0, 75, "nothing is held back any more");
}

/// One article in two feeds: told twice, with a mark, or once, as the sink wants; a restart in between changes nothing.
#[tokio::test]
async fn an_article_of_two_feeds_is_marked_or_told_once() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let (a, b) = (Publisher::new(&origin, "/a"), Publisher::new(&origin, "/b"));
    let sinks = format!(
        "[sinks.out.stdout]\n[sinks.plain]\nduplicates = \"deliver\"\n[sinks.plain.webhook]\nurl = {:?}\n[sinks.once]\nduplicates = \"drop\"\n[sinks.once.webhook]\nurl = {:?}\n",
        receiver.url("/plain"),
        receiver.url("/once")
    );
    let home = Home::new(&(config(&[("a", a.url()), ("b", b.url())]) + &sinks));
    let mut daemon = home.start().await;
    b.read().await;
    a.publish(1);
    let first = daemon.printed(1).await.remove(0);
    assert_eq!(first.0.pointer("/data/duplicate_of"), None);
    receiver.acknowledged(2).await;
    assert_eq!(daemon.terminate().await, 0);

    let daemon = home.start().await;
    let article = Article::number(1);
    b.publish_article(Article { id: "b-1".into(), url: format!("{}?utm_source=b#x", article.url), ..article });
    let second = daemon.printed(1).await.remove(0);
    assert_eq!((second.feed(), second.str("/data/duplicate_of")), ("b", first.id()));
    b.publish_article(Article::number(2));
    let arrivals = receiver.acknowledged(5).await;
    let to = |path: &str| arrivals.iter().filter(|a| a.path == path).map(|a| a.event.title().to_owned()).collect::<Vec<_>>();
    assert_eq!(to("/once"), ["Стаття 1", "Стаття 2"]);
    assert_eq!(to("/plain"), ["Стаття 1", "Стаття 1", "Стаття 2"]);
    assert!(arrivals.iter().all(|a| a.event.0.pointer("/data/duplicate_of").is_none()), "who wants none is told of none");
}

#[tokio::test]
async fn the_story_of_an_entry_is_told() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    receiver.down().await;
    let publisher = Publisher::new(&origin, "/feed");
    let sinks = format!("[sinks.out.stdout]\n[sinks.hook.webhook]\nurl = {:?}\n", receiver.url("/"));
    let home = Home::new(&(config(&[("a", publisher.url())]) + &sinks));
    let daemon = home.start().await;
    publisher.read().await;
    publisher.publish(1);
    let event = daemon.printed(1).await.remove(0);
    let mut text = String::new();
    // That it was printed is written down a moment after it was.
    while !text.contains("out: delivered") {
        let (code, lines) = ctl(&home, &["why", "http://www.news.example/1.html?utm_source=x"]).await;
        assert!(code == 0 && !lines.is_empty());
        text = lines.join("\n");
    }
    for said in [
        "compared as news.example/1.html",
        "\na: first seen",
        "is in the last document",
        "identifier, link",
        event.id(),
        "out: delivered",
        "hook: waiting, behind 0",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    let (_, lines) = ctl(&home, &["feeds"]).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    let (code, lines) = ctl(&home, &["why", "https://news.example/2.html"]).await;
    assert!(code == 0 && lines.join("\n").contains("no feed remembers"), "{lines:?}");
}
