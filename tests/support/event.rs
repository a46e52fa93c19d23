//! An event as a sink received it.

use serde_json::Value;

/// The JSON of one event, with short ways to the parts that tests look at. A missing part panics with the whole event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event(pub Value);

impl Event {
    /// Reads one.
    pub fn parse(json: &[u8]) -> Self {
        let text = || String::from_utf8_lossy(json).into_owned();
        Self(serde_json::from_slice(json).unwrap_or_else(|e| panic!("not JSON: {e}: {}", text())))
    }

    /// `id`.
    pub fn id(&self) -> &str {
        self.str("/id")
    }

    /// `type`.
    pub fn kind(&self) -> &str {
        self.str("/type")
    }

    /// `data.feed.id`.
    pub fn feed(&self) -> &str {
        self.str("/data/feed/id")
    }

    /// `data.feed.id`, or `-` for an event that is of no feed.
    pub fn lane(&self) -> &str {
        self.0.pointer("/data/feed/id").and_then(Value::as_str).unwrap_or("-")
    }

    /// `data.entry.id`.
    pub fn entry_id(&self) -> &str {
        self.str("/data/entry/id")
    }

    /// `data.entry.title`.
    pub fn title(&self) -> &str {
        self.str("/data/entry/title")
    }

    /// The text at a JSON pointer (RFC 6901).
    pub fn str(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_else(|| panic!("no text at {pointer} of {}", self.0))
    }

    /// The value at a JSON pointer (RFC 6901).
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer} of {}", self.0))
    }
}
