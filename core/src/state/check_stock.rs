//! Invariants of stock: who waits, as the orders' counters say, and levels below zero that are to be named.

use std::collections::BTreeMap;

use orderline_protocol::SkuHandle;

use super::State;
use super::backorders::Waiting;
use super::check::Violation;

impl State {
    /// Checks that those who wait for a SKU are the lines with backordered units of it.
    pub(super) fn check_waiting(&self, violations: &mut Vec<Violation>) {
        let mut waiting: BTreeMap<SkuHandle, BTreeMap<Waiting, u32>> = BTreeMap::new();
        for slot in self.orders.iter().filter(|&slot| !self.orders.is_whole(slot)) {
            let head = self.orders.head(slot);
            for (index, line) in self.orders.lines(slot).iter().enumerate() {
                let units = self.orders.counters(slot, index).backordered.get();
                if units > 0 {
                    let key = Waiting {
                        placed_sequence: head.placed_sequence,
                        order: head.id.get(),
                        line: index as u16,
                    };
                    waiting.entry(line.sku).or_default().insert(key, units);
                }
            }
        }
        for handle in 0..self.catalogue.sku_count() as u32 {
            let sku = SkuHandle::new(handle);
            let orders = waiting.remove(&sku).unwrap_or_default();
            let queue = self.backorders.queue(sku);
            let is_same = queue.map_or(orders.is_empty(), |queue| {
                queue.lines == orders
                    && queue.units == orders.values().map(|&units| u64::from(units)).sum::<u64>()
            });
            let is_flagged = self.catalogue.sku(sku).is_some_and(|sku| sku.has_backorders != 0);
            if !is_same || is_flagged == orders.is_empty() {
                violations.push(Violation::Waiting {
                    sku,
                    queued: self.backorders.units(sku),
                    orders: orders.values().map(|&units| u64::from(units)).sum(),
                });
            }
        }
    }

    /// Checks that what is to be named as a shortage is one.
    pub(super) fn check_shortages(&self, violations: &mut Vec<Violation>) {
        for &(sku, location) in &self.stock.unnamed_shortages {
            let found = self.catalogue.sku(sku).and_then(|sku| self.stock.find(sku, location));
            if found.is_none_or(|(available, _)| available >= 0) {
                violations.push(Violation::NoShortage { sku, location });
            }
        }
    }
}
