//! `[sinks.*.exec]`, `.unix`, `.tcp`, `.file` and `.stdout`: consumers that are written lines.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::limits;
use super::problem::Problem;
use super::reading::{File, Reading};
use super::value::{Source, Spanned, Time};
use super::written;
use crate::secret::HeaderValue;
use crate::sink::ndjson::{Ack, Terms};
use crate::sink::payload::Content;
use crate::sink::socket::{self, Address};
use crate::sink::{self, Target, exec, file, stdout};

/// Bytes of the path of a unix socket (`sun_path` of unix(7), with its end).
const LONGEST_SOCKET: usize = 107;

/// What a table says of acknowledgements.
struct Agreed<'w> {
    ack: Option<written::Ack>,
    content: Option<written::Content>,
    timeout: Option<&'w Spanned<Time>>,
    max_age: Option<&'w Spanned<Time>>,
    max_in_flight: Option<&'w Spanned<u32>>,
}

impl Reading<'_> {
    pub(super) fn exec(&mut self, file: &File<'_>, w: written::Exec) -> Option<Target> {
        let (timeout, max_age, max_in_flight) = (w.timeout.as_ref(), w.max_age.as_ref(), w.max_in_flight.as_ref());
        let terms = self.terms(file, &Agreed { ack: w.ack, content: w.content, timeout, max_age, max_in_flight });
        let env = self.environment(file, w.env);
        let span = w.command.span();
        let mut words = w.command.into_inner().into_iter();
        let program = self.program(&words.next().unwrap_or_default()).map_err(|e| self.problems.push(file.at(span, e))).ok()?;
        Some(Target::Exec(exec::Options { program, arguments: words.collect(), env, terms }))
    }

    pub(super) fn unix(&mut self, file: &File<'_>, w: written::Unix) -> Target {
        let (timeout, max_age, max_in_flight) = (w.timeout.as_ref(), w.max_age.as_ref(), w.max_in_flight.as_ref());
        let terms = self.terms(file, &Agreed { ack: w.ack, content: w.content, timeout, max_age, max_in_flight });
        let path = place(file, w.path.get_ref());
        let length = path.as_os_str().len();
        if w.path.get_ref().as_os_str().is_empty() || length > LONGEST_SOCKET {
            let message = format!("the path of a socket has 1 to {LONGEST_SOCKET} bytes; this has {length}");
            self.problems.push(file.at(w.path.span(), message));
        }
        Target::Socket(socket::Options { address: Address::Unix(path), terms })
    }

    pub(super) fn tcp(&mut self, file: &File<'_>, w: written::Tcp) -> Option<Target> {
        let (timeout, max_age, max_in_flight) = (w.timeout.as_ref(), w.max_age.as_ref(), w.max_in_flight.as_ref());
        let terms = self.terms(file, &Agreed { ack: w.ack, content: w.content, timeout, max_age, max_in_flight });
        let Some(address) = tcp_address(w.address.get_ref()) else {
            let message = "an address is HOST:PORT, such as \"127.0.0.1:7000\", \"nas:7000\" or \"[::1]:7000\"";
            self.problems.push(file.at(w.address.span(), message));
            return None;
        };
        let options = socket::Options { address, terms };
        if let Err(e) = sink::check_socket(&options) {
            self.problems.push(file.at(w.address.span(), e.to_string()));
        }
        Some(Target::Socket(options))
    }

    pub(super) fn lines_file(&mut self, file: &File<'_>, w: written::LinesFile) -> Target {
        let path = place(file, w.path.get_ref());
        let dir = path.parent().unwrap_or(Path::new("/"));
        if w.path.get_ref().file_name().is_none() || path.is_dir() {
            self.problems.push(file.at(w.path.span(), "this is the path of no file"));
        } else if !dir.is_dir() {
            let message = format!(
                "there is no directory {}; create it (with the shipped unit /var/log/feedwire is there once it was started)",
                dir.display()
            );
            self.problems.push(file.at(w.path.span(), message));
        }
        let rotation = w.rotate.map(|rotate| self.rotation(file, &rotate)).unwrap_or_default();
        Target::File(file::Options { path, rotation, content: content(w.content) })
    }

    fn rotation(&mut self, file: &File<'_>, written: &Spanned<written::Rotate>) -> file::Rotation {
        let w = written.get_ref();
        if w.size.is_none() && w.every.is_none() {
            let message = "say when a new file is begun: size = \"100MiB\", every = \"1d\", or both";
            self.problems.push(file.at(written.span(), message));
        }
        let size = w.size.as_ref().map(|size| size.get_ref().0);
        if let Some(written) = w.size.as_ref().filter(|size| size.get_ref().0 < limits::ROTATE_SIZE) {
            self.problems.push(file.at(written.span(), "must be at least 4KiB"));
        }
        let every = w.every.as_ref().map(|every| self.time(file, Some(every), &limits::ROTATE_EVERY.or(every.get_ref().0)));
        let keep = w.keep.as_ref().map(|keep| self.number(file, Some(keep), &limits::ROTATE_KEEP.or(0)));
        file::Rotation { size, every, keep }
    }

    pub(super) fn stdout(&mut self, file: &File<'_>, w: &written::Stdout) -> Target {
        if let Some(timeout) = w.timeout.as_ref().filter(|_| w.ack.is_none()) {
            self.problems.push(file.at(timeout.span(), "timeout is how long an acknowledgement may take; it goes with ack = \"stdin\""));
        }
        let timeout = self.timeout(file, w.timeout.as_ref());
        let ack = w.ack.map(|written::StdoutAck::Stdin| timeout);
        Target::Stdout(stdout::Options { readable: false, content: content(w.content), ack })
    }

    fn timeout(&mut self, file: &File<'_>, written: Option<&Spanned<Time>>) -> Duration {
        self.time(file, written, &limits::LINES_TIMEOUT)
    }

    fn terms(&mut self, file: &File<'_>, w: &Agreed<'_>) -> Terms {
        let timeout = self.timeout(file, w.timeout);
        let max_age = self.time(file, w.max_age, &limits::MAX_AGE);
        if let Some(written) = w.max_age.filter(|_| !max_age.is_zero() && max_age < timeout) {
            self.problems.push(file.at(written.span(), "max_age is shorter than one attempt may take (timeout); \"0s\" is for ever"));
        }
        Terms {
            ack: match w.ack {
                None | Some(written::Ack::Ids) => Ack::Ids,
                Some(written::Ack::Written) => Ack::Written,
            },
            content: content(w.content),
            timeout,
            max_age: (!max_age.is_zero()).then_some(max_age),
            max_in_flight: self.number(file, w.max_in_flight, &limits::LINES_IN_FLIGHT),
        }
    }

    /// The program that is meant: a path, or a name to be found in `$PATH`.
    fn program(&self, written: &str) -> Result<PathBuf, String> {
        let runs = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
        let path = Path::new(written);
        if path.is_absolute() {
            return match runs(path) {
                true => Ok(path.to_owned()),
                false if path.exists() => Err(format!("{written} is no program; chmod +x it")),
                false => Err(format!("there is no program {written}")),
            };
        }
        if written.is_empty() || written.contains('/') {
            return Err(
                "a command begins with the absolute path of a program, or with a name that is found in $PATH; no shell reads it".into()
            );
        }
        let places = (self.env)("PATH").unwrap_or_default();
        let found = std::env::split_paths(&places).filter(|dir| dir.is_absolute()).map(|dir| dir.join(written)).find(|path| runs(path));
        found.ok_or_else(|| format!("there is no program {written} in $PATH ({}); write its absolute path", OsStr::display(&places)))
    }

    fn environment(&mut self, file: &File<'_>, written: BTreeMap<Spanned<String>, Spanned<Source>>) -> Vec<(String, HeaderValue)> {
        let mut env = vec![];
        for (name, value) in written {
            if name.get_ref().is_empty() || name.get_ref().contains(['=', '\0']) {
                self.problems.push(file.at(name.span(), "not the name of an environment variable"));
                continue;
            }
            let meant = match value.get_ref() {
                Source::Literal(text) => Some(HeaderValue::Plain(text.clone())),
                _ => self.secret(file, &value).map(HeaderValue::Secret),
            };
            let text = meant.as_ref().map_or("", |meant| match meant {
                HeaderValue::Plain(text) => text.as_str(),
                HeaderValue::Secret(secret) => secret.expose(),
            });
            if text.contains('\0') {
                self.problems.push(Problem::at_secret(file.path, file.text, value.span(), "an environment variable holds no NUL"));
            }
            env.extend(meant.map(|meant| (name.into_inner(), meant)));
        }
        env
    }
}

/// A path relative to the file it is written in, wherever that is seen from.
fn place(file: &File<'_>, written: &Path) -> PathBuf {
    let joined = file.dir().join(written);
    // What has no absolute form is complained about as it is.
    std::path::absolute(&joined).unwrap_or(joined)
}

/// Which of an entry's content is meant.
pub(super) fn content(written: Option<written::Content>) -> Content {
    match written {
        None => Content::All,
        Some(written::Content::Html) => Content::Html,
        Some(written::Content::Text) => Content::Text,
        Some(written::Content::None) => Content::None,
    }
}

/// `HOST:PORT`, with brackets around an IPv6 address.
fn tcp_address(written: &str) -> Option<Address> {
    let (host, port) = written.trim().rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_name = |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    let host = match bare {
        Some(six) => six.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None => is_name(host).then(|| host.to_owned())?,
    };
    Some(Address::Tcp { host, port })
}
