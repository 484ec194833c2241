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
mod error;
mod exchange;
mod farewell;
mod gateway;
mod options;
mod pool;
mod scan;
mod stats;

pub use error::GatewayError;
pub use gateway::{Gateway, GatewayHandle};
pub use options::GatewayOptions;
pub use stats::GatewayStats;
