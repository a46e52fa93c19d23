//! sled, with what it needs to be trusted: the guards around `open`, and the one way to commit. Nothing outside `store/` names it.
//!
//! `flush()` of sled 0.34.7 is `sync_file_range`, not fsync: 28 of 40 simulated power cuts lost acknowledged data. [`Engine::commit`]
//! therefore follows it with `sync_data` on a descriptor of its own: 40 of 40 kept everything.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sled::transaction::{ConflictableTransactionResult, TransactionError, Transactional};

use super::StoreError;
use super::cache::Cache;
use super::key::{TABLES, Table};

/// Writes of one group: the newest value of each key, `None` to remove it.
pub(super) type Writes = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

/// An open database.
pub(super) struct Engine {
    path: PathBuf,
    file: File,
    db: sled::Db,
    feed: sled::Tree,
    seen: sled::Tree,
    event: sled::Tree,
    outbox: sled::Tree,
    meta: sled::Tree,
    cache: Mutex<Cache>,
}

/// How long the lock of a database is waited for that nobody can have open, for our own lock is held. A child that is just being started has
/// a copy of it for a moment.
const LOCKED: Duration = Duration::from_secs(3);

/// Opens the database itself. sled panics on most kinds of damage.
fn opened(path: &Path, config: &sled::Config) -> Result<sled::Db, StoreError> {
    let from = Instant::now();
    loop {
        match caught(path, || config.open()) {
            Err(StoreError::Io { source, .. }) if source.to_string().contains("could not acquire lock") && from.elapsed() < LOCKED => {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
}

impl Engine {
    /// Opens the database in `path`, creating it when it is not there. `cache` is in bytes.
    pub(super) fn open(path: &Path, cache: u64) -> Result<Self, StoreError> {
        remove_half_written_snapshots(path)?;
        let config = sled::Config::new().path(path).cache_capacity(cache).flush_every_ms(Some(500));
        let db = opened(path, &config)?;
        let tree = |name: &str| caught(path, || db.open_tree(name));
        let engine = Self {
            feed: tree("feed")?,
            seen: tree("seen")?,
            event: tree("event")?,
            outbox: tree("outbox")?,
            meta: tree("meta")?,
            file: File::open(path.join("db")).map_err(|e| StoreError::io("open", &path.join("db"), e))?,
            path: path.to_owned(),
            db,
            cache: Mutex::default(),
        };
        File::open(path).and_then(|dir| dir.sync_all()).map_err(|e| StoreError::io("sync", path, e))?;
        Ok(engine)
    }

    /// What the reader has unpacked. It goes with a handle that has failed.
    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all or nothing, and returns when it is on the disk. After an error the engine is dead: drop it and open another.
    pub(super) fn commit(&self, writes: &Writes) -> Result<(), StoreError> {
        caught(&self.path, || self.apply(writes))?;
        caught(&self.path, || self.db.flush())?;
        self.file.sync_data().map_err(|e| StoreError::io("sync", &self.path, e))
    }

    fn apply(&self, writes: &Writes) -> Result<(), sled::Error> {
        let trees = (&self.feed, &self.seen, &self.event, &self.outbox, &self.meta);
        let result = trees.transaction(|(feed, seen, event, outbox, meta)| -> ConflictableTransactionResult<(), ()> {
            for ((table, key), value) in writes {
                let tree = match table {
                    Table::Feed => feed,
                    Table::Seen => seen,
                    Table::Event => event,
                    Table::Outbox => outbox,
                    Table::Meta => meta,
                };
                match value {
                    Some(value) => tree.insert(key.as_slice(), value.as_slice())?,
                    None => tree.remove(key.as_slice())?,
                };
            }
            Ok(())
        });
        match result {
            Ok(()) | Err(TransactionError::Abort(())) => Ok(()),
            Err(TransactionError::Storage(e)) => Err(e),
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        caught(&self.path, || self.tree(table).get(key))
    }

    /// The first `limit` pairs whose keys begin with `prefix` and are not below `from`, in key order.
    pub(super) fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>, StoreError> {
        let from = if from < prefix { prefix } else { from };
        let inside = |pair: &Result<Pair, sled::Error>| pair.as_ref().map_or(true, |(key, _)| key.starts_with(prefix));
        caught(&self.path, || self.tree(table).range(from..).take_while(inside).take(limit).collect())
    }

    /// The next `limit` pairs of a table, and where to go on: in it, or in the one that follows; `None` at the end of the last.
    pub(super) fn page(&self, place: &Place, limit: usize) -> Result<(Vec<Pair>, Option<Place>), StoreError> {
        let (table, from) = place;
        let rows = self.scan(*table, &[], from, limit)?;
        let behind = rows.last().filter(|_| rows.len() == limit).map(|(key, _)| (*table, [key, &[0][..]].concat()));
        let next = behind.or_else(|| TABLES.into_iter().find(|other| other > table).map(|other| (other, vec![])));
        Ok((rows, next))
    }

    /// All pairs whose keys are not below `from` and, if there is an end, below that.
    pub(super) fn between(&self, table: Table, from: &[u8], end: Option<&[u8]>) -> Result<Vec<Pair>, StoreError> {
        let inside = |pair: &Result<Pair, sled::Error>| pair.as_ref().map_or(true, |(key, _)| end.is_none_or(|end| **key < *end));
        caught(&self.path, || self.tree(table).range(from..).take_while(inside).collect())
    }

    /// The last pair whose key lies before `key`.
    pub(super) fn before(&self, table: Table, key: &[u8]) -> Result<Option<Pair>, StoreError> {
        caught(&self.path, || self.tree(table).range(..key).next_back().transpose())
    }

    /// The last pair whose key begins with `prefix`.
    pub(super) fn last(&self, table: Table, prefix: &[u8]) -> Result<Option<Pair>, StoreError> {
        caught(&self.path, || self.tree(table).scan_prefix(prefix).next_back().transpose())
    }

    /// The last pair whose key is below `key`.
    pub(super) fn below(&self, table: Table, key: &[u8]) -> Result<Option<Pair>, StoreError> {
        caught(&self.path, || self.tree(table).get_lt(key))
    }

    /// The error for a value whose checksum is wrong.
    pub(super) fn damaged_row(&self, table: Table) -> StoreError {
        StoreError::damaged(&self.path, format!("a row of the {table:?} table has a wrong checksum"))
    }

    fn tree(&self, table: Table) -> &sled::Tree {
        match table {
            Table::Feed => &self.feed,
            Table::Seen => &self.seen,
            Table::Event => &self.event,
            Table::Outbox => &self.outbox,
            Table::Meta => &self.meta,
        }
    }
}

/// Where a walk over all tables is.
pub(super) type Place = (Table, Vec<u8>);

/// A key and its value.
pub(super) type Pair = (sled::IVec, sled::IVec);

/// Runs a call into sled; its panics and errors become ours.
fn caught<T>(path: &Path, call: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Corruption { .. })) => Err(StoreError::damaged(path, "a checksum does not match")),
        Ok(Err(sled::Error::Io(e))) => Err(StoreError::io("use", path, e)),
        Ok(Err(e)) => Err(StoreError::Engine { path: path.to_owned(), source: Box::new(e) }),
        Err(_) => Err(StoreError::damaged(path, "the engine panicked")),
    }
}

/// A crash while `open` writes a snapshot leaves a file that makes every later `open` fail (sled's issues 1527 and 1533).
fn remove_half_written_snapshots(path: &Path) -> Result<(), StoreError> {
    let Ok(entries) = fs::read_dir(path) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path()).map_err(|e| StoreError::io("remove", &entry.path(), e))?;
        }
    }
    Ok(())
}
