//! How often a feed posts, and at which hours: counts that forget, small enough to stand in the feed's own row.
//!
//! Posts and observed time decay together, so their quotient is a mean rate that follows the feed within weeks. The shape is the hour of
//! the week, as hour of the day times day of the week: 31 numbers instead of 168, and each is known from so many more posts. How far it
//! is believed is decided by the counts themselves: what chance would do to a feed without any habit is taken off.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// After so long an observation counts half.
const HALF_LIFE: f64 = 14.0 * DAY;

/// Posts that one poll may add at most: a publisher who pours out an archive is not busy.
const MOST_POSTS: usize = 20;

/// What is believed of a feed before anything is known: half a post in a day (a Gamma prior).
const PRIOR: (f64, f64) = (0.5, DAY);

/// Seconds of a day, and of a week after a week's forgetting.
const DAY: f64 = 86_400.0;
const WEEK: f64 = 5.0 * DAY;

/// The time before the first poll that the dates of a document may speak of.
const PAST: Duration = Duration::from_secs(30 * 86_400);

/// Steps of one post in the shape.
const STEPS: f64 = 64.0;

/// Posts that every shape is mixed with, evenly spread: no hour is ever believed to be silent.
const EVEN: f64 = 6.0;

/// What is remembered of a feed's posts. In the store it takes 42 bytes for a silent feed, and 104 at most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Posts, decayed.
    posts: f32,
    /// Observed seconds, decayed.
    seconds: f32,
    /// The day up to which the shape has decayed, since the epoch.
    aged: u16,
    /// Posts in the hours of the day (UTC), in [`STEPS`].
    hours: [u16; 24],
    /// Posts on the days of the week, from Monday on.
    days: [u16; 7],
}

/// When in the week a feed posts: how many times its mean rate, by hour of the day and by day of the week.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    hours: [f64; 24],
    days: [f64; 7],
}

impl Shape {
    /// How many times the mean rate is to be expected at an instant.
    #[must_use]
    pub fn at(&self, at: Timestamp) -> f64 {
        let (hour, day) = place(at);
        self.hours.get(hour).unwrap_or(&1.0) * self.days.get(day).unwrap_or(&1.0)
    }

    /// The mean of the square root over the week: how often a feed of this shape is polled, beside an even one of the same rate.
    #[must_use]
    pub fn mean_root(&self) -> f64 {
        self.hours.iter().map(|x| x.sqrt()).sum::<f64>() / 24.0 * self.days.iter().map(|x| x.sqrt()).sum::<f64>() / 7.0
    }
}

impl Rate {
    /// A first document: its entries are a backlog, not posts, but their dates say how often there were posts in the last 30 days.
    /// `every` is what the publisher says of that (`sy:updatePeriod`); it counts where there are no dates.
    #[must_use]
    pub fn seeded(now: Timestamp, dates: &[Timestamp], every: Option<Duration>) -> Self {
        let mut rate = Self { aged: now.day(), ..Self::default() };
        let recent = || dates.iter().copied().filter(|at| *at <= now && now.since(*at) <= PAST);
        let reaches_back = dates.iter().any(|at| *at > Timestamp(0) && *at <= now && now.since(*at) > PAST);
        match (recent().min(), every) {
            (_, _) if reaches_back => (rate.posts, rate.seconds) = (recent().count() as f32, PAST.as_secs_f32()),
            // The time begins with the oldest, which therefore says nothing itself.
            (Some(oldest), _) => (rate.posts, rate.seconds) = (recent().count() as f32 - 1.0, now.since(oldest).as_secs_f32()),
            (None, Some(every)) => (rate.posts, rate.seconds) = (PRIOR.0 as f32, every.as_secs_f32() * PRIOR.0 as f32),
            (None, None) => {}
        }
        rate.mark(recent().collect());
        rate
    }

    /// A poll succeeded, the one before it at `last`. `posts` are the publication times of what was found new, the epoch for none; a time
    /// that is not between the two polls is replaced by the middle. A 304 is an observation without posts.
    pub fn observe(&mut self, now: Timestamp, last: Timestamp, posts: &[Timestamp]) {
        let gap = now.since(last);
        let lost = -(-gap.as_secs_f64() / HALF_LIFE * std::f64::consts::LN_2).exp_m1();
        self.posts = (f64::from(self.posts) * (1.0 - lost) + posts.len().min(MOST_POSTS) as f64) as f32;
        self.seconds = (f64::from(self.seconds) * (1.0 - lost) + HALF_LIFE / std::f64::consts::LN_2 * lost) as f32;
        self.age(now.day());
        let within = |at: Timestamp| if at > last && at <= now { at } else { last.after(gap / 2) };
        self.mark(posts.iter().take(MOST_POSTS).map(|at| within(*at)).collect());
    }

