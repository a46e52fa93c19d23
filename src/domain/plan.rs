//! All that one poll changes: (feed, what was remembered, what came of the poll, now) → [`Update`]. Pure: it neither reads nor writes.

use super::conditional::Validators;
use super::delivery::Order;
use super::event::{EventId, EventKind, FloodReport, Happening, HealthReport, MoveReport, Report, Scene, What};
use super::failure::PollError;
use super::feed::{Backlog, Body, Document, Feed, FeedState};
use super::filter::{Duplicates, Route};
use super::health;
use super::hints::Standing;
use super::memory::{Cold, Hot, Mark, Memory};
use super::merge::{Found, Merged, merge, merge_older};
use super::moving;
use super::paging::Older;
use super::rate::Rate;
use super::recognise::Suspect;
use super::schedule::{self, Outlook};
use super::sift::Sifted;
use super::story::{self, Claim, Stories};
use super::throttle::{Rest, Word};
use super::time::Timestamp;

/// Titles in the report of a flood.
const EXAMPLES: usize = 5;

/// The longest error text that is kept.
const LONGEST_ERROR: usize = 200;

/// What came of a poll, as far as the plan needs to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// 304: nothing changed. Validators the answer carried replace the stored ones, field by field.
    NotModified(Validators),
    /// 200 with the very bytes of last time.
    Unchanged(Validators),
    /// 200 with a document.
    Modified {
        /// Of this answer; empty ones drop the stored ones.
        validators: Validators,
        /// Hash of the body.
        body: u128,
        /// What it holds.
        sifted: Sifted,
    },
    /// An older page of the feed, to fill a gap.
    Older(Sifted),
    /// No such page.
    NothingOlder,
    /// No document.
    Failed(PollError),
}

/// Everything one poll changes. Written whole, or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// `FeedState::polls` before this poll: an update is applied to no other state.
    pub base: u64,
    /// The feed's row from now on.
    pub state: FeedState,
    /// The entries of the document, if it was read.
    pub hot: Option<Vec<Hot>>,
    /// Entries that left the document.
    pub cold: Vec<Cold>,
    /// All keys that tell nothing, when they have changed.
    pub marks: Option<Vec<Mark>>,
    /// What the events share.
    pub scene: Scene,
    /// The events, oldest first, each with the sinks that want it.
    pub events: Vec<(Happening, Vec<Destination>)>,
    /// What the events say of articles that other feeds may bring too.
    pub claims: Vec<Claim>,
}

/// A sink that wants an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its number in the store.
    pub sink: u32,
    /// How its lanes are laid out.
    pub order: Order,
}

/// What a plan is made in, beside the feed itself.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// `instance` of the configuration.
    pub instance: &'a str,
    /// The sinks.
    pub routes: &'a [Route],
    /// The articles that other feeds have brought.
    pub stories: &'a Stories,
    /// The present.
    pub now: Timestamp,
    /// What the [budget](super::budget) leaves: the higher, the longer every wait.
    pub k: f64,
    /// What is known of the answer beside what it brought.
    pub reply: Reply<'a>,
}

/// Who answered, and what was said around the document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply<'a> {
    /// The host that was asked last.
    pub host: &'a str,
    /// The URL that the answer came from, after redirects.
    pub url: &'a str,
    /// Whether it has a name, and is not just an address.
    pub named: bool,
    /// No sooner than this is the next request wanted, by whatever header.
    pub not_before: Option<Timestamp>,
    /// Where nothing but permanent redirects led.
    pub led_to: Option<&'a str>,
    /// Whether the URL was asked that such redirects had led to before.
    pub from_new: bool,
}

