//! What the head of a document says about polling.

use std::time::Duration;

use url::Url;

use super::children::{Child, Prefixes, Space, children};
use super::fields;
use crate::domain::hints::Hints;

/// Hubs of one feed.
pub(super) const MOST_HUBS: usize = 10;

/// From the elements of a head.
pub(super) fn hints(elements: &[Child<'_>], base: Option<&Url>, prefixes: &Prefixes<'_>) -> Hints {
    let text = |space, name: &str| elements.iter().filter(|c| c.is(space, name)).find_map(Child::text);
    let links = || elements.iter().filter(|c| c.name == "link" && matches!(c.space, Space::Core | Space::Atom));
    let to = |link: &Child<'_>| fields::resolve(fields::own_base(link, base).as_ref(), &fields::href(link)?);
    let related = |rel: &str| links().filter(|link| fields::has_rel(link, rel)).find_map(to);
    let parts = |name: &str| -> Vec<String> {
        let inside = elements.iter().filter(|c| c.is(Space::Core, name)).flat_map(|c| children(c.inner, prefixes));
        inside.filter_map(|c| c.text()).collect()
    };
    let mut hubs = vec![];
    links().filter(|link| fields::has_rel(link, "hub")).filter_map(to).for_each(|hub| push_hub(hub, &mut hubs));
    Hints {
        ttl: text(Space::Core, "ttl").and_then(|ttl| ttl.parse().ok()).filter(|ttl| *ttl > 0),
        skip_hours: parts("skiphours").iter().filter_map(|hour| hour_bit(hour)).fold(0, |bits, bit| bits | bit),
        skip_days: parts("skipdays").iter().filter_map(|day| day_bit(day)).fold(0, |bits, bit| bits | bit),
        update_every: every(text(Space::Syndication, "updateperiod"), text(Space::Syndication, "updatefrequency")),
        hubs,
        self_url: related("self"),
        next_url: related("next"),
        prev_archive: related("prev-archive"),
        complete: elements.iter().any(|c| c.is(Space::History, "complete")),
        expired: false,
        new_feed_url: text(Space::Itunes, "new-feed-url").and_then(|url| fields::resolve(base, &url)),
    }
}

/// Adds a hub, each once.
pub(super) fn push_hub(hub: String, hubs: &mut Vec<String>) {
    if hubs.len() < MOST_HUBS && !hubs.contains(&hub) {
        hubs.push(hub);
    }
}

/// RSS 0.91 counts from 1 to 24, RSS 2.0 from 0 to 23.
fn hour_bit(hour: &str) -> Option<u32> {
    let hour: u32 = hour.parse().ok().filter(|hour| *hour <= 24)?;
    Some(1 << (hour % 24))
}

fn day_bit(day: &str) -> Option<u8> {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let day = DAYS.iter().position(|name| day.eq_ignore_ascii_case(name))?;
    Some(1 << day)
}

/// Daily, and once, where either is left out. What is no period, or a frequency of 0, says nothing.
fn every(period: Option<String>, frequency: Option<String>) -> Option<Duration> {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    if period.is_none() && frequency.is_none() {
        return None;
    }
    let seconds = match period.as_deref().unwrap_or("daily").to_ascii_lowercase().as_str() {
        "hourly" => HOUR,
        "daily" => DAY,
        "weekly" => 7 * DAY,
        "monthly" => 30 * DAY,
        "yearly" => 365 * DAY,
        _ => return None,
    };
    let frequency: u32 = frequency.map_or(Some(1), |f| f.parse().ok())?;
    Duration::from_secs(seconds).checked_div(frequency).filter(|every| !every.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(inside: &str) -> Hints {
        let base = Url::parse("https://glavcom.ua/xml/").unwrap();
        let prefixes = Prefixes::default();
        hints(&children(inside, &prefixes), Some(&base), &prefixes)
    }

    #[test]
    fn p26_p27_p28_when_to_poll() {
        let every = |inside: &str| of(inside).update_every.map(|d| d.as_secs());
        assert_eq!(of("<ttl> 60 </ttl>").ttl, Some(60));
        assert_eq!((of("<ttl>0</ttl>").ttl, of("<ttl>soon</ttl>").ttl, of("<ttl>-5</ttl>").ttl), (None, None, None));
        let skip = of("<skipHours><hour>0</hour><hour>3</hour><hour>24</hour><hour>25</hour><hour>x</hour></skipHours>
            <skipDays><day>Sunday</day><day>saturday</day><day>Caturday</day></skipDays>");
        assert_eq!((skip.skip_hours, skip.skip_days), (0b1001, 0b110_0000));
        assert_eq!(every("<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>"), Some(1800));
        assert_eq!(every("<sy:updatePeriod>\n\thourly\t</sy:updatePeriod>"), Some(3600));
        assert_eq!(every("<sy:updateFrequency>4</sy:updateFrequency>"), Some(6 * 3600));
        assert_eq!(every("<sy:updatePeriod>often</sy:updatePeriod>"), None);
        assert_eq!(every("<sy:updateFrequency>0</sy:updateFrequency>"), None);
        assert_eq!(of("<title>x</title>"), Hints::default());
    }

    #[test]
    fn where_else_the_feed_is() {
        let hints =
            of("<link>https://glavcom.ua/</link><atom:link rel='self' href='rss.xml'/><atom:link rel='hub' href='https://hub.ua/'/>
            <link rel='hub' href='https://hub.ua/'/><link rel='hub' href='/hub'/><atom:link rel='next' href='?page=2'/>
            <atom:link rel='http://www.iana.org/assignments/relation/prev-archive' href='/2023.xml'/>
            <itunes:new-feed-url>https://new.ua/rss</itunes:new-feed-url>");
        assert_eq!(hints.hubs, ["https://hub.ua/", "https://glavcom.ua/hub"]);
        assert_eq!(hints.self_url.as_deref(), Some("https://glavcom.ua/xml/rss.xml"));
        assert_eq!(hints.next_url.as_deref(), Some("https://glavcom.ua/xml/?page=2"));
        assert_eq!(hints.prev_archive.as_deref(), Some("https://glavcom.ua/2023.xml"));
        assert_eq!(hints.new_feed_url.as_deref(), Some("https://new.ua/rss"));
        assert!(of("<fh:complete/>").complete && !hints.complete);
        let many: String = (0..1000).map(|n| format!("<link rel='hub' href='/{n}'/>")).collect();
        assert_eq!(of(&many).hubs.len(), MOST_HUBS);
    }
}
