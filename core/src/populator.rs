//! The populator: a thread that has the kernel bring in an arena's next pages before the engine writes to them.
//!
//! The first write to a huge page waits until the kernel has cleared it: some tenths of a millisecond, and several
//! milliseconds where a hypervisor must find the memory first. At 100,000 orders a second that happens ten times a
//! second, and everybody waits with the engine. One thread serves all arenas of the process and runs only where a
//! processor would be idle.

use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use memmap2::MmapMut;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

use crate::touch::touch;

/// Wishes that may wait. One more is dropped: the page then comes when it is written to.
const WISHES_MAX: usize = 64;

/// Part of a chunk to bring in.
struct Wish {
    memory: Arc<MmapMut>,
    bytes: Range<usize>,
}

/// Asks for `bytes` of `memory` to be brought in soon. It never waits and never fails: without it the pages come when
/// they are first written to.
pub(crate) fn populate_soon(memory: &Arc<MmapMut>, bytes: Range<usize>) {
    static WISHES: OnceLock<Option<SyncSender<Wish>>> = OnceLock::new();
    if let Some(wishes) = WISHES.get_or_init(start) {
        let _ = wishes.try_send(Wish { memory: Arc::clone(memory), bytes });
    }
}

fn start() -> Option<SyncSender<Wish>> {
    let (wishes, wished) = sync_channel(WISHES_MAX);
    let thread = std::thread::Builder::new().name("populator".to_owned()).spawn(move || fulfil(&wished));
    thread.is_ok().then_some(wishes)
}

fn fulfil(wished: &Receiver<Wish>) {
    // The kernel clears a page in one go. At any higher priority a thread that becomes ready on this processor, such as
    // the kernel's own that flushes the disk, would wait for the next tick of the scheduler. At the lowest one the thread may rest for
    // long in the middle of a page, so it must hold nothing then that anybody waits for.
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
    while let Ok(Wish { memory, bytes }) = wished.recv() {
        touch(&memory, bytes);
    }
}
