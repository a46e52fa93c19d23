//! The outbound loop, one a sink: wait, then tick. A tick reads the head of a lane, delivers it, decides what becomes of it, and writes
//! that. Sinks know nothing of each other, so none waits for another.

mod standing;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::clock;
use crate::domain::delivery::{Delivery, DeliveryError, Lane, Settlement, SinkId, Trials};
use crate::domain::event::{Event, EventId, EventKind, Happening, Scene, SinkReport, What};
use crate::domain::feed::FeedId;
use crate::domain::filter::{Duplicates, Route};
use crate::domain::plan::Destination;
use crate::domain::retry::{self, Bucket, Condition, Health, Schedule};
use crate::domain::time::Timestamp;
use crate::metrics::Delivering;
use crate::sink::{Options, Sink};
use crate::store::{Store, StoreError};
pub use standing::Standing;

/// Why a loop cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The store could not mend itself.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// Whoever read standard output is gone; what it did not get stays in the store.
    #[error("standard output was closed")]
    Closed,
}

/// One sink and all that its loop needs.
pub struct Deliverer {
    /// Its name.
    pub id: SinkId,
    /// Which events are its own.
    pub route: Route,
    /// Where events go.
    pub sink: Sink,
    /// Where they wait.
    pub store: Store,
    /// The waits between attempts.
    pub schedule: Schedule,
    /// Who is told how it fares.
    pub peers: Arc<Peers>,
    /// What is counted and timed.
    pub meters: Delivering,
    state: Mutex<State>,
    /// Something has changed that the loop should look at.
    changed: Notify,
    /// When the loop last went round, in milliseconds since the epoch.
    beat: AtomicU64,
    /// Attempts under way.
    under_way: AtomicU64,
}

/// The sinks of one configuration, each of which may want to know how the others fare.
#[derive(Clone, Debug)]
pub struct Peers {
    /// `instance` of the configuration.
    pub instance: String,
    /// What each wants.
    pub routes: Vec<Route>,
    /// Wakes them all.
    pub nudge: watch::Sender<()>,
}

struct State {
    health: Health,
    paused: bool,
    /// Since when operators know that nothing reaches it.
    disabled: Option<Timestamp>,
    bucket: Option<Bucket>,
    last_error: Option<String>,
    last_success: Option<Timestamp>,
    delivered: u64,
}

impl Deliverer {
    /// A sink that is thought healthy until it shows otherwise. It counts on with the `meters` of the one before it.
    #[must_use]
    pub fn new(
        options: &Options,
        route: Route,
        sink: Sink,
        store: Store,
        schedule: Schedule,
        peers: Arc<Peers>,
        meters: Delivering,
    ) -> Self {
        let bucket = options.rate.map(|r| Bucket::new(r.per, r.burst));
        let health = Health::default();
        let state = State { health, paused: false, disabled: None, bucket, last_error: None, last_success: None, delivered: 0 };
        let (id, sink, state) = (options.id.clone(), sink.counting(&meters.answers), Mutex::new(state));
        let (changed, beat, under_way) = (Notify::new(), AtomicU64::new(0), AtomicU64::new(0));
        Self { id, route, sink, store, schedule, peers, meters, state, changed, beat, under_way }
    }

