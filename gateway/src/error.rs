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
    #[error(
        "{connections_max} connections with {works_per_connection_max} batches each can exceed the {capacity} \
         batches that the engine's door holds"
    )]
    DoorTooSmall {
        /// [`crate::GatewayOptions::connections_max`].
        connections_max: usize,
        /// [`crate::GatewayOptions::works_per_connection_max`].
        works_per_connection_max: usize,
        /// Works that the door holds.
        capacity: usize,
    },
    /// An option has a value that it cannot have.
    #[error("{0}")]
    Option(&'static str),
}
