//! A new database in the place of one that has grown, while it is in use: the files of sled do not shrink, a new one holds what is there.
//!
//! What is written behind the reading is read again, in rounds that grow shorter; the writer waits for the reading of a page, and at the end for
//! the last few rows. Whenever the process is killed, `CURRENT` names a database that has everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::engine::{Engine, Place, Writes};
use super::generation::{self, Next, unlike};
use super::key::Table;
use super::meters::size_of;
use super::snapshot::PAGE;
use super::threads::Told;
use super::writer::Job;
use super::{Shared, Store, StoreError, guard};

/// Files that are smaller are no trouble to anybody.
const SMALL: u64 = 256 << 20;

/// So many times what is in them is too much.
const GROWN: u64 = 4;

/// Free space that has to remain: it must not be this that stops the polls.
const ROOM: u64 = 256 << 20;

/// sled's page cache, in bytes, for what is written and read once; there is another one of the database in use.
const CACHE: u64 = 8 << 20;

/// Rows that the writer may wait for at the end.
const FEW: usize = 500;

/// Rounds after which it is plain that more is written than can be copied.
const ROUNDS: usize = 30;

/// What became of a compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of the files before.
    pub before: u64,
    /// Bytes of the files now.
    pub after: u64,
}

/// What a compaction under way has to know of commits.
pub(super) struct Copying {
    /// Where the next page begins; what lies before has been copied.
    next: Option<Place>,
    /// What was written there since.
    changed: BTreeSet<Place>,
}

impl Copying {
    pub(super) fn begin() -> Self {
        Self { next: Some((Table::Feed, vec![])), changed: BTreeSet::new() }
    }

    /// Remembers what is about to be written.
    pub(super) fn note(&mut self, writes: &Writes) {
        self.changed.extend(writes.keys().filter(|at| self.next.as_ref().is_none_or(|next| *at < next)).cloned());
    }

    /// What has to be copied once more.
    pub(super) fn changed(&mut self) -> BTreeSet<Place> {
        std::mem::take(&mut self.changed)
    }
}

impl Shared {
    pub(super) fn copying(&self) -> MutexGuard<'_, Option<Copying>> {
        self.copying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Writes the database anew and puts that in use; commits and reads go on meanwhile. Dropping the future does not end it.
    ///
    /// # Errors
    /// When the disk has not enough room, too much is written, or it cannot be read or written: the old one stays in use.
    pub async fn compact(&self) -> Result<Compacted, StoreError> {
        let commits = self.commits.clone();
        self.copy(move |shared| run(shared, &commits, live(shared)?)).await
    }

    /// See [`Store::compact`]: if the files have grown far beyond what is in them.
    ///
    /// # Errors
    /// See [`Store::compact`].
    pub async fn compact_if_grown(&self) -> Result<Option<Compacted>, StoreError> {
        let commits = self.commits.clone();
        self.copy(move |shared| {
            let disk = size_of(&guard::current(&shared.dir)?);
            if disk < SMALL {
                return Ok(None);
            }
            let live = live(shared)?;
            if disk > live.saturating_mul(GROWN) { run(shared, &commits, live).map(Some) } else { Ok(None) }
        })
        .await
    }
}

fn not_made(why: &'static str) -> StoreError {
    StoreError::NotMade { what: "compaction", why }
}

/// Bytes of keys and values.
fn live(shared: &Shared) -> Result<u64, StoreError> {
    let (mut bytes, mut place) = (0, Some((Table::Feed, vec![])));
    while let Some(from) = place {
        let rows;
        (rows, place) = shared.ask(|engine| engine.page(&from, PAGE))?;
        bytes += rows.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
    }
    Ok(bytes)
}

fn run(shared: &Shared, commits: &mpsc::Sender<Job>, live: u64) -> Result<Compacted, StoreError> {
    if guard::free_space(&shared.dir).is_some_and(|free| free < live.saturating_mul(GROWN).saturating_add(ROOM)) {
        return Err(not_made("the disk has not enough room"));
    }
    let _told = Told::of(&shared.copying, Copying::begin());
    let old = guard::generation(&shared.dir)?.ok_or(StoreError::Failing)?;
    let before = size_of(&guard::database(&shared.dir, old));
    let mut next = Next::begin(&shared.dir, CACHE)?;
    while copy_page(shared, &mut next)? {}
    catch_up(shared, &mut next)?;
    next.settle(old, CACHE)?;
    compare(shared, next.engine()?)?;
    next.reopen(shared.cache)?;
    catch_up(shared, &mut next)?;
    switch(commits, next)?;
    generation::tidy(&shared.dir)?;
    Ok(Compacted { before, after: size_of(&guard::current(&shared.dir)?) })
}

/// Has the writer use it from now on.
pub(super) fn switch(commits: &mpsc::Sender<Job>, next: Next) -> Result<(), StoreError> {
    let (answer, switched) = oneshot::channel();
    commits.blocking_send(Job::Switch(Box::new(next), answer)).map_err(|_| StoreError::Closed)?;
    switched.blocking_recv().map_err(|_| StoreError::Closed)?
}

/// Copies the next rows as they are when they are reached; false when there are none.
pub(super) fn copy_page(shared: &Shared, next: &mut Next) -> Result<bool, StoreError> {
    let Some(place) = shared.copying().as_ref().and_then(|copying| copying.next.clone()) else { return Ok(false) };
    let rows = shared.ask(|engine| {
        let mut copying = shared.copying();
        let (rows, following) = engine.page(&place, PAGE)?;
        copying.iter_mut().for_each(|copying| copying.next.clone_from(&following));
        Ok(rows)
    })?;
    for (key, value) in rows {
        next.put(place.0, key.to_vec(), Some(value.to_vec()))?;
    }
    Ok(true)
}

/// Copies what has been written since, until little is left.
pub(super) fn catch_up(shared: &Shared, next: &mut Next) -> Result<(), StoreError> {
    for _ in 0..ROUNDS {
        let changed = shared.copying().as_mut().map(Copying::changed).unwrap_or_default();
        for (table, key) in &changed {
            let value = shared.ask(|engine| engine.get(*table, key))?;
            next.put(*table, key.clone(), value.map(|value| value.to_vec()))?;
        }
        if changed.len() <= FEW {
            return Ok(());
        }
    }
    Err(not_made("too much is written at present"))
}

/// Compares every row with the original, but those that have been written meanwhile.
pub(super) fn compare(shared: &Shared, copy: &Engine) -> Result<(), StoreError> {
    let mut place = Some((Table::Feed, vec![]));
    while let Some(from) = place {
        place = shared.ask(|engine| {
            let copying = shared.copying();
            let changed = copying.as_ref().map(|copying| &copying.changed);
            let (rows, following) = engine.page(&from, PAGE)?;
            let end = following.as_ref().filter(|(table, _)| *table == from.0).map(|(_, key)| &key[..]);
            let copied = copy.between(from.0, &from.1, end)?;
            let mut differ: BTreeMap<_, _> = rows.into_iter().collect();
            for (key, value) in copied {
                if differ.get(&key) == Some(&value) { drop(differ.remove(&key)) } else { drop(differ.insert(key, value)) }
            }
            let known = |key: &[u8]| changed.is_some_and(|changed| changed.contains(&(from.0, key.to_vec())));
            if differ.keys().all(|key| known(key)) { Ok(following) } else { Err(unlike(&shared.dir)) }
        })?;
    }
    Ok(())
}
