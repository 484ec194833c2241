//! Recovery: from a directory to a state, by the newest good snapshot and the journal behind it. The same replay
//! serves start-up, `verify`, `replay` and the snapshots' maker, and applies through the one `apply`.

use std::ops::{ControlFlow, Range};
use std::sync::mpsc::sync_channel;

use orderline_journal::{Batch, JournalError, Locked, Opened, Reader, Record, Recovering};
use orderline_protocol::Sequence;
use orderline_protocol::event::{Event, UnreadableRecord};

use crate::ahead::Ahead;
use crate::bugs::is_planted;
use crate::error::RecoveryError;
use crate::snapshot::{self, Loaded};
use crate::state::{ImageError, State};

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
    replay_batch_noting(state, batch, to, &mut |_, _| {})
}

fn replay_batch_noting(
    state: &mut State,
    batch: &Batch<'_>,
    to: Sequence,
    before: &mut impl FnMut(&State, &Event<'_>),
) -> Result<(), RecoveryError> {
    check_next(state, batch.first_sequence)?;
    let mut unreadable = None;
    let records = batch.records().take_while(|record| record.sequence <= to);
    let mut events = records.map_while(|record| {
        let event = Event::read(record.kind, record.version, record.payload);
        event.map_err(|source| unreadable = Some(UnreadableRecord { sequence: record.sequence, source })).ok()
    });
    let mut ahead = Ahead::default();
    loop {
        let of = &*state;
        let next = ahead.next(
            &mut events,
            |event| of.prefetch_event_first(event),
            |event| of.prefetch_event_second(event),
        );
        let Some(event) = next else { break };
        before(state, event);
        let sequence = state.sequence() + 1;
        state.apply(sequence, batch.recorded_at_us, event);
        if is_planted("replay-a-record-twice") {
            state.apply(sequence, batch.recorded_at_us, event);
        }
    }
    // What stands before a record that cannot be read has been applied.
    match unreadable {
        Some(unreadable) => Err(unreadable.into()),
        None => Ok(()),
    }
}

/// Applies one record, and returns its event.
///
/// # Errors
/// [`RecoveryError::Gap`] if it is not the next one, [`RecoveryError::Event`] if this program cannot read it.
pub fn apply_seen<'a>(
    state: &mut State,
    recorded_at_us: i64,
    record: &Record<'a>,
) -> Result<Event<'a>, RecoveryError> {
    check_next(state, record.sequence)?;
    let event = Event::read(record.kind, record.version, record.payload)
        .map_err(|source| UnreadableRecord { sequence: record.sequence, source })?;
    state.apply(record.sequence, recorded_at_us, &event);
    Ok(event)
}

