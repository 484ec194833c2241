//! The TCP gateway: connections, credits, deadlines and the release gate.
//!
//! One thread reads frames, checks them where they lie, and hands their commands to the engine through its door;
//! it gives replies back to their connections once the watermark has reached them. Nothing above the watermark
//! leaves the process: not an acknowledgement, not a rejection, not a query's answer.
//!
//! A peer can make it hold a bounded amount and no more: 80 bytes before it has said who it is, one frame and a few
//! batches afterwards, and as much output as the options allow. Whoever is slow, silent or wrong is told why and
//! closed, and nobody else notices.

mod accept;
mod bell;
mod connection;
mod connections;
mod deadlines;
mod encrypted;
mod error;
mod exchange;
mod farewell;
mod gateway;
mod network;
mod options;
mod pool;
mod scan;
mod screen;
mod stats;
mod sync;
mod tcp;

pub use encrypted::Encrypted;
pub use error::GatewayError;
pub use gateway::{Gateway, GatewayHandle};
pub use network::{Network, Ready, Stream};
pub use options::GatewayOptions;
pub use stats::GatewayStats;
pub use tcp::{Socket, Tcp};

/// The fuzzers' door: compiled for nothing but `fuzz/`.
#[cfg(fuzzing)]
pub mod fuzzing {
    use orderline_core::door::Work;
    use orderline_protocol::frame::CloseReason;

    use crate::scan::{self, Said};

    /// Looks through what a connection has read, as the gateway does: what is let in, and how many bytes of it.
    ///
    /// # Errors
    /// Why the connection would be closed.
    pub fn scan(input: Vec<u8>, last_request: u64, credits_left: u32) -> Result<(Work, usize), CloseReason> {
        let mut work = Work::default();
        work.input = input;
        let found = scan::scan(&mut work, &mut Said { last_request, credits_left })?;
        Ok((work, found.bytes))
    }
}
