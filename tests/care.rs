//! Backup, restore, check and repair, with the real program.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use crate::support::{Daemon, Home, Origin, Publisher, Receiver, Reply};

fn config(publisher: &Publisher, receiver: &Receiver, backlog: &str) -> String {
    format!(
        "[feeds.a]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = {backlog}\n[sinks.hook.webhook]\nurl = {:?}\n",
        publisher.url(),
        receiver.url("/hook")
    )
}

/// A command with the state, in no matter which outcome: the exit code, and all that is said.
async fn store(home: &Home, arguments: &[&str]) -> (i32, String) {
    let mut command = home.launch(&[&["store"], arguments].concat());
    let code = command.exit().await;
    (code, [command.stdout.all(), command.stderr.all()].concat().join("\n"))
}

fn path(home: &Home, name: &str) -> String {
    home.path(name).to_str().unwrap().to_owned()
}

fn entries(receiver: &Receiver) -> Vec<String> {
    receiver.accepted().iter().map(|arrival| arrival.event.entry_id().to_owned()).collect()
}

/// A daemon that has delivered so many entries of a feed.
async fn delivered(entries: usize) -> (Origin, Receiver, Publisher, Home, Daemon) {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let publisher = Publisher::new(&origin, "/feed").window(200);
    publisher.publish(entries);
    let home = Home::new(&config(&publisher, &receiver, "\"all\""));
    let daemon = home.start().await;
    receiver.acknowledged(entries).await;
    (origin, receiver, publisher, home, daemon)
}

/// Old backup, newer world: nothing that the backup knew is told, all that came since and is still there is, with the ids it had.
#[tokio::test]
async fn an_old_backup_floods_nothing_and_loses_nothing() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let publisher = Publisher::new(&origin, "/feed").window(20);
    publisher.publish(15);
    let home = Home::new(&format!("backups = 1\n{}", config(&publisher, &receiver, "3")));
    let mut daemon = home.start().await;
    receiver.acknowledged(3).await;
    daemon.stderr.until("a daily backup", |all| all.iter().find(|line| line.contains("The backup of the day was written")).cloned()).await;
    assert_eq!(fs::read_dir(home.path("state/backups")).unwrap().count(), 1);
    publisher.publish(2);
    receiver.acknowledged(5).await;
    assert_eq!(home.ctl(&["status"]).await.0, 0);
    let (code, said) = home.ctl(&["backup", "backup"]).await;
    assert_eq!(code, 0, "{said}");
    publisher.publish(4);
    let before = receiver.acknowledged(9).await;
    let newest = before.last().unwrap().event.str("/sequence").to_owned();
    daemon.kill();

    let backup = path(&home, "backup");
    let (code, said) = store(&home, &["restore", &backup]).await;
    assert!(code == 1 && said.contains("--force moves it aside"), "{code} {said}");
    let (code, said) = store(&home, &["restore", &backup, "--force"]).await;
    assert!(code == 0 && said.contains("what was there before is still in") && said.contains("up to sequence 5"), "{code} {said}");
    let daemon = home.start().await;
    let all = receiver.acknowledged(13).await;
    let again: Vec<_> = all[9..].iter().map(|arrival| arrival.id().to_owned()).collect();
    let told: Vec<_> = before[5..].iter().map(|arrival| arrival.id().to_owned()).collect();
    assert_eq!(again, told, "what the backup does not know, with the same ids");
    assert!(all[9..].iter().all(|arrival| arrival.event.str("/sequence") > newest.as_str()), "sequences go on");
    publisher.publish(1);
    assert_eq!(receiver.acknowledged(14).await.len(), 14, "and nothing else");
    drop(daemon);
    assert_eq!(store(&home, &["check"]).await, (0, format!("{} is sound", path(&home, "state"))));
}

