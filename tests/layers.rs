//! The house rules that a machine can hold: who may import whom, which room a foreign crate lives in, what the pure core may not name,
//! how long a file and a function may be. The checker reads the sources as text and is itself tested on small made-up ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use source::Source;

mod source;

/// Foreign crates, and the only places that may name them: paths that start so.
const FENCES: [(&str, &[&str]); 10] = [
    ("ammonia", &["src/parse/html.rs"]),
    ("clap_complete", &["src/cli/"]),
    ("clap_mangen", &["src/cli/man.rs"]),
    ("feed_rs", &["src/parse/feed_xml"]),
    ("minijinja", &["src/admin/page/", "src/sink/template.rs"]),
    ("prometheus_client", &["src/metrics/"]),
    ("reqwest", &["src/http/", "src/fetch/", "src/sink/", "src/cli/"]),
    ("schemars", &["src/config/"]),
    ("sled", &["src/store/"]),
    ("toml", &["src/config/"]),
];

/// What the pure core may not name: paths that start so.
const IMPURE_PATHS: [&str; 9] =
    ["tokio", "rand", "std::fs", "std::env", "std::thread", "std::process", "chrono::Utc::now", "Utc::now", "Local::now"];

/// Nor these, as a part of any path.
const IMPURE_NAMES: [&str; 8] =
    ["Instant", "SystemTime", "TcpListener", "TcpStream", "UdpSocket", "UnixDatagram", "UnixListener", "UnixStream"];

const MAX_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 70;

#[test]
fn the_house_rules_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::new();
    for directory in ["src", "tests", "benches"] {
        read(root, &root.join(directory), &mut files);
    }
    assert!(files.contains_key("src/lib.rs") && files.contains_key("tests/layers.rs"), "nothing was read");
    let violations = violations(&files);
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

fn read(root: &Path, directory: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

/// All that is wrong with a tree of sources, by path from the root of the crate.
fn violations(files: &BTreeMap<String, String>) -> Vec<String> {
    let sources: BTreeMap<_, _> = files.iter().map(|(path, text)| (path.as_str(), Source::read(path, text))).collect();
    let tests = test_modules(&sources);
    let house = Layers::of(sources.get("src/lib.rs"));
    let domain = Layers::of(sources.get("src/domain/mod.rs"));
    let mut found = Vec::new();
    for (path, source) in &sources {
        let mut said: BTreeSet<(usize, String)> = lengths(&files[*path], source);
        if path.starts_with("src/") && !tests.iter().any(|test| source.module.starts_with(test)) {
            said.extend(layers(source, &house, &domain));
            said.extend(fences(path, source));
            if path.starts_with("src/domain/") {
                said.extend(impurities(source));
            }
        }
        found.extend(said.into_iter().map(|(line, fault)| format!("{path}:{line} {fault}")));
    }
    found
}

/// The modules in files of their own that are test code.
fn test_modules(sources: &BTreeMap<&str, Source>) -> Vec<Vec<String>> {
    let of = |source: &Source| {
        let module = source.module.clone();
        source.test_modules.iter().map(move |name| module.iter().chain([name]).cloned().collect()).collect::<Vec<_>>()
    };
    sources.iter().filter(|(path, _)| path.starts_with("src/")).flat_map(|(_, source)| of(source)).collect()
}

/// The paragraph each module is declared in.
struct Layers(BTreeMap<String, usize>);

impl Layers {
    fn of(source: Option<&Source>) -> Self {
        Self(source.into_iter().flat_map(|source| source.declared.iter().cloned()).collect())
    }

    /// Whether `from` may import `to`: itself, or what stands in a paragraph above. What is declared elsewhere is nobody's business here.
    fn allow(&self, from: &str, to: &str) -> bool {
        match (self.0.get(from), self.0.get(to)) {
            (Some(own), Some(other)) => from == to || other < own,
            _ => true,
        }
    }
}

fn layers(source: &Source, house: &Layers, domain: &Layers) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for named in source.named.iter().filter(|named| named.path[0] == "crate") {
        let from: Vec<_> = source.module.iter().map(String::as_str).collect();
        let to: Vec<_> = named.path.iter().skip(1).map(String::as_str).collect();
        if let ([from, ..], [to, ..]) = (&from[..], &to[..])
            && !house.allow(from, to)
        {
            found.push((named.line, format!("may not import {to}")));
        }
        if let (["domain", from, ..], ["domain", to, ..]) = (&from[..], &to[..])
            && !domain.allow(from, to)
        {
            found.push((named.line, format!("may not import domain::{to}")));
        }
    }
    found
}

fn fences(path: &str, source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (foreign, homes) in FENCES.iter().filter(|(_, homes)| !homes.iter().any(|home| path.starts_with(home))) {
        let named = source.named.iter().filter(|named| named.path[0] == *foreign);
        found.extend(named.map(|named| (named.line, format!("may not name {foreign}, which lives in {}", homes.join(", ")))));
    }
    found
}

fn impurities(source: &Source) -> Vec<(usize, String)> {
    let mut found: Vec<_> = source.asynchronous.iter().map(|line| (*line, "may not be async: domain is pure".to_owned())).collect();
    for named in &source.named {
        let path = named.path.join("::");
        let begins = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        if IMPURE_PATHS.into_iter().any(begins) || named.path.iter().any(|part| IMPURE_NAMES.contains(&part.as_str())) {
            found.push((named.line, format!("may not name {path}: domain is pure")));
        }
    }
    found
}

