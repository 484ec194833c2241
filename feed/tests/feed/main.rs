//! What the feed promises, proved from outside: over journals of random events.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod pages;
mod support;
