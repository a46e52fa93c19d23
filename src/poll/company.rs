//! Feeds that are one and the same to their server: they are asked for once, and each makes of the answer what its own settings say.

use std::collections::HashMap;

use crate::fetch::Subscription;

/// Which feeds go along with which. Most feeds are alone.
#[derive(Debug, Default)]
pub struct Company {
    leaders: HashMap<u32, u32>,
    followers: HashMap<u32, Vec<u32>>,
}

impl Company {
    /// Finds feeds with the same URL, whatever its fragment, that are asked for in the same way. The first of them leads.
    #[must_use]
    pub fn of(feeds: &[Subscription]) -> Self {
        let mut company = Self::default();
        let mut known: HashMap<&str, Vec<usize>> = HashMap::with_capacity(feeds.len());
        for (place, subscription) in feeds.iter().enumerate() {
            let url = subscription.feed.url.split('#').next().unwrap_or_default();
            let alike = known.entry(url).or_default();
            let leader = alike.iter().find(|leader| feeds.get(**leader).is_some_and(|l| l.options == subscription.options));
            match leader {
                Some(leader) => {
                    let (leader, place) = (number(*leader), number(place));
                    company.leaders.insert(place, leader);
                    company.followers.entry(leader).or_default().push(place);
                }
                None => alike.push(place),
            }
        }
        company
    }

    /// The feed that is asked for in the place of this one; itself, mostly.
    #[must_use]
    pub fn leader(&self, place: u32) -> u32 {
        self.leaders.get(&place).copied().unwrap_or(place)
    }

    /// Whether this one is asked for.
    #[must_use]
    pub fn leads(&self, place: usize) -> bool {
        !self.leaders.contains_key(&number(place))
    }

    /// Those that share the answer of a leader, itself included.
    pub fn members(&self, leader: u32) -> impl Iterator<Item = u32> {
        std::iter::once(leader).chain(self.followers.get(&leader).into_iter().flatten().copied())
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
