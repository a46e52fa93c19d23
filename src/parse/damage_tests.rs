//! Forty single faults, as feeds have them, in an RSS, an RDF and an Atom document: each costs at most itself.

use super::*;
use crate::domain::feed::Body;

const FIRST: &str = "Їжак знайшов ґудзик";
const SECOND: &str = "Об’єкт «Є» здано";
const THIRD: &str = "Щастя — у дрібницях";

const RSS: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/">
<channel><title>Село</title><link>https://selo.example/</link><description>Новини</description>
<item><title>Їжак знайшов ґудзик</title><link>https://selo.example/1?a=1</link><guid>1</guid><description>Перший</description></item>
<item><title>Об’єкт «Є» здано</title><link>https://selo.example/2?a=1</link><guid>2</guid><description>Другий</description></item>
<item><title>Щастя — у дрібницях</title><link>https://selo.example/3?a=1</link><guid>3</guid><description>Третій</description></item>
</channel>
</rss>
"#;

const RDF: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel rdf:about="https://selo.example/"><title>Село</title><link>https://selo.example/</link></channel>
<item rdf:about="1"><title>Їжак знайшов ґудзик</title><link>https://selo.example/1?a=1</link><description>Перший</description></item>
<item rdf:about="2"><title>Об’єкт «Є» здано</title><link>https://selo.example/2?a=1</link><description>Другий</description></item>
<item rdf:about="3"><title>Щастя — у дрібницях</title><link>https://selo.example/3?a=1</link><description>Третій</description></item>
</rdf:RDF>
"#;

const ATOM: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/"><title>Село</title><id>urn:selo</id>
<entry><title>Їжак знайшов ґудзик</title><link href="https://selo.example/1?a=1"/><id>1</id><content type="html">Перший</content></entry>
<entry><title>Об’єкт «Є» здано</title><link href="https://selo.example/2?a=1"/><id>2</id><content type="html">Другий</content></entry>
<entry><title>Щастя — у дрібницях</title><link href="https://selo.example/3?a=1"/><id>3</id><content type="html">Третій</content></entry>
</feed>
"#;

const EACH: [&str; 3] = [RSS, RDF, ATOM];

fn titles(bytes: &[u8]) -> Vec<String> {
    let source = Source { bytes, content_type: None, url: Some("https://selo.example/rss"), max_entries: 2000 };
    let title = |body| match body {
        Body::Parsed(entry) => entry.title.unwrap_or_default(),
        other => panic!("{other:?}"),
    };
    parse(&source, &Known::new()).unwrap().entries.into_iter().map(|entry| title(entry.body)).collect()
}

#[track_caller]
fn check(document: &str, fault: impl Fn(&str) -> Vec<u8>, expected: &[&str]) {
    let damaged = fault(document);
    assert_ne!(damaged, document.as_bytes(), "there is no damage");
    assert_eq!(titles(&damaged), expected, "{}", String::from_utf8_lossy(&damaged));
}

/// A fault of the whole document, which costs nothing.
#[track_caller]
fn costs_nothing(documents: &[&str], fault: impl Fn(&str) -> String) {
    for document in documents {
        check(document, |text| fault(text).into_bytes(), &[FIRST, SECOND, THIRD]);
    }
}

/// Another element in place of the second entry's title, and what its title is then.
#[track_caller]
fn title_element(element: &str, title: &str) {
    let whole = format!("<title>{SECOND}</title>");
    for document in EACH {
        check(document, |text| text.replace(&whole, element).into_bytes(), &[FIRST, title, THIRD]);
    }
}

/// Something behind the second entry's title, and what its title is then.
#[track_caller]
fn in_title(inserted: &str, read: &str) {
    title_element(&format!("<title>{SECOND}{inserted}</title>"), &format!("{SECOND}{read}"));
}

