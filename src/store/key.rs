//! Key layouts. Integers are big-endian, so that byte order is number order.

use crate::domain::delivery::Lane;

/// The five trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Table {
    /// feed number → feed state.
    Feed,
    /// feed number, `h`, `c` or `m`, chunk → hot entries, cold entries, marks.
    Seen,
    /// first sequence of a pack, part → piece of the pack.
    Event,
    /// `q`, lane, number in the lane → events that wait; `l`, lane → how far the lane is; `d`, sink, sequence → a dead letter.
    Outbox,
    /// `!` → how far the store is; `f` and a feed's name, `s` and a sink's name → its number; `k`, sink number → what is remembered of it;
    /// `p`, feed number → it is paused; `n`, feed number → its name was lost, and when that was found; `c`, chunk → claims.
    Meta,
}

/// All of them, in their order.
pub(super) const TABLES: [Table; 5] = [Table::Feed, Table::Seen, Table::Event, Table::Outbox, Table::Meta];

impl Table {
    /// Its name, in the database and in a backup.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Seen => "seen",
            Self::Event => "event",
            Self::Outbox => "outbox",
            Self::Meta => "meta",
        }
    }
}

/// The one row that every commit writes.
pub(super) const META_STATE: &[u8] = b"!";

pub(super) fn feed_name(name: &str) -> Vec<u8> {
    [b"f", name.as_bytes()].concat()
}

pub(super) fn sink_name(name: &str) -> Vec<u8> {
    [b"s", name.as_bytes()].concat()
}

pub(super) fn sink(number: u32) -> Vec<u8> {
    [sinks(), &number.to_be_bytes()].concat()
}

/// What the keys of sinks begin with.
pub(super) fn sinks() -> &'static [u8] {
    b"k"
}

pub(super) fn paused_feeds() -> &'static [u8] {
    b"p"
}

pub(super) fn paused_feed(number: u32) -> Vec<u8> {
    [paused_feeds(), &number.to_be_bytes()].concat()
}

/// What the keys of feeds whose names were lost begin with.
pub(super) fn nameless_feeds() -> &'static [u8] {
    b"n"
}

pub(super) fn nameless_feed(number: u32) -> Vec<u8> {
    [nameless_feeds(), &number.to_be_bytes()].concat()
}

/// The number of the feed at the end of its key.
pub(super) fn feed_of(key: &[u8]) -> u32 {
    tail(key).map_or(0, u32::from_be_bytes)
}

pub(super) fn feed(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

pub(super) fn hot_prefix(feed: u32) -> Vec<u8> {
    [&feed.to_be_bytes()[..], b"h"].concat()
}

pub(super) fn hot(feed: u32, chunk: u16) -> Vec<u8> {
    [&hot_prefix(feed)[..], &chunk.to_be_bytes()].concat()
}

pub(super) fn cold_prefix(feed: u32) -> Vec<u8> {
    [&feed.to_be_bytes()[..], b"c"].concat()
}

pub(super) fn cold(feed: u32, chunk: u16) -> Vec<u8> {
    [&cold_prefix(feed)[..], &chunk.to_be_bytes()].concat()
}

/// Behind the last cold key of a feed.
pub(super) fn cold_end(feed: u32) -> Vec<u8> {
    [&feed.to_be_bytes()[..], b"d"].concat()
}

pub(super) fn marks_prefix(feed: u32) -> Vec<u8> {
    [&feed.to_be_bytes()[..], b"m"].concat()
}

pub(super) fn marks(feed: u32, chunk: u16) -> Vec<u8> {
    [&marks_prefix(feed)[..], &chunk.to_be_bytes()].concat()
}

/// Claims lie below the names, which begin with other letters.
pub(super) fn claims_prefix() -> &'static [u8] {
    b"c"
}

pub(super) fn claims(chunk: u32) -> Vec<u8> {
    [claims_prefix(), &chunk.to_be_bytes()].concat()
}

/// The chunk number at the end of a hot or cold key.
pub(super) fn chunk(key: &[u8]) -> u16 {
    tail(key).map_or(0, u16::from_be_bytes)
}

pub(super) fn pack(first: u64, part: u16) -> Vec<u8> {
    [&first.to_be_bytes()[..], &part.to_be_bytes()].concat()
}

