//! Why a poll brought no document.

use std::time::Duration;

/// Why a poll brought no document. Data for the plan, never a reason to stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PollError {
    /// The name could not be resolved.
    #[error("the host name could not be resolved: {0}")]
    Dns(String),
    /// This process may open no more files: nobody's fault but ours.
    #[error("this process has too many open files; let it have more (LimitNOFILE=, ulimit -n)")]
    Exhausted,
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// The certificate or the handshake was refused.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// It took longer than `timeout`.
    #[error("no complete answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// The connection broke off before the answer was whole.
    #[error("the connection broke off: {0}")]
    Lost(String),
    /// The answer is none that can be used: it ended early, or says what makes no sense.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// The address is private and not allowed.
    #[error("{0} is not a public address; allow_private can permit it")]
    Forbidden(String),
    /// A redirect that cannot be followed.
    #[error("bad redirect: {0}")]
    Redirect(String),
    /// A status that brings no document.
    #[error("the server answered {status}")]
    Refused {
        /// The HTTP status code.
        status: u16,
        /// How long the server asked us to stay away.
        retry_after: Option<Duration>,
    },
    /// A page that is to tell people from programs, and lets only people pass.
    #[error("the server lets no programs in: it answered {status} with a challenge for people")]
    Blocked {
        /// The HTTP status code.
        status: u16,
        /// How long the server asked us to stay away.
        retry_after: Option<Duration>,
    },
    /// What the server calls compressed cannot be decompressed.
    #[error("the body cannot be decompressed: {0}")]
    Undecodable(String),
    /// More than `max_body` bytes.
    #[error("the document is larger than {0} bytes")]
    TooLarge(u64),
    /// Not a feed, or one that cannot be read.
    #[error("not a readable feed: {0}")]
    Malformed(String),
}

impl PollError {
    /// A word for the kind of failure, for programs.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Dns(_) => "dns",
            Self::Exhausted => "exhausted",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout(_) => "timeout",
            Self::Lost(_) => "lost",
            Self::Broken(_) => "broken",
            Self::Forbidden(_) => "forbidden",
            Self::Redirect(_) => "redirect",
            Self::Refused { .. } => "status",
            Self::Blocked { .. } => "blocked",
            Self::Undecodable(_) => "coding",
            Self::TooLarge(_) => "too-large",
            Self::Malformed(_) => "not-a-feed",
        }
    }

    /// Whether nothing whole came back from the host: then the network may be to blame.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Dns(_) | Self::Connect(_) | Self::Timeout(_) | Self::Lost(_))
    }

    /// How long the server asked us to stay away.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } | Self::Blocked { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
