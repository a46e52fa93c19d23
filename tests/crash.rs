//! Promise 1, 2 and 3 under kill -9: the real program, killed at random moments while feeds publish and a consumer takes what it gets.

use std::collections::{HashMap, HashSet};

use tokio::time::sleep;

use crate::support::{Arrival, Dice, Home, Origin, Publisher, Receiver, Reply};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// How often the daemon is killed; `FEEDWIRE_KILLS` sets another number.
const KILLS: usize = 50;

/// Feeds that publish at the same time.
const FEEDS: usize = 3;

/// The longest life of the daemon before it is killed, in milliseconds: long enough for a few polls and deliveries.
const LONGEST_LIFE: u64 = 250;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p16_d1_d2_d3_kill_9_at_any_moment_loses_nothing_and_repeats_only_what_was_under_way() {
    let kills = std::env::var("FEEDWIRE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let (_home, repeats) = killed(kills, LONGEST_LIFE, &[]).await;
    // Kills that never hit a delivery under way would prove nothing.
    assert!(repeats > 0 || kills < KILLS, "no kill came between a delivery and its settlement");
}

/// Long enough for a compaction to end in some lives, short enough to be killed in the middle of it in others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_in_the_middle_of_a_compaction_loses_nothing() {
    let (home, _) = killed(KILLS / 4, LONGEST_LIFE * 4, &["compact"]).await;
    let names: Vec<_> =
        std::fs::read_dir(home.path("state")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let databases: Vec<_> = names.iter().filter(|name| name.starts_with("db")).collect();
    assert_eq!(databases.len(), 1, "nothing is left over: {names:?}");
    assert_ne!(databases, ["db-0"], "a compaction came to its end");
    let mut check = home.launch(&["store", "check"]);
    assert_eq!(check.exit().await, 0, "{:?}", check.stdout.all());
}

/// Kills the daemon so many times, and checks all that the consumer ever got. In each life the daemon is asked for what `order` says, if
/// anything. Returns how often an entry came again.
async fn killed(kills: usize, longest_life: u64, order: &[&str]) -> (Home, usize) {
    let mut dice = Dice::new();
    eprintln!("FEEDWIRE_SEED={} throws the dice of this run again", dice.seed);
    let origin = Origin::start().await;
    let receiver = Receiver::verifying(SECRET).await;
    let publishers: Vec<_> = (0..FEEDS).map(|n| Publisher::new(&origin, &format!("/{n}")).window(100_000)).collect();
    let home = Home::new(&configuration(&publishers, &receiver)).variable("HOOK", SECRET);

    // How many arrivals there were at each kill.
    let mut marks = Vec::new();
    for _ in 0..kills {
        let mut daemon = home.launch(&["run"]);
        // Some lives end before the store is open. The others are counted from when it is, so that a slow machine too is killed in the
        // middle of polls, commits and deliveries.
        if !order.is_empty() || dice.below(2) == 0 {
            daemon.ready(1).await;
        }
        let _asked = (!order.is_empty()).then(|| home.launch(&[&["ctl"], order].concat()));
        let until = tokio::time::Instant::now() + dice.millis(longest_life);
        while tokio::time::Instant::now() < until {
            for publisher in &publishers {
                publisher.publish(dice.below(3) as usize);
            }
            if dice.below(10) == 0 {
                receiver.answer_once(Reply::status(503));
            }
            sleep(dice.millis(20)).await;
        }
        daemon.kill();
        marks.push(receiver.arrivals().len());
    }

    let published: usize = publishers.iter().map(|p| p.published().len()).sum();
    let mut last = home.start().await;
    let all = receiver
        .until(format!("{published} different entries"), |all| {
            all.iter().filter(|a| a.accepted()).map(|a| a.event.entry_id().to_owned() + a.event.feed()).collect::<HashSet<_>>().len()
                >= published
        })
        .await;
    let repeats: usize = publishers.iter().enumerate().map(|(n, p)| check(&all, &marks, &format!("f{n}"), &p.published())).sum();
    eprintln!("{kills} kills, {published} entries, {repeats} repeats, {} arrivals, seed {}", all.len(), dice.seed);
    assert_eq!(last.terminate().await, 0);
    (home, repeats)
}

fn configuration(publishers: &[Publisher], receiver: &Receiver) -> String {
    let hook = receiver.url("/hook");
    let mut config = format!("[sinks.hook.webhook]\nurl = {hook:?}\nsecrets = [{{ env = \"HOOK\" }}]\n");
    for (n, publisher) in publishers.iter().enumerate() {
        config += &format!("[feeds.f{n}]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n", publisher.url());
    }
    config
}

/// Nothing lost, nothing twice that can be told apart, everything in order, in one lane. `marks` is where in `all` each kill was. Returns
/// how often an entry came again although it had been accepted.
fn check(all: &[Arrival], marks: &[usize], feed: &str, published: &[String]) -> usize {
    let mut ids: HashMap<&str, &str> = HashMap::new();
    let mut order: Vec<&str> = Vec::new();
    let mut accepted: HashSet<&str> = HashSet::new();
    let mut repeats = 0;
    for (place, arrival) in all.iter().enumerate().filter(|(_, arrival)| arrival.event.feed() == feed) {
        let entry = arrival.event.entry_id();
        assert_eq!(*ids.entry(entry).or_insert(arrival.id()), arrival.id(), "a repeat has the id of the first: {arrival:?}");
        // Every attempt at an entry comes before the first at the next: once passed, an entry never comes again.
        if order.last() != Some(&entry) {
            order.push(entry);
        }
        if arrival.accepted() && !accepted.insert(entry) {
            repeats += 1;
            // A request may outlive its sender by a moment and be counted after the kill, so the bound is on all kills so far.
            let kills = marks.iter().filter(|mark| **mark <= place).count();
            assert!(repeats <= kills, "repeat {repeats} in the lane of {feed} after {kills} kills: {arrival:?}");
        }
    }
    let wrong = (0..order.len().max(published.len())).find(|n| order.get(*n).copied() != published.get(*n).map(String::as_str));
    if let Some(n) = wrong {
        let came = &order[n.saturating_sub(3).min(order.len())..(n + 3).min(order.len())];
        panic!("in the lane of {feed} {:?} ought to have come at place {n}; what came around it: {came:?}", published.get(n));
    }
    repeats
}
