//! A front's wish: the watermark from which on it wants to be woken. The front writes it, and the thread that raises the
//! watermark reads it; `loom/src/models.rs` tries every order of their steps.

use orderline_protocol::Sequence;

use crate::sync::{AtomicU64, Ordering, fence};

/// See the page.
pub(crate) struct Wish(AtomicU64);

impl Wish {
    /// Wants every rise.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The front's side: wants nothing below this sequence. Only then it looks at the watermark, and only then it sleeps.
    pub(crate) fn want(&self, sequence: Sequence) {
        self.0.store(sequence, Ordering::Relaxed);
        // Either the wish is seen by who raises the watermark, or the risen watermark is seen by the front.
        fence(Ordering::SeqCst);
    }

    /// The raising side, once the watermark stands at `durable`: whether the front is to be woken.
    pub(crate) fn is_fulfilled(&self, durable: Sequence) -> bool {
        fence(Ordering::SeqCst);
        durable >= self.0.load(Ordering::Relaxed)
    }
}
