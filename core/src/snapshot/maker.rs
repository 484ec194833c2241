//! The maker of snapshots: asks the engine for one when it is due, and writes to disk what the engine hands over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use orderline_journal::snapshot::list_snapshots;
use orderline_journal::{
    JournalError, Position, SnapshotInfo, SnapshotReader, SnapshotWriter, Storage, Watermark,
};
use orderline_protocol::Sequence;

use super::seam::{Handed, MakerEnd};
use crate::bugs::is_planted;
use crate::state::StateHash;

/// How long the maker sleeps before it looks again whether a snapshot is due or the server is stopping.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// When snapshots are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPlan {
    /// Records between two snapshots; 0: none are made.
    pub every_records: u64,
    /// Remove the segments that lie wholly behind the older of the two snapshots kept.
    pub remove_segments: bool,
    /// Bytes written to a snapshot in a second at most; 0: no bound. A walk costs as much whenever it is made: spread over more
    /// seconds, orders feel less of it.
    pub bytes_per_s_max: u64,
    /// The sequence of the newest snapshot that there is.
    pub last_sequence: Sequence,
}

/// What makes snapshots while the server runs; [`Snapshotter::run`] it on a thread of its own.
pub struct Snapshotter {
    /// The directory.
    pub storage: Arc<dyn Storage>,
    /// The identity of the store.
    pub store_id: u128,
    /// How far the journal is durable.
    pub watermark: Watermark,
    /// The seam to the engine.
    pub engine: MakerEnd,
    /// When to make them.
    pub plan: SnapshotPlan,
}

/// What became of a snapshot.
enum Made {
    Whole(SnapshotInfo),
    /// It could not be written: up to which sequence it would have been, and why.
    Failed(Sequence, JournalError),
    /// The server is stopping.
    Stopped,
}

impl Snapshotter {
    /// Makes snapshots as planned until `stop` is set or the engine has gone, and tells of each in a sentence. A snapshot that
    /// cannot be made is told and tried again after as many records more: the journal alone is enough to recover.
    pub fn run(mut self, stop: &AtomicBool, tell: impl Fn(String)) {
        while !stop.load(Ordering::Acquire) {
            let due = self.plan.last_sequence.saturating_add(self.plan.every_records);
            let is_due = self.plan.every_records > 0 && self.watermark.durable() >= due;
            if !is_due {
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            let start = Instant::now();
            match self.make(stop) {
                Made::Whole(info) => {
                    let (ms, mib) = (start.elapsed().as_millis(), info.bytes >> 20);
                    tell(format!("snapshot at sequence {} ({mib} MiB) in {ms} ms", info.sequence));
                    self.plan.last_sequence = info.sequence;
                    if self.plan.remove_segments {
                        self.remove_segments(&tell);
                    }
                }
                Made::Failed(sequence, error) => {
                    tell(format!("no snapshot at sequence {sequence}: {error}"));
                    self.plan.last_sequence = sequence;
                }
                Made::Stopped => return,
            }
        }
    }

    /// Makes a snapshot of the state as the engine has it now.
    fn make(&self, stop: &AtomicBool) -> Made {
        self.engine.ask();
        let Some(Handed::Begin(position)) = self.next(stop) else { return Made::Stopped };
        let mut written = Writing::begin(self, position);
        let mut pace = Pace::new(self.plan.bytes_per_s_max);
        loop {
            match self.next(stop) {
                Some(Handed::Piece { tag, bytes }) => {
                    // After a failure the rest is taken and thrown away: the engine walks to its end.
                    if let Ok(writing) = &mut written
                        && let Err(error) = writing.put(tag, &bytes)
                    {
                        written = Err(error);
                    }
                    pace.wait(bytes.len());
                    self.engine.give_back(bytes);
                }
                Some(Handed::End(hash)) => {
                    let sequence = position.last_sequence();
                    // What a snapshot holds must be durable in the journal before the snapshot counts.
                    if written.is_ok()
                        && !is_planted("let-a-snapshot-run-ahead-of-the-log")
                        && !self.wait_until_durable(sequence, stop)
                    {
                        return Made::Stopped;
                    }
                    return match written.and_then(|writing| writing.finish(hash, &mut pace)) {
                        Ok(info) => Made::Whole(info),
                        Err(error) => Made::Failed(sequence, error),
                    };
                }
                Some(Handed::Begin(_)) => panic!("a snapshot begins within another one"),
                None => return Made::Stopped,
            }
        }
    }

    /// What the engine hands over next; nothing when the server is stopping.
    fn next(&self, stop: &AtomicBool) -> Option<Handed> {
        while !stop.load(Ordering::Acquire) {
            match self.engine.handed.recv_timeout(LOOK_EVERY) {
                Ok(handed) => return Some(handed),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        None
    }

    fn wait_until_durable(&self, sequence: Sequence, stop: &AtomicBool) -> bool {
        while self.watermark.durable() < sequence {
            if stop.load(Ordering::Acquire) || self.watermark.failure().is_some() {
                return false;
            }
            self.watermark.wait_for(sequence, LOOK_EVERY);
        }
        true
    }

    /// Removes what only the snapshots before the last two needed.
    fn remove_segments(&self, tell: &impl Fn(String)) {
        let removed = list_snapshots(&*self.storage).and_then(|sequences| {
            let Some(&older) =
                sequences.get(usize::from(!is_planted("remove-what-the-older-snapshot-needs")))
            else {
                return Ok(0);
            };
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

/// Keeps to so many bytes a second.
struct Pace {
    bytes_per_s_max: u64,
    start: Instant,
    bytes: u64,
}

impl Pace {
    fn new(bytes_per_s_max: u64) -> Self {
        Self { bytes_per_s_max, start: Instant::now(), bytes: 0 }
    }

    /// Waits until so many bytes more are within the pace: a piece's time at most.
    fn wait(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if self.bytes_per_s_max > 0 {
            let due = Duration::from_secs_f64(self.bytes as f64 / self.bytes_per_s_max as f64);
            std::thread::sleep(due.saturating_sub(self.start.elapsed()));
        }
    }
}

/// A snapshot being written.
struct Writing {
    writer: SnapshotWriter,
    section: Option<u32>,
}

impl Writing {
    fn begin(of: &Snapshotter, position: Position) -> Result<Self, JournalError> {
        let writer = SnapshotWriter::create(Arc::clone(&of.storage), of.store_id, position)?;
        Ok(Self { writer, section: None })
    }

    fn put(&mut self, tag: u32, bytes: &[u8]) -> Result<(), JournalError> {
        if self.section != Some(tag) {
            self.writer.begin_section(tag)?;
            self.section = Some(tag);
        }
        self.writer.append(bytes)
    }

    fn finish(self, hash: StateHash, pace: &mut Pace) -> Result<SnapshotInfo, JournalError> {
        self.writer.finish(hash.0, &mut |bytes| pace.wait(bytes))
    }
}
