//! Mattermost: Markdown of at most 16,383 characters.

use serde_json::{Value, json};

use super::message::Message;
use super::put;
use super::shorten::{chars, is_markdown, length, markdown, shorten, unaddressed};

const TEXT: usize = 16_383;

/// Of our own: title and source leave room for the text.
const TITLE: usize = 500;

pub(super) fn body(message: &Message, username: Option<&str>, channel: Option<&str>) -> Value {
    let (title, source) = (unaddressed(&message.title), unaddressed(&message.source));
    let (title, source) = (markdown(&shorten(&title, TITLE, escaped)), markdown(&shorten(&source, TITLE, escaped)));
    let head = match &message.link {
        Some(link) => format!("**[{title}]({})**", link.replace('(', "%28").replace(')', "%29")),
        None => format!("**{title}**"),
    };
    let around = length(&head, chars) + length(&source, chars) + "\n\n\n\n__".len();
    let text = unaddressed(&message.text);
    let text = markdown(&shorten(&text, TEXT - around, escaped));
    let text = if text.is_empty() { format!("{head}\n\n_{source}_") } else { format!("{head}\n\n{text}\n\n_{source}_") };
    let mut body = json!({ "text": text });
    put(&mut body, [("username", username.map(Value::from)), ("channel", channel.map(Value::from))]);
    body
}

fn escaped(c: char) -> usize {
    chars(c) + usize::from(is_markdown(c))
}
