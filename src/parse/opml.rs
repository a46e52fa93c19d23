//! OPML, as readers and people write it: every outline with an `xmlUrl` is a feed, the outlines around it and its `category` are its tags.
//! Reading is as lenient as that of feeds; what cannot be read is said.

use super::lex::{Lexer, Tag, Token, local};
use super::{decode, entities};
use crate::log::counted;

/// Outlines in each other; the names of deeper ones are no tags.
const DEEPEST: usize = 64;

/// So many damaged places are named.
const MOST_NAMED: usize = 100;

/// An export of ours carries the name of the feed in this attribute.
pub const NAME: &str = "feedwire:name";

/// A feed of an OPML file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Its name in the feedwire that wrote the file.
    pub name: Option<String>,
    /// As written, `feed:` taken off.
    pub url: String,
    /// What the file calls it.
    pub title: Option<String>,
    /// The folders around it, outermost first, then its categories; each once.
    pub tags: Vec<String>,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opml {
    /// In document order; a feed in several folders is there several times.
    pub feeds: Vec<Outline>,
    /// What is no feed that could be polled, and why.
    pub left_out: Vec<String>,
    /// What the file has lost, or may have.
    pub damage: Vec<String>,
}

/// There is no `<opml>` in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has no <opml> element")]
pub struct NoOpml;

/// Reads a file in any charset.
///
/// # Errors
/// When it is no OPML.
pub fn read(bytes: &[u8]) -> Result<Opml, NoOpml> {
    let text = decode::decode(bytes, None, None);
    let mut reading = Reading::default();
    let mut lexer = Lexer::new(&text);
    while let Some(token) = lexer.next() {
        match token {
            Token::Start(tag) => reading.start(&tag, &text, lexer.position()),
            Token::End(name) if is(name, "outline") => reading.end(&text, lexer.position()),
            Token::End(name) if is(name, "opml") => reading.closed = true,
            Token::Text(part) if part.starts_with("<outline") => {
                reading.damaged(&text, lexer.position().saturating_sub(part.len()), "an outline cannot be read: its tag does not end");
            }
            _ => {}
        }
    }
    reading.finish()
}

fn is(name: &str, wanted: &str) -> bool {
    local(name).eq_ignore_ascii_case(wanted)
}

/// The number of the line with this byte.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
}

#[derive(Default)]
struct Reading {
    opml: Opml,
    /// The outlines that are open, as far as they are not too deep; feeds have no name.
    folders: Vec<Option<String>>,
    /// How many are open beyond those.
    deeper: usize,
    found: bool,
    closed: bool,
}

impl Reading {
    fn start(&mut self, tag: &Tag<'_>, text: &str, at: usize) {
        self.found |= is(tag.name, "opml");
        if !is(tag.name, "outline") || !self.found {
            return;
        }
        let feed = self.feed(tag);
        let folder = if feed.is_some() { None } else { title(tag) };
        if let Some(feed) = feed {
            match unusable(tag, &feed.url) {
                Some(why) => self.opml.left_out.push(format!("{:?}: {why}", feed.title.as_ref().unwrap_or(&feed.url))),
                None => self.opml.feeds.push(feed),
            }
        }
        if tag.empty {
            return;
        }
        if self.folders.len() < DEEPEST {
            return self.folders.push(folder);
        }
        self.deeper += 1;
        if self.deeper == 1 {
            self.damaged(text, at, "outlines are nested too deep from here on; some may not be closed");
        }
    }

