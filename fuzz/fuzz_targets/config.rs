//! The files that people write for a server: its settings, and what `config apply` takes.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        orderline_doors::config(text);
    }
});
