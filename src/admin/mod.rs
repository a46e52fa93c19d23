//! HTTP for operators: read-only on `[admin] listen`, the same plus control on a unix socket that only the daemon's user may open.

mod ask;
mod control;
mod events;
mod guarded;
mod metrics;
mod outbox;
mod page;
mod pages;
mod readers;
mod river;
mod stream;
mod why;

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::routing::{get, post};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::deliver::Deliverer;
use crate::domain::time::Timestamp;
use crate::poll::Poller;
use crate::store::Store;
use guarded::Patient;
pub use readers::Pull;
use readers::Readers;

/// A loop that has not gone round for so long hangs.
pub const HANGS_AFTER: Duration = Duration::from_secs(30);

/// What the daemon can be told to do while it runs.
#[derive(Debug)]
pub enum Order {
    /// End in order.
    Stop,
    /// Read the configuration anew. The answer says what changed, or why nothing did.
    Reload(Option<oneshot::Sender<Result<String, String>>>),
}

/// What is running now; replaced by a reload.
pub struct Panel {
    /// The inbound loop.
    pub poller: Arc<Poller>,
    /// The outbound loops.
    pub deliverers: Vec<Arc<Deliverer>>,
}

/// What the pages are made from.
pub struct Board {
    /// The store.
    pub store: Store,
    /// When the daemon started.
    pub started: Timestamp,
    panel: RwLock<Arc<Panel>>,
    orders: mpsc::Sender<Order>,
    readers: Readers,
    /// Whether the configuration was good when it was read last, and when that was.
    reloaded: Mutex<(bool, Timestamp)>,
    titles: page::Shelf,
}

impl Board {
    /// A board that shows `panel`.
    #[must_use]
    pub fn new(store: Store, panel: Panel, orders: mpsc::Sender<Order>, pull: Pull) -> Self {
        let (started, panel) = (clock::now(), RwLock::new(Arc::new(panel)));
        Self {
            store,
            started,
            panel,
            orders,
            readers: Readers::new(pull),
            reloaded: Mutex::new((true, started)),
            titles: page::Shelf::default(),
        }
    }

    /// What is running now.
    #[must_use]
    pub fn panel(&self) -> Arc<Panel> {
        self.panel.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows another panel.
    pub fn replace(&self, panel: Panel) {
        *self.panel.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(panel);
    }

    /// Remembers that the configuration was read anew, and whether it was good.
    pub fn reloaded(&self, good: bool) {
        *self.reloaded.lock().unwrap_or_else(PoisonError::into_inner) = (good, clock::now());
    }

    /// Sends those who wait for events home, for the daemon stops. They come back with the sequence they have.
    pub async fn dismiss(&self) {
        self.readers.end().await;
    }

    /// Whether every loop has gone round lately. A store that is being mended is waited for, not hung.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let panel = self.panel();
        let fresh = |beat: Timestamp| clock::now().since(beat) < HANGS_AFTER;
        !self.store.is_healthy() || (fresh(panel.poller.counters.beat()) && panel.deliverers.iter().all(|d| fresh(d.beat())))
    }
}

/// Serves the read-only pages on a TCP address until the future is dropped, to those who call it by its address, localhost, or one of
/// `hosts`. Says which port it is, should port 0 have been asked for.
///
/// # Errors
/// When the address cannot be bound.
pub async fn listen(
    board: Arc<Board>,
    address: SocketAddr,
    hosts: Arc<[String]>,
) -> std::io::Result<(SocketAddr, impl Future<Output = ()> + Send)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let listener = Patient { listener, patience: board.readers.pull.patience };
    let own_name = move |request: Request, next: Next| {
        let hosts = hosts.clone();
        async move { guarded::own_name(&hosts, request, next).await }
    };
    let app = pages_of(board).layer(middleware::from_fn(own_name));
    Ok((bound, async move { drop(axum::serve(listener, app).await) }))
}

/// Serves the pages and control on a unix socket with mode 0600 until dropped. A stale socket is replaced: the lock on the state
/// directory says that nobody else uses it.
///
/// # Errors
/// When the socket cannot be made.
pub async fn control(board: Arc<Board>, path: &Path) -> std::io::Result<impl Future<Output = ()> + Send + use<>> {
    if let Err(e) = fs::remove_file(path)
        && e.kind() != std::io::ErrorKind::NotFound
    {
        return Err(e);
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let listener = Patient { listener, patience: board.readers.pull.patience };
    let orders = Router::new()
        .route("/v1/reload", post(control::reload))
        .route("/v1/flood", post(control::flood))
        .route("/v1/poll", post(control::poll))
        .route("/v1/pause", post(outbox::pause))
        .route("/v1/resume", post(outbox::resume))
        .route("/v1/replay", post(outbox::replay))
        .route("/v1/dead", get(outbox::dead).post(outbox::redeem))
        .route("/v1/test", post(outbox::test))
        .route("/v1/forget", post(outbox::forget))
        .route("/v1/backup", post(control::backup))
        .route("/v1/compact", post(control::compact))
        .route("/v1/why", get(why::why))
        .with_state(board.clone());
    let app = pages_of(board).merge(orders);
    Ok(async move { drop(axum::serve(listener, app).await) })
}

/// Where the control socket is: in `$RUNTIME_DIRECTORY`, else in the state directory.
#[must_use]
pub fn socket_path(runtime_directory: Option<PathBuf>, state_dir: &Path) -> PathBuf {
    runtime_directory.unwrap_or_else(|| state_dir.to_owned()).join("control.sock")
}

fn pages_of(board: Arc<Board>) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/livez", get(pages::livez))
        .route("/readyz", get(pages::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/v1/status", get(pages::status))
        .route("/v1/feeds", get(pages::feeds))
        .route("/v1/sinks", get(pages::sinks))
        .route("/v1/events", get(events::events))
        .route("/v1/stream", get(stream::stream))
        .route("/feed.atom", get(river::atom))
        .route("/feed.json", get(river::json))
        .with_state(board)
}
