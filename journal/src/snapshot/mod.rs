//! Snapshot files: a state at one sequence, in opaque sections, with the place where the log goes on.

mod reader;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

pub use reader::SnapshotReader;
pub use writer::SnapshotWriter;

use crate::error::JournalError;
use crate::position::Position;
use crate::storage::Storage;

/// The directory of the snapshots below the data directory.
pub(crate) const SNAPSHOT_DIRECTORY: &str = "snapshots";
const SUFFIX: &str = ".snapshot";
/// So many generations stay: if the newest turns out damaged, the one before and a longer replay take its place.
const GENERATIONS: usize = 2;

/// What a snapshot file says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// The file.
    pub path: PathBuf,
    /// The last sequence that is in it.
    pub sequence: u64,
    /// Where the log goes on.
    pub position: Position,
    /// The hash of the state in it, as the writer's caller computed it.
    pub state_hash: u128,
    /// The file's length.
    pub bytes: u64,
}

pub(crate) fn snapshot_name(sequence: u64) -> String {
    format!("{SNAPSHOT_DIRECTORY}/{sequence:020}{SUFFIX}")
}

/// The file of the snapshot of a sequence.
pub fn snapshot_path(storage: &dyn Storage, sequence: u64) -> PathBuf {
    storage.path(&snapshot_name(sequence))
}

fn snapshot_sequence(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(SUFFIX)?;
    let sequence: u64 = digits.parse().ok()?;
    (format!("{sequence:020}") == digits).then_some(sequence)
}

/// The sequences of all snapshot files, newest first.
///
/// # Errors
/// If the directory cannot be read.
pub fn list_snapshots(storage: &dyn Storage) -> Result<Vec<u64>, JournalError> {
    let names = storage.list(SNAPSHOT_DIRECTORY)?;
    let mut sequences: Vec<u64> = names.iter().filter_map(|name| snapshot_sequence(name)).collect();
    sequences.sort_unstable_by_key(|sequence| std::cmp::Reverse(*sequence));
    Ok(sequences)
}

/// The newest snapshot that is whole, checked to its last byte, and the newer ones that are not, with the reason.
///
/// # Errors
/// If the directory cannot be read. A damaged file is no error here: the log can stand in for it.
pub fn newest_good(
    storage: &Arc<dyn Storage>,
    store_id: u128,
) -> Result<(Option<SnapshotReader>, Vec<JournalError>), JournalError> {
    let mut rejected = Vec::new();
    for sequence in list_snapshots(&**storage)? {
        match SnapshotReader::open_verified(&**storage, store_id, sequence) {
            Ok(reader) => return Ok((Some(reader), rejected)),
            Err(error) => rejected.push(error),
        }
    }
    Ok((None, rejected))
}
