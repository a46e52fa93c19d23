//! From what is written to what is meant. Complaints are collected: the operator reads all of them at once.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::Glob;
use serde::de::DeserializeOwned;

use super::feeds::settings;
use super::limits::{self, LONGEST_NAME};
use super::value::{Spanned, web_url};
use super::{Config, ConfigError, Env, Problem, opml, pieces, written};
use crate::domain::feed::{FeedId, Pace};
use crate::fetch::{self, Subscription};
use crate::sink::{self, Target};

type Feeds = BTreeMap<Spanned<String>, written::Feed>;
type Sinks = BTreeMap<Spanned<String>, written::Sink>;

/// A configuration being read.
pub(super) struct Reading<'a> {
    pub(super) env: Env<'a>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    /// With the file that each is from, in the order in which they were read; and their places, by name.
    feeds: Vec<(Arc<Path>, Subscription)>,
    places: BTreeMap<FeedId, usize>,
    sinks: BTreeMap<String, (PathBuf, sink::Options)>,
    /// Globs and tags that filters name, with where, to be looked for among the feeds at the end.
    pub(super) wanted: Vec<(String, Wanted)>,
    pub(super) pace: Pace,
    /// Shared by all feeds that need nothing special, and by those with the same tags.
    pub(super) usual: Arc<fetch::Options>,
    pub(super) tags: HashMap<Vec<String>, Arc<[String]>>,
    /// Whether only names, URLs and tags of feeds are wanted.
    plain: bool,
    /// The keys of what else is set for feeds, by name, if only those are wanted.
    pub(super) settings: BTreeMap<String, Vec<&'static str>>,
    /// How large files are read, and those that were not read whole.
    manner: Manner,
    cut: Vec<PathBuf>,
}

/// How large files are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    InPieces,
    Whole,
}

/// What a filter asks of feeds.
pub(super) enum Wanted {
    /// That one has this tag.
    Tag(String),
    /// That the name of one is like this.
    Feeds(Glob),
}

/// A file while it is read.
pub(super) struct File<'t> {
    pub(super) path: &'t Path,
    pub(super) text: &'t str,
}

impl File<'_> {
    pub(super) fn at(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::at(self.path, self.text, span, message)
    }

    pub(super) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new(""))
    }
}

impl<'a> Reading<'a> {
    fn new(env: Env<'a>, manner: Manner) -> Self {
        let (min, mean, max) = (limits::MIN_INTERVAL.default, limits::MEAN_INTERVAL.default, limits::MAX_INTERVAL.default);
        let pace = Pace { fixed: None, min, mean, max };
        let (usual, tags) = (Arc::default(), HashMap::new());
        let (feeds, places, sinks, settings) = (vec![], BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (problems, warnings, wanted) = (vec![], vec![], vec![]);
        Self { env, problems, warnings, feeds, places, sinks, wanted, pace, usual, tags, plain: false, settings, manner, cut: vec![] }
    }

    /// What `read` makes of files in which nothing is wrong.
    ///
    /// # Errors
    /// All that is wrong.
    pub(super) fn good<T>(env: Env<'a>, read: impl Fn(&mut Self) -> Option<T>) -> Result<T, ConfigError> {
        let attempt = |manner| {
            let mut reading = Self::new(env, manner);
            let read = read(&mut reading).filter(|_| reading.problems.is_empty());
            read.ok_or((!reading.cut.is_empty(), reading.problems))
        };
        match attempt(Manner::InPieces) {
            Err((true, _)) => attempt(Manner::Whole),
            other => other,
        }
        .map_err(|(_, problems)| ConfigError(problems))
    }

    /// The main file and all it names; `None` when it could not be read at all.
    pub(super) fn main(&mut self, path: &Path) -> Option<Config> {
        let text = self.text(path)?;
        let file = File { path, text: &text };
        let w: written::Written = self.parse(&file)?;
        self.pace(&file, &w.polling);
        let (polling, fetch) = self.polling(&file, &w.polling);
        self.all(&file, w.feeds, w.sinks, (&w.include, &w.opml));
        let instance = w.instance.as_ref().map_or_else(|| "main".to_owned(), |i| i.get_ref().clone());
        if let Some(written) = &w.instance {
            self.check_name(&file, written, "instance");
        }
        let (admin, retention) = self.admin(&file, w.admin.as_ref());
        let hosts = self.hosts(&file, w.admin.as_ref());
        let state_dir = self.state_dir(w.state_dir);
        let backups = self.number(&file, w.backups.as_ref(), &limits::BACKUPS);
        let mut feeds: Vec<_> = self.by_name().into_iter().map(|(_, feed)| feed).collect();
        feeds.shrink_to_fit();
        let sinks: Vec<_> = std::mem::take(&mut self.sinks).into_values().map(|(_, sink)| sink).collect();
        self.whole(&feeds, &sinks);
        Some(Config {
            instance,
            state_dir: state_dir?,
            backups,
            polling,
            fetch,
            feeds: Arc::new(feeds),
            sinks: Arc::new(sinks),
            admin,
            hosts,
            retention,
            warnings: vec![],
        })
    }

    /// Nothing but the feeds of the main file and all it names, by name, with the file that each is from: no secret is looked for.
    pub(super) fn names(&mut self, path: &Path) -> Option<Vec<(Arc<Path>, Subscription)>> {
        let text = self.text(path)?;
        let file = File { path, text: &text };
        let w: written::Written = self.parse(&file)?;
        self.plain = true;
        self.all(&file, w.feeds, w.sinks, (&w.include, &w.opml));
        Some(self.by_name())
    }

    /// The feeds and sinks of the main file and all it names.
    fn all(&mut self, file: &File<'_>, feeds: Feeds, sinks: Sinks, (include, opml): (&[Spanned<String>], &[Spanned<PathBuf>])) {
        self.whole_of(file, feeds, sinks);
        for pattern in include {
            self.include(file, pattern);
        }
        for outlines in opml {
            self.opml(file, outlines);
        }
    }

    /// What is in a file; of a large one, what is in it beside feeds, which [`Reading::whole_of`] reads.
    fn text(&mut self, path: &Path) -> Option<String> {
        if self.manner == Manner::InPieces
            && let Some(head) = pieces::head(path)
        {
            self.cut.push(path.to_owned());
            return Some(head);
        }
        match fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(e) => {
                self.problems.push(Problem::general(format!("cannot read {}: {e}", path.display())));
                None
            }
        }
    }

