//! Promises 1 to 3 under kill -9, whichever way out.

use std::collections::BTreeMap;

use tokio::time::sleep;

use super::*;
use crate::support::Dice;

const KILLS: usize = 12;

/// The longest life of the daemon, in milliseconds.
const LONGEST_LIFE: u64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_d2_kill_9_loses_nothing_and_repeats_one_event_a_lane_at_most() {
    let mut dice = Dice::new();
    eprintln!("FEEDWIRE_SEED={} throws the dice of this run again", dice.seed);
    let origin = Origin::start().await;
    let five = Five::new(&origin).await;
    for _ in 0..KILLS {
        let mut daemon = five.start().await;
        let until = tokio::time::Instant::now() + dice.millis(LONGEST_LIFE);
        while tokio::time::Instant::now() < until {
            for publisher in &five.publishers {
                publisher.publish(dice.below(3) as usize);
            }
            sleep(dice.millis(20)).await;
        }
        daemon.kill();
    }
    let _daemon = five.start().await;
    let all = five.all().await;
    five.check_order(&all);
    let mut repeats = 0;
    for (name, events) in &all {
        let mut times = BTreeMap::<(&str, &str), usize>::new();
        for event in events {
            *times.entry((event.feed(), event.id())).or_default() += 1;
        }
        for feed in ["a", "b", "c"] {
            let again: usize = times.iter().filter(|((of, _), _)| *of == feed).map(|(_, n)| n - 1).sum();
            assert!(again <= KILLS, "{name} {feed}: {again} repeats after {KILLS} kills");
            repeats += again;
        }
    }
    eprintln!("{KILLS} kills, {} events, {repeats} repeats in fifteen lanes", all[0].1.len());
}
