//! Fulfilment orders: what locations say about their work, and units that go to other locations, because one refused or by
//! hand.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};

use orderline_protocol::command::{LineQuantity, MoveWork, RejectWork, UpdateWork, WorkStep};
use orderline_protocol::event::{
    Allocation, Event, EventKind, OrderState, Origin, WorkMoved, WorkRejected, WorkUpdated,
};
use orderline_protocol::lifecycle::{Action, Entity, WorkState, blocks};
use orderline_protocol::limits::BUCKET_QUANTITY_MAX;
use orderline_protocol::{LocationHandle, RejectCode, SkuHandle};

use super::apply::Effect;
use super::decide::{Refusable, Scratch, check_flag, check_zeros, write};
use super::detail::place_of;
use super::fulfilment::{check_named_lines, locations_of};
use super::orders::OrderSlot;
use super::sourcing::{Backordering, Request, Wanted};
use super::stock::Promise;
use super::{Rejection, State};

/// Units of an order's line that a location has and will not ship.
struct Refused {
    line: u16,
    sku: SkuHandle,
    units: u32,
}

impl Wanted for Refused {
    fn sku(&self) -> SkuHandle {
        self.sku
    }

    fn units(&self) -> u32 {
        self.units
    }
}

/// What a location's word does to an order.
fn action_of(step: WorkStep) -> Action {
    match step {
        WorkStep::Accept => Action::Accept,
        WorkStep::Start => Action::Start,
        WorkStep::Pause => Action::Pause,
        WorkStep::Resume => Action::Resume,
    }
}

impl State {
    pub(super) fn decide_update_work(
        &self,
        origin: Origin,
        head: &UpdateWork,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        let Some(step) = WorkStep::from_number(head.step) else {
            return Err(Rejection::new(RejectCode::InvalidField).about(offset_of!(UpdateWork, step) as u32));
        };
        check_zeros(&[head.reserved], offset_of!(UpdateWork, reserved) as u32)?;
        let slot = self.known_order(head.order)?;
        let from = self.known_work(slot, head.location)?;
        let action = action_of(step);
        self.order_for(head.order, head.expected_version.get(), action, 0)?;
        self.check_part(slot, Entity::Work, from as u8, action)?;
        if matches!(step, WorkStep::Accept | WorkStep::Start) {
            self.check_holds(slot, blocks::FULFIL)?;
        }
        let state = match step {
            WorkStep::Accept => WorkState::Accepted as u8,
            WorkStep::Start => WorkState::InProgress as u8,
            WorkStep::Pause => WorkState::OnHold as u8,
            WorkStep::Resume => {
                let work = self.orders.detail(slot).and_then(|detail| detail.work(head.location));
                work.map_or(WorkState::Open as u8, |work| work.held_from)
            }
        };
        Ok(write(Event::WorkUpdated(&WorkUpdated { origin, update: *head, state, reserved: [0; 7] }), out))
    }

    pub(super) fn apply_work_updated(&mut self, head: &WorkUpdated) -> Effect {
        let slot = self.order_of(head.update.order);
        let (Some(step), Some(to)) =
            (WorkStep::from_number(head.update.step), WorkState::from_number(head.state))
        else {
            panic!("event {} names a step or a state of work that there is not", self.sequence)
        };
        let action = action_of(step);
        self.move_work_state(slot, head.update.location, action, to);
        self.move_state(0, slot, action, OrderState::Confirmed);
        self.order_effect(slot, 0)
    }

    pub(super) fn decide_reject_work(
        &self,
        origin: Origin,
        now_us: i64,
        head: &RejectWork,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_flag(head.is_missing, offset_of!(RejectWork, is_missing) as u32)?;
        check_zeros(&head.reserved, offset_of!(RejectWork, reserved) as u32)?;
        let slot = self.known_order(head.order)?;
        let from = self.known_work(slot, head.location)?;
        self.order_for(head.order, head.expected_version.get(), Action::Reject, 0)?;
        self.check_part(slot, Entity::Work, from as u8, Action::Reject)?;
        if head.is_missing == 1 {
            self.check_aside(slot, head.location)?;
        }
        let rule = self.source_again(slot, head.location, now_us, scratch)?;
        let event = WorkRejected {
            origin,
            rejection: *head,
            move_count: (scratch.moves.len() as u32).into(),
            rule,
            reserved: [0; 3],
        };
        Ok(write(Event::WorkRejected(&event, &scratch.moves), out))
    }