    /// Its number in the store.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.route.sink
    }

    /// Has it wait, or go on. Going on, it is thought healthy until it shows otherwise, even if it has said that it is gone.
    ///
    /// # Errors
    /// When the store is closed.
    pub async fn pause(&self, paused: bool) -> Result<(), StoreError> {
        self.store.pause_sink(self.number(), paused).await?;
        let mut state = self.state();
        state.paused = paused;
        if !paused {
            state.health = Health::default();
            self.store.hasten(self.number(), clock::now());
        }
        drop(state);
        self.wake();
        Ok(())
    }

    /// Has the loop look at what waits.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Sends a `feedwire.ping`, past the queue and whatever the sink is thought to be; says what came of it.
    ///
    /// # Errors
    /// As [`Sink::deliver`].
    pub async fn test(&self) -> Result<(), DeliveryError> {
        let now = clock::now();
        let event =
            Event { sequence: self.store.sequence(), scene: Arc::new(self.scene(now)), happening: self.happening(EventKind::Ping, now) };
        let lane = Lane { sink: self.number(), track: 0 };
        self.sink.deliver(&Delivery { lane, event, more: vec![], lane_seq: 0, trials: Trials::default() }, now).await
    }

    /// When the loop last went round.
    #[must_use]
    pub fn beat(&self) -> Timestamp {
        Timestamp(i64::try_from(self.beat.load(Ordering::Relaxed)).unwrap_or(0))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers until `stop`, then lets the attempts under way end, for an answer that is not waited for is an event sent twice.
    ///
    /// # Errors
    /// When the store could not mend itself, or standard output is closed.
    pub async fn run(self: Arc<Self>, mut nudge: watch::Receiver<()>, mut stop: watch::Receiver<bool>) -> Result<(), DeliverError> {
        let (paused, disabled) = self.store.sink_state(self.number()).await.map_err(DeliverError::Store)?;
        {
            let mut state = self.state();
            (state.paused, state.disabled) = (paused, disabled);
        }
        self.store.set_batch(self.number(), self.sink.batch());
        let mut ticks = JoinSet::new();
        loop {
            self.beat.store(clock::now().0.unsigned_abs(), Ordering::Relaxed);
            nudge.mark_unchanged();
            let wake = self.start(&mut ticks);
            self.under_way.store(ticks.len() as u64, Ordering::Relaxed);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(ticked) = ticks.join_next() => self.finish(ticked)?,
                _ = nudge.changed() => {}
                () = self.changed.notified() => {}
                () = clock::wait_until(wake) => {}
            }
        }
        while let Some(ticked) = ticks.join_next().await {
            self.finish(ticked)?;
        }
        self.sink.close().await;
        Ok(())
    }

    /// Starts what may be started now; says when to look again.
    fn start(self: &Arc<Self>, ticks: &mut JoinSet<Result<(), DeliverError>>) -> Timestamp {
        loop {
            let now = clock::now();
            let (width, not_before) = self.limits();
            if ticks.len() >= width {
                return Timestamp::MAX;
            }
            if not_before > now {
                return not_before;
            }
            // News find half of the places free.
            let again = ticks.len() < width.div_ceil(2);
            let Some(lane) = self.store.claim(self.number(), now, again) else { return self.store.next_due(self.number(), again) };
            if let Some(bucket) = &mut self.state().bucket {
                bucket.take(now);
            }
            ticks.spawn(Self::tick(self.clone(), lane));
        }
    }

    fn limits(&self) -> (usize, Timestamp) {
        let state = self.state();
        if state.paused {
            return (1, Timestamp::MAX);
        }
        let rate = state.bucket.as_ref().map_or(Timestamp(0), Bucket::ready_at);
        (state.health.width(self.sink.max_in_flight()), state.health.not_before().max(rate))
    }

    fn finish(&self, ticked: Result<Result<(), DeliverError>, tokio::task::JoinError>) -> Result<(), DeliverError> {
        ticked.unwrap_or_else(|e| {
            error!(sink = %self.id, error = %e, "A delivery panicked; this is a bug. Its lane waits for a restart.");
            Ok(())
        })
    }

    /// One attempt at the head of a claimed lane.
    async fn tick(self: Arc<Self>, lane: Lane) -> Result<(), DeliverError> {
        match self.store.head(lane, usize::from(self.sink.batch().max)).await.map_err(DeliverError::Store)? {
            None => self.store.release(lane, Timestamp::MAX),
            Some(Err(head)) => {
                error!(sink = %self.id, "A stored event is damaged; it is kept as a dead letter.");
                self.settle(lane, head, Settlement::Bury("the stored event is damaged".into())).await?;
                self.meters.events.inc("damaged");
            }
            Some(Ok(mut delivery)) => {
                if self.route.duplicates != Duplicates::Mark {
                    delivery.event.happening.unmark();
                    delivery.more.iter_mut().for_each(|event| event.happening.unmark());
                }
                let began = Instant::now();
                let result = self.sink.deliver(&delivery, clock::now()).await;
                self.meters.took.observe(began.elapsed());
                self.meters.attempts.inc(result.as_ref().map_or_else(DeliveryError::class, |()| "delivered"));
                if result == Err(DeliveryError::Closed) {
                    return Err(DeliverError::Closed);
                }
                let settlement = self.judge(&delivery, result);
                let head = if settlement == Settlement::Acknowledge { delivery.last_seq() } else { delivery.lane_seq };
                self.settle(lane, head, settlement).await?;
                self.announce().await?;
            }
        }
        Ok(())
    }

    /// Tells the other sinks when this one is lost, and when it is back.
    async fn announce(&self) -> Result<(), DeliverError> {
        let now = clock::now();
        let (happening, disabled) = {
            let mut state = self.state();
            let Some(kind) = state.health.announcement(state.disabled, now) else { return Ok(()) };
            let since = state.disabled;
            state.disabled = (kind == EventKind::SinkDisabled).then(|| state.health.failing_since().unwrap_or(now));
            let disabled = state.disabled;
            drop(state);
            (self.happening(kind, since.or(disabled).unwrap_or(now)), disabled)
        };
        let wants = |r: &&Route| r.sink != self.number() && r.events.contains(&happening.kind);
        let to = self.peers.routes.iter().filter(wants).map(|r| Destination { sink: r.sink, order: r.order }).collect();
        let told = self.store.announce(self.number(), disabled, &self.scene(now), (happening, to)).await;
        told.map_err(DeliverError::Store)?;
        self.peers.nudge.send_replace(());
        Ok(())
    }

    /// What happens to a sink happens to no feed.
    fn scene(&self, now: Timestamp) -> Scene {
        Scene {
            instance: self.peers.instance.clone(),
            feed: FeedId(Arc::from("")),
            url: String::new(),
            title: None,
            site_url: None,
            tags: vec![],
            fetched_at: now,
            time: now,
            first_poll: false,
        }
    }

    fn happening(&self, kind: EventKind, since: Timestamp) -> Happening {
        let (state, (waiting, dead)) = (self.state(), self.store.backlog(self.number()));
        let report = SinkReport {
            id: self.id.to_string(),
            state: state.health.condition().as_str().to_owned(),
            since: (kind != EventKind::Ping).then(|| since.to_string()),
            error: state.last_error.clone(),
            waiting,
            dead,
        };
        let id = EventId::of_sink(&self.peers.instance, &self.id.0, kind, since);
        Happening { id, kind, what: What::Sink(report) }
    }

    async fn settle(&self, lane: Lane, head: u64, settlement: Settlement) -> Result<(), DeliverError> {
        self.store.settle(lane, head, settlement, clock::now()).await.map_err(DeliverError::Store)
    }

    /// Decides what becomes of the delivery, and remembers how the sink is doing.
    fn judge(&self, delivery: &Delivery, result: Result<(), DeliveryError>) -> Settlement {
        let (now, event) = (clock::now(), &delivery.event.happening.id);
        let mut state = self.state();
        let before = state.health.condition();
        let result = state.health.observe(&self.schedule, event, result, now);
        match &result {
            Ok(()) => {
                state.delivered += delivery.count() as u64;
                state.last_success = Some(now);
                state.last_error = None;
            }
            Err(e) => state.last_error = Some(e.to_string()),
        }
        let after = state.health.condition();
        drop(state);
        if (before, after) == (Condition::Failing, Condition::Healthy) {
            info!(sink = %self.id, "The sink takes events again.");
            self.store.hasten(self.number(), now);
        }
        let failure = result.as_ref().err().map(ToString::to_string);
        let refused = matches!(result, Err(DeliveryError::Message { .. }));
        let settlement = retry::settle(&self.schedule, delivery, result, self.sink.max_age(), now);
        self.count(delivery, refused, &settlement, now);
        self.report(delivery, after, failure, &settlement);
        settlement
    }

    fn count(&self, delivery: &Delivery, refused: bool, settlement: &Settlement, now: Timestamp) {
        match settlement {
            Settlement::Acknowledge => {
                self.meters.events.add("delivered", delivery.count() as u64);
                // What is sent once more is as old as whoever asked for it wanted.
                for event in delivery.events().filter(|_| !delivery.lane.is_again()) {
                    self.meters.latency.observe(now.since(event.scene.time));
                }
            }
            Settlement::Bury(_) => self.meters.events.inc(if refused { "refused" } else { "expired" }),
            Settlement::Postpone(_) => {}
        }
    }

    fn report(&self, delivery: &Delivery, condition: Condition, failure: Option<String>, settlement: &Settlement) {
        let (sink, event, attempt) = (&self.id, &delivery.event.happening.id, delivery.trials.failed + 1);
        let Some(error) = failure else { return };
        match settlement {
            Settlement::Bury(_) => error!(%sink, %event, attempt, error, "The event is given up and kept as a dead letter."),
            _ if condition == Condition::Gone => {
                warn!(%sink, %event, attempt, error, "The sink says it is gone; its events are held until it is resumed, or a restart or a reload.");
            }
            Settlement::Postpone(trials) => {
                warn!(%sink, %event, attempt, error, next = %trials.next_at, "The attempt failed and will be repeated.");
            }
            Settlement::Acknowledge => {}
        }
    }
}
