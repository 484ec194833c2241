//! The order core: the pure state machine, the one loop around it, and recovery.
//!
//! [`state`] decides and applies, and knows nothing of threads, clocks or disks. [`engine`] is the one loop that
//! drives it between the [`door`]s of the fronts and the journal. [`recovery`] brings a directory back, with
//! [`snapshot`]s to start from.

#[cfg(target_endian = "big")]
compile_error!("the tables in memory share their layout with the journal's little-endian bytes");

pub mod ahead;
mod answer;
mod arena;
pub mod board;
mod bracket;
pub mod door;
pub mod engine;
mod error;
pub mod meters;
mod populator;
pub mod recovery;
mod rings;
pub mod snapshot;
pub mod state;
mod sync;
mod touch;
mod wish;

pub use engine::{Doors, Engine, EngineOptions, Turn};
pub use error::RecoveryError;
pub use meters::{EngineStats, Meters};
pub use orderline_journal::bugs;
pub use state::{Decision, Rejection, Scratch, State, StateHash};
