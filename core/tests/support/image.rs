//! A state through the bytes of a snapshot: in one go, or walked while commands change it.

use std::collections::BTreeMap;

use orderline_core::State;
use orderline_core::state::{ImageError, StateHash, Step};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// The state that a snapshot of a state gives back.
pub fn image_and_back(state: &mut State) -> State {
    let (sections, hash) = sections_of(state);
    let restored = read(&sections).unwrap();
    assert_eq!(restored.hash(), hash, "the walk's hash is another one than that of what it wrote");
    restored
}

/// Reads a state's image so many times, each time with one to four bytes of a section changed: each is refused, or gives a state
/// that can be looked at all through. Returns how many were refused.
pub fn spoiled_images(state: &mut State, seed: u64, count: usize) -> usize {
    let mut rng = SmallRng::seed_from_u64(seed);
    let (sections, _) = sections_of(state);
    let tags: Vec<u32> = sections.keys().copied().collect();
    let mut refused = 0;
    for _ in 0..count {
        let mut sections = sections.clone();
        let section = sections.get_mut(&tags[rng.random_range(0..tags.len())]).unwrap();
        for _ in 0..rng.random_range(1..=4) {
            if section.is_empty() {
                break;
            }
            let at = rng.random_range(0..section.len());
            // Small numbers are states, kinds and lines; 255 is often "none".
            section[at] = match rng.random_range(0..4) {
                0 => rng.random(),
                1 => rng.random_range(0..16),
                2 => section[at] ^ 1 << rng.random_range(0..8),
                _ => 255,
            };
        }
        match read(&sections) {
            Ok(state) => drop((state.hash(), state.check())),
            Err(_) => refused += 1,
        }
    }
    refused
}

fn sections_of(state: &mut State) -> (BTreeMap<u32, Vec<u8>>, StateHash) {
    let mut sections = BTreeMap::new();
    let hash = state.write_image(|tag, bytes| {
        sections.entry(tag).or_insert_with(Vec::new).extend_from_slice(bytes);
        Ok(())
    });
    (sections, hash.unwrap())
}

fn read(sections: &BTreeMap<u32, Vec<u8>>) -> Result<State, ImageError> {
    State::read_image(99, |tag, read| read(&mut &sections[&tag][..]))
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
                let restored = read(sections).unwrap();
                assert_eq!(restored.hash(), *begun, "the walk wrote another state than it began in");
                assert_eq!(restored.check(), vec![]);
                *self = Self { ended_count: self.ended_count + 1, ..Self::default() };
            }
        }
    }
}
