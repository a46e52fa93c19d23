//! Finds events of the past that a sink wants: for a replay, and for what a new sink is to begin with. In turns, so that deliveries are
//! read in between.

use tracing::warn;

use super::StoreError;
use super::engine::Engine;
use super::key::{self, Table};
use super::pack::{Pack, PackHead};
use crate::domain::filter::Route;
use crate::domain::time::Timestamp;

/// Packs that are looked through in one turn.
const PACKS_A_TURN: usize = 32;

/// Events of one pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The number of the feed.
    pub(super) feed: u32,
    /// The first sequence of the pack.
    pub(super) pack: u64,
    /// Their places in the pack, in order.
    pub(super) places: Vec<u16>,
}

/// What one turn has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) chosen: Vec<Chosen>,
    /// The sequence to go on from; `None` at the end.
    pub(super) next: Option<u64>,
}

/// The events from `from` to `until`, both included, that a sink would want.
pub(super) fn forward(engine: &Engine, mut from: u64, until: u64, route: &Route) -> Result<Turn, StoreError> {
    let mut turn = Turn::default();
    for _ in 0..PACKS_A_TURN {
        let Some((first, head)) = next_pack(engine, from)?.filter(|(first, _)| *first <= until) else { return Ok(turn) };
        turn.chosen.extend(choose(engine, first, head.feed, (from, until), route)?);
        from = first + u64::from(head.events);
    }
    Ok(Turn { next: Some(from), ..turn })
}

/// Looks from `until` back for the `count` newest events that a sink would want: the sequence of the oldest of those found, how many are
/// still to be found, and where to go on.
pub(super) fn backward(engine: &Engine, until: u64, count: u64, route: &Route) -> Result<(Option<u64>, u64, Option<u64>), StoreError> {
    let (mut from, mut left, mut until) = (None, count, until);
    for _ in 0..PACKS_A_TURN {
        if left == 0 {
            return Ok((from, 0, None));
        }
        let Some((key, _)) = engine.before(Table::Event, &key::pack(until + 1, 0))? else { return Ok((from, left, None)) };
        let first = key::pack_first(&key);
        let head = next_pack(engine, first)?.map_or(0, |(_, head)| head.feed);
        if let Some(Chosen { pack, places, .. }) = choose(engine, first, head, (first, until), route)? {
            let taken = places.iter().rev().take(usize::try_from(left).unwrap_or(usize::MAX));
            for place in taken {
                (from, left) = (Some(pack + u64::from(*place)), left - 1);
            }
        }
        let Some(before) = first.checked_sub(1) else { return Ok((from, left, None)) };
        until = before;
    }
    Ok((from, left, Some(until)))
}

/// Those of one pack that lie within the span and are wanted.
fn choose(engine: &Engine, first: u64, feed: u32, (from, until): (u64, u64), route: &Route) -> Result<Option<Chosen>, StoreError> {
    let pieces = engine.scan(Table::Event, &first.to_be_bytes(), &[], usize::MAX)?;
    let pieces: Vec<_> = pieces.into_iter().map(|(_, value)| value).collect();
    let Ok(pack) = Pack::join(&pieces) else {
        warn!(sequence = first, "Stored events are damaged; they are left out.");
        return Ok(None);
    };
    let wanted = |place: &u16| {
        let (at, i) = (first + u64::from(*place), usize::from(*place));
        let (Some(happening), Some(to)) = (pack.happenings.get(i), pack.to.get(i)) else { return false };
        (from..=until).contains(&at) && route.would_want(&pack.scene, happening, to.contains(&route.sink))
    };
    let places: Vec<_> = (0..u16::try_from(pack.happenings.len()).unwrap_or(u16::MAX)).filter(wanted).collect();
    Ok((!places.is_empty()).then_some(Chosen { feed, pack: first, places }))
}

/// The first pack that ends at or behind a sequence.
pub(super) fn next_pack(engine: &Engine, from: u64) -> Result<Option<(u64, PackHead)>, StoreError> {
    // The pack that holds it may begin before it.
    let begins = match engine.before(Table::Event, &key::pack(from.saturating_add(1), 0))? {
        Some((key, _)) => key::pack_first(&key),
        None => from,
    };
    for start in [begins, from] {
        let Some((key, value)) = engine.scan(Table::Event, &[], &key::pack(start, 0), 1)?.into_iter().next() else { return Ok(None) };
        let head = Pack::head(&value).map_err(|_| engine.damaged_row(Table::Event))?;
        let first = key::pack_first(&key);
        if first + u64::from(head.events) > from {
            return Ok(Some((first, head)));
        }
    }
    Ok(None)
}

/// The sequence from which on events are not older than `time`: they are stored in the order of time.
pub(super) fn first_since(engine: &Engine, time: Timestamp) -> Result<u64, StoreError> {
    let last = engine.last(Table::Event, &[])?.map_or(0, |(key, _)| key::pack_first(&key));
    // Behind the last pack there may be one that is looked for.
    let (mut low, mut high) = (0, last + 1 + u64::from(u16::MAX));
    while low < high {
        let middle = low + (high - low) / 2;
        match next_pack(engine, middle)? {
            Some((first, head)) if head.time < time => low = first + u64::from(head.events),
            _ => high = middle,
        }
    }
    Ok(low)
}
