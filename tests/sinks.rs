//! Ways out that are written lines: a program, sockets, a file, standard output with acknowledgements.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{Article, Consumer, Daemon, Event, Home, Manner, Origin, Publisher, Record, by_lane, distinct};

mod crashes;
mod files;
mod programs;

fn feed(name: &str, publisher: &Publisher) -> String {
    format!("[feeds.{name}]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n", publisher.url())
}

/// A consumer in five lines of shell, as in the manual: appends what it gets to a file, then says the id, and tells the log.
const SCRIPT: &str = r#"
while IFS= read -r event; do
    id=${event#*'"id":"'}
    id=${id%%'"'*}
    printf '%s\n' "$event" >>"$1" && echo noise && echo "$id" && echo "have $id" >&2
done
"#;

/// The table of a program that runs this script with the name of a file.
fn program(name: &str, script: &str, file: &Path) -> String {
    format!("[sinks.{name}.exec]\ncommand = [\"sh\", \"-c\", {script:?}, \"consumer\", {file:?}]\n")
}

/// The events in a file; what a crash has cut is complained about.
fn events(file: &Path) -> Vec<Event> {
    let text = fs::read_to_string(file).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines().map(|line| Event::parse(line.as_bytes())).collect()
}

/// Returns when no event waits for any sink, and so every file is complete.
async fn settled(home: &Home) {
    let socket = home.path("state/control.sock");
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        let mut status = home.launch(&["ctl", "--socket", socket.to_str().unwrap(), "status", "--json"]);
        assert_eq!(status.exit().await, 0, "{}", status.stderr.tail());
        let status: serde_json::Value = serde_json::from_str(&status.stdout.all()[0]).unwrap();
        if status["sinks"].as_array().unwrap().iter().all(|sink| sink["waiting"] == 0) {
            return;
        }
        assert!(Instant::now() < patience, "something still waits: {status}");
    }
}

