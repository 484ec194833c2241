//! The sizes of a journal and the relations between them.

use crate::batch::BATCH_BYTES_LIMIT;
use crate::error::JournalError;
use crate::layout::{ALIGN_BYTES, BATCH_HEADER_BYTES, PAGE_BYTES, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES};

/// How a journal is written. Reading needs none of it.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// The length of a new segment file: whole pages, room for two of the largest batches.
    pub segment_bytes: u64,
    /// The largest batch with its header.
    pub batch_bytes_max: usize,
    /// What one sync makes durable at most. Larger groups sync faster and are acknowledged later.
    pub group_bytes_max: u64,
    /// How far appending may run ahead of the disk before [`Writer::is_behind`](crate::Writer::is_behind) says so.
    pub unsynced_bytes_max: u64,
    /// Up to so many bytes, a writer with nothing else to do syncs by itself instead of waking the sync thread, see
    /// [`Writer::sync_or_wake`](crate::Writer::sync_or_wake); 0: it never does.
    pub own_sync_bytes_max: u64,
    /// The epoch to write with; without it the one found in the log, or 1.
    pub epoch: Option<u64>,
    /// How often the sync thread looks for work before it sleeps. On a machine with few cores little helps more
    /// than none: a spinning thread keeps the kernel's own flushing from running.
    pub spin_count: u32,
    /// Prepare the next segment on a thread; without it the writer does it when it needs one, step by step.
    pub helper_thread: bool,
    /// The identity a new store gets, for a replica or a test; without it a random one. An existing store must
    /// have it.
    pub store_id: Option<u128>,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 256 << 20,
            batch_bytes_max: 1 << 20,
            group_bytes_max: 4 << 20,
            unsynced_bytes_max: 32 << 20,
            own_sync_bytes_max: 256 << 10,
            epoch: None,
            spin_count: 100,
            helper_thread: true,
            store_id: None,
        }
    }
}

impl JournalOptions {
    pub(crate) fn check(&self) -> Result<(), JournalError> {
        let refuse = |reason: String| Err(JournalError::Options { reason });
        let least = BATCH_HEADER_BYTES + RECORD_HEADER_BYTES;
        if !(least..=BATCH_BYTES_LIMIT).contains(&self.batch_bytes_max)
            || !self.batch_bytes_max.is_multiple_of(ALIGN_BYTES)
        {
            let (found, most) = (self.batch_bytes_max, BATCH_BYTES_LIMIT);
            return refuse(format!("batch_bytes_max {found} is not a multiple of 8 from {least} to {most}"));
        }
        if !self.segment_bytes.is_multiple_of(PAGE_BYTES) {
            return refuse(format!("segment_bytes {} is not a multiple of {PAGE_BYTES}", self.segment_bytes));
        }
        // Two, so that a roll happens for want of room and not for every batch.
        let least = SEGMENT_HEADER_BYTES + 2 * (self.batch_bytes_max as u64).next_multiple_of(PAGE_BYTES);
        if self.segment_bytes < least {
            return refuse(format!(
                "segment_bytes {} is below {least}, two largest batches",
                self.segment_bytes
            ));
        }
        if self.group_bytes_max == 0 || self.unsynced_bytes_max == 0 {
            return refuse("group_bytes_max and unsynced_bytes_max must be above 0".to_owned());
        }
        Ok(())
    }
}
