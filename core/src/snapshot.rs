//! Snapshots of the state: made by a follower of the journal, found and checked at start.
//!
//! The maker never asks the engine for anything: it loads the snapshot before, replays the journal from there up to
//! the watermark, and writes what it then has. So orders flow on meanwhile; the price is a second state in memory
//! while one is made, and a share of the other core.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orderline_journal::snapshot::list_snapshots;
use orderline_journal::{
    JournalError, Reader, SnapshotInfo, SnapshotReader, SnapshotWriter, Start, Storage, Watermark,
};
use orderline_protocol::Sequence;

use crate::recovery::{RecoveryError, replay_batch};
use crate::state::{ImageError, State, StateHash};

/// How long the maker sleeps before it looks again whether a snapshot is due or the server is stopping.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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

fn read_state(mut reader: SnapshotReader, seed: u64) -> Result<State, RecoveryError> {
    let info = reader.info().clone();
    let state = State::read_image(seed, |tag, read| {
        let found = reader.next_section().map_err(|error| journal_error(tag, &error))?;
        if found != Some(tag) {
            let why = format!("section {found:?} stands in its place");
            return Err(ImageError::Section { tag, why });
        }
        read(&mut reader)
    })?;
    // Behind the last section the whole file's hash is checked.
    if let Some(tag) = reader.next_section()? {
        return Err(ImageError::Section { tag, why: "no such section is known".to_owned() }.into());
    }
    if state.sequence() != info.sequence {
        let why = format!("it stands at sequence {}, its file at {}", state.sequence(), info.sequence);
        return Err(ImageError::Section { tag: 0, why }.into());
    }
    Ok(state)
}

fn journal_error(tag: u32, error: &JournalError) -> ImageError {
    ImageError::Section { tag, why: error.to_string() }
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

/// Makes a snapshot of everything up to `up_to`, which must be durable.
///
/// # Errors
/// When the journal or the snapshot before cannot be read, the state breaks an invariant, or the disk refuses. Older
/// snapshots still stand then.
pub fn make(
    storage: &Arc<dyn Storage>,
    store_id: u128,
    up_to: Sequence,
    seed: u64,
    stop: &AtomicBool,
) -> Result<Option<SnapshotInfo>, RecoveryError> {
    let Loaded { mut state, start, .. } = load_newest(storage, store_id, seed)?;
    let mut reader = Reader::open(Arc::clone(storage), start)?;
    while let Some(batch) = reader.next_batch(up_to)? {
        replay_batch(&mut state, &batch)?;
        if stop.load(Ordering::Acquire) {
            return Ok(None);
        }
    }
    // Where a second state is at hand, the invariants are checked: off the engine's thread, over everything.
    let broken = state.check();
    if !broken.is_empty() {
        return Err(RecoveryError::Broken { sequence: state.sequence(), broken });
    }
    let mut writer = SnapshotWriter::create(Arc::clone(storage), store_id, reader.position())?;
    state.write_image(|tag, write| {
        writer.begin_section(tag).map_err(|error| journal_error(tag, &error))?;
        write(&mut writer)
    })?;
    Ok(Some(writer.finish(state.hash().0)?))
}

/// When snapshots are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPlan {
    /// Records between two snapshots; 0: none are made.
    pub every_records: u64,
    /// Remove the segments that lie wholly behind the older of the two snapshots kept.
    pub remove_segments: bool,
    /// The sequence of the newest snapshot that there is.
    pub last_sequence: Sequence,
    /// As in [`State::new`].
    pub seed: u64,
}

/// What makes snapshots while the server runs; [`Snapshotter::run`] it on a thread of its own.
pub struct Snapshotter {
    /// The directory.
    pub storage: Arc<dyn Storage>,
    /// The identity of the store.
    pub store_id: u128,
    /// How far the journal is durable.
    pub watermark: Watermark,
    /// When to make them.
    pub plan: SnapshotPlan,
}

impl Snapshotter {
    /// Makes snapshots as planned until `stop` is set, and tells of each in a sentence. A snapshot that cannot be
    /// made is told and tried again after as many records more: the journal alone is enough to recover.
    pub fn run(mut self, stop: &AtomicBool, tell: impl Fn(String)) {
        while !stop.load(Ordering::Acquire) {
            let due = self.plan.last_sequence.saturating_add(self.plan.every_records);
            let is_due = self.plan.every_records > 0 && self.watermark.durable() >= due;
            if !is_due {
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            let up_to = self.watermark.durable();
            let start = Instant::now();
            match make(&self.storage, self.store_id, up_to, self.plan.seed, stop) {
                Ok(Some(info)) => {
                    let (ms, mib) = (start.elapsed().as_millis(), info.bytes >> 20);
                    tell(format!("snapshot at sequence {} ({mib} MiB) in {ms} ms", info.sequence));
                    if self.plan.remove_segments {
                        self.remove_segments(&tell);
                    }
                }
                Ok(None) => return,
                Err(error) => tell(format!("no snapshot at sequence {up_to}: {error}")),
            }
            self.plan.last_sequence = up_to;
        }
    }

    /// Removes what only the snapshots before the last two needed.
    fn remove_segments(&self, tell: &impl Fn(String)) {
        let removed = list_snapshots(&*self.storage).and_then(|sequences| {
            let Some(&older) = sequences.get(1) else { return Ok(0) };
            let position = SnapshotReader::open(&*self.storage, self.store_id, older)?.info().position;
            orderline_journal::remove_segments_before(&*self.storage, position)
        });
        match removed {
            Ok(0) => {}
            Ok(count) => tell(format!("{count} segments removed")),
            Err(error) => tell(format!("segments could not be removed: {error}")),
        }
    }
}
