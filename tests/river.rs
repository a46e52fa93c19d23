//! The newest entries of all feeds as one feed, for feed readers, feedwire among them.

use std::collections::HashMap;

use serde_json::Value;

use crate::support::pages::{address, client, page, text};
use crate::support::{Article, Format, Home, Origin, Publisher};

const ADMIN: &str = "[sinks.out.stdout]\n[admin]\nlisten = \"127.0.0.1:0\"\n";

fn feed(name: &str, publisher: &Publisher) -> String {
    format!("[feeds.{name}]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n", publisher.url())
}

#[tokio::test]
async fn the_river_is_the_newest_of_all_feeds_and_says_when_it_has_not_changed() {
    let origin = Origin::start().await;
    let (a, b) = (Publisher::new(&origin, "/a"), Publisher::new(&origin, "/b").format(Format::Atom));
    a.publish(3);
    let home = Home::new(&(feed("a", &a) + &feed("b", &b) + ADMIN));
    let daemon = home.start().await;
    let address = address(&daemon).await;
    daemon.printed(3).await;
    b.publish_article(Article { title: "Є, і, ї та ґ — об’єкт ]]> & \"так\"".into(), ..Article::number(9) });
    daemon.printed(4).await;
    for (path, kind) in [("/feed.atom", "application/atom+xml; charset=utf-8"), ("/feed.json", "application/feed+json; charset=utf-8")] {
        let get = |tag: Option<String>| {
            let request = client().get(format!("http://{address}{path}?limit=2"));
            tag.into_iter().fold(request, |request, tag| request.header("if-none-match", tag)).send()
        };
        let answer = get(None).await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let tag = header("etag");
        assert_eq!((header("content-type"), header("x-content-type-options")), (kind.into(), "nosniff".into()));
        let same = get(Some(format!("\"other\", {tag}"))).await.unwrap();
        assert_eq!((same.status().as_u16(), same.headers()["etag"].to_str().unwrap()), (304, tag.as_str()));
        assert_eq!(get(Some("\"other\"".into())).await.unwrap().status().as_u16(), 200);
        assert!(answer.text().await.unwrap().contains(&format!("http://{address}{path}?limit=2")), "a link to itself");
    }
    let river = page(&address, "/feed.json?limit=2").await;
    let titles: Vec<_> = river["items"].as_array().unwrap().iter().map(|item| text(item, "/title")).collect();
    assert_eq!(titles, ["Є, і, ї та ґ — об’єкт ]]> & \"так\"", "Стаття 3"]);
    let only: Value = page(&address, "/feed.json?feed=a").await;
    assert_eq!((only["items"].as_array().unwrap().len(), text(&only, "/_feedwire/id")), (3, "urn:feedwire:main:river:feed:a"));
}

/// An entry has one id in the river, whether it was new or has changed.
#[tokio::test]
async fn an_update_has_the_id_of_its_entry() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(1);
    let new = Home::new(&(feed("a", &publisher) + ADMIN));
    let daemon = new.start().await;
    let id = daemon.printed(1).await[0].id().trim_start_matches("evt_").to_owned();
    let first = page(&address(&daemon).await, "/feed.json").await;
    assert_eq!(text(&first, "/items/0/id"), format!("urn:feedwire:main:entry:{id}"));
    // An entry that was there before is no news, but a change of it is.
    let config = feed("a", &publisher).replace("\"all\"", "\"none\"") + "[sinks.out]\nevents = [\"entry.updated\"]\n" + ADMIN;
    let other = Home::new(&config);
    let daemon = other.start().await;
    publisher.read().await;
    publisher.edit(&Article::id(1), |article| article.title = "Зовсім інша назва".into());
    assert_eq!(daemon.printed(1).await[0].kind(), "entry.updated");
    let river = page(&address(&daemon).await, "/feed.json").await;
    assert_eq!((text(&river, "/items/0/id"), text(&river, "/items/0/title")), (text(&first, "/items/0/id"), "Зовсім інша назва"));
}

#[tokio::test]
async fn a_river_flows_into_another_feedwire() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(4);
    let source = Home::new(&(feed("a", &publisher) + ADMIN));
    let upper = source.start().await;
    let address = address(&upper).await;
    upper.printed(4).await;
    let feeds = ["atom", "json"]
        .map(|form| format!("[feeds.{form}]\nurl = \"http://{address}/feed.{form}\"\ninterval = \"100ms\"\nbacklog = \"all\"\n"));
    let lower = Home::new(&(feeds.concat() + "[sinks.out.stdout]\n"));
    let daemon = lower.start().await;
    daemon.printed(8).await;
    publisher.publish(2);
    upper.printed(6).await;
    let printed = daemon.printed(12).await;
    let expected: HashMap<_, _> = upper.events().into_iter().map(|event| (event.title().to_owned(), event)).collect();
    for event in &printed {
        let origin = &expected[event.title()];
        for part in ["url", "published", "content_html", "content_text", "language", "summary"] {
            assert_eq!(event.at(&format!("/data/entry/{part}")), origin.at(&format!("/data/entry/{part}")), "{} {part}", event.feed());
        }
        let id = origin.id().trim_start_matches("evt_");
        assert_eq!(event.entry_id(), format!("urn:feedwire:main:entry:{id}"));
    }
}
