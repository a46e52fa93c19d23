//! `[sinks.NAME.stdout]`, `.exec`, `.unix`, `.tcp` and `.file`, exactly as in the file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::value::{Size, Source, Spanned, Time};
use super::written_sinks::Content;
#[cfg(test)]
use super::{limits, schema};

/// `[sinks.NAME.stdout]`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Stdout {
    /// Delivered is what the consumer has said the id of, on standard input; if it is left out, what was written.
    pub(super) ack: Option<StdoutAck>,
    /// How long after a line its id has to come.
    #[cfg_attr(test, schemars(transform = schema::within(limits::LINES_TIMEOUT)))]
    pub(super) timeout: Option<Spanned<Time>>,
    /// Which of content_html and content_text is sent; both if it is left out.
    pub(super) content: Option<Content>,
}

/// `ack` of stdout
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum StdoutAck {
    Stdin,
}

/// `[sinks.NAME.exec]`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Exec {
    /// The program (an absolute path, or a name in `$PATH`) and its arguments. No shell reads them.
    #[cfg_attr(test, schemars(length(min = 1), extend("examples" = [["/usr/local/bin/consumer", "--verbose"]])))]
    pub(super) command: Spanned<Vec<String>>,
    /// Its environment besides the usual. A value is text, or the source of a secret.
    #[serde(default)]
    #[cfg_attr(test, schemars(schema_with = "schema::texts_or_secrets"))]
    pub(super) env: BTreeMap<Spanned<String>, Spanned<Source>>,
    /// When an event counts as delivered: when the consumer has said its id, or when the kernel has taken the line.
    #[cfg_attr(test, schemars(extend("default" = "ids")))]
    pub(super) ack: Option<Ack>,
    /// Which of content_html and content_text is sent; both if it is left out.
    pub(super) content: Option<Content>,
    /// One whole attempt: connecting, writing and the acknowledgement.
    #[cfg_attr(test, schemars(transform = schema::within(limits::LINES_TIMEOUT)))]
    pub(super) timeout: Option<Spanned<Time>>,
    /// How long an event is tried before it is kept as a dead letter; "0s" is for ever.
    #[cfg_attr(test, schemars(transform = schema::within(limits::MAX_AGE)))]
    pub(super) max_age: Option<Spanned<Time>>,
    /// Events that are written and not yet acknowledged, over all feeds.
    #[cfg_attr(test, schemars(transform = schema::within(limits::LINES_IN_FLIGHT)))]
    pub(super) max_in_flight: Option<Spanned<u32>>,
}

/// `[sinks.NAME.unix]`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Unix {
    /// The socket, relative to this file.
    pub(super) path: Spanned<PathBuf>,
    /// When an event counts as delivered: when the consumer has said its id, or when the kernel has taken the line.
    #[cfg_attr(test, schemars(extend("default" = "ids")))]
    pub(super) ack: Option<Ack>,
    /// Which of content_html and content_text is sent; both if it is left out.
    pub(super) content: Option<Content>,
    /// One whole attempt: connecting, writing and the acknowledgement.
    #[cfg_attr(test, schemars(transform = schema::within(limits::LINES_TIMEOUT)))]
    pub(super) timeout: Option<Spanned<Time>>,
    /// How long an event is tried before it is kept as a dead letter; "0s" is for ever.
    #[cfg_attr(test, schemars(transform = schema::within(limits::MAX_AGE)))]
    pub(super) max_age: Option<Spanned<Time>>,
    /// Events that are written and not yet acknowledged, over all feeds.
    #[cfg_attr(test, schemars(transform = schema::within(limits::LINES_IN_FLIGHT)))]
    pub(super) max_in_flight: Option<Spanned<u32>>,
}

/// `[sinks.NAME.tcp]`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Tcp {
    /// HOST:PORT.
    #[cfg_attr(test, schemars(pattern(":[0-9]{1,5}$"), extend("examples" = ["127.0.0.1:7000", "[::1]:7000"])))]
    pub(super) address: Spanned<String>,
    /// When an event counts as delivered: when the consumer has said its id, or when the kernel has taken the line.
    #[cfg_attr(test, schemars(extend("default" = "ids")))]
    pub(super) ack: Option<Ack>,
    /// Which of content_html and content_text is sent; both if it is left out.
    pub(super) content: Option<Content>,
    /// One whole attempt: connecting, writing and the acknowledgement.
    #[cfg_attr(test, schemars(transform = schema::within(limits::LINES_TIMEOUT)))]
    pub(super) timeout: Option<Spanned<Time>>,
    /// How long an event is tried before it is kept as a dead letter; "0s" is for ever.
    #[cfg_attr(test, schemars(transform = schema::within(limits::MAX_AGE)))]
    pub(super) max_age: Option<Spanned<Time>>,
    /// Events that are written and not yet acknowledged, over all feeds.
    #[cfg_attr(test, schemars(transform = schema::within(limits::LINES_IN_FLIGHT)))]
    pub(super) max_in_flight: Option<Spanned<u32>>,
}

/// `ack` of exec, unix and tcp
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Ack {
    Ids,
    Written,
}

/// `[sinks.NAME.file]`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct LinesFile {
    /// The file, relative to this one. Its directory must exist.
    pub(super) path: Spanned<PathBuf>,
    /// When a new file is begun. The old one gets the time at the end of its name.
    pub(super) rotate: Option<Spanned<Rotate>>,
    /// Which of content_html and content_text is sent; both if it is left out.
    pub(super) content: Option<Content>,
}

/// `rotate`
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(extend("anyOf" = schema::each_of(&["size", "every"]))))]
#[serde(deny_unknown_fields)]
pub(super) struct Rotate {
    /// Before it is larger than this, which is 4KiB or more.
    #[cfg_attr(test, schemars(extend("examples" = ["100MiB"])))]
    pub(super) size: Option<Spanned<Size>>,
    /// With the first line of a new period of UTC: "1d" is a file a day.
    #[cfg_attr(test, schemars(transform = schema::within(limits::ROTATE_EVERY)))]
    pub(super) every: Option<Spanned<Time>>,
    /// Old files that are kept; all if it is left out.
    #[cfg_attr(test, schemars(transform = schema::within(limits::ROTATE_KEEP)))]
    pub(super) keep: Option<Spanned<u32>>,
}
