//! What Prometheus collects: every series from the start, few labels, numbers that say what happened; and what ships to watch it.

use std::collections::{BTreeMap, BTreeSet};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::support::{Answer, Daemon, Gate, Home, Origin, Publisher, Receiver, Reply, pages};

/// Names, types and help, as they were when somebody last looked at all of them: a name that changes breaks the boards of users.
const SNAPSHOT: &str = include_str!("metrics.txt");
const RULES: &str = include_str!("../config/monitoring/feedwire.rules.yml");
const DASHBOARD: &str = include_str!("../config/monitoring/feedwire.dashboard.json");

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

fn feed(name: &str, url: &str) -> String {
    format!("[feeds.{name}]\nurl = {url:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n")
}

fn hook(receiver: &Receiver) -> String {
    format!("[sinks.hook.webhook]\nurl = {:?}\n", receiver.url("/"))
}

async fn exposition(address: &str) -> String {
    let (status, text) = pages::ask(address, "/metrics").await;
    assert_eq!(status, 200);
    text
}

/// Every series with its value.
fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// Asks again until a series has a value; each request is an exchange with the daemon, so this is no busy loop.
async fn until(address: &str, name: &str, enough: impl Fn(f64) -> bool) -> BTreeMap<String, f64> {
    for _ in 0..2000 {
        let all = series(&exposition(address).await);
        if enough(*all.get(name).unwrap_or_else(|| panic!("there is no {name}"))) {
            return all;
        }
        tokio::task::yield_now().await;
    }
    panic!("{name} has not moved: {}", exposition(address).await);
}

async fn start(home: &Home) -> (Daemon, String) {
    let daemon = home.start().await;
    let address = pages::address(&daemon).await;
    (daemon, address)
}

/// Nothing that happens adds a series, so that a rule never asks for one that is not there, and no text of others becomes a label.
#[tokio::test]
async fn d50_every_series_is_there_from_the_start_and_none_is_added() {
    let (origin, receiver, gate) = (Origin::start().await, Receiver::start().await, Gate::shut());
    let text = "Forged\"} 1\nfeedwire_forged 1\u{2028}";
    let body = format!("junk<rss><channel><title>{text}</title><item><guid>{text}</guid><title>{text}</title></item>");
    origin.set("/a", Answer::ok("text/xml", body).held(&gate));
    origin.set("/forged", Answer::status(503).held(&gate));
    receiver.answer_when(|_| true, Reply::status(400).header("x-forged", "Forged"));
    let both = feed("a", &origin.url("/a")) + &feed("b", &origin.url("/forged"));
    let home = Home::new(&(both + &hook(&receiver) + "[sinks.out.stdout]\n" + ADMIN)).retry("10ms");
    let (_daemon, address) = start(&home).await;

    let before = series(&exposition(&address).await);
    let build = format!(
        "feedwire_build_info{{version={:?},revision={:?}}}",
        env!("CARGO_PKG_VERSION"),
        option_env!("FEEDWIRE_REVISION").unwrap_or_default()
    );
    assert_eq!(before.get(&build), Some(&1.0), "{:?}", before.first_key_value());
    // What these say is there before anything happens: of the daemon, its store, its process, and of what is configured.
    let begun =
        ["feedwire_build_info", "feedwire_config_", "feedwire_loops_alive", "feedwire_store_", "process_", "feedwire_polls_in_flight"];
    let begun = |name: &str| begun.iter().any(|begin| name.starts_with(begin));
    let states = ["feedwire_feeds{state=\"new\"}", "feedwire_sink_concurrency", "feedwire_sink_state{sink=\"hook\",state=\"ok\"}"];
    for (name, value) in before.iter().filter(|(name, _)| !begun(name) && !name.contains("sink=\"out\"")) {
        let configured = states.iter().any(|state| name.starts_with(state));
        assert_eq!(*value > 0.0, configured, "{name} is {value} at the start");
    }

    gate.open();
    until(&address, "feedwire_deliveries_total{sink=\"hook\",result=\"refused\"}", |dead| dead >= 1.0).await;
    until(&address, "feedwire_polls_total{result=\"http_5xx\"}", |failed| failed >= 1.0).await;
    let text = exposition(&address).await;
    let names = |all: BTreeMap<String, f64>| all.into_keys().collect::<BTreeSet<_>>();
    assert_eq!(names(before), names(series(&text)));
    assert!(!text.contains("Forged") && !text.contains("forged") && !text.contains("127.0.0.1"), "{text}");
}

