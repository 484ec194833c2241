//! Backordered units: for each SKU the lines that wait, first come first served. All of it follows from the orders'
//! counters, and is neither hashed nor kept in snapshots.

use std::collections::BTreeMap;

use orderline_protocol::{OrderId, Sequence, SkuHandle};

/// A waiting line: oldest placement first, then by its order's id (a group's orders are placed at one sequence), then
/// by line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Waiting {
    pub(crate) placed_sequence: Sequence,
    pub(crate) order: u128,
    pub(crate) line: u16,
}

impl Waiting {
    pub(crate) fn order(&self) -> OrderId {
        OrderId::new(self.order)
    }
}

/// What of one SKU is waited for.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Units over all lines.
    pub(crate) units: u64,
    pub(crate) lines: BTreeMap<Waiting, u32>,
}

/// All queues: one for each SKU that anybody waits for.
#[derive(Default)]
pub(crate) struct Backorders(BTreeMap<SkuHandle, Queue>);

impl Backorders {
    /// Units of a SKU that are backordered.
    pub(crate) fn units(&self, sku: SkuHandle) -> u64 {
        self.0.get(&sku).map_or(0, |queue| queue.units)
    }

    /// Who waits for a SKU.
    pub(crate) fn queue(&self, sku: SkuHandle) -> Option<&Queue> {
        self.0.get(&sku)
    }

    /// SKUs that somebody waits for.
    pub(crate) fn skus(&self) -> impl Iterator<Item = SkuHandle> {
        self.0.keys().copied()
    }

    /// More units of a line wait. The SKU's flag is its caller's to set.
    pub(crate) fn add(&mut self, sku: SkuHandle, waiting: Waiting, units: u32) {
        let queue = self.0.entry(sku).or_default();
        *queue.lines.entry(waiting).or_default() += units;
        queue.units += u64::from(units);
    }

    /// Units of a line wait no more. Says whether anybody still waits for the SKU; its flag is its caller's to clear.
    ///
    /// # Panics
    /// If they did not wait.
    pub(crate) fn take(&mut self, sku: SkuHandle, waiting: Waiting, units: u32) -> bool {
        let Some(queue) = self.0.get_mut(&sku) else { panic!("nobody waits for SKU {sku}") };
        let Some(left) = queue.lines.get_mut(&waiting) else {
            panic!("{waiting:?} does not wait for SKU {sku}")
        };
        *left -= units;
        if *left == 0 {
            queue.lines.remove(&waiting);
        }
        queue.units -= u64::from(units);
        if queue.units == 0 {
            self.0.remove(&sku);
            return false;
        }
        true
    }
}
