//! TLS 1.3 to the server: whom a client trusts, and by which name it expects the server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Whom a client trusts to be the server. Clones are the same.
#[derive(Debug, Clone)]
pub struct Encryption {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Why there is nobody to trust.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    /// The file cannot be read, or holds no certificate.
    #[error("{file} holds no certificate to trust: {why}")]
    NoCertificate {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: pem::Error,
    },
    /// A certificate in the file cannot be trusted, or the cryptography at hand has no suite for TLS 1.3.
    #[error("the certificates of {file} cannot be used: {why}")]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: rustls::Error,
    },
    /// The name is none that a server can have.
    #[error("{name:?} is no name or address of a server")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        why: InvalidDnsNameError,
    },
}

impl Encryption {
    /// Trusts servers whose certificate is, or is signed by, one of a PEM file, and is for this name or address.
    ///
    /// # Errors
    /// What is wrong with the file or the name.
    pub fn trusting(file: &Path, name: &str) -> Result<Self, EncryptionError> {
        let unreadable = |why| EncryptionError::NoCertificate { file: file.to_owned(), why };
        let unusable = |why| EncryptionError::Unusable { file: file.to_owned(), why };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
            roots.add(certificate.map_err(unreadable)?).map_err(unusable)?;
        }
        if roots.is_empty() {
            return Err(unreadable(pem::Error::NoItemsFound));
        }
        let server = ServerName::try_from(name.to_owned())
            .map_err(|why| EncryptionError::Name { name: name.to_owned(), why })?;
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = builder
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), name: server })
    }
}

/// A connection to the server, as it is or inside TLS. Nothing here waits.
pub enum Socket {
    /// What is said is what is sent.
    Plain(TcpStream),
    /// Inside TLS.
    Encrypted(Box<Encrypted>),
}

/// A socket and what TLS has to say about it.
pub struct Encrypted {
    socket: TcpStream,
    tls: ClientConnection,
}

impl Socket {
    pub(crate) fn new(socket: TcpStream, encryption: Option<&Encryption>) -> io::Result<Self> {
        let Some(Encryption { config, name }) = encryption else { return Ok(Self::Plain(socket)) };
        let tls = ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
        Ok(Self::Encrypted(Box::new(Encrypted { socket, tls })))
    }

    /// What to wait for.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Encrypted(inside) => &inside.socket,
        }
    }
}

impl Encrypted {
    /// Writes what TLS holds for the socket; [`ErrorKind::WouldBlock`] if that does not take all.
    fn push(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => _ = written?,
            }
        }
        Ok(())
    }
}

impl Read for Encrypted {
    /// Fills the buffer as far as there is something, so that less than its length means: the socket is empty.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        loop {
            match self.tls.reader().read(&mut buffer[count..]) {
                Ok(0) => return Ok(count),
                Ok(bytes) => {
                    count += bytes;
                    if count == buffer.len() {
                        return Ok(count);
                    }
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The server has gone without saying so. Frames tell by themselves whether they are whole.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(count),
                Err(error) => return Err(error),
            }
            match self.tls.read_tls(&mut self.socket) {
                Ok(_) => {
                    let processed = self.tls.process_new_packets();
                    // The handshake's next words, or why there is none: what does not go now goes with the next write.
                    match self.push() {
                        Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                        _ => {}
                    }
                    processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && count > 0 => return Ok(count),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for Encrypted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push()?;
        let taken = self.tls.writer().write(bytes)?;
        match self.push() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}

impl Read for Socket {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Encrypted(inside) => inside.read(buffer),
        }
    }
}

impl Write for Socket {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Encrypted(inside) => inside.write(bytes),
        }
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Encrypted(inside) => inside.flush(),
        }
    }
}
