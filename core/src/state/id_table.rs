//! From ids to slots (of orders, groups, reservations) and from codes to handles: an extendible hash table whose growth splits
//! one small segment at a time, so that no insertion ever waits for a rehash of the whole.
//!
//! An entry is the upper half of the id's hash and the slot; the id itself stands in the order, so a match is
//! confirmed there. The hash is seeded at random per process against callers who craft ids; neither the seed nor
//! anything that depends on it reaches an event, a snapshot or the state hash.

use std::hash::{BuildHasher, Hasher};

use rapidhash::quality::SeedableState;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::arena::Arena;

/// Entries of a segment: 32 KiB, split in some ten microseconds.
const SEGMENT_ENTRIES: usize = SEGMENT_BUCKETS * BUCKET_ENTRIES;
const SEGMENT_BUCKETS: usize = 512;
/// Entries of a bucket: one cache line. An id is looked for from its bucket's first entry on, so that the one line
/// that was prefetched nearly always tells.
const BUCKET_ENTRIES: usize = 8;
const POSITION_BITS: u32 = SEGMENT_BUCKETS.trailing_zeros();
/// A segment is split when it holds more than this. At this load every fifth bucket is full and leads on to the next
/// line; at 7/8 it would be every second. Each such line is a miss that nobody has prefetched.
const SEGMENT_ENTRIES_MAX: u32 = (SEGMENT_ENTRIES / 16 * 11) as u32;

/// An entry, as it moves between buckets.
#[derive(Clone, Copy)]
struct Entry {
    /// The hash's upper 32 bits: which segment (its upper bits), which bucket (the lower 9), and a check.
    tag: u32,
    /// The slot + 1; 0: free.
    slot_plus_1: u32,
}

const FREE: Entry = Entry { tag: 0, slot_plus_1: 0 };

/// Its entries fill it from the first place on, without a gap. How many there are is as good as random, so that a loop that ends
/// behind the last one ends with a branch that no processor foresees; all eight are looked at together instead.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Bucket {
    tags: [u32; BUCKET_ENTRIES],
    slots_plus_1: [u32; BUCKET_ENTRIES],
}

impl Bucket {
    const EMPTY: Self = Self { tags: [0; BUCKET_ENTRIES], slots_plus_1: [0; BUCKET_ENTRIES] };

    #[inline]
    fn entry(&self, place: usize) -> Entry {
        Entry { tag: self.tags[place], slot_plus_1: self.slots_plus_1[place] }
    }

    #[inline]
    fn set(&mut self, place: usize, entry: Entry) {
        self.tags[place] = entry.tag;
        self.slots_plus_1[place] = entry.slot_plus_1;
    }

    /// Whether an entry has this tag; a free place has tag 0.
    #[inline]
    fn has_tag(&self, tag: u32) -> bool {
        self.tags.iter().fold(false, |has, &other| has | (other == tag))
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.slots_plus_1[BUCKET_ENTRIES - 1] != 0
    }

    /// Entries in it.
    #[inline]
    fn len(&self) -> usize {
        self.slots_plus_1.iter().map(|&slot| u32::from(slot != 0)).sum::<u32>() as usize
    }

    fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        (0..BUCKET_ENTRIES).map(|place| self.entry(place)).take_while(|entry| entry.slot_plus_1 != 0)
    }
}

/// The hash of an order id, seeded.
#[derive(Clone, Copy)]
pub(crate) struct IdHash(u32);

pub(crate) struct IdTable {
    secrets: RapidSecrets,
    /// Segment by segment.
    buckets: Arena<Bucket>,
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
        let mut buckets = Arena::default();
        buckets.extend(SEGMENT_BUCKETS);
        Self {
            secrets: RapidSecrets::seed(seed),
            buckets,
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
        self.buckets.preallocate(2 * count / BUCKET_ENTRIES);
    }

    #[inline]
    pub(crate) fn hash(&self, id: u128) -> IdHash {
        let RapidSecrets { seed, secrets } = &self.secrets;
        let mut hasher = SeedableState::custom(*seed, secrets).build_hasher();
        hasher.write_u128(id);
        IdHash((hasher.finish() >> 32) as u32)
    }

    /// The hash of something else that is an id: a code.
    #[inline]
    pub(crate) fn hash_of(&self, bytes: &[u8]) -> IdHash {
        IdHash((rapidhash_v3_nano_inline::<true, false>(bytes, &self.secrets) >> 32) as u32)
    }

    #[inline]
    fn segment(&self, hash: IdHash) -> usize {
        // The upper `depth` bits: there are no more than twenty, so the remainder is the depth.
        self.directory[(u64::from(hash.0) << (self.depth % u64::BITS) >> u32::BITS) as usize] as usize
    }

