//! What the server writes down of every request and event: the daemon's manners as its guests see them, not as it believes they are.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::documents::{self, WINDOW};

/// The pause that the daemon is told to keep at a host, from the end of a request to the start of the next.
pub const HOST_GAP: Duration = Duration::from_secs(1);

/// A pause that is shorter by less was kept: the daemon counts whole milliseconds. Nothing else shortens it, for an answer ends here before
/// it ends there, and a request begins there before it begins here.
pub const SLACK: Duration = Duration::from_millis(5);

/// Everything since the server began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Seconds since the server began.
    pub elapsed: f64,
    pub requests: u64,
    /// Feeds that were asked for.
    pub feeds: usize,
    /// Answers without a document, and with one.
    pub not_modified: u64,
    pub sent: u64,
    /// The most requests at once, and the most of them at one host.
    pub in_flight: usize,
    pub in_flight_of_host: usize,
    /// The shortest time between two starts at one host, and between an end and the start after it, in milliseconds.
    pub shortest_gap: Option<f64>,
    pub shortest_pause: Option<f64>,
    /// Pauses below twice [`HOST_GAP`], which are those that it made, and the ones that were too short.
    pub pauses: u64,
    pub short_pauses: u64,
    /// Connections that are open, and the most that ever were.
    pub connections: usize,
    pub most_connections: usize,
    /// Requests in each second.
    pub seconds: Vec<u32>,
    /// Entries that were published, events that arrived for the first time, once more, and those that should have come before another.
    pub published: u64,
    pub events: u64,
    pub repeated: u64,
    pub missing: u64,
}

impl Figures {
    /// Requests in each whole second between two looks.
    pub fn seconds_since(&self, from: &Self) -> Vec<u32> {
        (from.elapsed.ceil() as usize..self.elapsed as usize).map(|second| self.seconds.get(second).copied().unwrap_or(0)).collect()
    }
}

/// The books.
pub struct Books {
    begun: Instant,
    hosts: HashMap<Ipv4Addr, Host>,
    feeds: HashSet<u32>,
    /// The last entry of each feed of which an event has come.
    told: HashMap<u32, u64>,
    in_flight: usize,
    figures: Figures,
}

#[derive(Default)]
struct Host {
    in_flight: usize,
    last_start: Option<Instant>,
    last_end: Option<Instant>,
}

impl Books {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            hosts: HashMap::new(),
            feeds: HashSet::new(),
            told: HashMap::new(),
            in_flight: 0,
            figures: Figures::default(),
        }
    }

    pub fn figures(&self) -> Figures {
        Figures { elapsed: self.begun.elapsed().as_secs_f64(), feeds: self.feeds.len(), ..self.figures.clone() }
    }

    /// The head of a request has been read.
    pub fn begin(&mut self, host: Ipv4Addr, feed: u32) {
        let (now, figures) = (Instant::now(), &mut self.figures);
        let second = now.duration_since(self.begun).as_secs() as usize;
        figures.seconds.resize(figures.seconds.len().max(second + 1), 0);
        figures.seconds[second] += 1;
        figures.requests += 1;
        self.feeds.insert(feed);
        self.in_flight += 1;
        figures.in_flight = figures.in_flight.max(self.in_flight);
        let host = self.hosts.entry(host).or_default();
        host.in_flight += 1;
        figures.in_flight_of_host = figures.in_flight_of_host.max(host.in_flight);
        if let Some(last) = host.last_start.replace(now) {
            lower(&mut figures.shortest_gap, now.duration_since(last));
        }
        if let Some(pause) = host.last_end.map(|last| now.duration_since(last)) {
            lower(&mut figures.shortest_pause, pause);
            figures.pauses += u64::from(pause < HOST_GAP * 2);
            figures.short_pauses += u64::from(pause + SLACK < HOST_GAP);
        }
    }

    /// The answer is about to be sent, or its connection was lost: either way no request that the daemon makes later is at once with it.
    pub fn end(&mut self, host: Ipv4Addr) {
        self.in_flight -= 1;
        if let Some(host) = self.hosts.get_mut(&host) {
            host.in_flight -= 1;
            host.last_end = Some(Instant::now());
        }
    }

    pub fn answered(&mut self, is_document: bool, published: bool) {
        self.figures.published += u64::from(published);
        *(if is_document { &mut self.figures.sent } else { &mut self.figures.not_modified }) += 1;
    }

    pub fn connected(&mut self) {
        self.figures.connections += 1;
        self.figures.most_connections = self.figures.most_connections.max(self.figures.connections);
    }

    pub fn disconnected(&mut self) {
        self.figures.connections -= 1;
    }

    /// An event has come: of each feed they must come one after the other, without a hole.
    pub fn told(&mut self, entry_id: &str) {
        let (feed, entry) = documents::parsed(entry_id).expect("an entry of ours");
        let last = self.told.entry(feed).or_insert(WINDOW - 1);
        if entry <= *last {
            self.figures.repeated += 1;
            return;
        }
        self.figures.events += 1;
        self.figures.missing += entry - *last - 1;
        *last = entry;
    }
}

fn lower(shortest: &mut Option<f64>, time: Duration) {
    let ms = time.as_secs_f64() * 1e3;
    *shortest = Some(shortest.map_or(ms, |shortest| shortest.min(ms)));
}
