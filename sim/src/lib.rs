//! The simulator: the real client, gateway, engine, journal, recovery and snapshots' maker in one thread, over a simulated
//! disk, network and clock. One seed decides everything that could go one way or another, so a life that goes wrong goes
//! wrong again.

pub mod buyer;
pub mod chance;
pub mod clock;
pub mod damage;
pub mod faults;
pub mod judge;
pub mod life;
pub mod network;
pub mod plan;
pub mod server;
pub mod shop;
pub mod trace;
pub mod witness;

pub use faults::Tally;
pub use life::{Ended, live};
