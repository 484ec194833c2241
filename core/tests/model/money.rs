//! Money: what a payment service promised, took and gave back, and what sellers are owed.

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::*;
use orderline_protocol::{GroupId, RejectCode};

use crate::fields;
use crate::model::{Answer, Model, Rare, Refused, Told, refuse, seen, seen_or_new};
use crate::orders::{ANY, Hold, Order};

/// A group's newest payment. Number 0 and pending: nothing is known yet.
#[derive(Debug, Clone)]
pub struct Payment {
    pub number: u16,
    pub state: PaymentState,
    /// What is promised, captures included.
    pub authorized: i64,
    pub captured: i64,
    pub reference: u64,
    /// When what was last reported of it happened, as its caller said.
    pub happened_at_us: i64,
    /// While the promise stands: when it lapses.
    pub expires_at_us: Option<i64>,
}

impl Default for Payment {
    fn default() -> Self {
        Self {
            number: 0,
            state: PaymentState::Pending,
            authorized: 0,
            captured: 0,
            reference: 0,
            happened_at_us: 0,
            expires_at_us: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Group {
    pub buyer: u64,
    pub currency: u16,
    /// In the order of the checkout; those that left memory are gone.
    pub orders: Vec<u128>,
    /// How many there were.
    pub placed_orders: usize,
    pub placed_sequence: u64,
    pub version: u32,
    pub payment: Payment,
    /// Over all its payments and orders, those that left memory included.
    pub captured: i64,
    pub refunded: i64,
    /// What it was placed by, and what was answered then.
    pub content: Vec<u8>,
    pub answer: Told,
}

#[derive(Debug, Clone)]
pub struct Refund {
    pub amount: i64,
    pub reason: u16,
    pub state: RefundState,
    /// When its state came about, as its caller said.
    pub happened_at_us: i64,
}

/// What is owed to a seller in a currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    pub entries: u64,
    pub sales: i64,
    pub commissions: i64,
    pub refunds: i64,
    pub reversals: i64,
    pub accrued: i64,
    pub payable: i64,
    pub paid: i64,
    pub version: u32,
}

impl Group {
    fn told(&self, detail: u64) -> Told {
        Told { detail, version: self.version, state: self.payment.state as u8, before: false }
    }

    fn allow(&self, action: Action, states: &[PaymentState]) -> Result<(), Refused> {
        if states.contains(&self.payment.state) {
            return Ok(());
        }
        Err(Refused::illegal(Entity::Payment, self.payment.state as u8, action))
    }

    /// The promise is over, whichever way: what was captured stays.
    fn end_promise(&mut self, without_captures: PaymentState) -> i64 {
        let lapsed = self.payment.authorized - self.payment.captured;
        self.payment.state =
            if self.payment.captured == 0 { without_captures } else { PaymentState::Captured };
        self.payment.authorized = self.payment.captured;
        self.payment.expires_at_us = None;
        lapsed
    }
}

impl Order {
    /// Money came for it after it had expired: somebody must decide.
    fn hold_late_money(&mut self) {
        self.holds.push(Hold {
            kind: HoldKind::Payment,
            blocks: blocks::ALL,
            reason: 0,
            state: HoldState::Active,
            expires_at_us: None,
        });
    }

    /// What the marketplace keeps of what was captured and not refunded.
    pub fn commission(&self) -> i64 {
        let rate = i128::from(self.rate.unwrap_or(0));
        (i128::from(self.captured - self.refunded) * rate).div_euclid(10_000) as i64
    }

    /// What its seller gets of it.
    pub fn sellers_share(&self) -> i64 {
        self.captured - self.refunded - self.commission()
    }
}

fn too_large(left: i64) -> Refused {
    Refused::new(RejectCode::AmountTooLarge).detail(left as u64)
}

impl Model {
    fn known_group(&self, id: GroupId) -> Result<Group, Refused> {
        match self.groups.get(&id.get()) {
            Some(group) => Ok(group.clone()),
            None => refuse(RejectCode::UnknownGroup),
        }
    }

    fn keep_group(&mut self, id: GroupId, mut group: Group, detail: u64) -> Answer {
        group.version += 1;
        let told = group.told(detail);
        self.groups.insert(id.get(), group);
        Ok(told)
    }

    /// What the orders of a group that are in memory cost now.
    pub fn group_cost(&self, group: &Group) -> i64 {
        group.orders.iter().map(|id| self.orders[id].cost()).sum()
    }

    pub fn ledger_of(&mut self, order: &Order) -> &mut Ledger {
        self.ledgers.entry((order.seller, order.currency)).or_default()
    }

    /// The share of a seller changed by so much: accrued until the order is finished, payable from then on.
    fn owe(&mut self, order: &Order, change: i64) {
        let ledger = self.ledger_of(order);
        if order.is_finished() {
            ledger.payable += change;
        } else {
            ledger.accrued += change;
        }
    }

    /// An order is finished: what was accrued for it is payable.
    pub fn make_payable(&mut self, order: &Order) {
        if order.sellers_share() == 0 {
            return;
        }
        let share = order.sellers_share();
        let ledger = self.ledger_of(order);
        ledger.version += 1;
        ledger.accrued -= share;
        ledger.payable += share;
    }

    pub fn record_authorization(&mut self, head: &RecordAuthorization) -> Answer {
        fields::amount(head.amount)?;
        fields::currency(head.currency)?;
        let mut group = self.known_group(head.group)?;
        seen(head.expected_version.get(), group.version)?;
        let ended =
            [PaymentState::Pending, PaymentState::Failed, PaymentState::Voided, PaymentState::Expired];
        group.allow(Action::Authorize, &ended)?;
        if head.currency.get() != group.currency {
            return Err(Refused::new(RejectCode::CurrencyMismatch).detail(group.currency.into()));
        }
        let is_expired = |id: &u128| self.orders[id].state == OrderState::Expired;
        let total = if group.orders.iter().all(is_expired) {
            group.orders.iter().map(|id| self.orders[id].cost_before_expiry).sum()
        } else {
            self.group_cost(&group)
        };
        if head.amount.minor() > total {
            return Err(too_large(total));
        }
        let expired: Vec<u128> = group.orders.iter().copied().filter(is_expired).collect();
        self.met(Rare::AuthorizedAfterAllExpired, expired.len() == group.orders.len());
        self.met(Rare::AuthorizedAfterSomeExpired, !expired.is_empty() && expired.len() < group.orders.len());
        for id in &expired {
            Order::room(self.orders[id].holds.len())?;
        }
        for id in expired {
            let mut order = self.orders[&id].clone();
            order.hold_late_money();
            self.keep(order);
        }
        group.payment = Payment {
            number: group.payment.number + 1,
            state: PaymentState::Authorized,
            authorized: head.amount.minor(),
            captured: 0,
            reference: head.reference.get(),
            happened_at_us: head.happened_at_us.get(),
            expires_at_us: self.after_or_never(head.seconds.get()),
        };
        let number = group.payment.number.into();
        self.keep_group(head.group, group, number)
    }

    pub fn record_capture(&mut self, head: &RecordCapture) -> Answer {
        fields::amount(head.amount)?;
        let mut group = self.known_group(head.group)?;
        let amount = head.amount.minor();
        let one = match head.order.get() {
            0 => None,
            _ => Some(self.known_order(head.order)?),
        };
        if let Some(order) = &one
            && order.group != head.group.get()
        {
            return refuse(RejectCode::NotInGroup);
        }
        seen(head.expected_version.get(), group.version)?;
        group.allow(Action::Capture, &[PaymentState::Authorized, PaymentState::PartiallyCaptured])?;
        if let Some(order) = &one {
            order.not_held(blocks::CAPTURE)?;
        }
        let promised = group.payment.authorized - group.payment.captured;
        if amount > promised {
            return Err(too_large(promised));
        }
        let shares = match &one {
            Some(order) => vec![(order.id, order.lacks(), amount)],
            None => self.divide(&group, amount),
        };
        let lacks: i64 = shares.iter().map(|&(_, lacks, _)| lacks).sum();
        if amount > lacks {
            return Err(too_large(lacks));
        }
        for (id, _, share) in &shares {
            if *share > 0 {
                self.orders[id].not_held(blocks::CAPTURE)?;
            }
        }
        for (id, _, share) in &shares {
            if *share > 0 && self.orders[id].state == OrderState::Expired {
                Order::room(self.orders[id].holds.len())?;
            }
        }
        let in_proportion = |&(_, lack, _): &(u128, i64, i64)| {
            (i128::from(amount) * i128::from(lack) / i128::from(lacks)) as i64
        };
        self.met(Rare::CaptureWithRemainder, shares.iter().map(in_proportion).sum::<i64>() < amount);
        for (id, _, share) in shares {
            if share > 0 {
                self.capture_share(id, share);
            }
        }
        group.captured += amount;
        group.payment.captured += amount;
        group.payment.state = if group.payment.captured == group.payment.authorized {
            PaymentState::Captured
        } else {
            PaymentState::PartiallyCaptured
        };
        group.payment.happened_at_us = head.happened_at_us.get();
        let is_all = group.payment.state == PaymentState::Captured;
        if is_all {
            group.payment.expires_at_us = None;
        }
        let captured = group.payment.captured as u64;
        let told = self.keep_group(head.group, group, captured);
        if is_all {
            self.promise_ended(head.group.get());
        }
        told
    }

    /// Divides an amount over the orders of a group: order, what it lacks, its share. Orders that have expired get what the
    /// others do not lack.
    fn divide(&self, group: &Group, amount: i64) -> Vec<(u128, i64, i64)> {
        let (late, standing): (Vec<u128>, Vec<u128>) =
            group.orders.iter().partition(|id| self.orders[*id].state == OrderState::Expired);
        let lacks: i64 = standing.iter().map(|id| self.orders[id].lacks()).sum();
        let mut shares = self.divide_among(&standing, amount.min(lacks));
        shares.extend(self.divide_among(&late, (amount - lacks).max(0)));
        shares.sort_by_key(|share| group.orders.iter().position(|&id| id == share.0));
        shares
    }

    /// Divides an amount over orders in proportion to what each lacks.
    fn divide_among(&self, orders: &[u128], amount: i64) -> Vec<(u128, i64, i64)> {
        let lacks = |id: &u128| self.orders[id].lacks();
        let total: i128 = orders.iter().map(|id| i128::from(lacks(id))).sum();
        let mut left = amount;
        let mut shares = Vec::new();
        for id in orders {
            let share = if total == 0 { 0 } else { i128::from(amount) * i128::from(lacks(id)) / total };
            left -= share as i64;
            shares.push((*id, lacks(id), share as i64));
        }
        for (_, lacks, share) in &mut shares {
            if left > 0 && share < lacks {
                *share += 1;
                left -= 1;
            }
        }
        shares
    }

    fn capture_share(&mut self, id: u128, share: i64) {
        let mut order = self.orders[&id].clone();
        self.met(Rare::OrderCapturedWhenFinished, order.is_finished());
        let commission = self.sellers[order.seller as usize].commission_bp;
        order.rate.get_or_insert(commission);
        let kept = order.commission();
        order.captured += share;
        let commission = order.commission() - kept;
        let ledger = self.ledger_of(&order);
        ledger.entries += 1 + u64::from(commission != 0);
        ledger.version += 1 + u32::from(commission != 0);
        ledger.sales += share;
        ledger.commissions += commission;
        self.owe(&order, share - commission);
        self.met(Rare::CapturedAfterExpiry, order.state == OrderState::Expired);
        if order.state == OrderState::Expired {
            order.hold_late_money();
        }
        self.keep(order);
    }

    pub fn record_void(&mut self, head: &EndPayment) -> Answer {
        let mut group = self.known_group(head.group)?;
        seen(head.expected_version.get(), group.version)?;
        group.allow(Action::Void, &[PaymentState::Authorized, PaymentState::PartiallyCaptured])?;
        let given_back = group.end_promise(PaymentState::Voided);
        self.met(Rare::VoidedWithCaptures, group.payment.captured > 0);
        group.payment.happened_at_us = head.happened_at_us.get();
        let told = self.keep_group(head.group, group, given_back as u64);
        self.promise_ended(head.group.get());
        told
    }

    pub fn record_failure(&mut self, head: &EndPayment) -> Answer {
        let mut group = self.known_group(head.group)?;
        seen(head.expected_version.get(), group.version)?;
        group.allow(Action::Fail, &[PaymentState::Pending])?;
        group.payment.number += 1;
        group.payment.state = PaymentState::Failed;
        group.payment.reference = head.reference.get();
        group.payment.happened_at_us = head.happened_at_us.get();
        self.keep_group(head.group, group, 0)
    }

    /// The promise's time is over.
    pub fn expire_payment(&mut self, id: u128) {
        let mut group = self.groups[&id].clone();
        group.end_promise(PaymentState::Expired);
        self.met(Rare::LapsedWithCaptures, group.payment.captured > 0);
        group.payment.happened_at_us = 0;
        group.version += 1;
        self.groups.insert(id, group);
        self.promise_ended(id);
    }

    pub fn request_refund(&mut self, head: &RequestRefund) -> Answer {
        fields::amount(head.amount)?;
        let mut order = self.known_order(head.order)?;
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::Refund, ANY)?;
        order.not_held(blocks::REFUND)?;
        let left = order.captured - order.refunded - order.refund_pending();
        if head.amount.minor() > left {
            return Err(too_large(left));
        }
        Order::room(order.refunds.len())?;
        let state = RefundState::Pending;
        order.refunds.push(Refund {
            amount: head.amount.minor(),
            reason: head.reason.get(),
            state,
            happened_at_us: head.happened_at_us.get(),
        });
        let number = order.refunds.len() as u64;
        self.keep_and_tell(order, number)
    }

    pub fn settle_refund(&mut self, head: &SettleRefund) -> Answer {
        let mut order = self.known_order(head.order)?;
        let number = head.refund.get();
        let Some(index) = usize::from(number).checked_sub(1).filter(|&index| index < order.refunds.len())
        else {
            return Err(Refused::new(RejectCode::UnknownRefund).subject(number.into()));
        };
        seen(head.expected_version.get(), order.version)?;
        let succeeded = RefundOutcome::from_number(head.outcome) == Some(RefundOutcome::Succeeded);
        let action = if succeeded { Action::Succeed } else { Action::Fail };
        order.allow(action, ANY)?;
        let refund = &mut order.refunds[index];
        if refund.state != RefundState::Pending {
            return Err(Refused::illegal(Entity::Refund, refund.state as u8, action));
        }
        let amount = refund.amount;
        refund.happened_at_us = head.happened_at_us.get();
        if succeeded {
            refund.state = RefundState::Succeeded;
            let kept = order.commission();
            order.refunded += amount;
            let reversal = kept - order.commission();
            let ledger = self.ledger_of(&order);
            ledger.entries += 1 + u64::from(reversal != 0);
            ledger.version += 1 + u32::from(reversal != 0);
            ledger.refunds += amount;
            ledger.reversals += reversal;
            self.owe(&order, reversal - amount);
            let payable = self.ledger_of(&order).payable;
            self.met(Rare::PayableBelowZero, payable < 0);
            if let Some(group) = self.groups.get_mut(&order.group) {
                group.refunded += amount;
            }
        } else {
            refund.state = RefundState::Failed;
        }
        let refunded = order.refunded as u64;
        self.keep_and_tell(order, refunded)
    }

    pub fn record_payout(&mut self, head: &RecordPayout) -> Answer {
        fields::currency(head.currency)?;
        fields::amount(head.amount)?;
        let seller = self.known_seller(head.seller)?;
        let at = (seller, head.currency.get());
        let (payable, version) =
            self.ledgers.get(&at).map_or((0, 0), |ledger| (ledger.payable, ledger.version));
        seen_or_new(head.expected_version.get(), version)?;
        let amount = head.amount.minor();
        if amount > payable {
            return Err(too_large(payable.max(0)));
        }
        let ledger = self.ledgers.entry(at).or_default();
        ledger.entries += 1;
        ledger.version += 1;
        ledger.payable -= amount;
        ledger.paid += amount;
        Ok(Told { version: ledger.version, ..Told::detail((payable - amount) as u64) })
    }
}
