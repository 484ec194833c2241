//! A server of a few lines that does as a test tells it, good or bad.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use orderline_client::{Client, ClientError, ClientOptions, OwnedReply, ReconnectPolicy, wait};
use orderline_protocol::command::{QueryStatus, RawCommand};
use orderline_protocol::frame::{
    self, Close, CloseReason, Frame, FrameKind, Hello, Welcome, begin_frame, finish_frame,
};
use orderline_protocol::reply::{Outcome, REPLY_HEADER_BYTES, ReplyHeader};
use orderline_protocol::{Command, Request, SessionHandle};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U64};

/// Runs `serve` with a listener in a thread of its own; joining it hands on its panics.
pub(crate) fn server(serve: impl FnOnce(&TcpListener) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (addr, std::thread::spawn(move || serve(&listener)))
}

/// The server's end of one connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
}

pub(crate) fn accept(listener: &TcpListener) -> Peer {
    let (stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    Peer { stream, input: Vec::new() }
}

impl Peer {
    /// The next frame, or `None` when the client has gone.
    pub(crate) fn frame(&mut self) -> Option<(FrameKind, u16, Vec<u8>)> {
        loop {
            if let Some(frame) = Frame::read(&self.input).unwrap() {
                let taken = (frame.kind, frame.count, frame.payload.to_vec());
                let bytes = frame.bytes;
                self.input.drain(..bytes);
                return Some(taken);
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(bytes) => self.input.extend_from_slice(&piece[..bytes]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the fake server cannot read: {error}"),
            }
        }
    }

    pub(crate) fn hello(&mut self) -> Hello {
        let (kind, _, payload) = self.frame().unwrap();
        assert_eq!(kind, FrameKind::Hello);
        *Hello::read(&payload).unwrap()
    }

    /// The numbers of the commands in the next frame; pings are passed over.
    pub(crate) fn commands(&mut self) -> Option<Vec<Request>> {
        loop {
            let (kind, count, payload) = self.frame()?;
            if kind == FrameKind::Ping || kind == FrameKind::Pong {
                continue;
            }
            assert_eq!(kind, FrameKind::Commands);
            let mut rest = &payload[..];
            let mut requests = Vec::new();
            while !rest.is_empty() {
                requests.push(RawCommand::take(&mut rest).unwrap().request);
            }
            assert_eq!(requests.len(), usize::from(count));
            return Some(requests);
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn say(&mut self, kind: FrameKind, payload: &[u8]) {
        let mut out = Vec::new();
        frame::write_frame(&mut out, kind, payload);
        self.write(&out);
    }

    pub(crate) fn welcome(&mut self, last_request: u64, credits: u32, idle_ms_max: u32) {
        let welcome = Welcome {
            last_request: U64::new(last_request),
            sequence: U64::new(1),
            session: SessionHandle::new(0),
            credits: U32::new(credits),
            idle_ms_max: U32::new(idle_ms_max),
            reserved: U32::ZERO,
        };
        self.say(FrameKind::Welcome, welcome.as_bytes());
    }

    pub(crate) fn close(&mut self, reason: CloseReason) {
        self.say(FrameKind::Close, Close::because(reason).as_bytes());
    }
}

/// The bytes of one frame that answers these requests; the detail of each is its number times ten.
pub(crate) fn replies(requests: &[Request]) -> Vec<u8> {
    let mut out = Vec::new();
    let start = begin_frame(&mut out);
    for &request in requests {
        let header = ReplyHeader {
            bytes: U32::new(REPLY_HEADER_BYTES as u32),
            outcome: Outcome::Accepted as u8,
            state: 0,
            code: U16::ZERO,
            request: U64::new(request),
            sequence: U64::new(request),
            detail: U64::new(request * 10),
            subject: U32::ZERO,
            version: U32::ZERO,
        };
        out.extend_from_slice(header.as_bytes());
    }
    finish_frame(&mut out, start, FrameKind::Replies, requests.len() as u16);
    out
}

pub(crate) const STATUS: QueryStatus = QueryStatus { with_state_hash: 0, reserved: [0; 7] };

pub(crate) fn submit(client: &mut Client) -> Request {
    client.submit(&Command::QueryStatus(&STATUS)).unwrap()
}

pub(crate) fn submit_many(client: &mut Client, count: usize) {
    for _ in 0..count {
        submit(client);
    }
}

/// Options that lose patience as soon as a test may.
pub(crate) fn quick() -> ClientOptions {
    ClientOptions {
        connect_timeout: Duration::from_secs(5),
        call_timeout: Duration::from_secs(10),
        reconnect: ReconnectPolicy {
            give_up_after: Duration::from_secs(10),
            pause_first: Duration::from_millis(1),
            pause_max: Duration::from_millis(20),
            ..ReconnectPolicy::default()
        },
        ..ClientOptions::default()
    }
}

/// Pumps until nothing is unanswered; the replies in the order they came, or how the client failed.
pub(crate) fn drain(client: &mut Client) -> Result<Vec<OwnedReply>, ClientError> {
    let mut all = Vec::new();
    while client.unanswered() > 0 {
        if client.pump(|reply| all.push(reply.into()))? == 0 {
            wait([&*client], Duration::from_millis(50))?;
        }
    }
    Ok(all)
}

pub(crate) fn numbers(replies: &[OwnedReply]) -> Vec<Request> {
    replies.iter().map(|reply| reply.header.request.get()).collect()
}
