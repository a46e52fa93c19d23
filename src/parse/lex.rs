//! A lenient lexer for markup that is meant to be XML. It never fails: whatever is no tag is text. It is linear whatever comes in: what
//! opens and never closes is looked for once.

use memchr::{memchr, memchr2, memmem};

/// The longest tag. A `<` whose `>` is farther away opens none.
const LONGEST_TAG: usize = 64 * 1024;

/// The longest name that is told from others.
const LONGEST_NAME: usize = 64;

/// How far into a quoted value a `<` is looked past: none belongs there, but titles have them.
const LONGEST_SLIP: usize = 256;

/// A piece of markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Characters, references not resolved.
    Text(&'a str),
    /// What a CDATA section holds.
    CData(&'a str),
    /// `<name attributes>`
    Start(Tag<'a>),
    /// `</name>`
    End(&'a str),
    /// A comment, a processing instruction or a declaration.
    Other,
}

/// A start tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// With its prefix, as written.
    pub(super) name: &'a str,
    /// What stands between the name and the end.
    pub(super) attributes: &'a str,
    /// Whether it ends in `/>`.
    pub(super) empty: bool,
}

impl<'a> Tag<'a> {
    /// The name without its prefix.
    pub(super) fn local(&self) -> &'a str {
        local(self.name)
    }

    /// The raw value of an attribute, by its local name in any case.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        attributes(self.attributes).find(|(n, _)| local(n).eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A name without its prefix.
pub(super) fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// What the next `<` is the beginning of, told without looking further than the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight<'a> {
    /// A start tag of this name, with its prefix.
    Start(&'a [u8]),
    /// An end tag of this name, with its prefix.
    End(&'a [u8]),
    /// CDATA, a comment, an instruction or a declaration, which may hold what looks like tags.
    Opaque,
    /// Text.
    Stray,
}

impl Sight<'_> {
    /// Whether it is a tag with this local name, in any case.
    pub(super) fn is_local(name: &[u8], local: &str) -> bool {
        name.len() >= local.len()
            && name
                .split_at_checked(name.len() - local.len())
                .is_some_and(|(prefix, name)| name.eq_ignore_ascii_case(local.as_bytes()) && (prefix.is_empty() || prefix.ends_with(b":")))
    }
}

/// Walks over markup.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// There is no further end of a comment.
    no_comment: bool,
    /// Whether the end came in the middle of a tag or a CDATA section.
    pub(super) cut: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, no_comment: false, cut: false }
    }

    /// Where the next token begins, in bytes.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Goes on at another place, which must be the beginning of a character.
    pub(super) fn move_to(&mut self, at: usize) {
        self.at = at;
    }

    /// Goes to the next `<` and says what it seems to begin; goes to the end when there is none.
    pub(super) fn sight(&mut self) -> Option<Sight<'a>> {
        let rest = self.rest().as_bytes();
        let Some(at) = memchr(b'<', rest) else {
            self.at += rest.len();
            return None;
        };
        self.at += at;
        let after = rest.get(at + 1..).unwrap_or_default();
        let name = |from: usize| {
            let name = after.get(from..).unwrap_or_default();
            let ends = |b: &u8| *b <= b' ' || matches!(b, b'>' | b'/' | b'<');
            name.get(..name.iter().take(LONGEST_NAME).position(ends).unwrap_or(name.len().min(LONGEST_NAME))).unwrap_or_default()
        };
        Some(match after.first() {
            Some(b'/') => Sight::End(name(1)),
            Some(b'!' | b'?') => Sight::Opaque,
            Some(b) if begins_name(*b) => Sight::Start(name(0)),
            _ => Sight::Stray,
        })
    }

    /// Passes over the `<` that was sighted, and over all that is opaque.
    pub(super) fn pass(&mut self, sight: Sight<'a>) {
        match sight {
            Sight::Opaque => {
                let _opaque = self.next();
            }
            _ => self.at += 1,
        }
    }

    /// The next token; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        match (bytes.first()?, bytes.get(1)) {
            (b'<', Some(b'/')) => Some(self.end_tag()),
            (b'<', Some(b'!')) => Some(self.declaration()),
            (b'<', Some(b'?')) => Some(self.instruction()),
            (b'<', Some(b)) if begins_name(*b) => Some(self.start_tag()),
            (b'<', _) => Some(self.stray()),
            _ => Some(self.text_up_to(memchr(b'<', bytes).unwrap_or(bytes.len()))),
        }
    }

    fn text_up_to(&mut self, end: usize) -> Token<'a> {
        let text = self.rest().get(..end).unwrap_or_default();
        self.at += end;
        Token::Text(text)
    }

    /// A `<` that opens nothing, with the text up to the next one.
    fn stray(&mut self) -> Token<'a> {
        let rest = self.rest().as_bytes();
        let next = rest.get(1..).and_then(|after| memchr(b'<', after));
        self.text_up_to(next.map_or(rest.len(), |at| at + 1))
    }

    /// CDATA, a comment, or `<!DOCTYPE …>`.
    fn declaration(&mut self) -> Token<'a> {
        let rest = self.rest();
        if let Some(inside) = rest.strip_prefix("<![CDATA[") {
            let end = memmem::find(inside.as_bytes(), b"]]>");
            self.cut |= end.is_none();
            let inside = inside.get(..end.unwrap_or(inside.len())).unwrap_or_default();
            self.at += (9 + inside.len() + 3).min(rest.len());
            return Token::CData(inside);
        }
        if rest.starts_with("<!--") {
            return self.comment();
        }
        self.doctype()
    }

    /// A comment that never ends is none: it must not swallow what follows.
    fn comment(&mut self) -> Token<'a> {
        let inside = self.rest().as_bytes().get(4..).unwrap_or_default();
        let end = if self.no_comment { None } else { memmem::find(inside, b"-->") };
        match end {
            Some(end) => {
                self.at += 4 + end + 3;
                Token::Other
            }
            None => {
                self.no_comment = true;
                self.stray()
            }
        }
    }

    /// `<? … ?>`, which some end with a mere `>`.
    fn instruction(&mut self) -> Token<'a> {
        let rest = self.rest().as_bytes();
        let end = memchr(b'>', rest);
        self.cut |= end.is_none();
        self.at += end.map_or(rest.len(), |end| end + 1);
        Token::Other
    }

    /// `<!DOCTYPE …>`, which may hold an internal subset in brackets. No entity it declares is ever expanded.
    fn doctype(&mut self) -> Token<'a> {
        let rest = self.rest().as_bytes();
        let plain = memchr(b'>', rest);
        let subset = memchr(b'[', rest.get(..plain.unwrap_or(rest.len())).unwrap_or_default());
        let end = match subset {
            Some(open) => memmem::find(rest.get(open..).unwrap_or_default(), b"]>").map(|at| open + at + 2),
            None => plain.map(|at| at + 1),
        };
        self.cut |= end.is_none();
        self.at += end.unwrap_or(rest.len());
        Token::Other
    }

    fn end_tag(&mut self) -> Token<'a> {
        let rest = self.rest();
        // A lost `>` ends the tag where the next one begins.
        let end = rest.as_bytes().get(1..).and_then(|after| memchr2(b'>', b'<', after)).map(|at| at + 1);
        self.cut |= end.is_none();
        let end = end.unwrap_or(rest.len());
        let name = rest.get(2..end).unwrap_or_default().trim_ascii();
        self.at += end + usize::from(rest.as_bytes().get(end) == Some(&b'>'));
        Token::End(name.split_ascii_whitespace().next().unwrap_or_default())
    }

    fn start_tag(&mut self) -> Token<'a> {
        let rest = self.rest();
        let Some(end) = tag_end(rest.as_bytes()) else {
            self.cut |= rest.len() < LONGEST_TAG;
            return self.stray();
        };
        self.at += end + 1;
        let inside = rest.get(1..end).unwrap_or_default();
        let (inside, empty) = inside.strip_suffix('/').map_or((inside, false), |inside| (inside, true));
        let name_end = inside.bytes().position(|b| b.is_ascii_whitespace() || b == b'/').unwrap_or(inside.len());
        let (name, attributes) = inside.split_at(name_end);
        Token::Start(Tag { name, attributes, empty })
    }
}

