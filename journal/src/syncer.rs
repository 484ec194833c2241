//! The sync thread: makes durable, group by group, what the writer has appended and does not sync by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::sync::Parker;

use crate::error::JournalError;
use crate::layout::{BATCH_HEADER_BYTES, PAGE_BYTES};
use crate::tail::Shared;
use crate::writer::{Seal, seal};

/// How long a file that is not written to may be gone before it is noticed. This is no timer of the group commit: what
/// is appended wakes the thread at once.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The other half of a [`Writer`](crate::Writer). Run it on a thread of its own, or drive it by
/// [`Syncer::sync_once`] where a test wants every step in its hand.
pub struct Syncer {
    shared: Arc<Shared>,
    parker: Parker,
    spin_count: u32,
}

impl Syncer {
    pub(crate) fn new(shared: Arc<Shared>, parker: Parker, spin_count: u32) -> Self {
        Self { shared, parker, spin_count }
    }

    /// Syncs what is appended until the writer is dropped and everything is durable, or until the first failure,
    /// which the watermark then tells.
    ///
    /// It waits by looking a few times and then sleeping until the writer wakes it. There is no timer: whatever
    /// arrives during one sync goes under the next. While it sleeps it looks twice a second whether the file it would
    /// sync is still whole.
    pub fn run(self) {
        loop {
            // Asked before the sync: nothing can be appended after it, so what the sync then finds is all.
            let finished = self.shared.tail.lock().finished.is_some();
            match self.sync_once() {
                Ok(true) => {}
                Ok(false) if finished => break self.finish(),
                Ok(false) if self.wait().is_ok() => {}
                _ => break,
            }
        }
    }

    /// Runs on a new thread called `journal-sync`.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("journal-sync".into()).spawn(move || self.run())
    }

    /// Makes one group durable and publishes it; false if nothing was appended since the last.
    ///
    /// # Errors
    /// The failure that stopped the journal, now or before. It is final: a sync that failed once may have lost
    /// pages that a second try would report as written.
    pub fn sync_once(&self) -> Result<bool, Arc<JournalError>> {
        self.shared.sync_next(&self.shared.syncing.lock())
    }

    /// Whether something was appended since the last sync.
    pub fn has_work(&self) -> bool {
        self.shared.unsynced_bytes() > 0
    }

    /// Waits until something is appended; now and then it looks whether the file is still there meanwhile.
    fn wait(&self) -> Result<(), Arc<JournalError>> {
        for _ in 0..self.spin_count {
            if self.has_work() {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        self.parker.park_timeout(LOOK_EVERY);
        if self.shared.unsynced_bytes() > 0 {
            return Ok(());
        }
        let file = Arc::clone(&self.shared.tail.lock().file);
        file.check_whole().map_err(|error| self.shared.poison(error))
    }

    /// Leaves a mark behind the last batch that says it was durable. With it every flipped bit of a log that was
    /// closed in order is proof of corruption; without it, as after a crash, the last batch could as well be torn.
    fn finish(&self) {
        let mut tail = self.shared.tail.lock();
        let Some(previous) = tail.finished.filter(|_| !tail.at_mark && tail.fits(PAGE_BYTES)) else {
            return;
        };
        let mut mark = [0; BATCH_HEADER_BYTES];
        let last_sequence = tail.last_sequence;
        let first_sequence = last_sequence + 1;
        seal(&self.shared, &mut mark, Seal { record_count: 0, first_sequence, recorded_at_us: 0, previous });
        self.shared.appended_bytes.fetch_add(BATCH_HEADER_BYTES as u64, Ordering::Release);
        let appended = tail.append(&mark, last_sequence);
        drop(tail);
        match appended {
            Ok(()) => {
                // A failure is told by the watermark; there is nobody else left to tell.
                let _ = self.sync_once();
            }
            Err(error) => {
                self.shared.poison(error);
            }
        }
    }
}
