//! Who is told a secret, and who is not.

use super::*;

#[tokio::test]
async fn p97_p98_credentials_stay_at_home_for_the_whole_rest_of_the_chain() {
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

/// The configuration refuses such a URL; `discover` takes it, and uses it as little as possible.
#[tokio::test]
async fn p97_user_info_of_a_url_goes_to_the_first_hop_alone() {
    let server = Canned::serving(vec![answer("302 Found\r\nlocation: /there", b""), ok("", b"x")]).await;
    let url = server.url("/").replace("://", "://me:pw@");
    let answer = fetcher(2000, &["127.0.0.0/8"]).fetch(&url, &Arc::default()).await.unwrap();
    assert_eq!(answer.validators.url, server.url("/there"));
    let asked = server.asked().await;
    assert!(asked[0].contains("authorization: basic bwu6chc=") && !asked[1].contains("authorization"), "{asked:?}");
}

#[tokio::test]
async fn p46_p100_trouble_has_a_name_and_tells_no_secret() {
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
