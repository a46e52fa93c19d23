//! Walks over a decoded document once: which dialect it is, what is said outside of the entries, and where each entry begins and ends. An
//! entry's end tag may be lost and the document may be cut; what is whole is kept.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use super::children::{Prefixes, Space};
use super::lex::{Lexer, Sight, Tag, Token, local};
use super::{PARSER_VERSION, ParseError};
use crate::domain::feed::Fingerprint;

/// Tags before the root that are junk: warnings of a program that went wrong, most often.
const MOST_JUNK: usize = 100;

/// Elements around the entries that are looked at.
const MOST_AROUND: usize = 4;

/// What is kept of the text outside of the entries.
const LARGEST_HEAD: usize = 256 * 1024;

/// What can be mended, by name.
pub(super) const JUNK: &str = "text before the document";
pub(super) const LOST_END: &str = "lost end tag of an entry";
pub(super) const CUT: &str = "cut document";

/// The vocabulary of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// RSS 0.90 to 2.x, RDF and what resembles them: entries are items.
    Rss,
    /// Atom 0.3 and 1.0.
    Atom,
}

/// A document taken apart.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    pub(super) dialect: Dialect,
    /// The root element's tag, and those of the element around the entries.
    pub(super) around: Vec<Tag<'a>>,
    /// The pieces outside of the entries.
    pub(super) head: Vec<&'a str>,
    /// Each entry, its own tags included.
    pub(super) entries: Vec<&'a str>,
    /// Entries beyond the limit.
    pub(super) dropped: u32,
    pub(super) complete: bool,
    pub(super) repairs: Vec<(&'static str, u32)>,
    seed: u64,
}

impl Scan<'_> {
    /// A hash of an entry's bytes and of what outside of it changes its meaning.
    pub(super) fn fingerprint(&self, entry: &str) -> Fingerprint {
        Fingerprint(xxh3_128_with_seed(entry.as_bytes(), self.seed))
    }
}

/// Takes a document apart. `base` is where it came from.
pub(super) fn scan<'a>(text: &'a str, base: Option<&str>, max_entries: usize) -> Result<Scan<'a>, ParseError> {
    let mut lexer = Lexer::new(text);
    let (root, begin, junk) = root(&mut lexer)?;
    let dialect =
        if root.local().eq_ignore_ascii_case("feed") || root.local().eq_ignore_ascii_case("entry") { Dialect::Atom } else { Dialect::Rss };
    // What a relative link is relative to does not depend on the query, which may be another one each time.
    let place = base.unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
    let context = format!("{PARSER_VERSION}\0{place}\0{}", root.attributes);
    let mut scan = Scan {
        dialect,
        around: vec![root],
        head: vec![],
        entries: vec![],
        dropped: 0,
        complete: false,
        repairs: vec![],
        seed: xxh3_64(context.as_bytes()),
    };
    if junk {
        scan.repairs.push((JUNK, 1));
    }
    let prefixes = Prefixes::of(&scan.around);
    Walk { text, lexer, scan, prefixes, max_entries, lost: 0, trusting: dialect == Dialect::Atom, head: begin, kept: 0 }.run(root, begin)
}

/// The first element that is the root of a feed, where it begins, and whether there was anything before it that should not be.
fn root<'a>(lexer: &mut Lexer<'a>) -> Result<(Tag<'a>, usize, bool), ParseError> {
    let (mut elements, mut junk) = (0, false);
    loop {
        let begin = lexer.position();
        let Some(token) = lexer.next() else { return Err(if elements == 0 { ParseError::NoMarkup } else { ParseError::NoFeed }) };
        let Token::Start(tag) = token else {
            junk |= matches!(token, Token::Text(text) if !text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty());
            continue;
        };
        match tag.local().to_ascii_lowercase().as_str() {
            "rss" | "rdf" | "feed" | "channel" | "item" | "entry" => return Ok((tag, begin, junk)),
            "html" => return Err(ParseError::Html),
            "head" | "body" if elements == 0 => return Err(ParseError::Html),
            _ => {}
        }
        junk = true;
        elements += 1;
        if elements > MOST_JUNK {
            return Err(ParseError::NoFeed);
        }
    }
}

