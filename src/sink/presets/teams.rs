//! Microsoft Teams: an Adaptive Card in the message that a Workflows webhook takes.

use serde_json::{Value, json};

use super::message::Message;
use super::put;
use super::shorten::{is_markdown, json as written, markdown, shorten};
use crate::sink::payload;

/// Bytes of the whole message; the service says about 28 KB.
const MESSAGE: usize = 28_000;

/// Of our own: title and source leave room for the text.
const TITLE: usize = 1_000;

pub(super) fn body(message: &Message) -> Value {
    // A block with one letter, for that it is there at all takes room too.
    let around = payload::line(&card(message, "x")).len() - 1;
    card(message, &shorten(&message.text, MESSAGE.saturating_sub(around), escaped))
}

fn card(message: &Message, text: &str) -> Value {
    let block = |text: &str| json!({ "type": "TextBlock", "text": markdown(text), "wrap": true });
    let (mut title, mut source) = (block(&shorten(&message.title, TITLE, escaped)), block(&shorten(&message.source, TITLE, escaped)));
    put(&mut title, [("weight", Some("Bolder".into())), ("size", Some("Medium".into()))]);
    put(&mut source, [("isSubtle", Some(true.into())), ("spacing", Some("None".into()))]);
    let mut blocks = vec![title, source];
    if !text.is_empty() {
        blocks.push(block(text));
    }
    let mut content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    });
    let open = message.link.as_ref().map(|link| json!([{ "type": "Action.OpenUrl", "title": "Open", "url": link }]));
    put(&mut content, [("actions", open)]);
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": content });
    json!({ "type": "message", "attachments": [attachment] })
}

/// A backslash before it is two bytes in JSON.
fn escaped(c: char) -> usize {
    written(c) + if is_markdown(c) { 2 } else { 0 }
}
