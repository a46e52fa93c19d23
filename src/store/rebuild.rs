//! Keeps all that can be read of a damaged database, and makes it fit together again. What is sound comes out as it was, only smaller: the
//! files of a database that has grown do not shrink by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::engine::Engine;
use super::generation::{CACHE, JUMP, Next, each_row};
use super::inspect::{packs, sound};
use super::key::{self, TABLES, Table};
use super::pack::Pack;
use super::row::{self, LaneRow, MetaRow, QueueRow, SinkRow, Welcome};
use super::snapshot::PAGE;
use super::{StoreError, guard};
use crate::domain::delivery::{Lane, Trials};
use crate::domain::feed::FeedState;
use crate::domain::time::Timestamp;

/// What became of a rebuild.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// How many rows it has.
    pub rows: u64,
    /// By table: rows that could not be read, or meant nothing without others that could not.
    pub lost: BTreeMap<&'static str, u64>,
    /// Tables of which it is not known how much could not be read.
    pub broken: Vec<&'static str>,
    /// Feeds whose names are lost: as many that seem new only mark what their first poll finds.
    pub nameless: u64,
    /// Feeds of which it is not known for certain what they have told: their next poll only marks what it finds.
    pub marked: u64,
    /// Whether the newest commits are missing, though the disk had acknowledged them.
    pub older: bool,
    /// The first event from now on has a higher sequence.
    pub goes_on_after: u64,
    /// The database that was in use.
    pub aside: PathBuf,
}

/// Reads what can be read of the database in `dir`, builds the next generation of it, and puts that in use; what was in use stays beside it.
/// Opening damaged files may end the process: call it in one of its own.
///
/// # Errors
/// [`StoreError::InUse`], and [`StoreError::Unreadable`] when nothing can be read.
pub fn rebuild(dir: &Path, now: Timestamp) -> Result<Rebuilt, StoreError> {
    let _lock = guard::Lock::take_existing(dir)?;
    // Without the number of the one in use it is the newest; with it never another, which would be older.
    let number = match guard::generation(dir) {
        Ok(Some(number)) => number,
        _ => guard::newest(dir)?.unwrap_or(0),
    };
    let aside = guard::database(dir, number);
    let unreadable = || StoreError::Unreadable { path: aside.clone() };
    if !aside.join("db").exists() {
        return Err(unreadable());
    }
    let old = Engine::open(&aside, CACHE).map_err(|_| unreadable())?;
    let mut salvage = Salvage { next: Next::begin(dir, CACHE)?, rebuilt: Rebuilt::default(), marked: BTreeSet::new(), read: 0 };
    for table in TABLES {
        salvage.table(&old, table)?;
    }
    drop(old);
    if salvage.read == 0 {
        return Err(unreadable());
    }
    salvage.mend_events()?;
    salvage.mend_lanes()?;
    salvage.mend_sinks()?;
    salvage.mark(now)?;
    salvage.mend_names(now)?;
    let Salvage { mut next, mut rebuilt, .. } = salvage;
    let meta = meta(next.engine()?, dir, &mut rebuilt)?;
    (rebuilt.rows, rebuilt.goes_on_after, rebuilt.aside) = (next.finish(&meta)?, meta.sequence, aside);
    Ok(rebuilt)
}

struct Salvage {
    next: Next,
    rebuilt: Rebuilt,
    /// Feeds that have lost something of what they remember.
    marked: BTreeSet<u32>,
    read: u64,
}

impl Salvage {
    /// Copies the rows of a table that can be understood: from its beginning and, if that comes to no end, from its end.
    fn table(&mut self, old: &Engine, table: Table) -> Result<(), StoreError> {
        let (mut from, mut step) = (vec![], PAGE);
        loop {
            match old.scan(table, &[], &from, step) {
                Ok(rows) => {
                    rows.iter().try_for_each(|(key, value)| self.row(table, key, value))?;
                    match rows.last().filter(|_| rows.len() == step) {
                        Some((key, _)) => from = [key, &[0][..]].concat(),
                        None => return Ok(()),
                    }
                }
                Err(_) if step > 1 => step = 1,
                Err(_) => break,
            }
        }
        self.rebuilt.broken.push(table.name());
        let mut behind = None::<Vec<u8>>;
        loop {
            let pair = match &behind {
                None => old.last(table, &[]),
                Some(key) => old.below(table, key),
            };
            match pair {
                Ok(Some((key, value))) if *key >= *from => {
                    self.row(table, &key, &value)?;
                    behind = Some(key.to_vec());
                }
                _ => return Ok(()),
            }
        }
    }

