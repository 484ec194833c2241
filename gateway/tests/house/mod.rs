//! A gateway with a stand-in for the engine behind its door, and a peer that speaks the wire byte by byte.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::sync::{Parker, Unparker};
use orderline_core::board::{BoardWriter, board};
use orderline_core::door::{EngineEnd, Opened, Task, Work, door};
use orderline_gateway::{Gateway, GatewayError, GatewayHandle, GatewayOptions, GatewayStats};
use orderline_journal::{Watermark, WatermarkPublisher};
use orderline_protocol::command::{AskedSku, CommandKind, QueryAvailability, QueryStatus, RawCommand};
use orderline_protocol::frame::{
    Close, CloseReason, FRAME_HEADER_BYTES, Frame, FrameKind, HELLO_MAGIC, Hello, Welcome, begin_frame,
    finish_frame, write_frame,
};
use orderline_protocol::reply::{AvailabilityView, Outcome, REPLY_HEADER_BYTES, ReplyHeader};
use orderline_protocol::{Command, RejectCode, Reply, Request, SessionHandle, SessionId, SkuHandle};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U64};

/// What outlives one engine: as the journal would.
#[derive(Default)]
pub(crate) struct Memory {
    sessions: Mutex<HashMap<SessionId, (SessionHandle, u64)>>,
    sequence: AtomicU64,
}

/// What a test may tell the engine.
pub(crate) struct Control {
    /// Leave works where they are.
    pub(crate) is_parked: AtomicBool,
    /// Leave the watermark where it is.
    pub(crate) is_withheld: AtomicBool,
    /// Bytes of the view behind each answer to a query.
    pub(crate) view_bytes: AtomicUsize,
    /// What is on the board.
    pub(crate) board: Mutex<BoardWriter>,
    unparker: Unparker,
}

impl Control {
    pub(crate) fn park(&self, is_parked: bool) {
        self.is_parked.store(is_parked, Ordering::SeqCst);
        self.unparker.unpark();
    }

    pub(crate) fn withhold(&self, is_withheld: bool) {
        self.is_withheld.store(is_withheld, Ordering::SeqCst);
        self.unparker.unpark();
    }
}

struct Engine {
    end: EngineEnd,
    parker: Parker,
    control: Arc<Control>,
    memory: Arc<Memory>,
    publisher: WatermarkPublisher,
}

impl Engine {
    fn run(self) {
        let mut published = 0;
        loop {
            while !self.control.is_parked.load(Ordering::SeqCst)
                && let Some(mut work) = self.end.take()
            {
                self.decide(&mut work);
                let release_at = work.release_at;
                self.end.hand_back(work, release_at);
            }
            let sequence = self.memory.sequence.load(Ordering::SeqCst);
            if !self.control.is_withheld.load(Ordering::SeqCst) && sequence > published {
                self.publisher.publish(sequence);
                published = sequence;
            }
            if self.end.is_closed() && !self.end.has_work() {
                return;
            }
            self.parker.park_timeout(Duration::from_millis(20));
        }
    }

    fn decide(&self, work: &mut Work) {
        let mut sessions = self.memory.sessions.lock().unwrap();
        match work.task {
            Task::OpenSession { id, must_exist, .. } => {
                let handle = SessionHandle::new(sessions.len() as u32);
                work.opened = match sessions.get(&id) {
                    Some(&(handle, last_request)) => Opened::Session { handle, last_request },
                    None if must_exist => Opened::Unknown,
                    None => {
                        sessions.insert(id, (handle, 0));
                        Opened::Session { handle, last_request: 0 }
                    }
                };
                self.memory.sequence.fetch_add(1, Ordering::SeqCst);
            }
            Task::Commands(handle, _) => {
                let (_, last_request) = sessions.values_mut().find(|session| session.0 == handle).unwrap();
                let input = std::mem::take(&mut work.input);
                let mut count = 0;
                for range in work.payloads.clone() {
                    let mut rest = &input[range];
                    while !rest.is_empty() {
                        let raw = RawCommand::take(&mut rest).unwrap();
                        self.answer(work, &raw, last_request);
                        count += 1;
                    }
                }
                assert_eq!(count, work.command_count);
                work.input = input;
            }
        }
        work.release_at = self.memory.sequence.load(Ordering::SeqCst);
    }

    fn answer(&self, work: &mut Work, raw: &RawCommand<'_>, last_request: &mut u64) {
        let is_before = raw.request <= *last_request;
        let outcome = match raw.is_query() {
            true => Outcome::Answered,
            false if is_before => Outcome::AcceptedBefore,
            false => Outcome::Accepted,
        };
        let sequence = match outcome {
            Outcome::Accepted => {
                *last_request = raw.request;
                self.memory.sequence.fetch_add(1, Ordering::SeqCst) + 1
            }
            _ => self.memory.sequence.load(Ordering::SeqCst),
        };
        let view_bytes = if raw.is_query() { self.control.view_bytes.load(Ordering::SeqCst) } else { 0 };
        let bytes = REPLY_HEADER_BYTES + view_bytes;
        let header = ReplyHeader {
            bytes: U32::new(bytes as u32),
            outcome: outcome as u8,
            state: 0,
            code: U16::ZERO,
            request: U64::new(raw.request),
            sequence: U64::new(sequence),
            detail: U64::new(raw.request * 10),
            subject: U32::ZERO,
            version: U32::ZERO,
        };
        work.push_reply(bytes, |out| {
            out.extend_from_slice(header.as_bytes());
            out.resize(out.len() + view_bytes, 0);
        });
    }
}

