//! Snapshots. Their container as it lies on disk, damaged; and sections whose bytes say anything, in a container whose
//! checksums fit: reading one gives a refusal, or a state that can be looked at all through.

#![no_main]

#[path = "../src/shared.rs"]
mod shared;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use orderline_core::snapshot::{examine_all, load_newest};
use orderline_journal::{Position, SnapshotReader, SnapshotWriter, Storage};

struct Golden {
    store_id: u128,
    name: String,
    bytes: Vec<u8>,
    position: Position,
    state_hash: u128,
    sections: Vec<(u32, Vec<u8>)>,
}

static GOLDEN: LazyLock<Golden> = LazyLock::new(|| {
    let files = shared::golden_files();
    let newest = files.iter().rfind(|(name, _)| name.ends_with(".snapshot"));
    let (name, bytes) = newest.expect("there is a snapshot").clone();
    let digits = name.trim_start_matches("snapshots/").trim_end_matches(".snapshot");
    let sequence: u64 = digits.parse().expect("a sequence");
    let store_id = u128::from_le_bytes(bytes[16..32].try_into().expect("16 bytes"));
    let storage = shared::storage_of([(name.as_str(), bytes.as_slice())]);
    let mut reader = SnapshotReader::open(&storage, store_id, sequence).expect("it opens");
    let mut sections = Vec::new();
    while let Some(tag) = reader.next_section().expect("a section") {
        let mut section = Vec::new();
        while let Some(chunk) = reader.next_chunk().expect("a chunk") {
            section.extend_from_slice(chunk);
        }
        sections.push((tag, section));
    }
    let (position, state_hash) = (reader.info().position, reader.info().state_hash);
    Golden { store_id, name, bytes, position, state_hash, sections }
});

fuzz_target!(|data: &[u8]| {
    let golden = &*GOLDEN;
    let mut bytes = shared::Bytes(data);
    let mode = bytes.u8();
    let storage = if mode & 1 == 0 {
        let mut file = golden.bytes.clone();
        while !bytes.is_empty() {
            shared::edit(&mut file, &mut bytes);
        }
        shared::storage_of([(golden.name.as_str(), file.as_slice())])
    } else {
        let mut sections = golden.sections.clone();
        while !bytes.is_empty() {
            let place = usize::from(bytes.u8()) % (sections.len() + 1);
            match sections.get_mut(place) {
                Some((_, section)) => shared::edit(section, &mut bytes),
                None => sections.swap(0, usize::from(mode >> 1) % golden.sections.len()),
            }
        }
        let storage = orderline_journal::MemoryStorage::new();
        let to: std::sync::Arc<dyn Storage> = shared::shared(storage.clone());
        let mut writer = SnapshotWriter::create(to, golden.store_id, golden.position).expect("create");
        for (tag, section) in &sections {
            writer.begin_section(*tag).expect("begin");
            writer.append(section).expect("append");
        }
        writer.finish(golden.state_hash, &mut |_| ()).expect("finish");
        storage
    };
    let storage = shared::shared(storage);
    let loaded = load_newest(&storage, golden.store_id, 3).expect("a damaged snapshot is passed over");
    if loaded.sequence != 0 && mode & 1 == 0 {
        let hash = loaded.state.hash();
        assert_eq!(hash.0, golden.state_hash, "a damaged snapshot is never taken for another state");
    }
    // A state of which nothing is true may have come out, but none that names what is not there.
    let _ = loaded.state.check();
    let _ = examine_all(&storage, golden.store_id, 3);
});
