//! The newest entries of a history, in a bounded ring: each has its number, counted from 1, and the newest one beyond the
//! bound takes the place of the oldest. Grows with use and never moves what it holds.

use xxhash_rust::xxh3::Xxh3;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::frozen::Pieces;
use crate::arena::Arena;

/// What an entry of a ring is, and how many of them are kept.
pub(crate) trait Entry: FromBytes + IntoBytes + Immutable + Copy {
    /// Entries that are kept.
    const COUNT_MAX: usize;
    /// The kind of the one entity that the ring is for the state hash.
    const HASH_KIND: u8;
}

/// The ring.
pub(crate) struct Ring<T> {
    /// The entry with number n stands at (n - 1) modulo the bound.
    entries: Arena<T>,
    /// Entries that there ever were.
    count: u64,
    /// While a snapshot is made: what it still needs.
    frozen: Option<Box<FrozenRing>>,
}

/// What a snapshot that is being made still needs of the ring: its entries, in the order of their numbers.
struct FrozenRing {
    /// The number of the entry that comes next.
    next: u64,
    /// The number of the last one.
    last: u64,
    pieces: Pieces,
    hash: Xxh3,
}

/// Entries that are kept at once when one of them is about to be overwritten.
const KEPT_ENTRIES: u64 = 512;

impl<T: Entry> Default for Ring<T> {
    fn default() -> Self {
        Self { entries: Arena::default(), count: 0, frozen: None }
    }
}

impl<T: Entry> Ring<T> {
    /// Adds an entry and returns its number.
    pub(crate) fn add(&mut self, entry: T) -> u64 {
        let place = if self.entries.len() < T::COUNT_MAX {
            self.entries.extend(1)
        } else {
            self.keep_oldest();
            self.next_place()
        };
        *self.entries.get_mut(place) = entry;
        self.count += 1;
        self.count
    }

    /// Where the entry with this number stands: places go round, and one is an entry's for as long as that is known.
    pub(crate) fn place(number: u64) -> usize {
        ((number - 1) % T::COUNT_MAX as u64) as usize
    }

