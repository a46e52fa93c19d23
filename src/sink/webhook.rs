//! One request an event: signed as Standard Webhooks says, or a message for a chat service; 2xx acknowledges. URL, secrets and headers are those of the configuration in
//! force at the attempt, so that a mended setting applies to all that waits.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue as Wire, USER_AGENT};
use reqwest::{Client, Method, Response, StatusCode};
use url::Url;

use super::presets::Preset;
use super::template::{Template, TemplateError};
use super::{Scheme, SinkError, payload, signature};
use crate::domain::delivery::{Batch, Delivery, DeliveryError};
use crate::domain::event::EventId;
use crate::domain::retry::LONGEST_RETRY_AFTER;
use crate::domain::time::Timestamp;
use crate::http::address::Policy;
use crate::http::client_cert::ClientCertificate;
use crate::http::names::{Guard, Names};
use crate::http::trust::Trust;
use crate::http::{self, Trouble, retry_after};
use crate::log::harmless;
use crate::metrics::{self, Tally};
use crate::secret::{HeaderValue, Secret};

/// Bytes of a body; what CloudEvents consumers are asked to accept at least.
pub const LARGEST_BODY: usize = 64 * 1024;

/// Bytes of an answer that are read, and characters of those that go into a reason.
const LARGEST_ANSWER: usize = 64 * 1024;
const LONGEST_REASON: usize = 300;

/// What is shorter keeps nobody out, or is a word of a URL; without it answers would be unreadable.
const SHORTEST_SECRET: usize = 4;
const SHORTEST_TOKEN: usize = 12;

/// A configured webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Absolute http or https URL. May hold a token: never logged whole.
    pub url: Secret,
    /// The chat service that it is; `None` takes events as they are.
    pub preset: Option<Preset>,
    /// What is made of an event instead of itself.
    pub template: Option<Template>,
    /// Which of an entry's content is sent.
    pub content: payload::Content,
    /// What the body is called: of an event `application/json` or `application/cloudevents+json`, which is the same body.
    pub content_type: String,
    /// How it is signed.
    pub signature: Scheme,
    /// The first signs as current, the others too (rotation). None: unsigned.
    pub secrets: Vec<Secret>,
    /// Events of one request; `None` sends each for itself.
    pub batch: Option<Batch>,
    /// Whether the event's id is sent as `Idempotency-Key` too (draft-ietf-httpapi-idempotency-key-header-07).
    pub idempotency_key: bool,
    /// Extra headers.
    pub headers: Vec<(String, HeaderValue)>,
    /// `Authorization: Bearer`.
    pub bearer: Option<Secret>,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Shown to a server that asks who we are.
    pub client_cert: Option<ClientCertificate>,
    /// One whole attempt.
    pub timeout: Duration,
    /// An event that could not be delivered for this long is buried; `None` never.
    pub max_age: Option<Duration>,
    /// Attempts at once, over all lanes.
    pub max_in_flight: usize,
}

/// The sink.
pub struct Webhook {
    client: Client,
    url: Url,
    preset: Option<Preset>,
    template: Option<Template>,
    content: payload::Content,
    batch: Option<Batch>,
    idempotency_key: bool,
    keys: Vec<signature::Key>,
    headers: HeaderMap,
    /// How it was answered, by [`crate::metrics::ANSWERS`].
    pub(super) answers: Tally,
    /// What an answer may not repeat into a log.
    veiled: Vec<String>,
}

impl Webhook {
    /// Reads keys and headers, and builds a client.
    ///
    /// # Errors
    /// [`SinkError`], without any secret in it.
    pub fn new(options: &Options) -> Result<Self, SinkError> {
        let url = Url::parse(options.url.expose()).map_err(|e| SinkError::new(format!("bad URL: {e}")))?;
        Policy::NotLinkLocal.check_url(&url).map_err(|e| SinkError::new(e.to_string()))?;
        let keys = options.secrets.iter().map(|secret| signature::Key::parse(secret, options.signature)).collect::<Result<_, _>>();
        Ok(Self {
            client: client(options).map_err(|e| SinkError::new(format!("the HTTP client cannot be built: {e}")))?,
            keys: keys.map_err(|e| SinkError::new(e.to_string()))?,
            headers: headers(options)?,
            preset: options.preset.clone(),
            template: options.template.clone(),
            content: options.content,
            batch: options.batch,
            idempotency_key: options.idempotency_key,
            url,
            answers: Tally::new(&metrics::ANSWERS),
            veiled: veiled(options),
        })
    }

