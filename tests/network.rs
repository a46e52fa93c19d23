//! Promise 8: no way in. Behaviours of the network that need the whole program to be seen; the others are tested where they are decided.

use crate::support::{Answer, Home, Origin};

#[tokio::test]
async fn a_feed_whose_certificate_is_not_checked_is_shown_as_such() {
    let origin = Origin::start().await;
    origin.set("/feed", Answer::ok("text/xml", "<rss/>"));
    let feed = |name: &str| format!("[feeds.{name}]\nurl = {:?}\n", origin.url("/feed"));
    let home = Home::new(&(feed("a") + &feed("b") + "insecure = true\n[sinks.out.stdout]\n"));
    let daemon = home.start().await;
    let warned = |all: &[String]| all.iter().find(|line| line.contains("certificate of the feed b is not checked")).cloned();
    daemon.stderr.until("the warning", warned).await;
    let socket = home.path("state/control.sock");
    let ctl = async |arguments: &[&str]| {
        let mut ctl = home.launch(&[&["ctl", "--socket", socket.to_str().unwrap()], arguments].concat());
        assert_eq!(ctl.exit().await, 0);
        ctl.stdout.all()
    };
    let table = ctl(&["feeds"]).await;
    let marked: Vec<_> = table.iter().filter(|line| line.contains("insecure")).collect();
    assert!(marked.len() == 1 && marked[0].starts_with("b "), "{table:?}");
    let feeds: serde_json::Value = serde_json::from_str(&ctl(&["feeds", "--json"]).await[0]).unwrap();
    let marks: Vec<_> = feeds.as_array().unwrap().iter().map(|feed| feed.get("insecure").cloned()).collect();
    assert_eq!(marks, [None, Some(true.into())]);
}

#[tokio::test]
async fn p62_p67_of_a_subscribed_host_nothing_but_the_feed_is_asked_for() {
    let origin = Origin::start().await;
    origin.set("/", Answer::ok("text/html", "<html></html>"));
    origin.set("/feed", Answer::ok("text/xml", "<rss><channel><link>/</link></channel></rss>").header("Set-Cookie", "id=1"));
    let home = Home::new(&format!("[feeds.a]\nurl = {:?}\ninterval = \"100ms\"\n[sinks.out.stdout]\n", origin.url("/feed?a=1")));
    let _daemon = home.start().await;
    let seen = origin.request("/feed", 4).await;
    assert_eq!((seen.target.as_str(), seen.header("cookie"), seen.header("referer")), ("/feed?a=1", None, None));
    for path in ["/robots.txt", "/favicon.ico", "/"] {
        assert_eq!(origin.requests(path).all().len(), 0, "{path}");
    }
}

#[tokio::test]
async fn p84_the_proxy_of_the_environment_is_not_used_and_that_of_the_configuration_is() {
    let (origin, proxy) = (Origin::start().await, Origin::start().await);
    for server in [&origin, &proxy] {
        server.set("/feed", Answer::ok("text/xml", "<rss/>"));
    }
    let config = format!("[feeds.a]\nurl = {:?}\ninterval = \"100ms\"\n[sinks.out.stdout]\n", origin.url("/feed"));
    let home = ["http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"]
        .iter()
        .fold(Home::new(&config), |home, name| home.variable(name, &proxy.url("")));
    let daemon = home.start().await;
    origin.request("/feed", 3).await;
    assert_eq!(proxy.requests("/feed").all().len(), 0);

    let polling = "[polling]\nmin_interval = \"100ms\"\nmean_interval = \"100ms\"\nhost_gap = \"0s\"\n";
    let feed = "[feeds.a]\nurl = \"http://feed.invalid/feed\"\ninterval = \"100ms\"\n[sinks.out.stdout]\n";
    home.configure(&format!("{polling}proxy = {:?}\n{feed}", proxy.url("")));
    daemon.hup();
    daemon.ready(2).await;
    let seen = proxy.request("/feed", 3).await;
    assert_eq!((seen.target.as_str(), seen.header("host")), ("http://feed.invalid/feed", Some(&b"feed.invalid"[..])));
}
