//! `feedwire tail`: the daemon itself, with a configuration made from the command line and a state directory that is gone afterwards.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use url::Url;

use super::{Failure, TailArgs, network, run};
use crate::config::{self, Config, ConfigError};
use crate::sink::{Target, stdout};

/// Prints new entries until stopped, or until nobody reads them.
///
/// # Errors
/// 64 for an argument that cannot be meant, 1 for the rest.
pub async fn run(args: &TailArgs) -> Result<(), Failure> {
    let dir = tempfile::tempdir().map_err(|e| Failure::runtime(format!("cannot make a temporary directory: {e}")))?;
    let config = configuration(args, dir.path())?;
    let again = config.clone();
    // `feedwire tail … | head` is no failure.
    run::serve(config, Box::new(move || Ok(again.clone()))).await.map(drop)
}

/// The configuration that somebody would have written for this.
fn configuration(args: &TailArgs, dir: &Path) -> Result<Config, Failure> {
    for net in &args.allow_private {
        network(net)?;
    }
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let private: Vec<_> = args.allow_private.iter().map(|net| quoted(net)).collect();
    let mut toml = format!(
        "state_dir = {}\n[polling]\nmin_interval = \"1s\"\nallow_private = [{}]\n[sinks.terminal.stdout]\n",
        quoted(&dir.display().to_string()),
        private.join(", ")
    );
    let mut names = BTreeSet::new();
    for url in &args.urls {
        let name = name(url, &names);
        let (quoted_name, quoted_url) = (quoted(&name), quoted(url));
        toml += &format!("[feeds.{quoted_name}]\nurl = {quoted_url}\ninterval = \"{}\"\nbacklog = {}\n", args.interval, args.backlog);
        names.insert(name);
    }
    let file = dir.join("tail.toml");
    std::fs::write(&file, toml).map_err(|e| Failure::runtime(format!("cannot write {}: {e}", file.display())))?;
    let load = || -> Result<Config, ConfigError> { config::load(&file, &|_| None) };
    let mut config = load().map_err(|e| Failure::new(64, e.to_string()))?;
    if std::io::stdout().is_terminal() && !args.json {
        let readable = |mut sink: crate::sink::Options| {
            sink.target = Target::Stdout(stdout::Options { readable: true, ..Default::default() });
            sink
        };
        config.sinks = Arc::new(config.sinks.iter().cloned().map(readable).collect());
    }
    Ok(config)
}

/// The host, and a number if there are more feeds of it.
fn name(url: &str, taken: &BTreeSet<String>) -> String {
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host: String =
        host.unwrap_or_else(|| "feed".into()).chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
    let host = host.get(..host.len().min(50)).unwrap_or("feed").to_owned();
    let numbered = (2..).map(|n| format!("{host}-{n}"));
    std::iter::once(host.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(host)
}
