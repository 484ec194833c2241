//! Commands of warehouses and carriers.

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::*;
use orderline_protocol::{LocationHandle, OrderId};
use rand::RngExt;

use super::{Generator, bytes};
use crate::model::Model;
use crate::orders::Order;

impl Generator {
    /// A location that has work of the order in one of these states, mostly.
    fn pick_work(&mut self, model: &Model, order: u128, states: &[WorkState]) -> LocationHandle {
        let works = model.orders.get(&order).map(|order| &order.works).into_iter().flatten();
        let fitting: Vec<u16> =
            works.filter(|(_, work)| states.contains(&work.state)).map(|(&location, _)| location).collect();
        if fitting.is_empty() || self.chance(1, 12) {
            return self.location(model);
        }
        LocationHandle::new(self.one_of(&fitting))
    }

    fn pick_working(&mut self, model: &Model, states: &[WorkState]) -> u128 {
        self.pick_order(model, |order| {
            order.state == OrderState::Confirmed
                && order.works.values().any(|work| states.contains(&work.state))
        })
    }

    pub(super) fn update_work(&mut self, model: &Model) -> Vec<u8> {
        use WorkState::{Accepted, InProgress, OnHold, Open};
        let (step, states): (WorkStep, &[WorkState]) = match self.rng.random_range(0..20) {
            0..8 => (WorkStep::Accept, &[Open]),
            8..13 => (WorkStep::Start, &[Accepted]),
            13..16 => (WorkStep::Pause, &[Open, Accepted, InProgress]),
            16..19 => (WorkStep::Resume, &[OnHold]),
            _ => (self.one_of(WorkStep::ALL), WorkState::ALL),
        };
        let order = self.pick_working(model, states);
        let head = UpdateWork {
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            location: self.pick_work(model, order, states),
            step: step as u8,
            reserved: 0,
        };
        bytes(&Command::UpdateWork(&head))
    }

    pub(super) fn reject_work(&mut self, model: &Model) -> Vec<u8> {
        let states = [WorkState::Open, WorkState::Accepted];
        let order = self.pick_working(model, &states);
        let head = RejectWork {
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            location: self.pick_work(model, order, &states),
            reason: self.reason().into(),
            is_missing: self.chance(1, 3).into(),
            reserved: [0; 7],
        };
        bytes(&Command::RejectWork(&head))
    }

    /// What is open of each line at a location, or at all of them.
    fn open(model: &Model, order: u128, location: LocationHandle) -> Vec<u32> {
        let Some(order) = model.orders.get(&order) else { return Vec::new() };
        let open = |line: usize| {
            let places = order.open(line).into_iter();
            places.filter(|place| location.is_none() || place.0 == location.get()).map(|place| place.1).sum()
        };
        (0..order.lines.len()).map(open).collect()
    }

    pub(super) fn move_work(&mut self, model: &Model) -> Vec<u8> {
        let states = [WorkState::Open, WorkState::Accepted];
        let order = self.pick_working(model, &states);
        let from = self.pick_work(model, order, &states);
        let there = Self::open(model, order, from);
        let lines = self.quantities(&there);
        // A location that has something of the first line that moves, if there is one.
        let first = there.iter().position(|&units| units > 0);
        let sku = first.and_then(|line| model.orders.get(&order).map(|order| order.lines[line].sku));
        let fitting: Vec<u16> = (0..model.locations.len() as u16)
            .filter(|&to| to != from.get())
            .filter(|&to| sku.is_some_and(|sku| model.level((sku, to)).available > 0))
            .collect();
        let to = if fitting.is_empty() || self.chance(1, 6) {
            self.location(model)
        } else {
            LocationHandle::new(self.one_of(&fitting))
        };
        let head = MoveWork {
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            from,
            to,
            line_count: (lines.len() as u16).into(),
            reason: self.reason().into(),
        };
        bytes(&Command::MoveWork(&head, &lines))
    }

    pub(super) fn ship_lines(&mut self, model: &Model) -> Vec<u8> {
        let states = [WorkState::Open, WorkState::Accepted, WorkState::InProgress];
        let order = self.pick_working(model, &states);
        let location =
            if self.chance(1, 3) { LocationHandle::NONE } else { self.pick_work(model, order, &states) };
        let lines = self.quantities(&Self::open(model, order, location));
        let tracking = match self.rng.random_range(0..40) {
            0 => "T".repeat(65),
            1 => "T".repeat(64),
            2 => String::new(),
            _ => format!("1Z{}", self.rng.random_range(0..1_000)),
        };
        let head = ShipLines {
            happened_at_us: self.happened().into(),
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            location,
            line_count: (lines.len() as u16).into(),
            carrier: self.rng.random_range(0..4).into(),
            tracking_bytes: tracking.len() as u8,
            is_sent: self.chance(1, 2).into(),
        };
        bytes(&Command::ShipLines(&head, &lines, &tracking))
    }

