//! Values: a version byte, a checksum of the rest, the rest. Nothing that is read back is believed before its checksum is.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::domain::delivery::Trials;
use crate::domain::time::Timestamp;

/// The version of every layout. A store with another one is refused; from the first release on, one with a lower one is migrated.
pub(super) const VERSION: u8 = 6;

/// No value is larger: sled puts a leaf of sixteen 8 KiB values into a file that it never syncs.
pub(super) const LARGEST: usize = 4096;

/// A value that cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// Puts version and checksum before `payload`.
pub(super) fn seal(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 5);
    out.push(VERSION);
    out.extend(checksum(payload));
    out.extend(payload);
    out
}

/// The payload, if version and checksum are right.
pub(super) fn unseal(value: &[u8]) -> Result<&[u8], Damaged> {
    let (version, rest) = value.split_first().ok_or(Damaged)?;
    let (sum, payload) = rest.split_first_chunk().ok_or(Damaged)?;
    let good = *version == VERSION && *sum == checksum(payload);
    good.then_some(payload).ok_or(Damaged)
}

/// The low half of XXH3-64: what it misses of random damage, one in four thousand million, is as little as of any 32 bits.
fn checksum(payload: &[u8]) -> [u8; 4] {
    let [_, _, _, _, low @ ..] = xxh3_64(payload).to_be_bytes();
    low
}

/// A sealed row of a type that describes itself to serde.
pub(super) fn encode<T: Serialize>(row: &T) -> Vec<u8> {
    // Writing to memory cannot fail, and the row types have no form that postcard refuses.
    seal(&postcard::to_stdvec(row).unwrap_or_default())
}

/// The row in a sealed value.
pub(super) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, Damaged> {
    postcard::from_bytes(unseal(value)?).map_err(|_| Damaged)
}

/// What every commit writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MetaRow {
    /// How many groups have been committed.
    pub(super) group: u64,
    /// The sequence of the newest event.
    pub(super) sequence: u64,
    /// The highest number given to a feed.
    pub(super) feeds: u32,
    /// The highest number given to a sink.
    pub(super) sinks: u32,
    /// The newest chunk of claims.
    pub(super) claims: u32,
}

/// How far a lane is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LaneRow {
    /// The number of the newest event that entered.
    pub(super) entered: u64,
    /// The number of the newest event that was settled.
    pub(super) settled: u64,
    /// How the attempts at the next one went.
    pub(super) trials: Trials,
}

/// Events of one pack that wait in a lane. Its key holds the number of the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QueueRow {
    /// The first sequence of the pack.
    pub(super) pack: u64,
    /// Their places in the pack.
    pub(super) places: Vec<u16>,
}

/// What is remembered of a sink, beside what waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SinkRow {
    /// Whether an operator has paused it.
    pub(super) paused: bool,
    /// Whether it has had what a new sink begins with.
    pub(super) welcome: Welcome,
    /// Since when operators have been told that nothing reaches it.
    pub(super) disabled: Option<Timestamp>,
}

/// What a new sink begins with: the events of the past that it is configured to want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Welcome {
    /// Nothing was given yet.
    #[default]
    New,
    /// The events from `next` to `until` are still to be given.
    Owed {
        /// A sequence.
        next: u64,
        /// A sequence.
        until: u64,
    },
    /// All was given.
    Given,
}

/// A dead letter; its key holds sink and sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeadRow {
    pub(super) pack: u64,
    pub(super) at: Timestamp,
    pub(super) reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_bit_or_a_cut_is_noticed() {
        let sealed = seal(b"abc");
        assert_eq!(unseal(&sealed), Ok(&b"abc"[..]));
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            *bad.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
            assert_eq!(unseal(&bad), Err(Damaged));
        }
        for cut in 0..sealed.len() {
            assert_eq!(unseal(sealed.get(..cut).unwrap()), Err(Damaged));
        }
    }

    /// The layout on the disk: XXH3-64 of the empty text is 0x2d06800538d394c2, as its specification says.
    #[test]
    fn a_sealed_value_is_version_checksum_payload() {
        assert_eq!(seal(b""), [VERSION, 0x38, 0xd3, 0x94, 0xc2]);
        assert_eq!(seal(b"abc").get(5..), Some(&b"abc"[..]));
    }
}
