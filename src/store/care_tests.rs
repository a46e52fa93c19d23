//! Backup, restore and check, on real databases.

use std::collections::BTreeMap;
use std::path::Path;

use super::engine::Engine;
use super::key::{self, TABLES, Table};
use super::row::{self, MetaRow};
use super::snapshot::Snapshot;
use super::tests::{DAY, NOW, close, drain, open, update};
use super::*;
use crate::domain::delivery::{Order, Trials};
use crate::domain::event::EventKind;
use crate::domain::feed::Backlog;
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

fn scan(store: &Store) -> Rows {
    let engine = store.shared.engine.read().unwrap();
    let all = |table| engine.as_ref().unwrap().scan(table, &[], &[], usize::MAX).unwrap().into_iter().map(move |row| (table, row));
    TABLES.into_iter().flat_map(all).map(|(table, (key, value))| ((table, key.to_vec()), value.to_vec())).collect()
}

/// Only root can see it fail.
#[tokio::test]
async fn what_root_restores_belongs_to_the_owner_of_the_directory() {
    use std::os::unix::fs::{MetadataExt, chown};
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(from.path()).await;
    let file = from.path().join("backup");
    backup(from.path(), &file, "main", NOW).unwrap();
    let other = std::fs::metadata(to.path()).unwrap().uid() + 4321;
    if chown(to.path(), Some(other), None).is_err() {
        return;
    }
    restore(to.path(), &file, false).unwrap();
    for name in ["lock", "db-0", "db-0/db", "db-0/conf"] {
        assert_eq!(std::fs::metadata(to.path().join(name)).unwrap().uid(), other, "{name}");
    }
}

/// Between two pages everything changes: rows before and behind what has been read, new ones, removed ones.
#[tokio::test]
async fn a_backup_of_an_open_store_is_the_state_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    for feed in 1..=600 {
        store.record(feed, update(0, &[1, 2, 3], NOW)).await.unwrap();
    }
    let before = scan(&store);
    *store.shared.snapshot() = Some(Snapshot::begin());
    let (mut read, mut pages) = (Rows::new(), 0);
    loop {
        let page = {
            let engine = store.shared.engine.read().unwrap();
            store.shared.snapshot().as_mut().unwrap().page(engine.as_ref().unwrap()).unwrap()
        };
        let Some((table, page)) = page else { break };
        pages += 1;
        assert!(page.len() <= 300);
        read.extend(page.into_iter().map(|(key, value)| ((table, key), value)));
        for feed in [1, 300, 600] {
            store.record(feed, update(pages, &[7, 8, 9], NOW)).await.unwrap();
            store.settle(Lane { sink: 1, track: feed }, pages * 3, Settlement::Acknowledge, NOW).await.unwrap();
        }
        store.record(1000 + pages as u32, update(0, &[1], NOW)).await.unwrap();
        store.prune(Timestamp(NOW.0 + 90 * 86_400_000), DAY).await.unwrap();
    }
    assert!(pages > 8, "{pages}");
    assert!(
        read == before,
        "{} of {} rows are as they were",
        before.iter().filter(|(key, row)| read.get(*key) == Some(row)).count(),
        before.len()
    );
    assert!(scan(&store) != before);
    *store.shared.snapshot() = None;
    close(store, closing).await;
}

#[tokio::test]
async fn backups_that_fail_do_not_end_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    store.record(1, update(0, &[1, 2, 3], NOW)).await.unwrap();
    let file = dir.path().join("backup");
    assert!(matches!(store.backup(dir.path(), "main", NOW).await, Err(StoreError::NotMade { .. })));
    assert!(matches!(store.backup(&dir.path().join("no/such"), "main", NOW).await, Err(StoreError::Io { .. })));
    assert_eq!(store.backup(&file, "main", NOW).await.unwrap().sequence, 3);
    store.record(1, update(1, &[4], NOW)).await.unwrap();
    assert_eq!(drain(&store).await.len(), 4);
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
    let all = rows(dir.path());
    let mut queued =
        all.keys().filter(|(table, key)| *table == Table::Outbox && key.starts_with(&key::queue_prefix(Lane { sink: 1, track: 1 })));
    let (first, second) = (queued.next().unwrap().1.clone(), key::number(&queued.next().unwrap().1));
    let gap = format!("the lane of sink number 1, track 1 lacks what waits at 3 to {}", second - 1);
    assert_eq!(change(Table::Outbox, first, None), gap);
    let early = MetaRow { group: 1000, sequence: 5, ..MetaRow::default() };
    assert_eq!(
        change(Table::Meta, key::META_STATE.to_vec(), Some(row::encode(&early))),
        "there are events up to sequence 103, and the newest ought to be 5"
    );
    guard::write_watermark(dir.path(), 5000, 103).unwrap();
    assert!(check(dir.path()).unwrap().join("\n").contains("5000 commits were on the disk"));
}

fn write(dir: &Path, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) {
    let engine = Engine::open(&guard::current(dir).unwrap(), 8 << 20).unwrap();
    engine.commit(&engine::Writes::from([((table, key), value)])).unwrap();
}

#[tokio::test]
async fn a_rebuild_of_what_is_sound_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path()).await;
    let (before, meta) = without_state(rows(dir.path()));
    let rebuilt = rebuild(dir.path(), NOW).unwrap();
    assert_eq!((rebuilt.rows, rebuilt.marked, rebuilt.lost.len(), rebuilt.older), (before.len() as u64 + 1, 0, 0, false));
    let (after, meta_after) = without_state(rows(dir.path()));
    assert!(after == before);
    assert_eq!(meta_after, MetaRow { group: meta.group + 1, ..meta });
    assert_eq!(guard::current(dir.path()).unwrap(), dir.path().join("db-1"));
}

