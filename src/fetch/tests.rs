//! One GET at a time, over real sockets.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::*;

mod proxy;
mod tls;

/// A server that gives each connection the next of its answers, byte for byte, and remembers what it was asked.
struct Canned {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    async fn serving(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(vec![])));
        let heard = asked.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = vec![];
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(socket.read_u8().await.unwrap());
                }
                heard.lock().await.push(String::from_utf8_lossy(&request).to_lowercase());
                socket.write_all(&answer).await.unwrap();
            }
        });
        Self { port, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    async fn asked(&self) -> Vec<String> {
        self.asked.lock().await.clone()
    }
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [format!("HTTP/1.1 {head}\r\n").as_bytes(), length.as_bytes(), body].concat()
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    answer(&format!("200 OK\r\n{headers}x: y"), body)
}

fn fetcher(timeout: u64, allow: &[&str]) -> Fetcher {
    let settings = Settings {
        timeout: Duration::from_millis(timeout),
        max_body: 100_000,
        per_host: 1,
        contact: Some("https://example.org/about".into()),
        allow_private: allow.iter().map(|net| net.parse().unwrap()).collect(),
        proxy: None,
    };
    Fetcher::new(&settings).unwrap()
}

async fn get(server: &Canned, path: &str) -> Result<Answer, PollError> {
    fetcher(5000, &["127.0.0.0/8"]).fetch(&server.url(path), &Arc::default()).await
}

async fn body_of(response: Vec<u8>) -> Result<String, PollError> {
    match get(&Canned::serving(vec![response]).await, "/").await?.content {
        Content::Body { bytes, .. } => Ok(String::from_utf8(bytes).unwrap()),
        Content::NotModified => panic!("304"),
    }
}

