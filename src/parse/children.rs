//! The elements directly inside an entry or a head: their names in a canonical form, their attributes, and what is between their tags. Lost
//! end tags cost the element itself. Bounded whatever comes in.

use std::borrow::Cow;

use super::entities;
use super::lex::{Lexer, Tag, Token, local};

/// Elements of one entry that are looked at.
const MOST_CHILDREN: usize = 500;

/// Whose words an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// The dialect's own.
    Core,
    Atom,
    Content,
    Dc,
    Feedburner,
    Itunes,
    Media,
    Xhtml,
    Other,
}

/// Prefixes of a document that are bound to another space than their name says, from the `xmlns` of its outer elements.
#[derive(Debug, Default)]
pub(super) struct Prefixes<'a>(Vec<(&'a str, Space)>);

impl<'a> Prefixes<'a> {
    pub(super) fn of(around: &[Tag<'a>]) -> Self {
        let declared = around.iter().flat_map(|tag| super::lex::attributes(tag.attributes));
        let bound = declared.filter_map(|(name, uri)| Some((name.strip_prefix("xmlns:")?, by_uri(uri)?)));
        Self(bound.collect())
    }

    fn space(&self, prefix: &str) -> Space {
        if prefix.is_empty() {
            return Space::Core;
        }
        let bound = self.0.iter().find(|(p, _)| *p == prefix).map(|(_, space)| *space);
        bound.unwrap_or_else(|| match prefix.to_ascii_lowercase().as_str() {
            "rss" | "rdf" => Space::Core,
            "atom" | "atom10" | "atom03" | "a" | "a10" => Space::Atom,
            "content" => Space::Content,
            "dc" | "dcterms" | "dct" => Space::Dc,
            "feedburner" => Space::Feedburner,
            "itunes" => Space::Itunes,
            "media" => Space::Media,
            "xhtml" | "html" => Space::Xhtml,
            _ => Space::Other,
        })
    }
}

/// Namespaces by what tells them apart, whether http or https, with a slash at the end or without.
fn by_uri(uri: &str) -> Option<Space> {
    let uri = uri.trim().to_ascii_lowercase();
    let uri = uri.trim_start_matches("https://").trim_start_matches("http://").trim_start_matches("www.").trim_end_matches(['/', '#']);
    Some(match uri {
        "w3.org/2005/atom" | "purl.org/atom/ns" => Space::Atom,
        "purl.org/rss/1.0/modules/content" => Space::Content,
        "purl.org/dc/elements/1.0" | "purl.org/dc/elements/1.1" | "purl.org/dc/terms" => Space::Dc,
        "rssnamespace.org/feedburner/ext/1.0" => Space::Feedburner,
        "itunes.com/dtds/podcast-1.0.dtd" | "example.com/dtds/podcast-1.0.dtd" => Space::Itunes,
        "search.yahoo.com/mrss" | "search.yahoo.com/mrss/1.0" | "tools.search.yahoo.com/mrss" => Space::Media,
        "w3.org/1999/xhtml" => Space::Xhtml,
        "purl.org/rss/1.0"
        | "my.netscape.com/rdf/simple/0.9"
        | "channel.netscape.com/rdf/simple/0.9"
        | "purl.org/rss/1.0/modules/rss091" => Space::Core,
        _ => return None,
    })
}

/// An element inside an entry.
#[derive(Clone, Debug)]
pub(super) struct Child<'a> {
    pub(super) space: Space,
    /// Without prefix, in lower case.
    pub(super) name: Cow<'a, str>,
    pub(super) tag: Tag<'a>,
    /// What is between its tags, raw.
    pub(super) inner: &'a str,
}

impl<'a> Child<'a> {
    pub(super) fn is(&self, space: Space, name: &str) -> bool {
        self.space == space && self.name == name
    }

    /// An attribute with its references resolved, trimmed; `None` when there is none or it is empty.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let value = entities::resolve(self.tag.attribute(name)?);
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The characters inside, tags of inner elements left out, trimmed; `None` when there are none.
    pub(super) fn text(&self) -> Option<String> {
        let text = characters(self.inner, false);
        let trimmed = text.trim();
        if trimmed.len() == text.len() { Some(text) } else { Some(trimmed.to_owned()) }.filter(|t| !t.is_empty())
    }

