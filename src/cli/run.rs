//! `feedwire run`: reads the configuration, listens for signals, tells how far the first polls are, and runs the daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::Failure;
use crate::admin::{Order, Pull};
use crate::config::{self, Config};
use crate::daemon::{self, DaemonError, Start};
use crate::deliver::DeliverError;
use crate::domain::retry::Schedule;
use crate::log;
use crate::poll::Counters;
use crate::store::StoreError;

/// So many feeds that were never polled are worth telling about.
const WORTH_TELLING: u64 = 20;

/// The exit code when another process has the state directory (EX_TEMPFAIL).
const IN_USE: u8 = 75;

/// How a daemon ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Told,
    /// Nobody reads standard output any more. What was not read stays in the store.
    ClosedPipe,
}

/// How often it is told how far the first polls are.
const TELL: Duration = Duration::from_secs(10);

/// Runs the daemon of a configuration file until a signal ends it.
///
/// # Errors
/// 78 for the configuration, 75 when the state is in use, 1 for the rest.
pub async fn run(path: &Path) -> Result<(), Failure> {
    let path = path.to_owned();
    let load = move || config::load(&path, &|name| std::env::var_os(name));
    let config = load().map_err(|e| Failure::new(78, e.to_string()))?;
    match serve(config, Box::new(load)).await? {
        Ended::Told => Ok(()),
        Ended::ClosedPipe => Err(Failure::runtime("standard output was closed; what it did not get is delivered after the next start")),
    }
}

/// Runs the daemon of a configuration that `reload` can read again.
///
/// # Errors
/// See [`run`].
pub async fn serve(config: Config, reload: Box<dyn Fn() -> Result<Config, config::ConfigError> + Send>) -> Result<Ended, Failure> {
    let (orders, inbox) = mpsc::channel(16);
    let signals = tokio::spawn(obey_signals(Signals::install()?, orders.clone()));
    let counters = Arc::new(Counters::default());
    let telling = tokio::spawn(tell_first_polls(counters.clone()));
    let start = Start { config, reload, runtime_directory: runtime_directory(), schedule: schedule()?, pull: pull()?, counters };
    let ended = daemon::run(start, (orders, inbox)).await;
    signals.abort();
    telling.abort();
    match ended {
        Ok(()) => Ok(Ended::Told),
        Err(DaemonError::Deliver(DeliverError::Closed)) => Ok(Ended::ClosedPipe),
        Err(e @ DaemonError::Store(StoreError::InUse { .. })) => Err(Failure::new(IN_USE, log::chain(&e))),
        Err(e) => Err(Failure::runtime(log::chain(&e))),
    }
}

fn runtime_directory() -> Option<PathBuf> {
    std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from)
}

/// The waits between attempts; `$FEEDWIRE_TEST_RETRY` shortens them, so that a test of a consumer need not take a quarter of an hour.
fn schedule() -> Result<Schedule, Failure> {
    let Ok(text) = std::env::var("FEEDWIRE_TEST_RETRY") else { return Ok(Schedule::default()) };
    let steps: Result<Vec<_>, _> = text.split(',').map(|step| humantime::parse_duration(step.trim())).collect();
    let bad = || Failure::new(78, format!("FEEDWIRE_TEST_RETRY={text:?} is not a list of durations such as 50ms,1s"));
    steps.ok().and_then(Schedule::new).ok_or_else(bad)
}

/// What readers of the log may cost; `$FEEDWIRE_TEST_PULL` changes it, so that a test need not wait for a heartbeat.
fn pull() -> Result<Pull, Failure> {
    let Ok(text) = std::env::var("FEEDWIRE_TEST_PULL") else { return Ok(Pull::default()) };
    let mut words = text.split(',').map(str::trim);
    let mut time = || words.next().and_then(|word| humantime::parse_duration(word).ok());
    let times = time().zip(time());
    let readers = words.next().and_then(|word| word.parse().ok());
    let bad = || Failure::new(78, format!("FEEDWIRE_TEST_PULL={text:?} is not heartbeat, patience and readers such as 15s,30s,64"));
    times.zip(readers).map(|((heartbeat, patience), readers)| Pull { heartbeat, patience, readers }).ok_or_else(bad)
}

/// Signal handlers, in place before anybody is told that the daemon is ready.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn install() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|e| Failure::runtime(format!("cannot listen for signals: {e}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }
}

/// TERM and INT end the daemon in order, HUP has it read its configuration anew. A second TERM or INT ends the process at once, which
/// loses nothing.
async fn obey_signals(mut signals: Signals, orders: mpsc::Sender<Order>) {
    let mut stopping = false;
    loop {
        let order = tokio::select! {
            _ = signals.terminate.recv() => Order::Stop,
            _ = signals.interrupt.recv() => Order::Stop,
            _ = signals.hangup.recv() => Order::Reload(None),
        };
        if matches!(order, Order::Stop) && std::mem::replace(&mut stopping, true) {
            std::process::exit(1);
        }
        if orders.send(order).await.is_err() && !stopping {
            return;
        }
    }
}

/// Tells every now and then how many of the feeds that were never polled have been.
async fn tell_first_polls(counters: Arc<Counters>) {
    let mut told = false;
    loop {
        tokio::time::sleep(TELL).await;
        let (of, done) = (counters.unpolled.load(Ordering::Relaxed), counters.first_polls.load(Ordering::Relaxed));
        if of >= WORTH_TELLING && done < of {
            told = true;
            tracing::info!(done, of, "polling feeds for the first time");
        } else if std::mem::take(&mut told) {
            tracing::info!(of, "every feed was polled for the first time");
        }
    }
}
