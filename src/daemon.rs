//! The wiring: open, start, obey, end. A reload starts a new era of loops over the same store; the old one's attempts under way end by
//! themselves.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::admin::{self, Board, Order, Panel};
use crate::clock;
use crate::config::{self, Config, ConfigError};
use crate::deliver::{DeliverError, Deliverer, Peers};
use crate::domain::agenda::{BEAT, Limits};
use crate::domain::feed::Backlog;
use crate::domain::filter::Route;
use crate::domain::retry::Schedule;
use crate::domain::schedule;
use crate::fetch::Fetcher;
use crate::log;
use crate::notify;
use crate::poll::company::Company;
use crate::poll::pacing::Pacing;
use crate::poll::{Counters, Poller, Wanted};
use crate::sink::{self, Sink};
use crate::store::{self, Closing, Store, StoreError};

/// sled's page cache.
const CACHE: u64 = 64 << 20;

/// How long attempts under way may take when the daemon ends.
const LAST_ATTEMPTS: Duration = Duration::from_secs(25);

/// Between two rounds of deleting what retention no longer keeps.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// Between two looks at how far the database has grown.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// Why the daemon ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The state cannot be opened, or could not mend itself.
    #[error("the store cannot be used")]
    Store(#[source] StoreError),
    /// A loop could not go on.
    #[error("deliveries cannot go on")]
    Deliver(#[source] DeliverError),
    /// A fetcher or a sink cannot be set up.
    #[error("{what} cannot be set up")]
    Setup {
        /// Which.
        what: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An address or socket cannot be listened on.
    #[error("cannot listen on {what}")]
    Listen {
        /// Where.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

/// What the daemon runs on.
pub struct Start {
    /// What is configured.
    pub config: Config,
    /// Reads the configuration anew.
    pub reload: Box<dyn Fn() -> Result<Config, ConfigError> + Send>,
    /// `$RUNTIME_DIRECTORY`.
    pub runtime_directory: Option<PathBuf>,
    /// The waits between attempts.
    pub schedule: Schedule,
    /// What readers of the log may cost.
    pub pull: admin::Pull,
    /// Shared with whoever watches the first polls.
    pub counters: Arc<Counters>,
}

/// Runs until told to stop.
///
/// # Errors
/// See [`DaemonError`]. Nothing is lost by any of them: the next start goes on where this one ended.
pub async fn run(start: Start, orders: (mpsc::Sender<Order>, mpsc::Receiver<Order>)) -> Result<(), DaemonError> {
    let options = store::Options { dir: start.config.state_dir.clone(), cache: CACHE };
    let opened = tokio::task::spawn_blocking(move || Store::open(&options)).await;
    let (store, closing) = opened.unwrap_or(Err(StoreError::Closed)).map_err(DaemonError::Store)?;
    let result = govern(start, store.clone(), orders).await;
    notify::stopping();
    close(store, closing).await;
    result
}

async fn close(store: Store, closing: Closing) {
    store.close().await;
    if tokio::time::timeout(LAST_ATTEMPTS, tokio::task::spawn_blocking(|| closing.wait())).await.is_err() {
        warn!("The store did not close in time; the next start opens it all the same.");
    }
}

async fn govern(start: Start, store: Store, orders: (mpsc::Sender<Order>, mpsc::Receiver<Order>)) -> Result<(), DaemonError> {
    let (sender, mut orders) = orders;
    let mut era = Era::prepare(&start.config, &store, &start, &[]).await?.begin().await?;
    let board = Arc::new(Board::new(store.clone(), era.panel(), sender, start.pull));
    let mut servers = JoinSet::new();
    serve(&mut servers, &board, &start).await?;
    let mut config = start.config.clone();
    for warning in &config.warnings {
        warn!("{warning}");
    }
    info!(feeds = config.feeds.len(), sinks = config.sinks.len(), state = %config.state_dir.display(), "feedwire is ready.");
    notify::ready(&summary(&config));
    let mut old = JoinSet::new();
    let mut watchdog = tokio::time::interval(notify::watchdog_interval().unwrap_or(admin::HANGS_AFTER) / 2);
    let mut prune = tokio::time::interval(PRUNE_EVERY);
    let mut look = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
    let result = loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Stop) | None => break Ok(()),
                Some(Order::Reload(answer)) => {
                    notify::reloading();
                    let outcome = reload(&start, &mut config, &store, &mut era, &mut old, &board).await;
                    board.reloaded(outcome.is_ok());
                    match &outcome {
                        Ok(changed) => info!("The configuration was read anew: {changed}."),
                        Err(wrong) => error!("The configuration was refused, the old one stays: {wrong}"),
                    }
                    let refused = outcome.as_ref().err().map(|wrong| format!("configuration refused, the old one stays: {wrong}"));
                    notify::ready(&refused.unwrap_or_else(|| summary(&config)));
                    if let Some(answer) = answer {
                        drop(answer.send(outcome));
                    }
                }
            },
            Some(ended) = era.polling.join_next() => if let Err(e) = end_of(ended) { break Err(e) },
            Some(ended) = era.delivering.join_next() => if let Err(e) = end_of(ended) { break Err(e) },
            Some(ended) = old.join_next() => if let Err(e) = end_of(ended) { break Err(e) },
            _ = watchdog.tick() => if board.is_alive() { notify::watchdog() },
            _ = prune.tick() => {
                tokio::spawn(pruned(store.clone(), config.retention));
                tokio::spawn(backed_up(store.clone(), config.instance.clone(), config.backups));
            }
            _ = look.tick() => drop(tokio::spawn(compacted(store.clone()))),
        }
    };
    info!("feedwire is stopping; attempts under way may end.");
    era.stop.send_replace(true);
    board.dismiss().await;
    let last = async {
        while era.polling.join_next().await.is_some() {}
        while era.delivering.join_next().await.is_some() {}
        while old.join_next().await.is_some() {}
    };
    if tokio::time::timeout(LAST_ATTEMPTS, last).await.is_err() {
        warn!("An attempt did not end in time; its event is sent again after the next start, with the same id.");
    }
    result
}

