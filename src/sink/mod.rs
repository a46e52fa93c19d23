//! Where events go: a closed set. Adding a sink is a new file, and a variant and its arms here.

use std::time::Duration;

use crate::domain::delivery::{Batch, Delivery, DeliveryError, Order, SinkId};
use crate::domain::event::EventKind;
use crate::domain::feed::Backlog;
use crate::domain::filter::{Duplicates, Filter};
use crate::domain::time::Timestamp;
use crate::metrics::Tally;
use crate::secret::Secret;

mod answers;
pub mod exec;
pub mod file;
pub mod ndjson;
pub mod payload;
pub mod presets;
pub mod river;
pub mod sample;
mod signature;
pub mod socket;
pub mod stdout;
pub mod template;
pub mod webhook;

pub use signature::Scheme;

/// A configured sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its name.
    pub id: SinkId,
    /// The kinds it wants.
    pub events: Vec<EventKind>,
    /// How its lanes are laid out.
    pub order: Order,
    /// How fast it may be fed; `None` is as fast as it answers.
    pub rate: Option<Rate>,
    /// Which entries it wants.
    pub filter: Filter,
    /// What it wants of an article that another feed has brought already.
    pub duplicates: Duplicates,
    /// Which events of the past it gets when it is new.
    pub backlog: Backlog,
    /// Where it is.
    pub target: Target,
}

/// A token bucket: one event each `per`, and `burst` at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time for one event.
    pub per: Duration,
    /// Events at once.
    pub burst: u32,
}

/// The closed set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One JSON document a line on standard output.
    Stdout(stdout::Options),
    /// One request an event.
    Webhook(Box<webhook::Options>),
    /// One JSON document a line to a program.
    Exec(exec::Options),
    /// The same to whoever listens at an address.
    Socket(socket::Options),
    /// The same at the end of a file.
    File(file::Options),
}

/// Attempts at once for standard output: lines of different feeds are made while others wait for their acknowledgement to be stored.
const STDOUT_IN_FLIGHT: usize = 16;

/// A sink that cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(String);

impl SinkError {
    fn new(reason: String) -> Self {
        Self(reason)
    }
}

/// Says what is wrong with a webhook secret, without saying what it is; nothing when it is good.
///
/// # Errors
/// [`SinkError`].
pub fn check_secret(secret: &Secret, scheme: Scheme) -> Result<(), SinkError> {
    signature::Key::parse(secret, scheme).map(drop).map_err(|e| SinkError::new(e.to_string()))
}

/// Says whether an address may be connected to, as far as that can be told without asking for names.
///
/// # Errors
/// [`SinkError`].
pub fn check_socket(options: &socket::Options) -> Result<(), SinkError> {
    options.address.check()
}

/// A sink that is set up.
pub enum Sink {
    /// Standard output.
    Stdout(stdout::Stdout),
    /// A webhook.
    Webhook {
        /// What makes the requests.
        webhook: Box<webhook::Webhook>,
        /// See [`webhook::Options`].
        max_age: Option<Duration>,
        /// See [`webhook::Options`].
        max_in_flight: usize,
    },
    /// A program.
    Exec(Box<exec::Exec>),
    /// A unix or TCP connection.
    Socket(Box<socket::Socket>),
    /// A file.
    File(file::LineFile),
}

impl Sink {
    /// Sets up a configured sink. Does not reach out.
    ///
    /// # Errors
    /// [`SinkError`], without any secret in it.
    pub fn open(options: &Options) -> Result<Self, SinkError> {
        let id = options.id.clone();
        Ok(match &options.target {
            Target::Stdout(options) => Self::Stdout(stdout::Stdout::new(id, options.clone())),
            Target::Exec(options) => Self::Exec(Box::new(exec::Exec::new(id, options.clone()))),
            Target::Socket(options) => Self::Socket(Box::new(socket::Socket::new(id, options.clone())?)),
            Target::File(options) => Self::File(file::LineFile::new(id, options.clone())),
            Target::Webhook(options) => Self::Webhook {
                webhook: Box::new(webhook::Webhook::new(options)?),
                max_age: options.max_age,
                max_in_flight: options.max_in_flight,
            },
        })
    }

    /// Counts the answers of a webhook there, by [`crate::metrics::ANSWERS`].
    #[must_use]
    pub fn counting(mut self, answers: &Tally) -> Self {
        if let Self::Webhook { webhook, .. } = &mut self {
            webhook.answers = answers.clone();
        }
        self
    }

    /// One attempt. Not to be cancelled: an answer that is not waited for is an event sent twice.
    ///
    /// # Errors
    /// By what can be done about it.
    pub async fn deliver(&self, delivery: &Delivery, now: Timestamp) -> Result<(), DeliveryError> {
        match self {
            Self::Stdout(stdout) => stdout.deliver(delivery).await,
            Self::Webhook { webhook, .. } => webhook.deliver(delivery, now).await,
            Self::Exec(exec) => exec.deliver(delivery).await,
            Self::Socket(socket) => socket.deliver(delivery).await,
            Self::File(file) => file.deliver(delivery).await,
        }
    }

    /// Lets the consumer go, when no attempt is under way any more; a program is waited for until it has ended.
    pub async fn close(&self) {
        match self {
            Self::Exec(exec) => exec.close().await,
            Self::Socket(socket) => socket.close().await,
            Self::Stdout(_) | Self::Webhook { .. } | Self::File(_) => {}
        }
    }

    /// What it is, in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stdout(_) => "stdout",
            Self::Webhook { .. } => "webhook",
            Self::Exec(_) => "program",
            Self::Socket(_) => "socket",
            Self::File(_) => "file",
        }
    }

    /// Attempts at once, over all lanes.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        match self {
            Self::Stdout(_) => STDOUT_IN_FLIGHT,
            Self::Webhook { max_in_flight, .. } => *max_in_flight,
            Self::Exec(exec) => exec.lines.terms.max_in_flight,
            Self::Socket(socket) => socket.lines.terms.max_in_flight,
            Self::File(_) => file::IN_FLIGHT,
        }
    }

    /// How many events it takes at once.
    #[must_use]
    pub fn batch(&self) -> Batch {
        match self {
            Self::Webhook { webhook, .. } => webhook.batch(),
            Self::Stdout(_) | Self::Exec(_) | Self::Socket(_) | Self::File(_) => Batch::default(),
        }
    }

    /// How long an event is tried; `None` is for ever.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        match self {
            Self::Stdout(_) | Self::File(_) => None,
            Self::Webhook { max_age, .. } => *max_age,
            Self::Exec(exec) => exec.lines.terms.max_age,
            Self::Socket(socket) => socket.lines.terms.max_age,
        }
    }
}
