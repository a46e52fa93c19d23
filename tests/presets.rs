//! Chat services, each played by a scripted one: what a real daemon sends, and what it makes of the answers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{Daemon, Home, Origin, Publisher, Service};

/// A feed with these entries and a sink for it; its URL is a credential, `token` a secret within.
async fn home(entries: usize, service: &Service, path: &str, keys: &str) -> (Origin, Publisher, Home) {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(entries);
    let config = format!(
        "[feeds.a]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n[sinks.chat]\nrate = {{ per = \"1ms\", burst = 100 }}\n\
         [sinks.chat.webhook]\nurl = {{ credential = \"url\" }}\n{keys}\n",
        publisher.url()
    );
    let home = Home::new(&config).credential("url", &service.url(path)).credential("token", "t0p-secret").retry("1ms");
    (origin, publisher, home)
}

async fn says(daemon: &Daemon, words: &'static str) {
    daemon.stderr.until(words, move |all| all.iter().find(|line| line.contains(words)).cloned()).await;
    assert!(!daemon.stderr.all().iter().any(|line| line.contains("t0p-secret")), "a secret is in the log");
}

#[tokio::test]
async fn d52_discord_is_waited_for_and_disabled_by_404() {
    let discord = Service::start(r#"{"id":"1"}"#).await;
    discord.answer_once(429, r#"{"message":"You are being rate limited.","retry_after":1.0,"global":false}"#);
    discord.answer_once(200, "{}");
    discord.answer_once(404, r#"{"message":"Unknown Webhook","code":10015}"#);
    let (_origin, publisher, home) = home(3, &discord, "/api/webhooks/1/t0p-secret", "preset = \"discord\"\nthread_id = 42").await;
    let daemon = home.start().await;
    says(&daemon, "says it is gone").await;
    let calls = discord.received(3).await;
    assert!(calls[1].at - calls[0].at >= Duration::from_millis(990), "{:?}", calls[1].at - calls[0].at);
    assert_eq!((&calls[0].body, calls[0].method.as_str()), (&calls[1].body, "POST"));
    for call in &calls {
        assert_eq!(call.target, "/api/webhooks/1/t0p-secret?wait=true&thread_id=42");
        assert_eq!(call.json().pointer("/allowed_mentions"), Some(&serde_json::json!({ "parse": [] })));
        assert_eq!(call.headers.get("webhook-signature"), None);
    }
    publisher.read().await;
    publisher.read().await;
    assert_eq!(discord.count(), 3, "who asks on is banned");
}

#[tokio::test]
async fn d53_telegram_has_it_when_it_says_ok() {
    let telegram = Service::start(r#"{"ok":true,"result":{"message_id":1}}"#).await;
    telegram.answer_once(200, r#"{"ok":false,"description":"not yet"}"#);
    telegram.answer_once(429, r#"{"ok":false,"error_code":429,"parameters":{"retry_after":1}}"#);
    let (_origin, _publisher, home) = home(1, &telegram, "/bott0p-secret", "preset = \"telegram\"\nchat_id = -1001").await;
    let daemon = home.start().await;
    says(&daemon, "the answer does not say").await;
    let calls = telegram.received(3).await;
    assert!(calls[2].at - calls[1].at >= Duration::from_millis(990), "{:?}", calls[2].at - calls[1].at);
    assert!(calls.iter().all(|call| call.target == "/bott0p-secret/sendMessage" && call.body == calls[0].body));
    assert_eq!(calls[0].json().pointer("/chat_id"), Some(&(-1001).into()));
}

#[tokio::test]
async fn d54_a_lost_answer_leaves_one_event_in_a_matrix_room() {
    let homeserver = Service::start(r#"{"event_id":"$1"}"#).await;
    homeserver.lose_once();
    homeserver.answer_once(429, r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1000}"#);
    let keys = "preset = \"matrix\"\nroom = \"!r:example.org\"\nbearer = { credential = \"token\" }";
    let (_origin, _publisher, home) = home(2, &homeserver, "/", keys).await;
    let daemon = home.start().await;
    let calls = homeserver.received(4).await;
    assert!(calls[2].at - calls[1].at >= Duration::from_millis(990), "{:?}", calls[2].at - calls[1].at);
    // A homeserver keeps one event a transaction.
    let mut room = BTreeMap::new();
    for call in &calls {
        assert_eq!((call.method.as_str(), &call.headers["authorization"]), ("PUT", &"Bearer t0p-secret".parse().unwrap()));
        assert_eq!(
            call.target.strip_suffix(call.headers["webhook-id"].to_str().unwrap()),
            Some("/_matrix/client/v3/rooms/!r:example.org/send/m.room.message/")
        );
        room.entry(call.target.clone()).or_insert_with(|| call.body.clone());
    }
    assert_eq!((room.len(), daemon.stderr.all().iter().any(|line| line.contains("t0p-secret"))), (2, false));
}

#[tokio::test]
async fn d55_slack_is_disabled_by_404_and_by_410() {
    for status in [404, 410] {
        let slack = Service::start("ok").await;
        slack.answer_once(status, "no_service");
        let (_origin, publisher, home) = home(2, &slack, "/services/t0p-secret", "preset = \"slack\"").await;
        let mut daemon = home.start().await;
        says(&daemon, "says it is gone").await;
        publisher.read().await;
        publisher.read().await;
        assert_eq!(slack.count(), 1, "{status}");
        daemon.terminate().await;
        let _daemon = home.start().await;
        let calls = slack.received(3).await;
        assert_eq!(calls[0].body, calls[1].body, "it was held");
    }
}
