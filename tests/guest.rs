//! Promise 7: a good guest. Behaviours of polling that need a real server, a real store or a restart to be seen; the others are tested
//! where they are decided. `tests/polling.md` lists them all.

use crate::support::{Answer, Gate, Home, Origin};

/// A feed that shows by its polls that time passes, at a host of its own.
async fn clock(config: &mut String) -> Origin {
    let origin = Origin::start_at("127.0.0.9".parse().unwrap()).await;
    origin.set("/tick", Answer::ok("text/xml", "<rss/>"));
    *config += &feed("tick", &origin.url("/tick"), "100ms");
    origin
}

fn feed(name: &str, url: &str, interval: &str) -> String {
    format!("[feeds.{name}]\nurl = {url:?}\ninterval = {interval:?}\n")
}

/// What `ctl status` says of a feed.
async fn row(home: &Home, name: &str) -> serde_json::Value {
    let socket = home.path("state/control.sock");
    let mut status = home.launch(&["ctl", "--socket", socket.to_str().unwrap(), "status", "--json"]);
    assert_eq!(status.exit().await, 0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout.all()[0]).unwrap();
    status["feeds"].as_array().unwrap().iter().find(|f| f["id"] == name).unwrap().clone()
}

#[tokio::test]
async fn p33_what_one_feed_is_told_holds_for_its_neighbours_and_after_kill_9() {
    let origin = Origin::start().await;
    let mut config = String::from("[sinks.out.stdout]\n");
    let clock = clock(&mut config).await;
    origin.set("/many", Answer::status(429).header("Retry-After", "3600"));
    origin.set("/other", Answer::ok("text/xml", "<rss/>"));
    config += &feed("many", &origin.url("/many"), "100ms");
    config += &feed("other", &origin.url("/other"), "100ms");
    let home = Home::new(&config);
    let mut daemon = home.start().await;
    origin.request("/many", 1).await;
    // The answer has been read when others have had their turn; from then on nobody asks.
    clock.more_requests("/tick", 3).await;
    let asked = origin.requests("/other").all().len();
    clock.more_requests("/tick", 10).await;
    daemon.kill();
    let _daemon = home.start().await;
    clock.more_requests("/tick", 10).await;
    assert_eq!((origin.requests("/many").all().len(), origin.requests("/other").all().len()), (1, asked));
    assert_eq!(row(&home, "other").await["failures"], 0);
}

#[tokio::test]
async fn p47_when_nobody_can_be_reached_no_feed_has_failed() {
    let mut config = String::from("[sinks.out.stdout]\n");
    let mut gone = vec![];
    for n in 1..=5 {
        let origin = Origin::start_at(format!("127.0.1.{n}").parse().unwrap()).await;
        config += &feed(&format!("f{n}"), &origin.url("/"), "100ms");
        gone.push(origin);
    }
    drop(gone);
    let home = Home::new(&config);
    let daemon = home.start().await;
    daemon.stderr.until("a word about the network", |all| all.iter().find(|line| line.contains("Nothing can be reached")).cloned()).await;
    for n in 1..=5 {
        assert_eq!(row(&home, &format!("f{n}")).await["failures"], 0);
    }
    assert!(!daemon.stderr.all().iter().any(|line| line.contains("The poll failed")));
}

#[tokio::test]
async fn p49_a_feed_that_was_being_asked_when_the_process_was_killed_is_not_asked_again_at_once() {
    let origin = Origin::start().await;
    let mut config = String::from("[sinks.out.stdout]\n");
    let clock = clock(&mut config).await;
    origin.set("/feed", Answer::ok("text/xml", "<rss/>").held(&Gate::shut()));
    config += &feed("f", &origin.url("/feed"), "1h");
    let home = Home::new(&config);
    for _ in 0..3 {
        let mut daemon = home.start().await;
        origin.request("/feed", 1).await;
        clock.more_requests("/tick", 3).await;
        daemon.kill();
    }
    assert_eq!(origin.requests("/feed").all().len(), 1);
}

#[tokio::test]
async fn p57_a_redirect_waits_for_the_host_that_it_leads_to() {
    let (origin, other) = (Origin::start().await, Origin::start_at("127.0.0.2".parse().unwrap()).await);
    let mut config = String::from("[sinks.out.stdout]\n");
    let clock = clock(&mut config).await;
    let gate = Gate::shut();
    other.set("/busy", Answer::ok("text/xml", "<rss/>").held(&gate));
    other.set("/target", Answer::ok("text/xml", "<rss/>"));
    origin.set("/moved", Answer::redirect(302, &other.url("/target")));
    config += &feed("busy", &other.url("/busy"), "1h");
    config += &feed("moved", &origin.url("/moved"), "100ms");
    let home = Home::new(&config);
    let _daemon = home.start().await;
    other.request("/busy", 1).await;
    origin.request("/moved", 1).await;
    clock.more_requests("/tick", 5).await;
    let before = other.requests("/target").all().len();
    clock.more_requests("/tick", 5).await;
    assert!(other.requests("/target").all().len() == before && before <= 1, "it was asked while another request was under way");
    gate.open();
    other.more_requests("/target", 2).await;
}

