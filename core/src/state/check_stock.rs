//! Invariants of stock: who waits, as the orders' counters say, and levels below zero that are to be named.

use std::collections::BTreeMap;

use orderline_protocol::SkuHandle;
use orderline_protocol::limits::BUCKET_QUANTITY_MAX;

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

    /// Checks the buckets of a SKU's levels, each level by itself; returns how many there are.
    pub(super) fn check_levels(&self, sku: usize, violations: &mut Vec<Violation>) -> usize {
        let sku = SkuHandle::new(sku as u32);
        let Some(of) = self.catalogue.sku(sku) else { return 0 };
        let mut level_count = 0;
        for (row, level) in self.stock.levels(of) {
            level_count += 1;
            let held = [row.reserved, level.committed, level.safety, level.damaged, level.quality_hold];
            let held: i128 = held.iter().map(|&units| i128::from(units)).sum();
            let bounds = 0..=i128::from(BUCKET_QUANTITY_MAX);
            let on_hand = i128::from(row.available()) + held;
            if !bounds.contains(&on_hand) || !bounds.contains(&i128::from(level.incoming)) {
                violations.push(Violation::Level { sku, location: row.location() });
            }
        }
        level_count
    }

    /// Checks that what is to be named as a shortage is one.
    pub(super) fn check_shortages(&self, violations: &mut Vec<Violation>) {
        for &(sku, location) in &self.stock.unnamed_shortages {
            let found = self.catalogue.sku(sku).and_then(|sku| self.stock.find(sku, location));
            if found.is_none_or(|(row, _)| row.available() >= 0) {
                violations.push(Violation::NoShortage { sku, location });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orderline_protocol::command::{Bucket, DefineLocation, DefineSku};
    use orderline_protocol::{CurrencyCode, LocationHandle, SellerHandle};

    use super::*;

    #[test]
    fn who_waits_without_an_order_and_a_shortage_that_is_none_are_found() {
        let mut state = State::new(1);
        let location = DefineLocation {
            priority: 0.into(),
            daily_capacity: 0.into(),
            expected_version: 0.into(),
            region: 0.into(),
            standing: 1,
            code_bytes: 1,
        };
        state.catalogue.set_location(0, 1, "l", &location);
        let definition = DefineSku {
            seller: SellerHandle::new(0),
            backorder_cap: 0.into(),
            currency: CurrencyCode::NONE,
            standing: 1,
            code_bytes: 1,
            expected_version: 0.into(),
        };
        state.catalogue.set_sku(0, 1, "k", &definition);
        let (sku, location) = (SkuHandle::new(0), LocationHandle::new(0));
        state.stock.adjust(&mut state.catalogue, sku, location, Bucket::Damaged, 1);
        state.stock.adjust(&mut state.catalogue, sku, location, Bucket::Available, -1);
        assert_eq!(state.check(), vec![], "a level below zero is to be named");

        state.stock.adjust(&mut state.catalogue, sku, location, Bucket::Available, 1);
        assert_eq!(state.check(), vec![], "and is no more when it is not");
        state.stock.unnamed_shortages.insert((sku, location));
        assert_eq!(state.check(), vec![Violation::NoShortage { sku, location }]);
        state.stock.unnamed_shortages.clear();

        state.catalogue.sku_mut(sku).has_backorders = 1;
        assert_eq!(state.check(), vec![Violation::Waiting { sku, queued: 0, orders: 0 }]);
        state.backorders.add(sku, Waiting { placed_sequence: 1, order: 1, line: 0 }, 3);
        assert_eq!(state.check(), vec![Violation::Waiting { sku, queued: 3, orders: 0 }]);
        let orders: Vec<_> = state.orders.iter().collect();
        state.rebuild_backorders(&orders);
        assert_eq!(state.check(), vec![], "the queues follow from the orders");
    }
}
