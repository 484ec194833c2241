//! Why a run could not begin, or its set-up not be finished.

use std::net::SocketAddr;

use orderline_protocol::RejectCode;

/// Why a run could not begin. What happens once orders are being sent is never an error but stands in the report.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// An option has a value that it cannot have.
    #[error("--{option}: {why}")]
    Option {
        /// The option's name, without dashes.
        option: &'static str,
        /// What is wrong with it, and what is right.
        why: String,
    },
    /// A workload that does not exist.
    #[error("--workload: {name:?} is not known; known are {known}")]
    UnknownWorkload {
        /// What was asked for.
        name: String,
        /// All that could have been.
        known: String,
    },
    /// The server could not be reached, or went away before the first order was sent.
    #[error("the server at {addr}: {source}; is `orderline serve` running there?")]
    Server {
        /// Where.
        addr: SocketAddr,
        /// What the client says.
        source: orderline_client::ClientError,
    },
    /// The server refused a part of the catalogue.
    #[error("setting up {what} was refused: {}", code.map_or("the code is not known to this program", RejectCode::text))]
    SetupRefused {
        /// What was being set up.
        what: String,
        /// Why.
        code: Option<RejectCode>,
    },
}
