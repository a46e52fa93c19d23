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
