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

const HOOK_URL: &str = "url = \"https://h.example/\"\n";

fn hook(keys: &str) -> String {
    format!("{FEED}[sinks.h.webhook]\n{keys}\n")
}

/// What is said of a webhook with these keys, in a directory with certificates and keys.
fn said_of_hook(keys: &str) -> Result<Config, String> {
    let files = [
        ("f.toml", hook(keys)),
        ("client.pem", include_str!("../../../tests/certificates/client.pem").into()),
        ("client.key", include_str!("../../../tests/certificates/client.key").into()),
        ("server.key", include_str!("../../../tests/certificates/server.key").into()),
        ("authority.pem", include_str!("../../../tests/certificates/authority.pem").into()),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    load_files(&files, &[("TOKEN", "t0p-secret"), ("URL", "http://h.example/t0p-secret")])
}

#[test]
fn a_webhook_has_certificates_of_both_sides() {
    let keys = format!("{HOOK_URL}ca = \"authority.pem\"\nclient_cert = \"client.pem\"\nclient_key = {{ file = \"client.key\" }}");
    let config = said_of_hook(&keys).unwrap();
    let Target::Webhook(hook) = &config.sinks.first().unwrap().target else { panic!("no webhook") };
    assert_eq!((hook.trust.authorities.len(), hook.trust.insecure, hook.client_cert.is_some()), (1, false, true));
}

#[test]
fn what_is_wrong_with_certificates_of_a_webhook_has_its_line_and_caret() {
    let (cert, key) = ("client_cert = \"client.pem\"", "client_key = { file = \"client.key\" }");
    let wrong = [
        (
            cert.to_owned(),
            "f.toml:5:15: a certificate is of no use without its key; add client_key = { credential = \"NAME\" }\n  |\n5 | client_cert = \"client.pem\"\n  |               ^^^^^^^^^^^^",
        ),
        (
            key.to_owned(),
            "f.toml:5:14: a key is of no use without its certificate; add client_cert = \"PATH\"\n  |\n5 | client_key = { file = \"client.key\" }\n  |              ^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            format!("{cert}\nclient_key = {{ file = \"server.key\" }}"),
            "f.toml:6:14: this is not the key of the first certificate in client_cert\n  |\n6 | client_key = { file = \"server.key\" }\n  |              ^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            format!("{cert}\nclient_key = {{ env = \"TOKEN\" }}"),
            "f.toml:6:14: there is no key in it (-----BEGIN PRIVATE KEY-----) that could be used\n  |\n6 | client_key",
        ),
        (
            format!("client_cert = \"no.pem\"\n{key}"),
            "f.toml:5:15: cannot read no.pem: No such file or directory (os error 2)\n  |\n5 | client_cert = \"no.pem\"",
        ),
        (
            format!("client_cert = \"f.toml\"\n{key}"),
            "f.toml:5:15: cannot read f.toml: there is no certificate in it (-----BEGIN CERTIFICATE-----)\n  |\n5 | client_cert",
        ),
        (format!("{cert}\nclient_key = \"MIG-t0p\""), "f.toml:6:14: a secret is never written in the file: use"),
        ("client_key = \"MIG-t0p\"".to_owned(), "f.toml:5:14: a key is of no use without its certificate"),
        (
            "ca = \"client.key\"".to_owned(),
            "f.toml:5:6: cannot read client.key: there is no certificate in it (-----BEGIN CERTIFICATE-----)\n  |\n5 | ca",
        ),
        ("insecure = true".to_owned(), "unknown field `insecure`"),
    ];
    for (keys, expected) in wrong {
        let error = said_of_hook(&format!("{HOOK_URL}{keys}")).unwrap_err();
        assert!(error.contains(expected) && !error.contains("t0p"), "{expected}\n\nin\n\n{error}");
    }
    let error = said_of_hook(&format!("url = \"http://h.example/\"\nca = \"authority.pem\"\n{cert}\n{key}")).unwrap_err();
    for line in ["f.toml:5:6", "f.toml:6:15"] {
        assert!(error.contains(&format!("{line}: over http nobody shows a certificate")), "{error}");
    }
}

#[test]
fn secrets_of_a_webhook_in_the_clear_are_a_warning() {
    let warnings = |url: &str, keys: &str| {
        let text = hook(&format!("url = {url}\n{keys}"));
        load_files(
            &[("f.toml", &text)],
            &[("TOKEN", "t0p"), ("HOOK", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"), ("URL", "http://h.example/t0p")],
        )
        .unwrap()
        .warnings
    };
    let (bearer, header) = ("bearer = { env = \"TOKEN\" }", "headers = { \"X-Token\" = { env = \"TOKEN\" } }");
    let signed = "secrets = [{ env = \"HOOK\" }]";
    let read = "the secrets of the sink h go over http: whoever is on the way can read them";
    let again = "the sink h is sent signed events over http: whoever is on the way can read them and send them again";
    for (keys, warning) in [(bearer, read), (header, read), (signed, again)] {
        assert_eq!(warnings("\"http://h.example/\"", keys), [warning], "{keys}");
        for safe in ["https://h.example/", "http://127.0.0.1/", "http://[::1]:8080/", "http://localhost/"] {
            assert_eq!(warnings(&format!("{safe:?}"), keys), [""; 0], "{keys} {safe}");
        }
    }
    assert_eq!(warnings("{ env = \"URL\" }", ""), [read]);
    assert_eq!(warnings("\"http://h.example/\"", "headers = { \"X-Plain\" = \"p\" }"), [""; 0]);
}

#[test]
fn a_host_is_a_name() {
    let marks = "^".repeat(29);
    complaint(
        &format!("{FEED}{STDOUT}[admin]\nhosts = [\"https://feeds.example.org:1\"]\n"),
        &format!(
            "f.toml:5:10: a host is a name as in \"feeds.example.org\", without scheme or port; addresses need not be named\n  |\n5 | hosts = [\"https://feeds.example.org:1\"]\n  |          {marks}"
        ),
    );
}
