//! What a snapshot that is being made still needs of a table: the table as it stood when the snapshot began.
//!
//! The engine walks its tables piece by piece, between commands. An entry that is about to change before the walk has come
//! to it is written out first, as it stands (its before-image); what comes to be after the snapshot began is no part of it.
//! So nothing is copied but what changes meanwhile, and no other thread looks at the tables.

use std::collections::VecDeque;

use super::hash::Sum;

/// Bytes at which a piece of before-images is full: it is handed over whole, and must not keep commands waiting.
const PIECE_BYTES: usize = 64 * 1024;

/// Places looked at in one step of a walk, whether or not there is an entry to write.
const STEP_PLACES: usize = 4096;

/// Before-images in the snapshot's bytes, oldest first.
#[derive(Default)]
pub(crate) struct Pieces(VecDeque<Vec<u8>>);

impl Pieces {
    /// Where the next one is written.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        if self.0.back().is_none_or(|piece| piece.len() >= PIECE_BYTES) {
            self.0.push_back(Vec::new());
        }
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// Moves the oldest piece to `out`; says whether there was one.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(piece) = self.0.pop_front() else { return false };
        out.extend_from_slice(&piece);
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A table of places, some of them with an entry, as it stood.
pub(crate) struct Frozen {
    /// Places before this one have been walked.
    next: usize,
    /// Places from here on came to be later.
    end: usize,
    /// A bit for each place: it needs no walking, for its entry was written before it changed, or came to be later.
    done: Vec<u64>,
    pieces: Pieces,
    sum: Sum,
}

impl Frozen {
    /// A table with so many places.
    pub(crate) fn new(places: usize) -> Self {
        Self {
            next: 0,
            end: places,
            // Zeroed memory comes from the system untouched: a bit costs nothing until it is set.
            done: vec![0; places.div_ceil(64)],
            pieces: Pieces::default(),
            sum: Sum::default(),
        }
    }

    /// Whether the snapshot still needs what stands at a place. From now on it does not: the caller writes the entry to
    /// [`Frozen::kept`], or knows that it is a new one.
    #[inline]
    pub(crate) fn needs(&mut self, place: usize) -> bool {
        let is_needed = self.is_needed(place);
        if is_needed {
            self.done[place / 64] |= 1 << (place % 64);
        }
        is_needed
    }

    /// The same, and the snapshot needs it as before.
    #[inline]
    pub(crate) fn is_needed(&self, place: usize) -> bool {
        (self.next..self.end).contains(&place) && self.done[place / 64] & 1 << (place % 64) == 0
    }

    /// Where a before-image is written, and the sum that its hash is added to.
    pub(crate) fn kept(&mut self) -> (&mut Vec<u8>, &mut Sum) {
        (self.pieces.out(), &mut self.sum)
    }

    /// Walks on until about `bytes_max` bytes were written to `out`. `write` is told a place, whether its entry is needed, and
    /// where to write it, and says which place comes next. Returns the sum of all hashes once everything is written.
    pub(crate) fn walk(
        &mut self,
        out: &mut Vec<u8>,
        bytes_max: usize,
        mut write: impl FnMut(usize, bool, &mut Vec<u8>, &mut Sum) -> usize,
    ) -> Option<u128> {
        if self.pieces.take(out) {
            return None;
        }
        for _ in 0..STEP_PLACES {
            if self.next >= self.end {
                return Some(self.sum.total());
            }
            if out.len() >= bytes_max {
                return None;
            }
            let is_needed = self.is_needed(self.next);
            self.next = write(self.next, is_needed, out, &mut self.sum);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_written_once_as_it_stood_and_no_new_one() {
        let mut table: Vec<Option<u8>> = vec![Some(1), None, Some(3), Some(4), None, Some(6)];
        let mut frozen = Frozen::new(table.len());
        // The last entry changes before the walk comes to it, and an empty place is taken by a new one.
        assert!(frozen.needs(5));
        frozen.kept().0.push(6);
        table[5] = Some(60);
        assert!(!frozen.needs(5), "it is written once");
        assert!(frozen.needs(4));
        table[4] = Some(50);
        table.push(Some(70));
        let mut out = Vec::new();
        let mut steps = 0;
        loop {
            let bytes_max = out.len() + 1;
            let walked = frozen.walk(&mut out, bytes_max, |place, is_needed, out, _| {
                out.extend(table[place].filter(|_| is_needed));
                place + 1
            });
            if walked.is_some() {
                break;
            }
            steps += 1;
            // What has been walked may change.
            if steps == 2 {
                assert!(!frozen.needs(0));
                table[0] = Some(10);
            }
        }
        out.sort_unstable();
        assert_eq!(out, [1, 3, 4, 6]);
        assert!(!frozen.needs(6));
    }
}
