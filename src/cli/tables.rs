//! What `feedwire ctl` prints for people.

use std::time::Duration;

use serde_json::Value;

use crate::domain::feed::Condition;
use crate::log::{counted, harmless};

/// For people: the daemon in a line, sinks, and the feeds with trouble first.
pub(super) fn table(status: &Value, feeds: Vec<FeedLine>, sinks: &Value) -> String {
    let mut lines = vec![format!(
        "feedwire {} ({}), up {}, store {}, {}, {}, {}",
        text(part(status, "version")),
        text(part(status, "instance")),
        humantime::format_duration(Duration::from_secs(part(status, "uptime_seconds").as_u64().unwrap_or(0))),
        text(part(status, "store")),
        counted(text(part(status, "feeds")), "feed"),
        counted(text(part(status, "polls")), "poll"),
        counted(text(part(status, "sequence")).trim_start_matches('0').parse().unwrap_or(0u64), "event"),
    )];
    lines.push(String::new());
    lines.join("\n") + "\n" + &table_of_sinks(sinks) + "\n" + &table_of_feeds(feeds)
}

/// For people: the sinks.
pub(super) fn table_of_sinks(sinks: &Value) -> String {
    let rows = part(sinks, "sinks").as_array().into_iter().flatten();
    let rows = rows.map(|sink| ["id", "state", "waiting", "dead", "delivered", "last_error"].map(|key| text(part(sink, key))));
    columns(["SINK", "STATE", ">WAITING", ">DEAD", ">DELIVERED", "LAST ERROR"], rows.collect())
}

/// What is said of a feed: of many it is much smaller than all that the daemon knows.
pub(super) struct FeedLine {
    trouble: bool,
    cells: [String; 5],
}

impl FeedLine {
    pub(super) fn of(feed: &Value) -> Self {
        let trouble = Condition::ALL.iter().any(|state| state.wants_attention() && part(feed, "state") == state.as_str());
        let [id, state, entries, next] = ["id", "state", "entries", "next_poll"].map(|key| text(part(feed, key)));
        Self { trouble, cells: [id, state, entries, next, remarks(feed)] }
    }
}

/// For people: the feeds, those with trouble first.
pub(super) fn table_of_feeds(feeds: Vec<FeedLine>) -> String {
    let (trouble, fine): (Vec<_>, Vec<_>) = feeds.into_iter().partition(|feed| feed.trouble);
    let rows = trouble.into_iter().chain(fine).map(|feed| feed.cells);
    columns(["FEED", "STATE", ">ENTRIES", "NEXT POLL", "REMARKS"], rows.collect())
}

fn remarks(feed: &Value) -> String {
    let error = part(feed, "last_error").as_str().map(harmless);
    let insecure = (part(feed, "insecure") == true).then(|| "insecure".to_owned());
    let held = part(part(feed, "flood"), "held").as_u64().map(|held| format!("{} held back", counted(held, "entry")));
    let repairs = part(feed, "repairs").as_object().into_iter().flatten();
    let repairs = repairs.map(|(fault, count)| format!("mended: {} ×{count}", harmless(fault)));
    let moved = part(feed, "moved_to").as_str().map(|to| format!("moved to {}", harmless(to)));
    insecure.into_iter().chain(error).chain(moved).chain(held).chain(repairs).collect::<Vec<_>>().join("; ")
}