    /// Entries that are known.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry with this number, if it is still known.
    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        let is_known = number > 0 && number <= self.count && self.count - number < self.len() as u64;
        is_known.then(|| self.entries.get(Self::place(number)))
    }

    /// The entry that the next one takes the place of, if the ring is full.
    pub(crate) fn oldest_if_full(&self) -> Option<&T> {
        (self.len() == T::COUNT_MAX).then(|| self.at(self.next_place()))
    }

    /// Where the next entry will stand.
    pub(crate) fn next_place(&self) -> usize {
        Self::place(self.count + 1)
    }

    /// The entry at a place.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn at(&self, place: usize) -> &T {
        self.entries.get(place)
    }

    /// What is known, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (self.oldest()..=self.count).filter_map(|number| self.get(number))
    }

    fn oldest(&self) -> u64 {
        self.count - self.len() as u64 + 1
    }

    fn begin_hash(&self) -> Xxh3 {
        let mut hash = Xxh3::new();
        hash.update(&[T::HASH_KIND]);
        hash.update(&self.count.to_le_bytes());
        hash
    }

    /// The hash of all that is known.
    pub(crate) fn hash(&self) -> u128 {
        let mut hash = self.begin_hash();
        self.iter().for_each(|entry| hash.update(entry.as_bytes()));
        hash.digest128()
    }

    /// Begins a snapshot: how many there ever were, then those that are known.
    pub(crate) fn freeze(&mut self) {
        let hash = self.begin_hash();
        let mut pieces = Pieces::default();
        pieces.out().extend_from_slice(&self.count.to_le_bytes());
        self.frozen = Some(Box::new(FrozenRing { next: self.oldest(), last: self.count, pieces, hash }));
    }

    /// Forgets the snapshot under way.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// Writes more of the snapshot under way, about up to so many bytes. Returns its hash at its end.
    pub(crate) fn walk(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Option<u128> {
        let mut frozen = self.frozen.take()?;
        if !frozen.pieces.take(out) {
            let count_max = bytes_max.saturating_sub(out.len()).div_ceil(size_of::<T>());
            self.put_next(&mut frozen.next, frozen.last, count_max as u64, out, &mut frozen.hash);
        }
        let is_done = frozen.next > frozen.last && frozen.pieces.is_empty();
        if is_done {
            return Some(frozen.hash.digest128());
        }
        self.frozen = Some(frozen);
        None
    }

    /// The oldest entry is about to be overwritten: if a snapshot still needs it, it and some more are kept.
    #[inline]
    fn keep_oldest(&mut self) {
        if self.frozen.is_some() {
            self.keep_frozen();
        }
    }

    #[cold]
    fn keep_frozen(&mut self) {
        let Some(mut frozen) = self.frozen.take() else { return };
        if frozen.next <= self.oldest() {
            let FrozenRing { next, last, pieces, hash } = &mut *frozen;
            self.put_next(next, *last, KEPT_ENTRIES, pieces.out(), hash);
        }
        self.frozen = Some(frozen);
    }

    fn put_next(&self, next: &mut u64, last: u64, count_max: u64, out: &mut Vec<u8>, hash: &mut Xxh3) {
        let behind = (*next + count_max).min(last + 1);
        let start = out.len();
        for number in *next..behind {
            match self.get(number) {
                Some(entry) => out.extend_from_slice(entry.as_bytes()),
                None => panic!("entry {number} was overwritten before the snapshot had it"),
            }
        }
        hash.update(&out[start..]);
        *next = behind;
    }

    /// Restores what a snapshot kept: `count` entries ever, of which these are the newest, oldest first.
    pub(crate) fn restore(count: u64, newest: &[T]) -> Self {
        let mut ring = Self { count: count - newest.len() as u64, ..Self::default() };
        // Of a full ring the first entry stands where its number says.
        newest.iter().for_each(|_| _ = ring.entries.extend(1));
        for entry in newest {
            ring.count += 1;
            *ring.entries.get_mut(Self::place(ring.count)) = *entry;
        }
        ring
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Entry for u64 {
        const COUNT_MAX: usize = 2_000;
        const HASH_KIND: u8 = 255;
    }

    fn image(ring: &mut Ring<u64>, bytes_max: usize, step: impl Fn(&mut Ring<u64>)) -> (Vec<u8>, u128) {
        ring.freeze();
        let mut image = Vec::new();
        loop {
            let up_to = image.len() + bytes_max;
            if let Some(hash) = ring.walk(&mut image, up_to) {
                return (image, hash);
            }
            step(ring);
        }
    }

    #[test]
    fn the_newest_are_known_by_their_numbers_and_come_back() {
        let mut ring = Ring::<u64>::default();
        for n in 1..=5_003 {
            assert_eq!(
                (ring.oldest_if_full().copied(), ring.add(n * 7)),
                (n.checked_sub(2_001).map(|n| n * 7 + 7), n)
            );
        }
        assert_eq!((ring.get(3_003), ring.get(3_004), ring.get(5_003)), (None, Some(&21_028), Some(&35_021)));
        assert_eq!((ring.get(0), ring.get(5_004), ring.iter().count()), (None, None, 2_000));
        for count in [0, 3, 2_000, 5_003] {
            let mut ring = Ring::<u64>::default();
            (0..count).for_each(|n| _ = ring.add(n));
            let newest: Vec<u64> = ring.iter().copied().collect();
            let mut restored = Ring::restore(count, &newest);
            assert_eq!(restored.hash(), ring.hash());
            (0..700).for_each(|n| assert_eq!(restored.add(n), ring.add(n)));
            assert!(restored.iter().eq(ring.iter()), "{count} entries");
        }
    }

    #[test]
    fn a_snapshot_has_the_ring_as_it_was_however_often_it_goes_round_meanwhile() {
        let mut ring = Ring::<u64>::default();
        (0..4_500).for_each(|n| _ = ring.add(n));
        let at_rest = image(&mut ring, 1 << 20, |_| {});
        assert_eq!((at_rest.0.len(), at_rest.1), (8 + 2_000 * 8, ring.hash()));
        for entries in [1, 90, 700, 5_000] {
            let mut ring = Ring::<u64>::default();
            (0..4_500).for_each(|n| _ = ring.add(n));
            let changing = image(&mut ring, 2_000, |ring| (0..entries).for_each(|n| _ = ring.add(n)));
            assert!(changing == at_rest, "{entries} entries a step");
        }
    }
}
