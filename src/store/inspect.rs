//! Reads everything and says what is there, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::engine::Engine;
use super::entries;
use super::generation::{CACHE, each_row};
use super::key::{self, TABLES, Table};
use super::meters::size_of;
use super::pack::{Pack, PackHead};
use super::row::{self, DeadRow, LaneRow, MetaRow, QueueRow, SinkRow};
use super::{StoreError, guard, load, reader};
use crate::domain::delivery::Lane;
use crate::domain::feed::FeedState;
use crate::domain::time::Timestamp;

/// Findings that are said; of more there is the number.
const MOST_FINDINGS: usize = 1000;

/// How much there is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// By table: rows, and bytes of keys and values.
    pub tables: BTreeMap<&'static str, (u64, u64)>,
    /// Bytes of keys and values in all tables.
    pub live: u64,
    /// Bytes of the database's files.
    pub disk: u64,
    /// The sequence of the newest event.
    pub sequence: u64,
    /// Commits.
    pub commits: u64,
    /// By sink: what waits, and what was given up.
    pub sinks: BTreeMap<String, (u64, u64)>,
    /// The directory of the database.
    pub database: String,
}

/// Counts what is in the state directory.
///
/// # Errors
/// When it is in use or cannot be opened.
pub fn stats(dir: &Path) -> Result<Stats, StoreError> {
    let (_lock, path) = (guard::Lock::take_existing(dir)?, guard::current(dir)?);
    let engine = Engine::open(&path, CACHE)?;
    let meta = load::meta(&engine, dir)?;
    let (lanes, dead) = (load::lanes(&engine)?, load::dead(&engine)?);
    let mut stats = Stats { sequence: meta.sequence, commits: meta.group, database: path.display().to_string(), ..Stats::default() };
    for table in TABLES {
        let (mut rows, mut bytes) = (0, 0);
        each_row(&engine, table, |key, value| {
            (rows, bytes) = (rows + 1, bytes + key.len() as u64 + value.len() as u64);
            Ok(())
        })?;
        stats.tables.insert(table.name(), (rows, bytes));
        stats.live += bytes;
    }
    for (name, number) in reader::sinks(&engine)? {
        let dead = dead.get(&number).copied().unwrap_or(0);
        stats.sinks.insert(name.to_string(), (lanes.waiting(number), u64::try_from(dead).unwrap_or(0)));
    }
    stats.disk = size_of(&path);
    Ok(stats)
}

/// What is wrong with the state, a sentence each; nothing when all is well. Opening damaged files may end the process: call it in one of its own.
///
/// # Errors
/// When it is in use or cannot be opened.
pub fn check(dir: &Path) -> Result<Vec<String>, StoreError> {
    let _lock = guard::Lock::take_existing(dir)?;
    let engine = Engine::open(&guard::current(dir)?, CACHE)?;
    let mut check = Check { findings: vec![], more: 0, packs: BTreeMap::new() };
    let meta = match load::meta(&engine, dir) {
        Ok(meta) => meta,
        Err(e) => {
            check.find(e.to_string());
            MetaRow::default()
        }
    };
    for table in TABLES {
        let read = each_row(&engine, table, |key, value| {
            if !sound(table, key, value) {
                check.find(format!("{} row {} cannot be read", table.name(), hex(key)));
            }
            Ok(())
        });
        if let Err(e) = read {
            check.find(format!("the {} table cannot be read to its end: {e}", table.name()));
        }
    }
    check.packs(&engine, &meta)?;
    check.lanes(&engine)?;
    if check.more > 0 {
        check.findings.push(format!("and {} more", check.more));
    }
    Ok(check.findings)
}

