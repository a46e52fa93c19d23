//! The event: what a sink receives.

use std::fmt;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::feed::FeedId;
use super::identity::Key;
use super::time::Timestamp;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// An entry that was never seen before.
    #[serde(rename = "entry.created")]
    Created,
    /// The words of a known entry changed.
    #[serde(rename = "entry.updated")]
    Updated,
    /// For operators: a known feed suddenly looked new while its dates were old; what looked new is held back.
    #[serde(rename = "feed.flood")]
    Flood,
    /// For operators: a feed has failed several times in a row.
    #[serde(rename = "feed.failing")]
    Failing,
    /// For operators: a feed that was told to fail answers again.
    #[serde(rename = "feed.recovered")]
    Recovered,
    /// For operators: a server has said twice, a day apart, that the feed is gone for good.
    #[serde(rename = "feed.gone")]
    Gone,
    /// For operators: every entry of a known feed was new, so some may have come and gone unseen.
    #[serde(rename = "feed.gap")]
    Gap,
    /// For operators: permanent redirects are believed, and the new URL is asked from now on.
    #[serde(rename = "feed.moved")]
    Moved,
    /// For operators: a feed answers, but has had nothing new for much longer than is usual for it.
    #[serde(rename = "feed.stale")]
    Stale,
    /// For operators: a sink takes nothing any more.
    #[serde(rename = "sink.disabled")]
    SinkDisabled,
    /// For operators: a sink that was told to be disabled takes events again.
    #[serde(rename = "sink.recovered")]
    SinkRecovered,
    /// A test of a sink, by its operator.
    #[serde(rename = "feedwire.ping")]
    Ping,
}

impl EventKind {
    /// Every kind, for messages that list them.
    pub const ALL: [Self; 12] = [
        Self::Created,
        Self::Updated,
        Self::Flood,
        Self::Failing,
        Self::Recovered,
        Self::Gone,
        Self::Gap,
        Self::Moved,
        Self::Stale,
        Self::SinkDisabled,
        Self::SinkRecovered,
        Self::Ping,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "entry.created",
            Self::Updated => "entry.updated",
            Self::Flood => "feed.flood",
            Self::Failing => "feed.failing",
            Self::Recovered => "feed.recovered",
            Self::Gone => "feed.gone",
            Self::Gap => "feed.gap",
            Self::Moved => "feed.moved",
            Self::Stale => "feed.stale",
            Self::SinkDisabled => "sink.disabled",
            Self::SinkRecovered => "sink.recovered",
            Self::Ping => "feedwire.ping",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `evt_` and 26 characters: the same occurrence has the same id for ever, whatever crashed in between.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventId(pub String);

/// Crockford's, in lower case.
const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";

impl EventId {
    /// The id of what happened to one entry: the first 128 bits of SHA-256 over (instance, feed, key, kind, revision), each with its
    /// length before it, in Crockford's base 32 in lower case.
    #[must_use]
    pub fn new(instance: &str, feed: &FeedId, key: Key, kind: EventKind, revision: u16) -> Self {
        Self::hash(&[instance.as_bytes(), feed.0.as_bytes(), key.as_bytes(), kind.as_str().as_bytes(), &revision.to_be_bytes()])
    }

    /// The id of what happened to a feed at one poll, by the number of polls before it.
    #[must_use]
    pub fn of_feed(instance: &str, feed: &FeedId, kind: EventKind, polls: u64) -> Self {
        Self::hash(&[instance.as_bytes(), feed.0.as_bytes(), kind.as_str().as_bytes(), &polls.to_be_bytes()])
    }

    /// The id of what happened to a sink at that time.
    #[must_use]
    pub fn of_sink(instance: &str, sink: &str, kind: EventKind, at: Timestamp) -> Self {
        Self::hash(&[instance.as_bytes(), b"sink", sink.as_bytes(), kind.as_str().as_bytes(), &at.0.to_be_bytes()])
    }

    /// The id of a batch: the same events in the same order have the same.
    #[must_use]
    pub fn of_batch<'a>(ids: impl Iterator<Item = &'a Self>) -> Self {
        let parts: Vec<_> = ids.map(|id| id.0.as_bytes()).collect();
        Self(Self::hash(&parts).0.replacen("evt_", "bat_", 1))
    }

    fn hash(parts: &[&[u8]]) -> Self {
        let mut hash = Context::new(&SHA256);
        for part in parts {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(hash.finish().as_ref()) {
            *to = *from;
        }
        Self::from_bits(u128::from_be_bytes(half))
    }

    /// The id that these bits stand for.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        let digit = |i: u32| ALPHABET.as_bytes().get((bits >> (5 * i)) as usize & 31).copied().map_or('0', char::from);
        Self(format!("evt_{}", (0..26).rev().map(digit).collect::<String>()))
    }

    /// The bits that the id stands for; 0 for one that was not made here.
    #[must_use]
    pub fn bits(&self) -> u128 {
        let mut digits = self.0.strip_prefix("evt_").unwrap_or_default().bytes();
        let value = |digit: u8| memchr::memchr(digit, ALPHABET.as_bytes());
        digits.try_fold(0u128, |bits, digit| Some(bits << 5 | value(digit)? as u128)).unwrap_or(0)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One occurrence, as the plan writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// Its id.
    pub id: EventId,
    /// What kind of thing happened.
    pub kind: EventKind,
    /// What happened.
    pub what: What,
}

/// What happened, in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// To an entry.
    #[serde(rename = "entry")]
    Entry(Box<Report>),
    /// To a feed: entries are held back.
    #[serde(rename = "flood")]
    Flood(FloodReport),
    /// To a feed: how it fares.
    #[serde(rename = "health")]
    Health(HealthReport),
    /// To a feed: it has another URL.
    #[serde(rename = "move")]
    Moved(MoveReport),
    /// To a sink.
    #[serde(rename = "sink")]
    Sink(SinkReport),
}

/// What happened to an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The entry, not yet cleaned.
    pub entry: Entry,
    /// How often its words have changed.
    #[serde(default)]
    pub revision: u16,
    /// Of an update: how much has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// The first event of the same article, from another feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<EventId>,
    /// Of an update: the id that the first event of the entry has, were it told or not. What stays the same of an entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<EventId>,
}

