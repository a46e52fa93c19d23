//! RSS, RDF and Atom. The only file that names feed-rs: it gets small clean documents, made of what is new, so that nothing can make it
//! refuse, panic or overflow the stack; and it is fenced off all the same.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use url::Url;

use super::children::{Child, Prefixes, Space, Tags, children};
use super::entities::push_cdata;
use super::fields::Written;
use super::lex::{Lexer, Tag, Token};
use super::scan::{Dialect, Scan};
use super::{fields, hints, mojibake};
use crate::domain::entry::{Entry, Markup, Person};
use crate::domain::feed::{Body, Document, Head, Known, Scanned};

/// Entries in one document for feed-rs.
const BATCH: usize = 64;

/// Reads a document that was taken apart.
pub(super) fn parse(scan: &Scan<'_>, base: Option<&Url>, known: &Known) -> Document {
    let prefixes = Prefixes::of(&scan.around);
    let feed = Feed::of(scan, base, &prefixes);
    let mut entries: Vec<_> = scan.entries.iter().map(|e| Scanned { fingerprint: scan.fingerprint(e), body: Body::Known }).collect();
    let new = entries.iter_mut().zip(&scan.entries).filter(|(scanned, _)| !known.contains(&scanned.fingerprint));
    let new: Vec<_> = new.map(|(scanned, text)| (scanned, Written::new(text, &prefixes))).collect();
    let mut new = new.into_iter().peekable();
    while new.peek().is_some() {
        let (scanned, written): (Vec<_>, Vec<_>) = new.by_ref().take(BATCH).unzip();
        for ((scanned, written), body) in scanned.into_iter().zip(&written).zip(read(&written, scan.dialect)) {
            scanned.body = body.map_or_else(Body::Broken, |entry| Body::Parsed(Box::new(finish(entry, written, &feed))));
        }
    }
    Document { head: feed.head, entries, complete: scan.complete, dropped: scan.dropped, repairs: scan.repairs.clone() }
}

/// `xml:base` of the outer elements, the inner ones relative to the outer.
fn own_base(around: &[Tag<'_>], base: Option<&Url>) -> Option<Url> {
    around.iter().fold(base.cloned(), |base, tag| {
        let own = tag.attribute("base").and_then(|own| fields::resolve(base.as_ref(), own));
        own.and_then(|own| Url::parse(&own).ok()).or(base)
    })
}

/// What is said of the feed, and what its entries take over from it.
struct Feed {
    head: Head,
    authors: Vec<Person>,
    base: Option<Url>,
    /// Of dates without a zone, in seconds east of UTC.
    zoneless: i32,
}

impl Feed {
    fn of(scan: &Scan<'_>, base: Option<&Url>, prefixes: &Prefixes<'_>) -> Self {
        let base = own_base(&scan.around, base);
        let elements: Vec<Child<'_>> = scan.head.iter().flat_map(|piece| children(inside(piece), prefixes)).collect();
        let text = |space, name: &str| fields::first(&elements, space, &[name]).and_then(Child::text);
        let lang = scan.around.iter().rev().find_map(|tag| tag.attribute("lang")).map(str::to_owned);
        let head = Head {
            title: text(Space::Core, "title").map(|t| fields::title(&t)).filter(|t| !t.is_empty()),
            site_url: fields::page(&elements, base.as_ref()),
            language: text(Space::Core, "language").or_else(|| text(Space::Dc, "language")).or(lang).map(|l| l.trim().to_owned()),
            hints: Box::new(hints::hints(&elements, base.as_ref(), prefixes)),
        };
        Self { head, authors: fields::people(&elements, prefixes), zoneless: fields::offset_of_feed(&elements), base }
    }
}

/// The head without the tags around it, so that its elements are the outermost.
fn inside(piece: &str) -> &str {
    let mut lexer = Lexer::new(piece);
    let mut begin = 0;
    while let Some(token) = lexer.next() {
        match token {
            Token::Start(tag) if ["rss", "rdf", "feed", "channel"].iter().any(|outer| tag.local().eq_ignore_ascii_case(outer)) => {
                begin = lexer.position();
            }
            Token::Start(_) => break,
            _ => {}
        }
    }
    piece.get(begin..).unwrap_or_default()
}

/// Has feed-rs read the entries: all in one document, and one by one if that goes wrong.
fn read(written: &[Written<'_>], dialect: Dialect) -> Vec<Result<feed_rs::model::Entry, String>> {
    match fenced(&document(written, dialect)) {
        Ok(entries) if entries.len() == written.len() => entries.into_iter().map(Ok).collect(),
        _ => written.chunks(1).map(|one| alone(one, dialect)).collect(),
    }
}

fn alone(one: &[Written<'_>], dialect: Dialect) -> Result<feed_rs::model::Entry, String> {
    let entries = fenced(&document(one, dialect))?;
    entries.into_iter().next().ok_or_else(|| "it has nothing in it that is understood".to_owned())
}

fn fenced(document: &str) -> Result<Vec<feed_rs::model::Entry>, String> {
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        let parser = feed_rs::parser::Builder::new().id_generator(|_, _, _| String::new()).timestamp_parser(|_| None).build();
        parser.parse(document.as_bytes()).map(|feed| feed.entries)
    }));
    match parsed {
        Ok(Ok(entries)) => Ok(entries),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => Err("the parser panicked; this is a bug".into()),
    }
}

