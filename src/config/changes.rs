//! What one configuration has that another had not, in words for the operator who reloads.

use std::collections::BTreeMap;

use super::Config;
use crate::log::counted;

/// So many names are told of each kind of change; the rest is counted.
const NAMES: usize = 8;

/// What `after` has new, without, or otherwise than `before`, in one line.
#[must_use]
pub fn changes(before: &Config, after: &Config) -> String {
    let told = [
        compare("feed", named(before.feeds.iter(), |f| &f.feed.id.0), named(after.feeds.iter(), |f| &f.feed.id.0)),
        compare("sink", named(before.sinks.iter(), |s| &s.id.0), named(after.sinks.iter(), |s| &s.id.0)),
    ];
    let elsewhere = [
        ("instance", before.instance != after.instance),
        ("[polling]", (before.polling, &before.fetch) != (after.polling, &after.fetch)),
        ("retention", before.retention != after.retention),
    ];
    let elsewhere = elsewhere.iter().filter(|(_, differs)| *differs).map(|(what, _)| format!("{what} changed"));
    let restart = (before.admin, &before.hosts) != (after.admin, &after.hosts);
    let restart = restart.then(|| "[admin] listen and hosts change with the next restart".to_owned());
    told.into_iter().chain(elsewhere).chain(restart).collect::<Vec<_>>().join("; ")
}

fn named<'c, T>(all: impl Iterator<Item = &'c T>, name: impl Fn(&'c T) -> &'c str) -> BTreeMap<&'c str, &'c T> {
    all.map(|one| (name(one), one)).collect()
}

fn compare<T: PartialEq>(what: &str, before: BTreeMap<&str, &T>, after: BTreeMap<&str, &T>) -> String {
    let new: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).copied().collect();
    let gone: Vec<_> = before.keys().filter(|name| !after.contains_key(*name)).copied().collect();
    let differs = |(name, one): &(&&str, &&T)| before.get(*name).is_some_and(|was| was != *one);
    let changed: Vec<_> = after.iter().filter(differs).map(|(name, _)| *name).collect();
    let parts = [("new", new), ("gone", gone), ("changed", changed)];
    let parts: Vec<_> = parts.into_iter().filter(|(_, names)| !names.is_empty()).map(|(how, names)| list(how, &names)).collect();
    let all = counted(after.len(), what);
    if parts.is_empty() { format!("{all}, as before") } else { format!("{all}: {}", parts.join(", ")) }
}

fn list(how: &str, names: &[&str]) -> String {
    let shown = names.iter().take(NAMES).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMES);
    if more == 0 { format!("{} {how} ({shown})", names.len()) } else { format!("{} {how} ({shown} and {more} more)", names.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(toml: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feedwire.toml");
        std::fs::write(&path, format!("state_dir = \"/s\"\n{toml}")).unwrap();
        super::super::load(&path, &|name| Some(format!("{name} itself").into())).unwrap()
    }

    fn feeds(range: std::ops::Range<u32>) -> String {
        range.map(|n| format!("[feeds.f{n:02}]\nurl = \"https://example.org/{n}\"\n")).collect()
    }

    #[test]
    fn what_is_new_gone_and_changed_is_told_by_name() {
        let sink = |more: &str| {
            format!(
                "[sinks.out]\nfilter = {{ feeds = [\"f*\"], include = [\"a\"] }}\n[sinks.out.webhook]\nurl = \"https://a.example/\"\n{more}"
            )
        };
        let cases = [
            (feeds(0..2), feeds(0..2), "2 feeds, as before; 1 sink, as before"),
            (feeds(0..2), feeds(1..3), "2 feeds: 1 new (f02), 1 gone (f00); 1 sink, as before"),
            (feeds(0..1), feeds(0..1) + "tags = [\"x\"]\n", "1 feed: 1 changed (f00); 1 sink, as before"),
            (feeds(0..1), feeds(0..12), "12 feeds: 11 new (f01, f02, f03, f04, f05, f06, f07, f08 and 3 more); 1 sink, as before"),
        ];
        for (before, after, expected) in cases {
            assert_eq!(changes(&config(&(before + &sink(""))), &config(&(after + &sink("")))), expected);
        }
        let with = |more: &str| config(&(feeds(0..1) + &sink(more)));
        let secret = |name: &str| with(&format!("bearer = {{ env = \"{name}\" }}\n"));
        assert_eq!(changes(&secret("A"), &secret("A")), "1 feed, as before; 1 sink, as before");
        assert_eq!(changes(&secret("A"), &secret("B")), "1 feed, as before; 1 sink: 1 changed (out)");
        for pattern in ["\"a\"", "\"f*\""] {
            let other = sink("").replace(pattern, "\"f0*\"");
            let told = changes(&config(&(feeds(0..1) + &sink(""))), &config(&(feeds(0..1) + &other)));
            assert_eq!(told, "1 feed, as before; 1 sink: 1 changed (out)", "{pattern}");
        }
        assert_eq!(
            changes(&with(""), &with("[polling]\nmax_in_flight = 3\n[admin]\nlisten = \"127.0.0.1:0\"\nretention = \"3d\"\n")),
            "1 feed, as before; 1 sink, as before; [polling] changed; retention changed; [admin] listen and hosts change with the next restart"
        );
    }
}
