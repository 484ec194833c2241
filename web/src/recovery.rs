//! What lies on disk to come back from, looked at beside the engine: segments, snapshots, what the last start made of them, what
//! the next one would have to read, and the last drill of which a record was kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use orderline_journal::snapshot::{list_snapshots, snapshot_path};
use orderline_journal::{
    JournalError, Position, SegmentInfo, SnapshotReader, Storage, TornTail, Watermark, list_segments,
    segment_info, segment_path,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::types::Time;
use crate::verifier::{Verifier, Verify};

/// The file in the data directory that holds the record of the last drill on a copy of it.
pub const DRILL_FILE: &str = "drill.json";

/// What the last start did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LastStart {
    /// When it was done.
    pub at: Time,
    /// Milliseconds that it took, from the lock to the last record.
    pub took_ms: u64,
    /// The sequence of the snapshot that it began with; 0: it began with the first record.
    pub snapshot_sequence: u64,
    /// Snapshots that were not good and passed over, and why.
    pub snapshots_refused: Vec<String>,
    /// Records that it replayed behind the snapshot.
    pub records_replayed: u64,
    /// The sequence that it came to.
    pub sequence: u64,
    /// What a crash had left at the journal's end, and it cut; null: nothing.
    pub torn_tail: Option<Torn>,
}

/// Bytes at the journal's end of which nobody had been told.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Torn {
    /// The segment in which they began.
    pub segment: u32,
    /// Where in it.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// What shows that they were torn.
    pub reason: String,
    /// Files that keep them.
    pub kept_in: Vec<String>,
}

impl Torn {
    /// What a start has told of a torn tail.
    pub fn of(torn: &TornTail) -> Self {
        Self {
            segment: torn.segment,
            offset: torn.offset,
            bytes: torn.bytes_removed,
            reason: torn.reason.clone(),
            kept_in: torn.kept_in.iter().map(|path| path.display().to_string()).collect(),
        }
    }
}

/// A drill on a copy of the directory (`orderline drill --copy --record`).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DrillRecord {
    /// When it ended.
    pub at: Time,
    /// Of which store the copy was.
    pub store_id: String,
    /// Whether everything came back, each time.
    pub is_well: bool,
    /// Recoveries that came to their end.
    pub recoveries: usize,
    /// Kills in the middle of others.
    pub kills: u32,
    /// Milliseconds from a start to its readiness, of the first recovery, with nothing of the files in memory.
    pub recovery_cold_ms: f64,
    /// The same of the slowest.
    pub recovery_ms_max: f64,
    /// Records that each replayed.
    pub records_replayed: u64,
    /// Bytes of them.
    pub bytes_replayed: u64,
    /// Whether a snapshot was there to begin with.
    pub snapshot_used: bool,
    /// The sequence that each came to.
    pub last_sequence: u64,
    /// The state's hash there.
    pub state_hash: String,
    /// What was not as it should be.
    pub violations: Vec<String>,
}

/// What lies on disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct OnDisk {
    /// Everything up to this sequence is durable.
    as_of: u64,
    /// The journal, oldest segment first.
    segments: Vec<Segment>,
    /// The snapshots, oldest first.
    snapshots: Vec<Snapshot>,
    /// What the last start did.
    last_start: LastStart,
    /// What a start would have to read now.
    next_start: NextStart,
    /// The last drill on a copy of this directory, if a record of it was kept; null: none is on record.
    last_drill: Option<DrillRecord>,
    /// Why the record that is there is not shown.
    last_drill_problem: Option<String>,
    /// The verification that is under way, and the last one since the start.
    verify: Verify,
}

/// A segment of the journal.
#[derive(Debug, Serialize, ToSchema)]
pub struct Segment {
    /// Its file, in the data directory.
    file: String,
    /// Its number, from 1.
    number: u32,
    /// The sequence that it begins with; null: nothing durable stands in it.
    first_sequence: Option<u64>,
    /// The last one in it that is durable.
    last_sequence: Option<u64>,
    /// The file's length. A segment is filled with zeros before it is written to.
    bytes: u64,
    /// How far it is.
    state: SegmentState,
}

/// How far a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SegmentState {
    /// Durable to its end, and never written to again.
    Complete,
    /// Written to now, durable up to `as_of`.
    InUse,
    /// Made for when the one in use is full.
    Prepared,
}

/// A snapshot.
#[derive(Debug, Serialize, ToSchema)]
pub struct Snapshot {
    /// Its file, in the data directory.
    file: String,
    /// The last sequence that is in it.
    sequence: u64,
    /// The file's length.
    bytes: Option<u64>,
    /// When the file was last written to.
    made_at: Option<Time>,
    /// Why a start would pass it over, as far as its first and last bytes tell; a verification reads all of it.
    problem: Option<String>,
}

/// What a start would have to read now.
#[derive(Debug, Serialize, ToSchema)]
pub struct NextStart {
    /// The sequence of the snapshot that it would begin with; 0: with the first record.
    snapshot_sequence: u64,
    /// Records that it would replay behind it.
    records_to_replay: u64,
    /// Segments that they stand in.
    segments_to_read: u32,
}

/// Looks at a data directory that is being served.
pub struct Recovery {
    storage: Arc<dyn Storage>,
    store_id: u128,
    watermark: Watermark,
    last_start: LastStart,
    verifier: Verifier,
    /// Segments whose beginning is durable: it stays what it is.
    seen: Mutex<BTreeMap<u32, SegmentInfo>>,
}

