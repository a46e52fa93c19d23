//! Exactly the file. What it means is [`super::reading`]'s matter.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::limits::BURST;
use super::value::{Backlog, Name, Network, Size, Source, Spanned, Text, Time, WebUrl};

/// `feedwire.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    pub(super) instance: Option<Spanned<String>>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) backups: Option<Spanned<u32>>,
    pub(super) include: Vec<Spanned<String>>,
    pub(super) opml: Vec<Spanned<PathBuf>>,
    pub(super) polling: Polling,
    pub(super) feeds: BTreeMap<Spanned<String>, Feed>,
    pub(super) sinks: BTreeMap<Spanned<String>, Sink>,
    pub(super) admin: Option<Admin>,
}

/// A file that is included.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Included {
    pub(super) feeds: BTreeMap<Spanned<String>, Feed>,
    pub(super) sinks: BTreeMap<Spanned<String>, Sink>,
}

/// `[polling]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Polling {
    pub(super) mean_interval: Option<Spanned<Time>>,
    pub(super) min_interval: Option<Spanned<Time>>,
    pub(super) max_interval: Option<Spanned<Time>>,
    pub(super) max_in_flight: Option<Spanned<u32>>,
    pub(super) per_host: Option<Spanned<u32>>,
    pub(super) host_gap: Option<Spanned<Time>>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) max_body: Option<Spanned<Size>>,
    pub(super) max_entries: Option<Spanned<u32>>,
    pub(super) contact: Option<WebUrl>,
    pub(super) allow_private: Vec<Network>,
    pub(super) proxy: Option<Spanned<WebUrl>>,
}

/// `[feeds.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Feed {
    pub(super) url: Spanned<WebUrl>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    pub(super) interval: Option<Spanned<Time>>,
    pub(super) backlog: Option<Backlog>,
    #[serde(default)]
    pub(super) headers: BTreeMap<Spanned<String>, Spanned<Source>>,
    pub(super) user_agent: Option<Spanned<String>>,
    pub(super) auth: Option<Spanned<Auth>>,
    #[serde(default)]
    pub(super) allow_private: Vec<Network>,
    pub(super) ca: Option<Spanned<PathBuf>>,
    pub(super) insecure: Option<Spanned<bool>>,
    pub(super) content: Option<Spanned<String>>,
}

/// `auth.basic` or `auth.bearer`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Auth {
    pub(super) basic: Option<Basic>,
    pub(super) bearer: Option<Spanned<Source>>,
}

/// `auth.basic`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Basic {
    pub(super) user: String,
    pub(super) password: Spanned<Source>,
}

/// `[sinks.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sink {
    pub(super) events: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) order: Order,
    pub(super) rate: Option<Spanned<Rate>>,
    #[serde(default)]
    pub(super) duplicates: Duplicates,
    pub(super) backlog: Option<Backlog>,
    #[serde(default)]
    pub(super) filter: Filter,
    pub(super) stdout: Option<Stdout>,
    pub(super) webhook: Option<Webhook>,
    pub(super) exec: Option<Exec>,
    pub(super) unix: Option<Unix>,
    pub(super) tcp: Option<Tcp>,
    pub(super) file: Option<LinesFile>,
}

/// `order`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    #[default]
    Feed,
    Sink,
    None,
}

/// `duplicates`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Duplicates {
    Deliver,
    #[default]
    Mark,
    Drop,
}

/// `rate`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rate {
    pub(super) per: Time,
    #[serde(default = "burst")]
    pub(super) burst: u32,
}

fn burst() -> u32 {
    BURST.default
}

/// `filter`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Filter {
    pub(super) tags: Vec<Spanned<String>>,
    pub(super) feeds: Vec<Spanned<String>>,
    pub(super) include: Vec<Spanned<String>>,
    pub(super) exclude: Vec<Spanned<String>>,
    pub(super) categories: Vec<String>,
    pub(super) max_age: Option<Time>,
}

/// `[sinks.NAME.stdout]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stdout {
    pub(super) ack: Option<StdoutAck>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) content: Option<Content>,
}

/// `ack` of stdout
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StdoutAck {
    Stdin,
}

/// `[sinks.NAME.exec]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exec {
    pub(super) command: Spanned<Vec<String>>,
    #[serde(default)]
    pub(super) env: BTreeMap<Spanned<String>, Spanned<Source>>,
    pub(super) ack: Option<Ack>,
    pub(super) content: Option<Content>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) max_age: Option<Spanned<Time>>,
    pub(super) max_in_flight: Option<Spanned<u32>>,
}

/// `[sinks.NAME.unix]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unix {
    pub(super) path: Spanned<PathBuf>,
    pub(super) ack: Option<Ack>,
    pub(super) content: Option<Content>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) max_age: Option<Spanned<Time>>,
    pub(super) max_in_flight: Option<Spanned<u32>>,
}

/// `[sinks.NAME.tcp]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tcp {
    pub(super) address: Spanned<String>,
    pub(super) ack: Option<Ack>,
    pub(super) content: Option<Content>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) max_age: Option<Spanned<Time>>,
    pub(super) max_in_flight: Option<Spanned<u32>>,
}

/// `ack` of exec, unix and tcp
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ack {
    Ids,
    Written,
}

/// `[sinks.NAME.file]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinesFile {
    pub(super) path: Spanned<PathBuf>,
    pub(super) rotate: Option<Spanned<Rotate>>,
    pub(super) content: Option<Content>,
}

/// `rotate`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotate {
    pub(super) size: Option<Spanned<Size>>,
    pub(super) every: Option<Spanned<Time>>,
    pub(super) keep: Option<Spanned<u32>>,
}

/// `[sinks.NAME.webhook]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) url: Spanned<Source>,
    pub(super) preset: Option<Spanned<Preset>>,
    pub(super) chat_id: Option<Spanned<Name>>,
    pub(super) thread_id: Option<Spanned<Name>>,
    pub(super) room: Option<Spanned<Name>>,
    pub(super) topic: Option<Spanned<Name>>,
    pub(super) channel: Option<Spanned<Name>>,
    pub(super) username: Option<Spanned<Name>>,
    #[serde(default)]
    pub(super) secrets: Vec<Spanned<Source>>,
    #[serde(default)]
    pub(super) headers: BTreeMap<Spanned<String>, Spanned<Source>>,
    pub(super) bearer: Option<Spanned<Source>>,
    pub(super) ca: Option<Spanned<PathBuf>>,
    pub(super) client_cert: Option<Spanned<PathBuf>>,
    pub(super) client_key: Option<Spanned<Source>>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) max_age: Option<Spanned<Time>>,
    pub(super) max_in_flight: Option<Spanned<u32>>,
    pub(super) signature: Option<Spanned<Signature>>,
    pub(super) template: Option<Spanned<Text>>,
    pub(super) content: Option<Content>,
    pub(super) content_type: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) idempotency_key: bool,
    pub(super) batch: Option<Spanned<Batch>>,
}

/// `batch`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    pub(super) max: u16,
    pub(super) wait: Option<Time>,
}

/// `preset`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[serde(rename_all = "lowercase")]
pub(super) enum Content {
    Html,
    Text,
    None,
}

/// `[admin]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) listen: Option<Spanned<SocketAddr>>,
    #[serde(default)]
    pub(super) hosts: Vec<Spanned<String>>,
    pub(super) retention: Option<Spanned<Time>>,
}
