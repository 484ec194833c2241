//! A storage that remembers what was synced, so that a test can take the power away at any moment.
//!
//! A file is a current image plus, for each 512-byte sector written since its last sync, every version the disk might
//! hold instead. A directory is its current entries plus the changes not yet synced. After a crash each sector holds
//! any one of its versions and each change of an entry happened or did not, as the caller chooses.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::{Storage, StorageFile};
use crate::error::JournalError;

/// What a disk writes at once or not at all.
const SECTOR_BYTES: u64 = 512;

/// A data directory in memory. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    locked: Arc<AtomicBool>,
    directory: Mutex<Directory>,
    faults: Arc<Mutex<Faults>>,
}

/// Chooses among `n` versions at a crash, given `n`; 0 is the oldest, what was last synced, and `n - 1` the newest.
pub type CrashChoice<'a> = dyn FnMut(usize) -> usize + 'a;

type Files = BTreeMap<String, Arc<Mutex<Image>>>;

#[derive(Default)]
struct Directory {
    current: Files,
    durable: Files,
    /// Changes since the last sync of their directory, in order.
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Create(String, Arc<Mutex<Image>>),
    Remove(String),
    Rename(String, String),
}

impl Change {
    fn directory(&self) -> &str {
        let (Self::Create(name, _) | Self::Remove(name) | Self::Rename(_, name)) = self;
        name.rsplit_once('/').map_or("", |(directory, _)| directory)
    }

    fn apply(&self, files: &mut Files) {
        match self {
            Self::Create(name, image) => {
                files.insert(name.clone(), Arc::clone(image));
            }
            Self::Remove(name) => {
                files.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(image) = files.remove(from) {
                    files.insert(to.clone(), image);
                }
            }
        }
    }
}

#[derive(Clone, Default)]
struct Image {
    bytes: Vec<u8>,
    synced_len: usize,
    /// For each sector written since its last sync: what it held then, and after each write.
    versions: BTreeMap<u64, Vec<Vec<u8>>>,
}

impl Image {
    fn sector(&self, sector: u64) -> Vec<u8> {
        let start = self.bytes.len().min((sector * SECTOR_BYTES) as usize);
        let end = self.bytes.len().min(start + SECTOR_BYTES as usize);
        let mut bytes = self.bytes[start..end].to_vec();
        bytes.resize(SECTOR_BYTES as usize, 0);
        bytes
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset as usize + bytes.len();
        let sectors = offset / SECTOR_BYTES..=(end as u64 - 1) / SECTOR_BYTES;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        for sector in sectors {
            let from = (sector * SECTOR_BYTES).max(offset) as usize;
            let to = (((sector + 1) * SECTOR_BYTES) as usize).min(end);
            let written = &bytes[from - offset as usize..to - offset as usize];
            // What holds the same bytes afterwards has no other version: a segment's zeros cost nothing here.
            if self.bytes[from..to] == *written {
                continue;
            }
            if !self.versions.contains_key(&sector) {
                self.versions.insert(sector, vec![self.sector(sector)]);
            }
            self.bytes[from..to].copy_from_slice(written);
            let after = self.sector(sector);
            self.versions.entry(sector).or_default().push(after);
        }
    }

    fn sync(&mut self, range: &Range<u64>) {
        self.versions.retain(|sector, _| {
            (sector + 1) * SECTOR_BYTES <= range.start || sector * SECTOR_BYTES >= range.end
        });
        self.synced_len = self.bytes.len();
    }

    fn crashed(&self, choose: &mut CrashChoice<'_>) -> Self {
        let mut bytes = self.bytes.clone();
        for (sector, versions) in &self.versions {
            let chosen = &versions[choose(versions.len()).min(versions.len() - 1)];
            let start = bytes.len().min((sector * SECTOR_BYTES) as usize);
            let end = bytes.len().min(start + SECTOR_BYTES as usize);
            bytes[start..end].copy_from_slice(&chosen[..end - start]);
        }
        if self.synced_len < bytes.len() && choose(2) == 0 {
            bytes.truncate(self.synced_len);
        }
        Self { synced_len: bytes.len(), bytes, versions: BTreeMap::new() }
    }
}

