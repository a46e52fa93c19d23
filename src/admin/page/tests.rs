use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::admin::pages::{At, FeedLine, SinkLine, StatusPage};
use crate::domain::event::What;
use crate::domain::feed::{Backlog, Feed, FeedId, FeedState, Flood, Pace};
use crate::fetch::{Options, Subscription};
use crate::sink::sample;
use crate::store::Posts;

const NOW: Timestamp = Timestamp(1_732_725_900_000);

/// What a feed may write: markup, attributes, other directions, orders to a terminal.
const HOSTILE: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>'\u{202e}drow\u{1b}[31m {{ 7*7 }} {% raw %}&lt;";

fn ago(seconds: u64) -> Timestamp {
    NOW.before(Duration::from_secs(seconds))
}

fn subscription(name: &str, tags: &[&str]) -> Subscription {
    let pace = Pace { fixed: None, min: Duration::ZERO, mean: Duration::from_secs(1800), max: Duration::from_secs(86_400) };
    let tags = tags.iter().copied().map(String::from).collect();
    let url = format!("https://{name}.example/rss?key=S3CRET");
    let feed = Feed { id: FeedId(name.into()), url, tags, backlog: Backlog::None, pace };
    Subscription { feed, options: Arc::new(Options::default()) }
}

fn good() -> FeedState {
    FeedState {
        polls: 9,
        last_success: Some(ago(125)),
        next_poll: NOW.after(Duration::from_secs(700)),
        title: Some("Новини".into()),
        site_url: Some("https://me:PASSW0RD@news.example/?a=1&b=2".into()),
        ..FeedState::default()
    }
}

fn line(name: &str, row: FeedState, paused: bool) -> FeedLine {
    let mut line = pages::line(&subscription(name, &["ua"]), row, paused);
    line.posts = Some(Posts::from([0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1]));
    line
}

fn rendered(parts: Parts, choice: Choice) -> String {
    render(&view(Head::new(&StatusPage::sample("main"), ago(7300), 1_234_567, NOW), choice, parts)).unwrap()
}

fn told(title: &str, url: &str) -> EntryView {
    let mut event = sample::event(EventKind::Created);
    if let What::Entry(report) = &mut event.happening.what {
        (report.entry.title, report.entry.url) = (Some(title.into()), Some(url.into()));
    }
    view::entry(&event, NOW).unwrap().1
}

fn everything() -> Parts {
    let failing = FeedState {
        polls: 7,
        failures: 3,
        last_error: Some("bad redirect: http://me:PASSW0RD@b.example/x?token=S3CRET (again)".into()),
        flood: Some(Flood { since: NOW, held: 20, confirmed: true, released: false }),
        ..FeedState::default()
    };
    let feeds = [line("good", good(), false), line("failing", failing, false), line("new", FeedState::default(), false)];
    let sinks = [
        SinkLine {
            id: "idle".into(),
            kind: Some("file"),
            state: "ok",
            delivered: 12_345,
            last_success: Some(At(ago(4))),
            ..SinkLine::default()
        },
        SinkLine {
            id: "partner".into(),
            kind: Some("webhook"),
            state: "failing",
            waiting: 69,
            oldest_waiting: Some(At(ago(4000))),
            dead: 2,
            last_error: Some("the answer was 500".into()),
            failing_since: Some(At(ago(3000))),
            next_attempt: Some(At(NOW.after(Duration::from_secs(90)))),
            ..SinkLine::default()
        },
    ];
    Parts {
        trouble: None,
        tags: vec!["ua".into()],
        counts: vec![Count { state: "failing", number: "1".into(), address: "/?state=failing".into() }],
        sinks: sinks.into_iter().map(|line| SinkView::new(line, NOW)).collect(),
        feeds: feeds.into_iter().map(|line| FeedView::new(line, NOW)).collect(),
        pager: Pager {
            found: "3 feeds".into(),
            page: 2,
            pages: 3,
            previous: Some("/?q=a%26b".into()),
            next: Some("/?q=a%26b&page=3".into()),
        },
        entries: vec![told("Об’єкт їжі та ґрунту", "https://news.example/?a=1&b=2")],
    }
}

