//! What is sent.

use super::*;

#[tokio::test]
async fn p02_p59_p60_p61_p63_p64_p67_p72_a_request_says_who_asks_for_what() {
    let server = Canned::serving(vec![ok("", b"x"), ok("", b"x")]).await;
    for _ in 0..2 {
        get(&server, "/feed?a=1#fragment").await.unwrap();
    }
    let asked = server.asked().await;
    assert_eq!(asked.len(), 2, "neither robots.txt nor anything else is asked for");
    assert_eq!(asked[0], asked[1], "always the same");
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        "get /feed?a=1 http/1.1",
        &format!("user-agent: feedwire/{version} (+https://example.org/about; feeds)"),
        "accept: application/atom+xml, application/rss+xml,",
        "*/*;q=0.1\r\n",
        "accept-encoding: gzip, br\r\n",
    ] {
        assert!(asked[0].contains(line), "{line} in {}", asked[0]);
    }
    for header in ["cookie", "referer", "authorization", "if-none-match", "if-modified-since", "cache-control", "a-im", "deflate", "zstd"] {
        assert!(!asked[0].contains(header), "{header} in {}", asked[0]);
    }
}

#[tokio::test]
async fn p62_p99_nothing_is_carried_from_one_request_to_the_next() {
    let cookie = "set-cookie: id=1; path=/\r\n";
    let abroad = Canned::serving(vec![ok(cookie, b"x"), ok(cookie, b"x")]).await;
    let moved = answer(&format!("302 Found\r\n{cookie}location: {}", abroad.url("/b?x=1")), b"");
    let home = Canned::serving(vec![moved.clone(), moved]).await;
    let fetcher = fetcher(5000, &["127.0.0.0/8"]);
    for _ in 0..2 {
        fetcher.fetch(&home.url("/a?token=s3cret"), &Arc::default()).await.unwrap();
    }
    for (server, target) in [(home, "get /a?token=s3cret http"), (abroad, "get /b?x=1 http")] {
        for asked in server.asked().await {
            assert!(asked.starts_with(target), "{asked}");
            assert!(!asked.contains("cookie") && !asked.contains("referer") && asked.matches("s3cret").count() < 2, "{asked}");
        }
    }
}

#[tokio::test]
async fn p71_what_could_not_be_decompressed_is_asked_for_plain() {
    let server = Canned::serving(vec![ok("", b"x")]).await;
    let (url, options) = (server.url("/"), Arc::default());
    let fetcher = fetcher(5000, &["127.0.0.0/8"]);
    let chain = fetcher.begin(Ask { url: &url, home: &url, validators: None, options: &options, plain: true }).unwrap();
    assert!(chain.step().await.is_ok());
    let asked = server.asked().await;
    assert!(asked[0].contains("accept-encoding: identity\r\n") && !asked[0].contains("gzip"), "{asked:?}");
}

#[tokio::test]
async fn p02_only_what_the_server_gave_goes_back() {
    let fetcher = fetcher(5000, &["127.0.0.0/8"]);
    for (etag, last_modified) in [(None, None), (Some("\"e\""), None), (None, Some("then")), (Some("\"e\""), Some("then"))] {
        let server = Canned::serving(vec![ok("", b"x")]).await;
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        let mine = Validators { etag: bytes(etag), last_modified: bytes(last_modified), url: server.url("/") };
        ask(&fetcher, &server.url("/"), mine).await.unwrap();
        let asked = server.asked().await;
        let sent = |name: &str| asked[0].lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        assert_eq!((sent("if-none-match:"), sent("if-modified-since:")), (etag, last_modified));
    }
}

#[tokio::test]
async fn p39_a_failed_request_is_not_repeated() {
    for response in [answer("500 x", b""), b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec(), b"no http".to_vec(), vec![]] {
        let server = Canned::serving(vec![response; 3]).await;
        assert!(get(&server, "/").await.is_err());
        assert_eq!(server.asked().await.len(), 1);
    }
}
