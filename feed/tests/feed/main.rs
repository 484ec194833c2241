//! What the feed promises, proved from outside: over journals of random events.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod consumers;
mod document;
mod pages;
mod receiver;
mod support;
mod webhooks;
