//! Reading a snapshot, section by section, each chunk checked before it is handed out.

use std::io;
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::{SnapshotInfo, snapshot_name};
use crate::bugs::is_planted;
use crate::error::JournalError;
use crate::layout::{
    CHUNK_BYTES_MAX, ChunkHeader, FORMAT_VERSION, SNAPSHOT_END_MAGIC, SNAPSHOT_MAGIC, SnapshotHeader,
    SnapshotTrailer, chunk_checksum, snapshot_header_checksum,
};
use crate::position::Position;
use crate::storage::{Storage, StorageFile, read_full};

/// An open snapshot whose header and trailer are checked. [`io::Read`] yields the bytes of the current section.
pub struct SnapshotReader {
    file: Arc<dyn StorageFile>,
    info: SnapshotInfo,
    section_count: u32,
    content_hash: u128,
    /// Everything read so far, for the whole file's hash.
    hash: Xxh3,
    offset: u64,
    sections_read: u32,
    section: Section,
    chunk: Vec<u8>,
    chunk_used: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    None,
    Open { tag: u32, last: bool },
}

const HEADER_BYTES: u64 = size_of::<SnapshotHeader>() as u64;
const TRAILER_BYTES: u64 = size_of::<SnapshotTrailer>() as u64;

impl SnapshotReader {
    /// Opens the snapshot of a sequence; header, trailer and length are checked, the rest as it is read.
    ///
    /// # Errors
    /// [`JournalError::Snapshot`] if it is damaged, [`JournalError::ForeignStore`] if it is another store's.
    pub fn open(storage: &dyn Storage, store_id: u128, sequence: u64) -> Result<Self, JournalError> {
        let name = snapshot_name(sequence);
        let path = storage.path(&name);
        let file = storage.open_stream(&name)?;
        let bytes = file.len()?;
        if bytes < HEADER_BYTES + TRAILER_BYTES {
            let least = (HEADER_BYTES + TRAILER_BYTES).to_string();
            return Err(unusable(
                &path,
                0,
                "the file length",
                format!("at least {least}"),
                bytes.to_string(),
            ));
        }
        let header = read_header(&*file, &path, store_id, sequence)?;
        let mut trailer = SnapshotTrailer::new_zeroed();
        read_full(&*file, bytes - TRAILER_BYTES, trailer.as_mut_bytes())?;
        let magic = trailer.magic;
        if magic != SNAPSHOT_END_MAGIC {
            let (expected, found) = (SNAPSHOT_END_MAGIC.escape_ascii(), magic.escape_ascii());
            return Err(unusable(
                &path,
                bytes - TRAILER_BYTES,
                "the trailer magic",
                expected.to_string(),
                found.to_string(),
            ));
        }
        if trailer.total_bytes.get() != bytes {
            let expected = trailer.total_bytes.to_string();
            return Err(unusable(&path, bytes, "the file length", expected, bytes.to_string()));
        }
        let position = Position {
            segment: header.segment.get(),
            offset: header.offset.get(),
            sequence: sequence + 1,
            chain: header.chain.get(),
        };
        let mut hash = Xxh3::new();
        hash.update(header.as_bytes());
        Ok(Self {
            file,
            info: SnapshotInfo { path, sequence, position, state_hash: trailer.state_hash.get(), bytes },
            section_count: trailer.section_count.get(),
            content_hash: trailer.content_hash.get(),
            hash,
            offset: HEADER_BYTES,
            sections_read: 0,
            section: Section::None,
            chunk: Vec::new(),
            chunk_used: 0,
        })
    }

    /// Opens a snapshot and reads it once to its end, so that nothing is built from a damaged one.
    ///
    /// # Errors
    /// As [`SnapshotReader::open`], for any damage anywhere in the file.
    pub fn open_verified(storage: &dyn Storage, store_id: u128, sequence: u64) -> Result<Self, JournalError> {
        Self::open(storage, store_id, sequence)?.read_to_end(&mut |_| {})?;
        Self::open(storage, store_id, sequence)
    }

    /// Reads on to the end, so that all is checked; `wait` is told of every piece's bytes.
    ///
    /// # Errors
    /// As [`SnapshotReader::next_chunk`].
    pub(crate) fn read_to_end(&mut self, wait: &mut dyn FnMut(usize)) -> Result<(), JournalError> {
        while self.next_section()?.is_some() {
            while let Some(chunk) = self.next_chunk()? {
                wait(chunk.len());
            }
        }
        Ok(())
    }

    /// What the snapshot says about itself.
    pub fn info(&self) -> &SnapshotInfo {
        &self.info
    }

    /// The next section's tag, past what is left of the current one; at the end the whole file's hash is checked.
    ///
    /// # Errors
    /// [`JournalError::Snapshot`] if the bytes are damaged.
    pub fn next_section(&mut self) -> Result<Option<u32>, JournalError> {
        while self.next_chunk()?.is_some() {}
        if self.offset == self.info.bytes - TRAILER_BYTES {
            self.check_end()?;
            return Ok(None);
        }
        let tag = self.read_chunk(None)?;
        self.sections_read += 1;
        Ok(Some(tag))
    }

