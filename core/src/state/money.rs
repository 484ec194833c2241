//! Money: payments, refunds, and the sellers' ledgers: decisions about them, and what their events do.

use orderline_protocol::RejectCode;
use orderline_protocol::command::{EndPayment, RecordAuthorization, RecordCapture, RecordPayout, RequestRefund, SettleRefund};
use orderline_protocol::event::{
    CapturedShare, EventKind, LateHold, Origin, PaymentAuthorized, PaymentCaptured, PaymentFailed, PaymentVoided,
    PayoutRecorded, RefundRequested, RefundSettled,
};

use super::apply::Effect;
use super::decide::Refusable;
use super::{Rejection, State};


/// Rooms that are being built.
#[allow(clippy::unused_self, clippy::too_many_arguments)]
impl State {
    pub(super) fn decide_authorization(&self, _origin: Origin, _now_us: i64, _head: &RecordAuthorization, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_capture(&self, _origin: Origin, _head: &RecordCapture, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_void(&self, _origin: Origin, _head: &EndPayment, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_failure(&self, _origin: Origin, _head: &EndPayment, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_refund(&self, _origin: Origin, _head: &RequestRefund, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_settle_refund(&self, _origin: Origin, _head: &SettleRefund, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_payout(&self, _origin: Origin, _head: &RecordPayout, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn apply_authorized(&mut self, _head: &PaymentAuthorized, _holds: &[LateHold]) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_captured(&mut self, _head: &PaymentCaptured, _shares: &[CapturedShare]) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_voided(&mut self, _head: &PaymentVoided) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_failed(&mut self, _head: &PaymentFailed) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_refund_requested(&mut self, _head: &RefundRequested) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_refund_settled(&mut self, _at_us: i64, _head: &RefundSettled) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_payout(&mut self, _head: &PayoutRecorded) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }
}
