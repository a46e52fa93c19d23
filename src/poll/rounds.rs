//! The loop: wait, then start what is due. It keeps nothing that a crash could lose: whatever is on its way here is asked again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{info, warn};

use super::{Poller, Ticked, Visit};
use crate::clock;
use crate::domain::agenda::Agenda;
use crate::domain::failure::PollError;
use crate::domain::outage::Outage;
use crate::domain::time::Timestamp;
use crate::fetch::Chain;
use crate::http::domain;
use crate::store::StoreError;

/// Polling stops when less is free on the disk of the store: rather late news than lost news.
const RESERVE: u64 = 64 << 20;

/// How often a poll that may not start for want of disk is looked at again.
const SHORT_OF_DISK: Duration = Duration::from_secs(5);

/// How soon a poll is tried again that could not take place for want of descriptors, and how often that is said.
const EXHAUSTED: Duration = Duration::from_secs(2);

impl Poller {
    /// Polls until `stop`. Requests under way are then dropped; what has already been received is still written.
    ///
    /// # Errors
    /// Only when the store could not mend itself.
    pub async fn run(self: Arc<Self>, agenda: Agenda, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
        let mut rounds = Rounds {
            poller: self,
            agenda,
            outage: Outage::default(),
            sent_on: HashMap::new(),
            held: HashMap::new(),
            exhausted: Timestamp(0),
            ticks: JoinSet::new(),
            stop: stop.clone(),
        };
        let mut short = false;
        loop {
            rounds.begin(&mut short);
            let wake = if short { clock::steady().after(SHORT_OF_DISK) } else { rounds.wake_at() };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(ticked) = rounds.ticks.join_next() => rounds.finish(ticked)?,
                () = rounds.poller.wanted.nudge.notified() => {}
                () = clock::wait_until_steady(wake) => {}
            }
        }
        while let Some(ticked) = rounds.ticks.join_next().await {
            rounds.finish(ticked)?;
        }
        Ok(())
    }

    /// Whether polling must wait for the store; said once when it begins and once when it ends.
    fn is_short_of_disk(&self, before: bool) -> bool {
        let short = !self.store.is_healthy() || self.store.free_space().is_some_and(|free| free < RESERVE);
        match (before, short) {
            (false, true) => warn!("Polling waits: the store has no room or does not work."),
            (true, false) => info!("Polling goes on."),
            _ => {}
        }
        short
    }
}

/// The state of the loop.
struct Rounds {
    poller: Arc<Poller>,
    agenda: Agenda,
    outage: Outage,
    /// Polls that wait for the host that they were sent on to.
    sent_on: HashMap<u32, Box<(Visit, Chain)>>,
    /// Polls that reached nobody, until it is clear whose fault that is.
    held: HashMap<u32, Box<(Visit, PollError)>>,
    /// When it was last said that the process has too many open files.
    exhausted: Timestamp,
    ticks: JoinSet<Result<Ticked, StoreError>>,
    stop: watch::Receiver<bool>,
}

impl Rounds {
    /// Starts what may start.
    fn begin(&mut self, short: &mut bool) {
        let poller = self.poller.clone();
        poller.counters.beat.store(clock::now().0.unsigned_abs(), Ordering::Relaxed);
        *short = poller.is_short_of_disk(*short);
        poller.counters.waits_for_store.store(*short, Ordering::Relaxed);
        poller.counters.waits_for_network.store(self.outage.is_broken(), Ordering::Relaxed);
        if poller.pacing.is_due(clock::now()) {
            let pacing = poller.pacing.clone();
            // Nobody waits for it: until it is there, the old one is good enough.
            drop(tokio::task::spawn_blocking(move || pacing.solve(clock::now())));
        }
        let now = clock::steady();
        poller.wanted.take().into_iter().for_each(|place| self.agenda.hasten(poller.company.leader(place), now));
        self.judge(now);
        while !*short
            && self.outage.admits(now)
            && let Some(place) = self.agenda.start(now)
        {
            self.outage.started(now);
            let sent_on = self.sent_on.remove(&place);
            self.ticks.spawn(poller.clone().tick(place, sent_on, self.stop.clone()));
        }
        poller.counters.under_way.store(self.ticks.len() as u64, Ordering::Relaxed);
    }

    fn wake_at(&self) -> Timestamp {
        let due = self.agenda.wake_at();
        // While the network is broken, nothing starts before the next probe.
        if self.outage.admits(clock::steady()) { due.min(self.outage.wake_at()) } else { self.outage.wake_at() }
    }

    /// Deals with polls that reached nobody, as far as it is clear by now whose fault that is.
    fn judge(&mut self, now: Timestamp) {
        let verdict = self.outage.settle(now);
        for place in verdict.failed {
            if let Some(held) = self.held.remove(&place) {
                let (poller, (visit, error)) = (self.poller.clone(), *held);
                self.ticks.spawn(async move { poller.conclude(visit, Err(error)).await });
            }
        }
        for place in verdict.forgiven {
            self.held.remove(&place);
            self.agenda.done(place, now, now);
        }
    }

    /// Whoever answers, with whatever, shows that the network works.
    fn hear(&mut self, answered: Option<Timestamp>) {
        if answered.is_some_and(|began| self.outage.answered(began)) {
            info!("Something can be reached again; polling goes on.");
        }
    }

    fn finish(&mut self, ticked: Result<Result<Ticked, StoreError>, JoinError>) -> Result<(), StoreError> {
        let now = clock::steady();
        match ticked {
            Ok(ticked) => match ticked? {
                Ticked::Over { place, first, answered, next_poll, word } => {
                    self.hear(answered);
                    let counters = &self.poller.counters;
                    counters.polls.fetch_add(1, Ordering::Relaxed);
                    counters.first_polls.fetch_add(first, Ordering::Relaxed);
                    self.agenda.heard(place, word, now);
                    self.agenda.done(place, now.after(next_poll.since(clock::now())), now);
                }
                Ticked::Turned(sent_on) => {
                    let Visit { place, ref host, answered, .. } = sent_on.0;
                    self.hear(answered);
                    self.agenda.turn(place, host, &domain::registrable(host), now);
                    self.sent_on.insert(place, sent_on);
                }
                Ticked::Exhausted(place, error) => {
                    if now >= self.exhausted.after(EXHAUSTED) {
                        warn!(%error, "Polls cannot take place; they are tried again.");
                        self.exhausted = now;
                    }
                    self.agenda.done(place, now.after(EXHAUSTED), now);
                }
                Ticked::Unreachable(held) => {
                    let place = held.0.place;
                    if self.outage.unreachable(place, self.agenda.host_of(place), now) {
                        warn!(error = %held.1, "Nothing can be reached; polling waits until something can. No feed is to blame.");
                    }
                    self.held.insert(place, held);
                }
                // Until it is resumed, which has it wanted.
                Ticked::Paused(place) => self.agenda.done(place, Timestamp::MAX, now),
                Ticked::Stopped => {}
            },
            Err(e) => warn!(error = %e, "A poll panicked; this is a bug. Its feed is polled again after a restart."),
        }
        Ok(())
    }
}
