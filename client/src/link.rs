//! One connection's socket with a buffer each way. It knows frames; what they mean is the client's business.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::time::Instant;

use orderline_protocol::frame::{FRAME_HEADER_BYTES, Frame, FrameError, FrameKind, write_frame};
use orderline_protocol::limits::FRAME_PAYLOAD_BYTES_MAX;

/// Room for input at first: over three thousand replies without a view. It grows to a frame's bound when it must.
const INPUT_BYTES_FIRST: usize = 128 * 1024;
const INPUT_BYTES_MAX: usize = FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX;

/// Output that waits for the socket beyond which nothing more is framed.
const OUT_BYTES_MAX: usize = 512 * 1024;

/// A frame that lies in the input, by its place, so that the link stays free to be written to.
pub(crate) struct Arrived {
    pub(crate) kind: FrameKind,
    pub(crate) count: u16,
    pub(crate) payload: Range<usize>,
}

/// What reading found.
#[derive(PartialEq, Eq)]
pub(crate) enum Fill {
    /// Bytes, and the socket may have more.
    More,
    /// All that there was, if anything.
    Drained,
    /// The peer has said its last byte.
    End,
}

pub(crate) struct Link<S> {
    pub(crate) stream: S,
    input: Vec<u8>,
    start: usize,
    end: usize,
    pub(crate) out: Vec<u8>,
    sent: usize,
    /// The stream has taken bytes that the socket has not.
    is_unflushed: bool,
    /// When the last byte came.
    pub(crate) heard_at: Instant,
    /// When the last byte went.
    pub(crate) said_at: Instant,
}

impl<S: Read + Write> Link<S> {
    /// A link over a connection that was made just now.
    pub(crate) fn new(stream: S, now: Instant) -> Self {
        Self {
            stream,
            input: vec![0; INPUT_BYTES_FIRST],
            start: 0,
            end: 0,
            out: Vec::new(),
            sent: 0,
            is_unflushed: false,
            heard_at: now,
            said_at: now,
        }
    }

    /// Whether bytes wait for the socket.
    pub(crate) fn has_output(&self) -> bool {
        self.sent < self.out.len() || self.is_unflushed
    }

    /// Whether another frame may be appended to the output.
    pub(crate) fn has_room(&self) -> bool {
        self.out.len() - self.sent < OUT_BYTES_MAX
    }

    pub(crate) fn say(&mut self, kind: FrameKind, payload: &[u8]) {
        write_frame(&mut self.out, kind, payload);
    }

    /// Writes what the socket takes.
    pub(crate) fn write(&mut self, now: Instant) -> io::Result<()> {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.sent += bytes;
                    self.said_at = now;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.out.drain(..self.sent);
                    self.sent = 0;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.sent = 0;
        match self.stream.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_unflushed = true,
            flushed => {
                self.is_unflushed = false;
                flushed?;
            }
        }
        Ok(())
    }

    /// Reads once, into the room behind what has not been looked at.
    pub(crate) fn fill(&mut self, now: Instant) -> io::Result<Fill> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.input.len() {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.end == self.input.len() {
                assert!(self.end < INPUT_BYTES_MAX, "a whole frame fits, and whole frames were taken out");
                self.input.resize(INPUT_BYTES_MAX, 0);
            }
        }
        loop {
            match self.stream.read(&mut self.input[self.end..]) {
                Ok(0) => return Ok(Fill::End),
                Ok(bytes) => {
                    self.end += bytes;
                    self.heard_at = now;
                    let drained = self.end < self.input.len();
                    return Ok(if drained { Fill::Drained } else { Fill::More });
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Fill::Drained),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the next whole frame out of what was read.
    pub(crate) fn take_frame(&mut self) -> Result<Option<Arrived>, FrameError> {
        let Some(frame) = Frame::read(&self.input[self.start..self.end])? else { return Ok(None) };
        let payload_start = self.start + FRAME_HEADER_BYTES;
        self.start += frame.bytes;
        Ok(Some(Arrived { kind: frame.kind, count: frame.count, payload: payload_start..self.start }))
    }

    /// The payload of a frame that was just taken.
    pub(crate) fn payload(&self, arrived: &Arrived) -> &[u8] {
        &self.input[arrived.payload.clone()]
    }
}
