//! The writer: records are staged in a buffer of its own and appended as one batch.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::bugs::is_planted;
use crate::error::JournalError;
use crate::layout::{
    ALIGN_BYTES, BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, RECORD_HEADER_BYTES, RecordHeader,
    SEGMENT_HEADER_BYTES, batch_checksum, page_up, record_bytes,
};
use crate::position::Position;
use crate::prepare::Preparer;
use crate::tail::Shared;

/// The one writer of a journal. Records are staged, then [`Writer::commit`] appends them as a batch; they are
/// durable once the watermark has reached them. Dropping it lets the sync thread finish.
pub struct Writer {
    shared: Arc<Shared>,
    preparer: Preparer,
    batch_bytes_max: usize,
    group_bytes_max: u64,
    unsynced_bytes_max: u64,
    own_sync_bytes_max: u64,
    /// The batch being staged: room for its header, then the records.
    staged: Vec<u8>,
    staged_count: u32,
    /// Where the record being written starts, if one is.
    open_record: Option<usize>,
    next_sequence: u64,
    chain: u64,
}

pub(crate) struct WriterLimits {
    pub(crate) batch_bytes_max: usize,
    pub(crate) group_bytes_max: u64,
    pub(crate) unsynced_bytes_max: u64,
    pub(crate) own_sync_bytes_max: u64,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        preparer: Preparer,
        limits: WriterLimits,
        next_sequence: u64,
        chain: u64,
    ) -> Self {
        let WriterLimits { batch_bytes_max, group_bytes_max, unsynced_bytes_max, own_sync_bytes_max } =
            limits;
        let mut staged = Vec::with_capacity(batch_bytes_max);
        staged.resize(BATCH_HEADER_BYTES, 0);
        Self {
            shared,
            preparer,
            batch_bytes_max,
            group_bytes_max,
            unsynced_bytes_max,
            own_sync_bytes_max,
            staged,
            staged_count: 0,
            open_record: None,
            next_sequence,
            chain,
        }
    }

    /// The sequence the next record gets.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The place behind the last batch that was committed.
    ///
    /// # Panics
    /// If records are staged: they have sequences and no place yet.
    pub fn position(&self) -> Position {
        assert_eq!(self.staged_count, 0, "staged records have no place yet");
        let tail = self.shared.tail.lock();
        Position {
            segment: tail.segment,
            offset: tail.batch_end,
            sequence: self.next_sequence,
            chain: self.chain,
        }
    }

    /// Whether a payload of this length still fits into the batch being staged; if not, commit first.
    pub fn has_room(&self, payload_bytes: usize) -> bool {
        record_bytes(payload_bytes) <= self.batch_bytes_max - self.staged.len()
    }

    /// The longest payload a record can have.
    pub fn payload_bytes_max(&self) -> usize {
        self.batch_bytes_max - BATCH_HEADER_BYTES - RECORD_HEADER_BYTES
    }

    /// Makes sure that one batch of any allowed size can be appended. Ask before deciding anything, for what has
    /// been applied to the state can no longer be rejected. Returns at once unless the writer has outrun the thread
    /// that prepares segments.
    ///
    /// # Errors
    /// [`JournalError::DiskFull`] while no room is left for the next segment, [`JournalError::TooManyFiles`] while
    /// no descriptor is: reject, and ask again later.
    /// [`JournalError::Poisoned`] after a failure.
    pub fn reserve(&mut self) -> Result<(), JournalError> {
        if let Some(failure) = self.shared.watermark.failure() {
            return Err(JournalError::Poisoned(failure));
        }
        // The sync thread may close the group meanwhile, which costs the rest of a page.
        let fits = {
            let tail = self.shared.tail.lock();
            page_up(tail.offset) + self.batch_bytes_max as u64 <= tail.segment_bytes
        };
        if fits {
            return Ok(());
        }
        self.preparer.ensure_ready().map_err(|error| self.passing_or_poison(error))
    }

    /// Stages one record whose payload `write` appends; returns its sequence.
    ///
    /// # Panics
    /// As [`Writer::end_record`].
    pub fn stage(&mut self, kind: u16, version: u8, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        write(self.begin_record());
        self.end_record(kind, version).0
    }

    /// Begins a record; its payload is appended to the buffer, and nothing before it may be touched.
    ///
    /// # Panics
    /// If a record is already begun.
    pub fn begin_record(&mut self) -> &mut Vec<u8> {
        assert!(self.open_record.is_none(), "a record is already begun");
        self.open_record = Some(self.staged.len());
        self.staged.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
        &mut self.staged
    }

    /// Ends the record that was begun; returns its sequence and its payload as it will be read back.
    ///
    /// # Panics
    /// If none was begun, if what stood before it was removed, or if the batch is now larger than allowed, which
    /// [`Writer::has_room`] tells beforehand.
    pub fn end_record(&mut self, kind: u16, version: u8) -> (u64, &[u8]) {
        let start = self.open_record.take().expect("no record was begun");
        let payload_from = start + RECORD_HEADER_BYTES;
        let payload_to = self.staged.len();
        assert!(payload_to >= payload_from, "the buffer was cut below the record's start");
        let end = payload_to.next_multiple_of(ALIGN_BYTES);
        assert!(
            end <= self.batch_bytes_max,
            "a batch of {end} bytes; at most {} are allowed",
            self.batch_bytes_max
        );
        let padding = [0; ALIGN_BYTES];
        self.staged.extend_from_slice(&padding[..end - payload_to]);
        let header = RecordHeader {
            payload_bytes: U32::new((payload_to - payload_from) as u32),
            kind: U16::new(kind),
            version,
            flags: 0,
        };
        self.staged[start..payload_from].copy_from_slice(header.as_bytes());
        self.staged_count += 1;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        (sequence, &self.staged[payload_from..payload_to])
    }

    /// Drops the record that was begun, as if it had never been.
    ///
    /// # Panics
    /// If none was begun.
    pub fn cancel_record(&mut self) {
        let start = self.open_record.take().expect("no record was begun");
        self.staged.truncate(start);
    }

    /// Bytes the staged batch will take in the log; 0 if nothing is staged.
    pub fn staged_bytes(&self) -> usize {
        if self.staged_count == 0 { 0 } else { self.staged.len() }
    }

    /// Records staged and not yet committed.
    pub fn staged_count(&self) -> u32 {
        self.staged_count
    }

    /// Drops all staged records; their sequences are given again.
    pub fn discard_staged(&mut self) {
        self.open_record = None;
        self.next_sequence -= u64::from(self.staged_count);
        self.staged_count = 0;
        self.staged.truncate(BATCH_HEADER_BYTES);
    }

    /// Appends the staged records as one batch with one time and wakes the sync thread. Without staged records
    /// nothing happens.
    ///
    /// # Errors
    /// As [`Writer::append`].
    ///
    /// # Panics
    /// As [`Writer::append`].
    pub fn commit(&mut self, recorded_at_us: i64) -> Result<(), JournalError> {
        if self.staged_count > 0 {
            self.append(recorded_at_us)?;
            self.shared.sync_thread.unpark();
        }
        Ok(())
    }

    /// Appends the staged records as one batch with one time. Nobody syncs it before [`Writer::sync_or_wake`] or a
    /// later commit asks for it. Without staged records nothing happens.
    ///
    /// # Errors
    /// As [`Writer::reserve`] if the next segment could not be prepared: nothing was appended, the records are
    /// still staged. Any other error has poisoned the journal.
    ///
    /// # Panics
    /// If a record is begun and not ended.
    pub fn append(&mut self, recorded_at_us: i64) -> Result<(), JournalError> {
        assert!(self.open_record.is_none(), "a record is begun and not ended");
        if self.staged_count == 0 {
            return Ok(());
        }
        if let Some(failure) = self.shared.watermark.failure() {
            return Err(JournalError::Poisoned(failure));
        }
        let first_sequence = self.next_sequence - u64::from(self.staged_count);
        let header = seal(
            &self.shared,
            &mut self.staged,
            Seal { record_count: self.staged_count, first_sequence, recorded_at_us, previous: self.chain },
        );
        self.append_staged()?;
        self.chain = header.chain();
        self.staged_count = 0;
        self.staged.truncate(BATCH_HEADER_BYTES);
        Ok(())
    }

    fn append_staged(&mut self) -> Result<(), JournalError> {
        let length_bytes = self.staged.len() as u64;
        let mut tail = self.shared.tail.lock();
        if !tail.fits(length_bytes) {
            // The sync thread needs the tail while this thread may wait for the helper.
            drop(tail);
            let next = self
                .preparer
                .take(SEGMENT_HEADER_BYTES)
                .and_then(|(index, file)| Ok((index, file.len()?, file)));
            let (index, segment_bytes, file) = match next {
                Ok(next) => next,
                Err(error) => return Err(self.passing_or_poison(error)),
            };
            tail = self.shared.tail.lock();
            tail.roll(index, file, segment_bytes, SEGMENT_HEADER_BYTES);
        }
        // Counted first: the sync thread must never find more durable than appended.
        self.shared.appended_bytes.fetch_add(length_bytes, Ordering::Release);
        if let Err(error) = tail.append(&self.staged, self.next_sequence - 1) {
            drop(tail);
            return Err(JournalError::Poisoned(self.shared.poison(error)));
        }
        if is_planted("acknowledge-early") {
            self.shared.publisher.publish(self.next_sequence - 1);
        }
        if tail.open_bytes() >= self.group_bytes_max {
            tail.close_group();
        }
        let (offset, segment_bytes) = (tail.offset, tail.segment_bytes);
        drop(tail);
        self.preparer.keep_up(offset, segment_bytes);
        Ok(())
    }

    /// Sees to it that what was appended becomes durable. A caller that `is_idle`, who would only wait for more to
    /// append, makes little of it durable on the spot: to wake a thread and let it take over costs a good part of a
    /// small sync. While the sync thread is at work, or much is to be synced, it is left to that thread.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`] if the sync failed, now or before.
    pub fn sync_or_wake(&mut self, is_idle: bool) -> Result<(), JournalError> {
        let bytes = self.unsynced_bytes();
        if bytes == 0 {
            return Ok(());
        }
        if is_idle
            && bytes <= self.own_sync_bytes_max
            && let Some(syncing) = self.shared.syncing.try_lock()
        {
            while self.shared.sync_next(&syncing).map_err(JournalError::Poisoned)? {}
            return Ok(());
        }
        self.shared.sync_thread.unpark();
        Ok(())
    }

    fn passing_or_poison(&self, error: JournalError) -> JournalError {
        if error.is_temporary() { error } else { JournalError::Poisoned(self.shared.poison(error)) }
    }

    /// Bytes appended and not yet durable.
    pub fn unsynced_bytes(&self) -> u64 {
        self.shared.unsynced_bytes()
    }

    /// Whether so much is not yet durable that nothing more should be admitted.
    pub fn is_behind(&self) -> bool {
        self.unsynced_bytes() >= self.unsynced_bytes_max
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.tail.lock().finished = Some(self.chain);
        self.shared.sync_thread.unpark();
    }
}

