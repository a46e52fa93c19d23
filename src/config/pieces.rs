//! A large file, read a few tables at a time: the parser takes ten times the memory of what it is given, and what it lets go of the process
//! keeps.
//!
//! A table of a feed begins with a line of its own, `[feeds.NAME]`, and nothing else in TOML is such a line, but for one inside of a text of
//! several lines: a file with such a text is read whole. So is one with any fault, for only there its lines have their numbers.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Files below this are read whole, in bytes.
const LARGE: u64 = 128 << 10;

/// Tables of feeds are read together until they have so many bytes.
const PIECE: usize = 16 << 10;

/// What stands in a file beside its tables of feeds; `None` when the file is to be read whole.
pub(super) fn head(path: &Path) -> Option<String> {
    let mut head = String::new();
    let gather = |line: Line<'_>| {
        if !line.of_feed {
            head.push_str(line.text);
        }
        !["\"\"\"", "'''"].iter().any(|quotes| line.text.contains(quotes))
    };
    let large = std::fs::metadata(path).ok()?.len() >= LARGE;
    (large && each_line(path, gather).ok()?).then_some(head)
}

/// Shows the tables of feeds of a file, a few at a time, until `take` returns false.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn each(path: &Path, mut take: impl FnMut(&str) -> bool) -> io::Result<bool> {
    let mut piece = String::with_capacity(PIECE * 2);
    let gathered = each_line(path, |line| {
        if line.begins_feed && piece.len() >= PIECE {
            let more = take(&piece);
            piece.clear();
            if !more {
                return false;
            }
        }
        if line.of_feed {
            piece.push_str(line.text);
        }
        true
    })?;
    Ok(gathered && take(&piece))
}

/// A line with its end.
struct Line<'t> {
    text: &'t str,
    /// Whether it belongs to a table of a feed.
    of_feed: bool,
    /// Whether it begins the table of another feed than those before it.
    begins_feed: bool,
}

