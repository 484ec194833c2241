//! The tables of `docs/format.md` against the structures themselves.

use std::mem::{offset_of, size_of};

use orderline_journal::layout::{
    BatchHeader, ChunkHeader, RecordHeader, SegmentHeader, SnapshotHeader, SnapshotTrailer,
};

macro_rules! fields {
    ($type:ident: $($field:ident),+ $(,)?) => {{
        let starts = [$(offset_of!($type, $field)),+, size_of::<$type>()];
        let names = [$(stringify!($field)),+];
        (stringify!($type), names.iter().zip(starts.windows(2)).map(|(name, window)| {
            format!("| {} | {} | `{name}` |", window[0], window[1] - window[0])
        }).collect::<Vec<_>>())
    }};
}

#[test]
fn the_documentation_states_every_offset() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/format.md")).expect("read");
    let structures = [
        fields!(SegmentHeader: magic, format_version, segment_index, store_id, segment_bytes, reserved, checksum),
        fields!(BatchHeader: magic, length_bytes, checksum, record_count, first_sequence, recorded_at_us, previous,
            durable_sequence, epoch, reserved),
        fields!(RecordHeader: payload_bytes, kind, version, flags),
        fields!(SnapshotHeader: magic, format_version, segment, store_id, sequence, offset, chain, reserved, checksum),
        fields!(ChunkHeader: tag, length_bytes, last, checksum),
        fields!(SnapshotTrailer: magic, total_bytes, state_hash, section_count, reserved, content_hash),
    ];
    for (name, rows) in structures {
        let table = text.split(&format!("`{name}`")).nth(1).unwrap_or_else(|| panic!("no table for {name}"));
        let found: Vec<&str> = table
            .lines()
            .skip_while(|line| !line.starts_with('|'))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .collect();
        assert_eq!(found.len(), rows.len(), "the rows of {name}");
        for (found, row) in found.iter().zip(&rows) {
            assert!(found.starts_with(row), "{name}: `{found}` should start `{row}`");
        }
    }
}
