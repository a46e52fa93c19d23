use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1000)
}

fn limits(in_flight: usize, per_host: usize) -> Limits {
    Limits { in_flight, per_host, host_gap: Duration::from_secs(1), per_beat: usize::MAX }
}

#[test]
fn one_request_a_host_and_a_gap_between_starts() {
    let mut agenda = Agenda::new(limits(10, 1));
    let (a, b, other) = (agenda.add("a.ua", "a.ua", at(0)), agenda.add("a.ua", "a.ua", at(0)), agenda.add("b.ua", "b.ua", at(0)));
    assert_eq!(agenda.start(at(5)), Some(a));
    assert_eq!(agenda.start(at(5)), Some(other));
    assert_eq!(agenda.start(at(5)), None);
    agenda.done(a, at(100), at(5));
    assert_eq!(agenda.start(at(5)), None);
    assert_eq!(agenda.wake_at(), at(6));
    assert_eq!(agenda.start(at(6)), Some(b));
}

#[test]
fn nothing_starts_before_it_is_due_nor_beyond_the_limit() {
    let mut agenda = Agenda::new(limits(1, 1));
    agenda.add("a.ua", "a.ua", at(10));
    agenda.add("b.ua", "b.ua", at(10));
    assert_eq!((agenda.start(at(9)), agenda.wake_at()), (None, at(10)));
    let first = agenda.start(at(10)).unwrap();
    assert_eq!((agenda.start(at(10)), agenda.wake_at()), (None, Timestamp::MAX));
    agenda.done(first, at(20), at(11));
    assert!(agenda.start(at(11)).is_some());
}

proptest! {
    #[test]
    fn limits_hold_and_every_feed_gets_its_turn(
        hosts in prop::collection::vec(0u8..4, 1..40), in_flight in 1usize..6, per_host in 1usize..3
    ) {
        let mut agenda = Agenda::new(limits(in_flight, per_host));
        for host in &hosts {
            agenda.add(&host.to_string(), &host.to_string(), at(0));
        }
        let (mut flying, mut polled, mut starts) = (vec![], vec![0u32; hosts.len()], HashMap::<u8, Timestamp>::new());
        for second in 0..200 {
            let now = at(second);
            while let Some(feed) = agenda.start(now) {
                let host = *hosts.get(feed as usize).unwrap();
                if let Some(last) = starts.insert(host, now) {
                    prop_assert!(now.since(last) >= Duration::from_secs(1));
                }
                flying.push(feed);
                *polled.get_mut(feed as usize).unwrap() += 1;
                prop_assert!(flying.len() <= in_flight);
                let same = flying.iter().filter(|f| hosts.get(**f as usize) == Some(&host)).count();
                prop_assert!(same <= per_host);
            }
            if !flying.is_empty() {
                agenda.done(flying.remove(0), at(1_000_000), now);
            }
        }
        prop_assert!(polled.iter().all(|n| *n == 1), "{polled:?}");
    }
}

/// Polls that start until `end`, each over at once and due never again: when, and which.
fn starts(agenda: &mut Agenda, from: i64, end: i64) -> Vec<(i64, u32)> {
    let mut starts = vec![];
    for second in from..end {
        while let Some(feed) = agenda.start(at(second)) {
            starts.push((second, feed));
            agenda.done(feed, Timestamp::MAX, at(second));
        }
    }
    starts
}

#[test]
fn p33_p41_a_domain_that_complains_rests_whole_and_then_goes_one_by_one() {
    let mut agenda = Agenda::new(limits(10, 1));
    let blogs: Vec<_> = (0..4).map(|n| agenda.add(&format!("{n}.tumblr.com"), "tumblr.com", at(0))).collect();
    let other = agenda.add("b.ua", "b.ua", at(5));
    assert_eq!(agenda.start(at(0)), Some(blogs[0]));
    agenda.heard(blogs[0], Word::Domain(Duration::from_secs(120)), at(1));
    agenda.done(blogs[0], at(500), at(1));
    assert_eq!(starts(&mut agenda, 1, 200), [(5, other), (121, blogs[1]), (123, blogs[2]), (125, blogs[3])]);
}

