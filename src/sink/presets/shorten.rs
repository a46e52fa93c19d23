//! Cutting a text to a limit, counted as the service that sets it counts.

use std::borrow::Cow;

/// What one character costs of a limit.
pub(super) type Cost = fn(char) -> usize;

/// One, whatever it is.
pub(super) fn chars(_: char) -> usize {
    1
}

/// Its bytes in UTF-8.
pub(super) fn bytes(c: char) -> usize {
    c.len_utf8()
}

/// Its units in UTF-16, as JavaScript and Java count.
pub(super) fn utf16(c: char) -> usize {
    c.len_utf16()
}

/// Its bytes in a JSON string.
pub(super) fn json(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\t' | '\r' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}' => 6,
        _ => c.len_utf8(),
    }
}

/// What a text costs.
pub(super) fn length(text: &str, cost: Cost) -> usize {
    text.chars().map(cost).sum()
}

/// The text if it fits, else as much of its beginning as fits with an ellipsis behind it; nothing if not even that does.
pub(super) fn shorten(text: &str, max: usize, cost: Cost) -> Cow<'_, str> {
    const ELLIPSIS: char = '…';
    let (mut spent, mut keep) = (0, 0);
    for (at, c) in text.char_indices() {
        if spent + cost(ELLIPSIS) <= max {
            keep = at;
        }
        spent += cost(c);
        if spent > max {
            let kept = text.get(..keep).unwrap_or_default().trim_end();
            return if cost(ELLIPSIS) <= max { format!("{kept}{ELLIPSIS}").into() } else { "".into() };
        }
    }
    text.into()
}

/// Behind every character that Markdown knows stands what keeps it from meaning something.
pub(super) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_markdown(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Whether Markdown gives it a meaning.
pub(super) fn is_markdown(c: char) -> bool {
    matches!(c, '\\' | '*' | '_' | '~' | '`' | '|' | '[' | ']' | '<' | '>' | '#')
}

/// The text with `&`, `<` and `>` as entities.
pub(super) fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What [`entities`] adds to a character.
pub(super) fn entity(c: char) -> usize {
    match c {
        '&' => 4,
        '<' | '>' => 3,
        _ => 0,
    }
}

/// A name behind an @ is a name no more: a space of no width keeps it from calling somebody.
pub(super) fn unaddressed(text: &str) -> String {
    text.replace('@', "@\u{200b}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_whole_and_what_does_not_ends_in_an_ellipsis() {
        let check = |text: &str, max, cost, expected: &str| {
            let cut = shorten(text, max, cost);
            assert_eq!((cut.as_ref(), length(&cut, cost) <= max), (expected, true), "{text} {max}");
        };
        check("їжак", 4, chars, "їжак");
        check("їжаки", 4, chars, "їжа…");
        check("їжак", 8, bytes, "їжак");
        check("їжаки", 8, bytes, "їж…");
        check("🦔🦔", 4, utf16, "🦔🦔");
        check("🦔🦔🦔", 4, utf16, "🦔…");
        check("a b c", 3, chars, "a…");
        check("a\"b", 4, json, "a\"b");
        check("a\"bc", 4, json, "a…");
        check("abc", 1, chars, "…");
        check("abc", 0, chars, "");
        check("", 0, chars, "");
    }
}
