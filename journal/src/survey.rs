//! A directory looked at byte by byte, without stopping at the first damage: what `check` tells and `repair` goes by.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zerocopy::FromBytes;

use crate::batch::{Batch, Expected, check_batch, check_length};
use crate::damage::TornTail;
use crate::error::JournalError;
use crate::layout::{
    ALIGN_BYTES, BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, SEGMENT_HEADER_BYTES, SegmentHeader,
    checksum_seed,
};
use crate::position::{Position, Start};
use crate::reader::Reader;
use crate::segment::{
    JOURNAL_DIRECTORY, check_segment, segment_header_checksum, segment_indices, segment_name,
};
use crate::snapshot::{SNAPSHOT_DIRECTORY, SnapshotInfo, SnapshotReader, list_snapshots};
use crate::storage::{Storage, TEMPORARY_SUFFIX, read_full};
use crate::store::{STORE_FILE, read_store};
use crate::window::Window;

/// What was found at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing it is.
    pub kind: FindingKind,
    /// The file.
    pub path: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong, or merely there, as a sentence.
    pub sentence: String,
}

/// Kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// The file that says which store this is is missing or damaged.
    Store,
    /// The first page of a segment, or its length, is not what it was.
    SegmentHeader(u32),
    /// A file says that a version wrote it which this program does not know.
    Version,
    /// A segment is missing between others, or at the beginning with no snapshot that reaches over it.
    MissingSegment,
    /// Bytes of the log that had been durable are not what was written.
    Log,
    /// A snapshot is not whole.
    Snapshot(u64),
    /// What a crash left at the end of the log: nobody was told of it, and the next start cuts it.
    TornTail,
    /// Bytes of a segment that no batch was ever written to are not zeros any more: no record is touched by it.
    Unused,
    /// A file that was never finished: the next start removes it.
    Temporary,
    /// Bytes that a start has cut off and kept.
    Kept,
    /// A file that is none of the store's.
    Stranger,
}

impl FindingKind {
    /// Whether something that had been durable is not what it was.
    pub fn is_damage(self) -> bool {
        !matches!(self, Self::TornTail | Self::Unused | Self::Temporary | Self::Kept | Self::Stranger)
    }
}

/// What a directory holds.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The identity of the store: what its file says, or else what all its segments say.
    pub store_id: Option<u128>,
    /// Everything worth telling, damage first met first.
    pub findings: Vec<Finding>,
    /// The segments that are there.
    pub segments: Vec<u32>,
    /// Bytes in segments and snapshots.
    pub bytes: u64,
    /// Batches of the log that were read and checked, one after the other.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Where the log ends, or where it cannot be read on.
    pub end: Option<Position>,
    /// What a crash left behind the end.
    pub torn_tail: Option<TornTail>,
    /// The snapshots that are whole, newest first.
    pub snapshots: Vec<SnapshotInfo>,
    /// From where a server would start: the newest whole snapshot from which the log can be read to its end, 0 for none at
    /// all; nothing if no server could start.
    pub start: Option<(u64, Position)>,
}

impl Survey {
    /// Whether nothing that had been durable is damaged.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| !finding.kind.is_damage())
    }

    /// Whether something of this kind was found.
    pub fn has(&self, is_wanted: impl Fn(FindingKind) -> bool) -> bool {
        self.findings.iter().any(|finding| is_wanted(finding.kind))
    }

    fn note(&mut self, kind: FindingKind, path: PathBuf, offset: u64, sentence: impl Into<String>) {
        self.findings.push(Finding { kind, path, offset, sentence: sentence.into() });
    }
}

/// Looks at a directory at rest. Nothing is changed, nothing is locked, and no payload is looked into.
///
/// # Errors
/// If the disk refuses to be read. Damage is no error here.
pub fn survey(storage: &Arc<dyn Storage>) -> Result<Survey, JournalError> {
    let mut survey = Survey { segments: segment_indices(&**storage)?, ..Survey::default() };
    survey.store_id = look_at_store(&**storage, &mut survey)?;
    let Some(store_id) = survey.store_id else { return Ok(survey) };
    look_at_segments(&**storage, store_id, &mut survey)?;
    look_at_snapshots(&**storage, store_id, &mut survey)?;
    // Where a header is not what it should be, a reader comes no further than to say so.
    let is_framed = !survey.has(|kind| matches!(kind, FindingKind::SegmentHeader(_) | FindingKind::Version));
    if is_framed {
        look_at_log(storage, store_id, &mut survey)?;
    }
    look_at_names(&**storage, &mut survey)?;
    Ok(survey)
}

