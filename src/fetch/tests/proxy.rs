//! What changes behind a proxy, and what does not.

use super::*;

fn through(proxy: &Canned) -> Fetcher {
    let settings = Settings { proxy: Some(proxy.url("/").parse().unwrap()), timeout: Duration::from_secs(5), ..Settings::default() };
    Fetcher::new(&settings).unwrap()
}

/// Its address is private, and the name of the feed is none that is known here.
#[tokio::test]
async fn p84_a_proxy_of_the_configuration_is_asked_for_everything() {
    let proxy = Canned::serving(vec![ok("", b"x"), answer("502 Bad Gateway", b"")]).await;
    let fetcher = through(&proxy);
    assert!(fetcher.fetch("http://feed.invalid/rss", &Arc::default()).await.is_ok());
    let refused = fetcher.fetch("https://feed.invalid/rss", &Arc::default()).await.unwrap_err();
    assert!(matches!(refused, PollError::Connect(_)), "{refused:?}");
    let asked = proxy.asked().await;
    assert!(asked[0].starts_with("get http://feed.invalid/rss http/1.1\r\n"), "{asked:?}");
    assert!(asked[1].starts_with("connect feed.invalid:443 http/1.1\r\n"), "{asked:?}");
}

#[tokio::test]
async fn p78_p81_p83_p85_behind_a_proxy_addresses_ports_and_schemes_are_still_checked() {
    let redirects = ["http://127.0.0.1/", "http://[::1]/", "http://feed.invalid:22/", "file:///etc/passwd"];
    let proxy = Canned::serving(redirects.map(|to| answer(&format!("302 Found\r\nlocation: {to}"), b"")).to_vec()).await;
    let fetcher = through(&proxy);
    for url in ["http://10.0.0.1/", "https://0x7f000001/", "http://localhost:8080/", "http://feed.invalid:25/"] {
        assert!(matches!(fetcher.fetch(url, &Arc::default()).await, Err(PollError::Forbidden(_))), "{url}");
    }
    assert_eq!(proxy.asked().await, [""; 0]);
    for to in redirects {
        let error = fetcher.fetch("http://feed.invalid/", &Arc::default()).await.unwrap_err();
        assert!(matches!(error, PollError::Forbidden(_) | PollError::Redirect(_)), "{to}: {error:?}");
    }
    assert_eq!(proxy.asked().await.len(), redirects.len());
}
