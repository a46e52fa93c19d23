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

mod bodies;
mod limits;
mod places;
mod proxy;
mod redirects;
mod requests;
mod secrets;
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

/// Freshness of a 200, of a 304, and Retry-After wherever it stands.
#[tokio::test]
async fn p18_p20_p36_the_server_says_when_there_is_something_new() {
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
async fn p03_p12_p14_validators_go_back_where_they_came_from_and_nowhere_else() {
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
async fn p17_p56_statuses_without_a_document() {
    for (head, status, seconds) in [
        ("404 Not Found", 404, None),
        ("503 x\r\nretry-after: 120", 503, Some(120)),
        ("300 x", 300, None),
        ("204 x", 204, None),
        ("205 x", 205, None),
        ("206 x", 206, None),
    ] {
        let error = get(&Canned::serving(vec![answer(head, b"x")]).await, "/").await.unwrap_err();
        assert_eq!(error, PollError::Refused { status, retry_after: seconds.map(Duration::from_secs) });
    }
}
