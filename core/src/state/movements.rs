//! The newest movements of stock: what is needed to set a level "as of" a sequence without deducting twice what has been
//! shipped since. A bounded ring over all levels; each entry leads to the one before of the same level.

use orderline_protocol::limits::MOVEMENTS_MAX;
use orderline_protocol::{LocationHandle, Sequence, SkuHandle};
use xxhash_rust::xxh3::Xxh3;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::frozen::Pieces;

/// A change of what is on hand at a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Movement {
    pub(crate) sequence: Sequence,
    pub(crate) delta: i64,
    /// The number of the movement before at this level; 0: none.
    before: u64,
    sku: SkuHandle,
    location: LocationHandle,
    reserved: u16,
}

/// The ring.
#[derive(Default)]
pub(crate) struct Movements {
    /// The movement with number n stands at (n - 1) modulo the bound; numbers start at 1.
    ring: Vec<Movement>,
    /// Movements that there ever were.
    count: u64,
    /// While a snapshot is made: what it still needs.
    frozen: Option<Box<FrozenMovements>>,
}

/// What a snapshot that is being made still needs of the ring: its movements, in the order of their numbers.
struct FrozenMovements {
    /// The number of the movement that comes next.
    next: u64,
    /// The number of the last one.
    last: u64,
    pieces: Pieces,
    hash: Xxh3,
}

/// The kind of the one entity that the ring is for the state hash.
const HASH_KIND: u8 = 12;

/// Movements that are kept at once when one of them is about to be overwritten.
const KEPT_MOVEMENTS: u64 = 512;

impl Movements {
    /// Adds a movement; `before` is the number of the newest one at this level. Returns its number.
    pub(crate) fn add(
        &mut self,
        sequence: Sequence,
        sku: SkuHandle,
        location: LocationHandle,
        delta: i64,
        before: u64,
    ) -> u64 {
        let movement = Movement { sequence, delta, before, sku, location, reserved: 0 };
        if self.ring.len() < MOVEMENTS_MAX {
            self.ring.push(movement);
        } else {
            self.keep_oldest();
            self.ring[(self.count % MOVEMENTS_MAX as u64) as usize] = movement;
        }
        self.count += 1;
        self.count
    }

    /// The movement with this number, if it is still known.
    fn get(&self, number: u64) -> Option<&Movement> {
        let is_known = number > 0 && number <= self.count && self.count - number < self.ring.len() as u64;
        is_known.then(|| &self.ring[((number - 1) % MOVEMENTS_MAX as u64) as usize])
    }

    /// What changed at a level behind a sequence, from its newest movement back.
    ///
    /// # Errors
    /// The oldest sequence that can be answered, when movements since this one are no longer known.
    pub(crate) fn since(&self, as_of: Sequence, newest: u64) -> Result<i64, Sequence> {
        let mut delta = 0;
        let mut number = newest;
        while number > 0 {
            let Some(movement) = self.get(number) else {
                // What is lost is not newer than the oldest that is kept; one event's movements share its sequence.
                let oldest = self.iter().next().map_or(0, |movement| movement.sequence);
                return if as_of >= oldest { Ok(delta) } else { Err(oldest) };
            };
            if movement.sequence <= as_of {
                break;
            }
            delta += movement.delta;
            number = movement.before;
        }
        Ok(delta)
    }

