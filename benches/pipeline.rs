//! CPU time of the whole path, beside the bound: a bare loop of reqwest, feed-rs and a hash over the same server in the same run.
//!
//! `cargo bench --bench pipeline` prints CPU time (user and system, of this process alone) per 1,000 feeds; the server is another
//! process. Compare the ratios, not the times.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a benchmark stops at the first surprise, and prints what it measured"
)]

mod farm;
mod known;

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group};
use farm::Farm;
use feedwire::domain::agenda::Limits;
use feedwire::domain::delivery::{Order, SinkId};
use feedwire::domain::entry::{Entry, Markup};
use feedwire::domain::event::{EventId, EventKind, Happening, Report, Scene, What};
use feedwire::domain::feed::{Backlog, Feed, FeedId, FeedState, Pace};
use feedwire::domain::filter::{Duplicates, Route};
use feedwire::domain::plan::{Destination, Update};
use feedwire::fetch::{self, Fetcher, Subscription};
use feedwire::poll::company::Company;
use feedwire::poll::pacing::Pacing;
use feedwire::poll::{Counters, Poller, Wanted};
use feedwire::store::{self, Store};
use tokio::sync::{Semaphore, watch};
use xxhash_rust::xxh3::xxh3_128;

const FEEDS: usize = 1000;
const IN_FLIGHT: usize = 64;

/// User and system time of this process.
fn cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime")
}

/// The bound: what any program with these libraries must do.
async fn bare(urls: &[String], etag: Option<&str>, parse: bool) -> usize {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let urls = Arc::new(urls.to_vec());
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (client, urls, next, etag) = (client.clone(), urls.clone(), next.clone(), etag.map(str::to_owned));
        tasks.spawn(async move {
            let mut seen = HashSet::new();
            while let Some(url) = urls.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut request = client.get(url);
                if let Some(etag) = &etag {
                    request = request.header("if-none-match", etag);
                }
                let body = request.send().await.expect("answer").bytes().await.expect("body");
                if parse {
                    for entry in feed_rs::parser::parse(&body[..]).expect("feed").entries {
                        let text = entry.content.and_then(|c| c.body).or(entry.summary.map(|s| s.content)).unwrap_or_default();
                        let title = entry.title.map(|t| t.content).unwrap_or_default();
                        seen.insert(xxh3_128(format!("{}{title}{text}", entry.id).as_bytes()));
                    }
                }
            }
            seen.len()
        });
    }
    tasks.join_all().await.into_iter().sum()
}

/// A poller over `urls` that polls each as often as it can.
async fn poller(urls: &[String], dir: &std::path::Path, backlog: Backlog) -> (Arc<Poller>, Limits, store::Closing) {
    let open = store::Options { dir: dir.to_owned(), cache: 64 << 20 };
    let (store, closing) = Store::open(&open).expect("store");
    let ids: Vec<_> = (0..urls.len()).map(|n| FeedId(Arc::from(format!("feed-{n}")))).collect();
    let (numbers, sinks) = store.number(ids.clone(), vec![SinkId(Arc::from("sink"))]).await.expect("numbers");
    let pace = Pace {
        fixed: Some(Duration::from_millis(1)),
        min: Duration::from_millis(1),
        mean: Duration::from_millis(1),
        max: Duration::from_secs(1),
    };
    let options = Arc::new(fetch::Options::default());
    let subscription = |(id, url): (FeedId, &String)| Subscription {
        feed: Feed { id, url: url.clone(), tags: Arc::from(vec![]), backlog, pace },
        options: options.clone(),
    };
    let settings =
        fetch::Settings { per_host: IN_FLIGHT, allow_private: vec!["127.0.0.0/8".parse().expect("network")], ..fetch::Settings::default() };
    let route = Route {
        sink: sinks[0],
        events: Arc::from(EventKind::ALL),
        order: Order::Feed,
        filter: Arc::default(),
        duplicates: Duplicates::Mark,
    };
    let feeds: Arc<Vec<_>> = Arc::new(ids.into_iter().zip(urls).map(subscription).collect());
    let poller = Poller {
        instance: "bench".into(),
        store,
        fetcher: Fetcher::new(&settings).expect("fetcher"),
        pacing: Arc::new(Pacing::new(&feeds, &Company::default())),
        feeds,
        numbers,
        routes: vec![route],
        stories: Mutex::default(),
        max_entries: 2000,
        nudge: watch::channel(()).0,
        parsing: Semaphore::new(2),
        counters: Arc::new(Counters::default()),
        wanted: Wanted::default(),
        paused: Mutex::default(),
        company: Company::default(),
    };
    (Arc::new(poller), Limits { in_flight: IN_FLIGHT, per_host: IN_FLIGHT, host_gap: Duration::ZERO, per_beat: usize::MAX }, closing)
}

