//! What is wrong with a configuration, as the operator reads it: what, where (file, line, caret) and what to do.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// The longest line of the file that is shown.
const LONGEST_LINE: usize = 160;

/// One complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    place: Option<Place>,
    message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    file: String,
    line: usize,
    column: usize,
    /// The line and how many characters to underline; `None` when the line holds a secret.
    excerpt: Option<(String, usize)>,
}

impl Problem {
    /// A complaint about no line in particular.
    #[must_use]
    pub fn general(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into() }
    }

    /// A complaint about these bytes of a file.
    #[must_use]
    pub fn at(file: &Path, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { place: Some(Place::new(file, text, span)), message: message.into() }
    }

    /// The same, without showing the line.
    #[must_use]
    pub fn at_secret(file: &Path, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let place = Place { excerpt: None, ..Place::new(file, text, span) };
        Self { place: Some(place), message: message.into() }
    }
}

impl Place {
    fn new(file: &Path, text: &str, span: Range<usize>) -> Self {
        let start = span.start.min(text.len());
        let before = text.get(..start).unwrap_or_default();
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let inside = text.get(begin..start).unwrap_or_default().chars().count();
        let marked = text.get(start..span.end).unwrap_or_default().lines().next().unwrap_or_default().chars().count();
        let excerpt = (line.chars().count() <= LONGEST_LINE).then(|| (line.to_owned(), marked.max(1)));
        Self { file: file.display().to_string(), line: before.matches('\n').count() + 1, column: inside + 1, excerpt }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else { return f.write_str(&self.message) };
        write!(f, "{}:{}:{}: {}", place.file, place.line, place.column, self.message)?;
        let Some((line, marked)) = &place.excerpt else { return Ok(()) };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "\n{margin} |\n{number} | {line}")?;
        write!(f, "{margin} | {}{}", " ".repeat(place.column - 1), "^".repeat(*marked))
    }
}
