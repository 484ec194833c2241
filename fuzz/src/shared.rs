//! What several targets need: checksums that fit, a directory in memory, and edits that a fuzzer can make.

#![allow(dead_code)] // Each target uses its own part.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use orderline_journal::{MemoryStorage, Storage};
use orderline_protocol::frame::{FRAME_HEADER_BYTES, WIRE_VERSION};
use orderline_protocol::limits::FRAME_PAYLOAD_BYTES_MAX;

/// Gives frames, one behind the other, the version and the checksum that they must have, so that what is behind those is
/// reached. What is no whole frame stays as it is.
pub fn refit_frames(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + FRAME_HEADER_BYTES) {
        let payload_bytes = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let end = at + FRAME_HEADER_BYTES + payload_bytes.min(FRAME_PAYLOAD_BYTES_MAX + 1);
        if end > bytes.len() {
            return;
        }
        bytes[at + 9] = WIRE_VERSION;
        let checksum = crc32c::crc32c(&bytes[at + 8..end]);
        bytes[at + 4..at + 8].copy_from_slice(&checksum.to_le_bytes());
        at = end;
    }
}

/// What of a folder is of the newest version: the name that ends with the highest number behind this beginning.
pub fn newest(folder: &Path, beginning: &str) -> PathBuf {
    let number = |path: &Path| {
        let name = path.file_name()?.to_str()?.strip_prefix(beginning)?;
        name.trim_end_matches(".hex").parse::<u32>().ok()
    };
    let entries =
        std::fs::read_dir(folder).expect("a golden folder").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| number(path).is_some()).max_by_key(|path| number(path)).expect("a golden version")
}

/// The files of the newest golden directory, by their names in it.
pub fn golden_files() -> Vec<(String, Vec<u8>)> {
    let root = newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden"), "v");
    let mut files = Vec::new();
    for folder in ["", "journal", "snapshots"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("the golden directory is there") {
            let entry = entry.expect("an entry");
            if entry.path().is_file() {
                let name = entry.file_name().into_string().expect("a name");
                let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                files.push((name, std::fs::read(entry.path()).expect("a golden file")));
            }
        }
    }
    files.sort();
    files
}

/// A directory in memory with these files, all of it durable.
pub fn storage_of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> MemoryStorage {
    let storage = MemoryStorage::new();
    for (name, bytes) in files {
        let file = storage.create(name).expect("create");
        file.write_at(0, bytes).expect("write");
        file.sync(0..bytes.len() as u64).expect("sync");
    }
    for folder in ["", "journal", "snapshots"] {
        storage.sync_directory(folder).expect("sync");
    }
    storage
}

pub fn shared(storage: MemoryStorage) -> Arc<dyn Storage> {
    Arc::new(storage)
}

/// Bytes taken one after the other; zeros when they are used up.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn u8(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub fn u16(&mut self) -> u16 {
        u16::from(self.u8()) | u16::from(self.u8()) << 8
    }

    pub fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }

    pub fn u64(&mut self) -> u64 {
        u64::from(self.u32()) | u64::from(self.u32()) << 32
    }

    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (now, later) = self.0.split_at(count.min(self.0.len()));
        self.0 = later;
        now
    }
}

/// One edit of some bytes, as `from` says: a byte, a run of zeros, sectors that swap, a cut, bytes of the fuzzer's own.
pub fn edit(bytes: &mut Vec<u8>, from: &mut Bytes<'_>) {
    let kind = from.u8();
    if bytes.is_empty() {
        return;
    }
    let at = from.u32() as usize % bytes.len();
    match kind % 6 {
        0 => bytes[at] ^= 1 << (from.u8() % 8),
        1 => bytes[at] = from.u8(),
        2 => {
            let end = (at + usize::from(from.u16())).min(bytes.len());
            bytes[at..end].fill(0);
        }
        3 => {
            let (one, other) = (at / 512 * 512, from.u32() as usize % bytes.len() / 512 * 512);
            for offset in 0..512 {
                if one.max(other) + offset < bytes.len() {
                    bytes.swap(one + offset, other + offset);
                }
            }
        }
        4 => bytes.truncate(at),
        _ => {
            let length = usize::from(from.u8() % 64);
            let own = from.take(length);
            let end = (at + own.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&own[..end - at]);
        }
    }
}
