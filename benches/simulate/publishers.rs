//! Publishers of several kinds, made from a seed.

use std::fmt;
use std::time::Duration;

use feedwire::domain::time::Timestamp;

pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// Monday, 2024-11-25T00:00:00Z.
pub(super) const START: Timestamp = Timestamp(1_732_492_800_000);

/// Days until the end of the last poll.
const DAYS: u32 = 46;

/// How a publisher's posts are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    Poisson,
    /// By day ten times what it is by night, each publisher in its own zone.
    Diurnal,
    /// The same, and on Saturday and Sunday a tenth.
    Weekly,
    /// At fixed minutes of the day, give or take five.
    Periodic,
    /// Five posts within ten minutes.
    Bursts,
    /// Eight times as much, or an eighth, from the 21st day on.
    Change,
}

pub(super) const TRACES: [Trace; 6] = [Trace::Poisson, Trace::Diurnal, Trace::Weekly, Trace::Periodic, Trace::Bursts, Trace::Change];

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poisson => "Poisson",
            Self::Diurnal => "diurnal",
            Self::Weekly => "diurnal, weekends",
            Self::Periodic => "daily slots",
            Self::Bursts => "bursts of 5",
            Self::Change => "rate x8 or /8",
        })
    }
}

/// What it posts, in order of time.
pub(super) struct Publisher {
    /// Posts a day; before it changes, if it does.
    pub(super) rate: f64,
    pub(super) posts: Vec<Timestamp>,
}

/// `feeds` publishers: their rates are log-normal (log10 of posts a day: -0.3 ± 0.9), one in five is dead.
pub(super) fn made(trace: Trace, feeds: usize, seed: u64) -> Vec<Publisher> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (0..feeds).map(|_| publisher(trace, &mut dice)).collect()
}

fn publisher(trace: Trace, dice: &mut Dice) -> Publisher {
    let drawn = 10f64.powf(-0.3 + 0.9 * dice.normal());
    let rate = if dice.uniform() < 0.2 { 0.0 } else { drawn };
    let (peak, faster) = (dice.uniform(), dice.uniform() < 0.5);
    let mut days = match trace {
        _ if rate == 0.0 => vec![],
        Trace::Periodic => slots(rate, dice),
        Trace::Bursts => {
            let starts = poisson(rate / 5.0, 1.0, dice, |_| 1.0);
            starts.iter().flat_map(|at| (0..5).map(|_| at + dice.uniform() / 144.0).collect::<Vec<_>>()).collect()
        }
        Trace::Poisson => poisson(rate, 1.0, dice, |_| 1.0),
        Trace::Change => poisson(rate, 8.0, dice, |t| match (t < 21.0, faster) {
            (true, _) => 1.0,
            (_, true) => 8.0,
            _ => 0.125,
        }),
        Trace::Diurnal => poisson(rate, 2.0, dice, |t| by_day(t, peak)),
        // 1.346 makes up for the weekend.
        Trace::Weekly => poisson(rate, 2.7, dice, |t| by_day(t, peak) * if t.rem_euclid(7.0) < 5.0 { 1.346 } else { 0.1346 }),
    };
    days.sort_by(f64::total_cmp);
    Publisher { rate, posts: days.into_iter().map(|day| START.after(DAY.mul_f64(day))).collect() }
}

/// Ten times as much at the peak as in the depth of the night; 1 on average.
fn by_day(t: f64, peak: f64) -> f64 {
    1.0 + 0.82 * (std::f64::consts::TAU * (t - peak)).cos()
}

/// A Poisson process with rate `rate` times what `shape` says of a day, which is at most `highest`.
fn poisson(rate: f64, highest: f64, dice: &mut Dice, shape: impl Fn(f64) -> f64) -> Vec<f64> {
    let (mut posts, mut t) = (vec![], 0.0);
    loop {
        t -= dice.uniform().ln() / (rate * highest);
        if t >= f64::from(DAYS) {
            return posts;
        }
        if dice.uniform() * highest < shape(t) {
            posts.push(t);
        }
    }
}

fn slots(rate: f64, dice: &mut Dice) -> Vec<f64> {
    let count = rate.round().max(1.0);
    let mut posts = vec![];
    for _ in 0..count as u32 {
        let slot = dice.uniform();
        for day in 0..DAYS {
            if dice.uniform() < rate / count {
                posts.push(f64::from(day) + (slot + (dice.uniform() - 0.5) / 144.0).rem_euclid(1.0));
            }
        }
    }
    posts
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    /// In (0, 1].
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
