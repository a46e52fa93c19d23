//! Telegram: HTML with the two tags `b` and `a`. The limit counts UTF-16 units after the markup is taken out.

use serde_json::{Value, json};
use url::Url;

use super::message::Message;
use super::put;
use super::shorten::{entities, length, shorten, unaddressed, utf16};

const TEXT: usize = 4_096;

/// Of our own: title and source leave room for the text.
const TITLE: usize = 500;
const SOURCE: usize = 250;

/// `…/bot<token>`, with or without the method.
pub(super) fn address(base: &Url) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut()
        && !base.path().ends_with("/sendMessage")
    {
        path.pop_if_empty().push("sendMessage");
    }
    url
}

pub(super) fn body(message: &Message, chat_id: &str, thread_id: Option<&str>) -> Value {
    let (title, source) = (unaddressed(&message.title), unaddressed(&message.source));
    let (title, source) = (shorten(&title, TITLE, utf16), shorten(&source, SOURCE, utf16));
    let around = length(&title, utf16) + length(&source, utf16) + "\n\n\n\n".len();
    let text = unaddressed(&message.text);
    let text = shorten(&text, TEXT - around, utf16);
    let below = match &message.link {
        Some(link) => format!("<a href=\"{}\">{}</a>", entities(link), entities(&source)),
        None => entities(&source),
    };
    let html = if text.is_empty() {
        format!("<b>{}</b>\n\n{below}", entities(&title))
    } else {
        format!("<b>{}</b>\n\n{}\n\n{below}", entities(&title), entities(&text))
    };
    let preview = message.link.as_ref().map_or_else(|| json!({ "is_disabled": true }), |link| json!({ "url": link }));
    let mut body = json!({ "chat_id": number(chat_id), "text": html, "parse_mode": "HTML", "link_preview_options": preview });
    put(&mut body, [("message_thread_id", thread_id.map(number))]);
    body
}

/// A number as one, a name as it is.
fn number(id: &str) -> Value {
    id.parse::<i64>().map_or_else(|_| id.into(), Value::from)
}
