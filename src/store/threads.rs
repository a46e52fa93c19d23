//! The threads of a store, and the one of them that copies all of the state. What that one has used of memory it uses again: in threads that come
//! and go, each time another part of the allocator would keep as much.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::engine::Engine;
use super::{Shared, Store, StoreError};

/// The threads of a store. They end after [`Store::close`], or when the last [`Store`] is dropped.
pub struct Closing(pub(super) Vec<JoinHandle<()>>);

impl Closing {
    /// Blocks until the database is closed.
    pub fn wait(self) {
        for thread in self.0 {
            // A panic there was logged by the hook; nothing that was acknowledged depends on it.
            drop(thread.join());
        }
    }
}

/// How long a database that is being mended is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked whether it is open again.
pub(super) const MENDING: Duration = Duration::from_millis(50);

/// Something that takes its time.
pub(super) type Work = Box<dyn FnOnce(&Shared) + Send>;

/// The thread that copies: one thing after the other, until all stores are dropped.
pub(super) fn copies(shared: Arc<Shared>, mut orders: mpsc::Receiver<Work>) -> impl FnOnce() + Send {
    move || {
        while let Some(order) = orders.blocking_recv() {
            if shared.closed.load(Ordering::Relaxed) {
                return;
            }
            // A bug in one is no reason to do none of those behind it; the hook has logged it, and whoever waits learns that it is gone.
            drop(catch_unwind(AssertUnwindSafe(|| order(&shared))));
        }
    }
}

/// Has the writer tell of what it writes, however the copying ends that wants to know.
pub(super) struct Told<'a, T>(&'a Mutex<Option<T>>);

impl<'a, T> Told<'a, T> {
    pub(super) fn of(slot: &'a Mutex<Option<T>>, walk: T) -> Self {
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(walk);
        Self(slot)
    }
}

impl<T> Drop for Told<'_, T> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Shared {
    /// Asks the open database; one that is being mended is waited for. Blocks: call it outside of the async workers.
    pub(super) fn ask<T>(&self, question: impl Fn(&Engine) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut waited = Duration::ZERO;
        loop {
            if self.closed.load(Ordering::Relaxed) {
                return Err(StoreError::Closed);
            }
            let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(engine) = engine.as_ref() {
                return question(engine);
            }
            drop(engine);
            if waited > PATIENCE {
                return Err(StoreError::Failing);
            }
            std::thread::sleep(MENDING);
            waited += MENDING;
        }
    }
}

impl Store {
    /// Has something done in the thread that copies. Dropping the future does not end it.
    pub(super) async fn copy<T: Send + 'static>(
        &self,
        order: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, result) = oneshot::channel();
        // Nobody waits for it any more: fine.
        let order: Work = Box::new(move |shared| drop(answer.send(order(shared))));
        self.copies.send(order).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?
    }
}

/// Starts a thread of that name.
pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(|e| StoreError::io("start a thread for", Path::new(name), e))
}
