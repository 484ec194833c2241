//! The order core: the pure state machine, the one loop around it, and recovery.

pub mod door;
