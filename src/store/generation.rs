//! The next generation of the database: built beside the one in use, read back, and only then put in its place. What was in use stays where it is.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::engine::{Engine, Writes};
use super::key::{self, TABLES, Table};
use super::row::{self, MetaRow};
use super::snapshot::PAGE;
use super::{StoreError, guard};

/// Rows in one transaction.
const ROWS_AT_ONCE: usize = 400;

/// How far the sequence jumps when it is not known how far it was: nobody who follows the log has a cursor from beyond.
pub(super) const JUMP: u64 = 1_000_000;

/// sled's page cache, for one pass over everything.
pub(super) const CACHE: u64 = 64 << 20;

/// Rows of one table, of which there may be many: by pages.
pub(super) fn each_row(
    engine: &Engine,
    table: Table,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut from = vec![];
    loop {
        let rows = engine.scan(table, &[], &from, PAGE)?;
        for (key, value) in &rows {
            each(key, value)?;
        }
        match rows.last().filter(|_| rows.len() == PAGE) {
            Some((key, _)) => from = [key, &[0][..]].concat(),
            None => return Ok(()),
        }
    }
}

/// How many rows there are and what they are, in whatever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    rows: u64,
    sum: u64,
}

impl Tally {
    fn add(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(xxh3_64_with_seed(value, xxh3_64_with_seed(key, xxh3_64(table.name().as_bytes()))));
    }

    fn of(engine: &Engine) -> Result<Self, StoreError> {
        let mut tally = Self::default();
        for table in TABLES {
            each_row(engine, table, |key, value| {
                tally.add(table, key, value);
                Ok(())
            })?;
        }
        Ok(tally)
    }
}

/// A generation in the making.
pub(super) struct Next {
    dir: PathBuf,
    path: PathBuf,
    engine: Option<Engine>,
    writes: Writes,
}

impl Next {
    /// Begins one; a rest of one that was not finished is removed.
    pub(super) fn begin(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("db.next");
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|e| StoreError::io("remove", &path, e))?;
        }
        let engine = Engine::open(&path, CACHE)?;
        Ok(Self { dir: dir.to_owned(), path, engine: Some(engine), writes: Writes::new() })
    }

    pub(super) fn put(&mut self, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), StoreError> {
        self.writes.insert((table, key), value);
        if self.writes.len() >= ROWS_AT_ONCE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let writes = std::mem::take(&mut self.writes);
        self.engine.as_ref().map_or(Ok(()), |engine| engine.commit(&writes))
    }

    /// All that has been put so far.
    pub(super) fn engine(&mut self) -> Result<&Engine, StoreError> {
        self.write()?;
        self.engine.as_ref().ok_or(StoreError::Closed)
    }

    /// Ends it with `meta`, opens it anew, compares what is read with what was written, and puts it in use. Returns how many rows it has.
    pub(super) fn finish(mut self, meta: &MetaRow) -> Result<u64, StoreError> {
        self.put(Table::Meta, key::META_STATE.to_vec(), Some(row::encode(meta)))?;
        let written = Tally::of(self.engine()?)?;
        self.engine = None;
        let engine = Engine::open(&self.path, CACHE)?;
        if Tally::of(&engine)? != written {
            return Err(StoreError::damaged(&self.path, "what was read back is not what was written; the disk may be failing"));
        }
        drop(engine);
        let number = guard::newest(&self.dir)?.map_or(0, |newest| newest + 1);
        let home = guard::database(&self.dir, number);
        let moved = fs::rename(&self.path, &home).and_then(|()| File::open(&self.dir)?.sync_all());
        moved.map_err(|e| StoreError::io("move", &self.path, e))?;
        self.give(&home)?;
        guard::switch(&self.dir, number)?;
        guard::write_watermark(&self.dir, meta.group, meta.sequence)?;
        // It names feeds by numbers that need not be theirs any more, and says little.
        drop(fs::remove_file(self.dir.join("attempts")));
        Ok(written.rows)
    }
}

impl Next {
    /// What root has written belongs to whom the directory belongs to: the daemon is somebody else, and has to write there.
    fn give(&self, home: &Path) -> Result<(), StoreError> {
        let owner = fs::metadata(&self.dir).map_err(|e| StoreError::io("look at", &self.dir, e))?;
        let lock = self.dir.join("lock");
        for path in [home, lock.as_path()] {
            give(path, owner.uid(), owner.gid()).map_err(|e| StoreError::io("change the owner of", path, e))?;
        }
        Ok(())
    }
}

fn give(path: &Path, user: u32, group: u32) -> io::Result<()> {
    let now = fs::metadata(path)?;
    if now.uid() != user {
        chown(path, Some(user), Some(group))?;
    }
    if now.is_dir() {
        fs::read_dir(path)?.try_for_each(|entry| give(&entry?.path(), user, group))?;
    }
    Ok(())
}

impl Drop for Next {
    fn drop(&mut self) {
        self.engine = None;
        // After it was finished there is nothing of that name.
        drop(fs::remove_dir_all(&self.path));
    }
}
