//! What log lines have in common.

use std::error::Error;
use std::fmt::Display;

pub mod lines;

/// An error and its causes in one line, each once.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        out.push_str(": ");
        out.push_str(&error.to_string());
        cause = error.source();
    }
    out
}

/// Text that cannot move the cursor, colour the screen, or turn the direction of what follows it.
#[must_use]
pub fn harmless(text: &str) -> String {
    let bidi = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    text.chars().filter(|c| !bidi(*c)).map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}

/// A number of things, for people: `1 feed`, `2 feeds`, `3 entries`. A number that is written already is taken as it is.
#[must_use]
pub fn counted(number: impl Display, noun: &str) -> String {
    let number = number.to_string();
    match noun.strip_suffix('y') {
        _ if number == "1" => format!("1 {noun}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nouns_agree() {
        let said: Vec<_> = [0, 1, 2].into_iter().flat_map(|n| [counted(n, "feed"), counted(n, "entry")]).collect();
        assert_eq!(said, ["0 feeds", "0 entries", "1 feed", "1 entry", "2 feeds", "2 entries"]);
        assert_eq!(counted("1,000", "dead letter"), "1,000 dead letters");
    }

    #[test]
    fn feed_text_forges_nothing_on_a_terminal() {
        assert_eq!(harmless("a\n\u{1b}[31mb\u{202e}c\u{2028}d"), "a  [31mbc d");
        assert_eq!(harmless("Об’єкт є ї ґ"), "Об’єкт є ї ґ");
    }
}
