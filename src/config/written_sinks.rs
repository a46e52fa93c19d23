//! `[sinks.NAME]` and `[sinks.NAME.webhook]`, exactly as in the file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::limits;
#[cfg(test)]
use super::schema;
use super::value::{Backlog, Name, Source, Spanned, Text, Time};
use super::written_lines::{Exec, LinesFile, Stdout, Tcp, Unix};

/// `[sinks.NAME]`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(extend("oneOf" = schema::each_of(&super::sinks::WAYS))))]
#[serde(deny_unknown_fields)]
pub(super) struct Sink {
    /// Which types of event.
    #[cfg_attr(test, schemars(transform = schema::kinds_of_event))]
    pub(super) events: Option<Vec<Spanned<String>>>,
    /// Within a lane the next event waits until the one before is delivered: a lane for each feed, one for the sink, or no order.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("default" = "feed")))]
    pub(super) order: Order,
    /// One event each `per`, and `burst` at once after a rest.
    pub(super) rate: Option<Spanned<Rate>>,
    /// What is wanted of an article that another feed has brought already: the event as if it were the only one, the event with the id of
    /// the first, or nothing if one of the article was sent before.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("default" = "mark")))]
    pub(super) duplicates: Duplicates,
    /// What a new sink is given of the past.
    pub(super) backlog: Option<Backlog>,
    /// Which entries the sink gets. What is left out holds for all.
    #[serde(default)]
    pub(super) filter: Filter,
    /// One JSON document a line on standard output.
    pub(super) stdout: Option<Stdout>,
    /// One request an event, signed as Standard Webhooks says, or in the form of a chat service.
    pub(super) webhook: Option<Webhook>,
    /// One JSON document a line to a program that keeps running.
    pub(super) exec: Option<Exec>,
    /// One JSON document a line to whoever listens on a unix socket.
    pub(super) unix: Option<Unix>,
    /// One JSON document a line to whoever listens on a TCP port, neither encrypted nor signed.
    pub(super) tcp: Option<Tcp>,
    /// One JSON document a line at the end of a file.
    pub(super) file: Option<LinesFile>,
}

/// `order`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    #[default]
    Feed,
    Sink,
    None,
}

/// `duplicates`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Duplicates {
    Deliver,
    #[default]
    Mark,
    Drop,
}

/// `rate`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Rate {
    /// Time for one event, up to a day.
    pub(super) per: Time,
    /// Events at once.
    #[serde(default = "burst")]
    #[cfg_attr(test, schemars(transform = schema::within(limits::BURST)))]
    pub(super) burst: u32,
}

fn burst() -> u32 {
    limits::BURST.default
}

/// `filter`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct Filter {
    /// The feed has one of these tags.
    pub(super) tags: Vec<Spanned<String>>,
    /// The feed's name matches one of these patterns.
    #[cfg_attr(test, schemars(extend("examples" = [["news-*"]])))]
    pub(super) feeds: Vec<Spanned<String>>,
    /// Title or text matches one of these regular expressions.
    #[cfg_attr(test, schemars(extend("examples" = [["(?i)rust"]])))]
    pub(super) include: Vec<Spanned<String>>,
    /// Neither title nor text matches any of these.
    pub(super) exclude: Vec<Spanned<String>>,
    /// The entry has one of these categories, in any case.
    pub(super) categories: Vec<String>,
    /// Published no longer ago than this; entries without a date are let through.
    pub(super) max_age: Option<Time>,
}

