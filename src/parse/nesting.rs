//! Which HTML elements are open, so that a sanitiser that is quadratic in depth never meets any. Where a browser would see an element go on
//! that is taken to be over, as a heading in an item whose next one begins, its end tag is written: what is counted is what will be there.

use super::lex::Tag;

/// Elements in each other; the tags of deeper ones are dropped before the sanitiser sees them, for it is quadratic in depth.
pub(super) const DEEPEST: usize = 100;

/// Formatting in each other. What is never closed is opened again in each paragraph that follows.
pub(super) const MOST_FORMATS: usize = 12;

/// Which elements are open, as a browser sees it.
#[derive(Default)]
pub(super) struct Nesting<'a> {
    open: Vec<&'a str>,
    /// Formatting that was never closed goes on in the next paragraph: a browser opens it there again.
    carried: usize,
    /// Elements whose tags were dropped.
    dropped: Vec<&'a str>,
}

impl<'a> Nesting<'a> {
    /// Whether what comes is the text of an element that holds no markup.
    pub(super) fn is_raw(&self) -> bool {
        self.open.iter().any(|open| RAW.iter().any(|name| open.eq_ignore_ascii_case(name)))
    }

    /// Whether a start tag is kept. What it closes without saying so is closed on `out`.
    pub(super) fn start(&mut self, tag: &Tag<'a>, out: &mut String) -> bool {
        let is = |list: &[&str]| list.iter().any(|name| tag.name.eq_ignore_ascii_case(name));
        if let Some((_, closed, within)) = IMPLIED.iter().find(|(opening, ..)| is(opening)) {
            self.close(closed, within, out);
        }
        if is(&VOID) {
            return true;
        }
        let formatting = |name: &&str| FORMATTING.iter().any(|f| name.eq_ignore_ascii_case(f));
        let formats = || self.carried + self.open.iter().copied().filter(|open| formatting(open)).count();
        if self.open.len() >= DEEPEST || (formatting(&tag.name) && formats() >= MOST_FORMATS) {
            self.dropped.push(tag.name);
            return false;
        }
        self.open.push(tag.name);
        true
    }

    /// Closes what a start tag closes without saying so, no further out than the nearest of `within`.
    fn close(&mut self, closed: &[&str], within: &[&str], out: &mut String) {
        let last = |list: &[&str]| self.open.iter().rposition(|open| list.iter().any(|name| open.eq_ignore_ascii_case(name)));
        if let Some(at) = last(closed).filter(|at| last(within).is_none_or(|outer| outer < *at)) {
            self.truncate(at, at, out);
        }
    }

    /// Takes `at` and all inside of it for closed, and writes the end tags of those from `untold` on. Formatting needs none: it ends with what
    /// it is in, and goes on in the next paragraph. Inside of what holds no markup they would be text.
    fn truncate(&mut self, at: usize, untold: usize, out: &mut String) {
        let is = |open: &str, list: &[&str]| list.iter().any(|name| open.eq_ignore_ascii_case(name));
        let inner = self.open.get(at + 1..).unwrap_or_default();
        self.carried += inner.iter().filter(|open| is(open, &FORMATTING)).count();
        let raw = self.open.iter().position(|open| is(open, &RAW)).unwrap_or(self.open.len());
        let closed = self.open.get(untold..self.open.len().min(raw + 1)).unwrap_or_default();
        closed.iter().rev().filter(|open| !is(open, &FORMATTING)).for_each(|open| out.extend(["</", open, ">"]));
        self.open.truncate(at);
    }

    /// Whether an end tag is kept. One that closes nothing, or only what was dropped, is dropped too. What is left open inside is closed on
    /// `out`.
    pub(super) fn end(&mut self, name: &str, out: &mut String) -> bool {
        if self.dropped.last().is_some_and(|last| last.eq_ignore_ascii_case(name)) {
            self.dropped.pop();
            return false;
        }
        match self.open.iter().rposition(|open| open.eq_ignore_ascii_case(name)) {
            Some(at) => self.truncate(at, at + 1, out),
            None if FORMATTING.iter().any(|f| f.eq_ignore_ascii_case(name)) && self.carried > 0 => self.carried -= 1,
            None => return false,
        }
        true
    }
}

/// Elements in which a browser sees no tags.
const RAW: [&str; 10] = ["iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp"];

const VOID: [&str; 15] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "keygen", "link", "meta", "param", "source", "track", "wbr"];

const FORMATTING: [&str; 14] = ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// What these close, inside of what: publishers leave the end tags of paragraphs, items and cells out, as HTML allows.
const IMPLIED: [(&[&str], &[&str], &[&str]); 6] = [
    (&["li"], &["li"], &["ul", "ol"]),
    (&["dt", "dd"], &["dt", "dd"], &["dl"]),
    (&["tr"], &["tr"], &["table"]),
    (&["td", "th"], &["td", "th"], &["table", "tr"]),
    (&["option"], &["option"], &["select"]),
    (&PARAGRAPH_ENDS, &["p"], &["td", "th", "caption", "table", "button", "object", "marquee"]),
];

/// What begins beside a paragraph, never in it.
const PARAGRAPH_ENDS: [&str; 36] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "details",
    "dir",
    "div",
    "dl",
    "dd",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "ul",
];
