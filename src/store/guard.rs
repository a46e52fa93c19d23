//! What lies around the database: the lock, the file that names the current generation, and the watermark.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::StoreError;

/// Holds the state directory for this process. The lock goes with the process, however it ends.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a state that is there.
    pub(super) fn take_existing(dir: &Path) -> Result<Self, StoreError> {
        if !dir.join("CURRENT").exists() && !dir.join("watermark").exists() {
            return Err(StoreError::Nothing { path: dir.to_owned() });
        }
        Self::take(dir)
    }

    /// Takes the lock, creating the directory when it is not there.
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(|e| StoreError::io("create", dir, e))?;
        let path = dir.join("lock");
        let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let file = open.map_err(|e| StoreError::io("open", &path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(e)) => Err(StoreError::io("lock", &path, e)),
        }
    }
}

/// The directory of the current generation: `db-N`, with N in the file `CURRENT`. A rebuild makes another one and switches the file. Nothing
/// begins anew beside what was there before.
pub(super) fn current(dir: &Path) -> Result<PathBuf, StoreError> {
    let number = match generation(dir)? {
        Some(number) => number,
        None if dir.join("watermark").exists() || newest(dir)?.is_some() => {
            let detail = "it is missing, and with it the number of the database in use";
            return Err(StoreError::damaged(&dir.join("CURRENT"), detail));
        }
        None => {
            switch(dir, 0)?;
            0
        }
    };
    let path = database(dir, number);
    if !path.join("db").exists() && read_watermark(dir)?.group > 0 {
        return Err(StoreError::damaged(&path, "the database is missing"));
    }
    Ok(path)
}

/// The number in `CURRENT`.
pub(super) fn generation(dir: &Path) -> Result<Option<u32>, StoreError> {
    let path = dir.join("CURRENT");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| StoreError::damaged(&path, "it does not hold a number")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io("read", &path, e)),
    }
}

/// The directory of a generation.
pub(super) fn database(dir: &Path, generation: u32) -> PathBuf {
    dir.join(format!("db-{generation}"))
}

/// All generations that there are, whether in use or not.
pub(super) fn generations(dir: &Path) -> Result<Vec<u32>, StoreError> {
    let entries = fs::read_dir(dir).map_err(|e| StoreError::io("read", dir, e))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.strip_prefix("db-")?.parse().ok()).collect())
}

/// The highest of them.
pub(super) fn newest(dir: &Path) -> Result<Option<u32>, StoreError> {
    Ok(generations(dir)?.into_iter().max())
}

/// From now on another generation is in use.
pub(super) fn switch(dir: &Path, generation: u32) -> Result<(), StoreError> {
    replace(&dir.join("CURRENT"), &format!("{generation}\n"))
}

/// How far the store was when it was last written down, outside of the database: one that opens with less has lost some in silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watermark {
    /// Groups that were on the disk.
    pub(super) group: u64,
    /// The sequence of the newest event.
    pub(super) sequence: u64,
}

/// See [`Watermark`]; nothing when it was never written.
pub(super) fn read_watermark(dir: &Path) -> Result<Watermark, StoreError> {
    let path = dir.join("watermark");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Watermark::default()),
        Err(e) => return Err(StoreError::io("read", &path, e)),
    };
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next().unwrap_or(Ok(0))) {
        (Some(Ok(group)), Ok(sequence)) => Ok(Watermark { group, sequence }),
        _ => Err(StoreError::damaged(&path, "it does not hold numbers")),
    }
}

/// See [`Watermark`].
pub(super) fn write_watermark(dir: &Path, group: u64, sequence: u64) -> Result<(), StoreError> {
    replace(&dir.join("watermark"), &format!("{group} {sequence}\n"))
}

/// Replaces a small file so that after a crash it is the old one or the new one, whole.
fn replace(path: &Path, text: &str) -> Result<(), StoreError> {
    let next = path.with_extension("next");
    let write = || {
        let mut file = File::create(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().map_err(|e| StoreError::io("write", path, e))
}

/// Bytes free for us on the file system of `dir`; `None` when it cannot be told.
pub(super) fn free_space(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_held_once() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        assert!(matches!(Lock::take(dir.path()), Err(StoreError::InUse { .. })));
        drop(lock);
        assert!(Lock::take(dir.path()).is_ok());
    }

    #[test]
    fn small_files_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(current(dir.path()).unwrap(), dir.path().join("db-0"));
        assert_eq!(read_watermark(dir.path()).unwrap(), Watermark::default());
        write_watermark(dir.path(), 7, 9).unwrap();
        assert_eq!(read_watermark(dir.path()).unwrap(), Watermark { group: 7, sequence: 9 });
        fs::write(dir.path().join("watermark"), "8\n").unwrap();
        assert_eq!(read_watermark(dir.path()).unwrap(), Watermark { group: 8, sequence: 0 });
        fs::write(dir.path().join("watermark"), "").unwrap();
        assert!(read_watermark(dir.path()).is_err());
        fs::remove_file(dir.path().join("watermark")).unwrap();
        fs::write(dir.path().join("CURRENT"), "3").unwrap();
        assert_eq!(current(dir.path()).unwrap(), dir.path().join("db-3"));
        fs::write(dir.path().join("CURRENT"), "x").unwrap();
        assert!(matches!(current(dir.path()), Err(StoreError::Damaged { .. })));
        write_watermark(dir.path(), 7, 9).unwrap();
        fs::write(dir.path().join("CURRENT"), "3").unwrap();
        assert!(matches!(current(dir.path()), Err(StoreError::Damaged { .. })), "what is missing is not begun anew");
        fs::remove_file(dir.path().join("CURRENT")).unwrap();
        assert!(matches!(current(dir.path()), Err(StoreError::Damaged { .. })), "what was there is not passed over");
        assert!(free_space(dir.path()).unwrap() > 0);
    }
}