    /// One attempt. Not to be cancelled: an answer that is not waited for is an event sent twice.
    ///
    /// # Errors
    /// By what can be done about it; without any secret in the reason.
    pub async fn deliver(&self, delivery: &Delivery, now: Timestamp) -> Result<(), DeliveryError> {
        // Mended by the operator, not by giving events up.
        let trouble = |e: TemplateError| {
            self.answers.inc("template");
            DeliveryError::Endpoint { reason: format!("the template: {e}"), retry_after: None }
        };
        let (method, url, body) = self.request(delivery).map_err(trouble)?;
        let headers = self.signed(delivery, now, &body);
        let answer = self.client.request(method, url).headers(headers).body(body).send().await;
        match answer {
            Ok(answer) => {
                self.answers.inc(class(answer.status()));
                judge(answer, self.preset.as_ref(), &self.veiled).await
            }
            Err(e) => {
                let trouble = http::trouble(e);
                self.answers.inc(trouble.class());
                Err(DeliveryError::Endpoint { reason: explain(trouble), retry_after: None })
            }
        }
    }

    /// How many events it takes at once.
    #[must_use]
    pub fn batch(&self) -> Batch {
        self.batch.unwrap_or_default()
    }

    fn request(&self, delivery: &Delivery) -> Result<(Method, Url, Vec<u8>), TemplateError> {
        let event = &delivery.event;
        if self.batch.is_some() {
            return Ok((Method::POST, self.url.clone(), payload::batch(delivery.events(), self.content, LARGEST_BODY)));
        }
        if let Some(preset) = &self.preset {
            let method = if preset.puts() { Method::PUT } else { Method::POST };
            return Ok((method, preset.address(&self.url, &event.happening.id), preset.body(event)));
        }
        let body = match &self.template {
            Some(template) => template.render(event, self.content, LARGEST_BODY)?,
            None => payload::event(event, self.content, Some(LARGEST_BODY)),
        };
        Ok((Method::POST, self.url.clone(), body))
    }

    fn signed(&self, delivery: &Delivery, now: Timestamp, body: &[u8]) -> HeaderMap {
        let mut headers = self.headers.clone();
        let id = match self.batch {
            None => delivery.event.happening.id.0.clone(),
            Some(_) => EventId::of_batch(delivery.events().map(|event| &event.happening.id)).0,
        };
        let mut put = |name: &'static str, value: String| {
            if let Ok(value) = Wire::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put("webhook-id", id.clone());
        put("webhook-timestamp", now.unix_seconds().to_string());
        if let Some((name, signatures)) = signature::header(&self.keys, &id, now, body) {
            put(name, signatures);
        }
        if self.idempotency_key {
            put("idempotency-key", format!("\"{id}\""));
        }
        put("feedwire-attempt", delivery.trials.failed.saturating_add(1).to_string());
        if delivery.lane.is_again() {
            put("feedwire-replay", "true".to_owned());
        } else if delivery.lane_seq > 0 {
            put("feedwire-lane-seq", delivery.lane_seq.to_string());
        }
        headers
    }
}

fn client(options: &Options) -> Result<Client, reqwest::Error> {
    let builder = http::builder(options.max_in_flight)
        .dns_resolver(Guard { policy: Arc::new(Policy::NotLinkLocal), names: Names::of_the_system() })
        .user_agent(http::USER_AGENT)
        .timeout(options.timeout);
    let builder = options.trust.apply(builder)?;
    match &options.client_cert {
        Some(certificate) => certificate.apply(builder)?.build(),
        None => builder.build(),
    }
}

fn headers(options: &Options) -> Result<HeaderMap, SinkError> {
    let mut headers = HeaderMap::new();
    let content_type = Wire::from_str(&options.content_type);
    headers.insert(CONTENT_TYPE, content_type.map_err(|_| SinkError::new("content_type cannot be sent".into()))?);
    headers.insert(USER_AGENT, Wire::from_static(http::USER_AGENT));
    for (name, value) in &options.headers {
        let text = match value {
            HeaderValue::Plain(text) => text,
            HeaderValue::Secret(secret) => secret.expose(),
        };
        let bad = || SinkError::new(format!("header {name:?} cannot be sent"));
        headers.insert(name.parse::<HeaderName>().map_err(|_| bad())?, Wire::from_str(text).map_err(|_| bad())?);
    }
    if let Some(token) = &options.bearer {
        let wire = Wire::try_from(format!("Bearer {}", token.expose()));
        headers.insert(AUTHORIZATION, wire.map_err(|_| SinkError::new("the bearer token cannot be sent".into()))?);
    }
    Ok(headers)
}

