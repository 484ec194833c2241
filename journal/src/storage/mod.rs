//! The seam between the journal and the disk: a real directory, or a recorder that loses what was not synced.

mod directory;
#[cfg(feature = "faults")]
mod faults;
mod mapped;
mod mapping;
mod memory;
mod stream;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

pub use directory::PositionalStorage;
#[cfg(feature = "faults")]
pub use faults::{FAULT_POINTS, faulty_if_told};
pub use mapped::MappedStorage;
pub use mapping::stop_on_lost_pages;
pub use memory::{CrashChoice, MemoryStorage, Refused};

use crate::error::JournalError;

/// A directory of files as the journal needs it. Names are relative to the data directory, such as
/// `journal/00000001.segment`; the two levels are all there are.
pub trait Storage: Send + Sync + 'static {
    /// Takes the directory for one writer; dropping the guard releases it.
    ///
    /// # Errors
    /// [`JournalError::Locked`] names the process that holds it.
    fn lock(&self) -> Result<Box<dyn Send + Sync>, JournalError>;

    /// The names in a directory, sorted; none if it does not exist.
    ///
    /// # Errors
    /// If the directory cannot be read.
    fn list(&self, directory: &str) -> Result<Vec<String>, JournalError>;

    /// Makes a directory if it is missing, and its entry durable.
    ///
    /// # Errors
    /// If it cannot be made.
    fn create_directory(&self, directory: &str) -> Result<(), JournalError>;

    /// Makes an empty file, replacing one of that name.
    ///
    /// # Errors
    /// If it cannot be made.
    fn create(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError>;

    /// Opens a file, for reading only if `writable` is not set.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn open(&self, name: &str, writable: bool) -> Result<Arc<dyn StorageFile>, JournalError>;

    /// Makes an empty file for a stream of bytes, written once from its beginning to its end and synced then.
    ///
    /// # Errors
    /// If it cannot be made.
    fn create_stream(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        self.create(name)
    }

    /// Opens a file that is read once from its beginning to its end.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn open_stream(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        self.open(name, false)
    }

    /// Opens a complete segment in the way the writer appends to it fastest.
    ///
    /// # Errors
    /// If it cannot be opened or mapped.
    fn open_segment(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        self.open(name, true)
    }

    /// Lets go of the memory that a file's bytes take: nobody is expected to read them soon. What has not been written to the
    /// disk, or is mapped, stays. Only a hint, so it cannot fail.
    fn uncache(&self, _name: &str) {}

    /// Removes a file.
    ///
    /// # Errors
    /// If it cannot be removed.
    fn remove(&self, name: &str) -> Result<(), JournalError>;

    /// Gives a file another name in the same directory, replacing what had it.
    ///
    /// # Errors
    /// If it cannot be renamed.
    fn rename(&self, from: &str, to: &str) -> Result<(), JournalError>;

    /// Makes the entries of a directory durable; `""` is the data directory itself.
    ///
    /// # Errors
    /// If the sync failed.
    fn sync_directory(&self, directory: &str) -> Result<(), JournalError>;

    /// A name as people know it, for messages.
    fn path(&self, name: &str) -> PathBuf;

    /// A whole small file, or nothing if it does not exist.
    ///
    /// # Errors
    /// If it exists and cannot be read.
    fn read_small(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        let (directory, file_name) = name.rsplit_once('/').unwrap_or(("", name));
        if !self.list(directory)?.iter().any(|found| found == file_name) {
            return Ok(None);
        }
        let file = self.open(name, false)?;
        let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
        let read = read_full(&*file, 0, &mut bytes)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }

    /// Writes a small file so that after a crash either the old one or the whole new one is there.
    ///
    /// # Errors
    /// If any step failed; the old file then still stands.
    fn write_small(&self, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        let temporary = format!("{name}{TEMPORARY_SUFFIX}");
        let file = self.create(&temporary)?;
        file.write_at(0, bytes)?;
        file.sync(0..bytes.len() as u64)?;
        self.rename(&temporary, name)?;
        self.sync_directory(name.rsplit_once('/').map_or("", |(directory, _)| directory))
    }
}

/// Points of the disk seam at which this build can be told to fail: none, as a release should have it.
#[cfg(not(feature = "faults"))]
pub const FAULT_POINTS: &[FaultPoint] = &[];

/// A point of the disk seam: its name, and whether a call there can be stopped half way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPoint {
    /// What is done to which kind of file, such as `segment.sync`.
    pub name: &'static str,
    /// The call moves bytes, and may have moved half of them.
    pub has_half: bool,
}

/// The storage itself: this build cannot be told to fail. With the feature `faults` it can, by an environment variable.
///
/// # Errors
/// None.
#[cfg(not(feature = "faults"))]
pub fn faulty_if_told(storage: Arc<dyn Storage>) -> Result<Arc<dyn Storage>, JournalError> {
    Ok(storage)
}

/// The ending of a file that is not complete yet; such a file means nothing and is removed at open.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// An open file of a [`Storage`].
pub trait StorageFile: Send + Sync {
    /// Reads at an offset; fewer bytes than asked for only at the end of the file.
    ///
    /// # Errors
    /// If the read failed.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, JournalError>;

    /// Writes all of `bytes` at an offset.
    ///
    /// # Errors
    /// If the write failed; part of it may have happened.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), JournalError>;

    /// Writes like [`StorageFile::write_at`], but with the least cost a call even if the sync then costs more: for a
    /// stream of batches, where a write call each would be the larger part of the work.
    ///
    /// # Errors
    /// As [`StorageFile::write_at`].
    fn copy_at(&self, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
        self.write_at(offset, bytes)
    }

    /// Makes at least the given range durable, with the file's length.
    ///
    /// # Errors
    /// If the sync failed; what is durable is then unknown and must not be tried again.
    fn sync(&self, range: Range<u64>) -> Result<(), JournalError>;

    /// Looks whether the file still is what was opened, as long as nothing else is asked of it.
    ///
    /// # Errors
    /// If it was truncated.
    fn check_whole(&self) -> Result<(), JournalError> {
        Ok(())
    }

    /// Takes room on the disk for `bytes` before they are written, so that a full disk is found at once.
    ///
    /// # Errors
    /// [`JournalError::DiskFull`] if there is no room.
    fn allocate(&self, bytes: u64) -> Result<(), JournalError>;

    /// The file's length.
    ///
    /// # Errors
    /// If it cannot be asked for.
    fn len(&self) -> Result<u64, JournalError>;

    /// Whether the file holds no byte.
    ///
    /// # Errors
    /// If its length cannot be asked for.
    fn is_empty(&self) -> Result<bool, JournalError> {
        Ok(self.len()? == 0)
    }
}

/// Reads until the buffer is full or the file ends; returns how much there was.
pub(crate) fn read_full(
    file: &dyn StorageFile,
    offset: u64,
    buffer: &mut [u8],
) -> Result<usize, JournalError> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(offset + done as u64, &mut buffer[done..])? {
            0 => break,
            read => done += read,
        }
    }
    Ok(done)
}
