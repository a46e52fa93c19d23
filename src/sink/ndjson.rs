//! One JSON document a line, to a consumer at the other end of a connection: what a program and a socket have in common. How a connection
//! comes about is each one's own; there is one at a time, made when a delivery wants it, and given up at the first sign of trouble.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::answers::{Desk, Expected, trouble};
use super::payload;
use crate::domain::delivery::{Delivery, DeliveryError, SinkId};
use crate::domain::event::Event;

/// How long a consumer is heard that does not take any more lines.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What is agreed with a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// When an event counts as delivered.
    pub ack: Ack,
    /// Which of an entry's content is sent.
    pub content: payload::Content,
    /// One whole attempt: connecting, writing, and the acknowledgement.
    pub timeout: Duration,
    /// An event that could not be delivered for this long is buried; `None` never.
    pub max_age: Option<Duration>,
    /// Events that are written and not yet acknowledged, over all lanes.
    pub max_in_flight: usize,
}

/// When an event counts as delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ack {
    /// When the consumer has said its id.
    #[default]
    Ids,
    /// When the kernel has taken the line, which a consumer that dies then never reads.
    Written,
}

/// An event as a line, with its end.
pub(super) fn line(event: &Event, content: payload::Content) -> Vec<u8> {
    let mut line = payload::event(event, content, None);
    line.push(b'\n');
    line
}

/// A consumer, connected or not.
pub(super) struct Lines {
    pub(super) sink: SinkId,
    pub(super) terms: Terms,
    link: Mutex<Option<Arc<Link>>>,
}

impl Lines {
    pub(super) fn new(sink: SinkId, terms: Terms) -> Self {
        Self { sink, terms, link: Mutex::new(None) }
    }

    /// Writes one line, over a connection that `connect` makes if there is none, and waits until it is acknowledged. Not to be cancelled:
    /// half a line may have been written.
    ///
    /// # Errors
    /// By what can be done about it.
    pub(super) async fn deliver(
        &self,
        delivery: &Delivery,
        connect: impl Future<Output = Result<Arc<Link>, String>>,
    ) -> Result<(), DeliveryError> {
        let Terms { ack, content, timeout, .. } = self.terms;
        let (id, deadline) = (&delivery.event.happening.id.0, Instant::now() + timeout);
        let linked = timeout_at(deadline, self.link(connect)).await;
        let link = linked.unwrap_or_else(|_| Err(trouble(format!("no connection within {}", humantime::format_duration(timeout)))))?;
        let coming = match ack {
            Ack::Written => None,
            Ack::Ids => match link.desk.expect(id)? {
                Expected::Known(verdict) => return verdict,
                Expected::Coming(coming) => Some(coming),
            },
        };
        if let Err(e) = link.write(&line(&delivery.event, content), deadline).await {
            drop(coming);
            link.desk.give_up(id, false);
            return Err(e);
        }
        match coming {
            Some(coming) => link.desk.verdict(id, coming, deadline, timeout).await,
            None => Ok(()),
        }
    }

    async fn link(&self, connect: impl Future<Output = Result<Arc<Link>, String>>) -> Result<Arc<Link>, DeliveryError> {
        let mut link = self.link.lock().await;
        if let Some(link) = link.as_ref().filter(|link| link.desk.is_open()) {
            return Ok(link.clone());
        }
        *link = None;
        let fresh = connect.await.map_err(trouble)?;
        Ok(link.insert(fresh).clone())
    }

    /// Ends the connection, if there is one.
    pub(super) async fn close(&self) {
        if let Some(link) = self.link.lock().await.take() {
            link.close(let_go());
        }
    }
}

/// A sink that a reload has replaced lets its consumer go when the last attempt is over.
impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(link) = self.link.get_mut().take() {
            link.close(let_go());
        }
    }
}

fn let_go() -> DeliveryError {
    trouble("the sink was closed")
}

type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// One connection. Whoever made it lets the desk hear what the consumer says, and closes the link when that ends.
pub(super) struct Link {
    pub(super) desk: Desk,
    /// `None` when it is closed.
    writer: Mutex<Option<Writer>>,
}

impl Link {
    pub(super) fn new(sink: SinkId, writer: impl AsyncWrite + Send + Unpin + 'static) -> Arc<Self> {
        Arc::new(Self { desk: Desk::new(sink), writer: Mutex::new(Some(Box::new(writer))) })
    }

    /// Gives the connection up: all that wait fail, and the consumer sees the end of its input.
    pub(super) fn close(&self, why: DeliveryError) {
        self.desk.close(why);
        // Whoever is writing at this moment sees that the desk is closed, and does the same.
        if let Ok(mut writer) = self.writer.try_lock() {
            *writer = None;
        }
    }

    /// One line in one piece. A line that stays half written takes the connection with it.
    async fn write(&self, line: &[u8], deadline: Instant) -> Result<(), DeliveryError> {
        let unread = || trouble("the consumer does not read");
        let mut writer = timeout_at(deadline, self.writer.lock()).await.map_err(|_| unread())?;
        let Some(open) = writer.as_mut().filter(|_| self.desk.is_open()) else { return Err(self.desk.why()) };
        let put = async {
            open.write_all(line).await?;
            open.flush().await
        };
        let why = tokio::select! {
            biased;
            written = timeout_at(deadline, put) => match written {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(e)) => {
                    // A consumer that has just ended: what it said last is heard, and how it ended is told.
                    drop(timeout(LAST_WORDS, self.desk.closed()).await);
                    trouble(format!("cannot write: {e}"))
                }
                Err(_) => unread(),
            },
            () = self.desk.closed() => self.desk.why(),
        };
        *writer = None;
        self.desk.close(why);
        Err(self.desk.why())
    }
}
