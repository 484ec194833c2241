//! What events do to an order: where its units are, whose work it is, what it costs. What events leave out because it
//! follows from the order ("all that was open") is worked out here from what the events before said.

use orderline_protocol::command::{LineQuantity, ReturnedUnits};
use orderline_protocol::event::{
    Allocation, LineEdited, LinesCancelled, OrderState, Refill, ReturnReceived, ReturnRequested,
    ReturnUpdated, ShipmentMade, ShipmentUpdated, WorkMoved, WorkRejected, WorkUpdated,
};
use orderline_protocol::lifecycle::{ReturnState, ShipmentState, WorkState};
use orderline_protocol::{Amount, LocationHandle, Sequence};
use zerocopy::little_endian::U16;

use crate::error::Damage;
use crate::order::{Order, Packed, Returned, Work};

/// The moment of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) sequence: Sequence,
    pub(crate) at_us: i64,
}

type Changed = Result<(), Damage>;

const UNFITTING: Damage = Damage("an event does not fit what is kept of its order");

fn state_in(number: u8) -> Result<OrderState, Damage> {
    OrderState::from_number(number).ok_or(UNFITTING)
}

impl Order {
    pub(crate) fn confirmed(&mut self, now: Moment) {
        self.state = OrderState::Confirmed;
        for location in locations_of(&self.units) {
            self.give_work(now, location);
        }
    }

    pub(crate) fn cancelled(&mut self, head: &LinesCancelled, moves: &[Allocation]) -> Changed {
        let all;
        let moved = if moves.is_empty() {
            all = self.movable()?;
            &all
        } else {
            moves
        };
        for part in moved {
            if !part.location.is_none() {
                self.take(part)?;
            }
            self.line(part)?.cancelled += part.quantity.get();
        }
        self.end_empty_work(moved)?;
        self.state = state_in(head.state)?;
        self.count_cost();
        Ok(())
    }

    pub(crate) fn edited(&mut self, now: Moment, head: &LineEdited, moves: &[Allocation]) -> Changed {
        let index = usize::from(head.edit.line.get());
        let line = self.lines.get_mut(index).ok_or(UNFITTING)?;
        let is_more = head.edit.quantity.get() > line.ordered;
        line.ordered = head.edit.quantity.get();
        // Units that wait for stock are what is ordered and nowhere else, so nothing is said of them.
        for part in moves.iter().filter(|part| !part.location.is_none()) {
            if is_more { self.give(now, part) } else { self.take(part)? }
        }
        if !is_more {
            self.end_empty_work(moves)?;
        }
        self.count_cost();
        Ok(())
    }

    pub(crate) fn refilled(&mut self, now: Moment, refill: &Refill) {
        let Refill { line, location, quantity, .. } = *refill;
        self.give(now, &Allocation { line, location, quantity });
    }

    pub(crate) fn work_updated(&mut self, head: &WorkUpdated) -> Changed {
        let work = self.work_mut(head.update.location)?;
        set_work_state(work, head.state);
        Ok(())
    }

    pub(crate) fn work_rejected(
        &mut self,
        now: Moment,
        head: &WorkRejected,
        moves: &[Allocation],
    ) -> Changed {
        let location = head.rejection.location;
        self.units.retain(|part| part.location != location);
        set_work_state(self.work_mut(location)?, WorkState::Rejected as u8);
        moves.iter().filter(|part| !part.location.is_none()).for_each(|part| self.give(now, part));
        Ok(())
    }

    pub(crate) fn work_moved(&mut self, now: Moment, head: &WorkMoved, moves: &[Allocation]) -> Changed {
        let from = head.movement.from;
        for part in moves {
            self.take(&Allocation { location: from, ..*part })?;
        }
        moves.iter().for_each(|part| self.give(now, part));
        let left = Allocation { line: 0.into(), location: from, quantity: 0.into() };
        self.end_empty_work(&[left])
    }

    pub(crate) fn shipment_made(&mut self, head: &ShipmentMade, moves: &[Allocation]) -> Changed {
        let parts = if moves.is_empty() { self.unpacked()? } else { moves.to_vec() };
        if head.is_sent == 1 {
            return self.send(&parts);
        }
        for location in locations_of(&parts) {
            set_work_state(self.work_mut(location)?, WorkState::InProgress as u8);
        }
        let shipment = head.shipment;
        self.packed.extend(parts.iter().map(|&part| Packed { shipment, part }));
        Ok(())
    }

