//! What a connection reads: frames, as the gateway looks through them. What it lets through must be what the engine is
//! promised, and must not depend on where the bytes were cut on their way.

#![no_main]

#[path = "../src/shared.rs"]
mod shared;

use libfuzzer_sys::fuzz_target;
use orderline_protocol::command::RawCommand;

fuzz_target!(|data: &[u8]| {
    let Some((&mode, rest)) = data.split_first() else { return };
    let mut input = rest.to_vec();
    if mode & 1 == 1 {
        shared::refit_frames(&mut input);
    }
    let credits = if mode & 2 == 2 { 3 } else { 8_192 };
    let whole = orderline_gateway::fuzzing::scan(input.clone(), 0, credits);
    let Ok((work, taken)) = &whole else { return };
    assert!(*taken <= input.len());
    let mut count = 0;
    let mut last = 0;
    for range in &work.payloads {
        let mut payload = &input[range.clone()];
        while !payload.is_empty() {
            let command = RawCommand::take(&mut payload).expect("what was let through can be taken");
            assert!(command.request > last, "numbers rise");
            last = command.request;
            let _ = command.read();
            count += 1;
        }
    }
    assert_eq!(count, work.command_count);
    assert!(count <= credits);
    // A cut anywhere finds a part of the same.
    let cut = usize::from(mode >> 2) * input.len() / 64;
    let (part, part_taken) = orderline_gateway::fuzzing::scan(input[..cut].to_vec(), 0, credits)
        .expect("a part of what is good is good");
    assert!(part_taken <= cut && work.payloads.starts_with(&part.payloads));
});