#[tokio::test]
async fn p48_a_feed_that_is_added_is_asked_once() {
    let origin = Origin::start().await;
    let mut config = String::from("[sinks.out.stdout]\n");
    let clock = clock(&mut config).await;
    origin.set("/feed", Answer::ok("text/xml", "<rss/>"));
    let home = Home::new(&config);
    let daemon = home.start().await;
    config += &feed("f", &origin.url("/feed"), "1h");
    home.configure(&config);
    daemon.hup();
    daemon.ready(2).await;
    origin.request("/feed", 1).await;
    clock.more_requests("/tick", 5).await;
    assert_eq!(origin.requests("/feed").all().len(), 1);
}

#[tokio::test]
async fn p31_a_feed_can_be_polled_now_unless_its_server_minds() {
    let origin = Origin::start().await;
    origin.set("/feed", Answer::ok("text/xml", "<rss/>"));
    origin.set("/fresh", Answer::ok("text/xml", "<rss/>").header("Cache-Control", "max-age=3600"));
    let mut config = String::from("[sinks.out.stdout]\n");
    config += &feed("plain", &origin.url("/feed"), "1h");
    config += &feed("fresh", &origin.url("/fresh"), "1h");
    let home = Home::new(&config);
    let _daemon = home.start().await;
    let ask = async |arguments: &[&str]| {
        let socket = home.path("state/control.sock");
        let mut ctl = home.launch(&[&["ctl", "--socket", socket.to_str().unwrap(), "poll"], arguments].concat());
        (ctl.exit().await, ctl.stderr.all().join("\n"))
    };
    origin.request("/feed", 1).await;
    origin.request("/fresh", 1).await;
    while row(&home, "fresh").await["last_poll"].is_null() || row(&home, "plain").await["last_poll"].is_null() {}
    assert_eq!(ask(&["plain"]).await.0, 0);
    origin.request("/feed", 2).await;
    let (code, why) = ask(&["fresh"]).await;
    assert!(code == 75 && why.contains("has asked not to be asked before"), "{why}");
    assert_eq!(origin.requests("/fresh").all().len(), 1);
    assert_eq!(ask(&["fresh", "--force"]).await.0, 0);
    origin.request("/fresh", 2).await;
    assert_eq!(ask(&["other"]).await, (65, "feedwire: there is no feed \"other\"".into()));
}

#[tokio::test]
async fn p51_two_subscriptions_to_one_url_are_one_request_and_two_feeds() {
    let origin = Origin::start().await;
    let rss = |n: u32| format!("<rss><channel><item><guid>{n}</guid><title>Стаття {n}</title></item></channel></rss>");
    origin.set("/feed", Answer::ok("text/xml", rss(1)).etag("\"1\""));
    let mut config = String::from("[sinks.out.stdout]\n");
    config += &feed("a", &origin.url("/feed"), "1h");
    config += &feed("b", &origin.url("/feed#b"), "1h");
    config += "backlog = \"all\"\n";
    let home = Home::new(&config);
    let daemon = home.start().await;
    assert_eq!(daemon.printed(1).await[0].feed(), "b");
    while row(&home, "a").await["last_poll"].is_null() || row(&home, "b").await["last_poll"].is_null() {}
    origin.set("/feed", Answer::ok("text/xml", rss(2)).etag("\"2\""));
    let socket = home.path("state/control.sock");
    let mut ctl = home.launch(&["ctl", "--socket", socket.to_str().unwrap(), "poll", "b"]);
    assert_eq!(ctl.exit().await, 0);
    let mut feeds: Vec<_> = daemon.printed(3).await[1..].iter().map(|event| event.feed().to_owned()).collect();
    feeds.sort();
    assert_eq!(feeds, ["a", "b"]);
    let requests = origin.requests("/feed").all();
    assert_eq!((requests.len(), requests[1].header("If-None-Match")), (2, Some(&b"\"1\""[..])));
}

/// An RSS page with these articles, newest first, a minute between two, and a page behind it.
fn page(numbers: impl Iterator<Item = u32>, next: Option<&str>) -> Answer {
    let next = next.map(|url| format!("<atom:link xmlns:atom='http://www.w3.org/2005/Atom' rel='next' href='{url}'/>")).unwrap_or_default();
    let item = |n: u32| {
        let date = chrono::DateTime::from_timestamp(i64::from(n) * 60 + 1_732_725_900, 0).unwrap().to_rfc2822();
        format!("<item><guid>{n}</guid><title>Стаття {n}</title><pubDate>{date}</pubDate></item>")
    };
    let items: String = numbers.map(item).collect();
    Answer::ok("text/xml", format!("<rss version='2.0'><channel><title>t</title>{next}{items}</channel></rss>"))
}

