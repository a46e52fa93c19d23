//! A reader of server-sent events.

use std::collections::HashMap;

use reqwest::Response;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::pages::{client, text};
use super::record::Record;

/// What came over a stream, a message each: its fields by name; a comment is a field without a name.
#[derive(Clone)]
pub struct Follower {
    /// In the order of arrival.
    pub messages: Record<HashMap<String, String>>,
    /// How each stream ended: true in order, false cut off.
    pub ended: Record<bool>,
}

impl Follower {
    /// Of no stream yet.
    pub fn new() -> Self {
        Self { messages: Record::default(), ended: Record::default() }
    }

    /// Opens a stream, and takes what comes until it ends.
    pub async fn open(&self, address: &str, path: &str, last_event_id: Option<String>) -> JoinHandle<()> {
        let mut request = client().get(format!("http://{address}{path}"));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let answer = request.send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!((answer.status().as_u16(), header("x-content-type-options")), (200, "nosniff".into()));
        assert_eq!(header("content-type"), "text/event-stream; charset=utf-8");
        let follower = self.clone();
        tokio::spawn(follower.take(answer))
    }

    async fn take(self, mut answer: Response) {
        let mut rest = Vec::new();
        let ended = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => rest.extend(chunk),
                Ok(None) => break true,
                Err(_) => break false,
            }
            // What is cut off in the middle counts for nothing.
            while let Some(end) = memchr::memmem::find(&rest, b"\n\n") {
                let message = String::from_utf8(rest.drain(..end + 2).collect()).unwrap();
                let fields = message.trim_end().lines().map(|line| line.split_once(':').unwrap());
                self.messages.push(fields.map(|(name, value)| (name.to_owned(), value.trim_start().to_owned())).collect());
            }
        };
        self.ended.push(ended);
    }

    /// The events so far; each has the id and the name that it says it has.
    pub fn events(&self) -> Vec<Value> {
        let event = |message: &HashMap<String, String>| {
            let event: Value = serde_json::from_str(message.get("data")?).unwrap();
            assert_eq!((text(&event, "/sequence"), text(&event, "/type")), (message["id"].as_str(), message["event"].as_str()));
            Some(event)
        };
        self.messages.all().iter().filter_map(event).collect()
    }

    /// Waits for `n` events.
    pub async fn has(&self, n: usize) {
        let count = move |all: &[HashMap<String, String>]| all.iter().filter(|message| message.contains_key("data")).count() >= n;
        self.messages.until(format!("{n} events on the stream"), move |all| count(all).then_some(())).await;
    }
}
