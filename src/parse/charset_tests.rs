//! Ukrainian in every charset, with every declaration that feeds are seen with: each letter comes out. And other scripts in theirs.

use encoding_rs::{Encoding, ISO_8859_5, KOI8_U, WINDOWS_1251, WINDOWS_1252};

use super::*;
use crate::domain::feed::Body;

const TITLE: &str = "Щедра Ґанна з’їла об’єкт «Є» — і ще ʼїжу";
const BODY: &str = "Є і ї ґ ’ ʼ « » — йдуть у ліс. Їжак Євген знайшов ґудзик, а Ігор подав його сусідці; усі були щасливі цілий вечір.";

/// A feed of two entries, or of one: a short document gives detection little to go by.
fn feed(entries: usize) -> String {
    let entry = format!("<item><title>{TITLE}</title><description><![CDATA[<p>{BODY}</p>]]></description></item>\n");
    format!("<rss version=\"2.0\"><channel><title>Село</title>\n{}</channel></rss>\n", entry.repeat(entries))
}

fn declared(label: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"{label}\"?>\n{}", feed(2))
}

/// In a charset; what it has no letter for as a reference, as publishers write it.
fn sent(encoding: &'static Encoding, document: &str) -> Vec<u8> {
    encoding.encode(document).0.into_owned()
}

fn entries(bytes: &[u8], content_type: Option<&str>) -> Vec<(String, String)> {
    entries_from("https://selo.example.ua/rss", bytes, content_type)
}

/// Where a document comes from helps to detect what it is in.
fn entries_from(url: &str, bytes: &[u8], content_type: Option<&str>) -> Vec<(String, String)> {
    let source = Source { bytes, content_type, url: Some(url), max_entries: 100 };
    let text = |body| match body {
        Body::Parsed(entry) => {
            let json = serde_json::to_value(crate::sink::payload::entry(&entry, 0)).unwrap();
            let text = |key: &str| json.get(key).unwrap().as_str().unwrap().to_owned();
            (text("title"), text("content_text"))
        }
        other => panic!("{other:?}"),
    };
    parse(&source, &Known::new()).unwrap().entries.into_iter().map(|entry| text(entry.body)).collect()
}

#[track_caller]
fn check(case: &str, bytes: &[u8], content_type: Option<&str>) {
    let read = entries(bytes, content_type);
    assert!(!read.is_empty(), "{case}");
    for (title, body) in read {
        assert_eq!((title.as_str(), body.as_str()), (TITLE, BODY), "{case}");
    }
}

/// The eight ways to declare a charset of one byte.
#[track_caller]
fn check_single_byte(encoding: &'static Encoding, label: &str) {
    for entries in [2, 1] {
        let feed = feed(entries);
        let bare = format!("<?xml version=\"1.0\"?>\n{feed}");
        let own = format!("<?xml version=\"1.0\" encoding=\"{label}\"?>\n{feed}");
        let lie = own.replace(label, "utf-8");
        let check = |case: &str, document: &str, http: Option<&str>| {
            let http = http.map(|charset| format!("text/xml; charset={charset}"));
            check(&format!("{label}, {case}, {entries} entries"), &sent(encoding, document), http.as_deref());
        };
        check("declared", &own, None);
        check("said by HTTP", &bare, Some(label));
        check("not declared", &bare, None);
        check("behind white space", &format!("\n \n{own}"), None);
        check("declared as UTF-8", &lie, None);
        check("HTTP says UTF-8", &own, Some("utf-8"));
        check("HTTP says ISO-8859-1", &own, Some("ISO-8859-1"));
        check("behind a comment", &format!("<!-- {} -->{own}", "x".repeat(71)), None);
    }
}

#[test]
fn windows_1251() {
    check_single_byte(WINDOWS_1251, "windows-1251");
}

#[test]
fn koi8_u() {
    check_single_byte(KOI8_U, "koi8-u");
    check("declared koi8-r", &sent(KOI8_U, &declared("koi8-r")), None);
}

#[test]
fn iso_8859_5() {
    check_single_byte(ISO_8859_5, "iso-8859-5");
}

#[test]
fn labels_that_are_none() {
    for label in ["cp1251", "cp-1251", "win-1251", "CP1251", "Windows1251", "x-cp1251"] {
        check(label, &sent(WINDOWS_1251, &declared(label)), None);
        check(label, &sent(WINDOWS_1251, &feed(1)), Some(&format!("text/xml;charset=\"{label}\"")));
    }
    check("koi8u", &sent(KOI8_U, &declared("koi8u")), None);
}

