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