    /// Whether there are elements inside, rather than escaped markup.
    pub(super) fn has_elements(&self) -> bool {
        let mut lexer = Lexer::new(self.inner);
        while let Some(token) = lexer.next() {
            if matches!(token, Token::Start(_)) {
                return true;
            }
        }
        false
    }

    /// What is inside as HTML: escaped markup resolved once, elements as they stand.
    pub(super) fn markup(&self) -> Option<String> {
        let text = characters(self.inner, true);
        Some(text).filter(|t| !t.trim().is_empty())
    }
}

/// The characters of raw content. With `tags`, elements are kept as markup, and the text beside them stays escaped as it is markup too.
fn characters(raw: &str, tags: bool) -> String {
    if !raw.contains('<') {
        return entities::resolve(raw).into_owned();
    }
    let mixed = tags && Child::is_mixed(raw);
    let (mut out, mut lexer) = (String::with_capacity(raw.len()), Lexer::new(raw));
    loop {
        let begin = lexer.position();
        match lexer.next() {
            None => return out,
            Some(Token::Text(text)) if mixed => out.push_str(text),
            Some(Token::Text(text)) => out.push_str(&entities::resolve(text)),
            Some(Token::CData(text)) => out.push_str(text),
            Some(Token::Start(_) | Token::End(_)) if mixed => out.push_str(raw.get(begin..lexer.position()).unwrap_or_default()),
            Some(_) => {}
        }
    }
}

impl Child<'_> {
    fn is_mixed(raw: &str) -> bool {
        let mut lexer = Lexer::new(raw);
        std::iter::from_fn(|| lexer.next()).any(|token| matches!(token, Token::Start(_)))
    }
}

/// The elements directly inside of `outer`, which begins with its own tag, or is the inside of one.
pub(super) fn children<'a>(inside: &'a str, prefixes: &Prefixes<'_>) -> Vec<Child<'a>> {
    let mut lexer = Lexer::new(inside);
    let mut children = vec![];
    // Names whose end tag was looked for in vain: it is not looked for again, so that many lost ones cost no more than one.
    let mut lost: Vec<&str> = vec![];
    while let Some(token) = lexer.next() {
        let Token::Start(tag) = token else { continue };
        if children.len() == MOST_CHILDREN {
            break;
        }
        let inner = if tag.empty { "" } else { inner(inside, &mut lexer, tag, &mut lost) };
        let (prefix, name) = tag.name.rsplit_once(':').unwrap_or(("", tag.name));
        let unprefixed_xhtml = prefix.is_empty() && tag.attribute("xmlns").and_then(by_uri) == Some(Space::Xhtml);
        let space = if unprefixed_xhtml { Space::Xhtml } else { prefixes.space(prefix) };
        let lower = !name.bytes().any(|b| b.is_ascii_uppercase());
        let name = if lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) };
        children.push(Child { space, name, tag, inner });
    }
    children
}

/// What is between the tags of an element: up to its end tag, else, for those that hold plain text, up to the next element that belongs
/// beside it, else up to the end.
fn inner<'a>(inside: &'a str, lexer: &mut Lexer<'a>, tag: Tag<'a>, lost: &mut Vec<&'a str>) -> &'a str {
    let (begin, start) = (lexer.position(), lexer.clone());
    let plain = PLAIN.iter().any(|name| tag.local().eq_ignore_ascii_case(name));
    if !(plain && lost.contains(&tag.local())) {
        match end_of(lexer, tag) {
            Some(end) => return inside.get(begin..end).unwrap_or_default(),
            None if !plain => return inside.get(begin..).unwrap_or_default(),
            None => lost.push(tag.local()),
        }
    }
    *lexer = start;
    loop {
        let before = lexer.clone();
        let beside = |name: &str| PLAIN.iter().chain(&LONG).any(|known| local(name).eq_ignore_ascii_case(known));
        match lexer.next() {
            None => return inside.get(begin..).unwrap_or_default(),
            Some(Token::Start(next)) if beside(next.name) => {
                *lexer = before;
                return inside.get(begin..lexer.position()).unwrap_or_default();
            }
            Some(_) => {}
        }
    }
}

