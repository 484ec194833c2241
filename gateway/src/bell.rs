//! Waking the gateway's thread: only when it sleeps, and never too late.

use std::io;

use crate::sync::{AtomicBool, Ordering, Waker, fence};

/// What the engine and the sync thread ring when they have something for the gateway.
///
/// Ringing a gateway that is awake costs one load: it writes to the eventfd only when the flag says "asleep", and
/// takes the flag down in doing so, so that one sleep is ended by one write.
///
/// No wake-up is lost. The sleeper first puts the flag up, then looks once more for work, then sleeps. The ringer
/// first publishes its work, then looks at the flag. Between the two steps of each stands a sequentially consistent
/// fence, so at least one of the two sees what the other did: either the sleeper finds the work, or the ringer
/// finds the flag and writes, and the poll returns at once.
pub(crate) struct Bell {
    asleep: AtomicBool,
    waker: Waker,
}

impl Bell {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { asleep: AtomicBool::new(false), waker }
    }

    /// Called by other threads, after their work has been published.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        let is_up = || self.asleep.compare_exchange(true, false, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if self.asleep.load(Ordering::Relaxed) && is_up() {
            // A full eventfd is a wake-up that is already under way.
            let _ = self.waker.wake();
        }
    }

    /// The sleeper's side: runs `sleep` with true if nothing was found to do after the flag was put up.
    pub(crate) fn sleep_unless(
        &self,
        has_work: impl FnOnce() -> bool,
        sleep: impl FnOnce(bool) -> io::Result<()>,
    ) -> io::Result<()> {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let result = sleep(!has_work());
        self.asleep.store(false, Ordering::Relaxed);
        result
    }
}