/// Makes the plan. `memory.cold` must answer for all of [`Sifted::wanted`].
#[must_use]
pub fn plan(feed: &Feed, before: FeedState, memory: &Memory, outcome: Outcome, setting: Setting<'_>) -> Update {
    let (base, first_poll, now) = (before.polls, !before.established, setting.now);
    let earlier = before.clone();
    let mut state = FeedState { polls: base + 1, ..before };
    if state.older.is_none() {
        (state.last_poll, state.not_before) = (Some(now), setting.reply.not_before);
    }
    let (mut read, mut error) = (None, None);
    match outcome {
        Outcome::Failed(failure) => {
            fail(feed, &mut state, &failure, setting);
            error = Some(failure);
        }
        Outcome::NotModified(validators) => {
            state.manners.not_modified();
            merge_validators(&mut state.validators, validators);
            observe(&mut state, None, now);
            succeed(feed, &mut state, setting);
        }
        Outcome::Unchanged(validators) => {
            state.manners.sent(earlier.validators.as_ref(), false, now);
            state.validators = worth_keeping(validators);
            observe(&mut state, None, now);
            succeed(feed, &mut state, setting);
        }
        Outcome::Older(mut sifted) => {
            sifted.document.complete = false;
            let mut merged = merge_older(memory, &state, &sifted.document, &sifted.suspects, now);
            turn_page(&mut state, &sifted, &mut merged, now);
            read = Some((sifted, merged));
        }
        Outcome::NothingOlder => state.next_poll = state.older.take().map_or(now, |older| older.resume),
        Outcome::Modified { validators, body, mut sifted } => {
            state.manners.sent(earlier.validators.as_ref(), true, now);
            let mut merged = merge(memory, &state, &sifted.document, &sifted.suspects, now);
            observe(&mut state, Some((&sifted, &merged)), now);
            if first_poll {
                keep_backlog(earlier.backlog(feed.backlog), &mut merged.found);
            }
            remember(&mut state, validators, body, &mut sifted.document);
            succeed(feed, &mut state, setting);
            settle(feed, &mut state, &merged, now);
            read = Some((sifted, merged));
        }
    }
    let scene = scene(feed, &state, first_poll, setting);
    let mut update = Update { base, state, hot: None, cold: vec![], marks: None, scene, events: vec![], claims: vec![] };
    let mut teller = Teller { feed, setting, update: &mut update };
    if let Some((kind, report)) = health::tell(&earlier, &mut teller.update.state, error.as_ref(), now) {
        teller.notice(kind, What::Health(report));
    }
    teller.moved(&earlier);
    if let Some((mut sifted, merged)) = read {
        if earlier.older.is_none() {
            teller.flood(&sifted, &merged);
            teller.gap(&earlier, memory, &sifted, &merged);
        }
        merged.found.iter().for_each(|found| teller.entry(*found, &mut sifted, &merged));
        (update.hot, update.cold, update.marks) = (Some(merged.hot), merged.cold, merged.marks);
    }
    update
}

fn scene(feed: &Feed, state: &FeedState, first_poll: bool, setting: Setting<'_>) -> Scene {
    Scene {
        instance: setting.instance.to_owned(),
        feed: feed.id.clone(),
        url: feed.url.clone(),
        title: state.title.clone(),
        site_url: state.site_url.clone(),
        tags: feed.tags.to_vec(),
        fetched_at: setting.now,
        time: setting.now,
        first_poll,
    }
}

/// Of an older page only what came after the gap began is told; the page behind it is asked for while nothing else is found there.
fn turn_page(state: &mut FeedState, sifted: &Sifted, merged: &mut Merged, now: Timestamp) {
    let Some(older) = state.older.take() else { return };
    let date = |found: &Found| sifted.suspects.get(found.suspect).and_then(|s| s.date.timestamp());
    merged.found.retain(|found| found.kind == EventKind::Created && date(found).is_some_and(|date| date > older.since));
    let (told, resume) = (merged.found.len(), older.resume);
    let all = told > 0 && told == sifted.document.entries.len();
    state.older = older.next(&sifted.document.head.hints).filter(|_| all);
    state.next_poll = if state.older.is_some() { now } else { resume };
}

/// What waits for the next poll has it read the document whole, and soon if it is a flood that must be confirmed or cleared.
fn settle(feed: &Feed, state: &mut FeedState, merged: &Merged, now: Timestamp) {
    if merged.unsettled {
        state.forget_document();
    }
    let held = merged.hot.iter().filter(|row| row.held).count();
    state.flood = merged.stance.flood(state.flood.take(), held, now);
    if state.flood.as_ref().is_some_and(|flood| !flood.confirmed) {
        state.next_poll = state.next_poll.min(schedule::soonest(&feed.pace, state, now));
    }
}

/// Makes events of what was found.
struct Teller<'a> {
    feed: &'a Feed,
    setting: Setting<'a>,
    update: &'a mut Update,
}

