//! `feedwire parse`: one document in, one line of JSON an entry out.

use std::io::Write;

use super::Failure;
use crate::domain::feed::{Body, Known};
use crate::parse::{self, Source};
use crate::sink::payload;

/// As many entries as a document may have: nothing is left out here.
const EVERY: usize = usize::MAX;

/// Prints the entries in document order, each as an event's `data.entry`. Says on `err` which cannot be read.
///
/// # Errors
/// 65 when it is no feed.
pub fn run(input: &[u8], url: Option<&str>, content_type: Option<&str>, out: &mut impl Write, err: &mut impl Write) -> Result<(), Failure> {
    let source = Source { bytes: input, content_type, url, max_entries: EVERY };
    let document = parse::parse(&source, &Known::new())
        .map_err(|e| Failure::new(65, format!("this cannot be read as a feed: {}", source.explain(&e))))?;
    let printed = document.entries.iter().enumerate().try_for_each(|(n, entry)| match &entry.body {
        Body::Parsed(entry) => {
            out.write_all(&payload::line(&payload::entry(entry, 0)))?;
            out.write_all(b"\n")
        }
        Body::Broken(why) => writeln!(err, "feedwire: entry {} cannot be read: {why}", n + 1),
        Body::Known => Ok(()),
    });
    match printed.and_then(|()| out.flush()) {
        // `feedwire parse … | head` is no failure.
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::runtime(format!("cannot print: {e}"))),
        _ => Ok(()),
    }
}
