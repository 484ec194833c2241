//! One connection: its socket, where it stands, and what it still owes or is owed.

use std::io::{self, ErrorKind};

use orderline_access::Grant;
use orderline_core::door::{Task, Work};
use orderline_protocol::frame::{
    Close, CloseReason, FRAME_HEADER_BYTES, Frame, FrameHeader, FrameKind, Hello, write_frame,
};
use orderline_protocol::{Scope, SessionHandle, SessionId};
use zerocopy::{FromBytes, IntoBytes};

use crate::GatewayOptions;
use crate::deadlines::{AtMs, NEVER};
use crate::network::Stream;
use crate::pool::Pool;
use crate::scan::{Said, scan};

/// What a peer can make us hold before it has said who it is.
const HELLO_FRAME_BYTES: usize = FRAME_HEADER_BYTES + size_of::<Hello>();

/// How long a closed connection is kept so that its close frame arrives: closing a socket that holds unread bytes
/// would reset it, and the reason would be lost.
const LINGER_MS: u64 = 500;

/// Sent output is given back once it is as much as this, and as what has not been sent.
const SENT_BYTES_MIN: usize = 256 * 1024;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its hello has not come.
    Hello,
    /// The engine has been asked for its session.
    Opening,
    /// Welcomed.
    Open(SessionHandle),
    /// Told why it ends, or about to be. What it still sends is thrown away.
    Closing,
}

/// What reading a connection brought.
pub(crate) enum Heard {
    Nothing,
    Hello(Hello),
    /// Commands, and of which kinds they are: bits by the kinds' numbers.
    Commands(Box<Work>, u128),
    /// The peer has left, or its socket has failed.
    Gone,
    Wrong(CloseReason),
}

/// What a deadline brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    Ping,
    Close(CloseReason),
    /// Nothing more can be said to it.
    Drop,
}

pub(crate) struct Connection<S> {
    pub(crate) stream: S,
    pub(crate) stage: Stage,
    pub(crate) session: Option<SessionId>,
    /// What it may do; nothing before its hello.
    pub(crate) grant: Option<Grant>,
    /// When that is over.
    pub(crate) expires_at: AtMs,
    /// The first bytes of a hello, or the work that holds the first bytes of a frame.
    early: Vec<u8>,
    intake: Option<Box<Work>>,
    last_request: u64,
    /// The peer would rather be refused than wait.
    pub(crate) refuses_to_wait: bool,
    /// What the session had accepted when it was opened here. What is asked again from before may have taken effect, so
    /// only the engine can say what became of it.
    pub(crate) accepted_before: u64,
    /// Commands let in whose replies have not been released.
    unanswered: u32,
    /// Works inside the engine.
    pub(crate) in_engine: usize,
    /// Works inside the engine or waiting for their release.
    pub(crate) in_flight: usize,
    out: Vec<u8>,
    sent: usize,
    /// Bytes of replies that wait: for their release, or for the socket.
    queued_bytes: usize,
    /// The socket may hold bytes. Kept because an edge is told only once.
    pub(crate) readable: bool,
    writable: bool,
    /// The peer has said its last byte; it is still to be read.
    pub(crate) is_ending: bool,
    /// Stands in the list of connections to read, or to write.
    pub(crate) is_to_read: bool,
    pub(crate) is_to_write: bool,
    /// Nothing more is read; it is closed for this reason once nothing of it is in flight.
    pub(crate) draining: Option<CloseReason>,
    is_pinged: bool,
    stage_since: AtMs,
    heard_at: AtMs,
    frame_since: AtMs,
    stalled_since: AtMs,
    pub(crate) armed: AtMs,
}

impl<S: Stream> Connection<S> {
    pub(crate) fn new(stream: S, now: AtMs) -> Self {
        Self {
            stream,
            stage: Stage::Hello,
            session: None,
            grant: None,
            expires_at: NEVER,
            early: Vec::new(),
            intake: None,
            last_request: 0,
            refuses_to_wait: false,
            accepted_before: 0,
            unanswered: 0,
            in_engine: 0,
            in_flight: 0,
            out: Vec::new(),
            sent: 0,
            queued_bytes: 0,
            readable: false,
            writable: true,
            is_ending: false,
            is_to_read: false,
            is_to_write: false,
            draining: None,
            is_pinged: false,
            stage_since: now,
            heard_at: now,
            frame_since: NEVER,
            stalled_since: NEVER,
            armed: NEVER,
        }
    }

