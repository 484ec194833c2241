//! Snapshot files.

/// The directory of the snapshots below the data directory.
pub(crate) const SNAPSHOT_DIRECTORY: &str = "snapshots";
