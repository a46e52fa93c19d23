//! Pictures that nobody is meant to see: they tell a third party who reads what, and would do so from every consumer of an event.

use super::entities;
use super::lex::Tag;

/// Whether an image is there to count its readers: invisible by its size or style, or from a place that only counts.
pub(super) fn is_beacon(image: &Tag<'_>) -> bool {
    let value = |name: &str| image.attribute(name).map(str::trim);
    let tiny = |size: &str| matches!(size.trim_end_matches("px"), "0" | "1");
    // One that says nothing has the shape of the picture.
    let by_size = match (value("width"), value("height")) {
        (Some(width), Some(height)) => tiny(width) && tiny(height),
        (Some(one), None) | (None, Some(one)) => tiny(one),
        (None, None) => false,
    };
    by_size || value("style").is_some_and(is_hidden) || value("src").is_some_and(|src| is_counter(&entities::resolve(src)))
}

fn is_hidden(style: &str) -> bool {
    let squeezed: String = style.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    let says = |name: &str, values: &[&str]| squeezed.split(';').any(|rule| rule.strip_prefix(name).is_some_and(|v| values.contains(&v)));
    let tiny = [":0", ":1", ":0px", ":1px"];
    says("display", &[":none"]) || says("visibility", &[":hidden"]) || (says("width", &tiny) && says("height", &tiny))
}

fn is_counter(url: &str) -> bool {
    let rest = url.trim().split_once("//").map_or("", |(_, rest)| rest);
    let rest = rest.strip_prefix("www.").unwrap_or(rest);
    COUNTERS.iter().any(|place| rest.get(..place.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(place)))
}

/// Hosts, and where a host has more to give, paths, whose pictures only count.
const COUNTERS: [&str; 40] = [
    "a.rfihub.com/",
    "ad.doubleclick.net/",
    "analytics.twitter.com/",
    "b.scorecardresearch.com/",
    "blogger.com/tracker/",
    "c.bigmir.net/",
    "c.hit.ua/",
    "c.statcounter.com/",
    "counter.rambler.ru/",
    "counter.theconversation.com/",
    "counter.theguardian.com/",
    "counter.yadro.ru/",
    "da.feedsportal.com/",
    "facebook.com/tr?",
    "facebook.com/tr/",
    "feedads.g.doubleclick.net/",
    "feedburner.com/~r/",
    "feeds.feedburner.com/~r/",
    "feeds.feedblitz.com/~/i/",
    "feeds.wordpress.com/1.0/",
    "feedpress.me/",
    "google-analytics.com/",
    "hits.blogsoft.org/",
    "imp.constantcontact.com/",
    "mc.yandex.ru/watch/",
    "medium.com/_/stat",
    "pi.feedsportal.com/",
    "ping.chartbeat.net/",
    "pixel.facebook.com/",
    "pixel.quantserve.com/",
    "pixel.wp.com/",
    "px.ads.linkedin.com/",
    "res.feedsportal.com/",
    "rss.feedsportal.com/",
    "sb.scorecardresearch.com/",
    "ssl.google-analytics.com/",
    "stats.wordpress.com/",
    "top-fwz1.mail.ru/counter",
    "track.hubspot.com/",
    "tracking.feedpress.it/",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_readers_and_what_is_a_picture() {
        let check = |attributes: &str, expected: bool| {
            assert_eq!(is_beacon(&Tag { name: "img", attributes, empty: false }), expected, "{attributes}");
        };
        check("src='https://a.ua/p.gif' width='1' height='1'", true);
        check("src=https://a.ua/p.gif height=1px width=0", true);
        check("src='https://a.ua/p.gif' height='1'", true);
        check("src='https://a.ua/p.gif' style='Width: 1px; height:1px'", true);
        check("src='https://a.ua/p.gif' style='display: none'", true);
        check("src='https://pixel.wp.com/b.gif?host=a&amp;v=1'", true);
        check("src='//www.google-analytics.com/x'", true);
        check("src='http://feeds.feedburner.com/~r/a/~4/x'", true);
        check("src='http://feeds.feedburner.com/picture.jpg'", false);
        check("src='https://a.ua/1.jpg' width='100' height='1'", false);
        check("src='https://a.ua/1.jpg' width='100%'", false);
        check("src='https://a.ua/1.jpg' style='width: 10px; height: 1px'", false);
        check("src='https://a.ua/1.jpg?u=https://pixel.wp.com/b.gif'", false);
        check("src='1.jpg'", false);
        check("alt='x'", false);
    }
}
