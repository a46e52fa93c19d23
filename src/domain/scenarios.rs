//! What publishers do to the names, words and dates of their entries, in 35 scenarios: a site publishes 120 articles, is polled every few
//! of them, and does one of these things. Every article must be told exactly once, whichever end of the document is the newest.

use super::entry::{Entry, Markup};
use super::event::EventKind;
use super::feed::Backlog;
use super::rehearsal::{MINUTE, NOW, Rehearsal, at};
use super::time::Timestamp;

/// Articles that are published after the first poll, and those that were there before.
const LATER: usize = 120;
const EARLIER: usize = 12;

/// Entries in a document.
const WINDOW: usize = 12;

/// A reproducible source of variety.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn words(&mut self, count: usize) -> String {
        const SYLLABLES: [&str; 16] =
            ["ві", "йна", "мир", "ґру", "нт", "п’я", "ть", "єд", "ні", "сть", "кра", "їна", "на", "род", "сво", "бо"];
        let mut word = || (0..3).map(|_| SYLLABLES[self.roll(16) as usize]).collect::<String>();
        (0..count).map(|_| word()).collect::<Vec<_>>().join(" ")
    }
}

/// An article as its author meant it.
#[derive(Clone)]
struct Article {
    number: usize,
    title: String,
    body: String,
    date: Timestamp,
}

impl Article {
    fn new(number: usize, date: Timestamp) -> Self {
        let mut dice = Dice(number as u64 + 1);
        // Half of the bodies are too short to tell an article by.
        let length = if number.is_multiple_of(2) { 70 } else { 12 };
        Self { number, title: dice.words(6), body: dice.words(length), date }
    }

    fn entry(&self) -> Entry {
        let url = format!("https://a.ua/news/{}-slug.html", 1_030_000 + self.number);
        Entry {
            id: Some(format!("tag:a.ua,{}", self.number)),
            url: Some(url),
            title: Some(self.title.clone()),
            published: at(self.date),
            content: Some(Markup::Html(format!("<p>{}</p>", self.body))),
            ..Entry::default()
        }
    }
}

/// What is known when an entry is written: the article, how many polls there have been, its place from the newest, and whether the site has
/// changed its ways, which it does half-way.
struct Moment<'a> {
    article: &'a Article,
    poll: usize,
    place: usize,
    later: bool,
}

