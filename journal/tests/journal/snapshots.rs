//! Snapshot files: whole, damaged, and the older one in their place.

use std::io::{Read, Write};
use std::sync::Arc;

use orderline_journal::snapshot::list_snapshots;
use orderline_journal::{
    JournalError, Locked, MemoryStorage, Position, SnapshotWriter, Start, Storage, newest_good, open,
    remove_segments_before,
};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::proof::Proof;
use crate::{STORE_ID, append, options, sync};

pub(crate) fn write(storage: &MemoryStorage, sequence: u64, section: &[u8]) -> Result<(), JournalError> {
    let position = Position { segment: 1, offset: 4096, sequence: sequence + 1, chain: 99 };
    let mut writer = SnapshotWriter::create(Arc::new(storage.clone()), STORE_ID, position)?;
    writer.begin_section(7)?;
    writer.write_all(section).expect("append");
    writer.begin_section(8)?;
    writer.finish(u128::from(sequence) << 64 | 5, &mut |_| {})?;
    Ok(())
}

fn newest(storage: &MemoryStorage) -> (Option<u64>, usize) {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    let (reader, rejected) = newest_good(&storage, STORE_ID).expect("list");
    (reader.map(|reader| reader.info().sequence), rejected.len())
}

#[test]
fn a_snapshot_is_read_as_it_was_written_and_two_generations_stay() {
    let storage = MemoryStorage::new();
    let section: Vec<u8> = (0..2_500_000_u32).map(|at| at as u8).collect();
    for sequence in [10, 20, 30] {
        write(&storage, sequence, &section).expect("write");
    }
    assert_eq!(storage.list("snapshots").expect("list").len(), 2);
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let (reader, rejected) = newest_good(&shared, STORE_ID).expect("list");
    let mut reader = reader.expect("a snapshot");
    assert!(rejected.is_empty());
    assert_eq!((reader.info().sequence, reader.info().position.sequence), (30, 31));
    assert_eq!((reader.info().position.chain, reader.info().state_hash), (99, 30 << 64 | 5));
    assert_eq!(reader.next_section().expect("read"), Some(7));
    let mut found = Vec::new();
    reader.read_to_end(&mut found).expect("read");
    assert!(found == section);
    assert_eq!(reader.next_section().expect("read"), Some(8));
    assert!(reader.next_chunk().expect("read").is_none());
    assert_eq!(reader.next_section().expect("read"), None);
    assert!(newest_good(&shared, 1).expect("list").0.is_none(), "another store's snapshot");
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_older_one() {
    let storage = MemoryStorage::new();
    write(&storage, 10, b"the older one").expect("write");
    write(&storage, 20, b"some state in a section").expect("write");
    let name = "snapshots/00000000000000000020.snapshot";
    let whole = storage.read_small(name).expect("read").expect("exists");
    assert_eq!(newest(&storage), (Some(20), 0));
    for length in 0..whole.len() {
        storage.edit(name, |bytes| bytes.truncate(length));
        assert_eq!(newest(&storage), (Some(10), 1), "cut to {length}");
        storage.edit(name, |bytes| bytes.clone_from(&whole));
    }
    for offset in 0..whole.len() as u64 {
        for bit in 0..8 {
            storage.flip_bit(name, offset, bit);
            assert_eq!(newest(&storage), (Some(10), 1), "byte {offset} bit {bit}");
            storage.flip_bit(name, offset, bit);
        }
    }
    let mut proof = Proof::of(7, "every length and every bit of a small snapshot");
    proof.ran(9 * whole.len() as u64);
    proof.figure("fallbacks", 9.0 * whole.len() as f64);
    proof.end();
}

#[test]
fn a_crash_while_writing_leaves_the_older_snapshot() {
    crate::seeds(300, |seed| {
        let mut random = StdRng::seed_from_u64(seed);
        let storage = MemoryStorage::new();
        for sequence in [5, 10] {
            write(&storage, sequence, b"older").expect("write");
        }
        storage.fail_sync(random.random_range(1..7));
        let written = write(&storage, 20, b"newer");
        let crashed = storage.crash(&mut |count| random.random_range(0..count));
        let (found, wrong) = newest(&crashed);
        let left = list_snapshots(&crashed).expect("list").len() - wrong;
        assert!(left >= 2, "two generations stay, and {left} have");
        match written {
            Ok(()) => assert_eq!(found, Some(20)),
            Err(_) => assert!(found == Some(10) || found == Some(20), "{found:?}"),
        }
    });
}

#[test]
fn recovery_starts_at_a_position_and_old_segments_go() {
    let storage = MemoryStorage::new();
    let mut opened = open(storage.clone(), options()).expect("open");
    let mut positions = Vec::new();
    while opened.writer.next_sequence() < 6000 {
        append(&mut opened, 100);
        sync(&opened);
    }
    let durable = opened.watermark.durable();
    let shared = Arc::clone(&opened.storage);
    drop(opened);
    let mut reader = orderline_journal::Reader::open(Arc::clone(&shared), Start::Oldest).expect("reader");
    while let Some(batch) = reader.next_batch(u64::MAX).expect("read") {
        positions.push(batch.position_after);
    }
    let middle = positions[positions.len() / 2];
    assert!(remove_segments_before(&*shared, middle.segment).expect("remove") > 0);
    let mut recovering = Locked::new(Arc::clone(&shared), options())
        .and_then(|locked| locked.recover(Start::At(middle)))
        .expect("recover");
    let first = recovering.next_batch().expect("read").map(|batch| batch.first_sequence);
    assert_eq!(first, Some(middle.sequence));
    let mut opened = recovering.finish().expect("finish");
    assert_eq!(opened.recovery.last_sequence, durable);
    assert_eq!(opened.recovery.records, durable - middle.last_sequence());
    append(&mut opened, 1);
    sync(&opened);
    drop(opened);

    let wrong = Position { chain: middle.chain ^ 1, ..middle };
    let refused = Locked::new(Arc::clone(&shared), options())
        .and_then(|locked| locked.recover(Start::At(wrong)))
        .and_then(orderline_journal::Recovering::finish);
    assert!(matches!(refused.err(), Some(JournalError::Corrupt { .. })));
    let gone = Locked::new(shared, options()).and_then(|locked| locked.recover(Start::At(positions[0])));
    assert!(matches!(gone.err(), Some(JournalError::NoSuchPosition { .. })));
}
