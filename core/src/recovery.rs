//! Recovery: from a directory to a state, by the newest good snapshot and the journal behind it. The same replay
//! serves start-up, `verify`, `replay` and the snapshots' maker, and applies through the one `apply`.

use orderline_journal::{Batch, JournalError, Locked, Opened, Reader};
use orderline_protocol::Sequence;
use orderline_protocol::event::{Event, UnreadableEvent};

use crate::snapshot::{self, Loaded};
use crate::state::{ImageError, State};

/// Why a directory could not be brought back.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The journal could not be read, or refuses.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record cannot be understood: the journal was written by another version of the program.
    #[error("record {sequence} of the journal is unreadable: {source}; run the version that wrote it")]
    Event {
        /// The record's sequence.
        sequence: Sequence,
        /// What is wrong with it.
        source: UnreadableEvent,
    },
    /// A snapshot that passed its checksums holds what cannot be.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The journal starts behind where the state ends.
    #[error(
        "the journal starts at sequence {found}, the state ends at {expected}: segments in between are missing; \
         restore them from a copy, or start from a snapshot that reaches further"
    )]
    Gap {
        /// The sequence that must come next.
        expected: Sequence,
        /// The sequence that comes.
        found: Sequence,
    },
}

/// Records that are prefetched together when a journal is replayed.
const GROUP_RECORDS: usize = 16;

/// Applies every record of a batch.
///
/// # Errors
/// [`RecoveryError::Event`] for a record that this program cannot read; nothing behind it is applied.
#[inline]
pub fn replay_batch(state: &mut State, batch: &Batch<'_>) -> Result<(), RecoveryError> {
    replay_batch_to(state, batch, Sequence::MAX)
}

/// The same, up to and including a sequence.
///
/// # Errors
/// As [`replay_batch`].
pub fn replay_batch_to(state: &mut State, batch: &Batch<'_>, to: Sequence) -> Result<(), RecoveryError> {
    check_next(state, batch.first_sequence)?;
    let mut records = batch.records().take_while(|record| record.sequence <= to);
    // In groups, each looked at three times: what the first record needs is on its way while the others are read.
    let mut group: [Option<(Sequence, Event<'_>)>; GROUP_RECORDS] = [None; GROUP_RECORDS];
    loop {
        let mut group_len = 0;
        for (place, record) in group.iter_mut().zip(records.by_ref()) {
            let event = Event::read(record.kind, record.version, record.payload)
                .map_err(|source| RecoveryError::Event { sequence: record.sequence, source })?;
            state.prefetch_event_first(&event);
            *place = Some((record.sequence, event));
            group_len += 1;
        }
        if group_len == 0 {
            return Ok(());
        }
        let group = group.iter().take(group_len).flatten();
        group.clone().for_each(|(_, event)| state.prefetch_event_second(event));
        for (sequence, event) in group {
            state.apply(*sequence, batch.recorded_at_us, event);
        }
    }
}

/// Checks that a sequence is the one that a state goes on with.
///
/// # Errors
/// [`RecoveryError::Gap`].
pub fn check_next(state: &State, found: Sequence) -> Result<(), RecoveryError> {
    let expected = state.sequence() + 1;
    if found == expected { Ok(()) } else { Err(RecoveryError::Gap { expected, found }) }
}

/// A directory brought back.
pub struct Recovered {
    /// The state at the journal's end.
    pub state: State,
    /// The journal, ready to be written to.
    pub opened: Opened,
    /// The sequence of the snapshot that it started from; 0: from the first record.
    pub snapshot_sequence: Sequence,
    /// Snapshots that were not good, and why; each was passed over for an older one.
    pub snapshots_refused: Vec<String>,
    /// Records replayed behind the snapshot.
    pub replayed_count: u64,
}

/// Brings a locked directory back: newest good snapshot, then the journal behind it, then the writer. `seed` as in
/// [`State::new`]; `progress` is told the sequence reached every now and then.
///
/// # Errors
/// [`RecoveryError`]: nothing was changed but what the journal says it cut.
pub fn recover(
    locked: Locked,
    seed: u64,
    mut progress: impl FnMut(Sequence),
) -> Result<Recovered, RecoveryError> {
    let Loaded { mut state, start, sequence: snapshot_sequence, refused } =
        snapshot::load_newest(locked.storage(), locked.store_id(), seed)?;
    let mut recovering = locked.recover(start)?;
    let mut batches_to_report = 0;
    while let Some(batch) = recovering.next_batch()? {
        replay_batch(&mut state, &batch)?;
        if batches_to_report == 0 {
            progress(state.sequence());
            batches_to_report = 1_000;
        }
        batches_to_report -= 1;
    }
    let replayed_count = state.sequence() - snapshot_sequence;
    let opened = recovering.finish()?;
    Ok(Recovered { state, opened, snapshot_sequence, snapshots_refused: refused, replayed_count })
}

/// Replays a directory without changing it, from where `start` says (with the state that belongs there) up to and
/// including `to`, and calls `each` after every batch.
///
/// # Errors
/// [`RecoveryError`].
pub fn replay(
    reader: &mut Reader,
    state: &mut State,
    to: Sequence,
    mut each: impl FnMut(&State, &Batch<'_>),
) -> Result<(), RecoveryError> {
    while state.sequence() < to {
        let Some(batch) = reader.next_batch(u64::MAX)? else { break };
        replay_batch_to(state, &batch, to)?;
        each(state, &batch);
    }
    Ok(())
}
