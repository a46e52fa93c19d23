//! Subscriptions of other readers: what they are called here, and how feeds are written for them.

use std::collections::{BTreeMap, HashMap, HashSet};

use ring::digest::{SHA256, digest};
use url::Url;

use super::Configured;
use super::latin::slug;
use super::reading::is_name;
use super::value::web_url;
use crate::domain::canonical::canonical;
use crate::log::harmless;
use crate::parse::opml::{self, NAME, Opml, Outline};

/// The longest name that is made of a title, and what is added to it where two are the same.
const LONGEST_TITLE: usize = 40;
const LONGEST_HOST: usize = 23;

/// How a name is made, best first: that of an earlier export, title, title and host, title and hash of the URL.
const WAYS: usize = 4;

/// A file that must be whole: half of one would unsubscribe from the other half.
pub(super) fn whole(bytes: &[u8]) -> Result<Opml, String> {
    let read = opml::read(bytes).map_err(|e| e.to_string())?;
    if read.damage.is_empty() { Ok(read) } else { Err(read.damage.join("; ")) }
}

/// The feeds, each once by its key, with all the tags it has anywhere; and those that were there before.
pub(super) fn joined(outlines: Vec<Outline>, key: impl Fn(&Outline) -> String) -> (Vec<Outline>, Vec<(Outline, usize)>) {
    let (mut feeds, mut again, mut known) = (Vec::<Outline>::new(), vec![], HashMap::new());
    for outline in outlines {
        let at = *known.entry(key(&outline)).or_insert(feeds.len());
        let Some(first) = feeds.get_mut(at) else {
            feeds.push(outline);
            continue;
        };
        for tag in &outline.tags {
            if !first.tags.contains(tag) {
                first.tags.push(tag.clone());
            }
        }
        again.push((outline, at));
    }
    (feeds, again)
}

/// A name that stays the same whatever the outline is called: the host, and eight digits of a hash of the URL.
pub(super) fn name(url: &Url) -> String {
    let host: String = url.host_str().unwrap_or_default().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
    let host = host.trim_start_matches("www.");
    format!("{}-{}", host.get(..host.len().min(50)).unwrap_or_default(), hash(url))
}

fn hash(url: &Url) -> String {
    digest(&SHA256, url.as_str().as_bytes()).as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// A feed to be added to a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// Its name here.
    pub name: String,
    /// Without user name and password.
    pub url: Url,
    /// What the file calls it.
    pub title: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The user name that stood in the URL.
    pub user: Option<String>,
}

/// What becomes of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// In document order.
    pub feeds: Vec<New>,
    /// What its reader should know, a line each.
    pub said: Vec<String>,
}

/// Makes feeds of outlines. Those that are known already, whatever the scheme and the last slash of their URL, are left out.
#[must_use]
pub fn import(read: Opml, known: &[Configured]) -> Import {
    let mut said: Vec<_> = read.damage.into_iter().map(|damage| format!("damaged: {damage}")).collect();
    said.extend(read.left_out.into_iter().map(|why| format!("left out: {why}")));
    let called = |outline: &Outline| format!("{:?}", outline.title.as_ref().unwrap_or(&outline.url));
    let (outlines, again) = joined(read.feeds, |outline| canonical(&outline.url));
    for (outline, at) in &again {
        let first = outlines.get(*at).map(|first| first.url.as_str()).unwrap_or_default();
        said.push(format!("twice: {} has the URL {first:?} as well; the tags are joined", called(outline)));
    }
    let by_url: HashMap<_, _> = known.iter().map(|feed| (canonical(&feed.url), feed)).collect();
    let (mut feeds, mut names) = (vec![], vec![]);
    for outline in outlines {
        if let Some(feed) = by_url.get(&canonical(&outline.url)) {
            said.push(format!("configured already: {} is the feed {} of {}", called(&outline), feed.name, feed.file.display()));
            continue;
        }
        match web_url(&outline.url) {
            Ok(url) => {
                let feed = new(url, outline.title, outline.tags);
                names.push(ways(&feed, outline.name));
                feeds.push(feed);
            }
            Err(e) => said.push(format!("left out: {}: {e}", called(&outline))),
        }
    }
    christen(&mut feeds, &names, known.iter().map(|feed| feed.name.clone()).collect());
    for feed in feeds.iter().filter(|feed| feed.user.is_some()) {
        said.push(format!("password: the URL of {} had one, which is left out; see the comment there", feed.name));
    }
    Import { feeds, said }
}

fn new(mut url: Url, title: Option<String>, tags: Vec<String>) -> New {
    let has_user = !url.username().is_empty() || url.password().is_some();
    let user = has_user.then(|| url.username().to_owned());
    // Neither fails for a URL with a host.
    let _removed = (url.set_username(""), url.set_password(None));
    New { name: String::new(), url, title, tags, user }
}

/// The names that a feed could have, best first.
fn ways(feed: &New, before: Option<String>) -> [Option<String>; WAYS] {
    let host = feed.url.host_str().unwrap_or_default().trim_start_matches("www.");
    let host = slug(host, LONGEST_HOST);
    let title = feed.title.as_deref().map(|title| slug(title, LONGEST_TITLE)).filter(|title| !title.is_empty());
    let title = title.unwrap_or_else(|| host.clone());
    let hashed = format!("{title}-{}", hash(&feed.url));
    [before.filter(|name| is_name(name)), Some(title.clone()), Some(format!("{title}-{host}")), Some(hashed)]
}

