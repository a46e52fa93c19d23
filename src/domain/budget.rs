//! How the requests that may be made are shared among the feeds: one number `k` for all, at which their sum is what was allowed.

use std::time::Duration;

use super::time::Timestamp;

/// A feed's part in the budget, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Posts a second, under the root: at equal `k`, a feed is polled in proportion to it.
    pub urgency: f32,
    /// The shortest wait that is allowed.
    pub floor: f32,
    /// The longest.
    pub ceiling: f32,
}

impl Share {
    /// The mean wait that `k` brings, jitter included.
    #[must_use]
    pub fn wait(&self, k: f64) -> f64 {
        (k / f64::from(self.urgency)).min(f64::from(self.ceiling)).max(f64::from(self.floor)) * MEAN_STRETCH
    }
}

/// What all feeds ask of the budget, kept up to date poll by poll.
///
/// [`Share::wait`] is a model: it knows the mean rate of a feed, not that its shape makes two waits unequal. Whoever looks at all feeds at
/// any moment sees the long waits more often than the short ones, exactly in proportion to their length, so that the sum of 1/wait over
/// the waits under way *is* the rate of requests; what it is beside the model corrects the budget.
#[derive(Clone, Debug)]
pub struct Ledger {
    accounts: Vec<Option<Account>>,
    /// Requests a second.
    budget: f64,
    /// Requests beside those of the model.
    bias: f64,
    solved: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    share: Share,
    /// The wait under way, in seconds, and what the model made of it; 0 for none.
    planned: f32,
    modelled: f32,
}

/// The bias is a mean over so long: the requests of a day with its night, and of a week with its weekend, are no bias.
const MEMORY: Duration = Duration::from_secs(4 * 86_400);

/// The model is not corrected by more.
const BIAS: (f64, f64) = (0.5, 2.0);

impl Ledger {
    /// A ledger for `feeds` feeds, whose budget is `budget` requests a second for all that have a share.
    #[must_use]
    pub fn new(feeds: usize, budget: f64) -> Self {
        Self { accounts: vec![None; feeds], budget, bias: 1.0, solved: None }
    }

    /// What `feed` asks, and how long it waits now, by the `k` that was in force; a wait of zero when nothing is known of it.
    pub fn set(&mut self, feed: usize, share: Option<Share>, wait: Duration, k: f64) {
        let account = |share: Share| Account { share, planned: wait.as_secs_f32(), modelled: share.wait(k) as f32 };
        if let Some(place) = self.accounts.get_mut(feed) {
            *place = share.map(account);
        }
    }

    /// What `solve` needs; may be taken under a lock, and solved outside of it.
    pub fn close(&mut self, now: Timestamp) -> (Vec<Share>, f64) {
        let (mut planned, mut modelled) = (0.0, 0.0);
        for account in self.accounts.iter().flatten().filter(|a| a.planned > 0.0 && a.modelled > 0.0) {
            planned += 1.0 / f64::from(account.planned);
            modelled += 1.0 / f64::from(account.modelled);
        }
        let past = self.solved.map_or(0.0, |solved| now.since(solved).as_secs_f64());
        if planned > 0.0 {
            let weight = -(-past / MEMORY.as_secs_f64()).exp_m1();
            self.bias += weight * ((planned / modelled).clamp(BIAS.0, BIAS.1) - self.bias);
        }
        self.solved = Some(now);
        (self.accounts.iter().flatten().map(|a| a.share).collect(), self.budget / self.bias)
    }
}

/// Jitter is up to a tenth, upward.
const MEAN_STRETCH: f64 = 1.05;

/// `k` is never beyond these.
const RANGE: (f64, f64) = (1e-9, 1e12);

/// Rounds of the search; it has never been seen to need more than 20.
const ROUNDS: usize = 60;

/// The `k` at which all shares together make `budget` requests a second; the nearest bound if floors or ceilings leave none. Newton's
/// method on 1/k, in which the requests are piecewise linear, inside a bracket that halves where a step would leave it (water-filling).
#[must_use]
pub fn solve(shares: &[Share], budget: f64) -> f64 {
    let (mut low, mut high) = RANGE;
    let mut k = 1.0;
    for _ in 0..ROUNDS {
        let (mut requests, mut free) = (0.0, 0.0);
        for share in shares {
            let wanted = k / f64::from(share.urgency);
            let wait = wanted.min(f64::from(share.ceiling)).max(f64::from(share.floor));
            requests += 1.0 / wait;
            free += if wait == wanted { 1.0 / wait } else { 0.0 };
        }
        let excess = requests / MEAN_STRETCH - budget;
        if excess > 0.0 {
            low = k
        } else {
            high = k
        }
        if excess.abs() <= budget * 1e-6 || high / low < 1.0 + 1e-9 {
            break;
        }
        // Of the requests, `free` would follow 1/k; the others stay.
        let step = 1.0 - excess * MEAN_STRETCH / free;
        let next = k / step;
        k = if step > 0.0 && next > low && next < high { next } else { (low * high).sqrt() };
    }
    k
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn share(urgency: f32) -> Share {
        Share { urgency, floor: 300.0, ceiling: 86_400.0 }
    }

    #[test]
    fn four_feeds_share_what_is_left_beside_the_bounds() {
        let shares = [share(1.0), share(2.0), share(1e9), share(1e-9)];
        let budget = 1.0 / (300.0 * MEAN_STRETCH) + 1.0 / (86_400.0 * MEAN_STRETCH) + 3.0 / (7200.0 * MEAN_STRETCH);
        let k = solve(&shares, budget);
        assert!((k / 7200.0 - 1.0).abs() < 1e-3, "{k}");
        assert!(solve(&shares, 1e9) <= 300.0 && solve(&shares, 0.0) >= 172_800.0, "as near as the bounds let it");
    }

    #[test]
    fn waits_that_are_longer_than_the_model_says_make_k_smaller() {
        let (mut ledger, mut now) = (Ledger::new(3, 2.0 / 3600.0), Timestamp(0));
        let mut k = 3600.0;
        for _ in 0..24 * 30 {
            now = now.after(HOUR);
            for feed in 0..2 {
                ledger.set(feed, Some(share(1.0)), Duration::from_secs_f64(share(1.0).wait(k) * 1.25), k);
            }
            let (shares, budget) = ledger.close(now);
            assert_eq!(shares.len(), 2, "the third has an interval of its own");
            k = solve(&shares, budget);
        }
        assert!((share(1.0).wait(k) * 1.25 / 3600.0 - 1.0).abs() < 0.01, "{k}");
    }

    #[test]
    fn a_wait_of_unknown_origin_corrects_nothing() {
        let mut ledger = Ledger::new(1, 1.0 / 3600.0);
        ledger.set(0, Some(share(1.0)), Duration::ZERO, 1.0);
        ledger.close(Timestamp(0));
        assert_eq!(ledger.close(Timestamp(0).after(HOUR * 1000)).1, 1.0 / 3600.0);
    }
}
