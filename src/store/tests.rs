//! The store's contract, on a real database in a temporary directory.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::domain::delivery::{Order, Trials};
use crate::domain::entry::{Entry, Markup};
use crate::domain::event::{EventId, EventKind, Happening, Report, Scene, What};
use crate::domain::feed::Fingerprint;
use crate::domain::identity::Key;
use crate::domain::memory::{Hot, Item, Mark, Minute};
use crate::domain::plan::Destination;
use crate::domain::story::Claim;
use crate::domain::text::{Gist, Sketch};

mod compact;
mod torn;

pub(super) const DAY: Duration = Duration::from_secs(86_400);
pub(super) const NOW: Timestamp = Timestamp(1_732_725_900_000);

pub(super) fn open(dir: &Path) -> (Store, Closing) {
    Store::open(&Options { dir: dir.to_owned(), cache: 8 << 20 }).unwrap()
}

/// Ends a store as a crash would leave it: nothing is written that was not before.
pub(super) async fn close(store: Store, closing: Closing) {
    store.close().await;
    drop(store);
    tokio::task::spawn_blocking(|| closing.wait()).await.unwrap();
}

fn item(n: u8) -> Item {
    let id = Key::from_bytes([n; 16]);
    Item {
        id,
        aliases: vec![id.alias(), Alias(n.into())],
        date: Minute(n.into()),
        first: Minute(1),
        sketch: Sketch::default(),
        revision: 0,
        by: None,
    }
}

fn hot(n: u8) -> Hot {
    Hot { fingerprint: Fingerprint(n.into()), item: item(n), gist: Gist::default(), told: Minute(0), streak: 0, held: false }
}

/// A poll that found the entries `numbers`, for one sink.
pub(super) fn update(base: u64, numbers: &[u8], time: Timestamp) -> Update {
    let event = |n: &u8| {
        let entry = Entry { title: Some(format!("title {n}")), content: Some(Markup::Text("x".repeat(3000))), ..Entry::default() };
        let happening = Happening {
            id: EventId(format!("evt_{n}")),
            kind: EventKind::Created,
            what: What::Entry(Box::new(Report { entry, ..Report::default() })),
        };
        (happening, vec![Destination { sink: 1, order: Order::Feed }])
    };
    Update {
        base,
        state: FeedState { polls: base + 1, established: true, ..FeedState::default() },
        hot: Some(numbers.iter().map(|n| hot(*n)).collect()),
        cold: vec![],
        marks: None,
        claims: vec![],
        scene: Scene {
            instance: "main".into(),
            feed: FeedId(Arc::from("f")),
            url: "https://a.ua/".into(),
            title: None,
            site_url: None,
            tags: vec![],
            fetched_at: time,
            time,
            first_poll: false,
        },
        events: numbers.iter().map(event).collect(),
    }
}

/// Takes heads off the sink's lanes until none is left.
pub(super) async fn drain(store: &Store) -> Vec<(u64, u64, String)> {
    let mut out = vec![];
    while let Some(lane) = store.claim(1, Timestamp::MAX, true) {
        let delivery = store.head(lane, 1).await.unwrap().unwrap().unwrap();
        out.push((delivery.event.sequence, delivery.lane_seq, delivery.event.happening.id.0.clone()));
        store.settle(lane, delivery.lane_seq, Settlement::Acknowledge, NOW).await.unwrap();
    }
    out
}

#[tokio::test]
async fn what_is_recorded_is_there_after_reopening_and_delivered_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    let numbers: Vec<u8> = (0..200).collect();
    let recorded = store.record(7, update(0, &numbers, NOW)).await.unwrap();
    assert_eq!(recorded, Recorded { applied: true, events: 200 });
    close(store, closing).await;

    let (store, closing) = open(dir.path());
    assert_eq!((store.sequence(), store.backlog(1)), (200, (200, 0)));
    assert_eq!(store.memory(7).await.unwrap().hot, numbers.iter().map(|n| hot(*n)).collect::<Vec<_>>());
    assert!(store.feed_state(7).await.unwrap().established);
    let expected: Vec<_> = (0..200u64).map(|n| (n + 1, n + 1, format!("evt_{n}"))).collect();
    assert_eq!(drain(&store).await, expected);
    assert_eq!((store.backlog(1), store.next_due(1, true)), ((0, 0), Timestamp::MAX));
    close(store, closing).await;
    let (store, closing) = open(dir.path());
    assert_eq!(drain(&store).await, []);
    close(store, closing).await;
}

#[tokio::test]
async fn an_update_is_applied_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    store.record(7, update(0, &[1], NOW)).await.unwrap();
    assert_eq!(store.record(7, update(0, &[1], NOW)).await.unwrap(), Recorded { applied: false, events: 0 });
    assert_eq!(store.record(7, update(1, &[2], NOW)).await.unwrap(), Recorded { applied: true, events: 1 });
    assert_eq!(store.sequence(), 2);
    close(store, closing).await;
}

