//! The trace of a life: a hash of all its steps, and the steps themselves for whoever wants to read them.

use std::fmt;

/// What a life leaves of its steps.
pub struct Trace {
    hash: u64,
    is_told: bool,
}

impl Trace {
    /// A trace without a step; told on stderr if that is wanted.
    pub fn new(is_told: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, is_told }
    }

    /// Takes a step: when, what, and what came of it.
    pub fn note(&mut self, at_us: u64, what: &str, of: u64, came_to: u64) {
        for word in
            [at_us, what.len() as u64, u64::from(what.as_bytes().first().copied().unwrap_or(0)), of, came_to]
        {
            self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
        if self.is_told {
            self.tell(at_us, format_args!("{what} {of} {came_to}"));
        }
    }

    /// Says something about a step, which is not part of the hash.
    pub fn tell(&self, at_us: u64, text: fmt::Arguments<'_>) {
        if self.is_told {
            eprintln!("{:>12}.{:06} {text}", at_us / 1_000_000, at_us % 1_000_000);
        }
    }

    /// The hash of all steps.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
