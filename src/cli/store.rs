//! `feedwire store`: the state, while the daemon is down.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Failure, StoreArgs, StoreCommand};
use crate::clock;
use crate::config::{self, Env};
use crate::log::{self, counted};
use crate::store::{self, Rebuilt, Restored, Stats, StoreError};

/// Does what is asked with the state of a configuration.
///
/// # Errors
/// 75 while the daemon runs, 65 for a backup that is damaged, 78 for the configuration, 1 for the rest and for what `check` finds.
pub fn run(args: &StoreArgs, path: &Path, env: Env<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let config = config::load(path, env).map_err(|e| Failure::new(78, e.to_string()))?;
    let dir = &config.state_dir;
    let said = match &args.command {
        StoreCommand::Backup { file } => {
            let done = store::backup(dir, file, &config.instance, clock::now()).map_err(failure)?;
            format!("{}: {}, {}, up to sequence {}\n", file.display(), counted(done.rows, "row"), size(done.bytes), done.sequence)
        }
        StoreCommand::Restore { file, force } => {
            let done = store::restore(dir, file, *force).map_err(failure)?;
            restored(&done, dir, &config.instance)
        }
        StoreCommand::Stats { json: true } => serde_json::to_string(&store::stats(dir).map_err(failure)?).unwrap_or_default() + "\n",
        StoreCommand::Stats { json: false } => table(&store::stats(dir).map_err(failure)?),
        StoreCommand::Check { here: false } => return apart("the check"),
        StoreCommand::Rebuild { here: false } => return apart("the rebuild"),
        StoreCommand::Rebuild { here: true } => {
            silence();
            rebuilt(&store::rebuild(dir, clock::now()).map_err(failure)?)
        }
        StoreCommand::Check { here: true } => {
            silence();
            let findings = store::check(dir).map_err(failure)?;
            if findings.is_empty() {
                format!("{} is sound\n", dir.display())
            } else {
                let printed = findings.iter().try_for_each(|finding| writeln!(out, "{finding}"));
                printed.map_err(|e| Failure::runtime(format!("cannot print: {e}")))?;
                let advice =
                    "`feedwire store rebuild` keeps all that can be read, `feedwire store restore FILE --force` goes back to a backup";
                return Err(Failure::runtime(format!("{} is damaged: {advice}", dir.display())));
            }
        }
    };
    out.write_all(said.as_bytes()).map_err(|e| Failure::runtime(format!("cannot print: {e}")))
}

fn failure(error: StoreError) -> Failure {
    let code = match &error {
        StoreError::InUse { .. } => 75,
        StoreError::Backup { .. } => 65,
        _ => 1,
    };
    Failure::new(code, log::chain(&error))
}

/// Does the same in a process of its own: damaged files can end whoever opens them.
fn apart(what: &str) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(|e| Failure::runtime(format!("cannot find this program: {e}")))?;
    let child = Command::new(program).args(std::env::args_os().skip(1)).arg("--here").stdin(Stdio::null()).status();
    let ended = child.map_err(|e| Failure::runtime(format!("cannot start this program: {e}")))?;
    match ended.code() {
        Some(0) => Ok(()),
        // It has said why.
        Some(code @ (1 | 64 | 65 | 75 | 78)) => Err(Failure::new(u8::try_from(code).unwrap_or(1), "")),
        _ => {
            let advice = "nothing in it can be read; `feedwire store restore FILE --force` goes back to a backup";
            Err(Failure::runtime(format!("the database is so damaged that {what} crashed ({ended}): {advice}")))
        }
    }
}

/// What sled panics with on damaged files is said in better words.
fn silence() {
    std::panic::set_hook(Box::new(|_| {}));
}

fn restored(done: &Restored, dir: &Path, instance: &str) -> String {
    let Restored { rows, made, sequence, goes_on_after, .. } = done;
    let mut said =
        format!("the backup of {made} is the state in {} now: {}, up to sequence {sequence}\n", dir.display(), counted(rows, "row"));
    said += &format!("sequences go on after {goes_on_after}, so that no consumer's cursor lies beyond what is to come\n");
    if done.instance != instance {
        said += &format!(
            "warning: it was taken of the instance {:?}, and the configuration says {instance:?}: events that are told again have other ids\n",
            done.instance
        );
    }
    if let Some(aside) = &done.aside {
        said += &format!("what was there before is still in {}; delete it when you do not need it any more\n", aside.display());
    }
    said
}

fn rebuilt(done: &Rebuilt) -> String {
    let mut said = format!("rebuilt: {}\n", counted(done.rows, "row"));
    for (table, rows) in &done.lost {
        said += &format!("lost: {rows} of the {table} table\n");
    }
    for table in &done.broken {
        said += &format!("lost: an unknown part of the {table} table\n");
    }
    if done.older {
        said += "lost: the newest commits; what was told after them and is still in its feed is told again, with the same ids\n";
    }
    if done.marked > 0 {
        said += &format!(
            "the next poll of {} only marks what it finds, for what was told of it is not known for certain\n",
            counted(done.marked, "feed")
        );
    }
    if done.nameless > 0 {
        said +=
            &format!("the names of {} are lost: the first feeds that seem new only mark what they find\n", counted(done.nameless, "feed"));
    }
    if !done.lost.is_empty() || !done.broken.is_empty() || done.older {
        said += &format!("sequences go on after {}\n", done.goes_on_after);
    }
    said + &format!("what was there before is still in {}; delete it when you do not need it any more\n", done.aside.display())
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut number, mut unit) = (bytes as f64, 0);
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        (number, unit) = (number / 1024.0, unit + 1);
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{bytes} B") } else { format!("{number:.1} {name}") }
}

fn table(stats: &Stats) -> String {
    let mut lines = vec![format!("{:<24} {:>12} {:>12}", "TABLE", "ROWS", "SIZE")];
    lines.extend(stats.tables.iter().map(|(name, (rows, bytes))| format!("{name:<24} {rows:>12} {:>12}", size(*bytes))));
    lines.push(format!("\n{:<24} {:>12} {:>12}", "SINK", "WAITING", "DEAD"));
    lines.extend(stats.sinks.iter().map(|(name, (waiting, dead))| format!("{name:<24} {waiting:>12} {dead:>12}")));
    let ratio = stats.disk as f64 / stats.live.max(1) as f64;
    lines.push(format!("\n{}: {} on disk, {} live (1 : {ratio:.1})", stats.database, size(stats.disk), size(stats.live)));
    lines.push(format!("sequence {}, {} commits", stats.sequence, stats.commits));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        assert_eq!([0, 1023, 1024, 1536, 5 << 30].map(size), ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 GiB"]);
    }
}
