//! Who we say we are to a server that lets only some clients in (mutual TLS, RFC 8446 section 4.4).

use reqwest::ClientBuilder;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::secret::Secret;

/// A certificate, those that lead from it to an authority, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate(Secret);

/// What is wrong with a client certificate, by what has to be mended. Says nothing of the key's content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientCertificateError {
    /// The certificates.
    #[error("{0}")]
    Chain(String),
    /// The key.
    #[error("{0}")]
    Key(&'static str),
}

impl ClientCertificate {
    /// Reads certificates (PEM, the client's own first) and the key of the first (PEM of PKCS#8, PKCS#1 or SEC1).
    ///
    /// # Errors
    /// When one of them cannot be read, or they do not belong together.
    pub fn read(chain: &str, key: &Secret) -> Result<Self, ClientCertificateError> {
        let certificates = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|e| ClientCertificateError::Chain(e.to_string()))?;
        if certificates.is_empty() {
            return Err(ClientCertificateError::Chain("there is no certificate in it (-----BEGIN CERTIFICATE-----)".into()));
        }
        // What the parser says of a key is not repeated: it may hold some of it.
        let unread = match key.expose().contains("ENCRYPTED") {
            true => "a key with a password cannot be used; take it off with: openssl pkey -in KEY -out PLAIN",
            false => "there is no key in it (-----BEGIN PRIVATE KEY-----) that could be used",
        };
        let der = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| ClientCertificateError::Key(unread))?;
        CertifiedKey::from_der(certificates, der, &ring::default_provider()).map_err(|e| match e {
            rustls::Error::InconsistentKeys(_) => {
                ClientCertificateError::Key("this is not the key of the first certificate in client_cert")
            }
            rustls::Error::InvalidCertificate(e) => ClientCertificateError::Chain(format!("its first certificate cannot be used: {e}")),
            _ => ClientCertificateError::Key(unread),
        })?;
        // The last key of the text counts, so that a file with certificate and key in it does no harm.
        let read = Self(Secret::new(format!("{chain}\n{}\n", key.expose())));
        read.identity().map_err(|_| ClientCertificateError::Chain("there is more in it than certificates".into()))?;
        Ok(read)
    }

    /// A builder of clients that show it to whoever asks.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, reqwest::Error> {
        Ok(builder.identity(self.identity()?))
    }

    fn identity(&self) -> Result<reqwest::Identity, reqwest::Error> {
        reqwest::Identity::from_pem(self.0.expose().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> String {
        std::fs::read_to_string(format!("{}/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn read(chain: &str, key: &str) -> Result<ClientCertificate, String> {
        ClientCertificate::read(chain, &Secret::new(key.to_owned())).map_err(|e| e.to_string())
    }

    #[test]
    fn certificates_and_their_key_belong_together() {
        let (chain, key) = (file("client.pem"), file("client.key"));
        let shown = format!("{:?}", read(&chain, &key).unwrap());
        assert_eq!(shown, "ClientCertificate(Secret(…))");
        assert!(read(&format!("{chain}{}", file("authority.pem")), key.trim_end()).is_ok(), "a chain");
        for form in ["client.sec1.key", "client.rsa.key"] {
            let chain = file(if form == "client.rsa.key" { "client.rsa.pem" } else { "client.pem" });
            assert!(read(&chain, &file(form)).is_ok(), "{form}");
        }
        assert!(read(&format!("{}{chain}", file("server.key")), &key).is_ok(), "the key that is named counts");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_key() {
        let (chain, key) = (file("client.pem"), file("client.key"));
        let why = |chain: &str, key: &str| read(chain, key).unwrap_err();
        assert_eq!(why("", &key), "there is no certificate in it (-----BEGIN CERTIFICATE-----)");
        assert_eq!(why(&chain, &chain), "there is no key in it (-----BEGIN PRIVATE KEY-----) that could be used");
        assert_eq!(why(&chain, &file("server.key")), "this is not the key of the first certificate in client_cert");
        assert!(why(&chain, &key.replace("PRIVATE", "ENCRYPTED PRIVATE")).contains("openssl pkey"));
        assert_eq!(why(&chain, &key.replace("-----END", "+++")), "there is no key in it (-----BEGIN PRIVATE KEY-----) that could be used");
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(why(nonsense, &key).starts_with("its first certificate cannot be used: "), "{}", why(nonsense, &key));
        assert!(!why(chain.get(..chain.len() / 2).unwrap(), &key).is_empty());
    }
}
