//! What is sent once more, what a new sink begins with, and what is done about dead letters, on a real database.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::tests::{NOW, close, drain, open, update};
use super::*;
use crate::domain::delivery::{DeadLetter, Order};
use crate::domain::event::EventKind;
use crate::domain::feed::Backlog;
use crate::domain::filter::{Duplicates, Filter, Route};

fn route(sink: u32) -> Route {
    let events = Arc::from([EventKind::Created]);
    Route { sink, events, order: Order::Feed, filter: Arc::new(Filter::default()), duplicates: Duplicates::Mark }
}

fn ids(numbers: impl Iterator<Item = u64>) -> Vec<String> {
    numbers.map(|n| format!("evt_{n}")).collect()
}

/// A store with 200 events in several packs, an hour apart from 20 more, all delivered to sink 1.
async fn delivered(dir: &Path) -> (Store, Closing) {
    let (store, closing) = open(dir);
    store.number(vec![], vec![SinkId(Arc::from("first"))]).await.unwrap();
    store.record(7, update(0, &(0..200).collect::<Vec<_>>(), NOW)).await.unwrap();
    store.record(7, update(1, &(200..220).collect::<Vec<_>>(), NOW.after(Duration::from_secs(3600)))).await.unwrap();
    assert_eq!(drain(&store).await.len(), 220);
    (store, closing)
}

#[tokio::test]
async fn d34_a_replay_has_the_same_ids_in_order_and_leaves_the_lane_of_news_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = delivered(dir.path()).await;
    assert_eq!(store.replay(&route(1), Since::After(70), NOW).await.unwrap(), 150);
    close(store, closing).await;
    let (store, closing) = open(dir.path());
    assert_eq!(store.backlog(1), (150, 0));
    store.record(7, update(2, &[250], NOW)).await.unwrap();
    let lane = store.claim(1, NOW, true).unwrap();
    let news = store.head(lane, 1).await.unwrap().unwrap().unwrap();
    assert_eq!((lane.is_again(), news.lane_seq, news.event.happening.id.0.as_str()), (false, 221, "evt_250"));
    store.settle(lane, 221, Settlement::Acknowledge, NOW).await.unwrap();
    let again = drain(&store).await;
    assert_eq!(again.iter().map(|(_, _, id)| id.clone()).collect::<Vec<_>>(), ids(70..220));
    assert!(again.iter().map(|(sequence, _, _)| *sequence).eq(71..=220));
    close(store, closing).await;
}

#[tokio::test]
async fn d34_a_replay_begins_at_a_time_and_obeys_the_filter() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = delivered(dir.path()).await;
    let half_past = NOW.after(Duration::from_secs(1800));
    assert_eq!(store.replay(&route(1), Since::Time(half_past), NOW).await.unwrap(), 20);
    assert_eq!(drain(&store).await.into_iter().map(|(_, _, id)| id).collect::<Vec<_>>(), ids(200..220));
    assert_eq!(store.replay(&route(1), Since::Time(half_past.after(Duration::from_secs(7200))), NOW).await.unwrap(), 0);
    assert_eq!(store.replay(&route(1), Since::Time(Timestamp(0)), NOW).await.unwrap(), 220);
    assert_eq!(drain(&store).await.len(), 220);
    let filter = Filter { include: regex::RegexSet::new(["title 19[0-9]"]).ok(), ..Filter::default() };
    let picky = Route { filter: Arc::new(filter), ..route(1) };
    assert_eq!(store.replay(&picky, Since::After(0), NOW).await.unwrap(), 10);
    let other = Route { events: Arc::from([EventKind::Updated]), ..route(1) };
    assert_eq!(store.replay(&other, Since::After(0), NOW).await.unwrap(), 0);
    close(store, closing).await;
}

#[tokio::test]
async fn d39_a_new_sink_begins_with_its_backlog_once() {
    for (backlog, expected) in [(Backlog::None, 220..220), (Backlog::Newest(100), 120..220), (Backlog::All, 0..220)] {
        let dir = tempfile::tempdir().unwrap();
        let (store, closing) = delivered(dir.path()).await;
        assert_eq!(store.welcome(&route(1), Backlog::None, NOW).await.unwrap(), 0, "the first sink has nothing to come");
        let (_, sinks) = store.number(vec![], vec![SinkId(Arc::from("late"))]).await.unwrap();
        let late = route(sinks[0]);
        let count = expected.end - expected.start;
        assert_eq!(store.welcome(&late, backlog, NOW).await.unwrap(), count);
        assert_eq!(store.welcome(&late, Backlog::All, NOW).await.unwrap(), 0, "it is not new any more");
        close(store, closing).await;
        let (store, closing) = open(dir.path());
        assert_eq!((store.welcome(&late, Backlog::All, NOW).await.unwrap(), store.backlog(late.sink)), (0, (count, 0)));
        let mut got = vec![];
        while let Some(lane) = store.claim(late.sink, Timestamp::MAX, false) {
            let delivery = store.head(lane, 1).await.unwrap().unwrap().unwrap();
            got.push(delivery.event.happening.id.0);
            store.settle(lane, delivery.lane_seq, Settlement::Acknowledge, NOW).await.unwrap();
        }
        assert_eq!(got, ids(expected));
        close(store, closing).await;
    }
}

