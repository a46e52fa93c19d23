//! Matrix: an `m.notice`, which is what a bot says. The id of the event is the transaction's, so that a homeserver whose answer was lost
//! recognises the retry: exactly once.

use serde_json::{Value, json};
use url::Url;

use super::message::Message;
use super::shorten::{entities, entity, json as written, length, shorten};
use crate::domain::event::EventId;

/// Bytes of each of the two forms; an event has at most 65,536 with its signatures.
const FORM: usize = 29_000;

/// Of our own: title and source leave room for the text.
const TITLE: usize = 1_000;

pub(super) fn address(base: &Url, room: &str, id: &EventId) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["_matrix", "client", "v3", "rooms", room, "send", "m.room.message", &id.0]);
    }
    url
}

pub(super) fn body(message: &Message) -> Value {
    let (title, source) = (shorten(&message.title, TITLE, markup), shorten(&message.source, TITLE, markup));
    let link = message.link.as_deref().unwrap_or_default();
    let (plain_title, plain_source) = (title.as_ref(), source.as_ref());
    let head = match &message.link {
        Some(link) => format!("<strong><a href=\"{}\">{}</a></strong>", entities(link), entities(&title)),
        None => format!("<strong>{}</strong>", entities(&title)),
    };
    let tail = format!("<em>{}</em>", entities(&source));
    // The markup is the longer of the two forms, and every character of the text is longer in it.
    let around = length(&head, written) + length(&tail, written) + "<br><br>".len();
    let text = shorten(&message.text, FORM.saturating_sub(around), markup);
    let lines: Vec<_> = [plain_title, link, &text, plain_source].into_iter().filter(|part| !part.is_empty()).collect();
    let middle = if text.is_empty() { String::new() } else { format!("{}<br>", entities(&text).replace('\n', "<br>")) };
    json!({
        "msgtype": "m.notice",
        "body": lines.join("\n"),
        "format": "org.matrix.custom.html",
        "formatted_body": format!("{head}<br>{middle}{tail}"),
        "m.mentions": {},
    })
}

/// A character's bytes in a JSON string, as an entity or tag if it becomes one.
fn markup(c: char) -> usize {
    if c == '\n' { "<br>".len() } else { written(c) + entity(c) }
}
