//! What is said at the beginning and at the end of a connection, by either side.

#![no_main]

#[path = "../src/shared.rs"]
mod shared;

use libfuzzer_sys::fuzz_target;
use orderline_protocol::frame::{Close, CloseReason, Frame, Hello, Welcome};
use zerocopy::IntoBytes;

fuzz_target!(|data: &[u8]| {
    let Some((&mode, rest)) = data.split_first() else { return };
    let mut input = rest.to_vec();
    if mode & 1 == 1 {
        shared::refit_frames(&mut input);
    }
    match Frame::read(&input) {
        Ok(Some(frame)) => {
            assert!(frame.bytes <= input.len());
            if let Ok(hello) = Hello::read(frame.payload) {
                assert!(frame.payload.starts_with(hello.as_bytes()));
            }
            if let Ok(welcome) = Welcome::read(frame.payload) {
                assert!(frame.payload.starts_with(welcome.as_bytes()));
            }
            if let Ok(close) = Close::read(frame.payload) {
                let _ = CloseReason::from_number(close.reason.get());
            }
        }
        Ok(None) => {}
        Err(error) => drop((CloseReason::from(error), error.to_string())),
    }
});