/// A running gateway and its engine. Both end with it, and their panics are the test's.
pub(crate) struct House {
    pub(crate) addr: SocketAddr,
    pub(crate) control: Arc<Control>,
    pub(crate) stats: Arc<GatewayStats>,
    handle: GatewayHandle,
    gateway: Option<JoinHandle<Result<(), GatewayError>>>,
    engine: Option<JoinHandle<()>>,
}

pub(crate) fn options() -> GatewayOptions {
    GatewayOptions { connections_max: 64, stop_ms_max: 2_000, ..GatewayOptions::default() }
}

impl House {
    pub(crate) fn open(options: GatewayOptions) -> Self {
        Self::open_at("127.0.0.1:0".parse().unwrap(), options, Arc::default())
    }

    pub(crate) fn open_at(addr: SocketAddr, options: GatewayOptions, memory: Arc<Memory>) -> Self {
        let parker = Parker::new();
        let (writer, board) = board();
        let control = Arc::new(Control {
            is_parked: AtomicBool::new(false),
            is_withheld: AtomicBool::new(false),
            view_bytes: AtomicUsize::new(0),
            board: Mutex::new(writer),
            unparker: parker.unparker().clone(),
        });
        let (publisher, watermark) = Watermark::new(0);
        let capacity = options.door_capacity();
        let (front, end) = door(capacity, parker.unparker().clone(), watermark);
        let gateway = Gateway::bind(addr, front.with_board(board), options).unwrap();
        let engine = Engine { end, parker, control: Arc::clone(&control), memory, publisher };
        Self {
            addr: gateway.local_addr(),
            control,
            stats: gateway.stats(),
            handle: gateway.handle(),
            gateway: Some(std::thread::spawn(move || gateway.run())),
            engine: Some(std::thread::spawn(move || engine.run())),
        }
    }

    pub(crate) fn stop(&self) {
        self.handle.stop();
    }

    pub(crate) fn closed_because(&self, reason: CloseReason) -> u64 {
        self.stats.closed_because(reason)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.handle.stop();
        self.control.park(false);
        let gateway = self.gateway.take().unwrap().join();
        let engine = self.engine.take().unwrap().join();
        if !std::thread::panicking() {
            gateway.unwrap().unwrap();
            engine.unwrap();
        }
    }
}

/// A client that says exactly what it is told.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
}

pub(crate) fn hello_bytes(session: u128, resume: u8, token: [u8; 32]) -> Vec<u8> {
    written(Hello { token, resume, ..hello(session) })
}

pub(crate) fn hello(session: u128) -> Hello {
    Hello {
        magic: HELLO_MAGIC,
        session: SessionId::new(session),
        token: [0; 32],
        resume: 0,
        refuse_when_busy: 0,
        reserved: [0; 6],
    }
}

fn written(hello: Hello) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, FrameKind::Hello, hello.as_bytes());
    out
}

/// One frame with a status query (or, as `kind` says, anything of its shape) for each request.
pub(crate) fn commands(requests: &[Request], kind: CommandKind) -> Vec<u8> {
    let mut out = Vec::new();
    let start = begin_frame(&mut out);
    for &request in requests {
        let at = out.len();
        Command::QueryStatus(&QueryStatus { with_state_hash: 0, reserved: [0; 7] }).write(request, &mut out);
        out[at + 4] = kind as u8;
    }
    finish_frame(&mut out, start, FrameKind::Commands, requests.len() as u16);
    out
}

/// Bytes of a long command.
pub(crate) const LONG_BYTES: usize = 64_000;

/// One frame with a change as long as commands may be, nearly.
pub(crate) fn long_change(request: Request) -> Vec<u8> {
    let mut out = changes(&[request]);
    out.resize(FRAME_HEADER_BYTES + LONG_BYTES, 0);
    out[FRAME_HEADER_BYTES..][..4].copy_from_slice(&(LONG_BYTES as u32).to_le_bytes());
    finish_frame(&mut out, 0, FrameKind::Commands, 1);
    out
}

/// One frame with an availability query about so many SKUs for each request.
pub(crate) fn availability(requests: &[Request], sku_count: u16) -> Vec<u8> {
    let head = QueryAvailability { sku_count: U16::new(sku_count), reserved: [0; 2] };
    let asked: Vec<AskedSku> =
        (0..u32::from(sku_count)).map(|sku| AskedSku { sku: SkuHandle::new(sku) }).collect();
    let mut out = Vec::new();
    let start = begin_frame(&mut out);
    requests.iter().for_each(|&request| Command::QueryAvailability(&head, &asked).write(request, &mut out));
    finish_frame(&mut out, start, FrameKind::Commands, requests.len() as u16);
    out
}

