//! `[polling]` and `[admin]`: times and numbers in their ranges, and in the right order.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::limits::{self, Bounds, Limits};
use super::problem::Problem;
use super::reading::{File, Reading};
use super::value::{Spanned, Time, WebUrl};
use super::{Polling, written};
use crate::fetch;

impl Reading<'_> {
    /// A time, or the default; a complaint if it is not within the limits.
    pub(super) fn time(&mut self, file: &File<'_>, written: Option<&Spanned<Time>>, limits: &Limits<Duration>) -> Duration {
        let Some(written) = written else { return limits.default };
        let (time, Bounds { least, most }) = (written.get_ref().0, limits.bounds);
        if !limits.bounds.contains(time) {
            let (from, to) = (humantime::format_duration(least), humantime::format_duration(most));
            self.problems.push(file.at(written.span(), format!("must be between {from} and {to}")));
        }
        time
    }

    pub(super) fn number(&mut self, file: &File<'_>, written: Option<&Spanned<u32>>, limits: &Limits<u32>) -> usize {
        let number = written.map_or(limits.default, |w| *w.get_ref());
        if let Some(written) = written.filter(|_| !limits.bounds.contains(number)) {
            let Bounds { least, most } = limits.bounds;
            self.problems.push(file.at(written.span(), format!("must be between {least} and {most}")));
        }
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    pub(super) fn pace(&mut self, file: &File<'_>, w: &written::Polling) {
        let default = self.pace;
        self.pace.min = self.time(file, w.min_interval.as_ref(), &limits::MIN_INTERVAL);
        self.pace.max = self.time(file, w.max_interval.as_ref(), &limits::INTERVAL.or(default.max.max(self.pace.min)));
        let mean = default.mean.clamp(self.pace.min, self.pace.max.max(self.pace.min));
        self.pace.mean = self.time(file, w.mean_interval.as_ref(), &limits::INTERVAL.or(mean));
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
        let polling = Polling {
            max_in_flight: self.number(file, w.max_in_flight.as_ref(), &limits::MAX_IN_FLIGHT),
            per_host: self.number(file, w.per_host.as_ref(), &limits::PER_HOST),
            host_gap: self.time(file, w.host_gap.as_ref(), &limits::HOST_GAP),
            max_entries: self.number(file, w.max_entries.as_ref(), &limits::MAX_ENTRIES),
        };
        let max_body = w.max_body.as_ref().map_or(limits::MAX_BODY.default, |size| size.get_ref().0);
        if let Some(written) = w.max_body.as_ref().filter(|_| !limits::MAX_BODY.bounds.contains(max_body)) {
            self.problems.push(file.at(written.span(), "must be between 1KiB and 1GiB"));
        }
        let settings = fetch::Settings {
            timeout: self.time(file, w.timeout.as_ref(), &limits::TIMEOUT),
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
        let Some(admin) = admin else { return (None, limits::RETENTION.default) };
        let listen = admin.listen.as_ref().map(|listen| *listen.get_ref());
        if let Some(address) = listen.filter(|a| !a.ip().is_loopback()) {
            self.warnings
                .push(format!("[admin] listens on {address}: whoever reaches it can read your feeds, their URLs and their events"));
        }
        (listen, self.time(file, admin.retention.as_ref(), &limits::RETENTION))
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
