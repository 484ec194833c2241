//! Care for placed orders: confirm, cancel, and what giving units back comes to.

use orderline_protocol::command::{CancelLines, ConfirmOrder, LineQuantity};
use orderline_protocol::event::{
    Allocation, Event, EventKind, LinesCancelled, OrderConfirmed, OrderState, Origin,
};
use orderline_protocol::lifecycle::{Action, blocks};
use orderline_protocol::{Amount, LocationHandle, RejectCode};

use super::State;
use super::apply::{Effect, state_in};
use super::decide::{Refusable, Scratch, check_zeros, write};
use super::fulfilment::check_named_lines;
use super::order_head::Stage;
use super::orders::{OrderSlot, Orders};

impl State {
    #[inline]
    pub(super) fn decide_confirm(
        &self,
        origin: Origin,
        head: &ConfirmOrder,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_zeros(&head.reserved, 20)?;
        self.order_for(head.order, head.expected_version.get(), Action::Confirm, blocks::CONFIRM)?;
        Ok(write(Event::OrderConfirmed(&OrderConfirmed { origin, order: head.order }), out))
    }

    pub(super) fn decide_cancel(
        &self,
        origin: Origin,
        head: &CancelLines,
        lines: &[LineQuantity],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_named_lines(lines, size_of::<CancelLines>())?;
        let slot = self.known_order(head.order)?;
        self.check_lines_known(slot, lines.iter().map(|line| line.line.get()))?;
        self.order_for(head.order, head.expected_version.get(), Action::Cancel, blocks::CANCEL)?;
        let is_all = self.open_moves(slot, lines, LocationHandle::NONE, scratch)?;
        let moves: &[Allocation] = if is_all { &[] } else { &scratch.moves };
        let value = self.value_of(slot, &scratch.moves);
        let event = LinesCancelled {
            origin,
            order: head.order,
            state: self.state_after_cancel(slot, is_all) as u8,
            reserved: 0,
            reason: head.reason,
            move_count: (moves.len() as u32).into(),
            refund_owed: Amount::new(self.refund_owed(slot, value)),
        };
        Ok(write(Event::LinesCancelled(&event, moves), out))
    }

    /// What units of an order cost.
    pub(super) fn value_of(&self, slot: OrderSlot, moves: &[Allocation]) -> i64 {
        let lines = self.orders.lines(slot);
        let of_part = |part: &Allocation| {
            lines[usize::from(part.line.get())].unit_price.minor() * i64::from(part.quantity.get())
        };
        moves.iter().map(of_part).sum()
    }

    /// What a buyer is owed back when an order costs `less` less than it does now.
    pub(super) fn refund_owed(&self, slot: OrderSlot, less: i64) -> i64 {
        let Some(detail) = self.orders.detail(slot) else { return 0 };
        let money = &detail.money;
        (money.refundable() - (self.orders.cost_minor(slot) - less)).max(0)
    }

    /// Nothing left of it: cancelled. Nothing left to ship or to arrive: completed. Else as it was.
    fn state_after_cancel(&self, slot: OrderSlot, is_all: bool) -> OrderState {
        let state = self.orders.head(slot).state();
        if !is_all || self.has_packed(slot) {
            return state;
        }
        match (self.orders.shipped_units(slot), self.units_on_the_way(slot)) {
            (0, _) => OrderState::Cancelled,
            (_, 0) => OrderState::Completed,
            _ => state,
        }
    }

    /// Finds the units to take off an order's open ones, packed ones left aside, into the scratch's moves: as the lines say
    /// (all that a line has where none is named; backordered units, location NONE, first, if `location` is NONE), at one
    /// location or wherever they are. Says whether that is all that is open and unpacked.
    pub(super) fn open_moves(
        &self,
        slot: OrderSlot,
        lines: &[LineQuantity],
        location: LocationHandle,
        scratch: &mut Scratch,
    ) -> Refusable<bool> {
        scratch.wanted.clear();
        scratch.wanted.resize(self.orders.lines(slot).len(), 0);
        for line in lines {
            scratch.wanted[usize::from(line.line.get())] = line.quantity.get();
        }
        let open = self.movable_units(slot, location);
        scratch.moves.clear();
        for unit in &open {
            let line = usize::from(unit.line.get());
            let units = if lines.is_empty() {
                unit.quantity.get()
            } else {
                let units = unit.quantity.get().min(scratch.wanted[line]);
                scratch.wanted[line] -= units;
                units
            };
            if units > 0 {
                scratch.moves.push(Allocation { quantity: units.into(), ..*unit });
            }
        }
        if let Some(line) = scratch.wanted.iter().position(|&left| left > 0) {
            let of_line = |part: &&Allocation| usize::from(part.line.get()) == line;
            let there: u64 =
                scratch.moves.iter().filter(of_line).map(|part| u64::from(part.quantity.get())).sum();
            return Err(self.refuse(slot, RejectCode::QuantityNotThere).about(line as u32).with(there));
        }
        if scratch.moves.is_empty() {
            return Err(self.refuse(slot, RejectCode::NothingToDo));
        }
        Ok(location.is_none() && scratch.moves == open)
    }

    /// An order's units that can be moved: line by line, backordered ones first (location NONE; only if `location` is NONE),
    /// then those at `location` (NONE: at each), less what is packed there.
    pub(super) fn movable_units(&self, slot: OrderSlot, location: LocationHandle) -> Vec<Allocation> {
        let mut units = Vec::new();
        let mut open = self.orders.open_units(slot).into_iter().peekable();
        let detail = self.orders.detail(slot);
        for line in 0..self.orders.lines(slot).len() as u16 {
            let backordered = self.orders.counters(slot, line.into()).backordered;
            if location.is_none() && backordered.get() > 0 {
                units.push(Allocation { line: line.into(), location, quantity: backordered });
            }
            while let Some(part) = open.next_if(|part| part.line.get() == line) {
                let packed = detail.map_or(0, |detail| detail.packed(line, part.location));
                let quantity = part.quantity.get() - packed;
                if quantity > 0 && (location.is_none() || part.location == location) {
                    units.push(Allocation { quantity: quantity.into(), ..part });
                }
            }
        }
        units
    }

