//! What must hold of the model at any time, whatever the commands were: nothing is made and nothing is lost.

use std::collections::{BTreeMap, BTreeSet};

use orderline_protocol::lifecycle::*;

use crate::model::Model;
use crate::orders::Order;
use crate::stock::Promise;

/// Adds a sentence for what does not hold.
macro_rules! must {
    ($wrong:ident, $holds:expr, $($what:tt)*) => {
        if !$holds {
            $wrong.push(format!($($what)*));
        }
    };
}

impl Model {
    /// Every rule that is broken, in a sentence each.
    pub fn broken(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.levels_broken(&mut wrong);
        for order in self.orders.values() {
            order.broken(self.keeps(order), &mut wrong);
            let due = order
                .lines
                .iter()
                .enumerate()
                .find(|&(index, _)| self.next_refill(order.id, index).is_some());
            must!(wrong, due.is_none(), "order {}: a refill was forgotten: {due:?}", order.id);
        }
        self.money_broken(&mut wrong);
        wrong
    }

    fn levels_broken(&self, wrong: &mut Vec<String>) {
        let mut promised = BTreeMap::<((u32, u16), bool), i64>::new();
        for order in self.orders.values() {
            let is_reserved = order.promise() == Promise::Reserved;
            for line in &order.lines {
                for (&location, &units) in &line.at {
                    *promised.entry(((line.sku, location), is_reserved)).or_default() += i64::from(units);
                }
            }
        }
        for reservation in self.reservations.values() {
            must!(
                wrong,
                reservation.state == ReservationState::Held || reservation.at.iter().all(BTreeMap::is_empty),
                "a finished reservation holds units"
            );
            for (&(sku, units), at) in reservation.lines.iter().zip(&reservation.at) {
                let held: u32 = at.values().sum();
                must!(wrong, held == units || held == 0, "a reservation holds a part of a line");
                for (&location, &units) in at {
                    *promised.entry(((sku, location), true)).or_default() += i64::from(units);
                }
            }
        }
        let known: BTreeSet<(u32, u16)> = self.levels.keys().copied().collect();
        let levels = known.into_iter().chain(promised.keys().map(|key| key.0));
        for at in levels.collect::<BTreeSet<_>>() {
            let level = self.level(at);
            let of = |is_reserved| promised.get(&(at, is_reserved)).copied().unwrap_or(0);
            must!(
                wrong,
                level.reserved == of(true),
                "{at:?}: reserved {}, promised {}",
                level.reserved,
                of(true)
            );
            must!(wrong, level.committed == of(false), "{at:?}: committed {level:?}, promised {}", of(false));
            let buckets = [level.safety, level.damaged, level.quality_hold, level.incoming];
            must!(wrong, buckets.iter().all(|&units| units >= 0), "{at:?}: below zero: {level:?}");
            must!(
                wrong,
                level.on_hand() == level.came_and_went,
                "{at:?}: units were made or lost: {level:?}"
            );
        }
    }

    fn money_broken(&self, wrong: &mut Vec<String>) {
        let mut accrued = BTreeMap::<(u32, u16), i64>::new();
        for order in self.orders.values().filter(|order| !order.is_finished()) {
            *accrued.entry((order.seller, order.currency)).or_default() += order.sellers_share();
        }
        for (at, ledger) in &self.ledgers {
            let owed = ledger.accrued + ledger.payable + ledger.paid;
            let earned = ledger.sales - ledger.commissions - ledger.refunds + ledger.reversals;
            must!(wrong, owed == earned, "ledger {at:?} does not add up: {ledger:?}");
            let open = accrued.get(at).copied().unwrap_or(0);
            must!(wrong, ledger.accrued == open, "ledger {at:?}: accrued {ledger:?}, of open orders {open}");
            must!(
                wrong,
                ledger.refunds <= ledger.sales,
                "ledger {at:?}: more refunded than sold: {ledger:?}"
            );
        }
        for (id, group) in &self.groups {
            must!(wrong, !group.orders.is_empty(), "group {id} is empty");
            let payment = &group.payment;
            must!(wrong, payment.captured <= payment.authorized, "group {id}: {payment:?}");
            must!(wrong, group.captured == payment.captured, "group {id}: captured of an older payment");
            let orders = group.orders.iter().filter_map(|id| self.orders.get(id));
            let (captured, refunded) =
                orders.fold((0, 0), |sums, order| (sums.0 + order.captured, sums.1 + order.refunded));
            must!(wrong, captured <= group.captured, "group {id}: its orders captured {captured}");
            must!(wrong, refunded <= group.refunded, "group {id}: its orders refunded {refunded}");
            let is_whole = group.orders.len() == group.placed_orders;
            must!(wrong, !is_whole || captured == group.captured, "group {id}: captures were lost");
            must!(wrong, !is_whole || refunded == group.refunded, "group {id}: refunds were lost");
        }
    }
}

