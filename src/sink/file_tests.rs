//! Files in a directory, as they are found and as they are left.

use std::os::unix::fs::PermissionsExt;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
const NOW: Timestamp = Timestamp(1_732_725_900_000);

fn options(dir: &Path, rotation: Rotation) -> Options {
    Options { path: dir.join("e.ndjson"), rotation, content: payload::Content::All }
}

fn event(n: usize) -> String {
    format!("{{\"specversion\":\"1.0\",\"n\":{n:04}}}\n")
}

/// Writes lines at one time, as one batch of a deliverer would be, and says how many runs that took.
fn written(slot: &mut Option<Open>, options: &Options, lines: &[String], now: Timestamp) -> usize {
    let mut left: Vec<_> = lines.iter().map(|line| Waiting { line: line.clone().into_bytes(), answer: oneshot::channel().0 }).collect();
    let mut runs = 0;
    while !left.is_empty() {
        let count = run(slot, options, &left, now, &SinkId("s".into())).unwrap();
        left.drain(..count);
        runs += 1;
    }
    runs
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_a_crash_left_is_cut_off_and_what_is_not_ours_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), Rotation::default());
    let long = format!("{{\"specversion\":{}", "x".repeat(3 * PIECE));
    for (before, kept) in [
        ("", ""),
        ("a\n", "a\n"),
        ("a\n{\"specversion\":\"1.0\",\"id", "a\n"),
        ("{\"spec", ""),
        ("{", ""),
        (&format!("a\nb\n{long}"), "a\nb\n"),
        ("the operator's", "the operator's\n"),
        ("a\n{\"other\":1}", "a\n{\"other\":1}\n"),
        (&format!("a\n{}", "y".repeat(2 * PIECE)), &format!("a\n{}\n", "y".repeat(2 * PIECE))),
    ] {
        fs::write(&options.path, before).unwrap();
        written(&mut None, &options, &[event(1)], NOW);
        assert_eq!(fs::read_to_string(&options.path).unwrap(), format!("{kept}{}", event(1)));
    }
}

#[test]
fn a_new_file_is_for_its_owner_and_group() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), Rotation::default());
    written(&mut None, &options, &[event(1)], NOW);
    assert_eq!(fs::metadata(&options.path).unwrap().permissions().mode() & 0o137, 0);
}

#[test]
fn no_file_is_larger_than_it_may_be_and_only_the_newest_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let size = 3 * event(0).len() as u64;
    let options = options(dir.path(), Rotation { size: Some(size), every: None, keep: Some(2) });
    for other in ["e.ndjson.1", "e.ndjson.20241127", "e.ndjson.20241127T164702.482Z.zst", "other.20241127T164702.482Z"] {
        fs::write(dir.path().join(other), "").unwrap();
    }
    let lines: Vec<_> = (0..11).map(event).collect();
    assert_eq!(written(&mut None, &options, &lines, NOW), 4);
    let expected = ["e.ndjson", "e.ndjson.1", "e.ndjson.20241127", "e.ndjson.20241127T164500.001Z", "e.ndjson.20241127T164500.002Z"];
    assert_eq!(names(dir.path())[..5], expected);
    assert_eq!(names(dir.path()).len(), 7);
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read(expected[3]) + &read(expected[4]) + &read("e.ndjson"), lines[3..].concat());
    // A line that is larger than a file may be has one of its own.
    let large = format!("{}\n", "x".repeat(1000));
    assert_eq!(written(&mut None, &options, &[large.clone(), event(1)], NOW), 2);
    assert_eq!(read("e.ndjson"), event(1));
}

#[test]
fn a_file_is_of_one_day_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), Rotation { size: None, every: Some(DAY), keep: None });
    let mut slot = None;
    // From here on the file's own time counts, for that is what a restart finds.
    let today = clock::now();
    written(&mut slot, &options, &[event(1)], today);
    written(&mut slot, &options, &[event(2)], today.after(DAY));
    written(&mut slot, &options, &[event(3)], today.after(DAY));
    assert_eq!(names(dir.path()).len(), 2);
    assert_eq!(fs::read_to_string(&options.path).unwrap(), event(2) + &event(3));
    written(&mut None, &options, &[event(4)], clock::now().after(DAY));
    assert_eq!(names(dir.path()).len(), 3);
}

#[test]
fn a_file_that_was_moved_deleted_or_cut_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), Rotation::default());
    let mut slot = None;
    written(&mut slot, &options, &[event(1)], NOW);
    fs::rename(&options.path, dir.path().join("moved")).unwrap();
    written(&mut slot, &options, &[event(2)], NOW);
    assert_eq!(fs::read_to_string(dir.path().join("moved")).unwrap(), event(1));
    assert_eq!(fs::read_to_string(&options.path).unwrap(), event(2));
    fs::remove_file(&options.path).unwrap();
    written(&mut slot, &options, &[event(3)], NOW);
    assert_eq!(fs::read_to_string(&options.path).unwrap(), event(3));
    // As logrotate's copytruncate does it.
    fs::write(&options.path, "").unwrap();
    written(&mut slot, &options, &[event(4)], NOW);
    assert_eq!(fs::read_to_string(&options.path).unwrap(), event(4));
}

#[test]
fn what_is_no_file_is_refused_and_nothing_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path(), Rotation::default());
    options.path = "/dev/null".into();
    let (answer, mut told) = oneshot::channel();
    write(&mut None, &options, vec![Waiting { line: event(1).into_bytes(), answer }], &SinkId("s".into()));
    assert_eq!(told.try_recv(), Ok(Err("this is not a file".into())));
}

#[tokio::test]
async fn a_reload_shares_the_writer_of_a_path_and_a_path_that_is_not_used_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), Rotation::default());
    let (old, new) = (LineFile::new(SinkId("s".into()), options.clone()), LineFile::new(SinkId("s".into()), options.clone()));
    assert!(Arc::ptr_eq(&old.writer, &new.writer));
    drop((old, new));
    drop(Writer::of(Path::new("/other")));
    assert!(!WRITERS.lock().unwrap().contains_key(&options.path));
}