/// The sequence that an event key begins with.
pub(super) fn pack_first(key: &[u8]) -> u64 {
    key.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

pub(super) fn lane(lane: Lane) -> Vec<u8> {
    [b"l", &lane.sink.to_be_bytes()[..], &lane.track.to_be_bytes()].concat()
}

pub(super) fn lanes() -> &'static [u8] {
    b"l"
}

pub(super) fn lanes_of(sink: u32) -> Vec<u8> {
    [lanes(), &sink.to_be_bytes()].concat()
}

/// The lane that a lane key names.
pub(super) fn lane_of(key: &[u8]) -> Option<Lane> {
    let rest = key.get(1..)?;
    let sink = u32::from_be_bytes(*rest.first_chunk()?);
    let track = u32::from_be_bytes(*rest.get(4..)?.first_chunk()?);
    Some(Lane { sink, track })
}

pub(super) fn queue_prefix(lane: Lane) -> Vec<u8> {
    [b"q", &lane.sink.to_be_bytes()[..], &lane.track.to_be_bytes()].concat()
}

pub(super) fn queue(lane: Lane, number: u64) -> Vec<u8> {
    [&queue_prefix(lane)[..], &number.to_be_bytes()].concat()
}

/// The number in the lane at the end of a queue key, or the sequence at the end of a dead letter's.
pub(super) fn number(key: &[u8]) -> u64 {
    tail(key).map_or(0, u64::from_be_bytes)
}

pub(super) fn dead(sink: u32, sequence: u64) -> Vec<u8> {
    [b"d", &sink.to_be_bytes()[..], &sequence.to_be_bytes()].concat()
}

pub(super) fn dead_of(sink: u32) -> Vec<u8> {
    [dead_letters(), &sink.to_be_bytes()].concat()
}

pub(super) fn dead_letters() -> &'static [u8] {
    b"d"
}

/// The sink of a dead letter's key.
pub(super) fn dead_sink(key: &[u8]) -> u32 {
    key.get(1..).and_then(|k| k.first_chunk().copied()).map_or(0, u32::from_be_bytes)
}

/// What the keys of a sink in the outbox begin with: letters and queues before the lanes, without which they mean nothing.
pub(super) fn all_of_sink(sink: u32) -> [Vec<u8>; 3] {
    [&b"d"[..], b"q", b"l"].map(|kind| [kind, &sink.to_be_bytes()].concat())
}

/// What the names of sinks begin with, and the name in such a key.
pub(super) fn sink_names() -> &'static [u8] {
    b"s"
}

pub(super) fn named(key: &[u8]) -> String {
    String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned()
}

fn tail<const N: usize>(key: &[u8]) -> Option<[u8; N]> {
    key.last_chunk().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whatever a user calls feeds and sinks.
    #[test]
    fn no_name_makes_the_key_of_another_row() {
        let letters = [META_STATE, b"f", b"s", b"k", paused_feeds(), nameless_feeds(), claims_prefix()].map(|key| key.first().copied());
        assert_eq!(letters.iter().collect::<std::collections::BTreeSet<_>>().len(), letters.len());
    }

    proptest! {
        #[test]
        fn byte_order_is_number_order(a: (u32, u32, u64), b: (u32, u32, u64)) {
            let key = |(sink, track, n)| queue(Lane { sink, track }, n);
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            let key = |(_, part, first): (u32, u32, u64)| pack(first, part as u16);
            prop_assert_eq!(key(a).cmp(&key(b)), (a.2, a.1 as u16).cmp(&(b.2, b.1 as u16)));
        }

        #[test]
        fn a_key_says_what_it_was_made_from(sink: u32, track: u32, n: u64, chunk_no: u16) {
            let at = Lane { sink, track };
            prop_assert_eq!(lane_of(&lane(at)), Some(at));
            prop_assert_eq!(number(&queue(at, n)), n);
            prop_assert_eq!((number(&dead(sink, n)), dead_sink(&dead(sink, n))), (n, sink));
            prop_assert_eq!(feed_of(&paused_feed(sink)), sink);
            prop_assert_eq!(pack_first(&pack(n, chunk_no)), n);
            prop_assert_eq!((chunk(&hot(sink, chunk_no)), chunk(&cold(sink, chunk_no))), (chunk_no, chunk_no));
        }
    }
}