/// How often something was refused, for a fault that was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Writes that failed.
    pub writes: u64,
    /// Syncs that failed.
    pub syncs: u64,
    /// Writes that a full disk did not take.
    pub full: u64,
}

#[derive(Default)]
struct Faults {
    refused: Refused,
    /// Changes of any kind that were asked for.
    changes: u64,
    /// The power goes with this change, which may or may not have happened then.
    cut_at: Option<u64>,
    is_cut: bool,
    writes: u64,
    syncs: u64,
    fail_write: Option<u64>,
    fail_sync: Option<u64>,
    capacity_bytes: Option<u64>,
    used_bytes: u64,
}

impl MemoryStorage {
    /// An empty directory on an endless disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The directory as it is found after a power loss now. Each choice falls on one sector, one file length or one
    /// directory entry, in a fixed order.
    pub fn crash(&self, choose: &mut CrashChoice<'_>) -> Self {
        let directory = self.inner.directory.lock();
        let mut files = directory.durable.clone();
        for change in &directory.unsynced {
            if choose(2) == 1 {
                change.apply(&mut files);
            }
        }
        let crashed = files
            .into_iter()
            .map(|(name, image)| (name, Arc::new(Mutex::new(image.lock().crashed(choose)))))
            .collect::<Files>();
        let used_bytes = crashed.values().map(|image| image.lock().bytes.len() as u64).sum();
        let after = Self::new();
        *after.inner.directory.lock() =
            Directory { current: crashed.clone(), durable: crashed, unsynced: Vec::new() };
        after.inner.faults.lock().used_bytes = used_bytes;
        after
    }

    /// Fails the `number`th write from now with an I/O error; 1 is the next.
    pub fn fail_write(&self, number: u64) {
        let mut faults = self.inner.faults.lock();
        faults.fail_write = Some(faults.writes + number);
    }

    /// Fails the `number`th sync from now with an I/O error, leaving everything unsynced; 1 is the next.
    pub fn fail_sync(&self, number: u64) {
        let mut faults = self.inner.faults.lock();
        faults.fail_sync = Some(faults.syncs + number);
    }

    /// Takes the power away with the `number`th change from now (a write, a sync, an entry of a directory made, renamed
    /// or removed): that one may or may not happen, and all that follow fail. 1 is the next.
    pub fn cut_power(&self, number: u64) {
        let mut faults = self.inner.faults.lock();
        faults.cut_at = Some(faults.changes + number);
    }

    /// Whether the power has gone, so that nothing is left but [`MemoryStorage::crash`].
    pub fn is_cut(&self) -> bool {
        self.inner.faults.lock().is_cut
    }

    /// The same directory in the hands of another process, for the first one was killed where [`MemoryStorage::cut_power`]
    /// said: what it had written is all there, and what it had not synced still is not.
    pub fn revive(&self) {
        let mut faults = self.inner.faults.lock();
        (faults.is_cut, faults.cut_at) = (false, None);
    }

    /// What was refused so far, for a fault that was asked for.
    pub fn refused(&self) -> Refused {
        self.inner.faults.lock().refused
    }

    /// Forgets every fault that was asked for and has not come.
    pub fn calm(&self) {
        let mut faults = self.inner.faults.lock();
        (faults.cut_at, faults.fail_write, faults.fail_sync) = (None, None, None);
    }

    /// Changes of any kind so far: what [`MemoryStorage::cut_power`] counts.
    pub fn changes(&self) -> u64 {
        self.inner.faults.lock().changes
    }

    /// How many syncs were asked for so far.
    pub fn syncs(&self) -> u64 {
        self.inner.faults.lock().syncs
    }

