//! Which feeds are being asked, in a file of its own: a process that is killed in the middle of a request does not ask again at once when it
//! is started again. It is written before a request and never synced: it must outlive the process, and after a power cut enough time has
//! passed. What cannot be read says nothing.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

use super::StoreError;
use crate::domain::time::Timestamp;

/// So many requests under way are remembered.
const SLOTS: u32 = 4096;

/// Feed number, milliseconds, checksum of both.
const SLOT: usize = 4 + 8 + 4;

/// The file and what is in it.
pub(super) struct Attempts {
    file: File,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    of: HashMap<u32, (u32, Timestamp)>,
    free: Vec<u32>,
}

impl Attempts {
    /// Opens the file in the state directory, creating it when it is not there.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("attempts");
        let open = || {
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
            // Written once over now, so that a full disk is no trouble later.
            file.set_len(u64::from(SLOTS) * SLOT as u64)?;
            Ok(file)
        };
        let file = open().map_err(|e| StoreError::io("open", &path, e))?;
        let mut slots = Slots::default();
        for slot in (0..SLOTS).rev() {
            let mut bytes = [0; SLOT];
            let read = file.read_exact_at(&mut bytes, offset(slot)).ok().and_then(|()| decode(&bytes));
            match read {
                Some((feed, at)) => drop(slots.of.insert(feed, (slot, at))),
                None => slots.free.push(slot),
            }
        }
        Ok(Self { file, slots: Mutex::new(slots) })
    }

    /// A feed is about to be asked.
    pub(super) fn begin(&self, feed: u32, now: Timestamp) -> std::io::Result<()> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.of.get(&feed).map(|(slot, _)| *slot).or_else(|| slots.free.pop()) else { return Ok(()) };
        slots.of.insert(feed, (slot, now));
        self.file.write_all_at(&encode(feed, now), offset(slot))
    }

    /// What came of it is written down elsewhere: the slot may be written over.
    pub(super) fn end(&self, feed: u32) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((slot, _)) = slots.of.remove(&feed) {
            slots.free.push(slot);
        }
    }

    /// Feeds of which nobody has written down what came of it, or of which that was not known here: compare with when they were polled last.
    pub(super) fn all(&self) -> HashMap<u32, Timestamp> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.of.iter().map(|(feed, (_, at))| (*feed, *at)).collect()
    }
}

fn offset(slot: u32) -> u64 {
    u64::from(slot) * SLOT as u64
}

fn encode(feed: u32, at: Timestamp) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    let (content, check) = bytes.split_at_mut(SLOT - 4);
    content.copy_from_slice(&[&feed.to_be_bytes()[..], &at.0.to_be_bytes()].concat());
    check.copy_from_slice(&checksum(content));
    bytes
}

fn decode(bytes: &[u8; SLOT]) -> Option<(u32, Timestamp)> {
    let (content, check) = bytes.split_at(SLOT - 4);
    let at = i64::from_be_bytes(*content.last_chunk()?);
    (check == checksum(content)).then_some((u32::from_be_bytes(*content.first_chunk()?), Timestamp(at)))
}

fn checksum(content: &[u8]) -> [u8; 4] {
    // Never zero for a slot that was not written.
    ((xxh3_64(content) as u32) | 1).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p49_what_was_under_way_is_known_after_the_process_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let attempts = Attempts::open(dir.path()).unwrap();
        for feed in 1..=3 {
            attempts.begin(feed, Timestamp(i64::from(feed) * 100)).unwrap();
        }
        attempts.end(2);
        attempts.begin(4, Timestamp(400)).unwrap();
        attempts.begin(1, Timestamp(101)).unwrap();
        let expected = HashMap::from([(1, Timestamp(101)), (3, Timestamp(300)), (4, Timestamp(400))]);
        assert_eq!(attempts.all(), expected);
        assert_eq!(Attempts::open(dir.path()).unwrap().all(), expected);
        let damaged = [&[0xff; SLOT][..], &[0; SLOT * 10]].concat();
        std::fs::write(dir.path().join("attempts"), damaged).unwrap();
        assert!(Attempts::open(dir.path()).unwrap().all().is_empty());
    }

    #[test]
    fn more_than_there_are_slots_are_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let attempts = Attempts::open(dir.path()).unwrap();
        (0..SLOTS + 10).for_each(|feed| attempts.begin(feed, Timestamp(1)).unwrap());
        assert_eq!(attempts.all().len(), SLOTS as usize);
    }
}
