//! The elements directly inside an entry or a head: their names in a canonical form, their attributes, and what is between their tags. Lost
//! end tags cost the element itself. Bounded whatever comes in.

use std::borrow::Cow;

use super::lex::{Lexer, Sight, Tag, Token};
use super::{entities, mojibake};

/// Elements of one entry that are looked at.
const MOST_CHILDREN: usize = 2000;

/// Elements whose end tag may be lost before it is no longer looked for: each search may go to the end of the entry.
const MOST_LOST: usize = 16;

/// Whose words an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// The dialect's own.
    Core,
    Atom,
    Content,
    Dc,
    Feedburner,
    History,
    Itunes,
    Media,
    Syndication,
    Xhtml,
    Other,
}

/// Prefixes of a document that are bound to another space than their name says, from the `xmlns` of its outer elements.
#[derive(Debug, Default)]
pub(super) struct Prefixes<'a>(Vec<(&'a str, Space)>);

impl<'a> Prefixes<'a> {
    pub(super) fn of(around: &[Tag<'a>]) -> Self {
        // Whatever the prefix of the root is bound to, the document is written in it. RDF's own words are about the document only.
        let own = around.first().and_then(|root| root.name.rsplit_once(':')).filter(|(prefix, _)| !prefix.eq_ignore_ascii_case("rdf"));
        let own = own.map(|(prefix, _)| (prefix, Space::Core));
        let declared = around.iter().flat_map(|tag| super::lex::attributes(tag.attributes));
        let bound = declared.filter_map(|(name, uri)| Some((name.strip_prefix("xmlns:")?, by_uri(uri)?)));
        Self(own.into_iter().chain(bound).collect())
    }

    pub(super) fn space(&self, prefix: &str) -> Space {
        if prefix.is_empty() {
            return Space::Core;
        }
        let bound = self.0.iter().find(|(p, _)| *p == prefix).map(|(_, space)| *space);
        bound.unwrap_or_else(|| match prefix.to_ascii_lowercase().as_str() {
            "rss" => Space::Core,
            "atom" | "atom10" | "atom03" | "a" | "a10" => Space::Atom,
            "content" => Space::Content,
            "dc" | "dcterms" | "dct" => Space::Dc,
            "feedburner" => Space::Feedburner,
            "itunes" => Space::Itunes,
            "media" => Space::Media,
            "fh" => Space::History,
            "sy" | "syn" => Space::Syndication,
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
        "purl.org/syndication/history/1.0" => Space::History,
        "purl.org/rss/1.0/modules/syndication" => Space::Syndication,
        "w3.org/1999/xhtml" => Space::Xhtml,
        "purl.org/rss/1.0"
        | "my.netscape.com/rdf/simple/0.9"
        | "channel.netscape.com/rdf/simple/0.9"
        | "purl.org/rss/1.0/modules/rss091"
        | "purl.org/net/rss1.1"
        | "backend.userland.com/rss2" => Space::Core,
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

    /// An attribute with its references resolved, read as it was meant, trimmed; `None` when there is none or it is empty.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let value = mojibake::undone(entities::resolve(self.tag.attribute(name)?));
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The characters inside, tags of inner elements left out, read as they were meant, trimmed; `None` when there are none.
    pub(super) fn text(&self) -> Option<String> {
        let text = mojibake::undone(characters(self.inner, Tags::Dropped).into()).into_owned();
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
    pub(super) fn markup(&self, tags: Tags) -> Option<String> {
        let text = characters(self.inner, tags);
        Some(text).filter(|t| !t.trim().is_empty())
    }
}

/// What becomes of elements inside of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tags {
    Dropped,
    /// They are markup. Beside them CDATA is markup too, as publishers mean it.
    Kept,
    /// They are markup, and CDATA is characters, as XML says.
    Strict,
}

/// The characters of raw content. Where elements are kept as markup, the text beside them stays escaped as it is markup too.
fn characters(raw: &str, tags: Tags) -> String {
    if !raw.contains('<') {
        return entities::resolve(raw).into_owned();
    }
    let mixed = tags != Tags::Dropped && Child::is_mixed(raw);
    let (mut out, mut lexer) = (String::with_capacity(raw.len()), Lexer::new(raw));
    loop {
        let begin = lexer.position();
        match lexer.next() {
            None => return out,
            Some(Token::Text(text)) if mixed => out.push_str(text),
            Some(Token::Text(text)) => out.push_str(&entities::resolve(text)),
            Some(Token::CData(text)) if mixed && tags == Tags::Strict => out.push_str(&text.replace('&', "&amp;").replace('<', "&lt;")),
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
    let mut walk = Walk { inside, lexer: Lexer::new(inside), lost: vec![] };
    let mut children = vec![];
    while children.len() < MOST_CHILDREN {
        let Some(sight) = walk.lexer.sight() else { break };
        let tag = match sight {
            Sight::Start(_) => walk.lexer.next(),
            sight => {
                walk.lexer.pass(sight);
                continue;
            }
        };
        // A `<` that turns out to begin no tag is text.
        let Some(Token::Start(tag)) = tag else { continue };
        let inner = if tag.empty { "" } else { walk.inner(tag) };
        let (prefix, name) = tag.name.rsplit_once(':').unwrap_or(("", tag.name));
        let unprefixed_xhtml =
            prefix.is_empty() && !tag.attributes.is_empty() && tag.attribute("xmlns").and_then(by_uri) == Some(Space::Xhtml);
        let space = if unprefixed_xhtml { Space::Xhtml } else { prefixes.space(prefix) };
        let lower = !name.bytes().any(|b| b.is_ascii_uppercase());
        let name = if lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) };
        children.push(Child { space, name, tag, inner });
    }
    children
}

struct Walk<'a> {
    inside: &'a str,
    lexer: Lexer<'a>,
    /// Names whose end tag was looked for in vain: it is not looked for again.
    lost: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    /// What is between the tags of an element. Its end tag may be lost: plain text ends where an element begins that belongs beside it, so
    /// does a text with markup, and of anything else only the tag is lost.
    fn inner(&mut self, tag: Tag<'a>) -> &'a str {
        let begin = self.lexer.position();
        let is = |names: &[&str]| names.iter().any(|name| tag.local().eq_ignore_ascii_case(name));
        if is(&PLAIN) {
            return self.up_to(begin, |name| name.eq_ignore_ascii_case(tag.name.as_bytes()));
        }
        if self.lost.len() < MOST_LOST && !self.lost.contains(&tag.name) {
            if let Some(inner) = self.balanced(tag) {
                return inner;
            }
            self.lost.push(tag.name);
            self.lexer.move_to(begin);
        }
        if is(&LONG) { self.up_to(begin, |_| false) } else { "" }
    }

    /// Up to an end tag, or to where an element begins that belongs beside this one, or to the end.
    fn up_to(&mut self, begin: usize, is_end: impl Fn(&[u8]) -> bool) -> &'a str {
        let beside = |name: &[u8]| PLAIN.iter().chain(&LONG).any(|known| Sight::is_local(name, known));
        let mut end = self.inside.len();
        while let Some(sight) = self.lexer.sight() {
            let at = self.lexer.position();
            match sight {
                Sight::End(name) if is_end(name) => {
                    let _end = self.lexer.next();
                    end = at;
                    break;
                }
                Sight::Start(name) if beside(name) => {
                    end = at;
                    break;
                }
                sight => self.lexer.pass(sight),
            }
        }
        self.inside.get(begin..end).unwrap_or_default()
    }

    /// Up to the end tag that belongs to it: there may be elements of the same name inside. `None` when there is none.
    fn balanced(&mut self, tag: Tag<'a>) -> Option<&'a str> {
        let begin = self.lexer.position();
        let mut nested = 0usize;
        loop {
            let sight = self.lexer.sight()?;
            let at = self.lexer.position();
            let own = |name: &[u8]| name.eq_ignore_ascii_case(tag.name.as_bytes());
            match sight {
                Sight::End(name) if own(name) => {
                    let _end = self.lexer.next();
                    match nested.checked_sub(1) {
                        Some(less) => nested = less,
                        None => return self.inside.get(begin..at),
                    }
                }
                Sight::Start(name) if own(name) => nested += usize::from(matches!(self.lexer.next(), Some(Token::Start(t)) if !t.empty)),
                sight => self.lexer.pass(sight),
            }
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
        let got = names("<description>a<p>b<guid>1</guid><unknown>c<title>d</title>");
        let expected = [("Core:description", Some("ab")), ("Core:guid", Some("1")), ("Core:unknown", None), ("Core:title", Some("d"))];
        assert_eq!(got, expected.map(|(n, t)| (n.to_owned(), t.map(str::to_owned))));
        let got = names("<title>A<link>https://a.ua/</link><media:title>B</media:title>");
        assert_eq!(got.len(), 3, "{got:?}");
        let got = names("<title>mismatched</Title><guid>1</guid>");
        assert_eq!(got.len(), 2);
    }

    #[test]
    fn markup_is_resolved_once() {
        let markup = |inside: &str| children(inside, &Prefixes::default()).first().unwrap().markup(Tags::Kept).unwrap();
        assert_eq!(markup("<d>&lt;p&gt;a &amp;amp; b&lt;/p&gt;</d>"), "<p>a &amp; b</p>");
        assert_eq!(markup("<d><![CDATA[<p>a &amp; b</p>]]></d>"), "<p>a &amp; b</p>");
        assert_eq!(markup("<d><div>a &amp; b<br/></div></d>"), "<div>a &amp; b<br/></div>");
        assert_eq!(markup("<d>1 < 2</d>"), "1 < 2");
        let strict = |inside: &str| children(inside, &Prefixes::default()).first().unwrap().markup(Tags::Strict).unwrap();
        assert_eq!(strict("<d><i><![CDATA[a <b> &amp; c]]></i></d>"), "<i>a &lt;b> &amp;amp; c</i>");
        assert_eq!(strict("<d><![CDATA[<i>a</i>]]></d>"), "<i>a</i>");
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
        // Each of these would be looked for to the end, and the end is far away.
        let lost: String = (0..1000).map(|n| format!("<x{n}>")).collect();
        let lost = format!("{lost}{}<guid>1</guid>", "<b>x</b>".repeat(200_000));
        assert_eq!(children(&lost, &Prefixes::default()).len(), MOST_CHILDREN);
    }
}
