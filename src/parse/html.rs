//! HTML from strangers: cleaned by an allow-list, made readable as text. The only file that names the sanitiser.

use std::borrow::Cow;

use ammonia::{Builder, UrlRelative};
use url::Url;

use super::entities;
use super::lex::{Lexer, Token, local};

/// Elements in each other; the tags of deeper ones are dropped before the sanitiser sees them, for it is quadratic in depth.
const DEEPEST: usize = 100;

/// HTML that can do nothing but be read: tags and attributes of an allow-list, absolute links. Letters are left as they are.
#[must_use]
pub fn clean(html: &str, base: Option<&str>) -> String {
    if !html.contains(['<', '&']) {
        return html.to_owned();
    }
    let relative = match base.and_then(|base| Url::parse(base).ok()) {
        Some(base) => UrlRelative::RewriteWithBase(base),
        None => UrlRelative::PassThrough,
    };
    Builder::default().url_relative(relative).link_rel(Some("noopener noreferrer")).clean(&flattened(html)).to_string()
}

/// The same markup without the tags that are nested too deep. Elements that are never closed in HTML do not count.
fn flattened(html: &str) -> Cow<'_, str> {
    if html.matches('<').count() <= DEEPEST {
        return Cow::Borrowed(html);
    }
    let (mut out, mut lexer, mut open) = (String::with_capacity(html.len()), Lexer::new(html), Vec::<&str>::new());
    let mut dropped = Vec::<&str>::new();
    loop {
        let begin = lexer.position();
        let Some(token) = lexer.next() else { return Cow::Owned(out) };
        let keep = match token {
            Token::Start(tag) if tag.empty || VOID.iter().any(|v| tag.name.eq_ignore_ascii_case(v)) => true,
            Token::Start(tag) if open.len() < DEEPEST => {
                open.push(tag.name);
                true
            }
            Token::Start(tag) => {
                dropped.push(tag.name);
                false
            }
            Token::End(name) => end(name, &mut open, &mut dropped),
            Token::Text(_) | Token::CData(_) | Token::Other => true,
        };
        if keep {
            out.push_str(html.get(begin..lexer.position()).unwrap_or_default());
        }
    }
}

/// Whether an end tag belongs to an element that was kept. One that closes nothing, or only what was dropped, is dropped too.
fn end(name: &str, open: &mut Vec<&str>, dropped: &mut Vec<&str>) -> bool {
    if dropped.last().is_some_and(|last| last.eq_ignore_ascii_case(name)) {
        dropped.pop();
        return false;
    }
    match open.iter().rposition(|o| o.eq_ignore_ascii_case(name)) {
        Some(at) => {
            open.truncate(at);
            true
        }
        None => false,
    }
}

const VOID: [&str; 8] = ["br", "img", "hr", "input", "meta", "link", "source", "wbr"];

