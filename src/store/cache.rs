//! The next events of lanes, unpacked. Events come out of a pack all at once or not at all, and a sink takes them one by one: without this
//! every event of a backlog would cost the unpacking of sixty-four.
//!
//! What is kept is never wrong, only superfluous: the events of a lane are numbered, and a number means the same event for ever. It belongs to an
//! open database, and goes with it.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::time::{Duration, Instant};

use crate::domain::delivery::Lane;
use crate::domain::entry::Entry;
use crate::domain::event::Event;

/// How many events of a lane are read at once.
pub(super) const AHEAD: usize = 16;

/// Bytes that are kept of all lanes together.
const ROOM: usize = 16 << 20;

/// What an event takes beside its markup.
const BESIDE: usize = 1024;

/// What a lane has not asked for in this time has to go when another lane needs the room. Younger ones stay: if more lanes take turns than there
/// is room for, those that have it are better off, and the others as without.
const IDLE: Duration = Duration::from_secs(5);

/// The next events of some lanes.
#[derive(Debug, Default)]
pub(super) struct Cache {
    lanes: HashMap<Lane, Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    /// The number of the first.
    first: u64,
    events: VecDeque<Event>,
    used: Instant,
}

impl Cache {
    /// An event of a lane by its number; those before it are forgotten, it itself stays, for it may have to be tried again.
    pub(super) fn event(&mut self, lane: Lane, number: u64, now: Instant) -> Option<Event> {
        let kept = self.lanes.get_mut(&lane)?;
        while kept.first < number
            && let Some(passed) = kept.events.pop_front()
        {
            self.bytes -= size(&passed);
            kept.first += 1;
        }
        kept.used = now;
        let event = kept.events.front().filter(|_| kept.first == number).cloned();
        if event.is_none() || kept.events.len() == 1 {
            self.forget(lane);
        }
        event
    }

    /// Keeps the events of a lane, of which the first has this number, if there is room.
    pub(super) fn keep(&mut self, lane: Lane, first: u64, events: Vec<Event>, now: Instant) {
        self.forget(lane);
        let bytes: usize = events.iter().map(size).sum();
        if self.bytes + bytes > ROOM {
            let idle: Vec<_> = self.lanes.iter().filter(|(_, kept)| now - kept.used > IDLE).map(|(lane, _)| *lane).collect();
            idle.into_iter().for_each(|lane| self.forget(lane));
        }
        if self.bytes + bytes <= ROOM && events.len() > 1 {
            self.bytes += bytes;
            self.lanes.insert(lane, Kept { first, events: events.into(), used: now });
        }
    }

    fn forget(&mut self, lane: Lane) {
        let kept = self.lanes.remove(&lane);
        self.bytes -= kept.map_or(0, |kept| kept.events.iter().map(size).sum());
    }
}

fn size(event: &Event) -> usize {
    mem::size_of::<Event>() + BESIDE + event.happening.entry().map_or(0, Entry::size)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::entry::Markup;
    use crate::domain::event::{EventId, EventKind, Happening, Report, Scene, What};
    use crate::domain::feed::FeedId;
    use crate::domain::time::Timestamp;

    const LANE: Lane = Lane { sink: 1, track: 1 };

    fn events(first: u64, count: u64, bytes: usize) -> Vec<Event> {
        let scene = Arc::new(Scene {
            instance: "main".into(),
            feed: FeedId(Arc::from("f")),
            url: String::new(),
            title: None,
            site_url: None,
            tags: vec![],
            fetched_at: Timestamp(0),
            time: Timestamp(0),
            first_poll: false,
        });
        let event = |sequence| {
            let entry = Entry { content: Some(Markup::Text("x".repeat(bytes))), ..Entry::default() };
            let what = What::Entry(Box::new(Report { entry, ..Report::default() }));
            let happening = Happening { id: EventId(format!("evt_{sequence}")), kind: EventKind::Created, what };
            Event { sequence, scene: scene.clone(), happening }
        };
        (first..first + count).map(event).collect()
    }

    #[test]
    fn an_event_is_there_until_one_behind_it_is_asked_for() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.keep(LANE, 5, events(105, 4, 10), now);
        let mut sequence = |number| cache.event(LANE, number, now).map(|event| event.sequence);
        assert_eq!([5, 5, 7, 8].map(&mut sequence), [Some(105), Some(105), Some(107), Some(108)]);
        assert_eq!([5, 8, 9].map(&mut sequence), [None, None, None], "nothing older, and nothing of what is over");
        assert_eq!((cache.bytes, cache.lanes.len()), (0, 0));
        cache.keep(LANE, 5, events(105, 3, 10), now);
        assert_eq!(cache.event(LANE, 4, now), None);
        assert_eq!((cache.bytes, cache.lanes.len()), (0, 0));
    }

    #[test]
    fn what_is_in_use_stays_and_what_is_idle_makes_room() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let lane = |track| Lane { sink: 1, track };
        for track in 0..40 {
            cache.keep(lane(track), 1, events(1, 2, 1 << 18), now);
        }
        let held = cache.lanes.len();
        assert!(cache.bytes <= ROOM && (25..32).contains(&held), "{held}");
        let later = now + IDLE * 2;
        assert!(cache.event(lane(0), 1, later).is_some());
        cache.keep(lane(50), 1, events(1, 2, 1 << 18), later);
        let mut left: Vec<_> = cache.lanes.keys().map(|lane| lane.track).collect();
        left.sort_unstable();
        assert_eq!(left, [0, 50]);
    }
}