#[tokio::test]
async fn metrics_say_what_happened() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let publisher = Publisher::new(&origin, "/a");
    publisher.publish(3);
    origin.set("/b", Answer::ok("text/xml", "<rss><channel><item><guid>1</guid><title>A</title></item>"));
    origin.set("/c", Answer::status(404));
    let feeds = feed("a", &publisher.url()) + &feed("b", &origin.url("/b")) + &feed("c", &origin.url("/c"));
    let home = Home::new(&(feeds + &hook(&receiver) + ADMIN)).retry("10ms");
    receiver.answer_once(Reply::status(503));
    let (_daemon, address) = start(&home).await;
    until(&address, "feedwire_deliveries_total{sink=\"hook\",result=\"delivered\"}", |delivered| delivered >= 4.0).await;
    publisher.edit("article-1", |article| article.title = "Зовсім інші слова".into());
    let all = until(&address, "feedwire_entries_total{kind=\"updated\"}", |updated| updated >= 1.0).await;
    let at_least = |name: &str, least: f64| assert!(all[name] >= least, "{name} is {}", all[name]);
    assert_eq!(all["feedwire_entries_total{kind=\"created\"}"], 4.0);
    assert_eq!(all["feedwire_entries_unwanted_total"], 1.0, "nobody asked for updates");
    assert_eq!(all["feedwire_deliveries_total{sink=\"hook\",result=\"delivered\"}"], 4.0);
    assert_eq!(all["feedwire_delivery_attempts_total{sink=\"hook\",result=\"endpoint\"}"], 1.0);
    assert_eq!(all["feedwire_webhook_answers_total{sink=\"hook\",class=\"5xx\"}"], 1.0);
    assert_eq!(all["feedwire_webhook_answers_total{sink=\"hook\",class=\"2xx\"}"], 4.0);
    assert_eq!(all["feedwire_delivery_latency_seconds_count{sink=\"hook\"}"], 4.0);
    assert_eq!(all["feedwire_delivery_attempt_duration_seconds_count{sink=\"hook\"}"], 5.0);
    assert_eq!(all["feedwire_sink_state{sink=\"hook\",state=\"ok\"}"], 1.0);
    assert_eq!((all["feedwire_feeds{state=\"ok\"}"], all["feedwire_feeds{state=\"failing\"}"]), (2.0, 1.0));
    assert_eq!(all["feedwire_feed_last_success_timestamp_seconds{feed=\"c\"}"], 0.0);
    at_least("feedwire_feed_last_success_timestamp_seconds{feed=\"a\"}", 1.7e9);
    at_least("feedwire_polls_total{result=\"changed\"}", 3.0);
    at_least("feedwire_polls_total{result=\"http_4xx\"}", 1.0);
    at_least("feedwire_poll_duration_seconds_count", 4.0);
    at_least("feedwire_poll_delay_seconds_count", 1.0);
    at_least("feedwire_poll_received_bytes_total", 200.0);
    at_least("feedwire_entries_read_total", 7.0);
    at_least("feedwire_documents_mended_total{fault=\"cut document\"}", 1.0);
    at_least("feedwire_store_commit_duration_seconds_count", 5.0);
    at_least("feedwire_store_size_bytes", 1000.0);
    at_least("process_resident_memory_bytes", 1e6);
    until(&address, "feedwire_polls_total{result=\"not_modified\"}", |same| same >= 1.0).await;
}

/// What waits is told, how long it has waited, and that its sink is left alone; a reload takes nothing of it back.
#[tokio::test]
async fn d35_what_waits_is_told_and_a_reload_is_too() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let publisher = Publisher::new(&origin, "/a");
    publisher.publish(2);
    receiver.down().await;
    let config = feed("a", &publisher.url()) + &hook(&receiver) + ADMIN;
    let home = Home::new(&config).retry("10ms,1h");
    let (daemon, address) = start(&home).await;
    let attempts = "feedwire_delivery_attempts_total{sink=\"hook\",result=\"endpoint\"}";
    until(&address, attempts, |failed| failed >= 2.0).await;
    let all = until(&address, "feedwire_outbox_events{sink=\"hook\",state=\"waiting\"}", |waiting| waiting == 2.0).await;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let waited = now - all["feedwire_outbox_oldest_timestamp_seconds{sink=\"hook\"}"];
    assert!((0.0..60.0).contains(&waited), "it has waited for {waited} s");
    assert_eq!(all["feedwire_sink_state{sink=\"hook\",state=\"failing\"}"], 1.0);
    assert_eq!(all["feedwire_webhook_answers_total{sink=\"hook\",class=\"connect\"}"], all[attempts]);

    home.configure("[feeds.a]\nurl = 5\n");
    daemon.hup();
    daemon.ready(2).await;
    let refused = series(&exposition(&address).await);
    assert_eq!(refused["feedwire_config_last_reload_successful"], 0.0);
    home.configure(&config);
    daemon.hup();
    daemon.ready(3).await;
    let good = series(&exposition(&address).await);
    assert_eq!(good["feedwire_config_last_reload_successful"], 1.0);
    assert!(good["feedwire_config_last_reload_timestamp_seconds"] >= refused["feedwire_config_last_reload_timestamp_seconds"]);
    assert!(good[attempts] >= all[attempts], "a reload starts nothing over");

    // A sink that is not configured any more, and what waits for it.
    home.configure(&config.replace("sinks.hook", "sinks.other"));
    daemon.hup();
    daemon.ready(4).await;
    let without = series(&exposition(&address).await);
    assert_eq!(without["feedwire_outbox_events{sink=\"hook\",state=\"waiting\"}"], 2.0);
    assert!(!without.contains_key(attempts), "it makes none any more");
    home.configure(&config);
    daemon.hup();
    daemon.ready(5).await;

    receiver.up().await;
    let (code, said) = home.ctl(&["resume", "hook"]).await;
    assert_eq!(code, 0, "{said}");
    receiver.acknowledged(2).await;
    let all = until(&address, "feedwire_outbox_events{sink=\"hook\",state=\"waiting\"}", |waiting| waiting == 0.0).await;
    assert_eq!(all["feedwire_outbox_oldest_timestamp_seconds{sink=\"hook\"}"], 0.0);
}

