//! What an operator can do with what waits for a consumer, what was given up, and what was delivered long ago.

use crate::support::{Article, Home, Origin, Publisher, Receiver, Reply};

fn feed(name: &str, publisher: &Publisher) -> String {
    format!("[feeds.{name}]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n", publisher.url())
}

fn hook(name: &str, receiver: &Receiver) -> String {
    format!("[sinks.{name}.webhook]\nurl = {:?}\n", receiver.url("/"))
}

fn ids(arrivals: &[crate::support::Arrival]) -> Vec<String> {
    arrivals.iter().map(|a| a.id().to_owned()).collect()
}

#[tokio::test]
async fn d34_a_replay_repeats_ids_in_order_and_says_so() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(5);
    let home = Home::new(&(feed("a", &publisher) + &hook("hook", &receiver)));
    let mut daemon = home.start().await;
    let first = receiver.acknowledged(5).await;
    assert_eq!(home.ctl(&["replay", "nobody", "--since", "1d"]).await.0, 65);
    assert_eq!(home.ctl(&["replay", "hook", "--since", "yesterday"]).await.0, 64);
    assert_eq!(home.ctl(&["replay", "hook"]).await.0, 64);
    // Across a kill: what has entered is on the disk.
    receiver.down().await;
    let after = first[1].event.str("/sequence").to_owned();
    let (code, said) = home.ctl(&["replay", "hook", "--after", &after]).await;
    assert_eq!((code, said.as_str()), (0, "3 events will be sent to \"hook\" once more, behind its news"));
    daemon.kill();
    publisher.publish(1);
    receiver.up().await;
    let _daemon = home.start().await;
    let all = receiver.acknowledged(9).await;
    let (again, news): (Vec<_>, Vec<_>) = all[5..].iter().cloned().partition(|a| a.headers.contains_key("feedwire-replay"));
    assert_eq!(ids(&again), ids(&first[2..]));
    assert_eq!(again[0].body, first[2].body, "the very event");
    assert!(again.iter().all(|a| a.header("feedwire-replay") == "true" && !a.headers.contains_key("feedwire-lane-seq")));
    assert_eq!(news[0].header("feedwire-lane-seq"), "6", "a replay leaves no hole in the lane");
    assert_eq!(home.ctl(&["replay", "hook", "--since", "1h"]).await.1, "6 events will be sent to \"hook\" once more, behind its news");
    receiver.acknowledged(15).await;
}

/// A slow replay under way, an article comes in between.
#[tokio::test]
async fn d34_news_do_not_wait_for_a_replay() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/feed").window(1000);
    publisher.publish(50);
    let home = Home::new(&(feed("a", &publisher) + &hook("hook", &receiver) + "max_in_flight = 1\n"));
    let _daemon = home.start().await;
    receiver.acknowledged(50).await;
    let gate = crate::support::Gate::shut();
    receiver.answer_when(|a| a.headers.contains_key("feedwire-replay"), Reply::status(204).held(&gate));
    assert_eq!(home.ctl(&["replay", "hook", "--after", "0"]).await.0, 0);
    receiver.until("the first of the replay", |all| all.iter().any(|a| a.headers.contains_key("feedwire-replay"))).await;
    publisher.publish(1);
    publisher.read().await;
    publisher.read().await;
    receiver.clear_rules();
    gate.open();
    let all = receiver.acknowledged(101).await;
    let place = all.iter().position(|a| a.header_or_empty("feedwire-lane-seq") == "51").unwrap();
    assert!(place <= 53, "it came at place {place}, behind 50 that were there and what was under way");
}