    fn parse<T: DeserializeOwned>(&mut self, file: &File<'_>) -> Option<T> {
        match toml::from_str(file.text) {
            Ok(written) => Some(written),
            Err(e) => {
                self.problems.push(file.at(e.span().unwrap_or(0..0), e.message()));
                None
            }
        }
    }

    fn include(&mut self, file: &File<'_>, pattern: &Spanned<String>) {
        let found = match matching(file.dir(), pattern.get_ref()) {
            Ok(found) => found,
            Err(e) => return self.problems.push(file.at(pattern.span(), e)),
        };
        for path in found {
            let Some(text) = self.text(&path) else { continue };
            let file = File { path: &path, text: &text };
            if let Some(w) = self.parse::<written::Included>(&file) {
                self.whole_of(&file, w.feeds, w.sinks);
            }
        }
    }

    /// The feeds and sinks of a file, of which [`Reading::text`] may not have been the whole.
    fn whole_of(&mut self, file: &File<'_>, feeds: Feeds, sinks: Sinks) {
        let elsewhere = !feeds.is_empty();
        self.take(file, feeds, sinks);
        if self.cut.last().is_none_or(|path| path != file.path) {
            return;
        }
        if elsewhere {
            // Whether they may stand in two places, the parser says that sees both.
            return self.problems.push(Problem::general(format!("{} has to be read whole", file.path.display())));
        }
        let read = pieces::each(file.path, |text| {
            let file = File { path: file.path, text };
            if let Some(w) = self.parse::<written::Included>(&file) {
                self.take(&file, w.feeds, w.sinks);
            }
            self.problems.is_empty()
        });
        if let Err(e) = read {
            self.problems.push(Problem::general(format!("cannot read {}: {e}", file.path.display())));
        }
    }

    fn opml(&mut self, file: &File<'_>, outlines: &Spanned<PathBuf>) {
        let path = file.dir().join(outlines.get_ref());
        let place: Arc<Path> = path.as_path().into();
        let read = fs::read(&path).map_err(|e| e.to_string()).and_then(|bytes| opml::whole(&bytes));
        let read = match read {
            Ok(read) => read,
            Err(e) => return self.problems.push(file.at(outlines.span(), format!("cannot read {}: {e}", path.display()))),
        };
        for why in read.left_out {
            self.warnings.push(format!("{}: an outline is left out: {why}", path.display()));
        }
        for outline in opml::joined(read.feeds, |outline| outline.url.clone()).0 {
            let url = match web_url(&outline.url) {
                Ok(url) if url.username().is_empty() && url.password().is_none() => url,
                Ok(_) => {
                    self.warnings.push(format!("{}: an outline with a password in its xmlUrl is left out", path.display()));
                    continue;
                }
                Err(e) => {
                    self.warnings.push(format!("{}: the outline {:?} is left out: {e}", path.display(), outline.url));
                    continue;
                }
            };
            let name = opml::name(&url);
            let feed = self.plain_feed(&name, &url, outline.tags);
            // What a file says of a feed counts more than an outline of the same name.
            drop(self.add(&place, feed));
        }
    }

    /// Takes in a feed, unless there is one of its name: then the file that has it.
    fn add(&mut self, file: &Arc<Path>, feed: Subscription) -> Option<Arc<Path>> {
        let place = *self.places.entry(feed.feed.id.clone()).or_insert(self.feeds.len());
        let known = self.feeds.get(place).map(|(file, _)| file.clone());
        if known.is_none() {
            self.feeds.push((file.clone(), feed));
        }
        known
    }

    fn by_name(&mut self) -> Vec<(Arc<Path>, Subscription)> {
        let mut feeds = std::mem::take(&mut self.feeds);
        feeds.sort_unstable_by(|(_, a), (_, b)| a.feed.id.cmp(&b.feed.id));
        feeds
    }

