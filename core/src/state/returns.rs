//! Returns: goods that were delivered and come back, and packages that came back undelivered: decisions about them, and
//! what their events do.
//!
//! The units of an undelivered package were never delivered, so they do not count as returned and do not lower what the
//! order costs: whether they are sent again or their money goes back is for people to say, by a refund.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};

use orderline_protocol::command::{
    Bucket, LineQuantity, ReceiveReturn, RequestReturn, ReturnStep, ReturnedUnits, UpdateReturn,
};
use orderline_protocol::event::{
    Allocation, Event, EventKind, Origin, ReturnReceived, ReturnRequested, ReturnUpdated,
};
use orderline_protocol::lifecycle::{Action, Disposition, Entity, ReturnState};
use orderline_protocol::limits::BUCKET_QUANTITY_MAX;
use orderline_protocol::{Amount, LocationHandle, RejectCode, SkuHandle};

use super::apply::Effect;
use super::decide::{Refusable, Scratch, check_zeros, write};
use super::detail::{Return, place_of};
use super::fulfilment::check_named_lines;
use super::orders::OrderSlot;
use super::shipments::per_line;
use super::transitions;
use super::{Rejection, State};

/// What a step does to a return, and where it leads.
fn action_of(step: ReturnStep) -> (Action, ReturnState) {
    match step {
        ReturnStep::Approve => (Action::Approve, ReturnState::Approved),
        ReturnStep::Decline => (Action::Decline, ReturnState::Declined),
        ReturnStep::Cancel => (Action::Cancel, ReturnState::Cancelled),
        ReturnStep::Close => (Action::Close, ReturnState::Closed),
    }
}

/// The bucket that units come to; none for those that are thrown away.
fn bucket_of(units: &ReturnedUnits) -> Option<Bucket> {
    match Disposition::from_number(units.disposition) {
        Some(Disposition::Restock) => Some(Bucket::Available),
        Some(Disposition::Damaged) => Some(Bucket::Damaged),
        Some(Disposition::Discard) | None => None,
    }
}

/// Rule 2 of judging for what came back.
fn check_returned_units(units: &[ReturnedUnits]) -> Refusable<()> {
    for (place, of) in units.iter().enumerate() {
        let start = size_of::<ReceiveReturn>() + place * size_of::<ReturnedUnits>();
        if Disposition::from_number(of.disposition).is_none() {
            let offset = (start + offset_of!(ReturnedUnits, disposition)) as u32;
            return Err(Rejection::new(RejectCode::InvalidField).about(offset));
        }
        check_zeros(&[of.reserved], (start + offset_of!(ReturnedUnits, reserved)) as u32)?;
    }
    match units.iter().find(|of| of.quantity.get() == 0) {
        None => Ok(()),
        Some(of) => Err(Rejection::new(RejectCode::ZeroQuantity).about(of.line.get().into())),
    }
}

impl State {
    pub(super) fn decide_request_return(
        &self,
        origin: Origin,
        head: &RequestReturn,
        lines: &[LineQuantity],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_named_lines(lines, size_of::<RequestReturn>())?;
        let slot = self.known_order(head.order)?;
        self.check_lines_known(slot, lines.iter().map(|line| line.line.get()))?;
        self.order_for(head.order, head.expected_version.get(), Action::RequestReturn, 0)?;
        self.choose_units(slot, lines, &self.returnable_units(slot), &mut scratch.moves)?;
        let return_count = self.orders.detail(slot).map_or(0, |detail| detail.returns.len());
        let number = self.part_number(slot, return_count)?.into();
        scratch.moves.sort_unstable_by_key(place_of);
        let lines = per_line(&scratch.moves);
        let request = RequestReturn { line_count: (lines.len() as u16).into(), ..*head };
        let event = ReturnRequested { origin, request, number, reserved: [0; 6] };
        Ok(write(Event::ReturnRequested(&event, &lines), out))
    }

    /// Delivered units that did not come back and are not on their way, by line.
    fn returnable_units(&self, slot: OrderSlot) -> Vec<Allocation> {
        let mut units: Vec<u32> = Vec::with_capacity(self.orders.lines(slot).len());
        for line in 0..self.orders.lines(slot).len() {
            let counters = self.orders.counters(slot, line);
            units.push(counters.delivered.get() - counters.returned.get());
        }
        let returns = self.orders.detail(slot).map_or(&[][..], |detail| &detail.returns);
        for of in returns.iter().filter(|of| of.is_open() && !of.is_undelivered) {
            of.lines.iter().for_each(|line| units[usize::from(line.line.get())] -= line.quantity.get());
        }
        let part = |(line, units): (u16, u32)| Allocation {
            line: line.into(),
            location: LocationHandle::NONE,
            quantity: units.into(),
        };
        (0..).zip(units).filter(|&(_, units)| units > 0).map(part).collect()
    }