    pub(crate) fn shipment_updated(&mut self, now: Moment, head: &ShipmentUpdated) -> Changed {
        let is_of = |packed: &Packed| packed.shipment == head.update.shipment;
        match ShipmentState::from_number(head.state) {
            Some(ShipmentState::Shipped) => {
                let parts: Vec<Allocation> =
                    self.packed.iter().filter(|of| is_of(of)).map(|of| of.part).collect();
                self.packed.retain(|of| !is_of(of));
                self.send(&parts)?;
            }
            Some(ShipmentState::Cancelled) => self.packed.retain(|of| !is_of(of)),
            Some(ShipmentState::ReturnedToSender) => {
                self.return_begins(now, head.return_number.get(), ReturnState::Approved, None);
            }
            Some(_) => {}
            None => return Err(UNFITTING),
        }
        self.state = state_in(head.order_state)?;
        Ok(())
    }

    pub(crate) fn return_requested(&mut self, now: Moment, head: &ReturnRequested, lines: &[LineQuantity]) {
        let units = lines.iter().map(|line| line.quantity.get()).sum();
        self.return_begins(now, head.number.get(), ReturnState::Requested, Some(units));
    }

    /// A return comes to be: of units, or of a package that comes back undelivered.
    fn return_begins(&mut self, now: Moment, number: u16, state: ReturnState, units: Option<u32>) {
        self.returns.push(Returned {
            number: number.into(),
            state: state as u8,
            is_undelivered: units.is_none().into(),
            units: units.unwrap_or(0).into(),
            asked_sequence: now.sequence.into(),
            asked_at_us: now.at_us.into(),
            changed_at_us: now.at_us.into(),
        });
    }

    pub(crate) fn return_updated(&mut self, now: Moment, head: &ReturnUpdated) -> Changed {
        self.return_mut(now, head.update.return_number)?.state = head.state;
        Ok(())
    }

    /// A return to which something happens.
    fn return_mut(&mut self, now: Moment, number: U16) -> Result<&mut Returned, Damage> {
        let of = self.returns.iter_mut().find(|of| of.number == number).ok_or(UNFITTING)?;
        of.changed_at_us = now.at_us.into();
        Ok(of)
    }

    pub(crate) fn return_received(
        &mut self,
        now: Moment,
        head: &ReturnReceived,
        units: &[ReturnedUnits],
    ) -> Changed {
        let of = self.return_mut(now, head.receipt.return_number)?;
        of.state = ReturnState::Received as u8;
        of.units = units.iter().map(|came| came.quantity.get()).sum::<u32>().into();
        // Units of a package that came back undelivered were never the buyer's.
        if of.is_undelivered == 0 {
            for of in units {
                self.lines.get_mut(usize::from(of.line.get())).ok_or(UNFITTING)?.returned +=
                    of.quantity.get();
            }
            self.count_cost();
        }
        Ok(())
    }

    pub(crate) fn expired(&mut self) {
        self.state = OrderState::Expired;
        self.lines.iter_mut().for_each(|line| line.cancelled = line.ordered);
        self.units.clear();
        self.count_cost();
    }

    /// Units of a line leave their locations in a package.
    fn send(&mut self, parts: &[Allocation]) -> Changed {
        for part in parts {
            self.take(part)?;
            self.line(part)?.shipped += part.quantity.get();
        }
        for location in locations_of(parts) {
            let has_units = self.has_units_at(location);
            let work = self.work_mut(location)?;
            let to = match work.state {
                _ if !has_units => WorkState::Closed as u8,
                on_hold if on_hold == WorkState::OnHold as u8 => on_hold,
                _ => WorkState::InProgress as u8,
            };
            set_work_state(work, to);
            work.has_shipped = 1;
        }
        Ok(())
    }

    /// What the order costs: what was ordered, not given up, and did not come back.
    fn count_cost(&mut self) {
        let of_line = |line: &crate::order::Line| {
            let units = i64::from(line.ordered) - i64::from(line.cancelled) - i64::from(line.returned);
            line.unit_price.minor() * units
        };
        self.total = Amount::new(self.lines.iter().map(of_line).sum());
    }

    fn line(&mut self, part: &Allocation) -> Result<&mut crate::order::Line, Damage> {
        self.lines.get_mut(usize::from(part.line.get())).ok_or(UNFITTING)
    }

    fn work_mut(&mut self, location: LocationHandle) -> Result<&mut Work, Damage> {
        if self.is_vague && self.works.iter().all(|work| work.location != location) {
            let since = Moment { sequence: self.changed_sequence, at_us: self.changed_at_us };
            self.give_work(since, location);
        }
        self.works.iter_mut().find(|work| work.location == location).ok_or(UNFITTING)
    }

    fn has_units_at(&self, location: LocationHandle) -> bool {
        self.units.iter().any(|part| part.location == location)
    }

    /// Units come to a line at a location; a confirmed order's are its work.
    fn give(&mut self, now: Moment, part: &Allocation) {
        let place = self.units.partition_point(|of| place_of(of) < place_of(part));
        match self.units.get_mut(place) {
            Some(of) if place_of(of) == place_of(part) => of.quantity += part.quantity,
            _ => self.units.insert(place, *part),
        }
        if self.state == OrderState::Confirmed {
            self.give_work(now, part.location);
        }
    }

