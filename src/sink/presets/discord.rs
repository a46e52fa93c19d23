//! Discord: an embed. It is not said whether characters are counted as code points or UTF-16 units; the latter are never fewer.

use serde_json::{Value, json};
use url::Url;

use super::message::Message;
use super::put;
use super::shorten::{is_markdown, length, markdown, shorten, utf16};

const TITLE: usize = 256;
const DESCRIPTION: usize = 4_096;
const AUTHOR: usize = 256;
const FOOTER: usize = 2_048;
const USERNAME: usize = 80;

/// Over all texts of all embeds of a message.
const ALTOGETHER: usize = 6_000;

/// With `wait=true`, without which a message that is not saved is no error.
pub(super) fn address(base: &Url, thread_id: Option<&str>) -> Url {
    let mut url = base.clone();
    let kept: Vec<_> = base.query_pairs().filter(|(name, _)| name != "wait" && (name != "thread_id" || thread_id.is_none())).collect();
    let mut query = url.query_pairs_mut();
    query.clear().extend_pairs(kept).append_pair("wait", "true");
    if let Some(thread) = thread_id {
        query.append_pair("thread_id", thread);
    }
    drop(query);
    url
}

pub(super) fn body(message: &Message, username: Option<&str>) -> Value {
    let title = shorten(&message.title, TITLE, escaped);
    let author = shorten(&message.source, AUTHOR, utf16);
    let footer = shorten(&message.authors, FOOTER, utf16);
    let others = length(&title, escaped) + length(&author, utf16) + length(&footer, utf16);
    let description = shorten(&message.text, DESCRIPTION.min(ALTOGETHER - others), escaped);
    let mut embed = json!({ "title": markdown(&title), "author": { "name": author }, "timestamp": message.time });
    let parts = [
        ("url", message.link.as_deref().map(Value::from)),
        ("description", Some(markdown(&description).into()).filter(|_| !description.is_empty())),
        ("footer", Some(json!({ "text": footer })).filter(|_| !footer.is_empty())),
        ("image", message.image.as_ref().map(|url| json!({ "url": url }))),
    ];
    put(&mut embed, parts);
    let mut body = json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } });
    put(&mut body, [("username", username.map(|name| shorten(name, USERNAME, utf16).into()))]);
    body
}

fn escaped(c: char) -> usize {
    utf16(c) + usize::from(is_markdown(c))
}
