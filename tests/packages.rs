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