/// Rows under their headings, each column as wide as it must be; a heading with `>` before it stands to the right.
fn columns<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> String {
    let title = headings.map(|heading| heading.trim_start_matches('>').to_owned());
    let rows: Vec<_> = std::iter::once(title).chain(rows).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells =
            row.iter().zip(headings).zip(widths).map(|((cell, heading), width)| {
                if heading.starts_with('>') { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// For people: a dead letter, on two lines.
pub(super) fn letter_line(letter: &Value) -> String {
    let of = |key: &str| text(part(letter, key));
    let what = if part(letter, "title").is_null() { of("type") } else { of("title") };
    format!("{} {} {} {what}\n  given up at {}: {}\n", of("sink"), of("event"), of("feed"), of("buried"), of("reason"))
}

/// A value for people.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { "-".into() } else { value.to_string() }, harmless)
}

/// For people: the story of an entry, a paragraph for each feed that knows it.
pub(super) fn told(story: &Value) -> String {
    let list = |v: &Value| v.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
    let mut lines = vec![format!("{}\ncompared as {}", text(part(story, "url")), text(part(story, "compared_as")))];
    let ambiguous = list(part(story, "ambiguous_in"));
    if !ambiguous.is_empty() {
        lines.push(format!("tells nothing in {ambiguous}: there it is the link of different entries"));
    }
    let found: Vec<_> = part(story, "found").as_array().into_iter().flatten().collect();
    if found.is_empty() {
        lines.push("no feed remembers an entry with this link".into());
    }
    for chapter in found {
        let of = |key: &str| text(part(chapter, key));
        lines.push(format!(
            "\n{}: first seen {}, published {}, changed {}",
            of("feed"),
            of("first_seen"),
            of("published"),
            counted(of("revision"), "time")
        ));
        lines.push(match part(chapter, "last_seen") {
            Value::Null => "  it is in the last document".to_owned(),
            day => format!("  it left the document on {}", text(day).get(..10).unwrap_or_default()),
        });
        lines.push(match part(chapter, "recognised_by") {
            Value::Null => "  it was new when it was last read".to_owned(),
            name => format!("  it was last recognised by its {}", text(name)),
        });
        lines.push(format!("  it can be recognised by its {}", list(part(chapter, "names"))));
        if part(chapter, "held") == true {
            lines.push("  it is held back (feedwire ctl flood)".into());
        }
        let events: Vec<_> = part(chapter, "events").as_array().into_iter().flatten().collect();
        if events.is_empty() && part(chapter, "held") != true {
            lines.push("  no event of it is kept: it was there at the first poll, or too long ago".into());
        }
        for event in events {
            let of = |key: &str| text(part(event, key));
            lines.push(format!("  {} {} {}", of("time"), of("type"), of("id")));
            for fate in part(event, "to").as_array().into_iter().flatten() {
                let of =
                    |key: &str| part(fate, key).is_null().then(String::new).unwrap_or_else(|| format!(", {key} {}", text(part(fate, key))));
                let more = ["behind", "failed", "at", "reason"].map(of).concat();
                lines.push(format!("    {}: {}{more}", text(part(fate, "sink")), text(part(fate, "state"))));
            }
        }
    }
    lines.join("\n") + "\n"
}

/// A member of an object; null when there is none.
pub(super) fn part<'v>(value: &'v Value, key: &str) -> &'v Value {
    value.get(key).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let long = "a-feed-whose-name-is-longer-than-twenty-four-letters";
        let feeds = [
            json!({"id": "b", "state": "ok", "entries": 7, "next_poll": "2026-11-24T08:00:00.000Z"}),
            json!({"id": long, "state": "failing", "entries": 12345, "next_poll": null, "last_error": "403\n\u{202e}заборонено", "repairs": {"entity": 2}}),
        ];
        let expected = format!(
            "FEED{0}  STATE    ENTRIES  NEXT POLL                 REMARKS\n\
             {long}  failing    12345  -                         403 заборонено; mended: entity ×2\n\
             b{1}  ok             7  2026-11-24T08:00:00.000Z\n",
            " ".repeat(long.len() - 4),
            " ".repeat(long.len() - 1)
        );
        assert_eq!(table_of_feeds(feeds.iter().map(FeedLine::of).collect()), expected);
        let status = json!({"version": "1.2.3", "instance": "main", "uptime_seconds": 60, "store": "ok", "feeds": 1, "polls": 0, "sequence": "0001"});
        assert!(table(&status, vec![], &json!({})).starts_with("feedwire 1.2.3 (main), up 1m, store ok, 1 feed, 0 polls, 1 event\n"));
        let sinks = json!({"sinks": [{"id": "hook", "state": "open", "waiting": 12, "dead": 0, "delivered": 3, "last_error": "the answer was 500"}]});
        assert_eq!(
            table_of_sinks(&sinks),
            "SINK  STATE  WAITING  DEAD  DELIVERED  LAST ERROR\nhook  open        12     0          3  the answer was 500\n"
        );
    }
}
