//! Commands about payments, refunds and payouts.

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::{PaymentState, RefundState};
use orderline_protocol::{Amount, CurrencyCode, GroupId, OrderId, SellerHandle};
use rand::RngExt;

use super::{Generator, bytes};
use crate::model::Model;

impl Generator {
    fn pick_group(&mut self, model: &Model, states: &[PaymentState]) -> u128 {
        let fitting = model.groups.iter().filter(|(_, group)| states.contains(&group.payment.state));
        let fitting = fitting.map(|(&id, _)| id).collect();
        self.pick(fitting, || model.groups.keys().copied().collect())
    }

    fn expected_of_group(&mut self, model: &Model, group: u128) -> u32 {
        self.expected(model.groups.get(&group).map(|group| group.version))
    }

    pub(super) fn record_authorization(&mut self, model: &Model) -> Vec<u8> {
        let ended =
            [PaymentState::Pending, PaymentState::Failed, PaymentState::Voided, PaymentState::Expired];
        let group = self.pick_group(model, &ended);
        let mut total = 0;
        let mut currency = self.currency();
        if let Some(group) = model.groups.get(&group) {
            total = model.group_cost(group);
            if total == 0 {
                total = group.orders.iter().map(|id| model.orders[id].cost_before_expiry).sum();
            }
            if !self.chance(1, 30) {
                currency = group.currency;
            }
        }
        let head = RecordAuthorization {
            group: GroupId::new(group),
            amount: Amount::new(self.amount(total)),
            reference: self.rng.random_range(0..1_000).into(),
            happened_at_us: self.happened().into(),
            expected_version: self.expected_of_group(model, group).into(),
            seconds: self.hold_seconds().into(),
            currency: CurrencyCode::new(currency),
            reserved: [0; 6],
        };
        bytes(&Command::RecordAuthorization(&head))
    }

    pub(super) fn record_capture(&mut self, model: &Model) -> Vec<u8> {
        let id = self.pick_group(model, &[PaymentState::Authorized, PaymentState::PartiallyCaptured]);
        let mut order = 0;
        let mut left = 0;
        if let Some(group) = model.groups.get(&id) {
            left = group.payment.authorized - group.payment.captured;
            if self.chance(1, 2) {
                order = self.one_of(&group.orders);
                left = left.min(model.orders[&order].lacks());
            } else {
                left = left.min(group.orders.iter().map(|id| model.orders[id].lacks()).sum());
            }
        }
        if self.chance(1, 30) {
            order = self.pick_order(model, |_| true);
        }
        let head = RecordCapture {
            group: GroupId::new(id),
            order: OrderId::new(order),
            amount: Amount::new(self.amount(left)),
            reference: self.rng.random_range(0..1_000).into(),
            happened_at_us: self.happened().into(),
            expected_version: self.expected_of_group(model, id).into(),
            reserved: [0; 4],
        };
        bytes(&Command::RecordCapture(&head))
    }

    /// A promise given back, or a failure.
    pub(super) fn end_payment(&mut self, model: &Model, is_void: bool) -> Vec<u8> {
        let group = if is_void {
            self.pick_group(model, &[PaymentState::Authorized, PaymentState::PartiallyCaptured])
        } else {
            self.pick_group(model, &[PaymentState::Pending])
        };
        let head = EndPayment {
            group: GroupId::new(group),
            reference: self.rng.random_range(0..1_000).into(),
            happened_at_us: self.happened().into(),
            expected_version: self.expected_of_group(model, group).into(),
            reason: self.reason().into(),
            reserved: [0; 2],
        };
        bytes(&if is_void { Command::RecordVoid(&head) } else { Command::RecordFailure(&head) })
    }

    pub(super) fn request_refund(&mut self, model: &Model) -> Vec<u8> {
        let order = self.pick_order(model, |order| order.captured > order.refunded + order.refund_pending());
        let left = model
            .orders
            .get(&order)
            .map_or(0, |order| order.captured - order.refunded - order.refund_pending());
        let head = RequestRefund {
            order: OrderId::new(order),
            amount: Amount::new(self.amount(left)),
            happened_at_us: self.happened().into(),
            expected_version: self.expected_of(model, order).into(),
            reason: self.reason().into(),
            reserved: [0; 2],
        };
        bytes(&Command::RequestRefund(&head))
    }

    pub(super) fn settle_refund(&mut self, model: &Model) -> Vec<u8> {
        let order = self.pick_order(model, |order| order.refund_pending() > 0);
        let refunds = model.orders.get(&order).map_or(&[][..], |order| &order.refunds);
        let pending = refunds.iter().position(|refund| refund.state == RefundState::Pending);
        let number = match pending {
            Some(index) if self.chance(9, 10) => index + 1,
            _ => self.rng.random_range(0..=refunds.len() + 1),
        };
        let outcome = if self.chance(3, 4) { RefundOutcome::Succeeded } else { RefundOutcome::Failed };
        let head = SettleRefund {
            order: OrderId::new(order),
            reference: self.rng.random_range(0..1_000).into(),
            happened_at_us: self.happened().into(),
            expected_version: self.expected_of(model, order).into(),
            refund: (number as u16).into(),
            outcome: outcome as u8,
            reserved: 0,
        };
        bytes(&Command::SettleRefund(&head))
    }

    pub(super) fn record_payout(&mut self, model: &Model) -> Vec<u8> {
        let payable: Vec<(u32, u16, i64)> = model
            .ledgers
            .iter()
            .filter(|(_, ledger)| ledger.payable > 0)
            .map(|(&(seller, currency), ledger)| (seller, currency, ledger.payable))
            .collect();
        let (seller, currency, left) = if payable.is_empty() || self.chance(1, 5) {
            (self.seller(model), self.currency(), 1)
        } else {
            let (seller, currency, left) = self.one_of(&payable);
            (SellerHandle::new(seller), currency, left)
        };
        let ledger = model.ledgers.get(&(seller.get(), currency));
        let head = RecordPayout {
            seller,
            expected_version: self.expected_or_new(ledger.map(|ledger| ledger.version)).into(),
            amount: Amount::new(self.amount(left)),
            reference: self.rng.random_range(0..1_000).into(),
            happened_at_us: self.happened().into(),
            currency: CurrencyCode::new(currency),
            reserved: [0; 6],
        };
        bytes(&Command::RecordPayout(&head))
    }
}
