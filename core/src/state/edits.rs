//! Edits of placed orders before their fulfilment begins: a line's quantity, and where the order goes.

use orderline_protocol::command::{EditAddress, EditLine, OrderLine};
use orderline_protocol::event::{
    AddressEdited, Allocation, Event, EventKind, LineEdited, OrderState, Origin,
};
use orderline_protocol::lifecycle::{Action, WorkState, blocks};
use orderline_protocol::limits::{LINE_QUANTITY_MAX, ORDER_TOTAL_MINOR_MAX};
use orderline_protocol::{Amount, LocationHandle, RejectCode};

use super::apply::Effect;
use super::checkout::line_value;
use super::decide::{Refusable, Scratch, check_zeros, write};
use super::detail::{Detail, Work};
use super::orders::{OrderSlot, Orders};
use super::sourcing::{Backordering, Request};
use super::{Rejection, State};

impl State {
    pub(super) fn decide_edit_line(
        &self,
        origin: Origin,
        now_us: i64,
        head: &EditLine,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_zeros(&head.reserved, 28)?;
        let (line, quantity) = (usize::from(head.line.get()), head.quantity.get());
        match quantity {
            0 => return Err(Rejection::new(RejectCode::ZeroQuantity).about(line as u32)),
            1..=LINE_QUANTITY_MAX => {}
            _ => return Err(Rejection::new(RejectCode::QuantityTooLarge).about(line as u32)),
        }
        let slot = self.known_order(head.order)?;
        let Some(&of) = self.orders.lines(slot).get(line) else {
            return Err(self.refuse(slot, RejectCode::UnknownLine).about(line as u32));
        };
        self.order_for(head.order, head.expected_version.get(), Action::Edit, blocks::EDIT)?;
        self.check_not_begun(slot)?;
        let cancelled = self.orders.counters(slot, line).cancelled.get();
        if quantity <= cancelled {
            return Err(self
                .refuse(slot, RejectCode::QuantityNotThere)
                .about(line as u32)
                .with(cancelled.into()));
        }
        let before = of.quantity.get();
        let rule = match quantity.checked_sub(before) {
            Some(0) => return Err(self.refuse(slot, RejectCode::NothingToDo)),
            Some(added) => self.source_more(slot, line, added, now_us, scratch)?,
            None => {
                self.take_from_the_end(slot, line, before - quantity, &mut scratch.moves);
                0
            }
        };
        let less = of.unit_price.minor() * (i64::from(before) - i64::from(quantity));
        let event = LineEdited {
            origin,
            edit: *head,
            refund_owed: Amount::new(self.refund_owed(slot, less)),
            move_count: (scratch.moves.len() as u32).into(),
            rule,
            reserved: [0; 3],
        };
        Ok(write(Event::LineEdited(&event, &scratch.moves), out))
    }

    /// Whether nothing of an order is packed, shipped, or in work: accepted, or further than that.
    fn check_not_begun(&self, slot: OrderSlot) -> Refusable<()> {
        let is_begun = |work: &Work| {
            !matches!(work.state(), WorkState::Open | WorkState::Rejected | WorkState::Cancelled)
        };
        let in_work = self.orders.detail(slot).is_some_and(|detail| detail.works.iter().any(is_begun));
        if in_work || self.has_packed(slot) || self.orders.shipped_units(slot) > 0 {
            return Err(self.refuse(slot, RejectCode::FulfilmentBegun));
        }
        Ok(())
    }

