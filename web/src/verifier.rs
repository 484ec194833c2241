//! Reads everything durable again while the server runs: every checksum and link of the journal, every record, every snapshot.
//!
//! It builds no second state, for which there may be no memory, and so compares no state hashes: that is `orderline verify`,
//! in a process of its own ([decision 35](../../docs/decisions/0035-verify-beside-the-engine.md)).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use orderline_core::snapshot::Pace;
use orderline_journal::snapshot::list_snapshots;
use orderline_journal::{
    Batch, JournalError, Reader, SnapshotReader, Start, Storage, Watermark, first_sequence, list_segments,
};
use orderline_protocol::event::Event;
use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::types::Time;
use crate::recovery::{below, segment_file};

/// How a verification stands.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Verify {
    /// The one that is under way.
    running: Option<Running>,
    /// The last one that came to its end since the server started.
    last: Option<Verified>,
}

/// A verification that is under way.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Running {
    /// When it began.
    started_at: Time,
    /// Everything up to this sequence is read: what was durable when it began.
    to_sequence: u64,
    /// Records of the journal read so far.
    records: u64,
    /// Of how many.
    records_total: u64,
    /// Snapshots read so far. They come first.
    snapshots: u64,
    /// Of how many.
    snapshots_total: u64,
    /// Bytes of both read so far.
    bytes: u64,
}

/// What a verification came to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Verified {
    /// When it began.
    started_at: Time,
    /// When it ended.
    ended_at: Time,
    /// Whether all is as it was written.
    ok: bool,
    /// The first sequence that was read.
    from_sequence: u64,
    /// The last one that was to be read.
    to_sequence: u64,
    /// Records read.
    records: u64,
    /// Batches that they stand in.
    batches: u64,
    /// Snapshots read.
    snapshots: u64,
    /// Bytes of both read.
    bytes: u64,
    /// What is not as it was written: the first fault of the journal, and the first of each snapshot.
    faults: Vec<Fault>,
}

/// Something on disk that is not as it was written.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Fault {
    /// The file, in the data directory; null: no file is to blame.
    file: Option<String>,
    /// Where in it, in bytes.
    offset: Option<u64>,
    /// What was found, and what should be there.
    sentence: String,
}

/// Verifies in a thread of its own, which gives way to others and keeps to a pace; one verification at a time.
pub struct Verifier {
    work: Arc<Work>,
    stand: Arc<Mutex<Stand>>,
    stopping: Arc<AtomicBool>,
}

#[derive(Default)]
struct Stand {
    running: Option<Arc<Progress>>,
    last: Option<Verified>,
    thread: Option<JoinHandle<()>>,
}

struct Work {
    storage: Arc<dyn Storage>,
    store_id: u128,
    watermark: Watermark,
    bytes_per_s_max: u64,
}

/// How far a verification has come.
#[derive(Debug)]
struct Progress {
    started_at: Time,
    from_sequence: u64,
    to_sequence: u64,
    snapshots_total: u64,
    records: AtomicU64,
    batches: AtomicU64,
    snapshots: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    fn look(&self) -> Running {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Running {
            started_at: self.started_at,
            to_sequence: self.to_sequence,
            records: of(&self.records),
            records_total: (self.to_sequence + 1).saturating_sub(self.from_sequence),
            snapshots: of(&self.snapshots),
            snapshots_total: self.snapshots_total,
            bytes: of(&self.bytes),
        }
    }

    fn end(&self, faults: Vec<Fault>) -> Verified {
        let Running { started_at, to_sequence, records, snapshots, bytes, .. } = self.look();
        Verified {
            started_at,
            ended_at: now(),
            ok: faults.is_empty(),
            from_sequence: self.from_sequence,
            to_sequence,
            records,
            batches: self.batches.load(Ordering::Relaxed),
            snapshots,
            bytes,
            faults,
        }
    }
}

/// Why no verification began.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotBegun {
    /// One is under way.
    #[error("a verification is under way since {0}; GET /v1/recovery/verify says how far it is")]
    UnderWay(Time),
    /// The directory cannot be listed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The system gives no thread.
    #[error("no thread could be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl Verifier {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        store_id: u128,
        watermark: Watermark,
        bytes_per_s_max: u64,
    ) -> Self {
        let work = Arc::new(Work { storage, store_id, watermark, bytes_per_s_max });
        Self { work, stand: Arc::default(), stopping: Arc::default() }
    }

    /// Begins to verify everything that is durable now.
    pub(crate) fn begin(&self) -> Result<Verify, NotBegun> {
        let mut stand = self.stand.lock();
        if let Some(running) = &stand.running {
            return Err(NotBegun::UnderWay(running.started_at));
        }
        let progress = Arc::new(self.work.begin()?);
        stand.running = Some(Arc::clone(&progress));
        let (work, own, stopping) =
            (Arc::clone(&self.work), Arc::clone(&self.stand), Arc::clone(&self.stopping));
        let run = move || {
            // Whoever takes orders comes first. Without a priority it is verified all the same.
            let _ = rustix::process::setpriority_process(None, 10);
            let faults = work.verify(&progress, &stopping);
            let mut stand = own.lock();
            stand.running = None;
            // What was broken off says nothing about what it had not come to.
            if !stopping.load(Ordering::Relaxed) {
                stand.last = Some(progress.end(faults));
            }
        };
        match std::thread::Builder::new().name("verify".to_owned()).spawn(run) {
            Ok(thread) => stand.thread = Some(thread),
            Err(error) => {
                stand.running = None;
                return Err(error.into());
            }
        }
        drop(stand);
        Ok(self.look())
    }

    /// How it stands.
    pub(crate) fn look(&self) -> Verify {
        let stand = self.stand.lock();
        let running = stand.running.as_deref().map(Progress::look);
        Verify { running, last: stand.last.clone() }
    }

    /// Breaks off what is under way, and waits for that; whether its thread ended well.
    pub fn stop(&self) -> bool {
        self.stopping.store(true, Ordering::Relaxed);
        let thread = self.stand.lock().thread.take();
        thread.is_none_or(|thread| thread.join().is_ok())
    }
}

