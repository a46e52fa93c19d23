//! One request and the redirects it leads to, by hand: each hop has its address checked, validators only where they came from, and
//! credentials at the feed's own origin and never again once it was left. (reqwest's own redirects hand them to the second hop abroad.)

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue as Wire, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, LOCATION, USER_AGENT,
};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::{Answer, Ask, Auth, Content, Fetcher, Options, body};
use crate::domain::conditional::Validators;
use crate::domain::failure::PollError;
use crate::domain::schedule::LONGEST_BACKOFF;
use crate::http::{self, Trouble, address::Policy, freshness, retry_after};
use crate::metrics::Counter;
use crate::secret::HeaderValue;

/// Says that a page is there to tell people from programs.
const CHALLENGE: HeaderName = HeaderName::from_static("cf-mitigated");

/// Redirects followed.
const MOST_HOPS: usize = 5;

/// A longer ETag or Last-Modified is taken as absent.
const LONGEST_VALIDATOR: usize = 1024;

/// A request on its way. Each step is one exchange with one host, so that whoever makes it can keep to the limits of every host that it
/// is sent on to.
pub struct Chain {
    client: Client,
    policy: Arc<Policy>,
    proxied: bool,
    options: Arc<Options>,
    validators: Option<Validators>,
    /// The limit for all steps together, and what is left of it: only exchanges count, not what lies between them.
    timeout: Duration,
    left: Duration,
    max_body: u64,
    plain: bool,
    url: Url,
    seen: Vec<Url>,
    /// Whether every hop so far was at the feed's own origin.
    at_home: bool,
    /// Whether every redirect so far was a permanent one that lost no encryption.
    permanent: bool,
    /// The longest `Retry-After` of the redirects.
    stay_away: Option<Duration>,
    received: Counter,
}

/// What a step came to.
pub enum Step {
    /// The end.
    Answer(Answer),
    /// A redirect: the next step asks [`Chain::host`].
    Turn(Box<Chain>),
}

impl Chain {
    pub(super) fn new(fetcher: &Fetcher, ask: Ask<'_>) -> Result<Self, PollError> {
        let policy = fetcher.policy(ask.options);
        let client = fetcher.client(&policy, &ask.options.trust).map_err(|e| PollError::Connect(e.to_string()))?;
        let parsed = |url| Url::parse(url).map_err(|e| PollError::Connect(format!("bad URL: {e}")));
        let (url, home) = (parsed(ask.url)?, parsed(ask.home)?);
        let settings = &fetcher.settings;
        Ok(Self {
            client,
            policy,
            proxied: settings.proxy.is_some(),
            options: ask.options.clone(),
            validators: ask.validators,
            timeout: settings.timeout,
            left: settings.timeout,
            max_body: settings.max_body,
            plain: ask.plain,
            at_home: url.origin() == home.origin(),
            url,
            seen: vec![],
            permanent: true,
            stay_away: None,
            received: fetcher.received.clone(),
        })
    }

    /// Whom the next step asks; empty for a URL without a host, which no step will ask.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// One exchange. Cancel safe: dropping the future drops the connection.
    ///
    /// # Errors
    /// [`PollError`], without any secret in it.
    pub async fn step(mut self) -> Result<Step, PollError> {
        let from = Instant::now();
        let exchanged = tokio::time::timeout(self.left, self.exchange()).await;
        match exchanged.unwrap_or(Err(PollError::Timeout(self.timeout)))? {
            Some(answer) => Ok(Step::Answer(answer)),
            None => {
                self.left = self.left.saturating_sub(from.elapsed());
                Ok(Step::Turn(Box::new(self)))
            }
        }
    }

    /// `None` after a redirect.
    async fn exchange(&mut self) -> Result<Option<Answer>, PollError> {
        self.url.set_fragment(None);
        let conditional = self.validators.as_ref().filter(|v| v.url == self.url.as_str());
        let answer = self.ask(conditional).await?;
        let asked = retry_after::from_headers(answer.headers(), LONGEST_BACKOFF);
        self.stay_away = self.stay_away.max(asked);
        match answer.status() {
            StatusCode::OK => self.receive(answer).await.map(Some),
            StatusCode::NOT_MODIFIED if conditional.is_some() => Ok(Some(self.answer(answer.headers(), Content::NotModified))),
            StatusCode::NOT_MODIFIED => Err(PollError::Broken("304 to a request without validators".into())),
            status @ (StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT) => self.turn(status, answer.headers()).map(|()| None),
            _ if answer.headers().get(CHALLENGE).is_some_and(|value| value == "challenge") => {
                Err(PollError::Blocked { status: answer.status().as_u16(), retry_after: self.stay_away })
            }
            status => Err(PollError::Refused { status: status.as_u16(), retry_after: self.stay_away }),
        }
    }

    async fn ask(&self, conditional: Option<&Validators>) -> Result<Response, PollError> {
        self.policy.check_url(&self.url).map_err(|e| PollError::Forbidden(e.0))?;
        let answer = self.client.get(self.url.clone()).headers(self.headers(conditional)).send().await;
        let answer = answer.map_err(|e| self.explain(e))?;
        match answer.remote_addr().map(|peer: SocketAddr| peer.ip()) {
            Some(peer) if !self.proxied && !self.policy.admits(peer) => Err(PollError::Forbidden(peer.to_string())),
            _ => Ok(answer),
        }
    }

