//! The feeds that a page for people offers.

use url::Url;

use super::lex::{Lexer, Token, attributes};
use super::{decode, entities, html};

/// Links of one page that are looked at.
const MOST_OFFERS: usize = 50;

/// Where feeds are found on sites that do not say so, by how many sites have them there.
const USUAL_PLACES: [&str; 12] = [
    "feed/",
    "rss.xml",
    "feed.xml",
    "atom.xml",
    "index.xml",
    "rss/",
    "feed.json",
    "feeds/posts/default",
    "rss/index.xml",
    "xml/rss.xml",
    "?feed=rss2",
    "blog/feed/",
];

/// A feed that a page offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Absolute, http or https.
    pub url: String,
    /// What the page calls it.
    pub title: Option<String>,
}

/// What a page offers with `link rel=alternate` (RFC 4287 autodiscovery as browsers do it), each once, in the order of the page. `url` is where
/// the page came from.
#[must_use]
pub fn offers(bytes: &[u8], content_type: Option<&str>, url: &Url) -> Vec<Offer> {
    let text = decode::decode(bytes, content_type, url.host_str());
    let (mut lexer, mut base, mut offers) = (Lexer::new(&text), url.clone(), vec![]);
    while let Some(token) = lexer.next() {
        let Token::Start(tag) = token else { continue };
        let attribute =
            |name: &str| attributes(tag.attributes).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| entities::resolve(v));
        if tag.name.eq_ignore_ascii_case("base") {
            base = attribute("href").and_then(|href| url.join(href.trim()).ok()).unwrap_or(base);
        } else if tag.name.eq_ignore_ascii_case("link") || tag.name.eq_ignore_ascii_case("a") {
            let rel = attribute("rel").unwrap_or_default().to_ascii_lowercase();
            let alternate = rel.split_ascii_whitespace().any(|rel| rel == "alternate" || rel == "feed");
            let kind = attribute("type").unwrap_or_default().trim().to_ascii_lowercase();
            let feed = is_feed_type(&kind) || (kind.is_empty() && rel.split_ascii_whitespace().any(|rel| rel == "feed"));
            let Some(href) = attribute("href").filter(|_| alternate && feed) else { continue };
            let Some(url) = base.join(href.trim()).ok().filter(|u| matches!(u.scheme(), "http" | "https")) else { continue };
            let url = String::from(url);
            if offers.len() < MOST_OFFERS && !offers.iter().any(|o: &Offer| o.url == url) {
                let title = attribute("title").map(|t| html::title(&t)).filter(|t| !t.is_empty());
                offers.push(Offer { url, title });
            }
        }
    }
    offers
}

/// Media types of feeds, wrong ones that are in use included.
fn is_feed_type(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    matches!(
        kind,
        "application/rss+xml"
            | "application/atom+xml"
            | "application/rdf+xml"
            | "application/feed+json"
            | "application/rss"
            | "application/atom"
            | "text/rss+xml"
            | "text/atom+xml"
            | "text/rss"
    )
}

/// Where a feed may be when the page says nothing: the usual places below the page, then below the root of the site.
#[must_use]
pub fn guesses(page: &Url) -> Vec<String> {
    let mut guesses: Vec<String> = vec![];
    let mut below = page.clone();
    below.set_query(None);
    below.set_fragment(None);
    if !below.path().ends_with('/') && !below.path().rsplit('/').next().is_some_and(|last| last.contains('.')) {
        below.set_path(&format!("{}/", below.path()));
    }
    for from in [Some(below), page.join("/").ok()].into_iter().flatten() {
        for place in USUAL_PLACES {
            guesses
                .extend(from.join(place).ok().map(String::from).filter(|guess| !guesses.contains(guess)).into_iter().collect::<Vec<_>>());
        }
    }
    guesses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> Vec<(String, Option<String>)> {
        let url = Url::parse("https://glavcom.ua/news/").unwrap();
        offers(html.as_bytes(), Some("text/html"), &url).into_iter().map(|o| (o.url, o.title)).collect()
    }

    #[test]
    fn what_a_page_offers() {
        let html = "<!DOCTYPE html><html><head><LINK REL='alternate' TYPE='application/rss+xml' title='Усі новини &amp; ґ' HREF=/xml/rss.xml>\
            <link rel=\"alternate home\" type=\"application/atom+xml; charset=utf-8\" href=\"atom.xml\"/><link rel=stylesheet href=x.css>\
            <link rel=alternate hreflang=en href=/en/><link rel=alternate type=application/rss+xml href=/xml/rss.xml>\
            <link rel=alternate type=application/rss+xml href='javascript:x'></head><body><a rel=feed href='https://b.ua/f'>x</a>";
        let expected = [
            ("https://glavcom.ua/xml/rss.xml", Some("Усі новини & ґ")),
            ("https://glavcom.ua/news/atom.xml", None),
            ("https://b.ua/f", None),
        ];
        assert_eq!(page(html), expected.map(|(url, title)| (url.to_owned(), title.map(str::to_owned))));
        assert_eq!(page("<base href='https://c.ua/x/'><link rel=alternate type=text/rss href=f>")[0].0, "https://c.ua/x/f");
        assert_eq!(page("nothing here"), []);
        assert_eq!(page(&"<link rel=alternate type=text/rss href=f>".repeat(10_000)).len(), 1);
    }

    #[test]
    fn where_a_feed_may_be() {
        let of = |url: &str| guesses(&Url::parse(url).unwrap());
        let some = of("https://a.ua/blog?x#y");
        assert!(some.starts_with(&["https://a.ua/blog/feed/".into()]) && some.contains(&"https://a.ua/atom.xml".into()), "{some:?}");
        assert_eq!(of("https://a.ua/").len(), USUAL_PLACES.len());
        assert!(of("https://a.ua/index.html").contains(&"https://a.ua/feed/".into()));
    }
}
