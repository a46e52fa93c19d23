//! HTML from strangers: cleaned by an allow-list, made readable as text. The only file that names the sanitiser.

use std::borrow::Cow;

use ammonia::{Builder, UrlRelative};
use url::Url;

use super::lex::{Lexer, Tag, Token, local};
use super::nesting::{DEEPEST, Nesting};
use super::{beacons, entities, mojibake};

/// Markup that cannot hold too many attributes.
const SHORT: usize = 512;

/// White space between the attributes of one tag. The sanitiser compares each attribute with each other one.
const MOST_SPACES: usize = 500;

/// So much text in a row, in bytes as written, is one node for the sanitiser, which is quadratic in the references of one.
const LONGEST_RUN: usize = 4096;

/// What separates two nodes of text, and is dropped by the sanitiser.
const SEPARATOR: &str = "<!---->";

/// HTML that can do nothing but be read: tags and attributes of an allow-list, absolute links, no pictures that count readers. Letters are
/// left as they are.
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

/// The same markup made harmless for the sanitiser: without the tags that are nested too deep and the attributes that are too many, a `<`
/// that begins no tag escaped, text in pieces; and without beacons.
fn flattened(html: &str) -> Cow<'_, str> {
    let has = |tag: &[u8]| html.as_bytes().windows(tag.len()).any(|window| window.eq_ignore_ascii_case(tag));
    if html.len() <= SHORT && html.matches('<').count() <= DEEPEST && !has(b"<img") && !has(b"<math") {
        return Cow::Borrowed(html);
    }
    let (mut out, mut lexer, mut nesting) = (String::with_capacity(html.len()), Lexer::new(html), Nesting::default());
    // Bytes of text since the last tag that was kept.
    let mut run = 0;
    loop {
        let begin = lexer.position();
        let Some(token) = lexer.next() else { return Cow::Owned(out) };
        let raw = html.get(begin..lexer.position()).unwrap_or_default();
        match token {
            Token::Start(tag) if tag.name.eq_ignore_ascii_case("img") && beacons::is_beacon(&tag) => {}
            // The sanitiser drops all of a formula; without its tags, its letters stay.
            Token::Start(Tag { name, .. }) | Token::End(name) if FORMULA.iter().any(|tag| name.eq_ignore_ascii_case(tag)) => {}
            Token::Start(tag) if !nesting.start(&tag, &mut out) => {}
            Token::Start(tag) if tag.attributes.bytes().filter(u8::is_ascii_whitespace).count() > MOST_SPACES => {
                out.extend(["<", tag.name, ">"]);
            }
            Token::End(name) if !nesting.end(name, &mut out) => {}
            Token::Text(text) if is_unfinished_tag(text) => {}
            Token::Text(text) => {
                let (stray, text) = text.strip_prefix('<').map_or(("", text), |text| ("&lt;", text));
                out.push_str(stray);
                run += stray.len();
                push_text(text, nesting.is_raw(), &mut run, &mut out);
            }
            _ => {
                run = 0;
                out.push_str(raw);
            }
        }
    }
}

/// Whether a text is a tag that another one begins inside of: its `>` is lost, and nobody is meant to read it.
fn is_unfinished_tag(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('<') else { return false };
    let name = inside.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    IN_TITLES.iter().any(|tag| name.eq_ignore_ascii_case(tag)) && (text.contains("=\"") || text.contains("='"))
}

