//! Frames: the length-bounded, checksummed envelopes of the wire, and the hello that opens a connection.
//!
//! A frame is a 16-byte header and a payload. The header's checksum covers all that follows it, so a frame is
//! either whole and what its sender wrote, or it is refused before anything in it is looked at.

use std::fmt;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, IntoBytes};

use crate::ids::{SessionHandle, SessionId};
use crate::limits::FRAME_PAYLOAD_BYTES_MAX;
use crate::wire::{Cut, Malformed, NumberTable, ShapeTable, numbered, shapes};

/// The wire's version. Both ends must speak the same one until 1.0.
pub const WIRE_VERSION: u8 = 5;

/// Bytes of a frame's header.
pub const FRAME_HEADER_BYTES: usize = size_of::<FrameHeader>();

/// The first bytes of every hello.
pub const HELLO_MAGIC: [u8; 8] = *b"ORDRLINE";

/// Every structure of the frames, for the documents.
pub const SHAPE_TABLES: &[&[ShapeTable]] = &[SHAPES];

/// Every enumeration of the frames, for the documents.
pub const NUMBER_TABLES: &[&[NumberTable]] = &[NUMBERS];

numbered! {
    /// What a frame carries.
    pub enum FrameKind: u8 {
        /// Client: the first frame of a connection, a `Hello`.
        Hello = 1 "hello",
        /// Server: the answer to a hello, a `Welcome`.
        Welcome = 2 "welcome",
        /// Client: one command or several.
        Commands = 3 "commands",
        /// Server: one reply or several.
        Replies = 4 "replies",
        /// Either: "are you there"; no payload.
        Ping = 5 "ping",
        /// Either: the answer to a ping; no payload.
        Pong = 6 "pong",
        /// Server: the last frame of a connection, a `Close`.
        Close = 7 "close",
    }

    /// Why the server closes a connection.
    pub enum CloseReason: u16 {
        /// The first frame was not a hello, or a later one was.
        HelloExpected = 1 "a hello is the first frame of a connection and only the first",
        /// The frame's version is not ours.
        Version = 2 "the wire's version is not spoken here",
        /// The frame is longer than is taken.
        FrameTooLarge = 3 "the frame is too large",
        /// The frame's checksum does not fit.
        Checksum = 4 "the frame's checksum does not fit its bytes",
        /// The frame's payload is not what its kind says.
        Malformed = 5 "the frame's payload is malformed",
        /// The token is not known, was revoked or changed, or its time is over.
        Token = 6 "the token is not known, or not valid any more",
        /// The hello did not come in time.
        HelloDeadline = 7 "no hello came in time",
        /// A frame was begun and not finished in time.
        FrameDeadline = 8 "a frame was begun and not finished in time",
        /// Nothing was heard for too long.
        Idle = 9 "nothing was heard for too long",
        /// Replies were not read in time.
        SlowReader = 10 "replies were not read in time",
        /// More commands were sent than there were credits.
        Credits = 11 "more commands were sent than there were credits",
        /// The session was taken up by a newer connection.
        Displaced = 12 "the session was taken up by a newer connection",
        /// The server is stopping.
        Stopping = 13 "the server is stopping",
        /// The server holds as many connections as it may.
        TooManyConnections = 14 "the server holds as many connections as it may",
        /// A session was to be resumed that is not known (any more).
        SessionUnknown = 15 "the session to resume is not known any more",
        /// A frame of a kind that a server does not take.
        FrameKind = 16 "a frame of a kind that a server does not take",
        /// The journal cannot take a new session now: its disk is full.
        StorageFull = 17 "the disk is full, no session can be opened now",
    }
}