    /// Whether the quality hold of a location has room for all that it has of an order.
    fn check_aside(&self, slot: OrderSlot, location: LocationHandle) -> Refusable<()> {
        let mut missing: BTreeMap<SkuHandle, u64> = BTreeMap::new();
        for part in self.orders.open_units(slot).iter().filter(|part| part.location == location) {
            let handle = self.sku_of(slot, part);
            let level = self.catalogue.sku(handle).and_then(|sku| self.stock.find(sku, location));
            let held = level.map_or(0, |(_, level)| level.quality_hold);
            let units = missing.entry(handle).or_default();
            *units += u64::from(part.quantity.get());
            if held + *units > BUCKET_QUANTITY_MAX {
                let line = part.line.get().into();
                return Err(self.refuse(slot, RejectCode::StockOverflow).about(line).with(held));
            }
        }
        Ok(())
    }

    /// Finds where the units that a location has of an order go when it refuses them, into the scratch's moves; returns the
    /// deciding rule.
    fn source_again(
        &self,
        slot: OrderSlot,
        location: LocationHandle,
        now_us: i64,
        scratch: &mut Scratch,
    ) -> Refusable<u8> {
        let (head, lines) = (self.orders.head(slot), self.orders.lines(slot));
        let mut units = self.orders.open_units(slot);
        units.retain(|part| part.location == location);
        let refused = |part: &Allocation| Refused {
            line: part.line.get(),
            sku: lines[usize::from(part.line.get())].sku,
            units: part.quantity.get(),
        };
        let refused: Vec<Refused> = units.iter().map(refused).collect();
        let mut excluded = vec![location];
        if let Some(detail) = self.orders.detail(slot) {
            excluded.extend(detail.rejected_locations().filter(|&other| other != location));
        }
        let request = Request {
            region: head.region,
            seller: head.seller,
            now_us,
            own: &[],
            excluded: &excluded,
            backordering: Backordering::Always,
        };
        let (version, state) = (head.version, head.state() as u8);
        let sourced = self
            .source(&request, &refused, &mut scratch.sourcing)
            .map_err(|rejection| Rejection { version, state, ..rejection })?;
        let moves = &mut scratch.moves;
        moves.clear();
        if !sourced.location.is_none() {
            moves.extend(units.iter().map(|part| Allocation { location: sourced.location, ..*part }));
            return Ok(sourced.rule as u8);
        }
        // Sourcing has counted the lines that it was given; what it did not place of them is backordered.
        let mut left: Vec<u32> = refused.iter().map(|of| of.units).collect();
        for part in scratch.sourcing.allocations_of(&sourced) {
            let index = usize::from(part.line.get());
            left[index] -= part.quantity.get();
            moves.push(Allocation { line: refused[index].line.into(), ..*part });
        }
        for (of, &quantity) in refused.iter().zip(&left).filter(|&(_, &quantity)| quantity > 0) {
            let (line, quantity) = (of.line.into(), quantity.into());
            moves.push(Allocation { line, location: LocationHandle::NONE, quantity });
        }
        moves.sort_unstable_by_key(place_of);
        Ok(sourced.rule as u8)
    }

    pub(super) fn apply_work_rejected(
        &mut self,
        at_us: i64,
        head: &WorkRejected,
        moves: &[Allocation],
    ) -> Effect {
        let (slot, location) = (self.order_of(head.rejection.order), head.rejection.location);
        self.count_newcomers(at_us, slot, moves);
        let mut refused = self.orders.open_units(slot);
        refused.retain(|part| part.location == location);
        for part in &refused {
            let (sku, units) = (self.sku_of(slot, part), part.quantity.get().into());
            let catalogue = &mut self.catalogue;
            if head.rejection.is_missing == 1 {
                self.stock.set_aside(catalogue, sku, location, Promise::Committed, units);
            } else {
                self.stock.release(catalogue, sku, location, Promise::Committed, units);
            }
        }
        self.orders.part(slot).take_all(&refused);
        self.move_work_state(slot, location, Action::Reject, WorkState::Rejected);
        for part in moves {
            if !part.location.is_none() {
                self.commit_units(slot, part);
                continue;
            }
            let line = usize::from(part.line.get());
            let counters = &mut self.orders.part(slot).counters[line];
            counters.allocated -= part.quantity;
            counters.backordered += part.quantity;
            self.wait_for_more(slot, line, part.quantity.get());
        }
        self.move_state(at_us, slot, Action::Reject, OrderState::Confirmed);
        let line_count = self.orders.lines(slot).len();
        let backordered = |line| u64::from(self.orders.counters(slot, line).backordered.get());
        let units = (0..line_count).map(backordered).sum();
        self.order_effect(slot, units)
    }

