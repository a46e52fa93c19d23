//! The program among other programs: exit codes, signals, the service manager, reload, and what it says to whom.

use std::process::{Command, Stdio};

use crate::support::{Answer, Gate, Home, Origin, Publisher, Receiver};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NOWHERE: &str = "[feeds.a]\nurl = \"https://feed.invalid/rss\"\n[sinks.out.stdout]\n";

fn feed(name: &str, publisher: &Publisher) -> String {
    format!("[feeds.{name}]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n", publisher.url())
}

#[tokio::test]
async fn d8_a_second_process_on_the_same_state_exits_75() {
    let home = Home::new(NOWHERE);
    let _first = home.start().await;
    let mut second = home.launch(&["run"]);
    assert_eq!(second.exit().await, 75);
    assert!(second.stderr.tail().contains("is in use by another feedwire"), "{}", second.stderr.tail());
}

#[tokio::test]
async fn a_bad_configuration_exits_78_with_line_and_caret() {
    let home = Home::new("[feeds.a]\nurl = \"https://a.ua/\"\nintervall = \"5m\"\n[sinks.out.stdout]\n");
    for command in ["run", "check"] {
        let mut daemon = home.launch(&[command]);
        assert_eq!(daemon.exit().await, 78);
        let said = daemon.stderr.all().join("\n");
        assert!(said.contains("unknown field `intervall`") && said.contains("feedwire.toml:4:1") && said.contains("^^^^^^^^^"), "{said}");
        assert_eq!(daemon.stdout.all(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn check_says_what_is_meant_and_asks_the_feeds() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(3);
    origin.set("/gone", Answer::status(410));
    let home = Home::new(&format!("{}[feeds.b]\nurl = {:?}\n[sinks.out.stdout]\n", feed("a", &publisher), origin.url("/gone")));
    let (code, said) = home.ctl(&["status"]).await;
    assert!(code == 69 && said.contains("the daemon does not answer on"), "{said}");
    let mut check = home.launch(&["check"]);
    assert_eq!(check.exit().await, 0);
    assert!(check.stdout.all()[0].contains("is good: 2 feeds, 1 sink (out: stdout)"), "{}", check.stdout.tail());
    let mut online = home.launch(&["check", "--online"]);
    assert_eq!(online.exit().await, 1);
    let said = online.stdout.all().join("\n");
    assert!(said.contains("a: ok: 3 entries") && said.contains("b: FAILED: the server answered 410"), "{said}");
}

#[tokio::test]
async fn d40_d41_ready_after_all_is_set_up_and_a_hangup_right_after_it_is_answered() {
    let home = Home::new(NOWHERE);
    let mut daemon = home.start().await;
    daemon.hup();
    daemon.ready(2).await;
    let messages = daemon.notified.all();
    let reloading = messages.iter().find(|m| m.contains("RELOADING=1")).expect("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "in the same datagram: {reloading}");
    assert_eq!(daemon.terminate().await, 0);
    assert!(daemon.notified.all().iter().any(|m| m.contains("STOPPING=1")));
}

#[tokio::test]
async fn d35_a_reload_changes_what_runs_and_a_bad_one_changes_nothing() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let (a, b) = (Publisher::new(&origin, "/a"), Publisher::new(&origin, "/b"));
    a.publish(1);
    b.publish(1);
    let hook = format!("[sinks.hook.webhook]\nurl = {:?}\n", receiver.url("/"));
    let home = Home::new(&(feed("a", &a) + &hook));
    let daemon = home.start().await;
    receiver.acknowledged(1).await;

    home.configure("[feeds.a]\nurl = 5\n");
    daemon.hup();
    let refused = daemon.ready(2).await;
    assert!(refused.contains("STATUS=configuration refused, the old one stays"), "{refused}");
    let mut ctl = home.launch(&["ctl", "--socket", home.path("state/control.sock").to_str().unwrap(), "reload", "--wait"]);
    assert_eq!(ctl.exit().await, 78);
    assert!(ctl.stderr.tail().contains("feedwire.toml:3:7"), "{}", ctl.stderr.tail());
    a.publish(1);
    receiver.acknowledged(2).await;

    home.configure(&(feed("a", &a) + &feed("b", &b) + &hook));
    let mut ctl = home.launch(&["ctl", "--socket", home.path("state/control.sock").to_str().unwrap(), "reload", "--wait"]);
    assert_eq!(ctl.exit().await, 0);
    assert!(ctl.stdout.all()[0].contains("2 feeds: 1 new (b); 1 sink, as before"), "{}", ctl.stdout.tail());
    a.publish(1);
    let arrivals = receiver.acknowledged(4).await;
    assert_eq!(arrivals.len(), 4, "a reload repeats nothing: {arrivals:?}");
}

#[tokio::test]
async fn d38_a_hundred_reloads_lose_and_repeat_nothing() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    let publisher = Publisher::new(&origin, "/a").window(1000);
    let home = Home::new(&(feed("a", &publisher) + &format!("[sinks.hook.webhook]\nurl = {:?}\n", receiver.url("/"))));
    let daemon = home.start().await;
    for n in 0..100 {
        publisher.publish(2);
        daemon.hup();
        daemon.ready(n + 2).await;
    }
    receiver.acknowledged(200).await;
    let order: Vec<_> = receiver.arrivals().iter().map(|a| a.event.entry_id().to_owned()).collect();
    assert_eq!(order, publisher.published());
}

#[tokio::test]
async fn d49_health_and_status_are_served_and_control_is_not() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    receiver.down().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    origin.set("/gone", Answer::status(404));
    let config = feed("a", &publisher)
        + &format!("[feeds.b]\nurl = {:?}\n[sinks.hook.webhook]\nurl = {:?}\n", origin.url("/gone"), receiver.url("/"))
        + "[admin]\nlisten = \"127.0.0.1:0\"\n";
    let home = Home::new(&config);
    let daemon = home.start().await;
    let line = daemon.stderr.until("the address", |all| all.iter().find_map(|l| l.split_once("listen=").map(|(_, a)| a.to_owned()))).await;
    let ask = |path: &'static str| {
        let url = format!("http://{line}{path}");
        async move {
            let answer = feedwire::http::builder(1).build().unwrap().get(url).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        }
    };
    daemon.stderr.until("a failed attempt", |all| all.iter().find(|l| l.contains("attempt failed")).cloned()).await;
    // A dead consumer and a dead feed leave both at 200.
    assert_eq!((ask("/livez").await, ask("/readyz").await), ((200, "ok\n".into()), (200, "ok\n".into())));
    let sinks: serde_json::Value = serde_json::from_str(&ask("/v1/sinks").await.1).unwrap();
    assert_eq!(
        (&sinks["sinks"][0]["id"], &sinks["sinks"][0]["state"], &sinks["sinks"][0]["waiting"]),
        (&"hook".into(), &"failing".into(), &2.into())
    );
    let page = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let first = page(ask("/v1/feeds?limit=1").await.1);
    assert_eq!((&first["feeds"][0]["id"], &first["feeds"][0]["state"], &first["next"]), (&"a".into(), &"ok".into(), &"a".into()));
    let second = page(ask("/v1/feeds?limit=1&after=a").await.1);
    assert_eq!(
        (&second["feeds"][0]["id"], &second["feeds"][0]["state"], &second["next"]),
        (&"b".into(), &"failing".into(), &serde_json::Value::Null)
    );
    assert_eq!(page(ask("/v1/status").await.1)["store"], "ok");
    assert_eq!(ask("/v1/reload").await.0, 404, "control is on the unix socket alone");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(home.path("state/control.sock")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn d42_the_watchdog_is_fed_as_long_as_the_loops_go_round() {
    let home = Home::new(NOWHERE).variable("WATCHDOG_USEC", "200000");
    let daemon = home.start().await;
    let fed = |all: &[String]| all.iter().filter(|m| m.contains("WATCHDOG=1")).nth(2).cloned();
    daemon.notified.until("WATCHDOG=1 for the third time", fed).await;
}

/// Promise 8: no secret is ever said.
#[tokio::test]
async fn p100_d44_no_secret_is_in_any_output() {
    let origin = Origin::start().await;
    let receiver = Receiver::start().await;
    receiver.down().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(1);
    origin.set("/broken", Answer::status(500));
    let secrets = ["Pa55word", "B3arerT0ken", "H3aderT0ken", "Qu3ryT0ken", "C2FVsBQIhrscChlQIMV"];
    let config = feed("a", &publisher).replace("/feed", "/feed?key=Qu3ryT0ken")
        + "headers = { \"X-Token\" = { credential = \"header\" } }\nauth.basic = { user = \"me\", password = { credential = \"password\" } }\n"
        + &format!("[feeds.b]\nurl = {:?}\n", origin.url("/broken?key=Qu3ryT0ken"))
        + &format!(
            "[sinks.out]\nevents = [\"entry.updated\"]\n[sinks.out.stdout]\n[sinks.hook.webhook]\nurl = {:?}\n",
            receiver.url("/hook?key=Qu3ryT0ken")
        )
        + "secrets = [{ credential = \"hook\" }]\nbearer = { credential = \"bearer\" }\n";
    let home = Home::new(&config)
        .credential("header", secrets[2])
        .credential("password", secrets[0])
        .credential("bearer", secrets[1])
        .credential("hook", SECRET);
    let mut daemon = home.launch(&["run", "--log", "trace"]);
    daemon.ready(1).await;
    daemon.stderr.until("a failed attempt", |all| all.iter().find(|l| l.contains("attempt failed")).cloned()).await;
    daemon.stderr.until("a failed poll", |all| all.iter().find(|l| l.contains("poll failed")).cloned()).await;
    let seen = origin.request("/feed", 1).await;
    assert_eq!(seen.header("x-token"), Some(secrets[2].as_bytes()));
    assert_eq!(seen.header("authorization"), Some(&b"Basic bWU6UGE1NXdvcmQ="[..]));
    let mut status = home.launch(&["ctl", "--socket", home.path("state/control.sock").to_str().unwrap(), "status"]);
    assert_eq!(status.exit().await, 0);
    daemon.terminate().await;
    for line in daemon.stderr.all().iter().chain(&daemon.stdout.all()).chain(&status.stdout.all()).chain(&daemon.notified.all()) {
        assert!(!secrets.iter().any(|secret| line.contains(secret)), "{line}");
    }
}

/// Promise 8: a feed's text is never a log line, a status or an assignment of its own.
#[tokio::test]
async fn d43_feed_text_forges_no_line() {
    let origin = Origin::start().await;
    let title = "x&#10;READY=1&#10;2026-01-01T00:00:00Z ERROR forged&#27;[31m";
    let body = format!("<rss><channel><title>{title}</title><item><guid>1</guid><title>{title}</title></item></channel></rss>");
    origin.set("/feed", Answer::ok("text/xml", body));
    let home = Home::new(&format!("[feeds.a]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = 1\n[sinks.out.stdout]\n", origin.url("/feed")));
    let mut daemon = home.launch(&["run", "--log", "debug"]);
    daemon.ready(1).await;
    assert_eq!(daemon.printed(1).await.len(), 1);
    origin.more_requests("/feed", 2).await;
    let mut status = home.launch(&["ctl", "--socket", home.path("state/control.sock").to_str().unwrap(), "status"]);
    assert_eq!(status.exit().await, 0);
    daemon.terminate().await;
    assert_eq!(daemon.stdout.all().len(), 1);
    let forged = |line: &String| line.starts_with("2026-01-01") || line.starts_with("READY") || line.contains('\u{1b}');
    assert!(!daemon.stderr.all().iter().chain(&status.stdout.all()).any(forged), "{}", daemon.stderr.tail());
    assert_eq!(daemon.notified.all().iter().filter(|m| m.lines().any(|l| l == "READY=1")).count(), 1);
}

#[tokio::test]
async fn d10_a_closed_pipe_keeps_what_was_not_read() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed").window(1000);
    publisher.publish(1);
    let home = Home::new(&(feed("a", &publisher) + "[sinks.out.stdout]\n"));
    let command = format!(
        "{} run --config {} 2>/dev/null | head -n 1; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_feedwire"),
        home.config().display()
    );
    let pipe = Command::new("bash").args(["-c", &command]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    origin.more_requests("/feed", 2).await;
    publisher.publish(5);
    let output = tokio::task::spawn_blocking(|| pipe.wait_with_output().unwrap()).await.unwrap();
    assert_eq!((output.status.code(), output.stdout.iter().filter(|b| **b == b'\n').count()), (Some(1), 1));
    let daemon = home.start().await;
    let titles: Vec<_> = daemon.printed(5).await.iter().map(|e| e.title().to_owned()).collect();
    assert_eq!(titles, (2..=6).map(|n| format!("Стаття {n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn tail_needs_no_configuration_and_parse_no_daemon() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(5);
    let home = Home::new("");
    let run = |arguments: Vec<String>, input: &'static str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedwire"));
        command.args(arguments).current_dir(home.path("")).env_remove("NOTIFY_SOCKET").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        child
    };
    let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let tail = strings(&["tail", &publisher.url(), "--backlog", "2", "--allow-private", "127.0.0.0/8", "--interval", "1s"]);
    let mut child = run(tail, "");
    let lines = child.stdout.take().unwrap();
    let lines = tokio::task::spawn_blocking(|| {
        std::io::BufRead::lines(std::io::BufReader::new(lines)).take(2).collect::<Result<Vec<_>, _>>().unwrap()
    });
    let lines = lines.await.unwrap();
    assert!(lines[0].contains("Стаття 4") && lines[1].contains("Стаття 5"), "{lines:?}");
    child.kill().unwrap();
    child.wait().unwrap();

    let parsed =
        run(strings(&["parse"]), "<rss><item><title>A</title></item><item><title>B</title></item></rss>").wait_with_output().unwrap();
    assert_eq!(parsed.status.code(), Some(0));
    let titles: Vec<_> = String::from_utf8(parsed.stdout)
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["title"].to_string())
        .collect();
    assert_eq!(titles, ["\"A\"", "\"B\""]);
    let refused = run(strings(&["parse", "-"]), "<html></html>").wait_with_output().unwrap();
    assert_eq!(refused.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("this is an HTML page, not a feed"));
    assert_eq!(run(strings(&["no-such-command"]), "").wait_with_output().unwrap().status.code(), Some(64));
}

#[tokio::test]
async fn the_feeds_of_a_page_are_found_and_named() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/news/rss.xml");
    publisher.publish(3);
    let head = "<!DOCTYPE html><html><head><link rel=alternate type=application/rss+xml title=x href=/news/rss.xml>\
                <link rel=alternate type=application/atom+xml href=/gone></head><body>";
    origin.set("/news/", Answer::ok("text/html", head));
    let home = Home::new(&format!("[feeds.a]\nurl = {:?}\n[sinks.out.stdout]\n", origin.url("/news/")));
    let url = origin.url("/news/");
    let discover = |arguments: &'static [&'static str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedwire"));
        command.arg("discover").arg(&url).args(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let found = discover(&["--allow-private", "127.0.0.0/8"]).await.unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    assert_eq!(String::from_utf8_lossy(&found.stdout), format!("{}  Новини (3 entries)\n", publisher.url()));
    assert_eq!(discover(&[]).await.unwrap().status.code(), Some(1), "a private address");
    // Whoever puts the page into the configuration is told where the feeds are.
    let mut check = home.launch(&["check", "--online"]);
    assert_eq!(check.exit().await, 1);
    let said = check.stdout.all().join("\n");
    assert!(said.contains(&format!("it offers {} and", publisher.url())), "{said}");
}

/// Soft and hard limit of open files of a process.
fn limit_of_files(pid: u32) -> (String, String) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

#[tokio::test]
async fn as_many_files_may_be_open_as_the_system_allows() {
    let origin = Origin::start().await;
    let home = Home::new(&format!("[feeds.a]\nurl = {:?}\n[sinks.out.stdout]\n", origin.url("/"))).ulimit("-Sn 64");
    let daemon = home.start().await;
    let (soft, hard) = limit_of_files(daemon.pid());
    assert!(soft == hard && soft != "64", "{soft} {hard}");
}

#[tokio::test]
async fn want_of_descriptors_is_no_feeds_failure_and_no_outage() {
    let gate = Gate::shut();
    let (mut origins, mut config) = (vec![], String::from("[sinks.out.stdout]\n"));
    for n in 1..=60 {
        let origin = Origin::start_at(std::net::Ipv4Addr::new(127, 0, 3, n)).await;
        origin.set("/feed", Answer::ok("text/xml", "<rss/>").held(&gate));
        config += &format!("[feeds.f{n}]\nurl = {:?}\ninterval = \"1h\"\n", origin.url("/feed"));
        origins.push(origin);
    }
    let home = Home::new(&config).ulimit("-n 64");
    let daemon = home.start().await;
    daemon.stderr.until("a word about files", |all| all.iter().find(|line| line.contains("too many open files")).cloned()).await;
    gate.open();
    for origin in &origins {
        origin.request("/feed", 1).await;
    }
    let log = daemon.stderr.all().join("\n");
    assert!(!log.contains("The poll failed") && !log.contains("Nothing can be reached"), "{log}");
}
