//! Bytes to text. The order that measured best: byte order mark, whole-document UTF-8, what HTTP says, what the document says, detection.
//! Bytes that are invalid in the chosen charset lose themselves and nothing else.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    BIG5, EUC_KR, Encoding, GBK, KOI8_R, KOI8_U, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1251, WINDOWS_1252, X_MAC_CYRILLIC,
};

/// How far a declaration is looked for: junk may stand before it.
const DECLARATION_WITHIN: usize = 1024;

/// So much text, counted from the first byte that tells anything, tells what charset it is in. Detection is slow: 12 MB/s.
const DETECTED_WITHIN: usize = 1 << 20;

/// So many multi-byte characters make valid UTF-8 no accident.
const NO_ACCIDENT: usize = 3;

/// Decodes a document. Valid UTF-8 is borrowed. Control characters, which XML and JSON forbid, are left out.
pub(super) fn decode<'a>(bytes: &'a [u8], content_type: Option<&str>, host: Option<&str>) -> Cow<'a, str> {
    let text = decode_all(bytes, content_type, host);
    // Without a branch in it, this is as fast as memory.
    let forbidden = |b: u8| b < b' ' && b != b'\t' && b != b'\n' && b != b'\r';
    if text.as_bytes().chunks(4096).any(|chunk| chunk.iter().fold(false, |any, b| any | forbidden(*b))) {
        return Cow::Owned(text.chars().filter(|c| u8::try_from(*c).map_or(true, |b| !forbidden(b))).collect());
    }
    text
}

fn decode_all<'a>(bytes: &'a [u8], content_type: Option<&str>, host: Option<&str>) -> Cow<'a, str> {
    // The mark of UTF-32 begins as that of UTF-16.
    if let Some(text) = utf32(bytes) {
        return Cow::Owned(text);
    }
    if let Some((encoding, bom)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(bytes.get(bom..).unwrap_or_default()).0;
    }
    if let Some(encoding) = utf16_without_bom(bytes) {
        return encoding.decode_without_bom_handling(bytes).0;
    }
    let is_ibm855 = |name: &str| matches!(squeezed(name).as_str(), "ibm855" | "cp855" | "csibm855" | "855");
    if declaration(bytes).is_some_and(is_ibm855) && std::str::from_utf8(bytes).is_err() {
        return Cow::Owned(ibm855(bytes));
    }
    let said_by_http = content_type.and_then(charset_parameter).and_then(label);
    let declared = declaration(bytes).and_then(label);
    let said = said_by_http.or(declared);
    match std::str::from_utf8(bytes) {
        Ok(text) if !escapes(text) && (said.is_none_or(|e| e == UTF_8) || is_no_accident(text)) => return Cow::Borrowed(text),
        Err(_) if nearly_utf8(bytes, said == Some(UTF_8)) => return String::from_utf8_lossy(bytes),
        _ => {}
    }
    let encoding = match (said_by_http, declared) {
        // A server's default for text says nothing about a document that knows better.
        (Some(http), Some(own)) if http == WINDOWS_1252 && own != WINDOWS_1252 && own != UTF_8 => own,
        (Some(http), _) if http != UTF_8 => http,
        (_, Some(own)) if own != UTF_8 => own,
        _ => detect(bytes, host),
    };
    encoding.decode_without_bom_handling(bytes).0
}

/// Valid UTF-8 with several multi-byte characters, or none at all, is UTF-8 whatever is declared.
fn is_no_accident(text: &str) -> bool {
    text.is_ascii() || text.bytes().filter(|b| *b >= 0xc0).nth(NO_ACCIDENT - 1).is_some()
}

/// Japanese in ISO-2022-JP is written in ASCII, between escape sequences. UTF-8 has no use for any.
fn escapes(text: &str) -> bool {
    text.is_ascii() && text.contains('\u{1b}')
}

/// UTF-8 with a few damaged places: most multi-byte characters are good, and nearly all when nothing says that it is UTF-8. In text of other
/// charsets one in ten is, where a letter of the upper half happens to stand before one that reads as its continuation.
fn nearly_utf8(bytes: &[u8], declared: bool) -> bool {
    let (mut good, mut bad) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().bytes().filter(|b| *b >= 0xc0).count();
        bad += chunk.invalid().len();
    }
    good > 0 && good >= bad * if declared { 1 } else { 4 }
}

