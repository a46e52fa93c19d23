//! The inbound half. A tick reads the feed's state, asks the server, decides, and writes all that changed as one; the loop (`rounds`) waits,
//! then starts ticks.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, watch};
use tracing::{debug, info, warn};
use xxhash_rust::xxh3::xxh3_128;

use crate::clock;
use crate::domain::conditional::Validators;
use crate::domain::failure::PollError;
use crate::domain::feed::{Body, Condition, Feed, FeedState, Known};
use crate::domain::filter::Route;
use crate::domain::memory::Memory;
use crate::domain::moving;
use crate::domain::plan::{self, Outcome, Reply, Setting, Update};
use crate::domain::sift::Sifted;
use crate::domain::story::Stories;
use crate::domain::throttle::Word;
use crate::domain::time::Timestamp;
use crate::fetch::{Answer, Ask, Chain, Content, Fetcher, Step, Subscription};
use crate::http::domain;
use crate::parse;
use crate::store::{Store, StoreError};

pub mod company;
mod counters;
pub mod pacing;
mod rounds;
mod survey;

use company::Company;
pub use counters::{Counters, Glance};
use pacing::Pacing;

/// What all polls share.
pub struct Poller {
    /// Part of every event id.
    pub instance: String,
    /// Where it is written.
    pub store: Store,
    /// What asks.
    pub fetcher: Fetcher,
    /// What is asked for.
    pub feeds: Arc<Vec<Subscription>>,
    /// The numbers of the feeds in the store, in the same order.
    pub numbers: Vec<u32>,
    /// Those of them that are one and the same to their server.
    pub company: Company,
    /// Who wants the events.
    pub routes: Vec<Route>,
    /// Of one document.
    pub max_entries: usize,
    /// The articles of late.
    pub stories: Mutex<Stories>,
    /// Told when there is something to deliver.
    pub nudge: watch::Sender<()>,
    /// Documents parsed at once: no more than there are cores.
    pub parsing: Semaphore,
    /// How the requests are shared among the feeds.
    pub pacing: Arc<Pacing>,
    /// For the status and the watchdog.
    pub counters: Arc<Counters>,
    /// Feeds that an operator wants polled now, by place.
    pub wanted: Wanted,
    /// Feeds that an operator has paused, by number.
    pub paused: Mutex<HashSet<u32>>,
}

/// Feeds that are to be polled before they are due.
#[derive(Debug, Default)]
pub struct Wanted {
    places: Mutex<Vec<u32>>,
    nudge: Notify,
}

