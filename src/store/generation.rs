//! The next generation of the database: built beside the one in use, read back, and only then put in its place.

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

/// A generation that is not whole yet.
const UNFINISHED: &str = "db.next";

/// A generation that is not in use any more.
const DISCARDED: &str = "db.old";

/// In a generation that was made of another: the number of that one, which is removed when this is in use.
const REPLACES: &str = "replaces";

/// sled's page cache, for one pass over everything.
pub(super) const CACHE: u64 = 64 << 20;

/// Rows of one table, of which there may be many: by pages.
pub(super) fn each_row(
    engine: &Engine,
    table: Table,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut place = Some((table, vec![]));
    while let Some(from) = place.filter(|(at, _)| *at == table) {
        let (rows, next) = engine.page(&from, PAGE)?;
        rows.iter().try_for_each(|(key, value)| each(key, value))?;
        place = next;
    }
    Ok(())
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
    number: u32,
    engine: Option<Engine>,
    writes: Writes,
}

impl Next {
    /// Begins one; a rest of one that was not finished is removed. `cache` is in bytes.
    pub(super) fn begin(dir: &Path, cache: u64) -> Result<Self, StoreError> {
        let path = dir.join(UNFINISHED);
        remove(&path)?;
        let number = guard::newest(dir)?.map_or(0, |newest| newest + 1);
        let engine = Engine::open(&path, cache)?;
        Ok(Self { dir: dir.to_owned(), path, number, engine: Some(engine), writes: Writes::new() })
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
        self.reopen(CACHE)?;
        if Tally::of(self.engine()?)? != written {
            return Err(unlike(&self.path));
        }
        self.engine = None;
        self.move_home()?;
        self.give()?;
        self.switch()?;
        guard::write_watermark(&self.dir, meta.group, meta.sequence)?;
        // It names feeds by numbers that need not be theirs any more, and says little.
        drop(fs::remove_file(self.dir.join("attempts")));
        Ok(written.rows)
    }

    /// Opens it anew.
    pub(super) fn reopen(&mut self, cache: u64) -> Result<(), StoreError> {
        self.write()?;
        self.engine = None;
        self.engine = Some(Engine::open(&self.path, cache)?);
        Ok(())
    }

    /// Moves it where it will be in use, as what takes the place of the generation `old`, and opens it there.
    pub(super) fn settle(&mut self, old: u32, cache: u64) -> Result<(), StoreError> {
        self.write()?;
        self.engine = None;
        let mark = self.path.join(REPLACES);
        let written = fs::write(&mark, format!("{old}\n")).and_then(|()| File::open(&mark)?.sync_all());
        written.map_err(|e| StoreError::io("write", &mark, e))?;
        self.move_home()?;
        self.reopen(cache)
    }

    /// Puts it in use.
    pub(super) fn take_over(mut self) -> Result<Engine, StoreError> {
        self.write()?;
        let engine = self.engine.take().ok_or(StoreError::Closed)?;
        self.switch()?;
        Ok(engine)
    }

    /// From here on `CURRENT` decides which one is in use, even if writing it came to no good end: this one is not removed any more.
    fn switch(&mut self) -> Result<(), StoreError> {
        self.path = PathBuf::new();
        guard::switch(&self.dir, self.number).or_else(|e| match guard::generation(&self.dir) {
            Ok(Some(number)) if number == self.number => Ok(()),
            _ => Err(e),
        })
    }

    fn move_home(&mut self) -> Result<(), StoreError> {
        let home = guard::database(&self.dir, self.number);
        let moved = fs::rename(&self.path, &home).and_then(|()| File::open(&self.dir)?.sync_all());
        moved.map_err(|e| StoreError::io("move", &self.path, e))?;
        self.path = home;
        Ok(())
    }

    /// What root has written belongs to whom the directory belongs to: the daemon is somebody else, and has to write there.
    fn give(&self) -> Result<(), StoreError> {
        let owner = fs::metadata(&self.dir).map_err(|e| StoreError::io("look at", &self.dir, e))?;
        let lock = self.dir.join("lock");
        for path in [&self.path, &lock] {
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
        // What is in use has no path here any more.
        if !self.path.as_os_str().is_empty() {
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

/// What was read of a new generation differs.
pub(super) fn unlike(path: &Path) -> StoreError {
    StoreError::damaged(path, "what was read back is not what was written; the disk may be failing")
}

/// Removes what a compaction has left over, whenever it was killed: the database that it did not finish, or the one that is not in use any
/// more. What a restore or a rebuild has set aside stays.
pub(super) fn tidy(dir: &Path) -> Result<(), StoreError> {
    remove(&dir.join(UNFINISHED))?;
    remove(&dir.join(DISCARDED))?;
    let Some(current) = guard::generation(dir)? else { return Ok(()) };
    for number in guard::generations(dir)? {
        let path = guard::database(dir, number);
        let mark = path.join(REPLACES);
        let Ok(text) = fs::read_to_string(&mark) else { continue };
        if number != current {
            discard(dir, &path)?;
            continue;
        }
        if let Some(old) = text.trim().parse().ok().filter(|old| *old != current) {
            discard(dir, &guard::database(dir, old))?;
        }
        fs::remove_file(&mark).map_err(|e| StoreError::io("remove", &mark, e))?;
    }
    Ok(())
}

/// Removes a generation so that no part of it is ever taken for the whole.
fn discard(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let discarded = dir.join(DISCARDED);
    match fs::rename(path, &discarded) {
        Ok(()) => remove(&discarded),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(StoreError::io("move", path, e)),
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path, e)),
        _ => Ok(()),
    }
}