struct Walk<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    scan: Scan<'a>,
    prefixes: Prefixes<'a>,
    max_entries: usize,
    /// End tags of entries that were not there.
    lost: u32,
    /// Whether what is inside of a container is looked past for its end tag: only until one is not there, as that is a search to the end.
    trusting: bool,
    /// Where the current piece outside of the entries begins.
    head: usize,
    /// Bytes of the pieces that are kept.
    kept: usize,
}

impl<'a> Walk<'a> {
    fn run(mut self, root: Tag<'a>, begin: usize) -> Result<Scan<'a>, ParseError> {
        if self.is_entry(root.name) {
            // An entry by itself, as some tests and some servers send it.
            self.entry(root, begin);
            self.scan.complete = true;
        }
        loop {
            let begin = self.lexer.position();
            match self.lexer.next() {
                None => break,
                Some(Token::Start(tag)) if self.is_entry(tag.name) => self.entry(tag, begin),
                Some(Token::Start(tag)) if tag.local().eq_ignore_ascii_case("channel") && self.scan.around.len() < MOST_AROUND => {
                    self.scan.around.push(tag);
                }
                Some(Token::End(name)) if local(name).eq_ignore_ascii_case(root.local()) => {
                    self.scan.complete = true;
                    break;
                }
                Some(_) => {}
            }
        }
        let end = self.lexer.position();
        self.keep_head(end);
        self.scan.complete &= !self.lexer.cut;
        if self.lost > 0 {
            self.scan.repairs.push((LOST_END, self.lost));
        }
        if !self.scan.complete {
            self.scan.repairs.push((CUT, 1));
        }
        Ok(self.scan)
    }

    fn keep_head(&mut self, end: usize) {
        let piece = self.text.get(self.head..end).filter(|piece| !piece.trim_ascii().is_empty());
        if let Some(piece) = piece.filter(|piece| self.kept + piece.len() <= LARGEST_HEAD) {
            self.kept += piece.len();
            self.scan.head.push(piece);
        }
    }

    /// Finds the end of the entry that begins at `begin`.
    fn entry(&mut self, tag: Tag<'a>, begin: usize) {
        self.keep_head(begin);
        let end = if tag.empty { Some(self.lexer.position()) } else { self.end_of(tag) };
        self.head = self.lexer.position();
        let Some(entry) = end.and_then(|end| self.text.get(begin..end)) else { return };
        if self.scan.entries.len() < self.max_entries {
            self.scan.entries.push(entry);
        } else {
            self.scan.dropped += 1;
        }
    }

    /// Whether an element is an entry, and not a `content:item` or a word of another vocabulary.
    fn is_entry(&self, name: &str) -> bool {
        let (prefix, local) = name.rsplit_once(':').unwrap_or(("", name));
        ENTRIES.iter().any(|entry| local.eq_ignore_ascii_case(entry)) && matches!(self.prefixes.space(prefix), Space::Core | Space::Atom)
    }

    /// Where the entry is over; `None` when the document ends inside of it. Without its end tag it ends where the next one begins, or
    /// where what is around it ends. An entry inside of its content or source is a part of it.
    fn end_of(&mut self, tag: Tag<'a>) -> Option<usize> {
        let own = |name: &[u8]| name.eq_ignore_ascii_case(tag.name.as_bytes());
        let mut container: Option<Container<'a>> = None;
        while let Some(sight) = self.lexer.sight() {
            match sight {
                Sight::End(name) if own(name) && container.as_ref().is_none_or(|c| c.entries == 0) => {
                    let _end = self.lexer.next();
                    return Some(self.lexer.position()).filter(|_| !self.lexer.cut);
                }
                Sight::Start(name) if own(name) && container.is_none() => break,
                Sight::End(name)
                    if container.as_ref().is_none_or(|c| c.first.is_none())
                        && OUTSIDE.iter().any(|outside| Sight::is_local(name, outside)) =>
                {
                    break;
                }
                Sight::Start(name) if self.trusting && container.is_none() && CONTAINERS.iter().any(|c| Sight::is_local(name, c)) => {
                    if let Some(Token::Start(tag)) = self.lexer.next() {
                        container = Some(Container { name: tag.name, depth: 1, entries: 0, first: None }).filter(|_| !tag.empty);
                    }
                }
                sight => match container.take() {
                    Some(mut inside) => container = inside.pass(sight, own, &mut self.lexer).then_some(inside),
                    None => self.lexer.pass(sight),
                },
            }
        }
        if let Some(first) = container.and_then(|container| container.first) {
            // The container was never closed: what looked like an entry in it is the next one.
            self.lexer = first;
            self.trusting = false;
        } else if self.lexer.sight().is_none() {
            return None;
        }
        self.lost += 1;
        Some(self.lexer.position())
    }
}

/// An element of an entry that may have entries inside.
struct Container<'a> {
    name: &'a str,
    /// How many of its name are open.
    depth: usize,
    /// How many entries are open inside.
    entries: usize,
    /// The lexer before the first entry inside.
    first: Option<Lexer<'a>>,
}