impl Teller<'_> {
    /// Tells operators of a flood when it is first seen.
    fn flood(&mut self, sifted: &Sifted, merged: &Merged) {
        let Some(flood) = self.update.state.flood.as_ref().filter(|f| f.since == self.setting.now && !f.confirmed) else { return };
        let old = sifted.suspects.iter().enumerate().filter(|(i, _)| merged.stance.old.contains(i));
        let titles = old.filter_map(|(_, suspect)| match &sifted.document.entries.get(suspect.index)?.body {
            Body::Parsed(entry) => entry.title.clone(),
            _ => None,
        });
        let report = FloodReport { held: flood.held, entries: self.update.state.entries, examples: titles.take(EXAMPLES).collect() };
        self.notice(EventKind::Flood, What::Flood(report));
    }

    /// Tells operators when a permanent redirect is believed.
    fn moved(&mut self, earlier: &FeedState) {
        let believed = |state: &FeedState| state.moved.as_ref().filter(|m| m.believed).map(|m| m.to.clone());
        if let Some(to) = believed(&self.update.state).filter(|to| believed(earlier).as_ref() != Some(to)) {
            let from = believed(earlier).unwrap_or_else(|| self.feed.url.clone());
            self.notice(EventKind::Moved, What::Moved(MoveReport { from, to }));
        }
    }

    /// Every entry of a known feed is new: some may have rolled off between two polls, so the next one comes in half the time.
    fn gap(&mut self, earlier: &FeedState, memory: &Memory, sifted: &Sifted, merged: &Merged) {
        let created = merged.found.iter().filter(|f| f.kind == EventKind::Created).count();
        let (entries, first) = (self.update.state.entries, self.update.scene.first_poll);
        if !first && entries > 1 && created as u64 == u64::from(entries) && !memory.hot.is_empty() {
            let last_success = earlier.last_success.map(|t| t.to_string());
            self.notice(EventKind::Gap, What::Health(HealthReport { last_success, entries, ..HealthReport::default() }));
            let (now, state) = (self.setting.now, &mut self.update.state);
            let half = now.since(earlier.last_poll.unwrap_or(now)) / 2;
            state.next_poll = state.next_poll.min(now.after(half)).max(schedule::soonest(&self.feed.pace, state, now));
            let since = earlier.last_success.unwrap_or(now);
            state.older = Older::begin(self.setting.reply.url, &sifted.document.head.hints, since, state.next_poll);
            if state.older.is_some() {
                state.next_poll = now;
            }
        }
    }

    /// Tells operators what happened to the feed.
    fn notice(&mut self, kind: EventKind, what: What) {
        let id = EventId::of_feed(self.setting.instance, &self.feed.id, kind, self.update.base);
        let wanted = |r: &&Route| r.events.contains(&kind) && r.filter.wants_feed(self.feed.into());
        let to = self.setting.routes.iter().filter(wanted).map(destination).collect();
        self.update.events.push((Happening { id, kind, what }, to));
    }

    fn entry(&mut self, found: Found, sifted: &mut Sifted, merged: &Merged) {
        let Setting { instance, routes, stories, now, .. } = self.setting;
        let (entry, id) = (sifted.take(found.index), EventId::new(instance, &self.feed.id, found.id, found.kind, found.revision));
        let told = found.kind == EventKind::Created;
        let keys = sifted.suspects.get(found.suspect).filter(|_| told).map(|s| story::keys(&s.keys, &merged.ambiguous)).unwrap_or_default();
        let origin = stories.origin(&keys, &self.feed.id, &id);
        let again = |r: &Route| r.duplicates == Duplicates::Drop && origin.is_some_and(|origin| origin.reaches(r.sink));
        let wanted = |r: &&Route| r.events.contains(&found.kind) && r.filter.admits(self.feed.into(), &entry, now) && !again(r);
        let to: Vec<_> = routes.iter().filter(wanted).map(destination).collect();
        if !keys.is_empty() {
            let sinks = to.iter().map(|d| d.sink).collect();
            self.update.claims.push(Stories::claim(keys, &self.feed.id, &id, origin, sinks, now));
        }
        let first = (!told).then(|| EventId::new(instance, &self.feed.id, found.id, EventKind::Created, 0));
        let report = Report { entry, revision: found.revision, level: found.level, duplicate_of: origin.map(story::Origin::event), first };
        self.update.events.push((Happening { id, kind: found.kind, what: What::Entry(Box::new(report)) }, to));
    }
}

fn destination(route: &Route) -> Destination {
    Destination { sink: route.sink, order: route.order }
}

