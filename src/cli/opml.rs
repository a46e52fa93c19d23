//! `feedwire opml`: subscriptions in and out.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::tables::part;
use super::{Failure, ImportArgs, ctl, print};
use crate::config::opml::{self, Import};
use crate::config::{self, Configured, Env};
use crate::log::counted;
use crate::parse;

/// How long the daemon may take to say what its feeds are called.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many names are told on one line; the rest is counted.
const NAMES: usize = 8;

/// Prints the feeds of a file as a part of a configuration, or writes them into a file; says on `err` what the operator should know.
///
/// # Errors
/// 65 when the input is no OPML or has no feed, 78 when the configuration that was named cannot be read, 64 when the output exists.
pub fn import(
    args: &ImportArgs,
    named: Option<&Path>,
    input: &[u8],
    env: Env<'_>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    let read = parse::opml::read(input).map_err(|e| Failure::new(65, format!("{} is no OPML: {e}", args.file.display())))?;
    if read.feeds.is_empty() {
        let why: String = read.damage.iter().chain(&read.left_out).map(|line| format!("\n{line}")).collect();
        return Err(Failure::new(65, format!("{} has no feed: no outline has an xmlUrl that could be polled{why}", args.file.display())));
    }
    let output = args.output.as_deref();
    if let Some(path) = output.filter(|path| !args.force && path.exists()) {
        return Err(exists(path));
    }
    // Nobody has to have a configuration yet.
    let main = config::find(named, env).ok();
    let (mut configured, mut unknown) = (vec![], None);
    match main.as_deref().map(|path| config::feeds(path, env)) {
        Some(Ok(feeds)) => configured = feeds,
        Some(Err(e)) if named.is_some() => return Err(Failure::new(78, e.to_string())),
        Some(Err(e)) => unknown = Some(format!("what is configured already is not known: {e}")),
        None => {}
    }
    // A file that is written anew is no reason to leave out what it had before.
    let is_output = |feed: &Configured| output.is_some_and(|path| same(path, &feed.file));
    let known: Vec<_> = configured.into_iter().filter(|feed| !is_output(feed)).collect();
    let Import { feeds, said } = opml::import(read, &known);
    let mut say = |line: &str| writeln!(err, "feedwire: {line}").unwrap_or_default();
    unknown.iter().chain(&said).for_each(|line| say(line));
    let text = opml::toml(&feeds);
    match output {
        _ if feeds.is_empty() => say("there is nothing to add"),
        None => {
            say(&format!("{} to add", counted(feeds.len(), "feed")));
            print(out, text.as_bytes())?;
        }
        Some(path) => {
            write(path, &text, args.force)?;
            say(&format!("wrote {} to {}", counted(feeds.len(), "feed"), path.display()));
            if let Some(main) = main
                && config::feeds(&main, env).is_ok_and(|feeds| !feeds.iter().any(|feed| same(path, &feed.file)))
            {
                say(&format!("{} does not read {} yet: name it in its `include`", main.display(), path.display()));
            }
        }
    }
    Ok(())
}

/// Prints all configured feeds as OPML, with what the daemon knows of them if it runs; says on `err` what that cannot carry.
///
/// # Errors
/// 78 when the configuration cannot be read.
pub async fn export(named: Option<&Path>, env: Env<'_>, out: &mut impl Write, err: &mut impl Write) -> Result<(), Failure> {
    let mut feeds = config::find(named, env).and_then(|path| config::feeds(&path, env)).map_err(|e| Failure::new(78, e.to_string()))?;
    let told = ctl::feeds(named, env, PATIENCE).await;
    // One daemon may answer for the configuration of another: what has the same name is the same feed only if it is in the same place.
    let said = |line: &Value, key| part(line, key).as_str().map(str::to_owned);
    let mut told: HashMap<_, _> = told.iter().map(|line| ((said(line, "id"), said(line, "url")), line)).collect();
    for feed in &mut feeds {
        if let Some(line) = told.remove(&(Some(feed.name.clone()), Some(feed.url.clone()))) {
            (feed.title, feed.site_url) = (said(line, "title"), said(line, "site_url"));
        }
    }
    if let Some(line) = unsaid(&feeds) {
        writeln!(err, "feedwire: {line}").unwrap_or_default();
    }
    print(out, opml::write(&feeds).as_bytes())
}

/// Which feeds have settings that other readers are not told of.
fn unsaid(feeds: &[Configured]) -> Option<String> {
    let set: Vec<_> = feeds.iter().filter(|feed| !feed.settings.is_empty()).collect();
    let shown: Vec<_> = set.iter().take(NAMES).map(|feed| format!("{} ({})", feed.name, feed.settings.join(", "))).collect();
    let more = set.len().saturating_sub(NAMES);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!set.is_empty()).then(|| format!("OPML has no place for the settings of {}: {}{more}", counted(set.len(), "feed"), shown.join(", ")))
}

fn exists(path: &Path) -> Failure {
    Failure::new(64, format!("{} exists already; name another file, or overwrite it with --force", path.display()))
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// Writes a whole file or none, readable for the service.
fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::runtime(format!("cannot write {}: {e}", path.display()));
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    // feeds.d, which nobody has made yet.
    if !directory.exists() {
        fs::create_dir(&directory).map_err(failed)?;
    }
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(everybody).tempfile_in(&directory).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    let written = if force { file.persist(path) } else { file.persist_noclobber(path) };
    match written {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
        Err(e) => Err(failed(e.error)),
    }
}