fn end_of(ended: Result<Result<(), DaemonError>, tokio::task::JoinError>) -> Result<(), DaemonError> {
    ended.unwrap_or_else(|e| {
        let source = Box::new(e);
        Err(DaemonError::Setup { what: "a loop panicked and".into(), source })
    })
}

async fn pruned(store: Store, retention: Duration) {
    if let Err(e) = store.prune(clock::now(), retention).await {
        warn!(error = log::chain(&e), "Old events could not be deleted.");
    }
}

async fn backed_up(store: Store, instance: String, keep: usize) {
    match store.back_up_daily(&instance, keep, clock::now()).await {
        Ok(Some(done)) => info!(rows = done.rows, bytes = done.bytes, "The backup of the day was written."),
        Ok(None) => {}
        Err(e) => warn!(error = log::chain(&e), "The backup of the day could not be written; it is tried again in an hour."),
    }
}

async fn compacted(store: Store) {
    match store.compact_if_grown().await {
        Ok(Some(done)) => info!(before = done.before, after = done.after, "The database had grown and was written anew."),
        Ok(None) => {}
        Err(e) => warn!(error = log::chain(&e), "The database has grown and could not be written anew; it is tried again in an hour."),
    }
}

fn summary(config: &Config) -> String {
    format!("{}, {}", log::counted(config.feeds.len(), "feed"), log::counted(config.sinks.len(), "sink"))
}

async fn serve(servers: &mut JoinSet<()>, board: &Arc<Board>, start: &Start) -> Result<(), DaemonError> {
    let socket = admin::socket_path(start.runtime_directory.clone(), &start.config.state_dir);
    let control = admin::control(board.clone(), &socket).await;
    servers.spawn(control.map_err(|source| DaemonError::Listen { what: socket.display().to_string(), source })?);
    if let Some(address) = start.config.admin {
        let listening = admin::listen(board.clone(), address, start.config.hosts.clone()).await;
        let (address, pages) = listening.map_err(|source| DaemonError::Listen { what: address.to_string(), source })?;
        servers.spawn(pages);
        info!(listen = %address, "Serving health and status.");
    }
    Ok(())
}

/// Replaces the running era by one of the new configuration, if that is good.
async fn reload(
    start: &Start,
    config: &mut Config,
    store: &Store,
    era: &mut Era,
    old: &mut JoinSet<Result<(), DaemonError>>,
    board: &Board,
) -> Result<String, String> {
    let fresh = (start.reload)().map_err(|e| e.to_string())?;
    if fresh.state_dir != config.state_dir {
        return Err("state_dir cannot change while the daemon runs; restart it".into());
    }
    let prepared = Era::prepare(&fresh, store, start, &era.deliverers).await.map_err(|e| log::chain(&e))?;
    era.stop.send_replace(true);
    // What the old loop has received is written before the new one looks at when each feed is due.
    while era.polling.join_next().await.is_some() {}
    let next = prepared.begin().await.map_err(|e| log::chain(&e))?;
    let mut delivering = std::mem::replace(era, next).delivering;
    board.replace(era.panel());
    old.spawn(async move {
        while let Some(ended) = delivering.join_next().await {
            end_of(ended)?;
        }
        Ok(())
    });
    let changed = config::changes(config, &fresh);
    *config = fresh;
    Ok(changed)
}

