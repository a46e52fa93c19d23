//! JSON Feed 1.0 and 1.1, read leniently: a wrong type costs the field, a missing version or title nothing.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use url::Url;
use xxhash_rust::xxh3::xxh3_128;

use super::{PARSER_VERSION, ParseError, dates, fields, hints};
use crate::domain::entry::{Enclosure, Entry, Markup, Person};
use crate::domain::feed::{Body, Document, Fingerprint, Head, Known, Scanned};
use crate::domain::hints::Hints;

/// What is read of the feed itself. Items stay as they are written until it is known that they are new.
#[derive(serde::Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
    version: Option<Value>,
    title: Option<Value>,
    home_page_url: Option<Value>,
    language: Option<Value>,
    feed_url: Option<Value>,
    next_url: Option<Value>,
    hubs: Option<Value>,
    expired: Option<Value>,
    author: Option<Value>,
    authors: Option<Value>,
}

/// Reads a JSON Feed. Items in `known` are not parsed.
pub(super) fn parse(json: &str, base: Option<&Url>, max_entries: usize, known: &Known) -> Result<Document, ParseError> {
    let json = json.trim_start_matches('\u{feff}').trim();
    let written: Written<'_> = serde_json::from_str(json).map_err(|e| ParseError::Json(e.to_string()))?;
    let is_feed = written.version.as_ref().and_then(Value::as_str).is_some_and(|v| v.contains("jsonfeed"));
    let items = match written.items {
        Some(items) => items,
        None if is_feed => vec![],
        None => return Err(ParseError::Json("it has no items".into())),
    };
    let text_of = |value: &Option<Value>| value.as_ref().and_then(text);
    let url_of = |value: &Option<Value>| text_of(value).and_then(|url| fields::resolve(base, &url));
    let mut hubs = vec![];
    let written_hubs = written.hubs.as_ref().and_then(Value::as_array).into_iter().flatten();
    let hub_urls = written_hubs.filter_map(|hub| fields::resolve(base, &hub.get("url").and_then(text)?));
    hub_urls.for_each(|hub| hints::push_hub(hub, &mut hubs));
    let head = Head {
        title: text_of(&written.title).map(|t| fields::title(&t)),
        site_url: url_of(&written.home_page_url),
        language: text_of(&written.language),
        hints: Box::new(Hints {
            hubs,
            self_url: url_of(&written.feed_url),
            next_url: url_of(&written.next_url),
            expired: written.expired == Some(Value::Bool(true)),
            ..Hints::default()
        }),
    };
    let authors = people(written.authors.as_ref(), written.author.as_ref());
    let read = |raw: &&RawValue| {
        let fingerprint = Fingerprint(xxh3_128(format!("{PARSER_VERSION}\0{}", raw.get()).as_bytes()));
        let body = match serde_json::from_str::<Value>(raw.get()) {
            _ if known.contains(&fingerprint) => Body::Known,
            Ok(Value::Object(item)) => Body::Parsed(Box::new(entry(&item, base, &head, &authors))),
            Ok(_) => Body::Broken("it is no object".into()),
            Err(e) => Body::Broken(e.to_string()),
        };
        Scanned { fingerprint, body }
    };
    let entries = items.iter().take(max_entries).map(read).collect();
    let dropped = u32::try_from(items.len().saturating_sub(max_entries)).unwrap_or(u32::MAX);
    Ok(Document { head, entries, complete: true, dropped, repairs: vec![] })
}

fn entry(item: &Map<String, Value>, base: Option<&Url>, head: &Head, feed_authors: &[Person]) -> Entry {
    let get = |key: &str| item.get(key).and_then(text);
    let url = |key: &str| get(key).and_then(|url| fields::resolve(base, &url));
    let (published, updated) = (get("date_published"), get("date_modified"));
    let mut entry = Entry {
        id: get("id").and_then(fields::identifying),
        url: url("url").or_else(|| url("external_url")),
        title: get("title").map(|t| fields::title(&t)).filter(|t| !t.is_empty()),
        authors: people(item.get("authors"), item.get("author")),
        published: published.as_deref().and_then(|text| dates::parse(text, 0)),
        updated: updated.as_deref().and_then(|text| dates::parse(text, 0)),
        language: get("language").or_else(|| head.language.clone()),
        summary: get("summary").map(Markup::Text),
        content: get("content_html").map(Markup::Html).or_else(|| get("content_text").map(Markup::Text)),
        image: url("image").or_else(|| url("banner_image")),
        base: base.map(Url::to_string),
        ..Entry::default()
    };
    entry.published_raw = published.filter(|_| entry.published.is_none()).map(|raw| fields::cut(&raw));
    if entry.authors.is_empty() {
        entry.authors = feed_authors.to_vec();
    }
    for tag in item.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(text).take(fields::MOST) {
        let tag = fields::cut(&tag);
        if !entry.categories.contains(&tag) {
            entry.categories.push(tag);
        }
    }
    let attachments = item.get("attachments").and_then(Value::as_array).into_iter().flatten();
    for attachment in attachments.take(fields::MOST) {
        if let Some(url) = attachment.get("url").and_then(text).and_then(|url| fields::resolve(base, &url)) {
            let length = attachment.get("size_in_bytes").and_then(Value::as_u64);
            entry.enclosures.push(Enclosure { url, media_type: attachment.get("mime_type").and_then(text), length });
        }
    }
    entry
}

fn people(authors: Option<&Value>, author: Option<&Value>) -> Vec<Person> {
    let name = |value: &Value| value.get("name").and_then(text).or_else(|| text(value));
    let many = authors.and_then(Value::as_array).into_iter().flatten();
    many.chain(author).filter_map(name).take(fields::MOST).map(|name| Person { name: fields::cut(&name) }).collect()
}

/// Text, or a number written as one; trimmed, as much of it as is kept, without control characters that no text has.
fn text(value: &Value) -> Option<String> {
    let stray = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{80}'..='\u{9f}');
    let text = match value {
        Value::String(text) if text.contains(stray) => fields::beginning(text.trim()).replace(stray, ""),
        Value::String(text) => fields::beginning(text.trim()).to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}