/// Appends text, separated where a reference begins after enough of it. `raw` text is that of a program, where no tag is one.
fn push_text(text: &str, raw: bool, run: &mut usize, out: &mut String) {
    let mut rest = text;
    while !raw && *run + rest.len() > LONGEST_RUN {
        let from = (LONGEST_RUN.saturating_sub(*run)..rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let Some(at) = rest.get(from..).and_then(|after| after.find('&')).map(|at| from + at) else { break };
        let (before, after) = rest.split_at(at);
        out.extend([before, SEPARATOR]);
        rest = after;
        *run = 0;
    }
    *run += rest.len();
    out.push_str(rest);
}

/// MathML.
const FORMULA: [&str; 27] = [
    "annotation",
    "math",
    "menclose",
    "merror",
    "mfenced",
    "mfrac",
    "mi",
    "mn",
    "mo",
    "mover",
    "mpadded",
    "mphantom",
    "mroot",
    "mrow",
    "ms",
    "mspace",
    "msqrt",
    "mstyle",
    "msub",
    "msubsup",
    "msup",
    "mtable",
    "mtd",
    "mtext",
    "mtr",
    "munder",
    "semantics",
];

/// A title as plain text: tags left out, references resolved, white space folded, control characters dropped.
#[must_use]
pub fn title(raw: &str) -> String {
    let plain = if raw.contains('<') { strip(raw) } else { raw.to_owned() };
    // Before the control characters go, which may be halves of letters.
    let resolved = mojibake::undone(entities::resolve(&plain));
    let words = resolved.split(|c: char| c.is_whitespace() && c != '\u{a0}').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).collect()
}

/// Text without the tags that HTML knows; `a < b`, `<3` and `Vec<T>` stay.
fn strip(raw: &str) -> String {
    let (mut out, mut lexer) = (String::with_capacity(raw.len()), Lexer::new(raw));
    // Inside of which program or style sheet.
    let mut hidden: Option<&str> = None;
    loop {
        let begin = lexer.position();
        let Some(token) = lexer.next() else { return out };
        let known = |name: &str| IN_TITLES.iter().any(|tag| local(name).eq_ignore_ascii_case(tag));
        match token {
            Token::End(name) if hidden.is_some_and(|hidden| hidden.eq_ignore_ascii_case(name)) => hidden = None,
            _ if hidden.is_some() => {}
            Token::Start(tag) if !tag.empty && HIDDEN.iter().any(|name| tag.name.eq_ignore_ascii_case(name)) => hidden = Some(tag.name),
            Token::CData(text) => out.push_str(text),
            Token::Start(Tag { name, .. }) | Token::End(name) if known(name) => {}
            Token::Other => {}
            _ => out.push_str(raw.get(begin..lexer.position()).unwrap_or_default()),
        }
    }
}

/// Elements whose text is not for people.
const HIDDEN: [&str; 2] = ["script", "style"];

/// Elements that are found in titles.
const IN_TITLES: [&str; 50] = [
    "a",
    "abbr",
    "acronym",
    "b",
    "bdi",
    "bdo",
    "big",
    "blink",
    "blockquote",
    "br",
    "center",
    "cite",
    "code",
    "del",
    "dfn",
    "div",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "nobr",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
    "script",
    "style",
];

