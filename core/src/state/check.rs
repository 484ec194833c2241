//! The invariants (conservation of stock, counters that add up, states that fit them), checked over a whole state: what `verify` reports.

use std::fmt;

use orderline_protocol::event::{ExpiryKind, OrderState, RetiredKind};
use orderline_protocol::{
    CurrencyCode, GroupId, LocationHandle, OrderId, ReservationId, SellerHandle, SkuHandle,
};

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
    /// A held reservation does not have all its units, or a finished one still has some.
    Reservation {
        /// The reservation.
        reservation: ReservationId,
    },
    /// What expires has no timer or another one's, or a timer is for nothing.
    Timer {
        /// What expires.
        kind: ExpiryKind,
        /// Its id, or its order's.
        id: u128,
        /// A hold's number in its order.
        number: u16,
    },
    /// What finished does not wait to leave memory, or what waits has not finished, or not in its turn.
    Retention {
        /// What it is.
        kind: RetiredKind,
        /// Its id.
        id: u128,
    },
    /// A group does not have the orders that say they are of it.
    Group {
        /// The group.
        group: GroupId,
    },
    /// An order's captures, refunds and commission do not fit each other.
    Money {
        /// The order.
        order: OrderId,
    },
    /// A group's payment is not what its state says, or what its orders' shares add up to.
    GroupMoney {
        /// The group.
        group: GroupId,
    },
    /// A seller's ledger does not balance, or does not hold what the orders say.
    Ledger {
        /// The seller.
        seller: SellerHandle,
        /// The currency.
        currency: CurrencyCode,
    },
    /// What is packed, left, arrived or came back of a line is not what its packages and returns say.
    Moved {
        /// The order.
        order: OrderId,
        /// The line's index.
        line: usize,
    },
    /// A location's fulfilment order does not fit what the location has of the order, or sent.
    Work {
        /// The order.
        order: OrderId,
        /// The location.
        location: LocationHandle,
    },
    /// An order's returns do not fit its packages, or what came of them.
    Parts {
        /// The order.
        order: OrderId,
    },
    /// The units that are queued for a SKU are not those that orders have backordered.
    Waiting {
        /// The SKU.
        sku: SkuHandle,
        /// Units queued.
        queued: u64,
        /// Units that the orders' lines have backordered.
        orders: u64,
    },
    /// A level's buckets hold more than can be, or less than nothing in all.
    Level {
        /// The SKU.
        sku: SkuHandle,
        /// The location.
        location: LocationHandle,
    },
    /// A level does not hold what the events say came and went there.
    Units {
        /// The SKU.
        sku: SkuHandle,
        /// The location.
        location: LocationHandle,
        /// Units in which buckets, or of which kind.
        what: &'static str,
        /// What the events add up to.
        expected: i128,
        /// What the level holds.
        found: i128,
    },
    /// A seller's ledger does not hold what its entries add up to.
    Entries {
        /// The seller.
        seller: SellerHandle,
        /// The currency.
        currency: CurrencyCode,
        /// The sum of which entries, in minor units, or how many.
        what: &'static str,
        /// What the events add up to.
        expected: i128,
        /// What the ledger holds.
        found: i128,
    },
    /// A level is to be named as short and is not below zero.
    NoShortage {
        /// The SKU.
        sku: SkuHandle,
        /// The location.
        location: LocationHandle,
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
            Self::Reservation { reservation } => {
                write!(f, "reservation {reservation} does not hold the units of its lines")
            }
            Self::Timer { kind, id, number } => {
                let (kind, id) = (kind.name(), OrderId::new(*id));
                write!(
                    f,
                    "the timer of the {kind} with id {id}, number {number}, is not the one that it needs"
                )
            }
            Self::Retention { kind, id } => {
                let (kind, id) = (kind.name(), OrderId::new(*id));
                write!(f, "the {kind} with id {id} does not wait in its turn to leave memory")
            }
            Self::Group { group } => write!(f, "group {group} and its orders do not name each other"),
            Self::Money { order } => {
                write!(
                    f,
                    "what was captured and refunded of order {order}, and its commission, do not add up"
                )
            }
            Self::GroupMoney { group } => {
                write!(f, "the payment of group {group} is not what its state and its orders' shares say")
            }
            Self::Ledger { seller, currency } => {
                write!(f, "the ledger of seller {seller} in {currency:?} does not balance")
            }
            Self::Moved { order, line } => {
                write!(f, "packages and returns of order {order} do not fit the counters of line {line}")
            }
            Self::Work { order, location } => {
                write!(f, "the work of location {location} for order {order} does not fit its units there")
            }
            Self::Parts { order } => {
                write!(f, "the returns of order {order} do not fit its packages, or what came of them")
            }
            Self::Waiting { sku, queued, orders } => {
                write!(
                    f,
                    "{queued} units of SKU {sku} are queued for, and orders wait otherwise for {orders}"
                )
            }
            Self::Level { sku, location } => {
                write!(f, "the buckets of SKU {sku} at location {location} hold what cannot be")
            }
            Self::Units { sku, location, what, expected, found } => write!(
                f,
                "SKU {sku} at location {location} has {found} units {what}, and by the events it must have {expected}"
            ),
            Self::Entries { seller, currency, what, expected, found } => write!(
                f,
                "the ledger of seller {seller} in {currency:?} has {found} {what}, and by the events it must have {expected}"
            ),
            Self::NoShortage { sku, location } => {
                write!(f, "SKU {sku} at location {location} is to be named as short and has enough")
            }
        }
    }
}

