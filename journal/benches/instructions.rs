//! Cases of appending and reading records of 128 bytes, each run once, for a program that counts instructions: see
//! `benches/instructions.sh`.
//!
//! `cargo bench -p orderline-journal --bench instructions -- CASE`; without a case all are run, with `--list` they are named.

#![allow(clippy::print_stdout)] // A bench tells what it ran.

use std::hint::black_box;
use std::sync::Arc;

use orderline_journal::{JournalOptions, MappedStorage, Opened, Reader, Start, Writer, open};

const PAYLOAD: [u8; 128] = [7; 128];

/// Records of a case: they fit into one segment, so that the making of files is not counted.
const COUNT: u64 = 20_480;

/// A name, records in a batch, and whether the reading back is counted instead of the appending.
const CASES: [(&str, u64, bool); 3] =
    [("append_16", 16, false), ("append_256", 256, false), ("read_256", 256, true)];

fn main() {
    let argument = std::env::args().skip(1).find(|argument| argument != "--bench");
    let is_list = argument.as_deref() == Some("--list");
    let chosen = argument.filter(|_| !is_list);
    for (name, records_per_batch, is_read) in CASES {
        if is_list {
            println!("{name}");
        } else if chosen.as_deref().is_none_or(|chosen| chosen == name) {
            run(records_per_batch, is_read);
            println!("{name} {COUNT}");
        }
    }
}

fn run(records_per_batch: u64, is_read: bool) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the bench");
    let options =
        JournalOptions { segment_bytes: 16 << 20, helper_thread: false, ..JournalOptions::default() };
    let Opened { mut writer, syncer, storage, watermark, .. } =
        open(MappedStorage::new(directory.path()), options).expect("open");
    if !is_read {
        counted(|| append(&mut writer, records_per_batch));
        return;
    }
    append(&mut writer, records_per_batch);
    while syncer.sync_once().expect("sync") {}
    let mut reader = Reader::open(Arc::clone(&storage), Start::Oldest).expect("open");
    counted(|| read(&mut reader, watermark.durable()));
}

/// What is counted.
#[inline(never)]
fn counted(work: impl FnOnce()) {
    work();
}

fn append(writer: &mut Writer, records_per_batch: u64) {
    for _ in 0..COUNT / records_per_batch {
        for _ in 0..records_per_batch {
            black_box(writer.stage(1, 1, |buffer| buffer.extend_from_slice(black_box(&PAYLOAD))));
        }
        writer.commit(0).expect("append");
    }
}

fn read(reader: &mut Reader, durable: u64) {
    let mut records = 0;
    while let Some(batch) = reader.next_batch(durable).expect("read") {
        for record in batch.records() {
            records += 1;
            black_box(record.payload);
        }
    }
    assert_eq!(records, COUNT);
}
