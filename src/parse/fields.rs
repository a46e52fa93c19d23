//! What feed-rs loses, invents or trips over, read from the elements themselves: identifiers, links, dates with their offsets, people,
//! language, pictures and enclosures. Its ids hash the title in or are random, its dates lose the offset, its people make it panic.

use url::Url;

use super::children::{Child, Prefixes, Space, children};
use super::lex::{Lexer, Tag, Token};
use super::{dates, html};
use crate::domain::entry::{Enclosure, Entry, Person};

/// A longer identifier is taken as none: it identifies nothing that the link does not.
const LONGEST_ID: usize = 2048;

/// The longest title that is kept, in characters.
const LONGEST_TITLE: usize = 2000;

/// What is kept of one text, in bytes as written. What comes after it in the entry is read all the same.
const LARGEST_TEXT: usize = 1 << 20;

/// The longest name of a person, title of a category and raw date that is kept.
const LONGEST_NAME: usize = 300;

/// How much of a document may be taken up by people, categories and enclosures of one entry.
pub(super) const MOST: usize = 100;

/// An entry taken apart.
pub(super) struct Written<'a> {
    pub(super) prefixes: &'a Prefixes<'a>,
    /// Its own tag, and all that is inside.
    pub(super) around: Child<'a>,
    pub(super) elements: Vec<Child<'a>>,
    pub(super) media: Media<'a>,
}

impl<'a> Written<'a> {
    /// `text` begins with the entry's start tag; its end tag may be lost.
    pub(super) fn new(text: &'a str, prefixes: &'a Prefixes<'a>) -> Self {
        let mut lexer = Lexer::new(text);
        let tag = match lexer.next() {
            Some(Token::Start(tag)) => tag,
            _ => Tag { name: "", attributes: "", empty: true },
        };
        let end = text.rfind("</").filter(|end| text.get(end + 2..).is_some_and(|after| after.starts_with(tag.name)));
        let inner = text.get(lexer.position()..end.unwrap_or(text.len())).unwrap_or_default();
        let elements = children(inner, prefixes);
        let media = Media::inside(&elements, prefixes);
        Self { prefixes, around: Child { space: Space::Core, name: "".into(), tag, inner }, elements, media }
    }
}

/// Fills in what is read from the elements of an entry.
/// `zoneless` is what a date without a zone is relative to, in seconds east of UTC.
pub(super) fn fill(entry: &mut Entry, written: &Written<'_>, base: Option<&Url>, zoneless: i32) {
    let Written { prefixes, around, elements, media } = written;
    let base = own_base(around, base);
    let base = base.as_ref();
    entry.base = base.map(Url::to_string);
    entry.id = identifier(around, elements);
    entry.url = link(around, elements, base);
    dates_of(entry, around, elements, zoneless);
    entry.authors = people(elements, prefixes);
    entry.language = around.attribute("lang").or_else(|| first(elements, Space::Dc, &["language"]).and_then(Child::text));
    entry.categories = categories(elements);
    entry.enclosures = enclosures(elements, media, base);
    entry.image = image(elements, media, base);
}

/// The first element with one of these names, in the order of the names. Atom's words serve where the dialect's own are missing.
pub(super) fn first<'c, 'a>(elements: &'c [Child<'a>], space: Space, names: &[&str]) -> Option<&'c Child<'a>> {
    let find = |space| {
        names.iter().find_map(|name| {
            elements.iter().find(|child| child.is(space, name) && !(child.inner.is_empty() && child.tag.attributes.is_empty()))
        })
    };
    find(space).or_else(|| if space == Space::Core { find(Space::Atom) } else { None })
}

/// An absolute URL; `None` when it is none that could be followed.
pub(super) fn resolve(base: Option<&Url>, link: &str) -> Option<String> {
    let link = link.trim();
    if link.is_empty() || link.len() > LONGEST_ID {
        return None;
    }
    match (Url::parse(link), base) {
        (Ok(_), _) => Some(link.to_owned()),
        (Err(_), Some(base)) => base.join(link).ok().map(String::from),
        // Without a base a relative link is worth more than none.
        (Err(_), None) => Some(link.to_owned()),
    }
}

fn identifier(around: &Child<'_>, elements: &[Child<'_>]) -> Option<String> {
    let guid = first(elements, Space::Core, &["guid", "id"]).and_then(Child::text);
    let about = || around.attribute("about");
    let dc = || first(elements, Space::Dc, &["identifier"]).and_then(Child::text);
    guid.or_else(about).or_else(dc).and_then(identifying)
}

