//! Promises 6 and 8: one bad feed, host or document disturbs nobody, and nothing that comes in makes the process exit.

use crate::support::{Answer, Gate, Home, Origin, Publisher};

#[tokio::test]
async fn bad_feeds_of_every_kind_disturb_nobody() {
    let origin = Origin::start().await;
    let other = Origin::start_at("127.0.0.2".parse().unwrap()).await;
    let good = Publisher::new(&other, "/good");
    good.publish(1);
    let gate = Gate::shut();
    let deep = format!("<rss><channel><item>{}", "<media:group>".repeat(20_000));
    let panics = "<rss><item><author>Іван ivan@example.com</author><itunes:duration>99999999999999999999999</itunes:duration></item></rss>";
    let bad = [
        ("hangs", Answer::ok("text/xml", "<rss/>").held(&gate)),
        ("stalls", Answer::ok("text/xml", "<rss><channel></channel></rss>").stalled(5, &gate)),
        ("missing", Answer::status(404)),
        ("html", Answer::ok("text/html", "<!DOCTYPE html><html></html>")),
        ("empty", Answer::ok("text/xml", "")),
        ("cut", Answer::ok("text/xml", "<rss><channel><item><title>x</title></item></channel></rss>").cut(30)),
        ("deep", Answer::ok("text/xml", deep)),
        ("panics", Answer::ok("text/xml", panics)),
        ("many", Answer::ok("text/xml", format!("<rss>{}</rss>", "<item/>".repeat(300_000)))),
        ("large", Answer::ok("text/xml", "x".repeat(11 << 20))),
        ("bomb", Answer::ok("text/xml", vec![b' '; 64 << 20]).gzip()),
        ("loop", Answer::redirect(302, "/loop")),
        ("file", Answer::redirect(302, "file:///etc/passwd")),
        ("private", Answer::redirect(302, "http://10.0.0.1/")),
        ("metadata", Answer::redirect(302, "http://[::ffff:169.254.169.254]/latest")),
    ];
    let mut config = format!("[sinks.out.stdout]\n[feeds.good]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n", good.url());
    config += "[polling]\nmin_interval = \"100ms\"\nmean_interval = \"100ms\"\nhost_gap = \"0s\"\nper_host = 2\ntimeout = \"400ms\"\nallow_private = [\"127.0.0.0/8\"]\n";
    let names = bad.each_ref().map(|(name, _)| *name);
    for (name, answer) in bad {
        origin.set(&format!("/{name}"), answer);
        config += &format!("[feeds.{name}]\nurl = {:?}\ninterval = \"100ms\"\n", origin.url(&format!("/{name}")));
    }
    let home = Home::new(&config);
    let mut daemon = home.start().await;
    // The second request for a feed says that its first poll is over, and what came of it recorded.
    for name in names {
        origin.request(&format!("/{name}"), 2).await;
        good.publish(1);
    }
    daemon.printed(1 + names.len()).await;
    let socket = home.path("state/control.sock");
    let mut status = home.launch(&["ctl", "--socket", socket.to_str().unwrap(), "status", "--json"]);
    assert_eq!(status.exit().await, 0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout.all()[0]).unwrap();
    let error = |name: &str| {
        let feeds = status["feeds"].as_array().unwrap();
        feeds.iter().find(|f| f["id"] == name).unwrap()["last_error"].as_str().unwrap_or("-").to_owned()
    };
    assert_eq!(error("missing"), "the server answered 404");
    assert_eq!(error("html"), "not a readable feed: this is an HTML page, not a feed");
    assert_eq!(error("file"), "bad redirect: 302 to a file URL");
    assert_eq!(error("loop"), "bad redirect: 302 in a circle");
    assert_eq!(error("private"), "10.0.0.1 is not a public address; allow_private can permit it");
    assert_eq!(error("metadata"), "169.254.169.254 is not a public address; allow_private can permit it");
    assert_eq!(error("hangs"), "no complete answer within 400ms");
    assert_eq!(error("stalls"), "no complete answer within 400ms");
    assert!(error("large").contains("larger than 10485760 bytes"), "{}", error("large"));
    assert!(error("bomb").contains("larger than 10485760 bytes"), "{}", error("bomb"));
    assert_eq!((error("many"), error("panics"), error("deep")), ("-".into(), "-".into(), "-".into()));
    gate.open();
    assert_eq!(daemon.terminate().await, 0);
}

#[tokio::test]
async fn loopback_is_refused_unless_it_is_allowed() {
    let origin = Origin::start().await;
    origin.set("/feed", Answer::ok("text/xml", "<rss/>"));
    let named = origin.url("/feed").replace("127.0.0.1", "localhost");
    let config = format!(
        "[polling]\nmin_interval = \"100ms\"\n[feeds.a]\nurl = {:?}\n[feeds.b]\nurl = {named:?}\n[sinks.out.stdout]\n",
        origin.url("/feed")
    );
    let home = Home::new(&config);
    let daemon = home.start().await;
    let refused = |name: &'static str| {
        daemon.stderr.until(format!("{name} in the log"), move |all| {
            all.iter().find(|l| l.contains(&format!("feed={name}")) && l.contains("not a public address")).cloned()
        })
    };
    refused("a").await;
    refused("b").await;
    assert!(origin.requests("/feed").all().is_empty());
}