    /// Finds where more units of a line ship from, into the scratch's moves; returns the deciding rule.
    fn source_more(
        &self,
        slot: OrderSlot,
        line: usize,
        added: u32,
        now_us: i64,
        scratch: &mut Scratch,
    ) -> Refusable<u8> {
        let head = self.orders.head(slot);
        let refuse = |code| self.refuse(slot, code).about(line as u32);
        let lines = self.orders.lines(slot);
        let more = OrderLine { quantity: added.into(), ..lines[line] };
        // As at a placement: nothing more of what is not sold any more.
        self.check_seller(head.seller)?;
        if !self.catalogue.sku(more.sku).is_some_and(super::catalogue::Sku::is_active) {
            return Err(refuse(RejectCode::SkuRetired));
        }
        let of_sku = lines.iter().filter(|of| of.sku == more.sku).map(|of| u64::from(of.quantity.get()));
        if of_sku.sum::<u64>() + u64::from(added) > u64::from(LINE_QUANTITY_MAX) {
            return Err(refuse(RejectCode::QuantityTooLarge));
        }
        // Cancelled units count, too, so that everything that is ever summed over the lines stays within the limit.
        let ordered: i64 = lines.iter().map(line_value).sum();
        let total = i128::from(ordered) + i128::from(more.unit_price.minor()) * i128::from(added);
        if total > i128::from(ORDER_TOTAL_MINOR_MAX) {
            return Err(self.refuse(slot, RejectCode::TotalTooLarge));
        }
        let detail = self.orders.detail(slot);
        let excluded: Vec<LocationHandle> = detail.into_iter().flat_map(Detail::rejected_locations).collect();
        let request = Request {
            region: head.region,
            seller: head.seller,
            now_us,
            own: &[],
            excluded: &excluded,
            backordering: Backordering::WithinCap,
        };
        let (version, state) = (head.version, head.state() as u8);
        let sourced = self
            .source(&request, &[more], &mut scratch.sourcing)
            .map_err(|rejection| Rejection { version, state, ..rejection.about(line as u32) })?;
        let line = (line as u16).into();
        scratch.moves.clear();
        if !sourced.location.is_none() {
            scratch.moves.push(Allocation { line, location: sourced.location, quantity: added.into() });
        }
        for part in scratch.sourcing.allocations_of(&sourced) {
            scratch.moves.push(Allocation { line, ..*part });
        }
        let found: u32 = scratch.moves.iter().map(|part| part.quantity.get()).sum();
        if found < added {
            let location = LocationHandle::NONE;
            scratch.moves.push(Allocation { line, location, quantity: (added - found).into() });
        }
        Ok(sourced.rule as u8)
    }

    /// Finds units of a line of which nothing is packed: backordered ones first, then those at its last location, and
    /// so on to the first.
    fn take_from_the_end(&self, slot: OrderSlot, line: usize, units: u32, moves: &mut Vec<Allocation>) {
        moves.clear();
        let location = LocationHandle::NONE;
        let quantity = self.orders.counters(slot, line).backordered;
        let backordered = Allocation { line: (line as u16).into(), location, quantity };
        let mut at_locations = self.orders.open_units(slot);
        at_locations.retain(|part| usize::from(part.line.get()) == line);
        let mut left = units;
        for part in std::iter::once(backordered).chain(at_locations.into_iter().rev()) {
            let units = part.quantity.get().min(left);
            left -= units;
            if units > 0 {
                moves.push(Allocation { quantity: units.into(), ..part });
            }
        }
        assert_eq!(left, 0, "a line of which nothing has shipped has all its units that are not cancelled");
    }

    pub(super) fn decide_edit_address(
        &self,
        origin: Origin,
        head: &EditAddress,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_zeros(&head.reserved, 30)?;
        let slot = self.order_for(head.order, head.expected_version.get(), Action::Edit, blocks::EDIT)?;
        self.check_not_begun(slot)?;
        Ok(write(Event::AddressEdited(&AddressEdited { origin, edit: *head }), out))
    }

    pub(super) fn apply_line_edited(
        &mut self,
        at_us: i64,
        head: &LineEdited,
        moves: &[Allocation],
    ) -> Effect {
        let slot = self.order_of(head.edit.order);
        let (line, quantity) = (usize::from(head.edit.line.get()), head.edit.quantity.get());
        let is_more = quantity > self.orders.lines(slot)[line].quantity.get();
        self.orders.part(slot);
        if is_more {
            self.count_newcomers(at_us, slot, moves);
        }
        moves.iter().for_each(|part| {
            if is_more { self.give_to_line(slot, part) } else { self.take_from_line(slot, part) }
        });
        self.orders.set_quantity(slot, line, quantity);
        if !is_more {
            self.work_taken_away(slot, moves);
        }
        let state = self.orders.head(slot).state();
        self.move_state(at_us, slot, Action::Edit, state);
        let total = self.orders.cost_minor(slot);
        self.order_effect(slot, total as u64)
    }

