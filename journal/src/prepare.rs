//! Keeps one segment ready ahead of the writer, made on a thread of its own, in step with how fast the writer fills
//! the one before: a burst of writes would stand in the way of the journal's own syncs.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::error::JournalError;
use crate::segment::{FILL_BYTES, Pace, check_segment, list_segments, make_segment, segment_name};
use crate::storage::{Storage, StorageFile};

/// The next segment is ready when this part of what was left of the current one has been filled: early enough that the
/// writer never waits for the last piece, late enough that making it is spread over most of that time.
const READY_AT_NUMERATOR: u64 = 3;
const READY_AT_DENOMINATOR: u64 = 4;

/// So much of what was appended last stays in memory for those who follow the journal. What is older makes room: the next
/// segment is then filled in memory that is there, and not in memory that the system (and on a virtual machine its host) first
/// has to find, clear and map. That took more of a core than all of the engine's own work.
const CACHED_BYTES: u64 = 256 << 20;

/// The segments that stay in memory, of such a size, at least: the one appended to and the one before it.
fn cached_count(segment_bytes: u64) -> u32 {
    u32::try_from(CACHED_BYTES / segment_bytes).unwrap_or(u32::MAX).max(2)
}

/// The next segment, or the work to get it.
pub(crate) struct Preparer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Where the writer stood in the current segment when the next one was begun.
    from: u64,
    /// Where it has to stand before the helper is told again.
    tell_at: u64,
}

struct Shared {
    storage: Arc<dyn Storage>,
    store_id: u128,
    segment_bytes: u64,
    slot: Mutex<Slot>,
    changed: Condvar,
}

struct Slot {
    /// The segment that is wanted next.
    index: u32,
    state: State,
    /// Bytes of it that are to be filled by now.
    wanted_bytes: u64,
    /// Why the last attempt failed, if that can pass and no later one has succeeded: the writer is then told so at
    /// once instead of being kept waiting for the next attempt.
    lacking: Option<JournalError>,
    stopping: bool,
}

enum State {
    Wanted,
    Working,
    Ready(Arc<dyn StorageFile>),
    Failed(JournalError),
}

