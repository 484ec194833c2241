//! The invariants of money: shares that add up to what was captured, nothing refunded that was not captured, ledgers
//! that balance.

use std::collections::BTreeMap;

use orderline_protocol::lifecycle::{PaymentState, RefundState};
use orderline_protocol::{CurrencyCode, SellerHandle};

use super::State;
use super::check::Violation;
use super::detail::{Detail, Money};
use super::groups::Group;
use super::orders::OrderSlot;

/// What the sellers have of orders, by seller and currency: of open ones, of finished ones.
type Nets = BTreeMap<(u32, u16), (i128, i128)>;

impl State {
    /// Checks the money of one order by itself.
    pub(super) fn check_order_money(&self, slot: OrderSlot, violations: &mut Vec<Violation>) {
        if self.orders.detail(slot).is_some_and(|detail| !is_sound(detail)) {
            violations.push(Violation::Money { order: self.orders.head(slot).id });
        }
    }

    /// Checks groups against their orders, and ledgers against all orders.
    pub(super) fn check_money(&self, violations: &mut Vec<Violation>) {
        let mut nets = Nets::new();
        for slot in self.orders.iter() {
            let (head, money) = (self.orders.head(slot), self.money(slot));
            let group = self.orders.detail(slot).map(|detail| detail.group_of(head.id));
            if let Some(group) =
                group.filter(|&group| money.captured > 0 && self.groups.find(group).is_none())
            {
                violations.push(Violation::GroupMoney { group });
            }
            let (open, finished) = nets.entry((head.seller.get(), head.currency.get())).or_default();
            *(if head.state().is_open() { open } else { finished }) += i128::from(money.of_seller());
        }
        for group in self.groups.iter().filter(|group| !self.fits_orders(group)) {
            violations.push(Violation::GroupMoney { group: group.id() });
        }
        for (seller, currency, ledger) in self.ledgers.iter() {
            let (open, finished) = nets.remove(&(seller.get(), currency.get())).unwrap_or_default();
            let sum = |numbers: &[i64]| numbers.iter().map(|&number| i128::from(number)).sum::<i128>();
            let came = sum(&[ledger.sales, ledger.reversals]) - sum(&[ledger.commissions, ledger.refunds]);
            let is_balanced = came == sum(&[ledger.accrued, ledger.payable, ledger.paid]);
            // Finished orders that have left memory had something, too.
            let fits = i128::from(ledger.accrued) == open && sum(&[ledger.payable, ledger.paid]) >= finished;
            if !is_balanced || !fits {
                violations.push(Violation::Ledger { seller, currency });
            }
        }
        // What orders have and no ledger knows.
        for ((seller, currency), nets) in nets {
            if nets != (0, 0) {
                let (seller, currency) = (SellerHandle::new(seller), CurrencyCode::new(currency));
                violations.push(Violation::Ledger { seller, currency });
            }
        }
    }

    /// Whether a group's payment is what its state says, and its orders' shares add up to it.
    fn fits_orders(&self, group: &Group) -> bool {
        let payment = &group.payment;
        let fits = match payment.state() {
            PaymentState::Authorized => payment.captured == 0 && payment.authorized > 0,
            PaymentState::PartiallyCaptured => 0 < payment.captured && payment.captured < payment.authorized,
            PaymentState::Captured => 0 < payment.captured && payment.captured == payment.authorized,
            PaymentState::Pending | PaymentState::Failed | PaymentState::Voided | PaymentState::Expired => {
                payment.captured == 0 && payment.authorized == 0
            }
        };
        let slots: Vec<OrderSlot> = group.orders().filter_map(|order| self.orders.find(order)).collect();
        let captured: i64 = slots.iter().map(|&slot| self.money(slot).captured).sum();
        // Orders that have left memory had their shares. A group has one payment at most that captured anything: no
        // other follows such a one.
        let is_whole = slots.len() == group.orders.len();
        let adds_up = captured == payment.captured || (!is_whole && captured < payment.captured);
        fits && adds_up && slots.len() == group.order_count as usize
    }
}

/// Whether an order's money is what its refunds and its rate say.
fn is_sound(detail: &Detail) -> bool {
    let money = &detail.money;
    let refunds = |state: RefundState| -> i64 {
        detail.refunds.iter().filter(|refund| refund.state() == state).map(|refund| refund.amount).sum()
    };
    let Money { captured, refunded, refunds_pending, commission, .. } = *money;
    refunded == refunds(RefundState::Succeeded)
        && refunds_pending == refunds(RefundState::Pending)
        && refunded + refunds_pending <= captured
        && commission == money.commission_due()
}