/// When the page has changed as it should, FEEDWIRE_TEST_SNAPSHOT=write puts the new one there; look at what has changed.
#[test]
fn the_page_is_as_it_was() {
    let html = rendered(everything(), Choice { page: 2, q: "a&b".into(), ..Choice::default() });
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/src/admin/page/snapshot.html");
    if std::env::var_os("FEEDWIRE_TEST_SNAPSHOT").is_some() {
        std::fs::write(place, &html).unwrap();
    }
    let before = std::fs::read_to_string(place).unwrap();
    for (n, (before, now)) in before.lines().zip(html.lines()).enumerate() {
        assert_eq!(before, now, "line {}", n + 1);
    }
    assert_eq!(before.lines().count(), html.lines().count());
}

#[test]
fn no_password_and_no_key_is_shown() {
    let html = rendered(everything(), Choice { page: 1, ..Choice::default() });
    assert!(html.contains("bad redirect: http:&#x2f;&#x2f;b.example&#x2f;x?… (again)"), "{html}");
    for secret in ["S3CRET", "PASSW0RD", "me:"] {
        assert!(!html.contains(secret), "{secret}: {html}");
    }
    assert_eq!(words::veiled("a https://u:p@h/x?k=1#f, b ftp://c d://"), "a https://h/x?… b ftp://c d://");
}

/// A page on which others have written the same thing everywhere.
fn scribbled(text: &str, url: &str) -> String {
    let row = FeedState { title: Some(text.into()), site_url: Some(url.into()), last_error: Some(text.into()), failures: 1, ..good() };
    let sink = SinkLine { id: text.into(), state: "ok", last_error: Some(text.into()), ..SinkLine::default() };
    let parts = Parts {
        tags: vec![text.into()],
        sinks: vec![SinkView::new(sink, NOW)],
        feeds: vec![FeedView::new(line("a", row, false), NOW)],
        entries: vec![told(text, url)],
        ..everything()
    };
    let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs([("q", text), ("tag", text)]).finish();
    rendered(parts, Choice::read(Some(&query)).unwrap())
}

