//! The schema for editors, from the types that read the file.
//!
//! Nothing in it is a `$ref`: a language server for TOML shows what it leads to, and not what is said of the key beside it.

use std::time::Duration;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, RestrictFormats, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::limits::{Bounds, LONGEST_NAME, Limits};
use super::value::{Source, WebUrl};
use super::written::Written;
use crate::domain::event::EventKind;

/// The whole schema, as it stands in its file.
pub(super) fn generated() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let settings = settings.with_transform(RecursiveTransform(without_null)).with_transform(RecursiveTransform(on_one_line));
    let schema = settings.with_transform(RestrictFormats::default()).into_generator().into_root_schema_for::<Written>();
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

/// What may be left out is nothing in TOML, which has no null.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some([one, Value::Object(null)]) = object.get("anyOf").and_then(Value::as_array).map(Vec::as_slice)
        && null.get("type") == Some(&json!("null"))
    {
        let inner = one.as_object().cloned().unwrap_or_default();
        object.remove("anyOf");
        for (keyword, value) in inner {
            object.entry(keyword).or_insert(value);
        }
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = &types[..] {
            object["type"] = one.clone();
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
}

/// A comment has a width, a description has not.
fn on_one_line(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

/// What has limits, as it is written in the file.
trait Limited: Copy {
    fn written(self) -> Value;

    /// Says the limits in the words of a schema, or of people where it has none.
    fn limit(schema: &mut Schema, bounds: Bounds<Self>);
}

impl Limited for u16 {
    fn written(self) -> Value {
        self.into()
    }

    fn limit(schema: &mut Schema, Bounds { least, most }: Bounds<Self>) {
        u32::limit(schema, Bounds { least: least.into(), most: most.into() });
    }
}

impl Limited for u32 {
    fn written(self) -> Value {
        self.into()
    }

    fn limit(schema: &mut Schema, Bounds { least, most }: Bounds<Self>) {
        schema.insert("minimum".into(), least.into());
        schema.insert("maximum".into(), most.into());
    }
}

/// A size.
impl Limited for u64 {
    fn written(self) -> Value {
        let (number, unit) = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
            .into_iter()
            .find(|(bits, _)| self != 0 && self.is_multiple_of(1 << bits))
            .map_or((self, "B"), |(bits, unit)| (self >> bits, unit));
        format!("{number}{unit}").into()
    }

    fn limit(schema: &mut Schema, bounds: Bounds<Self>) {
        say(schema, bounds);
    }
}

impl Limited for Duration {
    fn written(self) -> Value {
        let (seconds, millis) = (self.as_secs(), self.subsec_millis());
        match [(86_400, "d"), (3600, "h"), (60, "m")].into_iter().find(|(unit, _)| seconds != 0 && seconds.is_multiple_of(*unit)) {
            _ if millis != 0 => format!("{}ms", self.as_millis()),
            // A day is 24 hours to most readers of a manual.
            Some((_, "d")) if seconds == 86_400 => "24h".into(),
            Some((unit, name)) => format!("{}{name}", seconds / unit),
            None => format!("{seconds}s"),
        }
        .into()
    }

    fn limit(schema: &mut Schema, bounds: Bounds<Self>) {
        say(schema, bounds);
    }
}

fn say<T: Limited>(schema: &mut Schema, Bounds { least, most }: Bounds<T>) {
    let text = |value: T| value.written().as_str().unwrap().to_owned();
    let description = schema.get("description").and_then(Value::as_str).unwrap();
    let limits = match text(least).as_str() {
        "0s" => format!("At most {}.", text(most)),
        least => format!("From {least} to {}.", text(most)),
    };
    schema.insert("description".into(), format!("{description} {limits}").into());
}

impl<T: Limited> Transform for Bounds<T> {
    fn transform(&mut self, schema: &mut Schema) {
        T::limit(schema, *self);
    }
}

impl<T: Limited> Transform for Limits<T> {
    fn transform(&mut self, schema: &mut Schema) {
        self.bounds.transform(schema);
        schema.insert("default".into(), self.default.written());
    }
}

/// Says the limits of a constant, which could not be lent as it is.
pub(super) fn within<L: Transform>(limits: L) -> L {
    limits
}

/// What the name of a feed or sink may be; see [`super::reading::is_name`].
fn name_pattern() -> String {
    format!("^[A-Za-z0-9._-]{{1,{LONGEST_NAME}}}$")
}

/// A name.
pub(super) fn name(schema: &mut Schema) {
    schema.insert("pattern".into(), name_pattern().into());
}

/// Tables by name.
pub(super) fn names(schema: &mut Schema) {
    schema.insert("propertyNames".into(), json!({ "pattern": name_pattern() }));
}

/// The types of event there are.
pub(super) fn kinds_of_event(schema: &mut Schema) {
    schema.insert("items".into(), json!({ "enum": EventKind::ALL.map(EventKind::as_str) }));
}

/// A schema for each key, which says that it is there: for `oneOf` and `anyOf`.
pub(super) fn each_of(keys: &[&str]) -> Vec<Value> {
    keys.iter().map(|key| json!({ "required": [key] })).collect()
}

/// Where a secret is: one table, since a language server forgets what is said of a key that has a choice of tables.
pub(super) fn secret(schema: &mut Schema) {
    *schema = json_schema!({
        "description": "Where a secret is. It is never written in this file.",
        "type": "object",
        "properties": {
            "credential": { "description": "A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.", "type": "string" },
            "file": { "description": "The path of a file, relative to this one.", "type": "string" },
            "env": { "description": "An environment variable.", "type": "string" },
        },
        "oneOf": each_of(&["credential", "file", "env"]),
        "additionalProperties": false,
    });
}

/// Values that are text, or the source of a secret.
pub(super) fn texts_or_secrets(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": { "anyOf": [{ "type": "string" }, Source::json_schema(generator)] } })
}

/// A URL, or the source of one that is a secret.
pub(super) fn url_or_secret(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [WebUrl::json_schema(generator), Source::json_schema(generator)] })
}
