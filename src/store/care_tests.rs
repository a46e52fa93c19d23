//! Backup, restore and check, on real databases.

use std::collections::BTreeMap;

use super::engine::Engine;
use super::key::{self, TABLES, Table};
use super::row::{self, MetaRow};
use super::tests::{NOW, close, drain, open, update};
use super::*;
use crate::domain::delivery::{Order, Trials};
use crate::domain::event::EventKind;
use crate::domain::filter::{Duplicates, Filter, Route};

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Every row of a state that is not open.
fn rows(dir: &Path) -> Rows {
    let engine = Engine::open(&guard::current(dir).unwrap(), 8 << 20).unwrap();
    let mut rows = Rows::new();
    for table in TABLES {
        for (key, value) in engine.scan(table, &[], &[], usize::MAX).unwrap() {
            rows.insert((table, key.to_vec()), value.to_vec());
        }
    }
    rows
}

fn without_state(mut rows: Rows) -> (Rows, MetaRow) {
    let meta = rows.remove(&(Table::Meta, key::META_STATE.to_vec())).unwrap();
    (rows, row::decode(&meta).unwrap())
}

fn route() -> Route {
    Route {
        sink: 1,
        events: Arc::from([EventKind::Created]),
        order: Order::Feed,
        filter: Arc::new(Filter::default()),
        duplicates: Duplicates::Mark,
    }
}

/// Feeds, entries, events; some wait, one is postponed, one is dead, some are sent once more, a sink and a feed are paused.
async fn fill(dir: &Path) {
    let (store, closing) = open(dir);
    store.number(["f", "g"].map(|id| FeedId(Arc::from(id))).to_vec(), vec![SinkId(Arc::from("out"))]).await.unwrap();
    store.record(1, update(0, &(0..100).collect::<Vec<_>>(), NOW)).await.unwrap();
    store.record(2, update(0, &[200, 201, 202], NOW)).await.unwrap();
    let lane = |track| Lane { sink: 1, track };
    store.settle(lane(1), 1, Settlement::Bury("it said no".into()), NOW).await.unwrap();
    store.settle(lane(1), 2, Settlement::Acknowledge, NOW).await.unwrap();
    let trials = Trials { failed: 3, next_at: NOW, ..Trials::default() };
    store.settle(lane(2), 1, Settlement::Postpone(trials), NOW).await.unwrap();
    assert_eq!(store.replay(&route(), Since::After(101), NOW).await.unwrap(), 2);
    store.pause_feed(2, true).await.unwrap();
    store.pause_sink(1, true).await.unwrap();
    close(store, closing).await;
}

#[tokio::test]
async fn a_restored_state_is_the_one_backed_up_row_for_row() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(from.path()).await;
    let file = from.path().join("backup");
    let (before, meta) = without_state(rows(from.path()));
    let done = backup(from.path(), &file, "main", NOW).unwrap();
    assert_eq!((done.rows, done.sequence), (before.len() as u64 + 1, 103));
    let restored = restore(to.path(), &file, false).unwrap();
    assert_eq!((restored.rows, &*restored.instance, restored.sequence, restored.aside), (done.rows, "main", 103, None));
    let (after, restored_meta) = without_state(rows(to.path()));
    assert!(after == before, "{} rows, {} restored", before.len(), after.len());
    assert_eq!(restored_meta, MetaRow { group: meta.group + 1, sequence: 1_000_103, ..meta });
    assert_eq!(check(to.path()).unwrap(), [""; 0]);
    let (store, closing) = open(to.path());
    assert_eq!((store.sequence(), store.backlog(1)), (1_000_103, (103, 1)));
    let ids: Vec<_> = drain(&store).await.into_iter().map(|(_, _, id)| id).collect();
    let expected: Vec<_> = (200..203).chain(2..100).chain(201..203).map(|n| format!("evt_{n}")).collect();
    let sorted = |mut ids: Vec<String>| (ids.sort(), ids).1;
    assert_eq!(sorted(ids), sorted(expected));
    store.record(1, update(1, &[250], NOW)).await.unwrap();
    assert_eq!(drain(&store).await.last().unwrap().0, 1_000_104);
    close(store, closing).await;
}

