//! A batch as it is read: checked as a whole before anything in it is believed.

use std::fmt::Display;

use zerocopy::FromBytes;

use crate::bugs::is_planted;
use crate::layout::{
    ALIGN_BYTES, BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, RECORD_HEADER_BYTES, RecordHeader,
    batch_checksum, record_bytes,
};
use crate::position::Position;

/// No batch is longer than this, whatever the options say, so that a damaged length costs no memory.
pub const BATCH_BYTES_LIMIT: usize = 16 << 20;

/// A checked batch and where it ends. It borrows the reader's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The sequence of the first record.
    pub first_sequence: u64,
    /// How many records there are; at least one.
    pub record_count: u32,
    /// The time of all of them, in microseconds since 1970.
    pub recorded_at_us: i64,
    /// How far the log was durable when this was written.
    pub durable_sequence: u64,
    /// The writer's epoch.
    pub epoch: u64,
    /// Where the batch starts, for messages and for `inspect`.
    pub position: Position,
    /// Where reading goes on behind it; what a follower records.
    pub position_after: Position,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The sequence of the last record.
    pub fn last_sequence(&self) -> u64 {
        self.first_sequence + u64::from(self.record_count) - 1
    }

    /// The records in order.
    pub fn records(&self) -> Records<'a> {
        Records { rest: &self.bytes[BATCH_HEADER_BYTES..], sequence: self.first_sequence }
    }

    /// The same batch over a copy of its bytes, so that it can outlive the reader's buffer.
    ///
    /// # Panics
    /// Its records are read from the copy: [`Batch::records`] panics on one that is shorter.
    pub fn over<'b>(&self, bytes: &'b [u8]) -> Batch<'b> {
        Batch { bytes, ..*self }
    }

    /// The batch as it stands on disk, with its header: what replication sends.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// One record of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its sequence.
    pub sequence: u64,
    /// What the payload is.
    pub kind: u16,
    /// The version of the payload's layout.
    pub version: u8,
    /// The payload without padding; it starts at a multiple of eight in memory.
    pub payload: &'a [u8],
}

/// The records of a batch, in order.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    sequence: u64,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        let (header, rest) = RecordHeader::ref_from_prefix(self.rest).ok()?;
        let payload_bytes = header.payload_bytes.get() as usize;
        let payload = rest.get(..payload_bytes)?;
        self.rest = rest.get(payload_bytes.next_multiple_of(ALIGN_BYTES)..)?;
        let sequence = self.sequence;
        self.sequence += 1;
        Some(Record { sequence, kind: header.kind.get(), version: header.version, payload })
    }
}

/// Why bytes are not the batch that should stand there.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) offset: u64,
    pub(crate) what: &'static str,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Fault {
    pub(crate) fn new(
        offset: u64,
        what: &'static str,
        expected: impl Display,
        found: impl Display,
    ) -> Result<(), Self> {
        Err(Self { offset, what, expected: expected.to_string(), found: found.to_string() })
    }
}

/// What the next batch must continue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) sequence: u64,
    pub(crate) chain: u64,
    pub(crate) epoch: u64,
    /// Take sequence and chain from the batch: the log before it is gone on purpose.
    pub(crate) any: bool,
}

/// The header with a length that is safe to use. `room_bytes` is what is left of the segment.
pub(crate) fn check_length(offset: u64, header: &BatchHeader, room_bytes: u64) -> Result<usize, Fault> {
    if header.magic.get() != BATCH_MAGIC {
        let (expected, found) = (format!("{BATCH_MAGIC:08x}"), format!("{:08x}", header.magic.get()));
        Fault::new(offset, "the batch magic", expected, found)?;
    }
    let length = header.length_bytes.get() as usize;
    let most = room_bytes.min(BATCH_BYTES_LIMIT as u64) as usize;
    if !(BATCH_HEADER_BYTES..=most).contains(&length) || !length.is_multiple_of(ALIGN_BYTES) {
        let expected = format!("{BATCH_HEADER_BYTES} to {most}, a multiple of {ALIGN_BYTES}");
        Fault::new(offset, "the batch length", expected, length)?;
    }
    Ok(length)
}

/// Everything a batch must fulfil by itself and after its predecessor.
pub(crate) fn check_batch(
    offset: u64,
    header: &BatchHeader,
    batch: &[u8],
    seed: u32,
    expected: Expected,
) -> Result<(), Fault> {
    let checksum = batch_checksum(seed, batch);
    if header.checksum.get() != checksum {
        let (wanted, found) = (format!("{checksum:08x}"), format!("{:08x}", header.checksum.get()));
        Fault::new(offset, "the batch checksum", wanted, found)?;
    }
    let first = header.first_sequence.get();
    if first != expected.sequence && !(expected.any && first > 0) {
        Fault::new(offset, "the first sequence", expected.sequence, first)?;
    }
    if header.previous.get() != expected.chain && !expected.any && !is_planted("follow-no-chain") {
        let (wanted, found) = (format!("{:016x}", expected.chain), format!("{:016x}", header.previous.get()));
        Fault::new(offset, "the hash of the previous batch", wanted, found)?;
    }
    if header.epoch.get() < expected.epoch {
        Fault::new(offset, "the epoch", format!("at least {}", expected.epoch), header.epoch.get())?;
    }
    if header.durable_sequence.get() >= first {
        Fault::new(offset, "the durable sequence", format!("below {first}"), header.durable_sequence.get())?;
    }
    if header.reserved.get() != 0 {
        Fault::new(offset, "the reserved field", 0, header.reserved.get())?;
    }
    check_records(offset, header, &batch[BATCH_HEADER_BYTES..])
}

fn check_records(offset: u64, header: &BatchHeader, records: &[u8]) -> Result<(), Fault> {
    let mut at = 0;
    for number in 0..header.record_count.get() {
        let Some(record) = records.get(at..).and_then(|rest| RecordHeader::ref_from_prefix(rest).ok()) else {
            return Fault::new(offset, "the record count", header.record_count, number);
        };
        let (left, payload) = (records.len() - at - RECORD_HEADER_BYTES, record.0.payload_bytes.get());
        if payload as usize > left {
            return Fault::new(offset, "a record's length", format!("at most {left}"), payload);
        }
        at += record_bytes(payload as usize);
    }
    if at != records.len() {
        return Fault::new(offset, "the bytes of all records", records.len(), at);
    }
    Ok(())
}
