//! Slack: a section with title and text, and below it where it comes from. Only `&`, `<` and `>` are escaped, and without angle brackets
//! nobody is called.

use serde_json::{Value, json};

use super::message::Message;
use super::shorten::{entities, entity, length, shorten, utf16};

const SECTION: usize = 3_000;

/// Of our own: a title that leaves room for the text, and a line below.
const TITLE: usize = 300;
const CONTEXT: usize = 300;

pub(super) fn body(message: &Message) -> Value {
    let title = shorten(&message.title, TITLE, escaped);
    let head = match &message.link {
        Some(link) if length(link, escaped) + TITLE < SECTION - 100 => format!("*<{}|{}>*", entities(link), entities(&title)),
        _ => format!("*{}*", entities(&title)),
    };
    let text = entities(&shorten(&message.text, SECTION - length(&head, utf16) - 1, escaped));
    let section = if text.is_empty() { head } else { format!("{head}\n{text}") };
    let below = if message.authors.is_empty() { message.source.clone() } else { format!("{} · {}", message.source, message.authors) };
    json!({
        // What a notification shows.
        "text": entities(&title),
        "blocks": [
            { "type": "section", "text": { "type": "mrkdwn", "text": section } },
            { "type": "context", "elements": [{ "type": "plain_text", "emoji": false, "text": shorten(&below, CONTEXT, utf16) }] },
        ],
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// As it is written, entities and all.
fn escaped(c: char) -> usize {
    utf16(c) + entity(c)
}
