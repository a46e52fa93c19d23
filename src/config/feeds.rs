//! `[feeds.*]`: what is asked for, and how.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use super::limits;
use super::problem::Problem;
use super::reading::{File, Reading};
use super::tls::is_of_this_machine;
use super::value::{Source, Spanned};
use super::written;
use crate::domain::feed::{Backlog, Feed, FeedId};
use crate::fetch::{self, Auth, Subscription};
use crate::http::trust::Trust;
use crate::secret::HeaderValue;

impl Reading<'_> {
    pub(super) fn plain_feed(&mut self, name: &str, url: &Url, tags: Vec<String>) -> Subscription {
        let (id, url) = (FeedId(Arc::from(name)), url.as_str().to_owned());
        let tags = self.tags.entry(tags).or_insert_with_key(|tags| tags.as_slice().into()).clone();
        Subscription { feed: Feed { id, url, tags, backlog: Backlog::None, pace: self.pace }, options: self.usual.clone() }
    }

    pub(super) fn feed(&mut self, file: &File<'_>, name: &Spanned<String>, w: written::Feed) -> Subscription {
        let url = &w.url.get_ref().0;
        if !url.username().is_empty() || url.password().is_some() {
            let message =
                "a URL here holds no user name or password; use auth.basic = { user = \"…\", password = { credential = \"NAME\" } }";
            self.problems.push(Problem::at_secret(file.path, file.text, w.url.span(), message));
        }
        let fixed = w.interval.as_ref().map(|interval| self.time(file, Some(interval), &limits::INTERVAL.or(self.pace.mean)));
        if let Some(interval) = w.interval.as_ref().filter(|i| i.get_ref().0 < self.pace.min) {
            let message = format!("interval is shorter than [polling] min_interval ({})", humantime::format_duration(self.pace.min));
            self.problems.push(file.at(interval.span(), message));
        }
        if let Some(content) = w.content.as_ref().filter(|c| c.get_ref() != "feed") {
            let message = match content.get_ref().as_str() {
                "full" => "content = \"full\" comes with a later release; today content is what the feed carries (\"feed\")",
                _ => "content is \"feed\"",
            };
            self.problems.push(file.at(content.span(), message));
        }
        let user_agent = w.user_agent.as_ref().map(|agent| {
            self.check_header_text(file, agent.span(), agent.get_ref());
            agent.get_ref().clone()
        });
        let options = fetch::Options {
            user_agent,
            headers: self.headers(file, w.headers),
            auth: w.auth.and_then(|auth| self.auth(file, auth)),
            allow_private: w.allow_private.into_iter().map(|net| net.0).collect(),
            trust: self.trust(file, name.get_ref(), w.ca.as_ref(), w.insecure.as_ref()),
        };
        if url.scheme() == "http" && !is_of_this_machine(url) && has_secrets(&options) {
            self.warnings.push(format!("the secrets of the feed {} go over http: whoever is on the way can read them", name.get_ref()));
        }
        let mut subscription = self.plain_feed(name.get_ref(), url, w.tags);
        subscription.feed.backlog = w.backlog.map_or(Backlog::None, |b| b.0);
        subscription.feed.pace.fixed = fixed;
        if options != fetch::Options::default() {
            subscription.options = Arc::new(options);
        }
        subscription
    }

    /// Whose certificates a feed believes.
    fn trust(&mut self, file: &File<'_>, feed: &str, ca: Option<&Spanned<PathBuf>>, insecure: Option<&Spanned<bool>>) -> Trust {
        let insecure = insecure.filter(|insecure| *insecure.get_ref());
        if insecure.is_some() {
            self.warnings.push(format!("the certificate of the feed {feed} is not checked: whoever is on the way can read and forge it"));
        }
        if let Some(insecure) = insecure.filter(|_| ca.is_some()) {
            self.problems.push(file.at(insecure.span(), "either ca says whose certificates are believed, or insecure that all are"));
        }
        let mut trust = Trust { authorities: Arc::default(), insecure: insecure.is_some() };
        if let Some(ca) = ca {
            trust.authorities = self.authorities(file, ca);
        }
        trust
    }

    pub(super) fn check_header_text(&mut self, file: &File<'_>, span: Range<usize>, text: &str) {
        if text.chars().any(|c| c.is_control() || !c.is_ascii()) {
            self.problems.push(Problem::at_secret(file.path, file.text, span, "a header value is ASCII text without line breaks"));
        }
    }

    pub(super) fn headers(&mut self, file: &File<'_>, written: BTreeMap<Spanned<String>, Spanned<Source>>) -> Vec<(String, HeaderValue)> {
        let mut headers = vec![];
        for (name, value) in written {
            if name.get_ref().is_empty() || !name.get_ref().bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)) {
                self.problems.push(file.at(name.span(), "not the name of a header"));
            }
            let meant = match value.get_ref() {
                Source::Literal(text) => HeaderValue::Plain(text.clone()),
                _ => match self.secret(file, &value) {
                    Some(secret) => HeaderValue::Secret(secret),
                    None => continue,
                },
            };
            let (HeaderValue::Plain(text), span) = (&meant, value.span()) else {
                headers.push((name.into_inner(), meant));
                continue;
            };
            self.check_header_text(file, span, &text.clone());
            headers.push((name.into_inner(), meant));
        }
        headers
    }

    pub(super) fn auth(&mut self, file: &File<'_>, auth: Spanned<written::Auth>) -> Option<Auth> {
        let span = auth.span();
        match auth.into_inner() {
            written::Auth { basic: Some(basic), bearer: None } => {
                Some(Auth::Basic { user: basic.user, password: self.secret(file, &basic.password)? })
            }
            written::Auth { basic: None, bearer: Some(bearer) } => Some(Auth::Bearer(self.secret(file, &bearer)?)),
            _ => {
                self.problems.push(Problem::at_secret(file.path, file.text, span, "auth is either basic or bearer"));
                None
            }
        }
    }
}

/// The keys of what is set for a feed beside its URL and tags, unless that is what holds without them.
pub(super) fn settings(w: &written::Feed) -> Vec<&'static str> {
    let written::Feed { url: _, tags: _, interval, backlog, headers, user_agent, auth, allow_private, ca, insecure, content } = w;
    let set = [
        ("interval", interval.is_some()),
        ("backlog", backlog.is_some_and(|backlog| backlog.0 != Backlog::None)),
        ("headers", !headers.is_empty()),
        ("user_agent", user_agent.is_some()),
        ("auth", auth.is_some()),
        ("allow_private", !allow_private.is_empty()),
        ("ca", ca.is_some()),
        ("insecure", insecure.as_ref().is_some_and(|insecure| *insecure.get_ref())),
        ("content", content.as_ref().is_some_and(|content| content.get_ref() != "feed")),
    ];
    set.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect()
}

fn has_secrets(options: &fetch::Options) -> bool {
    options.auth.is_some() || options.headers.iter().any(|(_, value)| matches!(value, HeaderValue::Secret(_)))
}