/// CPU time per round of all feeds, after `warm` rounds, over `rounds` rounds.
async fn polled(urls: &[String], warm: u64, rounds: u64, backlog: Backlog) -> Duration {
    let dir = tempfile::tempdir().expect("directory");
    let (poller, limits, closing) = poller(urls, dir.path(), backlog).await;
    let (stop, stopped) = watch::channel(false);
    let agenda = poller.agenda(limits).await.expect("rows");
    let count = |poller: &Poller| poller.counters.polls.load(Ordering::Relaxed);
    let reach = |goal: u64, poller: Arc<Poller>| async move {
        while count(&poller) < goal {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let feeds = urls.len() as u64;
    let mut from = (cpu(), 0);
    let run = tokio::spawn(poller.clone().run(agenda, stopped));
    if warm > 0 {
        reach(warm * feeds, poller.clone()).await;
        from = (cpu(), count(&poller));
    }
    reach((warm + rounds) * feeds, poller.clone()).await;
    let (used, polls) = (cpu() - from.0, count(&poller) - from.1);
    stop.send_replace(true);
    run.await.expect("loop").expect("store");
    poller.store.close().await;
    drop(poller);
    tokio::task::spawn_blocking(|| closing.wait()).await.expect("closed");
    used.mul_f64(feeds as f64 / polls as f64)
}

fn pipeline(c: &mut Criterion) {
    let farm = Farm::start();
    let runtime = runtime();
    let urls = |kind: &str| (0..FEEDS).map(|n| farm.url(kind, n)).collect::<Vec<_>>();
    let (same, blunt) = (urls("same"), urls("blunt"));
    let mut group = c.benchmark_group("CPU per 1,000 feeds");
    group.sample_size(10).warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(2));
    let mut bound = |name: &str, urls: &[String], etag: Option<&str>, parse: bool| {
        group.bench_function(BenchmarkId::new("bound", name), |b| {
            b.iter_custom(|iters| {
                let from = cpu();
                for _ in 0..iters {
                    runtime.block_on(bare(urls, etag, parse));
                }
                cpu() - from
            });
        });
    };
    bound("fetch alone", &blunt, None, false);
    bound("fetch + feed-rs + hash", &blunt, None, true);
    bound("304", &same, Some("\"one\""), false);
    let mut ours = |name: &str, urls: &[String], warm: u64, backlog: Backlog| {
        group.bench_function(BenchmarkId::new("feedwire", name), |b| {
            // A cold poll happens once; the others are averaged over several rounds of one store.
            let rounds = if warm == 0 { 1 } else { 5 };
            b.iter_custom(|iters| (0..iters).map(|_| runtime.block_on(polled(urls, warm, rounds, backlog))).sum());
        });
    };
    ours("cold, backlog none", &same, 0, Backlog::None);
    ours("cold, backlog all", &same, 0, Backlog::All);
    ours("one new of 30", &urls("step"), 2, Backlog::None);
    ours("200, unchanged body", &blunt, 1, Backlog::None);
    ours("304", &same, 1, Backlog::None);
    group.finish();
}

/// Updates of 30 events each, from as many tasks as polls are in flight.
async fn recorded(updates: u64) -> Duration {
    let dir = tempfile::tempdir().expect("directory");
    let (store, closing) = Store::open(&store::Options { dir: dir.path().to_owned(), cache: 64 << 20 }).expect("store");
    let from = cpu();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..IN_FLIGHT as u64 {
        let store = store.clone();
        tasks.spawn(async move {
            for n in (task..updates).step_by(IN_FLIGHT) {
                store.record(u32::try_from(n).expect("number"), update(n)).await.expect("record");
            }
        });
    }
    tasks.join_all().await;
    let used = cpu() - from;
    store.close().await;
    drop(store);
    tokio::task::spawn_blocking(|| closing.wait()).await.expect("closed");
    used
}

/// What the first poll of a feed records: 30 entries of 2 KB, each an event for one sink.
fn update(number: u64) -> Update {
    let now = feedwire::clock::now();
    let hot = |n: u64| known::hot(number, n);
    let body = "<p>Умєров розповів президенту про співпрацю, її обсяг і п’ять ґрунтовних висновків.</p> ".repeat(12);
    let event = |n: u64| {
        let entry =
            Entry { title: Some(format!("Стаття {n}")), content: Some(Markup::Html(format!("{n} {body}"))), ..Entry::default() };
        let what = What::Entry(Box::new(Report { entry, ..Report::default() }));
        let happening = Happening { id: EventId(format!("evt_{number}_{n}")), kind: EventKind::Created, what };
        (happening, vec![Destination { sink: 1, order: Order::Feed }])
    };
    let scene = Scene {
        instance: "bench".into(),
        feed: FeedId(Arc::from("feed")),
        url: "https://news.example/rss".into(),
        title: None,
        site_url: None,
        tags: vec![],
        fetched_at: now,
        time: now,
        first_poll: true,
    };
    Update {
        base: 0,
        state: FeedState { polls: 1, established: true, ..FeedState::default() },
        hot: Some((0..farm::ENTRIES).map(hot).collect()),
        cold: vec![],
        marks: None,
        scene,
        events: (0..farm::ENTRIES).map(event).collect(),
        claims: vec![],
    }
}

fn record(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("CPU per 30,000 entries");
    group.sample_size(10).warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(2));
    group.bench_function("record", |b| b.iter_custom(|iters| (0..iters).map(|_| runtime.block_on(recorded(1000))).sum()));
    group.finish();
}

criterion_group!(benches, pipeline, record);

fn main() {
    farm::serve_if_child();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