impl Order {
    /// `is_kept`: something of it, or of its group, is not finished.
    fn broken(&self, is_kept: bool, wrong: &mut Vec<String>) {
        let id = self.id;
        for (index, line) in self.lines.iter().enumerate() {
            let sum = line.cancelled + line.backordered + line.units() + line.shipped;
            must!(wrong, line.ordered == sum, "order {id}, line {index}: {line:?}");
            must!(wrong, line.delivered <= line.shipped, "order {id}, line {index}: {line:?}");
            must!(wrong, line.returned <= line.delivered, "order {id}, line {index}: {line:?}");
            for (&location, &units) in &line.at {
                must!(wrong, units > 0, "order {id}, line {index}: nothing at {location}");
                must!(wrong, self.packed(index, location) <= units, "order {id}, line {index}: overpacked");
            }
            let in_packages = |states: &[ShipmentState]| -> u32 {
                let shipments = self.shipments.iter().filter(|shipment| states.contains(&shipment.state));
                let parts =
                    shipments.flat_map(|shipment| &shipment.parts).filter(|(part, _)| part.0 == index);
                parts.map(|(_, units)| units).sum()
            };
            use ShipmentState::{Delivered, Lost, ReturnedToSender, Shipped};
            let left = in_packages(&[Shipped, Delivered, Lost, ReturnedToSender]);
            must!(wrong, left == line.shipped, "order {id}, line {index}: packages have {left}: {line:?}");
            let arrived = in_packages(&[Delivered]);
            must!(wrong, arrived == line.delivered, "order {id}, line {index}: arrived {arrived}: {line:?}");
            let is_finished = self.is_finished() && (line.units() > 0 || line.backordered > 0);
            must!(wrong, !is_finished, "order {id} is finished with something open: {line:?}");
        }
        for (&location, work) in &self.works {
            must!(
                wrong,
                work.is_over() != self.has_units_at(location),
                "order {id}: work at {location}: {work:?}"
            );
            let is_held = work.state == WorkState::OnHold;
            must!(wrong, is_held == work.held_from.is_some(), "order {id}: {work:?}");
        }
        let has_works = self.state == OrderState::Confirmed;
        let places = self.lines.iter().flat_map(|line| line.at.keys());
        let unworked = places.filter(|location| !self.works.contains_key(location)).count();
        must!(wrong, !has_works || unworked == 0, "order {id}: a location does not know of its work");
        let waits = self.waits_since_us.is_some() || is_kept;
        must!(
            wrong,
            self.is_finished() || self.waits_since_us.is_none(),
            "order {id} leaves while it is open"
        );
        must!(wrong, !self.is_finished() || waits, "order {id} never leaves");
        must!(wrong, self.refunded + self.refund_pending() <= self.captured, "order {id}: refunds");
        must!(wrong, (0..=self.captured).contains(&self.commission()), "order {id}: commission");
        must!(wrong, self.cost() >= 0 && self.refund_owed() >= 0, "order {id}: cost");
        let travels = self.shipments.iter().any(|one| one.state == ShipmentState::Shipped);
        must!(wrong, !(self.state == OrderState::Completed && travels), "order {id}: completed on its way");
    }
}