/// Gives each feed the best name that no other has. Where several would have it none gets it, so that the order of the file plays no role.
fn christen(feeds: &mut [New], names: &[[Option<String>; WAYS]], mut taken: HashSet<String>) {
    for way in 0..WAYS {
        let mut wanted = BTreeMap::<&str, Vec<&mut New>>::new();
        for (feed, names) in feeds.iter_mut().zip(names).filter(|(feed, _)| feed.name.is_empty()) {
            let Some(name) = names.get(way).and_then(Option::as_deref).filter(|name| !name.is_empty()) else { continue };
            wanted.entry(name).or_default().push(feed);
        }
        for (name, mut feeds) in wanted {
            if let [feed] = feeds.as_mut_slice()
                && taken.insert(name.to_owned())
            {
                feed.name = name.to_owned();
            }
        }
    }
    for feed in feeds.iter_mut().filter(|feed| feed.name.is_empty()) {
        let free = (2u32..).map(|n| format!("feed-{}-{n}", hash(&feed.url))).find(|name| taken.insert(name.clone()));
        feed.name = free.unwrap_or_default();
    }
}

/// Feeds as a part of a configuration.
#[must_use]
pub fn toml(feeds: &[New]) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut out = String::from("# Made from OPML. The name of a feed is its identity: change it before the first poll, or never.\n");
    for feed in feeds {
        out.push('\n');
        if let Some(title) = &feed.title {
            out.push_str(&format!("# {}\n", title.replace(char::is_control, " ")));
        }
        let name = if feed.name.contains('.') { quoted(&feed.name) } else { feed.name.clone() };
        out.push_str(&format!("[feeds.{name}]\nurl = {}\n", quoted(feed.url.as_str())));
        if !feed.tags.is_empty() {
            let tags: Vec<_> = feed.tags.iter().map(|tag| quoted(tag)).collect();
            out.push_str(&format!("tags = [{}]\n", tags.join(", ")));
        }
        if let Some(user) = &feed.user {
            let comment = "# Its URL had a password, which is not kept here: put it into a credential or a file, and remove the # below.";
            out.push_str(&format!(
                "{comment}\n#auth.basic = {{ user = {}, password = {{ credential = \"{}\" }} }}\n",
                quoted(user),
                feed.name
            ));
        }
    }
    out
}

/// Feeds as OPML 2.0, called by their titles as far as these are known: each in the folder of its first tag, all its tags in `category`. Tags that no category may hold become folders.
#[must_use]
pub fn write(feeds: &[Configured]) -> String {
    let mut folders: Vec<(Vec<&str>, Vec<&Configured>)> = vec![];
    let mut places = HashMap::new();
    for feed in feeds {
        let tags = feed.tags.iter().map(String::as_str).filter(|tag| !tag.trim().is_empty());
        let path: Vec<_> = if is_category(&feed.tags) { tags.take(1).collect() } else { tags.collect() };
        let at = *places.entry(path.clone()).or_insert(folders.len());
        match folders.get_mut(at) {
            Some((_, inside)) => inside.push(feed),
            None => folders.push((path, vec![feed])),
        }
    }
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<opml version=\"2.0\" xmlns:feedwire=\"urn:feedwire:opml\">\n";
    let mut out = format!("{head}  <head>\n    <title>feedwire</title>\n  </head>\n  <body>\n");
    for (path, inside) in &folders {
        for (depth, folder) in path.iter().enumerate() {
            out.push_str(&format!("{}<outline text=\"{}\">\n", "  ".repeat(depth + 2), escaped(folder)));
        }
        let margin = "  ".repeat(path.len() + 2);
        for feed in inside {
            let (name, url) = (escaped(&feed.name), escaped(&feed.url));
            let title = feed.title.as_deref().map(|title| escaped(harmless(title).trim())).filter(|title| !title.is_empty());
            let called = title.map_or_else(|| format!("text=\"{name}\""), |title| format!("text=\"{title}\" title=\"{title}\""));
            let site = feed.site_url.as_deref().and_then(|site| web_url(site).ok());
            let site = site.map_or_else(String::new, |site| format!(" htmlUrl=\"{}\"", escaped(site.as_str())));
            let category = escaped(&feed.tags.join(","));
            let category =
                if is_category(&feed.tags) && !feed.tags.is_empty() { format!(" category=\"{category}\"") } else { String::new() };
            out.push_str(&format!("{margin}<outline type=\"rss\" {called}{site} xmlUrl=\"{url}\"{category} {NAME}=\"{name}\"/>\n"));
        }
        for depth in (0..path.len()).rev() {
            out.push_str(&format!("{}</outline>\n", "  ".repeat(depth + 2)));
        }
    }
    out + "  </body>\n</opml>\n"
}

/// Whether tags can be told apart in a `category`, where commas and slashes have a meaning.
fn is_category(tags: &[String]) -> bool {
    !tags.iter().any(|tag| tag.contains([',', '/']))
}

/// Text for an attribute. What XML may not hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[path = "opml_tests.rs"]
mod tests;