    fn end(&mut self, text: &str, at: usize) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else if self.folders.pop().is_none() {
            self.damaged(text, at, "this closes an outline that is not open");
        }
    }

    fn damaged(&mut self, text: &str, at: usize, what: &str) {
        if self.opml.damage.len() < MOST_NAMED {
            self.opml.damage.push(format!("line {}: {what}", line(text, at)));
        }
    }

    /// The feed of an outline, if it is one.
    fn feed(&self, tag: &Tag<'_>) -> Option<Outline> {
        let url = value(tag, "xmlUrl").or_else(|| {
            // Some write `url`, which by the standard is that of a link or of another file.
            let kind = value(tag, "type").unwrap_or_default().to_ascii_lowercase();
            value(tag, "url").filter(|_| matches!(kind.as_str(), "" | "rss" | "rss1" | "rss2" | "atom" | "rdf" | "feed" | "json"))
        })?;
        let mut tags: Vec<String> = vec![];
        let categories = value(tag, "category").unwrap_or_default();
        let categories = categories.split([',', '/']).map(str::trim).filter(|c| !c.is_empty());
        for tag in self.folders.iter().flatten().map(String::as_str).chain(categories) {
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
        Some(Outline { name: named(tag), url: without_feed(&url).into_owned(), title: title(tag), tags })
    }

    fn finish(mut self) -> Result<Opml, NoOpml> {
        if !self.found {
            return Err(NoOpml);
        }
        if !self.closed {
            self.opml.damage.push("it ends before </opml>: the rest was cut off".into());
        } else if self.deeper + self.folders.len() > 0 {
            self.opml.damage.push(format!("{} without an end: folders may be wrong", counted(self.deeper + self.folders.len(), "outline")));
        }
        Ok(self.opml)
    }
}

/// The value of an attribute, whatever the case of its name; `None` if it is empty.
fn value(tag: &Tag<'_>, name: &str) -> Option<String> {
    let text = entities::resolve(tag.attribute(name)?);
    Some(text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
}

fn title(tag: &Tag<'_>) -> Option<String> {
    value(tag, "text").or_else(|| value(tag, "title"))
}

fn named(tag: &Tag<'_>) -> Option<String> {
    let name = super::lex::attributes(tag.attributes).find(|(name, _)| *name == NAME)?.1;
    Some(entities::resolve(name).into_owned())
}

/// `feed:https://…` is `https://…`, and `feed://…` is `http://…`.
fn without_feed(url: &str) -> std::borrow::Cow<'_, str> {
    let rest = url.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("feed:")).and_then(|_| url.get(5..));
    match rest {
        Some(rest) if rest.starts_with("//") => format!("http:{rest}").into(),
        Some(rest) => rest.into(),
        None => url.into(),
    }
}

