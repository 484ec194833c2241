//! What work, packages and returns share: the parts of an order that a command names, the units of its lines that it
//! chooses, and the fulfilment orders of locations that units come to or leave.

use std::mem::{offset_of, size_of};

use orderline_protocol::command::LineQuantity;
use orderline_protocol::event::{Allocation, OrderState};
use orderline_protocol::lifecycle::{Action, Entity, ShipmentState, WorkState};
use orderline_protocol::limits::ORDER_PARTS_MAX;
use orderline_protocol::{LocationHandle, OrderId, RejectCode};

use super::decide::{Refusable, check_zeros};
use super::detail::{Work, place_of};
use super::orders::OrderSlot;
use super::transitions;
use super::{Rejection, State};

/// Rule 2 of judging for a command's list of lines, which begins at `offset` of its body: reserved bytes are zero, no
/// quantity is, and each line is named once.
pub(super) fn check_named_lines(lines: &[LineQuantity], offset: usize) -> Refusable<()> {
    for (place, line) in lines.iter().enumerate() {
        let start = offset + place * size_of::<LineQuantity>();
        check_zeros(&line.reserved, (start + offset_of!(LineQuantity, reserved)) as u32)?;
    }
    let line_count = lines.iter().map(|line| usize::from(line.line.get()) + 1).max().unwrap_or(0);
    let mut is_named = vec![false; line_count];
    for line in lines {
        let index = line.line.get();
        if line.quantity.get() == 0 {
            return Err(Rejection::new(RejectCode::ZeroQuantity).about(index.into()));
        }
        if std::mem::replace(&mut is_named[usize::from(index)], true) {
            return Err(Rejection::new(RejectCode::LineRepeated).about(index.into()));
        }
    }
    Ok(())
}

/// The locations of units, each once, by handle; backordered units have none.
pub(super) fn locations_of(parts: &[Allocation]) -> Vec<LocationHandle> {
    let mut locations: Vec<LocationHandle> = parts.iter().map(|part| part.location).collect();
    locations.retain(|location| !location.is_none());
    locations.sort_unstable();
    locations.dedup();
    locations
}

impl State {
    /// The order that a command names, if it is there: rule 3 of judging, before the order's parts are looked for.
    pub(super) fn known_order(&self, order: OrderId) -> Refusable<OrderSlot> {
        self.orders.find(order).ok_or(Rejection::new(RejectCode::UnknownOrder))
    }

    /// Whether an order has every line that a command names.
    pub(super) fn check_lines_known(
        &self,
        slot: OrderSlot,
        mut lines: impl Iterator<Item = u16>,
    ) -> Refusable<()> {
        let line_count = self.orders.head(slot).line_count;
        match lines.find(|&line| line >= line_count) {
            None => Ok(()),
            Some(line) => Err(self.refuse(slot, RejectCode::UnknownLine).about(line.into())),
        }
    }

    /// Whether a location that a command names is there.
    pub(super) fn check_location(&self, slot: OrderSlot, location: LocationHandle) -> Refusable<()> {
        match self.catalogue.location(location) {
            Some(_) => Ok(()),
            None => Err(self.refuse(slot, RejectCode::UnknownLocation).about(location.get().into())),
        }
    }

    /// The state of a location's fulfilment order; none if it has none for this order.
    pub(super) fn work_state(&self, slot: OrderSlot, location: LocationHandle) -> Option<WorkState> {
        if let Some(work) = self.orders.detail(slot).and_then(|detail| detail.work(location)) {
            return Some(work.state());
        }
        let is_confirmed = self.orders.head(slot).state() == OrderState::Confirmed;
        (is_confirmed && self.orders.has_units_at(slot, location)).then_some(WorkState::Open)
    }

    /// The same for a location that a command names.
    pub(super) fn known_work(&self, slot: OrderSlot, location: LocationHandle) -> Refusable<WorkState> {
        self.check_location(slot, location)?;
        self.work_state(slot, location)
            .ok_or(self.refuse(slot, RejectCode::UnknownWork).about(location.get().into()))
    }

    /// The number of the next shipment or return of an order that has `count` of them.
    pub(super) fn part_number(&self, slot: OrderSlot, count: usize) -> Refusable<u16> {
        if count >= ORDER_PARTS_MAX {
            return Err(self.refuse(slot, RejectCode::TooManyParts).with(count as u64));
        }
        Ok(count as u16 + 1)
    }

    /// Whether something of an order is packed and has not left.
    pub(super) fn has_packed(&self, slot: OrderSlot) -> bool {
        self.orders.detail(slot).is_some_and(|detail| {
            detail.shipments.iter().any(|shipment| shipment.state() == ShipmentState::Created)
        })
    }

