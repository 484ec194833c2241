//! A connection inside TLS, for the gateway's seam. The gateway sees the bytes inside; it is asked only to write again when
//! something of TLS's own, or the rest of what it wrote, waits for the socket.

use std::io::{self, BufRead, ErrorKind, Write};
use std::net::Shutdown;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};

use crate::network::Stream;

/// A socket and what TLS has to say about it.
pub struct Encrypted {
    pub(crate) socket: TcpStream,
    tls: ServerConnection,
}

impl Encrypted {
    /// A connection that begins with its handshake.
    pub(crate) fn new(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let tls = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self { socket, tls })
    }

    /// Writes what TLS holds for the socket, as far as that takes it.
    fn push(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Hands out up to `room` bytes, until the socket is empty: fewer than that mean that it is.
    fn read_up_to(&mut self, room: usize, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        let mut count = 0;
        loop {
            let mut reader = self.tls.reader();
            match reader.fill_buf() {
                // The peer has said, in so many words, that no byte follows.
                Ok([]) => return Ok(count),
                Ok(bytes) => {
                    let bytes = &bytes[..bytes.len().min(room - count)];
                    take(bytes);
                    let taken = bytes.len();
                    reader.consume(taken);
                    count += taken;
                    if count == room {
                        return Ok(count);
                    }
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // It has gone without saying so. Frames tell by themselves whether they are whole.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(count),
                Err(error) => return Err(error),
            }
            match self.tls.read_tls(&mut self.socket) {
                Ok(_) => {
                    let processed = self.tls.process_new_packets();
                    // The handshake's next words, or why there is none.
                    self.push()?;
                    processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && count > 0 => return Ok(count),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Stream for Encrypted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut at = 0;
        self.read_up_to(buffer.len(), |bytes| {
            buffer[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        })
    }

    fn read_behind(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        self.read_up_to(buffer.capacity() - buffer.len(), |bytes| buffer.extend_from_slice(bytes))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            self.push()?;
            if self.tls.wants_write() || taken == bytes.len() {
                break;
            }
            match self.tls.writer().write(&bytes[taken..])? {
                // Until its handshake is over, TLS holds so much and no more.
                0 => break,
                more => taken += more,
            }
        }
        if taken == 0 && !bytes.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    fn has_unsent(&self) -> bool {
        self.tls.wants_write()
    }

    fn finish(&mut self) {
        self.tls.send_close_notify();
        let _ = self.push();
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}
