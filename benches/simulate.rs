//! How late news is found, at how many requests: publishers made from a seed, through the real scheduler and through the rules of others.
//!
//! `cargo bench --bench simulate` prints a table, writes `target/simulate.svg`, and measures what the scheduler itself costs.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark stops at the first surprise, and prints what it measured"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use feedwire::domain::agenda::{Agenda, Limits};
use feedwire::domain::budget::{self, Ledger};
use feedwire::domain::feed::{FeedId, FeedState, Pace};
use feedwire::domain::schedule;
use rustix::time::{ClockId, clock_gettime};

use policies::{Adaptive, Fixed, Halving, Known, Policy, Proportional};
use publishers::{DAY, Publisher, START, TRACES};

#[path = "simulate/policies.rs"]
mod policies;
#[path = "simulate/publishers.rs"]
mod publishers;

/// Days that are simulated, and those of them at the beginning that do not count.
const DAYS: (i64, i64) = (42, 14);

/// The defaults of the configuration.
const PACE: Pace = Pace { fixed: None, min: Duration::from_secs(300), mean: Duration::from_secs(1800), max: Duration::from_secs(86_400) };

/// What one policy made of one trace.
struct Outcome {
    /// In minutes.
    mean: f64,
    p95: f64,
    requests: f64,
}

fn main() {
    let feeds = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(1000);
    println!("{feeds} feeds, {} days of which the first {} do not count, mean interval 30 min, min 5 min, max 24 h\n", DAYS.0, DAYS.1);
    println!("| trace | policy | mean delay, min | p95, min | requests | mean / fixed | mean / optimum |\n|---|---|---|---|---|---|---|");
    let mut bars = vec![];
    for (number, trace) in TRACES.iter().enumerate() {
        let publishers = publishers::made(*trace, feeds, number as u64 + 1);
        let outcomes = compared(&publishers);
        let (fixed, optimum) = (outcomes[0].1.mean, outcomes[4].1.mean);
        for (name, o) in &outcomes {
            let (to_fixed, to_optimum) = (o.mean / fixed, o.mean / optimum);
            println!("| {trace} | {name} | {:.2} | {:.1} | {:.0} | {to_fixed:.3} | {to_optimum:.3} |", o.mean, o.p95, o.requests);
        }
        bars.push((trace.to_string(), outcomes.into_iter().map(|(name, o)| (name, o.mean / fixed)).collect()));
    }
    let path = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), std::path::PathBuf::from).join("simulate.svg");
    std::fs::write(&path, plot(&bars)).expect("plot");
    println!("\nThe plot is in {}.", path.display());
    costs();
}

/// Every policy on one trace, each tuned until it makes as many requests as a fixed interval.
fn compared(publishers: &[Publisher]) -> Vec<(&'static str, Outcome)> {
    let fixed = replayed(publishers, &mut Fixed);
    let wanted = fixed.requests;
    let miniflux = tuned(0.01, 100.0, wanted, |dial| replayed(publishers, &mut Proportional::new(publishers, dial)));
    let halving = tuned(1.0005, 100.0, 1.0 / wanted, |dial| {
        let outcome = replayed(publishers, &mut Halving::new(publishers.len(), dial));
        Outcome { requests: 1.0 / outcome.requests, ..outcome }
    });
    let halving = Outcome { requests: 1.0 / halving.requests, ..halving };
    let ours = replayed(publishers, &mut Adaptive::new(publishers.len()));
    let known = replayed(publishers, &mut Known::new(publishers));
    vec![("fixed interval", fixed), ("Miniflux", miniflux), ("halve and grow", halving), ("feedwire", ours), ("known rates", known)]
}

/// Finds the dial between `low` and `high` at which the requests, which grow with it, are as wanted.
fn tuned(mut low: f64, mut high: f64, wanted: f64, replay: impl Fn(f64) -> Outcome) -> Outcome {
    for _ in 0..14 {
        let middle = (low * high).sqrt();
        if replay(middle).requests < wanted { low = middle } else { high = middle }
    }
    replay((low * high).sqrt())
}

/// Plays the posts of all publishers to a policy, which sees of each what it has posted since the poll before.
fn replayed(publishers: &[Publisher], policy: &mut impl Policy) -> Outcome {
    let (from, to) = (START.after(DAY * DAYS.1 as u32), START.after(DAY * DAYS.0 as u32));
    let mut next: Vec<_> = (0..publishers.len()).map(|n| START.after(PACE.mean * n as u32 / publishers.len() as u32)).collect();
    let mut last = vec![START.before(PACE.mean); publishers.len()];
    let mut seen = vec![0; publishers.len()];
    let (mut delays, mut requests) = (vec![], 0u64);
    let mut until = START;
    while until < to.after(DAY * 2) {
        until = until.after(Duration::from_secs(1800));
        for (feed, publisher) in publishers.iter().enumerate() {
            while next[feed] < until {
                let now = next[feed];
                let found = publisher.posts[seen[feed]..].partition_point(|at| *at <= now);
                let posts = &publisher.posts[seen[feed]..seen[feed] + found];
                let counted = posts.iter().filter(|at| **at >= from && **at < to);
                delays.extend(counted.map(|at| now.since(*at).as_secs_f64() / 60.0));
                requests += u64::from(now >= from && now < to);
                next[feed] = policy.poll(feed, now, last[feed], posts);
                (last[feed], seen[feed]) = (now, seen[feed] + found);
            }
        }
        policy.rest(until);
    }
    delays.sort_by(f64::total_cmp);
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    Outcome { mean, p95: delays[delays.len() * 95 / 100], requests: requests as f64 }
}

