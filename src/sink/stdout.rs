//! One JSON document a line on standard output. A line that was written and flushed is acknowledged.

use std::io::{ErrorKind, Write};

use super::payload;
use crate::domain::delivery::{Delivery, DeliveryError};
use crate::domain::event::Event;

/// How it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// For people: time, feed, title and link instead of JSON (`feedwire tail` on a terminal).
    pub readable: bool,
}

/// The sink.
#[derive(Debug)]
pub struct Stdout {
    options: Options,
}

impl Stdout {
    /// Nothing can go wrong before the first line.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Writes one line. Not to be cancelled: a line may have been written and not acknowledged.
    ///
    /// # Errors
    /// [`DeliveryError::Closed`] when nobody reads any more.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let line = if self.options.readable {
            readable(&delivery.event).into_bytes()
        } else {
            payload::event(&delivery.event, payload::Content::All, None)
        };
        let written = tokio::task::spawn_blocking(move || write_line(line)).await;
        let trouble = |reason: String| DeliveryError::Endpoint { reason, retry_after: None };
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) if e.kind() == ErrorKind::BrokenPipe => Err(DeliveryError::Closed),
            Ok(Err(e)) => Err(trouble(format!("standard output: {e}"))),
            Err(e) => Err(trouble(format!("standard output: {e}"))),
        }
    }
}

/// One write, so that no other line can come between, and a flush.
fn write_line(mut line: Vec<u8>) -> std::io::Result<()> {
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// Time, feed, title and link on one line.
fn readable(event: &Event) -> String {
    let scene = &event.scene;
    let Some(entry) = event.happening.entry() else {
        return [&scene.time.to_string(), &*scene.feed.0, event.happening.kind.as_str()].map(harmless).join("  ");
    };
    let when = entry.published.map_or_else(|| scene.time.to_string(), |published| published.to_string());
    let parts = [when.as_str(), &scene.feed.0, entry.title.as_deref().unwrap_or("(no title)"), entry.url.as_deref().unwrap_or_default()];
    parts.map(harmless).join("  ")
}

/// Text that cannot move the cursor, colour the screen, or turn the direction of what follows it.
fn harmless(text: &str) -> String {
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
