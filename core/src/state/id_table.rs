//! From ids to slots (of orders, groups, reservations) and from codes to handles: an extendible hash table whose growth splits
//! one small segment at a time, so that no insertion ever waits for a rehash of the whole.
//!
//! An entry is the upper half of the id's hash and the slot; the id itself stands in the order, so a match is
//! confirmed there. The hash is seeded at random per process against callers who craft ids; neither the seed nor
//! anything that depends on it reaches an event, a snapshot or the state hash.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::arena::Arena;

/// Entries of a segment: 32 KiB, split in some ten microseconds.
const SEGMENT_ENTRIES: usize = 4096;
/// Entries of a bucket: one cache line. An id is looked for from its bucket's first entry on, so that the one line
/// that was prefetched nearly always tells.
const BUCKET_ENTRIES: usize = 8;
const SEGMENT_BUCKETS: usize = SEGMENT_ENTRIES / BUCKET_ENTRIES;
const POSITION_BITS: u32 = SEGMENT_BUCKETS.trailing_zeros();
/// A segment is split when it holds more than this. At this load every fifth bucket is full and leads on to the next
/// line; at 7/8 it would be every second. Each such line is a miss that nobody has prefetched.
const SEGMENT_ENTRIES_MAX: u32 = (SEGMENT_ENTRIES / 16 * 11) as u32;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Entry {
    /// The hash's upper 32 bits: which segment (its upper bits), which bucket (the lower 9), and a check.
    tag: u32,
    /// The slot + 1; 0: free.
    slot_plus_1: u32,
}

/// The hash of an order id, seeded.
#[derive(Clone, Copy)]
pub(crate) struct IdHash(u32);

pub(crate) struct IdTable {
    secrets: RapidSecrets,
    entries: Arena<Entry>,
    /// By the hash's upper `depth` bits: which segment.
    directory: Vec<u32>,
    depth: u32,
    /// By segment: entries in it, and how many of the hash's upper bits all of them share.
    used: Vec<u32>,
    local_depth: Vec<u8>,
    len: usize,
}

