//! Routing: which events a sink wants.

use std::sync::Arc;
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};
use regex::RegexSet;

use super::delivery::Order;
use super::entry::Entry;
use super::event::{EventKind, Happening, Scene, What};
use super::feed::{Feed, FeedId};
use super::text;
use super::time::Timestamp;

/// A sink, as far as the plan needs to know.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its number in the store.
    pub sink: u32,
    /// The kinds it asked for.
    pub events: Arc<[EventKind]>,
    /// How its lanes are laid out.
    pub order: Order,
    /// Which entries it wants.
    pub filter: Arc<Filter>,
    /// What it wants of an article that another feed has brought already.
    pub duplicates: Duplicates,
}

/// What a sink wants of an article that another feed has brought already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// The event, as if it were the only one.
    Deliver,
    /// The event, with the id of the first.
    #[default]
    Mark,
    /// Nothing, if it was sent one of the article before.
    Drop,
}

impl Route {
    /// Whether the sink would want an event that was committed earlier: as if it had come today, but for its age, which counts as it was then.
    #[must_use]
    pub fn would_want(&self, scene: &Scene, happening: &Happening, was_sent: bool) -> bool {
        let feed = Origin { id: &scene.feed, tags: &scene.tags };
        let admitted = match &happening.what {
            What::Entry(report) => {
                // Whether it was sent the first of them is known of what was sent then only.
                let again = self.duplicates == Duplicates::Drop && report.duplicate_of.is_some() && !was_sent;
                !again && self.filter.admits(feed, &report.entry, scene.time)
            }
            What::Flood(_) | What::Health(_) | What::Moved(_) => self.filter.wants_feed(feed),
            What::Sink(_) => true,
        };
        admitted && self.events.contains(&happening.kind)
    }
}

/// Whose entry it is, as far as a filter looks.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The feed's name.
    pub id: &'a FeedId,
    /// Its tags.
    pub tags: &'a [String],
}

impl<'a> From<&'a Feed> for Origin<'a> {
    fn from(feed: &'a Feed) -> Self {
        Self { id: &feed.id, tags: &feed.tags }
    }
}

/// Patterns of names.
#[derive(Clone, Debug)]
pub struct Globs {
    patterns: Vec<String>,
    set: GlobSet,
}

impl Globs {
    /// Compiles patterns that are good one by one.
    ///
    /// # Errors
    /// When they are too much together.
    pub fn new(patterns: &[Glob]) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            set.add(pattern.clone());
        }
        Ok(Self { patterns: patterns.iter().map(|pattern| pattern.glob().to_owned()).collect(), set: set.build()? })
    }
}

impl PartialEq for Globs {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

/// Which entries a sink wants; an empty condition holds for all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The feed has one of these tags.
    pub tags: Vec<String>,
    /// The feed's name matches one of these globs.
    pub feeds: Option<Globs>,
    /// Title or text matches one of these.
    pub include: Option<RegexSet>,
    /// Neither title nor text matches any of these.
    pub exclude: Option<RegexSet>,
    /// The entry has one of these categories, in any case.
    pub categories: Vec<String>,
    /// It was published no longer ago than this; an entry without a date is let through.
    pub max_age: Option<Duration>,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        let patterns = |set: &'_ Option<RegexSet>| set.as_ref().map(|set| set.patterns().to_vec());
        (&self.tags, &self.feeds, &self.categories, self.max_age) == (&other.tags, &other.feeds, &other.categories, other.max_age)
            && (patterns(&self.include), patterns(&self.exclude)) == (patterns(&other.include), patterns(&other.exclude))
    }
}

impl Eq for Filter {}

impl Filter {
    /// Whether every condition holds.
    #[must_use]
    pub fn admits(&self, feed: Origin<'_>, entry: &Entry, now: Timestamp) -> bool {
        self.wants_feed(feed) && self.wants_age(entry, now) && self.wants_category(entry) && self.wants_text(entry)
    }

    /// Whether the feed is one of those it wants: all that counts for what happens to a feed.
    #[must_use]
    pub fn wants_feed(&self, feed: Origin<'_>) -> bool {
        (self.tags.is_empty() || feed.tags.iter().any(|t| self.tags.contains(t)))
            && self.feeds.as_ref().is_none_or(|globs| globs.set.is_match(&*feed.id.0))
    }

    fn wants_age(&self, entry: &Entry, now: Timestamp) -> bool {
        match (self.max_age, entry.published) {
            (Some(max), Some(published)) => now.since(published.at) <= max,
            _ => true,
        }
    }

    fn wants_category(&self, entry: &Entry) -> bool {
        let wanted = |c: &String| self.categories.iter().any(|w| w.to_lowercase() == c.to_lowercase());
        self.categories.is_empty() || entry.categories.iter().any(wanted)
    }

    fn wants_text(&self, entry: &Entry) -> bool {
        if self.include.is_none() && self.exclude.is_none() {
            return true;
        }
        let text = text::searchable(entry);
        self.include.as_ref().is_none_or(|set| set.is_match(&text)) && !self.exclude.as_ref().is_some_and(|set| set.is_match(&text))
    }
}
