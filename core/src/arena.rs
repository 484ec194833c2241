//! Arenas: tables that grow without ever moving what they hold, on huge pages.
//!
//! A growing `Vec` copies itself and stops the loop meanwhile; an arena adds a chunk. A dependent read of main
//! memory costs about 500 ns on 4 KiB pages and 300 ns on huge ones, so chunks ask for huge pages, and whoever
//! works on a batch prefetches first. This file and the mapping of the journal are the only places with `unsafe`.
#![allow(unsafe_code)] // The island: raw chunks behind checked indexes.

use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};

use memmap2::{Advice, MmapMut, MmapOptions};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Bytes of one chunk: a multiple of the huge page's 2 MiB. Untouched pages of a chunk cost nothing.
const CHUNK_BYTES: usize = 32 << 20;

/// Bytes ahead of what is in use whose pages are had ready: as many as are in use, but at least and at most these.
const READY_BYTES: Range<usize> = 2 << 20..16 << 20;

/// A table of plain structures by dense index. New entries are all zero bits.
///
/// `T` is plain bytes (no pointers, any bit pattern valid), as the bounds say, so zeroed memory is a valid `T`.
pub(crate) struct Arena<T> {
    /// By chunk: where its first item is. As many as `memory`, and together they hold at least `len` items.
    firsts: Vec<NonNull<T>>,
    /// Keeps the memory that `firsts` point into; its bytes are never touched through it.
    memory: Vec<Arc<MmapMut>>,
    len: usize,
    /// Items up to here have pages, or are having them made.
    ready: usize,
    _items: PhantomData<T>,
}

// SAFETY: an arena owns its memory and `T` is plain bytes, so it may move to any thread.
unsafe impl<T: Send> Send for Arena<T> {}
// SAFETY: as above; shared access only reads.
unsafe impl<T: Sync> Sync for Arena<T> {}

impl<T: FromBytes + IntoBytes + Immutable> Default for Arena<T> {
    fn default() -> Self {
        Self { firsts: Vec::new(), memory: Vec::new(), len: 0, ready: 0, _items: PhantomData }
    }
}

impl<T: FromBytes + IntoBytes + Immutable> Arena<T> {
    /// Items of one chunk: a power of two, so that an index is split by shift and mask.
    pub(crate) const CHUNK_ITEMS: usize = {
        let items = CHUNK_BYTES / size_of::<T>();
        if items.is_power_of_two() { items } else { items.next_power_of_two() / 2 }
    };
    const SHIFT: u32 = Self::CHUNK_ITEMS.trailing_zeros();

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
    pub(crate) fn extend(&mut self, count: usize) -> usize {
        assert!((1..=Self::CHUNK_ITEMS).contains(&count), "{count} items do not fit a chunk");
        let used = self.len & (Self::CHUNK_ITEMS - 1);
        if used + count > Self::CHUNK_ITEMS {
            self.len += Self::CHUNK_ITEMS - used;
        }
        let first = self.len;
        self.len += count;
        while self.firsts.len() << Self::SHIFT < self.len {
            self.add_chunk();
        }
        if self.ready < self.len + self.ready_items() / 2 {
            self.make_ready();
        }
        first
    }

    /// Makes room for `count` items beyond those that are there, with its pages in memory already: the kernel clears a
    /// huge page in some tenths of a millisecond, and whoever writes to it first would wait for that.
    pub(crate) fn preallocate(&mut self, count: usize) {
        while self.firsts.len() << Self::SHIFT < self.len + count {
            // A wish: without it the pages come when they are first written to.
            let _ = self.add_chunk().advise(Advice::PopulateWrite);
        }
        self.ready = self.ready.max(self.len + count);
    }

    #[inline]
    fn ready_items(&self) -> usize {
        self.len.clamp(READY_BYTES.start / size_of::<T>(), READY_BYTES.end / size_of::<T>())
    }

