//! `[sinks.*]`: where events go, which, and how fast.

use std::collections::BTreeSet;
use std::sync::Arc;

use globset::Glob;
use regex::RegexSet;

use super::limits;
use super::reading::{File, Reading, Wanted};
use super::value::Spanned;
use super::written;
use crate::domain::delivery::{Order, SinkId};
use crate::domain::event::EventKind;
use crate::domain::feed::Backlog;
use crate::domain::filter::{Duplicates, Filter, Globs};
use crate::sink::presets::Preset;
use crate::sink::{self, Rate, Target};

/// The tables of which a sink has one.
pub(super) const WAYS: [&str; 6] = ["stdout", "webhook", "exec", "unix", "tcp", "file"];

impl Reading<'_> {
    pub(super) fn sink(&mut self, file: &File<'_>, name: &Spanned<String>, w: written::Sink) -> Option<sink::Options> {
        let events = self.events(file, w.events);
        let rate = w.rate.and_then(|rate| {
            let Rate { per, burst } = Rate { per: rate.get_ref().per.0, burst: rate.get_ref().burst };
            if per.is_zero() || per > limits::LONGEST_PER || !limits::BURST.bounds.contains(burst) {
                self.problems.push(file.at(rate.span(), "rate is one event each `per` (up to a day), and `burst` (1 to 100000) at once"));
                return None;
            }
            Some(Rate { per, burst })
        });
        let filter = self.filter(file, name.get_ref(), w.filter);
        let given = [w.stdout.is_some(), w.webhook.is_some(), w.exec.is_some(), w.unix.is_some(), w.tcp.is_some(), w.file.is_some()];
        if given.into_iter().filter(|given| *given).count() != 1 {
            let message = format!(
                "a sink has one of the tables [sinks.{0}.{1}]",
                name.get_ref(),
                WAYS.join(&format!("], [sinks.{}.", name.get_ref()))
            );
            self.problems.push(file.at(name.span(), message));
            return None;
        }
        let target = w
            .stdout
            .map(|stdout| self.stdout(file, &stdout))
            .or_else(|| Some(Target::Webhook(Box::new(self.webhook(file, name.get_ref(), w.webhook?, &events)))))
            .or_else(|| self.exec(file, w.exec?))
            .or_else(|| Some(self.unix(file, w.unix?)))
            .or_else(|| self.tcp(file, w.tcp?))
            .or_else(|| Some(self.lines_file(file, w.file?)))?;
        let order = match w.order {
            written::Order::Feed => Order::Feed,
            written::Order::Sink => Order::Sink,
            written::Order::None => Order::None,
        };
        let duplicates = match w.duplicates {
            written::Duplicates::Deliver => Duplicates::Deliver,
            written::Duplicates::Mark => Duplicates::Mark,
            written::Duplicates::Drop => Duplicates::Drop,
        };
        let backlog = w.backlog.map_or(Backlog::None, |backlog| backlog.0);
        let rate = rate.or_else(|| match &target {
            Target::Webhook(webhook) => webhook.preset.as_ref().map(Preset::rate),
            _ => None,
        });
        Some(sink::Options { id: SinkId(Arc::from(name.get_ref().as_str())), events, order, rate, filter, duplicates, backlog, target })
    }

    pub(super) fn events(&mut self, file: &File<'_>, written: Option<Vec<Spanned<String>>>) -> Vec<EventKind> {
        let known = EventKind::ALL.map(EventKind::as_str).join(", ");
        let Some(written) = written else { return vec![EventKind::Created] };
        let mut events = BTreeSet::new();
        for name in written {
            match EventKind::ALL.into_iter().find(|kind| kind.as_str() == name.get_ref()) {
                Some(kind) => drop(events.insert(kind)),
                None => self.problems.push(file.at(name.span(), format!("not a type of event: there are {known}"))),
            }
        }
        events.into_iter().collect()
    }

    pub(super) fn filter(&mut self, file: &File<'_>, sink: &str, w: written::Filter) -> Filter {
        for tag in &w.tags {
            self.wanted.push((sink.to_owned(), Wanted::Tag(tag.get_ref().clone())));
        }
        Filter {
            tags: w.tags.into_iter().map(Spanned::into_inner).collect(),
            feeds: self.globs(file, sink, &w.feeds),
            include: self.patterns(file, &w.include),
            exclude: self.patterns(file, &w.exclude),
            categories: w.categories,
            max_age: w.max_age.map(|age| age.0),
        }
    }

    pub(super) fn globs(&mut self, file: &File<'_>, sink: &str, written: &[Spanned<String>]) -> Option<Globs> {
        let mut good = vec![];
        for glob in written {
            match Glob::new(glob.get_ref()) {
                Ok(parsed) => {
                    good.push(parsed.clone());
                    self.wanted.push((sink.to_owned(), Wanted::Feeds(parsed)));
                }
                Err(e) => self.problems.push(file.at(glob.span(), format!("not a pattern of names: {}", e.kind()))),
            }
        }
        Globs::new(&good).ok().filter(|_| !written.is_empty())
    }

    pub(super) fn patterns(&mut self, file: &File<'_>, written: &[Spanned<String>]) -> Option<RegexSet> {
        for pattern in written {
            if let Err(e) = regex::Regex::new(pattern.get_ref()) {
                let why = e.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.problems.push(file.at(pattern.span(), format!("not a regular expression: {why}")));
            }
        }
        RegexSet::new(written.iter().map(Spanned::get_ref)).ok().filter(|_| !written.is_empty())
    }
}
