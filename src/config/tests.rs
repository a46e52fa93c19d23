//! Tables of configurations and what is said of them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::domain::delivery::Order;
use crate::domain::feed::Backlog;
use crate::secret::{HeaderValue, Secret};
use crate::sink::Target;

mod network;

const FEED: &str = "[feeds.a]\nurl = \"https://a.ua/rss\"\n";
const STDOUT: &str = "[sinks.out.stdout]\n";

/// A directory with these files, of which the first is the configuration; the environment is what is given and a HOME.
fn load_files(files: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let env: HashMap<_, _> = env.iter().chain(&[("HOME", "/home/u")]).copied().collect();
    let lookup = |name: &str| env.get(name).map(|value| OsString::from(value.replace("DIR", &dir.path().display().to_string())));
    let result = load(&dir.path().join(files.first().unwrap().0), &lookup);
    result.map_err(|e| e.to_string().replace(&format!("{}/", dir.path().display()), ""))
}

fn load_one(text: &str) -> Result<Config, String> {
    load_files(&[("f.toml", text)], &[("TOKEN", "t0p-secret"), ("HOOK", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")])
}

/// What is wrong with a configuration that has a feed and a sink beside `text`.
#[track_caller]
fn complaint(text: &str, expected: &str) {
    let error = load_one(&format!("{text}\n")).unwrap_err();
    let complaints = error.split_once("\n\n").unwrap().1;
    assert_eq!(complaints, expected, "\n{error}");
}

#[test]
fn the_shipped_files_are_good() {
    for name in ["config/feedwire.toml", "config/minimal.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let config = load(&path, &|name| (name == "HOME").then(|| "/home/u".into())).unwrap();
        assert_eq!(config.warnings, Vec::<String>::new());
    }
}

/// Every option that the sample shows as a comment (`#key = value`, no space) is one, with a value that is accepted.
#[test]
fn the_sample_is_true() {
    let sample = include_str!("../../config/feedwire.toml").replace("/var/log/feedwire/", "");
    let all: String = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(option) if option.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => format!("{option}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let opml = "<opml><body><outline xmlUrl='https://o.example/rss'/></body></opml>";
    let secrets = [("CREDENTIALS_DIRECTORY", "DIR/credentials"), ("TOKEN", "x")];
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let files = [
        ("f.toml", all.as_str()),
        ("subscriptions.opml", opml),
        ("credentials/newsroom", secret),
        ("credentials/secret_newsroom-old", secret),
        ("credentials/token", "x"),
        ("intranet-ca.pem", include_str!("../../tests/certificates/authority.pem")),
        ("feedwire.pem", include_str!("../../tests/certificates/client.pem")),
        ("credentials/feedwire-key", include_str!("../../tests/certificates/client.key")),
        ("message.jinja", "{}"),
        ("credentials/matrix", "x"),
        ("credentials/telegram-url", "https://api.telegram.org/bot1:t"),
        ("credentials/discord-url", "https://discord.com/api/webhooks/1/t"),
        ("credentials/mattermost-url", "https://chat.example.org/hooks/t"),
    ];
    load_files(&files, &secrets).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let config = load_one(&format!("{FEED}{STDOUT}")).unwrap();
    assert_eq!((config.instance.as_str(), config.retention), ("main", Duration::from_secs(30 * 86_400)));
    assert_eq!((config.state_dir.as_path(), config.backups), (Path::new("/home/u/.local/state/feedwire"), 0));
    assert_eq!(load_one(&format!("backups = 7\n{FEED}{STDOUT}")).unwrap().backups, 7);
    assert!(load_one(&format!("backups = 1000\n{FEED}{STDOUT}")).is_err());
    let expected = Polling { max_in_flight: 64, per_host: 1, host_gap: Duration::from_secs(1), max_entries: 2000 };
    assert_eq!((config.polling, config.admin), (expected, None));
    assert_eq!((config.fetch.timeout, config.fetch.max_body), (Duration::from_secs(30), 10 << 20));
    let feed = &config.feeds.first().unwrap().feed;
    let minutes = |n: u64| Duration::from_secs(60 * n);
    assert_eq!((feed.pace.min, feed.pace.mean, feed.pace.max, feed.pace.fixed), (minutes(5), minutes(30), minutes(24 * 60), None));
    assert_eq!(feed.backlog, Backlog::None);
    let sink = config.sinks.first().unwrap();
    assert_eq!((sink.events.as_slice(), sink.order, sink.rate), (&[crate::domain::event::EventKind::Created][..], Order::Feed, None));
}

#[test]
fn everything_that_is_documented_is_meant() {
    let text = r#"
instance = "eu-1"
state_dir = "/srv/state"
[polling]
mean_interval = "1h"
min_interval = "1m"
max_interval = "2d"
max_in_flight = 8
per_host = 2
host_gap = "3s"
timeout = "10s"
max_body = "1MiB"
max_entries = 10
contact = "https://example.org/about"
allow_private = ["127.0.0.0/8", "::1"]
[feeds.a]
url = "https://a.ua/rss"
tags = ["news", "ua"]
interval = "5m"
backlog = 3
user_agent = "Other/1.0"
headers = { "X-Plain" = "p", "X-Token" = { env = "TOKEN" } }
auth.basic = { user = "me", password = { env = "TOKEN" } }
allow_private = ["10.0.0.0/8"]
content = "feed"
[feeds.b]
url = "https://b.ua/rss"
backlog = "all"
auth.bearer = { env = "TOKEN" }
[sinks.s]
events = ["entry.updated", "entry.created"]
order = "none"
rate = { per = "1s", burst = 5 }
filter = { tags = ["ua"], feeds = ["a*"], include = ["(?i)сеул"], exclude = ["реклама"], categories = ["x"], max_age = "2d" }
[sinks.s.webhook]
url = "https://hooks.example.org/feeds?token=q"
secrets = [{ env = "HOOK" }]
headers = { "X-A" = "b" }
bearer = { env = "TOKEN" }
timeout = "5s"
max_age = "0s"
max_in_flight = 3
[admin]
listen = "127.0.0.1:7744"
hosts = ["Feeds.example.org"]
retention = "7d"
"#;
    let config = load_one(text).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
    let a = config.feeds.first().unwrap();
    assert_eq!((a.feed.tags.to_vec(), a.feed.backlog), (vec!["news".to_owned(), "ua".to_owned()], Backlog::Newest(3)));
    assert_eq!(a.feed.pace.fixed, Some(Duration::from_secs(300)));
    let token = Secret::new("t0p-secret".into());
    let headers = vec![("X-Plain".into(), HeaderValue::Plain("p".into())), ("X-Token".into(), HeaderValue::Secret(token.clone()))];
    assert_eq!((&a.options.headers, a.options.user_agent.as_deref()), (&headers, Some("Other/1.0")));
    assert_eq!(a.options.auth, Some(fetch::Auth::Basic { user: "me".into(), password: token.clone() }));
    assert_eq!(config.feeds.get(1).unwrap().options.auth, Some(fetch::Auth::Bearer(token)));
    let sink = config.sinks.first().unwrap();
    let Target::Webhook(hook) = &sink.target else { panic!("{sink:?}") };
    assert_eq!((hook.timeout, hook.max_age, hook.max_in_flight), (Duration::from_secs(5), None, 3));
    assert_eq!((sink.events.len(), sink.order, sink.rate.unwrap().burst), (2, Order::None, 5));
    assert_eq!((config.admin, &config.hosts[..]), (Some("127.0.0.1:7744".parse().unwrap()), &["feeds.example.org".to_owned()][..]));
    let shown = format!("{config:?}");
    assert!(!shown.contains("t0p-secret") && !shown.contains("C2FVs") && !shown.contains("token=q"), "{shown}");
}

#[test]
fn an_unknown_key_has_its_line_and_caret() {
    complaint(
        &format!("{FEED}intervall = \"5m\"\n{STDOUT}"),
        "f.toml:3:1: unknown field `intervall`, expected one of `url`, `tags`, `interval`, `backlog`, `headers`, `user_agent`, `auth`, `allow_private`, `ca`, `insecure`, `content`
  |
3 | intervall = \"5m\"
  | ^^^^^^^^^",
    );
}

#[test]
fn a_bad_value_has_its_line_and_caret() {
    complaint(
        "[feeds.a]\nurl = \"a.ua/rss\"\n",
        "f.toml:2:7: not an absolute URL: relative URL without a base
  |
2 | url = \"a.ua/rss\"
  |       ^^^^^^^^^^",
    );
    complaint(
        "[polling]\nmax_interval = \"1 fortnight\"\n",
        "f.toml:2:16: not a duration such as \"30s\", \"5m\" or \"2d\": unknown time unit \"fortnight\", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)
  |
2 | max_interval = \"1 fortnight\"
  |                ^^^^^^^^^^^^^",
    );
    complaint(
        "[polling]\nallow_private = [\"localhost\"]\n",
        "f.toml:2:17: not a network such as \"127.0.0.0/8\" or \"fd00::/8\"
  |
2 | allow_private = [\"localhost\"]
  |                 ^^^^^^^^^^^^^",
    );
    complaint(
        &format!("{FEED}backlog = \"some\"\n"),
        "f.toml:3:11: invalid value: string \"some\", expected \"none\", \"all\" or a number of entries
  |
3 | backlog = \"some\"
  |           ^^^^^^",
    );
}

#[test]
fn contradictions_are_told_all_at_once() {
    complaint(
        "[polling]\nmin_interval = \"1h\"\nmax_interval = \"5m\"\nper_host = 0\n[feeds.a]\nurl = \"https://a.ua/rss\"\ninterval = \"1m\"\n[sinks.s]\nevents = [\"sink.disabled\", \"entry.deleted\"]\nfilter.include = [\"(\"]\n",
        "f.toml:3:16: max_interval is shorter than min_interval (1h)
  |
3 | max_interval = \"5m\"
  |                ^^^^

f.toml:4:12: must be between 1 and 64
  |
4 | per_host = 0
  |            ^

f.toml:7:12: interval is shorter than [polling] min_interval (1h)
  |
7 | interval = \"1m\"
  |            ^^^^

f.toml:9:28: not a type of event: there are entry.created, entry.updated, feed.flood, feed.failing, feed.recovered, feed.gone, feed.gap, feed.moved, feed.stale, sink.disabled, sink.recovered, feedwire.ping
  |
9 | events = [\"sink.disabled\", \"entry.deleted\"]
  |                            ^^^^^^^^^^^^^^^

f.toml:10:19: not a regular expression: unclosed group
   |
10 | filter.include = [\"(\"]
   |                   ^^^

f.toml:8:8: a sink has one of the tables [sinks.s.stdout], [sinks.s.webhook], [sinks.s.exec], [sinks.s.unix], [sinks.s.tcp], [sinks.s.file]
  |
8 | [sinks.s]
  |        ^

there is no sink; add one, for example:

[sinks.terminal.stdout]",
    );
}

#[test]
fn what_comes_later_is_refused_by_name() {
    let hook = "[sinks.h.webhook]\nurl = \"https://h.example/\"\n";
    complaint(
        &format!("{FEED}content = \"full\"\n{hook}"),
        "f.toml:3:11: content = \"full\" comes with a later release; today content is what the feed carries (\"feed\")
  |
3 | content = \"full\"
  |           ^^^^^^",
    );
}

#[test]
fn d45_a_secret_is_never_in_the_file_nor_in_the_complaint() {
    let hook = |secret: &str| format!("{FEED}[sinks.h.webhook]\nurl = \"https://h.example/\"\nsecrets = [{secret}]\n");
    complaint(
        &hook("\"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\""),
        "f.toml:5:12: a secret is never written in the file: use { credential = \"NAME\" }, { file = \"PATH\" } or { env = \"NAME\" }",
    );
    complaint(&hook("{ env = \"NOPE\" }"), "f.toml:5:12: the environment variable NOPE is not set");
    complaint(
        &hook("{ credential = \"newsroom\" }"),
        "f.toml:5:12: there is no credential newsroom: $CREDENTIALS_DIRECTORY is not set; with the shipped unit put it in /etc/feedwire/secrets/newsroom",
    );
    complaint(
        &hook("{ env = \"TOKEN\" }"),
        "f.toml:5:12: a webhook secret begins with whsec_; make one with: echo \"whsec_$(head -c 32 /dev/urandom | base64)\"",
    );
    complaint(
        "[feeds.a]\nurl = \"https://me:pw@a.ua/rss\"\n[sinks.out.stdout]\n",
        "f.toml:2:7: a URL here holds no user name or password; use auth.basic = { user = \"…\", password = { credential = \"NAME\" } }",
    );
}

#[path = "webhook_tests.rs"]
mod webhooks;

#[path = "lines_tests.rs"]
mod lines;

#[test]
fn includes_and_opml_add_feeds() {
    let main = format!("include = [\"feeds.d/*.toml\"]\nopml = [\"s.opml\"]\n{FEED}{STDOUT}");
    let opml = "<opml><body><outline text='UA'><outline xmlUrl='https://o.ua/rss'/></outline></body></opml>";
    let files = [("f.toml", main.as_str()), ("feeds.d/1.toml", "[feeds.b]\nurl = \"https://b.ua/\"\n"), ("s.opml", opml)];
    let config = load_files(&files, &[]).unwrap();
    let names: Vec<_> = config.feeds.iter().map(|s| s.feed.id.to_string()).collect();
    assert_eq!(names.len(), 3);
    assert!(names.iter().any(|n| n.starts_with("o.ua-")), "{names:?}");

    let files = [("f.toml", main.as_str()), ("feeds.d/1.toml", "[feeds.a]\nurl = \"https://b.ua/\"\n"), ("s.opml", "<rss/>")];
    let error = load_files(&files, &[]).unwrap_err();
    assert!(error.contains("feeds.d/1.toml:1:8: the feed a is already defined in f.toml"), "{error}");
    assert!(error.contains("f.toml:2:9: cannot read s.opml: it has no <opml> element"), "{error}");
    let files = [("f.toml", main.as_str()), ("s.opml", &opml[..60])];
    let error = load_files(&files, &[]).unwrap_err();
    assert!(error.contains("it ends before </opml>"), "half a file would unsubscribe from the other half: {error}");
    let files = [("f.toml", main.as_str()), ("feeds.d/1.toml", "instance = \"x\"\n"), ("s.opml", opml)];
    let error = load_files(&files, &[]).unwrap_err();
    assert!(error.contains("feeds.d/1.toml:1:1: unknown field `instance`, expected `feeds` or `sinks`"), "{error}");
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let text = format!(
        "{FEED}[feeds.b]\nurl = \"https://a.ua/rss\"\n[sinks.out]\nfilter = {{ tags = [\"x\"], feeds = [\"zz*\"] }}\n[sinks.out.stdout]\n[admin]\nlisten = \"0.0.0.0:1\"\n"
    );
    let warnings = load_one(&text).unwrap().warnings;
    let expected = [
        "[admin] listens on 0.0.0.0:1: whoever reaches it can read your feeds, their URLs and their events",
        "the feeds a and b have the same URL; it is polled twice",
        "the filter of the sink out asks for the tag \"x\", which no feed has",
        "the filter of the sink out asks for a name like \"zz*\", which no feed has",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn the_file_is_looked_for_where_the_manual_says() {
    let dir = tempfile::tempdir().unwrap();
    let managed = dir.path().join("feedwire.toml");
    fs::write(&managed, "").unwrap();
    let env = |pairs: Vec<(&'static str, String)>| move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
    let both = env(vec![("FEEDWIRE_CONFIG", "/x/y.toml".into()), ("CONFIGURATION_DIRECTORY", dir.path().display().to_string())]);
    assert_eq!(find(Some(Path::new("/a.toml")), &both), Ok("/a.toml".into()));
    assert_eq!(find(None, &both), Ok("/x/y.toml".into()));
    let one = env(vec![("CONFIGURATION_DIRECTORY", dir.path().display().to_string())]);
    assert_eq!(find(None, &one), Ok(managed));
}

#[test]
fn a_hundred_thousand_feeds_are_no_matter() {
    let mut text = STDOUT.to_owned();
    for n in 0..100_000 {
        text.push_str(&format!("[feeds.feed-{n}]\nurl = \"https://host-{n}.example/rss\"\n"));
    }
    assert_eq!(load_one(&text).unwrap().feeds.len(), 100_000);
}

#[path = "schema_tests.rs"]
mod schema_tests;
