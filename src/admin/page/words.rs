//! What feeds, servers and consumers wrote, and times, as people may see them.

use std::time::Duration;

use url::Url;

use crate::domain::time::Timestamp;
use crate::log;

/// Characters of an address that is still a link.
const LONGEST_LINK: usize = 2000;

/// Text that turns no direction and moves no cursor, in one line of at most `most` characters.
pub(super) fn clean(text: &str, most: usize) -> String {
    // A title of megabytes is not walked through to its end.
    let begin: String = text.chars().take(most.saturating_mul(4)).collect();
    let line = log::harmless(&begin).split_whitespace().collect::<Vec<_>>().join(" ");
    let is_cut = line.chars().count() > most || text.chars().nth(most.saturating_mul(4)).is_some();
    if is_cut { line.chars().take(most.saturating_sub(1)).chain(['…']).collect() } else { line }
}

/// An address that may be followed: of the web, and without a name or a password in it.
pub(super) fn link(address: &str) -> Option<String> {
    let mut url = Url::parse(address.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.set_username("").and(url.set_password(None)).ok()?;
    Some(String::from(url)).filter(|link| link.len() <= LONGEST_LINK)
}

/// Where an address leads: the rest of it may be a secret.
pub(super) fn host(address: &str) -> String {
    Url::parse(address).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// Takes out of the addresses in a text what may be a secret: names, passwords and queries.
pub(super) fn veiled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        out += before;
        out += "://";
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '(' | ')' | '`');
        let (address, after) = behind.split_at(behind.find(ends).unwrap_or(behind.len()));
        let (place, query) = address.split_at(address.find(['?', '#']).unwrap_or(address.len()));
        let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        out += authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        out += path;
        if !query.is_empty() {
            out += "?…";
        }
        rest = after;
    }
    out + rest
}

/// How long, in the largest unit that says something.
pub(super) fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long ago, or how long until then.
pub(super) fn distance(at: Timestamp, now: Timestamp) -> String {
    match (now.since(at), at.since(now)) {
        (ago, ahead) if ago.as_secs() + ahead.as_secs() < 1 => "now".to_owned(),
        (ago, ahead) if ahead.is_zero() => format!("{} ago", length(ago)),
        (_, ahead) => format!("in {}", length(ahead)),
    }
}

/// 1,234,567.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let (head, rest) = digits.split_at(first);
    let groups = rest.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    Some(head.to_owned()).filter(|head| !head.is_empty()).into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

/// A tag of a language (BCP 47), if it looks like one.
pub(super) fn language(tag: Option<&str>) -> Option<String> {
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.filter(|tag| tag.len() <= 35 && tag.split('-').all(is_part)).map(str::to_owned)
}
