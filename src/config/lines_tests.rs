//! What is said of consumers that are written lines.

use super::*;
use crate::sink::ndjson::{Ack, Terms};
use crate::sink::payload::Content;
use crate::sink::socket::Address;
use crate::sink::{exec, file, socket, stdout};

fn meant(sink: &str) -> Target {
    let env = [("PATH", "/nowhere:relative:/usr/bin:/bin"), ("TOKEN", "t0p-secret")];
    let config = load_files(&[("f.toml", &format!("{FEED}{sink}\n"))], &env).unwrap_or_else(|e| panic!("{e}"));
    let target = config.sinks.first().unwrap().target.clone();
    assert!(!format!("{target:?}").contains("t0p-secret"));
    target
}

#[test]
fn a_program_is_found_and_its_terms_are_read() {
    let Target::Exec(options) =
        meant("[sinks.s.exec]\ncommand = [\"sh\", \"-c\", \"cat $X\"]\nenv = { A = \"b\", X = { env = \"TOKEN\" } }")
    else {
        panic!()
    };
    let terms = Terms {
        ack: Ack::Ids,
        content: Content::All,
        timeout: Duration::from_secs(30),
        max_age: Some(Duration::from_secs(14 * 86_400)),
        max_in_flight: 16,
    };
    let env = vec![("A".into(), HeaderValue::Plain("b".into())), ("X".into(), HeaderValue::Secret(Secret::new("t0p-secret".into())))];
    assert!(options.program.is_absolute() && options.program.ends_with("sh"), "{options:?}");
    let expected = exec::Options { program: options.program.clone(), arguments: vec!["-c".into(), "cat $X".into()], env, terms };
    assert_eq!(options, expected);
}

#[test]
fn sockets_files_and_stdout_are_read() {
    let terms = "ack = \"written\"\ncontent = \"text\"\ntimeout = \"2s\"\nmax_age = \"0s\"\nmax_in_flight = 3";
    let expected = Terms { ack: Ack::Written, content: Content::Text, timeout: Duration::from_secs(2), max_age: None, max_in_flight: 3 };
    let Target::Socket(unix) = meant(&format!("[sinks.s.unix]\npath = \"/run/x.sock\"\n{terms}")) else { panic!() };
    assert_eq!(unix, socket::Options { address: Address::Unix("/run/x.sock".into()), terms: expected.clone() });
    for (written, host, port) in [("nas:7000", "nas", 7000), ("[::1]:1", "::1", 1), ("10.0.0.1:514", "10.0.0.1", 514)] {
        let Target::Socket(tcp) = meant(&format!("[sinks.s.tcp]\naddress = {written:?}\n{terms}")) else { panic!() };
        assert_eq!(tcp, socket::Options { address: Address::Tcp { host: host.into(), port }, terms: expected.clone() });
        assert_eq!(tcp.address.to_string(), format!("tcp {written}"));
    }
    let Target::File(lines) = meant("[sinks.s.file]\npath = \"/tmp/e.ndjson\"\nrotate = { size = \"4KiB\", every = \"1d\", keep = 7 }")
    else {
        panic!()
    };
    let rotation = file::Rotation { size: Some(4096), every: Some(Duration::from_secs(86_400)), keep: Some(7) };
    assert_eq!(lines, file::Options { path: "/tmp/e.ndjson".into(), rotation, content: Content::All });
    let Target::Stdout(out) = meant("[sinks.s.stdout]\nack = \"stdin\"\ncontent = \"none\"") else { panic!() };
    assert_eq!(out, stdout::Options { readable: false, content: Content::None, ack: Some(Duration::from_secs(30)) });
}

