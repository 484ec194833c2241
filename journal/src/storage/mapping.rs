//! The one island of `unsafe`: a segment mapped into memory and written by copying, and what becomes of a process whose
//! mapping has lost its file.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use libc::siginfo_t;
use memmap2::{MmapOptions, MmapRaw};

/// A shared, writable mapping of a whole file whose length never changes while it exists.
#[derive(Debug)]
pub(super) struct Mapping {
    map: MmapRaw,
    watch: Watch,
}

impl Mapping {
    /// Maps the whole file, which `path` names for messages. Its pages are looked up now, so that the first write to
    /// each finds it in memory.
    pub(super) fn new(file: &File, path: &Path) -> io::Result<Self> {
        let map = MmapOptions::new().populate().map_raw(file)?;
        let watch = Watch::new(map.as_mut_ptr() as usize, map.len(), path);
        Ok(Self { map, watch })
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Panics
    /// If the range leaves the mapping.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) {
        let offset = usize::try_from(offset).expect("an offset in a mapping fits the address space");
        assert!(
            offset <= self.map.len() && bytes.len() <= self.map.len() - offset,
            "write outside the mapping"
        );
        let to = self.map.as_mut_ptr();
        // SAFETY: the assertion above keeps `offset` inside the mapping.
        let to = unsafe { to.add(offset) };
        // SAFETY: the destination range lies inside the mapping, which lives as long as `self` and is never handed
        // out as a reference, so no `&[u8]` observes the change; `bytes` is ordinary memory and cannot overlap it.
        // There is one writer, which holds the tail's mutex. The file is never truncated while mapped.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// Makes the pages of a range durable.
    pub(super) fn sync(&self, range: Range<u64>) -> io::Result<()> {
        let start = usize::try_from(range.start).map_err(io::Error::other)?;
        let end = usize::try_from(range.end).map_err(io::Error::other)?;
        self.map.flush_range(start, end - start)
    }

    pub(super) fn len(&self) -> u64 {
        self.map.len() as u64
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Before the pages go, for another mapping may get their addresses.
        self.watch.end();
    }
}

/// Mappings that can be told by name at one time: a journal has three or four, so this is for many journals. One more
/// is mapped all the same, and its loss ends the process without a sentence.
const WATCHED_MAX: usize = 64;

static WATCHED: [Watched; WATCHED_MAX] = [const { Watched::free() }; WATCHED_MAX];

/// The address range of a mapping and what is to be said of it, where a signal handler can read them.
#[derive(Debug)]
struct Watched {
    /// 0: the place is free.
    start: AtomicUsize,
    /// Not above `start` while the place is being filled or emptied: no address is then found in it.
    end: AtomicUsize,
    message: AtomicPtr<u8>,
    message_bytes: AtomicUsize,
}

impl Watched {
    const fn free() -> Self {
        Self {
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            message: AtomicPtr::new(null_mut()),
            message_bytes: AtomicUsize::new(0),
        }
    }
}

/// A place in the list, and the sentence that it points to.
#[derive(Debug)]
struct Watch {
    place: Option<&'static Watched>,
    _message: Box<[u8]>,
}

impl Watch {
    fn new(start: usize, bytes: usize, path: &Path) -> Self {
        let message = format!(
            "orderline: stopping at once, nothing more is acknowledged: {} is gone from under its mapping (SIGBUS): it \
             was truncated, or its disk failed; expected {bytes} bytes, found none at offset ",
            path.display()
        );
        let mut message = message.into_bytes().into_boxed_slice();
        let is_free = |place: &&Watched| {
            place.start.compare_exchange(0, start, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        let place = WATCHED.iter().find(is_free);
        if let Some(place) = place {
            place.message.store(message.as_mut_ptr(), Ordering::SeqCst);
            place.message_bytes.store(message.len(), Ordering::SeqCst);
            place.end.store(start + bytes, Ordering::SeqCst);
        }
        Self { place, _message: message }
    }

    fn end(&mut self) {
        if let Some(place) = self.place.take() {
            place.end.store(0, Ordering::SeqCst);
            place.message.store(null_mut(), Ordering::SeqCst);
            place.start.store(0, Ordering::SeqCst);
        }
    }
}

/// From now on a page that a mapped segment has lost, because its file was truncated or its disk failed, ends the
/// process at once with exit code 1 and a sentence on standard error that names the file and the offset.
///
/// # Errors
/// If the signal cannot be taken.
pub fn stop_on_lost_pages() -> io::Result<()> {
    // SAFETY: the action does nothing but load atomics, read memory that stays as it is, write to a descriptor and end
    // the process, all of which a signal handler may do.
    unsafe { signal_hook_registry::register_sigaction(libc::SIGBUS, say_which_and_exit) }.map(|_| ())
}

fn say_which_and_exit(info: &siginfo_t) {
    const STDERR: c_int = 2;
    // SAFETY: for this signal the kernel fills the address in; of a signal that a process sent it is some number.
    let at = unsafe { info.si_addr() } as usize;
    let is_of = |place: &&Watched| {
        (place.start.load(Ordering::SeqCst)..place.end.load(Ordering::SeqCst)).contains(&at)
    };
    // What was not a segment's page is none of our business: whoever had the signal before has had it already.
    let Some(place) = WATCHED.iter().find(is_of) else { return };
    let mut digits = [b'\n'; 24];
    let offset = decimal(at - place.start.load(Ordering::SeqCst), &mut digits);
    let (message, bytes) = (place.message.load(Ordering::SeqCst), place.message_bytes.load(Ordering::SeqCst));
    // SAFETY: the message lives as long as the mapping that the address lies in, whose thread is in this handler.
    unsafe { libc::write(STDERR, message.cast_const().cast(), bytes) };
    // SAFETY: an array of this function.
    unsafe { libc::write(STDERR, offset.as_ptr().cast(), offset.len()) };
    // SAFETY: ends the process without running anything of it.
    unsafe { libc::_exit(1) };
}

/// A number as text with a line's end behind it, without asking for memory.
fn decimal(number: usize, digits: &mut [u8; 24]) -> &[u8] {
    let mut from = digits.len() - 1;
    let mut left = number;
    loop {
        from -= 1;
        digits[from] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return &digits[from..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn offsets_are_written_without_memory() {
        for number in [0, 7, 10, 4096, usize::MAX] {
            assert_eq!(decimal(number, &mut [b'\n'; 24]), format!("{number}\n").as_bytes());
        }
    }
}
