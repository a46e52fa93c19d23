//! What a crash in the middle of a write may leave behind.

use super::*;

/// How many crashes.
const CUTS: usize = 48;

async fn recorded(dir: &Path, update: Update) -> Vec<u8> {
    let (store, closing) = open(dir);
    store.record(1, update).await.unwrap();
    close(store, closing).await;
    std::fs::read(dir.join("db-0/db")).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A commit whose bytes have reached the disk up to any one of them: it is refused, or there is all of the commit, or nothing of it.
#[tokio::test]
async fn d4_entries_events_deliveries_and_validators_are_there_together_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let before = recorded(dir.path(), update(0, &[1, 2], NOW)).await;
    let after = recorded(dir.path(), update(1, &[3, 4, 5], NOW)).await;
    let old = |at: usize| before.get(at).copied().unwrap_or(0);
    let differs: Vec<_> = (0..after.len()).filter(|at| after[*at] != old(*at)).collect();
    let (mut nothing, mut all) = (0, 0);
    for n in 0..=CUTS {
        let cut = differs.get(differs.len() * n / CUTS).map_or(after.len(), |at| *at);
        let torn: Vec<u8> = after.iter().enumerate().map(|(at, byte)| if at < cut { *byte } else { old(at) }).collect();
        let crashed = tempfile::tempdir().unwrap();
        copy(dir.path(), crashed.path());
        std::fs::write(crashed.path().join("db-0/db"), torn).unwrap();
        // It is written every few seconds, and so says less than was there.
        std::fs::remove_file(crashed.path().join("watermark")).unwrap();
        let Ok((store, closing)) = Store::open(&Options { dir: crashed.path().to_owned(), cache: 8 << 20 }) else { continue };
        let polls = store.feed_state(1).await.unwrap().polls;
        let entries = store.memory(1).await.unwrap().hot.len();
        let sequence = store.sequence();
        let delivered: Vec<_> = drain(&store).await.into_iter().map(|(sequence, ..)| sequence).collect();
        match polls {
            1 => assert_eq!((entries, sequence, delivered), (2, 2, vec![1, 2]), "cut at {cut}"),
            2 => assert_eq!((entries, sequence, delivered), (3, 5, vec![1, 2, 3, 4, 5]), "cut at {cut}"),
            other => panic!("{other} polls, cut at {cut}"),
        }
        (nothing, all) = (nothing + usize::from(polls == 1), all + usize::from(polls == 2));
        close(store, closing).await;
    }
    assert!(nothing > 0 && all > 0, "{nothing} with nothing, {all} with all");
}
