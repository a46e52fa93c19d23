//! The delivery: one event for one sink, and what came of an attempt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::time::Timestamp;

/// The name of a sink in the configuration: its identity; changing its URL keeps its queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SinkId(pub Arc<str>);

impl fmt::Display for SinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The unit of order: within a lane, event n + 1 is not attempted before n is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lane {
    /// The sink, by its number in the store.
    pub sink: u32,
    /// Which of the sink's lanes, as [`Order`] lays them out.
    pub track: u32,
}

/// The bit of a track that tells what is sent once more from what is sent first.
const AGAIN: u32 = 1 << 30;

impl Lane {
    /// The lane beside this one for what is sent once more: replays, and dead letters that are tried again. News do not wait behind them.
    #[must_use]
    pub fn again(self) -> Self {
        Self { track: self.track | AGAIN, ..self }
    }

    /// Whether it is such a lane.
    #[must_use]
    pub fn is_again(self) -> bool {
        self.track & AGAIN != 0
    }
}

/// How a sink's lanes are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// One lane a feed.
    #[default]
    Feed,
    /// One lane.
    Sink,
    /// Sixteen lanes that events are dealt to: no order is promised.
    None,
}

impl Order {
    /// The track of an event. Feed numbers stay below the ranges of the others.
    #[must_use]
    pub fn track(self, feed: u32, sequence: u64) -> u32 {
        match self {
            Self::Feed => feed & (AGAIN - 1),
            Self::Sink => u32::MAX ^ AGAIN,
            Self::None => 1 << 31 | (sequence % 16) as u32,
        }
    }
}

/// The head of a lane: what may be attempted now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it waits.
    pub lane: Lane,
    /// The event.
    pub event: Event,
    /// The events behind it that go along, for a sink that takes batches.
    pub more: Vec<Event>,
    /// The number of the first in the lane, from 1, without gaps.
    pub lane_seq: u64,
    /// How often it has been tried and how that went.
    pub trials: Trials,
}

impl Delivery {
    /// How many events it is.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + self.more.len()
    }

    /// The number in the lane of the last of them.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.lane_seq + self.more.len() as u64
    }

    /// The events, in order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        std::iter::once(&self.event).chain(&self.more)
    }
}

/// How many events a sink takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// At most.
    pub max: u16,
    /// How long the first of them waits for others.
    pub wait: Duration,
}

impl Default for Batch {
    /// Each event for itself, at once.
    fn default() -> Self {
        Self { max: 1, wait: Duration::ZERO }
    }
}

/// What is remembered of the attempts at the head of a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trials {
    /// How many attempts failed.
    pub failed: u32,
    /// How many of them because of the message.
    pub rejected: u32,
    /// When the next attempt may start.
    pub next_at: Timestamp,
    /// When the first attempt failed.
    pub first_failed_at: Option<Timestamp>,
    /// The last failure in words.
    pub last_error: Option<String>,
    /// How many events go into the next attempt, so that it is the same batch; 0 for as many as there are.
    pub batch: u16,
}

/// Why an attempt failed, by what can be done about it. The sink classifies, for only it knows its protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The consumer is in trouble: try again, for as long as `max_age` allows, never bury early.
    #[error("{reason}")]
    Endpoint {
        /// In words, without any secret.
        reason: String,
        /// Not before this long from now, because the consumer said so.
        retry_after: Option<Duration>,
    },
    /// The consumer works, and has had too much (429): nothing of any lane is sent for a while.
    #[error("{reason}")]
    Throttled {
        /// In words, without any secret.
        reason: String,
        /// Not before this long from now, if the consumer said so.
        retry_after: Option<Duration>,
    },
    /// The consumer refuses this very message.
    #[error("{reason}")]
    Message {
        /// In words, without any secret.
        reason: String,
    },
    /// Whoever read what we wrote has closed it: there is no use in going on.
    #[error("nobody reads any more")]
    Closed,
    /// The consumer is gone for good: 410, and of some chat services 404.
    #[error("{reason}")]
    Gone {
        /// In words, without any secret.
        reason: String,
    },
}

impl DeliveryError {
    /// A word for the kind of failure, for programs.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Endpoint { .. } => "endpoint",
            Self::Throttled { .. } => "throttled",
            Self::Message { .. } => "message",
            Self::Closed => "closed",
            Self::Gone { .. } => "gone",
        }
    }
}

/// What becomes of the head of a lane after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Delivered, all of it: the lane moves on.
    Acknowledge,
    /// Tried again later.
    Postpone(Trials),
    /// The first event is kept as a dead letter with the reason; the lane moves on.
    Bury(String),
}

/// An event that was given up for one sink, kept for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The sink, by its number in the store.
    pub sink: u32,
    /// The event's place among all events.
    pub sequence: u64,
    /// When it was buried.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The event, as far as it can still be read.
    pub event: Option<Event>,
}