/// Another element in the second entry.
#[track_caller]
fn costs_no_title(documents: &[&str], element: &str) {
    let after = format!("<title>{SECOND}</title>");
    costs_nothing(documents, |text| text.replace(&after, &format!("{after}{element}")));
}

#[test]
fn bare_ampersand_in_title() {
    in_title(" R&D & AT&T", " R&D & AT&T");
}

#[test]
fn bare_ampersand_in_url() {
    costs_nothing(&EACH, |text| text.replace("2?a=1", "2?a=1&b=2&copy=3"));
}

#[test]
fn names_of_html_in_title() {
    in_title("&nbsp;&mdash;&laquo;ї&raquo;", "\u{a0}—«ї»");
}

#[test]
fn unknown_name_in_title() {
    in_title(" &foo;", " &foo;");
}

#[test]
fn control_character() {
    in_title("\u{b}", "");
}

#[test]
fn nul_byte() {
    in_title("\0", "");
}

#[test]
fn reference_to_nul() {
    in_title("&#0;", "\u{fffd}");
}

#[test]
fn reference_to_a_control_character() {
    in_title("&#x1F;", "\u{fffd}");
}

#[test]
fn references_to_surrogates() {
    in_title("&#55357;&#56832;&#55357;", "😀\u{fffd}");
}

#[test]
fn raw_less_than() {
    in_title(": a < b, <3", ": a < b, <3");
}

#[test]
fn lost_end_tag() {
    title_element(&format!("<title>{SECOND}"), SECOND);
}

#[test]
fn unclosed_br() {
    in_title("<br> усе", " усе");
}

#[test]
fn mismatched_end_tag() {
    title_element(&format!("<title>{SECOND}</Title>"), SECOND);
    title_element(&format!("<title>{SECOND}</titel>"), SECOND);
}

#[test]
fn unquoted_attribute() {
    title_element(&format!("<title lang=uk>{SECOND}</title>"), SECOND);
    costs_nothing(&EACH, |text| text.replace("<item", "<item data=plain").replace("<entry", "<entry data=plain"));
}

#[test]
fn attribute_twice() {
    title_element(&format!("<title lang='uk' lang='en'>{SECOND}</title>"), SECOND);
    costs_nothing(&EACH, |text| text.replace("<item", "<item a='1' a='2'").replace("<entry", "<entry a='1' a='2'"));
}

#[test]
fn invalid_byte() {
    let expected = SECOND.replace('Є', "\u{fffd}");
    for document in EACH {
        let at = document.find("Є»").unwrap();
        let damaged = |text: &str| [&text.as_bytes()[..at], b"\xff", &text.as_bytes()[at + 2..]].concat();
        check(document, damaged, &[FIRST, &expected, THIRD]);
    }
}

#[test]
fn empty_lines_before() {
    costs_nothing(&EACH, |text| format!("\n\n {text}"));
}

#[test]
fn notice_before() {
    costs_nothing(&EACH, |text| format!("Notice: Undefined index: id in /var/www/feed.php on line 12\n{text}"));
}

#[test]
fn warning_in_html_before() {
    costs_nothing(&EACH, |text| format!("<br />\n<b>Warning</b>: x() in <b>/var/www/feed.php</b> on line <b>3</b><br />\n{text}"));
}

#[test]
fn comment_before() {
    costs_nothing(&EACH, |text| format!("<!-- <item> from the cache -->\n{text}"));
}

#[test]
fn mark_twice() {
    costs_nothing(&EACH, |text| format!("\u{feff}\u{feff}{text}"));
}

#[test]
fn junk_behind() {
    costs_nothing(&EACH, |text| format!("{text}<!-- 0.2 s --><script>a = 1 < 2;</script><item><title>no</title></item> & more"));
}

#[test]
fn two_documents() {
    costs_nothing(&EACH, |text| text.repeat(2));
}

#[test]
fn cut_in_the_second_entry() {
    for document in EACH {
        let at = document.find("«Є»").unwrap();
        check(document, |text| text.as_bytes()[..at].to_vec(), &[FIRST]);
    }
}

