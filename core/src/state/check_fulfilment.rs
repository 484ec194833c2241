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

#[cfg(test)]
mod tests {
    use orderline_protocol::Event;
    use orderline_protocol::OrderId;
    use orderline_protocol::command::{
        ReceiveReturn, RequestReturn, ReturnStep, ReturnedUnits, ShipmentStep, UpdateReturn, UpdateShipment,
    };
    use orderline_protocol::event::{
        OrderConfirmed, Origin, ReturnReceived, ReturnRequested, ReturnUpdated, ShipmentMade, ShipmentUpdated,
    };
    use orderline_protocol::lifecycle::Disposition;
    use orderline_protocol::{Amount, SessionHandle};

    use super::*;
    use crate::state::check::tests::one_order;
    use crate::state::shipments::per_line;

    const ORIGIN: Origin = Origin {
        session: SessionHandle::NONE,
        digest: zerocopy::little_endian::U32::ZERO,
        request: zerocopy::little_endian::U64::ZERO,
    };
    const ORDER: OrderId = OrderId::new(7);
    const HERE: LocationHandle = LocationHandle::new(0);

    fn apply(state: &mut State, event: &Event<'_>) {
        state.apply(state.sequence() + 1, 0, event);
    }

    /// The order of three units, confirmed, all of it in one package that has left or is packed.
    fn shipped(is_sent: u8) -> State {
        let mut state = one_order();
        apply(&mut state, &Event::OrderConfirmed(&OrderConfirmed { origin: ORIGIN, order: ORDER }));
        let made = ShipmentMade {
            happened_at_us: 0.into(),
            origin: ORIGIN,
            order: ORDER,
            shipment: 1.into(),
            move_count: 0.into(),
            carrier: 0.into(),
            tracking_bytes: 0,
            is_sent,
        };
        apply(&mut state, &Event::ShipmentMade(&made, &[], ""));
        state
    }

    fn ended(step: ShipmentStep, to: ShipmentState, return_number: u16) -> State {
        let mut state = shipped(1);
        let update = UpdateShipment {
            happened_at_us: 0.into(),
            order: ORDER,
            expected_version: 0.into(),
            shipment: 1.into(),
            step: step as u8,
            reserved: 0,
        };
        let updated = ShipmentUpdated {
            origin: ORIGIN,
            update,
            order_state: OrderState::Completed as u8,
            state: to as u8,
            return_number: return_number.into(),
            reserved: [0; 4],
        };
        apply(&mut state, &Event::ShipmentUpdated(&updated));
        state
    }

    /// Two of the three units came back, all that were asked for.
    fn returned() -> State {
        let mut state = ended(ShipmentStep::Deliver, ShipmentState::Delivered, 0);
        let mut lines = per_line(&detail(&mut state).shipments[0].parts);
        lines[0].quantity = 2.into();
        let request = RequestReturn {
            order: ORDER,
            happened_at_us: 0.into(),
            expected_version: 0.into(),
            line_count: 1.into(),
            reason: 0.into(),
        };
        let requested = ReturnRequested { origin: ORIGIN, request, number: 1.into(), reserved: [0; 6] };
        apply(&mut state, &Event::ReturnRequested(&requested, &lines));
        let update = UpdateReturn {
            happened_at_us: 0.into(),
            order: ORDER,
            expected_version: 0.into(),
            return_number: 1.into(),
            step: ReturnStep::Approve as u8,
            reserved: 0,
        };
        let approved = ReturnState::Approved as u8;
        let updated = ReturnUpdated { origin: ORIGIN, update, state: approved, reserved: [0; 7] };
        apply(&mut state, &Event::ReturnUpdated(&updated));
        let receipt = ReceiveReturn {
            happened_at_us: 0.into(),
            order: ORDER,
            expected_version: 0.into(),
            return_number: 1.into(),
            location: HERE,
            line_count: 1.into(),
            reserved: [0; 6],
        };
        let received = ReturnReceived { origin: ORIGIN, receipt, refund_owed: Amount::new(0) };
        let disposition = Disposition::Restock as u8;
        let came = ReturnedUnits { line: 0.into(), disposition, reserved: 0, quantity: 2.into() };
        apply(&mut state, &Event::ReturnReceived(&received, &[came]));
        state
    }

    fn detail(state: &mut State) -> &mut Detail {
        let slot = state.order_of(ORDER);
        state.orders.detail_mut(slot)
    }

    /// Whether damage done to a sound state is seen as what it is.
    #[track_caller]
    fn is_seen(mut state: State, damage: impl FnOnce(&mut Detail), violation: Violation) {
        assert_eq!(state.check(), vec![]);
        damage(detail(&mut state));
        let violations = state.check();
        assert!(violations.contains(&violation), "{violations:?}");
    }

    #[test]
    fn damage_to_packages_and_returns_is_seen() {
        let moved = || Violation::Moved { order: ORDER, line: 0 };
        let parts = || Violation::Parts { order: ORDER };
        is_seen(shipped(0), |detail| detail.shipments[0].parts[0].quantity = 4.into(), moved());
        is_seen(shipped(0), |detail| detail.shipments[0].set_state(ShipmentState::Shipped), moved());
        is_seen(shipped(1), |detail| detail.shipments[0].set_state(ShipmentState::Delivered), moved());
        is_seen(shipped(1), |detail| detail.shipments[0].set_state(ShipmentState::ReturnedToSender), parts());
        let back = || ended(ShipmentStep::ReturnToSender, ShipmentState::ReturnedToSender, 1);
        is_seen(back(), |detail| detail.returns[0].is_undelivered = false, parts());
        is_seen(back(), |detail| detail.returns.clear(), parts());
        is_seen(returned(), |detail| detail.returns[0].received[0].quantity = 1.into(), moved());
        is_seen(returned(), |detail| detail.returns[0].received[0].quantity = 3.into(), parts());
        is_seen(returned(), |detail| detail.returns[0].received.clear(), parts());
        is_seen(returned(), |detail| detail.returns[0].set_state(ReturnState::Approved), moved());
        is_seen(
            ended(ShipmentStep::Deliver, ShipmentState::Delivered, 0),
            |detail| detail.shipments[0].set_state(ShipmentState::Created),
            Violation::State { order: ORDER, state: OrderState::Completed },
        );
    }

    #[test]
    fn damage_to_the_work_of_locations_is_seen() {
        let work = |location| Violation::Work { order: ORDER, location };
        let set = |state| move |detail: &mut Detail| detail.work_mut(HERE).set_state(state);
        for state in [WorkState::Closed, WorkState::Rejected, WorkState::Cancelled] {
            is_seen(shipped(0), set(state), work(HERE));
        }
        for state in [WorkState::Open, WorkState::InProgress, WorkState::OnHold, WorkState::Cancelled] {
            is_seen(shipped(1), set(state), work(HERE));
        }
        // What is packed is in progress, or stopped.
        is_seen(shipped(0), set(WorkState::Accepted), work(HERE));
        is_seen(shipped(0), |detail| detail.work_mut(HERE).has_shipped = true, work(HERE));
        is_seen(shipped(1), |detail| detail.work_mut(HERE).has_shipped = false, work(HERE));
        is_seen(shipped(1), |detail| detail.works.clear(), work(HERE));
        let other = LocationHandle::new(5);
        is_seen(shipped(1), |detail| _ = detail.work_mut(other), work(other));
    }
}