#[tokio::test]
async fn d34_dead_letters_are_listed_tried_again_and_dropped() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(4);
    let bad = [Article::id(2), Article::id(3)];
    receiver.answer_when(move |a| bad.iter().any(|id| a.event.entry_id() == id), Reply::status(422));
    let home = Home::new(&(feed("a", &publisher) + &hook("hook", &receiver))).retry("1ms");
    let _daemon = home.start().await;
    receiver.acknowledged(2).await;
    let dead = async || {
        home.ctl(&["dead", "list", "--json"]).await.1.lines().map(|l| serde_json::from_str(l).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    let letters = dead().await;
    let [first, second] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((first["sink"].as_str(), first["feed"].as_str(), first["type"].as_str()), (Some("hook"), Some("a"), Some("entry.created")));
    assert!(first["reason"].as_str().unwrap().starts_with("the answer was 422"), "{first}");
    let (_, listed) = home.ctl(&["dead", "list", "hook"]).await;
    assert_eq!(listed.lines().count(), 4, "{listed}");
    let (id, sequence) = (first["event"].as_str().unwrap(), second["sequence"].as_str().unwrap());
    receiver.clear_rules();
    let (code, said) = home.ctl(&["dead", "retry", "hook", id, "evt_0"]).await;
    assert_eq!((code, said.as_str()), (65, "feedwire: 1 of these are no dead letters of \"hook\"; nothing was done"));
    assert_eq!(home.ctl(&["dead", "retry", "hook", id]).await, (0, "1 dead letters of \"hook\" are tried again, behind the news".into()));
    let arrivals = receiver.acknowledged(3).await;
    assert_eq!((arrivals[2].id(), arrivals[2].header("feedwire-replay")), (id, "true"));
    assert_eq!(dead().await.len(), 1);
    assert_eq!(home.ctl(&["dead", "drop", "hook", sequence]).await.0, 0);
    assert_eq!(dead().await.len(), 0);
    assert_eq!(
        home.ctl(&["dead", "retry", "hook", "--all"]).await,
        (0, "0 dead letters of \"hook\" are tried again, behind the news".into())
    );
    assert_eq!(home.ctl(&["dead", "retry", "hook"]).await.0, 64);
}

#[tokio::test]
async fn what_is_paused_waits_across_restarts_and_goes_on_in_order() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let (publisher, other) = (Publisher::new(&origin, "/feed"), Publisher::new(&origin, "/other"));
    publisher.publish(1);
    let config = feed("a", &publisher) + &feed("b", &other) + &hook("hook", &receiver) + &hook("b", &receiver);
    let home = Home::new(&config);
    let mut daemon = home.start().await;
    receiver.acknowledged(2).await;
    assert_eq!(home.ctl(&["pause", "nobody"]).await.0, 65);
    assert_eq!(home.ctl(&["pause", "b"]).await, (64, "feedwire: \"b\" is a feed and a sink; say which with --feed or --sink".into()));
    for subject in [&["b", "--sink"][..], &["b", "--feed"], &["hook"]] {
        assert_eq!(home.ctl(&[&["pause"], subject].concat()).await.0, 0);
    }
    publisher.publish(3);
    publisher.read().await;
    publisher.read().await;
    daemon.terminate().await;
    other.publish(1);
    let _daemon = home.start().await;
    publisher.read().await;
    publisher.read().await;
    let (_, status) = home.ctl(&["status"]).await;
    let states: Vec<_> = status.lines().filter(|l| l.contains(" paused ")).filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(states, ["b", "hook", "b"], "{status}");
    assert_eq!(receiver.arrivals().len(), 2);
    for subject in [&["hook"][..], &["b", "--sink"], &["b", "--feed"]] {
        assert_eq!(home.ctl(&[&["resume"], subject].concat()).await.0, 0);
    }
    let arrivals = receiver.acknowledged(10).await;
    let of_a: Vec<_> = arrivals.iter().filter(|a| a.event.str("/partitionkey") == "a").map(|a| a.header("feedwire-lane-seq")).collect();
    assert_eq!(of_a.iter().filter(|n| **n == "4").count(), 2, "{of_a:?}");
}

#[tokio::test]
async fn d24_a_consumer_that_is_gone_is_told_of_and_goes_on_when_it_is_resumed() {
    let origin = Origin::start().await;
    let (receiver, operator) = (Receiver::start().await, Receiver::start().await);
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(3);
    receiver.answer_once(Reply::status(410));
    let alarms = format!(
        "[sinks.alarms]\nevents = [\"sink.disabled\", \"sink.recovered\"]\n[sinks.alarms.webhook]\nurl = {:?}\n",
        operator.url("/")
    );
    let home = Home::new(&(feed("a", &publisher) + &hook("hook", &receiver) + &alarms)).retry("1ms");
    let mut daemon = home.start().await;
    let told = operator.acknowledged(1).await;
    assert_eq!(told[0].event.str("/type"), "sink.disabled");
    assert_eq!((told[0].event.str("/source"), told[0].event.str("/data/sink/state")), ("urn:feedwire:main:sink:hook", "gone"));
    assert_eq!(told[0].event.at("/data/sink/waiting"), 3);
    // It is not told again after a restart, and its end is.
    receiver.answer_once(Reply::status(410));
    daemon.terminate().await;
    let _daemon = home.start().await;
    receiver.received(2).await;
    assert_eq!(home.ctl(&["resume", "hook"]).await.0, 0);
    let arrivals = receiver.acknowledged(3).await;
    assert_eq!(arrivals.iter().map(|a| a.event.entry_id().to_owned()).collect::<Vec<_>>(), publisher.published());
    let told = operator.acknowledged(2).await;
    assert_eq!((told[1].event.str("/type"), told[1].event.str("/data/sink/state")), ("sink.recovered", "ok"));
}