impl Preparer {
    /// Starts preparing `index` for a writer that stands at `offset` of the segment before it, on a helper thread if
    /// asked to, else within the first call that needs it.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        store_id: u128,
        segment_bytes: u64,
        index: u32,
        offset: u64,
        helper_thread: bool,
    ) -> Result<Self, JournalError> {
        let slot = Slot { index, state: State::Wanted, wanted_bytes: 0, lacking: None, stopping: false };
        let shared =
            Shared { storage, store_id, segment_bytes, slot: Mutex::new(slot), changed: Condvar::new() };
        let shared = Arc::new(shared);
        let thread = if helper_thread {
            let helper = Arc::clone(&shared);
            let spawned =
                std::thread::Builder::new().name("journal-prepare".into()).spawn(move || helper.run());
            let path = shared.storage.path("");
            Some(spawned.map_err(|source| JournalError::NoThread { path, source })?)
        } else {
            None
        };
        Ok(Self { shared, thread, from: offset, tell_at: offset })
    }

    /// Takes note of how far the writer has filled its segment, and lets the helper go on as far as that asks for.
    pub(crate) fn keep_up(&mut self, offset: u64, segment_bytes: u64) {
        if offset < self.tell_at || self.thread.is_none() {
            return;
        }
        let due = (segment_bytes - self.from) / READY_AT_DENOMINATOR * READY_AT_NUMERATOR;
        let filled = offset.saturating_sub(self.from);
        let wanted = u128::from(self.shared.segment_bytes) * u128::from(filled) / u128::from(due.max(1));
        let mut slot = self.shared.slot.lock();
        slot.wanted_bytes = slot.wanted_bytes.max(u64::try_from(wanted).unwrap_or(u64::MAX));
        self.shared.changed.notify_all();
        self.tell_at = offset + FILL_BYTES / 2;
    }

    /// Returns once the next segment is ready; blocks only if the writer has outrun the helper.
    pub(crate) fn ensure_ready(&self) -> Result<(), JournalError> {
        let mut slot = self.shared.slot.lock();
        loop {
            match std::mem::replace(&mut slot.state, State::Working) {
                State::Ready(file) => {
                    slot.state = State::Ready(file);
                    return Ok(());
                }
                State::Failed(error) => {
                    // The next attempt starts at once and unasked, so that work goes on when room is freed.
                    slot.state = State::Wanted;
                    self.shared.changed.notify_all();
                    return Err(error);
                }
                state @ (State::Wanted | State::Working) if self.thread.is_some() => {
                    slot.state = state;
                    // The writer waits, or refuses until there is room: no more spreading.
                    slot.wanted_bytes = u64::MAX;
                    self.shared.changed.notify_all();
                    if let Some(error) = slot.lacking.as_ref().and_then(JournalError::repeat) {
                        return Err(error);
                    }
                    self.shared.changed.wait(&mut slot);
                }
                State::Wanted | State::Working => {
                    slot.state = self.shared.attempt(slot.index, None);
                }
            }
        }
    }

    /// The next segment with its index; the one after it is then prepared, in step with a writer that starts at
    /// `offset` of this one.
    pub(crate) fn take(&mut self, offset: u64) -> Result<(u32, Arc<dyn StorageFile>), JournalError> {
        self.ensure_ready()?;
        let mut slot = self.shared.slot.lock();
        match std::mem::replace(&mut slot.state, State::Wanted) {
            State::Ready(file) => {
                let index = slot.index;
                slot.index += 1;
                slot.wanted_bytes = 0;
                (self.from, self.tell_at) = (offset, offset);
                self.shared.changed.notify_all();
                Ok((index, file))
            }
            _ => unreachable!("only the writer takes a ready segment"),
        }
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        self.shared.slot.lock().stopping = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its own thread already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut slot = self.slot.lock();
        while !slot.stopping {
            if !matches!(slot.state, State::Wanted) {
                self.changed.wait(&mut slot);
                continue;
            }
            slot.state = State::Working;
            let index = slot.index;
            drop(slot);
            let state = self.attempt(index, Some(&|filled| self.wait_until_wanted(filled)));
            slot = self.slot.lock();
            slot.lacking = match &state {
                State::Failed(error) => error.repeat(),
                _ => None,
            };
            slot.state = state;
            self.changed.notify_all();
        }
    }

    /// Waits until more than `filled` bytes are asked for, and says how many are; `None`: the journal is being closed.
    fn wait_until_wanted(&self, filled: u64) -> Option<u64> {
        let mut slot = self.slot.lock();
        while !slot.stopping && slot.wanted_bytes <= filled {
            self.changed.wait(&mut slot);
        }
        (!slot.stopping).then_some(slot.wanted_bytes)
    }

    fn attempt(&self, index: u32, pace: Option<Pace<'_>>) -> State {
        match self.prepare(index, pace) {
            Ok(Some(file)) => State::Ready(file),
            Ok(None) => State::Wanted,
            Err(error) => State::Failed(error),
        }
    }

    fn prepare(
        &self,
        index: u32,
        pace: Option<Pace<'_>>,
    ) -> Result<Option<Arc<dyn StorageFile>>, JournalError> {
        let storage = &*self.storage;
        // The one prepared now comes behind the one appended to.
        if let Some(old) = index.checked_sub(cached_count(self.segment_bytes) + 1).filter(|&old| old > 0) {
            storage.uncache(&segment_name(old));
        }
        // A run that ended before it used its prepared segment left one, which recovery has found to be empty.
        let name = segment_name(index);
        if list_segments(storage)?.contains(&index) {
            let file = storage.open_segment(&name)?;
            if check_segment(storage, &*file, self.store_id, index)? == self.segment_bytes {
                return Ok(Some(file));
            }
            // It was prepared under other options, and might not hold the largest batch of these.
            drop(file);
            storage.remove(&name)?;
        }
        if !make_segment(storage, self.store_id, index, self.segment_bytes, pace)? {
            return Ok(None);
        }
        Ok(Some(storage.open_segment(&name)?))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::storage::MemoryStorage;

    const SEGMENT_BYTES: u64 = 8 << 20;

    /// How a segment is filled by somebody who is told at each look that so much is wanted: what had been filled at each look,
    /// and how many syncs it took.
    fn filled(wanted_bytes: impl Fn(u64) -> u64) -> (Vec<u64>, u64) {
        let storage = MemoryStorage::new();
        storage.create_directory(crate::segment::JOURNAL_DIRECTORY).expect("a directory");
        let looks = RefCell::new(Vec::new());
        let pace = |filled| {
            looks.borrow_mut().push(filled);
            Some(wanted_bytes(filled))
        };
        let before = storage.syncs();
        assert!(make_segment(&storage, 7, 1, SEGMENT_BYTES, Some(&pace)).expect("room"));
        (looks.into_inner(), storage.syncs() - before)
    }

    #[test]
    fn who_keeps_up_is_synced_piece_by_piece_and_who_is_waited_for_in_larger_ones() {
        let (in_step, in_step_syncs) = filled(|filled| filled + 1);
        let each_piece: Vec<u64> = (0..SEGMENT_BYTES / FILL_BYTES).map(|piece| piece * FILL_BYTES).collect();
        assert_eq!(in_step, each_piece);
        let (behind, behind_syncs) = filled(|_| u64::MAX);
        assert_eq!(behind, [0, 2 << 20, 4 << 20, 6 << 20]);
        assert_eq!(in_step_syncs - behind_syncs, (in_step.len() - behind.len()) as u64);
    }
}
