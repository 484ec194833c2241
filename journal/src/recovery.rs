//! Opening a journal for writing: lock, read and check, cut a torn tail, go on behind it.

use std::sync::Arc;

use crossbeam::sync::Parker;

use crate::batch::Batch;
use crate::bugs::is_planted;
use crate::damage::{TornTail, cut};
use crate::error::JournalError;
use crate::layout::{checksum_seed, page_up};
use crate::options::JournalOptions;
use crate::position::{Position, Start};
use crate::prepare::Preparer;
use crate::reader::Reader;
use crate::segment::{JOURNAL_DIRECTORY, list_segments, make_segment, remove_temporaries, segment_name};
use crate::snapshot::SNAPSHOT_DIRECTORY;
use crate::storage::Storage;
use crate::store::read_or_create_store;
use crate::sync::{CachePadded, Mutex};
use crate::syncer::Syncer;
use crate::tail::{Shared, Tail};
use crate::watermark::Watermark;
use crate::writer::{Writer, WriterLimits};

/// An open journal: one writer, one sync thread's work, and the watermark for everyone.
pub struct Opened {
    /// For the thread that appends.
    pub writer: Writer,
    /// For the thread that syncs; see [`Syncer::spawn`].
    pub syncer: Syncer,
    /// How far the log is durable.
    pub watermark: Watermark,
    /// What was found.
    pub recovery: RecoveryReport,
    /// The directory, for followers and snapshots.
    pub storage: Arc<dyn Storage>,
}

/// What opening the journal found.
#[derive(Clone, Debug)]
pub struct RecoveryReport {
    /// The identity of the store.
    pub store_id: u128,
    /// The last sequence in the log, 0 if it is empty. All up to it is durable now.
    pub last_sequence: u64,
    /// The end of the log.
    pub position: Position,
    /// The epoch this writer writes with.
    pub epoch: u64,
    /// Batches read on the way.
    pub batches: u64,
    /// Records read on the way.
    pub records: u64,
    /// What was cut off, if a crash had left something.
    pub torn_tail: Option<TornTail>,
}

/// A directory that this process alone may write to. Snapshots may be looked at before the log is read.
pub struct Locked {
    storage: Arc<dyn Storage>,
    options: JournalOptions,
    store_id: u128,
    lock: Box<dyn Send + Sync>,
}

/// A log being read before it is written to again: replay it batch by batch, then [`Recovering::finish`].
pub struct Recovering {
    locked: Locked,
    reader: Reader,
    start: Position,
    batches: u64,
    records: u64,
}

/// Opens a journal and reads it from its oldest segment; creates it if the directory is empty.
///
/// # Errors
/// If another process has it, if it is damaged, or if the disk refuses.
pub fn open(storage: impl Storage, options: JournalOptions) -> Result<Opened, JournalError> {
    Locked::new(Arc::new(storage), options)?.recover(Start::Oldest)?.finish()
}

impl Locked {
    /// Locks the directory, and makes it a store if it is empty.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if another process has it, [`JournalError::Options`] if the options contradict
    /// each other, or what the disk says.
    pub fn new(storage: Arc<dyn Storage>, options: JournalOptions) -> Result<Self, JournalError> {
        options.check()?;
        let lock = storage.lock()?;
        let store_id = read_or_create_store(&*storage, options.store_id)?;
        for directory in [JOURNAL_DIRECTORY, SNAPSHOT_DIRECTORY] {
            storage.create_directory(directory)?;
            remove_temporaries(&*storage, directory)?;
        }
        Ok(Self { storage, options, store_id, lock })
    }

    /// The directory.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The identity of the store.
    pub fn store_id(&self) -> u128 {
        self.store_id
    }

    /// Begins reading the log.
    ///
    /// # Errors
    /// If a segment is missing or not what its header says, or the log does not reach `start`.
    pub fn recover(self, start: Start) -> Result<Recovering, JournalError> {
        let reader = Reader::open_store(Arc::clone(&self.storage), self.store_id, start)?;
        let start = reader.position();
        Ok(Recovering { locked: self, reader, start, batches: 0, records: 0 })
    }
}