#[tokio::test]
async fn a_postponed_head_waits_and_a_settled_one_stays_settled() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    store.record(7, update(0, &[1, 2], NOW)).await.unwrap();
    let lane = store.claim(1, NOW, true).unwrap();
    let later = NOW.after(DAY);
    let trials = Trials { failed: 1, next_at: later, ..Trials::default() };
    store.settle(lane, 1, Settlement::Postpone(trials.clone()), NOW).await.unwrap();
    assert_eq!((store.claim(1, NOW, true), store.next_due(1, true)), (None, later));
    close(store, closing).await;

    let (store, closing) = open(dir.path());
    assert_eq!((store.claim(1, NOW, true), store.next_due(1, true)), (None, later));
    let lane = store.claim(1, later, true).unwrap();
    assert_eq!(store.head(lane, 1).await.unwrap().unwrap().unwrap().trials, trials);
    store.settle(lane, 1, Settlement::Acknowledge, NOW).await.unwrap();
    store.settle(lane, 1, Settlement::Acknowledge, NOW).await.unwrap();
    assert_eq!(store.backlog(1).0, 1);
    let delivery = store.head(lane, 1).await.unwrap().unwrap().unwrap();
    assert_eq!((delivery.lane_seq, delivery.trials), (2, Trials::default()));
    close(store, closing).await;
}

#[tokio::test]
async fn a_buried_event_is_kept_and_its_lane_moves_on() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    store.record(7, update(0, &[1, 2], NOW)).await.unwrap();
    let lane = store.claim(1, NOW, true).unwrap();
    store.settle(lane, 1, Settlement::Bury("400".into()), NOW).await.unwrap();
    assert_eq!(store.backlog(1), (1, 1));
    assert_eq!(drain(&store).await, [(2, 2, "evt_2".into())]);
    close(store, closing).await;
    let (store, closing) = open(dir.path());
    assert_eq!(store.backlog(1), (0, 1));
    store.prune(NOW.after(DEAD_RETENTION + DAY), Duration::ZERO).await.unwrap();
    assert_eq!(store.backlog(1), (0, 0));
    close(store, closing).await;
}

#[tokio::test]
async fn pruning_takes_what_is_old_and_delivered_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    for base in 0..300 {
        store.record(7, update(base, &[1], NOW)).await.unwrap();
    }
    let events = |store: Store| async move { store.read(|e| Ok(e.scan(key::Table::Event, &[], &[], usize::MAX)?.len())).await.unwrap() };
    for _ in 0..100 {
        let lane = store.claim(1, Timestamp::MAX, true).unwrap();
        let head = store.head(lane, 1).await.unwrap().unwrap().unwrap().lane_seq;
        store.settle(lane, head, Settlement::Acknowledge, NOW).await.unwrap();
    }
    store.prune(NOW.after(DAY), 2 * DAY).await.unwrap();
    assert_eq!(events(store.clone()).await, 300);
    store.prune(NOW.after(3 * DAY), 2 * DAY).await.unwrap();
    assert_eq!(events(store.clone()).await, 200);
    assert_eq!(drain(&store).await.len(), 200);
    store.prune(NOW.after(3 * DAY), 2 * DAY).await.unwrap();
    assert_eq!(events(store.clone()).await, 0);
    close(store, closing).await;
}

#[tokio::test]
async fn cold_entries_are_found_and_old_ones_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    let cold = |n: u8, day| Cold { item: item(n), day };
    for (base, day) in [(0, 100), (1, 300), (2, 700)] {
        let entries: Vec<_> = (0..125).map(|n| cold(((base as u8) << 6) | (n % 64), day)).collect();
        let update = Update { cold: entries, events: vec![], hot: None, ..update(base, &[], NOW) };
        store.record(7, update).await.unwrap();
    }
    let of = |n: u8| vec![item(n).id.alias(), Alias(u64::MAX)];
    assert_eq!(store.cold(7, of(1)).await.unwrap(), [], "400 days have passed since day 100");
    assert_eq!(store.cold(7, of(65)).await.unwrap().last(), Some(&cold(65, 300)));
    assert_eq!(store.cold(7, vec![Alias(129)]).await.unwrap().last(), Some(&cold(129, 700)), "by any of its names");
    assert_eq!(store.cold(7, of(255)).await.unwrap(), []);
    assert_eq!(store.cold(8, of(129)).await.unwrap(), []);
    close(store, closing).await;
}

