//! What a reader of the log asks for: the query, and `Last-Event-ID`.

use std::str::FromStr;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use url::form_urlencoded;

use super::Board;
use crate::domain::event::EventKind;
use crate::log;
use crate::store::{Sought, StoreError};

/// Values of one filter.
const MOST_VALUES: usize = 100;

/// A refusal in words.
pub(super) type Refusal = (StatusCode, String);

/// A query, read. Names of feeds are not looked up yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ask {
    /// Events behind this one.
    pub(super) after: Option<u64>,
    /// How many.
    pub(super) limit: Option<usize>,
    /// How long it may take until there is one.
    pub(super) wait: Option<Duration>,
    pub(super) feeds: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) kinds: Vec<EventKind>,
}

impl Ask {
    /// Reads a query that may have the filters and the keys of `known`.
    ///
    /// # Errors
    /// 400 in words.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Refusal> {
        let mut ask = Self::default();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let filter = ["feed", "tag", "type"].contains(&&*key);
            if !filter && !known.contains(&&*key) {
                let all: Vec<_> = known.iter().chain(&["feed", "tag", "type"]).copied().collect();
                return Err(bad(format!("there is no parameter {key:?}; there are {}", all.join(", "))));
            }
            match &*key {
                "after" => ask.after = Some(sequence(&value)?),
                "limit" => ask.limit = Some(limit(&value)?),
                "wait" => ask.wait = Some(wait(&value)?),
                "feed" => ask.feeds.extend(words(&value)),
                "tag" => ask.tags.extend(words(&value)),
                _ => ask.kinds.extend(words(&value).map(kind).collect::<Result<Vec<_>, _>>()?),
            }
        }
        if [ask.feeds.len(), ask.tags.len(), ask.kinds.len()].into_iter().any(|n| n > MOST_VALUES) {
            return Err(bad(format!("at most {MOST_VALUES} values of one filter")));
        }
        Ok(ask)
    }

    /// What is sought, by the numbers of the feeds.
    ///
    /// # Errors
    /// 400 when there is no such feed, 503 when the store does not answer.
    pub(super) async fn sought(&self, board: &Board) -> Result<Sought, Refusal> {
        let mut feeds = vec![];
        if !self.feeds.is_empty() {
            let numbers = board.store.numbers_of(self.feeds.clone()).await.map_err(|e| trouble(&e))?;
            for (name, number) in self.feeds.iter().zip(numbers) {
                feeds.push(number.ok_or_else(|| bad(format!("there is no feed {name:?}")))?);
            }
        }
        Ok(Sought { feeds, tags: self.tags.clone(), kinds: self.kinds.clone() })
    }
}

/// The sequence in `Last-Event-ID`, if there is one.
///
/// # Errors
/// 400 when it is none of ours.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else { return Ok(None) };
    sequence(value.to_str().unwrap_or("?")).map(Some)
}

/// 503, with the chain of causes.
pub(super) fn trouble(error: &StoreError) -> Refusal {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", log::chain(error)))
}

fn bad(words: String) -> Refusal {
    (StatusCode::BAD_REQUEST, words + "\n")
}

fn words(value: &str) -> impl Iterator<Item = String> {
    value.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned)
}

fn digits<T: FromStr>(value: &str) -> Option<T> {
    Some(value).filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

fn sequence(value: &str) -> Result<u64, Refusal> {
    digits(value).ok_or_else(|| bad(format!("{value:?} is no sequence: digits, as in an event's \"sequence\"")))
}

fn limit(value: &str) -> Result<usize, Refusal> {
    digits(value).filter(|n| *n > 0).ok_or_else(|| bad(format!("limit={value:?} is no number from 1 on")))
}

fn wait(value: &str) -> Result<Duration, Refusal> {
    let seconds = digits(value).map(Duration::from_secs);
    seconds.or_else(|| humantime::parse_duration(value).ok()).ok_or_else(|| bad(format!("wait={value:?} is no time such as 30s")))
}

fn kind(word: String) -> Result<EventKind, Refusal> {
    EventKind::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| {
        let all: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        bad(format!("there is no type {word:?}; there are {}", all.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Ask, String> {
        Ask::read(Some(query), &["after", "limit", "wait"]).map_err(|(status, words)| format!("{} {}", status.as_u16(), words.trim_end()))
    }

    #[test]
    fn filters_repeat_or_have_commas() {
        let ask = read(
            "after=00000000000000001042&limit=7&wait=1m&feed=a&feed=b,c&tag=%D0%BD%D0%BE%D0%B2%D0%B8%D0%BD%D0%B8&type=entry.created,feed.gap",
        );
        let expected = Ask {
            after: Some(1042),
            limit: Some(7),
            wait: Some(Duration::from_secs(60)),
            feeds: ["a", "b", "c"].map(String::from).into(),
            tags: vec!["новини".into()],
            kinds: vec![EventKind::Created, EventKind::Gap],
        };
        assert_eq!(ask, Ok(expected));
        assert_eq!(read(""), Ok(Ask::default()));
        assert_eq!(read("wait=30").unwrap().wait, Some(Duration::from_secs(30)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (query, words) in [
            ("after=-1", "400 \"-1\" is no sequence: digits, as in an event's \"sequence\""),
            ("after=", "400 \"\" is no sequence: digits, as in an event's \"sequence\""),
            ("after=+1", "400 \" 1\" is no sequence: digits, as in an event's \"sequence\""),
            ("after=18446744073709551616", "400 \"18446744073709551616\" is no sequence: digits, as in an event's \"sequence\""),
            ("limit=0", "400 limit=\"0\" is no number from 1 on"),
            ("wait=soon", "400 wait=\"soon\" is no time such as 30s"),
            ("afer=1", "400 there is no parameter \"afer\"; there are after, limit, wait, feed, tag, type"),
        ] {
            assert_eq!(read(query), Err(words.into()));
        }
        assert!(read("type=entry").unwrap_err().starts_with("400 there is no type \"entry\"; there are entry.created, entry.updated,"));
        assert_eq!(read(&format!("tag={}", "x,".repeat(101))), Err("400 at most 100 values of one filter".into()));
    }

    #[test]
    fn last_event_id_is_a_sequence_or_nothing() {
        let of = |value: &str| last_event_id(&HeaderMap::from_iter([("last-event-id".parse().unwrap(), value.parse().unwrap())])).ok();
        assert_eq!((of("00000000000000000007"), of(""), of("evt_7")), (Some(Some(7)), Some(None), None));
        assert_eq!(last_event_id(&HeaderMap::new()), Ok(None));
    }
}
