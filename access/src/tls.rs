//! TLS 1.3: who this server is, read from files and read again without a restart, and the configuration that its listeners
//! share.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;

/// A certificate with its key, as two PEM files have them. Clones are the same identity.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
}

/// Why files are no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read {file}: {why}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{file} holds no {what}: {why}")]
    NotThere {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong with it.
        why: pem::Error,
    },
    /// The certificate and the key do not fit each other, or cannot be used.
    #[error("the certificate {certificate} and the key {key} cannot be used: {why}")]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong with them.
        why: rustls::Error,
    },
}

impl Identity {
    /// Reads a certificate, with the chain behind it, and its key.
    ///
    /// # Errors
    /// Which file does not hold what it should.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let current = read(certificate, key, &provider)?;
        Ok(Self(Arc::new(Inner {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            provider,
            current: ArcSwap::from_pointee(current),
        })))
    }

    /// Reads the files again: connections made from here on see what they hold now. If they hold nothing that can be used, all
    /// stays as it was.
    ///
    /// # Errors
    /// As [`Identity::read`].
    pub fn reload(&self) -> Result<(), IdentityError> {
        let Inner { certificate, key, provider, current } = &*self.0;
        current.store(Arc::new(read(certificate, key, provider)?));
        Ok(())
    }

    /// The file that the certificate is read from.
    pub fn certificate(&self) -> &Path {
        &self.0.certificate
    }

    /// What a listener needs, which follows every reload: TLS 1.3 and nothing older. `protocols` are the names that the listener
    /// goes by, such as `h2`; empty where there is one protocol only.
    ///
    /// # Errors
    /// When the cryptography at hand has no suite for TLS 1.3.
    pub fn server_config(&self, protocols: &[&str]) -> Result<Arc<ServerConfig>, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.0.provider));
        let mut config = builder
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.0) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, IdentityError> {
    let wrong = |file: &Path, what: &'static str| {
        let file = file.to_owned();
        move |why: pem::Error| match why {
            pem::Error::Io(why) => IdentityError::Unreadable { file, why },
            why => IdentityError::NotThere { file, what, why },
        }
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(wrong(certificate, "certificate"))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "certificate")(pem::Error::NoItemsFound));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(wrong(key, "private key"))?;
    CertifiedKey::from_der(chain, private, provider).map_err(|why| IdentityError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        why,
    })
}

impl ResolvesServerCert for Inner {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of its own for this name, and its key.
    fn made(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn an_identity_is_read_again_and_what_cannot_be_used_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("one.pem"), directory.path().join("one.key"));
        let missing = Identity::read(&certificate, &key).unwrap_err();
        assert!(matches!(missing, IdentityError::Unreadable { .. }), "{missing}");
        let (first, first_key) = made("one.example");
        std::fs::write(&certificate, &first).unwrap();
        std::fs::write(&key, "nothing").unwrap();
        let empty = Identity::read(&certificate, &key).unwrap_err();
        assert!(empty.to_string().contains("one.key holds no private key"), "{empty}");
        std::fs::write(&key, &first_key).unwrap();
        let identity = Identity::read(&certificate, &key).unwrap();
        let shown = |identity: &Identity| identity.0.current.load().cert[0].to_vec();
        let before = shown(&identity);

        let (second, second_key) = made("two.example");
        std::fs::write(&certificate, &second).unwrap();
        let other = identity.reload().unwrap_err();
        assert!(matches!(other, IdentityError::Unusable { .. }), "the key is the other one's: {other}");
        assert_eq!(shown(&identity), before);
        std::fs::write(&key, &second_key).unwrap();
        identity.reload().unwrap();
        assert_ne!(shown(&identity), before);
        std::fs::write(&certificate, "").unwrap();
        let empty = identity.reload().unwrap_err();
        assert!(empty.to_string().contains("one.pem holds no certificate"), "{empty}");
        assert_eq!(identity.server_config(&["h2"]).unwrap().alpn_protocols, [b"h2".to_vec()]);
    }
}