#[tokio::test]
async fn marks_and_claims_are_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    let marks: Vec<_> = (0..1000).map(|n| Mark { alias: Alias(n), day: 20_000 }).collect();
    let claim = |n: u64| Claim { keys: vec![n], event: n.into(), feed: 1, sinks: vec![1], at: NOW.0 };
    let claims = (1..1000).map(claim).collect();
    store.record(7, Update { marks: Some(marks.clone()), claims, ..update(0, &[1], NOW) }).await.unwrap();
    store.record(7, Update { claims: vec![claim(1000)], ..update(1, &[1], NOW) }).await.unwrap();
    close(store, closing).await;

    let (store, closing) = open(dir.path());
    assert_eq!(store.memory(7).await.unwrap().marks, marks);
    let (feed, other) = (FeedId(Arc::from("g")), EventId::from_bits(5000));
    let known = |stories: &Stories| (1..=1000).filter(|n| stories.origin(&[*n], &feed, &other).is_some()).count();
    assert_eq!(known(&store.stories().await.unwrap()), 1000);
    store.prune(NOW.after(30 * DAY), DAY).await.unwrap();
    let left = known(&store.stories().await.unwrap());
    assert!(left < 200, "all but the newest chunk are gone: {left}");
    close(store, closing).await;
}

#[tokio::test]
async fn what_is_held_back_can_be_decided_about() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    assert!(!store.decide(7, Decision::Release).await.unwrap(), "never polled");
    let flood = Some(crate::domain::feed::Flood { since: NOW, held: 9, confirmed: true, released: false });
    let mut held = update(0, &[], NOW);
    held.state.flood = flood;
    store.record(7, held).await.unwrap();
    assert!(store.decide(7, Decision::Release).await.unwrap());
    assert!(store.feed_state(7).await.unwrap().flood.unwrap().released);
    assert!(!store.record(7, update(1, &[1], NOW)).await.unwrap().applied, "a poll that was under way has not seen the decision");
    assert!(store.decide(7, Decision::Drop).await.unwrap() && !store.decide(7, Decision::Drop).await.unwrap());
    close(store, closing).await;
}

#[tokio::test]
async fn names_keep_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    let feeds = |names: &[&str]| names.iter().map(|n| FeedId(Arc::from(*n))).collect::<Vec<_>>();
    let sinks = |names: &[&str]| names.iter().map(|n| SinkId(Arc::from(*n))).collect::<Vec<_>>();
    assert_eq!(store.number(feeds(&["a", "b"]), sinks(&["x"])).await.unwrap(), (vec![1, 2], vec![1]));
    assert_eq!(store.number(feeds(&["c", "b"]), sinks(&["y", "x"])).await.unwrap(), (vec![3, 2], vec![2, 1]));
    close(store, closing).await;
    let (store, closing) = open(dir.path());
    let many: Vec<_> = (0..1000).map(|n| FeedId(Arc::from(n.to_string()))).collect();
    let (numbers, _) = store.number(many, vec![]).await.unwrap();
    assert_eq!(numbers, (4..1004).collect::<Vec<_>>());
    close(store, closing).await;
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    let again = Store::open(&Options { dir: dir.path().to_owned(), cache: 8 << 20 });
    assert!(matches!(again, Err(StoreError::InUse { .. })));
    close(store, closing).await;
    let (store, closing) = open(dir.path());
    close(store, closing).await;
}

#[tokio::test]
async fn a_store_that_lost_commits_in_silence_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    store.record(7, update(0, &[1], NOW)).await.unwrap();
    close(store, closing).await;
    guard::write_watermark(dir.path(), 99, 0).unwrap();
    let refused = Store::open(&Options { dir: dir.path().to_owned(), cache: 8 << 20 }).err().unwrap();
    assert!(refused.to_string().contains("99 commits were on the disk, 1 are left"), "{refused}");
}

#[tokio::test]
async fn a_half_written_snapshot_does_not_keep_the_store_shut() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    store.record(7, update(0, &[1], NOW)).await.unwrap();
    close(store, closing).await;
    std::fs::write(dir.path().join("db-0/snap.0000000000000ABC.generating"), b"half").unwrap();
    let (store, closing) = open(dir.path());
    assert_eq!(store.sequence(), 1);
    close(store, closing).await;
}

#[tokio::test]
async fn the_database_is_opened_again_after_a_failure_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    store.record(7, update(0, &[1], NOW)).await.unwrap();
    *store.shared.engine.write().unwrap() = None;
    assert!(store.record(7, update(1, &[2], NOW)).await.unwrap().applied);
    assert!(store.is_healthy());
    assert_eq!(drain(&store).await.len(), 2);
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = asked.clone();
    let answer = store.read(move |engine| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Err(engine.damaged_row(key::Table::Meta)),
        _ => Ok(5),
    });
    assert_eq!(answer.await.unwrap(), 5);
    assert!(store.is_healthy());
    close(store, closing).await;
}
