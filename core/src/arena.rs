//! Arenas: tables that grow without ever moving what they hold, on huge pages.
//!
//! A growing `Vec` copies itself and stops the loop meanwhile; an arena adds a chunk. A dependent read of main
//! memory costs about 500 ns on 4 KiB pages and 300 ns on huge ones, so chunks ask for huge pages, and whoever
//! works on a batch prefetches first. This file, `touch.rs` and the mapping of the journal are the only
//! places with `unsafe`.
#![allow(unsafe_code)] // The island: raw chunks behind checked indexes.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use memmap2::{Advice, MmapMut, MmapOptions};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::populator::populate_soon;
use crate::touch::touch;

/// Bytes of one chunk: a multiple of the huge page's 2 MiB. Untouched pages of a chunk cost nothing.
const CHUNK_BYTES: usize = 32 << 20;

/// Bytes of a huge page: what the kernel clears at the first write to any of them.
const PAGE_BYTES: usize = 2 << 20;

/// Bytes mapped behind a chunk and never used. Without them the kernel would make one mapping of two chunks that come to lie side
/// by side, and whoever adds a chunk would wait until no page of the other one is being brought in: 45 ms on a busy machine. As
/// long as a huge page, for only mappings of whole ones begin at one.
const GAP_BYTES: usize = PAGE_BYTES;

/// A state that a fuzzer makes holds a few items of each kind and lives for a millisecond: clearing a huge page for each kind
/// would be most of it.
const PAGES_WANTED: Advice = if cfg!(fuzzing) { Advice::NoHugePage } else { Advice::HugePage };

/// Pages beyond the one being filled that are brought in ahead: what a full load fills while the kernel clears one.
const PAGES_AHEAD: usize = 2;

/// A table of plain structures by dense index. New entries are all zero bits.
///
/// `T` is plain bytes (no pointers, any bit pattern valid), as the bounds say, so zeroed memory is a valid `T`.
pub(crate) struct Arena<T> {
    /// By chunk: where its first item is. As many as `memory`, and together they hold at least `len` items.
    firsts: Vec<NonNull<T>>,
    /// Keeps the memory that `firsts` point into; its bytes are never touched through it.
    memory: Vec<Arc<MmapMut>>,
    len: usize,
    /// With more items than this, more memory is to be asked for.
    ask_at: usize,
    /// Pages, counted over all chunks, that were asked for or written to.
    pages: usize,
    _items: PhantomData<T>,
}

// SAFETY: an arena owns its memory and `T` is plain bytes, so it may move to any thread.
unsafe impl<T: Send> Send for Arena<T> {}
// SAFETY: as above; shared access only reads.
unsafe impl<T: Sync> Sync for Arena<T> {}

impl<T: FromBytes + IntoBytes + Immutable> Default for Arena<T> {
    fn default() -> Self {
        Self { firsts: Vec::new(), memory: Vec::new(), len: 0, ask_at: 0, pages: 0, _items: PhantomData }
    }
}

impl<T: FromBytes + IntoBytes + Immutable> Arena<T> {
    /// Items of one chunk: a power of two, so that an index is split by shift and mask.
    pub(crate) const CHUNK_ITEMS: usize = {
        let items = CHUNK_BYTES / size_of::<T>();
        if items.is_power_of_two() { items } else { items.next_power_of_two() / 2 }
    };
    const SHIFT: u32 = Self::CHUNK_ITEMS.trailing_zeros();
    /// Pages of a chunk that hold items.
    const CHUNK_PAGES: usize = (Self::CHUNK_ITEMS * size_of::<T>()).div_ceil(PAGE_BYTES);

    /// Items that are there.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes `count` more items that lie side by side in memory, and returns the index of the first. Where they do
    /// not fit the rest of a chunk, that rest stays unused (its items are there, and zero).
    ///
    /// # Panics
    /// If `count` is zero or more than a chunk holds, or if the system has no memory left: the core cannot go on
    /// without it, and all that was acknowledged is in the journal.
    #[inline]
    pub(crate) fn extend(&mut self, count: usize) -> usize {
        if count.wrapping_sub(1) >= Self::CHUNK_ITEMS {
            does_not_fit(count);
        }
        let used = self.len & (Self::CHUNK_ITEMS - 1);
        if used + count > Self::CHUNK_ITEMS {
            self.len += Self::CHUNK_ITEMS - used;
        }
        let first = self.len;
        self.len += count;
        if self.len > self.ask_at {
            self.grow();
        }
        first
    }

