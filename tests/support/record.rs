//! What has been seen so far, and waiting until it is enough.

use std::fmt::{Debug, Write as _};
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long a test waits for something that ought to happen at once. Long, for the machine may be busy; only a failing test notices.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many of the latest items a failure shows.
const SHOWN: usize = 30;

/// A list that only grows, and that can be waited on. Clones share it.
#[derive(Clone, Debug)]
pub struct Record<T>(watch::Sender<Vec<T>>);

impl<T> Default for Record<T> {
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl<T: Clone + Debug> Record<T> {
    /// Appends an item and wakes who waits.
    pub fn push(&self, item: T) {
        self.0.send_modify(|all| all.push(item));
    }

    /// All items so far.
    pub fn all(&self) -> Vec<T> {
        self.0.borrow().clone()
    }

    /// Waits until `find` finds what it looks for among all items so far. Panics in the end, saying `what` was missing and what was
    /// seen instead.
    #[track_caller]
    pub fn until<R>(&self, what: impl Into<String>, find: impl Fn(&[T]) -> Option<R>) -> impl Future<Output = R> {
        let (caller, what) = (Location::caller(), what.into());
        let mut changes = self.0.subscribe();
        async move {
            let search = async {
                loop {
                    let found = find(&changes.borrow_and_update());
                    match found {
                        Some(found) => return found,
                        None => changes.changed().await.expect("the record outlives who waits on it"),
                    }
                }
            };
            let result = timeout(PATIENCE, search).await;
            result.unwrap_or_else(|_| panic!("{caller}: waited {PATIENCE:?} for {what}; {}", self.tail()))
        }
    }

    /// Waits for the `n`-th item, counted from 1.
    #[track_caller]
    pub fn nth(&self, what: impl Into<String>, n: usize) -> impl Future<Output = T> {
        self.until(what, move |all| all.get(n - 1).cloned())
    }

    /// The latest items, one a line, for people.
    pub fn tail(&self) -> String {
        let all = self.0.borrow();
        let mut text = format!("{} seen:", all.len());
        for (n, item) in all.iter().enumerate().skip(all.len().saturating_sub(SHOWN)) {
            write!(text, "\n  {}. {item:?}", n + 1).expect("a String takes all");
        }
        text
    }
}

/// A door that is shut until the test opens it, once and for all. Clones are the same door.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A shut one.
    pub fn shut() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets all through who wait and all who come.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn passed(&self) {
        self.0.subscribe().wait_for(|open| *open).await.expect("a gate outlives who waits at it");
    }
}