    fn explain(&self, error: reqwest::Error) -> PollError {
        match http::trouble(error) {
            Trouble::Dns(e) => PollError::Dns(e),
            Trouble::Forbidden(e) => PollError::Forbidden(e),
            Trouble::Exhausted => PollError::Exhausted,
            Trouble::Connect(e) => PollError::Connect(e),
            Trouble::Tls(e) => PollError::Tls(e),
            Trouble::Timeout => PollError::Timeout(self.timeout),
            Trouble::Broken(e) => PollError::Lost(e),
        }
    }

    fn headers(&self, conditional: Option<&Validators>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(agent) = self.options.user_agent.as_deref().and_then(|a| Wire::from_str(a).ok()) {
            headers.insert(USER_AGENT, agent);
        }
        let mut put = |name, value: Option<&Vec<u8>>| {
            if let Some(value) = value.and_then(|v| Wire::from_bytes(v).ok()) {
                headers.insert(name, value);
            }
        };
        put(IF_NONE_MATCH, conditional.and_then(|v| v.etag.as_ref()));
        put(IF_MODIFIED_SINCE, conditional.and_then(|v| v.last_modified.as_ref()));
        if self.plain {
            headers.insert(ACCEPT_ENCODING, Wire::from_static("identity"));
        }
        if self.at_home {
            self.put_credentials(&mut headers);
        }
        headers
    }

    fn put_credentials(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.options.headers {
            let text = match value {
                HeaderValue::Plain(text) => text,
                HeaderValue::Secret(secret) => secret.expose(),
            };
            if let (Ok(name), Ok(mut wire)) = (name.parse::<HeaderName>(), Wire::from_str(text)) {
                wire.set_sensitive(true);
                headers.insert(name, wire);
            }
        }
        let authorization = match &self.options.auth {
            Some(Auth::Basic { user, password }) => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", password.expose())))
            }
            Some(Auth::Bearer(token)) => format!("Bearer {}", token.expose()),
            None => return,
        };
        if let Ok(mut wire) = Wire::from_str(&authorization) {
            wire.set_sensitive(true);
            headers.insert(AUTHORIZATION, wire);
        }
    }

    /// Takes the next hop from `Location`.
    fn turn(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), PollError> {
        let bad = |why: &str| PollError::Redirect(format!("{} {why}", status.as_u16()));
        let location = headers.get(LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let mut next = self.url.join(location.ok_or_else(|| bad("without a Location"))?).map_err(|_| bad("to no URL"))?;
        if !matches!(next.scheme(), "http" | "https") {
            return Err(bad(&format!("to a {} URL", next.scheme())));
        }
        if next.set_username("").and(next.set_password(None)).is_err() {
            return Err(bad("to no URL"));
        }
        next.set_fragment(None);
        self.at_home &= next.origin() == self.url.origin();
        let in_the_clear = self.url.scheme() == "https" && next.scheme() == "http";
        self.permanent &= matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT) && !in_the_clear;
        self.seen.push(std::mem::replace(&mut self.url, next));
        if self.seen.contains(&self.url) {
            return Err(bad("in a circle"));
        }
        if self.seen.len() > MOST_HOPS {
            return Err(bad(&format!("after {MOST_HOPS} others")));
        }
        Ok(())
    }

    async fn receive(&self, mut answer: Response) -> Result<Answer, PollError> {
        let headers = std::mem::take(answer.headers_mut());
        let codings = body::codings(&headers)?;
        let compressed = self.read(answer).await?;
        let bytes = body::decode(compressed, codings, self.max_body).await?;
        if bytes.is_empty() {
            return Err(PollError::Broken("an empty body".into()));
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned);
        Ok(self.answer(&headers, Content::Body { bytes, content_type }))
    }

    fn answer(&self, headers: &HeaderMap, content: Content) -> Answer {
        let moved = (self.permanent && !self.seen.is_empty()).then(|| self.url.to_string());
        let not_before = self.stay_away.max(freshness::from_headers(headers));
        Answer { content, validators: self.validators_of(headers), not_before, moved }
    }

    async fn read(&self, mut answer: Response) -> Result<Vec<u8>, PollError> {
        let announced = answer.content_length().unwrap_or(0);
        if announced > self.max_body {
            return Err(PollError::TooLarge(self.max_body));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
        while let Some(chunk) = answer.chunk().await.map_err(|e| self.explain(e))? {
            self.received.add(chunk.len() as u64);
            if (bytes.len() + chunk.len()) as u64 > self.max_body {
                return Err(PollError::TooLarge(self.max_body));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Copied out of the answer: a stored header value would keep the whole read buffer alive.
    fn validators_of(&self, headers: &HeaderMap) -> Validators {
        let copy = |name| {
            let value = headers.get(name).map(|v: &Wire| v.as_bytes().to_vec());
            value.filter(|v| !v.is_empty() && v.len() <= LONGEST_VALIDATOR)
        };
        Validators { etag: copy(ETAG), last_modified: copy(LAST_MODIFIED), url: self.url.as_str().to_owned() }
    }
}