#[tokio::test]
async fn a_state_is_replaced_by_force_alone_and_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path()).await;
    let file = dir.path().join("backup");
    backup(dir.path(), &file, "main", NOW).unwrap();
    let (store, closing) = open(dir.path());
    store.record(1, update(1, &[250], NOW)).await.unwrap();
    assert!(matches!(restore(dir.path(), &file, true), Err(StoreError::InUse { .. })));
    assert!(matches!(backup(dir.path(), &file, "main", NOW), Err(StoreError::InUse { .. })));
    close(store, closing).await;
    let newer = rows(dir.path());
    assert!(matches!(restore(dir.path(), &file, false), Err(StoreError::NotEmpty { .. })));
    assert_eq!(rows(dir.path()), newer);
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, good.get(..good.len() - 9).unwrap()).unwrap();
    assert!(matches!(restore(dir.path(), &file, true), Err(StoreError::Backup { .. })));
    assert_eq!(rows(dir.path()), newer);
    std::fs::write(&file, good).unwrap();
    let restored = restore(dir.path(), &file, true).unwrap();
    assert_eq!((restored.sequence, restored.goes_on_after), (103, 1_000_104), "above what was told after the backup");
    assert_eq!(restored.aside, Some(dir.path().join("db-0")));
    assert_eq!(guard::current(dir.path()).unwrap(), dir.path().join("db-1"));
    std::fs::write(dir.path().join("CURRENT"), "0").unwrap();
    assert_eq!(rows(dir.path()), newer, "what was there is there");
}

/// While it is written everything changes: rows before and behind what has been read, new ones, removed ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_an_open_store_is_the_state_of_one_moment() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, closing) = open(dir.path());
    for feed in 1..200 {
        store.record(feed, update(0, &[1, 2, 3], NOW)).await.unwrap();
    }
    let file = dir.path().join("backup");
    let writing = tokio::spawn({
        let (store, file) = (store.clone(), file.clone());
        async move { store.backup(&file, "main", NOW).await.unwrap() }
    });
    let mut polls = 0;
    while !writing.is_finished() {
        polls += 1;
        for feed in [1, 199, 100, 1000 + polls as u32] {
            let base = if feed >= 1000 { 0 } else { polls };
            store.record(feed, update(base, &[7, 8, 9], NOW)).await.unwrap();
        }
        for track in [3, 190] {
            store.settle(Lane { sink: 1, track }, polls.min(3), Settlement::Acknowledge, NOW).await.unwrap();
        }
    }
    let done = writing.await.unwrap();
    close(store, closing).await;
    assert!(polls > 1, "nothing was changed meanwhile");
    let restored = restore(to.path(), &file, false).unwrap();
    assert_eq!(restored.sequence, done.sequence);
    // Torn between two moments, lanes would wait for events that are not there, or events be newer than the newest.
    assert_eq!(check(to.path()).unwrap(), [""; 0]);
    let (store, closing) = open(to.path());
    let told = store.events_after(0, &Sought::default(), Most { events: 1_000_000, bytes: usize::MAX }).await.unwrap();
    assert_eq!(told.events.last().unwrap().sequence, done.sequence);
    let states = store.feeds().await.unwrap();
    assert_eq!(told.events.len() as u64, states.values().map(|state| state.polls * 3).sum::<u64>());
    close(store, closing).await;
}

#[tokio::test]
async fn check_finds_what_does_not_fit_together() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path()).await;
    assert_eq!(check(dir.path()).unwrap(), [""; 0]);
    let change = |table, key: Vec<u8>, value: Option<Vec<u8>>| {
        let engine = Engine::open(&guard::current(dir.path()).unwrap(), 8 << 20).unwrap();
        let old = engine.get(table, &key).unwrap().map(|v| v.to_vec());
        engine.commit(&engine::Writes::from([((table, key.clone()), value)])).unwrap();
        drop(engine);
        let found = check(dir.path()).unwrap().join("\n");
        let engine = Engine::open(&guard::current(dir.path()).unwrap(), 8 << 20).unwrap();
        engine.commit(&engine::Writes::from([((table, key), old)])).unwrap();
        found
    };
    let lane = Lane { sink: 1, track: 2 };
    assert_eq!(change(Table::Feed, key::feed(1), Some(b"rubbish".to_vec())), "feed row 00000001 cannot be read");
    assert!(change(Table::Seen, key::hot(1, 0), Some(row::seal(b"x"))).starts_with("seen row 0000000168"));
    assert!(change(Table::Event, key::pack(101, 0), None).contains("waits for the event 101, which is missing"));
    assert!(change(Table::Event, key::pack(1, 0), None).contains("the event 1 of a dead letter of sink number 1 is missing"));
    assert!(change(Table::Outbox, key::lane(lane), None).contains("track 2 has events that wait and no head"));
    assert!(change(Table::Outbox, key::queue(lane, 1), None).contains("track 2 lacks what waits up to 3"));
    let early = MetaRow { group: 1000, sequence: 5, ..MetaRow::default() };
    assert_eq!(
        change(Table::Meta, key::META_STATE.to_vec(), Some(row::encode(&early))),
        "there are events up to sequence 103, and the newest ought to be 5"
    );
    guard::write_watermark(dir.path(), 5000, 103).unwrap();
    assert!(check(dir.path()).unwrap().join("\n").contains("5000 commits were on the disk"));
}