impl IdTable {
    pub(crate) fn new(seed: u64) -> Self {
        let mut entries = Arena::default();
        entries.extend(SEGMENT_ENTRIES);
        Self {
            secrets: RapidSecrets::seed(seed),
            entries,
            directory: vec![0],
            depth: 0,
            used: vec![0],
            local_depth: vec![0],
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes room for `count` more ids, its pages in memory already.
    pub(crate) fn preallocate(&mut self, count: usize) {
        // Segments are half full at the mean.
        self.entries.preallocate(2 * count);
    }

    #[inline]
    pub(crate) fn hash(&self, id: u128) -> IdHash {
        self.hash_of(&id.to_le_bytes())
    }

    /// The hash of something else that is an id: a code.
    #[inline]
    pub(crate) fn hash_of(&self, bytes: &[u8]) -> IdHash {
        let hash = rapidhash_v3_nano_inline::<true, false>(bytes, &self.secrets);
        IdHash((hash >> 32) as u32)
    }

    #[inline]
    fn segment(&self, hash: IdHash) -> usize {
        // A shift by 32 is none: with one segment every hash goes there.
        self.directory[(u64::from(hash.0) >> (32 - self.depth)) as usize] as usize
    }

    /// The first entry of the hash's bucket.
    #[inline]
    fn position(hash: IdHash) -> usize {
        (hash.0 as usize & (SEGMENT_BUCKETS - 1)) * BUCKET_ENTRIES
    }

    /// Has the entry's cache line fetched.
    #[inline]
    pub(crate) fn prefetch(&self, hash: IdHash) {
        self.entries.prefetch(self.segment(hash) * SEGMENT_ENTRIES + Self::position(hash));
    }

    /// The slot for which `is_it` holds, among those whose tag fits.
    #[inline]
    pub(crate) fn find(&self, hash: IdHash, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let segment = self.entries.slice(self.segment(hash) * SEGMENT_ENTRIES, SEGMENT_ENTRIES);
        let mut position = Self::position(hash);
        loop {
            let entry = segment[position];
            if entry.slot_plus_1 == 0 {
                return None;
            }
            if entry.tag == hash.0 && is_it(entry.slot_plus_1 - 1) {
                return Some(entry.slot_plus_1 - 1);
            }
            position = (position + 1) & (SEGMENT_ENTRIES - 1);
        }
    }

    /// Adds a slot. The caller has made sure that its id is not there yet.
    #[inline]
    pub(crate) fn insert(&mut self, hash: IdHash, slot: u32) {
        let mut segment = self.segment(hash);
        while self.used[segment] >= SEGMENT_ENTRIES_MAX {
            self.split(segment);
            segment = self.segment(hash);
        }
        self.place(segment, Entry { tag: hash.0, slot_plus_1: slot + 1 });
        self.len += 1;
    }

    /// Takes a slot out. What stands behind it moves up, as far as it may, so that no search ends early.
    ///
    /// # Panics
    /// If it is not there.
    pub(crate) fn remove(&mut self, hash: IdHash, slot: u32) {
        let segment = self.segment(hash);
        let entries = self.entries.slice_mut(segment * SEGMENT_ENTRIES, SEGMENT_ENTRIES);
        let mut hole = Self::position(hash);
        while entries[hole].slot_plus_1 != slot + 1 {
            assert!(entries[hole].slot_plus_1 != 0, "slot {slot} is not in the id table");
            hole = (hole + 1) & (SEGMENT_ENTRIES - 1);
        }
        let mut next = hole;
        loop {
            next = (next + 1) & (SEGMENT_ENTRIES - 1);
            let entry = entries[next];
            if entry.slot_plus_1 == 0 {
                break;
            }
            // An entry may fill the hole if the hole lies between where it wants to be and where it is.
            let wanted = Self::position(IdHash(entry.tag));
            let from_wanted = |at: usize| at.wrapping_sub(wanted) & (SEGMENT_ENTRIES - 1);
            if from_wanted(hole) < from_wanted(next) {
                entries[hole] = entry;
                hole = next;
            }
        }
        entries[hole] = Entry { tag: 0, slot_plus_1: 0 };
        self.used[segment] -= 1;
        self.len -= 1;
    }

    #[inline]
    fn place(&mut self, segment: usize, entry: Entry) {
        let entries = self.entries.slice_mut(segment * SEGMENT_ENTRIES, SEGMENT_ENTRIES);
        let mut position = Self::position(IdHash(entry.tag));
        while entries[position].slot_plus_1 != 0 {
            position = (position + 1) & (SEGMENT_ENTRIES - 1);
        }
        entries[position] = entry;
        self.used[segment] += 1;
    }

    #[cold]
    fn split(&mut self, segment: usize) {
        let local = u32::from(self.local_depth[segment]);
        // The bits that choose a segment and those that place an entry in it are different ones, up to 2^20
        // segments, which is more than the slots' 32 bits can fill.
        assert!(local < 32 - POSITION_BITS, "the id table cannot grow further");
        if local == self.depth {
            self.directory = self.directory.iter().flat_map(|&segment| [segment, segment]).collect();
            self.depth += 1;
        }
        let sibling = self.entries.extend(SEGMENT_ENTRIES) / SEGMENT_ENTRIES;
        self.used.push(0);
        self.local_depth.push((local + 1) as u8);
        self.local_depth[segment] = (local + 1) as u8;

        let first = segment * SEGMENT_ENTRIES;
        let old: Vec<Entry> = self.entries.slice(first, SEGMENT_ENTRIES).to_vec();
        self.entries.slice_mut(first, SEGMENT_ENTRIES).fill(Entry { tag: 0, slot_plus_1: 0 });
        self.used[segment] = 0;
        let upper_half = 1_u32 << (31 - local);
        for entry in old.into_iter().filter(|entry| entry.slot_plus_1 != 0) {
            self.place(if entry.tag & upper_half == 0 { segment } else { sibling }, entry);
        }
        // The directory entries of the old segment whose next bit is 1 now lead to the sibling. They lie side by
        // side, so that the work is the size of the run.
        let any_tag = self.tag_of(segment, sibling);
        let prefix = if local == 0 { 0 } else { any_tag >> (32 - local) };
        let run = 1_usize << (self.depth - local);
        let from = (prefix as usize) << (self.depth - local);
        for index in from + run / 2..from + run {
            self.directory[index] = sibling as u32;
        }
    }

    /// A tag from either half: all of them share the bits that the segment was chosen by.
    fn tag_of(&self, segment: usize, sibling: usize) -> u32 {
        [segment, sibling]
            .into_iter()
            .flat_map(|half| self.entries.slice(half * SEGMENT_ENTRIES, SEGMENT_ENTRIES))
            .find(|entry| entry.slot_plus_1 != 0)
            .map_or(0, |entry| entry.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_found_through_many_splits_and_no_other() {
        for seed in [0, 1, 0xdead_beef] {
            let mut table = IdTable::new(seed);
            let ids: Vec<u128> = (0..100_000_u128).map(|n| (n << 64) | (n * 3)).collect();
            for (slot, &id) in ids.iter().enumerate() {
                table.insert(table.hash(id), slot as u32);
            }
            assert_eq!(table.len(), ids.len());
            for (slot, &id) in ids.iter().enumerate() {
                let found = table.find(table.hash(id), |slot| ids[slot as usize] == id);
                assert_eq!(found, Some(slot as u32), "seed {seed}");
                let absent = id + 1;
                assert_eq!(table.find(table.hash(absent), |slot| ids[slot as usize] == absent), None);
            }
            for (slot, &id) in ids.iter().enumerate().filter(|(slot, _)| slot % 3 != 0) {
                table.remove(table.hash(id), slot as u32);
            }
            for (slot, &id) in ids.iter().enumerate() {
                let found = table.find(table.hash(id), |slot| ids[slot as usize] == id);
                assert_eq!(found, (slot % 3 == 0).then_some(slot as u32), "seed {seed}");
            }
            assert_eq!(table.len(), ids.len().div_ceil(3));
        }
    }
}
