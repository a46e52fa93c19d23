//! A scripted feed server.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::record::{Gate, Record};
use super::server::{Script, Server};

/// A feed server inside the test: each path has a standing answer and a queue of answers that come before it, and every request is
/// recorded. A path without an answer is a 404. Clones are the same server.
#[derive(Clone)]
pub struct Origin {
    desk: Arc<Desk>,
    server: Arc<Server>,
}

#[derive(Default)]
struct Desk {
    standing: Mutex<HashMap<String, Answer>>,
    queued: Mutex<HashMap<String, VecDeque<Answer>>>,
    seen: Mutex<HashMap<String, Record<Seen>>>,
}

/// A request as it came in.
#[derive(Clone)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// All headers.
    pub headers: HeaderMap,
    /// What it was answered with, or will be once a gate opens.
    pub status: u16,
}

impl Seen {
    /// The bytes of a header; `None` when it was not sent, and a panic when it was sent twice.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(HeaderValue::as_bytes);
        assert!(values.next().is_none(), "{name} was sent more than once: {self:?}");
        value
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {} {:?}", self.method, self.target, self.status, self.headers)
    }
}

impl Origin {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST).await
    }

    /// Listens on a free port of another loopback address: to the daemon, that is another host.
    pub async fn start_at(ip: Ipv4Addr) -> Self {
        let desk = Arc::<Desk>::default();
        let server = Server::start(ip, {
            let desk = Arc::clone(&desk);
            move |request| Arc::clone(&desk).handle(request)
        });
        Self { server: Arc::new(server.await), desk }
    }

    /// The absolute URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// Answers `path` like this from now on.
    pub fn set(&self, path: &str, answer: Answer) {
        self.desk.standing.lock().unwrap().insert(path.into(), answer);
    }

    /// Answers one request for `path` like this, after those queued before and before the standing answer.
    pub fn set_once(&self, path: &str, answer: Answer) {
        self.desk.queued.lock().unwrap().entry(path.into()).or_default().push_back(answer);
    }

    /// The requests for a path, whatever their query.
    pub fn requests(&self, path: &str) -> Record<Seen> {
        self.desk.requests(path)
    }

    /// Waits for the `n`-th request for a path, counted from 1.
    pub async fn request(&self, path: &str, n: usize) -> Seen {
        self.requests(path).nth(format!("request {n} for {path}"), n).await
    }

    /// Waits until `n` more requests for a path have come in than had when this was called. Two more: whatever was served at the time
    /// of the call has been read to its end, for the daemon has one request in flight to a feed.
    pub async fn more_requests(&self, path: &str, n: usize) -> Seen {
        self.request(path, self.requests(path).all().len() + n).await
    }
}

impl Desk {
    fn requests(&self, path: &str) -> Record<Seen> {
        self.seen.lock().unwrap().entry(path.into()).or_default().clone()
    }

    async fn handle(self: Arc<Self>, request: Request<Bytes>) -> Response<Script> {
        let path = request.uri().path().to_owned();
        let queued = self.queued.lock().unwrap().get_mut(&path).and_then(VecDeque::pop_front);
        let standing = || self.standing.lock().unwrap().get(&path).cloned();
        let answer = queued.or_else(standing).unwrap_or_else(|| Answer::status(404));
        let answer = if answer.is_current(request.headers()) { answer.not_modified() } else { answer };
        self.requests(&path).push(Seen {
            method: request.method().clone(),
            target: request.uri().to_string(),
            headers: request.headers().clone(),
            status: answer.status.as_u16(),
        });
        answer.send().await
    }
}

