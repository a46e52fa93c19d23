//! What those who watch the store may ask.

use std::fs;
use std::path::Path;

use super::Store;
use crate::metrics::Storing;

impl Store {
    /// What it has done since it was opened.
    #[must_use]
    pub fn meters(&self) -> &Storing {
        &self.shared.meters
    }

    /// Bytes that the state takes on the disk. Blocks: call it outside of the async workers.
    #[must_use]
    pub fn size(&self) -> u64 {
        size_of(&self.shared.dir)
    }
}

/// Bytes of all files in a directory; what vanishes meanwhile has none.
pub(super) fn size_of(directory: &Path) -> u64 {
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size_of(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    fs::read_dir(directory).map_or(0, |entries| entries.flatten().map(of).sum())
}