    /// The same, and the new items themselves, to be written to.
    ///
    /// # Panics
    /// As [`Arena::extend`].
    #[inline]
    pub(crate) fn extend_mut(&mut self, count: usize) -> (usize, &mut [T]) {
        let first = self.extend(count);
        // SAFETY: the arena was just extended to hold them.
        let slot = unsafe { self.slot(first) };
        // SAFETY: `extend` has put all of them into one chunk; the rest as in `slice_mut`.
        (first, unsafe { std::slice::from_raw_parts_mut(slot.as_ptr(), count) })
    }

    /// Adds the chunks that items lie in, and asks for the pages behind the last item's. The first page of an arena is
    /// not asked for, nor what is behind it: most arenas never fill it.
    #[cold]
    fn grow(&mut self) {
        let last = self.len - 1;
        let in_chunk = (last & (Self::CHUNK_ITEMS - 1)) * size_of::<T>();
        let page = (last >> Self::SHIFT) * Self::CHUNK_PAGES + in_chunk / PAGE_BYTES;
        let end = if page == 0 { 1 } else { page + 1 + PAGES_AHEAD };
        while self.firsts.len() * Self::CHUNK_PAGES < end {
            self.add_chunk();
        }
        for page in self.pages.max(page + 1)..end {
            let start = page % Self::CHUNK_PAGES * PAGE_BYTES;
            let bytes = start..(start + PAGE_BYTES).min(CHUNK_BYTES);
            populate_soon(&self.memory[page / Self::CHUNK_PAGES], bytes);
        }
        self.pages = end;
        // Again with the first item that ends in a later page.
        let page_end = (in_chunk / PAGE_BYTES + 1) * PAGE_BYTES;
        let items = (page_end / size_of::<T>()).min(Self::CHUNK_ITEMS);
        self.ask_at = (last & !(Self::CHUNK_ITEMS - 1)) + items;
    }

    /// Makes room for `count` items beyond those that are there, with its pages in memory already: the kernel clears a
    /// huge page in some tenths of a millisecond, and whoever writes to it first would wait for that.
    pub(crate) fn preallocate(&mut self, count: usize) {
        while self.firsts.len() << Self::SHIFT < self.len + count {
            touch(self.add_chunk(), 0..CHUNK_BYTES);
        }
    }

    /// # Panics
    /// If the system has no memory left.
    #[cold]
    fn add_chunk(&mut self) -> &MmapMut {
        let map = MmapOptions::new().len(CHUNK_BYTES + GAP_BYTES).no_reserve_swap().map_anon();
        let mut memory = match map {
            Ok(memory) => memory,
            Err(error) => panic!("no memory for another chunk of {CHUNK_BYTES} bytes: {error}"),
        };
        // A wish: a kernel without huge pages only makes us slower.
        let _ = memory.advise_range(PAGES_WANTED, 0, CHUNK_BYTES);
        // Mappings start on a page.
        assert!(align_of::<T>() <= 4096 && memory.as_ptr().addr().is_multiple_of(4096));
        self.firsts.push(NonNull::from(&mut memory[0]).cast::<T>());
        self.memory.push(Arc::new(memory));
        &self.memory[self.memory.len() - 1]
    }

    /// Where the item at `index` is.
    ///
    /// # Safety
    /// `index` is below `len`.
    #[inline]
    unsafe fn slot(&self, index: usize) -> NonNull<T> {
        debug_assert!(index < self.len);
        // SAFETY: chunks hold at least `len` items together, so an index below `len` has its chunk.
        let first = unsafe { *self.firsts.get_unchecked(index >> Self::SHIFT) };
        // SAFETY: the masked index is below CHUNK_ITEMS, and the chunk's memory holds as many items.
        unsafe { first.add(index & (Self::CHUNK_ITEMS - 1)) }
    }

