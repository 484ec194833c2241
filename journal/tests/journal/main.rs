//! What the journal promises, proved from outside.

mod crash;
mod damage;
mod entries;
mod format;
mod golden;
mod live;
#[path = "../../../tests/proof/mod.rs"]
mod proof;
mod sectors;
mod snapshots;

use std::sync::Arc;

use orderline_journal::{
    JournalError, JournalOptions, MemoryStorage, Opened, Reader, Start, Storage, Writer, open,
};

pub(crate) const STORE_ID: u128 = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;

/// Small and without threads, so that every step of a test is its own.
pub(crate) fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 64 << 10,
        batch_bytes_max: 16 << 10,
        helper_thread: false,
        store_id: Some(STORE_ID),
        ..JournalOptions::default()
    }
}

/// What a record with a sequence says: enough that no two are alike.
pub(crate) fn payload(sequence: u64) -> Vec<u8> {
    let length = (sequence * 7 % 61) as usize;
    (0..length).map(|at| (sequence.wrapping_mul(31) as u8).wrapping_add(at as u8) | 1).collect()
}

pub(crate) fn stage(writer: &mut Writer, count: u64) {
    for _ in 0..count {
        let bytes = payload(writer.next_sequence());
        writer.stage(bytes.len() as u16, 1, |buffer| buffer.extend_from_slice(&bytes));
    }
}

pub(crate) fn append(opened: &mut Opened, count: u64) {
    stage(&mut opened.writer, count);
    opened.writer.commit(1_700_000_000_000_000 + count as i64).expect("append");
}

pub(crate) fn sync(opened: &Opened) {
    while opened.syncer.sync_once().expect("sync") {}
}

/// A log of several groups and two segments, closed without the mark of a clean shutdown. All of it is durable.
pub(crate) fn sample(storage: &MemoryStorage) -> u64 {
    let mut opened = open(storage.clone(), options()).expect("open");
    for round in 0..40 {
        append(&mut opened, 1 + round % 5);
        append(&mut opened, 20);
        if round % 2 == 0 {
            sync(&opened);
        }
    }
    sync(&opened);
    opened.watermark.durable()
}

/// Reads a directory at rest to its end and checks every record; the last sequence, and whether a tail was torn.
pub(crate) fn read_all(storage: &MemoryStorage) -> Result<(u64, bool), JournalError> {
    let mut reader = Reader::open(Arc::new(storage.clone()) as Arc<dyn Storage>, Start::Oldest)?;
    let mut next = 1;
    while let Some(batch) = reader.next_batch(u64::MAX)? {
        for record in batch.records() {
            assert_eq!(record.sequence, next, "sequences are dense");
            assert_eq!(record.payload, payload(next), "the payload of sequence {next}");
            assert_eq!(usize::from(record.kind), record.payload.len());
            assert_eq!(record.payload.as_ptr() as usize % 8, 0, "payloads are aligned");
            next += 1;
        }
    }
    Ok((next - 1, reader.torn_tail().is_some()))
}

/// Runs a randomised test over many seeds; a failure names its seed.
pub(crate) fn seeds(count: u64, test: impl Fn(u64) + std::panic::RefUnwindSafe) {
    for seed in 0..count {
        if let Err(panic) = std::panic::catch_unwind(|| test(seed)) {
            eprintln!("failed with seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
