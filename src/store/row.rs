//! Values: a version byte, a CRC-32 of the rest, the rest. Nothing that is read back is believed before its checksum is.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::delivery::Trials;
use crate::domain::event::{Event, Happening, Scene};
use crate::domain::feed::{Cold, Fingerprint, Hot};
use crate::domain::identity::Key;
use crate::domain::time::Timestamp;

/// The version of every layout below. A store with a higher one is refused, one with a lower one is migrated when it is opened.
pub(super) const VERSION: u8 = 1;

/// No value is larger: sled puts a leaf of sixteen 8 KiB values into a file that it never syncs.
pub(super) const LARGEST: usize = 4096;

/// Entries in one chunk of hot ones: 96 × 42 bytes.
pub(super) const HOT_PER_CHUNK: usize = 96;

/// Entries in one chunk of cold ones: 125 × 20 bytes.
pub(super) const COLD_PER_CHUNK: usize = 125;

/// Events in one pack, and bytes of their JSON; one event may be larger, alone.
pub(super) const EVENTS_PER_PACK: usize = 64;
/// See [`EVENTS_PER_PACK`].
pub(super) const BYTES_PER_PACK: usize = 128 * 1024;

/// The largest pack that is unpacked: a bound against damage, far above what is ever packed.
const LARGEST_PACK: usize = 64 << 20;

/// A value that cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// Puts version and checksum before `payload`.
pub(super) fn seal(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 5);
    out.push(VERSION);
    out.extend(crc32fast::hash(payload).to_be_bytes());
    out.extend(payload);
    out
}

/// The payload, if version and checksum are right.
pub(super) fn unseal(value: &[u8]) -> Result<&[u8], Damaged> {
    let (version, rest) = value.split_first().ok_or(Damaged)?;
    let (crc, payload) = rest.split_first_chunk().ok_or(Damaged)?;
    let good = *version == VERSION && u32::from_be_bytes(*crc) == crc32fast::hash(payload);
    good.then_some(payload).ok_or(Damaged)
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

/// A dead letter; its key holds sink and sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeadRow {
    pub(super) pack: u64,
    pub(super) at: Timestamp,
    pub(super) reason: String,
}

/// Hot entries, 42 bytes each.
pub(super) fn encode_hot(entries: &[Hot]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(entries.len() * 42);
    for e in entries {
        payload.extend(e.fingerprint.0.to_be_bytes());
        payload.extend(e.key.as_bytes());
        payload.extend(e.text.to_be_bytes());
        payload.extend(e.revision.to_be_bytes());
    }
    seal(&payload)
}

/// See [`encode_hot`].
pub(super) fn decode_hot(value: &[u8]) -> Result<Vec<Hot>, Damaged> {
    let (rows, rest) = unseal(value)?.as_chunks::<42>();
    let row = |row: &[u8; 42]| {
        let (fingerprint, row) = row.split_first_chunk()?;
        let (key, row) = row.split_first_chunk()?;
        let (text, row) = row.split_first_chunk()?;
        Some(Hot {
            fingerprint: Fingerprint(u128::from_be_bytes(*fingerprint)),
            key: Key::from_bytes(*key),
            text: u64::from_be_bytes(*text),
            revision: u16::from_be_bytes(*row.first_chunk()?),
        })
    };
    if rest.is_empty() { rows.iter().map(row).collect::<Option<_>>().ok_or(Damaged) } else { Err(Damaged) }
}

/// Cold entries, 20 bytes each.
pub(super) fn encode_cold(entries: &[Cold]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(entries.len() * 20);
    for e in entries {
        payload.extend(e.key.as_bytes());
        payload.extend(e.day.to_be_bytes());
        payload.extend(e.revision.to_be_bytes());
    }
    seal(&payload)
}

/// See [`encode_cold`].
pub(super) fn decode_cold(value: &[u8]) -> Result<Vec<Cold>, Damaged> {
    let (rows, rest) = unseal(value)?.as_chunks::<20>();
    let row = |row: &[u8; 20]| {
        let (key, row) = row.split_first_chunk()?;
        let (day, row) = row.split_first_chunk()?;
        Some(Cold { key: Key::from_bytes(*key), day: u16::from_be_bytes(*day), revision: u16::from_be_bytes(*row.first_chunk()?) })
    };
    if rest.is_empty() { rows.iter().map(row).collect::<Option<_>>().ok_or(Damaged) } else { Err(Damaged) }
}

/// The events of one poll, or a share of them, as they are stored: JSON, so that a field can be added, compressed together, so that
/// what they share costs once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pack {
    pub(super) scene: Scene,
    pub(super) happenings: Vec<Happening>,
}

/// What stands before the first piece of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PackHead {
    /// How many events.
    pub(super) events: u16,
    /// How many pieces.
    pub(super) parts: u16,
    /// When they were committed.
    pub(super) time: Timestamp,
    /// Bytes of JSON.
    pub(super) length: u32,
}

/// A pack as it is written, without copying the events.
#[derive(Serialize)]
struct Packing<'a> {
    scene: &'a Scene,
    happenings: &'a [&'a Happening],
}