#[test]
fn utf8_whatever_is_said_about_it() {
    let plain = format!("<?xml version=\"1.0\"?>\n{}", feed(1));
    check("declared", declared("utf-8").as_bytes(), None);
    check("said by HTTP", plain.as_bytes(), Some("text/xml; charset=utf-8"));
    check("not declared", plain.as_bytes(), None);
    check("behind white space", format!("\n \n{}", declared("utf-8")).as_bytes(), None);
    check("declared as windows-1251", declared("windows-1251").as_bytes(), None);
    check("declared as windows-1251, with a mark", format!("\u{feff}{}", declared("windows-1251")).as_bytes(), None);
    check("HTTP says windows-1251", declared("utf-8").as_bytes(), Some("text/xml; charset=windows-1251"));
    check("HTTP says ISO-8859-1", declared("utf-8").as_bytes(), Some("text/xml; charset=ISO-8859-1"));
}

#[test]
fn a_byte_that_was_lost_costs_its_letter() {
    let document = declared("utf-8");
    for letter in ["Щ", "Ґ", "’", "Є", "—", "ʼ", "ї"] {
        let at = document.find(letter).unwrap();
        let damaged = [&document.as_bytes()[..at], b"\xd0", &document.as_bytes()[at + letter.len()..]].concat();
        let expected = TITLE.replacen(letter, "\u{fffd}", 1);
        let read = entries(&damaged, None);
        assert_eq!(read, [(expected, BODY.to_owned()), (TITLE.to_owned(), BODY.to_owned())], "{letter}");
    }
}

#[test]
fn encoded_twice() {
    let document = declared("utf-8");
    for encoding in [WINDOWS_1251, WINDOWS_1252] {
        let twice = encoding.decode_without_bom_handling(document.as_bytes()).0.into_owned();
        check(encoding.name(), twice.as_bytes(), None);
    }
    let twice: String = document.bytes().map(char::from).collect();
    check("Latin-1", twice.as_bytes(), None);
}

#[test]
fn wide_with_a_mark_and_without() {
    for mark in ["", "\u{feff}"] {
        for (label, http) in [("utf-16", None), ("windows-1251", Some("text/xml; charset=windows-1251"))] {
            let document = format!("{mark}{}", declared(label));
            let units = || document.encode_utf16();
            check("UTF-16LE", &units().flat_map(u16::to_le_bytes).collect::<Vec<_>>(), http);
            check("UTF-16BE", &units().flat_map(u16::to_be_bytes).collect::<Vec<_>>(), http);
            let scalars = || document.chars().map(u32::from);
            check("UTF-32LE", &scalars().flat_map(u32::to_le_bytes).collect::<Vec<_>>(), http);
            check("UTF-32BE", &scalars().flat_map(u32::to_be_bytes).collect::<Vec<_>>(), http);
        }
    }
}

/// A server that is set up for another charset than its feeds are in.
#[test]
fn http_that_lies_about_windows_1251() {
    let bytes = sent(WINDOWS_1251, &declared("windows-1251"));
    for http in ["utf-8", "ISO-8859-1", "iso-8859-1", "windows-1252", "us-ascii", "utf-16", "none such", "", "hz-gb-2312"] {
        check(http, &bytes, Some(&format!("text/xml; charset={http}")));
    }
    for http in ["text/xml", "text/html;charset", "charset=", ";;;", "application/rss+xml; Charset='windows-1251'; x=y"] {
        check(http, &bytes, Some(http));
    }
}

#[test]
fn other_scripts() {
    for (encoding, text) in [
        (encoding_rs::GB18030, "中文新闻：今天的天气很好，我们去公园散步。"),
        (encoding_rs::GBK, "中文新闻：今天的天气很好，我们去公园散步。"),
        (encoding_rs::BIG5, "中文新聞：今天的天氣很好，我們去公園散步。"),
        (encoding_rs::SHIFT_JIS, "日本語のニュース：今日は天気がいいから散歩しましょう。"),
        (encoding_rs::EUC_JP, "日本語のニュース：今日は天気がいいから散歩しましょう。"),
        (encoding_rs::ISO_2022_JP, "日本語のニュース：今日は天気がいいから散歩しましょう。"),
        (encoding_rs::EUC_KR, "한국어 뉴스: 오늘은 날씨가 좋으니 산책합시다."),
        (encoding_rs::WINDOWS_1253, "Νέα της ημέρας: ο καιρός είναι καλός σήμερα."),
        (encoding_rs::WINDOWS_1255, "חדשות היום: מזג האוויר טוב מאוד."),
    ] {
        let feed = feed(2).replace(TITLE, text).replace(BODY, text);
        let bytes = sent(encoding, &format!("<?xml version=\"1.0\" encoding=\"{}\"?>{feed}", encoding.name()));
        let http = format!("text/xml; charset={}", encoding.name());
        let expected = (text.to_owned(), text.to_owned());
        for (case, bytes, http) in [
            ("declared", bytes.clone(), None),
            ("HTTP says ISO-8859-1", bytes, Some("text/xml; charset=ISO-8859-1")),
            ("said by HTTP", sent(encoding, &feed), Some(http.as_str())),
            ("not declared", sent(encoding, &feed), None),
        ] {
            assert_eq!(
                entries_from("https://village.example/rss", &bytes, http),
                [expected.clone(), expected.clone()],
                "{} {case}",
                encoding.name()
            );
        }
    }
}