    fn row(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if sound(table, key, value) {
            self.read += 1;
            return self.next.put(table, key.to_vec(), Some(value.to_vec()));
        }
        self.lose(table, 1);
        if let (Table::Feed | Table::Seen, Some(feed)) = (table, key.first_chunk()) {
            self.marked.insert(u32::from_be_bytes(*feed));
        }
        Ok(())
    }

    fn lose(&mut self, table: Table, rows: u64) {
        *self.rebuilt.lost.entry(table.name()).or_default() += rows;
    }

    /// Removes the pieces of packs that are not whole: whoever finds a part expects all.
    fn mend_events(&mut self) -> Result<(), StoreError> {
        let (_, bad) = packs(self.next.engine()?)?;
        for first in bad {
            let pieces = self.next.engine()?.scan(Table::Event, &first.to_be_bytes(), &[], usize::MAX)?;
            self.lose(Table::Event, pieces.len() as u64);
            pieces.iter().try_for_each(|(key, _)| self.next.put(Table::Event, key.to_vec(), None))?;
        }
        Ok(())
    }

    /// Closes up lanes of which something is missing. What waits for an event that is lost stays: it becomes a dead letter that says so.
    fn mend_lanes(&mut self) -> Result<(), StoreError> {
        let mut lanes = BTreeSet::new();
        each_row(self.next.engine()?, Table::Outbox, |key, _| {
            if let (Some(b'l' | b'q'), Some(Lane { sink, track })) = (key.first(), key::lane_of(key)) {
                lanes.insert((sink, track));
            }
            Ok(())
        })?;
        lanes.into_iter().try_for_each(|(sink, track)| self.mend_lane(Lane { sink, track }))
    }

    fn mend_lane(&mut self, lane: Lane) -> Result<(), StoreError> {
        let engine = self.next.engine()?;
        let head = engine.get(Table::Outbox, &key::lane(lane))?.and_then(|value| row::decode::<LaneRow>(&value).ok());
        let rows = engine.scan(Table::Outbox, &key::queue_prefix(lane), &[], usize::MAX)?;
        let rows: Vec<_> = rows.iter().filter_map(|(key, value)| Some((key::number(key), row::decode::<QueueRow>(value).ok()?))).collect();
        let first = rows.first().map_or(1, |(first, _)| *first);
        let settled = head.as_ref().map_or(first.saturating_sub(1), |head| head.settled);
        let (mut reached, mut whole, mut waiting) = (settled, head.is_some(), vec![]);
        for (number, QueueRow { pack, places }) in &rows {
            let passed = usize::try_from((settled + 1).saturating_sub(*number)).unwrap_or(usize::MAX);
            whole &= *number <= reached + 1;
            reached = number + places.len() as u64 - 1;
            waiting.push(QueueRow { pack: *pack, places: places.iter().skip(passed).copied().collect() });
        }
        whole &= head.as_ref().is_some_and(|head| head.entered == reached.max(settled));
        if whole {
            return Ok(());
        }
        let lost_head = first > settled + 1;
        for (number, _) in &rows {
            self.next.put(Table::Outbox, key::queue(lane, *number), None)?;
        }
        let mut entered = settled;
        for queue in waiting.into_iter().filter(|queue| !queue.places.is_empty()) {
            let count = queue.places.len() as u64;
            self.next.put(Table::Outbox, key::queue(lane, entered + 1), Some(row::encode(&queue)))?;
            entered += count;
        }
        let before = head.as_ref().map_or(0, |head| head.entered.saturating_sub(settled));
        self.lose(Table::Outbox, before.saturating_sub(entered - settled));
        let trials = head.filter(|_| !lost_head).map_or_else(Trials::default, |head| head.trials);
        self.next.put(Table::Outbox, key::lane(lane), Some(row::encode(&LaneRow { entered, settled, trials })))
    }

    /// A sink that has a number had what a new one begins with.
    fn mend_sinks(&mut self) -> Result<(), StoreError> {
        let engine = self.next.engine()?;
        let mut without = vec![];
        for (_, value) in engine.scan(Table::Meta, key::sink_names(), &[], usize::MAX)? {
            let number = row::decode(&value).unwrap_or(0);
            if engine.get(Table::Meta, &key::sink(number))?.is_none() {
                without.push(number);
            }
        }
        let row = SinkRow { welcome: Welcome::Given, ..SinkRow::default() };
        without.into_iter().try_for_each(|number| self.next.put(Table::Meta, key::sink(number), Some(row::encode(&row))))
    }

