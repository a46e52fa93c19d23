//! A backup a day, of which some are kept.

use std::fs;
use std::path::{Path, PathBuf};

use super::{BackedUp, Store, StoreError};
use crate::domain::time::Timestamp;

/// Where they are, in the state directory.
const HOME: &str = "backups";

/// What follows the day in the name of one.
const SUFFIX: &str = ".feedwire";

/// Free space without which none is made, beside what the last one took: it must not be the backup that stops the polls.
const ROOM: u64 = 256 << 20;

impl Store {
    /// Writes the backup of the day, unless it is there, and removes the oldest beyond `keep`. `None` when there is nothing to do.
    ///
    /// # Errors
    /// See [`Store::backup`]; and when the disk has not enough room.
    pub async fn back_up_daily(&self, instance: &str, keep: usize, now: Timestamp) -> Result<Option<BackedUp>, StoreError> {
        let home = self.shared.dir.join(HOME);
        let today: String = now.to_string().chars().take(10).collect();
        let file = home.join(today + SUFFIX);
        if keep == 0 || file.exists() {
            return Ok(None);
        }
        fs::create_dir_all(&home).map_err(|e| StoreError::io("create", &home, e))?;
        let last = kept(&home).last().and_then(|path| fs::metadata(path).ok()).map_or(0, |last| last.len());
        if self.free_space().is_some_and(|free| free < last.saturating_mul(2).saturating_add(ROOM)) {
            return Err(StoreError::no_backup("the disk has not enough room"));
        }
        let done = self.backup(&file, instance, now).await?;
        let all = kept(&home);
        for old in all.iter().take(all.len().saturating_sub(keep)) {
            fs::remove_file(old).map_err(|e| StoreError::io("remove", old, e))?;
        }
        Ok(Some(done))
    }
}

/// Those that are there, the oldest first. Whatever else somebody keeps there is left alone.
fn kept(home: &Path) -> Vec<PathBuf> {
    let is_ours = |path: &PathBuf| {
        let day = path.file_name().and_then(|name| name.to_str()?.strip_suffix(SUFFIX));
        day.is_some_and(|day| day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
    };
    let mut all: Vec<_> = fs::read_dir(home).into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_ours).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DAY, NOW, close, open, update};
    use super::*;

    #[tokio::test]
    async fn one_a_day_is_made_and_the_newest_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (store, closing) = open(dir.path());
        store.record(1, update(0, &[1, 2, 3], NOW)).await.unwrap();
        let home = dir.path().join(HOME);
        assert_eq!(store.back_up_daily("main", 0, NOW).await.unwrap(), None);
        assert!(!home.exists());
        for day in 0..4 {
            let now = NOW.after(DAY * day);
            assert_eq!(store.back_up_daily("main", 2, now).await.unwrap().unwrap().sequence, 3);
            assert_eq!(store.back_up_daily("main", 2, now).await.unwrap(), None, "it is there");
            fs::write(home.join("mine.feedwire"), "x").unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["2024-11-29.feedwire", "2024-11-30.feedwire", "mine.feedwire"]);
        close(store, closing).await;
        let elsewhere = tempfile::tempdir().unwrap();
        assert_eq!(super::super::restore(elsewhere.path(), &home.join("2024-11-30.feedwire"), false).unwrap().sequence, 3);
    }
}