/// What orders have promised: by SKU, the locations with what is reserved and committed there. A SKU is at few
/// locations, so a list is searched faster than a map.
pub(super) struct Promised(pub(super) Vec<Vec<(LocationHandle, u64, u64)>>);

impl Promised {
    fn add(&mut self, sku: SkuHandle, location: LocationHandle, promise: Promise, units: u64) {
        // A sample adds up nothing.
        let Some(levels) = self.0.get_mut(sku.index()) else { return };
        let at = levels.iter().position(|level| level.0 == location).unwrap_or_else(|| {
            levels.push((location, 0, 0));
            levels.len() - 1
        });
        match promise {
            Promise::Reserved => levels[at].1 += units,
            Promise::Committed => levels[at].2 += units,
        }
    }

    /// What is promised at a level; it is not there any more afterwards.
    fn take(&mut self, sku: SkuHandle, location: LocationHandle) -> (u64, u64) {
        let levels = &mut self.0[sku.index()];
        let at = levels.iter().position(|level| level.0 == location);
        at.map_or((0, 0), |at| {
            let (_, reserved, committed) = levels.swap_remove(at);
            (reserved, committed)
        })
    }
}

impl State {
    /// Checks every invariant over the whole state, and returns what is broken: nothing, if all is well.
    pub fn check(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut promised = Promised(vec![Vec::new(); self.catalogue.sku_count()]);
        for reservation in self.reservations.iter() {
            for part in reservation.units() {
                let sku = reservation.lines[usize::from(part.line.get())].sku;
                promised.add(sku, part.location, Promise::Reserved, part.quantity.get().into());
            }
        }
        let mut open_count = 0;
        for slot in self.orders.iter() {
            open_count += u64::from(self.orders.head(slot).state().is_open());
            self.check_order(slot, &mut promised, &mut violations);
        }
        self.check_money(&mut violations);
        if open_count != self.orders.open_count() {
            violations.push(Violation::OpenCount { kept: self.orders.open_count(), found: open_count });
        }
        for handle in 0..self.catalogue.sku_count() as u32 {
            let sku = SkuHandle::new(handle);
            let Some(of) = self.catalogue.sku(sku) else { continue };
            self.check_levels(handle as usize, &mut violations);
            for (row, level) in self.stock.levels(of) {
                let location = row.location();
                let orders = promised.take(sku, location);
                let kept = (row.reserved, level.committed);
                if orders != kept {
                    violations.push(Violation::Conservation { sku, location, level: kept, orders });
                }
            }
        }
        // Orders that have units at levels which are not there.
        for (sku, levels) in promised.0.into_iter().enumerate() {
            for (location, reserved, committed) in levels {
                let (sku, orders) = (SkuHandle::new(sku as u32), (reserved, committed));
                violations.push(Violation::Conservation { sku, location, level: (0, 0), orders });
            }
        }
        self.check_due(&mut violations);
        self.check_waiting(&mut violations);
        self.check_shortages(&mut violations);
        violations
    }

