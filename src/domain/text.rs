//! What counts as the same text: words without markup, case, apostrophe style and invisible characters. For matching only: emitted text
//! is never touched by anything in here.

use xxhash_rust::xxh3::xxh3_64;

use super::entry::{Entry, Markup};

/// Title, summary and content, a line each, for text filters: without tags, character references resolved, white space folded.
#[must_use]
pub fn searchable(entry: &Entry) -> String {
    let mut lines = vec![entry.title.clone().unwrap_or_default()];
    for part in [&entry.summary, &entry.content].into_iter().flatten() {
        let mut plain = String::new();
        match part {
            Markup::Text(s) => plain.push_str(s),
            Markup::Html(s) => strip(s, &mut plain),
        }
        lines.push(plain);
    }
    let folded = |line: String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    lines.into_iter().map(folded).collect::<Vec<_>>().join("\n")
}

/// A hash of the words of title, summary and content: equal hashes, equal words (64 bits; used within one feed only).
#[must_use]
pub fn digest(entry: &Entry) -> u64 {
    let mut words = Vec::with_capacity(1024);
    push_words(entry.title.as_deref().unwrap_or_default(), &mut words);
    for part in [&entry.summary, &entry.content] {
        words.push(0x1e);
        match part {
            Some(Markup::Text(s)) => push_words(s, &mut words),
            Some(Markup::Html(s)) if s.contains(['<', '&']) => {
                let mut plain = String::with_capacity(s.len());
                strip(s, &mut plain);
                push_words(&plain, &mut words);
            }
            Some(Markup::Html(s)) => push_words(s, &mut words),
            None => {}
        }
    }
    xxh3_64(&words)
}

/// Appends the normalised words of `text`, a separator after each. Most of what feeds say is ASCII or Cyrillic: both have a short way
/// around the tables of Unicode.
fn push_words(text: &str, out: &mut Vec<u8>) {
    let mut inside = false;
    for c in text.chars() {
        let lower = if c.is_ascii() { c.to_ascii_lowercase() } else { cyrillic(c).unwrap_or(c) };
        if lower.is_ascii_alphanumeric() {
            out.push(lower as u8);
            inside = true;
        } else if matches!(lower, '\u{430}'..='\u{481}' | '\u{48a}'..='\u{4ff}') {
            push(lower, out);
            inside = true;
        } else if is_invisible(c) || (inside && is_apostrophe(c)) {
            continue;
        } else if !c.is_ascii() && c.is_alphanumeric() {
            c.to_lowercase().for_each(|lower| push(lower, out));
            inside = true;
        } else if inside {
            out.push(0x1f);
            inside = false;
        }
    }
    if inside {
        out.push(0x1f);
    }
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The lower-case form of a Cyrillic letter (U+0400 to U+04FF), as Unicode has it.
fn cyrillic(c: char) -> Option<char> {
    let code = u32::from(c);
    let lower = match code {
        0x400..=0x40f => code + 0x50,
        0x410..=0x42f => code + 0x20,
        0x430..=0x45f => code,
        0x4c0 => 0x4cf,
        0x4c1..=0x4ce => code + code % 2,
        0x4cf => code,
        0x460..=0x481 | 0x48a..=0x4bf | 0x4d0..=0x4ff => code | 1,
        _ => return None,
    };
    char::from_u32(lower)
}

/// Soft hyphens, zero-width characters, bidi and stress marks: there or not, the word is the same.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{202a}'..='\u{202e}' | '\u{300}' | '\u{301}')
}

/// The apostrophes that Ukrainian is written with, in all the ways it is typed.
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | '‘' | 'ʼ' | 'ʹ' | '`' | '´' | '′' | '＇')
}

/// Appends `html` without tags and comments, a space in place of each tag, the usual references resolved. For matching, so it need not
/// be right about every corner of HTML; it is linear and never fails.
fn strip(html: &str, out: &mut String) {
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        let (text, tail) = rest.split_at(at);
        out.push_str(text);
        rest = if tail.starts_with('<') { skip_tag(tail, out) } else { resolve(tail, out) };
    }
    out.push_str(rest);
}

/// What follows the tag or comment at the head of `tail`; a `<` that opens none is text.
fn skip_tag<'a>(tail: &'a str, out: &mut String) -> &'a str {
    let opens = tail.chars().nth(1).is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
    let (end, width) = if tail.starts_with("<!--") { (tail.find("-->"), 3) } else { (tail.find('>'), 1) };
    match (opens, end) {
        (true, Some(end)) => {
            out.push(' ');
            tail.get(end + width..).unwrap_or_default()
        }
        _ => {
            out.push('<');
            tail.get(1..).unwrap_or_default()
        }
    }
}

/// Appends the character that the reference at the head of `tail` stands for, else the ampersand; returns what follows.
fn resolve<'a>(tail: &'a str, out: &mut String) -> &'a str {
    let known = tail.find(';').filter(|end| *end <= 10).and_then(|end| {
        let name = tail.get(1..end)?;
        let c = match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" | "rsquo" | "lsquo" => '’',
            "nbsp" => ' ',
            "shy" => '\u{ad}',
            _ => {
                let digits = name.strip_prefix('#')?;
                let code = match digits.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => digits.parse().ok()?,
                };
                char::from_u32(code)?
            }
        };
        Some((c, end))
    });
    match known {
        Some((c, end)) => {
            out.push(c);
            tail.get(end + 1..).unwrap_or_default()
        }
        None => {
            out.push('&');
            tail.get(1..).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(title: &str, body: &str) -> Entry {
        Entry { title: Some(title.into()), content: Some(Markup::Html(body.into())), ..Entry::default() }
    }

    #[test]
    fn what_is_the_same_text() {
        let base = html("Об’єкт", "<p>Є і ї ґ та п’ять</p>");
        let same = [
            html("Об'єкт", "<p>Є і ї ґ та п&#8217;ять</p>"),
            html("ОБʼЄКТ", "<div class=\"x\">Є&nbsp;і ї ґ<br/> та п`ять</div><!-- Переглядів: 3 -->"),
            html("Об\u{ad}’єкт", "Є і ї ґ та п&rsquo;ять"),
        ];
        for other in same {
            assert_eq!(digest(&base), digest(&other), "{other:?}");
        }
        let other = [
            html("Об’єкти", "<p>Є і ї ґ та п’ять</p>"),
            html("Об’єкт", "<p>Е і ї ґ та п’ять</p>"),
            html("Об’єкт", "<p>Є і і ґ та п’ять</p>"),
            html("Об’єкт Є", "<p>і ї ґ та п’ять</p>"),
        ];
        for other in other {
            assert_ne!(digest(&base), digest(&other), "{other:?}");
        }
    }

    #[test]
    fn the_short_way_for_cyrillic_is_what_unicode_says() {
        for c in ('\u{400}'..='\u{4ff}').filter(|c| c.is_alphabetic()) {
            assert_eq!(cyrillic(c).map(String::from), Some(c.to_lowercase().collect()), "{c}");
        }
    }

    #[test]
    fn what_a_filter_sees() {
        let entry = html("A & B", "1 < 2 &amp; <b>bold</b><!-- hidden --> &unknown; &#x44f;");
        assert_eq!(searchable(&entry), "A & B\n1 < 2 & bold &unknown; я");
    }
}