    /// The mean rate, in posts a second; never 0.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        (f64::from(self.posts) + PRIOR.0) / (f64::from(self.seconds) + PRIOR.1)
    }

    /// When in the week the posts come.
    #[must_use]
    pub fn shape(&self) -> Shape {
        // A feed watched since Monday has not been silent on Sundays: a cycle counts once it was seen, in full when it was seen twice.
        let seen = |cycle: f64| (f64::from(self.seconds) / cycle - 1.0).clamp(0.0, 1.0);
        Shape { hours: believed(&self.hours, seen(DAY)), days: believed(&self.days, seen(WEEK)) }
    }

    /// Counts posts into the shape. Of several in one hour, the second counts half, the third a third: they are one occasion.
    fn mark(&mut self, mut posts: Vec<Timestamp>) {
        posts.sort_unstable();
        let (mut before, mut nth) = (None, 0.0);
        for at in posts {
            let hour = at.unix_seconds().div_euclid(3600);
            nth = if before == Some(hour) { nth + 1.0 } else { 1.0 };
            before = Some(hour);
            let (hour, day) = place(at);
            add(&mut self.hours, hour, STEPS / nth);
            add(&mut self.days, day, STEPS / nth);
        }
    }

    /// Whole days at a time: in steps of a poll, nothing small would ever be rounded down.
    fn age(&mut self, today: u16) {
        let days = today.saturating_sub(self.aged);
        if days > 0 {
            let keep = 0.5f64.powf(f64::from(days) * DAY / HALF_LIFE);
            self.hours.iter_mut().chain(&mut self.days).for_each(|n| *n = (f64::from(*n) * keep) as u16);
            self.aged = today;
        }
    }
}

/// Hour of the day and day of the week, UTC. The epoch was a Thursday.
fn place(at: Timestamp) -> (usize, usize) {
    let hours = at.unix_seconds().div_euclid(3600);
    let within = |n: i64, length: i64| usize::try_from(n.rem_euclid(length)).unwrap_or(0);
    (within(hours, 24), within(hours.div_euclid(24) + 3, 7))
}

/// Adds to one of the counts; when it is full, all are halved, for only their proportions count.
fn add<const N: usize>(counts: &mut [u16; N], place: usize, steps: f64) {
    if let Some(count) = counts.get(place)
        && f64::from(*count) + steps > f64::from(u16::MAX)
    {
        counts.iter_mut().for_each(|n| *n /= 2);
    }
    if let Some(count) = counts.get_mut(place) {
        *count += steps as u16;
    }
}

