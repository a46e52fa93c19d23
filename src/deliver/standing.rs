//! How a sink is doing.

use std::sync::atomic::Ordering;

use super::Deliverer;
use crate::clock;
use crate::domain::retry::Condition;
use crate::domain::time::Timestamp;

/// How a sink is doing, for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// In a word.
    pub condition: Condition,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// The last failure, until a success.
    pub last_error: Option<String>,
    /// When it last took something, in this run.
    pub last_success: Option<Timestamp>,
    /// How many events it took, in this run.
    pub delivered: u64,
    /// Whether it is left alone for a while, because it failed often or asked for it.
    pub resting: bool,
    /// Attempts that it is trusted with at once.
    pub width: usize,
    /// Attempts under way.
    pub under_way: u64,
    /// Since when nothing reaches it.
    pub failing_since: Option<Timestamp>,
    /// When something is sent next, if anything is held back until a known time.
    pub next_attempt: Option<Timestamp>,
}

impl Deliverer {
    /// How it is doing.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let due = self.store.next_due(self.number(), true);
        let state = self.state();
        let next = due.max(state.health.not_before());
        Standing {
            condition: state.health.condition(),
            paused: state.paused,
            last_error: state.last_error.clone(),
            last_success: state.last_success,
            delivered: state.delivered,
            resting: state.health.not_before() > clock::now(),
            width: state.health.width(self.sink.max_in_flight()),
            under_way: self.under_way.load(Ordering::Relaxed),
            failing_since: state.health.failing_since(),
            next_attempt: (!state.paused && next < Timestamp::MAX).then_some(next),
        }
    }
}
