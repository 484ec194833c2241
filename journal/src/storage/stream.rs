//! A file written or read once from one end to the other, past the page cache.
//!
//! A snapshot is a large part of what the state takes. Through the page cache the kernel would find memory for all of it, copy
//! it there, write it back in competition with the journal's own syncs, and throw out what others still need; measured, that is
//! five times the processor time of direct input and output. What is read back this way was on the disk, too.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use memmap2::{Advice, MmapMut, MmapOptions};
use parking_lot::Mutex;

use super::StorageFile;
use super::directory::{file_len, read_file, write_file};
use crate::error::JournalError;

/// What places, lengths and memory of direct input and output are multiples of: the largest block of the file systems in use.
const BLOCK_BYTES: usize = 4096;

/// What goes to the disk at once.
const WINDOW_BYTES: usize = 1 << 20;

/// A huge page. Memory that lies in one is a single piece to the disk, and otherwise a piece for each of its small pages: of
/// a virtual disk, that took 2.5 times as long to read.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Where direct output cannot be had, a sync after so many bytes keeps the journal's own syncs from queueing behind all of it.
const SYNC_BYTES: u64 = 8 << 20;

/// Bytes of the file from `at` on that are in memory.
struct Window {
    memory: MmapMut,
    /// Where in `memory` the window begins: with a huge page.
    start: usize,
    at: u64,
    length: usize,
}

const _: () = assert!(WINDOW_BYTES <= HUGE_PAGE_BYTES && WINDOW_BYTES.is_multiple_of(BLOCK_BYTES));

impl Window {
    fn new(path: &Path) -> Result<Self, JournalError> {
        // One huge page and what it takes to begin with one; nothing of the rest is ever touched.
        let map = MmapOptions::new().len(2 * HUGE_PAGE_BYTES).map_anon();
        let memory = map.map_err(|source| JournalError::io("find memory for a window on", path, source))?;
        let start = memory.as_ptr().align_offset(HUGE_PAGE_BYTES);
        // A wish: a kernel without huge pages only makes us slower.
        let _ = memory.advise_range(Advice::HugePage, start, HUGE_PAGE_BYTES);
        Ok(Self { memory, start, at: 0, length: 0 })
    }

    fn bytes(&mut self, range: Range<usize>) -> &mut [u8] {
        &mut self.memory[self.start + range.start..self.start + range.end]
    }
}

fn open(options: &mut OpenOptions, action: &'static str, path: &Path) -> Result<(File, bool), JournalError> {
    let flags = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap_or_default();
    match options.clone().custom_flags(flags).open(path) {
        Ok(file) => Ok((file, true)),
        // A file system without direct access says so by this.
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            let file = options.open(path).map_err(|source| JournalError::io(action, path, source))?;
            Ok((file, false))
        }
        Err(source) => Err(JournalError::io(action, path, source)),
    }
}

/// A file that is written in order. What was written is on the disk after [`StorageFile::sync`].
pub(super) struct StreamWriter {
    file: File,
    path: PathBuf,
    is_direct: bool,
    window: Mutex<Window>,
}

impl StreamWriter {
    pub(super) fn create(path: PathBuf) -> Result<Self, JournalError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let (file, is_direct) = open(&mut options, "create", &path)?;
        let window = Mutex::new(Window::new(&path)?);
        Ok(Self { file, path, is_direct, window })
    }

    fn sync_data(&self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(|source| JournalError::io("sync", &self.path, source))
    }
}

impl StorageFile for StreamWriter {
    fn read_at(&self, offset: u64, _buffer: &mut [u8]) -> Result<usize, JournalError> {
        panic!("a stream that is being written is not read, as at {offset}")
    }

    fn write_at(&self, offset: u64, mut bytes: &[u8]) -> Result<(), JournalError> {
        let mut window = self.window.lock();
        assert_eq!(offset, window.at + window.length as u64, "a stream is written in order");
        while !bytes.is_empty() {
            let filled = window.length;
            let (now, later) = bytes.split_at(bytes.len().min(WINDOW_BYTES - filled));
            window.bytes(filled..filled + now.len()).copy_from_slice(now);
            window.length += now.len();
            bytes = later;
            if window.length == WINDOW_BYTES {
                let at = window.at;
                write_file(&self.file, &self.path, at, window.bytes(0..WINDOW_BYTES))?;
                window.at += WINDOW_BYTES as u64;
                window.length = 0;
                if !self.is_direct && window.at.is_multiple_of(SYNC_BYTES) {
                    self.sync_data()?;
                }
            }
        }
        Ok(())
    }