/// Shows every line, until `look` returns false.
fn each_line(path: &Path, mut look: impl FnMut(Line<'_>) -> bool) -> io::Result<bool> {
    let (mut lines, mut text, mut of_feed) = (BufReader::new(File::open(path)?), String::new(), false);
    while lines.read_line(&mut text)? > 0 {
        let header = text.trim_start().strip_prefix('[');
        let feed = header.and_then(|header| header.strip_prefix("feeds."));
        of_feed = if header.is_some() { feed.is_some() } else { of_feed };
        // What is below a feed may stand anywhere, but most often behind it: `[feeds.NAME.auth]`.
        let begins_feed = feed.and_then(|name| name.split_once(']')).is_some_and(|(name, _)| !name.contains(['.', '"', '\'']));
        if !look(Line { text: &text, of_feed, begins_feed }) {
            return Ok(false);
        }
        text.clear();
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    /// What is made of a configuration, or what is wrong with it.
    fn outcome(text: &str) -> (Option<String>, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.toml");
        std::fs::write(&path, format!("state_dir = \"/s\"\n{text}")).unwrap();
        let made = load(&path, &|name| Some(name.into()));
        let head = head(&path).map(|head| head.replace(&*dir.path().to_string_lossy(), ""));
        (head, format!("{made:?}").replace(&*dir.path().to_string_lossy(), ""))
    }

    fn feeds(range: std::ops::Range<usize>) -> String {
        let feed = |n: usize| match n % 5 {
            0 => format!("  [feeds.f{n}] # one\nurl = \"https://a.ua/{n}\"\n[feeds.f{n}.auth]\nbearer = {{ env = \"T{n}\" }}\n"),
            1 => format!("[feeds.\"f.{n}\"]\nurl = 'https://a.ua/{n}'\ntags = [\n  \"a]\",\n  \"[feeds.b\",\n]\n"),
            _ => format!("\n[feeds.f{n}]\r\nurl = \"https://a.ua/{n}\"\r\ninterval = \"{n}m\"\n"),
        };
        range.map(feed).collect()
    }

    const MANY: usize = 3000;

    #[test]
    fn a_file_in_pieces_means_what_it_means_whole() {
        let before = "[sinks.out.stdout]\n";
        let after = "[sinks.hook]\nfilter = { feeds = [\"f*\"] }\n[sinks.hook.webhook]\nurl = \"https://a.ua/\"\n";
        let last = "[polling]\nmin_interval = \"1m\"\nmean_interval = \"1h\"\n";
        let text = [before, &feeds(10..MANY), after, &feeds(MANY..2 * MANY), last].concat();
        let (in_pieces, whole) = (outcome(&text), outcome(&(text.clone() + "# '''")));
        assert_eq!(in_pieces.0, Some(format!("state_dir = \"/s\"\n{before}{after}{last}")));
        assert_eq!(whole.0, None);
        assert_eq!(in_pieces.1, whole.1);
        assert!(whole.1.starts_with("Ok(") && whole.1.contains("https://a.ua/5999"), "{:.400}", whole.1);
    }

    /// With line and caret, and all at once.
    #[test]
    fn what_is_wrong_is_told_as_of_the_whole_file() {
        let all = format!("[sinks.out.stdout]\n{}", feeds(10..MANY));
        let one = "[feeds.f12]\nurl = \"https://b.ua/\"\n";
        for (before, after) in [
            ("", one),
            ("", "[feeds.x]\ntags = []\n[feeds.y]\nurl = \"ftp://x\"\n"),
            ("", "[feeds.x]\nurl = \"https://a.ua/\"\nurls = 1\n"),
            ("", "[feeds.x\nurl = 1\n"),
            ("", "[[feeds.x]]\nurl = \"https://a.ua/\"\n"),
            ("", "[feeds.f12.auth]\nbearer = { env = \"T\" }\n[feeds.x]\nurl = \"x\"\ninterval = \"1s\"\n"),
            ("feeds = { z = { url = \"https://a.ua/\" } }\n", one),
            ("feeds = { z = { url = \"https://a.ua/\" } }\n", ""),
            ("", "[polling]\nnothing = 1\n"),
            ("", "[sinks.out.stdout]\n"),
        ] {
            let text = [before, &all, after].concat();
            let (in_pieces, whole) = (outcome(&text), outcome(&(text.clone() + "# '''")));
            assert!(in_pieces.0.is_some() && whole.0.is_none(), "{before}{after}");
            assert_eq!(in_pieces.1, whole.1.replace("# '''", ""), "{before}{after}");
            assert!(whole.1.starts_with("Err("), "{before}{after}: {:.400}", whole.1);
        }
    }

    /// What belongs to a feed may stand far from it.
    #[test]
    fn a_part_of_a_feed_elsewhere_belongs_to_it() {
        let (early, late) = ("[feeds.f5013.auth]\nbearer = { env = \"A\" }\n", "[feeds.f11.auth]\nbearer = { env = \"B\" }\n");
        let text = [
            "[sinks.out.stdout]\n",
            early,
            &feeds(12..2 * MANY),
            "[feeds.f11]\nurl = \"https://a.ua/\"\n",
            &feeds(2 * MANY..2 * MANY + 1),
            late,
        ]
        .concat();
        let (in_pieces, whole) = (outcome(&text), outcome(&(text.clone() + "# '''")));
        assert_eq!(in_pieces.1, whole.1);
        assert!(whole.1.starts_with("Ok("), "{:.400}", whole.1);
    }

    #[test]
    fn pieces_are_small_and_together_they_are_all() {
        let (dir, text) = (tempfile::tempdir().unwrap(), feeds(10..MANY));
        let path = dir.path().join("f.toml");
        std::fs::write(&path, &text).unwrap();
        let mut pieces = vec![];
        assert!(
            each(&path, |piece| {
                pieces.push(piece.to_owned());
                true
            })
            .unwrap()
        );
        assert!(pieces.iter().all(|piece| piece.len() < PIECE + 1024) && pieces.len() > 5, "{}", pieces.len());
        assert_eq!(pieces.concat(), text);
        let mut taken = 0;
        assert!(
            !each(&path, |_| {
                taken += 1;
                taken < 2
            })
            .unwrap()
        );
        assert_eq!(taken, 2);
        std::fs::write(&path, "[feeds.a]\nurl = \"https://a.ua/\"\n").unwrap();
        assert_eq!(head(&path), None);
    }
}
