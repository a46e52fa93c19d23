//! Chance that can be repeated.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A xorshift generator whose seed a failure message can name.
#[derive(Debug)]
pub struct Dice {
    /// Where it started; `FEEDWIRE_SEED` sets it, to repeat a failure.
    pub seed: u64,
    state: u64,
}

impl Dice {
    /// Seeded by `FEEDWIRE_SEED`, else by the clock.
    pub fn new() -> Self {
        let given = std::env::var("FEEDWIRE_SEED").ok().map(|seed| seed.parse().expect("FEEDWIRE_SEED is a number"));
        let clock = || u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
        Self::seeded(given.unwrap_or_else(clock))
    }

    /// The same throws for the same seed.
    pub fn seeded(seed: u64) -> Self {
        // A xorshift never leaves zero.
        Self { seed, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % n
    }

    /// A time up to `ms` milliseconds.
    pub fn millis(&mut self, ms: u64) -> Duration {
        Duration::from_micros(self.below(ms * 1000))
    }
}
