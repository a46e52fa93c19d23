//! Certificates that are believed, and those that are not.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::http::trust::Authority;

fn file(name: &str) -> String {
    format!("{}/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A server with a certificate, that speaks these protocols and answers every request with one letter; the URL of it.
async fn serving(certificate: &str, protocols: &[&[u8]]) -> (String, Arc<Mutex<Vec<String>>>) {
    let chain = vec![CertificateDer::from_pem_file(file(&format!("{certificate}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file(&format!("{certificate}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = versions.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let heard = Arc::new(Mutex::new(vec![]));
    let record = heard.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let mut request = vec![];
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            record.lock().await.push(String::from_utf8(request).unwrap());
            socket.write_all(&ok("", b"x")).await.unwrap();
            socket.shutdown().await.unwrap();
        }
    });
    (url, heard)
}

fn believing(authority: &str) -> Arc<Options> {
    let authorities = Authority::read(&std::fs::read(file(authority)).unwrap()).unwrap();
    Arc::new(Options { trust: Trust { authorities, insecure: false }, ..Options::default() })
}

fn careless() -> Arc<Options> {
    Arc::new(Options { trust: Trust { insecure: true, ..Trust::default() }, ..Options::default() })
}

#[tokio::test]
async fn p46_a_certificate_is_believed_by_the_feed_that_says_so_and_no_other() {
    let fetcher = fetcher(5000, &["127.0.0.0/8"]);
    for (certificate, authority) in [("server", "authority.pem"), ("self-signed", "self-signed.pem")] {
        let (url, heard) = serving(certificate, &[]).await;
        let refused = async |options| {
            let error = fetcher.fetch(&url, &options).await.unwrap_err();
            assert!(matches!(error, PollError::Tls(_)), "{error:?}");
        };
        refused(Arc::default()).await;
        assert!(fetcher.fetch(&url, &believing(authority)).await.is_ok());
        refused(Arc::default()).await;
        assert!(fetcher.fetch(&url, &careless()).await.is_ok());
        refused(Arc::default()).await;
        assert_eq!(heard.lock().await.len(), 2, "nothing is said to a server that is not believed");
    }
    let (url, _) = serving("server", &[]).await;
    let error = fetcher.fetch(&url, &believing("self-signed.pem")).await.unwrap_err();
    assert!(matches!(error, PollError::Tls(_)), "another authority: {error:?}");
    let elsewhere = url.replace("127.0.0.1", "127.0.0.2");
    let error = fetcher.fetch(&elsewhere, &believing("authority.pem")).await.unwrap_err();
    assert!(matches!(error, PollError::Tls(_)), "another name: {error:?}");
}

#[tokio::test]
async fn p66_http_2_is_spoken_when_it_is_offered() {
    for (protocols, first) in [(&[b"h2".as_slice(), b"http/1.1"][..], "PRI * HTTP/2.0\r\n"), (&[b"http/1.1"], "GET / HTTP/1.1\r\n")] {
        let (url, heard) = serving("server", protocols).await;
        // What it answers is no HTTP/2.
        drop(fetcher(5000, &["127.0.0.0/8"]).fetch(&url, &believing("authority.pem")).await);
        assert!(heard.lock().await[0].starts_with(first));
    }
}
