//! What both directions of HTTP need: a client that trusts nobody, names and the addresses that are not public, whose a host is, whose
//! certificates are believed, `Retry-After`, freshness, and errors in words that name no secret.

pub mod address;
pub mod client_cert;
pub mod domain;
pub mod freshness;
pub mod names;
pub mod retry_after;
pub mod trust;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use reqwest::{Client, ClientBuilder};
use rustix::io::Errno;

/// Our name in requests.
pub const USER_AGENT: &str = concat!("feedwire/", env!("CARGO_PKG_VERSION"));

/// To establish a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// An idle connection is closed after this long: with 100,000 hosts every kept one costs a descriptor.
const IDLE: Duration = Duration::from_secs(3);

/// A builder with everything off that reqwest does by itself: proxies from the environment, redirects, Referer, repeats. Keeps at most
/// `idle` connections to a host.
pub fn builder(idle: usize) -> ClientBuilder {
    // The second call finds the provider installed, which is what it wanted.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(IDLE)
}

/// A client that reaches one unix socket, whatever the URL says.
///
/// # Errors
/// When the client cannot be built.
pub fn over_socket(path: &Path, timeout: Duration) -> Result<Client, reqwest::Error> {
    builder(1).unix_socket(path).timeout(timeout).build()
}

/// What kind of trouble a request ran into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The name could not be resolved.
    Dns(String),
    /// The address is not allowed.
    Forbidden(String),
    /// This process may open no more files.
    Exhausted,
    /// No connection.
    Connect(String),
    /// The certificate or the handshake was refused.
    Tls(String),
    /// No answer in time.
    Timeout,
    /// The answer broke off, or is no HTTP.
    Broken(String),
}

impl Trouble {
    /// A word for it, for programs.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Dns(_) => "dns",
            Self::Forbidden(_) => "forbidden",
            Self::Exhausted => "exhausted",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout => "timeout",
            Self::Broken(_) => "lost",
        }
    }
}

/// Says what went wrong, without the URL: its path and query may hold a token.
#[must_use]
pub fn trouble(error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    if let Some(forbidden) = cause::<address::Forbidden>(&error) {
        return Trouble::Forbidden(forbidden.0.clone());
    }
    let code = cause::<std::io::Error>(&error).and_then(std::io::Error::raw_os_error);
    if code.is_some_and(|code| [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error).contains(&code)) {
        return Trouble::Exhausted;
    }
    let reason = innermost(&error);
    if error.is_timeout() {
        // It is over long before the time for a whole poll is.
        if error.is_connect() { Trouble::Connect(format!("none within {}", humantime::format_duration(CONNECT))) } else { Trouble::Timeout }
    } else if cause::<rustls::Error>(&error).is_some() {
        Trouble::Tls(reason)
    } else if cause::<address::Unresolved>(&error).is_some() {
        Trouble::Dns(reason)
    } else if error.is_connect() {
        Trouble::Connect(reason)
    } else {
        Trouble::Broken(reason)
    }
}

/// The first cause of a type, looking through I/O errors too, which hide theirs from `source`.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
