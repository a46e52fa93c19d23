//! The real binary with 100,000 feeds on 20,000 hosts: what it takes, whether it keeps its promises to hosts, and what an outage does to it.
//!
//! `cargo bench --bench scale -- --feeds N --hosts N --minutes M --outage SECONDS` prints a table, writes `target/scale.json`, and exits 1
//! if a promise was broken. Each host is a loopback address of its own, so it needs Linux, and as many descriptors as there are polls in ten
//! seconds.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a benchmark stops at the first surprise, and prints what it measured"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use daemon::{Daemon, Setup};
use farm::Farm;
use report::{Census, Run, Stretch};

#[path = "scale/books.rs"]
mod books;
#[path = "scale/daemon.rs"]
mod daemon;
#[path = "scale/documents.rs"]
mod documents;
#[path = "scale/farm.rs"]
mod farm;
#[path = "scale/report.rs"]
mod report;
#[path = "scale/wire.rs"]
mod wire;

/// Between two looks at the daemon.
const SAMPLE: Duration = Duration::from_secs(5);

/// Between two lines that say how it goes.
const SAY: Duration = Duration::from_secs(60);

/// The daemon may look for its network only so often.
const NOTICED: Duration = Duration::from_secs(60);

/// What can be told to the bench.
#[derive(Parser)]
struct Options {
    /// Feeds in the configuration.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    feeds: u32,
    /// Hosts that they are spread over.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    hosts: u32,
    /// How long polls are watched; every feed is polled twice in this time, on average.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// How long every feed is out of reach after that, in seconds; the daemon is watched for as long, and a minute, when they are back.
    #[arg(long, default_value_t = 60)]
    outage: u64,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    farm::serve_if_child();
    let run = run(&Options::parse());
    run.print();
    let path = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), std::path::PathBuf::from).join("scale.json");
    std::fs::write(&path, serde_json::to_vec(&run.recovery.figures.1).expect("JSON")).expect("figures");
    println!("\nWhat the server saw, second by second, is in {}.", path.display());
    let broken = run.broken();
    for what in &broken {
        eprintln!("broken: {what}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(options: &Options) -> Run {
    let (time, outage) = (Duration::from_secs_f64(options.minutes * 60.0), Duration::from_secs(options.outage));
    let dir = tempfile::tempdir().expect("directory");
    let farm = Farm::start();
    let setup = Setup { feeds: options.feeds, hosts: options.hosts, mean_interval: time / 2 };
    let daemon = Daemon::start(dir.path(), &setup, &farm);
    let ready = (daemon.took, daemon.sample());
    let polling = watched(&daemon, &farm, time, "polling");
    farm.close();
    let outage_seen = watched(&daemon, &farm, outage, "outage");
    farm.open();
    let census = counted(&daemon);
    let recovery = watched(&daemon, &farm, outage + NOTICED, "recovery");
    let last = counted(&daemon);
    let (status, took) = daemon.stop();
    Run { feeds: options.feeds as usize, ready, polling, outage: outage_seen, census, recovery, last, stopped: (status.success(), took) }
}

/// Looks on for a while.
fn watched(daemon: &Daemon, farm: &Farm, time: Duration, name: &str) -> Stretch {
    let (end, before) = (Instant::now() + time, farm.figures());
    let mut samples = vec![daemon.sample()];
    let (mut said, mut last) = (Instant::now(), samples[0]);
    while let Some(rest) = end.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
        std::thread::sleep(rest.min(SAMPLE));
        let now = daemon.sample();
        samples.push(now);
        if said.elapsed() >= SAY || end <= Instant::now() {
            let (polls, seconds) = (now.polls - last.polls, now.at.duration_since(last.at).as_secs_f64());
            let cpu = (now.cpu - last.cpu).as_secs_f64() / seconds * 100.0;
            println!("{name}: {polls} polls in {seconds:.0} s, CPU {cpu:.1} %, {} MB resident, {} sockets", now.resident, now.sockets);
            (said, last) = (Instant::now(), now);
        }
    }
    Stretch { figures: (before, farm.figures()), samples }
}

/// Asks the daemon about all feeds.
fn counted(daemon: &Daemon) -> Census {
    let from = Instant::now();
    let feeds = daemon.feeds();
    Census::of(&feeds, from.elapsed())
}
