//! A piece of a file in memory: what a reader looks at, read in large blocks.

use zerocopy::IntoBytes;

use crate::error::JournalError;
use crate::layout::PAGE_BYTES;
use crate::storage::{StorageFile, read_full};

/// Small while a follower keeps up with the writer, so that it copies little more than it needs.
const BLOCK_BYTES_MIN: usize = 64 << 10;
/// Large while it reads through the log.
const BLOCK_BYTES_MAX: usize = 1 << 20;

/// A window over one file. It starts at a page, and its memory at a multiple of 16, so that what is aligned in the
/// file is aligned in memory.
#[derive(Default)]
pub(crate) struct Window {
    memory: Vec<u128>,
    from: u64,
    length: usize,
    block_bytes: usize,
    /// The watermark up to which the bytes were final when they were read.
    pub(crate) read_for: u64,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { block_bytes: BLOCK_BYTES_MIN, ..Self::default() }
    }

    /// Forgets the bytes: they were read before what is wanted now was durable, or belong to another file.
    pub(crate) fn clear(&mut self) {
        self.length = 0;
        self.block_bytes = BLOCK_BYTES_MIN;
    }

    /// The bytes of a range, fewer only where the file ends.
    pub(crate) fn read(
        &mut self,
        file: &dyn StorageFile,
        offset: u64,
        bytes: usize,
        read_for: u64,
    ) -> Result<&[u8], JournalError> {
        if !self.holds(offset, bytes) {
            self.fill(file, offset, bytes, read_for)?;
        }
        Ok(self.slice(offset, bytes))
    }

    /// Bytes that are in the window already.
    pub(crate) fn slice(&self, offset: u64, bytes: usize) -> &[u8] {
        let start = (offset - self.from) as usize;
        let end = self.length.min(start + bytes);
        &self.memory.as_slice().as_bytes()[start.min(end)..end]
    }

    fn holds(&self, offset: u64, bytes: usize) -> bool {
        offset >= self.from && offset + bytes as u64 <= self.from + self.length as u64
    }

    fn fill(
        &mut self,
        file: &dyn StorageFile,
        offset: u64,
        bytes: usize,
        read_for: u64,
    ) -> Result<(), JournalError> {
        let from = offset - offset % PAGE_BYTES;
        if self.length > 0 && offset >= self.from {
            self.block_bytes = (self.block_bytes * 2).min(BLOCK_BYTES_MAX);
        }
        let wanted = ((offset - from) as usize + bytes).max(self.block_bytes);
        let words = wanted.div_ceil(size_of::<u128>());
        if self.memory.len() < words {
            self.memory.resize(words, 0);
        }
        self.length = 0;
        self.length = read_full(file, from, &mut self.memory.as_mut_slice().as_mut_bytes()[..wanted])?;
        self.from = from;
        self.read_for = read_for;
        Ok(())
    }
}
