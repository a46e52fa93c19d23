//! What the next request sends back to the server (RFC 9110 §13), and what is known of how the server takes it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// A server that has said nothing but 304 for so long is asked for the document once: some answer 304 for ever.
const DOUBTED_AFTER: Duration = Duration::from_secs(8 * 86_400);

/// How often that time doubles while the document turns out to be the one that is known.
const MOST_DOUBLINGS: u8 = 4;

/// No document is asked for without condition twice in this time, whatever went wrong.
const APART: Duration = Duration::from_secs(86_400);

/// After so many whole answers in a row with nothing new in them a server is taken to know no 304.
const PATIENCE: u8 = 3;

/// What a conditional request sends back, byte for byte (RFC 9110 §13).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// `ETag`, sent as `If-None-Match`.
    pub etag: Option<Vec<u8>>,
    /// `Last-Modified`, sent as `If-Modified-Since`.
    pub last_modified: Option<Vec<u8>>,
    /// The URL that gave them, after redirects: they are sent to no other.
    pub url: String,
}

/// How a server takes conditional requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manners {
    /// When it last sent a document.
    sent: Option<Timestamp>,
    /// How often in a row it had to be asked without condition and nothing had changed.
    confirmed: u8,
    /// How often in a row it has sent what it was told that we have.
    deaf: u8,
    /// Whether what it sent as compressed could not be decompressed.
    garbles: bool,
}

impl Manners {
    /// What the next request sends back; `None` when it is to have the document whatever it is.
    #[must_use]
    pub fn condition(&self, stored: Option<&Validators>, now: Timestamp) -> Option<Validators> {
        let mut validators = stored.filter(|_| !self.is_in_doubt(now))?.clone();
        validators.etag = validators.etag.map(|etag| if self.deaf > 0 { with_plain_form(etag) } else { etag });
        Some(validators)
    }

    /// Whether the body must not be compressed.
    #[must_use]
    pub fn wants_plain(&self) -> bool {
        self.garbles
    }

    /// Whether the server sends everything every time, whatever it is asked.
    #[must_use]
    pub fn is_deaf(&self) -> bool {
        self.deaf >= PATIENCE
    }

    /// It said 304.
    pub(super) fn not_modified(&mut self) {
        (self.deaf, self.garbles) = (0, false);
    }

    /// It sent the document, with something new in it or not; `stored` is what it could have been asked by.
    pub(super) fn sent(&mut self, stored: Option<&Validators>, news: bool, now: Timestamp) {
        let doubted = self.is_in_doubt(now);
        self.confirmed = if news { 0 } else { (self.confirmed + u8::from(doubted)).min(MOST_DOUBLINGS) };
        self.deaf = if news || stored.is_none() { 0 } else { self.deaf.saturating_add(u8::from(!doubted)) };
        (self.sent, self.garbles) = (Some(now), false);
    }

    /// It failed; whether because of the coding. What was in doubt is asked for again a day later.
    pub(super) fn failed(&mut self, garbled: bool, now: Timestamp) {
        self.garbles |= garbled;
        if self.is_in_doubt(now) {
            self.sent = Some(now.before(self.trusted_for()).after(APART));
        }
    }

    fn is_in_doubt(&self, now: Timestamp) -> bool {
        self.sent.is_some_and(|sent| now.since(sent) >= self.trusted_for())
    }

    fn trusted_for(&self) -> Duration {
        DOUBTED_AFTER * (1 << self.confirmed)
    }
}

/// Apache adds `-gzip` to the tag of what it compresses, and then does not know its own tag: both forms are sent.
fn with_plain_form(etag: Vec<u8>) -> Vec<u8> {
    match etag.strip_suffix(b"-gzip\"") {
        Some(plain) => [&etag, b", ".as_slice(), plain, b"\""].concat(),
        None => etag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_732_725_900_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn tagged(etag: &str) -> Validators {
        Validators { etag: Some(etag.into()), last_modified: Some(b"then".to_vec()), url: "https://a.ua/".into() }
    }

    fn is_conditional(manners: &Manners, days: u32) -> bool {
        manners.condition(Some(&tagged("\"a\"")), NOW.after(DAY * days)).is_some()
    }

    #[test]
    fn p10_a_server_that_says_nothing_but_304_is_asked_for_the_document_after_8_days_then_16() {
        let mut manners = Manners::default();
        manners.sent(None, true, NOW);
        (0..50).for_each(|_| manners.not_modified());
        assert!(is_conditional(&manners, 7) && !is_conditional(&manners, 8));
        manners.sent(Some(&tagged("\"a\"")), false, NOW.after(DAY * 8));
        assert!(is_conditional(&manners, 8 + 15) && !is_conditional(&manners, 8 + 16));
        manners.sent(Some(&tagged("\"a\"")), true, NOW.after(DAY * 24));
        assert!(is_conditional(&manners, 24 + 7) && !is_conditional(&manners, 24 + 8), "there was something new: 8 again");
        assert!(!manners.is_deaf());
    }

    #[test]
    fn p11_unconditional_requests_are_a_day_apart_whatever_fails() {
        let mut manners = Manners::default();
        manners.sent(None, true, NOW);
        manners.failed(false, NOW.after(DAY * 8));
        assert!(is_conditional(&manners, 8) && !is_conditional(&manners, 9));
        manners.failed(false, NOW.after(DAY * 9));
        assert!(is_conditional(&manners, 9) && !is_conditional(&manners, 10));
    }

    #[test]
    fn p13_a_server_that_knows_no_304_is_found_out_and_its_tag_tried_without_gzip() {
        let mut manners = Manners::default();
        let stored = tagged("\"x-gzip\"");
        let sent = |manners: &Manners| String::from_utf8(manners.condition(Some(&stored), NOW).unwrap().etag.unwrap()).unwrap();
        manners.sent(None, true, NOW);
        assert_eq!(sent(&manners), "\"x-gzip\"");
        manners.sent(Some(&stored), false, NOW);
        assert_eq!(sent(&manners), "\"x-gzip\", \"x\"");
        (0..2).for_each(|_| manners.sent(Some(&stored), false, NOW));
        assert!(manners.is_deaf());
        manners.not_modified();
        assert!(!manners.is_deaf() && sent(&manners) == "\"x-gzip\"");
    }

    #[test]
    fn p71_what_cannot_be_decompressed_is_asked_for_uncompressed_next_time() {
        let mut manners = Manners::default();
        manners.failed(true, NOW);
        assert!(manners.wants_plain());
        manners.sent(None, true, NOW);
        assert!(!manners.wants_plain());
    }
}