    /// Makes the disk full beyond this many bytes, or endless again.
    pub fn set_capacity(&self, capacity_bytes: Option<u64>) {
        self.inner.faults.lock().capacity_bytes = capacity_bytes;
    }

    /// Bytes in all files.
    pub fn used_bytes(&self) -> u64 {
        self.inner.faults.lock().used_bytes
    }

    /// Flips one bit of a file as a failing disk would, if the file is that long.
    pub fn flip_bit(&self, name: &str, offset: u64, bit: u8) {
        self.edit(name, |bytes| {
            if let Some(byte) = bytes.get_mut(offset as usize) {
                *byte ^= 1 << bit;
            }
        });
    }

    /// Changes a file's bytes behind the journal's back.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(image) = self.inner.directory.lock().current.get(name) {
            let mut image = image.lock();
            change(&mut image.bytes);
            image.synced_len = image.bytes.len();
            image.versions.clear();
        }
    }

    /// A copy of everything as it is now, all of it durable.
    pub fn duplicate(&self) -> Self {
        let after = Self::new();
        let files = self.inner.directory.lock().current.clone();
        let copy = files
            .into_iter()
            .map(|(name, image)| {
                let bytes = image.lock().bytes.clone();
                let image = Image { synced_len: bytes.len(), bytes, versions: BTreeMap::new() };
                (name, Arc::new(Mutex::new(image)))
            })
            .collect::<Files>();
        after.inner.faults.lock().used_bytes = self.used_bytes();
        *after.inner.directory.lock() =
            Directory { current: copy.clone(), durable: copy, unsynced: Vec::new() };
        after
    }

    fn find(&self, action: &'static str, name: &str) -> Result<Arc<Mutex<Image>>, JournalError> {
        let found = self.inner.directory.lock().current.get(name).cloned();
        found.ok_or_else(|| JournalError::io(action, &self.path(name), io::ErrorKind::NotFound.into()))
    }

    fn file(&self, name: &str, image: Arc<Mutex<Image>>) -> Arc<dyn StorageFile> {
        Arc::new(MemoryFile { path: self.path(name), image, faults: Arc::clone(&self.inner.faults) })
    }

    fn change(&self, change: Change) {
        let mut directory = self.inner.directory.lock();
        change.apply(&mut directory.current);
        directory.unsynced.push(change);
    }

    /// Counts a change of a directory; the power may go with it.
    fn cut(&self, name: &str) -> Result<Option<JournalError>, JournalError> {
        self.inner.faults.lock().change(&self.path(name))
    }

    fn free(&self, name: &str) {
        if let Some(image) = self.inner.directory.lock().current.get(name) {
            let bytes = image.lock().bytes.len() as u64;
            let mut faults = self.inner.faults.lock();
            faults.used_bytes = faults.used_bytes.saturating_sub(bytes);
        }
    }
}

struct MemoryLock {
    locked: Arc<AtomicBool>,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.locked.store(false, Ordering::Release);
    }
}