    /// The feeds and sinks of one file.
    fn take(&mut self, file: &File<'_>, feeds: Feeds, sinks: Sinks) {
        let place: Arc<Path> = file.path.into();
        for (name, feed) in feeds {
            self.check_name(file, &name, "feed");
            let meant = if self.plain {
                self.settings.insert(name.get_ref().clone(), settings(&feed));
                self.plain_feed(name.get_ref(), &feed.url.get_ref().0, feed.tags)
            } else {
                self.feed(file, &name, feed)
            };
            if let Some(other) = self.add(&place, meant) {
                self.problems.push(file.at(name.span(), format!("the feed {} is already defined in {}", name.get_ref(), other.display())));
            }
        }
        let plain = self.plain;
        for (name, sink) in sinks.into_iter().filter(|_| !plain) {
            self.check_name(file, &name, "sink");
            let Some(meant) = self.sink(file, &name, sink) else { continue };
            if let Some((other, _)) = self.sinks.insert(name.get_ref().clone(), (file.path.to_owned(), meant)) {
                self.problems.push(file.at(name.span(), format!("the sink {} is already defined in {}", name.get_ref(), other.display())));
            }
        }
    }

    fn check_name(&mut self, file: &File<'_>, name: &Spanned<String>, what: &str) {
        if !is_name(name.get_ref()) {
            let message = format!("the name of a {what} has 1 to {LONGEST_NAME} characters of A-Z, a-z, 0-9, '.', '_' and '-'");
            self.problems.push(file.at(name.span(), message));
        }
    }

    fn state_dir(&mut self, written: Option<PathBuf>) -> Option<PathBuf> {
        let env = |name: &str| (self.env)(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let found = written
            .or_else(|| env("STATE_DIRECTORY"))
            .or_else(|| env("XDG_STATE_HOME").map(|dir| dir.join("feedwire")))
            .or_else(|| env("HOME").map(|dir| dir.join(".local/state/feedwire")));
        if found.is_none() {
            self.problems
                .push(Problem::general("there is no place for the state: set state_dir (neither $STATE_DIRECTORY nor $HOME is set)"));
        }
        found
    }

    /// What can only be said of all files together.
    fn whole(&mut self, feeds: &[Subscription], sinks: &[sink::Options]) {
        if feeds.is_empty() {
            self.problems.push(Problem::general(
                "there is no feed; add one, for example:\n\n[feeds.rust-blog]\nurl = \"https://blog.rust-lang.org/feed.xml\"",
            ));
        }
        if sinks.is_empty() {
            self.problems.push(Problem::general("there is no sink; add one, for example:\n\n[sinks.terminal.stdout]"));
        }
        if sinks.iter().filter(|s| matches!(s.target, Target::Stdout(_))).count() > 1 {
            self.problems.push(Problem::general("there is one standard output, but more than one stdout sink"));
        }
        let mut paths = HashMap::new();
        for sink in sinks {
            let Target::File(options) = &sink.target else { continue };
            if let Some(other) = paths.insert(&options.path, &sink.id) {
                let message = format!("the sinks {other} and {} write to the same file; give each its own", sink.id);
                self.problems.push(Problem::general(message));
            }
        }
        // Of small nodes, not one large block: see [`pieces`] for what the process keeps.
        let mut urls = BTreeMap::new();
        for Subscription { feed, .. } in feeds {
            if let Some(other) = urls.insert(&feed.url, &feed.id) {
                self.warnings.push(format!("the feeds {other} and {} have the same URL; it is polled twice", feed.id));
            }
        }
        for (sink, wanted) in std::mem::take(&mut self.wanted) {
            let (found, what) = match &wanted {
                Wanted::Tag(tag) => (feeds.iter().any(|s| s.feed.tags.contains(tag)), format!("the tag {tag:?}")),
                Wanted::Feeds(glob) => {
                    let matcher = glob.compile_matcher();
                    (feeds.iter().any(|s| matcher.is_match(&*s.feed.id.0)), format!("a name like {:?}", glob.glob()))
                }
            };
            if !found {
                self.warnings.push(format!("the filter of the sink {sink} asks for {what}, which no feed has"));
            }
        }
    }
}

/// Whether it can be the name of a feed or sink.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(allowed)
}

/// The files that a pattern names, relative to `dir`, sorted. Only the last part may have wildcards; a plain name must exist.
fn matching(dir: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let path = dir.join(pattern);
    let (folder, name) = (path.parent().unwrap_or(dir), path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    if !name.contains(['*', '?', '[', '{']) {
        return if path.exists() { Ok(vec![path]) } else { Err(format!("there is no file {}", path.display())) };
    }
    let glob = Glob::new(&name).map_err(|e| format!("not a pattern of file names: {}", e.kind()))?.compile_matcher();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(format!("cannot read {}: {e}", folder.display())),
    };
    let mut found: Vec<_> = entries.flatten().map(|e| e.path()).filter(|p| p.file_name().is_some_and(|n| glob.is_match(n))).collect();
    found.sort();
    Ok(found)
}
