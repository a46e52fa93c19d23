//! One JSON document a line on standard output. A line that was written and flushed is acknowledged; or, if the consumer says which it has
//! on our standard input, a line whose id it has said.

use std::io::{ErrorKind, Read, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::answers::{Cutter, Desk, Expected, trouble};
use super::{ndjson, payload};
use crate::domain::delivery::{Delivery, DeliveryError, SinkId};
use crate::domain::event::Event;
use crate::log::harmless;

/// How it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// For people: time, feed, title and link instead of JSON (`feedwire tail` on a terminal).
    pub readable: bool,
    /// Which of an entry's content is sent.
    pub content: payload::Content,
    /// How long after a line its id has to come in on standard input; `None` when a line that was written is acknowledged.
    pub ack: Option<Duration>,
}

/// The sink.
#[derive(Debug)]
pub struct Stdout {
    sink: SinkId,
    options: Options,
}

/// There is one standard input, whatever a reload changes.
static INPUT: OnceLock<Arc<Desk>> = OnceLock::new();

impl Stdout {
    /// Nothing can go wrong before the first line.
    #[must_use]
    pub fn new(sink: SinkId, options: Options) -> Self {
        Self { sink, options }
    }

    /// Writes one line. Not to be cancelled: a line may have been written and not acknowledged.
    ///
    /// # Errors
    /// [`DeliveryError::Closed`] when nobody reads, or says anything, any more.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let Some(wait) = self.options.ack else { return self.write(&delivery.event).await };
        let (desk, id) = (INPUT.get_or_init(|| listen(&self.sink)), &delivery.event.happening.id.0);
        let coming = match desk.expect(id)? {
            Expected::Known(verdict) => return verdict,
            Expected::Coming(coming) => coming,
        };
        if let Err(e) = self.write(&delivery.event).await {
            drop(coming);
            desk.give_up(id, false);
            return Err(e);
        }
        desk.verdict(id, coming, Instant::now() + wait, wait).await
    }

    /// Waits as long as it takes: what is half written cannot be taken back.
    async fn write(&self, event: &Event) -> Result<(), DeliveryError> {
        let line = if self.options.readable { (readable(event) + "\n").into_bytes() } else { ndjson::line(event, self.options.content) };
        let written = tokio::task::spawn_blocking(move || write_line(&line)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) if e.kind() == ErrorKind::BrokenPipe => Err(DeliveryError::Closed),
            Ok(Err(e)) => Err(trouble(format!("standard output: {e}"))),
            Err(e) => Err(trouble(format!("standard output: {e}"))),
        }
    }
}

/// Hears what comes in, on a thread that the end of the process does not wait for.
fn listen(sink: &SinkId) -> Arc<Desk> {
    let desk = Arc::new(Desk::new(sink.clone()));
    let heard = desk.clone();
    let thread = std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let (mut cutter, mut buffer, mut input) = (Cutter::default(), [0; 4096], std::io::stdin().lock());
        loop {
            let read = match input.read(&mut buffer) {
                Ok(read) => read,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                // What cannot be read has ended.
                Err(_) => 0,
            };
            cutter.cut(buffer.get(..read).unwrap_or_default(), |line| heard.hear(line));
            if read == 0 {
                return heard.close(DeliveryError::Closed);
            }
        }
    });
    if let Err(e) = thread {
        desk.close(trouble(format!("no thread for standard input: {e}")));
    }
    desk
}

/// One write, so that no other line can come between, and a flush.
fn write_line(line: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(line)?;
    out.flush()
}

/// Time, feed, title and link on one line.
fn readable(event: &Event) -> String {
    let scene = &event.scene;
    let Some(entry) = event.happening.entry() else {
        return [&scene.time.to_string(), &*scene.feed.0, event.happening.kind.as_str()].map(harmless).join("  ");
    };
    let when = entry.published.map_or_else(|| scene.time.to_string(), |published| published.to_string());
    let parts = [when.as_str(), &scene.feed.0, entry.title.as_deref().unwrap_or("(no title)"), entry.url.as_deref().unwrap_or_default()];
    parts.map(harmless).join("  ")
}
