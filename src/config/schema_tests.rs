//! The schema for editors and the types that read the file say the same.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::*;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../config/feedwire.schema.json")).unwrap()
}

/// The tables of the schema, each with the header that opens one in a file: a name stands where any may.
fn tables(node: &Value, header: &[String], found: &mut Vec<(Vec<String>, BTreeSet<String>)>) {
    if let Some(properties) = node["properties"].as_object() {
        found.push((header.to_vec(), properties.keys().cloned().collect()));
        for (key, value) in properties {
            tables(value, &[header, std::slice::from_ref(key)].concat(), found);
        }
    }
    if node["additionalProperties"].is_object() {
        tables(&node["additionalProperties"], &[header, &["x".to_owned()]].concat(), found);
    }
    for branch in ["anyOf", "oneOf"].iter().flat_map(|of| node[of].as_array().into_iter().flatten()) {
        tables(branch, header, found);
    }
}

/// A wrong key makes serde name all that are right. So the tables are found by the schema, and a table that the schema does not know would be a
/// key that it does not know.
#[test]
fn the_schema_names_the_keys_that_there_are() {
    let mut found = vec![];
    tables(&schema(), &[], &mut found);
    assert!(found.len() >= 17, "{found:?}");
    for (header, keys) in found {
        let open = if header.is_empty() { String::new() } else { format!("[{}]\n", header.join(".")) };
        let error = load_one(&format!("{open}no_such_key = 1\n")).unwrap_err();
        let (_, listed) = error.split_once("expected ").unwrap_or_else(|| panic!("{open}{error}"));
        let accepted: BTreeSet<_> = listed.lines().next().unwrap().split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(keys, accepted, "{open}");
    }
}

/// The schema allows nothing but what it names, and says what each is for.
#[test]
fn every_key_is_explained() {
    fn check(node: &Value, place: &str) {
        let resolved = resolve(node);
        // What has a name of the user's is explained where it is listed.
        let named = place.ends_with(".NAME");
        assert!(named || node["description"].as_str().is_some_and(|text| text.len() > 5), "{place} has no description");
        if let Some(properties) = resolved["properties"].as_object() {
            assert_eq!(resolved["additionalProperties"], false, "{place}");
            properties.iter().for_each(|(key, value)| check(value, &format!("{place}.{key}")));
        }
        if resolved["additionalProperties"].is_object() && resolved["additionalProperties"]["properties"].is_object() {
            check(&resolved["additionalProperties"], &format!("{place}.NAME"));
        }
    }
    check(&schema(), "");
}

/// A node, or what it refers to.
fn resolve(node: &Value) -> Value {
    let Some(reference) = node["$ref"].as_str() else { return node.clone() };
    schema().pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference}")).clone()
}

/// What is wrong with a value, by the keywords that our schema uses; any other keyword is a test that nobody would notice the lack of.
fn faults(node: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let node = &resolve(node);
    let mut fault = |what: String| found.push(format!("{place}: {what}"));
    for (keyword, wanted) in node.as_object().unwrap() {
        let good = match keyword.as_str() {
            "type" => is_type(wanted.as_str().unwrap(), value),
            "enum" => wanted.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|n| n >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|n| n <= wanted.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text)),
            "required" => {
                value.as_object().is_none_or(|table| wanted.as_array().unwrap().iter().all(|key| table.contains_key(key.as_str().unwrap())))
            }
            "anyOf" | "oneOf" => {
                let fits = |branch: &&Value| {
                    let mut faulty = vec![];
                    faults(branch, value, place, &mut faulty);
                    faulty.is_empty()
                };
                let fitting = wanted.as_array().unwrap().iter().filter(fits).count();
                if keyword == "oneOf" { fitting == 1 } else { fitting > 0 }
            }
            "items" | "properties" | "additionalProperties" | "propertyNames" => continue,
            "$schema" | "$defs" | "title" | "description" | "default" | "examples" | "format" => continue,
            other => panic!("{other}: a keyword that this test does not know"),
        };
        if !good {
            fault(format!("{value} is not as {keyword} {wanted} says"));
        }
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate().filter(|_| node["items"].is_object()) {
        faults(&node["items"], item, &format!("{place}[{n}]"), found);
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{key}");
        if node["propertyNames"].is_object() {
            faults(&node["propertyNames"], &Value::from(key.as_str()), &place, found);
        }
        match (&node["properties"][key], &node["additionalProperties"]) {
            (known @ Value::Object(_), _) => faults(known, inner, &place, found),
            (_, any @ Value::Object(_)) => faults(any, inner, &place, found),
            (_, Value::Bool(false)) => found.push(format!("{place}: there is no such key")),
            _ => {}
        }
    }
}

fn is_type(wanted: &str, value: &Value) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("{other}: a type that this test does not know"),
    }
}

fn faults_of(text: &str) -> Vec<String> {
    let table: toml::Table = text.parse().unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut found = vec![];
    faults(&schema(), &serde_json::to_value(table).unwrap(), "", &mut found);
    found
}

/// A file in which every option that stands in a comment is set.
fn with_options(text: &str) -> String {
    let option = |line: &str| {
        line.strip_prefix('#').filter(|o| o.starts_with(|c: char| c.is_ascii_lowercase() || c == '[')).unwrap_or(line).to_owned()
    };
    text.lines().map(option).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_we_show_is_as_the_schema_says() {
    let sample = include_str!("../../config/feedwire.toml");
    let service = include_str!("../../config/debian/feedwire.toml");
    let files = [
        sample.to_owned(),
        with_options(sample),
        include_str!("../../config/minimal.toml").to_owned(),
        service.to_owned(),
        with_options(service),
    ];
    for text in files {
        assert_eq!(faults_of(&text), [""; 0], "{text}");
    }
    let blocks: Vec<_> = include_str!("../../README.md").split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 6, "{}", blocks.len());
    for block in blocks {
        assert_eq!(faults_of(block), [""; 0], "{block}");
    }
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    for (text, place) in [
        ("intervall = 1", ".intervall"),
        ("[polling]\nper_host = 0", ".polling.per_host"),
        ("[polling]\ntimeout = 30", ".polling.timeout"),
        ("[feeds.a]\ntags = []", ".feeds.a"),
        ("[feeds.\"a b\"]\nurl = \"https://a.ua/\"", ".feeds.a b"),
        ("[feeds.a]\nurl = \"https://a.ua/\"\nbacklog = \"some\"", ".feeds.a.backlog"),
        ("[feeds.a]\nurl = \"https://a.ua/\"\nauth.bearer = \"t0p-secret\"", ".feeds.a.auth.bearer"),
        ("[sinks.s.webhook]\npreset = \"irc\"\nurl = \"https://a.ua/\"", ".sinks.s.webhook.preset"),
        ("[sinks.s]\norder = \"random\"\n[sinks.s.stdout]", ".sinks.s.order"),
        ("[sinks.s.webhook]\nurl = \"https://a.ua/\"\nsecrets = [{ file = \"a\", env = \"B\" }]", ".sinks.s.webhook.secrets[0]"),
    ] {
        assert!(load_one(&format!("{text}\n")).is_err(), "{text}");
        let found = faults_of(text);
        assert!(found.iter().any(|fault| fault.starts_with(&format!("{place}: "))), "{text}: {found:?}");
    }
}
