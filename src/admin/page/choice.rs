//! Which feeds are to be seen: what stands in the address of the page.

use axum::http::StatusCode;
use serde::Serialize;
use url::form_urlencoded::{self, Serializer};

use crate::admin::ask::Refusal;
use crate::domain::feed::Condition;
use crate::fetch::Subscription;

/// Characters of a filter.
const LONGEST: usize = 200;

/// A choice of feeds, read from a query. An empty condition holds for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Choice {
    /// In the name, the title or the host, whatever the case.
    pub(super) q: String,
    pub(super) tag: String,
    pub(super) state: String,
    /// From 1.
    pub(super) page: usize,
}

impl Choice {
    /// Reads a query. Parameters that mean nothing here are passed by, as in any page for people.
    ///
    /// # Errors
    /// 400 in words.
    pub(super) fn read(query: Option<&str>) -> Result<Self, Refusal> {
        let states = Condition::ALL.map(Condition::as_str);
        let mut choice = Self { page: 1, ..Self::default() };
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let text = super::words::clean(&value, LONGEST);
            match &*key {
                "q" => choice.q = text,
                "tag" => choice.tag = text,
                "state" if text.is_empty() || states.contains(&&*text) => choice.state = text,
                "state" => return Err(bad(format!("there is no state {text:?}; there are {}", states.join(", ")))),
                "page" => {
                    let number = text.parse().ok().filter(|page| *page > 0);
                    choice.page = number.ok_or_else(|| bad(format!("page={text:?} is no number from 1 on")))?;
                }
                _ => {}
            }
        }
        Ok(choice)
    }

    /// Whether anything is left out.
    pub(super) fn is_filter(&self) -> bool {
        !(self.q.is_empty() && self.tag.is_empty() && self.state.is_empty())
    }

    /// Whether a feed with this title, in this state, is to be seen.
    pub(super) fn chosen(&self) -> impl Fn(&Subscription, Option<&str>, Condition) -> bool {
        let sought = self.q.to_lowercase();
        move |subscription, title, state| {
            let has = |text: &str| text.to_lowercase().contains(&sought);
            (self.state.is_empty() || self.state == state.as_str())
                && (self.tag.is_empty() || subscription.feed.tags.contains(&self.tag))
                && (self.q.is_empty()
                    || has(&subscription.feed.id.0)
                    || has(title.unwrap_or_default())
                    || has(&super::words::host(&subscription.feed.url)))
        }
    }

    /// The address of another page of the same choice.
    pub(super) fn address(&self, page: usize) -> String {
        let page = if page > 1 { page.to_string() } else { String::new() };
        let pairs = [("q", self.q.as_str()), ("tag", &self.tag), ("state", &self.state), ("page", &page)];
        let query: String = Serializer::new(String::new()).extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty())).finish();
        if query.is_empty() { "/".to_owned() } else { format!("/?{query}") }
    }
}

fn bad(words: String) -> Refusal {
    (StatusCode::BAD_REQUEST, words + "\n")
}
