//! Any command, decided on a state that has some of everything: deciding changes nothing, and what it writes can be read
//! back. Queries are answered.

#![no_main]

#[path = "../src/shared.rs"]
mod shared;

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use orderline_core::state::Parsed;
use orderline_core::{Decision, Scratch, State};
use orderline_journal::{Reader, Start};
use orderline_protocol::SessionHandle;
use orderline_protocol::command::RawCommand;
use orderline_protocol::event::{EVENT_VERSION, Event};

/// The golden directory, replayed.
fn golden() -> State {
    let files = shared::golden_files();
    let journal = files.iter().filter(|(name, _)| !name.starts_with("snapshots"));
    let storage = shared::storage_of(journal.map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    let mut reader =
        Reader::open(shared::shared(storage), Start::Oldest).expect("the golden directory opens");
    let mut state = State::new(1);
    orderline_core::recovery::replay(&mut reader, &mut state, u64::MAX, |_, _| ()).expect("it replays");
    state
}

thread_local! {
    static STATE: (State, RefCell<(Scratch, u64)>) = (golden(), RefCell::default());
}

fuzz_target!(|data: &[u8]| {
    STATE.with(|(state, room)| {
        let mut room = room.borrow_mut();
        let (scratch, runs) = &mut *room;
        let mut bytes = shared::Bytes(data);
        let now_us = 1_700_000_000_000_000 + i64::from(bytes.u32()) * 1_000_000;
        // Length and header are given what they must have; kind, number and body are the fuzzer's.
        let mut command = bytes.0.to_vec();
        if command.len() < 16 {
            return;
        }
        command.truncate(command.len() / 8 * 8);
        let length = command.len() as u32;
        command[..4].copy_from_slice(&length.to_le_bytes());
        command[5..8].fill(0);
        let Ok(raw) = RawCommand::take(&mut &command[..]) else { return };
        if raw.is_query() {
            let mut view = Vec::new();
            let _ = state.answer(&raw, &mut view);
            return;
        }
        let parsed = Parsed::new(raw);
        state.prefetch_first(&parsed);
        state.prefetch_second(&parsed);
        let mut event = Vec::new();
        match state.decide(SessionHandle::new(0), now_us, &parsed, scratch, &mut event) {
            Decision::Event(kind) => {
                let event =
                    Event::read(kind as u16, EVENT_VERSION, &event).expect("what was written can be read");
                assert_eq!(event.kind(), kind);
            }
            Decision::Before(_) | Decision::Rejected(_) => assert!(event.is_empty()),
        }
        *runs += 1;
        if runs.is_multiple_of(1 << 20) {
            assert!(state.check().is_empty(), "deciding changes nothing");
        }
    });
});
