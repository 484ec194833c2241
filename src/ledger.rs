//! What the client was told, held against what the journal has: the drill's bookkeeping.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use orderline_core::recovery;
use orderline_loadgen::Observer;
use orderline_protocol::event::{EVENT_VERSION, Event, EventKind};
use orderline_protocol::{OrderId, RejectCode, Sequence};

use crate::offline::{self, ReadFrom};
use crate::verb::Refusal;

/// Every acknowledgement that a load run was given.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accepted: Vec<(u128, Sequence)>,
    pub(crate) rejected_count: u64,
    pub(crate) unknown_count: u64,
    /// How many were accepted, for a thread that watches.
    acked: Arc<AtomicU64>,
}

impl Observer for Ledger {
    fn accepted(&mut self, order: OrderId, sequence: Sequence) {
        self.accepted.push((order.get(), sequence));
        self.acked.store(self.accepted.len() as u64, Ordering::Relaxed);
    }

    fn rejected(&mut self, _order: OrderId, _code: Option<RejectCode>) {
        self.rejected_count += 1;
    }

    fn unknown(&mut self, _order: OrderId) {
        self.unknown_count += 1;
    }
}

/// How the books compare.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Acknowledgements checked.
    pub(crate) acked: u64,
    /// Acknowledged orders that the journal does not have, or has at another sequence than was told.
    pub(crate) lost: u64,
    /// Orders that the journal has more than once.
    pub(crate) duplicated: u64,
    /// Invariants that the replayed state breaks.
    pub(crate) violations: Vec<String>,
    /// The hash of the state that a replay of every record gives, and the sequence it stands at.
    pub(crate) state_hash: String,
    pub(crate) last_sequence: Sequence,
}

impl Ledger {
    /// An empty book that tells how many acknowledgements it holds.
    pub(crate) fn telling(acked: Arc<AtomicU64>) -> Self {
        Self { acked, ..Self::default() }
    }

    pub(crate) fn acked(&self) -> u64 {
        self.accepted.len() as u64
    }

    /// Replays a directory from its first record and compares every acknowledgement with it.
    pub(crate) fn compare(&mut self, data: &Path) -> Result<Comparison, Refusal> {
        let mut offline = offline::open(data, ReadFrom::Oldest)?;
        let mut placed: Vec<(u128, Sequence)> = Vec::with_capacity(self.accepted.len());
        recovery::replay(&mut offline.reader, &mut offline.state, Sequence::MAX, |_, batch| {
            for record in batch.records().filter(|record| places(record.kind)) {
                let sequence = record.sequence;
                match Event::read(record.kind, EVENT_VERSION, record.payload) {
                    Ok(Event::OrderPlaced(head, ..)) => placed.push((head.placement.order.get(), sequence)),
                    Ok(Event::GroupPlaced(_, orders, ..)) => {
                        placed.extend(orders.iter().map(|order| (order.order.get(), sequence)));
                    }
                    _ => {}
                }
            }
        })?;
        placed.sort_unstable();
        self.accepted.sort_unstable();
        let mut comparison = compare_sorted(&self.accepted, &placed);
        comparison.violations = offline.state.check().iter().map(ToString::to_string).collect();
        comparison.state_hash = offline.state.hash().to_string();
        comparison.last_sequence = offline.state.sequence();
        Ok(comparison)
    }
}

/// Whether records of this kind place orders.
fn places(kind: u16) -> bool {
    kind == EventKind::OrderPlaced as u16 || kind == EventKind::GroupPlaced as u16
}

/// Compares two sorted books of orders and sequences.
fn compare_sorted(accepted: &[(u128, Sequence)], placed: &[(u128, Sequence)]) -> Comparison {
    let duplicated = placed.windows(2).filter(|pair| pair[0].0 == pair[1].0).count() as u64;
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
    Comparison { acked: accepted.len() as u64, lost, duplicated, ..Comparison::default() }
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