    /// Units of an order in packages that were sent and have not arrived, got lost or come back.
    pub(super) fn units_on_the_way(&self, slot: OrderSlot) -> u64 {
        let Some(detail) = self.orders.detail(slot) else { return 0 };
        let sent = detail.shipments.iter().filter(|shipment| shipment.state() == ShipmentState::Shipped);
        sent.flat_map(|shipment| &shipment.parts).map(|part| u64::from(part.quantity.get())).sum()
    }

    /// An order's units at a location (NONE: at each) that are not packed: sorted by line and location.
    pub(super) fn unpacked_units(&self, slot: OrderSlot, location: LocationHandle) -> Vec<Allocation> {
        let mut units = self.orders.open_units(slot);
        let packed = self.orders.detail(slot).map_or_else(Vec::new, |detail| detail.packed_units());
        let mut packed = packed.iter().peekable();
        units.retain_mut(|of| {
            if let Some(part) = packed.next_if(|part| place_of(part) == place_of(of)) {
                of.quantity -= part.quantity;
            }
            of.quantity.get() > 0 && (location.is_none() || of.location == location)
        });
        units
    }

    /// Chooses units of lines among those that are there, which are sorted by line and location: as the lines say, the
    /// first locations first, or all of them where no line is named. What is chosen stands in the order of the command, which
    /// is the order in which it is judged; [`place_of`] sorts it for the event.
    pub(super) fn choose_units(
        &self,
        slot: OrderSlot,
        lines: &[LineQuantity],
        there: &[Allocation],
        chosen: &mut Vec<Allocation>,
    ) -> Refusable<()> {
        chosen.clear();
        if lines.is_empty() {
            chosen.extend_from_slice(there);
        }
        for named in lines {
            let line = named.line.get();
            let first = there.partition_point(|part| part.line.get() < line);
            let of_line = there[first..].iter().take_while(|part| part.line.get() == line);
            let mut left = named.quantity.get();
            for part in of_line.clone() {
                let units = left.min(part.quantity.get());
                left -= units;
                if units > 0 {
                    chosen.push(Allocation { quantity: units.into(), ..*part });
                }
            }
            if left > 0 {
                let held: u64 = of_line.map(|part| u64::from(part.quantity.get())).sum();
                return Err(self.refuse(slot, RejectCode::QuantityNotThere).about(line.into()).with(held));
            }
        }
        if chosen.is_empty() {
            return Err(self.refuse(slot, RejectCode::NothingToDo));
        }
        Ok(())
    }

    /// Moves the fulfilment order of a location to a state.
    pub(super) fn move_work_state(
        &mut self,
        slot: OrderSlot,
        location: LocationHandle,
        action: Action,
        to: WorkState,
    ) {
        let (order, sequence) = (self.orders.head(slot).id, self.sequence);
        let work = self.orders.detail_mut(slot).work_mut(location);
        let from = work.state();
        let is_allowed = transitions::targets(Entity::Work, from as u8, action).contains(&(to as u8));
        assert!(
            is_allowed,
            "event {sequence}: {action:?} takes the work of order {order} at location {location} from {from:?} to {to:?}"
        );
        work.held_from = match (from, to) {
            (WorkState::OnHold, WorkState::OnHold) => work.held_from,
            (_, WorkState::OnHold) => from as u8,
            _ => 0,
        };
        work.has_rejected |= to == WorkState::Rejected;
        work.set_state(to);
    }

    /// Sees to the fulfilment orders of locations that units were cancelled at: one that has nothing left to do ends.
    pub(super) fn work_taken_away(&mut self, slot: OrderSlot, moved: &[Allocation]) {
        // Before an order is confirmed nobody has work.
        if self.orders.head(slot).state() == OrderState::Confirmed {
            for location in locations_of(moved) {
                self.end_empty_work(slot, location, Action::Cancel);
            }
        }
    }

    /// Ends the fulfilment order of a location that has nothing of its order any more.
    pub(super) fn end_empty_work(&mut self, slot: OrderSlot, location: LocationHandle, action: Action) {
        if self.orders.has_units_at(slot, location) {
            return;
        }
        let work = self.orders.detail(slot).and_then(|detail| detail.work(location));
        let has_shipped = work.is_some_and(|work| work.has_shipped);
        let to = if has_shipped { WorkState::Closed } else { WorkState::Cancelled };
        self.move_work_state(slot, location, action, to);
    }

    /// Sees to the fulfilment order of a location that units of an order came to: one that was over begins anew.
    pub(super) fn work_given(&mut self, slot: OrderSlot, location: LocationHandle) {
        let is_over = |work: &Work| work.is_over();
        if self.orders.detail(slot).and_then(|detail| detail.work(location)).is_some_and(is_over) {
            self.orders.detail_mut(slot).reopen(location);
        }
    }
}