    /// Its session is open, and this is the newest request that it has accepted.
    pub(crate) fn open(&mut self, handle: SessionHandle, last_request: u64, now: AtMs) {
        self.accepted_before = last_request;
        self.enter(Stage::Open(handle), now);
    }

    /// Whether commands from this number on may be refused for want of room: no earlier connection can have brought them
    /// to the engine.
    pub(crate) fn may_refuse(&self, first_request: u64) -> bool {
        self.refuses_to_wait && first_request > self.accepted_before
    }

    /// Whether whatever it says next may be refused for want of room.
    fn may_refuse_next(&self) -> bool {
        self.may_refuse(self.last_request.saturating_add(1))
    }

    pub(crate) fn enter(&mut self, stage: Stage, now: AtMs) {
        self.stage = stage;
        self.stage_since = now;
        self.heard_at = now;
    }

    /// Whether reading it now could lead anywhere. One with enough of its works inside the engine, or enough
    /// output waiting, is left alone: its socket fills, and its peer feels it. A peer that would rather be refused than wait
    /// is read all the same: what it says is let in or refused, and nothing of it waits unseen.
    pub(crate) fn may_read(&self, options: &GatewayOptions) -> bool {
        self.readable
            && match self.stage {
                Stage::Open(_) => {
                    self.draining.is_none()
                        && (self.in_engine < options.works_per_connection_max || self.may_refuse_next())
                        && self.queued_bytes < options.output_bytes_max / 4
                }
                Stage::Hello | Stage::Opening | Stage::Closing => true,
            }
    }

    /// Reads once, and says what the bytes were.
    pub(crate) fn read(&mut self, pool: &mut Pool, options: &GatewayOptions, now: AtMs) -> (usize, Heard) {
        match self.stage {
            Stage::Hello => self.read_hello(),
            Stage::Open(handle) => self.read_frames(handle, pool, options, now),
            // Whoever speaks before the welcome has not read the protocol.
            Stage::Opening => match self.read_scrap() {
                Ok(0) => (0, Heard::Nothing),
                Ok(bytes) => (bytes, Heard::Wrong(CloseReason::HelloExpected)),
                Err(gone) => (0, gone),
            },
            Stage::Closing => {
                self.read_scrap().map_or_else(|gone| (0, gone), |bytes| (bytes, Heard::Nothing))
            }
        }
    }