    /// Units come to a line of an order that has parted.
    fn give_to_line(&mut self, slot: OrderSlot, part: &Allocation) {
        let (line, units) = (usize::from(part.line.get()), part.quantity.get());
        if part.location.is_none() {
            self.orders.part(slot).counters[line].backordered += units;
            self.wait_for_more(slot, line, units);
            return;
        }
        let sku = self.orders.lines(slot)[line].sku;
        let is_pending = self.orders.head(slot).state() == OrderState::Pending;
        self.stock.reserve(&mut self.catalogue, sku, part.location, units.into());
        if !is_pending {
            self.stock.commit(&mut self.catalogue, sku, part.location, units.into());
        }
        let detail = self.orders.part(slot);
        let counters = &mut detail.counters[line];
        *(if is_pending { &mut counters.reserved } else { &mut counters.allocated }) += units;
        detail.allocate(part);
        self.work_given(slot, part.location);
    }

    /// Units leave a line of an order that has parted; they do not count as cancelled.
    fn take_from_line(&mut self, slot: OrderSlot, part: &Allocation) {
        let (line, units) = (usize::from(part.line.get()), part.quantity.get());
        if part.location.is_none() {
            self.wait_no_more(slot, line, units);
            self.orders.part(slot).counters[line].backordered -= units;
            return;
        }
        let sku = self.orders.lines(slot)[line].sku;
        let state = self.orders.head(slot).state();
        let promise = Orders::promise(state);
        self.stock.release(&mut self.catalogue, sku, part.location, promise, units.into());
        let detail = self.orders.part(slot);
        let counters = &mut detail.counters[line];
        let is_pending = state == OrderState::Pending;
        *(if is_pending { &mut counters.reserved } else { &mut counters.allocated }) -= units;
        detail.take(part);
    }

    pub(super) fn apply_address_edited(&mut self, head: &AddressEdited) -> Effect {
        let edit = &head.edit;
        let slot = self.order_of(edit.order);
        let address = self.orders.detail(slot).map_or(0, |detail| detail.address);
        // Most orders need no detail, so none is made to say what it says without being there.
        if address != edit.address.get() {
            self.orders.detail_mut(slot).address = edit.address.get();
        }
        self.orders.set_region(slot, edit.region.get());
        let state = self.orders.head(slot).state();
        // An edit never finishes an order, so the time does not matter.
        self.move_state(0, slot, Action::Edit, state);
        self.order_effect(slot, 0)
    }
}

#[cfg(test)]
mod tests {
    use orderline_protocol::command::{Bucket, DefineLocation};
    use orderline_protocol::event::{EVENT_VERSION, LocationDefined, OrderConfirmed};
    use orderline_protocol::lifecycle::ShipmentState;
    use orderline_protocol::{OrderId, SessionHandle};

    use super::*;
    use crate::state::check::tests::one_order;
    use crate::state::detail::Shipment;

    const ORDER: OrderId = OrderId::new(7);
    const NEAR: LocationHandle = LocationHandle::new(0);

    fn origin() -> Origin {
        Origin { session: SessionHandle::NONE, digest: 0.into(), request: 0.into() }
    }

    /// The order of three units, confirmed.
    fn confirmed() -> (State, OrderSlot) {
        let mut state = one_order();
        state.apply(5, 0, &Event::OrderConfirmed(&OrderConfirmed { origin: origin(), order: ORDER }));
        let slot = state.order_of(ORDER);
        (state, slot)
    }

    /// Whether both edits are refused because fulfilment has begun; that they agree is asserted.
    fn is_begun(state: &State) -> bool {
        let (line, address) = (
            EditLine {
                order: ORDER,
                expected_version: 0.into(),
                quantity: 2.into(),
                line: 0.into(),
                reason: 0.into(),
                reserved: [0; 4],
            },
            EditAddress {
                order: ORDER,
                address: 9.into(),
                expected_version: 0.into(),
                region: 2.into(),
                reserved: [0; 2],
            },
        );
        let mut out = Vec::new();
        let answers = [
            state.decide_edit_line(origin(), 0, &line, &mut Scratch::default(), &mut out).err(),
            state.decide_edit_address(origin(), &address, &mut out).err(),
        ]
        .map(|rejection| rejection.map(|rejection| rejection.code));
        assert_eq!(answers[0], answers[1]);
        assert!(matches!(answers[0], None | Some(RejectCode::FulfilmentBegun)), "{answers:?}");
        answers[0].is_some()
    }