    /// What is known, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Movement> {
        let oldest =
            if self.ring.len() < MOVEMENTS_MAX { 0 } else { (self.count % MOVEMENTS_MAX as u64) as usize };
        self.ring[oldest..].iter().chain(&self.ring[..oldest])
    }

    /// The hash of all that is known.
    pub(crate) fn hash(&self) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&[HASH_KIND]);
        hash.update(&self.count.to_le_bytes());
        self.iter().for_each(|movement| hash.update(movement.as_bytes()));
        hash.digest128()
    }

    /// Begins a snapshot: how many there ever were, then those that are known.
    pub(crate) fn freeze(&mut self) {
        let mut hash = Xxh3::new();
        hash.update(&[HASH_KIND]);
        hash.update(&self.count.to_le_bytes());
        let mut pieces = Pieces::default();
        pieces.out().extend_from_slice(&self.count.to_le_bytes());
        let next = self.count - self.ring.len() as u64 + 1;
        self.frozen = Some(Box::new(FrozenMovements { next, last: self.count, pieces, hash }));
    }

    /// Forgets the snapshot under way.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// Writes more of the snapshot under way, about up to so many bytes. Returns its hash at its end.
    pub(crate) fn walk(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Option<u128> {
        let mut frozen = self.frozen.take()?;
        if !frozen.pieces.take(out) {
            let count_max = bytes_max.saturating_sub(out.len()).div_ceil(size_of::<Movement>());
            self.put_next(&mut frozen.next, frozen.last, count_max as u64, out, &mut frozen.hash);
        }
        let is_done = frozen.next > frozen.last && frozen.pieces.is_empty();
        if is_done {
            return Some(frozen.hash.digest128());
        }
        self.frozen = Some(frozen);
        None
    }

    /// The oldest movement is about to be overwritten: if a snapshot still needs it, it and some more are kept.
    #[inline]
    fn keep_oldest(&mut self) {
        if self.frozen.is_some() {
            self.keep_frozen();
        }
    }

    #[cold]
    fn keep_frozen(&mut self) {
        let Some(mut frozen) = self.frozen.take() else { return };
        if frozen.next + self.ring.len() as u64 <= self.count + 1 {
            let FrozenMovements { next, last, pieces, hash } = &mut *frozen;
            self.put_next(next, *last, KEPT_MOVEMENTS, pieces.out(), hash);
        }
        self.frozen = Some(frozen);
    }

    fn put_next(&self, next: &mut u64, last: u64, count_max: u64, out: &mut Vec<u8>, hash: &mut Xxh3) {
        let behind = (*next + count_max).min(last + 1);
        let start = out.len();
        for number in *next..behind {
            match self.get(number) {
                Some(movement) => out.extend_from_slice(movement.as_bytes()),
                None => panic!("movement {number} was overwritten before the snapshot had it"),
            }
        }
        hash.update(&out[start..]);
        *next = behind;
    }

    /// Restores what a snapshot kept: `count` movements ever, of which these are the newest, oldest first.
    pub(crate) fn restore(&mut self, count: u64, newest: &[Movement]) {
        self.count = count;
        self.ring = newest.to_vec();
        let turn = if newest.len() < MOVEMENTS_MAX { 0 } else { (count % MOVEMENTS_MAX as u64) as usize };
        self.ring.rotate_right(turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKU: SkuHandle = SkuHandle::new(3);
    const PLACE: LocationHandle = LocationHandle::new(4);

    #[test]
    fn changes_behind_a_sequence_are_summed_until_they_are_lost() {
        let mut movements = Movements::default();
        let mut newest = 0;
        for sequence in 1..=10 {
            newest = movements.add(sequence * 10, SKU, PLACE, sequence as i64, newest);
        }
        assert_eq!(movements.since(100, newest), Ok(0));
        assert_eq!(movements.since(75, newest), Ok(8 + 9 + 10));
        assert_eq!(movements.since(0, newest), Ok(55));
        for sequence in 0..MOVEMENTS_MAX as u64 - 3 {
            movements.add(1_000 + sequence, SKU, LocationHandle::new(5), 1, 0);
        }
        // Of ours, only the newest three are left; the oldest kept is that of sequence 80, and another of that sequence may
        // be lost.
        assert_eq!(movements.since(80, newest), Ok(19));
        assert_eq!(movements.since(79, newest), Err(80));
        let kept: Vec<Movement> = movements.iter().copied().collect();
        let mut restored = Movements::default();
        restored.restore(movements.count, &kept);
        assert_eq!((restored.since(80, newest), restored.since(79, newest)), (Ok(19), Err(80)));
        assert_eq!(restored.add(1, SKU, PLACE, 1, newest), movements.add(1, SKU, PLACE, 1, newest));
        assert!(restored.iter().eq(movements.iter()));
    }
}