/// The page for people that a feed or an entry links to.
pub(super) fn page(elements: &[Child<'_>], base: Option<&Url>) -> Option<String> {
    let is_link = |c: &&Child<'_>| c.name == "link" && matches!(c.space, Space::Core | Space::Atom);
    let links: Vec<_> = elements.iter().filter(is_link).collect();
    let text = || links.iter().filter(|c| c.space == Space::Core && c.attribute("rel").is_none()).find_map(|c| Some((*c, c.text()?)));
    // The page that says it is one is for people, rather than one that does not say what it is.
    let alternate = |is_type: fn(Option<&str>) -> bool| {
        let alternates = links.iter().filter(|c| c.attribute("rel").is_none() || has_rel(c, "alternate"));
        alternates.filter(|c| is_type(c.attribute("type").as_deref())).find_map(|c| Some((*c, href(c)?)))
    };
    let html = || alternate(|kind| kind.is_some_and(|kind| kind.contains("html")));
    let untyped = || alternate(|kind| kind.is_none());
    let (element, link) = text().or_else(html).or_else(untyped).or_else(|| alternate(|_| true))?;
    resolve(own_base(element, base).as_ref(), &link)
}

/// The page of an entry, else the identifier where that is a permalink.
fn link(around: &Child<'_>, elements: &[Child<'_>], base: Option<&Url>) -> Option<String> {
    let permalink = || {
        let guid = first(elements, Space::Core, &["guid", "id"])?;
        let said = guid.attribute("ispermalink");
        let is_said = said.as_ref().is_some_and(|said| said.eq_ignore_ascii_case("true"));
        let begins = |text: &str, with: &str| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
        let looks = |text: &String| begins(text, "http://") || begins(text, "https://");
        guid.text().filter(|text| is_said || (looks(text) && said.is_none_or(|said| !said.eq_ignore_ascii_case("false"))))
    };
    let original = || first(elements, Space::Feedburner, &["origlink"]).and_then(Child::text);
    let about = || around.attribute("about").filter(|about| about.starts_with("http"));
    // CDF.
    let cdf = || around.attribute("href");
    page(elements, base).or_else(|| resolve(base, &permalink().or_else(original).or_else(about).or_else(cdf)?))
}

/// Whether a link has this relation, by its name or by the URI that the name is short for.
pub(super) fn has_rel(link: &Child<'_>, rel: &str) -> bool {
    let is = |word: &str| word.rsplit('/').next().is_some_and(|word| word.eq_ignore_ascii_case(rel));
    link.attribute("rel").is_some_and(|rels| rels.split_ascii_whitespace().any(is))
}

/// Where a link leads; some write it as RSS does, between the tags.
pub(super) fn href(link: &Child<'_>) -> Option<String> {
    link.attribute("href").or_else(|| link.text())
}

/// What is relative inside of an element is relative to its `xml:base`.
pub(super) fn own_base(element: &Child<'_>, base: Option<&Url>) -> Option<Url> {
    let own = element.attribute("base").and_then(|own| resolve(base, &own));
    own.and_then(|own| Url::parse(&own).ok()).or_else(|| base.cloned())
}

/// The first date that can be read counts; the raw one is the first.
fn dates_of(entry: &mut Entry, around: &Child<'_>, elements: &[Child<'_>], zoneless: i32) {
    let all = |places: &[(Space, &str)]| -> Vec<String> {
        places.iter().filter_map(|(space, name)| first(elements, *space, &[name]).and_then(Child::text)).collect()
    };
    let published = all(&[
        (Space::Core, "pubdate"),
        (Space::Core, "published"),
        (Space::Core, "issued"),
        (Space::Dc, "issued"),
        (Space::Dc, "date"),
        (Space::Core, "created"),
        (Space::Dc, "created"),
        (Space::Core, "date"),
    ]);
    let updated = all(&[(Space::Core, "updated"), (Space::Core, "modified"), (Space::Dc, "modified"), (Space::Core, "lastbuilddate")]);
    entry.published = published.iter().find_map(|text| dates::parse(text, zoneless));
    // The attribute is CDF's.
    entry.updated = updated.iter().chain(&around.attribute("lastmod")).find_map(|text| dates::parse(text, zoneless));
    entry.published_raw = published.first().filter(|_| entry.published.is_none()).map(|raw| cut(raw));
}

