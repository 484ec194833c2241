//! The protocol's bytes: the documents that show them, the golden files that keep them, and the older versions that
//! are refused.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod conversation;
mod documents;
mod golden;
mod hex;
mod history;
mod render;
mod samples;
mod seen;
mod tables;