#[tokio::test]
async fn p74_what_rolled_off_unseen_is_found_on_the_pages_behind() {
    let origin = Origin::start().await;
    // The articles of the gap must be dated after the last poll: the clock of the test is far behind.
    let now = u32::try_from((std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() - 1_732_725_900) / 60)
        .unwrap();
    let (seen, new) = (now - 100, now + 100);
    origin.set("/feed", page((seen..seen + 10).rev(), Some("/feed?page=2")));
    let mut config = String::from("[sinks.out]\nevents = [\"entry.created\", \"feed.gap\"]\n[sinks.out.stdout]\n");
    config += &feed("f", &origin.url("/feed"), "1s");
    let home = Home::new(&config);
    let daemon = home.start().await;
    origin.request("/feed", 1).await;
    while row(&home, "f").await["last_poll"].is_null() {}
    // Twenty-five new ones on three pages, the last of which ends with what is known.
    origin.set("/older-2", page((new + 5..new + 15).rev(), Some("/older-3")));
    origin.set("/older-3", page((new..new + 5).rev().chain((seen + 5..seen + 10).rev()), Some("/older-4")));
    origin.set("/feed", page((new + 15..new + 25).rev(), Some("/older-2")));
    let events = daemon.printed(26).await;
    assert_eq!(events[0].kind(), "feed.gap");
    let mut told: Vec<_> = events[1..].iter().map(|e| e.title().trim_start_matches("Стаття ").parse::<u32>().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, (new..new + 25).collect::<Vec<_>>());
    origin.more_requests("/feed", 2).await;
    assert_eq!((origin.requests("/older-2").all().len(), origin.requests("/older-4").all().len()), (1, 0));
    assert_eq!(daemon.events().len(), 26);
}

#[tokio::test]
async fn p08_p09_the_same_entries_are_no_news_however_they_are_wrapped() {
    let origin = Origin::start().await;
    let rss = |built: u32, entries: u32| {
        let items: String = (0..entries).map(|n| format!("<item><guid>{n}</guid><title>Стаття {n}</title></item>")).collect();
        Answer::ok("text/xml", format!("<rss><channel><lastBuildDate>{built}</lastBuildDate><!-- {built} -->{items}</channel></rss>"))
    };
    origin.set("/feed", rss(1, 3));
    let home = Home::new(&("[sinks.out.stdout]\n".to_owned() + &feed("f", &origin.url("/feed"), "100ms")));
    let daemon = home.start().await;
    origin.request("/feed", 3).await;
    origin.set("/feed", rss(2, 3));
    origin.more_requests("/feed", 3).await;
    origin.set("/feed", rss(3, 4));
    assert_eq!(daemon.printed(1).await[0].title(), "Стаття 3");
    assert_eq!(daemon.events().len(), 1);
}

/// The store knows a feed by a number that it was given once, the daemon by its place among all of them: those differ as soon as one is added
/// in front of others.
#[tokio::test]
async fn feeds_in_other_places_are_polled_no_earlier() {
    let origin = Origin::start().await;
    let mut config = String::from("[sinks.out.stdout]\n");
    let clock = clock(&mut config).await;
    let feeds = |names: &[&str]| names.iter().map(|name| feed(name, &origin.url(&format!("/{name}")), "1d")).collect::<String>();
    for name in ["a", "b", "c", "d", "e"] {
        origin.set(&format!("/{name}"), Answer::ok("text/xml", "<rss/>"));
    }
    let asked = || ["a", "b", "c", "d", "e"].map(|name| origin.requests(&format!("/{name}")).all().len());
    let home = Home::new(&(config.clone() + &feeds(&["b", "d", "e"])));
    let mut daemon = home.start().await;
    origin.request("/b", 1).await;
    origin.request("/d", 1).await;
    origin.request("/e", 1).await;
    // What was answered has been written down when others have had their turn.
    clock.more_requests("/tick", 10).await;
    home.configure(&(config + &feeds(&["a", "c", "d", "e"])));
    assert_eq!(home.ctl(&["reload"]).await.0, 0);
    origin.request("/a", 1).await;
    origin.request("/c", 1).await;
    clock.more_requests("/tick", 10).await;
    assert_eq!(asked(), [1; 5]);
    daemon.kill();
    let _daemon = home.start().await;
    clock.more_requests("/tick", 10).await;
    assert_eq!(asked(), [1; 5]);
}
