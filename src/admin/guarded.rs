//! What every connection is held to: a client that takes nothing for too long is dropped, and on TCP a page is only for those who call this
//! server by a name of its own.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A listener whose connections do not wait for ever for clients that have stopped reading.
pub(super) struct Patient<L> {
    pub(super) listener: L,
    pub(super) patience: Duration,
}

impl<L: Listener> Listener for Patient<L> {
    type Io = Watched<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (io, address) = self.listener.accept().await;
        (Watched { io, patience: self.patience, stuck: None }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that fails when not a byte can be written for `patience`.
pub(super) struct Watched<Io> {
    io: Io,
    patience: Duration,
    /// Runs out when it has been stuck for too long.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<Io> Watched<Io> {
    fn judge<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stuck = None;
            return polled;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Watched<Io> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Watched<Io> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        self.judge(polled, context)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(context, bytes);
        self.judge(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Refuses requests for a host that this server is not. A page of the web whose name has been made to lead here is one in the eyes of the
/// browser that shows it; here it is a stranger (DNS rebinding).
pub(super) async fn own_name(hosts: &[String], request: Request, next: Next) -> Response {
    if is_ours(request.headers(), hosts) {
        return next.run(request).await;
    }
    let words = "this server is asked by address, as localhost, or by a name in `hosts` of [admin]\n";
    (StatusCode::MISDIRECTED_REQUEST, words).into_response()
}

/// Whether `Host` (RFC 9110, section 7.2) is an address, this machine by its own word, or a name of the configuration. Browsers always send it.
fn is_ours(headers: &HeaderMap, hosts: &[String]) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let name = host.to_str().map(|host| without_port(host).trim_end_matches('.').to_ascii_lowercase()).unwrap_or_default();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || hosts.iter().any(|host| host.eq_ignore_ascii_case(&name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[test]
    fn strangers_are_told_from_our_own() {
        let hosts = ["feeds.example.org".to_owned()];
        let ours = |host: &str| is_ours(&HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]), &hosts);
        for host in [
            "127.0.0.1:7744",
            "10.0.0.7",
            "[::1]:7744",
            "[::1]",
            "::1",
            "localhost:1",
            "LOCALHOST",
            "a.localhost",
            "localhost.",
            "Feeds.example.org:443",
        ] {
            assert!(ours(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:7744",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            "notlocalhost",
            "feeds.example.orgx",
        ] {
            assert!(!ours(host), "{host}");
        }
        assert!(is_ours(&HeaderMap::new(), &hosts));
    }

    #[tokio::test]
    async fn a_client_that_has_stopped_reading_is_dropped() {
        let (io, mut client) = tokio::io::duplex(8);
        let mut watched = Watched { io, patience: Duration::from_millis(50), stuck: None };
        watched.write_all(b"12345678").await.unwrap();
        assert_eq!(watched.write_all(b"abcd").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // What is taken begins the time anew.
        tokio::io::AsyncReadExt::read_exact(&mut client, &mut [0; 4]).await.unwrap();
        watched.write_all(b"abcd").await.unwrap();
        assert!(watched.stuck.is_none());
    }
}
