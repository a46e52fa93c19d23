//! The threads of a store, and the one of them that copies all of the state. What that one has used of memory it uses again: in threads that come
//! and go, each time another part of the allocator would keep as much.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

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

/// Something that takes its time.
pub(super) type Work = Box<dyn FnOnce(&Shared) + Send>;

/// The thread that copies: one thing after the other, until all stores are dropped.
pub(super) fn copies(shared: Arc<Shared>, mut orders: mpsc::Receiver<Work>) -> impl FnOnce() + Send {
    move || {
        while let Some(order) = orders.blocking_recv() {
            if shared.closed.load(Ordering::Relaxed) {
                return;
            }
            order(&shared);
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
