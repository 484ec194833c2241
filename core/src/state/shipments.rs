//! Shipments: packing, sending, and what becomes of packages.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};

use orderline_protocol::command::{LineQuantity, ShipLines, ShipmentStep, UpdateShipment};
use orderline_protocol::event::{
    Allocation, Event, EventKind, OrderState, Origin, ShipmentMade, ShipmentUpdated,
};
use orderline_protocol::lifecycle::{Action, Entity, ReturnState, ShipmentState, WorkState, blocks};
use orderline_protocol::limits::TRACKING_BYTES_MAX;
use orderline_protocol::{LocationHandle, RejectCode, SkuHandle};

use super::apply::{Effect, state_in};
use super::decide::{Refusable, Scratch, check_flag, check_zeros, write};
use super::detail::{Return, Shipment, place_of};
use super::fulfilment::{check_named_lines, locations_of};
use super::order_head::Stage;
use super::orders::OrderSlot;
use super::transitions;
use super::{Rejection, State};

/// What a step does to a package and its order, and where it leads the package.
fn action_of(step: ShipmentStep) -> (Action, ShipmentState) {
    match step {
        ShipmentStep::Send => (Action::Send, ShipmentState::Shipped),
        ShipmentStep::Cancel => (Action::Cancel, ShipmentState::Cancelled),
        ShipmentStep::Deliver => (Action::Deliver, ShipmentState::Delivered),
        ShipmentStep::Lose => (Action::Lose, ShipmentState::Lost),
        ShipmentStep::ReturnToSender => (Action::ReturnToSender, ShipmentState::ReturnedToSender),
    }
}

/// The units of a package line by line, wherever they came from.
pub(super) fn per_line(parts: &[Allocation]) -> Vec<LineQuantity> {
    let mut lines: Vec<LineQuantity> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(of) if of.line == part.line => of.quantity += part.quantity,
            _ => lines.push(LineQuantity { line: part.line, reserved: [0; 2], quantity: part.quantity }),
        }
    }
    lines
}

impl State {
    pub(super) fn decide_ship(
        &self,
        origin: Origin,
        head: &ShipLines,
        lines: &[LineQuantity],
        tracking: &str,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        if tracking.len() > TRACKING_BYTES_MAX {
            let offset = offset_of!(ShipLines, tracking_bytes) as u32;
            return Err(Rejection::new(RejectCode::InvalidField).about(offset));
        }
        check_flag(head.is_sent, offset_of!(ShipLines, is_sent) as u32)?;
        check_named_lines(lines, size_of::<ShipLines>())?;
        let slot = self.known_order(head.order)?;
        if !head.location.is_none() {
            self.known_work(slot, head.location)?;
        }
        self.check_lines_known(slot, lines.iter().map(|line| line.line.get()))?;
        self.order_for(head.order, head.expected_version.get(), Action::Ship, 0)?;
        let all = self.unpacked_units(slot, LocationHandle::NONE);
        let mut there = all.clone();
        there.retain(|part| head.location.is_none() || part.location == head.location);
        let locations = if head.location.is_none() { locations_of(&there) } else { vec![head.location] };
        for location in locations {
            let state = self.work_state(slot, location).unwrap_or(WorkState::Open);
            self.check_part(slot, Entity::Work, state as u8, Action::Ship)?;
        }
        self.check_holds(slot, blocks::FULFIL)?;
        self.choose_units(slot, lines, &there, &mut scratch.moves)?;
        let shipment_count = self.orders.detail(slot).map_or(0, |detail| detail.shipments.len());
        let shipment = self.part_number(slot, shipment_count)?.into();
        if scratch.moves.len() > usize::from(u16::MAX) {
            return Err(self.refuse(slot, RejectCode::TooManyLines).with(scratch.moves.len() as u64));
        }
        // Whoever is told of the first line that lacks units is told so in the order of the lines, as when it is sent later.
        scratch.moves.sort_unstable_by_key(place_of);
        if head.is_sent == 1 {
            self.check_on_hand(slot, &scratch.moves)?;
        }
        let moves: &[Allocation] = if scratch.moves == all { &[] } else { &scratch.moves };
        let event = ShipmentMade {
            origin,
            order: head.order,
            happened_at_us: head.happened_at_us,
            shipment,
            move_count: (moves.len() as u16).into(),
            carrier: head.carrier,
            tracking_bytes: head.tracking_bytes,
            is_sent: head.is_sent,
        };
        Ok(write(Event::ShipmentMade(&event, moves, tracking), out))
    }

