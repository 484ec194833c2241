//! The network as the gateway needs it: a seam with real sockets behind it, or a simulated network that cuts, delays and
//! splits what goes over it.

use std::io;
use std::net::SocketAddr;

/// A connection's bytes, both ways. Nothing here waits: what cannot be done at once is [`io::ErrorKind::WouldBlock`].
pub trait Stream {
    /// Reads into a buffer; 0: the peer has said its last byte.
    ///
    /// # Errors
    /// As [`io::Read::read`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Reads behind what a buffer holds, as much as its room takes; 0: the peer has said its last byte.
    ///
    /// # Errors
    /// As [`io::Read::read`].
    fn read_behind(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize>;

    /// Writes some of the bytes; how many.
    ///
    /// # Errors
    /// As [`io::Write::write`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Whether bytes that were taken wait for the socket all the same, or bytes of the stream's own do: to be written with nothing
    /// new when it takes bytes again.
    fn has_unsent(&self) -> bool {
        false
    }

    /// Says that no byte will follow.
    fn finish(&mut self);

    /// Who is at the other end, where that has an address.
    fn peer(&self) -> Option<SocketAddr> {
        None
    }
}

/// What has become of a watched stream, or of the listener. Each change is told once.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// Whose it is; `None`: somebody waits to be accepted.
    pub key: Option<u64>,
    /// There may be bytes to read.
    pub is_readable: bool,
    /// The peer has said its last byte, or the stream has failed.
    pub is_ending: bool,
    /// It takes bytes again.
    pub is_writable: bool,
}

/// Where connections come from, what tells of them, and the clock that their deadlines go by.
pub trait Network {
    /// A connection.
    type Stream: Stream;

    /// Milliseconds since it was there. They never go back.
    fn now_ms(&self) -> u64;

    /// Lets the next connection in.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when none waits, and what the system says.
    fn accept(&mut self) -> io::Result<Self::Stream>;

    /// Whether connections are let in at all.
    fn is_listening(&self) -> bool;

    /// Lets no more connections in.
    fn close_listener(&mut self);

    /// From now on tells of this stream, under this key.
    ///
    /// # Errors
    /// What the system says.
    fn watch(&mut self, stream: &mut Self::Stream, key: u64) -> io::Result<()>;

    /// Tells of a stream no more, and closes it.
    fn forget(&mut self, stream: Self::Stream);

    /// Calls `each` for everything that has become ready since the last time.
    fn take_ready(&mut self, each: impl FnMut(Ready));
}