impl Storage for MemoryStorage {
    fn lock(&self) -> Result<Box<dyn Send + Sync>, JournalError> {
        if self.inner.locked.swap(true, Ordering::AcqRel) {
            let pid = std::process::id().to_string();
            return Err(JournalError::Locked { path: self.path("lock"), pid });
        }
        Ok(Box::new(MemoryLock { locked: Arc::clone(&self.inner.locked) }))
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, JournalError> {
        let inner = self.inner.directory.lock();
        let in_directory = |name: &String| {
            let (parent, file_name) = name.rsplit_once('/').unwrap_or(("", name));
            (parent == directory).then(|| file_name.to_owned())
        };
        Ok(inner.current.keys().filter_map(in_directory).collect())
    }

    fn create_directory(&self, _directory: &str) -> Result<(), JournalError> {
        Ok(())
    }

    fn create(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        let cut = self.cut(name)?;
        self.free(name);
        let image = Arc::new(Mutex::new(Image::default()));
        self.change(Change::Create(name.to_owned(), Arc::clone(&image)));
        cut.map_or_else(|| Ok(self.file(name, image)), Err)
    }

    fn open(&self, name: &str, _writable: bool) -> Result<Arc<dyn StorageFile>, JournalError> {
        Ok(self.file(name, self.find("open", name)?))
    }

    fn remove(&self, name: &str) -> Result<(), JournalError> {
        self.find("remove", name)?;
        let cut = self.cut(name)?;
        self.free(name);
        self.change(Change::Remove(name.to_owned()));
        cut.map_or(Ok(()), Err)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), JournalError> {
        self.find("rename", from)?;
        let cut = self.cut(from)?;
        self.free(to);
        self.change(Change::Rename(from.to_owned(), to.to_owned()));
        cut.map_or(Ok(()), Err)
    }

    fn sync_directory(&self, directory: &str) -> Result<(), JournalError> {
        self.inner.faults.lock().sync(&self.path(directory))?;
        let mut inner = self.inner.directory.lock();
        let (synced, unsynced) = std::mem::take(&mut inner.unsynced)
            .into_iter()
            .partition::<Vec<_>, _>(|change| change.directory() == directory);
        for change in &synced {
            change.apply(&mut inner.durable);
        }
        inner.unsynced = unsynced;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("memory").join(name)
    }
}

impl Faults {
    /// Counts a change. An error: the power has gone before it; an error within: it goes with it.
    fn change(&mut self, path: &Path) -> Result<Option<JournalError>, JournalError> {
        let gone = || JournalError::io("reach, for its power is gone,", path, rustix::io::Errno::IO.into());
        if self.is_cut {
            return Err(gone());
        }
        self.changes += 1;
        self.is_cut = self.cut_at == Some(self.changes);
        Ok(self.is_cut.then(gone))
    }

    /// Counts a sync. Where the power goes with it, it is as if it had not been: each sector may be on the disk or not.
    fn sync(&mut self, path: &Path) -> Result<(), JournalError> {
        if let Some(gone) = self.change(path)? {
            return Err(gone);
        }
        self.syncs += 1;
        if self.fail_sync == Some(self.syncs) {
            self.refused.syncs += 1;
            return Err(JournalError::io("sync", path, rustix::io::Errno::IO.into()));
        }
        Ok(())
    }
}

struct MemoryFile {
    path: PathBuf,
    image: Arc<Mutex<Image>>,
    faults: Arc<Mutex<Faults>>,
}

impl StorageFile for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, JournalError> {
        let image = self.image.lock();
        let start = image.bytes.len().min(offset as usize);
        let length = buffer.len().min(image.bytes.len() - start);
        buffer[..length].copy_from_slice(&image.bytes[start..start + length]);
        Ok(length)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
        let mut image = self.image.lock();
        let mut faults = self.faults.lock();
        let cut = faults.change(&self.path)?;
        faults.writes += 1;
        if faults.fail_write == Some(faults.writes) {
            faults.refused.writes += 1;
            return Err(JournalError::io("write", &self.path, rustix::io::Errno::IO.into()));
        }
        let grows = (offset + bytes.len() as u64).saturating_sub(image.bytes.len() as u64);
        if faults.capacity_bytes.is_some_and(|capacity| faults.used_bytes + grows > capacity && grows > 0) {
            faults.refused.full += 1;
            return Err(JournalError::io("write", &self.path, io::ErrorKind::StorageFull.into()));
        }
        faults.used_bytes += grows;
        image.write(offset, bytes);
        cut.map_or(Ok(()), Err)
    }

    fn sync(&self, range: Range<u64>) -> Result<(), JournalError> {
        let mut image = self.image.lock();
        self.faults.lock().sync(&self.path)?;
        image.sync(&range);
        Ok(())
    }

    fn allocate(&self, _bytes: u64) -> Result<(), JournalError> {
        Ok(())
    }

    fn len(&self) -> Result<u64, JournalError> {
        Ok(self.image.lock().bytes.len() as u64)
    }
}
