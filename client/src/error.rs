//! What can go wrong for a client, and what of it may heal by connecting again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use orderline_protocol::frame::{CloseReason, FrameError};
use orderline_protocol::{Malformed, Request};

/// Why a client cannot do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address names no host.
    #[error("the address does not resolve: {0}")]
    Address(Arc<io::Error>),
    /// The server could not be reached.
    #[error("{addr} cannot be reached: {why}")]
    Connect {
        /// Where it was sought.
        addr: SocketAddr,
        /// What the system says.
        why: Arc<io::Error>,
    },
    /// The server took the connection and did not welcome the client in time.
    #[error("no welcome came within {timeout_ms} ms")]
    NoWelcome {
        /// The bound, in milliseconds.
        timeout_ms: u128,
    },
    /// The connection broke.
    #[error("the connection was lost: {0}")]
    Lost(Arc<io::Error>),
    /// The server stopped talking without a word.
    #[error("the server has closed the connection without giving a reason")]
    Vanished,
    /// Nothing was heard from the server, pings included.
    #[error("nothing was heard from the server for {silent_ms} ms")]
    Silent {
        /// How long, in milliseconds.
        silent_ms: u128,
    },
    /// The server closed the connection and said why.
    #[error("the server closed the connection: {0}")]
    Closed(CloseReason),
    /// The server closed the connection for a reason that this version does not know.
    #[error("the server closed the connection for reason {0}, which this version does not know")]
    ClosedOtherwise(u16),
    /// What the server sent is no frame.
    #[error("the server sent something else than a frame: {0}")]
    Frame(#[from] FrameError),
    /// What the server sent is not what its kind says.
    #[error("the server sent a malformed frame: {0}")]
    Malformed(#[from] Malformed),
    /// The server sent a frame that has no place here.
    #[error("the server sent a {0}, which has no place here")]
    Unexpected(&'static str),
    /// Coming back took too long, or too many attempts.
    #[error("gave up after {attempts} attempts to reconnect; the last: {last}")]
    GaveUp {
        /// Attempts made.
        attempts: u32,
        /// Why the last of them failed.
        last: Box<ClientError>,
    },
    /// Somebody else has numbered requests in this session meanwhile.
    #[error(
        "the session has accepted request {last_request}, and this client has only numbered up to {numbered}"
    )]
    SessionShared {
        /// The newest request that the session has accepted.
        last_request: Request,
        /// The newest request that this client has numbered.
        numbered: Request,
    },
    /// As many commands are unanswered as the server allows.
    #[error("all {credits} credits are in use: a reply must come before the next command")]
    NoCredit {
        /// Commands that may be unanswered.
        credits: u32,
    },
    /// The command is longer than a command may be.
    #[error("a command of {bytes} bytes is too large")]
    CommandTooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// A call was made while other requests wait for replies that nobody would receive.
    #[error("a call needs the client for itself, and {unanswered} requests are unanswered")]
    Overlap {
        /// Requests that wait.
        unanswered: usize,
    },
    /// No reply came in time. The requests stay unanswered: they may have taken effect.
    #[error("no reply came within {timeout_ms} ms")]
    CallTimeout {
        /// The bound, in milliseconds.
        timeout_ms: u128,
    },
    /// Waiting for several clients failed.
    #[error("waiting for the sockets failed: {0}")]
    Wait(Arc<io::Error>),
}

impl ClientError {
    /// Whether a new connection may heal it. What the client itself did wrong comes back however often it tries;
    /// a server that stops, is full or has lost patience may be another one in a second.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::NoWelcome { .. }
            | Self::Lost(_)
            | Self::Vanished
            | Self::Silent { .. }
            | Self::Frame(FrameError::Checksum { .. }) => true,
            Self::Closed(reason) => match reason {
                CloseReason::Stopping
                | CloseReason::Idle
                | CloseReason::TooManyConnections
                | CloseReason::HelloDeadline
                | CloseReason::FrameDeadline
                | CloseReason::SlowReader
                | CloseReason::Checksum
                | CloseReason::StorageFull => true,
                CloseReason::HelloExpected
                | CloseReason::Version
                | CloseReason::FrameTooLarge
                | CloseReason::Malformed
                | CloseReason::Token
                | CloseReason::Credits
                | CloseReason::Displaced
                | CloseReason::SessionUnknown
                | CloseReason::FrameKind => false,
            },
            _ => false,
        }
    }
}
