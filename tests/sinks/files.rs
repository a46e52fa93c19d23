//! Files as the real program leaves them.

use super::*;

fn table(path: &Path, rotate: &str) -> String {
    format!("[sinks.file.file]\npath = {path:?}\n{rotate}\n[sinks.out.stdout]\n")
}

#[tokio::test]
async fn d7_a_full_disk_loses_nothing_and_leaves_no_half_line() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    // In place of a disk that is full: the shell counts in 512 bytes, and the write that goes beyond is cut short.
    let limit = 4 << 20;
    let home = Home::new("").ulimit("-f 8192; trap '' XFSZ").retry("10ms");
    let path = home.path("e.ndjson");
    home.configure(&(feed("a", &publisher) + &table(&path, "")));
    let file = fs::File::create(&path).unwrap();
    let full = limit - 300;
    file.set_len(full - 1).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\n").unwrap();
    let daemon = home.start().await;
    let line = daemon.stderr.until("an attempt that failed", |all| all.iter().find(|line| line.contains("File too large")).cloned()).await;
    assert!(line.contains("e.ndjson: File too large"), "{line}");
    daemon.printed(2).await;
    daemon.stderr.until("another", |all| all.iter().filter(|line| line.contains("File too large")).nth(3).cloned()).await;
    // An attempt may be under way, but what it wrote in part it takes back.
    assert!(fs::metadata(&path).unwrap().len() <= limit);
    // There is room again.
    fs::remove_file(&path).unwrap();
    let delivered = |all: &[String]| all.iter().find(|line| line.contains("takes events again")).cloned();
    daemon.stderr.until("success", delivered).await;
    publisher.publish(1);
    daemon.printed(3).await;
    settled(&home).await;
    assert_eq!(by_lane(&events(&path))["a"], publisher.published());
}

#[tokio::test]
async fn half_a_line_is_cut_off_and_a_file_that_logrotate_moves_is_begun_anew() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    let home = Home::new("");
    let path = home.path("e.ndjson");
    fs::write(&path, "{\"specversion\":\"1.0\",\"id\":\"evt_0").unwrap();
    home.configure(&(feed("a", &publisher) + &table(&path, "content = \"none\"")));
    let mut daemon = home.start().await;
    daemon.printed(2).await;
    settled(&home).await;
    daemon.terminate().await;
    assert_eq!(by_lane(&events(&path))["a"], publisher.published());
    assert!(events(&path).iter().all(|event| event.at("/data/entry/content_html").is_null()));
    let mut daemon = home.start().await;
    publisher.publish(1);
    daemon.printed(1).await;
    settled(&home).await;
    let moved = home.path("e.ndjson.1");
    fs::rename(&path, &moved).unwrap();
    publisher.publish(2);
    daemon.printed(3).await;
    settled(&home).await;
    daemon.terminate().await;
    assert_eq!((events(&moved).len(), by_lane(&events(&path))["a"].clone()), (3, publisher.published()[3..].to_vec()));
}

#[tokio::test]
async fn files_are_rotated_and_together_hold_everything_once() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed").window(1000);
    publisher.publish(40);
    let home = Home::new("");
    let directory = home.path("log");
    fs::create_dir(&directory).unwrap();
    home.configure(&(feed("a", &publisher) + &table(&directory.join("e.ndjson"), "rotate = { size = \"4KiB\" }")));
    let mut daemon = home.start().await;
    daemon.printed(40).await;
    settled(&home).await;
    daemon.terminate().await;
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 5 && files.iter().all(|file| fs::metadata(file).unwrap().len() <= 4096), "{files:?}");
    files.rotate_left(1);
    let all: Vec<_> = files.iter().flat_map(|file| events(file)).collect();
    assert_eq!((all.len(), by_lane(&all)["a"].clone()), (40, publisher.published()));
}

/// Paths are those of the configuration's directory, also when its own is relative; and `check` says what is meant.
#[tokio::test]
async fn check_says_where_events_go() {
    let home = Home::new(
        "[feeds.a]\nurl = \"https://a.example/\"\n[sinks.e.exec]\ncommand = [\"/bin/sh\"]\nack = \"written\"\n[sinks.f.file]\npath = \"e.ndjson\"\n\
         [sinks.o.stdout]\nack = \"stdin\"\n[sinks.t.tcp]\naddress = \"[::1]:7000\"\n[sinks.u.unix]\npath = \"c.sock\"\n",
    );
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_feedwire"));
    let output = command.args(["check", "--config", "feedwire.toml"]).current_dir(home.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace(&fs::canonicalize(home.path("")).unwrap().display().to_string(), "DIR");
    let sinks = "5 sinks (e: exec /bin/sh, acknowledged when written, f: file DIR/e.ndjson, o: stdout, acknowledged on stdin, \
                 t: tcp [::1]:7000, u: unix DIR/c.sock)";
    assert!(said.contains(sinks), "{said} {}", String::from_utf8_lossy(&output.stderr));
}
