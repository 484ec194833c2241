//! The workload `life`: orders through their whole lives, one command of each on its way at a time.

use std::collections::{BTreeMap, VecDeque};

use orderline_protocol::command::{
    CancelLines, CommandKind, ConfirmOrder, ReceiveReturn, RecordAuthorization, RecordCapture, RefundOutcome,
    RequestRefund, RequestReturn, ReturnStep, ReturnedUnits, SettleRefund, ShipLines, ShipmentStep,
    UpdateReturn, UpdateShipment,
};
use orderline_protocol::lifecycle::Disposition;
use orderline_protocol::{Amount, Command, GroupId, LocationHandle, OrderId};

use super::{Conclusion, End, Place, Workload};
use crate::goods::Catalogue;
use crate::ids::Ids;
use crate::observer::Observer;
use crate::options::LoadOptions;
use crate::outcomes::{Answer, Outcomes};
use crate::particulars::{LifeReport, Particulars};
use crate::setup::CURRENCY;
use crate::window::Sent;

/// A carrier's code as long as real ones are.
pub(super) const TRACKING: &str = "00340434161094042557";

/// How an order's life goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delivered,
    /// Cancelled as a whole, paid and before anything ships, and refunded.
    Cancelled,
    /// Delivered, sent back, refunded; the return is closed, so that nothing stands in the way of the order's leaving.
    Returned,
}

impl Fate {
    /// Of twenty orders two are cancelled and one comes back: 10 % and 5 %, spread evenly.
    fn of(start: u64) -> Self {
        match start % 20 {
            3 | 13 => Self::Cancelled,
            7 => Self::Returned,
            _ => Self::Delivered,
        }
    }
}

/// Where in its life an order is: the command that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stage {
    #[default]
    Place,
    Authorize,
    Confirm,
    Capture,
    Cancel,
    Ship,
    Deliver,
    RequestReturn,
    ApproveReturn,
    ReceiveReturn,
    CloseReturn,
    RequestRefund,
    SettleRefund,
}

/// What is kept of an order in its life.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LifeStep {
    stage: Stage,
    /// The number of the order's shipment, return or refund that the stage is about.
    number: u16,
    /// What the order costs, in minor units; known once it is placed.
    total_minor: i64,
}

/// Orders through their whole lives.
pub(crate) struct Life {
    ids: Ids,
    place: Place,
    /// Where returned goods come to.
    location: LocationHandle,
    /// All that an order's return brings back.
    returned: Vec<ReturnedUnits>,
    ended: [u64; 3],
    broken_off: u64,
}

impl Life {
    pub(crate) fn new(options: &LoadOptions, catalogue: Catalogue, ids: Ids) -> Self {
        let place = Place::new(options, catalogue, ids);
        let units = |line: u16| ReturnedUnits {
            line: line.into(),
            disposition: Disposition::Restock as u8,
            reserved: 0,
            quantity: 1.into(),
        };
        Self {
            location: place.goods().locations().first().copied().unwrap_or(LocationHandle::NONE),
            returned: (0..options.lines).map(units).collect(),
            ids,
            place,
            ended: [0; 3],
            broken_off: 0,
        }
    }
}

impl Workload for Life {
    type Step = LifeStep;

    fn kind(step: LifeStep) -> CommandKind {
        match step.stage {
            Stage::Place => CommandKind::PlaceOrder,
            Stage::Authorize => CommandKind::RecordAuthorization,
            Stage::Confirm => CommandKind::ConfirmOrder,
            Stage::Capture => CommandKind::RecordCapture,
            Stage::Cancel => CommandKind::CancelLines,
            Stage::Ship => CommandKind::ShipLines,
            Stage::Deliver => CommandKind::UpdateShipment,
            Stage::RequestReturn => CommandKind::RequestReturn,
            Stage::ApproveReturn | Stage::CloseReturn => CommandKind::UpdateReturn,
            Stage::ReceiveReturn => CommandKind::ReceiveReturn,
            Stage::RequestRefund => CommandKind::RequestRefund,
            Stage::SettleRefund => CommandKind::SettleRefund,
        }
    }

    fn orders(&self, step: LifeStep) -> u32 {
        u32::from(step.stage == Stage::Place)
    }

