//! A record's payload, as recovery, followers and `inspect` read it.

#![no_main]

#[path = "../src/shared.rs"]
mod shared;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut bytes = shared::Bytes(data);
    let (kind, version) = (bytes.u16(), bytes.u8());
    // Payloads are aligned where they lie.
    let mut aligned = vec![0_u64; bytes.0.len().div_ceil(8)];
    let payload = &mut zerocopy::IntoBytes::as_mut_bytes(&mut aligned[..])[..bytes.0.len()];
    payload.copy_from_slice(bytes.0);
    orderline_doors::record(kind, version, payload);
});
