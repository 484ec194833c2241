//! Snapshots of the state: made while orders flow (`maker`, over the `seam` to the engine), found and checked at start.

mod ahead;
mod maker;
mod seam;

use std::sync::Arc;

use orderline_journal::snapshot::list_snapshots;
use orderline_journal::{SnapshotReader, Start, Storage};
use orderline_protocol::Sequence;

pub use maker::{NeededFrom, Pace, SnapshotPlan, Snapshotter, Stepped};
pub use seam::MakerEnd;
pub(crate) use seam::{WalkerEnd, seam};

use crate::error::RecoveryError;
use crate::state::{ImageError, State, StateHash};

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

/// Loads the newest good snapshot of a store, or nothing if it has none. `seed` as in [`State::new`].
///
/// The state is built while the file is read, piece by checked piece; a snapshot that turns out not to be good
/// on the way is passed over for the one before, for the journal reaches back to it.
///
/// # Errors
/// When the directory cannot be read.
pub fn load_newest(storage: &Arc<dyn Storage>, store_id: u128, seed: u64) -> Result<Loaded, RecoveryError> {
    let mut refused = Vec::new();
    for sequence in list_snapshots(&**storage)? {
        let opened = SnapshotReader::open(&**storage, store_id, sequence).map_err(RecoveryError::from);
        let built = opened.and_then(|reader| {
            let position = reader.info().position;
            Ok((read_state(reader, seed)?, position))
        });
        match built {
            Ok((state, position)) => {
                return Ok(Loaded { state, start: Start::At(position), sequence, refused });
            }
            Err(error) => refused.push(format!("the snapshot at sequence {sequence}: {error}")),
        }
    }
    Ok(Loaded { refused, ..Loaded::nothing(seed) })
}

fn read_state(reader: SnapshotReader, seed: u64) -> Result<State, RecoveryError> {
    let info = reader.info().clone();
    let state = ahead::read(reader, |sections| {
        let state = State::read_image(seed, |tag, read| {
            let found = sections.next_section()?;
            if found != Some(tag) {
                let why = format!("section {found:?} stands in its place");
                return Err(ImageError::Section { tag, why });
            }
            read(sections)
        })?;
        // Behind the last section the whole file's hash is checked.
        match sections.next_section()? {
            Some(tag) => Err(ImageError::Section { tag, why: "no such section is known".to_owned() }),
            None => Ok(state),
        }
    })?;
    if state.sequence() != info.sequence {
        let why = format!("it stands at sequence {}, its file at {}", state.sequence(), info.sequence);
        return Err(ImageError::Section { tag: 0, why }.into());
    }
    Ok(state)
}

/// All snapshots of a store, read and built.
#[derive(Debug, Default)]
pub struct Snapshots {
    /// The sequences of the good ones with the hashes of the states in them (computed, not taken at their word),
    /// oldest first.
    pub good: Vec<(Sequence, StateHash)>,
    /// What is wrong with the others.
    pub wrong: Vec<String>,
}

/// Reads and builds every snapshot of a store.
///
/// # Errors
/// When the directory cannot be read.
pub fn examine_all(
    storage: &Arc<dyn Storage>,
    store_id: u128,
    seed: u64,
) -> Result<Snapshots, RecoveryError> {
    let Snapshots { mut good, mut wrong } = Snapshots::default();
    for sequence in list_snapshots(&**storage)? {
        let opened = SnapshotReader::open_verified(&**storage, store_id, sequence);
        let built = opened.map_err(RecoveryError::from).and_then(|reader| {
            let said = StateHash(reader.info().state_hash);
            Ok((said, read_state(reader, seed)?.hash()))
        });
        match built {
            Ok((said, hash)) if said == hash => good.push((sequence, hash)),
            Ok((said, hash)) => {
                wrong.push(format!("the snapshot at {sequence} says state hash {said} and holds {hash}"));
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
    good.reverse();
    Ok(Snapshots { good, wrong })
}
