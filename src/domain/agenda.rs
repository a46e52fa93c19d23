//! Which feed is due, under the limits of each host, of each domain that complains, and of all together. A heap, not a task a feed: 100,000
//! feeds cost 4 MB.
//!
//! A redirect takes a feed to another host, where it queues like everybody else. All instants are of one clock that only goes forward.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::throttle::{Throttle, Word};
use super::time::Timestamp;

/// Hosts remembered to which no feed belongs: redirects lead there.
const GUESTS: usize = 4096;

/// What [`Limits::per_beat`] counts in.
pub const BEAT: Duration = Duration::from_millis(100);

/// How much may be asked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests at once, all hosts.
    pub in_flight: usize,
    /// Requests at once to one host.
    pub per_host: usize,
    /// Between two requests to one host, from the end of one to the start of the next, and at least from start to start.
    pub host_gap: Duration,
    /// Starts in one [`BEAT`], all hosts: however much has come due while nobody polled.
    pub per_beat: usize,
}

/// The agenda: feeds by number, hosts by number, and when each is due.
#[derive(Debug)]
pub struct Agenda {
    limits: Limits,
    feeds: Vec<Place>,
    hosts: Vec<Host>,
    names: HashMap<Box<str>, u32>,
    /// Hosts that redirects lead to, the oldest first.
    guests: VecDeque<(Box<str>, u32)>,
    /// Domains that have complained.
    throttles: HashMap<u64, Throttle>,
    due: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// Hosts that have feeds waiting, by when they may be asked.
    open: BinaryHeap<Reverse<(Timestamp, u32)>>,
    in_flight: usize,
    /// When the present beat began, and how many have started in it.
    beat: (Timestamp, usize),
}

/// Where a feed is.
#[derive(Debug)]
struct Place {
    /// The host of its URL.
    home: u32,
    /// The host that it waits for or asks.
    at: u32,
    /// When it is due; `None` while it waits for a host or asks one.
    due: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Host {
    domain: u64,
    waiting: VecDeque<u32>,
    in_flight: usize,
    next_start: Timestamp,
    /// Whether it stands in `open`.
    queued: bool,
}

impl Host {
    fn is_idle(&self, now: Timestamp) -> bool {
        !self.queued && self.waiting.is_empty() && self.in_flight == 0 && self.next_start <= now
    }
}

impl Agenda {
    /// An empty agenda.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (due, open) = (BinaryHeap::new(), BinaryHeap::new());
        let (names, guests, throttles) = (HashMap::new(), VecDeque::new(), HashMap::new());
        Self { limits, feeds: vec![], hosts: vec![], names, guests, throttles, due, open, in_flight: 0, beat: (Timestamp(0), 0) }
    }

    /// Adds a feed of a host in a registrable domain; returns its number, which counts up from 0.
    pub fn add(&mut self, host: &str, domain: &str, due: Timestamp) -> u32 {
        let home = self.named(host).unwrap_or_else(|| self.build(host, domain));
        let feed = count(self.feeds.len());
        self.feeds.push(Place { home, at: home, due: Some(due) });
        self.due.push(Reverse((due, feed)));
        feed
    }

    /// The next feed that may be polled now, at the host where it is; it is then in flight until [`Agenda::turn`] or [`Agenda::done`].
    pub fn start(&mut self, now: Timestamp) -> Option<u32> {
        self.admit(now);
        if now >= self.beat.0.after(BEAT) {
            self.beat = (now, 0);
        }
        if self.in_flight >= self.limits.in_flight || self.beat.1 >= self.limits.per_beat {
            return None;
        }
        while let Some(Reverse((at, number))) = self.open.peek().copied() {
            if at > now {
                return None;
            }
            self.open.pop();
            let host = self.hosts.get_mut(number as usize)?;
            let throttle = self.throttles.get_mut(&host.domain);
            let free_at = host.next_start.max(throttle.as_ref().map_or(now, |t| t.free_at()));
            if free_at > now {
                // It was closed after it was queued.
                self.open.push(Reverse((free_at, number)));
                continue;
            }
            host.queued = false;
            if host.in_flight >= self.limits.per_host {
                continue;
            }
            let Some(feed) = host.waiting.pop_front() else { continue };
            host.in_flight += 1;
            host.next_start = now.after(self.limits.host_gap);
            throttle.into_iter().for_each(|t| t.started(now));
            self.in_flight += 1;
            self.beat.1 += 1;
            self.queue(number, now);
            return Some(feed);
        }
        None
    }

    /// A feed in flight was sent on to another host: it queues there, and [`Agenda::start`] tells when it may go on.
    pub fn turn(&mut self, feed: u32, host: &str, domain: &str, now: Timestamp) {
        self.land(feed, now);
        let number = self.named(host).unwrap_or_else(|| self.invite(host, domain, now));
        let Some(place) = self.feeds.get_mut(feed as usize) else { return };
        place.at = number;
        if let Some(host) = self.hosts.get_mut(number as usize) {
            host.waiting.push_back(feed);
        }
        self.queue(number, now);
    }

