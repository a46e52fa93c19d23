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
    #[error("the state in {} is damaged: {detail}. `feedwire store check` says what is wrong; `feedwire store rebuild` keeps all that can be read; `feedwire store restore FILE --force` goes back to a backup; to start afresh, move the state directory aside (every feed's next poll then only marks what it finds)", path.display())]
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
    /// A backup that cannot be believed.
    #[error("the backup {} is damaged at line {line}: {reason}", path.display())]
    Backup {
        /// The file.
        path: PathBuf,
        /// Counted from 1, in the unpacked file.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
    /// There is a state already, which nothing may replace unasked.
    #[error("there is a state in {} already; --force moves it aside (it is not deleted) and puts the backup in its place", path.display())]
    NotEmpty {
        /// Where.
        path: PathBuf,
    },
    /// There is no state.
    #[error("there is no state in {}", path.display())]
    Nothing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Nothing is left.
    #[error("nothing in the database in {} can be read; `feedwire store restore FILE --force` goes back to a backup; to start afresh, move the state directory aside (every feed's next poll then only marks what it finds)", path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
    },
    /// Something that reads all of the state could not be done now.
    #[error("no {what} was made: {why}")]
    NotMade {
        /// What it would have been.
        what: &'static str,
        /// Why.
        why: &'static str,
    },
    /// The database cannot be opened at present; the log says why.
    #[error("the store does not work; the log says why")]
    Failing,
    /// The store was closed while it was asked.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(super) fn io(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }

    pub(super) fn no_backup(why: &'static str) -> Self {
        Self::NotMade { what: "backup", why }
    }

    pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), detail: detail.into() }
    }
}
