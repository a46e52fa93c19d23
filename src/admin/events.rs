//! `/v1/events`: the log, a page at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::Board;
use super::ask::{self, Ask, Refusal};
use crate::domain::event::Event;
use crate::sink::payload::{self, Content};
use crate::store::{Most, Sought, StoreError};

/// Events on one page, unless asked otherwise, and at most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// Bytes of events on one page; one event may be larger, alone.
const PAGE_BYTES: usize = 4 << 20;

/// Bytes of the log that are read at once, and how often for one page: where little is found the page ends, and the next one goes on.
const SHARE_BYTES: usize = 512 << 10;
const SHARES: usize = 20;

/// How long a request may wait for an event.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What no page lets a browser do: take it for something else than it says.
pub(super) const NOSNIFF: (header::HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

pub(super) async fn events(State(board): State<Arc<Board>>, RawQuery(query): RawQuery) -> Response {
    match Ask::read(query.as_deref(), &["after", "limit", "wait"]) {
        Ok(ask) => answer(&board, &ask).await.unwrap_or_else(IntoResponse::into_response),
        Err(refusal) => refusal.into_response(),
    }
}

async fn answer(board: &Board, ask: &Ask) -> Result<Response, Refusal> {
    let sought = ask.sought(board).await?;
    let limit = ask.limit.unwrap_or(PAGE).min(LARGEST_PAGE);
    let mut news = board.store.news();
    let mut page = Page { next: ask.after.unwrap_or(0), ..Page::default() };
    page.fill(board, &sought, limit).await.map_err(|e| ask::trouble(&e))?;
    if let Some(wait) = ask.wait.filter(|_| page.is_idle()) {
        let mut place = match board.readers.enter() {
            Ok(place) => place,
            Err(full) => return Ok(*full),
        };
        let end = Instant::now() + wait.min(LONGEST_WAIT);
        while page.is_idle() {
            tokio::select! {
                changed = news.changed() => if changed.is_err() { break },
                _ = place.stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep_until(end) => break,
            }
            page.fill(board, &sought, limit).await.map_err(|e| ask::trouble(&e))?;
        }
    }
    // Whoever names no place begins with what there is, and misses nothing.
    page.gap &= ask.after.is_some();
    Ok(([(header::CONTENT_TYPE, "application/json"), NOSNIFF], page.into_json()).into_response())
}

/// A page in the making.
#[derive(Debug, Default)]
struct Page {
    /// The events, with commas between.
    events: Vec<u8>,
    count: usize,
    next: u64,
    more: bool,
    gap: bool,
}

impl Page {
    /// Whether there is nothing to tell and nothing to look for.
    fn is_idle(&self) -> bool {
        self.count == 0 && !self.more && !self.gap
    }

    /// Reads on from where the page ends.
    async fn fill(&mut self, board: &Board, sought: &Sought, limit: usize) -> Result<(), StoreError> {
        for _ in 0..SHARES {
            let most = Most { events: limit - self.count, bytes: SHARE_BYTES };
            let share = board.store.events_after(self.next, sought, most).await?;
            self.gap |= share.gap;
            let full = self.append(rendered(share.events, body).await);
            if !full {
                (self.next, self.more) = (share.next, share.more);
            }
            if full || !self.more || self.count >= limit {
                break;
            }
        }
        Ok(())
    }

    /// Appends events as long as there is room; says whether there was not.
    fn append(&mut self, bodies: Vec<(u64, Vec<u8>)>) -> bool {
        for (sequence, body) in bodies {
            if self.count > 0 && self.events.len() + body.len() > PAGE_BYTES {
                self.more = true;
                return true;
            }
            if self.count > 0 {
                self.events.push(b',');
            }
            self.events.extend(body);
            self.next = sequence;
            self.count += 1;
        }
        false
    }

    fn into_json(self) -> Vec<u8> {
        let end = format!("],\"next\":\"{:020}\",\"more\":{},\"gap\":{}}}\n", self.next, self.more, self.gap);
        [b"{\"events\":[", &self.events[..], end.as_bytes()].concat()
    }
}

/// The very body that a webhook would get, content whole.
fn body(event: &Event) -> (u64, Vec<u8>) {
    (event.sequence, payload::event(event, Content::All, None))
}

/// What is made of events, off the async workers: cleaning their markup is work.
pub(super) async fn rendered<T: Send + 'static>(events: Vec<Event>, render: impl Fn(&Event) -> T + Send + 'static) -> Vec<T> {
    if events.is_empty() {
        return vec![];
    }
    let rendered = tokio::task::spawn_blocking(move || events.iter().map(render).collect());
    // Nothing there panics, whatever a feed wrote; if something did, the hook has said so.
    rendered.await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_before_it_is_too_large_and_holds_one_event_at_least() {
        let mut page = Page::default();
        let huge = |sequence| (sequence, vec![b'1'; PAGE_BYTES + 1]);
        assert!(page.append(vec![huge(7), huge(8)]));
        assert_eq!((page.count, page.next, page.more), (1, 7, true));
        let mut page = Page::default();
        assert!(!page.append(vec![(1, b"{}".to_vec()), (2, b"[]".to_vec())]));
        assert_eq!(page.into_json(), b"{\"events\":[{},[]],\"next\":\"00000000000000000002\",\"more\":false,\"gap\":false}\n");
        assert_eq!(Page::default().into_json(), b"{\"events\":[],\"next\":\"00000000000000000000\",\"more\":false,\"gap\":false}\n");
    }
}