fn lengths(text: &str, source: &Source) -> BTreeSet<(usize, String)> {
    let mut found = BTreeSet::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        found.insert((lines, format!("is too long: {MAX_LINES} lines a file")));
    }
    for function in source.functions.iter().filter(|function| function.lines > MAX_FUNCTION_LINES) {
        let fault = format!("{} has {} lines: {MAX_FUNCTION_LINES} a function", function.name, function.lines);
        found.insert((function.line, fault));
    }
    found
}

const LIB: &str =
    "//! Doc.\n\npub mod secret;\n\npub mod domain;\n\npub mod fetch;\nmod parse;\n\n/// Doc.\npub mod store;\npub mod cli;\n";
const DOMAIN: &str = "pub mod time;\n\npub mod feed;\npub mod event;\n\npub mod plan;\n";

/// The violations in a crate with the modules above and one more file.
fn violations_in(path: &str, text: &str) -> Vec<String> {
    let files = [("src/lib.rs", LIB), ("src/domain/mod.rs", DOMAIN), (path, text)];
    violations(&files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect())
}

#[test]
fn imports_go_up() {
    assert_eq!(violations_in("src/store/mod.rs", "use crate::{domain::feed, secret};\nuse crate::store::key; use super::fetch;"), [""; 0]);
    assert_eq!(violations_in("src/domain/plan.rs", "\nuse crate::{secret, store::key};"), ["src/domain/plan.rs:2 may not import store"]);
    assert_eq!(
        violations_in("src/fetch/mod.rs", "use crate::parse::scan;\n\nfn f() { super::store::open() }"),
        ["src/fetch/mod.rs:1 may not import parse", "src/fetch/mod.rs:3 may not import store"]
    );
    assert_eq!(violations_in("src/store/row.rs", "use super::super::cli::run;"), ["src/store/row.rs:1 may not import cli"]);
    assert_eq!(violations_in("src/fetch/guard.rs", "use super::Options;\n#[cfg(test)]\nmod tests { use crate::store::Store; }"), [""; 0]);
}

#[test]
fn imports_inside_the_domain_go_up() {
    assert_eq!(violations_in("src/domain/plan.rs", "use super::{time::Timestamp, feed::Feed};\nuse crate::domain::event;"), [""; 0]);
    assert_eq!(
        violations_in("src/domain/feed.rs", "use super::event::Event;\nuse crate::domain::plan::plan;\nuse super::time;"),
        ["src/domain/feed.rs:1 may not import domain::event", "src/domain/feed.rs:2 may not import domain::plan"]
    );
}

#[test]
fn test_files_are_free() {
    let mut files = BTreeMap::from([("src/lib.rs".to_owned(), LIB.to_owned())]);
    files.insert("src/fetch/mod.rs".into(), "#[cfg(test)]\nmod tests;\n".into());
    files.insert("src/fetch/tests.rs".into(), "use crate::store;\nuse toml;".into());
    assert_eq!(violations(&files), [""; 0]);
    files.insert("src/fetch/mod.rs".into(), "mod tests;\n".into());
    assert_eq!(violations(&files).len(), 2);
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    let homes = [
        "src/parse/html.rs",
        "src/cli/mod.rs",
        "src/cli/man.rs",
        "src/parse/feed_xml/mod.rs",
        "src/sink/template.rs",
        "src/metrics/page.rs",
        "src/http/mod.rs",
        "src/config/schema.rs",
        "src/store/key.rs",
        "src/config/mod.rs",
    ];
    for ((foreign, _), home) in FENCES.iter().zip(homes) {
        let text = format!("// {foreign}::x\nfn f(toml: u8) {{ {foreign}::x() }}\nuse {foreign};");
        assert_eq!(violations_in(home, &text), [""; 0]);
        let found = violations_in("src/admin/mod.rs", &text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with(&format!("src/admin/mod.rs:2 may not name {foreign}, which lives in ")), "{found:?}");
        assert!(found[1].starts_with("src/admin/mod.rs:3"), "{found:?}");
    }
}

#[test]
fn the_domain_is_pure() {
    let text = "use std::time::Duration;\nuse std::net::IpAddr;\nuse std::{fs, fmt};\nuse std::time::{Duration, Instant};\nasync fn f() {}\n\
                fn g() { tokio::spawn(f()); rand::random() }\nuse std::net::TcpStream;\nfn h() -> u8 { Utc::now() }\nuse std::time::SystemTime as T;";
    let found: Vec<_> = violations_in("src/domain/plan.rs", text).iter().map(|line| line.replace("src/domain/plan.rs:", "")).collect();
    assert_eq!(
        found,
        [
            "3 may not name std::fs: domain is pure",
            "4 may not name std::time::Instant: domain is pure",
            "5 may not be async: domain is pure",
            "6 may not name rand::random: domain is pure",
            "6 may not name tokio::spawn: domain is pure",
            "7 may not name std::net::TcpStream: domain is pure",
            "8 may not name Utc::now: domain is pure",
            "9 may not name std::time::SystemTime: domain is pure",
        ]
    );
    assert_eq!(violations_in("src/fetch/mod.rs", text), [""; 0]);
}

#[test]
fn files_and_functions_have_an_end() {
    assert_eq!(violations_in("src/fetch/mod.rs", &"\n".repeat(400)), [""; 0]);
    assert_eq!(violations_in("src/fetch/mod.rs", &"\n".repeat(401)), ["src/fetch/mod.rs:401 is too long: 400 lines a file"]);
    assert_eq!(violations_in("tests/x.rs", &format!("fn f() {{{}}}", "\n".repeat(69))), [""; 0]);
    assert_eq!(violations_in("tests/x.rs", &format!("\nfn f() {{{}}}", "\n".repeat(70))), ["tests/x.rs:2 f has 71 lines: 70 a function"]);
}
