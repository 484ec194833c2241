//! Orderline's application tier: a JSON API over HTTP with its description, for whoever would rather not speak the wire.
//!
//! A request travels a short way: HTTP -> body checked -> codes to handles -> a command's bytes -> [`Front`] -> the engine's
//! door -> the watermark -> an answer in JSON. It enters by a door like the gateway's, waits for the same watermark, and is
//! decided by the same engine: what is true over TCP is true here.

// A problem is made once, where a request ends: what its size costs on the way out is nothing beside its text.
#![allow(clippy::result_large_err)]

pub mod api;
mod console;
pub mod front;
pub mod metrics;
pub mod names;
pub mod problem;
pub mod recovery;
mod requests;
pub mod server;
pub mod verifier;
mod whose;

pub use front::Front;
pub use metrics::Metrics;
pub use names::Names;
pub use recovery::Recovery;
pub use requests::TraceParent;
pub use server::{Server, ServerOptions};
pub use whose::Owners;
