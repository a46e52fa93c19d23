//! UTF-8 that was read as windows-1252 or windows-1251 and encoded once more, as `РЈРєСЂР°С—РЅР°` for `Україна`: undone where that is certain.

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1251, WINDOWS_1252};
use memchr::memchr_iter;

use super::entities;

/// So many characters in a row that make one together are no accident.
const NO_ACCIDENT: usize = 3;

/// Bytes that are told to be ASCII at a time.
const CHUNK: usize = 256;

/// So many times text goes through the same mill.
const MOST_ROUNDS: usize = 3;

/// The text as it was before, if all of it reads as UTF-8 that was taken for something else, and that again; else as it is, but for
/// control characters that are windows-1252 taken for Latin-1, as `\u{92}` for `’`.
pub(super) fn undone(mut text: Cow<'_, str>) -> Cow<'_, str> {
    for _ in 0..MOST_ROUNDS {
        match before(&text) {
            Some(earlier) => text = Cow::Owned(earlier),
            None => break,
        }
    }
    if has_control(&text) { text.chars().map(windows).collect::<String>().into() } else { text }
}

fn before(text: &str) -> Option<String> {
    let ascii = text.as_bytes().chunks(CHUNK).position(|chunk| !chunk.is_ascii())?;
    let foreign = text.as_bytes().iter().skip(ascii * CHUNK).position(|b| !b.is_ascii()).map_or(0, |at| ascii * CHUNK + at);
    let mut first = text.get(foreign..).unwrap_or_default().chars();
    let (lead, next) = (first.next()?, first.next().unwrap_or_default());
    [WINDOWS_1252, WINDOWS_1251].into_iter().find_map(|encoding| reversed(text, lead, next, encoding))
}

/// Told from the bytes: most texts have no 0xc2 at all.
fn has_control(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr_iter(0xc2, bytes).any(|at| bytes.get(at + 1).is_some_and(|next| *next < 0xa0))
}

/// The control characters beyond ASCII, which nobody writes.
fn is_control(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}')
}

fn windows(c: char) -> char {
    if is_control(c) { entities::character(u32::from(c)) } else { c }
}

/// `lead` and `next` are the first character that is not ASCII and the one behind it: they decide for nearly all texts that are right.
fn reversed(text: &str, lead: char, next: char, encoding: &'static Encoding) -> Option<String> {
    if !(0xc2..=0xf4).contains(&byte(lead, encoding)?) || !(0x80..=0xbf).contains(&byte(next, encoding)?) {
        return None;
    }
    let bytes: Option<Vec<u8>> = text.chars().map(|c| byte(c, encoding)).collect();
    let before = String::from_utf8(bytes?).ok()?;
    let surplus = text.chars().count() - before.chars().count();
    let certain = || before.chars().any(|c| c >= '\u{2000}') || has_control(text) || has_telling_pair(text);
    (surplus >= NO_ACCIDENT || certain()).then_some(before)
}

/// `Ã` before what no word and no punctuation goes on with, as `Ã±` for `ñ`. It may well end a word before a no-break space or a quote.
fn has_telling_pair(text: &str) -> bool {
    text.chars().zip(text.chars().skip(1)).any(|(a, b)| a == 'Ã' && matches!(b, '\u{a1}'..='\u{bf}') && b != '»')
}

/// The byte of a character in a one-byte charset; the five that windows-1252 leaves open stand for themselves.
fn byte(c: char, encoding: &'static Encoding) -> Option<u8> {
    if let Ok(byte @ (0..=0x9f)) = u8::try_from(c) {
        return Some(byte);
    }
    let mut buffer = [0; 4];
    let (bytes, _, lossy) = encoding.encode(c.encode_utf8(&mut buffer));
    match (bytes, lossy) {
        (Cow::Owned(bytes), false) => bytes.first().copied(),
        (Cow::Borrowed(bytes), false) => bytes.first().copied(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_twice_is_read_as_it_was_meant() {
        let title = "Умєров розповів про співпрацю: є і ї ґ — об’єкт";
        for encoding in [WINDOWS_1251, WINDOWS_1252] {
            let twice: String = encoding.decode_without_bom_handling(title.as_bytes()).0.into_owned();
            assert_ne!(twice, title);
            assert_eq!(undone(twice.as_str().into()), title, "{}", encoding.name());
            let thrice: String = WINDOWS_1252.decode_without_bom_handling(twice.as_bytes()).0.into_owned();
            assert_eq!(undone(thrice.into()), title, "{} and once more", encoding.name());
        }
        for (twice, once) in
            [("donâ€™t", "don’t"), ("DannyPeÃ±a", "DannyPeña"), ("gesÃª in &#8216;n", "gesê in &#8216;n"), ("Å\u{8d}", "ō")]
        {
            assert_eq!(undone(twice.into()), once);
        }
        assert_eq!(undone("don\u{92}t \u{84}є\u{94}\u{85}".into()), "don’t „є”…");
    }

    #[test]
    fn what_is_right_stays() {
        for text in [
            "Рівне",
            "Сі",
            "Рі",
            "Рї Сі",
            "Умєров",
            "Ñandú",
            "Ã",
            "naïve café",
            "Об’єкт",
            "plain",
            "",
            "Рівень “СВ”",
            "ÐÑ",
            "MANHÃ»",
            "IRMÃ\u{a0}MARIA",
            "Â°C",
        ] {
            assert_eq!(undone(text.into()), text);
        }
    }
}
