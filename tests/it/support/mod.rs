//! What the modules share: the program's verbs, servers in processes of their own, raw connections, directories.

pub(crate) mod desk;
pub(crate) mod directory;
pub(crate) mod program;
pub(crate) mod raw;
pub(crate) mod server;
pub(crate) mod shop;

pub(crate) use directory::{copy, tree};
pub(crate) use program::orderline;
pub(crate) use raw::RawConnection;
pub(crate) use server::Server;
pub(crate) use shop::Shop;

/// A seed for a test's random choices: `ORDERLINE_TEST_SEED`, or a new one.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    match std::env::var("ORDERLINE_TEST_SEED") {
        Ok(seed) => seed.parse().expect("ORDERLINE_TEST_SEED is a number"),
        Err(_) => RandomState::new().hash_one(0),
    }
}
