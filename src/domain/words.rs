//! Words: what is left of text when case, apostrophe style, composition and invisible characters do not count.

use std::sync::LazyLock;

use icu_normalizer::ComposingNormalizerBorrowed;
use memchr::memchr3;

/// Words in one block that can be page furniture.
const LONGEST_NOISE: usize = 8;

/// A word of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    pub(super) hash: u64,
    /// In characters.
    pub(super) length: u32,
    pub(super) digits: bool,
}

impl Word {
    /// What it adds to the sum over all numbers.
    pub(super) fn number(&self) -> u32 {
        if self.digits { (self.hash >> 32) as u32 | 1 } else { 0 }
    }
}

/// Makes words of characters, as long as a block lasts.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) block: Vec<Word>,
    /// Of them, inside of links.
    pub(super) linked: usize,
    pub(super) in_link: bool,
    state: u64,
    length: u32,
    digits: bool,
}

impl Default for Words {
    fn default() -> Self {
        Self { block: Vec::with_capacity(256), linked: 0, in_link: false, state: SEED, length: 0, digits: true }
    }
}

/// An odd number without a pattern (2⁶⁴ divided by the golden ratio).
pub(super) const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads every bit over all (the finaliser of MurmurHash3).
pub(super) const fn mixed(mut h: u64) -> u64 {
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// A hash of a sequence and one word more.
pub(super) const fn chained(chain: u64, word: u64) -> u64 {
    (chain.rotate_left(23) ^ word).wrapping_mul(SEED)
}

impl Words {
    /// Forgets what was read before.
    pub(super) fn begin(&mut self) {
        self.block.clear();
        (self.linked, self.in_link, self.state, self.length, self.digits) = (0, false, SEED, 0, true);
    }

    /// Compatible and composed forms are one (NFKC). Most texts have none of the others and are not copied.
    pub(super) fn feed(&mut self, text: &str) {
        static NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfkc();
        if memchr3(0xcc, 0xcd, 0xef, text.as_bytes()).is_some() {
            self.characters(&NFKC.normalize(text));
        } else {
            self.characters(text);
        }
    }

    /// Most of what feeds say is ASCII or Cyrillic: both have a short way around the tables of Unicode.
    fn characters(&mut self, text: &str) {
        for c in text.chars() {
            let lower = if c.is_ascii() { c.to_ascii_lowercase() } else { cyrillic(c).unwrap_or(c) };
            if lower.is_ascii_alphanumeric() {
                self.push(lower);
                self.digits &= lower.is_ascii_digit();
            } else if matches!(lower, '\u{430}'..='\u{481}' | '\u{48a}'..='\u{4ff}') {
                self.push(lower);
                self.digits = false;
            } else if is_invisible(c) || (self.length > 0 && is_apostrophe(c)) {
                continue;
            } else if !c.is_ascii() && c.is_alphanumeric() {
                c.to_lowercase().for_each(|lower| self.push(lower));
                self.digits = false;
            } else if self.length > 0 {
                self.end_word();
            }
        }
    }

    fn push(&mut self, c: char) {
        self.state = (self.state ^ u64::from(u32::from(c))).wrapping_mul(SEED).rotate_left(29);
        self.length += 1;
    }

    pub(super) fn end_word(&mut self) {
        if self.length > 0 {
            self.block.push(Word { hash: mixed(self.state), length: self.length, digits: self.digits });
            self.linked += usize::from(self.in_link);
            (self.state, self.length, self.digits) = (SEED, 0, true);
        }
    }

    pub(super) fn is_furniture(&self) -> bool {
        // Four of five words inside of links: somebody else's headlines.
        self.linked * 5 >= self.block.len() * 4 || (self.block.len() <= LONGEST_NOISE && is_noise(&self.block))
    }
}

/// Whether the words of a short block are page furniture: a time of update, a counter of views, a label.
fn is_noise(words: &[Word]) -> bool {
    static NOISE: LazyLock<Noise> = LazyLock::new(Noise::default);
    let number = words.iter().any(|w| w.digits);
    let first = words.first().map_or(0, |w| w.hash);
    let last = words.last().map_or(0, |w| w.hash);
    (number && (NOISE.counted.contains(&first) || NOISE.counted.contains(&last) || NOISE.ago.contains(&last)))
        || words.iter().all(|w| NOISE.labels.contains(&w.hash))
}

/// Words that make a block furniture, by their hashes.
#[derive(Debug)]
struct Noise {
    /// Before or behind a number.
    counted: Vec<u64>,
    /// Behind a number.
    ago: Vec<u64>,
    /// By themselves.
    labels: Vec<u64>,
}

impl Default for Noise {
    fn default() -> Self {
        Self {
            counted: hashes(
                "оновлено обновлено updated aktualisiert переглядів перегляди перегляд просмотров просмотры views коментарів коментарі \
                 комментариев комментарии comments",
            ),
            ago: hashes("тому назад ago"),
            labels: hashes("реклама advertisement sponsored читайте також также read also more"),
        }
    }
}

/// The words of a list, hashed as those of a text are.
fn hashes(text: &str) -> Vec<u64> {
    let mut words = Words::default();
    words.feed(text);
    words.end_word();
    words.block.iter().map(|w| w.hash).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_for_cyrillic_is_what_unicode_says() {
        for c in ('\u{400}'..='\u{4ff}').filter(|c| c.is_alphabetic()) {
            assert_eq!(cyrillic(c).map(String::from), Some(c.to_lowercase().collect()), "{c}");
        }
    }

    #[test]
    fn composed_and_compatible_forms_are_one_word() {
        assert_eq!(hashes("й ї é ﬁ Ａ"), hashes("и\u{306} і\u{308} e\u{301} fi a"));
        assert_ne!(hashes("ї"), hashes("і"));
        assert_ne!(hashes("ґ"), hashes("г"));
    }

    #[test]
    fn what_is_page_furniture() {
        let noise = |text: &str| {
            let mut words = Words::default();
            words.feed(text);
            words.end_word();
            words.is_furniture()
        };
        for text in ["Оновлено: 27 листопада 2024, 18:45", "Переглядів: 1 234", "12 views", "5 хвилин тому", "Реклама", "Читайте також:"]
        {
            assert!(noise(text), "{text}");
        }
        for text in [
            "Уряд оновлено",
            "Реклама на телебаченні",
            "27 листопада 2024",
            "Тому 5 осіб поїхали",
            "Оновлено список з 5 осіб, яких шукають рідні та друзі",
        ] {
            assert!(!noise(text), "{text}");
        }
    }
}