impl Work {
    fn begin(&self) -> Result<Progress, JournalError> {
        let to_sequence = self.watermark.durable();
        let oldest = list_segments(&*self.storage)?.first().copied().unwrap_or(1);
        let first = first_sequence(&*self.storage, oldest)?.filter(|&first| first <= to_sequence);
        Ok(Progress {
            started_at: now(),
            from_sequence: first.unwrap_or(to_sequence + 1),
            to_sequence,
            snapshots_total: list_snapshots(&*self.storage)?.len() as u64,
            records: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            snapshots: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    fn verify(&self, progress: &Progress, stopping: &AtomicBool) -> Vec<Fault> {
        let mut pace = Pace::new(self.bytes_per_s_max);
        let mut go_on = |bytes: usize| {
            progress.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            pace.wait(bytes);
            !stopping.load(Ordering::Relaxed)
        };
        let mut faults = Vec::new();
        match list_snapshots(&*self.storage) {
            Ok(sequences) => {
                for sequence in sequences {
                    faults.extend(self.read_snapshot(sequence, progress, &mut go_on));
                    progress.snapshots.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(error) => faults.push(self.fault(&error)),
        }
        faults.extend(self.read_log(progress, &mut go_on));
        faults
    }

    /// Reads a snapshot to its end, and the batch that follows on it.
    fn read_snapshot(
        &self,
        sequence: u64,
        progress: &Progress,
        go_on: &mut impl FnMut(usize) -> bool,
    ) -> Option<Fault> {
        let mut read = || {
            let mut reader = SnapshotReader::open(&*self.storage, self.store_id, sequence)?;
            while reader.next_section()?.is_some() {
                while let Some(chunk) = reader.next_chunk()? {
                    if !go_on(chunk.len()) {
                        return Ok(());
                    }
                }
            }
            let start = Start::At(reader.info().position);
            Reader::open(Arc::clone(&self.storage), start)?.next_batch(progress.to_sequence)?;
            Ok(())
        };
        let error: JournalError = read().err()?;
        // The oldest goes when a new one has come, and that is nobody's fault.
        let is_gone = list_snapshots(&*self.storage).is_ok_and(|left| !left.contains(&sequence));
        (!is_gone).then(|| self.fault(&error))
    }

    /// Reads the journal from its beginning; the first fault ends it, for nothing behind it can be held to anything.
    fn read_log(&self, progress: &Progress, go_on: &mut impl FnMut(usize) -> bool) -> Option<Fault> {
        let open = || Reader::open(Arc::clone(&self.storage), Start::Oldest);
        let mut reader = match open() {
            Ok(reader) => reader,
            Err(error) => return Some(self.fault(&error)),
        };
        loop {
            let error = match reader.next_batch(progress.to_sequence) {
                Ok(None) => return None,
                Ok(Some(batch)) => {
                    if let Some(fault) = self.read_records(&batch) {
                        return Some(fault);
                    }
                    progress.records.fetch_add(batch.record_count.into(), Ordering::Relaxed);
                    progress.batches.fetch_add(1, Ordering::Relaxed);
                    if !go_on(batch.bytes().len()) {
                        return None;
                    }
                    continue;
                }
                Err(error) => error,
            };
            // Segments that nothing needs any more may go meanwhile: what is left is read on.
            let oldest = list_segments(&*self.storage).ok().and_then(|left| left.first().copied());
            let is_removed = oldest.is_some_and(|oldest| oldest > reader.position().segment);
            match open().ok().filter(|_| is_removed) {
                Some(behind) => reader = behind,
                None => return Some(self.fault(&error)),
            }
        }
    }

    /// Whether this program can read what a batch holds.
    fn read_records(&self, batch: &Batch<'_>) -> Option<Fault> {
        let unreadable = batch.records().find_map(|record| {
            let error = Event::read(record.kind, record.version, record.payload).err()?;
            Some((record.sequence, error))
        });
        let (sequence, error) = unreadable?;
        Some(Fault {
            file: Some(segment_file(&*self.storage, batch.position.segment)),
            offset: Some(batch.position.offset),
            sentence: format!("record {sequence} is no event that this program knows: {error}"),
        })
    }

    fn fault(&self, error: &JournalError) -> Fault {
        let (file, offset) = error.place().unzip();
        let directory = self.storage.path("");
        Fault { file: file.map(|path| below(&directory, &path)), offset, sentence: error.to_string() }
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(since.as_micros() as i64)
}
