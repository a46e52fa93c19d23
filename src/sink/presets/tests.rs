//! The exact bodies, and every limit at exactly its maximum and one above, counted as the service counts.

use std::sync::Arc;

use super::*;
use crate::domain::entry::{Entry, Markup, Person};
use crate::domain::event::{EventKind, Happening, HealthReport, Report, Scene, What};
use crate::domain::feed::FeedId;
use crate::domain::time::{Moment, Timestamp};

fn entry() -> Entry {
    Entry {
        url: Some("https://glavcom.ua/news/umjerov-1030001.html?a=1&b=2".into()),
        title: Some("Умєров <b>& Ко</b>: *переговори* @channel".into()),
        authors: vec![Person { name: "Іван Ґудзь".into() }],
        published: Some(Moment { at: Timestamp(1_732_725_900_000), offset: 7200 }),
        summary: Some(Markup::Html("<p>Сторони обговорили об’єкти &amp; плани &lt;p&gt;.</p><p>Другий [абзац](x) @everyone</p>".into())),
        image: Some("https://glavcom.ua/img/1.jpg".into()),
        ..Entry::default()
    }
}

fn event(kind: EventKind, what: What) -> Event {
    let scene = Scene {
        instance: "main".into(),
        feed: FeedId(Arc::from("glavcom")),
        url: "https://glavcom.ua/xml/rss.xml".into(),
        title: Some("Главком".into()),
        site_url: Some("https://glavcom.ua/".into()),
        tags: vec![],
        fetched_at: Timestamp(1_732_726_022_482),
        time: Timestamp(1_732_726_022_482),
        first_poll: false,
    };
    let id = EventId("evt_6m3r0b3m2e4q7v1k9t5x8c2d0h".into());
    Event { sequence: 1042, scene: Arc::new(scene), happening: Happening { id, kind, what } }
}

fn created(entry: Entry) -> Event {
    event(EventKind::Created, What::Entry(Box::new(Report { entry, ..Report::default() })))
}

fn failing() -> Event {
    let health = HealthReport {
        failures: 5,
        last_success: Some("2024-11-27T10:00:00Z".into()),
        error: Some("it timed out".into()),
        ..HealthReport::default()
    };
    event(EventKind::Failing, What::Health(health))
}

fn presets() -> [(&'static str, Preset, &'static str); 7] {
    [
        ("discord", Preset::Discord { username: None, thread_id: None }, include_str!("golden/discord.jsonl")),
        ("slack", Preset::Slack, include_str!("golden/slack.jsonl")),
        ("telegram", Preset::Telegram { chat_id: "-1001".into(), thread_id: None }, include_str!("golden/telegram.jsonl")),
        ("matrix", Preset::Matrix { room: "!r:example.org".into() }, include_str!("golden/matrix.jsonl")),
        ("ntfy", Preset::Ntfy { topic: "news".into() }, include_str!("golden/ntfy.jsonl")),
        ("mattermost", Preset::Mattermost { username: None, channel: None }, include_str!("golden/mattermost.jsonl")),
        ("teams", Preset::Teams, include_str!("golden/teams.jsonl")),
    ]
}

fn body(preset: &Preset, event: &Event) -> Value {
    serde_json::from_slice(&preset.body(event)).unwrap()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} of {value}")).to_owned()
}

/// A line an event: an article, an article without anything but an address, and a feed that is failing.
#[test]
fn d51_the_exact_body_of_each_preset() {
    for (name, preset, golden) in presets() {
        let bare = Entry { url: Some("https://a.ua/1".into()), ..Entry::default() };
        let lines = [created(entry()), created(bare), failing()].map(|event| String::from_utf8(preset.body(&event)).unwrap() + "\n");
        assert_eq!(lines.concat(), golden, "{name}:\n{}", lines.concat());
    }
}

