//! What a package installs beside the program.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What the program prints.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_feedwire")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a program says of the text; `None` where it is not installed.
fn said_by(program: &str, arguments: &[&str], text: &str) -> Option<String> {
    let mut command = Command::new(program);
    let child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.ok()?;
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stderr).unwrap())
}

#[test]
fn every_shell_has_its_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        for word in ["feedwire", "opml", "replay", "online", "completions"] {
            assert!(script.contains(word), "{word} is not in that of {shell}");
        }
    }
    assert_eq!(said_by("bash", &["-n"], &printed(&["completions", "bash"])), Some(String::new()));
    let asked =
        "COMP_WORDS=(feedwire ctl re); COMP_CWORD=2; . /dev/stdin; _feedwire feedwire re ctl; printf '%s\\n' \"${COMPREPLY[@]}\" >&2";
    let completed = said_by("bash", &["-c", asked], &printed(&["completions", "bash"])).unwrap();
    assert_eq!(completed.lines().collect::<BTreeSet<_>>(), BTreeSet::from(["reload", "replay", "resume"]));
}

#[test]
fn the_manual_page_tells_of_every_command() {
    let page = printed(&["man"]);
    for line in [".TH feedwire 1", ".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS", ".SH COMMANDS", ".SH NOTES", ".SH FILES"] {
        assert!(page.lines().any(|l| l.starts_with(line)), "{line} is not in\n{page}");
    }
    for command in ["run", "check", "opml import", "opml export", "ctl status", "ctl dead retry", "completions", "man"] {
        assert_eq!(page.matches(&format!(".SS \"feedwire {command}\"\n")).count(), 1, "{command}");
    }
    for flag in ["\\-\\-online", "\\-\\-output", "\\-\\-socket", "\\-\\-log"] {
        assert_eq!(page.lines().filter(|line| line.starts_with(&format!("\\fB{flag}\\fR"))).count(), 1, "{flag} in\n{page}");
    }
    // Warnings of any kind, and lines that cannot be filled.
    if let Some(said) = said_by("groff", &["-man", "-Tutf8", "-ww", "-b", "-k"], &page) {
        assert_eq!(said, "");
    }
    let directory = tempfile::tempdir().unwrap();
    printed(&["man", "--directory", directory.path().to_str().unwrap()]);
    for page in ["feedwire.1", "feedwire-ctl.1", "feedwire-ctl-dead-retry.1", "feedwire-opml-import.1"] {
        assert!(std::fs::read_to_string(directory.path().join(page)).unwrap().contains(".SH SYNOPSIS"), "{page}");
    }
}