    /// The poll of `feed` is over; the next is due at `due`.
    pub fn done(&mut self, feed: u32, due: Timestamp, now: Timestamp) {
        self.land(feed, now);
        let Some(place) = self.feeds.get_mut(feed as usize) else { return };
        (place.at, place.due) = (place.home, Some(due));
        self.due.push(Reverse((due, feed)));
    }

    /// What the host that a feed has asked means by its answer.
    pub fn heard(&mut self, feed: u32, word: Word, now: Timestamp) {
        if let Some(place) = self.feeds.get(feed as usize) {
            self.obey(place.at, word, now);
        }
    }

    /// A rest that was asked for earlier. A host that nobody asks needs none.
    pub fn rest(&mut self, host: &str, word: Word, now: Timestamp) {
        if let Some(number) = self.named(host) {
            self.obey(number, word, now);
        }
    }

    /// A feed is due now, if it is not being polled already.
    pub fn hasten(&mut self, feed: u32, now: Timestamp) {
        if let Some(due) = self.feeds.get_mut(feed as usize).and_then(|place| place.due.as_mut()).filter(|due| **due > now) {
            *due = now;
            self.due.push(Reverse((now, feed)));
        }
    }

    /// The number of the host that a feed is at.
    #[must_use]
    pub fn host_of(&self, feed: u32) -> u32 {
        self.feeds.get(feed as usize).map_or(u32::MAX, |place| place.at)
    }

    /// When [`Agenda::start`] may next have something, if nothing is [done](Agenda::done) before.
    #[must_use]
    pub fn wake_at(&self) -> Timestamp {
        if self.in_flight >= self.limits.in_flight {
            return Timestamp::MAX;
        }
        let first = |heap: &BinaryHeap<Reverse<(Timestamp, u32)>>| heap.peek().map_or(Timestamp::MAX, |Reverse((at, _))| *at);
        let beat = if self.beat.1 >= self.limits.per_beat { self.beat.0.after(BEAT) } else { Timestamp(0) };
        first(&self.due).min(first(&self.open)).max(beat)
    }

    /// How many polls are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn named(&self, host: &str) -> Option<u32> {
        self.names.get(host).copied()
    }

    fn build(&mut self, host: &str, domain: &str) -> u32 {
        let number = count(self.hosts.len());
        self.hosts.push(Host { domain: xxh3_64(domain.as_bytes()), ..Host::default() });
        self.names.insert(host.into(), number);
        number
    }

    /// Takes in a host to which no feed belongs, in the place of one that nobody needs any more if there are many.
    fn invite(&mut self, host: &str, domain: &str, now: Timestamp) -> u32 {
        let oldest = if self.guests.len() < GUESTS { None } else { self.guests.pop_front() };
        let number = match oldest {
            Some((name, number)) if self.hosts.get(number as usize).is_some_and(|h| h.is_idle(now)) => {
                self.names.remove(&name);
                self.names.insert(host.into(), number);
                if let Some(place) = self.hosts.get_mut(number as usize) {
                    *place = Host { domain: xxh3_64(domain.as_bytes()), ..Host::default() };
                }
                number
            }
            busy => {
                self.guests.extend(busy);
                self.build(host, domain)
            }
        };
        self.guests.push_back((host.into(), number));
        number
    }

    /// Takes a feed from the host that it asks. The gap counts from here: when the request reached the host, nobody here knows, and it was not
    /// later.
    fn land(&mut self, feed: u32, now: Timestamp) {
        let Some(number) = self.feeds.get(feed as usize).map(|place| place.at) else { return };
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(host) = self.hosts.get_mut(number as usize) {
            host.in_flight = host.in_flight.saturating_sub(1);
            host.next_start = host.next_start.max(now.after(self.limits.host_gap));
        }
        self.queue(number, now);
    }

    fn obey(&mut self, number: u32, word: Word, now: Timestamp) {
        let Some(host) = self.hosts.get_mut(number as usize) else { return };
        match word {
            Word::Nothing => {}
            Word::Host(wait) => host.next_start = host.next_start.max(now.after(wait)),
            Word::Fine => {
                if let Some(throttle) = self.throttles.get_mut(&host.domain) {
                    throttle.heard(word, now);
                    if throttle.is_over(now) {
                        self.throttles.remove(&host.domain);
                    }
                }
            }
            Word::Domain(_) | Word::Slower => self.throttles.entry(host.domain).or_default().heard(word, now),
        }
    }

    /// Moves what has become due to the queues of its hosts.
    fn admit(&mut self, now: Timestamp) {
        while let Some(Reverse((at, feed))) = self.due.peek().copied() {
            if at > now {
                break;
            }
            self.due.pop();
            let Some(place) = self.feeds.get_mut(feed as usize).filter(|place| place.due == Some(at)) else { continue };
            place.due = None;
            let number = place.at;
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
            let throttled = self.throttles.get(&host.domain).map_or(now, Throttle::free_at);
            self.open.push(Reverse((host.next_start.max(throttled).max(now), number)));
        }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "agenda_tests.rs"]
mod tests;
