//! Resident memory of the real binary with idle feeds: each was polled once, and is due again in a day.
//!
//! `cargo bench --bench memory` prints a line for 1,000 feeds and one for 100,000, with the time from start to ready.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark stops at the first surprise, and prints what it measured"
)]

mod known;

use std::fmt::Write;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use feedwire::domain::conditional::Validators;
use feedwire::domain::event::Scene;
use feedwire::domain::feed::{FeedId, FeedState};
use feedwire::domain::plan::Update;
use feedwire::domain::rate::Rate;
use feedwire::domain::time::Timestamp;
use feedwire::store::{self, Store};

/// Entries that each feed is known to carry.
const ENTRIES: u64 = 10;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    for feeds in [1_000, 100_000] {
        let dir = tempfile::tempdir().expect("directory");
        runtime.block_on(fill(&dir.path().join("state"), feeds));
        std::fs::write(dir.path().join("feedwire.toml"), configuration(dir.path(), feeds)).expect("configuration");
        for start in ["first", "second"] {
            let (mut daemon, took) = start_daemon(dir.path());
            std::thread::sleep(Duration::from_secs(3));
            let (resident, peak) = (megabytes(daemon.id(), "VmRSS"), megabytes(daemon.id(), "VmHWM"));
            println!(
                "{feeds} idle feeds, {} known entries, {start} start: {resident} MB resident, {peak} MB at the peak, ready after {took:.2} s",
                feeds * ENTRIES as usize
            );
            drop(Command::new("kill").arg(daemon.id().to_string()).status());
            drop(daemon.wait());
        }
    }
}

fn configuration(dir: &Path, feeds: usize) -> String {
    let mut toml = format!("state_dir = {:?}\n[sinks.out.stdout]\n", dir.join("state"));
    for n in 0..feeds {
        let _ = writeln!(toml, "[feeds.feed-{n}]\nurl = \"https://host-{}.example/feeds/{n}/rss.xml\"", n % 20_000);
    }
    toml
}

/// What the daemon would have stored after one poll of each feed.
async fn fill(dir: &Path, feeds: usize) {
    let (store, closing) = Store::open(&store::Options { dir: dir.to_owned(), cache: 64 << 20 }).expect("store");
    let names: Vec<_> = (0..feeds).map(|n| FeedId(Arc::from(format!("feed-{n}")))).collect();
    let (numbers, _) = store.number(names.clone(), vec![]).await.expect("numbers");
    let now = feedwire::clock::now();
    let mut writes = tokio::task::JoinSet::new();
    for (number, name) in numbers.into_iter().zip(names) {
        let (store, update) = (store.clone(), update(name, u64::from(number), now));
        writes.spawn(async move { store.record(number, update).await.expect("record") });
        if writes.len() >= 200 {
            writes.join_next().await;
        }
    }
    writes.join_all().await;
    store.close().await;
    tokio::task::spawn_blocking(|| closing.wait()).await.expect("closed");
}

fn update(feed: FeedId, number: u64, now: Timestamp) -> Update {
    let url = format!("https://host.example/feeds/{number}/rss.xml");
    let hot = |n: u64| known::hot(number, n);
    let validators = Validators {
        etag: Some(b"\"0123456789abcdef\"".to_vec()),
        last_modified: Some(b"Wed, 27 Nov 2024 16:45:00 GMT".to_vec()),
        url: url.clone(),
    };
    let state = FeedState {
        polls: 1,
        established: true,
        validators: Some(validators),
        next_poll: now.after(Duration::from_secs(86_400)),
        rate: Rate::seeded(now, &[now.before(Duration::from_secs(86_400)); 3], None),
        last_poll: Some(now),
        last_success: Some(now),
        title: Some("Новини України та світу".into()),
        site_url: Some("https://host.example/".into()),
        entries: ENTRIES as u32,
        ..FeedState::default()
    };
    let scene = Scene {
        instance: "main".into(),
        feed,
        url,
        title: None,
        site_url: None,
        tags: vec![],
        fetched_at: now,
        time: now,
        first_poll: true,
    };
    Update { base: 0, state, hot: Some((0..ENTRIES).map(hot).collect()), cold: vec![], marks: None, scene, events: vec![], claims: vec![] }
}

/// Starts the daemon and waits until it says READY=1.
#[expect(clippy::zombie_processes, reason = "the caller waits for it")]
fn start_daemon(dir: &Path) -> (Child, f64) {
    let path = dir.join("notify.sock");
    drop(std::fs::remove_file(&path));
    let socket = UnixDatagram::bind(&path).expect("notify socket");
    let from = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_feedwire"))
        .args(["run", "--log", "warn", "--config"])
        .arg(dir.join("feedwire.toml"))
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::null())
        .spawn()
        .expect("daemon");
    let mut message = [0; 4096];
    loop {
        let n = socket.recv(&mut message).expect("message");
        if message[..n].windows(7).any(|w| w == b"READY=1") {
            return (child, from.elapsed().as_secs_f64());
        }
    }
}

/// A size in the status of a process, in whole megabytes.
fn megabytes(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a line of its status");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("a number") / 1024
}