pub(crate) struct Seal {
    pub(crate) record_count: u32,
    pub(crate) first_sequence: u64,
    pub(crate) recorded_at_us: i64,
    pub(crate) previous: u64,
}

/// Writes the header of a batch over the room left for it, with the checksum of everything behind.
pub(crate) fn seal(shared: &Shared, batch: &mut [u8], seal: Seal) -> BatchHeader {
    let mut header = BatchHeader::new_zeroed();
    header.magic = U32::new(BATCH_MAGIC);
    header.length_bytes = U32::new(u32::try_from(batch.len()).expect("the batch bound fits 32 bits"));
    header.record_count = U32::new(seal.record_count);
    header.first_sequence = U64::new(seal.first_sequence);
    header.recorded_at_us = I64::new(seal.recorded_at_us);
    header.previous = U64::new(seal.previous);
    header.durable_sequence = U64::new(shared.watermark.durable());
    header.epoch = U64::new(shared.epoch);
    batch[..BATCH_HEADER_BYTES].copy_from_slice(header.as_bytes());
    header.checksum = U32::new(batch_checksum(shared.checksum_seed, batch));
    batch[..BATCH_HEADER_BYTES].copy_from_slice(header.as_bytes());
    debug_assert!(BatchHeader::read_from_prefix(batch).is_ok_and(|(written, _)| written == header));
    header
}