    fn begin(
        &mut self,
        _start: u64,
        _start_ns: u64,
        _waiting: &mut VecDeque<Sent<LifeStep>>,
    ) -> Option<LifeStep> {
        Some(LifeStep::default())
    }

    fn write<R>(&mut self, sent: &Sent<LifeStep>, sink: impl FnOnce(&Command<'_>) -> R) -> R {
        let order = self.ids.order(sent.start, sent.start_ns);
        let LifeStep { stage, number, total_minor } = sent.step;
        let total = Amount::new(total_minor);
        let happened_at_us = self.ids.unix_us(sent.start_ns);
        match stage {
            Stage::Place => sink(&self.place.next(order)),
            Stage::Authorize => {
                sink(&Command::RecordAuthorization(&authorization(order, total, happened_at_us)))
            }
            Stage::Confirm => sink(&Command::ConfirmOrder(&confirmation(order))),
            Stage::Capture => sink(&Command::RecordCapture(&capture(order, total, happened_at_us))),
            Stage::Cancel => sink(&Command::CancelLines(&cancellation(order), &[])),
            Stage::Ship => sink(&Command::ShipLines(&shipment(order, happened_at_us), &[], TRACKING)),
            Stage::Deliver => sink(&Command::UpdateShipment(&delivery(order, number, happened_at_us))),
            Stage::RequestReturn => {
                sink(&Command::RequestReturn(&return_request(order, happened_at_us), &[]))
            }
            Stage::ApproveReturn => {
                sink(&Command::UpdateReturn(&return_step(order, number, ReturnStep::Approve, happened_at_us)))
            }
            Stage::CloseReturn => {
                sink(&Command::UpdateReturn(&return_step(order, number, ReturnStep::Close, happened_at_us)))
            }
            Stage::ReceiveReturn => {
                let head = ReceiveReturn {
                    happened_at_us: happened_at_us.into(),
                    order,
                    expected_version: 0.into(),
                    return_number: number.into(),
                    location: self.location,
                    line_count: (self.returned.len() as u16).into(),
                    reserved: [0; 6],
                };
                sink(&Command::ReceiveReturn(&head, &self.returned))
            }
            Stage::RequestRefund => sink(&Command::RequestRefund(&RequestRefund {
                happened_at_us: happened_at_us.into(),
                order,
                amount: total,
                expected_version: 0.into(),
                reason: 0.into(),
                reserved: [0; 2],
            })),
            Stage::SettleRefund => sink(&Command::SettleRefund(&SettleRefund {
                happened_at_us: happened_at_us.into(),
                order,
                reference: sent.start.into(),
                expected_version: 0.into(),
                refund: number.into(),
                outcome: RefundOutcome::Succeeded as u8,
                reserved: 0,
            })),
        }
    }

    fn answered<O: Observer>(
        &mut self,
        answer: &Answer<'_, LifeStep>,
        outcomes: &mut Outcomes<'_, O>,
        waiting: &mut VecDeque<Sent<LifeStep>>,
    ) {
        let detail = answer.reply.header.detail.get();
        let mut step = answer.sent.step;
        if step.stage == Stage::Place {
            if !outcomes.placed(answer, 1) {
                return;
            }
            step.total_minor = detail as i64;
        } else if outcomes.is_refused(answer) {
            self.broken_off += 1;
            return;
        }
        if matches!(step.stage, Stage::Ship | Stage::RequestReturn | Stage::RequestRefund) {
            step.number = detail as u16;
        }
        let fate = Fate::of(answer.sent.start);
        step.stage = match (step.stage, fate) {
            (Stage::Place, _) => Stage::Authorize,
            (Stage::Authorize, _) => Stage::Confirm,
            (Stage::Confirm, _) => Stage::Capture,
            (Stage::Capture, Fate::Cancelled) => Stage::Cancel,
            (Stage::Capture, _) => Stage::Ship,
            (Stage::Ship, _) => Stage::Deliver,
            (Stage::Deliver, Fate::Returned) => Stage::RequestReturn,
            (Stage::RequestReturn, _) => Stage::ApproveReturn,
            (Stage::ApproveReturn, _) => Stage::ReceiveReturn,
            (Stage::ReceiveReturn, _) => Stage::CloseReturn,
            // All that was captured is owed back.
            (Stage::Cancel | Stage::CloseReturn, _) => Stage::RequestRefund,
            (Stage::RequestRefund, _) => Stage::SettleRefund,
            (Stage::Deliver | Stage::SettleRefund, _) => {
                self.ended[fate as usize] += 1;
                return;
            }
        };
        waiting.push_back(answer.sent.then(step));
    }

    fn conclude(self, end: &mut End<'_>) -> Conclusion {
        let [delivered, cancelled, returned] = self.ended;
        let ended = delivered + cancelled + returned + self.broken_off;
        let report = LifeReport {
            delivered,
            cancelled,
            returned,
            broken_off: self.broken_off,
            unfinished: end.acked.saturating_sub(ended),
        };
        let mut conclusion = Conclusion {
            checks: BTreeMap::from([("no_life_was_broken_off", self.broken_off == 0)]),
            ..Conclusion::default()
        };
        if self.broken_off > 0 {
            let problem =
                format!("{} lives were broken off: a command of theirs was refused", self.broken_off);
            conclusion.problems.push(problem);
        }
        conclusion.particulars = Some(Particulars::Life(report));
        conclusion
    }
}

/// The promise of an order's whole cost, for an order placed alone.
pub(super) fn authorization(order: OrderId, total: Amount, happened_at_us: i64) -> RecordAuthorization {
    RecordAuthorization {
        happened_at_us: happened_at_us.into(),
        group: GroupId::from(order),
        amount: total,
        reference: 0.into(),
        expected_version: 0.into(),
        seconds: 0.into(),
        currency: CURRENCY,
        reserved: [0; 6],
    }
}

/// The taking of an order's whole cost, for an order placed alone.
pub(super) fn capture(order: OrderId, total: Amount, happened_at_us: i64) -> RecordCapture {
    RecordCapture {
        happened_at_us: happened_at_us.into(),
        group: GroupId::from(order),
        order,
        amount: total,
        reference: 0.into(),
        expected_version: 0.into(),
        reserved: [0; 4],
    }
}

pub(super) fn confirmation(order: OrderId) -> ConfirmOrder {
    ConfirmOrder { order, expected_version: 0.into(), reserved: [0; 4] }
}

/// One package of all that an order has to ship, which leaves at once. [`TRACKING`] goes with it.
pub(super) fn shipment(order: OrderId, happened_at_us: i64) -> ShipLines {
    ShipLines {
        happened_at_us: happened_at_us.into(),
        order,
        expected_version: 0.into(),
        location: LocationHandle::NONE,
        line_count: 0.into(),
        carrier: 1.into(),
        tracking_bytes: TRACKING.len() as u8,
        is_sent: 1,
    }
}

/// The arrival of a package.
pub(super) fn delivery(order: OrderId, shipment: u16, happened_at_us: i64) -> UpdateShipment {
    UpdateShipment {
        happened_at_us: happened_at_us.into(),
        order,
        expected_version: 0.into(),
        shipment: shipment.into(),
        step: ShipmentStep::Deliver as u8,
        reserved: 0,
    }
}

/// A step of a return.
fn return_step(order: OrderId, number: u16, step: ReturnStep, happened_at_us: i64) -> UpdateReturn {
    UpdateReturn {
        happened_at_us: happened_at_us.into(),
        order,
        expected_version: 0.into(),
        return_number: number.into(),
        step: step as u8,
        reserved: 0,
    }
}

/// The end of all that has not left of an order.
fn cancellation(order: OrderId) -> CancelLines {
    CancelLines { order, expected_version: 0.into(), line_count: 0.into(), reason: 0.into() }
}

/// All that was delivered of an order is to come back.
fn return_request(order: OrderId, happened_at_us: i64) -> RequestReturn {
    RequestReturn {
        order,
        happened_at_us: happened_at_us.into(),
        expected_version: 0.into(),
        line_count: 0.into(),
        reason: 0.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_cancelled_and_a_twentieth_comes_back() {
        let count = |fate| (0..10_000).filter(|&start| Fate::of(start) == fate).count();
        assert_eq!([Fate::Delivered, Fate::Cancelled, Fate::Returned].map(count), [8_500, 1_000, 500]);
    }
}