/// Whether a row can be understood, by itself.
pub(super) fn sound(table: Table, key: &[u8], value: &[u8]) -> bool {
    let is = |good: bool| good && value.len() <= row::LARGEST;
    match table {
        Table::Feed => is(key.len() == 4 && row::decode::<FeedState>(value).is_ok()),
        Table::Seen => match key.get(4) {
            Some(b'h') => is(entries::decode_hot(value).is_ok()),
            Some(b'c') => is(entries::decode_cold(value).is_ok()),
            Some(b'm') => is(entries::decode_marks(value).is_ok()),
            _ => false,
        },
        Table::Event => is(key.len() == 10 && row::unseal(value).is_ok() && (!key.ends_with(&[0, 0]) || Pack::head(value).is_ok())),
        Table::Outbox => match key.first() {
            Some(b'l') => is(key::lane_of(key).is_some() && row::decode::<LaneRow>(value).is_ok()),
            Some(b'q') => is(key.len() == 17 && row::decode::<QueueRow>(value).is_ok_and(|row| !row.places.is_empty())),
            Some(b'd') => is(key.len() == 13 && row::decode::<DeadRow>(value).is_ok()),
            _ => false,
        },
        Table::Meta => match key.first() {
            Some(b'!') => is(row::decode::<MetaRow>(value).is_ok()),
            Some(b'f' | b's') => is(row::decode::<u32>(value).is_ok()),
            Some(b'k') => is(row::decode::<SinkRow>(value).is_ok()),
            Some(b'n') => is(row::decode::<Timestamp>(value).is_ok()),
            Some(b'p') => is(row::decode::<()>(value).is_ok()),
            Some(b'c') => is(entries::decode_claims(value).is_ok()),
            _ => false,
        },
    }
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The heads of all packs, by first sequence, and those that cannot be joined.
pub(super) fn packs(engine: &Engine) -> Result<(BTreeMap<u64, PackHead>, BTreeSet<u64>), StoreError> {
    let (mut good, mut bad, mut seen) = (BTreeMap::new(), BTreeSet::new(), None);
    each_row(engine, Table::Event, |key, _| {
        let first = key::pack_first(key);
        if seen.replace(first) == Some(first) {
            return Ok(());
        }
        let pieces = engine.scan(Table::Event, &first.to_be_bytes(), &[], usize::MAX)?;
        let head = pieces.first().and_then(|(_, value)| Pack::head(value).ok());
        let pieces: Vec<_> = pieces.into_iter().map(|(_, value)| value).collect();
        match head.filter(|_| Pack::join(&pieces).is_ok()) {
            Some(head) => drop(good.insert(first, head)),
            None => drop(bad.insert(first)),
        }
        Ok(())
    })?;
    Ok((good, bad))
}

struct Check {
    findings: Vec<String>,
    more: usize,
    /// How many events each pack has.
    packs: BTreeMap<u64, u16>,
}

impl Check {
    fn find(&mut self, finding: String) {
        if self.findings.len() < MOST_FINDINGS { self.findings.push(finding) } else { self.more += 1 }
    }

    fn packs(&mut self, engine: &Engine, meta: &MetaRow) -> Result<(), StoreError> {
        let (good, bad) = packs(engine)?;
        bad.iter().for_each(|first| self.find(format!("the events from sequence {first} on cannot be unpacked")));
        self.packs = good.into_iter().map(|(first, head)| (first, head.events)).collect();
        if let Some((first, events)) = self.packs.last_key_value().map(|(first, events)| (*first, *events))
            && first + u64::from(events) > meta.sequence + 1
        {
            self.find(format!(
                "there are events up to sequence {}, and the newest ought to be {}",
                first + u64::from(events) - 1,
                meta.sequence
            ));
        }
        Ok(())
    }

    fn has(&self, pack: u64, place: u64) -> bool {
        self.packs.get(&pack).is_some_and(|events| place < u64::from(*events))
    }

    fn lanes(&mut self, engine: &Engine) -> Result<(), StoreError> {
        let mut lanes = BTreeMap::<(u32, u32), LaneRow>::new();
        let mut findings = vec![];
        each_row(engine, Table::Outbox, |key, value| {
            match (key.first(), key::lane_of(key)) {
                (Some(b'l'), Some(Lane { sink, track })) => drop(lanes.insert((sink, track), row::decode(value).unwrap_or_default())),
                (Some(b'd'), _) => {
                    let (sink, sequence) = (key::dead_sink(key), key::number(key));
                    let dead = row::decode::<DeadRow>(value);
                    if dead.is_ok_and(|dead| sequence.checked_sub(dead.pack).is_none_or(|place| !self.has(dead.pack, place))) {
                        findings.push(format!("the event {sequence} of a dead letter of sink number {sink} is missing"));
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        let mut reached: BTreeMap<(u32, u32), u64> = lanes.iter().map(|(lane, row)| (*lane, row.settled)).collect();
        each_row(engine, Table::Outbox, |key, value| {
            let (Some(b'q'), Some(Lane { sink, track }), Ok(queue)) = (key.first(), key::lane_of(key), row::decode::<QueueRow>(value))
            else {
                return Ok(());
            };
            let name = format!("the lane of sink number {sink}, track {track}");
            let Some(reached) = reached.get_mut(&(sink, track)) else {
                findings.push(format!("{name} has events that wait and no head"));
                return Ok(());
            };
            let first = key::number(key);
            if first > *reached + 1 {
                findings.push(format!("{name} lacks what waits at {} to {}", *reached + 1, first - 1));
            }
            *reached = (first + queue.places.len() as u64 - 1).max(*reached);
            for place in queue.places.iter().filter(|place| !self.has(queue.pack, u64::from(**place))) {
                findings.push(format!("{name} waits for the event {}, which is missing", queue.pack + u64::from(*place)));
            }
            Ok(())
        })?;
        for ((sink, track), row) in &lanes {
            if reached.get(&(*sink, *track)).is_some_and(|reached| *reached < row.entered) {
                findings.push(format!("the lane of sink number {sink}, track {track} lacks what waits up to {}", row.entered));
            }
        }
        findings.into_iter().for_each(|finding| self.find(finding));
        Ok(())
    }
}
