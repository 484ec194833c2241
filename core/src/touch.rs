//! Touching: a write that changes nothing has the kernel bring a page in.
//!
//! The system call for it (`MADV_POPULATE_WRITE`) holds the lock of the whole address space until the page is there: milliseconds
//! where a hypervisor must find the memory, and however long a thread of the lowest class waits for a processor in the middle of it.
//! Whoever grows the heap or maps anything waits for that lock: on a busy machine the engine waited up to 47 ms so, several times a
//! second. For a page that somebody writes to, the kernel locks the mapping that it lies in, and no more.
#![allow(unsafe_code)] // The island: one instruction on memory that other threads write to.

use std::ops::Range;

use memmap2::MmapMut;

/// The distance from one write to the next: the smallest page. Where the kernel gives a huge one, the first write brings it in.
#[cfg(target_arch = "x86_64")]
const STEP_BYTES: usize = 4096;

/// Has `bytes` of `memory` brought in. What they hold stays as it is, whoever writes there meanwhile.
///
/// # Panics
/// If the memory does not have those bytes.
#[cfg(target_arch = "x86_64")]
pub(crate) fn touch(memory: &MmapMut, bytes: Range<usize>) {
    for byte in memory[bytes].iter().step_by(STEP_BYTES) {
        // SAFETY: the byte is there, in memory that may be written to. The processor reads it, ors nothing into it and writes it
        // back in one step, so no byte has another value before, during or after, and no other thread can lose what
        // it writes. In assembly, for the compiler would make a load of an atomic operation that changes nothing.
        unsafe {
            std::arch::asm!("lock or byte ptr [{}], 0", in(reg) std::ptr::from_ref(byte), options(nostack));
        }
    }
}

/// The same, by the system call.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn touch(memory: &MmapMut, bytes: Range<usize>) {
    // A wish: without it the pages come when they are first written to.
    let _ = memory.advise_range(memmap2::Advice::PopulateWrite, bytes.start, bytes.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KiB of the mapping at an address that are in memory.
    fn resident_kib(start: usize) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let from = format!("{start:x}-");
        let of_mapping = maps.lines().skip_while(|line| !line.starts_with(&from));
        let resident = of_mapping.skip(1).find_map(|line| line.strip_prefix("Rss:")).expect("it is mapped");
        resident.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn pages_are_there_and_hold_what_they_held() {
        let mut memory = memmap2::MmapOptions::new().len(8 << 20).map_anon().unwrap();
        memory[(4 << 20) + 4096] = 7;
        let start = memory.as_ptr().addr();
        assert!(resident_kib(start) < 4 << 10, "nearly nothing is there yet");
        touch(&memory, 2 << 20..8 << 20);
        assert!(resident_kib(start) >= 6 << 10, "{} KiB", resident_kib(start));
        assert_eq!(memory.iter().map(|&byte| u64::from(byte)).sum::<u64>(), 7);
        assert_eq!(memory[(4 << 20) + 4096], 7);
    }
}