/// The offset that the feed gives its own dates in, seconds east of UTC, for entries that leave theirs out; UTC when it has none.
pub(super) fn offset_of_feed(elements: &[Child<'_>]) -> i32 {
    let stated = |name: &str| first(elements, Space::Core, &[name]).and_then(Child::text).and_then(|text| dates::stated(&text));
    ["pubdate", "lastbuilddate", "updated", "modified"].into_iter().find_map(stated).unwrap_or(0)
}

/// Whoever wrote it, each once.
pub(super) fn people(elements: &[Child<'_>], prefixes: &Prefixes<'_>) -> Vec<Person> {
    let mut people: Vec<Person> = vec![];
    for child in elements {
        let name = match (child.space, &*child.name) {
            (Space::Core | Space::Atom, "author") => {
                let inside = children(child.inner, prefixes);
                let part = |name: &str| inside.iter().find(|c| c.name == name).and_then(Child::text);
                part("name").or_else(|| if inside.is_empty() { child.text() } else { None }).or_else(|| part("email"))
            }
            (Space::Dc, "creator" | "author") | (Space::Itunes, "author") => child.text(),
            _ => continue,
        };
        let Some(name) = name.map(|n| cut(&person(&n))).filter(|n| !n.is_empty()) else { continue };
        if people.len() < MOST && !people.iter().any(|p| p.name == name) {
            people.push(Person { name });
        }
    }
    people
}

/// `mail@example.org (Name)` and `Name <mail@example.org>` are Name.
fn person(text: &str) -> String {
    let text = html::title(text);
    if !text.contains('@') {
        return text;
    }
    let (before, inside) = match (text.split_once('('), text.split_once('<')) {
        (Some((before, rest)), _) => (before.trim(), rest.rsplit_once(')').map_or(rest, |(inside, _)| inside).trim()),
        (None, Some((before, _))) if !before.trim().is_empty() => return before.trim().to_owned(),
        _ => return text,
    };
    if before.contains('@') && !inside.is_empty() { inside.to_owned() } else { text }
}

fn categories(elements: &[Child<'_>]) -> Vec<String> {
    let mut categories: Vec<String> = vec![];
    for child in elements {
        let term = match (child.space, &*child.name) {
            (Space::Core | Space::Atom, "category") => {
                child.text().or_else(|| child.attribute("label")).or_else(|| child.attribute("term"))
            }
            (Space::Dc, "subject") => child.text(),
            _ => continue,
        };
        let Some(term) = term.map(|t| cut(&html::title(&t))).filter(|t| !t.is_empty()) else { continue };
        if categories.len() < MOST && !categories.contains(&term) {
            categories.push(term);
        }
    }
    categories
}

/// The elements of the entry, and those inside of `media:group` and `media:content`, to that depth and no further.
pub(super) struct Media<'a>(pub(super) Vec<Child<'a>>);

impl<'a> Media<'a> {
    pub(super) fn inside(elements: &[Child<'a>], prefixes: &Prefixes<'_>) -> Self {
        let of = |from: &[Child<'a>], name: &str| -> Vec<Child<'a>> {
            from.iter().filter(|c| c.is(Space::Media, name)).flat_map(|c| children(c.inner, prefixes)).collect()
        };
        let mut inside = of(elements, "group");
        inside.extend(of(&inside, "content"));
        inside.extend(of(elements, "content"));
        Self(inside)
    }

    fn with<'s>(&'s self, elements: &'s [Child<'a>]) -> impl Iterator<Item = &'s Child<'a>> + Clone {
        self.0.iter().chain(elements)
    }
}

fn enclosures(elements: &[Child<'_>], media: &Media<'_>, base: Option<&Url>) -> Vec<Enclosure> {
    let mut found: Vec<Enclosure> = vec![];
    for child in media.with(elements) {
        let (url, length) = match (child.space, &*child.name) {
            (Space::Core, "enclosure") => (child.attribute("url").or_else(|| child.attribute("href")), "length"),
            (Space::Core | Space::Atom, "link") if has_rel(child, "enclosure") => (href(child), "length"),
            (Space::Media, "content") => (child.attribute("url"), "filesize"),
            _ => continue,
        };
        let Some(url) = url.and_then(|url| resolve(own_base(child, base).as_ref(), &url)) else { continue };
        if found.len() < MOST && !found.iter().any(|e| e.url == url) {
            let length = child.attribute(length).and_then(|n| n.parse().ok()).filter(|n| *n > 0);
            found.push(Enclosure { url, media_type: child.attribute("type"), length });
        }
    }
    found
}

fn image(elements: &[Child<'_>], media: &Media<'_>, base: Option<&Url>) -> Option<String> {
    let all = media.with(elements);
    let is_picture = |c: &&Child<'_>| {
        c.attribute("medium").is_some_and(|m| m == "image") || c.attribute("type").is_some_and(|t| t.starts_with("image/"))
    };
    let picture = all.clone().filter(|c| c.is(Space::Media, "content")).filter(is_picture).find_map(|c| c.attribute("url"));
    let thumbnail = || all.clone().filter(|c| c.is(Space::Media, "thumbnail")).find_map(|c| c.attribute("url"));
    let itunes = || all.clone().filter(|c| c.is(Space::Itunes, "image")).find_map(|c| c.attribute("href"));
    let enclosed = || all.clone().filter(|c| c.is(Space::Core, "enclosure")).filter(is_picture).find_map(|c| c.attribute("url"));
    resolve(base, &picture.or_else(thumbnail).or_else(itunes).or_else(enclosed)?)
}

/// A title as plain text.
pub(super) fn title(text: &str) -> String {
    html::title(text).chars().take(LONGEST_TITLE).collect()
}

/// As much of a text as is kept.
pub(super) fn beginning(text: &str) -> &str {
    let end = (0..=text.len().min(LARGEST_TEXT)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// An identifier, if it is none that is too long to be one.
pub(super) fn identifying(id: String) -> Option<String> {
    Some(id).filter(|id| id.len() <= LONGEST_ID)
}

/// A name, a term or a date, as much of it as is kept.
pub(super) fn cut(text: &str) -> String {
    text.trim().chars().take(LONGEST_NAME).collect()
}
