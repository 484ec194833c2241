//! Chance: everything that could go one way or another asks here, and one seed decides all of it.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// A stream of random choices.
pub struct Chance {
    rng: SmallRng,
}

impl Chance {
    /// The choices of this seed.
    pub fn new(seed: u64) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed) }
    }

    /// 64 random bits.
    pub fn draw(&mut self) -> u64 {
        self.rng.random()
    }

    /// Another stream, which goes its own way from here on.
    pub fn branch(&mut self) -> Self {
        Self::new(self.draw())
    }

    /// A number below `count`, which is above 0.
    pub fn below(&mut self, count: u64) -> u64 {
        self.rng.random_range(0..count)
    }

    /// An index below `count`, which is above 0.
    pub fn index(&mut self, count: usize) -> usize {
        self.rng.random_range(0..count)
    }

    /// A number from `least` to `most`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        self.rng.random_range(least..=most)
    }

    /// A number from `least` to `most` whose magnitude, not its value, is spread evenly; `least` is above 0.
    pub fn magnitude(&mut self, least: u64, most: u64) -> u64 {
        let (least, most) = (least.max(1), most.max(1));
        let bits = self.between(u64::from(least.ilog2()), u64::from(most.ilog2()));
        self.between(1 << bits, (1 << bits) * 2 - 1).clamp(least, most)
    }

    /// True once in so many times.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}