    pub(super) fn update_shipment(&mut self, model: &Model) -> Vec<u8> {
        use ShipmentState::{Created, Shipped};
        let (step, state) = match self.rng.random_range(0..20) {
            0..5 => (ShipmentStep::Send, Created),
            5..7 => (ShipmentStep::Cancel, Created),
            7..16 => (ShipmentStep::Deliver, Shipped),
            16 => (ShipmentStep::Lose, Shipped),
            17..19 => (ShipmentStep::ReturnToSender, Shipped),
            _ => (self.one_of(ShipmentStep::ALL), self.one_of(ShipmentState::ALL)),
        };
        let order = self.pick_order(model, |order| order.shipments.iter().any(|one| one.state == state));
        let shipments = model.orders.get(&order).map_or(&[][..], |order| &order.shipments);
        let number = match shipments.iter().position(|one| one.state == state) {
            Some(index) if self.chance(14, 15) => index + 1,
            _ => self.rng.random_range(0..=shipments.len() + 1),
        };
        let head = UpdateShipment {
            happened_at_us: self.happened().into(),
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            shipment: (number as u16).into(),
            step: step as u8,
            reserved: 0,
        };
        bytes(&Command::UpdateShipment(&head))
    }

    pub(super) fn request_return(&mut self, model: &Model) -> Vec<u8> {
        let returnable = |order: &Order| -> Vec<u32> {
            (0..order.lines.len()).map(|line| order.returnable(line)).collect()
        };
        let order = self.pick_order(model, |order| returnable(order).iter().any(|&units| units > 0));
        let there = model.orders.get(&order).map_or(Vec::new(), returnable);
        let lines = self.quantities(&there);
        let head = RequestReturn {
            happened_at_us: self.happened().into(),
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            line_count: (lines.len() as u16).into(),
            reason: self.reason().into(),
        };
        bytes(&Command::RequestReturn(&head, &lines))
    }

    /// An order with a return in this state, and the return's number.
    fn pick_return(&mut self, model: &Model, state: ReturnState) -> (u128, u16) {
        let order = self.pick_order(model, |order| order.returns.iter().any(|one| one.state == state));
        let returns = model.orders.get(&order).map_or(&[][..], |order| &order.returns);
        let number = match returns.iter().position(|one| one.state == state) {
            Some(index) if self.chance(14, 15) => index + 1,
            _ => self.rng.random_range(0..=returns.len() + 1),
        };
        (order, number as u16)
    }

    pub(super) fn update_return(&mut self, model: &Model) -> Vec<u8> {
        use ReturnState::{Approved, Received, Requested};
        let (step, state) = match self.rng.random_range(0..12) {
            0..5 => (ReturnStep::Approve, Requested),
            5 => (ReturnStep::Decline, Requested),
            6 => (ReturnStep::Cancel, Approved),
            7..11 => (ReturnStep::Close, Received),
            _ => (self.one_of(ReturnStep::ALL), self.one_of(ReturnState::ALL)),
        };
        let (order, number) = self.pick_return(model, state);
        let head = UpdateReturn {
            happened_at_us: self.happened().into(),
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            return_number: number.into(),
            step: step as u8,
            reserved: 0,
        };
        bytes(&Command::UpdateReturn(&head))
    }

    pub(super) fn receive_return(&mut self, model: &Model) -> Vec<u8> {
        let (order, number) = self.pick_return(model, ReturnState::Approved);
        let one = model.orders.get(&order).and_then(|order| {
            order.returns.get(usize::from(number).wrapping_sub(1)).map(|one| one.lines.clone())
        });
        let mut units = Vec::new();
        for (line, says) in one.unwrap_or_default() {
            let mut left = if self.chance(2, 3) { says } else { self.up_to(says) };
            if self.chance(1, 30) {
                left += 1;
            }
            while left > 0 {
                let part = self.up_to(left);
                left -= part;
                units.push(ReturnedUnits {
                    line: (line as u16).into(),
                    disposition: self.one_of(Disposition::ALL) as u8,
                    reserved: 0,
                    quantity: part.into(),
                });
            }
        }
        match self.rng.random_range(0..60) {
            0 => units.clear(),
            1 if !units.is_empty() => units[0].quantity = 0.into(),
            2 if !units.is_empty() => units[0].line = 60.into(),
            3 if !units.is_empty() => units[0].disposition = 7,
            4 if !units.is_empty() => units[0].reserved = 1,
            _ => {}
        }
        let head = ReceiveReturn {
            happened_at_us: self.happened().into(),
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            return_number: number.into(),
            location: self.location(model),
            line_count: (units.len() as u16).into(),
            reserved: [0; 6],
        };
        bytes(&Command::ReceiveReturn(&head, &units))
    }
}