/// Elements that begin a paragraph, and those that begin a line.
const PARAGRAPHS: [&str; 18] =
    ["p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "figure", "article", "section", "dl", "hr"];
const LINES: [&str; 6] = ["br", "li", "tr", "dt", "dd", "figcaption"];

/// Readable text of clean HTML: paragraphs apart by an empty line, items on lines of their own, white space folded.
#[must_use]
pub fn text(html: &str) -> String {
    let (mut out, mut lexer, mut breaks) = (String::with_capacity(html.len()), Lexer::new(html), 0usize);
    while let Some(token) = lexer.next() {
        match token {
            Token::Text(raw) | Token::CData(raw) => push_words(&entities::resolve(raw), &mut out, &mut breaks),
            Token::Start(tag) => breaks = breaks.max(break_of(tag.name)),
            Token::End(name) => breaks = breaks.max(break_of(name)),
            Token::Other => {}
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn break_of(name: &str) -> usize {
    let is = |list: &[&str]| list.iter().any(|n| local(name).eq_ignore_ascii_case(n));
    if is(&PARAGRAPHS) { 2 } else { usize::from(is(&LINES)) }
}

/// Appends words, one space between them, after the breaks that are due.
fn push_words(text: &str, out: &mut String, breaks: &mut usize) {
    let mut space = text.starts_with(is_space);
    for word in text.split(is_space).filter(|word| !word.is_empty()) {
        if *breaks > 0 && !out.is_empty() {
            out.truncate(out.trim_end_matches(' ').len());
            out.extend(std::iter::repeat_n('\n', *breaks));
        } else if space && !out.is_empty() && !out.ends_with([' ', '\n']) {
            out.push(' ');
        }
        *breaks = 0;
        out.push_str(word);
        space = true;
    }
    if text.ends_with(is_space) && *breaks == 0 && !out.is_empty() && !out.ends_with([' ', '\n']) {
        out.push(' ');
    }
}

/// White space that is layout. A no-break space is a letter of its own, and stays.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

/// A title as plain text: tags left out, references resolved, white space folded, control characters dropped.
#[must_use]
pub fn title(raw: &str) -> String {
    let plain = if raw.contains('<') { strip(raw) } else { raw.to_owned() };
    let resolved = entities::resolve(&plain);
    let words = resolved.split(|c: char| c.is_whitespace() && c != '\u{a0}').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).collect()
}

/// Text without the tags that HTML knows; `a < b` and `<3` stay.
fn strip(raw: &str) -> String {
    let (mut out, mut lexer) = (String::with_capacity(raw.len()), Lexer::new(raw));
    while let Some(token) = lexer.next() {
        match token {
            Token::Text(text) | Token::CData(text) => out.push_str(text),
            Token::Start(_) | Token::End(_) | Token::Other => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_act_is_gone_and_letters_stay() {
        let check = |html: &str, expected: &str| assert_eq!(clean(html, Some("https://a.ua/x/")), expected, "{html}");
        check("<p onclick='x()'>Є і ї ґ ’ ʼ &amp; <script>alert(1)</script></p>", "<p>Є і ї ґ ’ ʼ &amp; </p>");
        check("<a href='../y'>z</a>", "<a href=\"https://a.ua/y\" rel=\"noopener noreferrer\">z</a>");
        check(
            "<a href='javascript:x'>z</a><img src='i.png' onerror=x>",
            "<a rel=\"noopener noreferrer\">z</a><img src=\"https://a.ua/x/i.png\">",
        );
        check("plain", "plain");
        check("<iframe src='x'></iframe><b title='\" onmouseover=\"x'>y</b>", "<b title=\"&quot; onmouseover=&quot;x\">y</b>");
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!("{}text{}", "<div>".repeat(100_000), "</div>".repeat(100_000));
        let cleaned = clean(&deep, None);
        assert!(cleaned.contains("text") && cleaned.matches("<div>").count() <= DEEPEST);
        let crossed = format!("{}{}", "<b>".repeat(20_000), "</i>".repeat(20_000));
        assert!(clean(&crossed, None).matches("<b>").count() <= DEEPEST + 1);
    }

    #[test]
    fn text_is_readable() {
        let check = |html: &str, expected: &str| assert_eq!(text(html), expected, "{html}");
        check("<p>Перший\n абзац</p><p>Другий&nbsp;<b>жир</b>ний</p>", "Перший абзац\n\nДругий\u{a0}жирний");
        check("a<br>b<ul><li>one</li><li>two</li></ul>c", "a\nb\n\none\ntwo\n\nc");
        check("<div><div> x </div></div>", "x");
        check("1 &lt; 2 &amp; <i>3</i> , 4", "1 < 2 & 3 , 4");
    }

    #[test]
    fn titles_are_plain() {
        let check = |raw: &str, expected: &str| assert_eq!(title(raw), expected, "{raw}");
        check("  A\n <b>b</b> &amp;amp; c ", "A b &amp; c");
        check("1 < 2 and <3", "1 < 2 and <3");
        check("Об&#8217;єкт &laquo;є&raquo;\u{7}", "Об’єкт «є»");
    }
}
