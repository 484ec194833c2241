//! The bytes of format version 1, kept for ever. Set `BLESS=1` only to add the files of a new version.

use std::path::PathBuf;

use orderline_journal::{MemoryStorage, Storage, open};

use crate::{append, options, read_all, snapshots, sync};

fn check(name: &str, found: &[u8]) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, found).expect("write");
    }
    let expected = std::fs::read(&path).expect("the golden file");
    assert!(expected == found, "{name} is no longer written as format version 1 says");
}

/// Two batches under one sync, one under the next, and the mark of a clean shutdown.
fn log() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut opened = open(storage.clone(), options()).expect("open");
    append(&mut opened, 3);
    append(&mut opened, 2);
    sync(&opened);
    append(&mut opened, 1);
    let (writer, syncer) = (opened.writer, opened.syncer);
    drop(writer);
    syncer.run();
    storage
}

#[test]
fn the_writer_writes_format_1() {
    let storage = log();
    let segment = storage.read_small("journal/00000001.segment").expect("read").expect("exists");
    check("store-1", &storage.read_small("store").expect("read").expect("exists"));
    check("segment-header-1.bin", &segment[..4096]);
    check("batches-1.bin", &segment[4096..4096 * 4]);
    snapshots::write(&storage, 6, b"a section").expect("write");
    let snapshot = storage.read_small("snapshots/00000000000000000006.snapshot").expect("read");
    check("snapshot-1.bin", &snapshot.expect("exists"));
}

#[test]
fn the_reader_reads_format_1() {
    let golden = |name: &str| {
        std::fs::read(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name))
            .expect("read")
    };
    let storage = MemoryStorage::new();
    storage.write_small("store", &golden("store-1")).expect("write");
    let mut segment = [golden("segment-header-1.bin"), golden("batches-1.bin")].concat();
    segment.resize(64 << 10, 0);
    storage.write_small("journal/00000001.segment", &segment).expect("write");
    assert_eq!(read_all(&storage).expect("read"), (6, false));
    let snapshot = golden("snapshot-1.bin");
    storage.write_small("snapshots/00000000000000000006.snapshot", &snapshot).expect("write");
    let storage: std::sync::Arc<dyn Storage> = std::sync::Arc::new(storage);
    let (reader, rejected) = orderline_journal::newest_good(&storage, crate::STORE_ID).expect("list");
    assert!(rejected.is_empty() && reader.is_some_and(|reader| reader.info().sequence == 6));
}