/// One conditional GET, redirects included.
async fn ask(fetcher: &Fetcher, url: &str, validators: Validators) -> Result<Answer, PollError> {
    let options = Arc::default();
    let mut chain = fetcher.begin(Ask { url, home: url, validators: Some(validators), options: &options, plain: false })?;
    loop {
        match chain.step().await? {
            Step::Answer(answer) => return Ok(answer),
            Step::Turn(next) => chain = *next,
        }
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_request_says_who_asks_for_what() {
    let server = Canned::serving(vec![ok("", b"x")]).await;
    get(&server, "/feed#fragment").await.unwrap();
    let asked = server.asked().await.remove(0);
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        "get /feed http/1.1",
        &format!("user-agent: feedwire/{version} (+https://example.org/about; feeds)"),
        "accept: application/atom+xml, application/rss+xml,",
        "accept-encoding: gzip, br",
    ] {
        assert!(asked.contains(line), "{line} in {asked}");
    }
    for header in ["cookie", "referer", "authorization", "if-none-match", "if-modified-since"] {
        assert!(!asked.contains(header), "{header} in {asked}");
    }
}

/// P18, P20 and P36: freshness of a 200, of a 304, and Retry-After wherever it stands.
#[tokio::test]
async fn the_server_says_when_there_is_something_new() {
    let not_before = |answer: Answer| answer.not_before.map(|d| d.as_secs());
    let of = async |responses: Vec<Vec<u8>>| {
        let server = Canned::serving(responses).await;
        let mine = Validators { etag: Some(b"x".to_vec()), last_modified: None, url: server.url("/") };
        let fetcher = fetcher(5000, &["127.0.0.0/8"]);
        ask(&fetcher, &server.url("/"), mine).await
    };
    assert_eq!(not_before(of(vec![ok("cache-control: max-age=600\r\nage: 100\r\n", b"x")]).await.unwrap()), Some(500));
    assert_eq!(not_before(of(vec![answer("304 Not Modified\r\ncache-control: max-age=600", b"")]).await.unwrap()), Some(600));
    assert_eq!(not_before(of(vec![ok("retry-after: 7\r\n", b"x")]).await.unwrap()), Some(7));
    let moved = answer("301 Moved\r\nlocation: /new\r\nretry-after: 900", b"");
    assert_eq!(not_before(of(vec![moved.clone(), ok("cache-control: max-age=60\r\n", b"x")]).await.unwrap()), Some(900));
    let refused = of(vec![moved, answer("503 Later\r\nretry-after: 60", b"")]).await;
    assert_eq!(refused, Err(PollError::Refused { status: 503, retry_after: Some(Duration::from_secs(900)) }));
}

#[tokio::test]
async fn validators_go_back_where_they_came_from_and_nowhere_else() {
    let moved = "302 Found\r\nlocation: /new";
    let server = Canned::serving(vec![answer(moved, b""), ok("etag: W/\"a\"\r\nlast-modified: yesterday\r\n", b"x")]).await;
    let fetcher = fetcher(5000, &["127.0.0.0/8"]);
    let validators = fetcher.fetch(&server.url("/old"), &Arc::default()).await.unwrap().validators;
    let expected = Validators { etag: Some(b"W/\"a\"".to_vec()), last_modified: Some(b"yesterday".to_vec()), url: server.url("/new") };
    assert_eq!(validators, expected);

    let not_modified = "304 Not Modified\r\netag: \"b\"";
    let again = Canned::serving(vec![answer(moved, b""), answer(not_modified, b"")]).await;
    let mine = Validators { url: again.url("/new"), ..validators.clone() };
    let answer_304 = ask(&fetcher, &again.url("/old"), mine).await.unwrap();
    let fresh = Validators { etag: Some(b"\"b\"".to_vec()), last_modified: None, url: again.url("/new") };
    assert_eq!(answer_304, Answer { content: Content::NotModified, validators: fresh, not_before: None, moved: None });
    let asked = again.asked().await;
    assert!(!asked[0].contains("if-none-match"), "{asked:?}");
    assert!(asked[1].contains("if-none-match: w/\"a\"\r\n") && asked[1].contains("if-modified-since: yesterday\r\n"), "{asked:?}");

    let unasked = Canned::serving(vec![answer(not_modified, b"")]).await;
    assert!(matches!(get(&unasked, "/").await, Err(PollError::Broken(_))));
}

#[tokio::test]
async fn credentials_stay_at_home_for_the_whole_rest_of_the_chain() {
    let abroad = Canned::serving(vec![answer("302 Found\r\nlocation: /2", b""), ok("", b"x")]).await;
    let location = format!("302 Found\r\nlocation: http://127.0.0.1:{}/1", abroad.port);
    let home = Canned::serving(vec![answer("301 Moved\r\nlocation: /here", b""), answer(&location, b"")]).await;
    let secret = |s: &str| Secret::new(s.into());
    let options = Options {
        headers: vec![("X-Key".into(), HeaderValue::Secret(secret("k1"))), ("X-Plain".into(), HeaderValue::Plain("p1".into()))],
        auth: Some(Auth::Basic { user: "u".into(), password: secret("p") }),
        user_agent: Some("Other/2".into()),
        ..Options::default()
    };
    fetcher(5000, &["127.0.0.0/8"]).fetch(&home.url("/"), &Arc::new(options)).await.unwrap();
    for asked in home.asked().await {
        assert!(asked.contains("authorization: basic dtpw") && asked.contains("x-key: k1") && asked.contains("x-plain: p1"), "{asked}");
    }
    for asked in abroad.asked().await {
        assert!(!asked.contains("authorization") && !asked.contains("x-key") && !asked.contains("x-plain"), "{asked}");
        assert!(asked.contains("user-agent: other/2"), "{asked}");
    }
}

#[tokio::test]
async fn redirects_that_cannot_be_followed() {
    let refuse = |location: &'static str| async move {
        let hop = answer(&format!("302 Found\r\n{location}x: y"), b"");
        get(&Canned::serving(vec![hop; 10]).await, "/").await.unwrap_err().to_string()
    };
    assert_eq!(refuse("").await, "bad redirect: 302 without a Location");
    assert_eq!(refuse("location: file:///etc/passwd\r\n").await, "bad redirect: 302 to a file URL");
    assert_eq!(refuse("location: http://[bad\r\n").await, "bad redirect: 302 to no URL");
    assert_eq!(refuse("location: /\r\n").await, "bad redirect: 302 in a circle");
    assert_eq!(refuse("location: http://10.0.0.1/\r\n").await, "10.0.0.1 is not a public address; allow_private can permit it");
    let server = Canned::serving((0..10).map(|n| answer(&format!("302 Found\r\nlocation: /{n}"), b"")).collect()).await;
    assert_eq!(get(&server, "/x").await.unwrap_err().to_string(), "bad redirect: 302 after 5 others");
    assert_eq!(server.asked().await.len(), 6);
}

#[tokio::test]
async fn statuses_without_a_document() {
    for (head, status, seconds) in
        [("404 Not Found", 404, None), ("503 x\r\nretry-after: 120", 503, Some(120)), ("300 x", 300, None), ("206 x", 206, None)]
    {
        let error = get(&Canned::serving(vec![answer(head, b"x")]).await, "/").await.unwrap_err();
        assert_eq!(error, PollError::Refused { status, retry_after: seconds.map(Duration::from_secs) });
    }
}