/// Says every id back that a daemon prints, and keeps what it printed.
fn reader(daemon: &mut Daemon, seen: &Record<Event>) {
    let (mut stdin, lines, seen) = (daemon.stdin.take().unwrap(), daemon.stdout.clone(), seen.clone());
    tokio::spawn(async move {
        for n in 1.. {
            let event = Event::parse(lines.nth("a line", n).await.as_bytes());
            let answer = format!("what is this?\n{}\n", event.id());
            seen.push(event);
            if stdin.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    });
}

/// Five ways out at once.
struct Five {
    home: Home,
    publishers: Vec<Publisher>,
    unix: Consumer,
    tcp: Consumer,
    printed: Record<Event>,
}

impl Five {
    async fn new(origin: &Origin) -> Self {
        let home = Home::new("").input().retry("20ms,50ms");
        let (unix, tcp) = (Consumer::unix(&home.path("c.sock")).await, Consumer::tcp().await);
        let publishers: Vec<_> = ["a", "b", "c"].iter().map(|name| Publisher::new(origin, &format!("/{name}")).window(100_000)).collect();
        let feeds: String = ["a", "b", "c"].iter().zip(&publishers).map(|(name, publisher)| feed(name, publisher)).collect();
        let lines = format!("[sinks.file.file]\npath = {:?}\n[sinks.out.stdout]\nack = \"stdin\"\n", home.path("file.ndjson"));
        home.configure(&(feeds + &program("exec", SCRIPT, &home.path("exec.ndjson")) + &unix.table("unix") + &tcp.table("tcp") + &lines));
        Self { home, publishers, unix, tcp, printed: Record::default() }
    }

    async fn start(&self) -> Daemon {
        let mut daemon = self.home.start().await;
        reader(&mut daemon, &self.printed);
        daemon
    }

    fn exec(&self) -> PathBuf {
        self.home.path("exec.ndjson")
    }

    /// What each of them got, once all have everything.
    async fn all(&self) -> Vec<(&'static str, Vec<Event>)> {
        let published: usize = self.publishers.iter().map(|publisher| publisher.published().len()).sum();
        let (unix, tcp) = (self.unix.received(published).await, self.tcp.received(published).await);
        let printed = self.printed.until("all on stdout", |all| (distinct(all) >= published).then(|| all.to_vec())).await;
        settled(&self.home).await;
        let (exec, file) = (events(&self.exec()), events(&self.home.path("file.ndjson")));
        vec![("unix", unix), ("tcp", tcp), ("stdout", printed), ("exec", exec), ("file", file)]
    }

    fn check_order(&self, all: &[(&'static str, Vec<Event>)]) {
        for (name, events) in all {
            for (feed, publisher) in ["a", "b", "c"].iter().zip(&self.publishers) {
                assert_eq!(by_lane(events)[*feed], publisher.published(), "{name} {feed}");
            }
        }
    }
}

/// Noise from a consumer changes nothing.
#[tokio::test]
async fn d1_d11_every_way_out_is_sent_everything_in_the_order_of_its_lanes() {
    let origin = Origin::start().await;
    let five = Five::new(&origin).await;
    for publisher in &five.publishers {
        publisher.publish(10);
    }
    let mut daemon = five.start().await;
    let all = five.all().await;
    five.check_order(&all);
    for (name, events) in &all {
        assert_eq!(events.len(), 30, "{name}");
    }
    assert_eq!(daemon.terminate().await, 0);
}

#[tokio::test]
async fn d2_a_consumer_that_breaks_off_gets_everything_when_it_is_back() {
    let origin = Origin::start().await;
    let mut five = Five::new(&origin).await;
    // Something it has started holds its output open.
    let dying = SCRIPT.replace("echo noise", "{ [ $(wc -l <\"$1\") -ne 4 ] || { sleep 5 & kill -9 $$; }; } && echo noise");
    let config = fs::read_to_string(five.home.config()).unwrap();
    fs::write(five.home.config(), config.replace(&format!("{SCRIPT:?}"), &format!("{dying:?}"))).unwrap();
    for publisher in &five.publishers {
        publisher.publish(3);
    }
    let daemon = five.start().await;
    // What it has and has not acknowledged waits no longer than the connection.
    five.unix.received(9).await;
    five.unix.behave(Manner::Mute);
    five.publishers[0].publish(1);
    five.unix.received(10).await;
    five.unix.down().await;
    daemon.stderr.until("the end", |all| all.iter().find(|line| line.contains("the consumer closed the connection")).cloned()).await;
    five.unix.behave(Manner::Acknowledges);
    five.tcp.received(2).await;
    five.tcp.down().await;
    for publisher in &five.publishers {
        publisher.publish(3);
        publisher.read().await;
    }
    five.unix.up().await;
    five.tcp.up().await;
    let all = five.all().await;
    five.check_order(&all);
    daemon
        .stderr
        .until("the end of the program", |all| all.iter().find(|line| line.contains("the program ended: signal: 9")).cloned())
        .await;
}

/// Promise 6.
#[tokio::test]
async fn d6_d13_who_never_answers_or_never_reads_delays_nobody_and_loses_nothing() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    for n in 1..=2 {
        // More than a pipe or a socket takes that nobody reads.
        publisher.edit(&Article::id(n), |article| article.html = format!("<p>{}</p>", "ї ".repeat(200_000)));
    }
    let home = Home::new("").retry("10ms");
    let (deaf, mute) = (Consumer::unix(&home.path("c.sock")).await, Consumer::tcp().await);
    deaf.behave(Manner::Deaf);
    mute.behave(Manner::Mute);
    let short = "timeout = \"300ms\"\n";
    let blind = "sleep 1000 & echo started $$ $! >&2; wait";
    let tables = [deaf.table("deaf"), mute.table("mute"), program("blind", blind, &home.path("x"))].join(short);
    home.configure(&format!("{}{tables}{short}[sinks.out.stdout]\n", feed("a", &publisher)));
    let mut daemon = home.start().await;
    daemon.printed(2).await;
    publisher.publish(2);
    daemon.printed(4).await;
    let log = daemon.stderr.clone();
    let said = |what: &'static str| log.until(what, move |all| all.iter().find(|line| line.contains(what)).cloned());
    said("no acknowledgement within 300ms").await;
    let unread = |sink: &'static str| {
        log.until(sink, move |all| {
            all.iter().find(|line| line.contains("the consumer does not read") && line.contains(&format!("sink={sink} "))).cloned()
        })
    };
    unread("deaf").await;
    unread("blind").await;
    deaf.behave(Manner::Acknowledges);
    mute.behave(Manner::Acknowledges);
    for consumer in [&deaf, &mute] {
        assert_eq!(by_lane(&consumer.received(4).await)["a"], publisher.published());
    }
    // The program ignores the end of its input, and what it has started would outlive it.
    daemon.terminate().await;
    let started = said("started ").await;
    let numbers = started.split("started ").nth(1).unwrap().split('"').next().unwrap();
    for number in numbers.split(' ') {
        // What nobody has waited for yet is a zombie.
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }
}

#[tokio::test]
async fn d27_what_is_refused_three_times_is_a_dead_letter_and_the_lane_goes_on() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(3);
    let home = Home::new("").retry("1ms").input();
    let unix = Consumer::unix(&home.path("c.sock")).await;
    unix.behave(Manner::Refuses(Article::id(2)));
    let choosy = SCRIPT.replace("echo noise", "case $event in *article-2*) echo \"nack $id not this one\"; continue ;; esac && echo noise");
    home.configure(&(feed("a", &publisher) + &unix.table("unix") + &program("exec", &choosy, &home.path("x"))));
    let daemon = home.start().await;
    unix.received(3).await;
    let buried = |all: &[String]| all.iter().filter(|line| line.contains("dead letter") && line.contains("not this one")).nth(1).cloned();
    daemon.stderr.until("two burials", buried).await;
    daemon.stderr.until("the third event", |all| all.iter().filter(|line| line.contains("have evt_")).nth(1).cloned()).await;
    let expected = [1, 2, 2, 2, 3].map(Article::id);
    let entries = |events: Vec<Event>| events.iter().map(|event| event.entry_id().to_owned()).collect::<Vec<_>>();
    assert_eq!((entries(unix.events.all()), entries(events(&home.path("x")))), (expected.to_vec(), expected.to_vec()));
}

