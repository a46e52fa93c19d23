//! The real binary and a consumer: 100,000 events that were committed while the consumer was down, then released; one lane; and how soon an
//! event arrives when all is well.
//!
//! `cargo bench --bench delivery -- --feeds N --entries N --seconds N` prints a table, and exits 1 if an event was lost or came twice. Beside
//! the daemon's CPU time per event stands that of a bare loop of reqwest, which posts the same body to the same consumer in the same run.
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
use daemon::{Daemon, Sample, Setup};
use farm::Farm;

#[path = "delivery/bare.rs"]
mod bare;
#[path = "delivery/daemon.rs"]
mod daemon;
#[path = "delivery/documents.rs"]
mod documents;
#[path = "delivery/farm.rs"]
mod farm;
#[path = "scale/wire.rs"]
mod wire;

/// What has not happened by then will not.
const PATIENCE: Duration = Duration::from_secs(1200);

/// What can be told to the bench.
#[derive(Parser)]
struct Options {
    /// Feeds that publish while the consumer is down.
    #[arg(long, default_value_t = 200)]
    feeds: u32,
    /// Entries that each of them publishes.
    #[arg(long, default_value_t = 500)]
    entries: u32,
    /// Of these feeds, those whose events go through one lane in the second part.
    #[arg(long, default_value_t = 20)]
    single: u32,
    /// How long events are watched that find a healthy consumer.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    farm::serve_if_child();
    let options = Options::parse();
    let farm = Farm::start();
    println!("| figure | value | to reach | goal |\n|---|---|---|---|");
    let mut broken = vec![];
    let steps = [options.feeds / 10, options.feeds / 2, options.feeds];
    let many = drained(&farm, &options, "feed", &steps, &mut broken);
    let bound = bare::events_a_cpu_second(&farm.hook(), farm.body());
    row(&format!("bare reqwest, a body of {} bytes: requests a CPU second", farm.body().len()), &format!("{bound:.0}"), "", "");
    row("events beside bare requests", &format!("{:.2}", many / bound), "", "");
    drained(&farm, &options, "sink", &[options.single], &mut broken);
    healthy(&farm, options.seconds, &mut broken);
    for what in &broken {
        eprintln!("broken: {what}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn row(figure: &str, value: &str, reach: &str, goal: &str) {
    println!("| {figure} | {value} | {reach} | {goal} |");
}

/// Has so many feeds publish while the consumer is down, one step after the other, then lets the consumer up. Events a CPU second.
fn drained(farm: &Farm, options: &Options, order: &'static str, steps: &[u32], broken: &mut Vec<String>) -> f64 {
    let dir = tempfile::tempdir().expect("directory");
    farm.close();
    let mut setup = Setup { feeds: 0, order, url: farm.feeds(options.entries), interval: Duration::from_secs(3600), hook: farm.hook() };
    let mut daemon = None::<Daemon>;
    let mut total = 0;
    for feeds in steps {
        (setup.feeds, total) = (*feeds, u64::from(feeds * options.entries));
        let running = match daemon.take() {
            None => Daemon::start(dir.path(), &setup),
            Some(running) => running.reload(&setup),
        };
        until("all is committed", || (running.waiting() == total).then_some(()));
        // So that what the last document took is given back.
        std::thread::sleep(Duration::from_secs(3));
        let (seen, peak) = (running.sample(), running.sample().peak);
        row(&format!("order = {order:?}: {total} wait: resident (at the peak), MB"), &format!("{} ({peak})", seen.resident), "", "");
        daemon = Some(running);
    }
    // Killed and started again it has nothing in memory but what it needs.
    drop(daemon);
    let daemon = Daemon::start(dir.path(), &setup);
    until("the backlog is known", || (daemon.waiting() == total).then_some(()));
    let from = daemon.sample();
    row(&format!("order = {order:?}: {total} wait: resident after a restart, MB"), &from.resident.to_string(), "", "");
    farm.open();
    until("all has arrived", || (farm.figures().arrived >= total).then_some(()));
    until("all is settled", || (daemon.waiting() == 0).then_some(()));
    let (to, figures) = (daemon.sample(), farm.figures());
    if (figures.arrived, figures.different) != (total, total as usize) {
        broken.push(format!("{total} events arrived {} times, {} of them different", figures.arrived, figures.different));
    }
    let a_cpu_second = report_drained(order, total, figures.drained, &from, &to);
    drop(daemon);
    a_cpu_second
}

fn report_drained(order: &str, total: u64, took: f64, from: &Sample, to: &Sample) -> f64 {
    let cpu = (to.cpu - from.cpu).as_secs_f64();
    let name = |what: &str| format!("order = {order:?}: {what}");
    let (reach, goal) = if order == "feed" { ("3000", "8000") } else { ("", "") };
    row(&name("events drained a CPU second"), &format!("{:.0}", total as f64 / cpu), reach, goal);
    row(&name("time to drain, s (events a second)"), &format!("{took:.1} ({:.0})", total as f64 / took), "", "");
    row(&name("of the CPU time in the kernel"), &format!("{:.0} %", (to.kernel - from.kernel).as_secs_f64() / cpu * 100.0), "", "");
    row(&name("resident after (at the peak), MB"), &format!("{} ({})", to.resident, to.peak), "", "");
    total as f64 / cpu
}

/// Fifty feeds that have something new at every poll, a hundred a second together.
fn healthy(farm: &Farm, seconds: u64, broken: &mut Vec<String>) {
    let dir = tempfile::tempdir().expect("directory");
    farm.reset();
    let setup = Setup { feeds: 50, order: "feed", url: farm.live(), interval: Duration::from_millis(500), hook: farm.hook() };
    let daemon = Daemon::start(dir.path(), &setup);
    std::thread::sleep(Duration::from_secs(3));
    farm.reset();
    let from = daemon.sample();
    std::thread::sleep(Duration::from_secs(seconds));
    let to = daemon.sample();
    let mut latencies = farm.figures().latencies;
    drop(daemon);
    latencies.sort_by(f64::total_cmp);
    if latencies.len() < 100 {
        broken.push(format!("only {} events arrived", latencies.len()));
        return;
    }
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let value = format!("{:.1} / {:.1} / {:.1}", at(0.5), at(0.99), at(1.0));
    row(&format!("served → arrived, p50 / p99 / most of {}, ms", latencies.len()), &value, "15 / 100", "5 / 30");
    let cpu = (to.cpu - from.cpu).as_secs_f64() / (to.at - from.at).as_secs_f64();
    row("CPU meanwhile", &format!("{:.0} %", cpu * 100.0), "", "");
}

/// Asks again and again.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let from = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(from.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