impl<'a> Container<'a> {
    /// Passes over what was sighted inside. Says whether the container is still open.
    fn pass(&mut self, sight: Sight<'a>, is_entry: impl Fn(&[u8]) -> bool, lexer: &mut Lexer<'a>) -> bool {
        let own = |name: &[u8]| name.eq_ignore_ascii_case(self.name.as_bytes());
        let before = lexer.clone();
        match sight {
            Sight::Start(name) if own(name) || is_entry(name) => {
                let opens = matches!(lexer.next(), Some(Token::Start(tag)) if !tag.empty);
                if is_entry(name) {
                    self.entries += usize::from(opens);
                    self.first.get_or_insert(before);
                } else {
                    self.depth += usize::from(opens);
                }
            }
            Sight::End(name) if is_entry(name) => {
                self.entries -= 1;
                lexer.pass(sight);
            }
            Sight::End(name) if own(name) => {
                self.depth -= 1;
                lexer.pass(sight);
            }
            sight => lexer.pass(sight),
        }
        self.depth > 0
    }
}

/// Elements that are entries.
const ENTRIES: [&str; 2] = ["item", "entry"];

/// Elements of an Atom entry that may hold a whole other one.
const CONTAINERS: [&str; 3] = ["content", "summary", "source"];

/// Elements that entries are inside of.
const OUTSIDE: [&str; 4] = ["channel", "rss", "rdf", "feed"];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, entries: &[&str], complete: bool) {
        let scan = scan(text, None, 10).unwrap();
        assert_eq!((scan.entries.as_slice(), scan.complete), (entries, complete), "{text}");
    }

    #[test]
    fn where_entries_begin_and_end() {
        check("<rss><channel><title>x</title><item>1</item> <item>2</item></channel></rss>", &["<item>1</item>", "<item>2</item>"], true);
        check("<feed><entry>1</entry></feed>", &["<entry>1</entry>"], true);
        check("<a:feed><a:entry>1</a:entry></a:feed>", &["<a:entry>1</a:entry>"], true);
        check("<RSS><ITEM>1</ITEM></RSS>", &["<ITEM>1</ITEM>"], true);
        check("<rdf:RDF><channel><items/></channel><item rdf:about='x'>1</item></rdf:RDF>", &["<item rdf:about='x'>1</item>"], true);
        check("<rss><item><![CDATA[</item><item>]]></item></rss>", &["<item><![CDATA[</item><item>]]></item>"], true);
        check("<rss><item/><item>2</item></rss>", &["<item/>", "<item>2</item>"], true);
        check("PHP Warning: x<br><b>y</b><rss><item>1</item></rss>", &["<item>1</item>"], true);
        check("<item>1</item>", &["<item>1</item>"], true);
        let bag = "<item><content:items><rdf:Bag><rdf:li><content:item>1</content:item></rdf:li></rdf:Bag></content:items></item>";
        check(&format!("<rdf:RDF>{bag}</rdf:RDF>"), &[bag], true);
        check("<RDF xmlns:x='http://purl.org/rss/1.0/'><x:item>1</x:item></RDF>", &["<x:item>1</x:item>"], true);
    }

    #[test]
    fn an_entry_inside_of_an_entry_is_a_part_of_it() {
        for inside in [
            "<content type='xhtml'><div><entry><content>x</content></entry><entry/></div></content>",
            "<source><entry>x</entry></source>",
            "<content><b>x</b></content><summary><entry>x</entry></summary>",
            "<content src='x'/><source/>",
        ] {
            let entry = format!("<entry>{inside}<id>1</id></entry>");
            check(&format!("<feed>{entry}<entry>2</entry></feed>"), &[&entry, "<entry>2</entry>"], true);
        }
    }

    #[test]
    fn a_container_that_is_not_closed_costs_itself() {
        check("<feed><entry><content>1</entry><entry>2</entry></feed>", &["<entry><content>1</entry>", "<entry>2</entry>"], true);
        check("<feed><entry><content>1</feed>", &["<entry><content>1"], true);
        let second = "<entry><content>2</content></entry>";
        check(&format!("<feed><entry><content>1{second}{second}</feed>"), &["<entry><content>1", second, second], true);
        let many = format!("<feed>{}</feed>", "<entry><content>".repeat(200_000));
        assert_eq!(scan(&many, None, usize::MAX).unwrap().entries.len(), 200_000, "in linear time");
    }

    #[test]
    fn what_is_lost_costs_as_little_as_can_be() {
        check("<rss><item>1<item>2</item></rss>", &["<item>1", "<item>2</item>"], true);
        check("<rss><channel><item>1</channel></rss>", &["<item>1"], true);
        check("<rss><item>1</item><item>2</it", &["<item>1</item>"], false);
        check("<rss><item>1</item>", &["<item>1</item>"], false);
        check("<rss><item>1</item><item><![CDATA[2</item></rss>", &["<item>1</item>"], false);
        check("<rss><item>1<title>2</title>", &[], false);
        check("<rss><item>1<!-- never</item><item>2</item></rss>", &["<item>1<!-- never</item>", "<item>2</item>"], true);
        check("<rss><item>1</item></rss><rss><item>2</item></rss>", &["<item>1</item>"], true);
    }

    #[test]
    fn what_is_no_feed() {
        assert!(matches!(scan("<!DOCTYPE html><html><body><item>", None, 10), Err(ParseError::Html)));
        assert!(matches!(scan("hello", None, 10), Err(ParseError::NoMarkup)));
        assert!(matches!(scan("", None, 10), Err(ParseError::NoMarkup)));
        assert!(matches!(scan("<svg><g/></svg>", None, 10), Err(ParseError::NoFeed)));
    }

    #[test]
    fn more_than_the_limit_is_counted() {
        let many = format!("<rss>{}</rss>", "<item/>".repeat(1_000_000));
        let scan = scan(&many, None, 10).unwrap();
        assert_eq!((scan.entries.len(), scan.dropped), (10, 999_990));
        let between = format!("<rss>{}</rss>", "<item/><x>y</x>".repeat(500_000));
        assert!(self::scan(&between, None, 10).unwrap().head.iter().map(|piece| piece.len()).sum::<usize>() <= LARGEST_HEAD);
        let around = format!("<rss>{}<item/></rss>", "<channel xml:base='a/'>".repeat(100_000));
        assert_eq!(self::scan(&around, None, 10).unwrap().around.len(), MOST_AROUND);
    }

    #[test]
    fn a_fingerprint_depends_on_the_entry_and_its_surroundings() {
        let of = |text, base| {
            let scan = scan(text, base, 10).unwrap();
            scan.fingerprint(scan.entries.first().unwrap())
        };
        let one = of("<rss><item>1</item></rss>", None);
        assert_eq!(one, of("<rss><title>new</title><item>1</item></rss>", None));
        assert_ne!(one, of("<rss><item>2</item></rss>", None));
        assert_ne!(one, of("<rss xml:base='x'><item>1</item></rss>", None));
        assert_ne!(one, of("<rss><item>1</item></rss>", Some("https://a.ua/")));
        let signed = |url| of("<rss><item>1</item></rss>", Some(url));
        assert_eq!(signed("https://a.ua/x?token=1"), signed("https://a.ua/x?token=2"));
    }
}