/// The sealed pieces of a pack, each within [`LARGEST`].
pub(super) fn pack(scene: &Scene, happenings: &[&Happening]) -> Vec<Vec<u8>> {
    let json = serde_json::to_vec(&Packing { scene, happenings }).unwrap_or_default();
    let packed = zstd::bulk::compress(&json, 1).unwrap_or_default();
    let room = LARGEST - 64;
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let head = PackHead {
        events: count(happenings.len()),
        parts: count(packed.len().div_ceil(room).max(1)),
        time: scene.time,
        length: u32::try_from(json.len()).unwrap_or(u32::MAX),
    };
    let mut first = postcard::to_stdvec(&head).unwrap_or_default();
    let (now, later) = packed.split_at(packed.len().min(room));
    first.extend(now);
    std::iter::once(seal(&first)).chain(later.chunks(room).map(seal)).collect()
}

impl Pack {
    /// The head in the first piece.
    pub(super) fn head(first: &[u8]) -> Result<PackHead, Damaged> {
        postcard::take_from_bytes(unseal(first)?).map(|(head, _)| head).map_err(|_| Damaged)
    }

    /// Puts the pieces together again.
    pub(super) fn join(pieces: &[impl AsRef<[u8]>]) -> Result<Self, Damaged> {
        let (first, later) = pieces.split_first().ok_or(Damaged)?;
        let (head, rest): (PackHead, _) = postcard::take_from_bytes(unseal(first.as_ref())?).map_err(|_| Damaged)?;
        let mut packed = rest.to_vec();
        for piece in later {
            packed.extend(unseal(piece.as_ref())?);
        }
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        if length > LARGEST_PACK || pieces.len() != usize::from(head.parts) {
            return Err(Damaged);
        }
        let json = zstd::bulk::decompress(&packed, length).map_err(|_| Damaged)?;
        serde_json::from_slice(&json).map_err(|_| Damaged)
    }

    /// The events, numbered from `first`.
    pub(super) fn into_events(self, first: u64) -> Vec<Event> {
        let scene = std::sync::Arc::new(self.scene);
        let event = |(i, happening)| Event { sequence: first + i as u64, scene: scene.clone(), happening };
        self.happenings.into_iter().enumerate().map(event).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::entry::{Entry, Markup};
    use crate::domain::event::{EventId, EventKind};
    use crate::domain::feed::FeedId;

    fn key(n: u8) -> Key {
        Key::from_bytes([n; 16])
    }

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

    #[test]
    fn chunks_fit() {
        let hot = Hot { fingerprint: Fingerprint(u128::MAX), key: key(9), text: u64::MAX, revision: u16::MAX };
        assert!(encode_hot(&[hot; HOT_PER_CHUNK]).len() <= LARGEST);
        let cold = Cold { key: key(9), day: u16::MAX, revision: u16::MAX };
        assert!(encode_cold(&[cold; COLD_PER_CHUNK]).len() <= LARGEST);
    }

    #[test]
    fn a_pack_of_any_size_comes_back() {
        for size in [0, 10, 5_000, 3_000_000] {
            let noise: String = (0..size).map(|i: u64| char::from(b'a' + (i.wrapping_mul(6364136223846793005) >> 59) as u8 % 26)).collect();
            let happening = Happening {
                id: EventId("evt_x".into()),
                kind: EventKind::Updated,
                revision: 3,
                entry: Entry { content: Some(Markup::Html(noise)), ..Entry::default() },
            };
            let scene = Scene {
                instance: "main".into(),
                feed: FeedId(Arc::from("f")),
                url: "https://a.ua/".into(),
                title: Some("є і ї ґ ’".into()),
                site_url: None,
                tags: vec!["ua".into()],
                fetched_at: Timestamp(5),
                time: Timestamp(6),
                first_poll: true,
            };
            let pack = Pack { scene, happenings: vec![happening.clone(), happening] };
            let borrowed: Vec<_> = pack.happenings.iter().collect();
            let pieces = super::pack(&pack.scene, &borrowed);
            assert!(pieces.iter().all(|p| p.len() <= LARGEST));
            let head = Pack::head(pieces.first().unwrap()).unwrap();
            assert_eq!((head.events, usize::from(head.parts), head.time), (2, pieces.len(), Timestamp(6)));
            assert_eq!(Pack::join(&pieces), Ok(pack.clone()));
            if pieces.len() > 1 {
                assert_eq!(Pack::join(pieces.get(1..).unwrap()), Err(Damaged));
            }
            let sequences: Vec<_> = pack.into_events(41).iter().map(|e| e.sequence).collect();
            assert_eq!(sequences, [41, 42]);
        }
    }

    proptest! {
        #[test]
        fn rows_come_back(rows in prop::collection::vec((any::<u128>(), any::<u8>(), any::<u64>(), any::<u16>()), 0..96)) {
            let hot: Vec<_> = rows.iter()
                .map(|(f, k, text, revision)| Hot { fingerprint: Fingerprint(*f), key: key(*k), text: *text, revision: *revision }).collect();
            prop_assert_eq!(decode_hot(&encode_hot(&hot)), Ok(hot));
            let cold: Vec<_> = rows.iter().map(|(_, k, _, day)| Cold { key: key(*k), day: *day, revision: *day }).collect();
            prop_assert_eq!(decode_cold(&encode_cold(&cold)), Ok(cold));
        }
    }
}
