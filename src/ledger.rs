//! What the client was told, held against what the journal has: the drill's bookkeeping.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orderline_loadgen::Observer;
use orderline_protocol::{OrderId, RejectCode, Sequence};

/// Every acknowledgement that a load run was given.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accepted: Vec<(u128, Sequence)>,
    pub(crate) rejected_count: u64,
    pub(crate) unknown_count: u64,
    /// How many were accepted, for a thread that watches.
    acked: Arc<AtomicU64>,
}

/// The book, written by a load run on its thread and read by whoever compares.
#[derive(Debug, Default, Clone)]
pub(crate) struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    /// An empty book that tells how many acknowledgements it holds.
    pub(crate) fn telling(acked: Arc<AtomicU64>) -> Self {
        Self(Arc::new(Mutex::new(Ledger { acked, ..Ledger::default() })))
    }

    pub(crate) fn open(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for SharedLedger {
    fn accepted(&mut self, order: OrderId, sequence: Sequence) {
        let mut ledger = self.open();
        ledger.accepted.push((order.get(), sequence));
        ledger.acked.store(ledger.accepted.len() as u64, Ordering::Relaxed);
    }

    fn rejected(&mut self, _order: OrderId, _code: Option<RejectCode>) {
        self.open().rejected_count += 1;
    }

    fn unknown(&mut self, _order: OrderId) {
        self.open().unknown_count += 1;
    }
}

/// How the books compare.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Acknowledgements checked.
    pub(crate) acked: u64,
    /// Acknowledged orders that the journal does not have, or has at another sequence than was told.
    pub(crate) lost: u64,
    /// Orders that the journal has more than once.
    pub(crate) duplicated: u64,
}

impl Ledger {
    /// Compares every acknowledgement with the orders that a journal places, sorted.
    pub(crate) fn compare(&mut self, placed: &[(u128, Sequence)]) -> Comparison {
        // What was sorted before is a run of what is to be sorted now.
        self.accepted.sort();
        compare_sorted(&self.accepted, placed)
    }
}

/// Orders that a sorted book has more than once, each time beyond the first.
pub(crate) fn count_duplicated(placed: &[(u128, Sequence)]) -> u64 {
    placed.windows(2).filter(|pair| pair[0].0 == pair[1].0).count() as u64
}

/// Compares two sorted books of orders and sequences.
fn compare_sorted(accepted: &[(u128, Sequence)], placed: &[(u128, Sequence)]) -> Comparison {
    let mut lost = 0;
    let mut at = 0;
    for told in accepted {
        while at < placed.len() && placed[at] < *told {
            at += 1;
        }
        if placed.get(at) != Some(told) {
            lost += 1;
        }
    }
    Comparison { acked: accepted.len() as u64, lost, duplicated: count_duplicated(placed) }
}

#[cfg(test)]
mod tests {
    use super::compare_sorted;

    #[test]
    fn lost_moved_and_doubled_orders_are_counted() {
        let placed = [(1, 10), (2, 11), (2, 14), (3, 12), (5, 13)];
        let count = |accepted: &[(u128, u64)]| {
            let comparison = compare_sorted(accepted, &placed);
            (comparison.lost, comparison.duplicated)
        };
        assert_eq!(count(&[(1, 10), (3, 12), (5, 13)]), (0, 1));
        assert_eq!(count(&[(1, 10), (4, 12)]), (1, 1), "order 4 is not there");
        assert_eq!(count(&[(1, 11)]), (1, 1), "order 1 is not where it was said to be");
        assert_eq!(count(&[(6, 20)]), (1, 1));
    }
}