    fn sku_of(&self, slot: OrderSlot, part: &Allocation) -> SkuHandle {
        self.orders.lines(slot)[usize::from(part.line.get())].sku
    }

    /// Commits available units to a confirmed order that has parted, whose line has them allocated already.
    fn commit_units(&mut self, slot: OrderSlot, part: &Allocation) {
        let (sku, units) = (self.sku_of(slot, part), part.quantity.get().into());
        self.stock.reserve(&mut self.catalogue, sku, part.location, units);
        self.stock.commit(&mut self.catalogue, sku, part.location, units);
        self.orders.part(slot).allocate(part);
        self.work_given(slot, part.location);
    }

    pub(super) fn decide_move_work(
        &self,
        origin: Origin,
        head: &MoveWork,
        lines: &[LineQuantity],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_named_lines(lines, size_of::<MoveWork>())?;
        if head.from == head.to {
            return Err(Rejection::new(RejectCode::SameLocation));
        }
        let slot = self.known_order(head.order)?;
        self.check_location(slot, head.from)?;
        self.check_location(slot, head.to)?;
        let from = self.known_work(slot, head.from)?;
        self.check_lines_known(slot, lines.iter().map(|line| line.line.get()))?;
        self.order_for(head.order, head.expected_version.get(), Action::Move, 0)?;
        self.check_part(slot, Entity::Work, from as u8, Action::Move)?;
        if !self.catalogue.location(head.to).is_some_and(super::catalogue::Location::is_active) {
            return Err(self.refuse(slot, RejectCode::LocationInactive).about(head.to.get().into()));
        }
        let there = self.unpacked_units(slot, head.from);
        self.choose_units(slot, lines, &there, &mut scratch.moves)?;
        self.check_available(slot, head.to, &scratch.moves)?;
        scratch.moves.sort_unstable_by_key(place_of);
        scratch.moves.iter_mut().for_each(|part| part.location = head.to);
        let event = WorkMoved {
            origin,
            movement: MoveWork { line_count: 0.into(), ..*head },
            move_count: (scratch.moves.len() as u32).into(),
            reserved: [0; 4],
        };
        Ok(write(Event::WorkMoved(&event, &scratch.moves), out))
    }

    /// Whether a location has units of lines available, summed over lines of the same SKU.
    fn check_available(
        &self,
        slot: OrderSlot,
        location: LocationHandle,
        moves: &[Allocation],
    ) -> Refusable<()> {
        let mut wanted: BTreeMap<SkuHandle, u64> = BTreeMap::new();
        for part in moves {
            let handle = self.sku_of(slot, part);
            let level = self.catalogue.sku(handle).and_then(|sku| self.stock.find(sku, location));
            let available = level.map_or(0, |(row, _)| row.available().max(0)) as u64;
            let units = wanted.entry(handle).or_default();
            *units += u64::from(part.quantity.get());
            if *units > available {
                let line = part.line.get().into();
                return Err(self.refuse(slot, RejectCode::InsufficientStock).about(line).with(available));
            }
        }
        Ok(())
    }

    pub(super) fn apply_work_moved(&mut self, at_us: i64, head: &WorkMoved, moves: &[Allocation]) -> Effect {
        let (slot, from) = (self.order_of(head.movement.order), head.movement.from);
        self.count_newcomers(at_us, slot, moves);
        let left: Vec<Allocation> = moves.iter().map(|part| Allocation { location: from, ..*part }).collect();
        for part in &left {
            let (sku, units) = (self.sku_of(slot, part), part.quantity.get().into());
            self.stock.release(&mut self.catalogue, sku, from, Promise::Committed, units);
        }
        self.orders.part(slot).take_all(&left);
        moves.iter().for_each(|part| self.commit_units(slot, part));
        for location in locations_of(&left) {
            self.end_empty_work(slot, location, Action::Move);
        }
        self.move_state(at_us, slot, Action::Move, OrderState::Confirmed);
        let units = moves.iter().map(|part| u64::from(part.quantity.get())).sum();
        self.order_effect(slot, units)
    }
}
