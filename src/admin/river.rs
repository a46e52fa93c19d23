//! `/feed.atom` and `/feed.json`: the newest entries of all feeds, each once, as it is now.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use xxhash_rust::xxh3::xxh3_128;

use super::Board;
use super::ask::{self, Ask, Refusal};
use super::events::{NOSNIFF, rendered};
use crate::domain::event::{Event, EventId, EventKind};
use crate::domain::time::Timestamp;
use crate::sink::river::{self, Format, Head};
use crate::store::{Most, Sought, StoreError};

/// Entries, unless asked otherwise, and at most.
const ENTRIES: usize = 100;
const MOST_ENTRIES: usize = 500;

/// Bytes of entries, after which the river ends early.
const MOST_BYTES: usize = 8 << 20;

/// What is read of the log at once, and how often: a river whose sources are rare ends early too.
const SHARE: Most = Most { events: 64, bytes: 512 << 10 };
const SHARES: usize = 40;

pub(super) async fn atom(State(board): State<Arc<Board>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    answer(&board, &headers, query.as_deref(), Format::Atom).await.unwrap_or_else(IntoResponse::into_response)
}

pub(super) async fn json(State(board): State<Arc<Board>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    answer(&board, &headers, query.as_deref(), Format::Json).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(board: &Board, headers: &HeaderMap, query: Option<&str>, format: Format) -> Result<Response, Refusal> {
    let ask = Ask::read(query, &["limit"])?;
    let mut sought = ask.sought(board).await?;
    if sought.kinds.is_empty() {
        sought.kinds = vec![EventKind::Created, EventKind::Updated];
    }
    let (instance, url) = (board.panel().poller.instance.clone(), address(headers, query, format));
    // What is read comes no earlier than what the tag stands for.
    let tag = tag_of(&[env!("CARGO_PKG_VERSION"), &instance, &url, &board.store.sequence().to_string()]);
    if headers.get_all(header::IF_NONE_MATCH).iter().any(|value| names(value, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let limit = ask.limit.unwrap_or(ENTRIES).min(MOST_ENTRIES);
    let render = move |event: &Event| format.entry(event).map(|entry| (entry.len(), entry));
    let (entries, newest) = newest(board, &sought, limit, render).await.map_err(|e| ask::trouble(&e))?;
    let selection = selection(&ask);
    let head = Head { instance: &instance, selection: &selection, url: &url, updated: newest.unwrap_or(board.started) };
    let headers = [(header::CONTENT_TYPE, format.content_type()), (header::ETAG, &tag), NOSNIFF];
    Ok((headers, format.document(&head, &entries)).into_response())
}

/// The newest entries, each with its size as it is written, and when the newest was told.
pub(super) async fn newest<T: Send + 'static>(
    board: &Board,
    sought: &Sought,
    limit: usize,
    render: impl Fn(&Event) -> Option<(usize, T)> + Copy + Send + 'static,
) -> Result<(Vec<T>, Option<Timestamp>), StoreError> {
    let (mut entries, mut newest, mut known) = (vec![], None, HashSet::new());
    let (mut at, mut bytes) = (u64::MAX, 0);
    for _ in 0..SHARES {
        let mut share = board.store.events_before(at, sought, SHARE).await?;
        collapse(&mut share.events, &mut known);
        share.events.truncate(limit - entries.len());
        newest = newest.or(share.events.first().map(|event| event.scene.time));
        for (size, entry) in rendered(share.events, render).await.into_iter().flatten() {
            bytes += size;
            if bytes > MOST_BYTES && !entries.is_empty() {
                return Ok((entries, newest));
            }
            entries.push(entry);
        }
        at = share.next;
        if !share.more || entries.len() >= limit {
            break;
        }
    }
    Ok((entries, newest))
}

/// Of an entry that was told of more than once, leaves what was told last; events come newest first.
fn collapse(events: &mut Vec<Event>, known: &mut HashSet<EventId>) {
    events.retain(|event| river::identity(event).is_some_and(|id| known.insert(id.clone())));
}

/// The URL that the river was asked for by.
fn address(headers: &HeaderMap, query: Option<&str>, format: Format) -> String {
    let is_host = |host: &&str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-_[]".contains(&byte));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(is_host).unwrap_or("localhost");
    let path = match format {
        Format::Atom => "feed.atom",
        Format::Json => "feed.json",
    };
    let query = query.filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default();
    format!("http://{host}/{path}{query}")
}

/// What the filters select, in words, whatever the order in which they were given.
fn selection(ask: &Ask) -> Vec<String> {
    let sorted = |name: &str, mut words: Vec<String>| {
        words.sort();
        words.into_iter().flat_map(|word| [name.to_owned(), word]).collect::<Vec<_>>()
    };
    let kinds = ask.kinds.iter().map(ToString::to_string).collect();
    [sorted("feed", ask.feeds.clone()), sorted("tag", ask.tags.clone()), sorted("type", kinds)].concat()
}

/// A weak one: what is no longer kept leaves the end of the river without notice.
fn tag_of(parts: &[&str]) -> String {
    format!("W/\"{:032x}\"", xxh3_128(parts.join("\0").as_bytes()))
}

/// Whether `If-None-Match` (RFC 9110, section 13.1.2) names the tag; weakly, as it is to be compared there.
fn names(value: &HeaderValue, tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    value.to_str().is_ok_and(|value| value.trim() == "*" || value.split(',').any(|named| bare(named) == bare(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::What;
    use crate::sink::sample;

    #[test]
    fn an_entry_is_there_once_as_it_is_now() {
        let event = |sequence, kind, id, first: Option<u128>| {
            let mut event = sample::event(kind);
            (event.sequence, event.happening.id) = (sequence, EventId::from_bits(id));
            if let What::Entry(report) = &mut event.happening.what {
                report.first = first.map(EventId::from_bits);
            }
            event
        };
        let mut known = HashSet::new();
        let mut later =
            vec![event(9, EventKind::Updated, 12, Some(1)), event(8, EventKind::Gap, 50, None), event(7, EventKind::Updated, 11, Some(1))];
        let mut earlier = vec![event(3, EventKind::Created, 2, None), event(2, EventKind::Created, 1, None)];
        collapse(&mut later, &mut known);
        collapse(&mut earlier, &mut known);
        let left: Vec<_> = later.iter().chain(&earlier).map(|event| event.sequence).collect();
        assert_eq!(left, [9, 3]);
    }

    #[test]
    fn a_tag_is_named_in_a_list_strong_or_weak() {
        let tag = tag_of(&["a", "b"]);
        let named = |value: &str| names(&value.parse().unwrap(), &tag);
        assert!(named(&tag) && named(&tag.replace("W/", "")) && named(&format!("\"x\", {tag}")) && named("*"));
        assert!(!named("\"x\"") && !named(""));
        assert_ne!(tag, tag_of(&["a", "c"]));
    }

    #[test]
    fn an_address_is_where_it_was_asked_for() {
        let of = |host: &str, query| address(&HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]), query, Format::Atom);
        assert_eq!(of("127.0.0.1:7744", Some("limit=3&feed=a")), "http://127.0.0.1:7744/feed.atom?limit=3&feed=a");
        assert_eq!((of("[::1]", None), of("a/b", Some(""))), ("http://[::1]/feed.atom".into(), "http://localhost/feed.atom".into()));
    }
}
