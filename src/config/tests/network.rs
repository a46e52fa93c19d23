//! How feeds are reached: what is said of certificates, proxies and secrets in the clear.

use super::*;

#[test]
fn certificates_of_a_feed_are_read_and_complained_about_where_they_are_named() {
    let text = format!("{FEED}ca = \"ca.pem\"\n[feeds.b]\nurl = \"https://b.ua/rss\"\ninsecure = true\n{STDOUT}");
    let authority = include_str!("../../../tests/certificates/authority.pem");
    let config = load_files(&[("f.toml", &text), ("ca.pem", authority)], &[]).unwrap();
    let trust = |n: usize| config.feeds.get(n).unwrap().options.trust.clone();
    assert_eq!((trust(0).authorities.len(), trust(0).insecure), (1, false));
    assert_eq!((trust(1).authorities.len(), trust(1).insecure), (0, true));
    assert_eq!(config.warnings, ["the certificate of the feed b is not checked: whoever is on the way can read and forge it"]);

    let text = format!(
        "{FEED}ca = \"no.pem\"\n[feeds.b]\nurl = \"https://b.ua/rss\"\nca = \"f.toml\"\ninsecure = true\n[feeds.c]\nurl = \"https://c.ua/rss\"\nca = \"bad.pem\"\n{STDOUT}"
    );
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = load_files(&[("f.toml", &text), ("bad.pem", bad)], &[]).unwrap_err();
    for expected in [
        "f.toml:3:6: cannot read no.pem: No such file or directory (os error 2)\n  |\n3 | ca = \"no.pem\"\n  |      ^^^^^^^^",
        "f.toml:6:6: cannot read f.toml: there is no certificate in it (-----BEGIN CERTIFICATE-----)\n  |\n6 | ca = \"f.toml\"",
        "f.toml:7:12: either ca says whose certificates are believed, or insecure that all are\n  |\n7 | insecure = true\n  |            ^^^^",
        "f.toml:10:6: cannot read bad.pem: its certificate 1 cannot be used: ",
    ] {
        assert!(error.contains(expected), "{expected}\n\nin\n\n{error}");
    }
}

#[test]
fn a_proxy_is_a_host_and_a_port() {
    let text = |proxy: &str| format!("[polling]\nproxy = {proxy:?}\n{FEED}{STDOUT}");
    let proxy = |url: &str| load_one(&text(url)).unwrap().fetch.proxy.unwrap().to_string();
    assert_eq!(proxy("http://127.0.0.1:3128"), "http://127.0.0.1:3128/");
    assert_eq!(proxy("http://proxy.internal"), "http://proxy.internal/");
    assert_eq!(load_one(&format!("{FEED}{STDOUT}")).unwrap().fetch.proxy, None);
    for wrong in ["https://proxy.internal:3128", "http://proxy.internal/x", "http://proxy.internal?x"] {
        let marks = "^".repeat(wrong.len() + 2);
        complaint(
            &text(wrong),
            &format!(
                "f.toml:2:9: a proxy is written http://HOST:PORT; https feeds go through it too\n  |\n2 | proxy = {wrong:?}\n  |         {marks}"
            ),
        );
    }
    let hint = "f.toml:2:9: the URL of a proxy holds no user name or password; let the proxy know this machine by its address";
    complaint(&text("http://me:pw@proxy.internal:3128"), hint);
    assert!(load_one(&text("socks5://127.0.0.1:1080")).unwrap_err().contains("begins with https:// or http://, not socks5:"));
}

#[test]
fn p101_secrets_in_the_clear_are_a_warning() {
    let warnings = |url: &str, secret: &str| load_one(&format!("[feeds.a]\nurl = {url:?}\n{secret}\n{STDOUT}")).unwrap().warnings;
    let (basic, bearer, header) = (
        "auth.basic = { user = \"me\", password = { env = \"TOKEN\" } }",
        "auth.bearer = { env = \"TOKEN\" }",
        "headers = { \"X-Token\" = { env = \"TOKEN\" } }",
    );
    for secret in [basic, bearer, header] {
        let warning = "the secrets of the feed a go over http: whoever is on the way can read them";
        assert_eq!(warnings("http://a.ua/rss", secret), [warning], "{secret}");
        for safe in ["https://a.ua/rss", "http://127.0.0.1/rss", "http://[::1]:8080/rss", "http://localhost/rss"] {
            assert_eq!(warnings(safe, secret), [""; 0], "{secret} {safe}");
        }
    }
    assert_eq!(warnings("http://a.ua/rss", "headers = { \"X-Plain\" = \"p\" }"), [""; 0]);
}
