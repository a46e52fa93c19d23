//! Compaction, on real databases that are written to meanwhile.

use std::collections::BTreeMap;
use std::fs;

use super::super::compact::{Copying, catch_up, compare, copy_page, switch};
use super::super::generation::{Next, tidy};
use super::super::key::{self, TABLES, Table};
use super::super::row::{self, MetaRow};
use super::super::threads::Told;
use super::*;

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Every row but the one that counts commits, and how far the store is.
fn rows(store: &Store) -> (Rows, MetaRow) {
    let engine = store.shared.engine.read().unwrap();
    let all = |table| engine.as_ref().unwrap().scan(table, &[], &[], usize::MAX).unwrap().into_iter().map(move |row| (table, row));
    let mut rows: Rows = TABLES.into_iter().flat_map(all).map(|(table, (key, value))| ((table, key.to_vec()), value.to_vec())).collect();
    let meta = rows.remove(&(Table::Meta, key::META_STATE.to_vec())).unwrap();
    (rows, row::decode(&meta).unwrap())
}

/// The step `n` of a busy life: feeds tell, sinks take, old rows are deleted.
async fn live(store: &Store, n: u64) {
    let feed = u32::try_from(n % FEEDS).unwrap() + 1;
    let numbers = [n as u8, (n + 1) as u8, (n + 2) as u8];
    let base = store.feed_state(feed).await.unwrap().polls;
    assert!(store.record(feed, update(base, &numbers, NOW)).await.unwrap().applied);
    let lane = Lane { sink: 1, track: u32::try_from(n.saturating_sub(3 * STRIDE) % FEEDS).unwrap() + 1 };
    while let Some(Ok(delivery)) = store.head(lane, 1).await.unwrap() {
        let settlement = if n.is_multiple_of(3) { Settlement::Bury("no".into()) } else { Settlement::Acknowledge };
        store.settle(lane, delivery.lane_seq, settlement, NOW).await.unwrap();
    }
    if n.is_multiple_of(5) {
        store.prune(Timestamp(NOW.0 + 60 * 86_400_000), DAY).await.unwrap();
    }
}

const FEEDS: u64 = 300;

/// From one feed that tells to the next, while a compaction is under way.
const STRIDE: u64 = 7;

/// The same life twice, once with a compaction at whose every step it goes on.
#[tokio::test]
async fn nothing_is_lost_or_changed_whatever_is_written_meanwhile() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, closing) = open(dir.path());
    let mut n = 0;
    while n < FEEDS {
        live(&store, n).await;
        n += 1;
    }
    let (shared, commits) = (store.shared.clone(), store.commits.clone());
    let told = Told::of(&shared.copying, Copying::begin());
    let mut next = Next::begin(dir.path(), 8 << 20).unwrap();
    let mut pages = 0;
    while copy_page(&shared, &mut next).unwrap() {
        // Feeds that were copied, feeds that were not, and both ends of what the outbox has.
        for _ in 0..12 {
            live(&store, n).await;
            n += STRIDE;
        }
        pages += 1;
    }
    assert!(pages > 6, "{pages}");
    catch_up(&shared, &mut next).unwrap();
    live(&store, n).await;
    next.settle(0, 8 << 20).unwrap();
    live(&store, n + STRIDE).await;
    compare(&shared, next.engine().unwrap()).unwrap();
    live(&store, n + 2 * STRIDE).await;
    let before = rows(&store);
    tokio::task::spawn_blocking(move || switch(&commits, next)).await.unwrap().unwrap();
    assert!(rows(&store) == before, "what was committed last is there too");
    drop(told);
    drop(shared);
    live(&store, n + 3 * STRIDE).await;
    close(store, closing).await;

    let (control, control_closing) = open(other.path());
    for step in (0..FEEDS).chain((FEEDS..=n + 3 * STRIDE).step_by(STRIDE as usize)) {
        live(&control, step).await;
    }
    close(control, control_closing).await;
    let (store, closing) = open(dir.path());
    let (control, control_closing) = open(other.path());
    let ((found, meta), (expected, expected_meta)) = (rows(&store), rows(&control));
    let differ: Vec<_> = expected.iter().filter(|(key, row)| found.get(*key) != Some(*row)).map(|(key, _)| key).take(5).collect();
    assert!(found == expected, "{} rows, {} expected: {differ:?}", found.len(), expected.len());
    assert_eq!(meta.sequence, expected_meta.sequence);
    let (waiting, expected) = (drain(&store).await, drain(&control).await);
    assert_eq!(waiting, expected);
    assert!(!waiting.is_empty());
    close(control, control_closing).await;
    close(store, closing).await;
    assert_eq!(check(dir.path()).unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_smaller_database_is_in_use_and_the_one_of_before_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    store.record(1, update(0, &[1, 2, 3], NOW)).await.unwrap();
    for value in [Some(vec![7; 3000]), None] {
        for pack in 1000..1700 {
            let writes = engine::Writes::from([((Table::Event, key::pack(pack, 0)), value.clone())]);
            store.shared.ask(|engine| engine.commit(&writes)).unwrap();
        }
    }
    let before = rows(&store);
    let done = store.compact().await.unwrap();
    assert!(done.after * 2 < done.before, "{done:?}");
    assert!(rows(&store) == before);
    let file = dir.path().join("backup");
    let (again, backup) = tokio::join!(store.compact(), store.backup(&file, "main", NOW));
    assert!(again.unwrap().before < done.before, "the new one was in use");
    assert_eq!(backup.unwrap().rows, before.0.len() as u64 + 1, "one after the other");
    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("db"));
    assert_eq!(names, ["db-2"]);
    store.record(1, update(1, &[4], NOW)).await.unwrap();
    close(store, closing).await;
    let (store, closing) = open(dir.path());
    assert_eq!(drain(&store).await.len(), 4);
    close(store, closing).await;
}

