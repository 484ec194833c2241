//! The invariants of DOMAIN.md, checked over a whole state: what `verify` reports.

use std::collections::BTreeMap;
use std::fmt;

use orderline_protocol::event::OrderState;
use orderline_protocol::{LocationHandle, OrderId, SkuHandle};

use super::State;
use super::orders::{OrderSlot, Orders};
use super::stock::Promise;

/// A rule that the state breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A level's promised units are not the sum of what its orders have there.
    Conservation {
        /// The SKU.
        sku: SkuHandle,
        /// The location.
        location: LocationHandle,
        /// What the level says: reserved, committed.
        level: (u64, u64),
        /// What the orders add up to: reserved, committed.
        orders: (u64, u64),
    },
    /// A line's counters do not add up to what was ordered, or more was delivered than shipped.
    Counters {
        /// The order.
        order: OrderId,
        /// The line's index.
        line: usize,
    },
    /// An order's state does not fit its counters.
    State {
        /// The order.
        order: OrderId,
        /// Its state.
        state: OrderState,
    },
    /// The count of open orders is not the number of them.
    OpenCount {
        /// What is kept.
        kept: u64,
        /// What is there.
        found: u64,
    },
    /// A line's open units are not those of its allocations.
    Allocations {
        /// The order.
        order: OrderId,
        /// The line's index.
        line: usize,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conservation { sku, location, level, orders } => write!(
                f,
                "SKU {sku} at location {location} has {} reserved and {} committed, its orders {} and {}",
                level.0, level.1, orders.0, orders.1
            ),
            Self::Counters { order, line } => {
                write!(f, "the counters of line {line} of order {order} do not add up")
            }
            Self::State { order, state } => {
                write!(f, "order {order} is {} and its quantities say otherwise", state.name())
            }
            Self::OpenCount { kept, found } => {
                write!(f, "{found} orders are open and {kept} are counted as open")
            }
            Self::Allocations { order, line } => {
                write!(f, "the allocations of line {line} of order {order} are not its open units")
            }
        }
    }
}

/// What orders have promised, by SKU and location: reserved, committed.
type Promised = BTreeMap<(u32, u32), (u64, u64)>;

impl State {
    /// Checks every invariant over the whole state, and returns what is broken: nothing, if all is well.
    pub fn check(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut promised = Promised::new();
        let mut open_count = 0;
        for slot in self.orders.iter() {
            open_count += u64::from(self.orders.head(slot).state().is_open());
            self.check_order(slot, &mut promised, &mut violations);
        }
        if open_count != self.orders.open_count() {
            violations.push(Violation::OpenCount { kept: self.orders.open_count(), found: open_count });
        }
        for handle in 0..self.catalogue.sku_count() as u32 {
            let sku = SkuHandle::new(handle);
            for level in self.stock.levels_of(&self.catalogue, sku) {
                let orders = promised.remove(&(handle, level.location.get())).unwrap_or_default();
                let kept = (level.reserved, level.committed);
                if orders != kept {
                    let location = level.location;
                    violations.push(Violation::Conservation { sku, location, level: kept, orders });
                }
            }
        }
        // Orders that have units at levels which are not there.
        for ((sku, location), orders) in promised {
            let (sku, location) = (SkuHandle::new(sku), LocationHandle::new(location));
            violations.push(Violation::Conservation { sku, location, level: (0, 0), orders });
        }
        violations
    }

    fn check_order(&self, slot: OrderSlot, promised: &mut Promised, violations: &mut Vec<Violation>) {
        let head = self.orders.head(slot);
        let (order, state) = (head.id, head.state());
        let lines = self.orders.lines(slot);
        let mut open_of_line = vec![0_u64; lines.len()];
        for part in self.orders.open_units(slot) {
            let line = usize::from(part.line.get());
            let units = u64::from(part.quantity.get());
            open_of_line[line] += units;
            let sums = promised.entry((lines[line].sku.get(), part.location.get())).or_default();
            match Orders::promise(state) {
                Promise::Reserved => sums.0 += units,
                Promise::Committed => sums.1 += units,
            }
        }
        let (mut open, mut shipped, mut on_the_way) = (0_u64, 0_u64, 0_u64);
        for (index, line) in lines.iter().enumerate() {
            let counters = self.orders.counters(slot, index);
            let [cancelled, backordered, reserved, allocated, sent, delivered, returned] = [
                counters.cancelled,
                counters.backordered,
                counters.reserved,
                counters.allocated,
                counters.shipped,
                counters.delivered,
                counters.returned,
            ]
            .map(|counter| u64::from(counter.get()));
            let sum = cancelled + backordered + reserved + allocated + sent;
            if sum != u64::from(line.quantity.get()) || delivered > sent || returned > delivered {
                violations.push(Violation::Counters { order, line: index });
            }
            if reserved + allocated != open_of_line[index] {
                violations.push(Violation::Allocations { order, line: index });
            }
            open += backordered + reserved + allocated;
            shipped += sent;
            on_the_way += sent.saturating_sub(delivered);
            let fits = match state {
                OrderState::Pending => allocated == 0 && sent == 0,
                OrderState::Confirmed => reserved == 0,
                OrderState::Completed | OrderState::Cancelled | OrderState::Expired => {
                    backordered + reserved + allocated == 0
                }
            };
            if !fits {
                violations.push(Violation::State { order, state });
            }
        }
        let fits = match state {
            OrderState::Pending => open > 0,
            OrderState::Confirmed => open + on_the_way > 0,
            OrderState::Completed => shipped > 0 && on_the_way == 0,
            OrderState::Cancelled | OrderState::Expired => shipped == 0,
        };
        if !fits {
            violations.push(Violation::State { order, state });
        }
    }
}