    /// Has the feeds that have lost something begin anew, without a word about what they find.
    fn mark(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let memory = [Table::Feed.name(), Table::Seen.name()];
        if self.rebuilt.broken.iter().any(|table| memory.contains(table)) {
            let named = self.named()?;
            self.marked.extend(named);
            let feeds = self.next.engine()?.scan(Table::Feed, &[], &[], usize::MAX)?;
            self.marked.extend(feeds.iter().map(|(key, _)| key::feed_of(key)));
        }
        for feed in std::mem::take(&mut self.marked) {
            let stored = self.next.engine()?.get(Table::Feed, &key::feed(feed))?;
            let mut state: FeedState = stored.and_then(|value| row::decode(&value).ok()).unwrap_or_default();
            state.forget(now);
            self.next.put(Table::Feed, key::feed(feed), Some(row::encode(&state)))?;
            self.rebuilt.marked += 1;
        }
        Ok(())
    }
}

impl Salvage {
    /// Finds out what feeds are called whose names are lost: their events say it.
    fn mend_names(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let named = self.named()?;
        let feeds = self.next.engine()?.scan(Table::Feed, &[], &[], usize::MAX)?;
        let nameless: BTreeSet<u32> = feeds.iter().map(|(key, _)| key::feed_of(key)).filter(|feed| !named.contains(feed)).collect();
        if nameless.is_empty() {
            return Ok(());
        }
        let (packs, _) = packs(self.next.engine()?)?;
        let newest: BTreeMap<u32, u64> = packs.iter().map(|(first, head)| (head.feed, *first)).collect();
        for feed in nameless {
            let engine = self.next.engine()?;
            let pieces = newest.get(&feed).map_or(Ok(vec![]), |first| engine.scan(Table::Event, &first.to_be_bytes(), &[], usize::MAX))?;
            let pieces: Vec<_> = pieces.into_iter().map(|(_, piece)| piece).collect();
            let name = Pack::join(&pieces).ok().map(|pack| key::feed_name(&pack.scene.feed.0));
            let free = name.map(|name| Ok((engine.get(Table::Meta, &name)?.is_none(), name))).transpose()?;
            if let Some((true, name)) = free {
                self.next.put(Table::Meta, name, Some(row::encode(&feed)))?;
            } else {
                self.next.put(Table::Meta, key::nameless_feed(feed), Some(row::encode(&now)))?;
                self.rebuilt.nameless += 1;
            }
        }
        Ok(())
    }

    /// The numbers of the feeds that have names.
    fn named(&mut self) -> Result<BTreeSet<u32>, StoreError> {
        let rows = self.next.engine()?.scan(Table::Meta, &key::feed_name(""), &[], usize::MAX)?;
        Ok(rows.iter().filter_map(|(_, value)| row::decode(value).ok()).collect())
    }
}

/// The row of every commit, above all that is known of what was there.
fn meta(engine: &Engine, dir: &Path, rebuilt: &mut Rebuilt) -> Result<MetaRow, StoreError> {
    let stored = engine.get(Table::Meta, key::META_STATE)?.and_then(|value| row::decode::<MetaRow>(&value).ok());
    let known = guard::read_watermark(dir).unwrap_or_default();
    let last = match engine.last(Table::Event, &[])? {
        Some((key, _)) => {
            let first = key::pack_first(&key);
            let head = engine.get(Table::Event, &key::pack(first, 0))?.and_then(|value| Pack::head(&value).ok());
            head.map_or(first, |head| first + u64::from(head.events).saturating_sub(1))
        }
        None => 0,
    };
    rebuilt.older = stored.as_ref().is_some_and(|meta| meta.group < known.group);
    let harmless = stored.is_some() && rebuilt.lost.is_empty() && rebuilt.broken.is_empty() && !rebuilt.older;
    let mut meta = stored.unwrap_or_default();
    let highest = meta.sequence.max(known.sequence).max(last);
    meta.sequence = if harmless { highest } else { highest.saturating_add(JUMP) };
    meta.group = meta.group.max(known.group) + 1;
    let numbers = |rows: Vec<super::engine::Pair>| rows.iter().filter_map(|(_, value)| row::decode::<u32>(value).ok()).max().unwrap_or(0);
    let feed = engine.last(Table::Feed, &[])?.map_or(0, |(key, _)| key::feed_of(&key));
    let sink = engine.last(Table::Meta, key::sinks())?.map_or(0, |(key, _)| key::feed_of(&key));
    meta.feeds = meta.feeds.max(numbers(engine.scan(Table::Meta, &key::feed_name(""), &[], usize::MAX)?)).max(feed);
    meta.sinks = meta.sinks.max(numbers(engine.scan(Table::Meta, key::sink_names(), &[], usize::MAX)?)).max(sink);
    meta.claims = meta.claims.max(engine.last(Table::Meta, key::claims_prefix())?.map_or(0, |(key, _)| key::feed_of(&key)));
    Ok(meta)
}