type Way = fn(&Moment<'_>, &mut Entry);

fn url(e: &mut Entry, change: impl FnOnce(&str) -> String) {
    e.url = e.url.as_deref().map(change);
}

fn content(e: &mut Entry, more: &str) {
    if let Some(Markup::Html(html)) = &mut e.content {
        html.push_str(more);
    }
}

const WAYS: [(&str, Way); 35] = [
    ("nothing", |_, _| ()),
    ("moves to https", |m, e| url(e, |u| if m.later { u.into() } else { u.replace("https", "http") })),
    ("drops www", |m, e| url(e, |u| if m.later { u.into() } else { u.replace("a.ua", "www.a.ua") })),
    ("toggles the slash at the end", |m, e| url(e, |u| if m.poll.is_multiple_of(2) { format!("{u}/") } else { u.into() })),
    ("draws tracking parameters", |m, e| url(e, |u| format!("{u}?utm_campaign={}&fbclid=x{}", m.poll, m.place))),
    ("adds fragments", |m, e| url(e, |u| format!("{u}#comments-{}", m.poll))),
    ("has identifiers that are links with tracking", |m, e| e.id = e.url.as_ref().map(|u| format!("{u}?utm_source={}", m.poll))),
    ("draws identifiers at every request", |m, e| e.id = Some(format!("{}-{}", m.poll, m.place))),
    ("draws identifiers and has no dates", |m, e| (e.id, e.published) = (Some(format!("{}-{}", m.poll, m.place)), None)),
    ("puts the title into the identifier and edits titles", |m, e| {
        e.title = Some(format!("{}{}", m.article.title, if m.place > 5 { " (оновлено)" } else { "" }));
        e.id = e.title.clone();
    }),
    ("changes links with titles", |m, e| {
        if m.place > 4 {
            e.title = Some(format!("{} — відео", m.article.title));
            url(e, |u| u.replace("slug", "video-slug"));
        }
    }),
    ("moves to another path and identifiers, numbers stay", |m, e| {
        if m.later {
            url(e, |u| u.replace("/news/", "/archive/2024/"));
            e.id = Some(format!("new-{}", m.article.number));
        }
    }),
    ("moves to other identifiers and links", |m, e| {
        if m.later {
            (e.id, e.url) = (Some(format!("new-{}", m.article.number)), Some(format!("https://b.ua/{}", m.article.number)));
        }
    }),
    ("has no identifiers", |_, e| e.id = None),
    ("has no links", |_, e| e.url = None),
    ("has neither", |_, e| (e.id, e.url) = (None, None)),
    ("has one identifier for all", |_, e| e.id = Some("a.ua".into())),
    ("has one link for all", |_, e| e.url = Some("https://a.ua/".into())),
    ("has one link for all and no identifiers", |_, e| (e.id, e.url) = (None, Some("https://a.ua/".into()))),
    ("has one identifier and one link for all", |_, e| (e.id, e.url) = (Some("a.ua".into()), Some("https://a.ua/".into()))),
    ("counts from the top", |m, e| e.id = Some(m.place.to_string())),
    ("uses identifiers again", |m, e| e.id = Some((m.article.number % 20).to_string())),
    ("corrects words", |m, e| content(e, if m.place > 3 { "<p>виправлено помилку</p>" } else { "" })),
    ("counts views", |m, e| content(e, &format!("<div>Переглядів: {}</div><p>Оновлено: {}:15</p>", m.poll * 7, m.poll % 24))),
    ("dates everything anew", |m, e| (e.published, e.updated) = (at(NOW.after(m.poll as u32 * MINUTE)), at(NOW))),
    ("loses entries and brings them back", |m, e| {
        if m.poll % 3 == 1 && m.place > 2 && m.place.is_multiple_of(2) {
            e.id = Some("left out".into());
        }
    }),
    ("has identifiers that differ by case", |m, e| {
        let letter = if m.article.number.is_multiple_of(2) { 'a' } else { 'A' };
        e.id = Some(format!("{letter}{}", m.article.number / 2));
        e.url = None;
    }),
    ("announces in the same words", |_, e| {
        e.title = Some("Повітряна тривога в Києві".into());
        e.content = Some(Markup::Html("<p>Пройдіть в укриття</p>".into()));
    }),
    ("types apostrophes in other ways", |m, e| {
        let style = if m.poll.is_multiple_of(2) { "'" } else { "ʼ" };
        e.title = Some(m.article.title.replace('’', style));
        e.content = Some(Markup::Html(format!("<p>{}&nbsp;</p><img src='/pixel?{}'>", m.article.body.replace('’', style), m.poll)));
    }),
    ("has no dates", |_, e| e.published = None),
    ("changes first links, then identifiers", |m, e| {
        let half = m.poll >= 20;
        e.url = Some(format!("https://{}.ua/{}", if half { 'b' } else { 'a' }, m.article.title));
        e.published = None;
        if m.poll >= 21 {
            e.id = Some(format!("new-{}", m.article.number));
        }
    }),
    ("names each article anew when it is no longer the newest, numbers stay", |m, e| {
        if m.place > 3 {
            url(e, |u| u.replace("/news/", "/archive/"));
            (e.id, e.published) = (Some(format!("old-{}", m.article.number)), None);
        }
    }),
    ("names each article anew when it is no longer the newest, title and date stay", |m, e| {
        if m.place > 3 {
            (e.id, e.url) = (Some(format!("old-{}", m.article.number)), Some(format!("https://b.ua/{}", m.article.number)));
        }
    }),
    ("has one identifier and one link for all, and corrects words", |m, e| {
        (e.id, e.url, e.published) = (Some("a.ua".into()), Some("https://a.ua/".into()), None);
        content(e, if m.place > 3 { "<p>виправлено багато помилок</p>" } else { "" });
    }),
    ("moves, and dates everything anew", |m, e| {
        if m.later {
            let n = m.article.number;
            (e.id, e.url) = (Some(format!("new-{n}")), Some(format!("https://b.ua/{n}")));
            e.published = at(NOW.after((100_000 + n as u32) * MINUTE));
        }
    }),
];

/// Plays a scenario; returns how many events were told beyond one an article, and how many articles never were.
fn play(way: Way, oldest_first: bool) -> (usize, usize) {
    // Names are what is put to the test here: nothing may be left to the guard against floods.
    let mut dice = Dice(7);
    let mut site = Rehearsal::new("f", Backlog::None);
    let mut articles: Vec<_> = (0..EARLIER).map(|n| Article::new(n, NOW.before((EARLIER - n) as u32 * 17 * MINUTE))).collect();
    let mut told: Vec<usize> = vec![];
    let mut poll = 0;
    while poll == 0 || articles.len() < EARLIER + LATER {
        // What is published now is dated between the poll before and this one.
        let fresh = if poll == 0 { 0 } else { dice.roll(5) as usize };
        articles.extend((0..fresh).map(|i| articles.len() + i).map(|n| Article::new(n, site.now.after(10 * MINUTE))).collect::<Vec<_>>());
        let later = articles.len() > EARLIER + LATER / 2;
        let window = articles.iter().rev().take(WINDOW).enumerate();
        let written = window.map(|(place, article)| {
            let mut entry = article.entry();
            way(&Moment { article, poll, place, later }, &mut entry);
            (article.number, entry)
        });
        let mut written: Vec<_> = written.filter(|(_, e)| e.id.as_deref() != Some("left out")).collect();
        if oldest_first {
            written.reverse();
        }
        let entries: Vec<_> = written.iter().map(|(_, e)| e.clone()).collect();
        let before = site.told.len();
        site.poll(&entries);
        told.extend(site.told[before..].iter().filter(|(h, _)| h.kind == EventKind::Created).map(|(h, _)| {
            let entry = h.entry().unwrap();
            written.iter().find(|(_, e)| e == entry).unwrap().0
        }));
        poll += 1;
    }
    let floods = site.told.iter().filter(|(h, _)| h.kind == EventKind::Flood).count();
    assert_eq!(floods, 0, "entries were not recognised, but held back");
    let ids: std::collections::HashSet<_> = site.told.iter().map(|(h, _)| &h.id).collect();
    assert_eq!(ids.len(), site.told.len(), "two events have one id");
    let later: std::collections::BTreeSet<_> = told.iter().copied().filter(|n| *n >= EARLIER).collect();
    (told.len() - later.len(), articles.len() - EARLIER - later.len())
}

#[test]
fn every_article_is_told_exactly_once() {
    let mut wrong = vec![];
    for (name, way) in WAYS {
        for oldest_first in [false, true] {
            let (extra, lost) = play(way, oldest_first);
            if (extra, lost) != (0, 0) {
                wrong.push(format!("a site that {name} (oldest first: {oldest_first}): {extra} extra, {lost} lost"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
