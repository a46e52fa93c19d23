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

/// The directory of the current generation: `db-N`, with N in the file `CURRENT`. A rebuild makes the next one and switches the file.
pub(super) fn current(dir: &Path) -> Result<PathBuf, StoreError> {
    let path = dir.join("CURRENT");
    let generation = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| StoreError::damaged(&path, "it does not hold a number"))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            replace(&path, "0\n")?;
            0u32
        }
        Err(e) => return Err(StoreError::io("read", &path, e)),
    };
    Ok(dir.join(format!("db-{generation}")))
}

/// The number of groups that were on the disk when it was last written: a database that opens with fewer has lost some in silence.
pub(super) fn read_watermark(dir: &Path) -> Result<u64, StoreError> {
    let path = dir.join("watermark");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| StoreError::damaged(&path, "it does not hold a number")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(StoreError::io("read", &path, e)),
    }
}

/// See [`read_watermark`].
pub(super) fn write_watermark(dir: &Path, group: u64) -> Result<(), StoreError> {
    replace(&dir.join("watermark"), &format!("{group}\n"))
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
        assert_eq!(read_watermark(dir.path()).unwrap(), 0);
        write_watermark(dir.path(), 7).unwrap();
        assert_eq!(read_watermark(dir.path()).unwrap(), 7);
        fs::write(dir.path().join("CURRENT"), "3").unwrap();
        assert_eq!(current(dir.path()).unwrap(), dir.path().join("db-3"));
        fs::write(dir.path().join("CURRENT"), "x").unwrap();
        assert!(matches!(current(dir.path()), Err(StoreError::Damaged { .. })));
        assert!(free_space(dir.path()).unwrap() > 0);
    }
}
