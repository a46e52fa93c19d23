//! What the feeds carry: small Atom documents, of three kinds of servers.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;

/// Entries in each document.
pub const WINDOW: u64 = 8;

/// Between two entries that were there before the first request. As far apart as feeds are polled in a long run, so that the scheduler has
/// no reason to prefer one kind to another, and each gets its share of the requests.
const EVERY: Duration = Duration::from_secs(600);

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One document for ever, and 304 to whoever has it.
    Settled,
    /// One document for ever, and no validators.
    Blunt,
    /// One entry more at each request.
    Busy,
}

impl Kind {
    /// Three of five are settled, so that a host with five feeds has all kinds.
    pub fn of(feed: u32) -> Self {
        match feed % 5 {
            0..=2 => Self::Settled,
            3 => Self::Blunt,
            _ => Self::Busy,
        }
    }
}

/// Who writes the feeds.
pub struct Publisher {
    opened: SystemTime,
    /// When the busy ones were asked, but for the first time: so many entries they have more.
    posts: HashMap<u32, Vec<SystemTime>>,
}

impl Publisher {
    pub fn new() -> Self {
        Self { opened: SystemTime::now(), posts: HashMap::new() }
    }

    /// A busy feed is about to be read; whether it has an entry more now.
    pub fn publish(&mut self, feed: u32) -> bool {
        match self.posts.get_mut(&feed) {
            Some(posts) => posts.push(SystemTime::now()),
            None => drop(self.posts.insert(feed, vec![])),
        }
        self.posts[&feed].last().is_some()
    }

    /// The document as it stands.
    pub fn document(&self, feed: u32) -> String {
        let posts = self.posts.get(&feed).map(Vec::as_slice).unwrap_or_default();
        let last = WINDOW + posts.len() as u64;
        let mut out = String::with_capacity(6000);
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?><feed xmlns=\"http://www.w3.org/2005/Atom\">");
        let _ = write!(out, "<title>Новини {feed}</title><id>urn:scale:{feed}</id><link href=\"https://news.example/{feed}/\"/>");
        for entry in (last - WINDOW..last).rev() {
            let at = match entry.checked_sub(WINDOW) {
                Some(post) => posts[post as usize],
                None => self.opened - EVERY * (WINDOW - entry) as u32,
            };
            let _ = write!(
                out,
                "<entry><title>Стаття {entry} стрічки {feed}</title><link href=\"https://news.example/{feed}/{entry}.html\"/>\
                 <id>urn:scale:{feed}:{entry}</id><updated>{}</updated><content type=\"html\">&lt;p&gt;Умєров розповів президенту {feed} про \
                 співпрацю {entry}, її обсяг і п’ять ґрунтовних висновків.&lt;/p&gt;</content></entry>",
                format_rfc3339_seconds(at)
            );
        }
        out + "</feed>\n"
    }
}

/// The feed and the number of an entry, from its id.
pub fn parsed(entry_id: &str) -> Option<(u32, u64)> {
    let (feed, entry) = entry_id.strip_prefix("urn:scale:")?.split_once(':')?;
    Some((feed.parse().ok()?, entry.parse().ok()?))
}
