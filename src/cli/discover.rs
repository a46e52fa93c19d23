//! `feedwire discover`: the feeds that a page offers.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{DiscoverArgs, Failure, network};
use crate::domain::feed::{Document, Known};
use crate::fetch::{Content, Fetcher, Settings};
use crate::parse::{self, ParseError, Source, discover};
use crate::{clock, log};

/// Between two requests: they go to one host, most often.
const GAP: Duration = Duration::from_secs(1);

/// Prints a line for each feed that the page offers and that can be read; those at the usual places when it offers none.
///
/// # Errors
/// 65 when there is none, 1 when the page cannot be had.
pub async fn run(args: &DiscoverArgs, out: &mut impl Write) -> Result<(), Failure> {
    let allow_private = args.allow_private.iter().map(|net| network(net)).collect::<Result<_, _>>()?;
    let settings = Settings { allow_private, ..Settings::default() };
    let fetcher = Fetcher::new(&settings).map_err(|e| Failure::runtime(log::chain(&e)))?;
    let found = find(&fetcher, &args.url).await?;
    if found.is_empty() {
        return Err(Failure::new(65, format!("{} offers no feed, and there is none at the usual places", args.url)));
    }
    let line = |feed: &Found| {
        if args.json {
            serde_json::json!({ "url": feed.url, "title": feed.title, "entries": feed.entries }).to_string()
        } else {
            format!("{}  {} ({})", feed.url, feed.title.as_deref().unwrap_or("(no title)"), log::counted(feed.entries, "entry"))
        }
    };
    let printed = found.iter().try_for_each(|feed| writeln!(out, "{}", line(feed)));
    printed.map_err(|e| Failure::runtime(format!("cannot print: {e}")))
}

/// A feed that was found and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is, after redirects.
    pub url: String,
    /// Its own title, else what the page calls it.
    pub title: Option<String>,
    /// How many entries it has.
    pub entries: usize,
}

/// What was found at a URL.
enum Page {
    Feed(Found),
    Html { bytes: Vec<u8>, content_type: Option<String>, url: Url },
}

/// The feed at a URL, or the feeds that the page there offers and that can be read.
///
/// # Errors
/// 1 when the page cannot be had, 65 when it is neither a feed nor a page.
pub async fn find(fetcher: &Fetcher, url: &str) -> Result<Vec<Found>, Failure> {
    let (bytes, content_type, url) = match look(fetcher, url).await? {
        Page::Feed(feed) => return Ok(vec![feed]),
        Page::Html { bytes, content_type, url } => (bytes, content_type, url),
    };
    let mut found: Vec<Found> = vec![];
    for offer in discover::offers(&bytes, content_type.as_deref(), &url) {
        clock::wait_until(clock::now().after(GAP)).await;
        if let Ok(Page::Feed(feed)) = look(fetcher, &offer.url).await {
            found.push(Found { title: feed.title.or(offer.title), ..feed });
        }
    }
    for guess in discover::guesses(&url) {
        if !found.is_empty() {
            break;
        }
        clock::wait_until(clock::now().after(GAP)).await;
        if let Ok(Page::Feed(feed)) = look(fetcher, &guess).await {
            found.push(feed);
        }
    }
    let mut seen = HashSet::new();
    found.retain(|feed| seen.insert(feed.url.clone()));
    Ok(found)
}

async fn look(fetcher: &Fetcher, url: &str) -> Result<Page, Failure> {
    let answer = fetcher.fetch(url, &Arc::default()).await.map_err(|e| Failure::runtime(format!("{url}: {e}")))?;
    let validators = answer.validators;
    let Content::Body { bytes, content_type } = answer.content else {
        return Err(Failure::runtime(format!("{url}: 304 to a request without validators")));
    };
    let source = Source { bytes: &bytes, content_type: content_type.as_deref(), url: Some(&validators.url), max_entries: usize::MAX };
    match parse::parse(&source, &Known::new()) {
        Ok(Document { head, entries, .. }) => Ok(Page::Feed(Found { url: validators.url, title: head.title, entries: entries.len() })),
        Err(ParseError::Html) => {
            let url = Url::parse(&validators.url).map_err(|e| Failure::new(65, format!("{url}: {e}")))?;
            Ok(Page::Html { bytes, content_type, url })
        }
        Err(e) => Err(Failure::new(65, format!("{url}: {e}"))),
    }
}