shapes! {
    /// A frame's header.
    pub struct FrameHeader {
        /// Bytes that follow this header, at most `FRAME_PAYLOAD_BYTES_MAX`.
        pub payload_bytes: U32,
        /// CRC-32C over the header's last 8 bytes and the payload.
        pub checksum: U32,
        /// A `FrameKind`.
        pub kind: u8,
        /// The wire's version.
        pub version: u8,
        /// Commands or replies in the payload; 0 for other kinds.
        pub count: U16,
        /// Zero.
        pub reserved: U32,
    }

    /// What a client says first.
    pub struct Hello {
        /// `ORDRLINE` in ASCII.
        pub magic: [u8; 8],
        /// The session to open or to resume.
        pub session: SessionId,
        /// The secret of its access token; zeros where the server asks for none.
        pub token: [u8; 32],
        /// 1: the session must be known already (a resume: the client has unanswered requests); 0: open it if it is new.
        pub resume: u8,
        /// 1: what the server cannot take now is to be refused at once, with `Busy`; 0: it is to wait.
        pub refuse_when_busy: u8,
        /// Zeros.
        pub reserved: [u8; 6],
    }

    /// What the server answers to a hello.
    pub struct Welcome {
        /// The newest request that the session has accepted; 0 for a new session. Number the next ones above it.
        pub last_request: U64,
        /// The sequence at which the session was opened or resumed.
        pub sequence: U64,
        /// The core's number for the session.
        pub session: SessionHandle,
        /// Commands that the client may have unanswered.
        pub credits: U32,
        /// Silence in milliseconds after which the server gives the connection up. A ping every third of it keeps it.
        pub idle_ms_max: U32,
        /// Zero.
        pub reserved: U32,
    }

    /// The last frame of a connection: why it ends.
    pub struct Close {
        /// A `CloseReason`.
        pub reason: U16,
        /// Zeros.
        pub reserved: [u8; 6],
    }
}

// Its name is a sentence: what people are told.
impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for CloseReason {}

/// Why bytes are no frame. Each becomes the reason of a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length says more than a frame may hold; most often the peer speaks another protocol.
    #[error("a frame of {found} payload bytes is announced, at most {FRAME_PAYLOAD_BYTES_MAX} are taken")]
    TooLarge {
        /// What the header says.
        found: u32,
    },
    /// Another version of the wire.
    #[error("the frame is of wire version {found}, this program speaks version {WIRE_VERSION}")]
    Version {
        /// What the header says.
        found: u8,
    },
    /// The checksum does not fit the bytes.
    #[error("the frame's checksum is {found:#010x}, its bytes give {expected:#010x}")]
    Checksum {
        /// Computed from the bytes.
        expected: u32,
        /// What the header says.
        found: u32,
    },
    /// A kind that this version does not have.
    #[error("frames of kind {found} are not known in wire version {WIRE_VERSION}")]
    Kind {
        /// What the header says.
        found: u8,
    },
}

/// A whole, checked frame.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// What it carries.
    pub kind: FrameKind,
    /// Commands or replies in it.
    pub count: u16,
    /// Its payload.
    pub payload: &'a [u8],
    /// Its bytes with the header: what to skip to reach the next frame.
    pub bytes: usize,
}

impl<'a> Frame<'a> {
    /// Reads the frame at the start of `bytes`, or says that more bytes are needed (`None`).
    ///
    /// The length and version are refused as soon as the header is here, so a peer that speaks something else is
    /// told at once and never makes us wait for, or hold, a large payload.
    ///
    /// # Errors
    /// [`FrameError`], after which nothing more can be read from the peer.
    pub fn read(bytes: &'a [u8]) -> Result<Option<Self>, FrameError> {
        let Ok((header, rest)) = FrameHeader::ref_from_prefix(bytes) else { return Ok(None) };
        let payload_bytes = header.payload_bytes.get();
        if payload_bytes as usize > FRAME_PAYLOAD_BYTES_MAX {
            return Err(FrameError::TooLarge { found: payload_bytes });
        }
        if header.version != WIRE_VERSION {
            return Err(FrameError::Version { found: header.version });
        }
        let Some(payload) = rest.get(..payload_bytes as usize) else { return Ok(None) };
        let whole = FRAME_HEADER_BYTES + payload.len();
        let expected = crc32c::crc32c(&bytes[8..whole]);
        if expected != header.checksum.get() {
            return Err(FrameError::Checksum { expected, found: header.checksum.get() });
        }
        let Some(kind) = FrameKind::from_number(header.kind) else {
            return Err(FrameError::Kind { found: header.kind });
        };
        Ok(Some(Self { kind, count: header.count.get(), payload, bytes: whole }))
    }
}

/// Starts a frame at the end of `out`: reserves its header. Append the payload, then call [`finish_frame`].
pub fn begin_frame(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    start
}

