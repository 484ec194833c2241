//! The maker of snapshots: asks the engine for one when it is due, and writes to disk what the engine hands over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
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
    /// Remove the segments that lie wholly behind the older of the two snapshots kept, and that no follower needs.
    pub remove_segments: bool,
    /// Segments that followers may hold back beyond that; what they still need of older ones goes.
    pub held_segments_max: u32,
    /// Bytes written to a snapshot in a second at most; 0: no bound. A walk costs as much whenever it is made: spread over more
    /// seconds, orders feel less of it.
    pub bytes_per_s_max: u64,
    /// The sequence of the newest snapshot that there is.
    pub last_sequence: Sequence,
}

/// The first sequence that a follower of the journal still has to read, now; [`Sequence::MAX`]: nobody has to read anything.
pub type NeededFrom = Box<dyn Fn() -> Sequence + Send>;

/// What makes snapshots while the server runs; [`Snapshotter::run`] it on a thread of its own, or drive it by
/// [`Snapshotter::step`] where a test wants every step in its hand.
pub struct Snapshotter {
    storage: Arc<dyn Storage>,
    store_id: u128,
    watermark: Watermark,
    engine: MakerEnd,
    plan: SnapshotPlan,
    needed_from: NeededFrom,
    stage: Stage,
    pace: Pace,
}

/// Where the maker stands.
enum Stage {
    /// No snapshot is under way.
    Resting,
    /// The engine has been asked for one.
    Asked,
    /// The engine hands over its pieces.
    Writing { position: Position, written: Result<Writing, JournalError> },
    /// All was handed over. What a snapshot holds must be durable in the journal before the snapshot counts.
    Waiting { sequence: Sequence, writing: Writing, hash: StateHash },
    /// A snapshot is whole; segments that nothing needs any more may go.
    Removing,
}

/// What a step of the maker has come to.
#[derive(Debug)]
pub enum Stepped {
    /// It has asked for a snapshot, or written so many bytes of it; there may be more to do.
    Wrote(usize),
    /// Nothing is to be done before a snapshot is due, the engine hands something over, or more is durable.
    Idle,
    /// A snapshot is whole.
    Made(SnapshotInfo),
    /// It could not be written, up to this sequence, and why: the journal alone is enough to recover.
    Failed(Sequence, JournalError),
    /// So many segments were removed behind a snapshot, or why they could not be.
    Removed(Result<u32, JournalError>),
    /// The engine or the journal has gone.
    Ended,
}

impl Snapshotter {
    /// A maker for a directory with this identity and this watermark, over a seam to its engine. `needed_from` is asked before
    /// segments are removed.
    pub fn new(
        storage: Arc<dyn Storage>,
        store_id: u128,
        watermark: Watermark,
        engine: MakerEnd,
        plan: SnapshotPlan,
        needed_from: NeededFrom,
    ) -> Self {
        Self {
            storage,
            store_id,
            watermark,
            engine,
            plan,
            needed_from,
            stage: Stage::Resting,
            pace: Pace::new(plan.bytes_per_s_max),
        }
    }

    /// Makes snapshots as planned until `stop` is set or the engine has gone, and tells of each that is whole, of what was removed
    /// behind it, and of what went wrong, with how long the snapshot took. One that cannot be made is tried again after as many
    /// records more.
    pub fn run(mut self, stop: &AtomicBool, tell: impl Fn(&Stepped, Duration)) {
        while !stop.load(Ordering::Acquire) {
            let stepped = match self.step() {
                Stepped::Idle => self.wait(),
                stepped => stepped,
            };
            match stepped {
                Stepped::Wrote(bytes) => self.pace.wait(bytes),
                Stepped::Idle | Stepped::Removed(Ok(0)) => {}
                Stepped::Made(_) | Stepped::Failed(..) | Stepped::Removed(_) => {
                    tell(&stepped, self.pace.start.elapsed());
                }
                Stepped::Ended => return,
            }
        }
    }

    /// Does what can be done without waiting, a bounded part of it.
    pub fn step(&mut self) -> Stepped {
        match &self.stage {
            Stage::Resting => {
                let due = self.plan.last_sequence.saturating_add(self.plan.every_records);
                if self.plan.every_records == 0 || self.watermark.durable() < due {
                    return Stepped::Idle;
                }
                self.engine.ask();
                self.stage = Stage::Asked;
                Stepped::Wrote(0)
            }
            Stage::Asked | Stage::Writing { .. } => match self.engine.handed.try_recv() {
                Ok(handed) => self.take(handed),
                Err(TryRecvError::Empty) => Stepped::Idle,
                Err(TryRecvError::Disconnected) => Stepped::Ended,
            },
            Stage::Waiting { .. } if self.watermark.failure().is_some() => Stepped::Ended,
            Stage::Waiting { sequence, .. }
                if self.watermark.durable() < *sequence
                    && !is_planted("let-a-snapshot-run-ahead-of-the-log") =>
            {
                Stepped::Idle
            }
            Stage::Waiting { .. } => self.finish(),
            Stage::Removing => {
                self.stage = Stage::Resting;
                Stepped::Removed(self.remove_segments())
            }
        }
    }

