//! What a publisher says about when to poll, and where else the feed is. Hints, not orders: none is trusted further than the limits of the
//! configuration.

use std::time::Duration;

/// What a document says about its own polling. Every URL is absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// RSS 2.0 `ttl`: so many minutes may pass before the next poll; never 0.
    pub ttl: Option<u32>,
    /// RSS `skipHours`: bit 0 to 23 for the hours, in UTC, in which nothing new is to be expected.
    pub skip_hours: u32,
    /// RSS `skipDays`: bit 0 for Monday to 6 for Sunday, in UTC.
    pub skip_days: u8,
    /// `sy:updatePeriod` divided by `sy:updateFrequency` (RSS 1.0 module Syndication); never zero.
    pub update_every: Option<Duration>,
    /// WebSub hubs (`link rel=hub`, JSON Feed `hubs`), in document order, without repeats.
    pub hubs: Vec<String>,
    /// Where the feed says it is (`link rel=self`, JSON Feed `feed_url`): the topic of WebSub.
    pub self_url: Option<String>,
    /// The next page (RFC 5005 §3 `link rel=next`, JSON Feed `next_url`).
    pub next_url: Option<String>,
    /// The archive before this document (RFC 5005 §4 `link rel=prev-archive`).
    pub prev_archive: Option<String>,
    /// JSON Feed `expired`: there will never be anything new.
    pub expired: bool,
    /// Where the feed has moved to (`itunes:new-feed-url`).
    pub new_feed_url: Option<String>,
}
