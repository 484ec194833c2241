//! Fulfilment orders and shipments: decisions about them, and what their events do.

use orderline_protocol::RejectCode;
use orderline_protocol::command::{LineQuantity, MoveWork, RejectWork, ShipLines, UpdateShipment, UpdateWork};
use orderline_protocol::lifecycle::ShipmentState;
use orderline_protocol::event::{
    Allocation, EventKind, Origin, ShipmentMade, ShipmentUpdated, WorkMoved, WorkRejected, WorkUpdated,
};

use super::decide::Scratch;
use super::orders::OrderSlot;
use super::apply::Effect;
use super::decide::Refusable;
use super::{Rejection, State};


impl State {
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

    /// Sees to the fulfilment orders of locations that units were taken from: one that has nothing left to do ends.
    pub(super) fn work_taken_away(&mut self, slot: OrderSlot, moved: &[Allocation]) {
        let _ = (slot, moved);
    }
}

/// Rooms that are being built.
#[allow(clippy::unused_self, clippy::too_many_arguments)]
impl State {
    pub(super) fn decide_ship(&self, _origin: Origin, _head: &ShipLines, _lines: &[LineQuantity], _tracking: &str, _scratch: &mut Scratch, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_update_shipment(&self, _origin: Origin, _head: &UpdateShipment, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_update_work(&self, _origin: Origin, _head: &UpdateWork, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_reject_work(&self, _origin: Origin, _now_us: i64, _head: &RejectWork, _scratch: &mut Scratch, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_move_work(&self, _origin: Origin, _head: &MoveWork, _lines: &[LineQuantity], _scratch: &mut Scratch, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn apply_shipment_made(&mut self, _head: &ShipmentMade, _moves: &[Allocation], _tracking: &str) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_shipment_updated(&mut self, _at_us: i64, _head: &ShipmentUpdated) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_work_updated(&mut self, _head: &WorkUpdated) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_work_rejected(&mut self, _at_us: i64, _head: &WorkRejected, _moves: &[Allocation]) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_work_moved(&mut self, _at_us: i64, _head: &WorkMoved, _moves: &[Allocation]) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }
}