/// The shape that `counts` are evidence for, with mean 1. Their χ² beside an even spread tells habit from chance: chance alone would give
/// N − 1, and so much of it is taken off (the estimator of James and Stein, 1961).
/// `seen` is how far the time that was watched allows any belief, from 0 to 1.
fn believed<const N: usize>(counts: &[u16; N], seen: f64) -> [f64; N] {
    let n = N as f64;
    let posts = counts.iter().map(|c| f64::from(*c)).sum::<f64>() / STEPS;
    let even = posts / n;
    let chi = counts.iter().map(|c| (f64::from(*c) / STEPS - even).powi(2)).sum::<f64>() / even.max(f64::MIN_POSITIVE);
    let belief = (1.0 - (n - 1.0) / chi.max(f64::MIN_POSITIVE)).max(0.0) * seen;
    counts.map(|c| {
        let share = belief * f64::from(c) / STEPS + (1.0 - belief) * even;
        n * (share + EVEN / n) / (posts + EVEN)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A Wednesday, 16:45 UTC.
    const NOW: Timestamp = Timestamp(1_732_725_900_000);
    const A_DAY: Duration = Duration::from_secs(86_400);
    const HOUR: Duration = Duration::from_secs(3600);

    fn a_day(rate: &Rate) -> f64 {
        rate.per_second() * 86_400.0
    }

    #[test]
    fn p28_p77_a_backlog_is_no_news_but_its_dates_tell_the_rate() {
        let daily: Vec<_> = (0..10).map(|n| NOW.before(A_DAY * n)).collect();
        assert!((0.9..1.0).contains(&a_day(&Rate::seeded(NOW, &daily, None))));
        let old = [NOW.before(A_DAY * 40), NOW.before(A_DAY * 400)];
        assert!(a_day(&Rate::seeded(NOW, &old, None)) < 0.02, "nothing for 30 days");
        let wrong = [NOW.after(HOUR), Timestamp(0), Timestamp(i64::MAX), Timestamp(i64::MIN)];
        assert_eq!(Rate::seeded(NOW, &wrong, None), Rate::seeded(NOW, &[], None), "the future, and no date");
        assert!((0.4..0.6).contains(&a_day(&Rate::seeded(NOW, &[], None))));
        assert!(a_day(&Rate::seeded(NOW, &[], Some(A_DAY * 30))) < 0.1);
        assert!(a_day(&Rate::seeded(NOW, &[NOW; 2000], None)) < 3000.0, "all at once");
    }

    #[test]
    fn it_follows_the_feed_within_weeks() {
        let (mut rate, mut now) = (Rate::default(), NOW);
        let mut days = |rate: &mut Rate, days: u32, posts: usize| {
            for _ in 0..days {
                let last = now;
                now = now.after(A_DAY);
                rate.observe(now, last, &vec![Timestamp(0); posts]);
            }
        };
        days(&mut rate, 30, 5);
        assert!((4.5..5.0).contains(&a_day(&rate)));
        days(&mut rate, 30, 0);
        assert!((0.8..1.5).contains(&a_day(&rate)));
        days(&mut rate, 3, 1000);
        assert!(a_day(&rate) < 6.0, "one outpouring counts as {MOST_POSTS}");
    }

    #[test]
    fn the_clock_may_jump() {
        let mut rate = Rate::default();
        rate.observe(NOW, NOW.after(A_DAY), &[NOW]);
        rate.observe(NOW.after(A_DAY * 100_000), NOW, &[]);
        assert!(rate.per_second() > 0.0 && rate.shape().at(NOW) > 0.0);
    }

    #[test]
    fn habits_are_learned_and_chance_is_not() {
        let mut punctual = Rate::default();
        let mut random = Rate::default();
        for n in 0..40u32 {
            let (last, now) = (NOW.after(A_DAY * n), NOW.after(A_DAY * (n + 1)));
            punctual.observe(now, last, &[now.before(HOUR / 4)]);
            random.observe(now, last, &[now.before(HOUR / 100 * (n * 7919 % 2400))]);
        }
        let (hit, missed) = (punctual.shape().at(NOW), punctual.shape().at(NOW.after(HOUR * 5)));
        assert!(hit > 10.0 && missed < 0.5, "{hit} {missed}");
        let (hit, missed) = (random.shape().at(NOW), random.shape().at(NOW.after(HOUR * 5)));
        assert!((0.5..2.0).contains(&hit) && (0.5..2.0).contains(&missed), "{hit} {missed}");
    }

    #[test]
    fn what_was_never_watched_was_not_silent() {
        let busy: Vec<_> = (0..30).map(|n| NOW.before(HOUR / 6 * n)).collect();
        let shape = Rate::seeded(NOW, &busy, None).shape();
        assert!((shape.at(NOW) / shape.at(NOW.after(HOUR * 8)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn weekends_are_learned() {
        let mut rate = Rate::default();
        for n in 0..60u32 {
            let (last, now) = (NOW.after(A_DAY * n), NOW.after(A_DAY * (n + 1)));
            let rests = place(now).1 >= 5;
            let posts = [1, 7, 13].map(|hours| now.before(HOUR * hours));
            rate.observe(now, last, if rests { &[] } else { &posts });
        }
        let (wednesday, sunday) = (rate.shape().at(NOW), rate.shape().at(NOW.after(A_DAY * 4)));
        assert!(wednesday > 2.0 * sunday, "{wednesday} {sunday}");
    }

    proptest! {
        #[test]
        fn always_finite_and_small(observations in prop::collection::vec((0u64..10_000_000, prop::collection::vec(any::<i64>(), 0..40)), 0..200)) {
            let (mut rate, mut last) = (Rate::default(), NOW);
            for (gap, posts) in observations {
                let now = last.after(Duration::from_secs(gap));
                rate.observe(now, last, &posts.into_iter().map(Timestamp).collect::<Vec<_>>());
                last = now;
            }
            prop_assert!(rate.per_second() > 0.0 && rate.per_second() < 1.0);
            let shape = rate.shape();
            prop_assert!(shape.hours.iter().chain(&shape.days).all(|x| *x > 0.0 && *x <= 24.0));
            for mean in [shape.hours.iter().sum::<f64>() / 24.0, shape.days.iter().sum::<f64>() / 7.0] {
                prop_assert!((mean - 1.0).abs() < 1e-6, "{mean}");
            }
            prop_assert!(shape.mean_root() <= 1.0 + 1e-9);
            let stored = postcard::to_stdvec(&rate).unwrap();
            prop_assert!(stored.len() <= 160);
            prop_assert_eq!(postcard::from_bytes::<Rate>(&stored).unwrap(), rate);
        }
    }
}