    fn sync(&self, _range: Range<u64>) -> Result<(), JournalError> {
        let mut window = self.window.lock();
        let (at, length) = (window.at, window.length);
        let padded = length.next_multiple_of(BLOCK_BYTES);
        window.bytes(length..padded).fill(0);
        write_file(&self.file, &self.path, at, window.bytes(0..padded))?;
        self.file
            .set_len(at + length as u64)
            .map_err(|source| JournalError::io("set the length of", &self.path, source))?;
        self.sync_data()
    }

    fn allocate(&self, bytes: u64) -> Result<(), JournalError> {
        super::directory::allocate_file(&self.file, &self.path, bytes)
    }

    fn len(&self) -> Result<u64, JournalError> {
        let window = self.window.lock();
        Ok(window.at + window.length as u64)
    }
}

/// A file that is read in order; reading elsewhere works and costs a window.
pub(super) struct StreamReader {
    file: File,
    path: PathBuf,
    window: Mutex<Window>,
}

impl StreamReader {
    pub(super) fn open(path: PathBuf) -> Result<Self, JournalError> {
        let (file, _) = open(OpenOptions::new().read(true), "open", &path)?;
        let window = Mutex::new(Window::new(&path)?);
        Ok(Self { file, path, window })
    }
}

impl StorageFile for StreamReader {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, JournalError> {
        let mut window = self.window.lock();
        let is_within = |window: &Window| (window.at..window.at + window.length as u64).contains(&offset);
        if !is_within(&window) {
            window.at = offset - offset % BLOCK_BYTES as u64;
            window.length = 0;
            let at = window.at;
            window.length = read_file(&self.file, &self.path, at, window.bytes(0..WINDOW_BYTES))?;
            if !is_within(&window) {
                return Ok(0);
            }
        }
        let from = (offset - window.at) as usize;
        let length = buffer.len().min(window.length - from);
        buffer[..length].copy_from_slice(window.bytes(from..from + length));
        Ok(length)
    }

    fn write_at(&self, offset: u64, _bytes: &[u8]) -> Result<(), JournalError> {
        panic!("a stream that is read is not written, as at {offset}")
    }

    fn sync(&self, _range: Range<u64>) -> Result<(), JournalError> {
        Ok(())
    }

    fn allocate(&self, _bytes: u64) -> Result<(), JournalError> {
        Ok(())
    }

    fn len(&self) -> Result<u64, JournalError> {
        file_len(&self.file, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::read_full;

    #[test]
    fn what_is_written_in_any_pieces_is_read_in_any_pieces() {
        let directory = tempfile::tempdir().expect("a directory");
        for length in
            [0, 1, 4095, 4096, 4097, WINDOW_BYTES - 1, WINDOW_BYTES, WINDOW_BYTES + 1, 3 * WINDOW_BYTES + 77]
        {
            let path = directory.path().join(length.to_string());
            let bytes = (0..length).map(|at| (at * 31 % 251) as u8).collect::<Vec<_>>();
            let writer = StreamWriter::create(path.clone()).expect("create");
            let mut offset = 0;
            for piece in bytes.chunks(100_003) {
                writer.write_at(offset, piece).expect("write");
                offset += piece.len() as u64;
            }
            assert_eq!(writer.len().expect("length"), length as u64);
            // A sync in the middle of a block must not stand in the way of what follows.
            writer.sync(0..offset).expect("sync");
            writer.write_at(offset, b"tail").expect("write");
            writer.sync(0..offset + 4).expect("sync");
            assert_eq!(std::fs::read(&path).expect("read"), [&bytes[..], b"tail"].concat());

            let reader = StreamReader::open(path).expect("open");
            assert_eq!(reader.len().expect("length"), length as u64 + 4);
            let mut found = vec![0; length + 10];
            assert_eq!(read_full(&reader, 0, &mut found).expect("read"), length + 4);
            assert_eq!(&found[..length], bytes);
            let mut tail = [0; 4];
            read_full(&reader, length as u64, &mut tail).expect("read");
            assert_eq!(&tail, b"tail");
            assert_eq!(reader.read_at(length as u64 + 4, &mut tail).expect("read"), 0);
        }
    }
}
