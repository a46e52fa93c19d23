//! Which lanes have something waiting, and from when: the only part of the outbox that is held in memory.

use std::collections::{BTreeSet, HashMap};

use crate::domain::delivery::{Batch, Lane};
use crate::domain::time::Timestamp;

/// The lanes of all sinks that are not empty.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    sinks: HashMap<u32, SinkLanes>,
}

#[derive(Debug, Default)]
struct SinkLanes {
    /// Not under way, by when they may be tried.
    due: BTreeSet<(Timestamp, u32)>,
    /// The same of lanes with what is sent once more.
    again: BTreeSet<(Timestamp, u32)>,
    /// Every lane that is not empty.
    tracks: HashMap<u32, Track>,
    waiting: u64,
    /// How many are sent at once, and how long the first waits for them.
    batch: Batch,
}

#[derive(Debug)]
struct Track {
    /// `None` while its head is under way.
    at: Option<Timestamp>,
    /// How many events wait in it.
    waiting: u64,
    /// Whether it waits for nothing but company.
    gathers: bool,
}

impl Lanes {
    /// `count` events entered a lane; if it was empty, its head may be tried from `at`.
    pub(super) fn enter(&mut self, lane: Lane, count: u64, at: Timestamp) {
        let sink = self.sinks.entry(lane.sink).or_default();
        sink.waiting += count;
        let (max, wait) = (u64::from(sink.batch.max), sink.batch.wait);
        let track = sink.tracks.entry(lane.track).or_insert(Track { at: None, waiting: 0, gathers: true });
        let begins = track.waiting == 0;
        track.waiting += count;
        let full = track.gathers && track.waiting >= max;
        match track.at {
            Some(due) if full => {
                sink.due_of(lane.track).remove(&(due, lane.track));
                sink.set(lane.track, due.min(at));
            }
            None if begins => sink.set(lane.track, if full { at } else { at.after(wait) }),
            _ => {}
        }
    }

    /// How many events a sink takes at once from now on.
    pub(super) fn set_batch(&mut self, sink: u32, batch: Batch) {
        self.sinks.entry(sink).or_default().batch = batch;
    }

    /// Takes the lane that has waited longest of those that may be tried; it is under way until settled or released. One with what is sent
    /// once more is taken only when `again` allows, and when no other may be tried.
    pub(super) fn claim(&mut self, sink: u32, now: Timestamp, again: bool) -> Option<Lane> {
        let lanes = self.sinks.get_mut(&sink)?;
        let first = |due: &BTreeSet<_>| due.first().copied().filter(|(at, _)| *at <= now);
        let (at, track) = first(&lanes.due).or_else(|| first(&lanes.again).filter(|_| again))?;
        lanes.due_of(track).remove(&(at, track));
        if let Some(track) = lanes.tracks.get_mut(&track) {
            (track.at, track.gathers) = (None, false);
        }
        Some(Lane { sink, track })
    }

    /// The head was settled: the next one may be tried from `next`, or the lane is empty. `left` says how many left the lane.
    pub(super) fn settled(&mut self, lane: Lane, next: Option<Timestamp>, left: u64) {
        let Some(sink) = self.sinks.get_mut(&lane.sink) else { return };
        sink.waiting = sink.waiting.saturating_sub(left);
        if let Some(track) = sink.tracks.get_mut(&lane.track) {
            track.waiting = track.waiting.saturating_sub(left);
        }
        match next {
            Some(at) => sink.set(lane.track, at),
            None => {
                sink.tracks.remove(&lane.track);
            }
        }
    }

    /// The attempt was given up without a result.
    pub(super) fn release(&mut self, lane: Lane, at: Timestamp) {
        if let Some(sink) = self.sinks.get_mut(&lane.sink)
            && sink.tracks.get(&lane.track).is_some_and(|track| track.at.is_none())
        {
            sink.set(lane.track, at);
        }
    }

    /// The consumer is back: whatever waits for a later attempt may be tried now.
    pub(super) fn hasten(&mut self, sink: u32, now: Timestamp) {
        let Some(lanes) = self.sinks.get_mut(&sink) else { return };
        let late = |due: &BTreeSet<(Timestamp, u32)>| due.iter().rev().take_while(|(at, _)| *at > now).copied().collect::<Vec<_>>();
        for (at, track) in [late(&lanes.due), late(&lanes.again)].concat() {
            lanes.due_of(track).remove(&(at, track));
            lanes.set(track, now);
        }
    }

    /// When the next lane of a sink may be tried; `Timestamp::MAX` when none waits. Those with what is sent once more count only when
    /// `again` allows.
    pub(super) fn next_due(&self, sink: u32, again: bool) -> Timestamp {
        let first = |due: &BTreeSet<(Timestamp, u32)>| due.first().map_or(Timestamp::MAX, |(at, _)| *at);
        let due = |lanes: &SinkLanes| if again { first(&lanes.due).min(first(&lanes.again)) } else { first(&lanes.due) };
        self.sinks.get(&sink).map_or(Timestamp::MAX, due)
    }

