//! Who is behind a host: operators limit and block all their sites together, whichever of them was asked too often.

use std::net::IpAddr;
use std::sync::LazyLock;

/// Rules of the Public Suffix List, sorted. A table of our own, as psl compiles it to 0.8 MB of code, and smaller crates cannot tell the
/// two sections apart.
static RULES: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("suffixes.txt").lines().filter(|line| !line.starts_with('#')).collect());

/// The registrable domain of a host: the label before a public suffix, and the suffix. Suffixes are those of registries (the ICANN section):
/// what people rent below blogspot.com or github.io is a site of one operator. Addresses and public suffixes are their own domain.
///
/// A host is a name as in a URL, in Punycode where it has to be; case and a dot at the end do not matter.
#[must_use]
pub fn registrable(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if is_address(&host) {
        return host;
    }
    let (mut domain, mut rest) = (host.as_str(), host.as_str());
    loop {
        if is_rule(&format!("!{rest}")) {
            return rest.to_owned();
        }
        match rest.split_once('.') {
            Some((_, parent)) if !is_rule(rest) && !is_rule(&format!("*.{parent}")) => (domain, rest) = (rest, parent),
            // A suffix; the last label is one in any case.
            _ => return domain.to_owned(),
        }
    }
}

/// Whether a host, as in a URL, is an address and no name.
#[must_use]
pub fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<IpAddr>().is_ok()
}

fn is_rule(rule: &str) -> bool {
    RULES.binary_search(&rule).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The domain that answers for P33, P35 and P41: 429 and 403 slow all of it.
    #[test]
    fn p33_a_domain_is_what_somebody_registered() {
        for (host, domain) in [
            ("glavcom.ua", "glavcom.ua"),
            ("www.pravda.com.ua", "pravda.com.ua"),
            ("a.b.co.uk", "b.co.uk"),
            ("old.reddit.com", "reddit.com"),
            // Private suffixes are names like others.
            ("x.tumblr.com", "tumblr.com"),
            ("x.blogspot.com", "blogspot.com"),
            ("x.blogspot.co.uk", "blogspot.co.uk"),
            ("a.github.io", "github.io"),
            // Wildcards and exceptions.
            ("a.b.c.ck", "b.c.ck"),
            ("a.www.ck", "www.ck"),
            ("a.b.city.kobe.jp", "city.kobe.jp"),
            ("a.b.c.kobe.jp", "b.c.kobe.jp"),
            // A top level domain that nobody listed is one.
            ("a.b.nowhere", "b.nowhere"),
            // However it is written.
            ("WWW.Pravda.COM.UA.", "pravda.com.ua"),
            ("a.b.xn--55qx5d.cn", "b.xn--55qx5d.cn"),
            ("xn--e1aybc.xn--p1ai", "xn--e1aybc.xn--p1ai"),
            // Those that have none are their own.
            ("co.uk", "co.uk"),
            ("com", "com"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("", ""),
            (".", ""),
        ] {
            assert_eq!(registrable(host), domain, "{host}");
        }
    }

    /// A binary search finds nothing in a list out of order, and a host in a URL is in Punycode.
    #[test]
    fn the_rules_are_sorted_and_spelt_like_hosts() {
        assert!(RULES.len() > 5000 && RULES.is_sorted());
        for rule in RULES.iter() {
            let host = rule.trim_start_matches("*.").trim_start_matches('!');
            assert_eq!(url::Host::parse(host).map(|h| h.to_string()), Ok(host.to_owned()));
        }
    }
}
