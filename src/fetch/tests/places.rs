//! Where a feed may live.

use super::*;

#[tokio::test]
async fn p78_p83_private_places_are_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hosts = ["127.0.0.1", "2130706433", "0x7f000001", "127.1", "①27.0.0.1", "[::ffff:127.0.0.1]", "localhost", "localhost."];
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

/// Those that are not admitted are left out; only when no other is left, the name is refused.
#[tokio::test]
async fn p79_of_the_addresses_of_a_name_those_that_are_admitted_are_connected_to() {
    let server = Canned::serving(vec![ok("", b"x")]).await;
    let url = server.url("/").replace("127.0.0.1", "feed.invalid");
    let found = |addresses: &'static [&'static str]| {
        Names::new(move |_| Box::pin(async { Ok(addresses.iter().map(|address| address.parse().unwrap()).collect()) }))
    };
    let with = |names, allow| Fetcher { names, clients: std::sync::Mutex::default(), ..fetcher(2000, allow) };
    let refused = with(found(&["127.0.0.1"]), &[]).fetch(&url, &Arc::default()).await;
    assert_eq!(refused, Err(PollError::Forbidden("feed.invalid (127.0.0.1)".into())));
    assert_eq!(server.asked().await.len(), 0);
    let mixed = with(found(&["127.0.0.2", "127.0.0.1"]), &["127.0.0.1/32"]).fetch(&url, &Arc::default()).await;
    assert!(mixed.is_ok(), "{mixed:?}");
}

/// Only the first server may be asked; whatever it says, nobody else is.
#[tokio::test]
async fn p81_a_redirect_leads_to_no_private_place() {
    let nobody = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = nobody.local_addr().unwrap().port();
    let hosts = ["127.0.0.2", "2130706434", "0x7f000002", "127.2", "①27.0.0.2", "[::1]", "[::ffff:127.0.0.2]", "[::ffff:10.0.0.1]"];
    for host in hosts {
        for location in [format!("http://{host}:{port}/"), format!("//{host}:{port}/"), format!("https://{host}:{port}/")] {
            let hop = |to: &str| answer(&format!("302 Found\r\nlocation: {to}"), b"");
            let server = Canned::serving(vec![hop("/again"), hop(&location)]).await;
            let error = fetcher(2000, &["127.0.0.1/32"]).fetch(&server.url("/"), &Arc::default()).await.unwrap_err();
            assert!(matches!(error, PollError::Forbidden(_)), "{location}: {error:?}");
            assert_eq!(server.asked().await.len(), 2);
        }
    }
    let came = tokio::time::timeout(Duration::from_millis(50), nobody.accept()).await;
    assert!(came.is_err(), "a connection was made");
}

#[tokio::test]
async fn p85_other_schemes_and_the_ports_of_other_protocols_are_refused() {
    let fetcher = fetcher(2000, &["127.0.0.0/8"]);
    for url in ["http://127.0.0.1:22/", "http://127.0.0.1:25/", "https://127.0.0.1:6667/", "http://localhost:6000/"] {
        assert!(matches!(fetcher.fetch(url, &Arc::default()).await, Err(PollError::Forbidden(_))), "{url}");
    }
    for url in ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "data:text/xml,<rss/>", "javascript:1"] {
        assert!(fetcher.fetch(url, &Arc::default()).await.is_err(), "{url}");
    }
    let ports = ["127.0.0.1:22", "localhost:25"];
    for location in ports.map(|place| format!("http://{place}/")) {
        let server = Canned::serving(vec![answer(&format!("302 Found\r\nlocation: {location}"), b"")]).await;
        assert!(matches!(get(&server, "/").await, Err(PollError::Forbidden(_))), "{location}");
    }
}

/// Whatever the guard in the resolver let through, the peer is looked at before what it says is.
#[tokio::test]
async fn p86_the_peer_of_a_connection_is_checked_before_its_answer_is_read() {
    let server = Canned::serving(vec![ok("", b"x")]).await;
    let unguarded = http::builder(1).resolve("feed.invalid", ([127, 0, 0, 1], server.port).into()).build().unwrap();
    let strict = fetcher(2000, &[]);
    strict.clients.lock().unwrap().insert((strict.policy(&Options::default()), Trust::default()), unguarded);
    let error = strict.fetch(&server.url("/").replace("127.0.0.1", "feed.invalid"), &Arc::default()).await.unwrap_err();
    assert_eq!(error, PollError::Forbidden("127.0.0.1".into()));
    assert_eq!(server.asked().await.len(), 1, "it was connected to");
}
