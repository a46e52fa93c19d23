//! The HTTP/1.1 server under [`Origin`](super::Origin) and [`Receiver`](super::Receiver).

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

type Answering = Pin<Box<dyn Future<Output = Response<Script>> + Send>>;
type Handler = Arc<dyn Fn(Request<Bytes>) -> Answering + Send + Sync>;

/// A server that can be taken down and brought up again on the same port. Dropped, it is gone with all its connections.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    handler: Handler,
    running: Mutex<Option<Running>>,
}

struct Running {
    /// Dropped, it ends the task.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on a free port of `ip`. The handler gets each request when its body is complete.
    pub async fn start<F>(ip: Ipv4Addr, handler: impl Fn(Request<Bytes>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Script>> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).await.expect("a free port");
        let address = listener.local_addr().unwrap();
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        let running = Mutex::new(Some(run(listener, Arc::clone(&handler))));
        Self { address, handler, running }
    }

    /// Closes the port and every connection; nothing is handled any more when this returns.
    pub async fn down(&self) {
        let running = self.running.lock().unwrap().take().expect("the server is up");
        drop(running.stop);
        running.task.await.unwrap();
    }

    /// Listens again, on the port of before.
    pub async fn up(&self) {
        let listener = TcpListener::bind(self.address).await.expect("the port of before");
        *self.running.lock().unwrap() = Some(run(listener, Arc::clone(&self.handler)));
    }
}

fn run(listener: TcpListener, handler: Handler) -> Running {
    let (stop, mut stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                accepted = listener.accept() => {
                    let (stream, _) = accepted.unwrap();
                    connections.spawn(serve(stream, Arc::clone(&handler)));
                }
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        connections.shutdown().await;
    });
    Running { stop, task }
}

async fn serve(stream: TcpStream, handler: Handler) {
    let service = service_fn(|request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(handler(Request::from_parts(head, body)).await)
        }
    });
    // A client that hangs up, or a body that breaks off on purpose, ends the connection with an error that is nobody's.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// A body that is sent piece by piece; each piece reaches the socket before the next is looked at. An error closes the connection.
pub struct Script {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    flushing: bool,
}

impl Script {
    /// What `sender` sends, until it is dropped.
    pub fn new() -> (mpsc::Sender<io::Result<Bytes>>, Self) {
        let (sender, pieces) = mpsc::channel(1);
        (sender, Self { pieces, flushing: false })
    }

    /// One piece.
    pub fn whole(body: Bytes) -> Self {
        let (sender, script) = Self::new();
        sender.try_send(Ok(body)).expect("room for one");
        script
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        // One pause after each piece: hyper writes out what it has when the body has nothing more.
        if std::mem::take(&mut self.flushing) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = ready!(self.pieces.poll_recv(context));
        self.flushing = piece.is_some();
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}
