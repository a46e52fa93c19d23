//! A program of the operator's own that is fed lines and says which it has. It is started when a delivery wants it, never by itself, so
//! that the waits between attempts are the waits between its starts.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;

use super::answers::{self, trouble};
use super::ndjson::{Ack, Lines, Link, Terms};
use crate::domain::delivery::{Delivery, DeliveryError, SinkId};
use crate::secret::HeaderValue;

/// What a program is not given unless `env` says so: the environment may hold the secrets of others.
const INHERITED: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "STATE_DIRECTORY",
    "CACHE_DIRECTORY",
    "LOGS_DIRECTORY",
    "RUNTIME_DIRECTORY",
];

/// How long a program may take to end after the end of its input, and after SIGTERM, before it is told more clearly.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what a program has printed is read on after it has ended, when others hold its output open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A configured program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Absolute.
    pub program: PathBuf,
    /// What it is started with. No shell reads them.
    pub arguments: Vec<String>,
    /// What its environment has besides the usual.
    pub env: Vec<(String, HeaderValue)>,
    /// What is agreed with it.
    pub terms: Terms,
}

/// The sink.
pub struct Exec {
    options: Options,
    pub(super) lines: Lines,
    /// The task that sees to the running program; the last one has ended before the next is started.
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl Exec {
    /// Starts nothing yet.
    #[must_use]
    pub fn new(sink: SinkId, options: Options) -> Self {
        Self { lines: Lines::new(sink, options.terms.clone()), options, keeper: Mutex::new(None) }
    }

    /// Writes one line and waits until it is acknowledged. Not to be cancelled.
    ///
    /// # Errors
    /// By what can be done about it; without any secret in the reason.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        self.lines.deliver(delivery, self.start()).await
    }

    /// Ends the program, and returns when it has ended.
    pub async fn close(&self) {
        self.lines.close().await;
        if let Some(keeper) = self.keeper.lock().await.take() {
            // It does not panic; if it did, dropping the program has killed it.
            drop(keeper.await);
        }
    }

    /// Cancel safe: nothing is waited for once the program is started.
    async fn start(&self) -> Result<Arc<Link>, String> {
        let mut keeper = self.keeper.lock().await;
        if let Some(last) = keeper.as_mut() {
            drop(last.await);
            *keeper = None;
        }
        let mut child = self.command().spawn().map_err(|e| format!("cannot start {}: {e}", self.options.program.display()))?;
        let input = child.stdin.take().ok_or("the program has no standard input")?;
        let link = Link::new(self.lines.sink.clone(), input);
        if let Some(errors) = child.stderr.take() {
            tokio::spawn(answers::relay(self.lines.sink.clone(), errors));
        }
        let output = child.stdout.take();
        *keeper = Some(tokio::spawn(keep(self.lines.sink.clone(), child, output, link.clone())));
        Ok(link)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.options.program);
        let inherited = INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let own = self.options.env.iter().map(|(name, value)| match value {
            HeaderValue::Plain(text) => (name, text.as_str()),
            HeaderValue::Secret(secret) => (name, secret.expose()),
        });
        let heard = self.options.terms.ack == Ack::Ids;
        command
            .args(&self.options.arguments)
            .env_clear()
            .envs(inherited)
            .envs(own)
            .stdin(Stdio::piped())
            .stdout(if heard { Stdio::piped() } else { Stdio::null() })
            .stderr(Stdio::piped())
            // Ctrl-C on a terminal is for us; what the program has started is ended with it.
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// Hears the program until it ends or is let go, and sees that it has ended.
async fn keep(sink: SinkId, mut child: Child, output: Option<ChildStdout>, link: Arc<Link>) {
    let heard = async {
        match output {
            Some(output) => drop(answers::listen(&link.desk, output).await),
            None => std::future::pending().await,
        }
    };
    tokio::pin!(heard);
    let ended = tokio::select! {
        () = link.desk.closed() => None,
        ended = child.wait() => {
            drop(timeout(LAST_WORDS, heard.as_mut()).await);
            Some(ended)
        }
        () = &mut heard => timeout(LAST_WORDS, child.wait()).await.ok(),
    };
    let why = match ended {
        Some(ended) => format!("the program ended: {}", ended.map_or_else(|e| e.to_string(), |status: ExitStatus| status.to_string())),
        None => "the program closed its standard output".into(),
    };
    if link.desk.is_open() {
        warn!(%sink, why, "The program is gone; the next delivery starts it again.");
    }
    link.close(trouble(why));
    end(child).await;
}

/// The end of input, of which it knows already, then SIGTERM, then SIGKILL, for it and what it has started.
async fn end(mut child: Child) {
    for signal in [None, Some(Signal::TERM), Some(Signal::KILL)] {
        // Not waited for yet, so the number is still its own.
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let (Some(pid), Some(signal)) = (pid, signal) {
            // It may have ended at this very moment.
            kill_process_group(pid, signal).unwrap_or_default();
        }
        if timeout(PATIENCE, child.wait()).await.is_ok() {
            return;
        }
    }
}
