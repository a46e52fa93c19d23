//! Exactly the file. What it means is [`super::reading`]'s matter. What is said of a key here is what an editor shows for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::value::{Backlog, Network, Size, Source, Spanned, Time, WebUrl};
pub(super) use super::written_lines::{Ack, Exec, LinesFile, Rotate, Stdout, StdoutAck, Tcp, Unix};
pub(super) use super::written_sinks::{Content, Duplicates, Filter, Order, Preset, Signature, Sink, Webhook};
#[cfg(test)]
use super::{limits, schema};

/// The configuration of feedwire, a daemon that turns feeds into a durable stream of events.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "feedwire"))]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Part of every event's id.
    #[cfg_attr(test, schemars(transform = schema::name, extend("default" = "main")))]
    pub(super) instance: Option<Spanned<String>>,
    /// Where the state is kept. Default: `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/feedwire`, else `~/.local/state/feedwire`.
    pub(super) state_dir: Option<PathBuf>,
    /// How many backups of the state are kept in its directory backups, one a day.
    #[cfg_attr(test, schemars(transform = schema::within(limits::BACKUPS)))]
    pub(super) backups: Option<Spanned<u32>>,
    /// More `[feeds.*]` and `[sinks.*]`, relative to this file.
    #[cfg_attr(test, schemars(extend("examples" = [["feeds.d/*.toml"]])))]
    pub(super) include: Vec<Spanned<String>>,
    /// Subscriptions: every outline with an xmlUrl is a feed, the folders around it are its tags.
    #[cfg_attr(test, schemars(extend("examples" = [["subscriptions.opml"]])))]
    pub(super) opml: Vec<Spanned<PathBuf>>,
    /// How feeds are asked.
    pub(super) polling: Polling,
    /// Feeds by name.
    #[cfg_attr(test, schemars(transform = schema::names))]
    pub(super) feeds: BTreeMap<Spanned<String>, Feed>,
    /// Where events go, by name.
    #[cfg_attr(test, schemars(transform = schema::names))]
    pub(super) sinks: BTreeMap<Spanned<String>, Sink>,
    /// Health and status over HTTP, read-only.
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct Polling {
    /// The request budget: on average each feed without an interval of its own is polled this often, busy ones more, quiet ones less.
    #[cfg_attr(test, schemars(transform = schema::within(limits::MEAN_INTERVAL)))]
    pub(super) mean_interval: Option<Spanned<Time>>,
    /// Never more often.
    #[cfg_attr(test, schemars(transform = schema::within(limits::MIN_INTERVAL)))]
    pub(super) min_interval: Option<Spanned<Time>>,
    /// Never less often while healthy.
    #[cfg_attr(test, schemars(transform = schema::within(limits::MAX_INTERVAL)))]
    pub(super) max_interval: Option<Spanned<Time>>,
    /// Requests at once, all hosts.
    #[cfg_attr(test, schemars(transform = schema::within(limits::MAX_IN_FLIGHT)))]
    pub(super) max_in_flight: Option<Spanned<u32>>,
    /// Requests at once to one host.
    #[cfg_attr(test, schemars(transform = schema::within(limits::PER_HOST)))]
    pub(super) per_host: Option<Spanned<u32>>,
    /// Between two requests to one host, from the end of one to the start of the next.
    #[cfg_attr(test, schemars(transform = schema::within(limits::HOST_GAP)))]
    pub(super) host_gap: Option<Spanned<Time>>,
    /// One whole poll, redirects and body included.
    #[cfg_attr(test, schemars(transform = schema::within(limits::TIMEOUT)))]
    pub(super) timeout: Option<Spanned<Time>>,
    /// The largest document, after decompression.
    #[cfg_attr(test, schemars(transform = schema::within(limits::MAX_BODY)))]
    pub(super) max_body: Option<Spanned<Size>>,
    /// Entries of one document.
    #[cfg_attr(test, schemars(transform = schema::within(limits::MAX_ENTRIES)))]
    pub(super) max_entries: Option<Spanned<u32>>,
    /// A URL for webmasters; goes into the User-Agent.
    pub(super) contact: Option<WebUrl>,
    /// Networks feeds may live in although they are not public.
    pub(super) allow_private: Vec<Network>,
    /// Every request for a feed goes through this proxy, which resolves the names and decides where they may lead.
    #[cfg_attr(test, schemars(extend("pattern" = "^http://", "examples" = ["http://127.0.0.1:3128"])))]
    pub(super) proxy: Option<Spanned<WebUrl>>,
}

/// `[feeds.NAME]`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Feed {
    /// Where the feed is. It may change; the feed's name is its identity.
    pub(super) url: Spanned<WebUrl>,
    /// Labels for consumers and filters.
    #[serde(default)]
    pub(super) tags: Vec<String>,
    /// Poll exactly this often. Without it the interval adapts, as `[polling]` says.
    #[cfg_attr(test, schemars(transform = schema::within(limits::INTERVAL)))]
    pub(super) interval: Option<Spanned<Time>>,
    /// What of the first successful poll becomes events.
    pub(super) backlog: Option<Backlog>,
    /// More headers. A value is text, or the source of a secret.
    #[serde(default)]
    #[cfg_attr(test, schemars(schema_with = "schema::texts_or_secrets"))]
    pub(super) headers: BTreeMap<Spanned<String>, Spanned<Source>>,
    /// Instead of feedwire's own.
    pub(super) user_agent: Option<Spanned<String>>,
    /// HTTP authentication, sent to the feed's own origin only.
    pub(super) auth: Option<Spanned<Auth>>,
    /// Networks this feed may live in although they are not public.
    #[serde(default)]
    pub(super) allow_private: Vec<Network>,
    /// A file of certificates (PEM) whose holders are believed for this feed, beside those that the system knows.
    pub(super) ca: Option<Spanned<PathBuf>>,
    /// Whether the feed's certificate is not checked: whoever is on the way can then read and forge it.
    #[cfg_attr(test, schemars(extend("default" = false)))]
    pub(super) insecure: Option<Spanned<bool>>,
    /// Where the text comes from.
    #[cfg_attr(test, schemars(extend("enum" = ["feed"], "default" = "feed")))]
    pub(super) content: Option<Spanned<String>>,
}

/// `auth.basic` or `auth.bearer`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(extend("oneOf" = schema::each_of(&["basic", "bearer"]))))]
#[serde(deny_unknown_fields)]
pub(super) struct Auth {
    /// A user name and a password, sent as Authorization: Basic.
    pub(super) basic: Option<Basic>,
    /// The token that is sent as Authorization: Bearer.
    pub(super) bearer: Option<Spanned<Source>>,
}

/// `auth.basic`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Basic {
    /// User name.
    pub(super) user: String,
    /// The password that is sent with the user name.
    pub(super) password: Spanned<Source>,
}

/// `[admin]`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    /// Address and port; without it there is none.
    #[cfg_attr(test, schemars(extend("examples" = ["127.0.0.1:7744"])))]
    pub(super) listen: Option<Spanned<SocketAddr>>,
    /// Names by which it may be asked there, besides its addresses and localhost: those of a proxy in front of it, for example. A request
    /// for another name is refused.
    #[serde(default)]
    #[cfg_attr(test, schemars(inner(pattern("^[A-Za-z0-9._-]+$")), extend("examples" = [["feeds.example.org"]])))]
    pub(super) hosts: Vec<Spanned<String>>,
    /// How long delivered events stay in the store.
    #[cfg_attr(test, schemars(transform = schema::within(limits::RETENTION)))]
    pub(super) retention: Option<Spanned<Time>>,
}