/// What is answered to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    held: Option<Gate>,
    stalled: Option<(usize, Gate)>,
    cut: Option<usize>,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Bytes::from(body.into()), ..Self::status(200) }.header("Content-Type", content_type)
    }

    /// A status without a body.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a status code");
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), held: None, stalled: None, cut: None }
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("Location", location)
    }

    /// One more header, byte for byte.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).expect("a header value"));
        self
    }

    /// With an `ETag`: a request that repeats these bytes in `If-None-Match` is answered 304.
    pub fn etag(self, value: impl AsRef<[u8]>) -> Self {
        self.header("ETag", value)
    }

    /// With a `Last-Modified`: a request that repeats these bytes in `If-Modified-Since`, and has no `If-None-Match`, is answered 304.
    pub fn last_modified(self, value: impl AsRef<[u8]>) -> Self {
        self.header("Last-Modified", value)
    }

    /// The body compressed by gzip.
    pub fn gzip(mut self) -> Self {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&self.body).unwrap();
        self.body = encoder.finish().unwrap().into();
        self.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        self
    }

    /// Nothing is sent before the gate opens.
    pub fn held(self, gate: &Gate) -> Self {
        Self { held: Some(gate.clone()), ..self }
    }

    /// The first `at` bytes of the body are sent, the rest when the gate opens.
    pub fn stalled(self, at: usize, gate: &Gate) -> Self {
        Self { stalled: Some((at, gate.clone())), ..self }
    }

    /// The connection closes after `at` bytes of the body, although more were announced.
    pub fn cut(self, at: usize) -> Self {
        Self { cut: Some(at), ..self }
    }

    /// Strict equality of bytes, as the strictest servers compare; `If-None-Match` decides when it is there (RFC 9110 §13.2.2).
    fn is_current(&self, request: &HeaderMap) -> bool {
        let same = |asked, own| request.get(asked).is_some_and(|asked| self.headers.get(own) == Some(asked));
        self.status == StatusCode::OK
            && (same(IF_NONE_MATCH, ETAG) || (!request.contains_key(IF_NONE_MATCH) && same(IF_MODIFIED_SINCE, LAST_MODIFIED)))
    }

    fn not_modified(mut self) -> Self {
        self.headers.remove(CONTENT_ENCODING);
        Self { status: StatusCode::NOT_MODIFIED, body: Bytes::new(), stalled: None, cut: None, ..self }
    }

    async fn send(self) -> Response<Script> {
        if let Some(gate) = &self.held {
            gate.passed().await;
        }
        let (pieces, script) = Script::new();
        let mut response = Response::new(script);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if self.status != StatusCode::NOT_MODIFIED {
            response.headers_mut().insert(CONTENT_LENGTH, self.body.len().into());
        }
        let mut body = self.body.slice(..self.cut.unwrap_or(self.body.len()));
        tokio::spawn(async move {
            if let Some((at, gate)) = self.stalled {
                pieces.send(Ok(body.split_to(at))).await?;
                gate.passed().await;
            }
            pieces.send(Ok(body)).await?;
            if self.cut.is_some() {
                pieces.send(Err(std::io::ErrorKind::ConnectionAborted.into())).await?;
            }
            // A client that left early is no failure.
            Ok::<(), tokio::sync::mpsc::error::SendError<_>>(())
        });
        response
    }
}

mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// What a client gets that sends `head` and reads until the server closes.
    async fn exchange(origin: &Origin, head: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(origin.server.address).await.unwrap();
        stream.write_all(format!("{head}\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A body that breaks off may come as an error after the bytes.
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_304_needs_the_very_bytes() {
        let origin = Origin::start().await;
        origin.set("/f", Answer::ok("text/xml", "body").etag("W/\"a\"").last_modified("Wed, 27 Nov 2024 16:45:00 GMT"));
        let date = "If-Modified-Since: Wed, 27 Nov 2024 16:45:00 GMT";
        for (headers, status) in [
            ("x: y", 200),
            ("If-None-Match: W/\"a\"", 304),
            ("If-None-Match: \"a\"", 200),
            (date, 304),
            ("If-Modified-Since: Wed, 27 Nov 2024 16:45:01 GMT", 200),
            (&format!("If-None-Match: \"b\"\r\n{date}"), 200),
            (&format!("If-None-Match: W/\"a\"\r\n{date}"), 304),
        ] {
            let answer = exchange(&origin, &format!("GET /f?q HTTP/1.1\r\n{headers}")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {answer}");
            assert!(answer.contains("etag: W/\"a\"\r\n"), "{answer}");
            assert_eq!(answer.ends_with("body"), status == 200, "{answer}");
        }
        let third = origin.request("/f", 3).await;
        assert_eq!((third.header("If-None-Match"), third.target.as_str(), third.status), (Some(&b"\"a\""[..]), "/f?q", 200));
    }

    #[tokio::test]
    async fn queued_answers_come_first() {
        let origin = Origin::start().await;
        origin.set("/f", Answer::redirect(301, "/g"));
        origin.set_once("/f", Answer::status(503).header("Retry-After", "7"));
        origin.set_once("/f", Answer::status(429));
        for expected in ["503 Service Unavailable\r\nretry-after: 7", "429", "301 Moved Permanently\r\nlocation: /g", "301"] {
            let answer = exchange(&origin, "GET /f HTTP/1.1").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
        }
        assert!(exchange(&origin, "GET /none HTTP/1.1").await.starts_with("HTTP/1.1 404 "));
    }

    #[tokio::test]
    async fn a_cut_body_ends_early_and_a_stalled_one_late() {
        let origin = Origin::start().await;
        origin.set("/cut", Answer::ok("text/xml", "0123456789").cut(4));
        let answer = exchange(&origin, "GET /cut HTTP/1.1").await;
        assert!(answer.contains("content-length: 10\r\n") && answer.ends_with("\r\n\r\n0123"), "{answer}");

        let gate = Gate::shut();
        origin.set("/stalled", Answer::ok("text/xml", "0123456789").stalled(4, &gate));
        let read = tokio::spawn({
            let origin = origin.clone();
            async move { exchange(&origin, "GET /stalled HTTP/1.1").await }
        });
        origin.request("/stalled", 1).await;
        assert!(!read.is_finished());
        gate.open();
        assert!(read.await.unwrap().ends_with("\r\n\r\n0123456789"));
    }
}