#[cfg(test)]
mod tests {
    use super::super::nesting::MOST_FORMATS;
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
        let many: String = (0..100_000).map(|n| format!("a{n} ")).collect();
        assert!(clean(&format!("<p {many}>x</p>"), None).starts_with("&lt;p a0 a1 "), "too long for a tag");
        let many: String = (0..5_000).map(|n| format!("a{n} ")).collect();
        assert_eq!(clean(&format!("<p {many}>x</p>"), None), "<p>x</p>");
        let crossed = format!("{}{}", "<b>".repeat(20_000), "</i>".repeat(20_000));
        assert!(clean(&crossed, None).matches("<b>").count() <= DEEPEST + 1);
    }

    #[test]
    fn end_tags_that_html_does_not_ask_for_are_not_missed() {
        assert_eq!(clean(&"<p>x".repeat(500), None), "<p>x</p>".repeat(500));
        assert_eq!(clean(&"<p>x<b>y".repeat(500), None).matches("<p>").count(), 500);
        assert_eq!(clean(&format!("<ul>{}</ul>", "<li>x".repeat(500)), None).matches("<li>").count(), 500);
        assert_eq!(clean(&format!("<table>{}</table>", "<tr><td>x<td>y".repeat(200)), None).matches("<td>").count(), 400);
        let fonts: String = (0..5_000).map(|n| format!("<p><i title={n}>x")).collect();
        assert!(clean(&fonts, None).len() < 5_000 * 30 * MOST_FORMATS);
    }

    #[test]
    fn pictures_that_count_readers_are_dropped() {
        let check = |html: &str, expected: &str| assert_eq!(clean(html, Some("https://a.ua/")), expected, "{html}");
        check("<p>x<img src='/p.gif' width=1 height=1></p>", "<p>x</p>");
        check("<p>x</p><IMG SRC='https://pixel.wp.com/b.gif?a=1&amp;b=2'>", "<p>x</p>");
        check("<img src='1.jpg' width='600' height='400'>", "<img src=\"https://a.ua/1.jpg\" width=\"600\" height=\"400\">");
    }

    #[test]
    fn what_a_browser_reads_otherwise() {
        let long = " ".repeat(SHORT);
        let check = |html: &str, expected: &str| assert_eq!(clean(&format!("{html}{long}"), None).trim_end(), expected, "{html}");
        check("<p>bytes <math><mi>n</mi><mo>+</mo><mn>1</mn></math></p>", "<p>bytes n+1</p>");
        check("<p><a href=\"/1\"<i>x</i> y</p>", "<p><i>x</i> y</p>");
        check("<p>a <b and c=d <i>x</i></p>", "<p>a &lt;b and c=d <i>x</i></p>");
    }

    /// Each would take seconds if the text were one node.
    #[test]
    fn references_without_number_are_no_danger() {
        for (piece, clean_piece) in [("&amp;", "&amp;"), ("&laquo;", "«"), ("< ", "&lt; "), ("&amp;</b>", "&amp;"), ("є&amp;", "є&amp;")]
        {
            let cleaned = clean(&format!("<p>{}</p>", piece.repeat(200_000)), None);
            assert_eq!(cleaned.len(), clean_piece.len() * 200_000 + 7, "{piece}");
            assert!(cleaned.starts_with(&format!("<p>{}", clean_piece.repeat(3000))), "{piece}");
        }
        let raw = clean(&format!("<textarea>{}</textarea>", "&amp;".repeat(5_000)), None);
        assert_eq!(raw, "&amp;".repeat(5_000));
    }

    /// A browser sees elements go on where these end or begin beside each other: the sanitiser would see them pile up.
    #[test]
    fn what_is_over_is_closed() {
        for piece in [
            "<li><h1>",
            "<li><dd>",
            "<dd><ul>",
            "<div><option>",
            "<div><td>",
            "<i><div></i>",
            "<a><div></a>",
            "<span><div></span>",
            "<sup><h2></sup>",
            "<p><marquee>",
            "<li><blockquote>",
        ] {
            let cleaned = clean(&piece.repeat(5_000), None);
            let (mut lexer, mut depth, mut deepest) = (Lexer::new(&cleaned), 0, 0);
            while let Some(token) = lexer.next() {
                depth += i32::from(matches!(token, Token::Start(_))) - i32::from(matches!(token, Token::End(_)));
                deepest = deepest.max(depth);
            }
            assert!(deepest <= 130, "{piece}: {deepest} deep");
        }
        let check = |html: &str, expected: &str| {
            assert_eq!(clean(&format!("{html}{}", " ".repeat(SHORT)), None).replace("  ", ""), expected, "{html}")
        };
        check("<ul><li><h3>a<li>b</ul>c", "<ul><li><h3>a</h3></li><li>b</li></ul>c");
        check("<p>a<b>b<p>c</b><hr>d<p>e", "<p>a<b>b</b></p><p><b>c</b></p><hr>d<p>e</p>");
        check("<span><div>a</span>b", "<span><div>a</div></span>b");
    }

    #[test]
    fn titles_are_plain() {
        let check = |raw: &str, expected: &str| assert_eq!(title(raw), expected, "{raw}");
        check("  A\n <b>b</b> &amp;amp; c ", "A b &amp; c");
        check("1 < 2 and <3", "1 < 2 and <3");
        check("Vec<T> in <code>Rust</code>", "Vec<T> in Rust");
        check("safe<script type='x'>a < b</script> and<STYLE>p {}</STYLE> sound<script>never closed", "safe and sound");
        check("РЈРєСЂР°С—РЅР°", "Україна");
        check("customary Å\u{8d}sÅ\u{8d}ji", "customary ōsōji");
        check("Об&#8217;єкт &laquo;є&raquo;\u{7}", "Об’єкт «є»");
    }
}
