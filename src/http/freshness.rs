//! How long an answer is fresh (RFC 9111 §4.2): its server has said that there is nothing to be had before.

use std::time::Duration;

use httpdate::parse_http_date;
use reqwest::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderMap, HeaderName};

/// The longest that is believed: a blog that says seven days and posts every hour is not rare.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The largest number of seconds (RFC 9111 §1.2.2).
const MOST_SECONDS: u64 = 1 << 31;

/// How long after it was received an answer stays fresh; `None` when its server says nothing of use.
#[must_use]
pub fn from_headers(headers: &HeaderMap) -> Option<Duration> {
    let lifetime = match max_age(headers) {
        Said::Seconds(seconds) => Duration::from_secs(seconds),
        Said::Stale => return None,
        Said::Nothing => expires(headers)?,
    };
    let age = text(headers, &AGE).and_then(|age| age.trim().parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
    lifetime.checked_sub(age).filter(|left| !left.is_zero()).map(|left| left.min(LONGEST))
}

/// What `Cache-Control` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Seconds(u64),
    /// Not to be kept: `Expires` does not count either.
    Stale,
    Nothing,
}

/// The first `max-age` counts; one that is no number is none. What shared caches are told does not concern us, nor does `immutable`.
fn max_age(headers: &HeaderMap) -> Said {
    let mut said = Said::Nothing;
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in value.to_str().unwrap_or_default().split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" | "no-store" => return Said::Stale,
                "max-age" if said == Said::Nothing => said = seconds(argument.trim().trim_matches('"')),
                _ => {}
            }
        }
    }
    if said == Said::Seconds(0) { Said::Stale } else { said }
}

fn seconds(digits: &str) -> Said {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Said::Stale;
    }
    Said::Seconds(digits.parse().map_or(MOST_SECONDS, |n: u64| n.min(MOST_SECONDS)))
}

/// `Expires`, counted from the server's own `Date`: its clock is not ours.
fn expires(headers: &HeaderMap) -> Option<Duration> {
    let at = |name| text(headers, name).and_then(|date| parse_http_date(date.trim()).ok());
    at(&EXPIRES)?.duration_since(at(&DATE)?).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&str, &str)], expected: Option<u64>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        assert_eq!(from_headers(&map), expected.map(Duration::from_secs), "{headers:?}");
    }

    #[test]
    fn p18_p19_max_age_less_age() {
        check(&[("cache-control", "max-age=3600")], Some(3600));
        check(&[("cache-control", "max-age=3600"), ("age", "600")], Some(3000));
        check(&[("cache-control", "max-age=3600"), ("age", "3600")], None);
        check(&[("cache-control", "max-age=3600"), ("age", "soon")], Some(3600));
        check(&[], None);
    }

    #[test]
    fn p21_p22_expires_counts_from_the_servers_date_and_only_without_max_age() {
        let (date, later) = (("date", "Wed, 27 Nov 2024 16:45:00 GMT"), ("expires", "Wed, 27 Nov 2024 17:45:00 GMT"));
        check(&[date, later], Some(3600));
        check(&[date, later, ("cache-control", "max-age=60")], Some(60));
        check(&[date, later, ("cache-control", "no-cache")], None);
        check(&[later], None);
        for bad in ["0", "-1", "garbage", "Wed, 27 Nov 2024 16:45:00 GMT", "Tue, 26 Nov 2024 16:45:00 GMT"] {
            check(&[date, ("expires", bad)], None);
        }
    }

    #[test]
    fn p23_p24_p25_directives_as_they_are_written() {
        for none in [
            "max-age=0",
            "no-cache",
            "no-store",
            "max-age=600, no-store",
            "max-age=soon",
            "max-age=",
            "max-age=-5",
            "private",
            "s-maxage=60",
            "immutable",
        ] {
            check(&[("cache-control", none)], None);
        }
        for hour in ["Max-Age = \"3600\"", "public, max-age=3600, max-age=60", " max-age=3600 ,immutable", "MAX-AGE=3600,s-maxage=5"] {
            check(&[("cache-control", hour)], Some(3600));
        }
        check(&[("cache-control", "public"), ("cache-control", "max-age=60")], Some(60));
        check(&[("cache-control", "max-age=604800")], Some(86_400));
        check(&[("cache-control", "max-age=99999999999999999999999")], Some(86_400));
    }
}