#[tokio::test]
async fn a_copy_that_differs_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    for feed in 1..=600 {
        store.record(feed, update(0, &[1], NOW)).await.unwrap();
    }
    let shared = store.shared.clone();
    let told = Told::of(&shared.copying, Copying::begin());
    let mut next = Next::begin(dir.path(), 8 << 20).unwrap();
    while copy_page(&shared, &mut next).unwrap() {}
    compare(&shared, next.engine().unwrap()).unwrap();
    let rows = [(Table::Feed, key::feed(300)), (Table::Meta, key::feed_name("other")), (Table::Outbox, key::dead(9, 9))];
    for (table, key) in rows {
        let good = shared.ask(|engine| engine.get(table, &key)).unwrap().map(|value| value.to_vec());
        next.put(table, key.clone(), Some(b"wrong".to_vec())).unwrap();
        assert!(matches!(compare(&shared, next.engine().unwrap()), Err(StoreError::Damaged { .. })), "{table:?}");
        next.put(table, key, good).unwrap();
        compare(&shared, next.engine().unwrap()).unwrap();
    }
    next.put(Table::Feed, key::feed(300), None).unwrap();
    assert!(matches!(compare(&shared, next.engine().unwrap()), Err(StoreError::Damaged { .. })), "a row is missing");
    store.record(300, update(1, &[2], NOW)).await.unwrap();
    compare(&shared, next.engine().unwrap()).unwrap();
    drop((next, told));
    drop(shared);
    assert!(!dir.path().join("db.next").exists());
    assert_eq!(store.compact_if_grown().await.unwrap(), None, "it is small");
    assert_eq!(drain(&store).await.len(), 601);
    close(store, closing).await;
}

/// What a process leaves that is killed at each step of a compaction of the generation 3; 1 was set aside by a restore.
#[test]
fn what_was_left_over_is_removed_and_nothing_else() {
    let after = |current: u32, left: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let there = |name: &str| dir.path().join(name);
        guard::switch(dir.path(), current).unwrap();
        for name in left.iter().chain(&["db-1", "backups"]) {
            let (name, replaced) = name.split_once(' ').unwrap_or((name, ""));
            fs::create_dir(there(name)).unwrap();
            fs::write(there(name).join("db"), "x").unwrap();
            if !replaced.is_empty() {
                fs::write(there(name).join("replaces"), replaced).unwrap();
            }
        }
        tidy(dir.path()).unwrap();
        tidy(dir.path()).unwrap();
        let mut found: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.retain(|name| !["CURRENT", "db-1", "backups"].contains(&&**name));
        found.sort();
        assert_eq!(found.iter().filter(|name| there(name).join("replaces").exists()).count(), 0);
        found.join(" ")
    };
    assert_eq!(after(3, &["db-3"]), "db-3");
    assert_eq!(after(3, &["db-3", "db.next"]), "db-3");
    assert_eq!(after(3, &["db-3", "db.next 3"]), "db-3");
    assert_eq!(after(3, &["db-3", "db-4 3"]), "db-3");
    assert_eq!(after(4, &["db-3", "db-4 3"]), "db-4");
    assert_eq!(after(4, &["db.old", "db-4 3"]), "db-4");
    assert_eq!(after(4, &["db-4 3"]), "db-4");
    assert_eq!(after(4, &["db-3", "db-4 4"]), "db-3 db-4");
    assert_eq!(after(4, &["db-3", "db-4"]), "db-3 db-4", "what a rebuild has set aside stays");
}