    pub(super) fn check_order(
        &self,
        slot: OrderSlot,
        promised: &mut Promised,
        violations: &mut Vec<Violation>,
    ) {
        self.check_fulfilment(slot, violations);
        let head = self.orders.head(slot);
        let (order, state) = (head.id, head.state());
        self.check_order_money(slot, violations);
        let lines = self.orders.lines(slot);
        let mut open_of_line = vec![0_u64; lines.len()];
        for part in self.orders.open_units(slot) {
            let line = usize::from(part.line.get());
            let units = u64::from(part.quantity.get());
            open_of_line[line] += units;
            promised.add(lines[line].sku, part.location, Orders::promise(state), units);
        }
        let (mut open, mut shipped) = (0_u64, 0_u64);
        let on_the_way = self.units_on_the_way(slot);
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

#[cfg(test)]
pub(super) mod tests {
    use orderline_protocol::Event;
    use orderline_protocol::command::{
        Bucket, DefineLocation, DefineSeller, DefineSku, OrderLine, PlaceOrder,
    };
    use orderline_protocol::event::{LocationDefined, OrderPlaced, Origin, SellerDefined, SkuDefined};
    use orderline_protocol::{Amount, BuyerId, SessionHandle};

    use super::*;
    use crate::state::order_head::Stage;

    /// A state with one order of three units, its id 7, placed at the beginning of 1970.
    pub(in crate::state) fn one_order() -> State {
        let mut state = State::new(1);
        let origin = Origin { session: SessionHandle::NONE, digest: 0.into(), request: 0.into() };
        let seller =
            DefineSeller { commission_bp: 0.into(), standing: 1, code_bytes: 1, expected_version: 0.into() };
        let seller = SellerDefined { origin, handle: 0.into(), version: 1.into(), definition: seller };
        state.apply(1, 0, &Event::SellerDefined(&seller, "s"));
        let location = DefineLocation {
            region: 0.into(),
            priority: 0.into(),
            daily_capacity: 0.into(),
            expected_version: 0.into(),
            standing: 1,
            code_bytes: 1,
        };
        let location = LocationDefined { origin, handle: 0.into(), version: 1.into(), definition: location };
        state.apply(2, 0, &Event::LocationDefined(&location, "l"));
        let sku = DefineSku {
            seller: SellerHandle::new(0),
            backorder_cap: 0.into(),
            currency: CurrencyCode::NONE,
            standing: 1,
            code_bytes: 1,
            expected_version: 0.into(),
        };
        let sku = SkuDefined { origin, handle: 0.into(), version: 1.into(), definition: sku };
        state.apply(3, 0, &Event::SkuDefined(&sku, "k"));
        let (sku, location) = (SkuHandle::new(0), LocationHandle::new(0));
        state.stock.adjust(&mut state.catalogue, sku, location, Bucket::Available, 9);
        let placement = PlaceOrder {
            order: OrderId::new(7),
            buyer: BuyerId::new(1),
            seller: SellerHandle::new(0),
            currency: CurrencyCode::new(826),
            line_count: 1.into(),
            region: 0.into(),
            external_id_bytes: 0,
        };
        let placed = OrderPlaced { origin, placement, location, allocation_count: 0.into(), rule: 1 };
        let line = OrderLine { sku, quantity: 3.into(), unit_price: Amount::new(5) };
        state.apply(4, 0, &Event::OrderPlaced(&placed, &[line], &[], ""));
        state
    }

    #[test]
    fn a_sound_state_has_no_violation_and_each_kind_of_damage_has_its_own() {
        assert_eq!(one_order().check(), vec![]);
        let (sku, location) = (SkuHandle::new(0), LocationHandle::new(0));
        let order = OrderId::new(7);

        let mut leaked = one_order();
        leaked.stock.reserve(&mut leaked.catalogue, sku, location, 1);
        let violation = Violation::Conservation { sku, location, level: (4, 0), orders: (3, 0) };
        assert_eq!(leaked.check(), vec![violation]);

        let mut counted = one_order();
        let slot = counted.orders.find(order).unwrap();
        counted.orders.part(slot).counters[0].cancelled = 1.into();
        assert_eq!(counted.check(), vec![Violation::Counters { order, line: 0 }]);

        let mut allocated = one_order();
        let slot = allocated.orders.find(order).unwrap();
        allocated.orders.part(slot).allocations[0].quantity = 2.into();
        let violations = allocated.check();
        assert!(violations.contains(&Violation::Allocations { order, line: 0 }), "{violations:?}");

        let mut staged = one_order();
        let slot = staged.orders.find(order).unwrap();
        staged.orders.set_stage(slot, Stage::Shipped);
        let state = OrderState::Pending;
        assert!(staged.check().contains(&Violation::State { order, state }));
    }
}