impl Recovering {
    /// The next batch of the log, or nothing at its end.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] if bytes that had been durable are not what was written.
    pub fn next_batch(&mut self) -> Result<Option<Batch<'_>>, JournalError> {
        let batch = self.reader.next_batch(u64::MAX)?;
        if let Some(batch) = &batch {
            self.batches += 1;
            self.records += u64::from(batch.record_count);
        }
        Ok(batch)
    }

    /// Reads what is left of the log, cuts a torn tail, makes everything durable and opens the writer behind it.
    ///
    /// # Errors
    /// As [`Recovering::next_batch`], [`JournalError::Fenced`] if a newer epoch has written here, and what the disk
    /// says.
    pub fn finish(mut self) -> Result<Opened, JournalError> {
        while self.next_batch()?.is_some() {}
        let Self { locked: Locked { storage, options, store_id, lock }, reader, start, batches, records } =
            self;
        let position = reader.position();
        let epoch = options.epoch.unwrap_or_else(|| reader.epoch().max(1));
        if epoch < reader.epoch() {
            let path = storage.path(JOURNAL_DIRECTORY);
            return Err(JournalError::Fenced { path, ours: epoch, found: reader.epoch() });
        }
        let mut torn_tail = reader.torn_tail().cloned();
        if let Some(torn) = &mut torn_tail {
            cut(&*storage, torn)?;
        }
        if !is_planted("trust-the-page-cache-at-a-start") {
            sync_segments(&*storage, start.segment, position.segment)?;
        }
        if list_segments(&*storage)?.is_empty() {
            make_segment(&*storage, store_id, position.segment, options.segment_bytes, None)?;
        }
        let file = storage.open_segment(&segment_name(position.segment))?;
        let segment_bytes = file.len()?;
        let offset = page_up(position.offset);
        let last_sequence = position.last_sequence();
        let (publisher, watermark) = Watermark::new(last_sequence);
        let parker = Parker::new();
        let shared = Arc::new(Shared {
            tail: Mutex::new(Tail::new(
                file,
                position.segment,
                segment_bytes,
                offset,
                last_sequence,
                reader.at_mark(),
            )),
            syncing: Mutex::new(()),
            publisher,
            watermark: watermark.clone(),
            appended_bytes: CachePadded::default(),
            durable_bytes: CachePadded::default(),
            sync_thread: parker.unparker().clone(),
            checksum_seed: checksum_seed(store_id),
            epoch,
            _lock: lock,
        });
        let next = position.segment + 1;
        let helper = options.helper_thread;
        let preparer =
            Preparer::new(Arc::clone(&storage), store_id, options.segment_bytes, next, offset, helper)?;
        let limits = WriterLimits {
            batch_bytes_max: options.batch_bytes_max,
            group_bytes_max: options.group_bytes_max,
            unsynced_bytes_max: options.unsynced_bytes_max,
            own_sync_bytes_max: options.own_sync_bytes_max,
        };
        let writer = Writer::new(Arc::clone(&shared), preparer, limits, position.sequence, position.chain);
        let syncer = Syncer::new(shared, parker, options.spin_count);
        let recovery =
            RecoveryReport { store_id, last_sequence, position, epoch, batches, records, torn_tail };
        Ok(Opened { writer, syncer, watermark, recovery, storage })
    }
}

/// What was read may still be in the page cache only, left by a process that was killed; before the watermark says
/// it is durable, it must be.
fn sync_segments(storage: &dyn Storage, first: u32, last: u32) -> Result<(), JournalError> {
    for index in list_segments(storage)?.into_iter().filter(|index| (first..=last).contains(index)) {
        let file = storage.open(&segment_name(index), true)?;
        file.sync(0..file.len()?)?;
    }
    storage.sync_directory(JOURNAL_DIRECTORY)
}
