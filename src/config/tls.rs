//! `ca`, `client_cert` and `client_key`: whose certificates are believed, and which one is shown; and what goes without any.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use url::{Host, Url};

use super::problem::Problem;
use super::reading::{File, Reading};
use super::value::{Source, Spanned};
use super::written;
use crate::http::client_cert::{ClientCertificate, ClientCertificateError};
use crate::http::trust::{Authority, Trust};
use crate::secret::HeaderValue;
use crate::sink::webhook;

impl Reading<'_> {
    /// The certificates of a file.
    pub(super) fn authorities(&mut self, file: &File<'_>, ca: &Spanned<PathBuf>) -> Arc<[Authority]> {
        let path = file.dir().join(ca.get_ref());
        let read = fs::read(&path).map_err(|e| e.to_string()).and_then(|pem| Authority::read(&pem));
        read.unwrap_or_else(|e| {
            self.problems.push(file.at(ca.span(), format!("cannot read {}: {e}", path.display())));
            Arc::default()
        })
    }

    /// Whose certificates a webhook believes, and which one it shows.
    pub(super) fn identification(
        &mut self,
        file: &File<'_>,
        w: &written::Webhook,
        url: Option<&Url>,
    ) -> (Trust, Option<ClientCertificate>) {
        for written in [&w.ca, &w.client_cert].into_iter().flatten().filter(|_| url.is_some_and(|url| url.scheme() == "http")) {
            self.problems
                .push(file.at(written.span(), "over http nobody shows a certificate; make the URL one of https or leave this out"));
        }
        let authorities = w.ca.as_ref().map_or_else(Arc::default, |ca| self.authorities(file, ca));
        (Trust { authorities, insecure: false }, self.client_cert(file, w))
    }

    fn client_cert(&mut self, file: &File<'_>, w: &written::Webhook) -> Option<ClientCertificate> {
        let (cert, key) = match (&w.client_cert, &w.client_key) {
            (None, None) => return None,
            (Some(cert), None) => {
                self.problems
                    .push(file.at(cert.span(), "a certificate is of no use without its key; add client_key = { credential = \"NAME\" }"));
                return None;
            }
            (None, Some(key)) => {
                self.problems.push(at_key(file, key, "a key is of no use without its certificate; add client_cert = \"PATH\""));
                return None;
            }
            (Some(cert), Some(key)) => (cert, key),
        };
        let path = file.dir().join(cert.get_ref());
        let unreadable = |e: &str| file.at(cert.span(), format!("cannot read {}: {e}", path.display()));
        let chain = fs::read_to_string(&path).map_err(|e| self.problems.push(unreadable(&e.to_string()))).ok();
        let secret = self.secret(file, key);
        let problem = match ClientCertificate::read(&chain?, &secret?) {
            Ok(read) => return Some(read),
            Err(ClientCertificateError::Chain(e)) => unreadable(&e),
            Err(ClientCertificateError::Key(e)) => at_key(file, key, e),
        };
        self.problems.push(problem);
        None
    }

    /// Warns of a webhook whose secrets, or what they sign, can be read on the way.
    pub(super) fn warn_of_plain_http(&mut self, name: &str, url: Option<&Url>, is_secret: bool, options: &webhook::Options) {
        if url.is_none_or(|url| url.scheme() != "http" || is_of_this_machine(url)) {
            return;
        }
        let sent =
            is_secret || options.bearer.is_some() || options.headers.iter().any(|(_, value)| matches!(value, HeaderValue::Secret(_)));
        if sent {
            self.warnings.push(format!("the secrets of the sink {name} go over http: whoever is on the way can read them"));
        } else if !options.secrets.is_empty() {
            self.warnings
                .push(format!("the sink {name} is sent signed events over http: whoever is on the way can read them and send them again"));
        }
    }
}

/// A key that stands in the file, where it must not, is not shown.
fn at_key(file: &File<'_>, key: &Spanned<Source>, message: &str) -> Problem {
    let at = if matches!(key.get_ref(), Source::Literal(_)) { Problem::at_secret } else { Problem::at };
    at(file.path, file.text, key.span(), message)
}

/// Whether what is sent there leaves this machine not at all.
pub(super) fn is_of_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(v4)) => v4.is_loopback(),
        Some(Host::Ipv6(v6)) => v6.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