/// Finishes the frame that [`begin_frame`] started at `start`: fills in its header.
///
/// # Panics
/// If the payload is longer than a frame may hold: whoever appends must look first.
pub fn finish_frame(out: &mut [u8], start: usize, kind: FrameKind, count: u16) {
    let payload_bytes = out.len() - start - FRAME_HEADER_BYTES;
    assert!(
        payload_bytes <= FRAME_PAYLOAD_BYTES_MAX,
        "a frame of {payload_bytes} payload bytes is too large"
    );
    let mut header = FrameHeader {
        payload_bytes: U32::new(payload_bytes as u32),
        checksum: U32::ZERO,
        kind: kind as u8,
        version: WIRE_VERSION,
        count: U16::new(count),
        reserved: U32::ZERO,
    };
    out[start..start + FRAME_HEADER_BYTES].copy_from_slice(header.as_bytes());
    header.checksum = U32::new(crc32c::crc32c(&out[start + 8..]));
    out[start..start + FRAME_HEADER_BYTES].copy_from_slice(header.as_bytes());
}

/// Appends a frame with this payload.
pub fn write_frame(out: &mut Vec<u8>, kind: FrameKind, payload: &[u8]) {
    let start = begin_frame(out);
    out.extend_from_slice(payload);
    finish_frame(out, start, kind, 0);
}

impl Hello {
    /// Reads a hello's payload.
    ///
    /// # Errors
    /// When the length, the magic or a flag is not what a hello has.
    pub fn read(payload: &[u8]) -> Result<&Self, Malformed> {
        let mut cut = Cut::new("hello", payload);
        let hello: &Self = cut.head()?;
        if hello.magic != HELLO_MAGIC {
            return Err(cut.error("it does not start with ORDRLINE"));
        }
        if hello.resume > 1 {
            return Err(cut.error("its resume flag is neither 0 nor 1"));
        }
        if hello.refuse_when_busy > 1 {
            return Err(cut.error("its flag for being refused is neither 0 nor 1"));
        }
        cut.end()?;
        Ok(hello)
    }
}

impl Welcome {
    /// Reads a welcome's payload.
    ///
    /// # Errors
    /// When the length is not a welcome's.
    pub fn read(payload: &[u8]) -> Result<&Self, Malformed> {
        let mut cut = Cut::new("welcome", payload);
        let welcome = cut.head()?;
        cut.end()?;
        Ok(welcome)
    }
}

impl From<FrameError> for CloseReason {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::TooLarge { .. } => Self::FrameTooLarge,
            FrameError::Version { .. } => Self::Version,
            FrameError::Checksum { .. } => Self::Checksum,
            FrameError::Kind { .. } => Self::FrameKind,
        }
    }
}

impl Close {
    /// The close that says this.
    pub fn because(reason: CloseReason) -> Self {
        Self { reason: U16::new(reason as u16), reserved: [0; 6] }
    }

    /// Reads a close's payload.
    ///
    /// # Errors
    /// When the length is not a close's.
    pub fn read(payload: &[u8]) -> Result<&Self, Malformed> {
        let mut cut = Cut::new("close", payload);
        let close = cut.head()?;
        cut.end()?;
        Ok(close)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello_frame() -> Vec<u8> {
        let hello = Hello {
            magic: HELLO_MAGIC,
            session: SessionId::new(7),
            token: [0; 32],
            resume: 0,
            refuse_when_busy: 0,
            reserved: [0; 6],
        };
        let mut out = Vec::new();
        write_frame(&mut out, FrameKind::Hello, hello.as_bytes());
        out
    }

    #[test]
    fn a_frame_cut_anywhere_asks_for_more_and_one_flipped_anywhere_is_refused() {
        let whole = hello_frame();
        for cut in 0..whole.len() {
            assert!(matches!(Frame::read(&whole[..cut]), Ok(None)), "cut at {cut}");
        }
        assert!(Hello::read(Frame::read(&whole).unwrap().unwrap().payload).is_ok());
        for bit in 0..whole.len() * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(Frame::read(&bad), Ok(Some(_))), "bit {bit} flipped and taken");
        }
    }

    #[test]
    fn another_protocol_is_refused_by_its_first_bytes() {
        assert!(matches!(Frame::read(b"GET / HTTP/1.1\r\n"), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn close_reasons_keep_their_numbers() {
        for (index, &reason) in CloseReason::ALL.iter().enumerate() {
            assert_eq!(reason as usize, index + 1);
            assert_eq!(CloseReason::from_number(reason as u16), Some(reason));
        }
    }
}
