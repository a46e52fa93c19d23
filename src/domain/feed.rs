//! The feed: what is configured, what is remembered between polls, and what a poll brings home.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::conditional::{Manners, Validators};
use super::entry::Entry;
use super::hints::{Hints, Standing};
use super::moving::Move;
use super::paging::Older;
use super::rate::Rate;
use super::throttle::Rest;
use super::time::Timestamp;

/// The name of a feed in the configuration: its identity for good, whatever its URL becomes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FeedId(pub Arc<str>);

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A configured feed, as far as decisions about it need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its name.
    pub id: FeedId,
    /// Absolute http or https URL, without user info.
    pub url: String,
    /// Labels for filters and consumers.
    pub tags: Arc<[String]>,
    /// What of the first successful poll becomes events.
    pub backlog: Backlog,
    /// When to poll.
    pub pace: Pace,
}

/// What of the first successful poll becomes events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backlog {
    /// Nothing: what was published before we came is not news.
    #[default]
    None,
    /// This many of the newest entries.
    Newest(u32),
    /// Every entry of the document.
    All,
}

/// How often to poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A fixed interval; `None` adapts between `min` and `max`, as the budget allows.
    pub fixed: Option<Duration>,
    /// Never more often, whatever the feed does.
    pub min: Duration,
    /// What an adaptive feed adds to the budget that all of them share: one request in this time.
    pub mean: Duration,
    /// Never less often while healthy.
    pub max: Duration,
}

/// What is remembered of a feed between two polls. Everything that decides the next poll is in here, so a restart makes nothing early.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeedState {
    /// How many polls have been recorded; an update built on another count is not applied again.
    pub polls: u64,
    /// Whether a poll has succeeded yet: until then the next success is the first. False with a last success: see [`FeedState::forget`].
    pub established: bool,
    /// What makes the next request conditional.
    pub validators: Option<Validators>,
    /// Hash of the last body that was parsed, for servers without validators.
    pub body: Option<u128>,
    /// When the next poll is due.
    pub next_poll: Timestamp,
    /// How often it posts, and when.
    pub rate: Rate,
    /// What its document says about when to poll.
    pub standing: Standing,
    /// What the last answer said about it: no sooner than this.
    pub not_before: Option<Timestamp>,
    /// When the last poll that was recorded took place.
    pub last_poll: Option<Timestamp>,
    /// When the last poll succeeded.
    pub last_success: Option<Timestamp>,
    /// When an entry was last found new.
    pub last_new: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// The last failure in words; `None` after a success.
    pub last_error: Option<String>,
    /// The feed's own title.
    pub title: Option<String>,
    /// The site the feed belongs to.
    pub site_url: Option<String>,
    /// How many entries the last document held.
    pub entries: u32,
    /// What had to be mended to read it, by name of the fault, with counts.
    pub repairs: Vec<(String, u32)>,
    /// Entries that looked new though they are old.
    pub flood: Option<Flood>,
    /// Since when the server says that the feed is gone for good.
    pub gone: Option<Gone>,
    /// Whose rest the last answer asked for.
    pub rest: Option<Rest>,
    /// Where permanent redirects lead.
    pub moved: Option<Move>,
    /// A gap that is being filled.
    pub older: Option<Older>,
    /// How the server takes conditional requests.
    pub manners: Manners,
    /// Posts in a second when it last had something new: what is usual for it.
    pub usual: f32,
    /// Whether it has fallen silent.
    pub stale: bool,
    /// Whether operators were told that it fails.
    pub told: bool,
}

/// How a feed fares, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// It was never polled.
    New,
    /// The last poll succeeded.
    Ok,
    /// Entries are held back, see [`Flood`].
    Held,
    /// It answers, but has fallen silent.
    Stale,
    /// The last poll failed.
    Failing,
    /// Its server says that it is gone for good.
    Gone,
    /// An operator has paused it.
    Paused,
}

impl Condition {
    /// Each of them, those that want attention first.
    pub const ALL: [Self; 7] = [Self::Failing, Self::Gone, Self::Held, Self::Stale, Self::Paused, Self::New, Self::Ok];

