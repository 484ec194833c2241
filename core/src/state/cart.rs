//! Reservations of carts: decisions about them, and what their events do.

use orderline_protocol::RejectCode;
use orderline_protocol::command::{CartLine, ExtendReservation, ReleaseReservation, ReserveCart};
use orderline_protocol::event::{
    Allocation, CartReserved, EventKind, Origin, ReservationExtended, ReservationReleased,
};

use super::Decision;
use super::decide::Scratch;
use super::apply::Effect;
use super::decide::Refusable;
use super::{Rejection, State};


impl State {
    #[allow(clippy::unused_self)]
    pub(super) fn decide_reserve(
        &self,
        _origin: Origin,
        _now_us: i64,
        _head: &ReserveCart,
        _lines: &[CartLine],
        _scratch: &mut Scratch,
        _out: &mut Vec<u8>,
    ) -> Decision {
        Decision::Rejected(Rejection::new(RejectCode::UnknownKind))
    }
}

/// Rooms that are being built.
#[allow(clippy::unused_self, clippy::too_many_arguments)]
impl State {
    pub(super) fn decide_extend(&self, _origin: Origin, _now_us: i64, _head: &ExtendReservation, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_release(&self, _origin: Origin, _head: &ReleaseReservation, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn apply_reserved(&mut self, _at_us: i64, _head: &CartReserved, _lines: &[CartLine], _allocations: &[Allocation]) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_extended(&mut self, _head: &ReservationExtended) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_released(&mut self, _at_us: i64, _head: &ReservationReleased) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }
}