/// Lanes share a connection, and none waits for the answer of another.
#[tokio::test]
async fn d13_lanes_are_written_before_others_are_answered() {
    let origin = Origin::start().await;
    let publishers: Vec<_> = (0..4).map(|n| Publisher::new(&origin, &format!("/{n}"))).collect();
    let home = Home::new("");
    let unix = Consumer::unix(&home.path("c.sock")).await;
    let feeds: String = publishers.iter().enumerate().map(|(n, publisher)| feed(&format!("f{n}"), publisher)).collect();
    publishers[0].publish(4);
    home.configure(&(feeds + &unix.table("unix") + "max_in_flight = 4\n"));
    let _daemon = home.start().await;
    unix.received(4).await;
    unix.behave(Manner::Gathers(4));
    for publisher in &publishers {
        publisher.publish(1);
    }
    assert_eq!(unix.received(8).await.len(), 8);
}

#[tokio::test]
async fn the_end_of_standard_input_ends_the_daemon_and_nothing_is_lost() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(3);
    let home = Home::new(&(feed("a", &publisher) + "[sinks.out.stdout]\nack = \"stdin\"\n")).input();
    let mut daemon = home.start().await;
    let first = daemon.printed(1).await.remove(0);
    daemon.stdin.as_mut().unwrap().write_all(format!("{}\n", first.id()).as_bytes()).unwrap();
    let second = daemon.printed(2).await.remove(1);
    daemon.stdin = None;
    assert_eq!(daemon.exit().await, 1);
    let mut daemon = home.start().await;
    let seen = Record::default();
    reader(&mut daemon, &seen);
    let events = seen.until("the rest", |all: &[Event]| (all.len() >= 2).then(|| all.to_vec())).await;
    assert_eq!(events.iter().map(Event::id).next(), Some(second.id()));
    assert_eq!(by_lane(&events)["a"], publisher.published()[1..]);
}
