//! Payloads of the operator's own: Jinja, over the event as it would be sent. A name that is not there is an error rather than nothing,
//! nothing is escaped but what asks for it (`tojson`), and a template that does not end is ended.

use std::fmt;
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, context, filters, functions, tests};

use super::payload::{self, Content};
use crate::domain::event::Event;

/// Steps that one rendering may take.
const FUEL: u64 = 1_000_000;

/// Bytes that may come of it.
const LARGEST: usize = 1 << 20;

/// What the one template of an environment is called.
const NAME: &str = "template";

/// A template that can be rendered.
#[derive(Clone)]
pub struct Template {
    text: Arc<str>,
    json: bool,
    environment: Arc<Environment<'static>>,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TemplateError {
    /// In words, with what it was rendered for.
    pub reason: String,
    /// The line of the template, from 1, if it is one line's fault.
    pub line: Option<usize>,
}

impl TemplateError {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), line: None }
    }

    fn of(error: &Error) -> Self {
        let reason = error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
        Self { reason, line: error.line() }
    }
}

impl Template {
    /// Compiles a template. With `json` whatever comes of it has to be JSON.
    ///
    /// # Errors
    /// [`TemplateError`], with the line.
    pub fn new(text: &str, json: bool) -> Result<Self, TemplateError> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        furnish(&mut environment);
        environment.add_template_owned(NAME, text.to_owned()).map_err(|e| TemplateError::of(&e))?;
        Ok(Self { text: text.into(), json, environment: Arc::new(environment) })
    }

    /// The payload of an event: `event` is what would be sent without a template, within the same limit.
    ///
    /// # Errors
    /// [`TemplateError`]: a name that is not there, too many steps, too large, or no JSON though it has to be.
    pub fn render(&self, event: &Event, content: Content, cap: usize) -> Result<Vec<u8>, TemplateError> {
        let json: Value = serde_json::from_slice(&payload::event(event, content, Some(cap))).unwrap_or_default();
        let template = self.environment.get_template(NAME).map_err(|e| TemplateError::of(&e))?;
        let rendered = template.render(context! { event => json }).map_err(|e| TemplateError::of(&e))?;
        if rendered.len() > LARGEST {
            return Err(TemplateError::new(format!("more than {LARGEST} bytes come of it")));
        }
        if self.json {
            let read = serde_json::from_str::<serde::de::IgnoredAny>(&rendered);
            read.map_err(|e| TemplateError::new(format!("what comes of it is no JSON: {e}")))?;
        }
        Ok(rendered.into_bytes())
    }
}

/// What a payload needs of the language. All that the library has would be a megabyte of program.
fn furnish(environment: &mut Environment<'static>) {
    environment.add_filter("default", filters::default);
    environment.add_filter("join", filters::join);
    environment.add_filter("length", length);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("tojson", tojson);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("none", tests::is_none);
    environment.add_function("range", functions::range);
}

/// How many there are. That of the library finds none in a name that is not there.
fn length(value: Value) -> Result<usize, Error> {
    value.len().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("{} has no length", value.kind())))
}

/// A value as JSON. That of the library takes a name that is not there for null, and writes `<` and `&` as only a script needs them.
fn tojson(value: Value) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    serde_json::to_string(&value).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.json) == (&other.text, other.json)
    }
}

impl Eq for Template {}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text).finish()
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod trials;
