//! The invariants of fulfilment: packages, returns and work against the quantities of their order.

use std::collections::BTreeMap;

use orderline_protocol::LocationHandle;
use orderline_protocol::event::OrderState;
use orderline_protocol::lifecycle::{ReturnState, ShipmentState, WorkState};

use super::State;
use super::check::Violation;
use super::detail::{Detail, place_of};
use super::fulfilment::locations_of;
use super::orders::OrderSlot;

/// Units of a line in packages and returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Moved {
    /// In packages that left.
    sent: u64,
    /// In packages that arrived.
    delivered: u64,
    /// Came back with returns of delivered units.
    returned: u64,
    /// In returns of delivered units that are to come.
    coming: u64,
}

impl State {
    /// Checks an order's packages, returns and work.
    pub(super) fn check_fulfilment(&self, slot: OrderSlot, violations: &mut Vec<Violation>) {
        let head = self.orders.head(slot);
        let whole = Detail::default();
        let detail = self.orders.detail(slot).unwrap_or(&whole);
        self.check_quantities(slot, detail, violations);
        self.check_packed(slot, detail, violations);
        self.check_works(slot, detail, violations);
        let (order, state) = (head.id, head.state());
        let came_back = detail.shipments.iter().filter(|of| of.state() == ShipmentState::ReturnedToSender);
        if came_back.count() != detail.returns.iter().filter(|of| of.is_undelivered).count() {
            violations.push(Violation::Parts { order });
        }
        let is_under_way = detail
            .shipments
            .iter()
            .any(|of| matches!(of.state(), ShipmentState::Created | ShipmentState::Shipped));
        let has_parts =
            !detail.shipments.is_empty() || !detail.returns.is_empty() || !detail.works.is_empty();
        let fits = match state {
            OrderState::Pending | OrderState::Expired => !has_parts,
            OrderState::Confirmed => true,
            OrderState::Completed => !is_under_way && !self.orders.has_open(slot),
            OrderState::Cancelled => !is_under_way && detail.returns.is_empty(),
        };
        if !fits {
            violations.push(Violation::State { order, state });
        }
    }

    /// What left, arrived and came back is in packages and returns that did.
    fn check_quantities(&self, slot: OrderSlot, detail: &Detail, violations: &mut Vec<Violation>) {
        let mut moved = vec![Moved::default(); self.orders.lines(slot).len()];
        for shipment in detail.shipments.iter().filter(|of| of.has_left()) {
            let has_arrived = shipment.state() == ShipmentState::Delivered;
            for part in &shipment.parts {
                let (of, units) = (&mut moved[usize::from(part.line.get())], u64::from(part.quantity.get()));
                of.sent += units;
                of.delivered += if has_arrived { units } else { 0 };
            }
        }
        let order = self.orders.head(slot).id;
        for of in &detail.returns {
            let came = matches!(of.state(), ReturnState::Received | ReturnState::Closed);
            let said =
                |line| of.lines.iter().find(|said| said.line == line).map_or(0, |said| said.quantity.get());
            let fits = of.received.iter().all(|line| line.quantity.get() <= said(line.line));
            if !fits || came == of.received.is_empty() || of.lines.is_empty() {
                violations.push(Violation::Parts { order });
            }
            if of.is_undelivered {
                continue;
            }
            for line in &of.received {
                moved[usize::from(line.line.get())].returned += u64::from(line.quantity.get());
            }
            for line in of.lines.iter().filter(|_| of.is_open()) {
                moved[usize::from(line.line.get())].coming += u64::from(line.quantity.get());
            }
        }
        for (line, of) in moved.iter().enumerate() {
            let counters = self.orders.counters(slot, line);
            let [sent, delivered, returned] =
                [counters.shipped, counters.delivered, counters.returned].map(|units| u64::from(units.get()));
            let is_same = (of.sent, of.delivered, of.returned) == (sent, delivered, returned);
            if !is_same || returned + of.coming > delivered {
                violations.push(Violation::Moved { order, line });
            }
        }
    }

    /// What is packed is there.
    fn check_packed(&self, slot: OrderSlot, detail: &Detail, violations: &mut Vec<Violation>) {
        let open: BTreeMap<(u16, u16), u32> =
            self.orders.open_units(slot).iter().map(|part| (place_of(part), part.quantity.get())).collect();
        for part in detail.packed_units() {
            if open.get(&place_of(&part)).is_none_or(|&units| units < part.quantity.get()) {
                let line = part.line.get().into();
                violations.push(Violation::Moved { order: self.orders.head(slot).id, line });
            }
        }
    }

    /// Work that goes on has units, work that is over has none.
    fn check_works(&self, slot: OrderSlot, detail: &Detail, violations: &mut Vec<Violation>) {
        let packed = detail.packed_units();
        let left: Vec<LocationHandle> = {
            let sent = detail.shipments.iter().filter(|of| of.has_left());
            locations_of(&sent.flat_map(|of| &of.parts).copied().collect::<Vec<_>>())
        };
        let mut before = None;
        for work in &detail.works {
            let (location, state) = (work.location(), work.state());
            let has_packed = packed.iter().any(|part| part.location == location);
            let holds = |of| {
                matches!(
                    WorkState::from_number(of),
                    Some(WorkState::Open | WorkState::Accepted | WorkState::InProgress)
                )
            };
            let fits = before < Some(location)
                && work.is_over() != self.orders.has_units_at(slot, location)
                && (state == WorkState::OnHold) == (work.held_from != 0)
                && (work.held_from == 0 || holds(work.held_from))
                && work.has_shipped == left.contains(&location)
                && (state != WorkState::Rejected || work.has_rejected)
                && (state != WorkState::Cancelled || !work.has_shipped)
                && (state != WorkState::Closed || work.has_shipped)
                && (!has_packed || matches!(state, WorkState::InProgress | WorkState::OnHold));
            if !fits {
                violations.push(Violation::Work { order: self.orders.head(slot).id, location });
            }
            before = Some(location);
        }
        for &location in left.iter().chain(&locations_of(&packed)) {
            if detail.work(location).is_none() {
                violations.push(Violation::Work { order: self.orders.head(slot).id, location });
            }
        }
    }
}