fn detect(bytes: &[u8], host: Option<&str>) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let telling = bytes.iter().position(|b| !b.is_ascii() || *b == b'\x1b').unwrap_or(bytes.len());
    let telling = bytes.get(telling..).unwrap_or_default();
    // The end that is none may be in the middle of a character.
    detector.feed(telling.get(..DETECTED_WITHIN).unwrap_or(telling), telling.len() <= DETECTED_WITHIN);
    let tld = host.and_then(|host| host.rsplit('.').next()).filter(|tld| tld.bytes().all(|b| b.is_ascii_lowercase()));
    match detector.guess(tld.map(str::as_bytes), Utf8Detection::Deny) {
        e if e == KOI8_R => KOI8_U,
        e => e,
    }
}

/// The `charset` of a Content-Type.
fn charset_parameter(content_type: &str) -> Option<&str> {
    let lower = content_type.to_ascii_lowercase();
    let at = lower.find("charset=")? + "charset=".len();
    let value = content_type.get(at..)?.trim_start_matches(['"', '\'', ' ']);
    Some(value.split(['"', '\'', ';', ' ', ',']).next().unwrap_or_default())
}

/// The `encoding` of an XML declaration, wherever it stands near the beginning.
fn declaration(bytes: &[u8]) -> Option<&str> {
    let head = bytes.get(..bytes.len().min(DECLARATION_WITHIN))?;
    let at = head.windows(5).position(|w| w.eq_ignore_ascii_case(b"<?xml"))?;
    let declaration = head.get(at..)?.split(|b| *b == b'>').next()?;
    let at = declaration.windows(8).position(|w| w.eq_ignore_ascii_case(b"encoding"))?;
    let value = declaration.get(at + 8..)?;
    let quote = value.iter().position(|b| matches!(b, b'"' | b'\''))?;
    let value = value.get(quote + 1..)?.split(|b| matches!(b, b'"' | b'\'')).next()?;
    std::str::from_utf8(value).ok()
}

/// The encoding of a label, with the misspellings of the wild. UTF-16 declared in bytes that we could read the declaration from is a lie;
/// KOI8-U is KOI8-R with the letters that Ukrainian needs. Labels that the standard gives up, such as hz-gb-2312, say nothing: what can be
/// read of the document is worth more than the one replacement character they stand for.
fn label(label: &str) -> Option<&'static Encoding> {
    // REPLACEMENT is how the standard refuses a charset, and the text with it.
    let known = Encoding::for_label(label.trim().as_bytes()).filter(|e| *e != REPLACEMENT);
    match squeezed(label).as_str() {
        "cp1251" | "win1251" | "windows1251" | "xcp1251" | "ansi1251" | "1251" => Some(WINDOWS_1251),
        "koi8u" | "koi8r" | "koi8" | "koi8ru" => Some(KOI8_U),
        "utf8" | "utf8mb4" | "unicode" => Some(UTF_8),
        "maccyrillic" | "macukrainian" => Some(X_MAC_CYRILLIC),
        "cp949" | "ms949" | "uhc" => Some(EUC_KR),
        "cp936" | "ms936" => Some(GBK),
        "cp950" | "ms950" => Some(BIG5),
        _ => known.filter(|e| *e != UTF_16BE && *e != UTF_16LE),
    }
}