/// What an answer means.
async fn judge(answer: Response, preset: Option<&Preset>, veiled: &[String]) -> Result<(), DeliveryError> {
    let status = answer.status();
    let asked = retry_after::from_headers(answer.headers(), LONGEST_RETRY_AFTER);
    let body = beginning(answer).await;
    let explained = |reason: &str| explained(reason, &body, veiled);
    if status.is_success() {
        return match preset.and_then(|preset| preset.objection(&body)) {
            None => Ok(()),
            Some(objection) => Err(DeliveryError::Endpoint { reason: explained(objection), retry_after: None }),
        };
    }
    let reason = explained(&format!("the answer was {status}"));
    // Whichever is longer: neither is to be undercut.
    let retry_after = asked.max(preset.and_then(|preset| preset.asks_to_wait(&body)).map(|wait| wait.min(LONGEST_RETRY_AFTER)));
    if preset.is_some_and(|preset| preset.is_gone(status.as_u16())) {
        return Err(DeliveryError::Gone { reason });
    }
    Err(match status {
        StatusCode::GONE => DeliveryError::Gone { reason },
        StatusCode::BAD_REQUEST
        | StatusCode::LENGTH_REQUIRED
        | StatusCode::PRECONDITION_FAILED
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::URI_TOO_LONG
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => DeliveryError::Message { reason },
        StatusCode::TOO_MANY_REQUESTS => DeliveryError::Throttled { reason, retry_after },
        _ => DeliveryError::Endpoint { reason, retry_after },
    })
}

/// The beginning of an answer; one that breaks off has said enough.
async fn beginning(mut answer: Response) -> Vec<u8> {
    let mut body = vec![];
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend(chunk.iter().take(LARGEST_ANSWER - body.len()));
        if body.len() >= LARGEST_ANSWER {
            break;
        }
    }
    body
}

/// The secrets of a webhook, and the parts of its URL that may be some: consumers like to say which token they do not know.
fn veiled(options: &Options) -> Vec<String> {
    let headers = options.headers.iter().filter_map(|(_, value)| match value {
        HeaderValue::Plain(_) => None,
        HeaderValue::Secret(secret) => Some(secret),
    });
    let secrets = options.secrets.iter().chain(&options.bearer).chain(headers).map(|secret| secret.expose().trim());
    let secrets = secrets.map(|secret| secret.trim_start_matches("whsec_")).filter(|secret| secret.len() >= SHORTEST_SECRET);
    let (_, place) = options.url.expose().split_once("://").unwrap_or_default();
    let parts = place.split(['/', ':', '?', '&', '=', '@', '#']).skip(1).filter(|part| part.len() >= SHORTEST_TOKEN);
    let mut all: Vec<_> = secrets.chain(parts).map(str::to_owned).collect();
    // The longest first, or a part of one would leave the rest of it.
    all.sort_by_key(|part| std::cmp::Reverse(part.len()));
    all
}

/// A reason with the beginning of the answer behind it, on one line.
fn explained(reason: &str, body: &[u8], veiled: &[String]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    for secret in veiled {
        text = text.replace(secret.as_str(), "…");
    }
    let line: String = harmless(&text.chars().take(LONGEST_REASON).collect::<String>());
    if line.trim().is_empty() { reason.to_owned() } else { format!("{reason}: {}", line.trim()) }
}

/// One of [`crate::metrics::ANSWERS`].
fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..300 => "2xx",
        300..400 => "3xx",
        410 => "410",
        429 => "429",
        400..500 => "4xx",
        500..600 => "5xx",
        _ => "other",
    }
}

fn explain(trouble: Trouble) -> String {
    match trouble {
        Trouble::Dns(e) => format!("the host name could not be resolved: {e}"),
        Trouble::Forbidden(e) => format!("{e} is not allowed"),
        Trouble::Exhausted => "this process has too many open files".into(),
        Trouble::Connect(e) => format!("no connection: {e}"),
        Trouble::Tls(e) => format!("TLS failed: {e}"),
        Trouble::Timeout => "no answer in time".into(),
        Trouble::Broken(e) => format!("the answer broke off: {e}"),
    }
}
