//! The bound: what any program that posts with reqwest must do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

const REQUESTS: u32 = 30_000;

/// As many as a sink has by default.
const IN_FLIGHT: usize = 8;

fn cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// Posts the body again and again; requests a CPU second of this process.
pub fn events_a_cpu_second(url: &str, body: Vec<u8>) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let from = cpu();
    runtime.block_on(post(url, body.into()));
    f64::from(REQUESTS) / (cpu() - from).as_secs_f64()
}

async fn post(url: &str, body: Bytes) {
    // Somebody else may have installed it.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let (done, mut tasks) = (Arc::new(AtomicU32::new(0)), JoinSet::new());
    for _ in 0..IN_FLIGHT {
        let (client, url, body, done) = (client.clone(), url.to_owned(), body.clone(), done.clone());
        tasks.spawn(async move {
            while done.fetch_add(1, Ordering::Relaxed) < REQUESTS {
                let request = client.post(&url).header("content-type", "application/json").header("webhook-id", "evt_bare");
                let request = request.header("webhook-timestamp", "1732700000").header("webhook-signature", "v1,x");
                let answer = request.body(body.clone()).send().await.expect("answer");
                assert_eq!(answer.status(), 204);
            }
        });
    }
    tasks.join_all().await;
}
