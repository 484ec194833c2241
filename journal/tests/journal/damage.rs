//! Cuts, flips, holes and strangers.

use std::sync::Arc;

use orderline_journal::layout::SEGMENT_HEADER_BYTES;
use orderline_journal::{JournalError, JournalOptions, MemoryStorage, Reader, Start, Storage, open};

use crate::proof::Proof;
use crate::{append, options, read_all, sync};

const SEGMENT: &str = "journal/00000001.segment";

fn image(storage: &MemoryStorage, name: &str) -> Vec<u8> {
    storage.read_small(name).expect("read").expect("the file exists")
}

/// Three durable batches in one page each, then a fourth that no sync has covered.
fn small_log() -> (MemoryStorage, u64, usize) {
    let storage = MemoryStorage::new();
    let mut opened = open(storage.clone(), options()).expect("open");
    for _ in 0..3 {
        append(&mut opened, 5);
        sync(&opened);
    }
    let durable = opened.watermark.durable();
    append(&mut opened, 12);
    (storage.duplicate(), durable, SEGMENT_HEADER_BYTES as usize + 3 * 4096)
}

#[test]
fn a_torn_tail_is_cut_wherever_it_is_torn() {
    let (storage, durable, from) = small_log();
    let whole = image(&storage, SEGMENT);
    let to = whole.iter().rposition(|byte| *byte != 0).expect("bytes") + 1;
    let mut proof = Proof::of(4, "every cut of the unsynced batch, zeros and garbage");
    for cut_at in from..to {
        for filler in [0, 0xff] {
            let torn = storage.duplicate();
            torn.edit(SEGMENT, |bytes| bytes[cut_at..to].fill(filler));
            if image(&torn, SEGMENT) == whole {
                continue;
            }
            assert_eq!(read_all(&torn).expect("read").0, durable, "cut at {cut_at} with {filler}");
            let mut opened = open(torn.clone(), options()).expect("open");
            let report = opened.recovery.torn_tail.clone();
            assert_eq!(report.is_some(), cut_at > from || filler > 0, "cut at {cut_at} with {filler}");
            if let Some(report) = report {
                assert_eq!((report.segment, report.offset), (1, from as u64));
                assert_eq!(report.last_good_sequence, durable);
                let kept = format!("journal/torn-00000001-{from}.bytes");
                assert_eq!(image(&torn, &kept).len() as u64, report.bytes_removed);
            }
            append(&mut opened, 3);
            sync(&opened);
            drop(opened);
            assert_eq!(read_all(&torn).expect("read"), (durable + 3, false), "cut at {cut_at} with {filler}");
            proof.ran(1);
        }
    }
    proof.end();
}

#[test]
fn every_flipped_bit_is_found() {
    let storage = MemoryStorage::new();
    let options = JournalOptions { segment_bytes: 64 << 10, ..options() };
    let mut opened = open(storage.clone(), options).expect("open");
    for _ in 0..7 {
        for _ in 0..2 {
            for _ in 0..8 {
                let bytes = large_payload(opened.writer.next_sequence());
                opened.writer.stage(1, 1, |buffer| buffer.extend_from_slice(&bytes));
            }
            opened.writer.commit(1).expect("append");
        }
        sync(&opened);
    }
    let durable = opened.watermark.durable();
    let (writer, syncer) = (opened.writer, opened.syncer);
    drop(writer);
    // The mark of a clean shutdown leaves no batch that could be taken for torn.
    syncer.run();
    let log = image(&storage, SEGMENT);
    assert_eq!(log.len(), 64 << 10);
    let mark = log.iter().rposition(|byte| *byte != 0).expect("bytes") / 4096 * 4096;
    let last_batch_end = log[..mark].iter().rposition(|byte| *byte != 0).expect("bytes") + 1;
    let half = log.len() as u64 / 2;
    let other = storage.duplicate();
    let (refused, cut) = std::thread::scope(|scope| {
        let second = scope.spawn(|| flip_all(&other, half..2 * half, last_batch_end, durable));
        let first = flip_all(&storage, 0..half, last_batch_end, durable);
        let second = second.join().expect("the second half");
        (first.0 + second.0, first.1 + second.1)
    });
    // What may be cut is behind the last record: the mark, its page and the zeros before it.
    assert!(refused + cut == 8 * log.len() as u64 && cut <= 8 * 4096 * 2, "{refused} refused, {cut} cut");
    let shared: Arc<dyn Storage> = Arc::new(storage);
    assert_eq!(read_large(&shared).expect("read"), (durable, false));
    let mut proof = Proof::of(5, "every bit of a 64 KiB log");
    proof.ran(refused + cut);
    proof.figure("refused", refused as f64);
    proof.figure("cut_behind_the_last_record", cut as f64);
    proof.end();
}

