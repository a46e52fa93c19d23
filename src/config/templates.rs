//! `template` and `content_type`: a template is tried on a made-up event of every kind that the sink gets, so that it need not fail later.

use std::fs;
use std::ops::Range;

use super::problem::Problem;
use super::reading::{File, Reading};
use super::value::{Spanned, Text};
use crate::domain::event::EventKind;
use crate::sink::payload::Content;
use crate::sink::template::{Template, TemplateError};
use crate::sink::{sample, webhook};

impl Reading<'_> {
    /// `content_type` tells whether it has to be JSON.
    pub(super) fn template(
        &mut self,
        file: &File<'_>,
        written: &Spanned<Text>,
        events: &[EventKind],
        content: Content,
        content_type: &str,
    ) -> Option<Template> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json = essence == "application/json" || essence.ends_with("+json");
        match written.get_ref() {
            Text::Literal(text) => {
                let tried = tried(text, is_json, events, content);
                tried.map_err(|e| self.problems.push(file.at(written.span(), said(&e)))).ok()
            }
            Text::File(path) => {
                let path = file.dir().join(path);
                let text = fs::read_to_string(&path);
                let text = text.map_err(|e| file.at(written.span(), format!("cannot read the template {}: {e}", path.display())));
                let text = text.map_err(|problem| self.problems.push(problem)).ok()?;
                let tried = tried(&text, is_json, events, content);
                let place = |e: TemplateError| match e.line {
                    Some(line) => Problem::at(&path, &text, span(&text, line), format!("the template: {e}")),
                    None => file.at(written.span(), said(&e)),
                };
                tried.map_err(|e| self.problems.push(place(e))).ok()
            }
        }
    }

    /// What the body is called. An event has two names, what comes of a template any.
    pub(super) fn content_type(&mut self, file: &File<'_>, written: Option<&Spanned<String>>, is_template: bool) -> String {
        let Some(written) = written else { return "application/json".into() };
        match written.get_ref().as_str() {
            "json" | "application/json" => "application/json".into(),
            "cloudevents" | "application/cloudevents+json" => "application/cloudevents+json".into(),
            other if is_template && is_media_type(other) => other.to_owned(),
            _ => {
                let message = if is_template {
                    "not a media type such as \"text/plain; charset=utf-8\""
                } else {
                    "an event is sent as \"json\" (the default) or \"cloudevents\"; other types are for templates"
                };
                self.problems.push(file.at(written.span(), message));
                String::new()
            }
        }
    }
}

fn is_media_type(text: &str) -> bool {
    text.split_once('/').is_some_and(|(kind, sub)| !kind.is_empty() && !sub.is_empty()) && text.chars().all(|c| matches!(c, ' '..='~'))
}

fn tried(text: &str, is_json: bool, events: &[EventKind], content: Content) -> Result<Template, TemplateError> {
    let template = Template::new(text, is_json)?;
    for kind in events {
        let rendered = template.render(&sample::event(*kind), content, webhook::LARGEST_BODY);
        rendered.map_err(|e| TemplateError { reason: format!("{} (for {kind})", e.reason), ..e })?;
    }
    Ok(template)
}

fn said(error: &TemplateError) -> String {
    error.line.map_or_else(|| format!("the template: {error}"), |line| format!("line {line} of the template: {error}"))
}

/// The bytes of a line, from 1, without the space around it.
fn span(text: &str, line: usize) -> Range<usize> {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let begin = start + line.len() - line.trim_start().len();
    begin..begin + line.trim().len()
}
