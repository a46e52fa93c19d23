//! The log: a line an event, whatever feeds and consumers say; priorities for the journal; and no secret anywhere.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Answer, Daemon, Home, Origin, Publisher, Receiver, Service, pages};

fn feed(name: &str, url: &str) -> String {
    format!("[feeds.{name}]\nurl = {url:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n")
}

async fn says(daemon: &Daemon, words: &'static str) {
    daemon.stderr.until(words, move |all| all.iter().find(|line| line.contains(words)).cloned()).await;
}

/// What whoever wants to forge a line would say.
const HOSTILE: &str = "x\n<3>2026-01-01T00:00:00Z ERROR forged\r\n{\"level\":\"ERROR\"}\u{1b}[31m\u{2028}y\u{85}z\u{202e}";

/// A consumer, a program and a feed that say all of it: in answers, on standard error, in titles and addresses.
#[tokio::test]
async fn d43_no_text_of_others_forges_a_line_in_any_format() {
    for format in ["text", "json", "journal"] {
        let (origin, consumer) = (Origin::start().await, Service::start("{}").await);
        consumer.answer_once(400, HOSTILE);
        let escaped: String = HOSTILE.chars().map(|c| format!("&#{};", u32::from(c))).collect();
        let body =
            format!("<rss><channel><title>{escaped}</title><item><guid>{escaped}</guid><title>{escaped}</title></item></channel></rss>");
        origin.set("/a", Answer::ok("text/xml", body));
        let page =
            format!("<html><head><title>{HOSTILE}</title><link rel=alternate type=application/rss+xml href='/{escaped}'></head></html>");
        origin.set("/b", Answer::ok("text/html", page));
        origin.set("/c", Answer::ok("application/json", format!("{{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":{HOSTILE}")));
        let home = Home::new("").retry("1h");
        fs::write(home.path("said"), HOSTILE).unwrap();
        let feeds = ["a", "b", "c"].map(|name| feed(name, &origin.url(&format!("/{name}")))).concat();
        let program = format!("[sinks.program.exec]\ncommand = [\"sh\", \"-c\", \"cat {} >&2\"]\n", home.path("said").display());
        let hook = format!("[sinks.hook.webhook]\nurl = {:?}\n", consumer.url("/hook"));
        home.configure(&(feeds + &program + &hook));
        let mut daemon = home.launch(&["run", "--log", "trace", "--log-format", format]);
        daemon.ready(1).await;
        for words in ["The attempt failed", "The poll failed", "The consumer says something"] {
            says(&daemon, words).await;
        }
        daemon.terminate().await;
        for line in daemon.stderr.all() {
            let bad = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}');
            assert!(!line.contains(bad), "{format}: {line:?}");
            let good = match format {
                "text" => line.starts_with("20") && !line.starts_with("2026-01-01T00:00:00Z"),
                "json" => serde_json::from_str(&line).is_ok_and(|line: Value| line["timestamp"].is_string() && line["target"].is_string()),
                _ => ["<4>", "<6>", "<7>"].iter().any(|begin| line.starts_with(begin)),
            };
            assert!(good, "{format}: {line:?}");
        }
    }
}

/// The first line that the daemon logs, with `$JOURNAL_STREAM` made from its standard error.
fn first_line(home: &Home, stream: impl FnOnce(&rustix::fs::Stat) -> String) -> String {
    let (read, write) = std::io::pipe().unwrap();
    let stat = rustix::fs::fstat(&write).unwrap();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_feedwire"))
        .args(["run", "--config", home.config().to_str().unwrap()])
        .env("JOURNAL_STREAM", stream(&stat))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(write)
        .spawn()
        .unwrap();
    let line = BufReader::new(read).lines().map(Result::unwrap).find(|line| line.contains("feedwire is ready"));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    line.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_standard_error_is_the_journal_lines_have_priorities() {
    let home = Home::new("[feeds.a]\nurl = \"https://feed.invalid/\"\n[sinks.out.stdout]\n");
    let line = first_line(&home, |stat| format!("{}:{}", stat.st_dev, stat.st_ino));
    assert!(line.starts_with("<6>feedwire is ready. feeds=1"), "{line}");
    let line = first_line(&home, |stat| format!("{}:{}", stat.st_dev, stat.st_ino + 1));
    assert!(line.starts_with("20") && line.contains(" INFO feedwire is ready."), "somebody else's stream: {line}");
}

#[tokio::test]
async fn what_ends_the_program_is_an_error_for_the_journal_too() {
    let home = Home::new("[feeds.a]\nurl = 5\n");
    let mut daemon = home.launch(&["run", "--log-format", "journal"]);
    assert_eq!(daemon.exit().await, 78);
    let all = daemon.stderr.all();
    assert!(all.len() > 3 && all.iter().all(|line| line.starts_with("<3>")), "{all:?}");
}

/// Every kind of secret there is, with what it looks like on its way.
const SECRETS: [(&str, &str); 8] = [
    ("password", "Pa55word-of-basic"),
    ("token", "B3arer-of-feed"),
    ("header", "H3ader-of-feed"),
    ("whsec", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
    ("old-whsec", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("bearer", "B3arer-of-hook"),
    ("hook-header", "H3ader-of-hook"),
    ("variable", "V4riable-of-program"),
];

/// The token in the URL of a bot.
const TELEGRAM: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

/// What may be in no output: the secrets, and what they become on the wire.
fn traces() -> Vec<String> {
    let key = fs::read_to_string(format!("{}/tests/certificates/client.key", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let key = key.lines().nth(1).unwrap().to_owned();
    let values = SECRETS.iter().map(|(_, value)| value.trim_start_matches("whsec_").to_owned());
    let basic = "bWU6UGE1NXdvcmQtb2YtYmFzaWM=".to_owned();
    let in_urls = ["Tok3n-in-url", TELEGRAM].map(str::to_owned);
    values.chain([key, basic]).chain(in_urls).collect()
}

fn configuration(origin: &Origin, tls: &str) -> String {
    let certificate = format!("{}/tests/certificates/client.pem", env!("CARGO_MANIFEST_DIR"));
    let credential = |name: &str| format!("{{ credential = \"{name}\" }}");
    feed("a", &origin.url("/a"))
        + &format!(
            "headers = {{ \"X-Token\" = {} }}\nauth.basic = {{ user = \"me\", password = {} }}\n",
            credential("header"),
            credential("password")
        )
        + &feed("b", &origin.url("/b"))
        + &format!("auth.bearer = {}\n", credential("token"))
        + &format!("[sinks.hook.webhook]\nurl = {}\nsecrets = [{}, {}]\n", credential("url"), credential("whsec"), credential("old-whsec"))
        + &format!("bearer = {}\nheaders = {{ \"X-Key\" = {} }}\n", credential("bearer"), credential("hook-header"))
        + &format!(
            "[sinks.chat]\nrate = {{ per = \"1ms\", burst = 100 }}\n[sinks.chat.webhook]\npreset = \"telegram\"\nchat_id = \"@x\"\nurl = {}\n",
            credential("telegram")
        )
        + &format!("[sinks.tls.webhook]\nurl = {tls:?}\nclient_cert = {certificate:?}\nclient_key = {}\n", credential("key"))
        + &format!("[sinks.program.exec]\ncommand = [\"sh\", \"-c\", \"exit 3\"]\nenv = {{ TOKEN = {} }}\n", credential("variable"))
        + "[admin]\nlisten = \"127.0.0.1:0\"\n"
}

/// All of it fails and works, with everything logged that can be; a consumer even repeats what it was sent.
#[tokio::test]
async fn d44_no_secret_of_any_kind_is_in_any_output() {
    let (origin, tls) = (Origin::start().await, Receiver::start().await);
    let (hook, chat) = (Service::start("{}").await, Service::start("{\"ok\":true}").await);
    let publisher = Publisher::new(&origin, "/a");
    publisher.publish(2);
    origin.set("/b", Answer::status(500));
    // What each of them was sent, it says again.
    let own = ["Tok3n-in-url", "B3arer-of-hook", "H3ader-of-hook", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"].join(" ");
    hook.answer_once(401, &own);
    hook.answer_once(500, &own);
    chat.answer_once(403, TELEGRAM);
    chat.answer_once(200, &format!("{{\"ok\":false,\"description\":\"{TELEGRAM}\"}}"));
    let home = Home::new("").retry("20ms");
    for (name, value) in SECRETS {
        fs::write(home.path("credentials").join(name), value).unwrap();
    }
    let write = |name: &str, value: &str| fs::write(home.path("credentials").join(name), value).unwrap();
    write("url", &hook.url("/hook/Tok3n-in-url?key=Tok3n-in-url"));
    write("telegram", &chat.url(&format!("/bot{TELEGRAM}/sendMessage")));
    write("key", &fs::read_to_string(format!("{}/tests/certificates/client.key", env!("CARGO_MANIFEST_DIR"))).unwrap());
    home.configure(&configuration(&origin, &tls.url("/").replace("http:", "https:")));
    let mut daemon = home.launch(&["run", "--log", "trace,hyper=trace,reqwest=trace,rustls=trace,h2=trace"]);
    daemon.ready(1).await;
    let address = pages::address(&daemon).await;
    for words in ["The attempt failed", "The poll failed", "sink=program", "sink=tls", "The sink takes events again. sink=hook"] {
        says(&daemon, words).await;
    }
    hook.received(4).await;
    chat.received(4).await;
    let mut outputs = vec![];
    for path in ["/v1/status", "/v1/feeds", "/v1/sinks", "/v1/events", "/metrics", "/feed.atom", "/feed.json", "/livez", "/readyz"] {
        outputs.push(pages::ask(&address, path).await.1);
    }
    home.configure("[feeds.a]\nurl = \"https://a.ua/\"\nauth.bearer = \"Tok3n-in-url\"\n[sinks.out.stdout]\n");
    for arguments in
        [&["status"][..], &["feeds"], &["sinks", "--json"], &["test", "hook"], &["test", "tls"], &["dead", "list"], &["reload", "--wait"]]
    {
        outputs.push(home.ctl(arguments).await.1);
    }
    let mut check = home.launch(&["check"]);
    assert_eq!(check.exit().await, 78);
    tokio::time::timeout(Duration::from_secs(30), daemon.terminate()).await.unwrap();
    for all in [&daemon.stderr, &daemon.stdout, &daemon.notified, &check.stdout, &check.stderr] {
        outputs.extend(all.all());
    }
    for trace in traces() {
        let said: Vec<_> = outputs.iter().filter(|output| output.contains(&trace)).collect();
        assert!(said.is_empty(), "{trace} is in {said:?}");
    }
}
