//! `Retry-After` (RFC 9110 §10.2.3): seconds or a date; fractions of seconds are seen in the wild.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// How long the server asks us to stay away, at most `longest`. A date counts from the answer's own `Date`, for clocks differ. Garbage
/// and negative numbers are no wish.
#[must_use]
pub fn from_headers(headers: &HeaderMap, longest: Duration) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    parse(text(RETRY_AFTER)?, text(DATE).and_then(|date| httpdate::parse_http_date(date.trim()).ok()), longest)
}

fn parse(value: &str, date: Option<SystemTime>, longest: Duration) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        let sane = seconds.is_finite() && seconds >= 0.0;
        return sane.then(|| Duration::from_secs_f64(seconds.min(longest.as_secs_f64())));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let from = date.unwrap_or_else(SystemTime::now);
    Some(until.duration_since(from).unwrap_or_default().min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p34_p37_every_form_under_a_cap() {
        let date = httpdate::parse_http_date("Wed, 27 Nov 2024 16:45:00 GMT").ok();
        let day = Duration::from_secs(86_400);
        let check = |value: &str, seconds: Option<f64>| {
            assert_eq!(parse(value, date, day), seconds.map(Duration::from_secs_f64), "{value}");
        };
        check("120", Some(120.0));
        check(" 0 ", Some(0.0));
        check("1.5", Some(1.5));
        check("1000000000", Some(86_400.0));
        check("Wed, 27 Nov 2024 16:46:00 GMT", Some(60.0));
        check("Wed, 27 Nov 2024 16:00:00 GMT", Some(0.0));
        check("Fri, 27 Nov 2054 16:00:00 GMT", Some(86_400.0));
        for garbage in ["", "-5", "soon", "NaN", "inf", "12 parsecs"] {
            check(garbage, None);
        }
    }
}
