//! OPML 2.0: every outline with an `xmlUrl` is a feed, the outlines around it are its tags.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use ring::digest::{SHA256, digest};
use url::Url;

/// Outlines in each other; deeper ones are refused.
const DEEPEST: usize = 64;

/// A feed of an OPML file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outline {
    /// As written.
    pub(super) url: String,
    /// Outermost first.
    pub(super) tags: Vec<String>,
}

/// The feeds of a file, each URL once, in document order.
pub(super) fn read(text: &str) -> Result<Vec<Outline>, String> {
    let mut reader = Reader::from_str(text);
    let (mut feeds, mut folders, mut seen): (Vec<Outline>, Vec<Option<String>>, _) = (vec![], vec![], std::collections::HashSet::new());
    let mut is_opml = false;
    loop {
        let event = reader.read_event().map_err(|e| format!("not well-formed at byte {}: {e}", reader.error_position()))?;
        let (element, empty) = match &event {
            Event::Start(element) => (element, false),
            Event::Empty(element) => (element, true),
            Event::End(end) if end.name().as_ref() == "outline" => {
                folders.pop();
                continue;
            }
            Event::Eof if is_opml => return Ok(feeds),
            Event::Eof => return Err("it has no <opml> element".into()),
            _ => continue,
        };
        is_opml |= element.name().as_ref() == "opml";
        if element.name().as_ref() != "outline" {
            continue;
        }
        let url = attribute(element, "xmlUrl").filter(|url| !url.trim().is_empty());
        let folder = attribute(element, "text").or_else(|| attribute(element, "title"));
        if let Some(url) = &url
            && seen.insert(url.clone())
        {
            feeds.push(Outline { url: url.clone(), tags: folders.iter().flatten().cloned().collect() });
        }
        if !empty {
            folders.push(folder.filter(|_| url.is_none()));
        }
        if folders.len() > DEEPEST {
            return Err(format!("outlines are nested deeper than {DEEPEST}"));
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(|value| value.trim().to_owned())
}

/// A name that stays the same whatever the outline is called: the host, and eight digits of a hash of the URL.
pub(super) fn name(url: &Url) -> String {
    let hash: String = digest(&SHA256, url.as_str().as_bytes()).as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let host: String = url.host_str().unwrap_or_default().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
    let host = host.trim_start_matches("www.");
    format!("{}-{hash}", host.get(..host.len().min(50)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_become_tags_and_a_url_counts_once() {
        let text = r#"<?xml version="1.0"?><opml version="2.0"><head><title>x</title></head><body>
            <outline text="Новини"><outline text="UA"><outline type="rss" text="A &amp; B" xmlUrl="https://a.ua/rss?x=1&amp;y=2"/></outline>
            <outline text="B" xmlUrl="https://b.ua/rss"></outline></outline>
            <outline text="again" xmlUrl="https://b.ua/rss"/><outline text="no feed" htmlUrl="https://c.ua/"/></body></opml>"#;
        let outline = |url: &str, tags: &[&str]| Outline { url: url.into(), tags: tags.iter().map(|t| (*t).to_owned()).collect() };
        let expected = vec![outline("https://a.ua/rss?x=1&y=2", &["Новини", "UA"]), outline("https://b.ua/rss", &["Новини"])];
        assert_eq!(read(text), Ok(expected));
    }

    #[test]
    fn what_is_no_opml() {
        assert!(read("<rss/>").unwrap_err().contains("no <opml>"));
        assert!(read("<opml><a></b></opml>").unwrap_err().contains("not well-formed at byte"));
        assert!(read(&format!("<opml>{}", "<outline text='x'>".repeat(1000))).unwrap_err().contains("nested deeper"));
    }

    #[test]
    fn a_name_depends_on_the_url_alone() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(name(&url("https://www.a.ua/rss")), name(&url("https://www.a.ua/rss")));
        assert!(name(&url("https://www.a.ua/rss")).starts_with("a.ua-"));
        assert_ne!(name(&url("https://a.ua/rss")), name(&url("https://a.ua/rss2")));
    }
}