    /// The item at `index`.
    ///
    /// # Panics
    /// If there is no such item.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> &T {
        self.check(index);
        // SAFETY: asserted above.
        let slot = unsafe { self.slot(index) };
        // SAFETY: the slot is in bounds, aligned (chunks start on a page), initialised (zeroed memory or a written
        // `T`) and not mutably borrowed, for `&self` is held.
        unsafe { slot.as_ref() }
    }

    /// The item at `index`; `None`: there is no such item.
    #[inline]
    pub(crate) fn try_get(&self, index: usize) -> Option<&T> {
        (index < self.len).then(|| self.get(index))
    }

    /// The item at `index`, to change it.
    ///
    /// # Panics
    /// If there is no such item.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> &mut T {
        self.check(index);
        // SAFETY: asserted above.
        let mut slot = unsafe { self.slot(index) };
        // SAFETY: as in `get`, and `&mut self` makes the borrow unique.
        unsafe { slot.as_mut() }
    }

    /// `count` items from `first` on, which lie in one chunk because one [`Arena::extend`] made them.
    ///
    /// # Panics
    /// If they are not there, or not in one chunk.
    #[inline]
    pub(crate) fn slice(&self, first: usize, count: usize) -> &[T] {
        self.check_slice(first, count);
        // SAFETY: checked above.
        let slot = unsafe { self.slot(first) };
        // SAFETY: `check_slice` has shown that all items are in bounds of one chunk; the rest as in `get`.
        unsafe { std::slice::from_raw_parts(slot.as_ptr(), count) }
    }

    /// The same, to change them.
    ///
    /// # Panics
    /// As [`Arena::slice`].
    #[inline]
    pub(crate) fn slice_mut(&mut self, first: usize, count: usize) -> &mut [T] {
        self.check_slice(first, count);
        // SAFETY: checked above.
        let slot = unsafe { self.slot(first) };
        // SAFETY: as in `slice`, and `&mut self` makes the borrow unique.
        unsafe { std::slice::from_raw_parts_mut(slot.as_ptr(), count) }
    }

    #[inline]
    fn check(&self, index: usize) {
        if index >= self.len {
            not_there(index, 1, self.len);
        }
    }

    #[inline]
    fn check_slice(&self, first: usize, count: usize) {
        let in_chunk = first & (Self::CHUNK_ITEMS - 1);
        let is_there = first < self.len && count <= self.len - first && in_chunk + count <= Self::CHUNK_ITEMS;
        if !is_there {
            not_there(first, count, self.len);
        }
    }

    /// Asks the processor to have `count` items from `first` on ready soon, which lie in one chunk. Items that are not there
    /// are ignored.
    #[inline]
    pub(crate) fn prefetch_run(&self, first: usize, count: usize) {
        let is_there = first < self.len && count <= self.len - first;
        #[cfg(target_arch = "x86_64")]
        if is_there {
            // SAFETY: asked just before.
            let start = unsafe { self.slot(first) }.as_ptr().cast::<i8>();
            for byte in (0..count * size_of::<T>()).step_by(64) {
                // SAFETY: prefetching has no effect on memory, whatever the address.
                unsafe {
                    std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                        start.wrapping_add(byte),
                    );
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = is_there;
    }

    /// Asks the processor to have the item at `index` ready soon. An index that is not there is ignored.
    #[inline]
    pub(crate) fn prefetch(&self, index: usize) {
        self.prefetch_run(index, 1);
    }
}

/// Takes its numbers by value: whoever formats them in place keeps them in memory just for that.
#[cold]
fn not_there(first: usize, count: usize, len: usize) -> ! {
    panic!("items {first}..+{count} of {len}, or not in one chunk")
}

#[cold]
fn does_not_fit(count: usize) -> ! {
    panic!("{count} items do not fit a chunk")
}

#[cfg(test)]
mod tests {
    use super::Arena;

    #[test]
    fn items_stay_where_they_are_while_the_arena_grows() {
        let mut arena = Arena::<u64>::default();
        let first = arena.extend(1);
        *arena.get_mut(first) = 7;
        let address = std::ptr::from_ref(arena.get(first));
        let wide = arena.extend(Arena::<u64>::CHUNK_ITEMS);
        assert_eq!(wide, Arena::<u64>::CHUNK_ITEMS, "a run never crosses a chunk");
        arena.slice_mut(wide, 3)[2] = 9;
        assert_eq!(*arena.get(wide + 2), 9);
        assert_eq!((*arena.get(first), std::ptr::from_ref(arena.get(first))), (7, address));
    }

    #[test]
    fn memory_is_there_for_every_item_whatever_its_size() {
        fn fill<T: zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::Immutable>(step: usize) {
            let mut arena = Arena::<T>::default();
            while arena.len() < 3 * Arena::<T>::CHUNK_ITEMS {
                let first = arena.extend(step);
                let last = arena.len() - 1;
                assert!(arena.firsts.len() << Arena::<T>::SHIFT > last, "item {last} has no chunk");
                assert!(last < arena.ask_at, "item {last} asks for the pages behind it");
                arena.slice_mut(first, step)[step - 1].as_mut_bytes()[0] = 1;
            }
        }
        fill::<[u64; 512]>(1);
        fill::<[u64; 3]>(1_000);
        fill::<[u32; 25]>(4_097);
    }

    #[test]
    #[should_panic(expected = "items 1..+1 of 1")]
    fn an_index_that_is_not_there_is_refused() {
        let mut arena = Arena::<u64>::default();
        arena.extend(1);
        arena.get(1);
    }
}
