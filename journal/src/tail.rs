//! The end of the log as the writer and the sync thread share it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::bugs::is_planted;
use crate::error::JournalError;
use crate::layout::{PAGE_BYTES, page_up};
use crate::storage::StorageFile;
use crate::sync::{AtomicU64, CachePadded, Mutex, MutexGuard, Ordering, Unparker};
use crate::watermark::{Watermark, WatermarkPublisher};

// Storing into a mapped page dirties the whole folio around it, up to 2 MiB, and a sync of 4 KiB then writes all of
// that: 320 us instead of 120. A write call dirties only its own blocks but costs some microseconds. So batches are
// written by calls, and copied only under full load, which the size of this group or the last one shows.
const FULL_LOAD_GROUP_BYTES: u64 = 1 << 20;

/// What both halves of the journal hold.
pub(crate) struct Shared {
    pub(crate) tail: Mutex<Tail>,
    /// Held by whoever syncs, from taking a group to publishing it, so that groups become durable in their order.
    pub(crate) syncing: Mutex<()>,
    pub(crate) publisher: WatermarkPublisher,
    pub(crate) watermark: Watermark,
    /// Bytes of batches ever appended and ever made durable; their distance is what a crash may take.
    pub(crate) appended_bytes: CachePadded<AtomicU64>,
    pub(crate) durable_bytes: CachePadded<AtomicU64>,
    pub(crate) sync_thread: Unparker,
    pub(crate) checksum_seed: u32,
    pub(crate) epoch: u64,
    /// Held until both halves are gone, so that no other process opens the directory before the last sync.
    pub(crate) _lock: Box<dyn Send + Sync>,
}

impl Shared {
    pub(crate) fn unsynced_bytes(&self) -> u64 {
        let durable = self.durable_bytes.load(Ordering::Acquire);
        self.appended_bytes.load(Ordering::Acquire).saturating_sub(durable)
    }

    /// Makes the next group durable and publishes it; false if there is none. The caller's guard keeps others out.
    pub(crate) fn sync_next(&self, _syncing: &MutexGuard<'_, ()>) -> Result<bool, Arc<JournalError>> {
        if let Some(failure) = self.watermark.failure() {
            return Err(failure);
        }
        let Some(group) = self.tail.lock().next_group() else {
            return Ok(false);
        };
        assert!(group.range.start.is_multiple_of(PAGE_BYTES) && group.range.end.is_multiple_of(PAGE_BYTES));
        if is_planted("publish-before-the-sync") {
            self.publisher.publish(group.last_sequence);
        }
        self.sync_group(&group).map_err(|error| self.poison(error))?;
        self.durable_bytes.fetch_add(group.batch_bytes, Ordering::Release);
        self.publisher.publish(group.last_sequence + u64::from(is_planted("watermark-one-ahead")));
        Ok(true)
    }

    fn sync_group(&self, group: &Group) -> Result<(), JournalError> {
        let mut range = group.range.clone();
        if is_planted("skip-the-sync") {
            return Ok(());
        }
        if is_planted("sync-a-page-too-few") {
            range.end -= PAGE_BYTES;
        }
        match group.file.sync(range.clone()) {
            Err(_) if is_planted("try-a-failed-sync-again") => group.file.sync(range),
            result => result,
        }
    }

    /// Records the first failure and tells it to whoever waits.
    pub(crate) fn poison(&self, error: JournalError) -> Arc<JournalError> {
        let error = Arc::new(error);
        self.publisher.fail(Arc::clone(&error));
        self.watermark.failure().unwrap_or(error)
    }
}

/// Bytes of one segment that one sync makes durable.
pub(crate) struct Group {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) range: Range<u64>,
    /// What the watermark may say once the range is durable.
    pub(crate) last_sequence: u64,
    /// Bytes of batches in the range.
    pub(crate) batch_bytes: u64,
}

