//! Whose fault it is when nothing answers: the host's, or that of our own network, in which case no feed has failed.
//!
//! While somebody else answers, a host that cannot be reached has itself to blame. A failure is held until there is word from a request
//! that began after it: what was on its way when the network broke still arrives, and proves nothing. When nothing but failures comes, from
//! several hosts, it is the network, polling waits, and what was held is asked again.

use std::collections::HashMap;
use std::time::Duration;

use super::time::Timestamp;

/// So many different hosts in a row, and nobody between them that answers, are a broken network.
const HOSTS: usize = 3;

/// How long a failure is held for want of word from others.
const HOLD: Duration = Duration::from_secs(2);

/// Between two probes of a broken network; doubles up to the longest.
const FIRST_PROBE: Duration = Duration::from_secs(5);
const LONGEST_PROBE: Duration = Duration::from_secs(60);

/// A poll that reached nobody, and for which it is not yet said whose fault that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    feed: u32,
    since: Timestamp,
}

/// What is to be done with polls that reached nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// They have failed.
    pub failed: Vec<u32>,
    /// They did not take place: they are due again.
    pub forgiven: Vec<u32>,
}

/// A broken network.
#[derive(Clone, Copy, Debug)]
struct Broken {
    since: Timestamp,
    /// When the next probe may start.
    probe: Timestamp,
    /// How long after it another.
    wait: Duration,
}

/// What is known of our own network.
#[derive(Debug, Default)]
pub struct Outage {
    /// When the newest request began that was answered.
    answered: Timestamp,
    /// The hosts that could not be reached since, and when that was seen last.
    silent: HashMap<u32, Timestamp>,
    held: Vec<Held>,
    /// Since when the network is broken; `None` while it works.
    broken: Option<Broken>,
}

impl Outage {
    /// Somebody has answered, with whatever, a request that began at `began`: then the network worked. True when it did not before.
    pub fn answered(&mut self, began: Timestamp) -> bool {
        self.answered = self.answered.max(began);
        self.silent.retain(|_, seen| *seen > began);
        self.broken.take_if(|broken| began >= broken.since).is_some()
    }

    /// A host could not be reached: the poll is held until [`Outage::settle`] says what it was. True when with it the network turns out to be
    /// broken.
    pub fn unreachable(&mut self, feed: u32, host: u32, now: Timestamp) -> bool {
        self.held.push(Held { feed, since: now });
        self.silent.insert(host, now);
        let breaks = self.broken.is_none() && self.silent.len() >= HOSTS;
        if breaks {
            self.broken = Some(Broken { since: now, probe: now.after(FIRST_PROBE), wait: FIRST_PROBE });
        }
        breaks
    }

    /// What has become clear by now.
    pub fn settle(&mut self, now: Timestamp) -> Verdict {
        let feeds = |held: Vec<Held>| held.into_iter().map(|h| h.feed).collect();
        if self.broken.is_some() {
            return Verdict { forgiven: feeds(std::mem::take(&mut self.held)), ..Verdict::default() };
        }
        let clear = |held: &Held| held.since <= self.answered || now.since(held.since) >= HOLD;
        let (failed, held) = std::mem::take(&mut self.held).into_iter().partition(clear);
        self.held = held;
        Verdict { failed: feeds(failed), ..Verdict::default() }
    }

    /// Whether polls may start: while the network is broken one now and then, of whatever is due.
    #[must_use]
    pub fn admits(&self, now: Timestamp) -> bool {
        self.broken.is_none_or(|broken| now >= broken.probe)
    }

    /// A poll has started.
    pub fn started(&mut self, now: Timestamp) {
        if let Some(broken) = &mut self.broken {
            broken.wait = (broken.wait * 2).min(LONGEST_PROBE);
            broken.probe = now.after(broken.wait);
        }
    }

    /// Whether the network is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// When [`Outage::settle`] or [`Outage::admits`] may say something else.
    #[must_use]
    pub fn wake_at(&self) -> Timestamp {
        let held = self.held.first().map_or(Timestamp::MAX, |held| held.since.after(HOLD));
        self.broken.map_or(held, |broken| broken.probe.min(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(1_732_725_900_000 + seconds * 1000)
    }

    fn failed(feeds: &[u32]) -> Verdict {
        Verdict { failed: feeds.to_vec(), ..Verdict::default() }
    }

    fn forgiven(feeds: &[u32]) -> Verdict {
        Verdict { forgiven: feeds.to_vec(), ..Verdict::default() }
    }

    #[test]
    fn p47_when_nobody_answers_no_feed_has_failed() {
        let mut net = Outage::default();
        net.answered(at(0));
        for (feed, host) in [(1, 1), (2, 1), (3, 2)] {
            assert!(!net.unreachable(feed, host, at(2)));
            assert_eq!(net.settle(at(2)), Verdict::default(), "two hosts may well be down");
        }
        assert!(net.unreachable(4, 3, at(2)), "three are not");
        assert_eq!(net.settle(at(2)), forgiven(&[1, 2, 3, 4]));
        assert!(!net.admits(at(3)) && net.admits(at(7)));
        net.started(at(7));
        assert!(!net.admits(at(16)) && net.admits(at(17)), "the next probe comes later");
        assert!(!net.unreachable(5, 4, at(8)));
        assert_eq!(net.settle(at(8)), forgiven(&[5]));
        assert!(net.answered(at(20)) && net.admits(at(20)) && !net.answered(at(21)));
    }

    #[test]
    fn p47_a_host_that_is_down_while_others_answer_has_failed() {
        let mut net = Outage::default();
        net.unreachable(1, 1, at(1));
        assert_eq!((net.settle(at(1)), net.wake_at()), (Verdict::default(), at(3)));
        net.answered(at(2));
        assert_eq!(net.settle(at(2)), failed(&[1]), "somebody answered afterwards");
        for feed in 2..9 {
            net.unreachable(feed, feed, at(4));
            net.answered(at(4));
            assert_eq!(net.settle(at(4)), failed(&[feed]), "many are down, and many are not");
        }
        net.unreachable(9, 9, at(10));
        assert_eq!(net.settle(at(11)), Verdict::default());
        assert_eq!(net.settle(at(12)), failed(&[9]), "there is nobody else to be heard");
    }

    #[test]
    fn p47_what_was_on_its_way_when_the_network_broke_proves_nothing() {
        let mut net = Outage::default();
        net.unreachable(1, 1, at(10));
        assert!(!net.answered(at(9)), "asked before, answered after");
        assert_eq!(net.settle(at(11)), Verdict::default());
        net.unreachable(2, 2, at(11));
        assert!(net.unreachable(3, 3, at(11)) && !net.answered(at(10)), "another of them");
        assert_eq!((net.settle(at(11)), net.admits(at(12))), (forgiven(&[1, 2, 3]), false));
        assert!(net.answered(at(17)), "a probe");
    }

    #[test]
    fn p47_a_few_feeds_polled_now_and_then_are_forgiven_from_the_third_host_on() {
        let mut net = Outage::default();
        for (host, minute) in [(1, 1), (2, 20)] {
            net.unreachable(host, host, at(minute * 60));
            assert_eq!(net.settle(at(minute * 60 + 2)), failed(&[host]));
        }
        net.unreachable(3, 3, at(2400));
        assert_eq!(net.settle(at(2400)), forgiven(&[3]));
    }
}
