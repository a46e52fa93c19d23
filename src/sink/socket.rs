//! Lines over a unix or TCP connection to a consumer that listens. TCP is neither encrypted nor signed: for one's own machine and network.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::SinkError;
use super::answers::{self, trouble};
use super::ndjson::{Lines, Link, Terms};
use crate::domain::delivery::{Delivery, DeliveryError, SinkId};
use crate::http::address::{Forbidden, Policy};
use crate::http::names::{Guard, Names};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// A configured socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the consumer listens.
    pub address: Address,
    /// What is agreed with it.
    pub terms: Terms,
}

/// Where a consumer listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The path of a unix socket.
    Unix(PathBuf),
    /// A name or an address, and a port.
    Tcp {
        /// Without brackets.
        host: String,
        /// Never 0.
        port: u16,
    },
}

impl Address {
    /// Whether it may be connected to. What a name leads to is looked at when it is asked for.
    pub(super) fn check(&self) -> Result<(), SinkError> {
        match self {
            Self::Tcp { host, .. } if host.parse::<IpAddr>().is_ok_and(|literal| !Policy::NotLinkLocal.admits(literal)) => {
                Err(SinkError::new(Forbidden(host.clone()).to_string()))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix {}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp [{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp {host}:{port}"),
        }
    }
}

/// The sink.
pub struct Socket {
    address: Address,
    guard: Guard,
    pub(super) lines: Lines,
}

impl Socket {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`SinkError`] for an address that may not be connected to.
    pub fn new(sink: SinkId, options: Options) -> Result<Self, SinkError> {
        options.address.check()?;
        let guard = Guard { policy: Arc::new(Policy::NotLinkLocal), names: Names::of_the_system() };
        Ok(Self { address: options.address, guard, lines: Lines::new(sink, options.terms) })
    }

    /// Writes one line and waits until it is acknowledged. Not to be cancelled.
    ///
    /// # Errors
    /// By what can be done about it.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        self.lines.deliver(delivery, self.connect()).await
    }

    /// Ends the connection.
    pub async fn close(&self) {
        self.lines.close().await;
    }

    async fn connect(&self) -> Result<Arc<Link>, String> {
        let failed = |e: &dyn fmt::Display| format!("no connection to {}: {e}", self.address);
        let connected = timeout(CONNECT, async {
            match &self.address {
                Address::Unix(path) => {
                    let (reader, writer) = UnixStream::connect(path).await.map_err(|e| failed(&e))?.into_split();
                    Ok(self.tie(reader, writer))
                }
                Address::Tcp { host, port } => {
                    let addresses = self.addresses(host, *port).await.map_err(|e| failed(&e))?;
                    let stream = TcpStream::connect(&*addresses).await.map_err(|e| failed(&e))?;
                    // A line is whole: there is nothing to wait for. It is only slower if that cannot be had.
                    stream.set_nodelay(true).unwrap_or_default();
                    let (reader, writer) = stream.into_split();
                    Ok(self.tie(reader, writer))
                }
            }
        });
        connected.await.unwrap_or_else(|_| Err(failed(&"no answer in time")))
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(literal, port)]);
        }
        let found = self.guard.addresses(host, Instant::now()).await.map_err(|e| e.to_string())?;
        Ok(found.into_iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
    }

    /// What the consumer says is heard until it closes its side.
    fn tie(&self, reader: impl AsyncRead + Send + Unpin + 'static, writer: impl AsyncWrite + Send + Unpin + 'static) -> Arc<Link> {
        let link = Link::new(self.lines.sink.clone(), writer);
        let heard = link.clone();
        tokio::spawn(async move {
            let why = match answers::listen(&heard.desk, reader).await {
                Ok(()) => "the consumer closed the connection".into(),
                Err(e) => format!("the connection broke: {e}"),
            };
            heard.close(trouble(why));
        });
        link
    }
}
