//! Feeds and the consumer in one process of its own, so that their work is not counted with the daemon's.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::documents::document;
use super::wire;

/// Set for the child that serves.
const SERVE: &str = "FEEDWIRE_BENCH_DELIVERY";

/// Entries in the document of a feed that has something new at every poll.
const WINDOW: u64 = 30;

/// What was seen since the last reset.
#[derive(Default, Serialize, Deserialize)]
pub struct Figures {
    /// Events, and how many different ones.
    pub arrived: u64,
    pub different: usize,
    /// Seconds from the first to the last.
    pub drained: f64,
    /// Milliseconds from the answer that had an entry to its event.
    pub latencies: Vec<f64>,
}

/// The running server; it ends with this value, and with the process that holds it.
pub struct Farm {
    child: Child,
    feeds: u16,
    hook: u16,
}

impl Farm {
    /// Starts this very program once more, as the server.
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("own path");
        let child = Command::new(program).env(SERVE, "1").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("server");
        let mut ports = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut ports).expect("ports");
        let mut ports = ports.split_whitespace().map(|port| port.parse().expect("a port"));
        Self { child, feeds: ports.next().expect("port"), hook: ports.next().expect("port") }
    }

    /// Feeds of so many entries, which never change.
    pub fn feeds(&self, entries: u32) -> String {
        format!("http://127.0.0.1:{}/still/{entries}/", self.feeds)
    }

    /// Feeds with a new entry at every request.
    pub fn live(&self) -> String {
        format!("http://127.0.0.1:{}/live/{WINDOW}/", self.feeds)
    }

    /// Where events are taken.
    pub fn hook(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.hook)
    }

    /// The body of the event that came last.
    pub fn body(&self) -> Vec<u8> {
        wire::get(self.feeds, "/body")
    }

    pub fn figures(&self) -> Figures {
        serde_json::from_slice(&wire::get(self.feeds, "/figures")).expect("figures")
    }

    /// Forgets what was seen.
    pub fn reset(&self) {
        wire::get(self.feeds, "/reset");
    }

    /// The consumer is down from now on, and what was seen is forgotten.
    pub fn close(&self) {
        wire::get(self.feeds, "/close");
        self.reset();
    }

    /// The consumer is there again.
    pub fn open(&self) {
        wire::get(self.feeds, "/open");
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Serves until standard input ends, if this is the child; returns at once otherwise.
pub fn serve_if_child() {
    if std::env::var_os(SERVE).is_none() {
        return;
    }
    std::thread::spawn(|| {
        // Whoever holds the other end is gone, however it went.
        drop(std::io::stdin().read_to_end(&mut vec![]));
        std::process::exit(0);
    });
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(serve());
}

#[derive(Default)]
struct Books {
    arrived: u64,
    ids: HashSet<String>,
    span: Option<(Instant, Instant)>,
    body: Bytes,
    /// How many entries each live feed has published, and when the newest were served.
    published: HashMap<u32, u64>,
    served: HashMap<String, Instant>,
    latencies: Vec<f64>,
}

/// What all connections share.
struct Shop {
    books: Mutex<Books>,
    open: watch::Sender<bool>,
}

impl Shop {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("books")
    }
}

async fn serve() {
    let shop: &'static Shop = Box::leak(Box::new(Shop { books: Mutex::default(), open: watch::channel(true).0 }));
    // Bound and never listening: it keeps the port ours while the consumer is down.
    let keeper = bound(0);
    let hook = keeper.local_addr().expect("address").port();
    let feeds = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
    println!("{} {hook}", feeds.local_addr().expect("address").port());
    tokio::join!(serve_feeds(feeds, shop), serve_hook(hook, shop));
}

fn bound(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("socket");
    socket.set_reuseaddr(true).expect("option");
    socket.bind((Ipv4Addr::LOCALHOST, port).into()).expect("bind");
    socket
}