impl Recovery {
    /// Looks at the directory of a store. Verifications read at most so many bytes a second; 0: no bound.
    pub fn new(
        storage: Arc<dyn Storage>,
        store_id: u128,
        watermark: Watermark,
        last_start: LastStart,
        bytes_per_s_max: u64,
    ) -> Self {
        let verifier = Verifier::new(Arc::clone(&storage), store_id, watermark.clone(), bytes_per_s_max);
        Self { storage, store_id, watermark, last_start, verifier, seen: Mutex::default() }
    }

    /// Who reads it all again.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// What lies there now. It waits for the disk.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub(crate) fn look(&self) -> Result<OnDisk, JournalError> {
        let as_of = self.watermark.durable();
        let segments = self.segments(as_of)?;
        let mut snapshots = Vec::new();
        let mut newest: Option<(u64, Position)> = None;
        for sequence in list_snapshots(&*self.storage)?.into_iter().rev() {
            let (snapshot, position) = self.snapshot(sequence);
            newest = position.map(|position| (sequence, position)).or(newest);
            snapshots.push(snapshot);
        }
        let in_use = segments.iter().rev().find(|segment| segment.first_sequence.is_some());
        let (snapshot_sequence, first_segment) = match newest {
            Some((sequence, position)) => (sequence, Some(position.segment)),
            None => (0, segments.first().map(|segment| segment.number)),
        };
        let segments_to_read = match (first_segment, in_use) {
            (Some(first), Some(last)) => (last.number + 1).saturating_sub(first),
            _ => 0,
        };
        let records_to_replay = as_of.saturating_sub(snapshot_sequence);
        let (last_drill, last_drill_problem) = match self.last_drill() {
            Ok(record) => (record, None),
            Err(problem) => (None, Some(problem)),
        };
        Ok(OnDisk {
            as_of,
            segments,
            snapshots,
            last_start: self.last_start.clone(),
            next_start: NextStart { snapshot_sequence, records_to_replay, segments_to_read },
            last_drill,
            last_drill_problem,
            verify: self.verifier.look(),
        })
    }

    fn segments(&self, durable: u64) -> Result<Vec<Segment>, JournalError> {
        let mut seen = self.seen.lock();
        let indices = list_segments(&*self.storage)?;
        seen.retain(|index, _| indices.binary_search(index).is_ok());
        let mut infos: Vec<SegmentInfo> = Vec::new();
        for index in indices {
            let known = seen.get(&index).cloned();
            let info = match known {
                Some(info) => Some(info),
                None => segment_info(&*self.storage, index)?,
            };
            // One that was removed since they were listed is not there.
            let Some(mut info) = info else { continue };
            info.first_sequence = info.first_sequence.filter(|&first| first <= durable);
            if info.first_sequence.is_some() {
                seen.insert(index, info.clone());
            }
            infos.push(info);
        }
        let directory = self.storage.path("");
        let begins: Vec<Option<u64>> = infos.iter().map(|info| info.first_sequence).collect();
        let segment = |(at, info): (usize, SegmentInfo)| {
            let behind = begins.get(at + 1).copied().flatten();
            let (last_sequence, state) = match (info.first_sequence, behind) {
                (Some(_), Some(next)) => (Some(next - 1), SegmentState::Complete),
                (Some(_), None) => (Some(durable), SegmentState::InUse),
                // Of a journal in which nothing stands yet the first one is written to next.
                (None, _) if at == 0 => (None, SegmentState::InUse),
                (None, _) => (None, SegmentState::Prepared),
            };
            Segment {
                file: below(&directory, &info.path),
                number: info.index,
                first_sequence: info.first_sequence,
                last_sequence,
                bytes: info.bytes,
                state,
            }
        };
        Ok(infos.into_iter().enumerate().map(segment).collect())
    }

    /// A snapshot, and where the journal goes on behind it if it can be used.
    fn snapshot(&self, sequence: u64) -> (Snapshot, Option<Position>) {
        let path = snapshot_path(&*self.storage, sequence);
        let opened = SnapshotReader::open(&*self.storage, self.store_id, sequence);
        let written = path.metadata().and_then(|metadata| Ok((metadata.len(), metadata.modified()?))).ok();
        let at = written.and_then(|(_, time)| time.duration_since(UNIX_EPOCH).ok());
        let snapshot = Snapshot {
            file: below(&self.storage.path(""), &path),
            sequence,
            bytes: written.map(|(bytes, _)| bytes),
            made_at: at.map(|since| Time(since.as_micros() as i64)),
            problem: opened.as_ref().err().map(ToString::to_string),
        };
        (snapshot, opened.ok().map(|reader| reader.info().position))
    }

    /// The record of the last drill; an error says why it is not shown.
    fn last_drill(&self) -> Result<Option<DrillRecord>, String> {
        let path = self.storage.path(DRILL_FILE);
        let unreadable = |why: String| format!("{} cannot be shown: {why}", path.display());
        let bytes = self.storage.read_small(DRILL_FILE).map_err(|error| unreadable(error.to_string()))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let record: DrillRecord =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        if record.store_id != format!("{:032x}", self.store_id) {
            return Err(unreadable(format!("it is of a drill on a copy of store {}", record.store_id)));
        }
        Ok(Some(record))
    }
}

/// A file as it is called in the data directory.
pub(crate) fn below(directory: &Path, path: &Path) -> String {
    path.strip_prefix(directory).unwrap_or(path).display().to_string()
}

/// The file of a segment as it is called in the data directory.
pub(crate) fn segment_file(storage: &dyn Storage, index: u32) -> String {
    below(&storage.path(""), &segment_path(storage, index))
}
