//! Which addresses may be connected to. A feed, a redirect or a DNS answer must not reach what only we can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

/// An address that may not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not allowed")]
pub struct Forbidden(pub String);

/// A name without an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unresolved(pub String);

/// Who may be connected to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Public addresses, and these networks.
    Public(Vec<IpNet>),
    /// Everything but link-local addresses, where clouds keep their secrets: for consumers, whose URL the operator wrote.
    NotLinkLocal,
}

impl Policy {
    /// Whether an address may be connected to.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::Public(allowed) => is_public(address) || allowed.iter().any(|net| net.contains(&address)),
            Self::NotLinkLocal => !is_link_local(address),
        }
    }

    fn admits_loopback(&self) -> bool {
        self.admits(Ipv4Addr::LOCALHOST.into()) || self.admits(Ipv6Addr::LOCALHOST.into())
    }

    /// Checks what no resolver of ours sees: literal addresses, names of the machine itself, which a proxy would take for its own, and ports
    /// that speak other protocols.
    ///
    /// # Errors
    /// [`Forbidden`] with the address or port.
    pub fn check_url(&self, url: &Url) -> Result<(), Forbidden> {
        let literal = match url.host() {
            Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
            Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
            _ => None,
        };
        match (literal, url.port()) {
            (Some(address), _) if !self.admits(address) => Err(Forbidden(address.to_canonical().to_string())),
            (None, _) if url.domain().is_some_and(is_localhost) && !self.admits_loopback() => Err(Forbidden("localhost".into())),
            (_, Some(port)) if BAD_PORTS.contains(&port) => Err(Forbidden(format!("port {port}"))),
            _ => Ok(()),
        }
    }
}

/// RFC 6761 §6.3.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// The IANA special-purpose registry (RFC 6890), without what is globally reachable.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Global unicast without the ranges that stand for IPv4, documentation or tunnels.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let global = s[0] & 0xe000 == 0x2000;
    let special = matches!((s[0], s[1]), (0x2001, 0x0000 | 0x0010..=0x002f | 0x0db8) | (0x2002, _) | (0x3fff, 0x0000..=0x0fff));
    global && !special
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The WHATWG's list (Fetch standard, "port blocking").
const BAD_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115,
    117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601,
    636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697,
    10080,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p82_every_range_that_is_not_public_is_refused_from_its_first_address_to_its_last() {
        let public = Policy::Public(vec![]);
        let ranges = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 \
             192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32 ::/128 ::1/128 \
             ::ffff:10.0.0.0/104 ::ffff:127.0.0.0/104 ::10.0.0.0/104 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/32 2001:10::/28 2001:20::/28 \
             2001:db8::/32 2002::/16 3fff::/20 fc00::/7 fe80::/10 ff00::/8";
        for range in ranges.split_whitespace() {
            let net: IpNet = range.parse().unwrap();
            assert!(!public.admits(net.network()) && !public.admits(net.broadcast()), "{range}");
        }
        // What lies beside them, and what is known to be public.
        for address in "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 \
             172.15.255.255 172.32.0.0 192.0.1.255 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 \
             198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 1.1.1.1 93.184.216.34 ::ffff:1.1.1.1 2001:4860:4860::8888 \
             2001:db7:ffff::1 2001:db9::1 2003::1 2606:4700::1111 2a00:1450::1 3ffe::1"
            .split_whitespace()
        {
            assert!(public.admits(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn p78_p83_p85_a_literal_is_seen_in_every_spelling_and_so_are_localhost_and_a_bad_port() {
        let public = Policy::Public(vec![]);
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://127.1/",
            "http://①27.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://0177.0.0.1/",
            "https://example.com:25/",
            "https://example.com:6667/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
        ] {
            assert!(public.check_url(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        for url in
            ["https://example.com/", "https://example.com:8443/", "http://1.1.1.1/", "http://notlocalhost/", "http://localhost.example/"]
        {
            assert!(public.check_url(&Url::parse(url).unwrap()).is_ok(), "{url}");
        }
    }

    #[test]
    fn d46_networks_can_be_opened_and_consumers_may_be_private() {
        let opened = Policy::Public(vec!["127.0.0.0/8".parse().unwrap()]);
        assert!(opened.admits("127.0.0.1".parse().unwrap()) && opened.admits("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!opened.admits("10.0.0.1".parse().unwrap()));
        let localhost = Url::parse("http://localhost/").unwrap();
        let six = Policy::Public(vec!["::1/128".parse().unwrap()]);
        assert!([&opened, &six, &Policy::NotLinkLocal].iter().all(|policy| policy.check_url(&localhost).is_ok()));
        assert!(Policy::NotLinkLocal.admits("10.0.0.1".parse().unwrap()));
        assert!(!Policy::NotLinkLocal.admits("169.254.169.254".parse().unwrap()));
        assert!(!Policy::NotLinkLocal.admits("::ffff:169.254.169.254".parse().unwrap()));
    }
}
