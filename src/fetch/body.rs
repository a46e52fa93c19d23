//! Content codings, undone with a cap on what comes out. (reqwest's own decoder silently drops the second gzip member, and knows labels
//! only in the exact spelling.)

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use crate::domain::failure::PollError;

/// Codings on top of each other.
const MOST_CODINGS: usize = 2;

/// Larger bodies are decoded off the async workers.
const LONG_WORK: usize = 64 * 1024;

/// The first bytes of gzip (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What a body may be encoded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Brotli,
}

/// The codings an answer names, in the order they were applied.
pub(super) fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, PollError> {
    let unknown = |label: &str| PollError::Broken(format!("unknown Content-Encoding {:?}", label.chars().take(20).collect::<String>()));
    let mut codings = vec![];
    for value in headers.get_all(CONTENT_ENCODING) {
        for label in value.to_str().map_err(|_| unknown("?"))?.split(',') {
            match label.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => codings.push(Coding::Gzip),
                "br" => codings.push(Coding::Brotli),
                "" | "identity" => {}
                other => return Err(unknown(other)),
            }
        }
    }
    if codings.len() > MOST_CODINGS { Err(unknown("more than two")) } else { Ok(codings) }
}

/// Undoes the codings; gzip that nobody announced too. At most `cap` bytes come out of each.
pub(super) async fn decode(bytes: Vec<u8>, codings: Vec<Coding>, cap: u64) -> Result<Vec<u8>, PollError> {
    if codings.is_empty() && !bytes.starts_with(&GZIP_MAGIC) {
        return Ok(bytes);
    }
    if bytes.len() < LONG_WORK {
        return undo(bytes, &codings, cap);
    }
    let work = tokio::task::spawn_blocking(move || undo(bytes, &codings, cap));
    work.await.unwrap_or_else(|_| Err(PollError::Broken("the decoder panicked; this is a bug".into())))
}

fn undo(mut bytes: Vec<u8>, codings: &[Coding], cap: u64) -> Result<Vec<u8>, PollError> {
    for coding in codings.iter().rev() {
        bytes = match coding {
            // A label on plain text is a lie that harms nobody.
            Coding::Gzip if !bytes.starts_with(&GZIP_MAGIC) => bytes,
            Coding::Gzip => gunzip(&bytes, cap)?,
            Coding::Brotli if asks_for_a_large_window(&bytes) => return Err(PollError::Broken("brotli with a large window".into())),
            Coding::Brotli => read(brotli_decompressor::Decompressor::new(&*bytes, 4096), cap)?,
        };
    }
    for _ in codings.len()..MOST_CODINGS {
        if bytes.starts_with(&GZIP_MAGIC) {
            bytes = gunzip(&bytes, cap)?;
        }
    }
    Ok(bytes)
}

/// Whether a brotli stream begins with the mark of the "large window" extension, which is no part of RFC 7932: the decoder would set aside
/// up to a gigabyte for two bytes.
fn asks_for_a_large_window(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 0x7f == 0x11)
}

fn gunzip(bytes: &[u8], cap: u64) -> Result<Vec<u8>, PollError> {
    read(MultiGzDecoder::new(bytes), cap)
}

fn read(decoder: impl Read, cap: u64) -> Result<Vec<u8>, PollError> {
    let mut out = vec![];
    let result = decoder.take(cap.saturating_add(1)).read_to_end(&mut out);
    if out.len() as u64 > cap {
        return Err(PollError::TooLarge(cap));
    }
    match result {
        Ok(_) => Ok(out),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(PollError::Broken("the compressed body ends early".into())),
        Err(e) => Err(PollError::Undecodable(e.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zeros without end, and how many of them were taken.
    struct Zeros(u64);

    impl Read for Zeros {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            out.fill(0);
            self.0 += out.len() as u64;
            Ok(out.len())
        }
    }

    #[test]
    fn p87_decompression_stops_right_behind_the_cap() {
        for cap in [0, 10, 10 << 20] {
            let mut zeros = Zeros(0);
            assert_eq!(read(&mut zeros, cap), Err(PollError::TooLarge(cap)));
            assert_eq!(zeros.0, cap + 1);
        }
    }
}