    /// Whether units that leave are there: what is committed at a level that is short may be more than is on hand, and
    /// what is on hand never falls below zero. Somebody counts first.
    fn check_on_hand(&self, slot: OrderSlot, parts: &[Allocation]) -> Refusable<()> {
        let mut leaving: BTreeMap<(SkuHandle, LocationHandle), u64> = BTreeMap::new();
        for part in parts {
            let handle = self.orders.lines(slot)[usize::from(part.line.get())].sku;
            let level = self.catalogue.sku(handle).and_then(|sku| self.stock.find(sku, part.location));
            let Some((row, level)) = level.filter(|(row, _)| row.available() < 0) else { continue };
            let on_hand = level.on_hand(row).max(0) as u64;
            let units = leaving.entry((handle, part.location)).or_default();
            *units += u64::from(part.quantity.get());
            if *units > on_hand {
                let line = part.line.get().into();
                return Err(self.refuse(slot, RejectCode::InsufficientStock).about(line).with(on_hand));
            }
        }
        Ok(())
    }

    pub(super) fn apply_shipment_made(
        &mut self,
        head: &ShipmentMade,
        moves: &[Allocation],
        tracking: &str,
    ) -> Effect {
        let slot = self.order_of(head.order);
        let parts = match moves {
            [] => self.unpacked_units(slot, LocationHandle::NONE),
            moves => moves.to_vec(),
        };
        let state = if head.is_sent == 1 {
            self.send_units(slot, &parts, Action::Ship);
            ShipmentState::Shipped
        } else {
            for location in locations_of(&parts) {
                self.move_work_state(slot, location, Action::Ship, WorkState::InProgress);
            }
            ShipmentState::Created
        };
        let shipments = &mut self.orders.detail_mut(slot).shipments;
        shipments.push(Shipment::new(state, head.carrier.get(), head.happened_at_us.get(), tracking, parts));
        let number = shipments.len();
        assert_eq!(number, usize::from(head.shipment.get()), "event {}: packages are dense", self.sequence);
        // Its state stays as it is, so nothing finishes at this time.
        self.move_state(0, slot, Action::Ship, OrderState::Confirmed);
        self.order_effect(slot, number as u64)
    }

    /// Units leave their locations: in one package with its making, or later.
    fn send_units(&mut self, slot: OrderSlot, parts: &[Allocation], action: Action) {
        for part in parts {
            let sku = self.orders.lines(slot)[usize::from(part.line.get())].sku;
            let units = part.quantity.get().into();
            self.stock.ship(&mut self.catalogue, sku, part.location, self.sequence, units);
        }
        if self.orders.is_whole(slot) && parts == self.orders.open_units(slot) {
            self.orders.set_stage(slot, Stage::Shipped);
        } else {
            let detail = self.orders.part(slot);
            detail.take_all(parts);
            for part in parts {
                let counters = &mut detail.counters[usize::from(part.line.get())];
                counters.allocated -= part.quantity;
                counters.shipped += part.quantity;
            }
        }
        for location in locations_of(parts) {
            let to = match self.work_state(slot, location) {
                _ if !self.orders.has_units_at(slot, location) => WorkState::Closed,
                Some(WorkState::OnHold) => WorkState::OnHold,
                _ => WorkState::InProgress,
            };
            self.move_work_state(slot, location, action, to);
            self.orders.detail_mut(slot).work_mut(location).has_shipped = true;
        }
    }