fn begins_name(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b == b':' || b >= 0x80
}

/// Where the `>` of a start tag is, which may have others in quoted values. A quote that never closes is none.
fn tag_end(bytes: &[u8]) -> Option<usize> {
    let bytes = bytes.get(..bytes.len().min(LONGEST_TAG))?;
    let (mut at, mut value) = (1, false);
    loop {
        match bytes.get(at)? {
            b'>' => return Some(at),
            b'<' => return None,
            quote @ (b'"' | b'\'') if value => {
                let inside = bytes.get(at + 1..)?;
                at += closing(inside, *quote).map_or(0, |length| length + 1);
                value = false;
            }
            b'=' => value = true,
            b if b.is_ascii_whitespace() => {}
            _ => value = false,
        }
        at += 1;
    }
}

/// The length of a quoted value. A `<` in it is passed over only if the quote closes soon, and as quotes of values do.
fn closing(inside: &[u8], quote: u8) -> Option<usize> {
    let first = memchr2(quote, b'<', inside)?;
    if inside.get(first) == Some(&quote) {
        return Some(first);
    }
    let near = inside.get(..inside.len().min(LONGEST_SLIP))?;
    let end = first + memchr(quote, near.get(first..)?)?;
    inside.get(end + 1).is_some_and(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/' | b'?')).then_some(end)
}

/// Names and raw values. Values without quotes and names without values are taken as they come; at most 64.
pub(super) fn attributes(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let end = rest.find(|c: char| c.is_ascii_whitespace() || c == '=').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() && !after.starts_with('=') {
            return None;
        }
        let Some(value) = after.trim_ascii_start().strip_prefix('=') else {
            rest = after;
            return Some((name, ""));
        };
        let value = value.trim_ascii_start();
        let quoted = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, after) = match quoted {
            Some(quote) => {
                let inside = value.get(1..).unwrap_or_default();
                let end = inside.find(quote).unwrap_or(inside.len());
                (inside.get(..end).unwrap_or_default(), inside.get(end + 1..).unwrap_or_default())
            }
            None => value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len())),
        };
        rest = after;
        Some((name, value))
    })
    .take(64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lex(text: &str) -> Vec<String> {
        let mut lexer = Lexer::new(text);
        let mut out = vec![];
        while let Some(token) = lexer.next() {
            out.push(match token {
                Token::Text(t) => format!("T:{t}"),
                Token::CData(t) => format!("C:{t}"),
                Token::Start(t) => format!("S:{}[{}]{}", t.name, t.attributes.trim(), if t.empty { "/" } else { "" }),
                Token::End(n) => format!("E:{n}"),
                Token::Other => "O".into(),
            });
        }
        if lexer.cut {
            out.push("cut".into());
        }
        out
    }

    #[test]
    fn what_is_a_tag_and_what_is_text() {
        let check = |text: &str, expected: &[&str]| assert_eq!(lex(text), expected, "{text}");
        check("<a b='1>2'>x</a >", &["S:a[b='1>2']", "T:x", "E:a"]);
        check("a < b & c <3 <br/>", &["T:a ", "T:< b & c ", "T:<3 ", "S:br[]/"]);
        check("<![CDATA[<a>]]]]>x", &["C:<a>]]", "T:x"]);
        check("<!-- <a> --><?php x?><!DOCTYPE a [<!ENTITY b \"c\">]>y", &["O", "O", "O", "T:y"]);
        check("<title>x</title<link>", &["S:title[]", "T:x", "E:title", "S:link[]"]);
        check("<a title=\"unclosed>text</a>", &["S:a[title=\"unclosed]", "T:text", "E:a"]);
        check("<a title=5\">text", &["S:a[title=5\"]", "T:text"]);
        check("<a title=\"x < y\" b='c'>", &["S:a[title=\"x < y\" b='c']"]);
        check("<!-- <a>b", &["T:<!-- ", "S:a[]", "T:b"]);
        check("<![CDATA[half", &["C:half", "cut"]);
        check("<item><tit", &["S:item[]", "T:<tit", "cut"]);
    }

    /// Each of these was looked for to the end of the document, once for each time it stands there.
    #[test]
    fn what_never_ends_is_looked_for_once() {
        for piece in ["<!a>", "<!-- ", "<![CDATA[ ", "<!DOCTYPE [", "<a b=\"", "<a b='\"", "<a ", "<", "</", "<?"] {
            let text = piece.repeat((4 << 20) / piece.len());
            let mut lexer = Lexer::new(&text);
            while lexer.next().is_some() {}
            assert_eq!(lexer.position(), text.len(), "{piece}");
        }
    }

    #[test]
    fn values_of_attributes() {
        let pairs: Vec<_> = attributes(r#" a="1" b='2 3' c=4 d e = "5" "#).collect();
        assert_eq!(pairs, [("a", "1"), ("b", "2 3"), ("c", "4"), ("d", ""), ("e", "5")]);
    }

    proptest! {
        #[test]
        fn every_byte_belongs_to_a_token(text in r#"[<>/!?a-c"'= \[\]CDAT&;é-]{0,80}"#) {
            let mut lexer = Lexer::new(&text);
            let mut at = 0;
            while let Some(_token) = lexer.next() {
                prop_assert!(lexer.position() > at);
                at = lexer.position();
            }
            prop_assert_eq!(at, text.len());
        }
    }
}
