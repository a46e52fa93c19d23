//! The schema for editors and the types that read the file say the same.

use regex::Regex;
use serde_json::Value;

use super::super::schema;
use super::*;

fn shipped() -> Value {
    serde_json::from_str(include_str!("../../config/feedwire.schema.json")).unwrap()
}

/// When a key has changed as it should, FEEDWIRE_TEST_SNAPSHOT=write puts the new schema there; look at what has changed.
#[test]
fn the_schema_is_that_of_the_types() {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/config/feedwire.schema.json");
    let now = schema::generated();
    if std::env::var_os("FEEDWIRE_TEST_SNAPSHOT").is_some() {
        fs::write(place, &now).unwrap();
    }
    let before = fs::read_to_string(place).unwrap();
    for (n, (before, now)) in before.lines().zip(now.lines()).enumerate() {
        assert_eq!(before, now, "line {}", n + 1);
    }
    assert!(before == now, "{} bytes, {} as they should be", before.len(), now.len());
}

/// The schema allows nothing but what it names, and says what each is for.
#[test]
fn every_key_is_explained() {
    fn check(node: &Value, place: &str) {
        // What has a name of the user's is explained where it is listed.
        let named = place.ends_with(".NAME");
        let explained = |text: &str| text.len() > 5 && text.ends_with('.');
        assert!(named || node["description"].as_str().is_some_and(explained), "{place}: {}", node["description"]);
        if let Some(properties) = node["properties"].as_object() {
            assert_eq!(node["additionalProperties"], false, "{place}");
            properties.iter().for_each(|(key, value)| check(value, &format!("{place}.{key}")));
        }
        if node["additionalProperties"].is_object() && node["additionalProperties"]["properties"].is_object() {
            check(&node["additionalProperties"], &format!("{place}.NAME"));
        }
    }
    check(&shipped(), "");
}

/// What is wrong with a value, by the keywords that our schema uses; any other keyword is a test that nobody would notice the lack of.
fn faults(node: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let mut fault = |what: String| found.push(format!("{place}: {what}"));
    for (keyword, wanted) in node.as_object().unwrap() {
        let good = match keyword.as_str() {
            "type" => wanted.as_array().unwrap_or(&vec![wanted.clone()]).iter().any(|wanted| is_type(wanted.as_str().unwrap(), value)),
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
            "$schema" | "title" | "description" | "default" | "examples" | "format" => continue,
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
    faults(&shipped(), &serde_json::to_value(table).unwrap(), "", &mut found);
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
        ("[polling]\nmax_body = \"10 mib\"", ".polling.max_body"),
        ("[feeds.a]\ntags = []", ".feeds.a"),
        ("[feeds.\"a b\"]\nurl = \"https://a.ua/\"", ".feeds.a b"),
        ("[feeds.a]\nurl = \"https://a.ua/\"\nbacklog = \"some\"", ".feeds.a.backlog"),
        ("[feeds.a]\nurl = \"https://a.ua/\"\nauth.bearer = \"t0p-secret\"", ".feeds.a.auth.bearer"),
        ("[feeds.a]\nurl = \"https://a.ua/\"\nauth = {}", ".feeds.a.auth"),
        ("[sinks.s.webhook]\nurl = \"https://a.ua/\"\nbatch = { max = 1 }", ".sinks.s.webhook.batch.max"),
        ("[sinks.s.webhook]\npreset = \"irc\"\nurl = \"https://a.ua/\"", ".sinks.s.webhook.preset"),
        ("[sinks.s]\norder = \"random\"\n[sinks.s.stdout]", ".sinks.s.order"),
        ("[sinks.s.webhook]\nurl = \"https://a.ua/\"\nsecrets = [{ file = \"a\", env = \"B\" }]", ".sinks.s.webhook.secrets[0]"),
    ] {
        assert!(load_one(&format!("{text}\n")).is_err(), "{text}");
        let found = faults_of(text);
        assert!(found.iter().any(|fault| fault.starts_with(&format!("{place}: "))), "{text}: {found:?}");
    }
}
