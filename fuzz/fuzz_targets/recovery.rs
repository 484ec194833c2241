//! Whole recoveries of a directory that has been damaged in any way: what comes back is a state that the directory had at
//! some sequence, or a refusal.

#![no_main]

#[path = "../src/shared.rs"]
mod shared;

use std::collections::HashMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use orderline_core::State;
use orderline_core::recovery::recover;
use orderline_journal::{JournalOptions, Locked, Reader, Start};

static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(shared::golden_files);

/// The state hash at each sequence of the golden directory.
static HASHES: LazyLock<HashMap<u64, String>> = LazyLock::new(|| {
    let storage = shared::storage_of(FILES.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    let mut reader =
        Reader::open(shared::shared(storage), Start::Oldest).expect("the golden directory opens");
    let mut state = State::new(1);
    let mut hashes = HashMap::from([(0, state.hash().to_string())]);
    orderline_core::recovery::replay(&mut reader, &mut state, u64::MAX, |state, _| {
        hashes.insert(state.sequence(), state.hash().to_string());
    })
    .expect("it replays");
    hashes
});

fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 16 << 10,
        batch_bytes_max: 4 << 10,
        helper_thread: false,
        ..JournalOptions::default()
    }
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = shared::Bytes(data);
    let mut files = FILES.clone();
    while !bytes.is_empty() && !files.is_empty() {
        let place = usize::from(bytes.u8()) % (files.len() + 1);
        if let Some((_, file)) = files.get_mut(place) {
            shared::edit(file, &mut bytes);
        } else {
            files.remove(usize::from(bytes.u8()) % files.len());
        }
    }
    let storage = shared::storage_of(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    let locked = Locked::new(shared::shared(storage), options());
    let Ok(recovered) = locked.map_err(Into::into).and_then(|locked| recover(locked, 7, |_| ())) else {
        return;
    };
    let sequence = recovered.state.sequence();
    let Some(hash) = HASHES.get(&sequence) else { panic!("no batch ends at sequence {sequence}") };
    assert_eq!(&recovered.state.hash().to_string(), hash, "the state at sequence {sequence}");
});