/// Large records keep this log quick to read half a million times.
fn large_payload(sequence: u64) -> [u8; 480] {
    let mut bytes = [sequence as u8 | 1; 480];
    bytes[..8].copy_from_slice(&sequence.to_le_bytes());
    bytes
}

fn read_large(storage: &Arc<dyn Storage>) -> Result<(u64, bool), JournalError> {
    let mut reader = Reader::open(Arc::clone(storage), Start::Oldest)?;
    let mut last = 0;
    while let Some(batch) = reader.next_batch(u64::MAX)? {
        for record in batch.records() {
            last += 1;
            assert!(
                record.sequence == last && record.payload == large_payload(last),
                "sequence {last} is wrong"
            );
        }
    }
    Ok((last, reader.torn_tail().is_some()))
}

/// Flips every bit in a range, one after the other of the log; how many flips were refused, and how many cut the mark.
fn flip_all(
    storage: &MemoryStorage,
    range: std::ops::Range<u64>,
    last_batch_end: usize,
    durable: u64,
) -> (u64, u64) {
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let (mut refused, mut cut) = (0, 0);
    for offset in range {
        for bit in 0..8 {
            storage.flip_bit(SEGMENT, offset, bit);
            match read_large(&shared) {
                Ok((last, torn)) => {
                    assert_eq!((last, torn), (durable, true), "byte {offset} bit {bit}");
                    assert!(
                        offset >= last_batch_end as u64,
                        "byte {offset} bit {bit} was cut and not refused"
                    );
                    cut += 1;
                }
                Err(JournalError::Corrupt { .. } | JournalError::UnknownVersion { .. }) => refused += 1,
                Err(other) => panic!("byte {offset} bit {bit}: {other}"),
            }
            storage.flip_bit(SEGMENT, offset, bit);
        }
    }
    (refused, cut)
}

#[test]
fn missing_and_foreign_files_are_refused() {
    let storage = MemoryStorage::new();
    let mut opened = open(storage.clone(), options()).expect("open");
    while opened.writer.next_sequence() < 6000 {
        append(&mut opened, 100);
        sync(&opened);
    }
    drop(opened);
    let segments = storage.list("journal").expect("list");
    assert!(segments.len() >= 4, "{segments:?}");
    let mut proof = Proof::of(8, "each middle segment missing");
    for missing in &segments[1..segments.len() - 1] {
        let holed = storage.duplicate();
        holed.remove(&format!("journal/{missing}")).expect("remove");
        let opened = open(holed, options()).map(|opened| opened.recovery.last_sequence);
        let is_refused = matches!(opened, Err(JournalError::MissingSegment { .. }));
        proof.check(is_refused, || format!("{missing}: {opened:?}"));
    }
    proof.end();
    // With the first one gone on purpose reading starts at the second.
    let shortened = storage.duplicate();
    shortened.remove(SEGMENT).expect("remove");
    assert!(open(shortened, options()).is_ok());

    let foreign = MemoryStorage::new();
    let _ = open(foreign.clone(), JournalOptions { store_id: Some(1), ..options() }).expect("open");
    let stranger = image(&foreign, SEGMENT);
    let mixed = storage.duplicate();
    mixed.edit(SEGMENT, |bytes| *bytes = stranger);
    assert!(matches!(open(mixed, options()), Err(JournalError::ForeignStore { .. })));

    let newer = storage.duplicate();
    newer.edit("store", |bytes| {
        *bytes = String::from_utf8_lossy(bytes).replace("format 1", "format 2").into_bytes();
    });
    let message = match open(newer, options()) {
        Err(error @ JournalError::UnknownVersion { .. }) => error.to_string(),
        other => panic!("{:?}", other.err()),
    };
    assert!(message.contains("memory/store") && message.contains("version 2") && message.contains("knows 1"));

    let lost = storage.duplicate();
    lost.remove("store").expect("remove");
    assert!(matches!(open(lost, options()), Err(JournalError::StoreFileMissing { .. })));
    assert!(matches!(
        open(storage.duplicate(), JournalOptions { epoch: Some(0), ..options() }),
        Err(JournalError::Fenced { ours: 0, found: 1, .. })
    ));
}
