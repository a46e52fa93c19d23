//! What a package installs beside the program.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
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
        assert!(fs::read_to_string(directory.path().join(page)).unwrap().contains(".SH SYNOPSIS"), "{page}");
    }
}

/// The assets of the Debian package, as the manifest names them: what, and where to.
fn assets() -> (toml::Table, Vec<(String, String)>) {
    let manifest: toml::Table = include_str!("../Cargo.toml").parse().unwrap();
    let deb = manifest["package"]["metadata"]["deb"].as_table().unwrap().clone();
    let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
    let assets = deb["assets"].as_array().unwrap().iter().map(|asset| (text(&asset[0]), text(&asset[1]))).collect();
    (deb, assets)
}

#[test]
fn all_that_the_debian_package_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (deb, assets) = assets();
    let script = fs::read_to_string(root.join("config/debian/build")).unwrap();
    for (asset, _) in &assets {
        match asset.strip_prefix("target/package/feedwire") {
            Some(suffix) if [".bash", ".fish", ".zsh"].contains(&suffix) => {
                let shells = script.lines().find_map(|line| line.trim().strip_prefix("for shell in ")).unwrap();
                assert!(shells.trim_end_matches("; do").split(' ').any(|shell| shell == &suffix[1..]), "{asset}");
            }
            Some(suffix) => assert!(script.contains(&format!("\"$made/feedwire{suffix}\"")), "{asset}"),
            None => assert!(root.join(asset).is_file(), "{asset}"),
        }
    }
    for conffile in deb["conf-files"].as_array().unwrap() {
        let path = conffile.as_str().unwrap().trim_start_matches('/');
        let installed = |(from, to): &(String, String)| {
            to == path || (to.ends_with('/') && format!("{to}{}", from.rsplit('/').next().unwrap()) == path)
        };
        assert!(assets.iter().any(installed), "{path}");
    }
    // The unit and the page about files speak of the same places.
    let unit = fs::read_to_string(root.join(deb["systemd-units"]["unit-scripts"].as_str().unwrap()).join("feedwire.service")).unwrap();
    for (place, line) in
        [("usr/bin/", "ExecStart=/usr/bin/feedwire"), ("usr/share/doc/feedwire/", "file:///usr/share/doc/feedwire/README.md")]
    {
        assert!(unit.contains(line) && assets.iter().any(|(_, to)| to == place), "{place}");
    }
    for script in ["postinst", "postrm"] {
        let text = fs::read_to_string(root.join(deb["maintainer-scripts"].as_str().unwrap()).join(script)).unwrap();
        assert!(text.contains("\n#DEBHELPER#\n"), "cargo-deb puts its part there: {script}");
        said_by("sh", &["-n"], &text);
    }
    let made = unit.lines().find_map(|line| line.strip_prefix("LoadCredential=secret:")).unwrap();
    assert!(fs::read_to_string(root.join("config/debian/postinst")).unwrap().contains(&format!("install -d -m 0700 {made}\n")), "{made}");
}

/// Every option that the configuration of the service shows as a comment is one.
#[test]
fn the_configuration_of_the_service_is_true() {
    let home = tempfile::tempdir().unwrap();
    let text = include_str!("../config/debian/feedwire.toml")
        .replace("/var/log/feedwire/", "")
        .replace("{ credential = \"newsroom\" }", "{ env = \"S\" }");
    let option = |line: &str| {
        line.strip_prefix('#').filter(|o| o.starts_with(|c: char| c.is_ascii_lowercase() || c == '[')).unwrap_or(line).to_owned()
    };
    let all: Vec<_> = text.lines().map(option).collect();
    fs::write(home.path().join("feedwire.toml"), all.join("\n")).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_feedwire"));
    check.args(["check", "--config", "feedwire.toml"]).current_dir(&home).env("S", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    let output = check.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.starts_with("feedwire.toml is good: 1 feed, 2 sinks"), "{said}");
}

/// What is installed says what it was built from: in a package without being asked, in an image if it is told, for it is built without git.
#[test]
fn a_build_knows_its_revision() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [script, container] = ["config/debian/build", "Containerfile"].map(|file| fs::read_to_string(root.join(file)).unwrap());
    let names = |text: &str, begin: &str, end: &str| {
        let (named, built) = (text.find(begin), text.find(end));
        assert!(named.is_some() && named < built, "{text}");
    };
    names(&script, " export FEEDWIRE_REVISION\n", "cargo build");
    names(&container, "\nARG FEEDWIRE_REVISION\n", "RUN cargo build");
    let revision = option_env!("FEEDWIRE_REVISION").filter(|revision| !revision.is_empty());
    let built_from = revision.map_or_else(String::new, |revision| format!(" ({revision})"));
    assert_eq!(printed(&["--version"]), format!("feedwire {}{built_from}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn all_that_the_containerfile_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("Containerfile")).unwrap();
    let let_in = fs::read_to_string(root.join(".containerignore")).unwrap();
    let copied: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from")).collect();
    assert_eq!(copied.len(), 5, "{copied:?}");
    for path in copied.iter().flat_map(|line| line.rsplit_once(' ').unwrap().0.split(' ')) {
        assert!(root.join(path).exists(), "{path}");
        assert!(
            let_in.lines().any(|line| line == format!("!/{}", path.split('/').next().unwrap())),
            "{path} is kept out by .containerignore"
        );
    }
    // What is compiled in is copied before the build.
    for source in ["src/http/suffixes.txt", "src/domain/tracking.txt"] {
        assert!(root.join(source).exists() && copied.iter().any(|line| line.starts_with("src ")), "{source}");
    }
    let health: Vec<&str> = text.lines().find(|line| line.starts_with("HEALTHCHECK")).unwrap().split('"').skip(1).step_by(2).collect();
    assert!(printed(&[&health[1..], &["--help"]].concat()).contains("Usage: feedwire ctl sinks"), "{health:?}");
    for line in ["USER 65532:65532", "STOPSIGNAL SIGTERM", "VOLUME /var/lib/feedwire"] {
        assert!(text.lines().any(|l| l == line), "{line}");
    }
}
