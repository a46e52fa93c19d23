//! The beginning: what the rows of all feeds say of when to poll. Of a row nothing stays here but that, so that many feeds take no more memory
//! on the way than they do afterwards.

use std::collections::HashMap;

use url::Url;

use super::{Glance, Poller};
use crate::clock;
use crate::domain::agenda::{Agenda, Limits};
use crate::domain::feed::FeedState;
use crate::domain::schedule;
use crate::domain::throttle::{Rest, Word};
use crate::domain::time::Timestamp;
use crate::http::domain;
use crate::store::StoreError;

/// What was found out so far, by place.
struct Survey<'p> {
    poller: &'p Poller,
    attempts: HashMap<u32, Timestamp>,
    now: Timestamp,
    due: Vec<Timestamp>,
    glances: Vec<Glance>,
    unpolled: u64,
    /// That hosts asked for, whatever feed of theirs heard it.
    rests: Vec<Rest>,
}

impl Poller {
    /// The agenda of these feeds, as their rows say. Those that are overdue, and those that are new, come one after the other. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn agenda(&self, limits: Limits) -> Result<Agenda, StoreError> {
        let mut places: Vec<_> = self.numbers.iter().copied().zip(0..).collect();
        places.sort_unstable();
        let mut survey = Survey::new(self);
        self.store
            .each_feed(|number, row| {
                if let Some((_, place)) = places.binary_search_by_key(&number, |(number, _)| *number).ok().and_then(|at| places.get(at)) {
                    survey.look(*place, number, &row);
                }
                survey.rests.extend(row.rest.filter(|rest| rest.until > survey.now));
            })
            .await?;
        Ok(survey.agenda(limits))
    }
}

impl<'p> Survey<'p> {
    /// As if no feed had ever been polled.
    fn new(poller: &'p Poller) -> Self {
        let (now, feeds, new) = (clock::now(), poller.feeds.len(), FeedState::default());
        let (due, glances) = (vec![Timestamp(0); feeds], vec![Glance::from(&new); feeds]);
        let mut survey = Self { poller, attempts: poller.store.attempts(), now, due, glances, unpolled: feeds as u64, rests: vec![] };
        for (place, number) in poller.numbers.iter().enumerate() {
            survey.note(place, *number, &new);
        }
        survey
    }

    /// Takes from a row what is needed.
    fn look(&mut self, place: usize, number: u32, row: &FeedState) {
        self.unpolled -= u64::from(row.polls > 0);
        self.note(place, number, row);
    }

    fn note(&mut self, place: usize, number: u32, row: &FeedState) {
        let Some(subscription) = self.poller.feeds.get(place) else { return };
        let attempt = self.attempts.get(&number).copied();
        if let (Some(due), Some(glance)) = (self.due.get_mut(place), self.glances.get_mut(place)) {
            *due = schedule::revised(&subscription.feed.pace, row, attempt, self.now);
            *glance = Glance::from(row);
        }
        if self.poller.company.leads(place) {
            self.poller.pacing.begin(place, subscription, row);
        }
    }

    fn agenda(self, limits: Limits) -> Agenda {
        let (poller, now, steady) = (self.poller, self.now, clock::steady());
        let (mut agenda, mut overdue) = (Agenda::new(limits), 0);
        for (place, (subscription, mut due)) in poller.feeds.iter().zip(self.due).enumerate() {
            if !poller.company.leads(place) {
                // It is polled whenever another is.
                due = Timestamp::MAX;
            } else if due <= now {
                due = schedule::staggered(overdue, poller.pacing.per_second(), now);
                overdue += 1;
            }
            let url = Url::parse(&subscription.feed.url).ok();
            let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
            agenda.add(host, &domain::registrable(host), steady.after(due.since(now)));
        }
        for rest in self.rests {
            let left = rest.until.since(now);
            agenda.rest(&rest.host, if rest.domain { Word::Domain(left) } else { Word::Host(left) }, steady);
        }
        poller.pacing.solve(now);
        poller.counters.unpolled.store(self.unpolled, std::sync::atomic::Ordering::Relaxed);
        poller.counters.begin(self.glances);
        agenda
    }
}
