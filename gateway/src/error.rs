//! Why a gateway does not start, or stops.

use std::io;
use std::net::SocketAddr;

/// Why a gateway does not start, or stops.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {why}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// The system refuses to wait for sockets.
    #[error("waiting for sockets failed: {0}")]
    Poll(#[from] io::Error),
    /// More could be let into the engine than its door holds.
    #[error("{needed} batches can be let in, and the engine's door holds {capacity}")]
    DoorTooSmall {
        /// [`crate::GatewayOptions::door_capacity`].
        needed: usize,
        /// Works that the door holds.
        capacity: usize,
    },
    /// An option has a value that it cannot have.
    #[error("{0}")]
    Option(&'static str),
}
