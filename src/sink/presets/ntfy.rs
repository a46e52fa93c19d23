//! ntfy: title, message and what a click opens. A message of more than 4,096 bytes would become an attachment.

use serde_json::{Value, json};

use super::message::Message;
use super::put;
use super::shorten::{bytes, length, shorten};

const MESSAGE: usize = 4_096;

/// Not stated; clients show little more.
const TITLE: usize = 200;

pub(super) fn body(message: &Message, topic: &str) -> Value {
    let source = shorten(&message.source, TITLE, bytes);
    let text = shorten(&message.text, MESSAGE - length(&source, bytes) - "\n\n".len(), bytes);
    let text = if text.is_empty() { source.into_owned() } else { format!("{text}\n\n{source}") };
    let mut body = json!({ "topic": topic, "title": shorten(&message.title, TITLE, bytes), "message": text });
    put(&mut body, [("click", message.link.as_deref().map(Value::from))]);
    body
}
