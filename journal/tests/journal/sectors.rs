//! Sectors in the wrong place or of the wrong time: swapped, repeated, stale; and segments whose blocks held an older log.

use orderline_journal::{JournalError, JournalOptions, MemoryStorage, Storage, open};

use crate::proof::Proof;
use crate::{append, options, read_all, sync};

const SECTOR_BYTES: usize = 512;

fn name(index: u32) -> String {
    format!("journal/{index:08}.segment")
}

fn image(storage: &MemoryStorage, index: u32) -> Vec<u8> {
    storage.read_small(&name(index)).expect("read").expect("the file exists")
}

/// A log closed in order, so that all of it is known to have been durable, and its first segment after each sync.
fn history() -> (MemoryStorage, u64, Vec<Vec<u8>>) {
    let storage = MemoryStorage::new();
    let mut opened = open(storage.clone(), options()).expect("open");
    let mut images = Vec::new();
    for round in 0..40 {
        append(&mut opened, 1 + round % 5);
        append(&mut opened, 20);
        if round % 2 == 0 {
            sync(&opened);
            images.push(image(&storage, 1));
        }
    }
    sync(&opened);
    let durable = opened.watermark.durable();
    let (writer, syncer) = (opened.writer, opened.syncer);
    drop(writer);
    syncer.run();
    (storage, durable, images)
}

/// That damage to the first segment is refused, if it is any.
fn is_found(proof: &mut Proof, storage: &MemoryStorage, what: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let damaged = storage.duplicate();
    damaged.edit(&name(1), change);
    if image(&damaged, 1) != image(storage, 1) {
        let found = read_all(&damaged);
        proof.check(matches!(found, Err(JournalError::Corrupt { .. })), || format!("{what}: {found:?}"));
    }
}

#[test]
fn swapped_repeated_and_stale_sectors_are_found() {
    let (storage, _, images) = history();
    assert!(storage.list("journal").expect("list").len() > 1, "the log goes on in another segment");
    let log = image(&storage, 1);
    let sectors = log.len() / SECTOR_BYTES;
    let range = |sector: usize| sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
    let mut proof = Proof::of(6, "sectors swapped, repeated, stale, zeroed");
    for sector in 8..sectors {
        for step in [1, 2, 8, 33] {
            let other = 8 + (sector - 8 + step) % (sectors - 8);
            is_found(&mut proof, &storage, &format!("{sector} swapped with {other}"), |bytes| {
                (0..SECTOR_BYTES)
                    .for_each(|at| bytes.swap(sector * SECTOR_BYTES + at, other * SECTOR_BYTES + at));
            });
            is_found(&mut proof, &storage, &format!("{sector} written over {other} as well"), |bytes| {
                bytes.copy_within(range(sector), other * SECTOR_BYTES);
            });
        }
        is_found(&mut proof, &storage, &format!("{sector} zeroed"), |bytes| bytes[range(sector)].fill(0));
    }
    // A write that the disk lost: the sector as it stood after an earlier sync. From any one, and all at once.
    for (number, stale) in images.iter().enumerate() {
        for sector in 8..sectors {
            is_found(&mut proof, &storage, &format!("{sector} as after sync {number}"), |bytes| {
                bytes[range(sector)].copy_from_slice(&stale[range(sector)]);
            });
        }
        is_found(&mut proof, &storage, &format!("all as after sync {number}"), |bytes| {
            bytes.clone_from(stale)
        });
    }
    proof.end();
}

/// Blocks that held an older log of the same store, all checksums right, must never be read as the log's going on.
#[test]
fn an_older_log_behind_the_end_is_never_read() {
    let storage = MemoryStorage::new();
    let mut opened =
        open(storage.clone(), JournalOptions { segment_bytes: 128 << 10, ..options() }).expect("open");
    for _ in 0..12 {
        append(&mut opened, 9);
        sync(&opened);
    }
    let durable = opened.watermark.durable();
    drop(opened);
    let log = image(&storage, 1);
    let end = log.iter().rposition(|byte| *byte != 0).expect("bytes") + 1;
    let end = end.next_multiple_of(4096);
    let mut proof = Proof::of(6, "a recycled segment: old batches behind the end");
    // Any page of the log so far, put anywhere behind its end, alone or with all that follows it.
    for page in 1..end / 4096 {
        for place in 0..4 {
            for pages in [1, end / 4096 - page] {
                let recycled = storage.duplicate();
                let from = page * 4096;
                let to = end + place * 4096;
                recycled.edit(&name(1), |bytes| bytes.copy_within(from..from + pages * 4096, to));
                let found = read_all(&recycled);
                let is_kept = matches!(found, Ok((last, true)) if last == durable)
                    || matches!(found, Err(JournalError::Corrupt { .. }));
                proof.check(is_kept, || format!("page {page}, {pages} of them, at {to}: {found:?}"));
            }
        }
    }
    proof.end();
}

#[test]
fn a_segment_in_anothers_place_is_refused() {
    let (storage, _, _) = history();
    let count = storage.list("journal").expect("list").len() as u32;
    let mut proof = Proof::of(6, "a segment under another's name");
    for index in 1..=count {
        for other in (1..=count).filter(|other| *other != index) {
            let swapped = storage.duplicate();
            let bytes = image(&storage, other);
            swapped.edit(&name(index), |old| *old = bytes);
            let found = read_all(&swapped);
            proof.check(matches!(found, Err(JournalError::Corrupt { .. })), || {
                format!("{other} as {index}: {found:?}")
            });
        }
    }
    proof.end();
}