/// Bars of mean delay beside a fixed interval.
fn plot(traces: &[(String, Vec<(&str, f64)>)]) -> String {
    const COLOURS: [&str; 5] = ["#b8b8b8", "#e0a458", "#c8705c", "#2f6f9f", "#7fa650"];
    let (width, height, top) = (140.0 * traces.len() as f64 + 60.0, 300.0, 40.0);
    let tallest = traces.iter().flat_map(|(_, bars)| bars.iter().map(|b| b.1)).fold(1.0, f64::max);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"50\" y=\"16\" font-size=\"13\">Mean detection delay beside a fixed interval, at equal requests</text>\n",
        height + top + 40.0
    );
    let y = |value: f64| top + height * (1.0 - value / tallest);
    for mark in [0.0, 0.4, 1.0] {
        let (line, end) = (y(mark), width - 10.0);
        let _ = writeln!(svg, "<path d=\"M50 {line:.1}H{end}\" stroke=\"#ddd\"/><text x=\"24\" y=\"{:.1}\">{mark:.1}</text>", line + 4.0);
    }
    for (t, (trace, bars)) in traces.iter().enumerate() {
        let left = 60.0 + 140.0 * t as f64;
        let _ = writeln!(svg, "<text x=\"{left}\" y=\"{}\">{trace}</text>", top + height + 16.0);
        for (b, (name, value)) in bars.iter().enumerate() {
            let (x, bar) = (left + 24.0 * b as f64, y(*value));
            let (tall, colour) = (top + height - bar, COLOURS[b]);
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{bar:.1}\" width=\"22\" height=\"{tall:.1}\" fill=\"{colour}\"><title>{name} {value:.2}</title></rect>"
            );
            let _ =
                writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" font-size=\"9\" text-anchor=\"middle\">{value:.2}</text>", x + 11.0, bar - 3.0);
        }
    }
    for (b, (name, _)) in traces[0].1.iter().enumerate() {
        let (x, line) = (60.0 + 130.0 * b as f64, top + height + 24.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{line}\" width=\"10\" height=\"10\" fill=\"{}\"/><text x=\"{}\" y=\"{}\">{name}</text>",
            COLOURS[b],
            x + 14.0,
            line + 9.0
        );
    }
    svg + "</svg>\n"
}

/// What the scheduler costs with 100,000 feeds.
fn costs() {
    const FEEDS: u32 = 100_000;
    let known = Known::new(&publishers::made(TRACES[0], FEEDS as usize, 9));
    let mut ledger = Ledger::new(FEEDS as usize, f64::from(FEEDS) / PACE.mean.as_secs_f64());
    for (n, share) in known.shares.iter().enumerate() {
        ledger.set(n, Some(*share), PACE.mean, 1.0);
    }
    let solving = cpu(1, |_| {
        let (shares, budget) = ledger.close(START);
        black_box(budget::solve(&shares, budget));
    });
    println!("\nsolving for {FEEDS} feeds: {:.1} ms", solving / 1e3);

    let mut agenda = Agenda::new(Limits { in_flight: 64, per_host: 1, host_gap: Duration::from_secs(1), per_beat: usize::MAX });
    for n in 0..FEEDS {
        let host = format!("{}.example", n / 2);
        agenda.add(&host, &host, START.after(Duration::from_millis(u64::from(18 * n))));
    }
    let mut now = START;
    let each = cpu(400_000, |_| {
        let feed = loop {
            now = agenda.wake_at().max(now);
            if let Some(feed) = agenda.start(now) {
                break feed;
            }
        };
        agenda.done(feed, now.after(PACE.mean), now);
    });
    println!("agenda of {FEEDS} feeds: {each:.2} µs for a start and its end");

    let mut state = FeedState { last_poll: Some(START), next_poll: START, last_success: Some(START), ..FeedState::default() };
    let each = cpu(FEEDS, |n| {
        let (last, now) = (START.after(PACE.mean * n), START.after(PACE.mean * (n + 1)));
        state.rate.observe(now, last, &[now, now, last.after(PACE.mean / 2)]);
    });
    println!("observing a poll: {each:.2} µs");
    let id = FeedId(Arc::from("feed"));
    let each = cpu(FEEDS, |n| {
        black_box(schedule::after_success(&policies::outlook(&state.rate, 1e3), &id, u64::from(n), START));
    });
    println!("deciding the next: {each:.2} µs");
    let bytes = postcard::to_stdvec(&(&state.rate, state.standing, state.not_before, state.next_poll, state.last_success, state.failures));
    println!("what a row holds for it: {} bytes, of a feed that posts at every hour", bytes.expect("bytes").len());
}

/// CPU time of one round, in microseconds.
fn cpu(rounds: u32, mut round: impl FnMut(u32)) -> f64 {
    let used = || Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).expect("time");
    let begun = used();
    (0..rounds).for_each(&mut round);
    (used() - begun).as_secs_f64() * 1e6 / f64::from(rounds)
}
