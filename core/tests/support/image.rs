//! A state through the bytes of a snapshot: in one go, or walked while commands change it.

use std::collections::BTreeMap;

use orderline_core::State;
use orderline_core::state::{StateHash, Step};

/// The state that a snapshot of a state gives back.
pub fn image_and_back(state: &mut State) -> State {
    let mut sections = BTreeMap::new();
    let mut hash = None;
    state
        .write_image(|tag, bytes| {
            sections.entry(tag).or_insert_with(Vec::new).extend_from_slice(bytes);
            Ok(())
        })
        .map(|walked| hash = Some(walked))
        .unwrap();
    let restored = read(&sections);
    assert_eq!(Some(restored.hash()), hash, "the walk's hash is another one than that of what it wrote");
    restored
}

fn read(sections: &BTreeMap<u32, Vec<u8>>) -> State {
    State::read_image(99, |tag, read| read(&mut &sections[&tag][..])).unwrap()
}

/// Bytes of a step, one walk after the other: hardly any, so that nearly everything changes before the walk comes to it; some;
/// and many.
const STEP_BYTES: [usize; 3] = [1, 200, 4_000];

/// Events between a walk's end and the next one's beginning.
const PAUSE_EVENTS: usize = 40;

/// A snapshot that is being walked while commands change the state.
#[derive(Default)]
pub struct SlowWalk {
    begun: Option<(StateHash, BTreeMap<u32, Vec<u8>>)>,
    pause: usize,
    pub ended_count: usize,
}

impl SlowWalk {
    /// Goes on by a step behind an event, or begins. Once the walk is over, what it wrote must be the state in which it began.
    pub fn step(&mut self, state: &mut State) {
        let Some((begun, sections)) = &mut self.begun else {
            self.pause += 1;
            if self.pause == PAUSE_EVENTS {
                state.begin_walk();
                self.begun = Some((state.hash(), BTreeMap::new()));
            }
            return;
        };
        if !state.is_walking() {
            // Somebody else has walked.
            *self = Self { ended_count: self.ended_count, ..Self::default() };
            return;
        }
        let mut out = Vec::new();
        match state.walk(&mut out, STEP_BYTES[self.ended_count % STEP_BYTES.len()]) {
            Step::Section(tag) => sections.entry(tag).or_default().extend_from_slice(&out),
            Step::End(hash) => {
                assert_eq!(hash, *begun, "the walk's hash is not that of the state in which it began");
                let restored = read(sections);
                assert_eq!(restored.hash(), *begun, "the walk wrote another state than it began in");
                assert_eq!(restored.check(), vec![]);
                *self = Self { ended_count: self.ended_count + 1, ..Self::default() };
            }
        }
    }
}
