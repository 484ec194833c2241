//! Real sockets behind the gateway's seam, and how its thread sleeps until one of them, the engine or the sync thread has
//! something for it.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use rustix::buffer::spare_capacity;
use rustls::ServerConfig;

use crate::bell::Bell;
use crate::encrypted::Encrypted;
use crate::network::{Network, Ready, Stream};

const LISTENER: Token = Token(usize::MAX);
const BELL: Token = Token(usize::MAX - 1);

/// Readiness taken in one turn.
const EVENTS_MAX: usize = 1024;

/// The system's TCP.
pub struct Tcp {
    poll: Poll,
    events: Events,
    listener: Option<TcpListener>,
    pub(crate) addr: SocketAddr,
    pub(crate) bell: Arc<Bell>,
    started: Instant,
    tls: Option<Arc<ServerConfig>>,
}

/// A connection, as it is or inside TLS.
pub enum Socket {
    /// What is said is what is sent.
    Plain(TcpStream),
    /// Inside TLS.
    Encrypted(Box<Encrypted>),
}

impl Socket {
    fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Encrypted(inside) => &mut inside.socket,
        }
    }
}

impl Tcp {
    /// Listens on `addr`, inside TLS where that is configured.
    pub(crate) fn listen(addr: SocketAddr, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let mut listener = TcpListener::bind(addr)?;
        let addr = listener.local_addr()?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let bell = Arc::new(Bell::new(Waker::new(poll.registry(), BELL)?));
        let events = Events::with_capacity(EVENTS_MAX);
        Ok(Self { poll, events, listener: Some(listener), addr, bell, started: Instant::now(), tls })
    }

    /// Looks for readiness, and waits for it as long as the time says; `None`: without a bound.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result,
        }
    }

    /// Sleeps until the bell rings, a socket is ready or the time is over, unless there is work once the bell is armed.
    pub(crate) fn sleep(
        &mut self,
        timeout: Option<Duration>,
        has_work: impl FnOnce() -> bool,
    ) -> io::Result<()> {
        let bell = Arc::clone(&self.bell);
        bell.sleep_unless(has_work, |is_idle| self.poll(if is_idle { timeout } else { Some(Duration::ZERO) }))
    }

    /// Whether the last look has found a socket ready.
    pub(crate) fn has_ready(&self) -> bool {
        !self.events.is_empty()
    }
}

impl Network for Tcp {
    type Stream = Socket;

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn accept(&mut self) -> io::Result<Socket> {
        let Some(listener) = &self.listener else { return Err(io::ErrorKind::WouldBlock.into()) };
        let (stream, _) = listener.accept()?;
        // Replies leave when they are written, not when the peer has acknowledged earlier ones.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => Ok(Socket::Plain(stream)),
            Some(tls) => Ok(Socket::Encrypted(Box::new(Encrypted::new(stream, Arc::clone(tls))?))),
        }
    }

    fn is_listening(&self) -> bool {
        self.listener.is_some()
    }

    fn close_listener(&mut self) {
        self.listener = None;
    }

    fn watch(&mut self, stream: &mut Socket, key: u64) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(stream.tcp(), Token(key as usize), interest)
    }

    fn forget(&mut self, mut stream: Socket) {
        // Dropping the stream closes the socket, which leaves the poll by itself.
        let _ = self.poll.registry().deregister(stream.tcp());
    }

    fn take_ready(&mut self, mut each: impl FnMut(Ready)) {
        for event in self.events.iter().filter(|event| event.token() != BELL) {
            let is_ending = event.is_read_closed() || event.is_error();
            each(Ready {
                key: (event.token() != LISTENER).then_some(event.token().0 as u64),
                is_readable: event.is_readable() || is_ending,
                is_ending,
                is_writable: event.is_writable(),
            });
        }
    }
}

impl Stream for Socket {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Ok(rustix::io::read(&*socket, buffer)?),
            Self::Encrypted(inside) => inside.read(buffer),
        }
    }

    #[inline]
    fn read_behind(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Ok(rustix::io::read(&*socket, spare_capacity(buffer))?),
            Self::Encrypted(inside) => inside.read_behind(buffer),
        }
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => io::Write::write(socket, bytes),
            Self::Encrypted(inside) => inside.write(bytes),
        }
    }

    #[inline]
    fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Encrypted(inside) => inside.has_unsent(),
        }
    }

    fn finish(&mut self) {
        match self {
            Self::Plain(socket) => {
                let _ = socket.shutdown(Shutdown::Write);
            }
            Self::Encrypted(inside) => inside.finish(),
        }
    }

    fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(socket) => socket.peer_addr().ok(),
            Self::Encrypted(inside) => inside.socket.peer_addr().ok(),
        }
    }
}
