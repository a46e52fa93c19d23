//! Why the store cannot be used, and what an operator can do about it.

use std::path::{Path, PathBuf};

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the directory.
    #[error("the state directory {} is in use by another feedwire; stop it, or set another state_dir", dir.display())]
    InUse {
        /// The state directory.
        dir: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// A verb.
        what: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was read back is not what was written.
    #[error("the state in {} is damaged: {detail}; move it aside to start afresh (every feed's next poll then only marks what it finds)", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Anything else that the engine reports.
    #[error("the database in {} failed", path.display())]
    Engine {
        /// Where.
        path: PathBuf,
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store was closed while it was asked.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(super) fn io(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }

    pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), detail: detail.into() }
    }
}