#[tokio::test]
async fn d39_a_new_sink_begins_now_or_with_its_backlog() {
    let origin = Origin::start().await;
    let receivers = [Receiver::start().await, Receiver::start().await, Receiver::start().await];
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(6);
    let config = feed("a", &publisher) + &hook("first", &receivers[0]);
    let home = Home::new(&config);
    let daemon = home.start().await;
    let first = receivers[0].acknowledged(6).await;
    let more = format!("{}[sinks.some]\nbacklog = 4\n{}", hook("none", &receivers[1]), hook("some", &receivers[2]));
    home.configure(&(config.clone() + &more));
    daemon.hup();
    let some = receivers[2].acknowledged(4).await;
    assert_eq!(ids(&some), ids(&first[2..]));
    assert_eq!(some[0].header("feedwire-lane-seq"), "1");
    publisher.publish(1);
    receivers[2].acknowledged(5).await;
    assert_eq!(receivers[1].acknowledged(1).await.len(), 1);
    // It is new once.
    daemon.hup();
    daemon.ready(3).await;
    publisher.publish(1);
    assert_eq!(receivers[2].acknowledged(6).await.len(), 6);
}

#[tokio::test]
async fn a_test_says_whether_a_sink_works() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    let home = Home::new(&(feed("a", &publisher) + &hook("hook", &receiver)));
    let _daemon = home.start().await;
    let (code, said) = home.ctl(&["test", "hook"]).await;
    assert!(code == 0 && said.starts_with("\"hook\" took a feedwire.ping in "), "{said}");
    let ping = &receiver.acknowledged(1).await[0];
    assert_eq!((ping.event.str("/type"), ping.event.str("/data/sink/id")), ("feedwire.ping", "hook"));
    receiver.answer_once(Reply::status(500));
    let (code, said) = home.ctl(&["test", "hook"]).await;
    assert_eq!((code, said.as_str()), (1, "feedwire: \"hook\" did not take a feedwire.ping: the answer was 500 Internal Server Error"));
    assert_eq!(home.ctl(&["test", "nobody"]).await.0, 65);
    assert_eq!(receiver.arrivals().len(), 2, "a test is not repeated");
}

#[tokio::test]
async fn d37_a_sink_that_is_taken_out_keeps_its_events_until_it_is_forgotten() {
    let origin = Origin::start().await;
    let (kept, gone) = (Receiver::start().await, Receiver::start().await);
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    gone.down().await;
    let config = feed("a", &publisher) + &hook("kept", &kept);
    let home = Home::new(&(config.clone() + &hook("gone", &gone))).retry("10s");
    let daemon = home.start().await;
    kept.acknowledged(2).await;
    assert_eq!(home.ctl(&["forget", "gone"]).await.0, 75, "it is configured");
    let reconfigure = async |text: &str, n: usize| {
        home.configure(text);
        daemon.hup();
        daemon.ready(n).await;
    };
    reconfigure(&config, 2).await;
    let (_, sinks) = home.ctl(&["sinks"]).await;
    assert!(sinks.lines().any(|l| l.starts_with("gone ") && l.contains(" removed ") && l.contains(" 2 ")), "{sinks}");
    // Under its name, it goes on.
    gone.up().await;
    reconfigure(&(config.clone() + &hook("gone", &gone)), 3).await;
    assert_eq!(ids(&gone.acknowledged(2).await), ids(&kept.acknowledged(2).await));
    gone.down().await;
    publisher.publish(1);
    kept.acknowledged(3).await;
    reconfigure(&config, 4).await;
    let told = "\"gone\" is forgotten, with 1 event that waited and 0 dead letters";
    assert_eq!(home.ctl(&["forget", "gone"]).await, (0, told.into()));
    assert_eq!(home.ctl(&["forget", "gone"]).await.0, 65);
    assert!(!home.ctl(&["sinks"]).await.1.contains("gone"));
    // It is new.
    gone.up().await;
    reconfigure(&(config.clone() + &hook("gone", &gone)), 5).await;
    publisher.publish(1);
    let arrivals = gone.acknowledged(3).await;
    assert_eq!((arrivals[2].event.entry_id(), arrivals[2].header("feedwire-lane-seq")), (Article::id(4).as_str(), "1"));
}
