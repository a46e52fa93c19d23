//! The reader thread: sled's reads may touch the disk, so they are no business of the async workers.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::cache::AHEAD;
use super::engine::Engine;
use super::entries;
use super::key::{self, Table};
use super::pack::Pack;
use super::row::{self, DeadRow, LaneRow, MetaRow, QueueRow, SinkRow};
use super::threads::MENDING;
use super::{Shared, StoreError, writer};
use crate::domain::delivery::{DeadLetter, Delivery, Lane, SinkId};
use crate::domain::entry::Entry;
use crate::domain::event::Event;
use crate::domain::feed::FeedState;
use crate::domain::identity::Alias;
use crate::domain::memory::{Cold, Memory};
use crate::domain::story::Stories;

/// How often a read is tried, with the database opened again in between.
const TRIES: u32 = 3;

/// Bytes of markup after which a batch takes no more events.
const BYTES_AT_ONCE: usize = 512 * 1024;

/// A question; returns false when the answer was an error and it should be asked again after mending, true when it is done.
pub(super) type Job = Box<dyn FnMut(&Engine, bool) -> bool + Send>;

/// Wraps a question and the way its answer goes back.
pub(super) fn job<T: Send + 'static>(
    question: impl Fn(&Engine) -> Result<T, StoreError> + Send + 'static,
    answer: oneshot::Sender<Result<T, StoreError>>,
) -> Job {
    let mut answer = Some(answer);
    Box::new(move |engine, last| match question(engine) {
        Err(_) if !last => false,
        result => {
            if let Some(answer) = answer.take() {
                // Nobody waits for it any more: fine.
                drop(answer.send(result));
            }
            true
        }
    })
}

/// The thread: answers until all stores are dropped.
pub(super) fn run(shared: Arc<Shared>, mut questions: mpsc::Receiver<Job>, commits: mpsc::WeakSender<writer::Job>) -> impl FnOnce() + Send {
    move || {
        while let Some(mut job) = questions.blocking_recv() {
            let mut tries = 0;
            loop {
                if shared.closed.load(Ordering::Relaxed) {
                    return;
                }
                let engine = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
                let Some(open) = engine.as_ref() else {
                    drop(engine);
                    std::thread::sleep(MENDING);
                    continue;
                };
                tries += 1;
                if job(open, tries == TRIES) {
                    break;
                }
                drop(engine);
                if let Some(commits) = commits.upgrade() {
                    drop(commits.blocking_send(writer::Job::Reopen));
                }
                std::thread::sleep(MENDING);
            }
        }
    }
}

pub(super) fn feed_state(engine: &Engine, feed: u32) -> Result<FeedState, StoreError> {
    let Some(value) = engine.get(Table::Feed, &key::feed(feed))? else { return Ok(FeedState::default()) };
    row::decode(&value).map_err(|_| engine.damaged_row(Table::Feed))
}

pub(super) fn memory(engine: &Engine, feed: u32) -> Result<Memory, StoreError> {
    let mut memory = Memory::default();
    for (_, value) in engine.scan(Table::Seen, &key::hot_prefix(feed), &[], usize::MAX)? {
        memory.hot.extend(entries::decode_hot(&value).map_err(|_| engine.damaged_row(Table::Seen))?);
    }
    for (_, value) in engine.scan(Table::Seen, &key::marks_prefix(feed), &[], usize::MAX)? {
        memory.marks.extend(entries::decode_marks(&value).map_err(|_| engine.damaged_row(Table::Seen))?);
    }
    Ok(memory)
}

pub(super) fn cold(engine: &Engine, feed: u32, wanted: &HashSet<Alias>) -> Result<Vec<Cold>, StoreError> {
    let mut found = vec![];
    for (_, value) in engine.scan(Table::Seen, &key::cold_prefix(feed), &[], usize::MAX)? {
        let rows = entries::decode_cold(&value).map_err(|_| engine.damaged_row(Table::Seen))?;
        found.extend(rows.into_iter().filter(|c| c.item.aliases.iter().any(|a| wanted.contains(a))));
    }
    Ok(found)
}

pub(super) fn stories(engine: &Engine) -> Result<Stories, StoreError> {
    let mut stories = Stories::default();
    for (_, value) in engine.scan(Table::Meta, key::claims_prefix(), &[], usize::MAX)? {
        let claims = entries::decode_claims(&value).map_err(|_| engine.damaged_row(Table::Meta))?;
        claims.iter().for_each(|claim| stories.remember(claim));
    }
    Ok(stories)
}

/// The head of a lane, with those behind it if a sink takes `most` at once; `Err` with its number when it cannot be read.
pub(super) fn head(engine: &Engine, lane: Lane, most: usize) -> Result<Option<Result<Delivery, u64>>, StoreError> {
    let Some(value) = engine.get(Table::Outbox, &key::lane(lane))? else { return Ok(None) };
    let state: LaneRow = row::decode(&value).map_err(|_| engine.damaged_row(Table::Outbox))?;
    if state.settled >= state.entered {
        return Ok(None);
    }
    let lane_seq = state.settled + 1;
    let most = if state.trials.batch > 0 { most.min(usize::from(state.trials.batch)) } else { most };
    let mut events = if most > 1 { waiting(engine, lane, lane_seq, most) } else { next(engine, lane, lane_seq) }.into_iter();
    Ok(Some(match events.next() {
        Some(event) => Ok(Delivery { lane, event, more: events.collect(), lane_seq, trials: state.trials }),
        None => Err(lane_seq),
    }))
}

