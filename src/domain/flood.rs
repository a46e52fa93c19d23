//! A known feed that suddenly looks new while its dates are old: a move to another system, identifiers drawn anew, another document from a
//! cache. What looks new but is old is held back until a second poll has seen it too, and then marked as seen; an operator can release it.

use std::collections::HashSet;
use std::time::Duration;

use super::feed::{FeedState, Flood};
use super::memory::Minute;
use super::time::Timestamp;

/// Fewer are never held back.
const FEWEST: usize = 5;

/// How much older than the last successful poll a date must be: caches and drafts make honest entries late.
const LATE: Duration = Duration::from_secs(3600);

/// What becomes of entries that look new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stance {
    /// Those, by their place among the suspects, that look new but are old.
    pub(super) old: HashSet<usize>,
    /// Whether this is the second poll that sees them: they are recorded, though not told. Else they are not even recorded.
    pub(super) confirmed: bool,
}

impl Stance {
    /// Takes a stance. `news` are the suspects that look new, with their dates, in the order of the document; `entries` counts all of it.
    /// `newest` is the latest date of the document before: what is not dated before that is no old entry, however late it comes. A document
    /// without dates had nothing to be old by.
    pub(super) fn new(before: &FeedState, news: &[(usize, Minute)], entries: usize, newest: Minute) -> Self {
        let Some(last) = before.last_success.filter(|_| before.established) else { return Self::default() };
        let late = Minute::from(last.before(LATE));
        let old = |date: Minute| date != Minute(0) && date < newest && date < late;
        let old: HashSet<_> = news.iter().filter(|(_, date)| old(*date)).map(|(i, _)| *i).collect();
        let flooded = old.len() >= FEWEST && news.len() * 2 > entries && old.len() * 2 > news.len() && is_in_order(news);
        let confirmed = before.flood.as_ref().is_some_and(|flood| !flood.confirmed);
        if flooded { Self { old, confirmed } } else { Self::default() }
    }

    pub(super) fn is_flood(&self) -> bool {
        !self.old.is_empty()
    }

    /// The feed's flood from now on. `held` are the rows that are held back.
    pub(super) fn flood(&self, before: Option<Flood>, held: usize, now: Timestamp) -> Option<Flood> {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        match (self.is_flood(), before) {
            (true, Some(before)) if self.confirmed => Some(Flood { confirmed: true, held: count(held), ..before }),
            (true, _) => Some(Flood { since: now, held: count(self.old.len()), confirmed: false, released: false }),
            // A second poll that knows them again clears it; so does a document that has none of them left.
            (false, Some(before)) if before.confirmed && !before.released && held > 0 => Some(Flood { held: count(held), ..before }),
            (false, _) => None,
        }
    }
}

/// Whether dates rise or fall through the document, but for one in ten. Where they do not, as in a selection of what others wrote, an old
/// date says nothing about when an entry came in.
fn is_in_order(news: &[(usize, Minute)]) -> bool {
    let dates: Vec<_> = news.iter().map(|(_, date)| *date).filter(|date| *date != Minute(0)).collect();
    let pairs = || dates.iter().zip(dates.iter().skip(1));
    let (rising, falling) = (pairs().filter(|(a, b)| a < b).count(), pairs().filter(|(a, b)| a > b).count());
    rising.min(falling) * 10 <= dates.len()
}