/// The loops over one configuration.
struct Era {
    poller: Arc<Poller>,
    deliverers: Vec<Arc<Deliverer>>,
    stop: watch::Sender<bool>,
    polling: JoinSet<Result<(), DaemonError>>,
    delivering: JoinSet<Result<(), DaemonError>>,
}

/// An era that can begin: the configuration has passed every test.
struct Prepared {
    poller: Poller,
    limits: Limits,
    deliverers: Vec<(Deliverer, Backlog)>,
}

fn route(options: &sink::Options, number: u32) -> Route {
    let (events, filter) = (options.events.clone().into(), Arc::new(options.filter.clone()));
    Route { sink: number, events, order: options.order, filter, duplicates: options.duplicates }
}

impl Era {
    /// `before` are the sinks that run now: those that stay count on.
    async fn prepare(config: &Config, store: &Store, start: &Start, before: &[Arc<Deliverer>]) -> Result<Prepared, DaemonError> {
        let feeds = config.feeds.iter().map(|f| f.feed.id.clone()).collect();
        let sinks = config.sinks.iter().map(|s| s.id.clone()).collect();
        let (feeds, sinks) = store.number(feeds, sinks).await.map_err(DaemonError::Store)?;
        let setup = |what: &str, source: Box<dyn std::error::Error + Send + Sync>| DaemonError::Setup { what: what.to_owned(), source };
        let routes: Vec<_> = config.sinks.iter().zip(sinks).map(|(options, number)| route(options, number)).collect();
        let nudge = watch::channel(()).0;
        let peers = Arc::new(Peers { instance: config.instance.clone(), routes: routes.clone(), nudge: nudge.clone() });
        let mut deliverers = vec![];
        for (options, route) in config.sinks.iter().zip(&routes) {
            let sink = Sink::open(options).map_err(|e| setup(&format!("sink {}", options.id), Box::new(e)))?;
            let meters = before.iter().find(|d| d.id == options.id).map(|d| d.meters.clone()).unwrap_or_default();
            let (schedule, peers) = (start.schedule.clone(), peers.clone());
            deliverers.push((Deliverer::new(options, route.clone(), sink, store.clone(), schedule, peers, meters), options.backlog));
        }
        let company = Company::of(&config.feeds);
        let fetcher = Fetcher::new(&config.fetch).map_err(|e| setup("the HTTP client", Box::new(e)))?;
        let poller = Poller {
            instance: config.instance.clone(),
            store: store.clone(),
            fetcher: fetcher.counting(start.counters.meters.received.clone()),
            feeds: config.feeds.clone(),
            numbers: feeds,
            routes,
            stories: Mutex::default(),
            max_entries: config.polling.max_entries,
            nudge,
            pacing: Arc::new(Pacing::new(&config.feeds, &company)),
            parsing: Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)),
            counters: start.counters.clone(),
            wanted: Wanted::default(),
            paused: Mutex::default(),
            company,
        };
        let per_beat = schedule::most_per_second(poller.pacing.per_second()) * BEAT.as_secs_f64();
        let limits = Limits {
            in_flight: config.polling.max_in_flight,
            per_host: config.polling.per_host,
            host_gap: config.polling.host_gap,
            per_beat: per_beat.ceil() as usize,
        };
        Ok(Prepared { poller, limits, deliverers })
    }

    fn panel(&self) -> Panel {
        Panel { poller: self.poller.clone(), deliverers: self.deliverers.clone() }
    }
}

impl Prepared {
    async fn begin(mut self) -> Result<Era, DaemonError> {
        let stories = self.poller.store.stories().await.map_err(DaemonError::Store)?;
        self.poller.stories = Mutex::new(stories);
        self.poller.paused = Mutex::new(self.poller.store.paused_feeds().await.map_err(DaemonError::Store)?);
        let agenda = self.poller.agenda(self.limits).await.map_err(DaemonError::Store)?;
        let (stop, stopped) = watch::channel(false);
        let (mut polling, mut delivering) = (JoinSet::new(), JoinSet::new());
        let mut deliverers = vec![];
        for (deliverer, backlog) in self.deliverers {
            let given = deliverer.store.welcome(&deliverer.route, backlog, clock::now()).await.map_err(DaemonError::Store)?;
            if given > 0 {
                info!(sink = %deliverer.id, events = given, "A new sink begins with events of the past.");
            }
            deliverers.push(Arc::new(deliverer));
        }
        for deliverer in &deliverers {
            let run = deliverer.clone().run(self.poller.nudge.subscribe(), stopped.clone());
            delivering.spawn(async { run.await.map_err(DaemonError::Deliver) });
        }
        let poller = Arc::new(self.poller);
        let run = poller.clone().run(agenda, stopped);
        polling.spawn(async { run.await.map_err(DaemonError::Store) });
        Ok(Era { poller, deliverers, stop, polling, delivering })
    }
}
