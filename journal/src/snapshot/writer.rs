//! Writing a snapshot so that it either exists whole or not at all.

use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;
use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromZeros, IntoBytes};

use super::{GENERATIONS, SNAPSHOT_DIRECTORY, SnapshotInfo, SnapshotReader, list_snapshots, snapshot_name};
use crate::bugs::is_planted;
use crate::error::JournalError;
use crate::layout::{
    CHUNK_BYTES_MAX, ChunkHeader, FORMAT_VERSION, SNAPSHOT_END_MAGIC, SNAPSHOT_MAGIC, SnapshotHeader,
    SnapshotTrailer, chunk_checksum, snapshot_header_checksum,
};
use crate::position::Position;
use crate::storage::{Storage, StorageFile, TEMPORARY_SUFFIX};

/// A snapshot being written under a temporary name. Dropped before [`SnapshotWriter::finish`] it leaves a file that
/// means nothing and is removed at the next start.
pub struct SnapshotWriter {
    storage: Arc<dyn Storage>,
    store_id: u128,
    sequence: u64,
    file: Arc<dyn StorageFile>,
    offset: u64,
    hash: Xxh3,
    section: Option<u32>,
    section_count: u32,
    chunk: Vec<u8>,
}

impl SnapshotWriter {
    /// Begins the snapshot of everything before `position`.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(
        storage: Arc<dyn Storage>,
        store_id: u128,
        position: Position,
    ) -> Result<Self, JournalError> {
        let sequence = position.last_sequence();
        storage.create_directory(SNAPSHOT_DIRECTORY)?;
        let file = storage.create_stream(&format!("{}{TEMPORARY_SUFFIX}", snapshot_name(sequence)))?;
        let mut header = SnapshotHeader::new_zeroed();
        header.magic = SNAPSHOT_MAGIC;
        header.format_version = U32::new(FORMAT_VERSION);
        header.segment = U32::new(position.segment);
        header.store_id = U128::new(store_id);
        header.sequence = U64::new(sequence);
        header.offset = U64::new(position.offset);
        header.chain = U64::new(position.chain);
        header.checksum = U32::new(snapshot_header_checksum(&header));
        let mut writer = Self {
            storage,
            store_id,
            sequence,
            file,
            offset: 0,
            hash: Xxh3::new(),
            section: None,
            section_count: 0,
            chunk: Vec::with_capacity(CHUNK_BYTES_MAX),
        };
        writer.put(header.as_bytes())?;
        Ok(writer)
    }

    /// Begins a section; the one before it ends. Its bytes come by [`io::Write`].
    ///
    /// # Errors
    /// If the bytes before it cannot be written.
    pub fn begin_section(&mut self, tag: u32) -> Result<(), JournalError> {
        self.end_section()?;
        self.section = Some(tag);
        self.section_count += 1;
        Ok(())
    }

    /// Appends to the section that was begun.
    ///
    /// # Errors
    /// If the disk refuses.
    ///
    /// # Panics
    /// If none was begun.
    pub fn append(&mut self, mut bytes: &[u8]) -> Result<(), JournalError> {
        assert!(self.section.is_some(), "bytes belong to a section");
        while !bytes.is_empty() {
            if self.chunk.len() == CHUNK_BYTES_MAX {
                self.put_chunk(false)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES_MAX - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn end_section(&mut self) -> Result<(), JournalError> {
        if self.section.is_some() {
            self.put_chunk(true)?;
            self.section = None;
        }
        Ok(())
    }

    fn put_chunk(&mut self, last: bool) -> Result<(), JournalError> {
        let bytes = std::mem::take(&mut self.chunk);
        let mut header = ChunkHeader::new_zeroed();
        header.tag = U32::new(self.section.unwrap_or_default());
        header.length_bytes = U32::new(bytes.len() as u32);
        header.last = U32::new(u32::from(last));
        header.checksum = U32::new(chunk_checksum(&header, &bytes));
        self.put(header.as_bytes())?;
        self.put(&bytes)?;
        self.chunk = bytes;
        self.chunk.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        self.hash.update(bytes);
        self.file.write_at(self.offset, bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Completes the snapshot: trailer, sync, its real name, directory sync, read back to the last byte; and only
    /// then the generations before the last two go. While it is read back `wait` is told of every piece's bytes, so that
    /// reading keeps to a pace as writing did.
    ///
    /// # Errors
    /// If any step failed; the older snapshots then still stand.
    pub fn finish(
        mut self,
        state_hash: u128,
        wait: &mut dyn FnMut(usize),
    ) -> Result<SnapshotInfo, JournalError> {
        self.end_section()?;
        let mut trailer = SnapshotTrailer::new_zeroed();
        trailer.magic = SNAPSHOT_END_MAGIC;
        trailer.total_bytes = U64::new(self.offset + size_of::<SnapshotTrailer>() as u64);
        trailer.state_hash = U128::new(state_hash);
        trailer.section_count = U32::new(self.section_count);
        let covered = std::mem::offset_of!(SnapshotTrailer, content_hash);
        self.hash.update(&trailer.as_bytes()[..covered]);
        trailer.content_hash = U128::new(self.hash.digest128());
        self.file.write_at(self.offset, trailer.as_bytes())?;
        if !is_planted("skip-the-snapshot-sync") {
            self.file.sync(0..trailer.total_bytes.get())?;
        }
        let name = snapshot_name(self.sequence);
        self.storage.rename(&format!("{name}{TEMPORARY_SUFFIX}"), &name)?;
        if !is_planted("skip-the-snapshot-directory-sync") {
            self.storage.sync_directory(SNAPSHOT_DIRECTORY)?;
        }
        let mut reader = SnapshotReader::open(&*self.storage, self.store_id, self.sequence)?;
        reader.read_to_end(wait)?;
        for old in list_snapshots(&*self.storage)?.into_iter().skip(GENERATIONS) {
            self.storage.remove(&snapshot_name(old))?;
        }
        self.storage.sync_directory(SNAPSHOT_DIRECTORY)?;
        Ok(reader.info().clone())
    }
}

impl io::Write for SnapshotWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