/// The text of `n` letters fills the field to its limit, one more is cut.
#[test]
fn d51_every_limit_at_exactly_its_maximum_and_one_above() {
    let preset = |name: &str| presets().into_iter().find(|(n, ..)| *n == name).unwrap().1;
    let titled = |n| created(Entry { title: Some("ї".repeat(n)), ..Entry::default() });
    let worded = |n| created(Entry { title: Some("т".into()), summary: Some(Markup::Text("ї".repeat(n))), ..Entry::default() });
    let check = |name: &str, pointer: &str, make: &dyn Fn(usize) -> Event, n: usize, max: usize, cost: fn(char) -> usize| {
        let length = |n| shorten::length(&text(&body(&preset(name), &make(n)), pointer), cost);
        assert_eq!(length(n), max, "{name} {pointer}: {n} letters fill it");
        let longer = text(&body(&preset(name), &make(n + 1)), pointer);
        assert!(longer.contains('…') && shorten::length(&longer, cost) <= max, "{name} {pointer}: {n} letters and one are cut");
        assert!(!text(&body(&preset(name), &make(n)), pointer).contains('…'), "{name} {pointer}");
    };
    let (utf16, chars, bytes) =
        (shorten::utf16 as fn(char) -> usize, shorten::chars as fn(char) -> usize, shorten::bytes as fn(char) -> usize);
    check("discord", "/embeds/0/title", &titled, 256, 256, utf16);
    check("discord", "/embeds/0/description", &worded, 4_096, 4_096, utf16);
    check("slack", "/blocks/0/text/text", &worded, 3_000 - "*т*\n".chars().count(), 3_000, utf16);
    check("mattermost", "/text", &worded, 16_383 - "**т**\n\n\n\n_Главком_".chars().count(), 16_383, chars);
    let telegram = "т\n\n\n\nГлавком".chars().count();
    check("telegram", "/text", &worded, 4_096 - telegram, 4_096 + "<b></b>".len(), utf16);
    // Cyrillic letters have two bytes.
    check("ntfy", "/message", &worded, (4_096 - "\n\nГлавком".len()) / 2, 4_096, bytes);
    for (name, pointer) in [("matrix", "/formatted_body"), ("matrix", "/body")] {
        let long = body(&preset(name), &worded(50_000));
        let bytes = shorten::length(&text(&long, pointer), shorten::json);
        assert!((28_900..=29_000).contains(&bytes), "{name} {pointer}: {bytes}");
    }
    let teams = preset("teams").body(&worded(50_000)).len();
    assert!((27_990..=28_000).contains(&teams), "{teams}");
}

/// Whatever is written into the fields that stand beside the text, no limit is passed, and quotes, markup and astral characters count.
#[test]
fn d51_nothing_passes_a_limit() {
    for letter in ["\"", "<", "&", "*", "@", "🦔", "\u{301}", "[", "x\n"] {
        let long = letter.repeat(40_000);
        let entry = Entry {
            url: Some(format!("https://a.ua/?{}", "&<(".repeat(300))),
            title: Some(long.clone()),
            authors: vec![Person { name: long.clone() }],
            summary: Some(Markup::Text(long.clone())),
            ..Entry::default()
        };
        let mut event = created(entry);
        Arc::make_mut(&mut event.scene).title = Some(long);
        for (name, preset, _) in presets() {
            let sent = preset.body(&event);
            let json: Value = serde_json::from_slice(&sent).unwrap();
            let count = |pointer: &str, cost: fn(char) -> usize| shorten::length(&text(&json, pointer), cost);
            match name {
                "discord" => {
                    let parts = ["title", "description", "author/name", "footer/text"];
                    let lengths = parts.map(|part| count(&format!("/embeds/0/{part}"), shorten::utf16));
                    assert!(lengths.iter().zip([256, 4_096, 256, 2_048]).all(|(length, max)| *length <= max), "{letter:?} {lengths:?}");
                    assert!(lengths.iter().sum::<usize>() <= 6_000, "{letter:?} {lengths:?}");
                }
                "slack" => assert!(count("/blocks/0/text/text", shorten::utf16) <= 3_000, "{letter:?}"),
                "telegram" => {
                    let plain = crate::parse::plain::text(&text(&json, "/text").replace('\n', "¶"));
                    assert!(shorten::length(&plain, shorten::utf16) <= 4_096, "{letter:?}");
                }
                "matrix" => assert!(sent.len() < 60_000, "{letter:?} {}", sent.len()),
                "ntfy" => assert!(count("/message", shorten::bytes) <= 4_096, "{letter:?}"),
                "mattermost" => assert!(count("/text", shorten::chars) <= 16_383, "{letter:?}"),
                _ => assert!(sent.len() <= 28_000, "{letter:?} {}", sent.len()),
            }
        }
    }
}

