//! Commands about placed orders: confirm, edit, cancel, hold.

use orderline_protocol::OrderId;
use orderline_protocol::command::*;
use orderline_protocol::lifecycle::{HoldKind, HoldState, OrderState, blocks};
use rand::RngExt;

use super::{Generator, bytes};
use crate::model::Model;

impl Generator {
    pub(super) fn confirm_order(&mut self, model: &Model) -> Vec<u8> {
        let order = self.pick_in(model, OrderState::Pending);
        let head = ConfirmOrder {
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            reserved: [0; 4],
        };
        bytes(&Command::ConfirmOrder(&head))
    }

    pub(super) fn edit_line(&mut self, model: &Model) -> Vec<u8> {
        let order = self.pick_order(model, |order| !order.is_finished() && !order.has_begun());
        let lines = model.orders.get(&order).map_or(&[][..], |order| &order.lines);
        let beyond = usize::from(self.chance(1, 30));
        let line = self.rng.random_range(0..lines.len().max(1) + beyond);
        let (ordered, cancelled) = lines.get(line).map_or((1, 0), |line| (line.ordered, line.cancelled));
        let quantity = match self.rng.random_range(0..60) {
            0 => 0,
            1 => 1_000_000_001,
            2 => 1_000_000_000,
            3..6 => cancelled,
            6..10 => ordered,
            10..30 => self.rng.random_range(1..=ordered.max(1)),
            _ => ordered.saturating_add(self.rng.random_range(1..6)),
        };
        let head = EditLine {
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            quantity: quantity.into(),
            line: (line as u16).into(),
            reason: self.reason().into(),
            reserved: [0; 4],
        };
        bytes(&Command::EditLine(&head))
    }

    pub(super) fn edit_address(&mut self, model: &Model) -> Vec<u8> {
        let order = self.pick_order(model, |order| !order.is_finished() && !order.has_begun());
        let head = EditAddress {
            order: OrderId::new(order),
            address: self.rng.random_range(0..99).into(),
            expected_version: self.expected_of(model, order).into(),
            region: self.rng.random_range(0..3).into(),
            reserved: [0; 2],
        };
        bytes(&Command::EditAddress(&head))
    }

    pub(super) fn cancel_lines(&mut self, model: &Model) -> Vec<u8> {
        let order = self.pick_order(model, |order| !order.is_finished());
        let there: Vec<u32> = model.orders.get(&order).map_or(Vec::new(), |order| {
            let lines = order.lines.iter().enumerate();
            lines
                .map(|(index, line)| line.backordered + order.open(index).iter().map(|at| at.1).sum::<u32>())
                .collect()
        });
        let lines = self.quantities(&there);
        let head = CancelLines {
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            line_count: (lines.len() as u16).into(),
            reason: self.reason().into(),
        };
        bytes(&Command::CancelLines(&head, &lines))
    }

    /// How long a hold stands, or a promise of money; 0: for ever.
    pub(super) fn hold_seconds(&mut self) -> u32 {
        if self.chance(1, 40) { 315_360_001 } else { self.one_of(&[0, 0, 1, 30, 300, 4_000]) }
    }

    pub(super) fn place_hold(&mut self, model: &Model) -> Vec<u8> {
        let order = self.pick_order(model, |order| !order.is_finished());
        let head = PlaceHold {
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            seconds: self.hold_seconds().into(),
            kind: self.one_of(HoldKind::ALL) as u8,
            blocks: match self.rng.random_range(0..10) {
                0 => blocks::ALL,
                1 => self.rng.random_range(0..=blocks::ALL + 2),
                _ => 1 << self.rng.random_range(0..6),
            },
            reason: self.reason().into(),
            reserved: [0; 4],
        };
        bytes(&Command::PlaceHold(&head))
    }

    pub(super) fn release_hold(&mut self, model: &Model) -> Vec<u8> {
        let order =
            self.pick_order(model, |order| order.holds.iter().any(|hold| hold.state == HoldState::Active));
        let holds = model.orders.get(&order).map_or(&[][..], |order| &order.holds);
        let active = holds.iter().position(|hold| hold.state == HoldState::Active);
        let number = match active {
            Some(index) if self.chance(7, 8) => index + 1,
            _ => self.rng.random_range(0..=holds.len() + 1),
        };
        let head = ReleaseHold {
            order: OrderId::new(order),
            expected_version: self.expected_of(model, order).into(),
            hold: (number as u16).into(),
            reason: self.reason().into(),
        };
        bytes(&Command::ReleaseHold(&head))
    }
}
