//! The log, on a real database.

use std::sync::PoisonError;

use super::super::engine::Writes;
use super::super::tests::{DAY, NOW, close, open, update};
use super::*;

const ALL: Most = Most { events: usize::MAX, bytes: usize::MAX };

/// A store of three feeds: 7 tells 1 to 70, 8 tells 71 and 72, 7 tells 73, 9 tells 74 to 76. The first poll is in two packs.
async fn filled(store: &Store) {
    let numbers: Vec<u8> = (0..70).collect();
    store.record(7, update(0, &numbers, NOW)).await.unwrap();
    let mut second = update(0, &[1, 2], NOW.after(DAY));
    second.scene.tags = vec!["ua".into()];
    second.events.iter_mut().for_each(|(happening, _)| happening.kind = EventKind::Updated);
    store.record(8, second).await.unwrap();
    store.record(7, update(1, &[80], NOW.after(DAY))).await.unwrap();
    store.record(9, update(0, &[1, 2, 3], NOW.after(DAY))).await.unwrap();
}

fn sequences(share: &Share) -> Vec<u64> {
    share.events.iter().map(|event| event.sequence).collect()
}

/// All shares from there on, one behind the other.
async fn follow(store: &Store, mut at: u64, sought: &Sought, most: Most) -> Vec<u64> {
    let mut found = vec![];
    loop {
        let share = store.events_after(at, sought, most).await.unwrap();
        assert!(share.next > at || !share.more, "no progress at {at}");
        assert!(share.events.len() <= most.events && !share.gap);
        found.extend(sequences(&share));
        at = share.next;
        if !share.more {
            return found;
        }
    }
}

#[tokio::test]
async fn every_event_is_in_one_share_whatever_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    assert_eq!(store.events_after(0, &Sought::default(), ALL).await.unwrap(), Share::default());
    filled(&store).await;
    let everything: Vec<_> = (1..=76).collect();
    for (events, bytes) in [(1, usize::MAX), (7, usize::MAX), (64, usize::MAX), (usize::MAX, 1), (usize::MAX, usize::MAX)] {
        let most = Most { events, bytes };
        assert_eq!(follow(&store, 0, &Sought::default(), most).await, everything, "{most:?}");
        assert_eq!(follow(&store, 66, &Sought::default(), most).await, everything[66..], "{most:?}");
        let (mut at, mut back) = (u64::MAX, vec![]);
        loop {
            let share = store.events_before(at, &Sought::default(), most).await.unwrap();
            assert!(share.next < at || !share.more, "no progress at {at}");
            back.extend(sequences(&share));
            at = share.next;
            if !share.more {
                break;
            }
        }
        assert!(back.iter().rev().eq(&everything), "{most:?}: {back:?}");
    }
    let beyond = store.events_after(1000, &Sought::default(), ALL).await.unwrap();
    assert_eq!(beyond, Share { next: 1000, ..Share::default() });
    close(store, closing).await;
}

#[tokio::test]
async fn what_is_not_sought_is_passed_by() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    filled(&store).await;
    let of = |feeds: &[u32]| Sought { feeds: feeds.to_vec(), ..Sought::default() };
    assert_eq!(follow(&store, 60, &of(&[8, 9]), ALL).await, [71, 72, 74, 75, 76]);
    assert_eq!(follow(&store, 69, &of(&[7]), ALL).await, [70, 73]);
    let tagged = Sought { tags: vec!["ua".into(), "x".into()], ..Sought::default() };
    assert_eq!(follow(&store, 0, &tagged, Most { events: 1, bytes: 1 }).await, [71, 72]);
    let created = Sought { kinds: vec![EventKind::Created], feeds: vec![8, 7], ..Sought::default() };
    assert_eq!(follow(&store, 69, &created, ALL).await, [70, 73]);
    let share = store.events_after(0, &of(&[1]), ALL).await.unwrap();
    assert_eq!(share, Share { next: 76, ..Share::default() }, "the next reader need not look again");
    assert_eq!(sequences(&store.events_before(u64::MAX, &of(&[8, 9]), Most { events: 4, ..ALL }).await.unwrap()), [76, 75, 74, 72]);
    close(store, closing).await;
}

