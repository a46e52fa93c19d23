//! One conditional GET with a limit on everything. The only room that names the HTTP client on the way in.

mod body;
mod chain;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue as Wire};
use reqwest::{Client, ClientBuilder, Proxy};
use url::Url;

pub use chain::{Chain, Step};

use crate::domain::conditional::Validators;
use crate::domain::failure::PollError;
use crate::domain::feed::Feed;
use crate::http::names::{Guard, Names};
use crate::http::trust::Trust;
use crate::http::{self, address};
use crate::metrics::Counter;
use crate::secret::{HeaderValue, Secret};

/// Feed types first; whatever else is sent is looked at all the same.
const ACCEPT_TYPES: &str = "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, \
     application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, text/html;q=0.2, */*;q=0.1";

/// What holds for every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// One whole poll: every redirect, headers and body.
    pub timeout: Duration,
    /// Bytes of a body after decompression.
    pub max_body: u64,
    /// Requests at once to one host: so many connections are kept for the next ones.
    pub per_host: usize,
    /// A URL that tells webmasters who we are; goes into the User-Agent.
    pub contact: Option<String>,
    /// Networks a feed may live in although they are not public.
    pub allow_private: Vec<IpNet>,
    /// Every request goes there, and names are resolved there: what they lead to is then not ours to check.
    pub proxy: Option<Url>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), max_body: 10 << 20, per_host: 1, contact: None, allow_private: vec![], proxy: None }
    }
}

/// What holds for one feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Instead of our own.
    pub user_agent: Option<String>,
    /// Sent to the feed's origin only.
    pub headers: Vec<(String, HeaderValue)>,
    /// Sent to the feed's origin only.
    pub auth: Option<Auth>,
    /// More networks this feed may live in.
    pub allow_private: Vec<IpNet>,
    /// Whose certificates are believed, wherever redirects lead.
    pub trust: Trust,
}

/// A feed and how to ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The feed.
    pub feed: Feed,
    /// Shared by all feeds that need nothing special.
    pub options: Arc<Options>,
}

/// HTTP authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// RFC 7617.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// RFC 6750.
    Bearer(Secret),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Where.
    pub url: &'a str,
    /// The URL of the configuration: credentials go to its origin.
    pub home: &'a str,
    /// Sent where they came from and nowhere else.
    pub validators: Option<Validators>,
    /// How.
    pub options: &'a Arc<Options>,
    /// Whether the body must not be compressed.
    pub plain: bool,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The document, if there is one.
    pub content: Content,
    /// Of this answer; `url` is where it came from after redirects. To a 304: a missing one leaves the stored one as it is.
    pub validators: Validators,
    /// How long the server says that there is nothing to be had: its freshness, or `Retry-After` on the way, whichever is longer.
    pub not_before: Option<Duration>,
    /// Where it came from, if nothing but permanent redirects led there.
    pub moved: Option<String>,
}

/// What an answer brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// 304.
    NotModified,
    /// 200.
    Body {
        /// Decompressed.
        bytes: Vec<u8>,
        /// `Content-Type`, as sent.
        content_type: Option<String>,
    },
}

/// The HTTP client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built")]
pub struct FetcherError(#[source] reqwest::Error);

/// Makes conditional GETs.
pub struct Fetcher {
    settings: Settings,
    user_agent: String,
    /// One client for each list of allowed networks and believed certificates: guard and verifier are inside of the client, and
    /// connections are not shared between feeds that may go to different places or ask less of them.
    clients: Mutex<HashMap<(Arc<address::Policy>, Trust), Client>>,
    /// Shared by all clients: each filters for itself what is found.
    names: Arc<Names>,
    /// Bytes of bodies, as they came over the wire.
    received: Counter,
}

impl Fetcher {
    /// A fetcher without connections.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(settings: &Settings) -> Result<Self, FetcherError> {
        let about = settings.contact.as_ref().map_or(String::new(), |url| format!("+{url}; "));
        let fetcher = Self {
            user_agent: format!("{} ({about}feeds)", http::USER_AGENT),
            settings: settings.clone(),
            clients: Mutex::default(),
            names: Names::of_the_world(),
            received: Counter::default(),
        };
        fetcher.client(&fetcher.policy(&Options::default()), &Trust::default())?;
        Ok(fetcher)
    }

    /// Counts the bytes of all bodies there.
    #[must_use]
    pub fn counting(self, received: Counter) -> Self {
        Self { received, ..self }
    }

    /// A conditional GET that has not begun: the first [step](Chain::step) asks the first host.
    ///
    /// # Errors
    /// When there is nothing to be asked.
    pub fn begin(&self, ask: Ask<'_>) -> Result<Chain, PollError> {
        Chain::new(self, ask)
    }

    /// One GET, redirects included, in `Settings::timeout` altogether. Cancel safe: dropping the future drops the connection.
    ///
    /// # Errors
    /// [`PollError`], without any secret in it.
    pub async fn fetch(&self, url: &str, options: &Arc<Options>) -> Result<Answer, PollError> {
        let mut chain = self.begin(Ask { url, home: url, validators: None, options, plain: false })?;
        loop {
            match chain.step().await? {
                Step::Answer(answer) => return Ok(answer),
                Step::Turn(next) => chain = *next,
            }
        }
    }

    fn policy(&self, options: &Options) -> Arc<address::Policy> {
        let mut allowed = self.settings.allow_private.clone();
        allowed.extend(&options.allow_private);
        Arc::new(address::Policy::Public(allowed))
    }

    fn client(&self, policy: &Arc<address::Policy>, trust: &Trust) -> Result<Client, FetcherError> {
        let kind = (policy.clone(), trust.clone());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let mut always = HeaderMap::new();
        always.insert(ACCEPT, Wire::from_static(ACCEPT_TYPES));
        always.insert(ACCEPT_ENCODING, Wire::from_static("gzip, br"));
        let builder = http::builder(self.settings.per_host).default_headers(always);
        let builder = match &self.settings.proxy {
            Some(proxy) => builder.proxy(Proxy::all(proxy.clone()).map_err(FetcherError)?),
            None => builder.dns_resolver(Guard { policy: policy.clone(), names: self.names.clone() }),
        };
        let client = trust.apply(builder.user_agent(&self.user_agent)).and_then(ClientBuilder::build).map_err(FetcherError)?;
        clients.insert(kind, client.clone());
        Ok(client)
    }
}