    fn give_work(&mut self, now: Moment, location: LocationHandle) {
        let place = self.works.partition_point(|work| work.location < location);
        match self.works.get_mut(place) {
            Some(work) if work.location == location => {
                if work.is_over() {
                    work.state = WorkState::Open as u8;
                    work.opened_sequence = now.sequence.into();
                    work.opened_at_us = now.at_us.into();
                }
            }
            _ => self.works.insert(
                place,
                Work {
                    location,
                    state: WorkState::Open as u8,
                    held_from: 0,
                    has_shipped: 0,
                    reserved: [0; 3],
                    opened_sequence: now.sequence.into(),
                    opened_at_us: now.at_us.into(),
                },
            ),
        }
    }

    fn take(&mut self, part: &Allocation) -> Changed {
        if self.is_vague {
            return Ok(());
        }
        let of = self.units.iter().position(|of| place_of(of) == place_of(part)).ok_or(UNFITTING)?;
        let left = self.units[of].quantity.get().checked_sub(part.quantity.get()).ok_or(UNFITTING)?;
        self.units[of].quantity = left.into();
        if left == 0 {
            self.units.remove(of);
        }
        Ok(())
    }

    /// Ends the work of locations that have nothing of a confirmed order any more.
    fn end_empty_work(&mut self, moved: &[Allocation]) -> Changed {
        if self.state != OrderState::Confirmed || self.is_vague {
            return Ok(());
        }
        for location in locations_of(moved) {
            if !self.has_units_at(location) {
                let work = self.work_mut(location)?;
                let to = if work.has_shipped == 1 { WorkState::Closed } else { WorkState::Cancelled };
                set_work_state(work, to as u8);
            }
        }
        Ok(())
    }

    /// Units at locations that are not packed; where that is not known, all that could be.
    fn unpacked(&self) -> Result<Vec<Allocation>, Damage> {
        if self.is_vague {
            let part = |(index, line): (usize, &crate::order::Line)| {
                let of_line = |of: &&Packed| usize::from(of.part.line.get()) == index;
                let packed = self.packed.iter().filter(of_line).map(|of| of.part.quantity.get());
                let gone = [line.cancelled, line.shipped].into_iter().chain(packed);
                Allocation {
                    line: (index as u16).into(),
                    location: LocationHandle::NONE,
                    quantity: gone.fold(line.ordered, u32::saturating_sub).into(),
                }
            };
            return Ok(self.lines.iter().enumerate().map(part).collect());
        }
        let mut units = self.units.clone();
        for packed in &self.packed {
            let of = units.iter_mut().find(|of| place_of(of) == place_of(&packed.part)).ok_or(UNFITTING)?;
            let left = of.quantity.get().checked_sub(packed.part.quantity.get()).ok_or(UNFITTING)?;
            of.quantity = left.into();
        }
        units.retain(|part| part.quantity.get() > 0);
        Ok(units)
    }

    /// Units that can be given up: what is not packed, and what waits for stock (location NONE).
    fn movable(&self) -> Result<Vec<Allocation>, Damage> {
        let mut units = self.unpacked()?;
        if self.is_vague {
            return Ok(units);
        }
        for (index, line) in self.lines.iter().enumerate() {
            let of_line = |part: &&Allocation| usize::from(part.line.get()) == index;
            let held: u32 = self.units.iter().filter(of_line).map(|part| part.quantity.get()).sum();
            let waiting = line
                .ordered
                .checked_sub(line.cancelled)
                .and_then(|left| left.checked_sub(line.shipped))
                .and_then(|left| left.checked_sub(held))
                .ok_or(UNFITTING)?;
            if waiting > 0 {
                let line = (index as u16).into();
                units.push(Allocation { line, location: LocationHandle::NONE, quantity: waiting.into() });
            }
        }
        Ok(units)
    }
}

fn set_work_state(work: &mut Work, to: u8) {
    let on_hold = WorkState::OnHold as u8;
    work.held_from = match (work.state, to) {
        (from, to) if from == on_hold && to == on_hold => work.held_from,
        (from, to) if to == on_hold => from,
        _ => 0,
    };
    work.state = to;
}

/// By what units at locations are sorted.
fn place_of(part: &Allocation) -> (u16, LocationHandle) {
    (part.line.get(), part.location)
}

/// The locations of units, each once; units that wait for stock have none.
fn locations_of(parts: &[Allocation]) -> Vec<LocationHandle> {
    let mut locations: Vec<LocationHandle> =
        parts.iter().map(|part| part.location).filter(|location| !location.is_none()).collect();
    locations.sort_unstable();
    locations.dedup();
    locations
}