/// A label without what its spellings differ in.
fn squeezed(label: &str) -> String {
    label.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// IBM855, the Cyrillic of DOS before IBM866, which encoding_rs leaves out.
fn ibm855(bytes: &[u8]) -> String {
    const UPPER: &str = "ђЂѓЃёЁєЄѕЅіІїЇјЈљЉњЊћЋќЌўЎџЏюЮъЪ\
     аАбБцЦдДеЕфФгГ«»\u{2591}\u{2592}\u{2593}\u{2502}\u{2524}хХиИ\u{2563}\u{2551}\u{2557}\u{255d}йЙ\u{2510}\
     \u{2514}\u{2534}\u{252c}\u{251c}\u{2500}\u{253c}кК\u{255a}\u{2554}\u{2569}\u{2566}\u{2560}\u{2550}\u{256c}\u{a4}лЛмМнНоОп\u{2518}\u{250c}\u{2588}\u{2584}Пя\u{2580}\
     ЯрРсСтТуУжЖвВьЬ№\u{ad}ыЫзЗшШэЭщЩчЧ§■\u{a0}";
    let upper: Vec<char> = UPPER.chars().collect();
    let character = |byte: &u8| match byte.checked_sub(0x80) {
        None => char::from(*byte),
        Some(n) => upper.get(usize::from(n)).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    bytes.iter().map(character).collect()
}

/// ASCII in UTF-16 has a zero in every other byte.
fn utf16_without_bom(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes.first_chunk()? {
        [0, b'<', 0, _] => Some(UTF_16BE),
        [b'<', 0, _, 0] => Some(UTF_16LE),
        _ => None,
    }
}

/// UTF-32, which encoding_rs leaves out; with or without a byte order mark.
fn utf32(bytes: &[u8]) -> Option<String> {
    let big = match bytes.first_chunk()? {
        [0, 0, 0xfe, 0xff] | [0, 0, 0, b'<'] => true,
        [0xff, 0xfe, 0, 0] | [b'<', 0, 0, 0] => false,
        _ => return None,
    };
    let scalar = |four: &[u8; 4]| {
        let n = if big { u32::from_be_bytes(*four) } else { u32::from_le_bytes(*four) };
        char::from_u32(n).unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    Some(bytes.as_chunks().0.iter().map(scalar).filter(|c| *c != '\u{feff}').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Умєров розповів про співпрацю Росії та КНДР: є і ї ґ — об’єкт, її, ґанок, щастя";

    fn document(declared: &str) -> String {
        let declaration = if declared.is_empty() { String::new() } else { format!("<?xml version=\"1.0\" encoding=\"{declared}\"?>") };
        format!("{declaration}<rss><title>{TEXT}</title><p>{}</p></rss>", "Президент України, міністр оборони. ".repeat(5))
    }

    #[track_caller]
    fn check(encoding: &'static Encoding, declared: &str, http: Option<&str>) {
        let document = document(declared);
        let (bytes, _, lossy) = encoding.encode(&document);
        assert!(!lossy || encoding == KOI8_U, "the charset has every letter");
        let decoded = decode(&bytes, http, Some("glavcom.ua"));
        // KOI8-U has no ’ and encoding_rs writes a reference for it, as a publisher would.
        let decoded = decoded.replace("&#8217;", "’").replace("&#8212;", "—");
        assert!(decoded.contains(TEXT), "{} declared {declared:?}, HTTP {http:?}: {decoded}", encoding.name());
    }

    #[test]
    fn ukrainian_survives_every_declaration() {
        for encoding in [WINDOWS_1251, KOI8_U] {
            check(encoding, encoding.name(), None);
            check(encoding, "", Some(&format!("text/xml; charset={}", encoding.name())));
            check(encoding, "", None);
            check(encoding, "utf-8", None);
            check(encoding, encoding.name(), Some("text/xml; charset=utf-8"));
            check(encoding, encoding.name(), Some("text/xml; charset=\"ISO-8859-1\""));
        }
        for label in ["cp1251", "cp-1251", "win-1251", "CP1251", "Windows1251", "x-cp1251"] {
            check(WINDOWS_1251, label, None);
        }
        for label in ["koi8-r", "koi8u", "KOI8-U"] {
            check(KOI8_U, label, None);
        }
        for (declared, http) in [("", None), ("windows-1251", None), ("utf-16", None), ("utf-8", Some("text/xml; charset=windows-1251"))] {
            check(UTF_8, declared, http);
        }
    }

    #[test]
    fn junk_before_the_declaration_hides_nothing() {
        let document = format!("\n\n<!-- {} -->{}", "x".repeat(80), document("windows-1251"));
        let bytes = WINDOWS_1251.encode(&document).0;
        assert!(decode(&bytes, None, None).contains(TEXT));
    }

    #[test]
    fn wide_encodings_with_and_without_a_mark() {
        let text = document("utf-16");
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let be32: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        let le32: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let le32 = [&b"\xff\xfe\0\0"[..], &le32].concat();
        for bytes in [le.clone(), be.clone(), be32, le32, [&b"\xff\xfe"[..], &le].concat(), [&b"\xfe\xff"[..], &be].concat()] {
            assert_eq!(decode(&bytes, None, None), text);
        }
    }

    #[test]
    fn a_broken_byte_costs_itself() {
        let mut bytes = document("utf-8").into_bytes();
        let at = bytes.len() - 20;
        bytes.insert(at, 0xff);
        let decoded = decode(&bytes, None, None);
        assert!(decoded.contains(TEXT) && decoded.contains('\u{fffd}'));
        let short = [&b"<?xml version=\"1.0\" encoding=\"utf-8\"?><rss>"[..], "При".as_bytes(), b"\xd0", "іт</rss>".as_bytes()].concat();
        assert!(decode(&short, None, None).contains("<rss>При\u{fffd}іт</rss>"));
        let shortest = b"<?xml version='1.0' encoding='utf-8'?><rss>\xc3\xa8 \xff</rss>";
        assert!(decode(shortest, None, None).contains("<rss>è \u{fffd}</rss>"));
    }

    #[test]
    fn a_label_without_a_decoder_says_nothing() {
        for label in ["hz-gb-2312", "iso-2022-kr", "replacement"] {
            let korean = format!("<?xml encoding='{label}'?><rss><title>한국어 뉴스: 오늘은 날씨가 좋으니 산책합시다.</title></rss>");
            assert_eq!(decode(&encoding_rs::EUC_KR.encode(&korean).0, None, None), korean);
            check(WINDOWS_1251, "windows-1251", Some(&format!("text/xml; charset={label}")));
        }
    }

    #[test]
    fn a_large_document_is_detected_by_what_tells() {
        let far = " ".repeat(3 << 20);
        let bytes = WINDOWS_1251.encode(&format!("<rss>{far}{TEXT}{far}")).0.into_owned();
        assert!(decode(&bytes, None, None).contains(TEXT));
        for cut in 0..3 {
            let japanese = format!("<rss>{}{}", "x".repeat(cut), "日本語の、ニュース".repeat(100_000));
            assert!(decode(&encoding_rs::SHIFT_JIS.encode(&japanese).0, None, None) == japanese, "{cut}");
        }
    }

    #[test]
    fn clean_utf8_is_not_copied() {
        assert!(matches!(decode(document("utf-8").as_bytes(), Some("text/xml; charset=utf-8"), None), Cow::Borrowed(_)));
    }

    #[test]
    fn old_cyrillic_charsets() {
        let read = |label: &str, word: &[u8]| {
            let head = format!("<?xml version=\"1.0\" encoding=\"{label}\"?><rss>");
            decode(&[head.as_bytes(), word].concat(), None, None).strip_prefix(&head).map(str::to_owned)
        };
        for label in ["IBM855", "cp855"] {
            assert_eq!(read(label, b"\xd2\xb7\xe1 \xde\xef \xe2\xd6\xe3\xe3\xb7\xde").as_deref(), Some("мир я№ Россия"), "{label}");
        }
        assert_eq!(read("MacCyrillic", b"\x8c\xe8\xf0 \xdf").as_deref(), Some("Мир я"));
        assert_eq!(read("iso-2022-kr", b"text \xe9").unwrap().split(' ').next(), Some("text"), "no charset that takes all for itself");
        assert_eq!(read("cp949", b"\xc7\xd1").as_deref(), Some("한"));
    }

    #[test]
    fn other_scripts() {
        for (encoding, text) in [
            (encoding_rs::GB18030, "中文新闻：今天的天气很好，我们去公园散步。"),
            (encoding_rs::BIG5, "中文新聞：今天的天氣很好，我們去公園散步。"),
            (encoding_rs::SHIFT_JIS, "日本語のニュース：今日は天気がいいから散歩しましょう。"),
            (encoding_rs::EUC_KR, "한국어 뉴스: 오늘은 날씨가 좋으니 산책합시다."),
        ] {
            let document = format!("<?xml version=\"1.0\" encoding=\"{}\"?><rss>{}</rss>", encoding.name(), text.repeat(3));
            assert!(decode(&encoding.encode(&document).0, None, None).contains(text), "{}", encoding.name());
        }
    }
}
