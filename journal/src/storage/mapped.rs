//! A real directory whose segments are written through memory and synced by range: the default.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::directory::{PositionalStorage, allocate_file, file_len, read_file, write_file};
use super::mapping::Mapping;
use super::{Storage, StorageFile};
use crate::error::JournalError;

/// A data directory whose segments are mapped. Everything but appending goes by positional reads and writes, so a
/// reader never meets a signal for a page that is not there.
#[derive(Clone, Debug)]
pub struct MappedStorage {
    files: PositionalStorage,
}

impl MappedStorage {
    /// The directory need not exist yet; locking it for a writer makes it.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { files: PositionalStorage::new(root) }
    }
}

impl Storage for MappedStorage {
    fn lock(&self) -> Result<Box<dyn Send + Sync>, JournalError> {
        self.files.lock()
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, JournalError> {
        self.files.list(directory)
    }

    fn create_directory(&self, directory: &str) -> Result<(), JournalError> {
        self.files.create_directory(directory)
    }

    fn create(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        self.files.create(name)
    }

    fn open(&self, name: &str, writable: bool) -> Result<Arc<dyn StorageFile>, JournalError> {
        self.files.open(name, writable)
    }

    fn create_stream(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        self.files.create_stream(name)
    }

    fn open_stream(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        self.files.open_stream(name)
    }

    fn open_segment(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        let (file, path) = self.files.open_file(name, true)?;
        let mapping = Mapping::new(&file, &path).map_err(|source| JournalError::io("map", &path, source))?;
        Ok(Arc::new(MappedFile { mapping, file, path }))
    }

    fn uncache(&self, name: &str) {
        self.files.uncache(name);
    }

    fn remove(&self, name: &str) -> Result<(), JournalError> {
        self.files.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), JournalError> {
        self.files.rename(from, to)
    }

    fn sync_directory(&self, directory: &str) -> Result<(), JournalError> {
        self.files.sync_directory(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path(name)
    }
}

struct MappedFile {
    mapping: Mapping,
    file: File,
    path: PathBuf,
}

impl StorageFile for MappedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, JournalError> {
        read_file(&self.file, &self.path, offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
        write_file(&self.file, &self.path, offset, bytes)
    }

    fn copy_at(&self, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
        self.mapping.write(offset, bytes);
        Ok(())
    }

    fn sync(&self, range: Range<u64>) -> Result<(), JournalError> {
        self.check_whole()?;
        self.mapping.sync(range).map_err(|source| JournalError::io("sync", &self.path, source))
    }

    fn check_whole(&self) -> Result<(), JournalError> {
        // A file that was cut under the mapping may have lost what the watermark promised, and a write call would
        // let it grow again in silence.
        let (length, mapped) = (file_len(&self.file, &self.path)?, self.mapping.len());
        if length == mapped {
            return Ok(());
        }
        let source = std::io::Error::other(format!(
            "it was truncated at offset {length}: expected {mapped} bytes, found {length}; restart to recover from disk"
        ));
        Err(JournalError::io("go on with", &self.path, source))
    }

    fn allocate(&self, bytes: u64) -> Result<(), JournalError> {
        allocate_file(&self.file, &self.path, bytes)
    }

    fn len(&self) -> Result<u64, JournalError> {
        Ok(self.mapping.len())
    }
}
