//! Rows of CSV files, read and gathered into orders by the maps of the examples.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

/// The examples' maps, and one that asks for most of what a map can.
static MAPS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/import");
    let names = ["one-unit-rows.toml", "online-retail-ii.toml"];
    names.iter().map(|name| std::fs::read_to_string(format!("{folder}/{name}")).expect("a map")).collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((&which, rows)) = data.split_first() else { return };
    orderline_doors::import_rows(&MAPS[usize::from(which) % MAPS.len()], rows);
});