fn look_at_store(storage: &dyn Storage, survey: &mut Survey) -> Result<Option<u128>, JournalError> {
    let said = match read_store(storage) {
        Ok(Some(store_id)) => return Ok(Some(store_id)),
        Ok(None) => format!("{} is missing", storage.path(STORE_FILE).display()),
        Err(error @ JournalError::UnknownVersion { .. }) => {
            survey.note(FindingKind::Version, storage.path(STORE_FILE), 0, error.to_string());
            return Ok(None);
        }
        Err(error @ JournalError::Corrupt { .. }) => error.to_string(),
        Err(error) => return Err(error),
    };
    // Every segment names its store; if all that can be read agree, that is the store.
    let mut named = None;
    for index in survey.segments.clone() {
        if let Some(header) = sound_header(storage, index)? {
            let store_id = header.store_id.get();
            if named.is_some_and(|named| named != store_id) {
                named = None;
                break;
            }
            named = Some(store_id);
        }
    }
    survey.note(FindingKind::Store, storage.path(STORE_FILE), 0, said);
    Ok(named)
}

/// The header of a segment, if its own checksum holds.
pub(crate) fn sound_header(storage: &dyn Storage, index: u32) -> Result<Option<SegmentHeader>, JournalError> {
    let mut page = [0; SEGMENT_HEADER_BYTES as usize];
    read_full(&*storage.open(&segment_name(index), false)?, 0, &mut page)?;
    let header = SegmentHeader::read_from_bytes(&page).ok();
    Ok(header.filter(|header| segment_header_checksum(header) == header.checksum.get()))
}

fn look_at_segments(storage: &dyn Storage, store_id: u128, survey: &mut Survey) -> Result<(), JournalError> {
    let segments = survey.segments.clone();
    for pair in segments.windows(2).filter(|pair| pair[1] != pair[0] + 1) {
        let path = storage.path(&segment_name(pair[0] + 1));
        let sentence = format!("{} is missing between segments {} and {}", path.display(), pair[0], pair[1]);
        survey.note(FindingKind::MissingSegment, path, 0, sentence);
    }
    for index in segments {
        let file = storage.open(&segment_name(index), false)?;
        survey.bytes += file.len()?;
        let error = match check_segment(storage, &*file, store_id, index) {
            Ok(_) => continue,
            Err(error @ JournalError::Io { .. }) => return Err(error),
            Err(error) => error,
        };
        let kind = match error {
            JournalError::UnknownVersion { .. } => FindingKind::Version,
            _ => FindingKind::SegmentHeader(index),
        };
        let (path, offset) = error.place().unwrap_or_else(|| (storage.path(&segment_name(index)), 0));
        survey.note(kind, path, offset, error.to_string());
    }
    Ok(())
}

fn look_at_snapshots(storage: &dyn Storage, store_id: u128, survey: &mut Survey) -> Result<(), JournalError> {
    for sequence in list_snapshots(storage)? {
        match SnapshotReader::open_verified(storage, store_id, sequence) {
            Ok(reader) => {
                survey.bytes += reader.info().bytes;
                survey.snapshots.push(reader.info().clone());
            }
            Err(error @ JournalError::Io { .. }) => return Err(error),
            Err(error) => {
                let (path, offset) = error.place().unwrap_or_else(|| (storage.path(SNAPSHOT_DIRECTORY), 0));
                survey.note(FindingKind::Snapshot(sequence), path, offset, error.to_string());
            }
        }
    }
    Ok(())
}