/// How much of an entry has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A few words.
    Minor,
    /// The title, a number, or many words.
    Major,
}

/// What is held back, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloodReport {
    /// How many entries are held back.
    pub held: u32,
    /// Of how many in the document.
    pub entries: u32,
    /// Titles of some of them.
    pub examples: Vec<String>,
}

/// How a feed fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// How many polls have failed in a row.
    pub failures: u32,
    /// When a poll succeeded before that, in RFC 3339, if one ever did.
    pub last_success: Option<String>,
    /// When an entry was last found new, in RFC 3339.
    pub last_new: Option<String>,
    /// The kind of the failure, see [`PollError::class`](super::failure::PollError::class).
    pub class: Option<String>,
    /// The last failure in words.
    pub error: Option<String>,
    /// How many entries the document has.
    pub entries: u32,
}

/// How a sink fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkReport {
    /// Its name.
    pub id: String,
    /// `ok`, `failing` or `gone`.
    pub state: String,
    /// Since when nothing reached it, in RFC 3339.
    pub since: Option<String>,
    /// The last failure in words.
    pub error: Option<String>,
    /// How many events wait for it.
    pub waiting: u64,
    /// How many were given up.
    pub dead: u64,
}

/// Where a feed has moved to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveReport {
    /// The URL that was asked so far.
    pub from: String,
    /// The URL that is asked from now on.
    pub to: String,
}

impl Happening {
    /// Forgets that another feed has brought the article before.
    pub fn unmark(&mut self) {
        if let What::Entry(report) = &mut self.what {
            report.duplicate_of = None;
        }
    }

    /// The entry it happened to, if it was one.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        match &self.what {
            What::Entry(report) => Some(&report.entry),
            What::Flood(_) | What::Health(_) | What::Moved(_) | What::Sink(_) => None,
        }
    }
}

/// Where and when: what the occurrences of one poll share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// `instance` of the configuration.
    pub instance: String,
    /// The feed's name.
    pub feed: FeedId,
    /// The feed's URL.
    pub url: String,
    /// The feed's own title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_url: Option<String>,
    /// The feed's tags at that time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When the document was received.
    pub fetched_at: Timestamp,
    /// When it was decided; never changes.
    pub time: Timestamp,
    /// Whether this was the first successful poll.
    #[serde(default)]
    pub first_poll: bool,
}

/// One occurrence with all that a sink needs to render it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place among all events of the instance, from 1.
    pub sequence: u64,
    /// What its poll shares.
    pub scene: std::sync::Arc<Scene>,
    /// What happened.
    pub happening: Happening,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Consumers have these ids in their databases.
    #[test]
    fn an_id_is_the_same_for_ever() {
        let feed = FeedId("glavcom".into());
        assert_eq!(EventId::of_feed("main", &feed, EventKind::Flood, 7).0, "evt_4wevp40hp5p4nnymapvyc2kkdh");
        let key = Key::from_bytes(std::array::from_fn(|i| i as u8));
        assert_eq!(EventId::new("main", &feed, key, EventKind::Updated, 2).0, "evt_4qtrhn5d992jmkd2kc7v7dgnyv");
    }

    #[test]
    fn an_id_has_26_characters_of_the_alphabet() {
        let id = |bits| EventId::from_bits(bits).0;
        assert_eq!(id(0), format!("evt_{}", "0".repeat(26)));
        assert_eq!(id(u128::MAX), format!("evt_7{}", "z".repeat(25)));
        assert_eq!(id(32), format!("evt_{}10", "0".repeat(24)));
        for bits in [0, 1, 32, u128::MAX, 0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978] {
            assert_eq!(EventId::from_bits(bits).bits(), bits);
        }
    }
}
