//! Writes XML that is well-formed whatever is in it.

/// A document, or a part of one.
#[derive(Debug, Default)]
pub(super) struct Xml(String);

/// Names and values; whoever has no value is left out.
pub(super) type Attributes<'a> = &'a [(&'static str, Option<&'a str>)];

impl Xml {
    /// `<name …>`
    pub(super) fn open(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.begin(name, attributes);
        self.0.push('>');
    }

    /// `</name>`
    pub(super) fn close(&mut self, name: &'static str) {
        self.0 += "</";
        self.0 += name;
        self.0 += ">\n";
    }

    /// `<name …/>`
    pub(super) fn empty(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.begin(name, attributes);
        self.0 += "/>\n";
    }

    /// `<name …>text</name>`
    pub(super) fn element(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.open(name, attributes);
        escape(text, &mut self.0);
        self.close(name);
    }

    /// What was written as XML before.
    pub(super) fn raw(&mut self, xml: &str) {
        self.0 += xml;
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn begin(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.0.push('<');
        self.0 += name;
        for (name, value) in attributes {
            let Some(value) = value else { continue };
            self.0.push(' ');
            self.0 += name;
            self.0 += "=\"";
            escape(value, &mut self.0);
            self.0.push('"');
        }
    }
}

/// Text for content and attributes alike. What no XML may hold (XML 1.0, section 2.2), not even as a reference, is left out; what a parser
/// would change (2.11, 3.3.3) is a reference.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => *out += "&amp;",
            '<' => *out += "&lt;",
            '>' => *out += "&gt;",
            '"' => *out += "&quot;",
            '\t' => *out += "&#9;",
            '\r' => *out += "&#13;",
            '\n' => *out += "&#10;",
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::events::Event;

    use super::*;

    /// What a parser makes of an element with one attribute and text.
    fn read(xml: &str) -> (String, String) {
        let mut reader = quick_xml::Reader::from_str(xml);
        let (mut attribute, mut text) = (String::new(), String::new());
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) => {
                    let value = tag.attributes().next().unwrap().unwrap();
                    attribute = value.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap().into_owned();
                }
                Event::Text(part) => text += &part,
                Event::GeneralRef(name) => match name.resolve_char_ref().unwrap() {
                    Some(c) => text.push(c),
                    None => text += quick_xml::escape::resolve_predefined_entity(&name).unwrap(),
                },
                Event::End(_) => return (attribute, text),
                _ => {}
            }
        }
    }

    fn written(text: &str) -> String {
        let mut xml = Xml::default();
        xml.element("a", &[("b", Some(text)), ("c", None)], text);
        xml.into_string()
    }

    #[test]
    fn what_xml_cannot_hold_is_left_out() {
        let text = "\u{0}\u{8}a\u{b}\u{1b}]]>\u{fffe}<b>&amp;\"'\r\n\tє\u{ffff}\u{1f600}\u{85}";
        let kept = "a]]><b>&amp;\"'\r\n\tє\u{1f600}\u{85}";
        assert_eq!(read(&written(text)), (kept.to_owned(), kept.to_owned()));
        assert!(!written(text).contains("]]>"));
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_well_formed_and_comes_back(text in "(?s).{0,40}") {
            let is_kept = |c: &char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            let kept: String = text.chars().filter(is_kept).collect();
            prop_assert_eq!(read(&written(&text)), (kept.clone(), kept));
        }
    }
}