    /// Waits a while for what the next step needs, and takes it where waiting for it takes it.
    fn wait(&mut self) -> Stepped {
        match &self.stage {
            Stage::Resting | Stage::Removing => std::thread::sleep(LOOK_EVERY),
            Stage::Waiting { sequence, .. } => {
                self.watermark.wait_for(*sequence, LOOK_EVERY);
            }
            Stage::Asked | Stage::Writing { .. } => match self.engine.handed.recv_timeout(LOOK_EVERY) {
                Ok(handed) => return self.take(handed),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Stepped::Ended,
            },
        }
        Stepped::Idle
    }

    /// Takes what the engine has handed over.
    fn take(&mut self, handed: Handed) -> Stepped {
        match (handed, &mut self.stage) {
            (Handed::Begin(position), Stage::Asked) => {
                self.pace = Pace::new(self.plan.bytes_per_s_max);
                let written = Writing::begin(self, position);
                self.stage = Stage::Writing { position, written };
                Stepped::Wrote(0)
            }
            (Handed::Piece { tag, bytes }, Stage::Writing { written, .. }) => {
                // After a failure the rest is taken and thrown away: the engine walks to its end.
                if let Ok(writing) = written
                    && let Err(error) = writing.put(tag, &bytes)
                {
                    *written = Err(error);
                }
                let count = bytes.len();
                self.engine.give_back(bytes);
                Stepped::Wrote(count)
            }
            (Handed::End { hash, bytes }, stage @ Stage::Writing { .. }) => {
                self.engine.give_back(bytes);
                let Stage::Writing { position, written } = std::mem::replace(stage, Stage::Resting) else {
                    unreachable!("it was just looked at")
                };
                let sequence = position.last_sequence();
                match written {
                    Ok(writing) => {
                        self.stage = Stage::Waiting { sequence, writing, hash };
                        Stepped::Wrote(0)
                    }
                    Err(error) => self.failed(sequence, error),
                }
            }
            _ => {
                panic!("the engine hands over a snapshot's beginning, its pieces and its end, in this order")
            }
        }
    }

    /// Completes a snapshot.
    fn finish(&mut self) -> Stepped {
        let Stage::Waiting { sequence, writing, hash } = std::mem::replace(&mut self.stage, Stage::Resting)
        else {
            unreachable!("only what waits is finished")
        };
        match writing.finish(hash, &mut self.pace) {
            Ok(info) => {
                self.plan.last_sequence = sequence;
                if self.plan.remove_segments {
                    self.stage = Stage::Removing;
                }
                Stepped::Made(info)
            }
            Err(error) => self.failed(sequence, error),
        }
    }

    fn failed(&mut self, sequence: Sequence, error: JournalError) -> Stepped {
        self.plan.last_sequence = sequence;
        Stepped::Failed(sequence, error)
    }

    /// Removes what only the snapshots before the last two needed, and nobody else does.
    fn remove_segments(&self) -> Result<u32, JournalError> {
        let sequences = list_snapshots(&*self.storage)?;
        let needed = usize::from(!is_planted("remove-what-the-older-snapshot-needs"));
        let Some(&older) = sequences.get(needed) else { return Ok(0) };
        let behind = SnapshotReader::open(&*self.storage, self.store_id, older)?.info().position.segment;
        let held = match (self.needed_from)() {
            Sequence::MAX => behind,
            sequence => orderline_journal::segment_with(&*self.storage, sequence)?.unwrap_or(0),
        };
        let first_kept = held.max(behind.saturating_sub(self.plan.held_segments_max)).min(behind);
        orderline_journal::remove_segments_before(&*self.storage, first_kept)
    }
}

/// Keeps to so many bytes a second.
#[derive(Debug)]
pub struct Pace {
    bytes_per_s_max: u64,
    start: Instant,
    bytes: u64,
}

impl Pace {
    /// From now on so many bytes a second at most; 0: no bound.
    pub fn new(bytes_per_s_max: u64) -> Self {
        Self { bytes_per_s_max, start: Instant::now(), bytes: 0 }
    }

    /// Waits until so many bytes more are within the pace: a piece's time at most.
    pub fn wait(&mut self, bytes: usize) {
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