#[tokio::test]
async fn a_rebuild_keeps_what_can_be_read_and_makes_it_fit_together() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path()).await;
    let all = rows(dir.path());
    write(dir.path(), Table::Seen, key::hot(1, 0), Some(b"rubbish".to_vec()));
    write(dir.path(), Table::Event, key::pack(101, 0), Some(b"rubbish".to_vec()));
    let first = all.keys().find(|(table, key)| *table == Table::Outbox && key.starts_with(&key::queue_prefix(Lane { sink: 1, track: 1 })));
    write(dir.path(), Table::Outbox, first.unwrap().1.clone(), None);
    write(dir.path(), Table::Outbox, key::lane(Lane { sink: 1, track: 2 }), None);
    write(dir.path(), Table::Meta, key::sink(1), Some(b"rubbish".to_vec()));
    write(dir.path(), Table::Meta, key::META_STATE.to_vec(), Some(b"rubbish".to_vec()));
    let rebuilt = rebuild(dir.path(), NOW).unwrap();
    assert_eq!((rebuilt.marked, rebuilt.goes_on_after, rebuilt.lost.get("seen")), (1, 1_000_103, Some(&1)));
    assert_eq!(check(dir.path()).unwrap().iter().filter(|finding| !finding.contains("which is missing")).count(), 0);
    let (store, closing) = open(dir.path());
    let state = store.feed_state(1).await.unwrap();
    assert_eq!((state.established, state.validators, state.last_success), (false, None, Some(NOW)));
    assert!(store.feed_state(2).await.unwrap().established);
    // All of the first pack of the first lane but what was settled is gone; the rest is there once, in order.
    let lane = Lane { sink: 1, track: 1 };
    let (mut sequences, mut number) = (vec![], None);
    while let Some(Ok(delivery)) = store.head(lane, 1).await.unwrap() {
        assert_eq!(number.replace(delivery.lane_seq).map_or(delivery.lane_seq, |n| n + 1), delivery.lane_seq);
        sequences.push(delivery.event.sequence);
        store.settle(lane, delivery.lane_seq, Settlement::Acknowledge, NOW).await.unwrap();
    }
    assert_eq!(sequences, (44..=100).collect::<Vec<_>>());
    assert_eq!(store.head(Lane { sink: 1, track: 2 }, 1).await.unwrap().unwrap().unwrap_err(), 1, "lost, and said to be");
    assert_eq!(store.welcome(&route(), crate::domain::feed::Backlog::All, NOW).await.unwrap(), 0, "no new sink");
    assert_eq!(store.number(vec![FeedId(Arc::from("new"))], vec![SinkId(Arc::from("new"))]).await.unwrap(), (vec![3], vec![2]));
    close(store, closing).await;
}

/// A feed without its name would be a new one, and tell its backlog.
#[tokio::test]
async fn a_feed_whose_name_was_lost_is_found_by_its_events_or_tells_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    let ids = |names: &[&str]| names.iter().map(|name| FeedId(Arc::from(*name))).collect::<Vec<_>>();
    assert_eq!(store.number(ids(&["f", "g", "h"]), vec![]).await.unwrap().0, [1, 2, 3]);
    store.record(1, update(0, &[1, 2], NOW)).await.unwrap();
    store.record(2, update(0, &[], NOW)).await.unwrap();
    store.record(3, update(0, &[], NOW)).await.unwrap();
    close(store, closing).await;
    for name in ["f", "g"] {
        write(dir.path(), Table::Meta, key::feed_name(name), Some(b"rubbish".to_vec()));
    }
    let rebuilt = rebuild(dir.path(), NOW).unwrap();
    assert_eq!((rebuilt.nameless, rebuilt.lost.get("meta")), (1, Some(&2)));
    assert_eq!(check(dir.path()).unwrap(), [""; 0]);
    let (store, closing) = open(dir.path());
    assert_eq!(store.number(ids(&["f", "g", "h", "i"]), vec![]).await.unwrap().0, [1, 4, 3, 5]);
    let backlog = |state: FeedState| state.backlog(Backlog::All);
    assert_eq!(backlog(store.feed_state(4).await.unwrap()), Backlog::None, "it may be the one that was lost");
    assert_eq!(backlog(store.feed_state(5).await.unwrap()), Backlog::All, "no more were lost");
    store.record(4, update(0, &[9], NOW)).await.unwrap();
    close(store, closing).await;
}

#[tokio::test]
async fn what_was_lost_in_silence_can_be_rebuilt_and_an_empty_database_cannot() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path()).await;
    guard::write_watermark(dir.path(), 5000, 2000).unwrap();
    assert!(matches!(Store::open(&Options { dir: dir.path().to_owned(), cache: 8 << 20 }), Err(StoreError::Damaged { .. })));
    let rebuilt = rebuild(dir.path(), NOW).unwrap();
    assert_eq!((rebuilt.older, rebuilt.goes_on_after, rebuilt.marked), (true, 1_002_000, 0));
    let (store, closing) = open(dir.path());
    assert_eq!(store.sequence(), 1_002_000);
    close(store, closing).await;
    let path = guard::current(dir.path()).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    assert!(matches!(rebuild(dir.path(), NOW), Err(StoreError::Unreadable { .. })));
    assert!(!path.exists() && !dir.path().join("db-2").exists());
}
