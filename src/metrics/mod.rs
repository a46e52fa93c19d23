//! What is counted and timed, for whoever watches. Each room counts for itself with the meters from here; [`page`] writes them down. The only
//! room that names the library.
//!
//! Labels are few by construction: a [`Tally`] knows its values from the start, so every series is there before anything has happened, and
//! what it does not know is counted as `other`. No text of a feed or a consumer can become a label.

pub mod page;
pub mod process;

use std::time::Duration;

use prometheus_client::metrics::counter;
use prometheus_client::metrics::histogram;

/// The commit that was built, as `$FEEDWIRE_REVISION` said then; empty when it said nothing.
pub const REVISION: &str = match option_env!("FEEDWIRE_REVISION") {
    Some(revision) => revision,
    None => "",
};

/// What stands for a value that a tally does not know.
const OTHER: &str = "other";

/// From one exchange inside of a machine to the longest that anybody waits.
const SHORT: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// From an exchange to the days after which an event is given up.
const LONG: [f64; 16] =
    [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0, 43_200.0, 86_400.0, 259_200.0, 1_209_600.0];

/// What came of polls: an answer that brought something or not, and every class of failure.
pub const POLL_RESULTS: [&str; 20] = [
    "changed",
    "unchanged",
    "not_modified",
    "older_page",
    "http_4xx",
    "http_429",
    "http_5xx",
    "http_other",
    "dns",
    "connect",
    "tls",
    "timeout",
    "lost",
    "broken",
    "forbidden",
    "redirect",
    "blocked",
    "coding",
    "too-large",
    "not-a-feed",
];

/// What an attempt at a delivery came to.
pub const ATTEMPT_RESULTS: [&str; 6] = ["delivered", "endpoint", "throttled", "message", "gone", "closed"];

/// What became of events at a sink.
pub const DELIVERY_RESULTS: [&str; 4] = ["delivered", "refused", "expired", "damaged"];

/// How webhooks answer: classes of HTTP status, and why there was no answer.
pub const ANSWERS: [&str; 14] =
    ["2xx", "3xx", "4xx", "410", "429", "5xx", "dns", "connect", "tls", "timeout", "lost", "forbidden", "exhausted", "template"];

/// A number that only grows. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counter(counter::Counter);

impl Counter {
    /// Counts one.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// Counts many.
    pub fn add(&self, count: u64) {
        self.0.inc_by(count);
    }

    /// What was counted.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// How long something took, in seconds, by buckets. Clones observe together.
#[derive(Clone, Debug)]
pub struct Histogram(histogram::Histogram);

impl Histogram {
    /// For exchanges, up to half a minute.
    #[must_use]
    pub fn short() -> Self {
        Self(histogram::Histogram::new(SHORT))
    }

    /// For what may wait, up to a fortnight.
    #[must_use]
    pub fn long() -> Self {
        Self(histogram::Histogram::new(LONG))
    }

    /// Remembers a duration.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

/// Counters by the value of one label, all there from the start. Clones count together.
#[derive(Clone, Debug)]
pub struct Tally(Vec<(&'static str, Counter)>);

impl Tally {
    /// One counter for each of these values, and one for all others.
    #[must_use]
    pub fn new(values: &[&'static str]) -> Self {
        Self(values.iter().copied().chain([OTHER]).map(|value| (value, Counter::default())).collect())
    }

    /// Counts one of a value.
    pub fn inc(&self, value: &str) {
        self.add(value, 1);
    }

    /// Counts many of a value.
    pub fn add(&self, value: &str, count: u64) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == value).or(self.0.last()) {
            counter.add(count);
        }
    }

    /// Every value and what was counted of it.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Counter)> {
        self.0.iter().map(|(value, counter)| (*value, counter))
    }
}

/// What the inbound half does.
#[derive(Clone, Debug)]
pub struct Polling {
    /// Polls that ended, by [`POLL_RESULTS`].
    pub results: Tally,
    /// All exchanges of a poll together.
    pub took: Histogram,
    /// How much later a poll began than it was due.
    pub delay: Histogram,
    /// Bytes of bodies, as they came over the wire.
    pub received: Counter,
    /// Entries in the documents that were read.
    pub entries: Counter,
    /// Those that were new.
    pub created: Counter,
    /// Those whose words had changed.
    pub updated: Counter,
    /// New ones that another feed had brought before.
    pub duplicates: Counter,
    /// New or changed ones that no sink wanted.
    pub unwanted: Counter,
    /// Those that could not be read.
    pub unreadable: Counter,
    /// From the date of an entry to when it was found, where that can be.
    pub lag: Histogram,
    /// Documents that had to be mended, by fault.
    pub mended: Tally,
}

impl Polling {
    /// Nothing counted. `faults` are the names of what can be mended.
    #[must_use]
    pub fn new(faults: &[&'static str]) -> Self {
        Self {
            results: Tally::new(&POLL_RESULTS),
            took: Histogram::short(),
            delay: Histogram::long(),
            received: Counter::default(),
            entries: Counter::default(),
            created: Counter::default(),
            updated: Counter::default(),
            duplicates: Counter::default(),
            unwanted: Counter::default(),
            unreadable: Counter::default(),
            lag: Histogram::long(),
            mended: Tally::new(faults),
        }
    }
}

/// What one sink does. Clones count together, so that a reload starts nothing over.
#[derive(Clone, Debug)]
pub struct Delivering {
    /// Attempts, by [`ATTEMPT_RESULTS`].
    pub attempts: Tally,
    /// Events, by [`DELIVERY_RESULTS`].
    pub events: Tally,
    /// How a webhook answered, by [`ANSWERS`].
    pub answers: Tally,
    /// One attempt.
    pub took: Histogram,
    /// From the commit of an event to its acknowledgement.
    pub latency: Histogram,
}

impl Default for Delivering {
    fn default() -> Self {
        Self {
            attempts: Tally::new(&ATTEMPT_RESULTS),
            events: Tally::new(&DELIVERY_RESULTS),
            answers: Tally::new(&ANSWERS),
            took: Histogram::short(),
            latency: Histogram::long(),
        }
    }
}

/// What the store does.
#[derive(Clone, Debug)]
pub struct Storing {
    /// From a group of commits that was gathered to its being on the disk.
    pub commit: Histogram,
    /// How often it failed and had to be opened again.
    pub errors: Counter,
}

impl Default for Storing {
    fn default() -> Self {
        Self { commit: Histogram::short(), errors: Counter::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_known_makes_no_series() {
        let tally = Tally::new(&["a", "b"]);
        tally.inc("b");
        tally.add("a title, a URL, whatever", 2);
        let all: Vec<_> = tally.all().map(|(value, counter)| (value, counter.get())).collect();
        assert_eq!(all, [("a", 0), ("b", 1), ("other", 2)]);
    }
}
