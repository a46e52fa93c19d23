//! The configuration: what is written in the files, and what is meant.

mod changes;
mod feeds;
mod latin;
mod limits;
mod lines;
pub mod opml;
mod pieces;
mod polling;
mod problem;
mod reading;
#[cfg(test)]
mod schema;
mod secrets;
mod sinks;
mod templates;
mod tls;
mod value;
mod webhooks;
mod written;
mod written_lines;
mod written_sinks;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::fetch::{self, Subscription};
use crate::sink;
pub use changes::changes;
pub use problem::Problem;

/// How an environment variable is looked up; passed in, so that a test needs no environment.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What is meant: every name resolves, every number is in its range, every secret was found.
#[derive(Clone, Debug)]
pub struct Config {
    /// Part of every event id.
    pub instance: String,
    /// Where the state is kept.
    pub state_dir: PathBuf,
    /// How many daily backups are kept; 0 is none.
    pub backups: usize,
    /// Limits of the inbound loop.
    pub polling: Polling,
    /// What holds for every request.
    pub fetch: fetch::Settings,
    /// In the order of their names.
    pub feeds: Arc<Vec<Subscription>>,
    /// In the order of their names.
    pub sinks: Arc<Vec<sink::Options>>,
    /// Where status is served; `None` is nowhere.
    pub admin: Option<SocketAddr>,
    /// Names by which it may be asked there, besides its address and localhost; in lower case.
    pub hosts: Arc<[String]>,
    /// How long delivered events are kept.
    pub retention: Duration,
    /// What is allowed but probably not wanted.
    pub warnings: Vec<String>,
}

/// Limits of the inbound loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    /// Requests at once, all hosts.
    pub max_in_flight: usize,
    /// Requests at once to one host.
    pub per_host: usize,
    /// Between two starts at one host.
    pub host_gap: Duration,
    /// Entries of one document that are read.
    pub max_entries: usize,
}

/// All that is wrong with a configuration. Exit code 78.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<Problem>);

impl ConfigError {
    /// The complaints, in the order of the files.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a problem:")?,
            n => write!(f, "the configuration has {n} problems:")?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n\n{problem}"))
    }
}

impl std::error::Error for ConfigError {}

/// Finds the file: the one named, else `$FEEDWIRE_CONFIG`, else the first that exists of `$CONFIGURATION_DIRECTORY/feedwire.toml`,
/// `./config/feedwire.toml` and `/etc/feedwire/feedwire.toml`.
///
/// # Errors
/// When there is none; says where it was looked for.
pub fn find(named: Option<&Path>, env: Env<'_>) -> Result<PathBuf, ConfigError> {
    if let Some(path) = named.map(Path::to_owned).or_else(|| env("FEEDWIRE_CONFIG").map(PathBuf::from)) {
        return Ok(path);
    }
    let managed = env("CONFIGURATION_DIRECTORY").map(|dir| Path::new(&dir).join("feedwire.toml"));
    let usual = ["config/feedwire.toml", "/etc/feedwire/feedwire.toml"].map(PathBuf::from);
    let places: Vec<_> = managed.into_iter().chain(usual).collect();
    places.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
        let tried: Vec<_> = places.iter().map(|path| path.display().to_string()).collect();
        let message = format!("there is no configuration at {}; name one with --config or $FEEDWIRE_CONFIG", tried.join(" or "));
        ConfigError(vec![Problem::general(message)])
    })
}

/// Reads a file and what it includes.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(path: &Path, env: Env<'_>) -> Result<Config, ConfigError> {
    reading::Reading::good(env, |reading| {
        reading.main(path).map(|config| Config { warnings: std::mem::take(&mut reading.warnings), ..config })
    })
}

/// A feed, as far as other readers would know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The file that it is from.
    pub file: PathBuf,
    /// What it calls itself; a configuration does not know it.
    pub title: Option<String>,
    /// The page that it is of, as it says; nor this.
    pub site_url: Option<String>,
    /// The keys of what else is set for it.
    pub settings: Vec<&'static str>,
}

/// The feeds of a file and what it includes. It does not matter whether their secrets can be had, or what is wrong with the sinks.
///
/// # Errors
/// When a file cannot be read, or has no feeds that could be told.
pub fn feeds(path: &Path, env: Env<'_>) -> Result<Vec<Configured>, ConfigError> {
    let (feeds, mut settings) = reading::Reading::good(env, |reading| {
        let feeds = reading.names(path)?;
        Some((feeds, std::mem::take(&mut reading.settings)))
    })?;
    let configured = |(file, Subscription { feed, .. }): (Arc<Path>, Subscription)| Configured {
        settings: settings.remove(&*feed.id.0).unwrap_or_default(),
        name: feed.id.to_string(),
        url: feed.url,
        tags: feed.tags.to_vec(),
        file: file.to_path_buf(),
        title: None,
        site_url: None,
    };
    Ok(feeds.into_iter().map(configured).collect())
}

#[cfg(test)]
mod tests;