#[test]
fn cut_in_the_third_entry() {
    for document in EACH {
        let at = document.find("Третій").unwrap();
        // In the middle of a letter.
        check(document, |text| text.as_bytes()[..=at].to_vec(), &[FIRST, SECOND]);
    }
}

#[test]
fn lost_end_tags_of_the_root() {
    costs_nothing(&EACH, |text| text.replace("</channel>\n</rss>", "").replace("</rdf:RDF>", "").replace("</feed>", ""));
}

#[test]
fn undeclared_prefixes() {
    costs_nothing(&[RSS, ATOM], |text| {
        let element = format!("<title>{SECOND}</title><media:title>інша</media:title><dc:title>ще</dc:title>");
        let prefixed = text.replace(&format!("<title>{SECOND}</title>"), &element);
        prefixed.replace(" xmlns:media=\"http://search.yahoo.com/mrss/\"", "").replace(" xmlns:dc=\"http://purl.org/dc/elements/1.1/\"", "")
    });
}

#[test]
fn https_in_namespaces() {
    costs_nothing(&EACH, |text| text.replace("=\"http://", "=\"https://"));
}

#[test]
fn no_version() {
    costs_nothing(&[RSS], |text| text.replace(" version=\"2.0\"", ""));
}

#[test]
fn odd_version() {
    costs_nothing(&[RSS], |text| text.replace("version=\"2.0\"", "version=\"2.00\""));
}

#[test]
fn default_namespace() {
    costs_nothing(&[RSS], |text| text.replace("<rss ", "<rss xmlns=\"http://backend.userland.com/rss2\" "));
}

#[test]
fn upper_case() {
    let outer = ["rss", "channel", "item", "title", "rdf:RDF", "feed", "entry"];
    costs_nothing(&EACH, |text| {
        let upper = |text: String, name: &str| {
            text.replace(&format!("<{name}"), &format!("<{}", name.to_uppercase()))
                .replace(&format!("</{name}"), &format!("</{}", name.to_uppercase()))
        };
        outer.iter().fold(text.to_owned(), |text, name| upper(text, name))
    });
}

#[test]
fn empty_media_title() {
    costs_no_title(&EACH, "<media:title/><media:description></media:description>");
}

#[test]
fn author_with_no_break_space_and_address() {
    costs_no_title(&EACH, "<author>Іван\u{a0}Петренко\u{a0}ivan@selo.example</author>");
}

#[test]
fn creator_with_quoted_address() {
    costs_no_title(&EACH, "<dc:creator>Редакція «news@selo.example»</dc:creator>");
}

#[test]
fn endless_duration() {
    costs_no_title(&EACH, "<itunes:duration>100000000000000000000000</itunes:duration>");
}

#[test]
fn atom_type_in_another_case() {
    costs_nothing(&[ATOM], |text| text.replace("<content type=\"html\">", "<content type=\"Html\">"));
}

#[test]
fn atom_type_that_is_none() {
    title_element(&format!("<title type=\"application/xhtml+xml\">{SECOND}</title>"), SECOND);
    costs_no_title(&[ATOM], "<summary type=\"application/xhtml+xml\">Коротко</summary>");
    costs_no_title(&[ATOM], "<summary type=\"\">Коротко</summary>");
}

#[test]
fn utf8_declared_utf16() {
    costs_nothing(&EACH, |text| text.replace("\"utf-8\"", "\"utf-16\""));
}

#[test]
fn utf16_with_a_mark() {
    for document in EACH {
        let wide = |text: &str| {
            let marked = format!("\u{feff}{}", text.replace("\"utf-8\"", "\"utf-16\""));
            marked.encode_utf16().flat_map(u16::to_be_bytes).collect()
        };
        check(document, wide, &[FIRST, SECOND, THIRD]);
    }
}
