//! Decisions about placed orders: confirm, cancel, ship, deliver. Each finds out which units move, and writes that
//! down; an event without moves means "all that was open", which is what most orders' events are.

use orderline_protocol::command::{ConfirmOrder, LineQuantity, MoveLines, ShipLines};
use orderline_protocol::event::{
    Allocation, Event, EventKind, LinesCancelled, LinesDelivered, LinesShipped, OrderConfirmed, OrderState,
    Origin,
};
use orderline_protocol::limits::TRACKING_BYTES_MAX;
use orderline_protocol::{LocationHandle, OrderId, RejectCode};

use super::decide::{Scratch, check_zeros, write};
use super::orders::OrderSlot;
use super::transitions::{self, Action};
use super::{Rejection, State};

impl State {
    /// The order that a command means, if its state allows the action and its version is the expected one.
    fn order_for(
        &self,
        order: OrderId,
        expected_version: u32,
        action: Action,
    ) -> Result<OrderSlot, Rejection> {
        let Some(slot) = self.orders.find(order) else {
            return Err(Rejection::new(RejectCode::UnknownOrder));
        };
        let head = self.orders.head(slot);
        if expected_version != 0 && expected_version != head.version {
            return Err(self.refuse(slot, RejectCode::VersionMismatch));
        }
        if transitions::targets(head.state(), action).is_empty() {
            return Err(self.refuse(slot, RejectCode::IllegalTransition));
        }
        Ok(slot)
    }

    /// A rejection that names the order's state and version.
    fn refuse(&self, slot: OrderSlot, code: RejectCode) -> Rejection {
        let head = self.orders.head(slot);
        Rejection { state: head.state() as u8, version: head.version, ..Rejection::new(code) }
    }

    pub(super) fn decide_confirm(
        &self,
        origin: Origin,
        head: &ConfirmOrder,
        out: &mut Vec<u8>,
    ) -> Result<EventKind, Rejection> {
        check_zeros(&head.reserved, 20)?;
        self.order_for(head.order, head.expected_version.get(), Action::Confirm)?;
        Ok(write(Event::OrderConfirmed(&OrderConfirmed { origin, order: head.order }), out))
    }

