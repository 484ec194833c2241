//! Returns: decisions about them, and what their events do.

use orderline_protocol::RejectCode;
use orderline_protocol::command::{LineQuantity, MoveLines, ReceiveReturn, ReturnedUnits, UpdateReturn};
use orderline_protocol::event::{EventKind, Origin, ReturnReceived, ReturnRequested, ReturnUpdated};

use super::decide::Scratch;
use super::apply::Effect;
use super::decide::Refusable;
use super::{Rejection, State};


/// Rooms that are being built.
#[allow(clippy::unused_self, clippy::too_many_arguments)]
impl State {
    pub(super) fn decide_request_return(&self, _origin: Origin, _head: &MoveLines, _lines: &[LineQuantity], _scratch: &mut Scratch, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_update_return(&self, _origin: Origin, _head: &UpdateReturn, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_receive_return(&self, _origin: Origin, _head: &ReceiveReturn, _units: &[ReturnedUnits], _scratch: &mut Scratch, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn apply_return_requested(&mut self, _head: &ReturnRequested, _lines: &[LineQuantity]) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_return_updated(&mut self, _at_us: i64, _head: &ReturnUpdated) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_return_received(&mut self, _head: &ReturnReceived, _units: &[ReturnedUnits]) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }
}
