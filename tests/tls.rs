//! Consumers that speak TLS: whose certificates are believed, and which one is shown to those that ask.

use std::fs;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{Home, Origin, Publisher, Receiver};

fn file(name: &str) -> String {
    format!("{}/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file(name)).unwrap()
}

/// A door before a consumer: it speaks TLS, and lets in who shows a certificate of the authority. Returns its URL.
async fn door(receiver: &Receiver) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate("authority.pem")).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let versions = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = versions.with_client_cert_verifier(verifier).with_single_cert(vec![certificate("server.pem")], key).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (url, behind) = (format!("https://{}/", listener.local_addr().unwrap()), receiver.url(""));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.trim_start_matches("http://").to_owned());
            tokio::spawn(async move {
                match acceptor.accept(socket).into_fallible().await {
                    Ok(mut inside) => {
                        let mut consumer = TcpStream::connect(behind).await.unwrap();
                        drop(copy_bidirectional(&mut inside, &mut consumer).await);
                    }
                    Err((_, mut outside)) => {
                        // What has been sent already is read, or the reset would overtake the reason for the refusal.
                        drop(outside.shutdown().await);
                        drop(tokio::io::copy(&mut outside.take(1 << 20), &mut sink()).await);
                    }
                }
            });
        }
    });
    url
}

/// Until a certificate is shown, and the right one, nothing is delivered and nothing lost; what is mended applies to what waits.
#[tokio::test]
async fn d36_a_consumer_that_lets_only_some_in_is_shown_a_certificate() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(2);
    let hook = format!("[sinks.hook.webhook]\nurl = {:?}\nca = {:?}\n", door(&receiver).await, file("authority.pem"));
    let feed = format!("[feeds.a]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n{hook}", publisher.url());
    let shown = |certificate: &str| format!("{feed}client_cert = {certificate:?}\nclient_key = {{ credential = \"key\" }}\n");
    let key = fs::read_to_string(file("client.key")).unwrap();
    let home = Home::new(&feed).credential("key", &key).retry("1ms");
    let daemon = home.start().await;
    let refusals = |n: usize| daemon.stderr.until("a refusal", move |all| all.iter().filter(|l| l.contains("TLS failed")).nth(n).cloned());
    refusals(6).await;

    fs::copy(file("client.pem"), home.path("client.pem")).unwrap();
    home.configure(&shown("client.pem"));
    daemon.hup();
    receiver.acknowledged(2).await;

    // Read anew at each reload: a pair that does not belong together is refused, and what was in force stays.
    fs::copy(file("client.rsa.pem"), home.path("client.pem")).unwrap();
    daemon.hup();
    let refused = |all: &[String]| all.iter().find(|line| line.contains("not the key of the first certificate")).cloned();
    daemon.stderr.until("the refusal of the reload", refused).await;
    publisher.publish(1);
    receiver.acknowledged(3).await;

    let other = fs::read_to_string(file("self-signed.key")).unwrap();
    let home = home.credential("key", &other);
    home.configure(&shown(&file("self-signed.pem")));
    let seen = daemon.stderr.all().iter().filter(|line| line.contains("TLS failed")).count();
    daemon.hup();
    publisher.publish(1);
    refusals(seen).await;
    assert_eq!(receiver.accepted().len(), 3);
    for secret in [key, other].iter().flat_map(|key| key.lines().filter(|line| !line.starts_with('-'))) {
        assert!(!daemon.stderr.all().iter().any(|line| line.contains(secret)));
    }
}

#[tokio::test]
async fn the_certificate_of_a_consumer_is_not_believed_unasked() {
    let (origin, receiver) = (Origin::start().await, Receiver::start().await);
    let publisher = Publisher::new(&origin, "/feed");
    publisher.publish(1);
    let hook = format!("[sinks.hook.webhook]\nurl = {:?}\n", door(&receiver).await);
    let home = Home::new(&format!("[feeds.a]\nurl = {:?}\ninterval = \"100ms\"\nbacklog = \"all\"\n{hook}", publisher.url()));
    let daemon = home.start().await;
    let unknown = |all: &[String]| all.iter().find(|line| line.contains("TLS failed: invalid peer certificate: UnknownIssuer")).cloned();
    daemon.stderr.until("the refusal", unknown).await;
    assert_eq!(receiver.arrivals().len(), 0);
}
