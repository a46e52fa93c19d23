//! What a store remembers of entries that nobody has published.

use feedwire::domain::feed::Fingerprint;
use feedwire::domain::identity::{Alias, Key};
use feedwire::domain::memory::{Hot, Item, Minute};
use feedwire::domain::text::{Gist, Sketch};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The `n`-th entry of a feed, with six names. Noise, as hashes are: what repeats itself would cost the database less.
pub(super) fn hot(feed: u64, n: u64) -> Hot {
    let noise = |n: u64| xxh3_128_with_seed(&n.to_be_bytes(), feed);
    let id = Key::from_bytes(noise(n).to_be_bytes());
    let aliases = (1..6).map(|i| Alias(noise(n + i * 1000) as u64)).chain([id.alias()]).collect();
    let item = Item { id, aliases, date: Minute(n as u32), first: Minute(n as u32), sketch: Sketch::default(), revision: 0, by: None };
    let gist = Gist { words: noise(n) as u64, ..Gist::default() };
    Hot { fingerprint: Fingerprint(noise(n)), item, gist, told: Minute(0), streak: 0, held: false }
}