    pub(super) fn apply_return_requested(
        &mut self,
        head: &ReturnRequested,
        lines: &[LineQuantity],
    ) -> Effect {
        let slot = self.order_of(head.request.order);
        let state = self.orders.head(slot).state();
        let returns = &mut self.orders.detail_mut(slot).returns;
        let (reason, happened_at_us) = (head.request.reason.get(), head.request.happened_at_us.get());
        returns.push(Return::new(ReturnState::Requested, false, reason, happened_at_us, lines.to_vec()));
        let number = returns.len();
        assert_eq!(number, usize::from(head.number.get()), "event {}: returns are dense", self.sequence);
        self.move_state(0, slot, Action::RequestReturn, state);
        self.order_effect(slot, number as u64)
    }

    /// A return that a command names.
    fn known_return(&self, slot: OrderSlot, number: u16) -> Refusable<&Return> {
        let returns = self.orders.detail(slot).map_or(&[][..], |detail| &detail.returns);
        returns
            .get(usize::from(number).wrapping_sub(1))
            .ok_or(self.refuse(slot, RejectCode::UnknownReturn).about(number.into()))
    }

    /// Moves a return to a state.
    fn move_return_state(
        &mut self,
        slot: OrderSlot,
        number: u16,
        action: Action,
        to: ReturnState,
    ) -> &mut Return {
        let sequence = self.sequence;
        let returns = &mut self.orders.detail_mut(slot).returns;
        let Some(of) = returns.get_mut(usize::from(number).wrapping_sub(1)) else {
            panic!("event {sequence} is about a return that its order does not have")
        };
        let from = of.state();
        let is_allowed = transitions::targets(Entity::Return, from as u8, action).contains(&(to as u8));
        assert!(is_allowed, "event {sequence}: {action:?} takes a return from {from:?} to {to:?}");
        of.set_state(to);
        of
    }

    pub(super) fn decide_update_return(
        &self,
        origin: Origin,
        head: &UpdateReturn,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        let Some(step) = ReturnStep::from_number(head.step) else {
            return Err(Rejection::new(RejectCode::InvalidField).about(offset_of!(UpdateReturn, step) as u32));
        };
        check_zeros(&[head.reserved], offset_of!(UpdateReturn, reserved) as u32)?;
        let slot = self.known_order(head.order)?;
        let state = self.known_return(slot, head.return_number.get())?.state();
        let (action, to) = action_of(step);
        // An order that may have returns may have them approved, declined, given up and closed.
        self.order_for(head.order, head.expected_version.get(), Action::RequestReturn, 0)?;
        self.check_part(slot, Entity::Return, state as u8, action)?;
        let event = ReturnUpdated { origin, update: *head, state: to as u8, reserved: [0; 7] };
        Ok(write(Event::ReturnUpdated(&event), out))
    }

    pub(super) fn apply_return_updated(&mut self, at_us: i64, head: &ReturnUpdated) -> Effect {
        let slot = self.order_of(head.update.order);
        let (Some(step), Some(to)) =
            (ReturnStep::from_number(head.update.step), ReturnState::from_number(head.state))
        else {
            panic!("event {} names a step or a state of a return that there is not", self.sequence)
        };
        let (action, _) = action_of(step);
        let of = self.move_return_state(slot, head.update.return_number.get(), action, to);
        of.happened_at_us = head.update.happened_at_us.get();
        self.count_change(slot);
        if step != ReturnStep::Approve {
            self.something_ended(at_us, slot);
        }
        self.order_effect(slot, 0)
    }

    pub(super) fn decide_receive_return(
        &self,
        origin: Origin,
        head: &ReceiveReturn,
        units: &[ReturnedUnits],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_zeros(&head.reserved, offset_of!(ReceiveReturn, reserved) as u32)?;
        check_returned_units(units)?;
        let slot = self.known_order(head.order)?;
        let of = self.known_return(slot, head.return_number.get())?;
        self.check_location(slot, head.location)?;
        self.check_lines_known(slot, units.iter().map(|of| of.line.get()))?;
        self.order_for(head.order, head.expected_version.get(), Action::Receive, 0)?;
        self.check_part(slot, Entity::Return, of.state() as u8, Action::Receive)?;
        self.check_received(slot, of, units, scratch)?;
        self.check_buckets(slot, head.location, units)?;
        let less = if of.is_undelivered { 0 } else { self.value_of_returned(slot, units) };
        let refund_owed = Amount::new(self.refund_owed(slot, less));
        let event = ReturnReceived { origin, receipt: *head, refund_owed };
        Ok(write(Event::ReturnReceived(&event, units), out))
    }

