//! `[sinks.*.webhook]`: where events are sent, and in which form.

use url::Url;

use super::limits;
use super::lines::content;
use super::problem::Problem;
use super::reading::{File, Reading};
use super::value::{Name, Source, Spanned, web_url};
use super::written::{self, Preset, Signature};
use crate::domain::delivery::Batch;
use crate::domain::event::EventKind;
use crate::secret::Secret;
use crate::sink::{self, Scheme, presets, webhook};

/// One event, and a batch of them (CloudEvents HTTP binding, 3.2 and 3.3).
const CLOUDEVENT: &str = "application/cloudevents+json";
const CLOUDEVENTS: &str = "application/cloudevents-batch+json";

/// A key, what is written for it, and the presets that have it.
type Key<'w> = (&'static str, &'w Option<Spanned<Name>>, &'static [Preset]);

impl Reading<'_> {
    pub(super) fn webhook(&mut self, file: &File<'_>, name: &str, w: written::Webhook, events: &[EventKind]) -> webhook::Options {
        let timeout = self.time(file, w.timeout.as_ref(), &limits::TIMEOUT);
        let max_age = self.time(file, w.max_age.as_ref(), &limits::MAX_AGE);
        if let Some(written) = w.max_age.as_ref().filter(|_| !max_age.is_zero() && max_age < timeout) {
            self.problems.push(file.at(written.span(), "max_age is shorter than one attempt may take (timeout); \"0s\" is for ever"));
        }
        let max_in_flight = self.number(file, w.max_in_flight.as_ref(), &limits::WEBHOOK_IN_FLIGHT);
        let signature = self.signature(file, w.signature.as_ref(), &w.secrets);
        let secrets = self.signing_secrets(file, &w.secrets, signature);
        let preset = self.preset(file, &w);
        let content = content(w.content);
        let batch = self.batch(file, &w);
        let mut content_type = self.content_type(file, w.content_type.as_ref(), w.template.is_some());
        if batch.is_some() && content_type == CLOUDEVENT {
            CLOUDEVENTS.clone_into(&mut content_type);
        }
        let template = w.template.as_ref().and_then(|written| self.template(file, written, events, content, &content_type));
        let url = self.url(file, &w.url, w.preset.as_ref().map(|p| *p.get_ref()));
        let (trust, client_cert) = self.identification(file, &w, url.as_ref());
        let options = webhook::Options {
            // Whatever stands in for what has been complained about is never used.
            url: Secret::new(url.as_ref().map(Url::to_string).unwrap_or_default()),
            preset,
            template,
            content,
            content_type,
            signature,
            secrets,
            batch,
            idempotency_key: w.idempotency_key,
            headers: self.headers(file, w.headers),
            bearer: w.bearer.and_then(|bearer| self.secret(file, &bearer)),
            trust,
            client_cert,
            timeout,
            max_age: (!max_age.is_zero()).then_some(max_age),
            max_in_flight,
        };
        self.warn_of_plain_http(name, url.as_ref(), !matches!(w.url.get_ref(), Source::Literal(_)), &options);
        options
    }

    fn batch(&mut self, file: &File<'_>, w: &written::Webhook) -> Option<Batch> {
        let written = w.batch.as_ref()?;
        let (max, wait) = (written.get_ref().max, written.get_ref().wait.map_or(limits::BATCH_WAIT.default, |wait| wait.0));
        if !limits::BATCH.contains(max) || !limits::BATCH_WAIT.bounds.contains(wait) {
            self.problems.push(
                file.at(written.span(), "a batch is 2 to 100 events (max), the first of which waits (wait) up to 10 minutes for others"),
            );
        }
        if w.preset.is_some() || w.template.is_some() {
            self.problems.push(
                file.at(written.span(), "a batch is an array of events as they are; a preset or a template makes one message of one"),
            );
        }
        Some(Batch { max, wait })
    }

    fn signature(&mut self, file: &File<'_>, written: Option<&Spanned<Signature>>, secrets: &[Spanned<Source>]) -> Scheme {
        let Some(signature) = written else { return Scheme::default() };
        let wrong = match (signature.get_ref(), secrets) {
            (Signature::None, [_, ..]) => Some("there are secrets, but they are not to sign; leave one of both out"),
            (Signature::None, []) | (_, [_]) => None,
            (_, []) => Some("there is nothing to sign with; add secrets = [{ credential = \"NAME\" }]"),
            (Signature::GitHub, [_, _, ..]) => Some("this header has one signature; keep one secret"),
            _ => None,
        };
        self.problems.extend(wrong.map(|wrong| file.at(signature.span(), wrong)));
        match signature.get_ref() {
            Signature::V1 | Signature::None => Scheme::V1,
            Signature::V1a => Scheme::V1a,
            Signature::Both => Scheme::Both,
            Signature::GitHub => Scheme::GitHub,
        }
    }

    fn signing_secrets(&mut self, file: &File<'_>, written: &[Spanned<Source>], scheme: Scheme) -> Vec<Secret> {
        let prefix = if scheme == Scheme::V1a { "whsk_" } else { "whsec_" };
        let mut secrets = vec![];
        for source in written {
            let Some(secret) = self.secret(file, source) else { continue };
            if let Err(e) = sink::check_secret(&secret, scheme) {
                let message = format!("{e}; make one with: echo \"{prefix}$(head -c 32 /dev/urandom | base64)\"");
                self.problems.push(Problem::at_secret(file.path, file.text, source.span(), message));
            }
            secrets.push(secret);
        }
        secrets
    }

    /// A URL in the file, or one that is a secret: whoever has that of a chat service's webhook can write there.
    fn url(&mut self, file: &File<'_>, written: &Spanned<Source>, preset: Option<Preset>) -> Option<Url> {
        let is_secret = preset.is_some_and(|preset| !matches!(preset, Preset::Matrix | Preset::Ntfy));
        match written.get_ref() {
            Source::Literal(_) if is_secret => {
                let message = "whoever has this URL can write there: it is a secret, and belongs into { credential = \"NAME\" }, \
                               { file = \"PATH\" } or { env = \"NAME\" }";
                self.problems.push(Problem::at_secret(file.path, file.text, written.span(), message));
                None
            }
            Source::Literal(text) => web_url(text).map_err(|e| self.problems.push(file.at(written.span(), e))).ok(),
            _ => {
                let secret = self.secret(file, written)?;
                let url = web_url(secret.expose());
                url.map_err(|e| self.problems.push(Problem::at_secret(file.path, file.text, written.span(), e))).ok()
            }
        }
    }

    /// The preset with its keys; a key that is missing, or that belongs to another, is complained about.
    fn preset(&mut self, file: &File<'_>, w: &written::Webhook) -> Option<presets::Preset> {
        let chosen = w.preset.as_ref().map(|preset| *preset.get_ref());
        let keys: [Key<'_>; 6] = [
            ("chat_id", &w.chat_id, &[Preset::Telegram]),
            ("thread_id", &w.thread_id, &[Preset::Discord, Preset::Telegram]),
            ("room", &w.room, &[Preset::Matrix]),
            ("topic", &w.topic, &[Preset::Ntfy]),
            ("channel", &w.channel, &[Preset::Mattermost]),
            ("username", &w.username, &[Preset::Discord, Preset::Mattermost]),
        ];
        for (name, written, owners) in keys {
            if let Some(written) = written.as_ref().filter(|_| chosen.is_none_or(|chosen| !owners.contains(&chosen))) {
                let owners: Vec<_> = owners.iter().map(|owner| format!("preset = \"{}\"", format!("{owner:?}").to_lowercase())).collect();
                self.problems.push(file.at(written.span(), format!("{name} is for {}", owners.join(" and "))));
            }
        }
        let chosen = w.preset.as_ref()?;
        if let Some(written) = &w.content_type {
            self.problems.push(file.at(written.span(), "a preset has the content type that its service takes; leave this out"));
        }
        if let Some(written) = &w.template {
            self.problems.push(file.at(written.span(), "a preset is a form of its own; keep one of preset and template"));
        }
        if let Some(secret) = w.secrets.first() {
            let message = "a chat service verifies no signature; leave secrets out";
            self.problems.push(Problem::at_secret(file.path, file.text, secret.span(), message));
        }
        let text = |name: &Option<Spanned<Name>>| name.as_ref().map(|name| name.get_ref().0.clone());
        let mut needed = |key: &str, name: &Option<Spanned<Name>>, like: &str| {
            if name.is_none() {
                self.problems.push(file.at(chosen.span(), format!("this preset needs {key}, such as {key} = {like}")));
            }
            text(name)
        };
        Some(match chosen.get_ref() {
            Preset::Discord => presets::Preset::Discord { username: text(&w.username), thread_id: text(&w.thread_id) },
            Preset::Slack => presets::Preset::Slack,
            Preset::Telegram => {
                let chat_id = needed("chat_id", &w.chat_id, "-1001234567890")?;
                presets::Preset::Telegram { chat_id, thread_id: text(&w.thread_id) }
            }
            Preset::Matrix => {
                if w.bearer.is_none() {
                    let message = "this preset needs the access token of its account, such as bearer = { credential = \"matrix\" }";
                    self.problems.push(file.at(chosen.span(), message));
                }
                presets::Preset::Matrix { room: self.room(file, chosen, w.room.as_ref())? }
            }
            Preset::Ntfy => presets::Preset::Ntfy { topic: needed("topic", &w.topic, "\"my-news\"")? },
            Preset::Mattermost => presets::Preset::Mattermost { username: text(&w.username), channel: text(&w.channel) },
            Preset::Teams => presets::Preset::Teams,
        })
    }

    fn room(&mut self, file: &File<'_>, preset: &Spanned<Preset>, written: Option<&Spanned<Name>>) -> Option<String> {
        let wanted = "room, the id of a room (not an alias), such as room = \"!abcdef:example.org\"";
        match written {
            Some(name) if name.get_ref().0.starts_with('!') => return Some(name.get_ref().0.clone()),
            Some(name) => self.problems.push(file.at(name.span(), format!("this is no {wanted}"))),
            None => self.problems.push(file.at(preset.span(), format!("this preset needs {wanted}"))),
        }
        None
    }
}