/// Name, type and help of every family.
fn families(text: &str) -> Vec<String> {
    let help = text.lines().filter_map(|line| line.strip_prefix("# HELP ")).map(|line| line.split_once(' ').unwrap());
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(|line| line.split_once(' ').unwrap());
    help.zip(kinds).map(|((name, help), (_, kind))| format!("{name} {kind}: {help}")).collect()
}

#[tokio::test]
async fn names_types_and_help_change_on_purpose_only() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let home = Home::new(&(feed("a", &origin.url("/a")) + &hook(&receiver) + ADMIN));
    let (_daemon, address) = start(&home).await;
    let text = exposition(&address).await;
    let now = families(&text).join("\n");
    assert_eq!(now.trim(), SNAPSHOT.trim(), "tests/metrics.txt is to be\n{now}");
    for family in families(&text) {
        let name = family.split(' ').next().unwrap();
        assert!(include_str!("../README.md").contains(&format!("`{name}`")), "{name} is not in the manual");
    }
}

/// On the unix socket too, and in the format that is asked for.
#[tokio::test]
async fn metrics_are_on_the_unix_socket_and_in_the_format_that_is_asked_for() {
    let origin = Origin::start().await;
    let home = Home::new(&(feed("a", &origin.url("/a")) + "[sinks.out.stdout]\n"));
    let _daemon = home.start().await;
    let ask = async |accept: &str| {
        let mut socket = UnixStream::connect(home.path("state/control.sock")).await.unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let old = ask("*/*").await;
    assert!(old.contains("content-type: text/plain; version=0.0.4; charset=utf-8") && old.contains("# TYPE feedwire_polls_total counter"));
    let open = ask("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5").await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{open}");
    assert!(open.contains("# TYPE feedwire_polls counter") && open.ends_with("# EOF\n"), "{open}");
}

/// Words that begin as our metrics do.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("feedwire_") || word.starts_with("process_")).collect()
}

/// A rule or a panel over a metric that does not exist says nothing, for ever.
#[tokio::test]
async fn rules_and_dashboard_name_what_there_is() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let home = Home::new(&(feed("a", &origin.url("/a")) + &hook(&receiver) + ADMIN));
    let (_daemon, address) = start(&home).await;
    let text = exposition(&address).await;
    let there = named(&text);
    let board: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut expressions = vec![];
    collect(&board, &mut expressions);
    assert!(expressions.len() >= 15, "{expressions:?}");
    for expression in &expressions {
        assert!(!named(expression).is_empty(), "a panel over nothing: {expression}");
    }
    for (place, text) in [("rules", RULES.to_owned()), ("dashboard", expressions.join("\n"))] {
        let missing: Vec<_> = named(&text).into_iter().filter(|name| !there.contains(name)).map(str::to_owned).collect();
        assert!(missing.is_empty(), "{place}: {missing:?}");
    }
}

/// Every expression and every query of a variable.
fn collect(value: &serde_json::Value, expressions: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if key == "expr" || key == "query" && text.contains('_') => expressions.push(text.to_owned()),
                    _ => collect(value, expressions),
                }
            }
        }
        serde_json::Value::Array(all) => all.iter().for_each(|value| collect(value, expressions)),
        _ => {}
    }
}
