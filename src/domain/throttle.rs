//! Servers that say "too many": what one feed is told holds for all of the same registrable domain, for it is one operator who counts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::PollError;
use super::time::Timestamp;

/// How long a domain is left alone that says 429 and not for how long.
const REST: Duration = Duration::from_secs(600);

/// The longest that one feed's answer stops its neighbours.
const LONGEST_REST: Duration = Duration::from_secs(86_400);

/// The gap between two requests to a domain after its first complaint, and the widest.
const FIRST_GAP: Duration = Duration::from_secs(2);
const WIDEST_GAP: Duration = Duration::from_secs(600);

/// What an answer means for those who ask the same host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// All is well.
    Fine,
    /// Nothing that concerns others.
    Nothing,
    /// Nobody asks this host for so long.
    Host(Duration),
    /// Nobody asks this domain for so long, and then more slowly.
    Domain(Duration),
    /// All ask this domain more slowly.
    Slower,
}

impl Word {
    /// What a failure means. `named` is false for a host that is an address: behind it all kinds of services may live, and the trouble of
    /// one is not that of its neighbours.
    #[must_use]
    pub fn of(error: &PollError, named: bool) -> Self {
        match *error {
            PollError::Refused { status: 429, retry_after } => Self::Domain(retry_after.unwrap_or(REST).min(LONGEST_REST)),
            PollError::Refused { status: 503, retry_after: Some(wait) } if named => Self::Host(wait.min(LONGEST_REST)),
            PollError::Refused { status: 403, .. } | PollError::Blocked { .. } => Self::Slower,
            _ => Self::Nothing,
        }
    }
}

/// A rest that a server asked for, as the row of the feed keeps it: a restart does not end it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// Which host said so.
    pub host: String,
    /// Until when.
    pub until: Timestamp,
    /// Whether it holds for the whole domain.
    pub domain: bool,
}

impl Rest {
    /// What of a word outlives a restart.
    #[must_use]
    pub fn of(word: Word, host: &str, now: Timestamp) -> Option<Self> {
        let rest = |wait, domain| Some(Self { host: host.to_owned(), until: now.after(wait), domain });
        match word {
            Word::Host(wait) => rest(wait, false),
            Word::Domain(wait) => rest(wait, true),
            Word::Fine | Word::Nothing | Word::Slower => None,
        }
    }
}

/// How fast a domain may be asked. All of it waits while it rests; afterwards its feeds are let go one by one, whatever their hosts, the more
/// slowly the more often it complains, and each good answer narrows the gap a little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    rests_until: Timestamp,
    next_start: Timestamp,
    gap: Duration,
}

impl Throttle {
    /// The first instant at which one of its hosts may be asked.
    #[must_use]
    pub fn free_at(&self) -> Timestamp {
        self.rests_until.max(self.next_start)
    }

    /// One of its hosts is asked.
    pub fn started(&mut self, now: Timestamp) {
        self.next_start = now.after(self.gap);
    }

    /// One of its hosts has answered.
    pub fn heard(&mut self, word: Word, now: Timestamp) {
        match word {
            Word::Fine => {
                let gap = self.gap * 9 / 10;
                self.gap = if gap < FIRST_GAP / 2 { Duration::ZERO } else { gap };
            }
            Word::Domain(wait) => {
                // Those under way when the first was refused are refused too: that is one complaint.
                if now >= self.rests_until {
                    self.widen();
                }
                self.rests_until = self.rests_until.max(now.after(wait));
            }
            Word::Slower => self.widen(),
            Word::Nothing | Word::Host(_) => {}
        }
    }

    /// Whether it can be forgotten.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.gap.is_zero() && self.free_at() <= now
    }

    fn widen(&mut self) {
        self.gap = (self.gap * 2).clamp(FIRST_GAP, WIDEST_GAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_732_725_900_000);

    fn refused(status: u16, seconds: Option<u64>) -> PollError {
        PollError::Refused { status, retry_after: seconds.map(Duration::from_secs) }
    }

    #[test]
    fn p33_429_rests_the_domain_for_as_long_as_it_asks() {
        assert_eq!(Word::of(&refused(429, Some(120)), true), Word::Domain(Duration::from_secs(120)));
        assert_eq!(Word::of(&refused(429, None), true), Word::Domain(REST));
        assert_eq!(Word::of(&refused(429, Some(700_000)), true), Word::Domain(LONGEST_REST), "not a week for a neighbour's sake");
        let mut domain = Throttle::default();
        domain.heard(Word::Domain(Duration::from_secs(120)), NOW);
        assert_eq!(domain.free_at(), NOW.after(Duration::from_secs(120)));
    }

    #[test]
    fn p35_503_rests_the_host_if_it_has_a_name_and_asks_for_it() {
        assert_eq!(Word::of(&refused(503, Some(60)), true), Word::Host(Duration::from_secs(60)));
        for (error, named) in [(refused(503, Some(60)), false), (refused(503, None), true), (refused(502, None), true)] {
            assert_eq!(Word::of(&error, named), Word::Nothing, "{error}");
        }
    }

    #[test]
    fn p41_after_a_rest_one_after_the_other_and_the_gap_heals() {
        let mut domain = Throttle::default();
        let complaint = Word::Domain(Duration::from_secs(60));
        (0..5).for_each(|_| domain.heard(complaint, NOW));
        let mut at = domain.free_at();
        for _ in 0..3 {
            domain.started(at);
            assert_eq!(domain.free_at(), at.after(FIRST_GAP), "five refusals at once are one complaint");
            at = domain.free_at();
        }
        domain.heard(complaint, at);
        domain.started(domain.free_at());
        assert_eq!(domain.free_at(), at.after(Duration::from_secs(60) + 2 * FIRST_GAP));
        (0..20).for_each(|_| domain.heard(Word::Fine, at));
        domain.started(at);
        assert_eq!(domain.gap, Duration::ZERO);
        domain.heard(Word::of(&refused(403, None), true), at);
        assert_eq!((domain.gap, domain.rests_until), (FIRST_GAP, NOW.after(Duration::from_secs(60 + 66))), "403 slows, and rests nobody");
    }
}
