//! Events as they are stored: those of one poll together, as JSON, so that a field can be added, compressed together, so that what they
//! share costs once, and cut into pieces that the database keeps in its leaves.

use serde::{Deserialize, Serialize};

use super::row::{Damaged, LARGEST, seal, unseal};
use crate::domain::entry::Entry;
use crate::domain::event::{Event, Happening, Scene};
use crate::domain::plan::Destination;
use crate::domain::time::Timestamp;

/// Events in one pack, and bytes of their JSON; one event may be larger, alone.
const EVENTS_PER_PACK: usize = 64;
/// See [`EVENTS_PER_PACK`].
const BYTES_PER_PACK: usize = 128 * 1024;

/// The largest pack that is unpacked: a bound against damage, far above what is ever packed.
const LARGEST_PACK: usize = 64 << 20;

/// Events packed for the store; made outside of the writer thread, for compression is most of the work.
pub(super) struct Prepared(pub(super) Vec<PreparedPack>);

pub(super) struct PreparedPack {
    pub(super) events: u16,
    pub(super) pieces: Vec<Vec<u8>>,
}

impl Prepared {
    pub(super) fn new(feed: u32, scene: &Scene, events: &[(Happening, Vec<Destination>)]) -> Self {
        let mut packs = vec![];
        let mut rest = events;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(pack_length(rest));
            let events = u16::try_from(now.len()).unwrap_or(u16::MAX);
            packs.push(PreparedPack { events, pieces: pack(feed, scene, now) });
            rest = later;
        }
        Self(packs)
    }
}

/// How many of the events go into one pack: at least one.
fn pack_length(events: &[(Happening, Vec<Destination>)]) -> usize {
    let mut bytes = 0;
    let markup = |happening: &Happening| happening.entry().map_or(0, Entry::size);
    let fitting = events.iter().take(EVENTS_PER_PACK).take_while(|(happening, _)| {
        bytes += markup(happening);
        bytes <= BYTES_PER_PACK
    });
    fitting.count().max(1)
}

/// The events of one poll, or a share of them, as they are stored: JSON, so that a field can be added, compressed together, so that
/// what they share costs once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pack {
    pub(super) scene: Scene,
    pub(super) happenings: Vec<Happening>,
    /// The sinks that each goes to, by number.
    pub(super) to: Vec<Vec<u32>>,
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
    /// The number of the feed.
    pub(super) feed: u32,
}

/// A pack as it is written, without copying the events.
#[derive(Serialize)]
struct Packing<'a> {
    scene: &'a Scene,
    happenings: Vec<&'a Happening>,
    to: Vec<Vec<u32>>,
}

/// The sealed pieces of a pack, each within [`LARGEST`].
fn pack(feed: u32, scene: &Scene, events: &[(Happening, Vec<Destination>)]) -> Vec<Vec<u8>> {
    let happenings = events.iter().map(|(happening, _)| happening).collect();
    let to = events.iter().map(|(_, to)| to.iter().map(|d| d.sink).collect()).collect();
    let json = serde_json::to_vec(&Packing { scene, happenings, to }).unwrap_or_default();
    let packed = zstd::bulk::compress(&json, 1).unwrap_or_default();
    let room = LARGEST - 64;
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let head = PackHead {
        events: count(events.len()),
        parts: count(packed.len().div_ceil(room).max(1)),
        time: scene.time,
        length: u32::try_from(json.len()).unwrap_or(u32::MAX),
        feed,
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

    use super::*;
    use crate::domain::delivery::Order;
    use crate::domain::entry::Markup;
    use crate::domain::event::{EventId, EventKind, Level, Report, What};
    use crate::domain::feed::FeedId;

    #[test]
    fn a_pack_of_any_size_comes_back() {
        for size in [0, 10, 5_000, 3_000_000] {
            let noise: String = (0..size).map(|i: u64| char::from(b'a' + (i.wrapping_mul(6364136223846793005) >> 59) as u8 % 26)).collect();
            let happening = Happening {
                id: EventId("evt_x".into()),
                kind: EventKind::Updated,
                what: What::Entry(Box::new(Report {
                    entry: Entry { content: Some(Markup::Html(noise)), ..Entry::default() },
                    revision: 3,
                    level: Some(Level::Minor),
                    duplicate_of: Some(EventId("evt_y".into())),
                    first: Some(EventId("evt_z".into())),
                })),
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
            let to = vec![Destination { sink: 7, order: Order::Feed }];
            let pieces = super::pack(3, &scene, &[(happening.clone(), to), (happening.clone(), vec![])]);
            let pack = Pack { scene, happenings: vec![happening.clone(), happening], to: vec![vec![7], vec![]] };
            assert!(pieces.iter().all(|p| p.len() <= LARGEST));
            let head = Pack::head(pieces.first().unwrap()).unwrap();
            assert_eq!((head.events, usize::from(head.parts), head.time, head.feed), (2, pieces.len(), Timestamp(6), 3));
            assert_eq!(Pack::join(&pieces), Ok(pack.clone()));
            if pieces.len() > 1 {
                assert_eq!(Pack::join(pieces.get(1..).unwrap()), Err(Damaged));
            }
            let sequences: Vec<_> = pack.into_events(41).iter().map(|e| e.sequence).collect();
            assert_eq!(sequences, [41, 42]);
        }
    }
}