    /// Notes what a read has told about the socket; the bytes read, 0 when there were none.
    fn note(&mut self, read: io::Result<usize>, room: usize) -> Result<usize, Heard> {
        match read {
            Ok(0) => Err(Heard::Gone),
            Ok(bytes) => {
                // Fewer bytes than room: the socket is empty, and the next byte makes an edge of its own.
                self.readable = bytes == room || self.is_ending;
                Ok(bytes)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(_) => Err(Heard::Gone),
        }
    }

    fn read_scrap(&mut self) -> Result<usize, Heard> {
        let mut scrap = [0; 4096];
        let read = self.stream.read(&mut scrap);
        self.note(read, scrap.len())
    }

    fn read_hello(&mut self) -> (usize, Heard) {
        let mut bytes = [0; HELLO_FRAME_BYTES];
        let room = HELLO_FRAME_BYTES - self.early.len();
        let read = self.stream.read(&mut bytes[..room]);
        let count = match self.note(read, room) {
            Ok(count) => count,
            Err(gone) => return (0, gone),
        };
        self.early.extend_from_slice(&bytes[..count]);
        (count, self.take_hello())
    }

    fn take_hello(&mut self) -> Heard {
        let unlike = |kind| {
            let is_hello = kind == FrameKind::Hello as u8;
            Heard::Wrong(if is_hello { CloseReason::Malformed } else { CloseReason::HelloExpected })
        };
        match Frame::read(&self.early) {
            Err(error) => Heard::Wrong(error.into()),
            Ok(Some(frame)) => match Hello::read(frame.payload) {
                Ok(&hello) if frame.kind == FrameKind::Hello => {
                    self.early = Vec::new();
                    Heard::Hello(hello)
                }
                _ => unlike(frame.kind as u8),
            },
            // A frame longer than a hello is none: no need to wait for the rest of it.
            Ok(None) => match FrameHeader::ref_from_prefix(&self.early) {
                Ok((header, _)) if header.payload_bytes.get() as usize > size_of::<Hello>() => {
                    unlike(header.kind)
                }
                _ => Heard::Nothing,
            },
        }
    }

    fn read_frames(
        &mut self,
        handle: SessionHandle,
        pool: &mut Pool,
        options: &GatewayOptions,
        now: AtMs,
    ) -> (usize, Heard) {
        let mut work = self.intake.take().unwrap_or_else(|| pool.work());
        let room = work.input.capacity() - work.input.len();
        assert!(room > 0, "whole frames were taken out, and a frame that is not whole leaves room");
        let read = self.stream.read_behind(&mut work.input);
        let count = match self.note(read, room) {
            Ok(0) => {
                self.keep(work, 0, pool, now);
                return (0, Heard::Nothing);
            }
            Ok(count) => count,
            Err(gone) => {
                pool.recycle(work);
                return (0, gone);
            }
        };
        self.heard_at = now;
        self.is_pinged = false;
        let mut said =
            Said { last_request: self.last_request, credits_left: options.credits - self.unanswered };
        let found = match scan(&mut work, &mut said) {
            Ok(found) => found,
            Err(reason) => {
                pool.recycle(work);
                return (count, Heard::Wrong(reason));
            }
        };
        for _ in 0..found.pings {
            self.say(FrameKind::Pong, &[], pool);
        }
        if work.payloads.is_empty() {
            self.keep(work, found.bytes, pool, now);
            return (count, Heard::Nothing);
        }
        let rest = &work.input[found.bytes..];
        if rest.is_empty() {
            self.frame_since = NEVER;
        } else {
            let mut next = pool.work();
            next.input.extend_from_slice(rest);
            self.intake = Some(next);
            self.frame_since = now;
        }
        self.last_request = said.last_request;
        self.unanswered += work.command_count;
        let scope = self.grant.as_ref().map_or(Scope::Everything, |grant| grant.scope);
        work.task = Task::Commands(handle, scope);
        (count, Heard::Commands(work, found.kinds))
    }

    /// Keeps a work that holds the start of a frame behind `taken` bytes, or gives it back when it holds nothing.
    fn keep(&mut self, mut work: Box<Work>, taken: usize, pool: &mut Pool, now: AtMs) {
        work.input.drain(..taken);
        if work.input.is_empty() {
            self.frame_since = NEVER;
            pool.recycle(work);
        } else {
            if taken > 0 || self.frame_since == NEVER {
                self.frame_since = now;
            }
            self.intake = Some(work);
        }
    }

    /// Takes note of replies that wait for their release.
    pub(crate) fn hold(&mut self, bytes: usize) {
        self.queued_bytes += bytes;
    }

    /// Takes replies that have been released.
    pub(crate) fn release(&mut self, work: &Work, pool: &mut Pool) {
        assert!(work.command_count <= self.unanswered, "no more is answered than was asked");
        self.unanswered -= work.command_count;
        self.out_mut(pool).extend_from_slice(work.output());
    }

    /// Says something of the gateway's own.
    pub(crate) fn say(&mut self, kind: FrameKind, payload: &[u8], pool: &mut Pool) {
        let out = self.out_mut(pool);
        let before = out.len();
        write_frame(out, kind, payload);
        self.queued_bytes += self.out.len() - before;
    }

    fn out_mut(&mut self, pool: &mut Pool) -> &mut Vec<u8> {
        if self.out.capacity() == 0 {
            self.out = pool.output();
        }
        &mut self.out
    }

    /// Says why the connection ends, behind what was said before. Afterwards it only writes what is left.
    pub(crate) fn begin_close(&mut self, reason: CloseReason, pool: &mut Pool, now: AtMs) {
        if let Some(work) = self.intake.take() {
            pool.recycle(work);
        }
        self.say(FrameKind::Close, Close::because(reason).as_bytes(), pool);
        self.enter(Stage::Closing, now);
    }

    pub(crate) fn has_output(&self) -> bool {
        self.sent < self.out.len() || self.stream.has_unsent()
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(crate) fn set_writable(&mut self) {
        self.writable = true;
    }

    /// Writes what the socket takes, in one go. The bytes that went, or `None` when the socket has failed.
    pub(crate) fn write(&mut self, pool: &mut Pool, now: AtMs) -> Option<usize> {
        if !self.writable || !self.has_output() {
            return Some(0);
        }
        let waiting = self.out.len() - self.sent;
        let bytes = match self.stream.write(&self.out[self.sent..]) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Some(0),
            Err(_) => return None,
        };
        self.sent += bytes;
        self.queued_bytes = self.queued_bytes.saturating_sub(bytes);
        if bytes == waiting && !self.stream.has_unsent() {
            self.sent = 0;
            self.stalled_since = NEVER;
            pool.recycle_output(std::mem::take(&mut self.out));
            if self.stage == Stage::Closing {
                // Now the peer can read to the end; what it still sends is read and thrown away for a while.
                self.stream.finish();
            }
        } else {
            self.writable = false;
            if bytes > 0 || self.stalled_since == NEVER {
                self.stalled_since = now;
            }
            if self.sent >= SENT_BYTES_MIN && self.sent >= self.out.len() - self.sent {
                self.out.drain(..self.sent);
                self.sent = 0;
            }
        }
        Some(bytes)
    }

    /// When it must be looked at, if nothing happens before.
    pub(crate) fn due(&self, options: &GatewayOptions) -> AtMs {
        let idle = u64::from(options.idle_ms_max);
        match self.stage {
            Stage::Hello => self.stage_since + options.hello_deadline_ms,
            Stage::Opening => NEVER,
            Stage::Open(_) => (self.heard_at + if self.is_pinged { idle } else { idle / 2 })
                .min(self.frame_since.saturating_add(options.frame_deadline_ms))
                .min(self.stalled_since.saturating_add(options.write_stall_ms_max))
                .min(self.expires_at),
            Stage::Closing => self.stage_since + LINGER_MS,
        }
    }

    /// What has become of its deadlines.
    pub(crate) fn verdict(&mut self, options: &GatewayOptions, now: AtMs) -> Verdict {
        let idle = u64::from(options.idle_ms_max);
        match self.stage {
            Stage::Hello if now >= self.stage_since + options.hello_deadline_ms => {
                Verdict::Close(CloseReason::HelloDeadline)
            }
            Stage::Closing if now >= self.stage_since + LINGER_MS => Verdict::Drop,
            Stage::Hello | Stage::Opening | Stage::Closing => Verdict::Fine,
            Stage::Open(_) => {
                if now >= self.stalled_since.saturating_add(options.write_stall_ms_max) {
                    return Verdict::Close(CloseReason::SlowReader);
                }
                if now >= self.expires_at {
                    return Verdict::Close(CloseReason::Token);
                }
                if self.readable || self.draining.is_some() {
                    // It has spoken and we have not listened: its clocks start again.
                    self.heard_at = now;
                    if self.frame_since != NEVER {
                        self.frame_since = now;
                    }
                    return Verdict::Fine;
                }
                if now >= self.frame_since.saturating_add(options.frame_deadline_ms) {
                    Verdict::Close(CloseReason::FrameDeadline)
                } else if now >= self.heard_at + idle {
                    Verdict::Close(CloseReason::Idle)
                } else if now >= self.heard_at + idle / 2 && !self.is_pinged {
                    self.is_pinged = true;
                    Verdict::Ping
                } else {
                    Verdict::Fine
                }
            }
        }
    }

    /// Gives its buffers back.
    pub(crate) fn dismantle(self, pool: &mut Pool) -> S {
        if let Some(work) = self.intake {
            pool.recycle(work);
        }
        pool.recycle_output(self.out);
        self.stream
    }
}