#[test]
fn d52_discord_confirms_mentions_nobody_and_is_gone_with_404() {
    let preset = Preset::Discord { username: Some("Новини".into()), thread_id: Some("42".into()) };
    let base = Url::parse("https://discord.com/api/webhooks/1/t?wait=false").unwrap();
    let id = EventId("evt_1".into());
    assert_eq!(preset.address(&base, &id).as_str(), "https://discord.com/api/webhooks/1/t?wait=true&thread_id=42");
    let sent = body(&preset, &created(entry()));
    assert_eq!((sent.pointer("/allowed_mentions/parse"), text(&sent, "/username")), (Some(&Value::Array(vec![])), "Новини".into()));
    assert!(preset.is_gone(404) && !preset.is_gone(403));
    assert_eq!(preset.asks_to_wait(br#"{"message":"x","retry_after":0.65,"global":false}"#), Some(Duration::from_millis(650)));
    for garbage in [&b"<html>"[..], b"{}", br#"{"retry_after":-1}"#, br#"{"retry_after":1e300}"#] {
        assert_eq!(preset.asks_to_wait(garbage), None);
    }
}

#[test]
fn d53_telegram_escapes_knows_two_tags_and_believes_ok_alone() {
    let preset = Preset::Telegram { chat_id: "@news".into(), thread_id: Some("7".into()) };
    let sent = body(&preset, &created(entry()));
    let html = text(&sent, "/text");
    let known = ["<b>", "</b>", "<a href=\"https://glavcom.ua/news/umjerov-1030001.html?a=1&amp;b=2\">", "</a>"];
    let bare = known.iter().fold(html.clone(), |html, tag| html.replacen(tag, "", 1));
    assert!(!bare.contains(['<', '>']) && html.contains("&lt;b&gt;&amp; Ко&lt;/b&gt;"), "{html}");
    assert_eq!((sent.get("chat_id"), sent.get("message_thread_id")), (Some(&"@news".into()), Some(&7.into())));
    assert_eq!(preset.objection(br#"{"ok":true,"result":{}}"#), None);
    for answer in [&br#"{"ok":false}"#[..], b"", b"<html>ok</html>"] {
        assert!(preset.objection(answer).is_some());
    }
    let wait = preset.asks_to_wait(br#"{"ok":false,"error_code":429,"parameters":{"retry_after":31}}"#);
    assert_eq!(wait, Some(Duration::from_secs(31)));
    for (base, path) in
        [("https://api.telegram.org/bot1:t", "/bot1:t/sendMessage"), ("https://x.org/bot1:t/sendMessage", "/bot1:t/sendMessage")]
    {
        assert_eq!(preset.address(&Url::parse(base).unwrap(), &EventId(String::new())).path(), path);
    }
}

#[test]
fn d54_the_transaction_of_matrix_is_the_event() {
    let preset = Preset::Matrix { room: "!a/b:example.org".into() };
    let url = preset.address(&Url::parse("https://m.example.org/").unwrap(), &EventId("evt_1".into()));
    assert_eq!(url.path(), "/_matrix/client/v3/rooms/!a%2Fb:example.org/send/m.room.message/evt_1");
    assert!(preset.puts());
    assert_eq!(preset.asks_to_wait(br#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2000}"#), Some(Duration::from_secs(2)));
}

#[test]
fn d55_slack_is_gone_with_404_and_escapes_three_characters() {
    assert!(Preset::Slack.is_gone(404));
    let section = text(&body(&Preset::Slack, &created(entry())), "/blocks/0/text/text");
    assert!(
        section.starts_with("*<https://glavcom.ua/news/umjerov-1030001.html?a=1&amp;b=2|Умєров &lt;b&gt;&amp; Ко&lt;/b&gt;: "),
        "{section}"
    );
}

#[test]
fn a_preset_brings_its_rate() {
    let per = |preset: Preset| preset.rate().per.as_millis();
    assert_eq!(per(Preset::Telegram { chat_id: "17".into(), thread_id: None }), 1_000);
    assert_eq!(per(Preset::Telegram { chat_id: "-17".into(), thread_id: None }), 3_334);
}