    pub(super) fn apply_confirmed(&mut self, head: &OrderConfirmed) -> Effect {
        let slot = self.order_of(head.order);
        if self.orders.is_whole(slot) {
            let location = self.orders.head(slot).location;
            for line in 0..self.orders.lines(slot).len() {
                let of = self.orders.lines(slot)[line];
                self.stock.commit(&mut self.catalogue, of.sku, location, of.quantity.get().into());
            }
            self.orders.set_stage(slot, Stage::Allocated);
        } else {
            for part in self.orders.open_units(slot) {
                let sku = self.orders.lines(slot)[usize::from(part.line.get())].sku;
                self.stock.commit(&mut self.catalogue, sku, part.location, part.quantity.get().into());
            }
            for counters in &mut self.orders.part(slot).counters {
                counters.allocated += counters.reserved.get();
                counters.reserved = 0.into();
            }
        }
        self.move_state(0, slot, Action::Confirm, OrderState::Confirmed);
        self.order_effect(slot, 0)
    }

    pub(super) fn apply_cancelled(
        &mut self,
        at_us: i64,
        head: &LinesCancelled,
        moves: &[Allocation],
    ) -> Effect {
        let slot = self.order_of(head.order);
        let all;
        let moved = if moves.is_empty() {
            all = self.movable_units(slot, LocationHandle::NONE);
            &all
        } else {
            moves
        };
        let value = self.value_of(slot, moved);
        self.give_back(slot, moved);
        let to = state_in(head.state);
        self.move_state(at_us, slot, Action::Cancel, to);
        self.order_effect(slot, value as u64)
    }

    /// Takes units off an order's open ones and gives their stock back: they count as cancelled.
    pub(super) fn give_back(&mut self, slot: OrderSlot, moved: &[Allocation]) {
        let state = self.orders.head(slot).state();
        let promise = Orders::promise(state);
        for part in moved.iter().filter(|part| !part.location.is_none()) {
            let sku = self.orders.lines(slot)[usize::from(part.line.get())].sku;
            self.stock.release(&mut self.catalogue, sku, part.location, promise, part.quantity.get().into());
        }
        if self.orders.is_whole(slot) && moved == self.orders.open_units(slot) {
            self.orders.set_stage(slot, Stage::Cancelled);
            self.work_taken_away(slot, moved);
            return;
        }
        for part in moved {
            let line = usize::from(part.line.get());
            if part.location.is_none() {
                self.wait_no_more(slot, line, part.quantity.get());
            }
            let detail = self.orders.part(slot);
            let counters = &mut detail.counters[line];
            let held = match state {
                _ if part.location.is_none() => &mut counters.backordered,
                OrderState::Pending => &mut counters.reserved,
                _ => &mut counters.allocated,
            };
            *held -= part.quantity.get();
            counters.cancelled += part.quantity.get();
            if !part.location.is_none() {
                detail.take(part);
            }
        }
        self.work_taken_away(slot, moved);
    }
}

#[cfg(test)]
mod tests {
    use orderline_protocol::lifecycle::{ShipmentState, WorkState};
    use orderline_protocol::{OrderId, SessionHandle};

    use super::*;
    use crate::state::check::tests::one_order;
    use crate::state::detail::Shipment;

    #[test]
    fn what_is_packed_is_not_cancelled() {
        let origin = Origin { session: SessionHandle::NONE, digest: 0.into(), request: 0.into() };
        let order = OrderId::new(7);
        let mut state = one_order();
        state.apply(5, 0, &Event::OrderConfirmed(&OrderConfirmed { origin, order }));
        let slot = state.order_of(order);
        let part = Allocation { line: 0.into(), location: LocationHandle::new(0), quantity: 2.into() };
        state.orders.detail_mut(slot).shipments.push(Shipment::new(
            ShipmentState::Created,
            0,
            0,
            "",
            vec![part],
        ));
        let cancel = |state: &State, lines: &[LineQuantity], out: &mut Vec<u8>| {
            let line_count = (lines.len() as u16).into();
            let head = CancelLines { order, expected_version: 0.into(), line_count, reason: 0.into() };
            state.decide_cancel(origin, &head, lines, &mut Scratch::default(), out)
        };
        let mut out = Vec::new();
        state.orders.detail_mut(slot).work_mut(LocationHandle::new(0)).set_state(WorkState::InProgress);
        let two = LineQuantity { line: 0.into(), reserved: [0; 2], quantity: 2.into() };
        let refused = cancel(&state, &[two], &mut out).unwrap_err();
        assert_eq!((refused.code, refused.detail), (RejectCode::QuantityNotThere, 1));
        let kind = cancel(&state, &[], &mut out).unwrap();
        let event = Event::read(kind as u16, orderline_protocol::event::EVENT_VERSION, &out).unwrap();
        let answer = state.apply(6, 0, &event);
        assert_eq!((answer.detail, answer.state), (5, OrderState::Confirmed as u8));
        assert_eq!(state.orders.counters(slot, 0).allocated.get(), 2);
        assert_eq!(cancel(&state, &[], &mut out).unwrap_err().code, RejectCode::NothingToDo);
        assert_eq!(state.check(), vec![]);
    }
}
