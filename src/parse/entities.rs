//! Character references, resolved; and text written so that XML leaves it alone.

use std::borrow::Cow;

use quick_xml::escape::resolve_html5_entity;

/// The longest name of a character, with room.
const LONGEST: usize = 32;

/// Text with its references resolved. What is no reference stays as it is.
pub(super) fn resolve(raw: &str) -> Cow<'_, str> {
    if !raw.contains('&') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        let (text, tail) = rest.split_at(at);
        out.push_str(text);
        match reference(tail) {
            Some((Reference::Char(c), length)) => {
                out.push(c);
                rest = tail.get(length..).unwrap_or_default();
            }
            Some((Reference::Str(s), length)) => {
                out.push_str(s);
                rest = tail.get(length..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = tail.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The names that XML knows, first: they are most of all references.
const XML: [(&str, char); 5] = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"'), ("&apos;", '\'')];

enum Reference {
    Char(char),
    Str(&'static str),
}

/// The reference at the head of `tail` and its length.
fn reference(tail: &str) -> Option<(Reference, usize)> {
    if let Some((name, c)) = XML.iter().find(|(name, _)| tail.starts_with(name)) {
        return Some((Reference::Char(*c), name.len()));
    }
    let end = tail.bytes().take(LONGEST).position(|b| b == b';')?;
    let name = tail.get(1..end)?;
    if let Some(digits) = name.strip_prefix('#') {
        // Half of a surrogate pair, written by those who count in UTF-16, is joined with the other half.
        let code = number(digits)?;
        if (0xd800..0xdc00).contains(&code)
            && let Some(low) = tail.get(end + 1..).and_then(low_surrogate)
        {
            let joined = 0x10000 + ((code - 0xd800) << 10) + (low.0 - 0xdc00);
            return char::from_u32(joined).map(|c| (Reference::Char(c), end + 1 + low.1));
        }
        return Some((Reference::Char(character(code)), end + 1));
    }
    resolve_html5_entity(name).map(|s| (Reference::Str(s), end + 1))
}

fn low_surrogate(tail: &str) -> Option<(u32, usize)> {
    let end = tail.strip_prefix("&#").and(tail.bytes().take(LONGEST).position(|b| b == b';'))?;
    let code = number(tail.get(2..end)?)?;
    (0xdc00..0xe000).contains(&code).then_some((code, end + 1))
}

fn number(digits: &str) -> Option<u32> {
    match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

/// What a number stands for: 128 to 159 are windows-1252 in the wild, as HTML says; what XML forbids is a replacement character.
pub(super) fn character(code: u32) -> char {
    if let (0x80..=0x9f, Ok(byte)) = (code, u8::try_from(code)) {
        return encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[byte]).0.chars().next().unwrap_or('\u{fffd}');
    }
    char::from_u32(code).filter(|c| is_xml(*c)).unwrap_or('\u{fffd}')
}

/// Whether XML 1.0 allows a character.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Appends text so that an XML parser reads it back as it is. A CDATA section is cheaper than references, to write and to read.
pub(super) fn push_cdata(text: &str, out: &mut String) {
    out.push_str("<![CDATA[");
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("]]>") {
        out.extend([before, "]]]]><![CDATA[>"]);
        rest = after;
    }
    out.extend([rest, "]]>"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let check = |raw: &str, text: &str| assert_eq!(resolve(raw), text, "{raw}");
        check("a &amp; b &lt;c&gt; &quot;&apos;", "a & b <c> \"'");
        check("&nbsp;&mdash;&rsquo;&laquo;", "\u{a0}—’«");
        check("&#1028; &#x404; &#X404;", "Є Є Є");
        check("&#150; &#0; &#x1F; &#55357;&#56832; &#55357;", "– \u{fffd} \u{fffd} 😀 \u{fffd}");
        check("R&D &unknown; &; & &#; &#xyz; AT&T", "R&D &unknown; &; & &#; &#xyz; AT&T");
    }

    #[test]
    fn a_section_ends_where_it_should() {
        let mut out = String::new();
        push_cdata("a ]]> b & <c>", &mut out);
        assert_eq!(out, "<![CDATA[a ]]]]><![CDATA[> b & <c>]]>");
    }
}
