//! All hosts in one process of its own, so that its work is not counted with the daemon's: one port on every loopback address, and a
//! second one for the events and for us.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::books::{Books, Figures};
use super::documents::{Kind, Publisher};
use super::wire;

/// Set for the child that serves.
const SERVE: &str = "FEEDWIRE_BENCH_SCALE";

/// How long an answer takes, so that requests overlap.
const DELAY: Duration = Duration::from_millis(20);

/// The validator of every document that has one.
const TAG: &str = "\"one\"";

/// The running server; it ends with this value, and with the process that holds it.
pub struct Farm {
    child: Child,
    feeds: u16,
    control: u16,
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
        Self { child, feeds: ports.next().expect("port"), control: ports.next().expect("port") }
    }

    /// The URL of a feed at one of so many hosts, each a loopback address. Feeds of one host are neighbours in the configuration, and so
    /// due one right after the other: that is when the limits of a host are put to the test.
    pub fn url(&self, feed: u32, feeds_a_host: u32) -> String {
        let host = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 0)) + feed / feeds_a_host);
        format!("http://{host}:{}/{feed}", self.feeds)
    }

    /// Where events are taken.
    pub fn hook(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.control)
    }

    /// What the server has seen so far.
    pub fn figures(&self) -> Figures {
        serde_json::from_slice(&wire::get(self.control, "/figures")).expect("figures")
    }

    /// Every feed is out of reach from now on: no listener, and no connection that was open.
    pub fn close(&self) {
        wire::get(self.control, "/close");
    }

    /// Every feed is there again.
    pub fn open(&self) {
        wire::get(self.control, "/open");
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

/// What all connections share.
struct Shop {
    books: Mutex<Books>,
    publisher: Mutex<Publisher>,
    open: watch::Sender<bool>,
}

impl Shop {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("books")
    }
}

async fn serve() {
    let shop: &'static Shop = Box::leak(Box::new(Shop {
        books: Mutex::new(Books::new()),
        publisher: Mutex::new(Publisher::new()),
        open: watch::channel(true).0,
    }));
    // Bound and never listening: it keeps the port ours while the feeds are out of reach.
    let keeper = bound(0);
    let port = keeper.local_addr().expect("address").port();
    let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
    println!("{port} {}", control.local_addr().expect("address").port());
    tokio::join!(serve_feeds(port, shop), serve_control(control, shop));
}

fn bound(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("socket");
    socket.set_reuseaddr(true).expect("option");
    // Nothing narrower has every address of 127.0.0.0/8; who comes from elsewhere is not served.
    socket.bind((Ipv4Addr::UNSPECIFIED, port).into()).expect("bind");
    socket
}

async fn serve_feeds(port: u16, shop: &'static Shop) {
    let mut open = shop.open.subscribe();
    loop {
        drop(open.wait_for(|open| *open).await);
        let listener = bound(port).listen(4096).expect("listen");
        loop {
            tokio::select! {
                _ = open.wait_for(|open| !*open) => break,
                accepted = listener.accept() => {
                    let Ok((socket, peer)) = accepted else { continue };
                    if peer.ip().is_loopback() {
                        tokio::spawn(connection(socket, shop));
                    }
                }
            }
        }
    }
}

async fn connection(socket: TcpStream, shop: &'static Shop) {
    let Ok(IpAddr::V4(host)) = socket.local_addr().map(|address| address.ip()) else { return };
    let mut open = shop.open.subscribe();
    shop.books().connected();
    let service = service_fn(move |request| async move { Ok::<_, Infallible>(answer(&request, host, shop).await) });
    tokio::select! {
        _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service) => {}
        _ = open.wait_for(|open| !*open) => {}
    }
    shop.books().disconnected();
}

/// A request that is being answered; ends in the books when dropped, for its connection may be cut at any moment.
struct Visit {
    shop: &'static Shop,
    host: Ipv4Addr,
}

impl Visit {
    fn begin(shop: &'static Shop, host: Ipv4Addr, feed: u32) -> Self {
        shop.books().begin(host, feed);
        Self { shop, host }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.shop.books().end(self.host);
    }
}

async fn answer(request: &Request<Incoming>, host: Ipv4Addr, shop: &'static Shop) -> Response<Full<Bytes>> {
    let feed = request.uri().path().trim_start_matches('/').parse().expect("the number of a feed");
    let _visit = Visit::begin(shop, host, feed);
    tokio::time::sleep(DELAY).await;
    let kind = Kind::of(feed);
    if kind == Kind::Settled && request.headers().get(IF_NONE_MATCH).is_some_and(|tag| tag == TAG) {
        shop.books().answered(false, false);
        return Response::builder().status(304).header(ETAG, TAG).body(Full::default()).expect("304");
    }
    let mut publisher = shop.publisher.lock().expect("publisher");
    let published = kind == Kind::Busy && publisher.publish(feed);
    shop.books().answered(true, published);
    let response = Response::builder().header(CONTENT_TYPE, "application/atom+xml");
    let response = if kind == Kind::Settled { response.header(ETAG, TAG) } else { response };
    response.body(Full::new(Bytes::from(publisher.document(feed)))).expect("200")
}

async fn serve_control(listener: TcpListener, shop: &'static Shop) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let service = service_fn(move |request| async move { Ok::<_, Infallible>(control(request, shop).await) });
        let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service);
        tokio::spawn(async { drop(connection.await) });
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

async fn control(request: Request<Incoming>, shop: &'static Shop) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let mut answer = Bytes::new();
    match path.as_str() {
        "/hook" => {
            let Ok(body) = request.into_body().collect().await else { return Response::new(Full::default()) };
            let event: Event = serde_json::from_slice(&body.to_bytes()).expect("an event");
            shop.books().told(&event.data.entry.id);
        }
        "/figures" => answer = serde_json::to_vec(&shop.books().figures()).expect("JSON").into(),
        // Nobody listening would be an error of `send`, and is none here.
        "/close" => drop(shop.open.send_replace(false)),
        "/open" => drop(shop.open.send_replace(true)),
        other => unreachable!("{other}"),
    }
    Response::new(Full::new(answer))
}
