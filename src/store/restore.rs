//! A backup becomes the state.

use std::path::{Path, PathBuf};

use super::export;
use super::generation::{CACHE, JUMP, Next};
use super::key::{self, Table};
use super::row::{self, MetaRow};
use super::{StoreError, guard};

/// What became of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many rows it had.
    pub rows: u64,
    /// The instance that it was taken of: the ids of events are made from it.
    pub instance: String,
    /// When it was taken.
    pub made: String,
    /// The sequence of the newest event in it.
    pub sequence: u64,
    /// The first event from now on has a higher one.
    pub goes_on_after: u64,
    /// The database that was in use, if there was one.
    pub aside: Option<PathBuf>,
}

/// Puts a backup in the place of the state in `dir`. The whole file is read before anything is touched, and what there was stays beside it.
///
/// Commits and sequence go on above all that is known of what was there and, since more may have been told after the backup, a good deal above
/// it: a consumer that follows the log by sequence misses nothing of what is to come.
///
/// # Errors
/// [`StoreError::InUse`], [`StoreError::NotEmpty`] unless `force`, [`StoreError::Backup`] for a file that is damaged.
pub fn restore(dir: &Path, file: &Path, force: bool) -> Result<Restored, StoreError> {
    let mut meta = None;
    let head = export::read(file, |table, key, value| {
        if table == Table::Meta && key == key::META_STATE {
            meta = Some(row::decode::<MetaRow>(&value));
        }
        Ok(())
    })?;
    let mut meta = meta.transpose().unwrap_or_default().unwrap_or_default();
    let _lock = guard::Lock::take(dir)?;
    let there = guard::newest(dir)?.is_some();
    if there && !force {
        return Err(StoreError::NotEmpty { path: dir.to_owned() });
    }
    // A state that is damaged need not say which generation was in use.
    let aside = if there { guard::current(dir).ok().filter(|path| path.exists()).or_else(|| Some(dir.to_owned())) } else { None };
    let known = guard::read_watermark(dir).unwrap_or_default();
    meta.group = meta.group.max(known.group) + 1;
    meta.sequence = head.sequence.max(known.sequence).saturating_add(JUMP);
    let mut next = Next::begin(dir, CACHE)?;
    let again = export::read(file, |table, key, value| next.put(table, key, Some(value)))?;
    if again != head {
        return Err(StoreError::no_backup("the file was changed while it was read"));
    }
    let rows = next.finish(&meta)?;
    let (instance, made) = (head.instance, head.made);
    Ok(Restored { rows, instance, made, sequence: head.sequence, goes_on_after: meta.sequence, aside })
}
