//! The one island of `unsafe`: a segment mapped into memory and written by copying.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;

use memmap2::{MmapOptions, MmapRaw};

/// A shared, writable mapping of a whole file whose length never changes while it exists.
#[derive(Debug)]
pub(super) struct Mapping {
    map: MmapRaw,
}

impl Mapping {
    /// Maps the whole file. Its pages are looked up now, so that the first write to each finds it in memory.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        let map = MmapOptions::new().populate().map_raw(file)?;
        Ok(Self { map })
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Panics
    /// If the range leaves the mapping.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) {
        let offset = usize::try_from(offset).expect("an offset in a mapping fits the address space");
        assert!(
            offset <= self.map.len() && bytes.len() <= self.map.len() - offset,
            "write outside the mapping"
        );
        let to = self.map.as_mut_ptr();
        // SAFETY: the assertion above keeps `offset` inside the mapping.
        let to = unsafe { to.add(offset) };
        // SAFETY: the destination range lies inside the mapping, which lives as long as `self` and is never handed
        // out as a reference, so no `&[u8]` observes the change; `bytes` is ordinary memory and cannot overlap it.
        // There is one writer, which holds the tail's mutex. The file is never truncated while mapped.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// Makes the pages of a range durable.
    pub(super) fn sync(&self, range: Range<u64>) -> io::Result<()> {
        let start = usize::try_from(range.start).map_err(io::Error::other)?;
        let end = usize::try_from(range.end).map_err(io::Error::other)?;
        self.map.flush_range(start, end - start)
    }

    pub(super) fn len(&self) -> u64 {
        self.map.len() as u64
    }
}
