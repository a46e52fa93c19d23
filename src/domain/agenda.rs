//! Which feed is due, under the limits of each host and of all together. A heap, not a task a feed: 100,000 feeds cost 3 MB.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use super::time::Timestamp;

/// How much may be asked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests at once, all hosts.
    pub in_flight: usize,
    /// Requests at once to one host.
    pub per_host: usize,
    /// Between two starts at one host.
    pub host_gap: Duration,
}

/// The agenda: feeds by number, hosts by number, and when each is due.
#[derive(Debug)]
pub struct Agenda {
    limits: Limits,
    /// The host of each feed; `None` for a feed that is no longer configured.
    feeds: Vec<Option<u32>>,
    hosts: Vec<Host>,
    names: HashMap<Box<str>, u32>,
    due: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// Hosts that have feeds waiting, by when they may be asked.
    open: BinaryHeap<Reverse<(Timestamp, u32)>>,
    in_flight: usize,
}

#[derive(Debug, Default)]
struct Host {
    waiting: VecDeque<u32>,
    in_flight: usize,
    next_start: Timestamp,
    /// Whether it stands in `open`.
    queued: bool,
}

impl Agenda {
    /// An empty agenda.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (due, open) = (BinaryHeap::new(), BinaryHeap::new());
        Self { limits, feeds: vec![], hosts: vec![], names: HashMap::new(), due, open, in_flight: 0 }
    }

    /// Adds a feed; returns its number, which counts up from 0.
    pub fn add(&mut self, host: &str, due: Timestamp) -> u32 {
        let number = match self.names.get(host) {
            Some(number) => *number,
            None => {
                let number = count(self.hosts.len());
                self.hosts.push(Host::default());
                self.names.insert(host.into(), number);
                number
            }
        };
        let feed = count(self.feeds.len());
        self.feeds.push(Some(number));
        self.due.push(Reverse((due, feed)));
        feed
    }

    /// The next feed that may be polled now; it is then in flight until [`Agenda::done`].
    pub fn start(&mut self, now: Timestamp) -> Option<u32> {
        self.admit(now);
        if self.in_flight >= self.limits.in_flight {
            return None;
        }
        while let Some(Reverse((at, number))) = self.open.peek().copied() {
            if at > now {
                return None;
            }
            self.open.pop();
            let host = self.hosts.get_mut(number as usize)?;
            host.queued = false;
            if host.in_flight >= self.limits.per_host {
                continue;
            }
            let Some(feed) = host.waiting.pop_front() else { continue };
            host.in_flight += 1;
            host.next_start = now.after(self.limits.host_gap);
            self.in_flight += 1;
            self.queue(number, now);
            return Some(feed);
        }
        None
    }

    /// The poll of `feed` is over; the next is due at `due`.
    pub fn done(&mut self, feed: u32, due: Timestamp, now: Timestamp) {
        let Some(number) = self.feeds.get(feed as usize).copied().flatten() else { return };
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(host) = self.hosts.get_mut(number as usize) {
            host.in_flight = host.in_flight.saturating_sub(1);
        }
        self.due.push(Reverse((due, feed)));
        self.queue(number, now);
    }

    /// When [`Agenda::start`] may next have something, if nothing is [done](Agenda::done) before.
    #[must_use]
    pub fn wake_at(&self) -> Timestamp {
        if self.in_flight >= self.limits.in_flight {
            return Timestamp::MAX;
        }
        let first = |heap: &BinaryHeap<Reverse<(Timestamp, u32)>>| heap.peek().map_or(Timestamp::MAX, |Reverse((at, _))| *at);
        first(&self.due).min(first(&self.open))
    }

    /// How many feeds there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.feeds.len()
    }

    /// Whether there is no feed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.feeds.is_empty()
    }

    /// How many polls are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Moves what has become due to the queues of its hosts.
    fn admit(&mut self, now: Timestamp) {
        while let Some(Reverse((at, feed))) = self.due.peek().copied() {
            if at > now {
                break;
            }
            self.due.pop();
            let Some(number) = self.feeds.get(feed as usize).copied().flatten() else { continue };
            if let Some(host) = self.hosts.get_mut(number as usize) {
                host.waiting.push_back(feed);
            }
            self.queue(number, now);
        }
    }

    /// Puts a host that has something waiting and room for it among the open ones, once.
    fn queue(&mut self, number: u32, now: Timestamp) {
        let Some(host) = self.hosts.get_mut(number as usize) else { return };
        if !host.queued && !host.waiting.is_empty() && host.in_flight < self.limits.per_host {
            host.queued = true;
            self.open.push(Reverse((host.next_start.max(now), number)));
        }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    fn limits(in_flight: usize, per_host: usize) -> Limits {
        Limits { in_flight, per_host, host_gap: Duration::from_secs(1) }
    }

    #[test]
    fn one_request_a_host_and_a_gap_between_starts() {
        let mut agenda = Agenda::new(limits(10, 1));
        let (a, b, other) = (agenda.add("a.ua", at(0)), agenda.add("a.ua", at(0)), agenda.add("b.ua", at(0)));
        assert_eq!(agenda.start(at(5)), Some(a));
        assert_eq!(agenda.start(at(5)), Some(other));
        assert_eq!(agenda.start(at(5)), None);
        agenda.done(a, at(100), at(5));
        assert_eq!(agenda.start(at(5)), None);
        assert_eq!(agenda.wake_at(), at(6));
        assert_eq!(agenda.start(at(6)), Some(b));
    }

    #[test]
    fn nothing_starts_before_it_is_due_nor_beyond_the_limit() {
        let mut agenda = Agenda::new(limits(1, 1));
        agenda.add("a.ua", at(10));
        agenda.add("b.ua", at(10));
        assert_eq!((agenda.start(at(9)), agenda.wake_at()), (None, at(10)));
        let first = agenda.start(at(10)).unwrap();
        assert_eq!((agenda.start(at(10)), agenda.wake_at()), (None, Timestamp::MAX));
        agenda.done(first, at(20), at(11));
        assert!(agenda.start(at(11)).is_some());
    }

    proptest! {
        #[test]
        fn limits_hold_and_every_feed_gets_its_turn(
            hosts in prop::collection::vec(0u8..4, 1..40), in_flight in 1usize..6, per_host in 1usize..3
        ) {
            let mut agenda = Agenda::new(limits(in_flight, per_host));
            for host in &hosts {
                agenda.add(&host.to_string(), at(0));
            }
            let (mut flying, mut polled, mut starts) = (vec![], vec![0u32; hosts.len()], HashMap::<u8, Timestamp>::new());
            for second in 0..200 {
                let now = at(second);
                while let Some(feed) = agenda.start(now) {
                    let host = *hosts.get(feed as usize).unwrap();
                    if let Some(last) = starts.insert(host, now) {
                        prop_assert!(now.since(last) >= Duration::from_secs(1));
                    }
                    flying.push(feed);
                    *polled.get_mut(feed as usize).unwrap() += 1;
                    prop_assert!(flying.len() <= in_flight);
                    let same = flying.iter().filter(|f| hosts.get(**f as usize) == Some(&host)).count();
                    prop_assert!(same <= per_host);
                }
                if !flying.is_empty() {
                    agenda.done(flying.remove(0), at(1_000_000), now);
                }
            }
            prop_assert!(polled.iter().all(|n| *n == 1), "{polled:?}");
        }
    }
}
