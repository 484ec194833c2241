//! The invariants of money: shares that add up to what was captured, nothing refunded that was not captured, ledgers
//! that balance.

use std::collections::BTreeMap;

use orderline_protocol::lifecycle::{PaymentState, RefundState};
use orderline_protocol::{CurrencyCode, SellerHandle};

use super::State;
use super::check::Violation;
use super::detail::{Detail, Money};
use super::groups::Group;
use super::ledger::Ledger;
use super::orders::OrderSlot;

/// What the sellers have of orders, by seller and currency: of open ones, of finished ones.
type Nets = BTreeMap<(u32, u16), (i128, i128)>;

fn sum(numbers: &[i64]) -> i128 {
    numbers.iter().map(|&number| i128::from(number)).sum()
}

/// Whether what came in for a seller is where it went.
fn is_balanced(ledger: &Ledger) -> bool {
    let came = sum(&[ledger.sales, ledger.reversals]) - sum(&[ledger.commissions, ledger.refunds]);
    came == sum(&[ledger.accrued, ledger.payable, ledger.paid])
}

/// Checks one ledger by itself.
pub(super) fn check_balance(
    (seller, currency, ledger): (SellerHandle, CurrencyCode, &Ledger),
    violations: &mut Vec<Violation>,
) {
    if !is_balanced(ledger) {
        violations.push(Violation::Ledger { seller, currency });
    }
}

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
            let group = self.orders.group_of(slot);
            if money.captured > 0 && self.groups.find(group).is_none() {
                violations.push(Violation::GroupMoney { group });
            }
            let (open, finished) = nets.entry((head.seller.get(), head.currency.get())).or_default();
            *(if head.state().is_open() { open } else { finished }) += i128::from(money.of_seller());
        }
        self.groups.iter().for_each(|group| self.check_group_money(group, violations));
        for (seller, currency, ledger) in self.ledgers.iter() {
            let (open, finished) = nets.remove(&(seller.get(), currency.get())).unwrap_or_default();
            // Finished orders that have left memory had something, too.
            let fits = i128::from(ledger.accrued) == open && sum(&[ledger.payable, ledger.paid]) >= finished;
            if !is_balanced(ledger) || !fits {
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

    /// Checks one group against its orders.
    pub(super) fn check_group_money(&self, group: &Group, violations: &mut Vec<Violation>) {
        if !self.fits_orders(group) {
            violations.push(Violation::GroupMoney { group: group.id() });
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
        let shares = |of: fn(&Money) -> i64| -> i128 {
            slots.iter().map(|&slot| i128::from(of(&self.money(slot)))).sum()
        };
        let (captured, refunded) = (shares(|money| money.captured), shares(|money| money.refunded));
        let of_group = [payment.captured, payment.refunded].map(i128::from);
        // Orders that have left memory had their shares. A group has one payment at most that captured anything: no
        // other follows such a one.
        let is_whole = slots.len() == group.orders.len();
        let adds_up = match is_whole {
            true => [captured, refunded] == of_group,
            false => captured <= of_group[0] && refunded <= of_group[1],
        };
        let fits = fits && payment.refunded <= payment.captured;
        fits && adds_up && slots.len() == group.order_count as usize
    }
}

/// Whether an order's money is what its refunds and its rate say.
fn is_sound(detail: &Detail) -> bool {
    let money = &detail.money;
    let refunds = |state: RefundState| -> i128 {
        let of_state = detail.refunds.iter().filter(|refund| refund.state() == state);
        of_state.map(|refund| i128::from(refund.amount)).sum()
    };
    let [captured, refunded, pending] =
        [money.captured, money.refunded, money.refunds_pending].map(i128::from);
    refunded == refunds(RefundState::Succeeded)
        && pending == refunds(RefundState::Pending)
        && refunded + pending <= captured
        && money.commission == money.commission_due()
}

#[cfg(test)]
mod tests {
    use orderline_protocol::command::{RecordAuthorization, RecordCapture};
    use orderline_protocol::event::{CapturedShare, Event, Origin, PaymentAuthorized, PaymentCaptured};
    use orderline_protocol::{Amount, GroupId, OrderId, SessionHandle};

    use super::*;
    use crate::state::check::tests::one_order;

    const ORDER: OrderId = OrderId::new(7);
    const POUNDS: CurrencyCode = CurrencyCode::new(826);

    /// An order of 15 of which 10 of 12 promised ones are captured.
    fn paid() -> State {
        let mut state = one_order();
        let origin = Origin { session: SessionHandle::NONE, digest: 0.into(), request: 0.into() };
        let group = GroupId::from(ORDER);
        let authorization = RecordAuthorization {
            happened_at_us: 0.into(),
            group,
            amount: Amount::new(12),
            reference: 0.into(),
            expected_version: 0.into(),
            seconds: 0.into(),
            currency: POUNDS,
            reserved: [0; 6],
        };
        let authorized = PaymentAuthorized {
            origin,
            authorization,
            expires_at_us: 0.into(),
            number: 1.into(),
            hold_count: 0.into(),
            reserved: [0; 4],
        };
        state.apply(5, 0, &Event::PaymentAuthorized(&authorized, &[]));
        let capture = RecordCapture {
            happened_at_us: 0.into(),
            group,
            order: ORDER,
            amount: Amount::new(10),
            reference: 0.into(),
            expected_version: 0.into(),
            reserved: [0; 4],
        };
        let captured = PaymentCaptured {
            origin,
            capture,
            share_count: 1.into(),
            state: PaymentState::PartiallyCaptured as u8,
            reserved: [0; 3],
            hold_count: 0.into(),
        };
        let share = CapturedShare { order: ORDER, amount: Amount::new(10), commission: Amount::new(0) };
        state.apply(6, 0, &Event::PaymentCaptured(&captured, &[share], &[]));
        state
    }

    #[test]
    fn sound_money_has_no_violation_and_each_kind_of_damage_has_its_own() {
        let state = paid();
        assert_eq!(state.check(), vec![]);
        let (slot, seller) = (state.order_of(ORDER), state.orders.head(state.order_of(ORDER)).seller);
        let (of_order, of_ledger) =
            (Violation::Money { order: ORDER }, Violation::Ledger { seller, currency: POUNDS });
        let of_group = Violation::GroupMoney { group: ORDER.into() };
        let found = |damage: &dyn Fn(&mut State)| {
            let mut state = paid();
            damage(&mut state);
            state.check()
        };

        let more = found(&|state| state.orders.detail_mut(slot).money.captured += 1);
        assert_eq!(more, [of_group.clone(), of_ledger.clone()]);
        let returned = found(&|state| {
            let group = state.groups.find(ORDER.into()).unwrap();
            state.groups.get_mut(group).payment.refunded += 1;
        });
        assert_eq!(returned, vec![of_group.clone()]);
        let unasked = found(&|state| state.orders.detail_mut(slot).money.refunds_pending += 1);
        assert_eq!(unasked, vec![of_order.clone()]);
        let kept = found(&|state| state.orders.detail_mut(slot).money.commission += 1);
        assert_eq!(kept, [of_order, of_ledger.clone()]);
        let state_of = |to: PaymentState| {
            move |state: &mut State| {
                let group = state.groups.find(ORDER.into()).unwrap();
                state.groups.get_mut(group).payment.set_state(to);
            }
        };
        for &to in PaymentState::ALL.iter().filter(|&&to| to != PaymentState::PartiallyCaptured) {
            assert_eq!(found(&state_of(to)), vec![of_group.clone()], "{to:?}");
        }
        let early = found(&|state| state.ledgers.get_mut(seller, POUNDS).finish(10));
        assert_eq!(early, vec![of_ledger.clone()]);
        let lost = found(&|state| state.ledgers.get_mut(seller, POUNDS).paid += 1);
        assert_eq!(lost, [of_ledger]);
    }
}