#[test]
fn p35_a_host_that_rests_stops_no_other_of_its_domain() {
    let mut agenda = Agenda::new(limits(10, 1));
    let (a, again, b) = (agenda.add("a.x.ua", "x.ua", at(0)), agenda.add("a.x.ua", "x.ua", at(0)), agenda.add("b.x.ua", "x.ua", at(1)));
    assert_eq!(agenda.start(at(0)), Some(a));
    agenda.heard(a, Word::Host(Duration::from_secs(60)), at(0));
    agenda.done(a, Timestamp::MAX, at(0));
    assert_eq!(starts(&mut agenda, 0, 100), [(1, b), (60, again)]);
}

#[test]
fn p57_a_redirect_queues_at_the_host_it_leads_to() {
    let mut agenda = Agenda::new(limits(10, 1));
    let (a, b) = (agenda.add("a.ua", "a.ua", at(0)), agenda.add("b.ua", "b.ua", at(0)));
    assert_eq!((agenda.start(at(0)), agenda.start(at(0))), (Some(a), Some(b)));
    agenda.turn(a, "b.ua", "b.ua", at(0));
    assert_eq!((agenda.start(at(5)), agenda.in_flight()), (None, 1), "one request at a time");
    agenda.done(b, Timestamp::MAX, at(5));
    assert_eq!((agenda.start(at(5)), agenda.start(at(6)), agenda.host_of(a)), (None, Some(a), agenda.host_of(b)), "and then the gap");
    agenda.turn(a, "c.ua", "c.ua", at(6));
    assert_eq!(agenda.start(at(6)), Some(a), "a host that no feed belongs to");
    agenda.turn(a, "c.ua", "c.ua", at(8));
    assert_eq!((agenda.start(at(8)), agenda.start(at(9))), (None, Some(a)), "the gap holds for redirects at one host too");
    agenda.done(a, at(12), at(9));
    assert_eq!((agenda.start(at(11)), agenda.start(at(12)), agenda.host_of(a)), (None, Some(a), 0), "it begins at home again");
}

#[test]
fn hosts_that_redirects_lead_to_are_forgotten() {
    let mut agenda = Agenda::new(limits(10, 1));
    let feed = agenda.add("a.ua", "a.ua", at(0));
    assert_eq!(agenda.start(at(0)), Some(feed));
    for n in 0..3 * GUESTS {
        let second = i64::try_from(n).unwrap();
        agenda.turn(feed, &format!("{n}.ua"), "ua", at(second));
        assert_eq!(agenda.start(at(second)), Some(feed));
    }
    assert!(agenda.hosts.len() <= GUESTS + 2 && agenda.names.len() <= GUESTS + 2);
}

#[test]
fn p42_a_hundred_feeds_of_one_host_are_asked_one_by_one_while_others_are_not_kept_waiting() {
    let mut agenda = Agenda::new(limits(10, 1));
    for _ in 0..100 {
        agenda.add("a.ua", "a.ua", at(0));
    }
    let other = agenda.add("b.ua", "b.ua", at(0));
    let starts = starts(&mut agenda, 0, 200);
    assert!(starts.contains(&(0, other)) && starts.len() == 101);
    let of_a: Vec<_> = starts.iter().filter(|(_, feed)| *feed != other).map(|(second, _)| *second).collect();
    assert_eq!(of_a, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_feed_can_be_hastened_and_is_polled_once() {
    let mut agenda = Agenda::new(limits(10, 1));
    let feed = agenda.add("a.ua", "a.ua", at(100));
    agenda.hasten(feed, at(5));
    agenda.hasten(feed, at(5));
    assert_eq!(starts(&mut agenda, 0, 200), [(5, feed)]);
}

#[test]
fn p125_what_has_come_due_while_nobody_polled_is_asked_for_no_faster_than_allowed() {
    let mut agenda = Agenda::new(Limits { per_beat: 3, ..limits(100, 1) });
    (0..10).for_each(|n| assert_eq!(agenda.add(&format!("{n}.ua"), "ua", at(0)), n));
    let mut starts = vec![];
    let mut now = at(50);
    while starts.len() < 10 {
        starts.extend(std::iter::from_fn(|| agenda.start(now)).map(|_| now.since(at(50))));
        now = agenda.wake_at();
    }
    let beats: Vec<_> = starts.iter().map(|after| after.as_millis() / BEAT.as_millis()).collect();
    assert_eq!(beats, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
}