/// A clean document of what feed-rs is asked to read. Well-formed by construction, nothing nested.
fn document(written: &[Written<'_>], dialect: Dialect) -> String {
    let size: usize = written.iter().map(|w| w.around.inner.len() + 200).sum();
    let mut out = String::with_capacity(size + 300);
    let (open, item, close) = match dialect {
        Dialect::Rss => (
            "<rss version=\"2.0\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\"><channel><title>x</title>",
            "item",
            "</channel></rss>",
        ),
        Dialect::Atom => ("<feed xmlns=\"http://www.w3.org/2005/Atom\"><id>x</id><title>x</title>", "entry", "</feed>"),
    };
    out.push_str(open);
    for entry in written {
        out.extend(["<", item, ">"]);
        push_entry(entry, dialect, &mut out);
        out.extend(["</", item, ">"]);
    }
    out.push_str(close);
    out
}

/// Where the title is looked for, best first.
const TITLES: &[(Space, &str)] = &[(Space::Core, "title"), (Space::Dc, "title"), (Space::Media, "title"), (Space::Itunes, "title")];

/// Where the short form is looked for.
const SUMMARIES: &[(Space, &str)] = &[
    (Space::Core, "description"),
    (Space::Core, "summary"),
    (Space::Dc, "description"),
    (Space::Itunes, "summary"),
    (Space::Media, "description"),
    (Space::Itunes, "subtitle"),
    (Space::Core, "abstract"),
    (Space::Core, "tagline"),
];

/// Where the long form is looked for.
const CONTENTS: &[(Space, &str)] = &[
    (Space::Content, "encoded"),
    (Space::Core, "content"),
    (Space::Xhtml, "body"),
    (Space::Xhtml, "div"),
    (Space::Core, "body"),
    (Space::Core, "encoded"),
    (Space::Core, "fulltext"),
    (Space::Core, "fullitem"),
    (Space::Other, "full-text"),
];

/// One entry, in the words that feed-rs knows.
fn push_entry(entry: &Written<'_>, dialect: Dialect, out: &mut String) {
    let find = |places: &[(Space, &str)]| {
        let filled: fn(&&Child<'_>) -> bool = |child| !child.inner.trim_ascii().is_empty();
        let one = |(space, name): &(Space, &str)| {
            let of = |space: Space| entry.elements.iter().filter(filled).find(|child| child.is(space, name));
            of(*space).or_else(|| of(Space::Atom).filter(|_| *space == Space::Core))
        };
        let in_media = || places.iter().find_map(|(space, name)| entry.media.0.iter().filter(filled).find(|c| c.is(*space, name)));
        places.iter().find_map(one).or_else(in_media).cloned()
    };
    let content = find(CONTENTS).filter(|content| content.attribute("src").is_none());
    match dialect {
        Dialect::Rss => {
            push("title", "", Tags::Dropped, find(TITLES), out);
            push("description", "", Tags::Kept, find(SUMMARIES), out);
            push("content:encoded", "", Tags::Kept, content, out);
        }
        Dialect::Atom => {
            out.push_str("<id>x</id>");
            push_construct("title", find(TITLES), out);
            push_construct("summary", find(SUMMARIES), out);
            push_construct("content", content, out);
        }
    }
}

/// An Atom text construct, whatever its publisher calls its type: as text, or as HTML escaped once.
fn push_construct(name: &str, child: Option<Child<'_>>, out: &mut String) {
    let Some(child) = child else { return };
    let kind = child.attribute("type").unwrap_or_default().to_ascii_lowercase();
    let mode = child.attribute("mode").unwrap_or_default();
    let html = kind.contains("html")
        || (mode == "escaped" && !kind.contains("plain"))
        || child.has_elements()
        || !matches!(child.space, Space::Core | Space::Atom);
    let attributes = if html { " type=\"html\"" } else { " type=\"text\"" };
    // RFC 4287 §4.1.3.3: what is neither text nor XML is packed.
    let binary = kind.contains('/') && !kind.starts_with("text/") && !kind.ends_with("xml") && !kind.starts_with("multipart/");
    let packed = mode == "base64" || binary;
    if let Some(text) = if packed { child.text().and_then(|text| base64(&text)) } else { None } {
        out.extend(["<", name, attributes, ">"]);
        push_cdata(&text, out);
        out.extend(["</", name, ">"]);
        return;
    }
    let tags = match html {
        true if kind.contains("xhtml") => Tags::Strict,
        true => Tags::Kept,
        false => Tags::Dropped,
    };
    push(name, attributes, tags, Some(child), out);
}

fn base64(text: &str) -> Option<String> {
    let packed: String = text.split_ascii_whitespace().collect();
    String::from_utf8(BASE64_STANDARD.decode(packed).ok()?).ok()
}

/// An element with what a child holds: plain text, or HTML escaped once. Nothing for an empty one.
fn push(name: &str, attributes: &str, tags: Tags, child: Option<Child<'_>>, out: &mut String) {
    let Some(mut child) = child.filter(|c| !c.inner.trim_ascii().is_empty()) else { return };
    child.inner = fields::beginning(child.inner);
    let section = child.inner.trim_ascii().strip_prefix("<![CDATA[").and_then(|inside| inside.strip_suffix("]]>"));
    let written = match section {
        // As most publishers write it.
        Some(inside) if !inside.contains("]]>") => Cow::Borrowed(inside),
        _ if !child.inner.contains(['<', '&']) => Cow::Borrowed(child.inner),
        _ => Cow::Owned(if tags == Tags::Dropped { child.text() } else { child.markup(tags) }.unwrap_or_default()),
    };
    // Before anything is trimmed: among the characters that stand for bytes are some that look like white space.
    let meant = mojibake::undone(written);
    out.extend(["<", name, attributes, ">"]);
    if meant.contains(['<', '&']) {
        push_cdata(&meant, out)
    } else {
        out.push_str(&meant)
    }
    out.extend(["</", name, ">"]);
}

/// What feed-rs read, and what is read beside it.
fn finish(read: feed_rs::model::Entry, written: &Written<'_>, feed: &Feed) -> Entry {
    let is_html = |text: &feed_rs::model::Text| text.content_type.as_str().contains("html");
    let markup = |html: bool, text: String| if html { Markup::Html(text) } else { Markup::Text(text) };
    let filled = |text: &String| !text.trim().is_empty();
    let mut entry = Entry {
        title: read.title.map(|t| fields::title(&t.content)).filter(|t| !t.is_empty()),
        summary: read
            .summary
            .map(|s| (is_html(&s), s.content))
            .filter(|(_, s)| filled(s))
            .map(|(h, s)| markup(h || looks_like_html(&s), s)),
        content: read.content.and_then(|c| {
            let html = c.content_type.as_str().contains("html");
            c.body.filter(filled).map(|body| markup(html || looks_like_html(&body), body))
        }),
        ..Entry::default()
    };
    fields::fill(&mut entry, written, feed.base.as_ref(), feed.zoneless);
    if entry.authors.is_empty() {
        entry.authors = feed.authors.clone();
    }
    entry.language = entry.language.or_else(|| feed.head.language.clone());
    entry
}

/// RSS has no way to say whether text is HTML.
fn looks_like_html(text: &str) -> bool {
    text.contains("</")
        || text.contains("/>")
        || text.contains("<br")
        || text.contains("<p>")
        || text.contains("<img")
        || text.contains("&#")
        || text.contains("&amp;")
        || text.contains("&nbsp;")
}