/// Reads the log from where a server would, and from its beginning, and notes what stops either.
fn look_at_log(storage: &Arc<dyn Storage>, store_id: u128, survey: &mut Survey) -> Result<(), JournalError> {
    let snapshots = survey.snapshots.clone();
    for info in &snapshots {
        if let Ok(read) = read_on(storage, store_id, Start::At(info.position))? {
            survey.start = Some((info.sequence, info.position));
            // Without its beginning, the log is what follows on the snapshot.
            if survey.segments.first().is_some_and(|index| *index > 1) {
                read.note_in(&storage.path(""), survey);
                return Ok(());
            }
            break;
        }
    }
    let read = read_on(storage, store_id, Start::Oldest)?;
    let (Ok(reading) | Err((reading, _))) = &read;
    look_at_unused(&**storage, &reading.left, survey)?;
    match read {
        Ok(read) => {
            let from_snapshot = survey.start.is_some();
            let is_whole = survey.segments.first().is_none_or(|index| *index == 1);
            if !from_snapshot && is_whole {
                survey.start = Some((0, Position::START));
            } else if !from_snapshot {
                let path = storage.path(&segment_name(1));
                let sentence =
                    format!("{} is missing, and no snapshot reaches over what it held", path.display());
                survey.note(FindingKind::MissingSegment, path, 0, sentence);
            }
            read.note_in(&storage.path(""), survey);
        }
        Err((read, error)) => {
            // Missing segments have been noted by their names.
            if !matches!(error, JournalError::MissingSegment { .. }) {
                let (path, offset) = error.place().unwrap_or_else(|| (storage.path(JOURNAL_DIRECTORY), 0));
                survey.note(FindingKind::Log, path, offset, error.to_string());
            }
            read.note_in(&storage.path(""), survey);
        }
    }
    Ok(())
}

/// What lies between the last batch of a segment and its end was filled with zeros once and never written to again.
fn look_at_unused(
    storage: &dyn Storage,
    left: &[(u32, u64)],
    survey: &mut Survey,
) -> Result<(), JournalError> {
    for (index, offset) in left {
        let file = storage.open(&segment_name(*index), false)?;
        let length = file.len()?;
        let mut block = vec![0; 1 << 20];
        let mut at = *offset;
        while at < length {
            let read = read_full(&*file, at, &mut block)?;
            let first = block[..read].iter().position(|byte| *byte != 0);
            if let Some(first) = first.map(|first| at + first as u64) {
                let path = storage.path(&segment_name(*index));
                let sentence = "bytes behind the segment's last batch are not zeros: the disk has changed what nobody wrote";
                survey.note(FindingKind::Unused, path, first, sentence);
                break;
            }
            if read == 0 {
                break;
            }
            at += read as u64;
        }
    }
    Ok(())
}

/// How far reading came.
#[derive(Default)]
struct Read {
    batches: u64,
    records: u64,
    end: Option<Position>,
    torn_tail: Option<TornTail>,
    /// Where the log leaves each segment for the next: the segment, and the end of the last batch in it.
    left: Vec<(u32, u64)>,
}

impl Read {
    fn take(&mut self, batch: &Batch<'_>) {
        self.batches += 1;
        self.records += u64::from(batch.record_count);
        if let Some(end) = self.end.filter(|end| end.segment != batch.position.segment) {
            self.left.push((end.segment, end.offset));
        }
        self.end = Some(batch.position_after);
    }

    fn note_in(self, directory: &Path, survey: &mut Survey) {
        let Self { batches, records, end, torn_tail, left: _ } = self;
        (survey.batches, survey.records, survey.end) = (batches, records, end);
        if let Some(torn) = &torn_tail {
            let path = directory.join(segment_name(torn.segment));
            let sentence = format!(
                "{} bytes behind sequence {}, which nobody was told of ({})",
                torn.bytes_removed, torn.last_good_sequence, torn.reason
            );
            survey.note(FindingKind::TornTail, path, torn.offset, sentence);
        }
        survey.torn_tail = torn_tail;
    }
}

/// Reads a log from a place to its end. The outer error is the disk's, the inner one what is wrong with the log.
#[allow(clippy::type_complexity)] // Said once, here.
fn read_on(
    storage: &Arc<dyn Storage>,
    store_id: u128,
    start: Start,
) -> Result<Result<Read, (Read, JournalError)>, JournalError> {
    let mut read = Read::default();
    let mut reader = match Reader::open_store(Arc::clone(storage), store_id, start) {
        Ok(reader) => reader,
        Err(error @ JournalError::MissingSegment { .. }) => {
            read_up_to_gap(&**storage, store_id, start, &mut read)?;
            return Ok(Err((read, error)));
        }
        Err(error @ JournalError::Io { .. }) => return Err(error),
        Err(error) => return Ok(Err((read, error))),
    };
    read.end = Some(reader.position());
    loop {
        match reader.next_batch(u64::MAX) {
            Ok(Some(batch)) => read.take(&batch),
            Ok(None) => {
                read.torn_tail = reader.torn_tail().cloned();
                return Ok(Ok(read));
            }
            Err(error @ JournalError::Io { .. }) => return Err(error),
            Err(error) => return Ok(Err((read, error))),
        }
    }
}

