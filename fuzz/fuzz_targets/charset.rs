//! Bytes become text. The decoder is reached as documents reach it: the input is the text of an entry in a frame of ASCII.
//!
//! The first byte of an input chooses what is declared, the second what HTTP says, the third in which width it is sent. What follows is
//! text. If that is UTF-8 it must come out letter by letter, whatever is said about it; if not, the entry must come out.

#![no_main]

use feedwire::domain::feed::{Body, Known};
use feedwire::parse::{Source, parse};
use libfuzzer_sys::fuzz_target;

/// What documents and servers say, true or not.
const LABELS: [&str; 32] = [
    "",
    "utf-8",
    "windows-1251",
    "koi8-u",
    "koi8-r",
    "iso-8859-5",
    "iso-8859-1",
    "utf-16",
    "utf-32",
    "cp-1251",
    "win-1251",
    "koi8u",
    "ibm866",
    "x-mac-cyrillic",
    "gb2312",
    "gb18030",
    "gbk",
    "big5",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "iso-2022-jp",
    "iso-2022-kr",
    "hz-gb-2312",
    "replacement",
    "x-user-defined",
    "windows-1252",
    "windows-1255",
    "tis-620",
    "utf-7",
    "us-ascii",
    "none such",
];

/// So many letters of more than one byte make it certain that text is UTF-8. None of it was encoded twice: no Ukrainian word begins as
/// windows-1251 shows UTF-8.
const CERTAIN: &str = "Єїґ";

fuzz_target!(|input: &[u8]| {
    let [declared, http, width, text @ ..] = input else { return };
    let (declared, http) = (LABELS[usize::from(*declared) % LABELS.len()], LABELS[usize::from(*http) % LABELS.len()]);
    // The frame stays whole: nothing in it ends the section, and a space cannot be the second half of a character.
    let text: Vec<u8> = text.iter().map(|b| if *b == b'>' { b' ' } else { *b }).collect();
    let declaration = if declared.is_empty() { String::new() } else { format!("<?xml version=\"1.0\" encoding=\"{declared}\"?>") };
    let head = format!("{declaration}<rss><channel><item><guid>1</guid><description><![CDATA[");
    let tail = " ]]></description></item></channel></rss>";
    let http = format!("text/xml; charset={http}");

    match std::str::from_utf8(&text) {
        Ok(text) => {
            let sent = wide(&format!("{head}{CERTAIN}{text}{tail}"), *width);
            let read = read(&sent, &http).expect("a document in UTF-8 is read");
            assert_eq!(letters(&read), letters(&format!("{CERTAIN}{text}")), "declared {declared}, {http}");
        }
        Err(_) => {
            let sent = [head.as_bytes(), &text, tail.as_bytes()].concat();
            let read = read(&sent, &http);
            // Escape sequences of ISO-2022-JP may turn the frame into letters.
            assert!(read.is_some() || text.contains(&0x1b), "nothing is read, declared {declared}, {http}");
        }
    }
});

/// UTF-8, with a mark or without; UTF-16 and UTF-32, either way round, with a mark or without.
fn wide(text: &str, width: u8) -> Vec<u8> {
    let mark = if width & 1 == 0 { "" } else { "\u{feff}" };
    let chars = || mark.chars().chain(text.chars());
    let units = || chars().collect::<String>().encode_utf16().collect::<Vec<_>>();
    match width >> 1 & 7 {
        0 => units().into_iter().flat_map(u16::to_le_bytes).collect(),
        1 => units().into_iter().flat_map(u16::to_be_bytes).collect(),
        2 => chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
        3 => chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
        _ => format!("{mark}{text}").into_bytes(),
    }
}

/// The description of the one entry; empty when it has none.
fn read(bytes: &[u8], content_type: &str) -> Option<String> {
    let source = Source { bytes, content_type: Some(content_type), url: Some("https://example.com.ua/rss"), max_entries: 200 };
    let document = parse(&source, &Known::new()).ok()?;
    let [entry] = &document.entries[..] else { return None };
    let Body::Parsed(entry) = &entry.body else { return None };
    Some(entry.summary.as_ref().map_or_else(String::new, |summary| summary.source().to_owned()))
}

/// What must survive: all but white space, which is folded, and control characters, which XML forbids.
fn letters(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !c.is_control() && *c != '\u{feff}').collect()
}