/// The segment being appended to, and the groups in it.
pub(crate) struct Tail {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) segment: u32,
    pub(crate) segment_bytes: u64,
    /// Where the next batch goes.
    pub(crate) offset: u64,
    /// Where the last batch ends: the padding behind a group is none of it.
    pub(crate) batch_end: u64,
    /// Where the open group starts; a page boundary.
    pub(crate) group_from: u64,
    group_batch_bytes: u64,
    last_group_bytes: u64,
    pub(crate) last_sequence: u64,
    /// Groups that are complete and wait for their sync, oldest first.
    closed: VecDeque<Group>,
    /// The log ends with the mark of a clean shutdown, or has no batch to be marked.
    pub(crate) at_mark: bool,
    /// Set when the writer is gone: the hash the closing mark must carry.
    pub(crate) finished: Option<u64>,
}

impl Tail {
    pub(crate) fn new(
        file: Arc<dyn StorageFile>,
        segment: u32,
        segment_bytes: u64,
        offset: u64,
        last_sequence: u64,
        at_mark: bool,
    ) -> Self {
        assert_eq!(offset, page_up(offset), "appending starts at a page of its own");
        let closed = VecDeque::new();
        let (group_from, group_batch_bytes, finished) = (offset, 0, None);
        Self {
            file,
            segment,
            segment_bytes,
            offset,
            batch_end: offset,
            group_from,
            group_batch_bytes,
            last_group_bytes: 0,
            last_sequence,
            closed,
            at_mark: at_mark || last_sequence == 0,
            finished,
        }
    }

    /// Whether a batch of this length still fits.
    pub(crate) fn fits(&self, length_bytes: u64) -> bool {
        length_bytes <= self.segment_bytes - self.offset
    }

    /// Copies a batch to the end of the log.
    pub(crate) fn append(&mut self, batch: &[u8], last_sequence: u64) -> Result<(), JournalError> {
        assert!(self.fits(batch.len() as u64), "a batch never spans segments");
        assert!(last_sequence >= self.last_sequence, "sequences only rise");
        if self.group_batch_bytes.max(self.last_group_bytes) < FULL_LOAD_GROUP_BYTES {
            self.file.write_at(self.offset, batch)?;
        } else {
            self.file.copy_at(self.offset, batch)?;
        }
        self.offset += batch.len() as u64;
        self.batch_end = self.offset;
        self.group_batch_bytes += batch.len() as u64;
        self.at_mark = false;
        self.last_sequence = last_sequence;
        Ok(())
    }

    /// Bytes in the open group, with its padding.
    pub(crate) fn open_bytes(&self) -> u64 {
        self.offset - self.group_from
    }

    /// Completes the open group: its pages belong to its sync from now on, and the next batch starts on a new one.
    pub(crate) fn close_group(&mut self) {
        if self.group_batch_bytes == 0 {
            return;
        }
        self.offset = page_up(self.offset);
        assert!(self.offset <= self.segment_bytes, "a segment is whole pages");
        self.closed.push_back(Group {
            file: Arc::clone(&self.file),
            range: self.group_from..self.offset,
            last_sequence: self.last_sequence,
            batch_bytes: self.group_batch_bytes,
        });
        self.group_from = self.offset;
        self.last_group_bytes = self.group_batch_bytes;
        self.group_batch_bytes = 0;
    }

    /// Goes on in another segment; what stands in this one is synced first.
    pub(crate) fn roll(&mut self, segment: u32, file: Arc<dyn StorageFile>, segment_bytes: u64, offset: u64) {
        self.close_group();
        assert_eq!(segment, self.segment + 1, "segments follow one another");
        self.file = file;
        self.segment = segment;
        self.segment_bytes = segment_bytes;
        self.offset = offset;
        self.group_from = offset;
    }

    /// The oldest group to sync; the open one is closed for it if no other waits.
    pub(crate) fn next_group(&mut self) -> Option<Group> {
        if self.closed.is_empty() {
            self.close_group();
        }
        self.closed.pop_front()
    }
}
