//! The same article in two feeds of one configuration: the same canonical URL, or the same long body. The first event of an article is its
//! origin; those from other feeds tell its id.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::EventId;
use super::feed::FeedId;
use super::identity::{AliasSet, Key, Kind};
use super::time::Timestamp;

/// How long an article is remembered.
pub const WINDOW: Duration = Duration::from_secs(14 * 86_400);

/// Articles that are remembered at most: about 30 MB. The oldest are forgotten first.
const MOST: usize = 200_000;

/// What an article is known by in all feeds, of what its entry is known by in one: its link, and its words if there are enough of them; not if
/// its own feed gives them to different entries.
#[must_use]
pub fn keys(names: &[Key], ambiguous: &AliasSet) -> Vec<u64> {
    // The last of its links is its own; the other is an identifier.
    let of = |kind| names.iter().rev().find(|key| key.kind() == Some(kind)).map(Key::alias);
    [Kind::Link, Kind::Body].into_iter().filter_map(of).filter(|alias| !ambiguous.contains(alias)).map(|alias| alias.0).collect()
}

/// An event that speaks of an article, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What the article is known by.
    pub keys: Vec<u64>,
    /// The first event of it.
    pub event: u128,
    /// The feed that brought that, as a hash of its name.
    pub feed: u64,
    /// The sinks that this event goes to.
    pub sinks: Vec<u32>,
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
}

/// The first event of an article.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    event: u128,
    feed: u64,
    keys: Vec<u64>,
    sinks: Vec<u32>,
    at: i64,
}

impl Origin {
    /// Its id.
    #[must_use]
    pub fn event(&self) -> EventId {
        EventId::from_bits(self.event)
    }

    /// Whether an event of the article goes to that sink.
    #[must_use]
    pub fn reaches(&self, sink: u32) -> bool {
        self.sinks.contains(&sink)
    }
}

/// The articles of late.
#[derive(Debug, Default)]
pub struct Stories {
    origins: VecDeque<Origin>,
    /// How many have been forgotten: the number of the first in `origins`.
    forgotten: usize,
    by_key: HashMap<u64, usize>,
}

impl Stories {
    /// The origin of an article that `feed` brings as `event`, if another feed has brought it.
    #[must_use]
    pub fn origin(&self, keys: &[u64], feed: &FeedId, event: &EventId) -> Option<&Origin> {
        let origin = keys.iter().find_map(|key| self.get(*self.by_key.get(key)?))?;
        (origin.feed != hash(feed) && origin.event != event.bits()).then_some(origin)
    }

    /// What to remember of an event.
    #[must_use]
    pub fn claim(keys: Vec<u64>, feed: &FeedId, event: &EventId, origin: Option<&Origin>, sinks: Vec<u32>, now: Timestamp) -> Claim {
        let (event, feed) = origin.map_or_else(|| (event.bits(), hash(feed)), |origin| (origin.event, origin.feed));
        Claim { keys, event, feed, sinks, at: now.0 }
    }

    /// Remembers an event, and forgets what is older than [`WINDOW`] before it.
    pub fn remember(&mut self, claim: &Claim) {
        let known = claim.keys.iter().find_map(|key| self.by_key.get(key).copied());
        let number = known.unwrap_or(self.forgotten + self.origins.len());
        if known.is_none() {
            self.origins.push_back(Origin { event: claim.event, feed: claim.feed, keys: vec![], sinks: vec![], at: claim.at });
        }
        let Some(origin) = number.checked_sub(self.forgotten).and_then(|i| self.origins.get_mut(i)) else { return };
        for key in &claim.keys {
            if self.by_key.insert(*key, number).is_none() {
                origin.keys.push(*key);
            }
        }
        let fresh: Vec<_> = claim.sinks.iter().copied().filter(|sink| !origin.sinks.contains(sink)).collect();
        origin.sinks.extend(fresh);
        self.forget(Timestamp(claim.at).before(WINDOW));
    }

    fn get(&self, number: usize) -> Option<&Origin> {
        self.origins.get(number.checked_sub(self.forgotten)?)
    }

    fn forget(&mut self, before: Timestamp) {
        while self.origins.front().is_some_and(|first| self.origins.len() > MOST || first.at < before.0) {
            for key in self.origins.pop_front().map(|origin| origin.keys).unwrap_or_default() {
                if self.by_key.get(&key) == Some(&self.forgotten) {
                    self.by_key.remove(&key);
                }
            }
            self.forgotten += 1;
        }
    }
}

fn hash(feed: &FeedId) -> u64 {
    xxhash_rust::xxh3::xxh3_64(feed.0.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn feed(name: &str) -> FeedId {
        FeedId(Arc::from(name))
    }

    fn tell(stories: &mut Stories, name: &str, event: u128, keys: &[u64], at: i64) -> Option<u128> {
        let (feed, event) = (feed(name), EventId::from_bits(event));
        let origin = stories.origin(keys, &feed, &event).cloned();
        let claim = Stories::claim(keys.to_vec(), &feed, &event, origin.as_ref(), vec![u32::from(name == "a")], Timestamp(at));
        stories.remember(&claim);
        origin.map(|o| o.event)
    }

    #[test]
    fn the_first_event_of_an_article_is_its_origin() {
        let mut stories = Stories::default();
        assert_eq!(tell(&mut stories, "a", 1, &[10, 20], 0), None);
        assert_eq!(tell(&mut stories, "b", 2, &[11, 20], 1), Some(1), "the same body");
        assert_eq!(tell(&mut stories, "c", 3, &[11], 2), Some(1), "the link of the second");
        assert_eq!(tell(&mut stories, "a", 4, &[10], 3), None, "the feed itself");
        assert_eq!(tell(&mut stories, "b", 1, &[10], 3), None, "the event itself, told again after a crash");
        let origin = stories.origin(&[11], &feed("d"), &EventId::from_bits(9)).unwrap();
        assert!(origin.reaches(1) && origin.reaches(0) && !origin.reaches(2));
    }

    #[test]
    fn old_articles_are_forgotten_and_so_are_too_many() {
        let mut stories = Stories::default();
        let later = i64::try_from(WINDOW.as_millis()).unwrap() + 1;
        tell(&mut stories, "a", 1, &[10], 0);
        tell(&mut stories, "a", 2, &[12], later);
        assert_eq!((stories.origins.len(), stories.by_key.len()), (1, 1));
        assert_eq!(tell(&mut stories, "b", 3, &[10], later), None);
        assert_eq!(tell(&mut stories, "b", 4, &[12], later), Some(2));
        for n in 0..MOST as u64 + 50 {
            tell(&mut stories, "a", u128::from(n) + 100, &[n + 1000], later);
        }
        assert_eq!((stories.origins.len(), stories.by_key.len()), (MOST, MOST));
    }
}