    /// Whether an operator should look at it.
    #[must_use]
    pub fn wants_attention(self) -> bool {
        !matches!(self, Self::New | Self::Ok)
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ok => "ok",
            Self::Held => "held",
            Self::Stale => "stale",
            Self::Failing => "failing",
            Self::Gone => "gone",
            Self::Paused => "paused",
        }
    }
}

/// A server said 410.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// When it said so first.
    pub since: Timestamp,
    /// Whether it has said so again, a day later.
    pub confirmed: bool,
}

/// A feed that was known suddenly looked new while its dates were old: such entries are held back, not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flood {
    /// When it was seen first.
    pub since: Timestamp,
    /// How many entries are held back.
    pub held: u32,
    /// Whether a second poll has seen the same: they are marked as seen, and told if they are released.
    pub confirmed: bool,
    /// Whether an operator wants them told.
    pub released: bool,
}

/// What an operator says of entries that are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They are news: the next poll tells them, as far as the document still has them.
    Release,
    /// They are old: they stay marked as seen.
    Drop,
}

impl FeedState {
    /// How it fares; whether it is paused is not written here.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match (self.polls, self.failures, &self.flood) {
            (0, ..) => Condition::New,
            _ if self.gone.is_some_and(|gone| gone.confirmed) => Condition::Gone,
            (_, 0, Some(_)) => Condition::Held,
            (_, 0, None) if self.stale => Condition::Stale,
            (_, 0, None) => Condition::Ok,
            _ => Condition::Failing,
        }
    }

    /// What it remembered of its entries is lost: the next success only marks what it finds, whatever a new feed begins with.
    pub fn forget(&mut self, now: Timestamp) {
        (self.established, self.validators, self.body, self.older) = (false, None, None, None);
        self.last_success = self.last_success.or(Some(now));
    }

    /// What its first success tells, if that is to be `usual` for a new feed.
    #[must_use]
    pub fn backlog(&self, usual: Backlog) -> Backlog {
        if self.last_success.is_some() { Backlog::None } else { usual }
    }

    /// Carries out what an operator says; false when nothing is held back. The next request is not conditional: a 304 would hide what
    /// is to be told.
    pub fn decide(&mut self, decision: Decision) -> bool {
        let Some(flood) = &mut self.flood else { return false };
        match decision {
            Decision::Release => flood.released = true,
            Decision::Drop => self.flood = None,
        }
        self.polls += 1;
        self.forget_document();
        true
    }

    /// Has the next poll read the document whole, whether it has changed or not.
    pub(super) fn forget_document(&mut self) {
        (self.validators, self.body) = (None, None);
    }
}

/// 128 bits over the decoded bytes of one entry and what outside of them changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// No bytes have it: whoever has it is parsed again.
    pub const NONE: Self = Self(0);
}

/// The fingerprints that need no parsing.
pub type Known = HashSet<Fingerprint>;

/// A parsed document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// What is said of the feed itself.
    pub head: Head,
    /// In document order.
    pub entries: Vec<Scanned>,
    /// Whether the document ended as it should. A cut one may have lost entries: nothing ages by it.
    pub complete: bool,
    /// How many entries there were beyond the limit.
    pub dropped: u32,
    /// What had to be mended to read it, by name of the fault, with counts; empty for a well-formed document.
    pub repairs: Vec<(&'static str, u32)>,
}

/// What a document says of its feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Plain text.
    pub title: Option<String>,
    /// Absolute URL of the site.
    pub site_url: Option<String>,
    /// BCP 47 tag.
    pub language: Option<String>,
    /// When to poll it, and where else it is.
    pub hints: Box<Hints>,
}

/// One entry of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    /// Over its bytes.
    pub fingerprint: Fingerprint,
    /// What is in it.
    pub body: Body,
}

/// What is known of a scanned entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Its fingerprint is known: it was not parsed.
    Known,
    /// It was parsed.
    Parsed(Box<Entry>),
    /// It could not be read; its neighbours can.
    Broken(String),
}