    pub(super) fn decide_update_shipment(
        &self,
        origin: Origin,
        head: &UpdateShipment,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        let Some(step) = ShipmentStep::from_number(head.step) else {
            let offset = offset_of!(UpdateShipment, step) as u32;
            return Err(Rejection::new(RejectCode::InvalidField).about(offset));
        };
        check_zeros(&[head.reserved], offset_of!(UpdateShipment, reserved) as u32)?;
        let slot = self.known_order(head.order)?;
        let (number, detail) = (head.shipment.get(), self.orders.detail(slot));
        let place = usize::from(number).wrapping_sub(1);
        let Some((detail, shipment)) =
            detail.and_then(|detail| detail.shipments.get(place).map(|shipment| (detail, shipment)))
        else {
            return Err(self.refuse(slot, RejectCode::UnknownShipment).about(number.into()));
        };
        let (action, to) = action_of(step);
        self.order_for(head.order, head.expected_version.get(), action, 0)?;
        self.check_part(slot, Entity::Shipment, shipment.state() as u8, action)?;
        let return_number = match step {
            ShipmentStep::Send => {
                self.check_holds(slot, blocks::FULFIL)?;
                self.check_on_hand(slot, &shipment.parts)?;
                0
            }
            ShipmentStep::ReturnToSender => self.part_number(slot, detail.returns.len())?,
            ShipmentStep::Cancel | ShipmentStep::Deliver | ShipmentStep::Lose => 0,
        };
        let is_other_on_the_way =
            |(other, of): (usize, &Shipment)| other != place && of.state() == ShipmentState::Shipped;
        let is_done = to != ShipmentState::Shipped
            && !self.orders.has_open(slot)
            && !detail.shipments.iter().enumerate().any(is_other_on_the_way);
        let event = ShipmentUpdated {
            origin,
            update: *head,
            order_state: if is_done { OrderState::Completed } else { OrderState::Confirmed } as u8,
            state: to as u8,
            return_number: return_number.into(),
            reserved: [0; 4],
        };
        Ok(write(Event::ShipmentUpdated(&event), out))
    }

    pub(super) fn apply_shipment_updated(&mut self, at_us: i64, head: &ShipmentUpdated) -> Effect {
        let slot = self.order_of(head.update.order);
        let place = usize::from(head.update.shipment.get()).wrapping_sub(1);
        let (Some(step), Some(to)) =
            (ShipmentStep::from_number(head.update.step), ShipmentState::from_number(head.state))
        else {
            panic!("event {} names a step or a state of a package that there is not", self.sequence)
        };
        let (action, _) = action_of(step);
        let Some(shipment) = self.orders.detail_mut(slot).shipments.get_mut(place) else {
            panic!("event {} is about a package that its order does not have", self.sequence)
        };
        let from = shipment.state();
        let is_allowed = transitions::targets(Entity::Shipment, from as u8, action).contains(&(to as u8));
        assert!(is_allowed, "event {}: {action:?} takes a package from {from:?} to {to:?}", self.sequence);
        shipment.set_state(to);
        let happened_at_us = head.update.happened_at_us.get();
        shipment.happened_at_us = happened_at_us;
        let parts = shipment.parts.clone();
        match to {
            ShipmentState::Shipped => self.send_units(slot, &parts, Action::Send),
            ShipmentState::Delivered => self.deliver_units(slot, &parts),
            ShipmentState::ReturnedToSender => {
                let returns = &mut self.orders.detail_mut(slot).returns;
                returns.push(Return::new(ReturnState::Approved, true, 0, happened_at_us, per_line(&parts)));
                let number = usize::from(head.return_number.get());
                assert_eq!(number, returns.len(), "event {}: returns are dense", self.sequence);
            }
            ShipmentState::Created | ShipmentState::Lost | ShipmentState::Cancelled => {}
        }
        self.move_state(at_us, slot, action, state_in(head.order_state));
        self.order_effect(slot, head.return_number.get().into())
    }

    fn deliver_units(&mut self, slot: OrderSlot, parts: &[Allocation]) {
        if self.orders.is_whole(slot) {
            // A whole order has shipped in this one package.
            self.orders.set_stage(slot, Stage::Delivered);
            return;
        }
        let detail = self.orders.part(slot);
        for part in parts {
            detail.counters[usize::from(part.line.get())].delivered += part.quantity;
        }
    }
}
