//! The writer thread: it alone commits, and it mends the database when it fails.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::compact::Copying;
use super::engine::{Engine, Writes};
use super::errand::Errand;
use super::generation::Next;
use super::group::{Bounds, Effect, Group};
use super::pack::Prepared;
use super::row::MetaRow;
use super::{Recorded, Shared, StoreError, guard};
use crate::domain::delivery::{Lane, Settlement, SinkId};
use crate::domain::feed::{Decision, FeedId};
use crate::domain::plan::Update;
use crate::domain::time::Timestamp;

/// Commits in one group, and rows in one transaction before no more commits join it.
const COMMITS_PER_GROUP: usize = 200;
const ROWS_PER_GROUP: usize = 400;

/// With so many commits gathered there are more to come: a sync costs the same for all of them, so it waits for them a little. One event
/// by itself never waits.
const BUSY: usize = 3;
const LINGER: Duration = Duration::from_millis(5);

/// For what brings no event nobody waits so much that it could not wait for company, as long as there is company.
const PATIENCE: Duration = Duration::from_millis(25);

/// Between two writes of the watermark.
const WATERMARK_EVERY: Duration = Duration::from_secs(5);

/// Between two tries to open a failed database.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Numbers of feeds, numbers of sinks.
type Numbers = (Vec<u32>, Vec<u32>);

/// What the writer can be asked to do.
pub(super) enum Job {
    Record(u32, Box<Update>, Prepared, oneshot::Sender<Recorded>),
    Settle {
        lane: Lane,
        head: u64,
        settlement: Settlement,
        now: Timestamp,
        answer: oneshot::Sender<()>,
    },
    Number(Vec<FeedId>, Vec<SinkId>, oneshot::Sender<Numbers>),
    Decide(u32, Decision, oneshot::Sender<bool>),
    Prune(Bounds, oneshot::Sender<bool>),
    Errand(Errand, oneshot::Sender<u64>),
    /// Use a compacted database from now on.
    Switch(Box<Next>, oneshot::Sender<Result<(), StoreError>>),
    /// A read failed: open the database again.
    Reopen,
    /// Look whether the store was closed.
    Wake,
}

/// What is answered once the group is on the disk.
enum Done {
    Recorded(Recorded),
    Settled,
    Numbered(Numbers),
    Decided(bool),
    Pruned(bool),
    Counted(u64),
    Nothing,
}

