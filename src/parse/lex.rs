//! A lenient, linear lexer for markup that is meant to be XML. It never fails: whatever is no tag is text.

/// The longest tag. A `<` whose `>` is farther away opens none.
const LONGEST_TAG: usize = 64 * 1024;

/// A `<` so far inside of a quoted value means that the quote was never closed.
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

/// Walks over markup.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// No comment ends any more: it is not looked for again.
    no_comment: bool,
    /// Whether the end came in the middle of a tag, a comment or a CDATA section.
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

    /// The next token; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        if !rest.starts_with('<') {
            return Some(self.text_up_to(rest.find('<').unwrap_or(rest.len())));
        }
        match rest.as_bytes().get(1) {
            Some(b'!') if rest.starts_with("<![CDATA[") => {
                let (inside, end) = self.until(9, "]]>");
                self.at += end;
                Some(Token::CData(inside))
            }
            Some(b'!') if rest.starts_with("<!--") => Some(self.comment()),
            Some(b'?') => Some(self.skip(2, ">")),
            Some(b'!') => Some(self.doctype()),
            Some(b'/') => Some(self.end_tag()),
            Some(b) if b.is_ascii_alphabetic() || *b == b'_' || *b == b':' || *b >= 0x80 => Some(self.start_tag()),
            _ => Some(self.stray()),
        }
    }

    fn text_up_to(&mut self, end: usize) -> Token<'a> {
        let text = self.rest().get(..end).unwrap_or_default();
        self.at += end;
        Token::Text(text)
    }

    /// A `<` that opens nothing, with the text up to the next one.
    fn stray(&mut self) -> Token<'a> {
        let end = self.rest().get(1..).and_then(|rest| rest.find('<')).map_or(self.rest().len(), |at| at + 1);
        self.text_up_to(end)
    }

    /// What stands between `from` and `end`, and where that is over.
    fn until(&mut self, from: usize, end: &str) -> (&'a str, usize) {
        let rest = self.rest();
        let inside = rest.get(from..).unwrap_or_default();
        match inside.find(end) {
            Some(at) => (inside.get(..at).unwrap_or_default(), from + at + end.len()),
            None => {
                self.cut = true;
                (inside, rest.len())
            }
        }
    }

    /// A comment; one that never ends is none, for it must not swallow what follows.
    fn comment(&mut self) -> Token<'a> {
        self.no_comment = self.no_comment || self.rest().find("-->").is_none();
        if self.no_comment { self.stray() } else { self.skip(4, "-->") }
    }

    fn skip(&mut self, from: usize, end: &str) -> Token<'a> {
        self.at += self.until(from, end).1;
        Token::Other
    }

    /// `<!DOCTYPE …>`, which may hold an internal subset in brackets. No entity it declares is ever expanded.
    fn doctype(&mut self) -> Token<'a> {
        let rest = self.rest();
        let plain = rest.find('>');
        let subset = rest.get(..plain.unwrap_or(rest.len())).and_then(|before| before.find('['));
        let end = match subset {
            Some(open) => rest.get(open..).and_then(|s| s.find("]>")).map(|at| open + at + 2),
            None => plain.map(|at| at + 1),
        };
        self.cut |= end.is_none();
        self.at += end.unwrap_or(rest.len());
        Token::Other
    }

    fn end_tag(&mut self) -> Token<'a> {
        let rest = self.rest();
        // A lost `>` ends the tag where the next one begins.
        let end = rest.get(1..).and_then(|r| r.find(['>', '<'])).map(|at| at + 1);
        self.cut |= end.is_none();
        let end = end.unwrap_or(rest.len());
        let name = rest.get(2..end).unwrap_or_default().trim();
        self.at += end + usize::from(rest.as_bytes().get(end) == Some(&b'>'));
        Token::End(name.split_ascii_whitespace().next().unwrap_or_default())
    }

    fn start_tag(&mut self) -> Token<'a> {
        let rest = self.rest();
        let Some(end) = tag_end(rest) else {
            self.cut |= rest.len() < LONGEST_TAG;
            return self.stray();
        };
        self.at += end + 1;
        let inside = rest.get(1..end).unwrap_or_default();
        let (inside, empty) = inside.strip_suffix('/').map_or((inside, false), |inside| (inside, true));
        let name_end = inside.find(|c: char| c.is_ascii_whitespace() || c == '/').unwrap_or(inside.len());
        let (name, attributes) = inside.split_at(name_end);
        Token::Start(Tag { name, attributes, empty })
    }
}

/// Where the `>` of a start tag is, which may have others in quoted values. A quote that never closes is none.
fn tag_end(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let bytes = bytes.get(..bytes.len().min(LONGEST_TAG))?;
    let (mut quote, mut opened, mut first) = (None, 0, None);
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'<') => return first,
            (None, b'"' | b'\'') if bytes.get(..at).is_some_and(|b| b.trim_ascii_end().ends_with(b"=")) => {
                (quote, opened) = (Some(*byte), at)
            }
            (Some(open), byte) if open == *byte => quote = None,
            (Some(_), b'>') if first.is_none() => first = Some(at),
            (Some(_), b'<') if at - opened > LONGEST_SLIP => return first,
            _ => {}
        }
    }
    first
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
        check("<![CDATA[half", &["C:half", "cut"]);
        check("<!-- <a>b", &["T:<!-- ", "S:a[]", "T:b"]);
        check("<item><tit", &["S:item[]", "T:<tit", "cut"]);
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