#[tokio::test]
async fn after_kill_9_a_backup_holds_all_and_a_restore_elsewhere_goes_on_with_it() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let publisher = Publisher::new(&origin, "/feed").window(100);
    receiver.answer(Reply::status(503));
    publisher.publish(12);
    let home = Home::new(&config(&publisher, &receiver, "\"all\""));
    let mut daemon = home.start().await;
    receiver.received(2).await;
    assert_eq!(store(&home, &["backup", "b"]).await.0, 75);
    assert_eq!(store(&home, &["restore", "b"]).await.0, 1, "there is no such file yet");
    assert_eq!(store(&home, &["check"]).await.0, 75);
    assert_eq!(store(&home, &["stats"]).await.0, 75);
    daemon.kill();
    let (code, said) = store(&home, &["stats"]).await;
    assert!(code == 0 && said.contains("sequence 12,"), "{said}");
    assert!(said.lines().any(|line| line.split_whitespace().collect::<Vec<_>>() == ["hook", "12", "0"]), "{said}");
    let (_, json) = store(&home, &["stats", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["sinks"]["hook"][0], &json["sequence"], &json["tables"]["feed"][0]), (&12.into(), &12.into(), &1.into()));
    let (code, said) = store(&home, &["backup", "b"]).await;
    assert_eq!(code, 0, "{said}");
    fs::rename(home.path("state"), home.path("old")).unwrap();
    let (code, said) = store(&home, &["restore", "b"]).await;
    assert!(code == 0 && !said.contains("still in"), "{said}");
    receiver.clear_rules();
    receiver.answer(Reply::status(200));
    let _daemon = home.start().await;
    publisher.publish(1);
    let accepted = receiver.acknowledged(13).await;
    assert_eq!(accepted.iter().map(|a| a.id()).collect::<HashSet<_>>().len(), 13);
    assert_eq!(entries(&receiver), publisher.published(), "nothing lost, nothing new, in order");
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_nothing_touched() {
    let (_origin, _receiver, _publisher, home, mut daemon) = delivered(5).await;
    assert_eq!(home.ctl(&["backup", "b"]).await.0, 0);
    assert_eq!(daemon.terminate().await, 0);
    let good = fs::read(home.path("b")).unwrap();
    let current = || fs::read(home.path("state/CURRENT")).unwrap();
    let before = current();
    for at in [0, 30, good.len() / 2, good.len() - 20] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(home.path("b"), bad).unwrap();
        let (code, said) = store(&home, &["restore", "b", "--force"]).await;
        assert!(code == 65 && said.contains("is damaged at line"), "{at} {code} {said}");
    }
    fs::write(home.path("b"), &good[..good.len() / 3]).unwrap();
    assert_eq!(store(&home, &["restore", "b", "--force"]).await.0, 65);
    fs::write(home.path("b"), "").unwrap();
    assert_eq!(store(&home, &["restore", "b", "--force"]).await.0, 65);
    assert_eq!((current(), home.path("state/db-1").exists()), (before, false));
    assert!(!home.path("state/db.next").exists());
    assert_eq!(store(&home, &["check"]).await.0, 0);
}

/// The largest file of the database, where nearly everything is.
fn database(home: &Home) -> PathBuf {
    home.path("state/db-0/db")
}

#[tokio::test]
async fn a_damaged_database_is_found_refused_and_never_begun_anew() {
    let (_origin, _receiver, _publisher, home, mut daemon) = delivered(200).await;
    assert_eq!(daemon.terminate().await, 0);
    let good = fs::read(database(&home)).unwrap();
    let end = good.iter().rposition(|byte| *byte != 0).unwrap();
    let refused = async |what: &str| {
        let (code, said) = store(&home, &["check"]).await;
        assert_eq!(code, 1, "{what}: {said}");
        let mut daemon = home.launch(&["run"]);
        assert_eq!(daemon.exit().await, 1, "{what}");
        let said = daemon.stderr.all().join("\n");
        for way in ["feedwire store check", "feedwire store rebuild", "feedwire store restore FILE --force"] {
            assert!(said.contains(way), "{what}: {said}");
        }
    };
    let mut bad = good.clone();
    for at in [64, end / 2, end - 64] {
        bad[at] ^= 0xff;
    }
    fs::write(database(&home), bad).unwrap();
    refused("flipped").await;
    fs::write(database(&home), &good[..good.len() / 4]).unwrap();
    refused("cut").await;
    fs::remove_dir_all(home.path("state/db-0")).unwrap();
    refused("gone").await;
    fs::remove_file(home.path("state/CURRENT")).unwrap();
    refused("which one it was is gone").await;
    assert!(!home.path("state/db-1").exists());
}

/// Writes over all that is remembered of entries.
fn lose_memory(home: &Home) {
    let database = sled::open(home.path("state/db-0")).unwrap();
    let seen = database.open_tree("seen").unwrap();
    for key in seen.iter().keys().collect::<Result<Vec<_>, _>>().unwrap() {
        seen.insert(key, b"rubbish").unwrap();
    }
    database.flush().unwrap();
}

/// What was known of a feed's entries is lost; it begins with all that it has, were it new.
#[tokio::test]
async fn a_feed_that_has_lost_its_memory_marks_and_tells_only_what_comes_then() {
    let (_origin, receiver, publisher, home, mut daemon) = delivered(10).await;
    assert_eq!(daemon.terminate().await, 0);
    lose_memory(&home);
    assert_eq!(store(&home, &["check"]).await.0, 1);
    let (code, said) = store(&home, &["rebuild"]).await;
    assert!(code == 0 && said.contains("the next poll of 1 feed only marks"), "{code} {said}");
    let _daemon = home.start().await;
    publisher.read().await;
    publisher.read().await;
    publisher.publish(1);
    receiver.acknowledged(11).await;
    assert_eq!(entries(&receiver), publisher.published(), "the ten once, and the new one");
}