    /// Nothing of a sink waits any more.
    pub(super) fn forget(&mut self, sink: u32) {
        self.sinks.remove(&sink);
    }

    /// How many events wait for a sink.
    pub(super) fn waiting(&self, sink: u32) -> u64 {
        self.sinks.get(&sink).map_or(0, |s| s.waiting)
    }
}

impl SinkLanes {
    fn set(&mut self, track: u32, at: Timestamp) {
        if let Some(track) = self.tracks.get_mut(&track) {
            track.at = Some(at);
        }
        self.due_of(track).insert((at, track));
    }

    fn due_of(&mut self, track: u32) -> &mut BTreeSet<(Timestamp, u32)> {
        if (Lane { sink: 0, track }).is_again() { &mut self.again } else { &mut self.due }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const A: Lane = Lane { sink: 1, track: 1 };
    const B: Lane = Lane { sink: 1, track: 2 };

    #[test]
    fn lanes_take_turns_and_one_under_way_is_not_given_twice() {
        let mut lanes = Lanes::default();
        lanes.enter(A, 2, Timestamp(10));
        lanes.enter(B, 1, Timestamp(11));
        assert_eq!((lanes.next_due(1, true), lanes.waiting(1)), (Timestamp(10), 3));
        assert_eq!(lanes.claim(1, Timestamp(9), true), None);
        assert_eq!(lanes.claim(1, Timestamp(12), true), Some(A));
        lanes.enter(A, 1, Timestamp(12));
        assert_eq!(lanes.claim(1, Timestamp(12), true), Some(B));
        assert_eq!(lanes.claim(1, Timestamp(12), true), None);
        lanes.settled(A, Some(Timestamp(13)), 1);
        lanes.settled(B, None, 1);
        assert_eq!((lanes.next_due(1, true), lanes.waiting(1)), (Timestamp(13), 2));
        assert_eq!((lanes.next_due(2, true), lanes.waiting(2)), (Timestamp::MAX, 0));
    }

    #[test]
    fn a_lane_given_up_waits_again_and_a_returned_consumer_gets_all_at_once() {
        let mut lanes = Lanes::default();
        lanes.enter(A, 1, Timestamp(0));
        lanes.enter(B, 1, Timestamp(0));
        assert_eq!(lanes.claim(1, Timestamp(0), true), Some(A));
        lanes.release(A, Timestamp(5));
        lanes.release(B, Timestamp(9));
        assert_eq!(lanes.claim(1, Timestamp(0), true), Some(B));
        lanes.settled(B, Some(Timestamp(900)), 0);
        assert_eq!(lanes.claim(1, Timestamp(5), true), Some(A));
        lanes.settled(A, None, 1);
        lanes.hasten(1, Timestamp(6));
        assert_eq!(lanes.claim(1, Timestamp(6), true), Some(B));
    }

    #[test]
    fn d34_what_is_sent_once_more_waits_for_news_and_for_room() {
        let mut lanes = Lanes::default();
        lanes.enter(A.again(), 2, Timestamp(1));
        lanes.enter(B, 1, Timestamp(5));
        assert_eq!((lanes.next_due(1, true), lanes.next_due(1, false)), (Timestamp(1), Timestamp(5)));
        assert_eq!(lanes.claim(1, Timestamp(5), true), Some(B));
        assert_eq!(lanes.claim(1, Timestamp(5), false), None);
        assert_eq!(lanes.claim(1, Timestamp(5), true), Some(A.again()));
        lanes.settled(A.again(), Some(Timestamp(900)), 1);
        assert_eq!(lanes.claim(1, Timestamp(6), true), None);
        lanes.hasten(1, Timestamp(6));
        assert_eq!((lanes.claim(1, Timestamp(6), true), lanes.waiting(1)), (Some(A.again()), 2));
    }

    #[test]
    fn a_batch_goes_when_it_is_full_or_has_waited() {
        let (mut lanes, wait) = (Lanes::default(), Duration::from_millis(50));
        lanes.set_batch(1, Batch { max: 3, wait });
        lanes.enter(A, 1, Timestamp(10));
        lanes.enter(A, 1, Timestamp(20));
        assert_eq!(lanes.next_due(1, true), Timestamp(60), "the first waits for others");
        lanes.enter(A, 1, Timestamp(30));
        assert_eq!(lanes.claim(1, Timestamp(30), true), Some(A), "it is full");
        lanes.enter(A, 2, Timestamp(31));
        lanes.settled(A, Some(Timestamp(900)), 0);
        lanes.enter(A, 2, Timestamp(32));
        assert_eq!(lanes.next_due(1, true), Timestamp(900), "what failed waits for its time");
        assert_eq!(lanes.claim(1, Timestamp(900), true), Some(A));
        lanes.settled(A, Some(Timestamp(901)), 3);
        assert_eq!((lanes.next_due(1, true), lanes.waiting(1)), (Timestamp(901), 4));
        lanes.enter(B, 7, Timestamp(40));
        assert_eq!(lanes.next_due(1, true), Timestamp(40), "it was full at once");
    }
}