/// Why what a reader calls a feed is none for others.
fn unusable(tag: &Tag<'_>, url: &str) -> Option<&'static str> {
    let kind = value(tag, "type").unwrap_or_default().to_ascii_lowercase();
    if kind.contains("xpath") || kind.contains("dotnotation") {
        return Some("it is a page that its reader takes apart, not a feed");
    }
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("query") => Some("it is a search in its reader, not a feed"),
        Some("exec" | "filter") => Some("it is the output of a program of its reader, not a feed"),
        Some("file") => Some("it is a file, and feeds here have https:// or http://"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(url: &str, title: &str, tags: &[&str]) -> Outline {
        let title = Some(title.to_owned()).filter(|t| !t.is_empty());
        Outline { name: None, url: url.into(), title, tags: tags.iter().map(|t| (*t).to_owned()).collect() }
    }

    #[test]
    fn folders_and_categories_become_tags() {
        let text = r#"<?xml version="1.0"?><opml version="2.0"><head><title>x</title></head><body>
            <outline text="Новини"><outline text="UA"><outline type="rss" text="A &amp; B" xmlUrl="https://a.ua/rss?x=1&amp;y=2"/></outline>
            <outline title="B" xmlUrl="https://b.ua/rss" category="/Новини/UA,kyiv"></outline></outline>
            <outline text="no feed" htmlUrl="https://c.ua/"/></body></opml>"#;
        let feeds = vec![
            outline("https://a.ua/rss?x=1&y=2", "A & B", &["Новини", "UA"]),
            outline("https://b.ua/rss", "B", &["Новини", "UA", "kyiv"]),
        ];
        assert_eq!(read(text.as_bytes()), Ok(Opml { feeds, ..Opml::default() }));
    }

    #[test]
    fn attributes_in_any_case_and_of_any_name() {
        let check = |attributes: &str, expected: Option<&str>| {
            let opml = read(format!("<OPML><BODY><OUTLINE {attributes}/></BODY></OPML>").as_bytes()).unwrap();
            assert_eq!(opml.feeds.first().map(|feed| feed.url.as_str()), expected, "{attributes}");
            assert_eq!(opml.damage, [""; 0]);
        };
        check("XMLURL='https://a.ua/'", Some("https://a.ua/"));
        check("xmlurl = https://a.ua/", Some("https://a.ua/"));
        check("type='rss' url='https://a.ua/'", Some("https://a.ua/"));
        check("url='https://a.ua/'", Some("https://a.ua/"));
        check("type='link' url='https://a.ua/'", None);
        check("type='include' url='https://a.ua/list.opml'", None);
        check("xmlUrl=' '", None);
        check("xmlUrl='https://a.ua/?a=1&b=2&eacute=3&#38;d'", Some("https://a.ua/?a=1&b=2&eacute=3&d"));
        check("xmlUrl='feed://a.ua/rss'", Some("http://a.ua/rss"));
        check("xmlUrl='feed:https://a.ua/rss'", Some("https://a.ua/rss"));
    }

    #[test]
    fn what_is_no_feed_is_said() {
        let said = |attributes: &str| read(format!("<opml><outline text='T' {attributes}/></opml>").as_bytes()).unwrap().left_out.join("");
        assert_eq!(said("type='HTML+XPath' xmlUrl='https://a.ua/'"), "\"T\": it is a page that its reader takes apart, not a feed");
        assert!(said("xmlUrl='query:Unread:unread = \"yes\"'").contains("a search"));
        assert!(said("xmlUrl='exec:/bin/x'").contains("a program"));
        assert!(said("xmlUrl='file:///etc/passwd'").contains("a file"));
    }

    #[test]
    fn what_is_no_opml() {
        for text in ["", "<rss/>", "<html><outline xmlUrl='https://a.ua/'/>", "{\"opml\": 1}", "opml"] {
            assert_eq!(read(text.as_bytes()), Err(NoOpml), "{text}");
        }
    }

    #[test]
    fn damage_is_said_and_the_rest_read() {
        let check = |text: &str, feeds: usize, said: &str| {
            let opml = read(text.as_bytes()).unwrap();
            assert_eq!((opml.feeds.len(), opml.damage.join("; ").as_str()), (feeds, said), "{text}");
        };
        let one = "<outline xmlUrl='https://a.ua/'/>";
        check(&format!("<opml>{one}{one}"), 2, "it ends before </opml>: the rest was cut off");
        check(
            &format!("<opml>{one}<outline xmlUrl='https://b."),
            1,
            "line 1: an outline cannot be read: its tag does not end; it ends before </opml>: the rest was cut off",
        );
        check(&format!("<opml>\n<outline text='x'\n{one}</opml>"), 1, "line 2: an outline cannot be read: its tag does not end");
        let closed = "line 1: this closes an outline that is not open; line 2: this closes an outline that is not open";
        check(&format!("<opml>{one}</outline>\n</outline>{one}</opml>"), 2, closed);
        check(&format!("<opml><outline text='x'>{one}</opml>"), 1, "1 outline without an end: folders may be wrong");
        check(&format!("<opml><a></b>{one}</opml>"), 1, "");
        let deep = read(format!("<opml>{}{one}</opml>", "<outline text='x'>".repeat(100_000)).as_bytes()).unwrap();
        assert_eq!((deep.feeds.len(), deep.damage.len()), (1, 2), "{:?}", deep.damage);
    }

    #[test]
    fn charsets() {
        let text = "<?xml version=\"1.0\" encoding=\"windows-1251\"?><opml><body><outline text=\"Їжак і ґава\" xmlUrl=\"https://a.ua/\"/></body></opml>";
        let expected = Ok(Opml { feeds: vec![outline("https://a.ua/", "Їжак і ґава", &[])], ..Opml::default() });
        assert_eq!(read(&encoding_rs::WINDOWS_1251.encode(text).0), expected);
        let utf8 = text.replace("windows-1251", "utf-8");
        assert_eq!(read(format!("\u{feff}{utf8}").as_bytes()), expected);
        let utf16: Vec<u8> = std::iter::once(0xfeff).chain(utf8.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16), expected);
    }
}