    /// Which bucket of its segment an id is looked for in first.
    #[inline]
    fn bucket(hash: IdHash) -> usize {
        hash.0 as usize % SEGMENT_BUCKETS
    }

    /// Has the bucket's cache line fetched.
    #[inline]
    pub(crate) fn prefetch(&self, hash: IdHash) {
        self.buckets.prefetch(self.segment(hash) * SEGMENT_BUCKETS + Self::bucket(hash));
    }

    /// The slot for which `is_it` holds, among those whose tag fits.
    #[inline]
    pub(crate) fn find(&self, hash: IdHash, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let first = self.segment(hash) * SEGMENT_BUCKETS;
        let mut bucket = Self::bucket(hash);
        loop {
            let entries = self.buckets.get(first + bucket);
            if entries.has_tag(hash.0) {
                for place in 0..BUCKET_ENTRIES {
                    let Entry { tag, slot_plus_1 } = entries.entry(place);
                    if tag == hash.0 && slot_plus_1 != 0 && is_it(slot_plus_1 - 1) {
                        return Some(slot_plus_1 - 1);
                    }
                }
            }
            if !entries.is_full() {
                return None;
            }
            bucket = (bucket + 1) % SEGMENT_BUCKETS;
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
        let buckets = self.buckets.slice_mut(segment * SEGMENT_BUCKETS, SEGMENT_BUCKETS);
        let at = |position: usize| (position / BUCKET_ENTRIES, position % BUCKET_ENTRIES);
        let entry = |buckets: &[Bucket], position| buckets[at(position).0].entry(at(position).1);
        let mut hole = Self::bucket(hash) * BUCKET_ENTRIES;
        while entry(buckets, hole).slot_plus_1 != slot + 1 {
            assert!(entry(buckets, hole).slot_plus_1 != 0, "slot {slot} is not in the id table");
            hole = (hole + 1) % SEGMENT_ENTRIES;
        }
        let mut next = hole;
        loop {
            next = (next + 1) % SEGMENT_ENTRIES;
            let moving = entry(buckets, next);
            if moving.slot_plus_1 == 0 {
                break;
            }
            // An entry may fill the hole if the hole lies between where it wants to be and where it is.
            let wanted = Self::bucket(IdHash(moving.tag)) * BUCKET_ENTRIES;
            let from_wanted = |at: usize| at.wrapping_sub(wanted) % SEGMENT_ENTRIES;
            if from_wanted(hole) < from_wanted(next) {
                buckets[at(hole).0].set(at(hole).1, moving);
                hole = next;
            }
        }
        buckets[at(hole).0].set(at(hole).1, FREE);
        self.used[segment] -= 1;
        self.len -= 1;
    }

    #[inline]
    fn place(&mut self, segment: usize, entry: Entry) {
        self.used[segment] += 1;
        let first = segment * SEGMENT_BUCKETS;
        let mut bucket = Self::bucket(IdHash(entry.tag));
        loop {
            let entries = self.buckets.get_mut(first + bucket);
            if !entries.is_full() {
                entries.set(entries.len(), entry);
                return;
            }
            bucket = (bucket + 1) % SEGMENT_BUCKETS;
        }
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
        let sibling = self.buckets.extend(SEGMENT_BUCKETS) / SEGMENT_BUCKETS;
        self.used.push(0);
        self.local_depth.push((local + 1) as u8);
        self.local_depth[segment] = (local + 1) as u8;

        let halves = [segment, sibling];
        let half_of = |entry: Entry| usize::from(entry.tag >> (31 - local) & 1 == 1);
        self.used[segment] = 0;
        let mut displaced = Vec::new();
        for bucket in 0..SEGMENT_BUCKETS {
            let mut parts = [Bucket::EMPTY; 2];
            let mut lens = [0; 2];
            for entry in self.buckets.get(segment * SEGMENT_BUCKETS + bucket).entries() {
                if Self::bucket(IdHash(entry.tag)) == bucket {
                    let half = half_of(entry);
                    parts[half].set(lens[half], entry);
                    lens[half] += 1;
                } else {
                    displaced.push(entry);
                }
            }
            for half in 0..2 {
                *self.buckets.get_mut(halves[half] * SEGMENT_BUCKETS + bucket) = parts[half];
                self.used[halves[half]] += lens[half] as u32;
            }
        }
        for entry in displaced {
            self.place(halves[half_of(entry)], entry);
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
            .flat_map(|half| self.buckets.slice(half * SEGMENT_BUCKETS, SEGMENT_BUCKETS))
            .find_map(|bucket| bucket.entries().next())
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
