//! The manual and the program are in step: whatever `--help` offers is in the README, and what a newcomer is told works.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../README.md");

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_feedwire")).args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The first words of the lines under `Commands:`.
fn commands(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // What is indented deeper goes on with the description above.
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    named.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

fn flags(help: &str) -> BTreeSet<&str> {
    let words = help.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | ';'));
    words.filter(|word| word.starts_with("--") && word.len() > 2).collect()
}

#[test]
fn every_command_and_every_flag_is_in_the_manual() {
    let top = help(&[]);
    let mut places: Vec<Vec<&str>> = commands(&top).into_iter().map(|name| vec![name]).collect();
    assert!(places.len() >= 5, "{top}");
    let groups = ["ctl", "store", "opml"].map(|group| (group, help(&[group])));
    for (group, help) in &groups {
        places.extend(commands(help).into_iter().map(|name| vec![*group, name]));
    }
    for place in &places {
        assert!(README.contains(&format!("feedwire {}", place.join(" "))), "feedwire {} is not in the manual", place.join(" "));
        let text = help(place);
        for flag in flags(&text).into_iter().filter(|flag| !matches!(*flag, "--help" | "--version")) {
            assert!(README.contains(flag), "{flag} of feedwire {} is not in the manual", place.join(" "));
        }
    }
}

#[test]
fn the_exit_codes_and_the_test_command_are_in_the_manual() {
    for words in ["cargo test", "cargo run --release -- run", "64 usage", "65 input", "75 the state directory", "78\nconfiguration"] {
        assert!(README.contains(words), "{words:?} is not in the manual");
    }
}

/// A key of the configuration that the sample does not show would be found by nobody.
#[test]
fn the_sample_shows_every_key_of_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../config/feedwire.schema.json")).unwrap();
    let sample = include_str!("../config/feedwire.toml");
    let mut keys = BTreeSet::new();
    collect(&schema["properties"], &mut keys);
    for key in keys {
        let shown = sample.contains(&format!("{key} =")) || sample.contains(&format!("{key}.")) || sample.contains(&format!("{key}]"));
        assert!(shown || sample.contains(&format!(".{key}")), "{key} is not in config/feedwire.toml");
    }
}

/// The names of all properties, at any depth.
fn collect(properties: &serde_json::Value, keys: &mut BTreeSet<String>) {
    for (key, value) in properties.as_object().into_iter().flatten() {
        keys.insert(key.clone());
        collect(&value["properties"], keys);
        collect(&value["additionalProperties"]["properties"], keys);
    }
}

/// From a list of behaviours to the tests and back: every row names the tests that hold its number, and every such test is named.
#[test]
fn every_behaviour_names_its_tests() {
    compare('p', include_str!("polling.md"), (1..=101).chain(121..=125).collect());
    compare('d', include_str!("delivery.md"), (1..=55).collect());
}

/// A row without a test says so, or names the bench or the step of `.ci/run` that holds it.
fn compare(letter: char, list: &str, numbers: Vec<u32>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut held = BTreeMap::<u32, BTreeSet<String>>::new();
    for name in ["src", "tests"].iter().flat_map(|directory| functions(&root.join(directory))) {
        for (_, number) in numbers_of(&name).filter(|(of, _)| *of == letter) {
            held.entry(number).or_default().insert(name.clone());
        }
    }
    let mut listed = Vec::new();
    for cells in list.lines().filter_map(|line| line.strip_prefix("| ")).map(|line| line.split(" | ").collect::<Vec<_>>()) {
        let [number, _, cell] = cells[..] else { continue };
        let number: u32 = number.parse().expect("a number");
        let quoted: BTreeSet<_> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let tests: BTreeSet<_> = quoted.iter().filter(|name| numbers_of(name).next().is_some()).cloned().collect();
        assert_eq!(tests, held.remove(&number).unwrap_or_default(), "{letter}{number}");
        let elsewhere = |name: &&String| name.contains('/') && root.join(name).exists();
        let other = quoted.iter().filter(elsewhere).count();
        assert_eq!((tests.len() + other, cell.contains("no test yet")), (quoted.len(), quoted.is_empty()), "{letter}{number}: {cell}");
        listed.push(number);
    }
    assert_eq!(listed, numbers);
    assert!(held.is_empty(), "{held:?}");
}

/// The numbers that a test's name begins with: of `p01_d2_every_…` p1 and d2.
fn numbers_of(name: &str) -> impl Iterator<Item = (char, u32)> {
    let number = |part: &str| {
        let mut letters = part.chars();
        let letter = letters.next().filter(|letter| "pd".contains(*letter))?;
        Some((letter, letters.as_str().parse().ok()?))
    };
    name.split_once('_').into_iter().flat_map(move |_| name.split('_').map_while(number))
}

/// The names of all functions, in Rust and in what verifies deliveries.
fn functions(directory: &Path) -> Vec<String> {
    let mut names = vec![];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(functions(&path));
            continue;
        }
        let keyword = match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => "fn ",
            Some("py") => "def ",
            Some("mjs") => "function ",
            _ => continue,
        };
        let text = fs::read_to_string(&path).unwrap();
        names.extend(text.split(keyword).skip(1).filter_map(|rest| rest.split_once('(')).map(|(name, _)| name.to_owned()));
    }
    names
}