/// What a document says of its feed, and what makes the next request conditional: nothing, if the document was cut, for then it may have
/// lost entries that a 304 would hide.
fn remember(state: &mut FeedState, validators: Validators, body: u128, document: &mut Document) {
    state.validators = worth_keeping(validators).filter(|_| document.complete);
    state.body = document.complete.then_some(body);
    state.entries = u32::try_from(document.entries.len()).unwrap_or(u32::MAX);
    state.title = document.head.title.take().or(state.title.take());
    state.site_url = document.head.site_url.take().or(state.site_url.take());
    state.standing = Standing::from(&*document.head.hints);
    state.repairs = document.repairs.iter().map(|(fault, count)| ((*fault).to_owned(), *count)).collect();
}

fn fail(feed: &Feed, state: &mut FeedState, error: &PollError, setting: Setting<'_>) {
    let Setting { now, reply, .. } = setting;
    state.manners.failed(matches!(error, PollError::Undecodable(_)), now);
    state.rest = Rest::of(Word::of(error, reply.named), reply.host, now);
    state.not_before = state.not_before.max(error.retry_after().map(|wait| now.after(wait)));
    state.failures = state.failures.saturating_add(1);
    state.last_error = Some(error.to_string().chars().take(LONGEST_ERROR).collect());
    state.gone = health::gone(state.gone, error, now);
    let next = schedule::after_failure(&feed.pace, state.failures, error, &feed.id, state.polls, now);
    state.next_poll = health::asked_again(state.gone, next.max(schedule::heeded(state.not_before, now)));
}

/// Counts what was posted since the last success: nothing, if nothing changed; on the first poll, what the dates of the backlog say.
fn observe(state: &mut FeedState, read: Option<(&Sifted, &Merged)>, now: Timestamp) {
    let last = state.last_success.unwrap_or(now);
    let Some((sifted, merged)) = read else { return state.rate.observe(now, last, &[]) };
    let date = |suspect: &Suspect| suspect.date.timestamp().unwrap_or_default();
    let created = merged.found.iter().filter(|f| f.kind == EventKind::Created);
    let posts: Vec<_> = created.map(|f| sifted.suspects.get(f.suspect).map(date).unwrap_or_default()).collect();
    if !state.established {
        let dates: Vec<_> = sifted.suspects.iter().map(date).collect();
        state.rate = Rate::seeded(now, &dates, sifted.document.head.hints.update_every);
        (state.last_new, state.usual) = (Some(now), state.rate.per_second() as f32);
        return;
    }
    // Where all is new, more may have rolled off unseen: then only the time that the document covers was observed.
    let all = posts.len() > 1 && posts.len() >= sifted.document.entries.len();
    let since = posts.iter().copied().min().filter(|_| all).map_or(last, |oldest| oldest.max(last).min(now));
    state.rate.observe(now, since, &posts);
    if !posts.is_empty() {
        (state.last_new, state.usual, state.stale) = (Some(now), state.rate.per_second() as f32, false);
    }
}

fn succeed(feed: &Feed, state: &mut FeedState, setting: Setting<'_>) {
    let Setting { now, k, reply, .. } = setting;
    let not_before = reply.not_before;
    state.established = true;
    state.failures = 0;
    (state.gone, state.rest, state.last_error) = (None, None, None);
    state.last_success = Some(now);
    state.moved = moving::learn(state.moved.take(), reply.led_to.map(str::to_owned), reply.from_new, now);
    state.stale |= health::is_silent(state, now);
    let (pace, window, cost) = (&feed.pace, state.entries, schedule::cost(state));
    let outlook = Outlook { pace, rate: &state.rate, standing: &state.standing, not_before, window, cost, k };
    state.next_poll = schedule::after_success(&outlook, &feed.id, state.polls, now);
}

fn worth_keeping(v: Validators) -> Option<Validators> {
    (v.etag.is_some() || v.last_modified.is_some()).then_some(v)
}

/// A 304 may bring newer validators; those it does not mention stay (RFC 9111 §4.3.4).
fn merge_validators(stored: &mut Option<Validators>, fresh: Validators) {
    if let Some(stored) = stored {
        stored.etag = fresh.etag.or(stored.etag.take());
        stored.last_modified = fresh.last_modified.or(stored.last_modified.take());
    }
}

fn keep_backlog(backlog: Backlog, found: &mut Vec<Found>) {
    let keep = match backlog {
        Backlog::None => 0,
        Backlog::Newest(n) => usize::try_from(n).unwrap_or(usize::MAX),
        Backlog::All => usize::MAX,
    };
    found.drain(..found.len().saturating_sub(keep));
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
