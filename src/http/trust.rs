//! Whose certificates are believed.

use std::fmt;
use std::sync::Arc;

use reqwest::{Certificate, ClientBuilder};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Whose certificates are believed: by default those of the authorities that the system knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trust {
    /// Beside the system's.
    pub authorities: Arc<[Authority]>,
    /// Whether certificates are not looked at: whoever is on the way can then be the server.
    pub insecure: bool,
}

/// A certificate whose holder is believed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Authority(CertificateDer<'static>);

/// Not a screen full of bytes.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({} bytes)", self.0.len())
    }
}

impl Authority {
    /// Those of a PEM file.
    ///
    /// # Errors
    /// When there is none, or one that cannot be used.
    pub fn read(pem: &[u8]) -> Result<Arc<[Self]>, String> {
        let read = |(n, der): (usize, Result<CertificateDer<'static>, _>)| {
            let der = der.map_err(|e: rustls::pki_types::pem::Error| e.to_string());
            let usable = der.and_then(|der| RootCertStore::empty().add(der.clone()).map(|()| Self(der)).map_err(|e| e.to_string()));
            usable.map_err(|e| format!("its certificate {} cannot be used: {e}", n + 1))
        };
        let authorities: Vec<_> = CertificateDer::pem_slice_iter(pem).enumerate().map(read).collect::<Result<_, _>>()?;
        if authorities.is_empty() {
            Err("there is no certificate in it (-----BEGIN CERTIFICATE-----)".into())
        } else {
            Ok(authorities.into())
        }
    }
}

impl Trust {
    /// A builder of clients that believe so.
    ///
    /// # Errors
    /// When a certificate cannot be used.
    pub fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, reqwest::Error> {
        let certificates = self.authorities.iter().map(|authority| Certificate::from_der(&authority.0));
        let builder = builder.tls_certs_merge(certificates.collect::<Result<Vec<_>, _>>()?);
        Ok(builder.tls_danger_accept_invalid_certs(self.insecure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_from_a_file() {
        let pem = |name: &str| {
            let path = format!("{}/tests/certificates/{name}.pem", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(path).unwrap()
        };
        let (one, two) = (pem("authority"), pem("self-signed"));
        assert_eq!(Authority::read(one.as_bytes()).unwrap().len(), 1);
        assert_eq!(Authority::read(format!("# ours\n{one}\n{two}").as_bytes()).unwrap().len(), 2);
        let why = |pem: &str| Authority::read(pem.as_bytes()).unwrap_err();
        assert_eq!(why(""), "there is no certificate in it (-----BEGIN CERTIFICATE-----)");
        let wrong = why(&format!("{one}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
        assert!(wrong.starts_with("its certificate 2 cannot be used: "), "{wrong}");
        let cut = why(one.get(..one.len() / 2).unwrap());
        assert!(cut.starts_with("its certificate 1 cannot be used: "), "{cut}");
    }
}