/// The event of a lane with a number, if it can be read; those behind it are kept for the next time.
fn next(engine: &Engine, lane: Lane, number: u64) -> Vec<Event> {
    let now = Instant::now();
    if let Some(event) = engine.cache().event(lane, number, now) {
        return vec![event];
    }
    let events = waiting(engine, lane, number, AHEAD);
    let first = events.first().cloned().into_iter().collect();
    engine.cache().keep(lane, number, events, now);
    first
}

/// The events of a lane from a number on, at most `most` and not many bytes more than [`BYTES_AT_ONCE`], up to the first that cannot be read.
fn waiting(engine: &Engine, lane: Lane, from: u64, most: usize) -> Vec<Event> {
    let (mut events, mut bytes) = (vec![], 0);
    let Ok(rows) = engine.scan(Table::Outbox, &key::queue_prefix(lane), &[], most) else { return events };
    for (key, value) in rows {
        let (Ok(queue), first) = (row::decode::<QueueRow>(&value), key::number(&key)) else { break };
        let Some(mut pack) = unpack(engine, queue.pack) else { break };
        for (_, place) in (first..).zip(&queue.places).filter(|(number, _)| *number >= from) {
            let room = events.len() < most && bytes < BYTES_AT_ONCE;
            let Some(event) = pack.get_mut(usize::from(*place)).and_then(Option::take).filter(|_| room) else { return events };
            bytes += event.happening.entry().map_or(0, Entry::size);
            events.push(event);
        }
    }
    events
}

/// The events of a pack, each to be taken once.
fn unpack(engine: &Engine, pack: u64) -> Option<Vec<Option<Event>>> {
    let pieces = engine.scan(Table::Event, &pack.to_be_bytes(), &[], usize::MAX).ok()?;
    let pieces: Vec<_> = pieces.into_iter().map(|(_, value)| value).collect();
    Some(Pack::join(&pieces).ok()?.into_events(pack).into_iter().map(Some).collect())
}

/// The lowest sequence that something waits for: events from there on must stay. `u64::MAX` when nothing waits.
pub(super) fn oldest_needed(engine: &Engine) -> Result<u64, StoreError> {
    let mut oldest = u64::MAX;
    for (key, value) in engine.scan(Table::Outbox, key::lanes(), &[], usize::MAX)? {
        let state: LaneRow = row::decode(&value).map_err(|_| engine.damaged_row(Table::Outbox))?;
        let Some(lane) = key::lane_of(&key).filter(|_| state.settled < state.entered) else { continue };
        if let Some((_, value)) = engine.scan(Table::Outbox, &key::queue_prefix(lane), &[], 1)?.first() {
            let queue: QueueRow = row::decode(value).map_err(|_| engine.damaged_row(Table::Outbox))?;
            oldest = oldest.min(queue.pack);
        }
    }
    for (_, value) in engine.scan(Table::Outbox, key::dead_letters(), &[], usize::MAX)? {
        oldest = oldest.min(row::decode::<DeadRow>(&value).map_or(oldest, |dead| dead.pack));
    }
    Ok(oldest)
}

/// The dead letters of a sink behind a sequence.
pub(super) fn dead_letters(engine: &Engine, sink: u32, after: u64, most: usize) -> Result<Vec<DeadLetter>, StoreError> {
    let rows = engine.scan(Table::Outbox, &key::dead_of(sink), &key::dead(sink, after.saturating_add(1)), most)?;
    let letters = rows.into_iter().map(|(key, value)| {
        let row: DeadRow = row::decode(&value).map_err(|_| engine.damaged_row(Table::Outbox))?;
        let sequence = key::number(&key);
        let place = usize::try_from(sequence.saturating_sub(row.pack)).unwrap_or(usize::MAX);
        let event = unpack(engine, row.pack).and_then(|mut pack| pack.get_mut(place)?.take());
        Ok(DeadLetter { sink, sequence, at: row.at, reason: row.reason, event })
    });
    letters.collect()
}

pub(super) fn sink_row(engine: &Engine, sink: u32) -> Result<SinkRow, StoreError> {
    let Some(value) = engine.get(Table::Meta, &key::sink(sink))? else { return Ok(SinkRow::default()) };
    row::decode(&value).map_err(|_| engine.damaged_row(Table::Meta))
}

pub(super) fn paused_feeds(engine: &Engine) -> Result<HashSet<u32>, StoreError> {
    let rows = engine.scan(Table::Meta, key::paused_feeds(), &[], usize::MAX)?;
    Ok(rows.iter().map(|(key, _)| key::feed_of(key)).collect())
}

/// The names of all sinks that were ever configured, and their numbers.
pub(super) fn sinks(engine: &Engine) -> Result<Vec<(SinkId, u32)>, StoreError> {
    let rows = engine.scan(Table::Meta, key::sink_names(), &[], usize::MAX)?;
    let number = |value: &[u8]| row::decode(value).map_err(|_| engine.damaged_row(Table::Meta));
    rows.iter().map(|(key, value)| Ok((SinkId(key::named(key).into()), number(value)?))).collect()
}

/// The highest number that a sink was ever given.
pub(super) fn last_sink(engine: &Engine) -> Result<u32, StoreError> {
    let Some(value) = engine.get(Table::Meta, key::META_STATE)? else { return Ok(0) };
    row::decode::<MetaRow>(&value).map(|meta| meta.sinks).map_err(|_| engine.damaged_row(Table::Meta))
}
