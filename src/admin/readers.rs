//! Those who wait for events: how many there may be, and how they are sent home.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How long the last readers may take to hear that it is over.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a reader who finds no place is told to wait, in seconds.
const COME_BACK_AFTER: &str = "10";

/// What readers may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pull {
    /// A stream on which there is nothing to tell says so this often: whoever stands in between would take it for dead.
    pub heartbeat: Duration,
    /// A connection on which not a byte can be written for so long is closed.
    pub patience: Duration,
    /// Streams and waiting requests at once.
    pub readers: usize,
}

impl Default for Pull {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(15), patience: Duration::from_secs(30), readers: 64 }
    }
}

/// The places for those who wait.
pub(super) struct Readers {
    pub(super) pull: Pull,
    places: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

/// A place, until it is dropped.
pub(super) struct Place {
    /// True when it is over.
    pub(super) stop: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    pub(super) fn new(pull: Pull) -> Self {
        Self { pull, places: Arc::new(Semaphore::new(pull.readers)), stop: watch::Sender::new(false) }
    }

    /// A place for one more.
    ///
    /// # Errors
    /// 503 with `Retry-After` when all are taken.
    pub(super) fn enter(&self) -> Result<Place, Box<Response>> {
        match self.places.clone().try_acquire_owned() {
            Ok(permit) => Ok(Place { stop: self.stop.subscribe(), _permit: permit }),
            Err(_) => {
                let words = format!("{} readers are waiting already, and there are no more places\n", self.pull.readers);
                Err(Box::new((StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, COME_BACK_AFTER)], words).into_response()))
            }
        }
    }

    /// Sends all readers home; returns when they have gone, or have been given the time for it.
    pub(super) async fn end(&self) {
        self.stop.send_replace(true);
        let all = u32::try_from(self.pull.readers).unwrap_or(u32::MAX);
        drop(tokio::time::timeout(FAREWELL, self.places.acquire_many(all)).await);
    }
}