#[test]
fn what_feeds_write_is_text_wherever_it_stands() {
    let tame = scribbled("tame", "mailto:tame@example.org");
    for url in
        ["javascript:alert(1)", " JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "//a.example", "file:///etc/passwd", HOSTILE]
    {
        let html = scribbled(HOSTILE, url);
        for letter in ["<", ">", "\"", "'", "href=", "<a "] {
            assert_eq!(html.matches(letter).count(), tame.matches(letter).count(), "{letter} with {url}: {html}");
        }
        for bad in ["\u{202e}", "\u{1b}", "href=\"j", "href=\"data:t", "style="] {
            assert!(!html.contains(bad), "{bad}: {html}");
        }
        assert!(html.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;&quot;&gt;&lt;img") && html.contains("{{ 7*7 }}"), "{html}");
    }
    for url in ["ftp://a.example/", "ws://a.example/", "javascript://a.example/%0aalert(1)", "blob:https://a.example/1", "/a", ""] {
        assert_eq!(words::link(url), None, "{url}");
    }
    let html = scribbled("tame", "https://me:PASSW0RD@a.example/\" onclick=\"x?a=<b>&c='");
    let link = "<a href=\"https:&#x2f;&#x2f;a.example&#x2f;%22%20onclick=%22x?a=%3Cb%3E&amp;c=%27\" rel=\"noopener noreferrer nofollow\">";
    assert!(html.contains(link), "{html}");
}

#[test]
fn what_is_long_is_cut() {
    let long = "ї".repeat(10_000);
    assert_eq!(words::clean(&long, 160), "ї".repeat(159) + "…");
    assert_eq!(words::clean(&("\u{202e}".repeat(5000) + "a"), 160), "…");
    assert_eq!(words::clean(" a\n\u{1b}[31m b ", 160), "a [31m b");
    assert_eq!(words::link(&format!("https://a.example/{long}")), None);
    let html = rendered(Parts { entries: vec![told(&long, "https://a.example/")], ..Parts::default() }, Choice::default());
    assert!(html.len() < 8000, "{}", html.len());
}

#[test]
fn words_of_people() {
    let texts: Vec<_> = [0, 59, 60, 3599, 7200, 172_799, 172_800].map(|s| words::length(Duration::from_secs(s))).into();
    assert_eq!(texts, ["0 s", "59 s", "1 min", "59 min", "2 h", "47 h", "2 d"]);
    let to = |at| words::distance(at, NOW);
    assert_eq!((to(ago(90)), to(NOW.after(Duration::from_secs(90))), to(NOW)), ("1 min ago".into(), "in 1 min".into(), "now".into()));
    assert_eq!([0, 999, 1000, 1_234_567].map(words::number), ["0", "999", "1,000", "1,234,567"]);
    let language = |tag| words::language(Some(tag));
    assert_eq!((language("uk-UA"), language("x\" onclick"), language("")), (Some("uk-UA".into()), None, None));
}

#[test]
fn a_choice_is_read_and_written() {
    let read = |query: &str| Choice::read(Some(query)).map_err(|(status, words)| format!("{} {}", status.as_u16(), words.trim_end()));
    let choice = Choice { q: "a&b".into(), tag: "новини".into(), state: "failing".into(), page: 3 };
    assert_eq!(read("q=a%26b&tag=%D0%BD%D0%BE%D0%B2%D0%B8%D0%BD%D0%B8&state=failing&page=3&utm_source=x"), Ok(choice.clone()));
    assert_eq!(read(choice.address(3).trim_start_matches("/?")), Ok(choice.clone()));
    assert_eq!((choice.address(1).contains("page"), Choice::default().address(1)), (false, "/".into()));
    assert_eq!(read("page=0"), Err("400 page=\"0\" is no number from 1 on".into()));
    assert!(read("state=broken").unwrap_err().starts_with("400 there is no state \"broken\"; there are failing, gone,"));
    assert_eq!(read("q=&tag=&state=").map(|choice| choice.is_filter()), Ok(false));
    assert_eq!(read(&format!("q={}", "a".repeat(9999))).map(|choice| choice.q.len()), Ok(202));
}

#[test]
fn a_choice_wants_by_name_title_host_tag_and_state() {
    let (feed, row) = (subscription("glavcom", &["news", "ua"]), FeedState { title: Some("Главком".into()), ..good() });
    let wants = |q: &str, tag: &str, state: &str| {
        Choice { q: q.into(), tag: tag.into(), state: state.into(), page: 1 }.chosen()(&feed, row.title.as_deref(), Condition::Ok)
    };
    for (q, tag, state) in [("", "", ""), ("VCO", "", ""), ("гЛАВ", "", ""), ("com.example", "ua", "ok"), ("", "news", "")] {
        assert!(wants(q, tag, state), "{q} {tag} {state}");
    }
    for (q, tag, state) in [("S3CRET", "", ""), ("zzz", "", ""), ("", "u", ""), ("", "", "failing"), ("glavcom", "tech", "ok")] {
        assert!(!wants(q, tag, state), "{q} {tag} {state}");
    }
}

#[test]
fn a_page_beyond_the_last_is_the_last() {
    let census = Census { states: HashMap::from([(Condition::Ok, 250)]), found: (0..250).collect() };
    let choice = |page| Choice { page, q: "x".into(), ..Choice::default() };
    let (places, pager) = census.page(&choice(2));
    assert_eq!((places, pager.previous.as_deref(), pager.next.as_deref()), ((100..200).collect(), Some("/?q=x"), Some("/?q=x&page=3")));
    let (places, pager) = census.page(&choice(99));
    assert_eq!((places.len(), pager.page, pager.pages, pager.next), (50, 3, 3, None));
    let counts = census.counts(&choice(2));
    assert_eq!((counts.len(), counts[0].address.as_str()), (1, "/?q=x&state=ok"));
    let none = Census { states: HashMap::new(), found: vec![] };
    assert_eq!(none.page(&choice(1)).1.pages, 1);
}

#[test]
fn without_the_store_the_page_says_so() {
    let html = rendered(Parts::missing("the disk is full".into()), Choice { page: 1, ..Choice::default() });
    assert!(html.contains("The store does not work.") && html.contains("the disk is full") && !html.contains("<table"), "{html}");
}
