//! A consistent view of an open database, for a backup while it is written to: what the writer is about to change and nobody has read yet is
//! kept as it was. The writer waits for the reading of a page at most.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

use super::engine::{Engine, Place, Writes};
use super::export::{Export, Head};
use super::generation::{CACHE, each_row};
use super::key::{self, TABLES, Table};
use super::row::{self, MetaRow};
use super::threads::Told;
use super::{Shared, Store, StoreError, guard, load};
use crate::domain::time::Timestamp;

/// Rows that are read at once: at most a mebibyte, and a few milliseconds.
pub(super) const PAGE: usize = 256;

/// Bytes that are kept of what was changed meanwhile: far more than a poll a millisecond changes while 100,000 feeds are written out.
const MOST_KEPT: usize = 64 << 20;

/// What became of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// How many rows it has.
    pub rows: u64,
    /// How large the file is.
    pub bytes: u64,
    /// The sequence of the newest event in it.
    pub sequence: u64,
}

/// A view under way.
#[derive(Default)]
pub(super) struct Snapshot {
    /// As it was when the view was taken, of what has been changed since and not been read.
    old: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    kept: usize,
    /// Where the next page begins; what lies before has been read.
    next: Option<Place>,
}

/// Rows of one table.
pub(super) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

impl Snapshot {
    /// A view of what is stored now, to be set while nothing is committed.
    pub(super) fn begin() -> Self {
        Self { next: Some((Table::Feed, vec![])), ..Self::default() }
    }

    /// Keeps what is about to be written over.
    pub(super) fn preserve(&mut self, engine: &Engine, writes: &Writes) -> Result<(), StoreError> {
        let Some(next) = &self.next else { return Ok(()) };
        if self.kept > MOST_KEPT {
            return Ok(());
        }
        for at in writes.keys().filter(|at| *at >= next) {
            if !self.old.contains_key(at) {
                let value = engine.get(at.0, &at.1)?.map(|value| value.to_vec());
                self.kept += at.1.len() + value.as_ref().map_or(0, Vec::len) + 64;
                self.old.insert(at.clone(), value);
            }
        }
        Ok(())
    }

    /// The next rows of a table as they were; `None` at the end of the last.
    pub(super) fn page(&mut self, engine: &Engine) -> Result<Option<(Table, Rows)>, StoreError> {
        if self.kept > MOST_KEPT {
            return Err(StoreError::no_backup(
                "too much was changed while it was written; take it at a quieter time, or while the daemon is down",
            ));
        }
        let Some(place) = self.next.clone() else { return Ok(None) };
        let (found, next) = engine.page(&place, PAGE)?;
        let mut rows: Rows = found.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        let later = next.as_ref().map(|next| self.old.split_off(next)).unwrap_or_default();
        for ((_, key), value) in std::mem::replace(&mut self.old, later) {
            self.kept = self.kept.saturating_sub(key.len() + value.as_ref().map_or(0, Vec::len) + 64);
            match value {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
        self.next = next;
        Ok(Some((place.0, rows)))
    }
}

impl Shared {
    pub(super) fn snapshot(&self) -> MutexGuard<'_, Option<Snapshot>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Writes all that is stored, as it is now, into a file; what is committed meanwhile waits a few milliseconds a page at most and is not
    /// in it. Dropping the future does not end it.
    ///
    /// # Errors
    /// When the file cannot be written, or too much changes meanwhile.
    pub async fn backup(&self, file: &Path, instance: &str, now: Timestamp) -> Result<BackedUp, StoreError> {
        let (file, instance) = (file.to_owned(), instance.to_owned());
        self.copy(move |shared| write(shared, &file, &instance, now)).await
    }
}

/// Writes all that is stored in a state directory into a file.
///
/// # Errors
/// When the state is in use or damaged, or the file cannot be written.
pub fn backup(dir: &Path, file: &Path, instance: &str, now: Timestamp) -> Result<BackedUp, StoreError> {
    refuse_what_is_no_file(file)?;
    let _lock = guard::Lock::take_existing(dir)?;
    let engine = Engine::open(&guard::current(dir)?, CACHE)?;
    let meta = load::meta(&engine, dir)?;
    let mut export = Export::create(file, Head::new(instance, now.to_string(), &meta))?;
    for table in TABLES {
        each_row(&engine, table, |key, value| export.row(table, key, value))?;
    }
    let (rows, bytes) = export.finish()?;
    Ok(BackedUp { rows, bytes, sequence: meta.sequence })
}

fn refuse_what_is_no_file(path: &Path) -> Result<(), StoreError> {
    let other = fs::metadata(path).is_ok_and(|there| !there.is_file()) || path.file_name().is_none();
    if other { Err(StoreError::no_backup("what is named is no file")) } else { Ok(()) }
}

fn write(shared: &Shared, file: &Path, instance: &str, now: Timestamp) -> Result<BackedUp, StoreError> {
    refuse_what_is_no_file(file)?;
    let _told = Told::of(&shared.snapshot, Snapshot::default());
    let meta: MetaRow = shared.ask(|engine| {
        // Held to the end: of the same moment as the view.
        let mut snapshot = shared.snapshot();
        *snapshot = Some(Snapshot::begin());
        let meta = engine.get(Table::Meta, key::META_STATE)?;
        meta.map_or(Ok(MetaRow::default()), |value| row::decode(&value)).map_err(|_| engine.damaged_row(Table::Meta))
    })?;
    let mut export = Export::create(file, Head::new(instance, now.to_string(), &meta))?;
    while let Some((table, rows)) = shared.ask(|engine| shared.snapshot().as_mut().map_or(Ok(None), |view| view.page(engine)))? {
        for (key, value) in rows {
            export.row(table, &key, &value)?;
        }
    }
    let (rows, bytes) = export.finish()?;
    Ok(BackedUp { rows, bytes, sequence: meta.sequence })
}