#[test]
fn what_is_wrong_with_a_program_has_its_line_and_caret() {
    let exec = |command: &str| format!("{FEED}[sinks.s.exec]\ncommand = {command}");
    let said = |command: &str, message: &str| {
        let carets = "^".repeat(command.len());
        complaint(&exec(command), &format!("f.toml:4:11: {message}\n  |\n4 | command = {command}\n  |           {carets}\n\n{NO_SINK}"));
    };
    said("[\"/no/such\"]", "there is no program /no/such");
    said("[\"/etc/passwd\"]", "/etc/passwd is no program; chmod +x it");
    said("[\"consumer\"]", "there is no program consumer in $PATH (); write its absolute path");
    let unclear = "a command begins with the absolute path of a program, or with a name that is found in $PATH; no shell reads it";
    for command in ["[]", "[\"\"]", "[\"./consumer\"]", "[\"bin/consumer\", \"x\"]"] {
        said(command, unclear);
    }
}

const NO_SINK: &str = "there is no sink; add one, for example:\n\n[sinks.terminal.stdout]";

#[test]
fn what_is_wrong_with_the_others_has_its_line_and_caret() {
    let address = "an address is HOST:PORT, such as \"127.0.0.1:7000\", \"nas:7000\" or \"[::1]:7000\"";
    for written in ["nas", "nas:0", ":7000", "::1:7000", "[nas]:7000", "http://nas:7000", "nas:70000"] {
        let error = load_one(&format!("{FEED}[sinks.s.tcp]\naddress = {written:?}\n")).unwrap_err();
        assert!(error.contains(&format!("f.toml:4:11: {address}")), "{written}: {error}");
    }
    for written in ["169.254.169.254:80", "[fe80::1]:80", "[::ffff:169.254.169.254]:80"] {
        let error = load_one(&format!("{FEED}[sinks.s.tcp]\naddress = {written:?}\n")).unwrap_err();
        assert!(error.contains("f.toml:4:11: ") && error.contains(" is not allowed"), "{written}: {error}");
    }
    for (table, message) in [
        ("unix]\npath = \"\"", "f.toml:4:8: the path of a socket has 1 to 107 bytes"),
        ("file]\npath = \"/no/such/x\"", "f.toml:4:8: there is no directory /no/such; create it (with the shipped unit /var/log/feedwire"),
        ("file]\npath = \"/tmp\"", "f.toml:4:8: this is the path of no file"),
        (
            "file]\npath = \"e\"\nrotate = { keep = 1 }",
            "f.toml:5:10: say when a new file is begun: size = \"100MiB\", every = \"1d\", or both",
        ),
        ("file]\npath = \"e\"\nrotate = { size = \"1KiB\" }", "f.toml:5:19: must be at least 4KiB"),
        ("stdout]\ntimeout = \"1s\"", "f.toml:4:11: timeout is how long an acknowledgement may take; it goes with ack = \"stdin\""),
        ("stdout]\nack = \"ids\"", "f.toml:4:7: unknown variant `ids`, expected `stdin`"),
        ("unix]\npath = \"x\"\nmax_age = \"1s\"", "f.toml:5:11: max_age is shorter than one attempt may take (timeout)"),
    ] {
        let error = load_one(&format!("{FEED}[sinks.s.{table}\n")).unwrap_err();
        assert!(error.contains(message), "{table}: {error}");
    }
    let two = format!("{FEED}[sinks.s.file]\npath = \"e\"\n[sinks.t.file]\npath = \"e\"\n");
    assert!(load_one(&two).unwrap_err().contains("the sinks s and t write to the same file; give each its own"));
    let both = format!("{FEED}[sinks.s.stdout]\n[sinks.s.unix]\npath = \"e\"\n");
    assert!(load_one(&both).unwrap_err().contains("f.toml:3:8: a sink has one of the tables [sinks.s.stdout], [sinks.s.webhook]"));
    let outs = format!("{FEED}[sinks.s.stdout]\nack = \"stdin\"\n[sinks.t.stdout]\nack = \"stdin\"\n");
    assert!(load_one(&outs).unwrap_err().contains("there is one standard output, but more than one stdout sink"));
    let env = format!("{FEED}[sinks.s.exec]\ncommand = [\"/bin/sh\"]\nenv = {{ \"A=B\" = \"x\", C = {{ env = \"NOPE\" }} }}\n");
    let error = load_one(&env).unwrap_err();
    assert!(error.contains("f.toml:5:9: not the name of an environment variable"), "{error}");
    assert!(error.contains("the environment variable NOPE is not set"), "{error}");
}