    /// Has pages made on another thread for what comes next: the kernel clears a huge page in some tenths of a millisecond (in
    /// some milliseconds, if the memory must come from a virtual machine's host), and whoever writes to it first would wait.
    #[cold]
    fn make_ready(&mut self) {
        let from = self.ready.max(self.len);
        self.ready = self.len + self.ready_items();
        for chunk in from >> Self::SHIFT..=self.ready >> Self::SHIFT {
            if chunk == self.firsts.len() {
                self.add_chunk();
            }
            let of_chunk = |item: usize| {
                item.clamp(chunk << Self::SHIFT, (chunk + 1) << Self::SHIFT) - (chunk << Self::SHIFT)
            };
            let bytes = of_chunk(from) * size_of::<T>()..of_chunk(self.ready) * size_of::<T>();
            make_pages(&self.memory[chunk], bytes);
        }
    }

    /// # Panics
    /// If the system has no memory left.
    fn add_chunk(&mut self) -> &MmapMut {
        let map = MmapOptions::new().len(CHUNK_BYTES).no_reserve_swap().map_anon();
        let mut memory = match map {
            Ok(memory) => memory,
            Err(error) => panic!("no memory for another chunk of {CHUNK_BYTES} bytes: {error}"),
        };
        // Huge pages are a wish: a kernel without them only makes us slower.
        let _ = memory.advise(Advice::HugePage);
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
        assert!(index < self.len, "item {index} of {}", self.len);
        // SAFETY: asserted above.
        let slot = unsafe { self.slot(index) };
        // SAFETY: the slot is in bounds, aligned (chunks start on a page), initialised (zeroed memory or a written
        // `T`) and not mutably borrowed, for `&self` is held.
        unsafe { slot.as_ref() }
    }

    /// The item at `index`, to change it.
    ///
    /// # Panics
    /// If there is no such item.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> &mut T {
        assert!(index < self.len, "item {index} of {}", self.len);
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
    fn check_slice(&self, first: usize, count: usize) {
        let in_chunk = first & (Self::CHUNK_ITEMS - 1);
        assert!(
            first < self.len && count <= self.len - first && in_chunk + count <= Self::CHUNK_ITEMS,
            "items {first}..+{count} of {}",
            self.len
        );
    }

    /// Asks the processor to have the item at `index` ready soon. An index that is not there is ignored.
    #[inline]
    pub(crate) fn prefetch(&self, index: usize) {
        #[cfg(target_arch = "x86_64")]
        if index < self.len {
            // SAFETY: asked just before.
            let address = unsafe { self.slot(index) }.as_ptr().cast::<i8>();
            // SAFETY: prefetching has no effect on memory, and the address is in bounds anyway.
            unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = index;
    }
}

/// Has the pages of a part of a chunk made, soon and elsewhere. A wish: without it they come when they are first written to.
fn make_pages(memory: &Arc<MmapMut>, bytes: Range<usize>) {
    static MAKER: OnceLock<Option<Sender<(Arc<MmapMut>, Range<usize>)>>> = OnceLock::new();
    let maker = MAKER.get_or_init(|| {
        let (ask, asked) = channel::<(Arc<MmapMut>, Range<usize>)>();
        let make = move || {
            for (memory, bytes) in asked {
                // Whole pages of 4 KiB; the contents of those that are there already stay as they are.
                let start = bytes.start & !4095;
                let _ = memory.advise_range(Advice::PopulateWrite, start, bytes.end - start);
            }
        };
        let spawned = std::thread::Builder::new().name("pages".to_owned()).spawn(make);
        spawned.ok().map(|_| ask)
    });
    if let Some(maker) = maker {
        let _ = maker.send((Arc::clone(memory), bytes));
    }
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
    #[should_panic(expected = "item 1 of 1")]
    fn an_index_that_is_not_there_is_refused() {
        let mut arena = Arena::<u64>::default();
        arena.extend(1);
        arena.get(1);
    }
}