/// The writer's state.
pub(super) struct Writer {
    shared: Arc<Shared>,
    meta: MetaRow,
    watermark: u64,
    watermark_at: Instant,
    /// A read failed: the handle is not to be trusted.
    suspected: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, meta: MetaRow) -> Self {
        Self { shared, watermark: meta.group, meta, watermark_at: Instant::now(), suspected: false }
    }

    /// The thread: commits until all stores are dropped.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) -> impl FnOnce() + Send {
        move || {
            while let Some(first) = jobs.blocking_recv() {
                self.work(first, &mut jobs);
                if std::mem::take(&mut self.suspected) {
                    let path = self.shared.dir.clone();
                    self.mend(&StoreError::damaged(&path, "a read failed"));
                }
                if self.watermark_at.elapsed() >= WATERMARK_EVERY {
                    self.mark();
                }
                if self.shared.closed.load(Ordering::Relaxed) {
                    break;
                }
            }
            self.mark();
            drop(self.shared.engine.write().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    /// Commits `first` and what has gathered behind it; does not return before it is on the disk.
    fn work(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) {
        let mut gathered = vec![first];
        loop {
            match self.commit(&mut gathered, jobs) {
                Ok(answers) => {
                    for (job, done) in gathered.into_iter().zip(answers) {
                        match job {
                            Job::Reopen => self.suspected = true,
                            // Whoever made it waits for the answer, or is gone and has the next start see what came of it.
                            Job::Switch(next, answer) => drop(answer.send(self.switch(*next))),
                            other => answer(other, done),
                        }
                    }
                    return;
                }
                Err(e) => self.mend(&e),
            }
        }
    }

    fn commit(&mut self, gathered: &mut Vec<Job>, jobs: &mut mpsc::Receiver<Job>) -> Result<Vec<Done>, StoreError> {
        let guard = self.shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let engine = guard.as_ref().ok_or(StoreError::Closed)?;
        let mut group = Group::new(engine, &self.meta);
        let mut answers = vec![];
        let (mut next, mut gathered_at_last_look, began) = (0, 0, Instant::now());
        loop {
            while let Some(job) = gathered.get(next) {
                answers.push(add(&mut group, job)?);
                next += 1;
            }
            if next >= COMMITS_PER_GROUP || group.writes.len() >= ROWS_PER_GROUP {
                break;
            }
            match jobs.try_recv() {
                Ok(job) => gathered.push(job),
                Err(_) if gathered.len() > gathered_at_last_look && may_wait(gathered, gathered_at_last_look, began.elapsed()) => {
                    gathered_at_last_look = gathered.len();
                    std::thread::sleep(LINGER);
                }
                Err(_) => break,
            }
        }
        if group.writes.is_empty() {
            return Ok(answers);
        }
        self.write(engine, group.rows()?)?;
        self.meta = group.meta.clone();
        self.shared.group.store(self.meta.group, Ordering::Relaxed);
        self.tell_sequence();
        self.publish(std::mem::take(&mut group.effects));
        Ok(answers)
    }

    /// Puts rows on the disk, once a backup or a compaction under way knows what is written over.
    fn write(&self, engine: &Engine, rows: &Writes) -> Result<(), StoreError> {
        let mut snapshot = self.shared.snapshot();
        snapshot.as_mut().map_or(Ok(()), |snapshot| snapshot.preserve(engine, rows))?;
        let mut copying = self.shared.copying();
        if let Some(copying) = copying.as_mut() {
            copying.note(rows);
        }
        let began = Instant::now();
        engine.commit(rows)?;
        self.shared.meters.commit.observe(began.elapsed());
        Ok(())
    }

    /// Brings a compacted database up to date and uses it from now on; when that fails, the one in use stays.
    fn switch(&self, mut next: Next) -> Result<(), StoreError> {
        let changed = self.shared.copying().as_mut().map(Copying::changed).unwrap_or_default();
        let guard = self.shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let engine = guard.as_ref().ok_or(StoreError::Failing)?;
        for (table, key) in changed {
            let value = engine.get(table, &key)?.map(|value| value.to_vec());
            next.put(table, key, value)?;
        }
        drop(guard);
        let engine = next.take_over()?;
        let old = self.shared.engine.write().unwrap_or_else(PoisonError::into_inner).replace(engine);
        drop(old);
        Ok(())
    }

    /// Wakes those who follow the log, if there is something new in it.
    fn tell_sequence(&self) {
        let newest = self.meta.sequence;
        self.shared.sequence.send_if_modified(|sequence| std::mem::replace(sequence, newest) != newest);
    }

    /// Tells the lanes in memory what is now on the disk.
    fn publish(&self, effects: Vec<Effect>) {
        let mut lanes = self.shared.lanes();
        for effect in effects {
            match effect {
                Effect::Entered { lane, count, at } => lanes.enter(lane, count, at),
                Effect::Settled { lane, next, left } => lanes.settled(lane, next, left),
                Effect::Forgotten { sink } => {
                    lanes.forget(sink);
                    self.shared.dead().remove(&sink);
                }
                Effect::Buried { sink, change } => *self.shared.dead().entry(sink).or_default() += change,
            }
        }
    }

    /// Drops the failed handle and opens the database until that works: nothing is acknowledged meanwhile, and nothing is lost.
    fn mend(&mut self, cause: &StoreError) {
        self.shared.healthy.store(false, Ordering::Relaxed);
        self.shared.meters.errors.inc();
        error!(error = crate::log::chain(cause), "The store failed; nothing is acknowledged until it works again.");
        let mut pause = FIRST_PAUSE;
        loop {
            *self.shared.engine.write().unwrap_or_else(PoisonError::into_inner) = None;
            match self.reopen() {
                Ok(()) => break,
                Err(e) => warn!(error = crate::log::chain(&e), "The store cannot be opened yet."),
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.shared.healthy.store(true, Ordering::Relaxed);
        info!("The store works again.");
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        let engine = Engine::open(&guard::current(&self.shared.dir)?, self.shared.cache)?;
        self.meta = super::load::meta(&engine, &self.shared.dir)?;
        // A group that cannot be written now is a disk that is still full: the trial writes the same row again.
        let mut trial = Group::new(&engine, &self.meta);
        self.write(&engine, trial.rows()?)?;
        self.meta = trial.meta.clone();
        self.tell_sequence();
        *self.shared.engine.write().unwrap_or_else(PoisonError::into_inner) = Some(engine);
        Ok(())
    }

    /// Writes down how many groups the disk has acknowledged.
    fn mark(&mut self) {
        self.watermark_at = Instant::now();
        if self.watermark == self.meta.group {
            return;
        }
        match guard::write_watermark(&self.shared.dir, self.meta.group, self.meta.sequence) {
            Ok(()) => self.watermark = self.meta.group,
            Err(e) => warn!(error = crate::log::chain(&e), "The watermark could not be written."),
        }
    }
}

/// Whether a group may wait for more: urgent ones once, if they are many; others as long as more come, and not for long.
fn may_wait(gathered: &[Job], before: usize, waited: Duration) -> bool {
    let urgent = gathered.iter().any(|job| match job {
        Job::Record(_, update, ..) => !update.events.is_empty(),
        _ => true,
    });
    if urgent { before == 0 && gathered.len() >= BUSY } else { waited < PATIENCE }
}

fn add(group: &mut Group<'_>, job: &Job) -> Result<Done, StoreError> {
    Ok(match job {
        Job::Record(feed, update, packs, _) => Done::Recorded(group.record(*feed, update, packs)?),
        Job::Settle { lane, head, settlement, now, .. } => {
            group.settle(*lane, *head, settlement, *now)?;
            Done::Settled
        }
        Job::Number(feeds, sinks, _) => Done::Numbered(group.number(feeds, sinks)?),
        Job::Decide(feed, decision, _) => Done::Decided(group.decide(*feed, *decision)?),
        Job::Prune(bounds, _) => Done::Pruned(group.prune(bounds)?),
        Job::Errand(errand, _) => Done::Counted(errand.add(group)?),
        Job::Switch(..) | Job::Reopen | Job::Wake => Done::Nothing,
    })
}

/// Sends the answer; whoever no longer waits for it does not get it.
fn answer(job: Job, done: Done) {
    match (job, done) {
        (Job::Record(.., answer), Done::Recorded(recorded)) => drop(answer.send(recorded)),
        (Job::Settle { answer, .. }, Done::Settled) => drop(answer.send(())),
        (Job::Number(.., answer), Done::Numbered(numbers)) => drop(answer.send(numbers)),
        (Job::Decide(.., answer), Done::Decided(held)) => drop(answer.send(held)),
        (Job::Prune(_, answer), Done::Pruned(more)) => drop(answer.send(more)),
        (Job::Errand(_, answer), Done::Counted(count)) => drop(answer.send(count)),
        _ => {}
    }
}
