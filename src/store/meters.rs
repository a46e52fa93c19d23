//! What those who watch the store may ask.

use std::fs;
use std::path::Path;

use super::{Store, StoreError, reader};
use crate::domain::time::Timestamp;
use crate::metrics::Storing;

impl Store {
    /// What it has done since it was opened.
    #[must_use]
    pub fn meters(&self) -> &Storing {
        &self.shared.meters
    }

    /// When the oldest event was committed that waits for a sink, but for what is sent once more; `None` when none does.
    ///
    /// # Errors
    /// See [`Store::feeds`].
    pub async fn oldest_waiting(&self, sink: u32) -> Result<Option<Timestamp>, StoreError> {
        // What is sent once more is as old as whoever asked for it wanted.
        let lanes: Vec<_> = self.shared.lanes().all_of(sink).into_iter().filter(|lane| !lane.is_again()).collect();
        if lanes.is_empty() {
            return Ok(None);
        }
        self.read(move |engine| reader::oldest_waiting(engine, &lanes)).await
    }

    /// Bytes that the state takes on the disk. Blocks: call it outside of the async workers.
    #[must_use]
    pub fn size(&self) -> u64 {
        size_of(&self.shared.dir)
    }
}

/// Bytes of all files in a directory; what vanishes meanwhile has none.
fn size_of(directory: &Path) -> u64 {
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size_of(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    fs::read_dir(directory).map_or(0, |entries| entries.flatten().map(of).sum())
}