    /// Whether no more came of any line than a return says, and at least one unit over all.
    fn check_received(
        &self,
        slot: OrderSlot,
        of: &Return,
        units: &[ReturnedUnits],
        scratch: &mut Scratch,
    ) -> Refusable<()> {
        if units.is_empty() {
            return Err(self.refuse(slot, RejectCode::NothingToDo));
        }
        let left = &mut scratch.wanted;
        left.clear();
        left.resize(self.orders.lines(slot).len(), 0);
        of.lines.iter().for_each(|line| left[usize::from(line.line.get())] = line.quantity.get());
        for came in units {
            let line = came.line.get();
            let left = &mut left[usize::from(line)];
            let Some(rest) = left.checked_sub(came.quantity.get()) else {
                let said = of.lines.iter().find(|of| of.line.get() == line);
                let said = said.map_or(0, |of| of.quantity.get().into());
                return Err(self.refuse(slot, RejectCode::QuantityNotThere).about(line.into()).with(said));
            };
            *left = rest;
        }
        Ok(())
    }

    /// Whether the buckets that units come to can hold them. What is promised counts as available: it may come to be again.
    fn check_buckets(
        &self,
        slot: OrderSlot,
        location: LocationHandle,
        units: &[ReturnedUnits],
    ) -> Refusable<()> {
        let mut coming: BTreeMap<SkuHandle, i64> = BTreeMap::new();
        for of in units {
            if bucket_of(of).is_none() {
                continue;
            }
            let handle = self.orders.lines(slot)[usize::from(of.line.get())].sku;
            let level = self.catalogue.sku(handle).and_then(|sku| self.stock.find(sku, location));
            let held = level.map_or(0, |(available, level)| level.on_hand(available));
            let sum = coming.entry(handle).or_default();
            *sum += i64::from(of.quantity.get());
            if held + *sum > BUCKET_QUANTITY_MAX as i64 {
                let line = of.line.get().into();
                return Err(self.refuse(slot, RejectCode::StockOverflow).about(line).with(held as u64));
            }
        }
        Ok(())
    }

    /// What units that came back had cost.
    fn value_of_returned(&self, slot: OrderSlot, units: &[ReturnedUnits]) -> i64 {
        let lines = self.orders.lines(slot);
        let value = |of: &ReturnedUnits| {
            lines[usize::from(of.line.get())].unit_price.minor() * i64::from(of.quantity.get())
        };
        units.iter().map(value).sum()
    }

    pub(super) fn apply_return_received(&mut self, head: &ReturnReceived, units: &[ReturnedUnits]) -> Effect {
        let receipt = &head.receipt;
        let (slot, location) = (self.order_of(receipt.order), receipt.location);
        for of in units {
            let Some(bucket) = bucket_of(of) else { continue };
            let sku = self.orders.lines(slot)[usize::from(of.line.get())].sku;
            let quantity = of.quantity.get().into();
            self.stock.adjust(&mut self.catalogue, sku, location, bucket, quantity);
            self.stock.moved(&mut self.catalogue, sku, location, self.sequence, quantity);
        }
        let mut received: BTreeMap<u16, u32> = BTreeMap::new();
        for of in units {
            *received.entry(of.line.get()).or_default() += of.quantity.get();
        }
        let line = |(&line, &quantity): (&u16, &u32)| LineQuantity {
            line: line.into(),
            reserved: [0; 2],
            quantity: quantity.into(),
        };
        let number = receipt.return_number.get();
        let of = self.move_return_state(slot, number, Action::Receive, ReturnState::Received);
        of.happened_at_us = receipt.happened_at_us.get();
        of.received = received.iter().map(line).collect();
        if !of.is_undelivered {
            let detail = self.orders.part(slot);
            for (&line, &quantity) in &received {
                detail.counters[usize::from(line)].returned += quantity;
            }
        }
        let state = self.orders.head(slot).state();
        self.move_state(0, slot, Action::Receive, state);
        let value = self.value_of_returned(slot, units);
        self.order_effect(slot, value as u64)
    }
}
