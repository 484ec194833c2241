//! A data directory at rest, read without changing it: what `verify`, `replay`, `inspect` and the drill share.

use std::path::Path;
use std::sync::Arc;

use orderline_core::State;
use orderline_core::snapshot::{self, Loaded};
use orderline_journal::{JournalError, PositionalStorage, Reader, Start, Storage};

use crate::verb::Refusal;

/// A directory opened for reading, and the state at the place where reading starts.
pub(crate) struct Offline {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) reader: Reader,
    pub(crate) state: State,
    /// The sequence of the snapshot that the state comes from; 0: none.
    pub(crate) snapshot_sequence: u64,
}

/// From where a directory is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFrom {
    /// The first record that the journal still has.
    Oldest,
    /// The newest good snapshot.
    Snapshot,
}

/// Opens a directory for reading. A running server may have it open, too; then what it has written so far is read.
pub(crate) fn open(directory: &Path, from: ReadFrom) -> Result<Offline, Refusal> {
    let storage: Arc<dyn Storage> = Arc::new(PositionalStorage::new(directory));
    let seed = random_seed();
    let oldest = Reader::open(Arc::clone(&storage), Start::Oldest)?;
    let loaded = match from {
        ReadFrom::Snapshot => snapshot::load_newest(&storage, oldest.store_id(), seed)?,
        ReadFrom::Oldest => Loaded::nothing(seed),
    };
    for refused in &loaded.refused {
        eprintln!("passed over: {refused}");
    }
    let reader = Reader::open(Arc::clone(&storage), loaded.start)?;
    Ok(Offline { storage, reader, state: loaded.state, snapshot_sequence: loaded.sequence })
}

/// Opens a directory at the earliest place that a state can be had for: the first record, or, where the journal's first
/// segments were removed, the newest good snapshot.
pub(crate) fn open_earliest(directory: &Path) -> Result<Offline, Refusal> {
    let offline = open(directory, ReadFrom::Oldest)?;
    if offline.reader.position().segment > 1 { open(directory, ReadFrom::Snapshot) } else { Ok(offline) }
}

/// Whether a directory holds a store at all; one that was killed while it was made may not.
pub(crate) fn holds_store(directory: &Path) -> bool {
    let storage: Arc<dyn Storage> = Arc::new(PositionalStorage::new(directory));
    !matches!(Reader::open(storage, Start::Oldest), Err(JournalError::NoStore { .. }))
}

/// A seed for hash tables: different in every process, and never written anywhere.
pub(crate) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