impl Wanted {
    /// Has the loop poll a feed as soon as the limits of its host allow.
    pub fn add(&self, place: u32) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        self.nudge.notify_one();
    }

    fn take(&self) -> Vec<u32> {
        std::mem::take(&mut self.places.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A feed that is polled, by its place among the feeds.
struct Member {
    place: usize,
    /// Its number in the store.
    number: u32,
    before: FeedState,
}

/// A poll on its way.
struct Visit {
    place: u32,
    /// The feeds that are polled by it: one, mostly.
    members: Vec<Member>,
    /// Whether the URL is asked that permanent redirects led to.
    from_new: bool,
    /// The host that is asked, or was asked last.
    host: String,
    /// When the last request began that was answered, on the steady clock; `None` when none was.
    answered: Option<Timestamp>,
    /// All exchanges so far.
    took: Duration,
}

/// What a tick leaves behind.
enum Ticked {
    /// The poll is over, whatever came of it.
    Over { place: u32, first: u64, answered: Option<Timestamp>, next_poll: Timestamp, word: Word },
    /// It goes on at another host, or at the same one after the gap.
    Turned(Box<(Visit, Chain)>),
    /// It could not take place, for want of something that is ours.
    Exhausted(u32, PollError),
    /// Nothing came back, and whose fault that is remains to be seen.
    Unreachable(Box<(Visit, PollError)>),
    /// An operator has paused every feed of it.
    Paused(u32),
    /// It was stopped before an answer came.
    Stopped,
}

impl Poller {
    /// One exchange of a poll that begins or goes on, and all that follows when it is the last.
    async fn tick(
        self: Arc<Self>,
        place: u32,
        sent_on: Option<Box<(Visit, Chain)>>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Ticked, StoreError> {
        let (mut visit, chain) = match sent_on {
            Some(sent_on) => *sent_on,
            None => {
                let Some((visit, chain)) = self.begin(place).await? else { return Ok(Ticked::Paused(place)) };
                match chain {
                    // The feed has moved for good: the new host has limits of its own.
                    Ok(chain) if visit.from_new => return Ok(Ticked::Turned(Box::new((visit, chain)))),
                    Ok(chain) => (visit, chain),
                    Err(error) => return self.conclude(visit, Err(error)).await,
                }
            }
        };
        let (began, from) = (clock::steady(), Instant::now());
        let step = tokio::select! {
            step = chain.step() => step,
            _ = stop.wait_for(|stop| *stop) => return Ok(Ticked::Stopped),
        };
        visit.took += from.elapsed();
        if !matches!(&step, Err(error) if error.is_unreachable() || *error == PollError::Exhausted) {
            visit.answered = Some(began);
        }
        match step {
            Ok(Step::Answer(answer)) => self.conclude(visit, Ok(answer)).await,
            Ok(Step::Turn(chain)) => Ok(Ticked::Turned(Box::new((Visit { host: chain.host().to_owned(), ..visit }, *chain)))),
            Err(error @ PollError::Exhausted) => Ok(Ticked::Exhausted(place, error)),
            Err(error) if error.is_unreachable() => Ok(Ticked::Unreachable(Box::new((visit, error)))),
            Err(error) => self.conclude(visit, Err(error)).await,
        }
    }

    /// Whether an operator has paused a feed.
    #[must_use]
    pub fn is_paused(&self, number: u32) -> bool {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner).contains(&number)
    }

    /// How each feed fares, by place.
    #[must_use]
    pub fn conditions(&self) -> Vec<Condition> {
        let paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        let glances = self.counters.feeds().into_iter().zip(&self.numbers);
        glances.map(|(glance, number)| if paused.contains(number) { Condition::Paused } else { glance.condition }).collect()
    }

    /// Has a feed wait, or polls it as soon as the limits of its host allow.
    ///
    /// # Errors
    /// When the store is closed.
    pub async fn pause(&self, place: u32, paused: bool) -> Result<(), StoreError> {
        let Some(number) = self.numbers.get(place as usize).copied() else { return Ok(()) };
        self.store.pause_feed(number, paused).await?;
        let mut feeds = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if paused {
            feeds.insert(number);
        } else if feeds.remove(&number) {
            self.wanted.add(place);
        }
        Ok(())
    }

    /// Reads what is remembered, and writes down that the feed is about to be asked.
    async fn begin(&self, place: u32) -> Result<Option<(Visit, Result<Chain, PollError>)>, StoreError> {
        let (mut members, now) = (vec![], clock::now());
        for place in self.company.members(place) {
            let Some(number) = self.numbers.get(place as usize).copied().filter(|number| !self.is_paused(*number)) else { continue };
            members.push(Member { place: place as usize, number, before: self.store.feed_state(number).await? });
        }
        // An older page concerns the one that missed something.
        if let Some(missed) = members.iter().position(|member| member.before.older.is_some()) {
            members = members.into_iter().skip(missed).take(1).collect();
        }
        for member in &members {
            self.store.attempt(member.number, now);
            let before = &member.before;
            if before.polls > 0 && before.older.is_none() && before.next_poll <= now {
                self.counters.meters.delay.observe(now.since(before.next_poll));
            }
        }
        let (Some(Subscription { feed, options }), Some(Member { before, .. })) = (self.feeds.get(place as usize), members.first()) else {
            return Ok(None);
        };
        let current = moving::url(before.moved.as_ref(), &feed.url, before.failures, now);
        let from_new = current != feed.url;
        let url = before.older.as_ref().map_or(current, |older| &older.url);
        // A 304 means nothing to one who has not what the others have.
        let stored = before.validators.as_ref().filter(|_| members.iter().all(|m| m.before.validators == before.validators));
        let (validators, plain) = (before.manners.condition(stored, now), before.manners.wants_plain());
        let chain = self.fetcher.begin(Ask { url, home: &feed.url, validators, options, plain });
        let host = chain.as_ref().map(|chain| chain.host().to_owned()).unwrap_or_default();
        Ok(Some((Visit { place, members, from_new, host, answered: None, took: Duration::ZERO }, chain)))
    }

    /// Has every feed of the poll make of the answer what it will.
    async fn conclude(&self, visit: Visit, answer: Result<Answer, PollError>) -> Result<Ticked, StoreError> {
        let Visit { place, members, from_new, host, answered, took } = visit;
        self.counters.meters.took.observe(took);
        let named = !domain::is_address(&host);
        let word = answer.as_ref().map_or_else(|error| Word::of(error, named), |_| Word::Fine);
        let (not_before, led_to) = match &answer {
            Ok(answer) => (answer.not_before.map(|wait| clock::now().after(wait)), answer.moved.clone()),
            Err(_) => (None, None),
        };
        let url = answer.as_ref().map(|answer| answer.validators.url.clone()).unwrap_or_default();
        let reply = Reply { host: &host, url: &url, named, not_before, led_to: led_to.as_deref(), from_new };
        let (mut first, mut next_poll) = (0, Timestamp::MAX);
        let mut copies = std::iter::repeat_n(answer, members.len());
        for (member, answer) in members.into_iter().zip(&mut copies) {
            first += u64::from(member.before.polls == 0);
            next_poll = next_poll.min(self.absorb(member, answer, reply).await?);
        }
        Ok(Ticked::Over { place, first, answered, next_poll, word })
    }

    /// Reads the answer, decides, and writes all that changes for one feed; when it is to be polled next.
    async fn absorb(&self, member: Member, answer: Result<Answer, PollError>, reply: Reply<'_>) -> Result<Timestamp, StoreError> {
        let Member { place, number, before } = member;
        let Some(subscription) = self.feeds.get(place) else { return Ok(Timestamp::MAX) };
        let feed = &subscription.feed;
        let mut memory = Memory::default();
        let outcome = match answer {
            // What is missing there was missed before.
            Err(error) if before.older.is_some() => {
                debug!(feed = %feed.id, error = %error, "There is no older page.");
                Outcome::NothingOlder
            }
            Err(error) => Outcome::Failed(error),
            Ok(Answer { content: Content::NotModified, validators, .. }) => Outcome::NotModified(validators),
            Ok(Answer { content: Content::Body { bytes, content_type }, validators, .. }) => {
                self.read(number, &before, bytes, content_type, validators, &mut memory).await?
            }
        };
        report(feed, &before, &outcome);
        self.counters.read(&outcome);
        let flooded = before.flood.as_ref().map(|flood| flood.since);
        let update = self.plan(feed, before, &memory, outcome, reply);
        if let Some(flood) = update.state.flood.as_ref().filter(|flood| flooded != Some(flood.since)) {
            warn!(feed = %feed.id, held = flood.held, "Entries look new though they are old; they are held back.");
        }
        self.counters.planned(place, &update);
        let next_poll = update.state.next_poll;
        if self.company.leads(place) && update.state.older.is_none() {
            self.pacing.note(place, subscription, &update.state);
        }
        let recorded = self.store.record(number, update).await?;
        if recorded.events > 0 {
            info!(feed = %feed.id, events = recorded.events, "New events.");
            self.nudge.send_replace(());
        }
        Ok(next_poll)
    }

    /// Makes the plan, and remembers what it says of articles before another plan is made.
    fn plan(&self, feed: &Feed, before: FeedState, memory: &Memory, outcome: Outcome, reply: Reply<'_>) -> Update {
        let mut stories = self.stories.lock().unwrap_or_else(PoisonError::into_inner);
        let (instance, routes, stories_so_far) = (&self.instance, &self.routes, &stories);
        let setting = Setting { instance, routes, stories: stories_so_far, now: clock::now(), k: self.pacing.k(), reply };
        let update = plan::plan(feed, before, memory, outcome, setting);
        update.claims.iter().for_each(|claim| stories.remember(claim));
        update
    }

    /// Makes a document of a body, unless it is the body of last time, and fetches what is remembered of its entries.
    async fn read(
        &self,
        number: u32,
        before: &FeedState,
        bytes: Vec<u8>,
        content_type: Option<String>,
        validators: Validators,
        memory: &mut Memory,
    ) -> Result<Outcome, StoreError> {
        let (body, is_older) = (xxh3_128(&bytes), before.older.is_some());
        if before.body == Some(body) && before.established && !is_older {
            return Ok(Outcome::Unchanged(validators));
        }
        *memory = self.store.memory(number).await?;
        let known = memory.known(before.flood.as_ref().is_some_and(|flood| flood.released));
        let sifted = match self.parse(bytes, content_type, validators.url.clone(), known).await {
            Ok(sifted) => sifted,
            Err(_) if is_older => return Ok(Outcome::NothingOlder),
            Err(e) => return Ok(Outcome::Failed(e)),
        };
        memory.cold = self.store.cold(number, sifted.wanted()).await?;
        Ok(if is_older { Outcome::Older(sifted) } else { Outcome::Modified { validators, body, sifted } })
    }

    /// Parses off the async workers, as many at once as there are cores.
    async fn parse(&self, bytes: Vec<u8>, content_type: Option<String>, url: String, known: Known) -> Result<Sifted, PollError> {
        let _permit = self.parsing.acquire().await;
        let max_entries = self.max_entries;
        let parsed = tokio::task::spawn_blocking(move || {
            let source = parse::Source { bytes: &bytes, content_type: content_type.as_deref(), url: Some(&url), max_entries };
            parse::parse(&source, &known).map(Sifted::new).map_err(|e| PollError::Malformed(source.explain(&e)))
        });
        parsed.await.unwrap_or_else(|_| Err(PollError::Malformed("the parser panicked; this is a bug".into())))
    }
}

/// One line for a failure, when it begins and when it ends; the rest is for those who debug.
fn report(feed: &Feed, before: &FeedState, outcome: &Outcome) {
    match outcome {
        Outcome::Failed(e) => warn!(feed = %feed.id, failures = before.failures + 1, error = %e, "The poll failed."),
        _ if before.failures > 0 => info!(feed = %feed.id, after = before.failures, "The feed answers again."),
        Outcome::Modified { sifted, .. } => {
            let document = sifted.document();
            for entry in &document.entries {
                if let Body::Broken(why) = &entry.body {
                    warn!(feed = %feed.id, error = why, "An entry cannot be read; the others can.");
                }
            }
            if document.dropped > 0 {
                warn!(feed = %feed.id, dropped = document.dropped, "The document has more entries than max_entries.");
            }
            let (entries, repairs) = (document.entries.len(), &document.repairs);
            debug!(feed = %feed.id, entries, ?repairs, "The document was read.");
        }
        Outcome::Older(_) => debug!(feed = %feed.id, "An older page was read."),
        Outcome::NothingOlder => {}
        Outcome::NotModified(_) | Outcome::Unchanged(_) => debug!(feed = %feed.id, "Nothing changed."),
    }
}