async fn serve_feeds(listener: TcpListener, shop: &'static Shop) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let service = service_fn(move |request| async move { Ok::<_, Infallible>(answer(&request, shop)) });
        let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service);
        tokio::spawn(async { drop(connection.await) });
    }
}

async fn serve_hook(port: u16, shop: &'static Shop) {
    let mut open = shop.open.subscribe();
    loop {
        drop(open.wait_for(|open| *open).await);
        let listener = bound(port).listen(1024).expect("listen");
        loop {
            tokio::select! {
                _ = open.wait_for(|open| !*open) => break,
                accepted = listener.accept() => {
                    let Ok((socket, _)) = accepted else { continue };
                    tokio::spawn(consume(socket, shop));
                }
            }
        }
    }
}

async fn consume(socket: TcpStream, shop: &'static Shop) {
    let mut open = shop.open.subscribe();
    let service = service_fn(move |request| async move { Ok::<_, Infallible>(take(request, shop).await) });
    tokio::select! {
        _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service) => {}
        _ = open.wait_for(|open| !*open) => {}
    }
}

/// What of an event is looked at.
#[derive(Deserialize)]
struct Event {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    entry: Entry,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
}

async fn take(request: Request<Incoming>, shop: &'static Shop) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Response::new(Full::default()) };
    let (now, body) = (Instant::now(), body.to_bytes());
    let id = head.headers.get("webhook-id").and_then(|id| id.to_str().ok()).expect("an id");
    let mut books = shop.books();
    books.arrived += 1;
    books.ids.insert(id.to_owned());
    books.span = Some((books.span.map_or(now, |span| span.0), now));
    if !books.served.is_empty() {
        let event: Event = serde_json::from_slice(&body).expect("an event");
        if let Some(served) = books.served.remove(&event.data.entry.id) {
            books.latencies.push((now - served).as_secs_f64() * 1e3);
        }
    }
    books.body = body;
    Response::builder().status(204).body(Full::default()).expect("204")
}

fn answer(request: &Request<Incoming>, shop: &'static Shop) -> Response<Full<Bytes>> {
    let mut path = request.uri().path().split('/').skip(1);
    let (kind, mut number) = (path.next().unwrap_or_default(), || path.next().and_then(|n| n.parse::<u32>().ok()).unwrap_or(0));
    match kind {
        "still" if request.headers().contains_key(IF_NONE_MATCH) => Response::builder().status(304).body(Full::default()).expect("304"),
        "still" => {
            let (entries, feed) = (number(), number());
            let body = document("still", feed, 0..u64::from(entries));
            let response = Response::builder().header(CONTENT_TYPE, "application/rss+xml").header(ETAG, "\"one\"");
            response.body(Full::new(body.into())).expect("200")
        }
        "live" => {
            let (window, feed) = (u64::from(number()), number());
            let newest = *shop.books().published.entry(feed).and_modify(|n| *n += 1).or_insert(window);
            let body = document("live", feed, newest - window..newest);
            shop.books().served.insert(format!("live-{feed}-{}", newest - 1), Instant::now());
            Response::builder().header(CONTENT_TYPE, "application/rss+xml").body(Full::new(body.into())).expect("200")
        }
        "body" => Response::new(Full::new(shop.books().body.clone())),
        "figures" => Response::new(Full::new(serde_json::to_vec(&figures(&shop.books())).expect("JSON").into())),
        "reset" => {
            let mut books = shop.books();
            *books =
                Books { published: std::mem::take(&mut books.published), served: std::mem::take(&mut books.served), ..Books::default() };
            Response::new(Full::default())
        }
        "close" | "open" => {
            // Nobody listening would be an error of `send`, and is none here.
            shop.open.send_replace(kind == "open");
            Response::new(Full::default())
        }
        other => unreachable!("{other}"),
    }
}

fn figures(books: &Books) -> Figures {
    let drained = books.span.map_or(0.0, |(from, to)| (to - from).as_secs_f64());
    Figures { arrived: books.arrived, different: books.ids.len(), drained, latencies: books.latencies.clone() }
}
