//! What log lines have in common.

use std::error::Error;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feed_text_forges_nothing_on_a_terminal() {
        assert_eq!(harmless("a\n\u{1b}[31mb\u{202e}c\u{2028}d"), "a  [31mbc d");
        assert_eq!(harmless("Об’єкт є ї ґ"), "Об’єкт є ї ґ");
    }
}
