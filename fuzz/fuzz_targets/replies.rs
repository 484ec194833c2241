//! What a client reads: replies, and every view that may stand behind one.

#![no_main]

#[path = "../src/shared.rs"]
mod shared;

use libfuzzer_sys::fuzz_target;
use orderline_protocol::Reply;
use orderline_protocol::frame::{Frame, FrameKind};

fn look(mut payload: &[u8], count: u16) {
    for _ in 0..count {
        let before = payload.len();
        let Ok(reply) = Reply::take(&mut payload) else { return };
        assert!(payload.len() < before);
        let _ = (reply.outcome(), reply.is_accepted());
        orderline_doors::views(reply.view);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&mode, rest)) = data.split_first() else { return };
    if mode & 1 == 0 {
        // A frame's payload alone: deeper, and faster.
        look(rest, u16::MAX);
        return;
    }
    let mut input = rest.to_vec();
    shared::refit_frames(&mut input);
    let mut left = &input[..];
    while let Ok(Some(frame)) = Frame::read(left) {
        if frame.kind == FrameKind::Replies {
            look(frame.payload, frame.count);
        }
        left = &left[frame.bytes..];
    }
});
