//! The two sequences that a publication stands between, so that whoever reads while it is written knows what the values
//! may be of.
//!
//! `begun` is raised before a publication's first value is written, `done` behind its last. A reader looks at `done`, then
//! at values, then at `begun`: everything up to the first is in what it read, and nothing beyond the second. Nobody waits
//! for anybody.

use orderline_protocol::Sequence;

use crate::sync::{AtomicU64, CachePadded, Ordering, fence};

/// The newest publication that has begun, and the newest that is done; 0: there is nothing whole to read.
pub(crate) struct Bracket {
    begun: CachePadded<AtomicU64>,
    done: AtomicU64,
}

impl Default for Bracket {
    fn default() -> Self {
        Self { begun: CachePadded::new(AtomicU64::new(0)), done: AtomicU64::new(0) }
    }
}

impl Bracket {
    /// The writer's side: values of up to this sequence follow.
    pub(crate) fn begin(&self, sequence: Sequence) {
        self.begun.store(sequence, Ordering::Relaxed);
        // Who sees one of the values that follow sees this, too.
        fence(Ordering::Release);
    }

    /// The writer's side: everything up to the sequence that it began with is there.
    pub(crate) fn end(&self) {
        let begun = self.begun.load(Ordering::Relaxed);
        self.done.store(begun, Ordering::Release);
    }

    /// The writer's side: nothing is to be read until the next end.
    pub(crate) fn break_up(&self) {
        self.done.store(0, Ordering::Release);
    }

    /// The writer's side: what is done.
    pub(crate) fn done(&self) -> Sequence {
        self.done.load(Ordering::Relaxed)
    }

    /// The reader's side, before it reads values: everything up to this sequence will be in them; 0: they are not whole.
    #[inline]
    pub(crate) fn since(&self) -> Sequence {
        self.done.load(Ordering::Acquire)
    }

    /// The reader's side, when it has read: nothing beyond this sequence was in the values.
    #[inline]
    pub(crate) fn until(&self) -> Sequence {
        fence(Ordering::Acquire);
        self.begun.load(Ordering::Relaxed)
    }
}
