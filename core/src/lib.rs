//! The order core: the pure state machine, the one loop around it, and recovery.

#[cfg(target_endian = "big")]
compile_error!("the tables in memory share their layout with the journal's little-endian bytes");

mod arena;
pub mod door;
pub mod engine;
pub mod state;

pub use state::{Decision, Rejection, Scratch, State, StateHash};
