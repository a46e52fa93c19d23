//! Character references: resolved for text, mended for XML.

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

enum Reference {
    Char(char),
    Str(&'static str),
}

/// The reference at the head of `tail` and its length.
fn reference(tail: &str) -> Option<(Reference, usize)> {
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
fn character(code: u32) -> char {
    if let (0x80..=0x9f, Ok(byte)) = (code, u8::try_from(code)) {
        return encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[byte]).0.chars().next().unwrap_or('\u{fffd}');
    }
    char::from_u32(code).filter(|c| is_xml(*c)).unwrap_or('\u{fffd}')
}

/// Whether XML 1.0 allows a character.
pub(super) fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Appends text so that any XML parser reads it back: markup escaped, forbidden characters left out.
pub(super) fn push_escaped(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| matches!(c, '&' | '<' | '>' | '"') || !(' '..'\u{fffe}').contains(&c)) {
        let (clean, tail) = rest.split_at(at);
        out.push_str(clean);
        let Some(c) = tail.chars().next() else { break };
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if is_xml(c) => out.push(c),
            _ => {}
        }
        rest = tail.get(c.len_utf8()..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// Appends raw character data: as it is if it is right already, else resolved and escaped anew.
pub(super) fn push_mended(raw: &str, out: &mut String) {
    if is_sound(raw) {
        out.push_str(raw);
    } else {
        push_escaped(&resolve(raw), out);
    }
}

/// Whether raw character data has the five names of XML and sound numbers for references, no `<`, and no forbidden character.
fn is_sound(raw: &str) -> bool {
    // U+FFFE and U+FFFF begin with the byte 0xef, which most texts do not have.
    let suspicious = |b: u8| matches!(b, b'<' | 0xef) || (b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r'));
    if raw.bytes().any(suspicious) {
        return false;
    }
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        let tail = rest.get(at + 1..).unwrap_or_default();
        let known = ["lt;", "gt;", "amp;", "quot;", "apos;"].iter().find(|name| tail.starts_with(**name));
        match known {
            Some(name) => rest = tail.get(name.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
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
    fn what_is_mended_reads_back() {
        let check = |raw: &str, xml: &str| {
            let mut out = String::new();
            push_mended(raw, &mut out);
            assert_eq!(out, xml, "{raw}");
        };
        check("a &amp; b є", "a &amp; b є");
        check("a & b", "a &amp; b");
        check("&nbsp;x\u{b}\0y", "\u{a0}xy");
        check("1 < 2", "1 &lt; 2");
        check("&amp;nbsp;", "&amp;nbsp;");
    }
}