    #[test]
    fn an_order_that_somebody_works_on_is_not_edited() {
        let (mut state, slot) = confirmed();
        assert!(!is_begun(&state));
        for &work in WorkState::ALL {
            state.orders.detail_mut(slot).work_mut(NEAR).set_state(work);
            let begun = !matches!(work, WorkState::Open | WorkState::Rejected | WorkState::Cancelled);
            assert_eq!(is_begun(&state), begun, "{work:?}");
        }
    }

    #[test]
    fn an_order_of_which_something_is_packed_or_shipped_is_not_edited() {
        let (mut state, slot) = confirmed();
        let part = Allocation { line: 0.into(), location: NEAR, quantity: 1.into() };
        state.orders.detail_mut(slot).shipments.push(Shipment::new(
            ShipmentState::Created,
            0,
            0,
            "",
            vec![part],
        ));
        assert!(is_begun(&state), "packed");
        state.orders.detail_mut(slot).shipments[0].set_state(ShipmentState::Cancelled);
        assert!(!is_begun(&state), "unpacked");
        let detail = state.orders.part(slot);
        detail.counters[0].allocated -= 1;
        detail.counters[0].shipped += 1;
        assert!(is_begun(&state), "shipped");
    }

    /// Edits the order's line to a quantity, by the event of a sequence.
    fn edit_to(state: &mut State, quantity: u32, sequence: u64) {
        let edit = EditLine {
            order: ORDER,
            expected_version: 0.into(),
            quantity: quantity.into(),
            line: 0.into(),
            reason: 0.into(),
            reserved: [0; 4],
        };
        let mut out = Vec::new();
        let kind = state.decide_edit_line(origin(), 0, &edit, &mut Scratch::default(), &mut out).unwrap();
        state.apply(sequence, 0, &Event::read(kind as u16, EVENT_VERSION, &out).unwrap());
        assert_eq!(state.check(), vec![]);
    }

    #[test]
    fn an_edit_counts_at_the_locations_that_are_new_to_the_order() {
        let (mut state, slot) = confirmed();
        let taken = |state: &State| -> Vec<u32> {
            state.catalogue.locations().iter().map(|location| location.taken_count).collect()
        };
        edit_to(&mut state, 4, 6);
        assert_eq!(taken(&state), [1], "it had units there before");
        let definition = DefineLocation {
            region: 0.into(),
            priority: 0.into(),
            daily_capacity: 0.into(),
            expected_version: 0.into(),
            standing: 1,
            code_bytes: 1,
        };
        let far = LocationDefined { origin: origin(), handle: 1.into(), version: 1.into(), definition };
        state.apply(7, 0, &Event::LocationDefined(&far, "f"));
        let (sku, location) = (state.orders.lines(slot)[0].sku, LocationHandle::new(1));
        state.stock.adjust(&mut state.catalogue, sku, location, Bucket::Available, 4);
        // Near has five left.
        edit_to(&mut state, 11, 8);
        assert_eq!(taken(&state), [1, 1]);
        edit_to(&mut state, 12, 9);
        assert_eq!(taken(&state), [1, 1]);
        assert_eq!(state.orders.counters(slot, 0).allocated.get(), 12);
    }

    #[test]
    fn a_location_whose_work_was_given_up_has_open_work_when_it_gets_units() {
        let (mut state, slot) = confirmed();
        state.orders.detail_mut(slot).work_mut(NEAR).set_state(WorkState::Cancelled);
        edit_to(&mut state, 5, 6);
        let work = state.orders.detail(slot).and_then(|detail| detail.work(NEAR)).unwrap();
        assert_eq!((work.state(), state.orders.counters(slot, 0).allocated.get()), (WorkState::Open, 5));
    }
}
