//! Commands one after the other on a small shop, decided, applied and replayed as the engine would: no panic, no broken
//! invariant, and a replay comes to the same state.

#![no_main]

#[path = "../src/shared.rs"]
mod shared;

use libfuzzer_sys::fuzz_target;
use orderline_core::state::{Due, Parsed};
use orderline_core::{Decision, Scratch, State};
use orderline_protocol::command::*;
use orderline_protocol::event::{EVENT_VERSION, Event};
use orderline_protocol::{Command, SessionHandle, SessionId};

const NOW_US: i64 = 1_700_000_000_000_000;

struct Shop {
    state: State,
    scratch: Scratch,
    events: Vec<(i64, u16, Vec<u8>)>,
    now_us: i64,
    request: u64,
}

impl Shop {
    fn keep(&mut self, kind: u16, bytes: Vec<u8>) {
        let event = Event::read(kind, EVENT_VERSION, &bytes).expect("what was written can be read");
        self.state.apply(self.state.sequence() + 1, self.now_us, &event);
        self.events.push((self.now_us, kind, bytes));
    }

    fn follow(&mut self) {
        let mut out = Vec::new();
        while let Due::Event(kind) = self.state.decide_refill(&mut self.scratch, &mut out) {
            self.keep(kind as u16, std::mem::take(&mut out));
        }
    }

    fn pass_time(&mut self) {
        let mut out = Vec::new();
        loop {
            match self.state.decide_due(self.now_us, &mut self.scratch, &mut out) {
                Due::Event(kind) => {
                    self.keep(kind as u16, std::mem::take(&mut out));
                    self.follow();
                }
                Due::Searching => {}
                Due::Nothing => return,
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let Ok(raw) = RawCommand::take(&mut &bytes[..]) else { return };
        let mut out = Vec::new();
        if raw.is_query() {
            let _ = self.state.answer(&raw, &mut out);
            return;
        }
        let parsed = Parsed::new(raw);
        if let Decision::Event(kind) =
            self.state.decide(SessionHandle::new(0), self.now_us, &parsed, &mut self.scratch, &mut out)
        {
            self.keep(kind as u16, out);
            self.follow();
        }
    }

    fn run(&mut self, command: &Command<'_>) {
        self.request += 1;
        let mut bytes = Vec::new();
        command.write(self.request, &mut bytes);
        self.send(&bytes);
    }

    /// Two sellers, two locations, two SKUs, some stock.
    fn open() -> Self {
        let (state, scratch) = (State::new(1), Scratch::default());
        let mut shop = Self { state, scratch, events: Vec::new(), now_us: NOW_US, request: 0 };
        let mut event = Vec::new();
        let kind = shop.state.decide_session(SessionId::new(1), 0, &mut event).expect("the first session");
        shop.keep(kind as u16, event);
        for code in ["a", "b"] {
            shop.run(&Command::DefineSeller(
                &DefineSeller {
                    commission_bp: 1_000.into(),
                    standing: 1,
                    code_bytes: 1,
                    expected_version: 0.into(),
                },
                code,
            ));
        }
        shop
    }
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = shared::Bytes(data);
    let mut shop = Shop::open();
    while !bytes.is_empty() {
        let (kind, length) = (bytes.u8(), usize::from(bytes.u16() % 512) / 8 * 8);
        if kind == 0 {
            shop.now_us += i64::from(bytes.u32()) * 1_000;
            shop.pass_time();
            continue;
        }
        shop.request += 1;
        let mut command = vec![0; 16];
        command.extend_from_slice(bytes.take(length));
        command.resize(16 + length, 0);
        let whole = command.len() as u32;
        command[..4].copy_from_slice(&whole.to_le_bytes());
        command[4] = kind;
        command[8..16].copy_from_slice(&shop.request.to_le_bytes());
        shop.send(&command);
    }
    let broken = shop.state.check();
    assert!(broken.is_empty(), "{broken:?}");
    let mut again = State::new(2);
    for (sequence, (at_us, kind, bytes)) in (1..).zip(&shop.events) {
        again.apply(sequence, *at_us, &Event::read(*kind, EVENT_VERSION, bytes).expect("it was read before"));
    }
    assert_eq!(again.hash(), shop.state.hash());
});
