//! The Rust client: pipelined, reconnecting, retrying with the same ids.
//!
//! A [`Client`] is one session over one connection at a time. It is driven by its caller's thread and never starts
//! one: [`Client::submit`] numbers a command and keeps its bytes, [`Client::pump`] moves bytes both ways and hands
//! out the replies, [`wait`] sleeps until one of several clients has something to do. What has no answer when a
//! connection breaks is sent again over the next one under the same numbers, so every request takes effect at most
//! once and is answered to the caller exactly once.
//!
//! ```no_run
//! use orderline_client::{Client, ClientOptions};
//! use orderline_protocol::Command;
//! use orderline_protocol::command::QueryStatus;
//!
//! # fn main() -> Result<(), orderline_client::ClientError> {
//! let mut client = Client::connect("127.0.0.1:7411", ClientOptions::default())?;
//! let query = QueryStatus { with_state_hash: 0, reserved: [0; 7] };
//! let reply = client.call(&Command::QueryStatus(&query))?;
//! assert_eq!(reply.header.code.get(), 0);
//! # Ok(())
//! # }
//! ```

pub mod catalogue;
mod client;
mod encryption;
mod error;
mod link;
mod options;
mod owned;
mod random;
mod transport;
mod unanswered;
mod wait;

pub use client::Client;
pub use encryption::{Encrypted, Encryption, EncryptionError, Socket};
pub use error::ClientError;
pub use options::{ClientOptions, ReconnectPolicy};
pub use owned::OwnedReply;
pub use transport::{Tcp, Transport};
pub use wait::wait;
