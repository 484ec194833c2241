//! HTTP inside TLS: nothing is said outside of it, and a certificate that is read again shows to who comes next while connections
//! that are there go on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned};

use crate::access::issue;
use crate::support::Server;
use crate::support::server::NO_SNAPSHOTS;

/// A connection that is kept, to a server whose certificate is this one.
struct Secure(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Secure {
    fn open(addr: SocketAddr, trusted: &Path) -> std::io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("orders.example").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut secure = StreamOwned::new(client, stream);
        while secure.conn.is_handshaking() {
            secure.conn.complete_io(&mut secure.sock)?;
        }
        Ok(Self(BufReader::new(secure)))
    }

    /// The status of an answer to a request on it.
    fn get(&mut self, path: &str) -> std::io::Result<u16> {
        write!(self.0.get_mut(), "GET {path} HTTP/1.1\r\nhost: orders.example\r\n\r\n")?;
        self.0.get_mut().flush()?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().unwrap();
            }
            if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        self.0.read_exact(&mut vec![0; length])?;
        Ok(status)
    }

    fn version(&self) -> Option<ProtocolVersion> {
        self.0.get_ref().conn.protocol_version()
    }
}

#[test]
fn with_tls_http_is_inside_it_alone_and_a_new_certificate_disturbs_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let tls = issue(directory.path(), "orders.example");
    let data = directory.path().join("data");
    let server = Server::with_http(&data, &format!("{NO_SNAPSHOTS}{tls}"));
    let addr = server.http.unwrap();
    let (certificate, old) = (directory.path().join("certificate.pem"), directory.path().join("old.pem"));
    let mut kept = Secure::open(addr, &certificate).unwrap();
    assert_eq!(kept.version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(kept.get("/v1/status").unwrap(), 200);
    assert_eq!(kept.get("/healthz").unwrap(), 200);

    // Outside of TLS nothing of HTTP is said.
    let mut plain = TcpStream::connect(addr).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&said));

    std::fs::copy(&certificate, &old).unwrap();
    issue(directory.path(), "orders.example");
    assert!(Secure::open(addr, &certificate).is_err(), "it is not read yet");
    server.send(Signal::HUP);
    let is_read = || {
        std::thread::sleep(Duration::from_millis(20));
        Secure::open(addr, &certificate).is_ok()
    };
    assert!((0..500).any(|_| is_read()), "the new certificate is shown");
    assert!(Secure::open(addr, &old).is_err(), "the old one is shown no more");
    assert_eq!(kept.get("/v1/status").unwrap(), 200, "who was there goes on");
    drop(kept);
    assert!(server.stop().contains("read again"));
}
