//! What a program is given, what it may say, and how it ends.

use super::*;

#[tokio::test]
async fn d43_d44_a_program_forges_no_line_and_gets_no_secret_but_its_own() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(1);
    let forger = format!("env >\"$1.env\"; printf 'x\\rREADY=1\\033[31m\\n2026-01-01T00:00:00Z ERROR forged\\n' >&2{SCRIPT}");
    let home = Home::new("").variable("OTHER", "0ther-s3cret").credential("token", "0wn-s3cret");
    let file = home.path("x");
    let env = "env = { TOKEN = { credential = \"token\" }, LEVEL = \"info\" }\n";
    home.configure(&(feed("a", &publisher) + &program("exec", &forger, &file) + env));
    let mut daemon = home.launch(&["run", "--log", "trace"]);
    daemon.ready(1).await;
    daemon.stderr.until("the event", |all| all.iter().find(|line| line.contains("have evt_")).cloned()).await;
    daemon.terminate().await;
    let given = fs::read_to_string(home.path("x.env")).unwrap();
    let names: Vec<_> = given.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert!(given.contains("TOKEN=0wn-s3cret\n") && given.contains("LEVEL=info\n") && names.contains(&"PATH"), "{given}");
    for name in ["OTHER", "NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "FEEDWIRE_TEST_RETRY"] {
        assert!(!names.contains(&name), "{given}");
    }
    for line in daemon.stderr.all() {
        assert!(!line.contains("s3cret") && !line.contains(['\r', '\u{1b}']) && !line.starts_with("2026-01-01T00:00:00Z"), "{line}");
    }
}

#[tokio::test]
async fn a_program_is_started_when_it_is_needed_and_ends_with_the_end_of_its_input() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    let home = Home::new("");
    let file = home.path("x");
    let polite = format!("echo started >&2{SCRIPT}echo ended >\"$1.end\"\n");
    home.configure(&(feed("a", &publisher) + &program("exec", &polite, &file) + "[sinks.out.stdout]\n"));
    let mut daemon = home.start().await;
    publisher.read().await;
    let starts = |all: &[String]| all.iter().filter(|line| line.contains("started")).count();
    assert_eq!(starts(&daemon.stderr.all()), 0);
    publisher.publish(3);
    daemon.stderr.until("three events", |all| all.iter().filter(|line| line.contains("have evt_")).nth(2).cloned()).await;
    assert_eq!(daemon.terminate().await, 0);
    assert_eq!((starts(&daemon.stderr.all()), fs::read_to_string(home.path("x.end")).unwrap()), (1, "ended\n".to_owned()));
    assert_eq!(events(&file).len(), 3);
}

#[tokio::test]
async fn d38_a_reload_ends_the_old_program_and_loses_and_repeats_nothing() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(3);
    let home = Home::new("");
    let file = home.path("x");
    let config = |name: &str| feed("a", &publisher) + &program("exec", &format!("{SCRIPT}echo ended {name} >&2\n"), &file);
    home.configure(&config("old"));
    let daemon = home.start().await;
    let events_in_log =
        |n: usize| daemon.stderr.until("events", move |all| all.iter().filter(|line| line.contains("have evt_")).nth(n - 1).cloned());
    events_in_log(3).await;
    home.configure(&config("new"));
    daemon.hup();
    daemon.stderr.until("the end of the old one", |all| all.iter().find(|line| line.contains("ended old")).cloned()).await;
    publisher.publish(3);
    events_in_log(6).await;
    assert_eq!((events(&file).len(), by_lane(&events(&file))["a"].clone()), (6, publisher.published()));
    assert!(!daemon.stderr.all().iter().any(|line| line.contains("WARN") || line.contains("ERROR")), "{}", daemon.stderr.tail());
}

#[tokio::test]
async fn a_program_that_cannot_run_holds_its_events_until_it_can() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    let home = Home::new("").retry("10ms");
    let (script, file) = (home.path("consumer"), home.path("x"));
    let write = |text: &str| {
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    write("#!/no/such/shell\n");
    home.configure(&(feed("a", &publisher) + &format!("[sinks.exec.exec]\ncommand = [{script:?}, {file:?}]\n")));
    let daemon = home.start().await;
    daemon.stderr.until("a start that failed", |all| all.iter().find(|line| line.contains("cannot start ")).cloned()).await;
    write("#!/bin/sh\necho no, thanks >&2\nexit 3\n");
    daemon.stderr.until("an early end", |all| all.iter().find(|line| line.contains("the program ended: exit status: 3")).cloned()).await;
    write(&format!("#!/bin/sh\n{SCRIPT}"));
    daemon.stderr.until("both events", |all| all.iter().filter(|line| line.contains("have evt_")).nth(1).cloned()).await;
    assert_eq!(by_lane(&events(&file))["a"], publisher.published());
}

#[tokio::test]
async fn what_is_acknowledged_when_it_is_written_needs_no_answer() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(5);
    let home = Home::new("");
    let (mute, file) = (Consumer::unix(&home.path("c.sock")).await, home.path("x"));
    mute.behave(Manner::Mute);
    let silent = "cat >>\"$1\"";
    let written = "ack = \"written\"\n";
    home.configure(&(feed("a", &publisher) + &mute.table("unix") + written + &program("exec", silent, &file) + written));
    let mut daemon = home.start().await;
    assert_eq!(mute.received(5).await.len(), 5);
    // What the pipe holds is read before the program ends.
    publisher.read().await;
    daemon.terminate().await;
    assert_eq!(by_lane(&events(&file))["a"], publisher.published());
}

/// The pipe in the manual.
#[tokio::test]
async fn a_reader_of_standard_output_answers_through_a_named_pipe() {
    let origin = Origin::start().await;
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(5);
    let home = Home::new(&(feed("a", &publisher) + "[sinks.out.stdout]\nack = \"stdin\"\n"));
    let file = home.path("x");
    let script = "mkfifo acks; feedwire run --config \"$0\" <acks 2>log | consumer \"$1\" >acks";
    let setup = format!("feedwire() {{ \"$PROGRAM\" \"$@\"; }}; consumer() {{ {SCRIPT} }}; {script}");
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", &setup]).arg(home.config()).arg(&file).current_dir(home.path("")).env("PROGRAM", env!("CARGO_BIN_EXE_feedwire"));
    let mut child = command.stderr(std::process::Stdio::piped()).process_group(0).spawn().unwrap();
    let mut said = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stderr.take().unwrap()));
    for _ in 0..5 {
        assert!(said.next_line().await.unwrap().unwrap().starts_with("have evt_"));
    }
    let group = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::TERM).unwrap();
    child.wait().await.unwrap();
    assert_eq!(by_lane(&events(&file))["a"], publisher.published());
}