    pub(super) fn decide_cancel(
        &self,
        origin: Origin,
        head: &MoveLines,
        lines: &[LineQuantity],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<EventKind, Rejection> {
        let slot = self.order_for(head.order, head.expected_version.get(), Action::Cancel)?;
        let moves = self.open_moves(slot, lines, LocationHandle::NONE, scratch)?;
        let event = LinesCancelled {
            origin,
            order: head.order,
            state: self.state_after_cancel(slot, &moves) as u8,
            reserved: 0,
            move_count: (moves.listed().len() as u16).into(),
            reason: head.reason,
            reserved_2: [0; 2],
        };
        Ok(write(Event::LinesCancelled(&event, moves.listed()), out))
    }

    /// Nothing left of it: cancelled. Nothing left to ship or to arrive: completed. Else as it was.
    fn state_after_cancel(&self, slot: OrderSlot, moves: &Moves) -> OrderState {
        let state = self.orders.head(slot).state();
        if matches!(moves, Moves::Listed(_)) {
            return state;
        }
        let (mut shipped, mut delivered) = (0_u64, 0_u64);
        for line in 0..self.orders.lines(slot).len() {
            let counters = self.orders.counters(slot, line);
            shipped += u64::from(counters.shipped.get());
            delivered += u64::from(counters.delivered.get());
        }
        match (shipped, delivered) {
            (0, _) => OrderState::Cancelled,
            _ if shipped == delivered => OrderState::Completed,
            _ => state,
        }
    }

    pub(super) fn decide_ship(
        &self,
        origin: Origin,
        head: &ShipLines,
        lines: &[LineQuantity],
        tracking: &str,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<EventKind, Rejection> {
        check_zeros(&head.reserved, 29)?;
        if tracking.len() > TRACKING_BYTES_MAX || tracking.chars().any(char::is_control) {
            return Err(Rejection::new(RejectCode::InvalidField).about(28));
        }
        if !head.location.is_none() && self.catalogue.location(head.location).is_none() {
            return Err(Rejection::new(RejectCode::UnknownLocation).about(head.location.get()));
        }
        let slot = self.order_for(head.order, head.expected_version.get(), Action::Ship)?;
        let Some(shipment) = self.orders.head(slot).shipment_count.checked_add(1) else {
            return Err(self.refuse(slot, RejectCode::QuantityTooLarge));
        };
        let moves = self.open_moves(slot, lines, head.location, scratch)?;
        let event = LinesShipped {
            origin,
            order: head.order,
            shipment: shipment.into(),
            move_count: (moves.listed().len() as u16).into(),
            carrier: head.carrier,
            tracking_bytes: head.tracking_bytes,
            reserved: 0,
        };
        Ok(write(Event::LinesShipped(&event, moves.listed(), tracking), out))
    }

    pub(super) fn decide_deliver(
        &self,
        origin: Origin,
        head: &MoveLines,
        lines: &[LineQuantity],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<EventKind, Rejection> {
        let slot = self.order_for(head.order, head.expected_version.get(), Action::Deliver)?;
        let line_count = self.orders.lines(slot).len();
        sum_per_line(lines, line_count, scratch)?;
        let (mut moves, mut left_to_arrive, mut left_to_ship) = (Vec::new(), 0_u64, 0_u64);
        for line in 0..line_count {
            let counters = self.orders.counters(slot, line);
            let on_the_way = counters.shipped.get() - counters.delivered.get();
            let wanted = if lines.is_empty() { on_the_way } else { scratch.wanted[line] };
            if wanted > on_the_way {
                return Err(self
                    .refuse(slot, RejectCode::QuantityNotThere)
                    .about(line as u32)
                    .with(on_the_way.into()));
            }
            if wanted > 0 {
                moves.push(part(line, LocationHandle::NONE, wanted));
            }
            left_to_arrive += u64::from(on_the_way - wanted);
            left_to_ship +=
                u64::from(counters.backordered.get() + counters.reserved.get() + counters.allocated.get());
        }
        if moves.is_empty() {
            return Err(self.refuse(slot, RejectCode::NothingToDo));
        }
        let is_done = left_to_arrive == 0 && left_to_ship == 0;
        if left_to_arrive == 0 {
            moves.clear();
        }
        let event = LinesDelivered {
            origin,
            order: head.order,
            state: if is_done { OrderState::Completed } else { OrderState::Confirmed } as u8,
            reserved: 0,
            move_count: (moves.len() as u16).into(),
            reserved_2: [0; 4],
        };
        Ok(write(Event::LinesDelivered(&event, &moves), out))
    }

    /// The units to take off an order's open ones: as the lines say (all that a line has where it is named by no
    /// one), at one location or wherever they are.
    fn open_moves(
        &self,
        slot: OrderSlot,
        lines: &[LineQuantity],
        location: LocationHandle,
        scratch: &mut Scratch,
    ) -> Result<Moves, Rejection> {
        let line_count = self.orders.lines(slot).len();
        sum_per_line(lines, line_count, scratch)?;
        let open = self.orders.open_units(slot);
        let mut moves = Vec::new();
        for unit in &open {
            if !location.is_none() && unit.location != location {
                continue;
            }
            let line = usize::from(unit.line.get());
            let units = if lines.is_empty() {
                unit.quantity.get()
            } else {
                let units = unit.quantity.get().min(scratch.wanted[line]);
                scratch.wanted[line] -= units;
                units
            };
            if units > 0 {
                moves.push(part(line, unit.location, units));
            }
        }
        if let Some(line) = scratch.wanted.iter().position(|&left| left > 0) {
            let of_line = |part: &&Allocation| usize::from(part.line.get()) == line;
            let there: u64 = moves.iter().filter(of_line).map(|part| u64::from(part.quantity.get())).sum();
            return Err(self.refuse(slot, RejectCode::QuantityNotThere).about(line as u32).with(there));
        }
        if moves.is_empty() {
            return Err(self.refuse(slot, RejectCode::NothingToDo));
        }
        Ok(if moves == open { Moves::AllOpen } else { Moves::Listed(moves) })
    }
}

/// Which open units move.
enum Moves {
    /// All of them: an event says that by listing none.
    AllOpen,
    Listed(Vec<Allocation>),
}

impl Moves {
    fn listed(&self) -> &[Allocation] {
        match self {
            Self::AllOpen => &[],
            Self::Listed(moves) => moves,
        }
    }
}

fn part(line: usize, location: LocationHandle, units: u32) -> Allocation {
    Allocation { line: (line as u16).into(), reserved: [0; 2], location, quantity: units.into() }
}

/// Puts the units wanted of each line into the scratch; each line may be named once.
fn sum_per_line(lines: &[LineQuantity], line_count: usize, scratch: &mut Scratch) -> Result<(), Rejection> {
    scratch.wanted.clear();
    scratch.wanted.resize(line_count, 0);
    for line in lines {
        let index = u32::from(line.line.get());
        let Some(wanted) = scratch.wanted.get_mut(index as usize) else {
            return Err(Rejection::new(RejectCode::UnknownLine).about(index));
        };
        if line.quantity.get() == 0 {
            return Err(Rejection::new(RejectCode::ZeroQuantity).about(index));
        }
        if *wanted != 0 {
            return Err(Rejection::new(RejectCode::LineRepeated).about(index));
        }
        *wanted = line.quantity.get();
    }
    Ok(())
}
