//! A real directory, written by positional writes and fdatasync.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::stream::{StreamReader, StreamWriter};
use super::{Storage, StorageFile};
use crate::error::JournalError;

const LOCK_FILE: &str = "lock";
const PID_WRITTEN_WITHIN: Duration = Duration::from_millis(50);
/// How often a lock's file is looked at until it names a process that there is.
const PID_LOOKS_MAX: u32 = 20;

/// A data directory whose segments are written by `pwrite` and made durable by `fdatasync`. Slower than
/// [`MappedStorage`](super::MappedStorage), and the way out where mapping is not wanted.
#[derive(Clone, Debug)]
pub struct PositionalStorage {
    root: PathBuf,
}

impl PositionalStorage {
    /// The directory need not exist yet; locking it for a writer makes it.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn resolve(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }

    pub(super) fn open_file(&self, name: &str, writable: bool) -> Result<(File, PathBuf), JournalError> {
        let path = self.resolve(name);
        let file = OpenOptions::new()
            .read(true)
            .write(writable)
            .open(&path)
            .map_err(|source| JournalError::io("open", &path, source))?;
        Ok((file, path))
    }
}

impl Storage for PositionalStorage {
    fn lock(&self) -> Result<Box<dyn Send + Sync>, JournalError> {
        fs::create_dir_all(&self.root).map_err(|source| JournalError::io("create", &self.root, source))?;
        if let Some(parent) = self.root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_directory_at(parent)?;
        }
        let path = self.resolve(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| JournalError::io("open", &path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { path, pid: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(JournalError::io("lock", &path, source)),
        }
        let text = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(|source| JournalError::io("write", &path, source))?;
        Ok(Box::new(file))
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, JournalError> {
        let path = self.resolve(directory);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(JournalError::io("list", &path, source)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| JournalError::io("list", &path, source))?;
            // Names the journal gives are plain text; any other name is not ours to judge.
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_directory(&self, directory: &str) -> Result<(), JournalError> {
        let path = self.resolve(directory);
        fs::create_dir_all(&path).map_err(|source| JournalError::io("create", &path, source))?;
        sync_directory_at(&self.root)
    }

    fn create(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        let path = self.resolve(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(|source| JournalError::io("create", &path, source))?;
        Ok(Arc::new(PositionalFile { file, path }))
    }

    fn open(&self, name: &str, writable: bool) -> Result<Arc<dyn StorageFile>, JournalError> {
        let (file, path) = self.open_file(name, writable)?;
        Ok(Arc::new(PositionalFile { file, path }))
    }

    fn create_stream(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        Ok(Arc::new(StreamWriter::create(self.resolve(name))?))
    }

    fn open_stream(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        Ok(Arc::new(StreamReader::open(self.resolve(name))?))
    }

    fn uncache(&self, name: &str) {
        if let Ok((file, _)) = self.open_file(name, false) {
            // What the system makes of a hint is its own affair.
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }

    fn remove(&self, name: &str) -> Result<(), JournalError> {
        let path = self.resolve(name);
        fs::remove_file(&path).map_err(|source| JournalError::io("remove", &path, source))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), JournalError> {
        let path = self.resolve(from);
        fs::rename(&path, self.resolve(to)).map_err(|source| JournalError::io("rename", &path, source))
    }

    fn sync_directory(&self, directory: &str) -> Result<(), JournalError> {
        sync_directory_at(&self.resolve(directory))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.resolve(name)
    }
}

/// The process that holds a lock, as the lock's file says: it writes its id once it has the lock. Until then the file is empty or
/// names one that is gone, and on a busy machine that can take a while.
fn holder(file: &mut File) -> String {
    let mut pid = String::new();
    for _ in 0..PID_LOOKS_MAX {
        std::thread::sleep(PID_WRITTEN_WITHIN);
        pid.clear();
        let read = file.rewind().and_then(|()| file.read_to_string(&mut pid));
        if read.is_ok() && is_process(pid.trim()) {
            break;
        }
    }
    let pid = pid.trim();
    if pid.is_empty() { "unknown" } else { pid }.to_owned()
}

/// Whether this is the id of a process that there is. One of another container is not seen from here.
fn is_process(pid: &str) -> bool {
    let pid = pid.parse().ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

fn sync_directory_at(path: &Path) -> Result<(), JournalError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| JournalError::io("sync", path, source))
}

struct PositionalFile {
    file: File,
    path: PathBuf,
}

impl StorageFile for PositionalFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, JournalError> {
        read_file(&self.file, &self.path, offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
        write_file(&self.file, &self.path, offset, bytes)
    }

    fn sync(&self, _range: Range<u64>) -> Result<(), JournalError> {
        self.file.sync_data().map_err(|source| JournalError::io("sync", &self.path, source))
    }

    fn allocate(&self, bytes: u64) -> Result<(), JournalError> {
        allocate_file(&self.file, &self.path, bytes)
    }

    fn len(&self) -> Result<u64, JournalError> {
        file_len(&self.file, &self.path)
    }
}

pub(super) fn read_file(
    file: &File,
    path: &Path,
    offset: u64,
    buffer: &mut [u8],
) -> Result<usize, JournalError> {
    loop {
        match file.read_at(buffer, offset) {
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => return Err(JournalError::io("read", path, source)),
        }
    }
}

pub(super) fn write_file(file: &File, path: &Path, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
    file.write_all_at(bytes, offset).map_err(|source| JournalError::io("write", path, source))
}

pub(super) fn allocate_file(file: &File, path: &Path, bytes: u64) -> Result<(), JournalError> {
    // Asked first: a refused allocation would for a moment take what little is left from everybody else.
    let free_bytes = rustix::fs::fstatvfs(file).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    if free_bytes.is_ok_and(|free_bytes| free_bytes < bytes) {
        return Err(JournalError::DiskFull { action: "allocate", path: path.to_owned() });
    }
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        // A file system without the call finds a full disk when the zeros are written.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(JournalError::io("allocate", path, error.into())),
    }
}

/// The length by seeking to the end, which no other access minds, for all go by position. `fstat` would ask for the
/// times as well, and the kernel then stamps the next write with a time of its own, for which the next sync writes the
/// inode to the disk: a third more for a small one.
pub(super) fn file_len(mut file: &File, path: &Path) -> Result<u64, JournalError> {
    file.seek(SeekFrom::End(0)).map_err(|source| JournalError::io("inspect", path, source))
}