#[tokio::test]
async fn d34_dead_letters_are_listed_tried_again_and_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    store.record(7, update(0, &[1, 2, 3, 4], NOW)).await.unwrap();
    while let Some(lane) = store.claim(1, NOW, true) {
        let delivery = store.head(lane, 1).await.unwrap().unwrap().unwrap();
        store.settle(lane, delivery.lane_seq, Settlement::Bury(format!("400 {}", delivery.lane_seq)), NOW).await.unwrap();
    }
    assert_eq!(store.backlog(1), (0, 4));
    let letters = store.dead_letters(1, 1, 2).await.unwrap();
    let told = |l: &DeadLetter| (l.sequence, l.reason.clone(), l.event.as_ref().map(|e| e.happening.id.0.clone()));
    assert_eq!(letters.iter().map(told).collect::<Vec<_>>(), [2, 3].map(|n| (n, format!("400 {n}"), Some(format!("evt_{n}")))));
    assert_eq!(store.redeem(1, vec![2, 4, 99], Some(Order::Feed), NOW).await.unwrap(), 2);
    assert_eq!(store.redeem(1, vec![1], None, NOW).await.unwrap(), 1);
    close(store, closing).await;
    let (store, closing) = open(dir.path());
    assert_eq!(store.backlog(1), (2, 1));
    let lane = store.claim(1, NOW, true).unwrap();
    assert!(lane.is_again());
    store.release(lane, NOW);
    assert_eq!(drain(&store).await.into_iter().map(|(_, _, id)| id).collect::<Vec<_>>(), ["evt_2", "evt_4"]);
    assert_eq!(store.dead_letters(1, 0, 9).await.unwrap().iter().map(|l| l.sequence).collect::<Vec<_>>(), [3]);
    close(store, closing).await;
}

#[tokio::test]
async fn what_is_paused_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    store.pause_sink(1, true).await.unwrap();
    store.pause_feed(7, true).await.unwrap();
    store.pause_feed(8, true).await.unwrap();
    store.pause_feed(8, false).await.unwrap();
    close(store, closing).await;
    let (store, closing) = open(dir.path());
    assert_eq!((store.sink_state(1).await.unwrap(), store.sink_state(2).await.unwrap()), ((true, None), (false, None)));
    assert_eq!(store.paused_feeds().await.unwrap(), HashSet::from([7]));
    close(store, closing).await;
}

#[tokio::test]
async fn d37_nothing_is_left_on_the_disk_of_a_sink_that_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    let gone = SinkId(Arc::from("gone"));
    store.number(vec![], vec![gone.clone()]).await.unwrap();
    store.record(7, update(0, &(0..200).collect::<Vec<_>>(), NOW)).await.unwrap();
    let rows = async || {
        let count = |engine: &Engine| key::all_of_sink(1).iter().map(|of| Ok(engine.scan(key::Table::Outbox, of, &[], 9999)?.len())).sum();
        store.read(count).await.unwrap()
    };
    let before: usize = rows().await;
    assert!(before > 1, "{before}");
    store.forget(gone, 1).await.unwrap();
    assert_eq!(rows().await, 0);
    close(store, closing).await;
}

/// As many as a sink takes at once, but not many bytes.
#[tokio::test]
async fn a_batch_ends_with_the_event_that_makes_it_large() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    store.record(7, update(0, &(0..200).collect::<Vec<_>>(), NOW)).await.unwrap();
    let lane = store.claim(1, NOW, true).unwrap();
    let few = store.head(lane, 10).await.unwrap().unwrap().unwrap();
    assert_eq!((few.count(), few.last_seq()), (10, 10));
    let (mut sizes, mut last) = (vec![], 0);
    while let Some(Ok(delivery)) = store.head(lane, 200).await.unwrap() {
        assert_eq!(delivery.lane_seq, last + 1);
        sizes.push(delivery.count());
        last = delivery.last_seq();
        store.settle(lane, last, Settlement::Acknowledge, NOW).await.unwrap();
    }
    // Of 3,000 bytes each.
    assert_eq!((sizes.first(), sizes.iter().sum::<usize>()), (Some(&175), 200));
    close(store, closing).await;
}
