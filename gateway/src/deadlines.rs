//! Deadlines of connections: a heap that is touched when a deadline comes nearer or falls due, never when one moves
//! away. A connection that is heard from every millisecond costs the heap nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A point in time, in milliseconds since the gateway was bound.
pub(crate) type AtMs = u64;

/// "Never".
pub(crate) const NEVER: AtMs = u64::MAX;

#[derive(Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(AtMs, u64)>>,
}

impl Deadlines {
    /// Sees to it that `owner` is looked at when `due` comes, unless `armed` is earlier already: it will then be
    /// looked at first, and asked again.
    pub(crate) fn arm(&mut self, owner: u64, armed: &mut AtMs, due: AtMs) {
        if due < *armed {
            *armed = due;
            self.heap.push(Reverse((due, owner)));
        }
    }

    /// The next entry that is due, with the time it was armed for. It may be stale: its owner gone, or armed anew.
    pub(crate) fn pop_due(&mut self, now: AtMs) -> Option<(AtMs, u64)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// When the next entry falls due.
    pub(crate) fn next(&self) -> Option<AtMs> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_nearer_is_armed() {
        let mut deadlines = Deadlines::default();
        let mut armed = NEVER;
        deadlines.arm(7, &mut armed, 100);
        deadlines.arm(7, &mut armed, 200);
        assert_eq!(deadlines.heap.len(), 1);
        deadlines.arm(7, &mut armed, 50);
        assert_eq!((armed, deadlines.next()), (50, Some(50)));
        assert_eq!(deadlines.pop_due(49), None);
        assert_eq!(deadlines.pop_due(60), Some((50, 7)));
        assert_eq!(deadlines.pop_due(60), None, "the stale one is not due yet");
        assert_eq!(deadlines.pop_due(100), Some((100, 7)));
    }
}
