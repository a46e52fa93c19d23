//! A feed server in a process of its own, so that its work is not counted with ours: 30 entries and 69 KB a feed, half RSS, half Atom.
//!
//! `/same/N` always serves the same document with an ETag and answers 304; `/blunt/N` serves it without validators; `/step/N` has one
//! entry more at each request.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};

/// Entries in each document.
pub const ENTRIES: u64 = 30;

/// Set for the child that serves.
const SERVE: &str = "FEEDWIRE_BENCH_SERVE";

/// The running server; it ends with this value.
pub struct Farm {
    child: Child,
    port: String,
}

impl Farm {
    /// Starts this very program once more, as the server.
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("own path");
        let mut child = Command::new(program).env(SERVE, "1").stdout(Stdio::piped()).spawn().expect("server");
        let mut port = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut port).expect("port");
        Self { child, port: port.trim().to_owned() }
    }

    /// The URL of a feed.
    pub fn url(&self, kind: &str, number: usize) -> String {
        format!("http://127.0.0.1:{}/{kind}/{number}", self.port)
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Serves until killed, if this is the child; returns at once otherwise.
pub fn serve_if_child() {
    if std::env::var_os(SERVE).is_some() {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(serve());
    }
}

async fn serve() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
    println!("{}", listener.local_addr().expect("address").port());
    let steps: &'static Mutex<HashMap<u64, u64>> = Box::leak(Box::default());
    let pages: &'static [Bytes] = Box::leak((0..64).map(|n| Bytes::from(document(n, 0))).collect());
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let service = service_fn(move |request| async move { Ok::<_, Infallible>(answer(&request, steps, pages)) });
        let connection =
            hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service);
        tokio::spawn(async { drop(connection.await) });
    }
}

fn answer<B>(request: &Request<B>, steps: &Mutex<HashMap<u64, u64>>, pages: &[Bytes]) -> Response<Full<Bytes>> {
    let mut path = request.uri().path().split('/').skip(1);
    let (kind, number) = (path.next().unwrap_or_default(), path.next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0));
    let same = pages[number as usize % pages.len()].clone();
    let response = Response::builder().header(CONTENT_TYPE, if number % 2 == 0 { "application/rss+xml" } else { "application/atom+xml" });
    let body = match kind {
        "same" if request.headers().contains_key(IF_NONE_MATCH) => return response.status(304).body(Full::default()).expect("304"),
        "step" => {
            let mut steps = steps.lock().expect("steps");
            let step = steps.entry(number).or_default();
            *step += 1;
            Bytes::from(document(number, *step - 1))
        }
        _ => same,
    };
    let response = if kind == "same" { response.header(ETAG, "\"one\"") } else { response };
    response.body(Full::new(body)).expect("200")
}

/// A document whose newest entry is number `step + ENTRIES - 1`.
pub fn document(feed: u64, step: u64) -> String {
    let mut out = String::with_capacity(72_000);
    let rss = feed.is_multiple_of(2);
    out.push_str(if rss {
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><rss version=\"2.0\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><channel><title>Новини</title><link>https://news.example/</link>\n"
    } else {
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Новини</title><id>urn:feed</id><updated>2024-11-27T16:45:00Z</updated><link href=\"https://news.example/\"/>\n"
    });
    for n in (step..step + ENTRIES).rev() {
        let (minute, hour) = (n % 60, n / 60 % 24);
        // No two entries have the same words, in no two feeds.
        let body = format!(
            "&lt;p class=&quot;lead&quot;&gt;Умєров розповів президенту {n} про співпрацю {feed}, її обсяг і п’ять ґрунтовних висновків.&lt;/p&gt; "
        )
        .repeat(9);
        let link = format!("https://news.example/{feed}/article-{n}.html");
        if rss {
            let _ = writeln!(
                out,
                "<item><title>Стаття {n} стрічки {feed}</title><link>{link}</link><guid isPermaLink=\"false\">{feed}-{n}</guid><dc:creator>Редакція</dc:creator><category>news</category><pubDate>Wed, 27 Nov 2024 {hour:02}:{minute:02}:00 +0200</pubDate><description>{body}</description></item>"
            );
        } else {
            let _ = writeln!(
                out,
                "<entry><title>Стаття {n} стрічки {feed}</title><link href=\"{link}\"/><id>urn:{feed}:{n}</id><author><name>Редакція</name></author><category term=\"news\"/><updated>2024-11-27T{hour:02}:{minute:02}:00+02:00</updated><content type=\"html\">{body}</content></entry>"
            );
        }
    }
    out.push_str(if rss { "</channel></rss>\n" } else { "</feed>\n" });
    out
}