    /// The next piece of the current section, at most a megabyte; nothing at its end.
    ///
    /// # Errors
    /// [`JournalError::Snapshot`] if the bytes are damaged.
    pub fn next_chunk(&mut self) -> Result<Option<&[u8]>, JournalError> {
        while self.chunk_used == self.chunk.len() {
            match self.section {
                Section::Open { tag, last: false } => self.read_chunk(Some(tag))?,
                _ => {
                    self.section = Section::None;
                    return Ok(None);
                }
            };
        }
        let from = std::mem::replace(&mut self.chunk_used, self.chunk.len());
        Ok(Some(&self.chunk[from..]))
    }

    fn read_chunk(&mut self, section: Option<u32>) -> Result<u32, JournalError> {
        let mut header = ChunkHeader::new_zeroed();
        let at = self.offset;
        let room = self.info.bytes - TRAILER_BYTES - at;
        let header_bytes = size_of::<ChunkHeader>() as u64;
        if room < header_bytes {
            return Err(self.unusable(
                at,
                "the room for a chunk",
                header_bytes.to_string(),
                room.to_string(),
            ));
        }
        read_full(&*self.file, at, header.as_mut_bytes())?;
        let length = header.length_bytes.get() as usize;
        let most = (room - header_bytes).min(CHUNK_BYTES_MAX as u64) as usize;
        if length > most {
            return Err(self.unusable(at, "a chunk's length", format!("at most {most}"), length.to_string()));
        }
        self.chunk.resize(length, 0);
        self.chunk_used = 0;
        let read = read_full(&*self.file, at + header_bytes, &mut self.chunk)?;
        let checksum = chunk_checksum(&header, &self.chunk[..read]);
        if checksum != header.checksum.get() {
            let (expected, found) = (format!("{checksum:08x}"), format!("{:08x}", header.checksum.get()));
            return Err(self.unusable(at, "a chunk's checksum", expected, found));
        }
        let tag = header.tag.get();
        if section.is_some_and(|section| section != tag) || header.last.get() > 1 {
            let expected =
                section.map_or("0 or 1 as the mark of the last chunk".to_owned(), |tag| tag.to_string());
            return Err(self.unusable(at, "a chunk's section", expected, tag.to_string()));
        }
        self.hash.update(header.as_bytes());
        self.hash.update(&self.chunk);
        self.offset = at + header_bytes + length as u64;
        self.section = Section::Open { tag, last: header.last.get() == 1 };
        Ok(tag)
    }

    fn check_end(&mut self) -> Result<(), JournalError> {
        if self.sections_read != self.section_count {
            let (expected, found) = (self.section_count.to_string(), self.sections_read.to_string());
            return Err(self.unusable(self.offset, "the number of sections", expected, found));
        }
        let mut trailer = SnapshotTrailer::new_zeroed();
        read_full(&*self.file, self.offset, trailer.as_mut_bytes())?;
        let mut hash = self.hash.clone();
        hash.update(&trailer.as_bytes()[..std::mem::offset_of!(SnapshotTrailer, content_hash)]);
        let found = hash.digest128();
        if found != self.content_hash && !is_planted("skip-the-snapshot-hash") {
            let expected = format!("{:032x}", self.content_hash);
            return Err(self.unusable(self.offset, "the content hash", expected, format!("{found:032x}")));
        }
        Ok(())
    }

    fn unusable(&self, offset: u64, what: &'static str, expected: String, found: String) -> JournalError {
        unusable(&self.info.path, offset, what, expected, found)
    }
}

impl io::Read for SnapshotReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(chunk) = self.next_chunk().map_err(io::Error::other)? else {
            return Ok(0);
        };
        let (left, length) = (chunk.len(), chunk.len().min(buffer.len()));
        buffer[..length].copy_from_slice(&chunk[..length]);
        self.chunk_used -= left - length;
        Ok(length)
    }
}

fn unusable(path: &Path, offset: u64, what: &'static str, expected: String, found: String) -> JournalError {
    JournalError::Snapshot { path: path.to_owned(), offset, what, expected, found }
}

fn read_header(
    file: &dyn StorageFile,
    path: &Path,
    store_id: u128,
    sequence: u64,
) -> Result<SnapshotHeader, JournalError> {
    let mut bytes = [0; HEADER_BYTES as usize];
    read_full(file, 0, &mut bytes)?;
    let header = SnapshotHeader::read_from_bytes(&bytes)
        .map_err(|_| unusable(path, 0, "the header", format!("{HEADER_BYTES} bytes"), "fewer".to_owned()))?;
    if header.magic != SNAPSHOT_MAGIC {
        let (expected, found) = (SNAPSHOT_MAGIC.escape_ascii(), header.magic.escape_ascii());
        return Err(unusable(path, 0, "the snapshot magic", expected.to_string(), found.to_string()));
    }
    if header.format_version.get() != FORMAT_VERSION {
        let found = header.format_version.to_string();
        return Err(JournalError::UnknownVersion { path: path.to_owned(), found, known: FORMAT_VERSION });
    }
    let checksum = snapshot_header_checksum(&header);
    if checksum != header.checksum.get() {
        let (expected, found) = (format!("{checksum:08x}"), format!("{:08x}", header.checksum.get()));
        return Err(unusable(path, 0, "the header checksum", expected, found));
    }
    if header.store_id.get() != store_id {
        let found = header.store_id.get();
        return Err(JournalError::ForeignStore { path: path.to_owned(), expected: store_id, found });
    }
    if header.sequence.get() != sequence {
        let found = header.sequence.to_string();
        return Err(unusable(path, 0, "the sequence", format!("{sequence}, as the name says"), found));
    }
    Ok(header)
}