/// Between a write and its sync the events are there to be read, but may not stay.
#[tokio::test]
async fn nothing_is_given_that_is_not_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    filled(&store).await;
    for (from, until, expected) in [(66, 70, 67..71), (66, 72, 67..73), (70, 70, 71..71)] {
        let engine = store.shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let share = after(engine.as_ref().unwrap(), from, until, &Sought::default(), ALL).unwrap();
        assert_eq!((sequences(&share), share.next, share.more), (expected.collect(), until, false));
    }
    store.shared.sequence.send_replace(72);
    assert_eq!(sequences(&store.events_after(69, &Sought::default(), ALL).await.unwrap()), [70, 71, 72]);
    let newest = store.events_before(u64::MAX, &Sought::default(), Most { events: 1, ..ALL }).await.unwrap();
    assert_eq!(sequences(&newest), [72]);
    close(store, closing).await;
}

#[tokio::test]
async fn what_is_no_longer_kept_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    filled(&store).await;
    while let Some(lane) = store.claim(1, crate::domain::time::Timestamp::MAX, true) {
        let head = store.head(lane, 1).await.unwrap().unwrap().unwrap();
        store.settle(lane, head.lane_seq, crate::domain::delivery::Settlement::Acknowledge, NOW).await.unwrap();
    }
    store.prune(NOW.after(2 * DAY), DAY + DAY / 2).await.unwrap();
    let share = store.events_after(5, &Sought::default(), ALL).await.unwrap();
    assert_eq!((sequences(&share), share.gap), ((71..=76).collect(), true));
    let share = store.events_after(70, &Sought::default(), ALL).await.unwrap();
    assert_eq!((sequences(&share), share.gap), ((71..=76).collect(), false));
    store.prune(NOW.after(9 * DAY), DAY).await.unwrap();
    let share = store.events_after(70, &Sought::default(), ALL).await.unwrap();
    assert_eq!(share, Share { next: 76, gap: true, ..Share::default() });
    let none = store.events_before(u64::MAX, &Sought::default(), ALL).await.unwrap();
    assert_eq!((none.events.len(), none.more), (0, false));
    close(store, closing).await;
}

#[tokio::test]
async fn a_damaged_pack_is_passed_by_and_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    filled(&store).await;
    // The head of one pack; of another what is behind the head.
    for (key, value) in [(key::pack(71, 0), vec![1]), (key::pack(74, 1), vec![2])] {
        let engine = store.shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let writes = Writes::from([((Table::Event, key), Some(value))]);
        engine.as_ref().unwrap().commit(&writes).unwrap();
    }
    let share = store.events_after(69, &Sought::default(), ALL).await.unwrap();
    assert_eq!((sequences(&share), share.next, share.more, share.gap), (vec![70, 73], 76, false, true));
    let inside = store.events_after(71, &Sought::default(), ALL).await.unwrap();
    assert_eq!((sequences(&inside), inside.next, inside.gap), (vec![73], 76, true));
    let back = store.events_before(u64::MAX, &Sought::default(), Most { events: 2, ..ALL }).await.unwrap();
    assert_eq!((sequences(&back), back.gap), (vec![73, 70], true));
    close(store, closing).await;
}

#[tokio::test]
async fn news_comes_when_there_is_something_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path());
    let mut news = store.news();
    store.record(7, update(0, &[], NOW)).await.unwrap();
    assert!(!news.has_changed().unwrap(), "a poll that brought nothing");
    store.record(7, update(1, &[1, 2], NOW)).await.unwrap();
    assert_eq!(*news.borrow_and_update(), 2);
    assert_eq!(store.events_after(0, &Sought::default(), ALL).await.unwrap().next, 2);
    close(store, closing).await;
}
