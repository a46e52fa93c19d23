//! Chat services: a message for people instead of the event. Each has a file for its own form; what they share is what is said
//! (`message`), how it is cut to the service's limits, counted as the service counts (`shorten`), and what an answer means.
//! Nobody is mentioned, whatever a feed writes.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::{Rate, payload};
use crate::domain::event::{Event, EventId};
use message::Message;

mod discord;
mod matrix;
mod mattermost;
mod message;
mod ntfy;
mod shorten;
mod slack;
mod teams;
mod telegram;

/// A chat service, with what it must know beside the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A Discord webhook.
    Discord {
        /// The name it writes under, instead of the webhook's own.
        username: Option<String>,
        /// The thread it writes to.
        thread_id: Option<String>,
    },
    /// A Slack incoming webhook.
    Slack,
    /// A Telegram bot.
    Telegram {
        /// The chat's number, or `@name` of a channel.
        chat_id: String,
        /// The topic of a group, by its number.
        thread_id: Option<String>,
    },
    /// A Matrix room.
    Matrix {
        /// Its id, `!…`.
        room: String,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// Its name.
        topic: String,
    },
    /// A Mattermost incoming webhook.
    Mattermost {
        /// The name it writes under, instead of the webhook's own.
        username: Option<String>,
        /// The channel it writes to, instead of the webhook's own.
        channel: Option<String>,
    },
    /// A Workflows webhook of Microsoft Teams.
    Teams,
}

impl Preset {
    /// As the configuration names it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Discord { .. } => "discord",
            Self::Slack => "slack",
            Self::Telegram { .. } => "telegram",
            Self::Matrix { .. } => "matrix",
            Self::Ntfy { .. } => "ntfy",
            Self::Mattermost { .. } => "mattermost",
            Self::Teams => "teams",
        }
    }

    /// How fast it may be fed unless the sink says otherwise: a little under what the service allows.
    #[must_use]
    pub fn rate(&self) -> Rate {
        let (millis, burst) = match self {
            Self::Discord { .. } => (2_400, 5),
            Self::Slack => (1_000, 5),
            // Chats of two have positive numbers; groups and channels may have 20 messages a minute.
            Self::Telegram { chat_id, .. } if chat_id.starts_with(|c: char| c.is_ascii_digit()) => (1_000, 1),
            Self::Telegram { .. } => (3_334, 2),
            Self::Matrix { .. } | Self::Teams => (500, 2),
            Self::Ntfy { .. } => (5_000, 30),
            Self::Mattermost { .. } => (200, 5),
        };
        Rate { per: Duration::from_millis(millis), burst }
    }

    /// Whether the request puts, rather than posts.
    #[must_use]
    pub(super) fn puts(&self) -> bool {
        matches!(self, Self::Matrix { .. })
    }

    /// Where the request goes.
    #[must_use]
    pub(super) fn address(&self, base: &Url, id: &EventId) -> Url {
        match self {
            Self::Discord { thread_id, .. } => discord::address(base, thread_id.as_deref()),
            Self::Telegram { .. } => telegram::address(base),
            Self::Matrix { room } => matrix::address(base, room, id),
            Self::Slack | Self::Ntfy { .. } | Self::Mattermost { .. } | Self::Teams => base.clone(),
        }
    }

    /// The body: JSON within the service's limits. The same event is the same bytes.
    #[must_use]
    pub(super) fn body(&self, event: &Event) -> Vec<u8> {
        let message = Message::of(event);
        payload::line(&match self {
            Self::Discord { username, .. } => discord::body(&message, username.as_deref()),
            Self::Slack => slack::body(&message),
            Self::Telegram { chat_id, thread_id } => telegram::body(&message, chat_id, thread_id.as_deref()),
            Self::Matrix { .. } => matrix::body(&message),
            Self::Ntfy { topic } => ntfy::body(&message, topic),
            Self::Mattermost { username, channel } => mattermost::body(&message, username.as_deref(), channel.as_deref()),
            Self::Teams => teams::body(&message),
        })
    }

    /// Whether this status means that the webhook is gone for good. Discord bans who goes on asking for one that is.
    #[must_use]
    pub(super) fn is_gone(&self, status: u16) -> bool {
        status == 404 && matches!(self, Self::Discord { .. } | Self::Slack)
    }

    /// What is wrong with the body of a 2xx, if anything is.
    #[must_use]
    pub(super) fn objection(&self, body: &[u8]) -> Option<&'static str> {
        let confirmed = |answer: Value| answer.get("ok") == Some(&Value::Bool(true));
        let doubted = matches!(self, Self::Telegram { .. }) && !serde_json::from_slice(body).is_ok_and(confirmed);
        doubted.then_some("the answer does not say \"ok\": true")
    }

    /// How long the body of a refusal asks us to stay away.
    #[must_use]
    pub(super) fn asks_to_wait(&self, body: &[u8]) -> Option<Duration> {
        let (pointer, unit) = match self {
            Self::Discord { .. } => ("/retry_after", 1.0),
            Self::Telegram { .. } => ("/parameters/retry_after", 1.0),
            Self::Matrix { .. } => ("/retry_after_ms", 0.001),
            Self::Slack | Self::Ntfy { .. } | Self::Mattermost { .. } | Self::Teams => return None,
        };
        let answer: Value = serde_json::from_slice(body).ok()?;
        Duration::try_from_secs_f64(answer.pointer(pointer)?.as_f64()? * unit).ok()
    }
}

/// Adds what there is to an object.
fn put<const N: usize>(object: &mut Value, parts: [(&str, Option<Value>); N]) {
    let Some(object) = object.as_object_mut() else { return };
    object.extend(parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
}

#[cfg(test)]
mod tests;
