//! How log lines look: text for people, JSON for machines, and for the journal what it sorts by itself. Whatever is logged, one event is one
//! line, and no text of others moves a cursor or begins a line of its own.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::{MakeExt, RecordFields};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::format::{self, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, fmt as lines};

use super::harmless;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people, with colours if the terminal has them.
    Text {
        /// Whether there are colours.
        colours: bool,
    },
    /// One JSON object a line.
    Json,
    /// Each line begins with its priority, as sd-daemon(3) says, and leaves the time to the journal.
    Journal,
}

impl Format {
    /// What suits standard error: the journal if it leads there, else text.
    #[must_use]
    pub fn of_stderr() -> Self {
        if leads_to_the_journal() { Self::Journal } else { Self::Text { colours: std::io::stderr().is_terminal() } }
    }
}

/// Whether standard error is the stream to the journal that systemd has opened: `$JOURNAL_STREAM` is its device and inode (systemd.exec(5)).
fn leads_to_the_journal() -> bool {
    let Ok(stat) = rustix::fs::fstat(io::stderr()) else { return false };
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Writes the events that `filter` admits to `writer`. Those of libraries are never among them: at their finest they would show URLs and
/// headers, and with them tokens.
pub fn subscriber<W>(filter: Targets, format: Format, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Json => Box::new(lines::layer().json().with_writer(Escaping(writer))),
        Format::Text { colours } => Box::new(lines::layer().with_ansi(colours).with_target(false).fmt_fields(Logfmt).with_writer(writer)),
        Format::Journal => {
            let fields = format::debug_fn(field).delimited(" ");
            let line = Prioritised(format::format().with_ansi(false).with_level(false).with_target(false).without_time());
            Box::new(lines::layer().with_ansi(false).fmt_fields(fields).event_format(line).with_writer(writer))
        }
    };
    let ours = filter_fn(|meta| meta.target().split("::").next() == Some(env!("CARGO_CRATE_NAME")));
    tracing_subscriber::registry().with(layer).with(filter).with(ours)
}

/// One field of a line for the journal.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = harmless(&format!("{value:?}"));
    match field.name() {
        "message" => writer.write_str(&value),
        name => write!(writer, "{name}={value}"),
    }
}

/// The sentence, and after it the fields as logfmt has them, so that a program can split what people read.
struct Logfmt;

impl<'w> FormatFields<'w> for Logfmt {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = LogfmtVisitor { writer, separator: "", result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct LogfmtVisitor<'w> {
    writer: Writer<'w>,
    separator: &'static str,
    result: fmt::Result,
}

impl LogfmtVisitor<'_> {
    fn write(&mut self, name: &str, value: &str) -> fmt::Result {
        let value = harmless(value);
        self.writer.write_str(std::mem::replace(&mut self.separator, " "))?;
        match name {
            "message" => return self.writer.write_str(&value),
            name if self.writer.has_ansi_escapes() => write!(self.writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m")?,
            name => write!(self.writer, "{name}=")?,
        }
        if value.is_empty() || value.contains(|c: char| c.is_whitespace() || matches!(c, '=' | '"')) {
            write!(self.writer, "\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        } else {
            self.writer.write_str(&value)
        }
    }
}

impl Visit for LogfmtVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.result = self.result.and_then(|()| self.write(field.name(), value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.result = self.result.and_then(|()| self.write(field.name(), &format!("{value:?}")));
    }
}

/// The priority of a level among those of syslog, as sd-daemon(3) writes it.
#[must_use]
pub fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

struct Prioritised<F>(F);

impl<S, N, F> FormatEvent<S, N> for Prioritised<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writer.write_str(priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

/// JSON leaves characters as they are that end a line for some readers, or turn its direction: in a JSON text they stand in strings only,
/// where they can be escaped.
struct Escaping<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Escaping<W> {
    type Writer = EscapingWriter<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter(self.0.make_writer())
    }
}

struct EscapingWriter<W>(W);

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let mut escaped = String::with_capacity(line.len());
        for c in text.trim_end_matches('\n').chars() {
            if harmless(c.encode_utf8(&mut [0; 4])) == c.to_string() {
                escaped.push(c);
            } else {
                escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
        }
        escaped.push('\n');
        self.0.write_all(escaped.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of events with hostile text in every place.
    fn written(filter: &str, format: Format) -> String {
        let paper = Paper::default();
        let on = paper.clone();
        let hostile = "x\n<3>ERROR forged\r\u{1b}[31m\u{2028}y\u{85}z\u{202e}";
        tracing::subscriber::with_default(subscriber(filter.parse().unwrap(), format, move || on.clone()), || {
            tracing::warn!(error = %hostile, said = hostile, "It said: {hostile}");
            tracing::info!(count = 1, "Об’єкт є ї ґ");
            tracing::error!(target: "hyper::client", "Authorization: secret");
        });
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn d43_an_event_is_a_line_whatever_is_in_it() {
        for format in [Format::Text { colours: false }, Format::Json, Format::Journal] {
            let text = written("trace", format);
            let ends = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}');
            assert_eq!(text.chars().filter(|c| ends(*c)).collect::<String>(), "\n\n", "{format:?}: {text}");
            assert!(text.contains("Об’єкт є ї ґ"), "{text}");
        }
        let text = written("info", Format::Text { colours: true });
        assert!(!text.contains("\u{1b}[31m") && text.lines().count() == 2, "{text:?}");
    }

    #[test]
    fn the_journal_is_told_priorities_and_no_time() {
        let text = written("info", Format::Journal);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("<4>It said: x <3>ERROR forged"), "{text}");
        assert_eq!(lines[1], "<6>Об’єкт є ї ґ count=1");
    }

    /// What text lines say after the time and the level.
    fn said(colours: bool, say: impl FnOnce()) -> String {
        let paper = Paper::default();
        let on = paper.clone();
        tracing::subscriber::with_default(subscriber("info".parse().unwrap(), Format::Text { colours }, move || on.clone()), say);
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        text.split_once("INFO").unwrap().1.trim().to_owned()
    }

    #[test]
    fn fields_of_text_can_be_told_apart() {
        let text = said(false, || {
            let (error, words) = ("the answer was \"500\": a=b\n\\o/", vec![1, 2]);
            tracing::info!(sink = %"partner", %error, why = "gone", said = "a b", empty = "", equals = %"a=b", path = %"C:\\x", n = 5, ?words, "It failed.");
        });
        let expected = r#"It failed. sink=partner error="the answer was \"500\": a=b \\o/" why=gone said="a b" empty="" equals="a=b" path=C:\x n=5 words="[1, 2]""#;
        assert_eq!(text, expected);
        let text = said(true, || tracing::info!(said = "a \u{1b}[31mb", "It failed."));
        assert!(text.ends_with("\u{1b}[3msaid\u{1b}[0m\u{1b}[2m=\u{1b}[0m\"a  [31mb\""), "{text:?}");
    }

    #[test]
    fn json_stays_json() {
        let text = written("info", Format::Json);
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(first["level"], "WARN");
        assert!(first["fields"]["error"].as_str().unwrap().contains("\u{2028}y\u{85}z\u{202e}"), "{first}");
    }

    #[test]
    fn d44_libraries_are_not_heard_even_when_asked_for() {
        for filter in ["trace", "hyper=trace,info", "hyper::client=trace"] {
            assert!(!written(filter, Format::Text { colours: false }).contains("secret"), "{filter}");
        }
    }
}
