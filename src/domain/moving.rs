//! Where a feed has moved to. A permanent redirect (RFC 9110 §15.4.2 and §15.4.9) is a suggestion: parked domains and captive portals make
//! it too, so it is followed at once and believed after two days.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// A redirect is believed when it was seen so often, over so long a time.
const BELIEVED_AFTER: u8 = 3;
const BELIEVED_OVER: Duration = Duration::from_secs(2 * 86_400);

/// The old URL is asked again this often: a move can be taken back.
const OLD_URL_EVERY: Duration = Duration::from_secs(30 * 86_400);

/// After so many failures in a row at the new URL the old one is asked.
const FAILURES: u32 = 3;

/// Where permanent redirects, and nothing else, lead from the URL of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Where to.
    pub to: String,
    /// Whether it is believed: then the new URL is asked, and the old one once a month.
    pub believed: bool,
    /// When it was first seen.
    since: Timestamp,
    /// How often it was seen.
    seen: u8,
    /// When the old URL was asked last.
    asked: Timestamp,
}

/// Which URL to ask.
#[must_use]
pub fn url<'a>(moved: Option<&'a Move>, configured: &'a str, failures: u32, now: Timestamp) -> &'a str {
    let believed = moved.filter(|m| m.believed && failures < FAILURES && now.since(m.asked) < OLD_URL_EVERY);
    believed.map_or(configured, |m| &m.to)
}

/// What an answer with a document says about it. `led_to` is where nothing but permanent redirects led, if anywhere; `from_new` whether the
/// new URL was asked.
#[must_use]
pub(super) fn learn(moved: Option<Move>, led_to: Option<String>, from_new: bool, now: Timestamp) -> Option<Move> {
    if from_new {
        return moved;
    }
    let to = led_to?;
    let mut moved = moved.filter(|m| m.to == to).unwrap_or(Move { to, believed: false, since: now, seen: 0, asked: now });
    moved.seen = moved.seen.saturating_add(1);
    moved.asked = now;
    moved.believed |= moved.seen >= BELIEVED_AFTER && now.since(moved.since) >= BELIEVED_OVER;
    Some(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_732_725_900_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn seen(moved: Option<Move>, hours: u32) -> Option<Move> {
        learn(moved, Some("https://new.ua/".into()), false, NOW.after(HOUR * hours))
    }

    fn asked(moved: Option<&Move>, failures: u32, hours: u32) -> &str {
        url(moved, "https://old.ua/", failures, NOW.after(HOUR * hours))
    }

    #[test]
    fn p52_a_permanent_redirect_is_believed_after_three_polls_over_two_days() {
        let often = (0..40).fold(None, seen);
        assert_eq!(asked(often.as_ref(), 0, 40), "https://old.ua/", "often, but not for long");
        let rarely = seen(seen(None, 0), 60);
        assert_eq!(asked(rarely.as_ref(), 0, 60), "https://old.ua/", "for long, but not often");
        let believed = seen(often, 48);
        assert_eq!(asked(believed.as_ref(), 0, 49), "https://new.ua/");
        assert_eq!(asked(believed.as_ref(), 0, 48 + 720), "https://old.ua/", "once a month");
        assert_eq!(asked(believed.as_ref(), 3, 49), "https://old.ua/", "the new one fails");
        let asked_new = learn(believed.clone(), None, true, NOW.after(HOUR * 50));
        assert_eq!(asked_new, believed, "the new URL says nothing about the old one");
        assert_eq!(learn(believed, None, false, NOW.after(HOUR * 800)), None, "the old one answers again");
    }

    #[test]
    fn p53_another_redirect_begins_anew() {
        let moved = seen(seen(None, 0), 10);
        assert_eq!(learn(moved.clone(), None, false, NOW.after(HOUR * 20)), None, "a temporary one in the chain");
        let other = learn(moved, Some("https://other.ua/".into()), false, NOW.after(HOUR * 60)).unwrap();
        assert!(!other.believed && other.seen == 1);
    }
}