#[tokio::test]
async fn compressed_bodies() {
    let body = |headers: &str, bytes: &[u8]| body_of(ok(headers, bytes));
    let brotli = [0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
    assert_eq!(body("content-encoding: gzip\r\n", &gzip(b"hello")).await, Ok("hello".into()));
    assert_eq!(body("content-encoding: gzip\r\n", &[gzip(b"hel"), gzip(b"lo")].concat()).await, Ok("hello".into()));
    assert_eq!(body("content-encoding: X-GZIP\r\n", &gzip(b"hello")).await, Ok("hello".into()));
    assert_eq!(body("content-encoding: gzip, gzip\r\n", &gzip(&gzip(b"hello"))).await, Ok("hello".into()));
    assert_eq!(body("", &gzip(b"hello")).await, Ok("hello".into()));
    assert_eq!(body("content-encoding: gzip\r\n", b"hello").await, Ok("hello".into()));
    assert_eq!(body("content-encoding: br\r\n", &brotli).await, Ok("hello".into()));
    let cut = gzip(&b"hello ".repeat(100));
    assert!(matches!(body("content-encoding: gzip\r\n", &cut[..cut.len() - 9]).await, Err(PollError::Broken(_))));
    let large_window = [0x11, 0x1e, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
    assert_eq!(body("content-encoding: br\r\n", &large_window).await, Err(PollError::Broken("brotli with a large window".into())));
    assert!(matches!(body("content-encoding: zstd\r\n", b"x").await, Err(PollError::Broken(_))));
}

#[tokio::test]
async fn what_is_too_much_or_too_little() {
    assert_eq!(body_of(ok("", &vec![b'x'; 100_001])).await, Err(PollError::TooLarge(100_000)));
    assert_eq!(body_of(ok("content-encoding: gzip\r\n", &gzip(&vec![0; 50_000_000]))).await, Err(PollError::TooLarge(100_000)));
    assert_eq!(body_of(ok("", b"")).await, Err(PollError::Broken("an empty body".into())));
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\nhalf".to_vec();
    assert!(matches!(body_of(short).await, Err(PollError::Broken(_))));
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n4\r\nhalf\r\n".to_vec();
    assert!(matches!(body_of(chunked).await, Err(PollError::Broken(_))));
    let long_header = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(2_000_000)).into_bytes();
    assert!(body_of(long_header).await.is_err());
}

/// A byte now and then keeps every read alive: only the deadline for the whole ends it.
#[tokio::test]
async fn a_dripping_body_is_ended_by_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        // What was not read would reset the connection.
        let mut request = vec![];
        while !request.ends_with(b"\r\n\r\n") {
            request.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        while socket.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let from = Instant::now();
    let error = fetcher(200, &["127.0.0.0/8"]).fetch(&url, &Arc::default()).await.unwrap_err();
    assert_eq!(error, PollError::Timeout(Duration::from_millis(200)));
    assert!(from.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn private_places_are_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hosts = ["127.0.0.1", "2130706433", "0x7f000001", "127.1", "①27.0.0.1", "[::ffff:127.0.0.1]", "localhost"];
    for host in hosts {
        let url = format!("http://{host}:{port}/");
        let error = fetcher(2000, &[]).fetch(&url, &Arc::default()).await.unwrap_err();
        assert!(matches!(error, PollError::Forbidden(_)), "{host}: {error}");
    }
    let allowed_elsewhere = fetcher(2000, &["10.0.0.0/8"]).fetch(&format!("http://127.0.0.1:{port}/"), &Arc::default()).await;
    assert!(matches!(allowed_elsewhere, Err(PollError::Forbidden(_))));
    let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(nobody.is_err(), "a connection was made");
    let server = Canned::serving(vec![ok("", b"x")]).await;
    let options = Options { allow_private: vec!["127.0.0.0/8".parse().unwrap()], ..Options::default() };
    assert!(fetcher(2000, &[]).fetch(&server.url("/"), &Arc::new(options)).await.is_ok());
}

#[tokio::test]
async fn trouble_has_a_name_and_tells_no_secret() {
    let fetcher = fetcher(2000, &["127.0.0.0/8"]);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let closed = fetcher.fetch(&format!("http://{free}/?key=s3cret"), &Arc::default()).await.unwrap_err();
    assert!(matches!(closed, PollError::Connect(_)), "{closed}");
    let unknown = fetcher.fetch("http://no-such-host.invalid/?key=s3cret", &Arc::default()).await.unwrap_err();
    assert!(matches!(unknown, PollError::Dns(_)), "{unknown}");
    let plain = Canned::serving(vec![b"not tls".to_vec(); 3]).await;
    let tls = fetcher.fetch(&plain.url("/?key=s3cret").replace("http:", "https:"), &Arc::default()).await.unwrap_err();
    assert!(!format!("{closed} {unknown} {tls} {closed:?} {unknown:?} {tls:?}").contains("s3cret"));
}
