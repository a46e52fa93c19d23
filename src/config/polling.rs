//! `[polling]` and `[admin]`: times and numbers in their ranges, and in the right order.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use url::Url;

use super::problem::Problem;
use super::reading::{File, LONGEST_TIME, Reading};
use super::value::{Time, WebUrl};
use super::{Polling, written};
use crate::fetch;

impl Reading<'_> {
    /// A time within a range, else a complaint and the default.
    pub(super) fn time(
        &mut self,
        file: &File<'_>,
        written: Option<&Spanned<Time>>,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let Some(written) = written else { return default };
        let time = written.get_ref().0;
        if !range.contains(&time) {
            let (from, to) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
            self.problems.push(file.at(written.span(), format!("must be between {from} and {to}")));
        }
        time
    }

    pub(super) fn number(&mut self, file: &File<'_>, written: Option<&Spanned<u32>>, range: RangeInclusive<u32>, default: u32) -> usize {
        let number = written.map_or(default, |w| *w.get_ref());
        if let Some(written) = written.filter(|_| !range.contains(&number)) {
            self.problems.push(file.at(written.span(), format!("must be between {} and {}", range.start(), range.end())));
        }
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    pub(super) fn pace(&mut self, file: &File<'_>, w: &written::Polling) {
        let range = Duration::from_millis(50)..=LONGEST_TIME;
        let default = self.pace;
        self.pace.min = self.time(file, w.min_interval.as_ref(), range.clone(), default.min);
        self.pace.max = self.time(file, w.max_interval.as_ref(), range.clone(), default.max.max(self.pace.min));
        self.pace.mean =
            self.time(file, w.mean_interval.as_ref(), range, default.mean.clamp(self.pace.min, self.pace.max.max(self.pace.min)));
        let show = humantime::format_duration;
        if let Some(max) = w.max_interval.as_ref().filter(|max| max.get_ref().0 < self.pace.min) {
            let message = format!("max_interval is shorter than min_interval ({})", show(self.pace.min));
            self.problems.push(file.at(max.span(), message));
        } else if let Some(mean) = w.mean_interval.as_ref().filter(|_| !(self.pace.min..=self.pace.max).contains(&self.pace.mean)) {
            let message =
                format!("mean_interval is not between min_interval ({}) and max_interval ({})", show(self.pace.min), show(self.pace.max));
            self.problems.push(file.at(mean.span(), message));
        }
    }

    pub(super) fn polling(&mut self, file: &File<'_>, w: &written::Polling) -> (Polling, fetch::Settings) {
        let (seconds, default) = (Duration::from_secs, fetch::Settings::default());
        let polling = Polling {
            max_in_flight: self.number(file, w.max_in_flight.as_ref(), 1..=4096, 64),
            per_host: self.number(file, w.per_host.as_ref(), 1..=64, 1),
            host_gap: self.time(file, w.host_gap.as_ref(), Duration::ZERO..=seconds(3600), seconds(1)),
            max_entries: self.number(file, w.max_entries.as_ref(), 1..=50_000, 2000),
        };
        let max_body = w.max_body.as_ref().map_or(default.max_body, |size| size.get_ref().0);
        if let Some(written) = w.max_body.as_ref().filter(|_| !(1024..=1 << 30).contains(&max_body)) {
            self.problems.push(file.at(written.span(), "must be between 1KiB and 1GiB"));
        }
        let settings = fetch::Settings {
            timeout: self.time(file, w.timeout.as_ref(), Duration::from_millis(100)..=seconds(600), default.timeout),
            max_body,
            per_host: polling.per_host,
            contact: w.contact.as_ref().map(|url| url.0.to_string()),
            allow_private: w.allow_private.iter().map(|net| net.0).collect(),
            proxy: w.proxy.as_ref().and_then(|proxy| self.proxy(file, proxy)),
        };
        (polling, settings)
    }

    fn proxy(&mut self, file: &File<'_>, written: &Spanned<WebUrl>) -> Option<Url> {
        let url = &written.get_ref().0;
        let problem = if !url.username().is_empty() || url.password().is_some() {
            let message = "the URL of a proxy holds no user name or password; let the proxy know this machine by its address";
            Problem::at_secret(file.path, file.text, written.span(), message)
        } else if url.scheme() != "http" || url.path() != "/" || url.query().is_some() {
            file.at(written.span(), "a proxy is written http://HOST:PORT; https feeds go through it too")
        } else {
            return Some(url.clone());
        };
        self.problems.push(problem);
        None
    }

    pub(super) fn admin(&mut self, file: &File<'_>, admin: Option<&written::Admin>) -> (Option<std::net::SocketAddr>, Duration) {
        let default = Duration::from_secs(30 * 86_400);
        let Some(admin) = admin else { return (None, default) };
        let listen = admin.listen.as_ref().map(|listen| *listen.get_ref());
        if let Some(address) = listen.filter(|a| !a.ip().is_loopback()) {
            self.warnings
                .push(format!("[admin] listens on {address}: whoever reaches it can read your feeds, their URLs and their events"));
        }
        (listen, self.time(file, admin.retention.as_ref(), Duration::from_secs(3600)..=10 * LONGEST_TIME, default))
    }

    /// The names of `[admin]`, in lower case.
    pub(super) fn hosts(&mut self, file: &File<'_>, admin: Option<&written::Admin>) -> Arc<[String]> {
        let mut hosts = vec![];
        for host in admin.into_iter().flat_map(|admin| &admin.hosts) {
            let name = host.get_ref().trim_end_matches('.').to_ascii_lowercase();
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
                let message = "a host is a name as in \"feeds.example.org\", without scheme or port; addresses need not be named";
                self.problems.push(file.at(host.span(), message));
            }
            hosts.push(name);
        }
        hosts.into()
    }
}