/// `[sinks.NAME.webhook]`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    /// Where events are posted; what a chat service gives for it is a secret.
    #[cfg_attr(test, schemars(schema_with = "schema::url_or_secret"))]
    pub(super) url: Spanned<Source>,
    /// A chat service: messages for people instead of events, within its limits and at its rate.
    pub(super) preset: Option<Spanned<Preset>>,
    /// Telegram: the chat's number, or @name of a channel.
    pub(super) chat_id: Option<Spanned<Name>>,
    /// Discord: the thread to write to. Telegram: the topic of a group.
    pub(super) thread_id: Option<Spanned<Name>>,
    /// Matrix: the room's id, such as !abcdef:example.org.
    pub(super) room: Option<Spanned<Name>>,
    /// ntfy: the topic.
    pub(super) topic: Option<Spanned<Name>>,
    /// Mattermost: a channel other than the webhook's own.
    pub(super) channel: Option<Spanned<Name>>,
    /// Discord, Mattermost: a name other than the webhook's own.
    pub(super) username: Option<Spanned<Name>>,
    /// Signing secrets (whsec_…, for v1a whsk_…, for github any): the first is the current one, the others sign too while they are rotated
    /// out.
    #[serde(default)]
    pub(super) secrets: Vec<Spanned<Source>>,
    /// More headers. A value is text, or the source of a secret.
    #[serde(default)]
    #[cfg_attr(test, schemars(schema_with = "schema::texts_or_secrets"))]
    pub(super) headers: BTreeMap<Spanned<String>, Spanned<Source>>,
    /// The token that is sent as Authorization: Bearer.
    pub(super) bearer: Option<Spanned<Source>>,
    /// A file of certificates (PEM) whose holders are believed for this webhook, beside those that the system knows.
    pub(super) ca: Option<Spanned<PathBuf>>,
    /// A file with the certificate (PEM) that is shown to a server which asks for one, and those that lead to its authority.
    pub(super) client_cert: Option<Spanned<PathBuf>>,
    /// The key of client_cert (PEM, without a password).
    pub(super) client_key: Option<Spanned<Source>>,
    /// One whole attempt.
    #[cfg_attr(test, schemars(transform = schema::within(limits::TIMEOUT)))]
    pub(super) timeout: Option<Spanned<Time>>,
    /// How long an event is tried before it is kept as a dead letter; "0s" is for ever.
    #[cfg_attr(test, schemars(transform = schema::within(limits::MAX_AGE)))]
    pub(super) max_age: Option<Spanned<Time>>,
    /// Attempts at once, over all feeds.
    #[cfg_attr(test, schemars(transform = schema::within(limits::WEBHOOK_IN_FLIGHT)))]
    pub(super) max_in_flight: Option<Spanned<u32>>,
    /// How requests are signed: Standard Webhooks with HMAC-SHA256 (v1) or ed25519 (v1a), or as GitHub does it (X-Hub-Signature-256).
    #[cfg_attr(test, schemars(extend("default" = "v1")))]
    pub(super) signature: Option<Spanned<Signature>>,
    /// A payload of one's own: Jinja over the event, as text or in a file.
    pub(super) template: Option<Spanned<Text>>,
    /// Which of content_html and content_text is sent; both if it is left out.
    pub(super) content: Option<Content>,
    /// What an event is sent as (json or cloudevents, which is the same body); of a template any media type.
    #[cfg_attr(test, schemars(extend("default" = "json", "examples" = ["json", "cloudevents", "text/plain; charset=utf-8"])))]
    pub(super) content_type: Option<Spanned<String>>,
    /// Send the event's id as Idempotency-Key too.
    #[serde(default)]
    pub(super) idempotency_key: bool,
    /// Several events in one request, as a JSON array: at most max, the first of which waits for others.
    pub(super) batch: Option<Spanned<Batch>>,
}

/// `batch`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// The most events in one request.
    #[cfg_attr(test, schemars(transform = schema::within(limits::BATCH)))]
    pub(super) max: u16,
    /// How long the first of them waits for others.
    #[cfg_attr(test, schemars(transform = schema::within(limits::BATCH_WAIT)))]
    pub(super) wait: Option<Time>,
}

/// `preset`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Preset {
    Discord,
    Slack,
    Telegram,
    Matrix,
    Ntfy,
    Mattermost,
    Teams,
}

/// `signature`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) enum Signature {
    #[serde(rename = "v1")]
    V1,
    #[serde(rename = "v1a")]
    V1a,
    #[serde(rename = "v1+v1a")]
    Both,
    #[serde(rename = "github")]
    GitHub,
    #[serde(rename = "none")]
    None,
}

/// `content`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Content {
    Html,
    Text,
    None,
}
