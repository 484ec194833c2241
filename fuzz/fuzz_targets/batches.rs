//! A segment's bytes, as the reader and a writer's start meet them: checksums and the first batch's place in the log are
//! made to fit where the fuzzer says so, for otherwise hardly anything would get past them.

#![no_main]

#[path = "../src/shared.rs"]
mod shared;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use orderline_journal::layout::{BATCH_CHECKSUM_FROM, BATCH_HEADER_BYTES, BATCH_MAGIC, SEGMENT_HEADER_BYTES};
use orderline_journal::{JournalOptions, MemoryStorage, Reader, Start, open};

const STORE_ID: u128 = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
const SEGMENT: &str = "journal/00000001.segment";

fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 16 << 10,
        batch_bytes_max: 4 << 10,
        helper_thread: false,
        store_id: Some(STORE_ID),
        ..JournalOptions::default()
    }
}

/// An empty store.
static EMPTY: LazyLock<MemoryStorage> = LazyLock::new(|| {
    let storage = MemoryStorage::new();
    drop(open(storage.clone(), options()).expect("open"));
    storage.duplicate()
});

fuzz_target!(|data: &[u8]| {
    let Some((&mode, rest)) = data.split_first() else { return };
    let mut log = rest.to_vec();
    log.truncate((16 << 10) - SEGMENT_HEADER_BYTES as usize);
    if mode & 1 == 1 {
        let seed = xxhash_rust::xxh3::xxh3_64(&STORE_ID.to_le_bytes()) as u32;
        let mut at = 0;
        while at + BATCH_HEADER_BYTES <= log.len() {
            log[at..at + 4].copy_from_slice(&BATCH_MAGIC.to_le_bytes());
            let length = u32::from_le_bytes([log[at + 4], log[at + 5], log[at + 6], log[at + 7]]) as usize;
            if length < BATCH_HEADER_BYTES || at + length > log.len() {
                break;
            }
            let checksum = crc32c::crc32c_append(seed, &log[at..at + length][BATCH_CHECKSUM_FROM..]);
            log[at + 8..at + 12].copy_from_slice(&checksum.to_le_bytes());
            at += length;
        }
    }
    let storage = EMPTY.duplicate();
    storage.edit(SEGMENT, |bytes| {
        bytes[SEGMENT_HEADER_BYTES as usize..][..log.len()].copy_from_slice(&log);
    });
    let mut seen = 0;
    if let Ok(mut reader) = Reader::open(shared::shared(storage.clone()), Start::Oldest) {
        while let Ok(Some(batch)) = reader.next_batch(u64::MAX) {
            seen += batch.records().count() as u64;
            assert_eq!(batch.records().count(), batch.record_count as usize);
        }
    }
    if mode & 2 == 2
        && let Ok(opened) = open(storage.clone(), options())
    {
        assert!(opened.recovery.last_sequence >= seen);
        drop(opened);
        let opened = open(storage, options()).expect("what was opened once opens again");
        assert!(opened.recovery.torn_tail.is_none(), "what was torn was cut");
    }
});
