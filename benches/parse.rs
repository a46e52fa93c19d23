//! Reading a document, beside plain feed-rs on the same bytes in the same run: one that was never seen, one that brings one new entry of
//! thirty, one that has changed around its entries alone, and the very bytes of before, which the poller tells by their hash. What is compared
//! is the ratio.
//!
//! `cargo bench --bench parse` measures the documents of the other benchmark; `FEEDWIRE_DOCUMENTS=DIR` adds every file of a directory.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a benchmark stops at the first surprise, and prints what it measured"
)]

#[expect(dead_code, reason = "the documents alone are used")]
mod farm;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use feedwire::domain::feed::Known;
use feedwire::domain::sift::Sifted;
use feedwire::parse::{Source, parse};
use xxhash_rust::xxh3::xxh3_128;

fn source(bytes: &[u8]) -> Source<'_> {
    Source { bytes, content_type: None, url: Some("https://news.example/feed"), max_entries: 2000 }
}

/// The fingerprints of all entries but the first.
fn known(bytes: &[u8], but: usize) -> Known {
    let document = parse(&source(bytes), &Known::new()).expect("feed");
    document.entries.iter().skip(but).map(|e| e.fingerprint).collect()
}

/// CPU time of this thread.
fn used(iters: u64, mut work: impl FnMut() -> usize) -> Duration {
    let cpu = || {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
    };
    let from = cpu();
    for _ in 0..iters {
        black_box(work());
    }
    cpu() - from
}

fn compare(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, bytes: &[u8]) {
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function(format!("{name}/feed-rs"), |b| {
        b.iter_custom(|iters| used(iters, || feed_rs::parser::parse(black_box(bytes)).expect("feed").entries.len()));
    });
    let before = xxh3_128(bytes);
    group.bench_function(format!("{name}/the very bytes of before"), |b| {
        b.iter_custom(|iters| used(iters, || usize::from(xxh3_128(black_box(bytes)) == before)));
    });
    for (what, known) in [("never seen", Known::new()), ("one new", known(bytes, 1)), ("every entry known", known(bytes, 0))] {
        group.bench_function(format!("{name}/{what}"), |b| {
            b.iter_custom(|iters| used(iters, || parse(&source(black_box(bytes)), &known).expect("feed").entries.len()));
        });
    }
    group.bench_function(format!("{name}/never seen, names and words too"), |b| {
        b.iter_custom(|iters| used(iters, || Sifted::new(parse(&source(black_box(bytes)), &Known::new()).expect("feed")).wanted().len()));
    });
}

fn documents(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    compare(&mut group, "rss", farm::document(0, 0).as_bytes());
    compare(&mut group, "atom", farm::document(1, 0).as_bytes());
    let more = std::env::var_os("FEEDWIRE_DOCUMENTS").map(PathBuf::from);
    for file in more.iter().flat_map(|dir| std::fs::read_dir(dir).expect("directory")).flatten() {
        let bytes = std::fs::read(file.path()).expect("file");
        if feed_rs::parser::parse(&bytes[..]).is_ok_and(|feed| feed.entries.len() > 1) {
            compare(&mut group, &file.file_name().to_string_lossy(), &bytes);
        }
    }
    group.finish();
}

criterion_group!(benches, documents);
criterion_main!(benches);