/// Commands that change something.
pub(crate) fn changes(requests: &[Request]) -> Vec<u8> {
    commands(requests, CommandKind::ConfirmOrder)
}

impl Peer {
    pub(crate) fn connect(house: &House) -> Self {
        let stream = TcpStream::connect(house.addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { stream, input: Vec::new() }
    }

    pub(crate) fn welcomed(house: &House, session: u128) -> Self {
        let mut peer = Self::connect(house);
        peer.write(&hello_bytes(session, 0, [0; 32]));
        peer.welcome();
        peer
    }

    /// One that would rather be refused than wait; what its session has accepted so far.
    pub(crate) fn impatient(house: &House, session: u128) -> (Self, u64) {
        let mut peer = Self::connect(house);
        peer.write(&written(Hello { refuse_when_busy: 1, ..hello(session) }));
        let last_request = peer.welcome().last_request.get();
        (peer, last_request)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame, or `None` at the end of the connection.
    pub(crate) fn frame(&mut self) -> Option<(FrameKind, u16, Vec<u8>)> {
        loop {
            if let Some(frame) = Frame::read(&self.input).unwrap() {
                let taken = (frame.kind, frame.count, frame.payload.to_vec());
                let bytes = frame.bytes;
                self.input.drain(..bytes);
                return Some(taken);
            }
            let mut piece = vec![0; 64 * 1024];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(bytes) => self.input.extend_from_slice(&piece[..bytes]),
                // A reset that comes behind the gateway's end is told as a broken pipe.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                    return None;
                }
                Err(error) => panic!("the peer cannot read: {error}"),
            }
        }
    }

    pub(crate) fn welcome(&mut self) -> Welcome {
        let (kind, _, payload) = self.frame().unwrap();
        assert_eq!(kind, FrameKind::Welcome);
        *Welcome::read(&payload).unwrap()
    }

    /// The answers in the next frame to queries of availability: request, both sequences, and the first SKU's units.
    pub(crate) fn availability(&mut self) -> Vec<(Request, u64, u64, u64)> {
        let (kind, _, payload) = self.frame().unwrap();
        assert_eq!(kind, FrameKind::Replies);
        let mut rest = &payload[..];
        let mut answers = Vec::new();
        while !rest.is_empty() {
            let Reply { header, view } = Reply::take(&mut rest).unwrap();
            let units = AvailabilityView::read_all(view).unwrap()[0].units.get();
            answers.push((header.request.get(), header.sequence.get(), header.detail.get(), units));
        }
        answers
    }

    /// The requests answered by the next frame of replies; pings are passed over.
    pub(crate) fn replies(&mut self) -> Vec<(Request, Outcome)> {
        loop {
            let (kind, count, payload) = self.frame().unwrap();
            if kind == FrameKind::Ping {
                continue;
            }
            assert_eq!(kind, FrameKind::Replies);
            let mut rest = &payload[..];
            let mut replies = Vec::new();
            while !rest.is_empty() {
                let reply = Reply::take(&mut rest).unwrap();
                assert_eq!(reply.header.detail.get(), reply.header.request.get() * 10);
                replies.push((reply.header.request.get(), reply.outcome()));
            }
            assert_eq!(replies.len(), usize::from(count));
            return replies;
        }
    }

    /// The requests of the next frame of replies, all of which say that there is too much to do.
    pub(crate) fn refused(&mut self) -> Vec<Request> {
        let (kind, count, payload) = self.frame().unwrap();
        assert_eq!(kind, FrameKind::Replies);
        let mut rest = &payload[..];
        let mut requests = Vec::new();
        while !rest.is_empty() {
            let Reply { header, .. } = Reply::take(&mut rest).unwrap();
            assert_eq!(header.code.get(), RejectCode::Busy as u16);
            requests.push(header.request.get());
        }
        assert_eq!(requests.len(), usize::from(count));
        requests
    }

    /// As many replies as are asked for, in however many frames they come.
    pub(crate) fn requests_answered(&mut self, count: usize) -> Vec<Request> {
        let mut requests = Vec::new();
        while requests.len() < count {
            requests.extend(self.replies().into_iter().map(|(request, _)| request));
        }
        requests
    }

    /// Why the connection is closed, after whatever else is said before; `None` if it ends without a reason.
    pub(crate) fn close(&mut self) -> Option<CloseReason> {
        while let Some((kind, _, payload)) = self.frame() {
            if kind == FrameKind::Close {
                let reason = CloseReason::from_number(Close::read(&payload).unwrap().reason.get());
                assert!(self.frame().is_none(), "a close is the last frame");
                return reason;
            }
        }
        None
    }

    /// Whether nothing comes for a while.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let mut piece = [0; 1024];
        let read = self.stream.read(&mut piece);
        self.stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        match read {
            Ok(bytes) => {
                self.input.extend_from_slice(&piece[..bytes]);
                false
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}
