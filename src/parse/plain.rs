//! Readable text of HTML, and HTML of plain text.

use super::entities;
use super::lex::{Lexer, Token, local};

/// Elements that begin a paragraph, and those that begin a line.
const PARAGRAPHS: [&str; 18] =
    ["p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "figure", "article", "section", "dl", "hr"];
const LINES: [&str; 6] = ["br", "li", "tr", "dt", "dd", "figcaption"];

/// Elements that stand beside each other.
const CELLS: [&str; 2] = ["td", "th"];

/// Plain text as HTML: a paragraph for what stands between empty lines, a break for the end of a line.
#[must_use]
pub fn from_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let (mut open, mut first) = (false, true);
    for line in text.trim().lines().map(str::trim) {
        if line.is_empty() {
            if std::mem::take(&mut open) {
                out.push_str("</p>");
            }
            continue;
        }
        if !std::mem::replace(&mut open, true) {
            out.push_str("<p>");
            first = true;
        }
        if !std::mem::take(&mut first) {
            out.push_str("<br>");
        }
        for c in line.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                c => out.push(c),
            }
        }
    }
    if open {
        out.push_str("</p>");
    }
    out
}

/// Readable text of clean HTML: paragraphs apart by an empty line, items on lines of their own, white space folded.
#[must_use]
pub fn text(html: &str) -> String {
    let (mut out, mut lexer, mut breaks) = (String::with_capacity(html.len()), Lexer::new(html), 0usize);
    while let Some(token) = lexer.next() {
        match token {
            Token::Text(raw) | Token::CData(raw) => push_words(&entities::resolve(raw), &mut out, &mut breaks),
            Token::Start(tag) if CELLS.iter().any(|cell| tag.name.eq_ignore_ascii_case(cell)) => push_words(" ", &mut out, &mut breaks),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_as_html() {
        assert_eq!(from_text(" 1 < 2 & є\nґ\n\n  ї’ \n"), "<p>1 &lt; 2 &amp; є<br>ґ</p><p>ї’</p>");
        assert_eq!(text(&from_text("a\nb\n\nc <i>")), "a\nb\n\nc <i>");
        assert_eq!(from_text(" \n "), "");
    }

    #[test]
    fn text_is_readable() {
        let check = |html: &str, expected: &str| assert_eq!(text(html), expected, "{html}");
        check("<p>Перший\n абзац</p><p>Другий&nbsp;<b>жир</b>ний</p>", "Перший абзац\n\nДругий\u{a0}жирний");
        check("a<br>b<ul><li>one</li><li>two</li></ul>c", "a\nb\n\none\ntwo\n\nc");
        check("<div><div> x </div></div>", "x");
        check("1 &lt; 2 &amp; <i>3</i> , 4", "1 < 2 & 3 , 4");
        check(
            "<p>a<p>b<ol><li>one<li><p>two</p></li></ol><table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>",
            "a\n\nb\n\none\n\ntwo\n\n1 2\n3",
        );
    }
}
