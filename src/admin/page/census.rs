//! All feeds, looked at once: how many are in each state, and which of them are to be seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::choice::Choice;
use super::view::{Count, Pager};
use super::{PAGE, words};
use crate::admin::{Board, Panel};
use crate::domain::feed::Condition;
use crate::log;
use crate::store::StoreError;

/// Characters that feeds are put in order by.
const SORTED: usize = 40;

/// What fewer feeds are called is read for every page.
const MANY: usize = 1000;

/// What many are called is read again after so long: with 100,000 it takes a fifth of a second of CPU time, and the page is made anew every
/// two seconds while it is looked at and there is news.
const KEPT: Duration = Duration::from_secs(15);

/// What feeds call themselves, in the order in which they are shown: their places among the feeds, and their titles.
struct Titles(Vec<(usize, Option<Box<str>>)>);

/// The titles that were read last, and of which panel.
type Kept = Option<(Arc<Panel>, Arc<Titles>)>;

/// What many feeds are called, while somebody looks.
#[derive(Clone, Default)]
pub(in crate::admin) struct Shelf(Arc<Mutex<Kept>>);

impl Titles {
    async fn read(board: &Board, panel: &Panel) -> Result<Self, StoreError> {
        let poller = &panel.poller;
        let mut places: HashMap<u32, usize> = poller.numbers.iter().copied().zip(0..).collect();
        let mut called = Vec::with_capacity(places.len());
        let mut call = |place: usize, title: Option<Box<str>>| {
            let Some(subscription) = poller.feeds.get(place) else { return };
            let shown = title.as_deref().filter(|title| !title.trim().is_empty()).unwrap_or(&subscription.feed.id.0);
            called.push((words::clean(shown, SORTED).to_lowercase(), place, title));
        };
        let rows = board.store.each_feed(|number, row| {
            if let Some(place) = places.remove(&number) {
                call(place, row.title.map(String::into_boxed_str));
            }
        });
        rows.await?;
        places.into_values().for_each(|place| call(place, None));
        called.sort_unstable();
        Ok(Self(called.into_iter().map(|(_, place, title)| (place, title)).collect()))
    }
}

impl Shelf {
    /// What the feeds are called; whoever comes while it is being read waits for it.
    async fn titles(&self, board: &Board, panel: &Arc<Panel>) -> Result<Arc<Titles>, StoreError> {
        if panel.poller.feeds.len() < MANY {
            return Titles::read(board, panel).await.map(Arc::new);
        }
        let mut shelf = self.0.lock().await;
        if let Some((_, titles)) = shelf.as_ref().filter(|(of, _)| Arc::ptr_eq(of, panel)) {
            return Ok(titles.clone());
        }
        let titles = Arc::new(Titles::read(board, panel).await?);
        *shelf = Some((panel.clone(), titles.clone()));
        let kept = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            *kept.0.lock().await = None;
        });
        Ok(titles)
    }
}

/// All feeds, looked at once.
pub(super) struct Census {
    /// How many are in each state.
    pub(super) states: HashMap<Condition, u64>,
    /// The places of those that are to be seen, in the order of what they are called.
    pub(super) found: Vec<usize>,
}

impl Census {
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn take(board: &Board, panel: &Arc<Panel>, choice: &Choice) -> Result<Self, StoreError> {
        let poller = &panel.poller;
        let titles = board.titles.titles(board, panel).await?;
        let (mut states, mut found) = (HashMap::new(), vec![]);
        let (conditions, chosen) = (poller.conditions(), choice.chosen());
        for (place, title) in &titles.0 {
            let Some(subscription) = poller.feeds.get(*place) else { continue };
            let state = conditions.get(*place).copied().unwrap_or(Condition::New);
            *states.entry(state).or_default() += 1;
            if chosen(subscription, title.as_deref(), state) {
                found.push(*place);
            }
        }
        Ok(Self { states, found })
    }

    /// The places on the page that is asked for, or on the last.
    pub(super) fn page(&self, choice: &Choice) -> (Vec<usize>, Pager) {
        let pages = self.found.len().div_ceil(PAGE).max(1);
        let page = choice.page.min(pages);
        let places = self.found.iter().copied().skip((page - 1) * PAGE).take(PAGE).collect();
        let previous = (page > 1).then(|| choice.address(page - 1));
        let next = (page < pages).then(|| choice.address(page + 1));
        (places, Pager { found: log::counted(words::number(self.found.len() as u64), "feed"), page, pages, previous, next })
    }

    /// How many feeds are in each state, those that want attention first.
    pub(super) fn counts(&self, choice: &Choice) -> Vec<Count> {
        let count = |state: Condition| {
            let number = self.states.get(&state).copied().filter(|number| *number > 0)?;
            let state = state.as_str();
            let address = Choice { state: state.to_owned(), ..choice.clone() }.address(1);
            Some(Count { state, number: words::number(number), address })
        };
        Condition::ALL.into_iter().filter_map(count).collect()
    }
}
