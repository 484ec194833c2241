//! What the client needs of the world: a stream to the server, a clock, and a little randomness. A seam with the system's
//! TCP behind it, or a simulated network under a simulated clock.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{ClientError, Encryption, Socket, random};

/// Where a client's connections, its time and its chance come from.
pub trait Transport {
    /// A connection. Reading and writing never wait: what cannot be done at once is [`ErrorKind::WouldBlock`].
    type Stream: Read + Write;

    /// Connects, within this time.
    ///
    /// # Errors
    /// Why the server cannot be reached.
    fn connect(&mut self, timeout: Duration) -> Result<Self::Stream, ClientError>;

    /// The time now. It never goes back.
    fn now(&self) -> Instant;

    /// 64 random bits.
    fn draw(&mut self) -> u64;
}

/// The system's TCP, inside TLS where that is asked for, to the first of some addresses that answers.
pub struct Tcp {
    addresses: Vec<SocketAddr>,
    encryption: Option<Encryption>,
}

impl Tcp {
    pub(crate) fn new(addresses: Vec<SocketAddr>, encryption: Option<Encryption>) -> Self {
        Self { addresses, encryption }
    }
}

impl Transport for Tcp {
    type Stream = Socket;

    fn connect(&mut self, timeout: Duration) -> Result<Socket, ClientError> {
        let mut last = ClientError::Address(Arc::new(ErrorKind::AddrNotAvailable.into()));
        for &addr in &self.addresses {
            match connect_one(addr, timeout, self.encryption.as_ref()) {
                Ok(stream) => return Ok(stream),
                Err(why) => last = ClientError::Connect { addr, why: Arc::new(why) },
            }
        }
        Err(last)
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn draw(&mut self) -> u64 {
        random::draw()
    }
}

fn connect_one(addr: SocketAddr, timeout: Duration, encryption: Option<&Encryption>) -> io::Result<Socket> {
    let stream = TcpStream::connect_timeout(&addr, timeout)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Socket::new(stream, encryption)
}