/// Where a segment is missing, what comes before it can be read all the same.
fn read_up_to_gap(
    storage: &dyn Storage,
    store_id: u128,
    start: Start,
    read: &mut Read,
) -> Result<(), JournalError> {
    let oldest = segment_indices(storage)?.first().copied();
    let (from, mut is_any) = start.place(oldest);
    let mut next = from;
    let mut is_cut = false;
    whole_batches_behind(storage, store_id, from, |batch| {
        let follows = (batch.position.sequence, batch.position.chain) == (next.sequence, next.chain);
        is_cut |= !follows && !is_any;
        if !is_cut {
            read.take(batch);
            next = batch.position_after;
        }
        is_any = false;
    })?;
    read.end = Some(next);
    Ok(())
}

/// Files that are no segments and no snapshots.
fn look_at_names(storage: &dyn Storage, survey: &mut Survey) -> Result<(), JournalError> {
    for (directory, ending) in [(JOURNAL_DIRECTORY, ".segment"), (SNAPSHOT_DIRECTORY, ".snapshot")] {
        for name in storage.list(directory)? {
            let path = storage.path(&format!("{directory}/{name}"));
            if name.ends_with(TEMPORARY_SUFFIX) {
                survey.note(FindingKind::Temporary, path, 0, "never finished");
            } else if name.starts_with("torn-") {
                survey.note(FindingKind::Kept, path, 0, "cut off the log's end by an earlier start");
            } else if !name.ends_with(ending) {
                survey.note(FindingKind::Stranger, path, 0, "not a file of this store");
            }
        }
    }
    Ok(())
}

/// Calls with every batch behind a place that is whole by itself, whether or not it follows on the one before: what is
/// still to be read behind damage. Sequences rise; what repeats an earlier one is left out.
///
/// # Errors
/// If the disk refuses to be read.
pub fn whole_batches_behind(
    storage: &dyn Storage,
    store_id: u128,
    from: Position,
    mut each: impl FnMut(&Batch<'_>),
) -> Result<(), JournalError> {
    let seed = checksum_seed(store_id);
    let mut sequence = from.sequence;
    for index in segment_indices(storage)?.into_iter().filter(|index| *index >= from.segment) {
        let file = storage.open(&segment_name(index), false)?;
        let segment_bytes = file.len()?;
        let mut at = if index == from.segment { from.offset } else { SEGMENT_HEADER_BYTES };
        let mut window = Window::new();
        while at + BATCH_HEADER_BYTES as u64 <= segment_bytes {
            let bytes = window.read(&*file, at, BATCH_HEADER_BYTES, u64::MAX)?;
            let Ok((header, _)) = BatchHeader::read_from_prefix(bytes) else { break };
            let length = check_length(at, &header, segment_bytes - at).ok();
            let Some(length) = length.filter(|_| header.magic.get() == BATCH_MAGIC) else {
                at += ALIGN_BYTES as u64;
                continue;
            };
            let batch = window.read(&*file, at, length, u64::MAX)?;
            let expected = Expected { sequence: 0, chain: 0, epoch: 0, any: true };
            if batch.len() < length || check_batch(at, &header, batch, seed, expected).is_err() {
                at += ALIGN_BYTES as u64;
                continue;
            }
            let first = header.first_sequence.get();
            let after = at + length as u64;
            if first >= sequence && header.record_count.get() > 0 {
                sequence = first + u64::from(header.record_count.get());
                let position =
                    Position { segment: index, offset: at, sequence: first, chain: header.previous.get() };
                let position_after =
                    Position { segment: index, offset: after, sequence, chain: header.chain() };
                each(&Batch {
                    first_sequence: first,
                    record_count: header.record_count.get(),
                    recorded_at_us: header.recorded_at_us.get(),
                    durable_sequence: header.durable_sequence.get(),
                    epoch: header.epoch.get(),
                    position,
                    position_after,
                    bytes: batch,
                });
            }
            at = after;
        }
    }
    Ok(())
}
