//! The event: what a sink receives.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::entry::Entry;
use super::feed::FeedId;
use super::identity::Key;
use super::time::Timestamp;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// An entry that was never seen before.
    #[serde(rename = "entry.created")]
    Created,
    /// The words of a known entry changed.
    #[serde(rename = "entry.updated")]
    Updated,
}

impl EventKind {
    /// Every kind, for messages that list them.
    pub const ALL: [Self; 2] = [Self::Created, Self::Updated];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "entry.created",
            Self::Updated => "entry.updated",
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

impl EventId {
    /// The id of what happened to one entry: the first 128 bits of SHA-256 over (instance, feed, key, kind, revision), each with its
    /// length before it, in Crockford's base 32 in lower case.
    #[must_use]
    pub fn new(instance: &str, feed: &FeedId, key: Key, kind: EventKind, revision: u16) -> Self {
        let mut hash = Sha256::new();
        for part in [instance.as_bytes(), feed.0.as_bytes(), key.as_bytes(), kind.as_str().as_bytes(), &revision.to_be_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self(format!("evt_{}", base32(u128::from_be_bytes(half))))
    }
}

fn base32(bits: u128) -> String {
    const ALPHABET: [char; 32] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's',
        't', 'v', 'w', 'x', 'y', 'z',
    ];
    (0..26).rev().filter_map(|i| ALPHABET.get((bits >> (5 * i)) as usize & 31)).collect()
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
    /// What happened.
    pub kind: EventKind,
    /// How often the entry's words have changed.
    pub revision: u16,
    /// The entry, not yet cleaned.
    pub entry: Entry,
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

    #[test]
    fn an_id_has_26_characters_of_the_alphabet() {
        assert_eq!(base32(0), "0".repeat(26));
        assert_eq!(base32(u128::MAX), format!("7{}", "z".repeat(25)));
        assert_eq!(base32(32), format!("{}10", "0".repeat(24)));
    }
}
