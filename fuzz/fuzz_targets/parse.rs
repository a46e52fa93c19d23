//! Any bytes are a document, or are refused; whatever is read of them is bounded and harmless.
//!
//! An input may begin with lines that say how it was received: `Content-Type: …`, `URL: …`. What follows is the document.

#![no_main]

use feedwire::domain::feed::{Body, Document, Known};
use feedwire::parse::{Source, parse};
use feedwire::sink::payload;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// So many entries are read.
const MOST_ENTRIES: usize = 200;

/// What one byte may become: a relative link grows by the address of its document.
const GROWTH: usize = 4096;

/// What is kept of a title, in characters.
const LONGEST_TITLE: usize = 2000;

/// What is kept of an identifier or a link, in bytes; resolving a link escapes each byte as three.
const LONGEST_LINK: usize = 2048 * 3 * 2;

/// Lists of one entry.
const MOST: usize = 100;

fuzz_target!(|input: &[u8]| {
    let received = Received::new(input);
    let Some(document) = received.read(&Known::new()) else {
        assert!(received.read(&Known::new()).is_none(), "refused once, read the next time");
        return;
    };
    check(&document, input.len());

    let again = received.read(&Known::new()).expect("read once, refused the next time");
    assert_eq!(document, again, "read twice, understood in two ways");
    let known: Known = document.entries.iter().map(|entry| entry.fingerprint).collect();
    let known = received.read(&known).expect("read once, refused when known");
    assert!(known.entries.iter().all(|entry| entry.body == Body::Known), "a known entry was parsed");
});

/// An input: a document and how it was received.
struct Received<'a> {
    content_type: Option<&'a str>,
    url: Option<&'a str>,
    bytes: &'a [u8],
}

impl<'a> Received<'a> {
    fn new(input: &'a [u8]) -> Self {
        let mut received = Self { content_type: None, url: None, bytes: input };
        while let Some(end) = received.bytes.iter().position(|b| *b == b'\n') {
            let (line, rest) = (&received.bytes[..end], &received.bytes[end + 1..]);
            match std::str::from_utf8(line).ok().and_then(|line| line.split_once(": ")) {
                Some(("Content-Type", value)) => received.content_type = Some(value),
                Some(("URL", value)) => received.url = Some(value),
                _ => break,
            }
            received.bytes = rest;
        }
        received
    }

    fn read(&self, known: &Known) -> Option<Document> {
        let source = Source { bytes: self.bytes, content_type: self.content_type, url: self.url, max_entries: MOST_ENTRIES };
        parse(&source, known).ok()
    }
}

fn check(document: &Document, input: usize) {
    assert!(document.entries.len() <= MOST_ENTRIES);
    let mut written = 0;
    for entry in &document.entries {
        let Body::Parsed(entry) = &entry.body else { continue };
        let json = serde_json::to_vec(&payload::entry(entry, 0)).expect("an entry is JSON");
        written += json.len();
        let json: Value = serde_json::from_slice(&json).expect("what was written is read");
        check_entry(&json);
    }
    assert!(written <= (input + 64) * GROWTH, "{input} bytes became {written}");
}

/// What is too long in one entry was cut.
fn check_entry(entry: &Value) {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let list = |key: &str| entry.get(key).and_then(Value::as_array).expect("a list");
    if let Some(title) = text("title") {
        assert!(!title.is_empty() && title.chars().count() <= LONGEST_TITLE, "title of {} characters", title.chars().count());
        assert!(!title.contains(char::is_control), "control character in {title:?}");
    }
    for key in ["id", "url", "image"] {
        let fits = |link: &str| !link.is_empty() && link.len() <= LONGEST_LINK;
        assert!(text(key).is_none_or(fits), "{key}: {:?}", text(key));
    }
    for key in ["authors", "categories", "enclosures"] {
        assert!(list(key).len() <= MOST, "{} {key}", list(key).len());
    }
    assert!(text("published").is_none() || text("published_raw").is_none(), "a date both read and unreadable");
    if let Some(html) = text("content_html") {
        harmless(html);
    }
}

/// Clean HTML is serialised by the sanitiser: `<` begins a tag wherever it stands outside of a value, and values are in double quotes.
fn harmless(html: &str) {
    if !html.contains(['<', '&']) {
        return;
    }
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let mut tag = String::new();
        let mut values = vec![];
        let mut inside = rest[at + 1..].chars();
        loop {
            match inside.next() {
                Some('>') => break,
                Some('"') => values.push(inside.by_ref().take_while(|c| *c != '"').collect::<String>()),
                Some(c) => tag.push(c.to_ascii_lowercase()),
                None => panic!("a tag without an end in {html:?}"),
            }
        }
        rest = inside.as_str();
        let mut words = tag.trim_start_matches('/').split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let acts = ["script", "style", "iframe", "object", "embed", "svg", "math", "form", "input", "link", "meta", "base", "template"];
        assert!(!acts.contains(&name), "<{name}> in {html:?}");
        assert!(!words.any(|attribute| attribute.starts_with("on")), "a handler in <{tag}> of {html:?}");
        let scripts = |value: &String| value.trim_start().to_ascii_lowercase().starts_with("javascript:");
        assert!(!(tag.contains("href=") || tag.contains("src=")) || !values.iter().any(scripts), "{values:?} in {html:?}");
    }
}
