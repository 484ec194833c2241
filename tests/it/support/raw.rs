//! A connection on which anything may be said.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use orderline_protocol::frame::{
    Close, CloseReason, Frame, FrameKind, HELLO_MAGIC, Hello, Welcome, begin_frame, finish_frame, write_frame,
};
use orderline_protocol::reply::ReplyHeader;
use orderline_protocol::{Command, Reply, SessionId};
use zerocopy::IntoBytes;

/// A TCP connection without a client's manners.
pub(crate) struct RawConnection {
    stream: TcpStream,
    input: Vec<u8>,
}

/// What the server said next.
#[derive(Debug)]
pub(crate) enum Said {
    /// A whole frame: its kind, its count, its payload.
    Frame(FrameKind, u16, Vec<u8>),
    /// Nothing more: the connection has ended.
    End,
}

impl RawConnection {
    /// Connects and says nothing.
    pub(crate) fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, input: Vec::new() }
    }

    /// Connects, says hello and waits for the welcome.
    pub(crate) fn welcomed(addr: SocketAddr, session: SessionId) -> (Self, Welcome) {
        let mut connection = Self::open(addr);
        connection.send(&hello(session));
        match connection.next() {
            Said::Frame(FrameKind::Welcome, _, payload) => (connection, *Welcome::read(&payload).unwrap()),
            said => panic!("a welcome was due, not {said:?}"),
        }
    }

    /// Sends bytes. The server may have closed already, which is for [`RawConnection::next`] to tell.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Says that nothing more will be sent.
    pub(crate) fn end_sending(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next thing that the server says, pings aside.
    pub(crate) fn next(&mut self) -> Said {
        loop {
            if let Some(frame) = Frame::read(&self.input).expect("the server sends sound frames") {
                let said = Said::Frame(frame.kind, frame.count, frame.payload.to_vec());
                let bytes = frame.bytes;
                self.input.drain(..bytes);
                if matches!(said, Said::Frame(FrameKind::Ping, ..)) {
                    continue;
                }
                return said;
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Said::End,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                // A reset that comes behind the server's end is told as a broken pipe.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                    return Said::End;
                }
                Err(error) => panic!("the server says nothing more and does not close: {error}"),
            }
        }
    }

    /// The reason with which the server closes, which is the next thing that it says.
    pub(crate) fn closed(&mut self) -> CloseReason {
        match self.next() {
            Said::Frame(FrameKind::Close, _, payload) => {
                let number = Close::read(&payload).unwrap().reason.get();
                assert!(matches!(self.next(), Said::End), "nothing follows a close");
                CloseReason::from_number(number).expect("a known reason")
            }
            said => panic!("a close was due, not {said:?}"),
        }
    }

    /// Sends one command under this request number and returns the head of its reply.
    pub(crate) fn ask(&mut self, request: u64, command: &Command<'_>) -> ReplyHeader {
        let mut bytes = Vec::new();
        command.write(request, &mut bytes);
        self.ask_bytes(&bytes)
    }

    /// The same for a command's own bytes.
    pub(crate) fn ask_bytes(&mut self, command: &[u8]) -> ReplyHeader {
        self.send(&commands(command, 1));
        match self.next() {
            Said::Frame(FrameKind::Replies, 1, payload) => *Reply::take(&mut &payload[..]).unwrap().header,
            said => panic!("one reply was due, not {said:?}"),
        }
    }
}

/// A hello's frame.
pub(crate) fn hello(session: SessionId) -> Vec<u8> {
    let hello = Hello {
        magic: HELLO_MAGIC,
        session,
        token: [0; 32],
        resume: 0,
        refuse_when_busy: 0,
        reserved: [0; 6],
    };
    let mut out = Vec::new();
    write_frame(&mut out, FrameKind::Hello, hello.as_bytes());
    out
}

/// A frame of commands' bytes.
pub(crate) fn commands(bytes: &[u8], count: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let start = begin_frame(&mut out);
    out.extend_from_slice(bytes);
    finish_frame(&mut out, start, FrameKind::Commands, count);
    out
}
