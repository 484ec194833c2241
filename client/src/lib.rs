//! The Rust client: pipelined, reconnecting, retrying with the same ids.
