//! The manual and the program are in step: whatever `--help` offers is in the README, and what a newcomer is told works.

use std::collections::BTreeSet;
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
    let ctl = help(&["ctl"]);
    places.extend(commands(&ctl).into_iter().map(|name| vec!["ctl", name]));
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