/// Checks that a sequence is the one that a state goes on with.
///
/// # Errors
/// [`RecoveryError::Gap`].
fn check_next(state: &State, found: Sequence) -> Result<(), RecoveryError> {
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
    let mut batches_to_report = 0;
    let recovered = locked.recover(start).map_err(RecoveryError::from).and_then(|mut recovering| {
        read_ahead(&mut recovering, |batch| {
            replay_batch(&mut state, batch)?;
            if batches_to_report == 0 {
                progress(state.sequence());
                batches_to_report = 1_000;
            }
            batches_to_report -= 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(recovering)
    });
    let recovering = match recovered {
        Err(error) if snapshot_sequence == 0 && !refused.is_empty() => {
            return Err(RecoveryError::NothingToStartFrom { journal: Box::new(error), refused });
        }
        recovered => recovered?,
    };
    let replayed_count = state.sequence() - snapshot_sequence;
    let opened = recovering.finish()?;
    Ok(Recovered { state, opened, snapshot_sequence, snapshots_refused: refused, replayed_count })
}

/// Replays a directory without changing it, from where the reader stands (with the state that belongs there) up to and
/// including `to`, and calls `each` after every batch. The reader may end up behind `to`.
///
/// # Errors
/// [`RecoveryError`]; the state then holds everything before what could not be read.
pub fn replay(
    reader: &mut Reader,
    state: &mut State,
    to: Sequence,
    each: impl FnMut(&State, &Batch<'_>),
) -> Result<(), RecoveryError> {
    replay_noting(reader, state, to, |_, _| {}, each)
}

/// The same, and calls `before` with each event that is about to be applied.
///
/// # Errors
/// As [`replay`].
pub fn replay_noting(
    reader: &mut Reader,
    state: &mut State,
    to: Sequence,
    mut before: impl FnMut(&State, &Event<'_>),
    mut each: impl FnMut(&State, &Batch<'_>),
) -> Result<(), RecoveryError> {
    read_ahead(reader, |batch| {
        if state.sequence() < to {
            replay_batch_noting(state, batch, to, &mut before)?;
            each(state, batch);
        }
        Ok(if state.sequence() < to { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })
}

/// Where batches come from.
trait Batches: Send {
    fn next_batch(&mut self) -> Result<Option<Batch<'_>>, JournalError>;
}

impl Batches for Reader {
    fn next_batch(&mut self) -> Result<Option<Batch<'_>>, JournalError> {
        Reader::next_batch(self, u64::MAX)
    }
}

impl Batches for Recovering {
    fn next_batch(&mut self) -> Result<Option<Batch<'_>>, JournalError> {
        Recovering::next_batch(self)
    }
}

/// Bytes that are read before they are handed over: many small batches go together.
const PARCEL_BYTES: usize = 512 * 1024;

/// Parcels that may wait; together with the one being filled and the one being applied they fit the shared cache.
const PARCELS: usize = 4;

/// Batches with a copy of their bytes.
#[derive(Default)]
struct Parcel {
    batches: Vec<(Batch<'static>, Range<usize>)>,
    bytes: Vec<u8>,
}

/// Reads and checks on a thread of its own while the caller's thread applies: reading is bound by copying and checking,
/// applying by waiting for memory, and there are two cores. What fits one parcel is not worth a thread.
fn read_ahead<S: Batches>(
    source: &mut S,
    mut apply: impl FnMut(&Batch<'_>) -> Result<ControlFlow<()>, RecoveryError>,
) -> Result<(), RecoveryError> {
    let first = loop {
        let Some(parcel) = next_parcel(source, Parcel::default()) else { return Ok(()) };
        let parcel = parcel?;
        if parcel.bytes.len() >= PARCEL_BYTES {
            break parcel;
        }
        // Behind it stands the log's end, or an error that comes when asked again.
        if parcel.apply(&mut apply)?.is_break() {
            return Ok(());
        }
    };
    let (full, to_apply) = sync_channel::<Result<Parcel, JournalError>>(PARCELS);
    let (empty, to_fill) = sync_channel::<Parcel>(PARCELS + 2);
    std::thread::scope(|scope| {
        let reading = move || {
            // Either end may go first: a channel without its other end says that nothing more is wanted.
            while let Some(parcel) = next_parcel(source, to_fill.try_recv().unwrap_or_default()) {
                let is_last = parcel.is_err();
                if full.send(parcel).is_err() || is_last {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("journal-read".to_owned())
            .spawn_scoped(scope, reading)
            .map_err(ImageError::from)?;
        for parcel in std::iter::once(Ok(first)).chain(to_apply) {
            let mut parcel: Parcel = parcel?;
            if parcel.apply(&mut apply)?.is_break() {
                return Ok(());
            }
            parcel.batches.clear();
            parcel.bytes.clear();
            let _ = empty.try_send(parcel);
        }
        Ok(())
    })
}

impl Parcel {
    /// Hands each of its batches to `apply`, until that has enough.
    fn apply(
        &self,
        apply: &mut impl FnMut(&Batch<'_>) -> Result<ControlFlow<()>, RecoveryError>,
    ) -> Result<ControlFlow<()>, RecoveryError> {
        for (batch, range) in &self.batches {
            if apply(&batch.over(&self.bytes[range.clone()]))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Fills a parcel; nothing when there is nothing more.
fn next_parcel<S: Batches>(source: &mut S, mut parcel: Parcel) -> Option<Result<Parcel, JournalError>> {
    while parcel.bytes.len() < PARCEL_BYTES {
        match source.next_batch() {
            Ok(Some(batch)) => {
                let start = parcel.bytes.len();
                parcel.bytes.extend_from_slice(batch.bytes());
                parcel.batches.push((batch.over(&[]), start..parcel.bytes.len()));
            }
            Ok(None) => break,
            // What was read before the error is applied first: asking again gives the same error.
            Err(error) if parcel.batches.is_empty() => return Some(Err(error)),
            Err(_) => break,
        }
    }
    (!parcel.batches.is_empty()).then_some(Ok(parcel))
}