/// Where the end tag of an element begins, elements of the same name inside of it counted.
fn end_of<'a>(lexer: &mut Lexer<'a>, tag: Tag<'a>) -> Option<usize> {
    let mut nested = 0usize;
    loop {
        let at = lexer.position();
        match lexer.next()? {
            Token::End(name) if local(name).eq_ignore_ascii_case(tag.local()) => match nested {
                0 => return Some(at),
                _ => nested -= 1,
            },
            Token::Start(next) if !next.empty && next.name.eq_ignore_ascii_case(tag.name) => nested += 1,
            _ => {}
        }
    }
}

/// Elements that hold plain text, so that an element of the entry inside of them means that their end tag is lost.
const PLAIN: [&str; 16] = [
    "title",
    "link",
    "guid",
    "id",
    "pubdate",
    "date",
    "published",
    "updated",
    "issued",
    "created",
    "modified",
    "creator",
    "category",
    "subject",
    "comments",
    "duration",
];

/// Others that belong into an entry.
const LONG: [&str; 8] = ["description", "encoded", "content", "summary", "author", "enclosure", "thumbnail", "source"];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inside: &str) -> Vec<(String, Option<String>)> {
        children(inside, &Prefixes::default()).iter().map(|c| (format!("{:?}:{}", c.space, c.name), c.text())).collect()
    }

    #[test]
    fn elements_and_their_text() {
        let got = names("<title> A &amp; <b>b</b> &nbsp;</title><dc:Creator><![CDATA[Ім’я]]></dc:Creator><link/><x:y>z</x:y>");
        let expected = [("Core:title", Some("A & b")), ("Dc:creator", Some("Ім’я")), ("Core:link", None), ("Other:y", Some("z"))];
        assert_eq!(got, expected.map(|(n, t)| (n.to_owned(), t.map(str::to_owned))));
    }

    #[test]
    fn a_lost_end_tag_costs_the_element_itself() {
        let got = names("<title>A<br>b<link>https://a.ua/</link><description>x</description>");
        assert_eq!(got.first().unwrap().1.as_deref(), Some("Ab"));
        assert_eq!(got.get(1).unwrap(), &("Core:link".into(), Some("https://a.ua/".into())));
        assert_eq!(got.len(), 3);
        let got = names("<title>mismatched</Title><guid>1</guid>");
        assert_eq!(got.len(), 2);
    }

    #[test]
    fn markup_is_resolved_once() {
        let markup = |inside: &str| children(inside, &Prefixes::default()).first().unwrap().markup().unwrap();
        assert_eq!(markup("<d>&lt;p&gt;a &amp;amp; b&lt;/p&gt;</d>"), "<p>a &amp; b</p>");
        assert_eq!(markup("<d><![CDATA[<p>a &amp; b</p>]]></d>"), "<p>a &amp; b</p>");
        assert_eq!(markup("<d><div>a &amp; b<br/></div></d>"), "<div>a &amp; b<br/></div>");
        assert_eq!(markup("<d>1 < 2</d>"), "1 < 2");
    }

    #[test]
    fn prefixes_mean_what_they_are_bound_to() {
        let root = Tag { name: "rss", attributes: " xmlns:m='https://search.yahoo.com/mrss' xmlns:dc='urn:x'", empty: false };
        let prefixes = Prefixes::of(&[root]);
        assert_eq!((prefixes.space("m"), prefixes.space("dc"), prefixes.space("media")), (Space::Media, Space::Dc, Space::Media));
    }

    #[test]
    fn depth_and_number_are_no_danger() {
        let deep = format!("{}x{}", "<media:group>".repeat(20_000), "</media:group>".repeat(20_000));
        assert_eq!(children(&deep, &Prefixes::default()).len(), 1);
        assert_eq!(children(&"<a/>".repeat(100_000), &Prefixes::default()).len(), MOST_CHILDREN);
        assert_eq!(children(&"<title>".repeat(5_000), &Prefixes::default()).len(), MOST_CHILDREN);
    }
}
