//! Money: payments, refunds, and the sellers' ledgers: decisions about them, and what their events do.

use std::borrow::Cow;
use std::mem::offset_of;

use orderline_protocol::command::{
    EndPayment, RecordAuthorization, RecordCapture, RecordPayout, RefundOutcome, RequestRefund, SettleRefund,
};
use orderline_protocol::event::{
    CapturedShare, Event, EventKind, ExpiryKind, LateHold, OrderState, Origin, PaymentAuthorized,
    PaymentCaptured, PaymentFailed, PaymentVoided, PayoutRecorded, RefundRequested, RefundSettled,
};
use orderline_protocol::lifecycle::{Action, Entity, HoldKind, PaymentState, RefundState, blocks};
use orderline_protocol::{Amount, CurrencyCode, EntryKind, GroupId, OrderId, RejectCode};

use super::apply::Effect;
use super::decide::{Refusable, check_duration, check_zeros, expects, write};
use super::detail::{Hold, Money, Refund};
use super::groups::{Group, GroupSlot, Payment, PaymentTimer};
use super::holds::end_of;
use super::ledger::Ledger;
use super::orders::OrderSlot;
use super::timers::TimerKey;
use super::transitions;
use super::{Rejection, State};
use crate::bugs::is_planted;

/// Money comes in whole minor units, at least one.
fn check_amount(amount: Amount) -> Refusable<i64> {
    match amount.minor() {
        ..=0 => Err(Rejection::new(RejectCode::InvalidAmount)),
        minor => Ok(minor),
    }
}

/// A currency is one that ISO 4217 has: what orders cost stays payable when their currency is superseded.
fn check_currency(currency: CurrencyCode) -> Refusable<()> {
    if currency.is_known() { Ok(()) } else { Err(unknown(currency)) }
}

/// Goods are priced in currencies in circulation.
#[inline]
pub(super) fn check_priced_in(currency: CurrencyCode) -> Refusable<()> {
    if currency.is_in_circulation() { Ok(()) } else { Err(unknown(currency)) }
}

#[cold]
fn unknown(currency: CurrencyCode) -> Rejection {
    Rejection::new(RejectCode::UnknownCurrency).with(currency.get().into())
}

/// A rejection that names the version of a group and the state of its payment.
fn refuse(group: &Group, code: RejectCode) -> Rejection {
    named(group, Rejection::new(code))
}

/// The same about a group instead of one of its orders.
fn named(group: &Group, rejection: Rejection) -> Rejection {
    Rejection { state: group.payment.state() as u8, version: group.version, ..rejection }
}

/// Rules 4 and 5 of judging, for a group: its version, and what its payment's state allows.
fn check_group(group: &Group, expected_version: u32, action: Action) -> Refusable<()> {
    if expected_version != 0 && expected_version != group.version {
        return Err(refuse(group, RejectCode::VersionMismatch));
    }
    let state = group.payment.state() as u8;
    if transitions::targets(Entity::Payment, state, action).is_empty() {
        return Err(named(group, Rejection::illegal(Entity::Payment, state, action)));
    }
    Ok(())
}

/// Divides an amount in proportion to what each lacks, rounded down; the minor units left over go one each to the first
/// that still lack one. Nobody gets more than it lacks, if the amount is at most what all of them lack.
fn divide(amount: i64, lacks: &[i64]) -> Vec<i64> {
    let of_all: i128 = lacks.iter().map(|&lack| i128::from(lack)).sum();
    // A share is at most the amount, so it fits.
    let share = |&lack: &i64| (i128::from(amount) * i128::from(lack) / of_all.max(1)) as i64;
    let mut shares: Vec<i64> = lacks.iter().map(share).collect();
    let mut left = amount - shares.iter().sum::<i64>();
    // Less is left over than there are shares that were rounded down, and each of those lacks one more.
    for (share, lack) in shares.iter_mut().zip(lacks) {
        let one = left.min(lack - *share).clamp(0, 1);
        *share += one;
        left -= one;
    }
    shares
}

/// Divides an amount among orders that stand first, and only what they do not lack among those that have expired (`true`).
fn divide_by_standing(amount: i64, lacks: &[(i64, bool)]) -> Vec<i64> {
    let of = |expired: bool| -> Vec<i64> {
        lacks.iter().map(|&(lack, is_expired)| if is_expired == expired { lack } else { 0 }).collect()
    };
    let (standing, expired) = (of(false), of(true));
    let to_standing = amount.min(standing.iter().sum());
    let shares = divide(to_standing, &standing).into_iter().zip(divide(amount - to_standing, &expired));
    shares.map(|(standing, expired)| standing + expired).collect()
}

impl State {
    /// The group with this id, or the one that an order placed alone is.
    fn group_for(&self, id: GroupId) -> Refusable<Cow<'_, Group>> {
        if let Some(slot) = self.groups.find(id) {
            return Ok(Cow::Borrowed(self.groups.get(slot)));
        }
        let group = self.group_as_it_stands(id).ok_or(Rejection::new(RejectCode::UnknownGroup))?;
        Ok(Cow::Owned(group))
    }

    /// The group that an event is about; that of an order placed alone comes to be with the first.
    fn group_of(&mut self, id: GroupId) -> GroupSlot {
        if let Some(slot) = self.groups.find(id) {
            return slot;
        }
        match self.group_as_it_stands(id) {
            Some(group) => self.groups.insert(group),
            None => panic!("event {} is about group {id}, which is not there", self.sequence),
        }
    }

    /// A group's orders that are in memory: what has left it has nothing left to capture.
    fn orders_of(&self, group: &Group) -> Vec<OrderSlot> {
        group.orders().filter_map(|order| self.orders.find(order)).collect()
    }

    /// An order's money.
    pub(super) fn money(&self, slot: OrderSlot) -> Money {
        self.orders.detail(slot).map_or_else(Money::default, |detail| detail.money)
    }

    /// What can still be captured for an order, and whether it has expired. One that has costs nothing, but money that was
    /// promised for it may have been taken all the same: as much as it cost before.
    fn lack(&self, slot: OrderSlot) -> (i64, bool) {
        let is_expired = self.is_expired(slot);
        let cost = if is_expired { self.cost_before_expiry(slot) } else { self.orders.cost_minor(slot) };
        ((cost - self.money(slot).captured).max(0), is_expired)
    }

    fn is_expired(&self, slot: OrderSlot) -> bool {
        self.orders.head(slot).state() == OrderState::Expired
    }

    /// What an order cost when it expired.
    fn cost_before_expiry(&self, slot: OrderSlot) -> i64 {
        let ordered: i64 = self.orders.lines(slot).iter().map(super::checkout::line_value).sum();
        ordered - self.orders.detail(slot).map_or(0, |detail| detail.cancelled_before_expiry)
    }

    /// The hold that money is put under which comes for an order that has expired.
    fn late_hold(&self, group: &Group, slot: OrderSlot) -> Refusable<LateHold> {
        let count = self.orders.detail(slot).map_or(0, |detail| detail.holds.len());
        let number = self.part_number(slot, count).map_err(|rejection| named(group, rejection))?;
        Ok(LateHold { order: self.orders.head(slot).id, number: number.into(), reserved: [0; 6] })
    }

    /// Answers with a group's version and its payment's state, as they stand now.
    fn group_effect(&self, slot: GroupSlot, detail: u64) -> Effect {
        let group = self.groups.get(slot);
        Effect::entity(detail, group.version, group.payment.state() as u8)
    }

    pub(super) fn decide_authorization(
        &self,
        origin: Origin,
        now_us: i64,
        head: &RecordAuthorization,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_duration(head.seconds.get(), offset_of!(RecordAuthorization, seconds) as u32)?;
        check_zeros(&head.reserved, offset_of!(RecordAuthorization, reserved) as u32)?;
        let amount = check_amount(head.amount)?;
        check_currency(head.currency)?;
        let group = self.group_for(head.group)?;
        check_group(&group, head.expected_version.get(), Action::Authorize)?;
        if head.currency != group.currency() {
            return Err(refuse(&group, RejectCode::CurrencyMismatch).with(group.currency.into()));
        }
        let slots = self.orders_of(&group);
        let total = self.total_to_authorize(&slots);
        if amount > total {
            return Err(refuse(&group, RejectCode::AmountTooLarge).with(total as u64));
        }
        let Some(number) = group.payment.number.checked_add(1) else {
            return Err(refuse(&group, RejectCode::TooManyParts).with(group.payment.number.into()));
        };
        let late = slots.into_iter().filter(|&slot| self.is_expired(slot));
        let holds = late.map(|slot| self.late_hold(&group, slot)).collect::<Refusable<Vec<_>>>()?;
        let event = PaymentAuthorized {
            origin,
            authorization: *head,
            expires_at_us: end_of(now_us, head.seconds.get()).into(),
            number: number.into(),
            hold_count: (holds.len() as u16).into(),
            reserved: [0; 4],
        };
        Ok(write(Event::PaymentAuthorized(&event, &holds), out))
    }

    /// What may be authorised for orders: what they cost. When all of them have expired they cost nothing, and the money
    /// that comes late was for what they cost before.
    fn total_to_authorize(&self, slots: &[OrderSlot]) -> i64 {
        if slots.iter().all(|&slot| self.is_expired(slot)) {
            slots.iter().map(|&slot| self.cost_before_expiry(slot)).sum()
        } else {
            slots.iter().map(|&slot| self.orders.cost_minor(slot)).sum()
        }
    }

    pub(super) fn decide_capture(
        &self,
        origin: Origin,
        head: &RecordCapture,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_zeros(&head.reserved, offset_of!(RecordCapture, reserved) as u32)?;
        let amount = check_amount(head.amount)?;
        let group = self.group_for(head.group)?;
        let slots = self.orders_to_capture(&group, head.order)?;
        check_group(&group, head.expected_version.get(), Action::Capture)?;
        if head.order.get() != 0 {
            self.check_captures(&group, &slots)?;
        }
        let too_large = |left: i64| Err(refuse(&group, RejectCode::AmountTooLarge).with(left as u64));
        let open = group.payment.authorized - group.payment.captured;
        if amount > open && !is_planted("capture-more-than-was-authorised") {
            return too_large(open);
        }
        let lacks: Vec<(i64, bool)> = slots.iter().map(|&slot| self.lack(slot)).collect();
        let lack = lacks.iter().map(|lack| lack.0).sum();
        if amount > lack {
            return too_large(lack);
        }
        let mut amounts = divide_by_standing(amount, &lacks);
        let mut getting = slots;
        let mut places = amounts.iter();
        getting.retain(|_| places.next().is_some_and(|&amount| amount > 0));
        amounts.retain(|&amount| amount > 0);
        // Which orders a hold could stop is known with their shares.
        self.check_captures(&group, &getting)?;
        let mut shares = Vec::with_capacity(getting.len());
        for (&slot, &amount) in getting.iter().zip(&amounts) {
            let left = i64::MAX - self.ledger_of(slot).sales;
            if amount > left {
                return too_large(left);
            }
            shares.push(self.share(slot, amount));
        }
        let late = getting.iter().filter(|&&slot| self.is_expired(slot));
        let holds = late.map(|&slot| self.late_hold(&group, slot)).collect::<Refusable<Vec<_>>>()?;
        let state = if amount == open { PaymentState::Captured } else { PaymentState::PartiallyCaptured };
        let event = PaymentCaptured {
            origin,
            capture: *head,
            share_count: (shares.len() as u16).into(),
            state: state as u8,
            reserved: [0; 3],
            hold_count: (holds.len() as u16).into(),
        };
        Ok(write(Event::PaymentCaptured(&event, &shares, &holds), out))
    }

    /// Whether no hold blocks captures for any of a group's orders.
    fn check_captures(&self, group: &Group, slots: &[OrderSlot]) -> Refusable<()> {
        let check = |&slot: &OrderSlot| self.check_holds(slot, blocks::CAPTURE);
        slots.iter().try_for_each(check).map_err(|rejection| named(group, rejection))
    }

    /// The orders of a group that a capture is for: the one that it names, or all.
    fn orders_to_capture(&self, group: &Group, order: OrderId) -> Refusable<Vec<OrderSlot>> {
        if order.get() == 0 {
            return Ok(self.orders_of(group));
        }
        let Some(slot) = self.orders.find(order) else {
            return Err(Rejection::new(RejectCode::UnknownOrder));
        };
        if group.orders().any(|of| of == order) {
            Ok(vec![slot])
        } else {
            Err(refuse(group, RejectCode::NotInGroup))
        }
    }

    /// The ledger that an order's money goes to.
    fn ledger_of(&self, slot: OrderSlot) -> Ledger {
        let head = self.orders.head(slot);
        self.ledgers.get(head.seller, head.currency)
    }

    /// What an order's share of a capture comes to.
    fn share(&self, slot: OrderSlot, amount: i64) -> CapturedShare {
        let mut money = Money { commission_bp: self.commission_bp(slot), ..self.money(slot) };
        money.captured += amount;
        CapturedShare {
            order: self.orders.head(slot).id,
            amount: Amount::new(amount),
            commission: Amount::new(money.commission_due() - money.commission),
        }
    }

    /// The rate of an order's commission: its seller's at its first capture.
    fn commission_bp(&self, slot: OrderSlot) -> u16 {
        match self.money(slot) {
            Money { captured: 0, .. } => {
                let seller = self.catalogue.seller(self.orders.head(slot).seller);
                seller.map_or(0, |seller| seller.definition.commission_bp.get())
            }
            money => money.commission_bp,
        }
    }

    pub(super) fn decide_void(
        &self,
        origin: Origin,
        head: &EndPayment,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_zeros(&head.reserved, offset_of!(EndPayment, reserved) as u32)?;
        let group = self.group_for(head.group)?;
        check_group(&group, head.expected_version.get(), Action::Void)?;
        let payment = &group.payment;
        let event = PaymentVoided {
            origin,
            end: *head,
            amount: Amount::new(payment.authorized - payment.captured),
            state: lapsed(payment, Action::Void) as u8,
            reserved: [0; 7],
        };
        Ok(write(Event::PaymentVoided(&event), out))
    }

    pub(super) fn decide_failure(
        &self,
        origin: Origin,
        head: &EndPayment,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_zeros(&head.reserved, offset_of!(EndPayment, reserved) as u32)?;
        let group = self.group_for(head.group)?;
        check_group(&group, head.expected_version.get(), Action::Fail)?;
        Ok(write(Event::PaymentFailed(&PaymentFailed { origin, end: *head }), out))
    }

    pub(super) fn decide_refund(
        &self,
        origin: Origin,
        head: &RequestRefund,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_zeros(&head.reserved, offset_of!(RequestRefund, reserved) as u32)?;
        let amount = check_amount(head.amount)?;
        let expected_version = head.expected_version.get();
        let slot = self.order_for(head.order, expected_version, Action::Refund, blocks::REFUND)?;
        let count = self.orders.detail(slot).map_or(0, |detail| detail.refunds.len());
        let number = self.part_number(slot, count)?;
        let refundable = self.money(slot).refundable();
        if amount > refundable && !is_planted("refund-more-than-was-captured") {
            return Err(self.refuse(slot, RejectCode::AmountTooLarge).with(refundable as u64));
        }
        let event = RefundRequested { origin, request: *head, number: number.into(), reserved: [0; 6] };
        Ok(write(Event::RefundRequested(&event), out))
    }

    pub(super) fn decide_settle_refund(
        &self,
        origin: Origin,
        head: &SettleRefund,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        let Some(outcome) = RefundOutcome::from_number(head.outcome) else {
            let offset = offset_of!(SettleRefund, outcome) as u32;
            return Err(Rejection::new(RejectCode::InvalidField).about(offset));
        };
        check_zeros(&[head.reserved], offset_of!(SettleRefund, reserved) as u32)?;
        let slot = self.known_order(head.order)?;
        let number = head.refund.get();
        let refunds = self.orders.detail(slot).map_or(&[][..], |detail| &detail.refunds);
        let Some(refund) = number.checked_sub(1).and_then(|place| refunds.get(usize::from(place))) else {
            return Err(self.refuse(slot, RejectCode::UnknownRefund).about(number.into()));
        };
        self.order_for(head.order, head.expected_version.get(), Action::Refund, 0)?;
        let action = match outcome {
            RefundOutcome::Succeeded => Action::Succeed,
            RefundOutcome::Failed => Action::Fail,
        };
        self.check_part(slot, Entity::Refund, refund.state() as u8, action)?;
        let amount = if outcome == RefundOutcome::Succeeded { refund.amount } else { 0 };
        let before = self.money(slot);
        let after = Money { refunded: before.refunded + amount, ..before };
        let event = RefundSettled {
            origin,
            settlement: *head,
            amount: Amount::new(amount),
            commission_reversal: Amount::new(before.commission - after.commission_due()),
        };
        Ok(write(Event::RefundSettled(&event), out))
    }

    pub(super) fn decide_payout(
        &self,
        origin: Origin,
        head: &RecordPayout,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_zeros(&head.reserved, offset_of!(RecordPayout, reserved) as u32)?;
        check_currency(head.currency)?;
        let amount = check_amount(head.amount)?;
        if self.catalogue.seller(head.seller).is_none() {
            return Err(Rejection::new(RejectCode::UnknownSeller).about(head.seller.get()));
        }
        let Ledger { payable, version, .. } = self.ledgers.get(head.seller, head.currency);
        let refuse = |code| Rejection { version, ..Rejection::new(code) };
        if !expects(head.expected_version.get(), version) {
            return Err(refuse(RejectCode::VersionMismatch));
        }
        let payable = payable.max(0);
        if amount > payable {
            return Err(refuse(RejectCode::AmountTooLarge).with(payable as u64));
        }
        Ok(write(Event::PayoutRecorded(&PayoutRecorded { origin, payout: *head }), out))
    }

    pub(super) fn apply_authorized(&mut self, head: &PaymentAuthorized, holds: &[LateHold]) -> Effect {
        let authorization = &head.authorization;
        let slot = self.group_of(authorization.group);
        let key = TimerKey { kind: ExpiryKind::Payment, id: authorization.group.get(), number: 0 };
        let timer = self.timers.set(head.expires_at_us.get(), key);
        let group = self.groups.get_mut(slot);
        group.version += 1;
        let payment = &mut group.payment;
        *payment = Payment::default();
        payment.number = head.number.get();
        payment.authorized = authorization.amount.minor();
        payment.expires_at_us = head.expires_at_us.get();
        payment.reference = authorization.reference.get();
        payment.happened_at_us = authorization.happened_at_us.get();
        payment.timer = PaymentTimer(timer);
        payment.set_state(PaymentState::Authorized);
        self.put_late_holds(holds);
        self.group_effect(slot, head.number.get().into())
    }

    fn put_late_holds(&mut self, holds: &[LateHold]) {
        for late in holds {
            let order = self.order_of(late.order);
            let number = self.put_hold(order, Hold::new(HoldKind::Payment as u8, blocks::ALL, 0, 0));
            let sequence = self.sequence;
            assert_eq!(number, late.number.get(), "event {sequence}: holds are numbered by their places");
        }
    }

    pub(super) fn apply_captured(
        &mut self,
        at_us: i64,
        head: &PaymentCaptured,
        shares: &[CapturedShare],
        holds: &[LateHold],
    ) -> Effect {
        let slot = self.group_of(head.capture.group);
        for share in shares {
            let order = self.order_of(share.order);
            let (amount, commission) = (share.amount.minor(), share.commission.minor());
            let commission_bp = self.commission_bp(order);
            let money = &mut self.orders.detail_mut(order).money;
            money.commission_bp = commission_bp;
            money.captured += amount;
            money.commission += commission;
            self.book(order, [(EntryKind::Sale, amount), (EntryKind::Commission, commission)]);
            // Its hold counts as the change of an order that has expired.
            if !self.is_expired(order) {
                self.count_change(order);
            }
        }
        self.put_late_holds(holds);
        let group = self.groups.get_mut(slot);
        group.version += 1;
        let payment = &mut group.payment;
        payment.captured += head.capture.amount.minor();
        payment.happened_at_us = head.capture.happened_at_us.get();
        payment.set_state(payment_state_in(head.state));
        let captured = payment.captured;
        if payment.state() == PaymentState::Captured {
            self.promise_ended(at_us, slot);
        }
        self.group_effect(slot, captured as u64)
    }

    /// Makes entries about an order's money in its seller's ledger.
    fn book(&mut self, slot: OrderSlot, entries: [(EntryKind, i64); 2]) {
        let head = self.orders.head(slot);
        let is_open = head.state().is_open();
        let ledger = self.ledgers.get_mut(head.seller, head.currency);
        for (entry, amount) in entries {
            ledger.book(entry, amount, is_open);
        }
    }

    /// An order has finished: what its seller has of it is payable from here on.
    pub(super) fn order_money_payable(&mut self, slot: OrderSlot) {
        let net = self.money(slot).of_seller();
        if net != 0 {
            let head = self.orders.head(slot);
            self.ledgers.get_mut(head.seller, head.currency).finish(net);
        }
    }

    /// Nothing of a payment can be captured or lapse any more: it keeps none of its group's orders in memory.
    fn promise_ended(&mut self, at_us: i64, slot: GroupSlot) {
        let group = self.groups.get_mut(slot);
        group.payment.expires_at_us = 0;
        let timer = std::mem::take(&mut group.payment.timer.0);
        let orders = group.orders.clone();
        self.timers.cancel(timer);
        for order in orders {
            if let Some(slot) = self.orders.find(OrderId::new(order)) {
                self.something_ended(at_us, slot);
            }
        }
    }

    pub(super) fn apply_voided(&mut self, at_us: i64, head: &PaymentVoided) -> Effect {
        let slot = self.group_of(head.end.group);
        self.lapse_payment(at_us, slot, Action::Void, head.end.happened_at_us.get());
        self.group_effect(slot, head.amount.minor() as u64)
    }

    /// What a group's payment promised and has not taken lapses, by a void or by expiry: what it took stays. Counts as a
    /// change of the group.
    pub(super) fn lapse_payment(&mut self, at_us: i64, slot: GroupSlot, action: Action, happened_at_us: i64) {
        let group = self.groups.get_mut(slot);
        group.version += 1;
        let payment = &mut group.payment;
        payment.set_state(lapsed(payment, action));
        payment.authorized = payment.captured;
        payment.happened_at_us = happened_at_us;
        self.promise_ended(at_us, slot);
    }

    pub(super) fn apply_failed(&mut self, head: &PaymentFailed) -> Effect {
        let slot = self.group_of(head.end.group);
        let group = self.groups.get_mut(slot);
        group.version += 1;
        let payment = &mut group.payment;
        // A failure is an attempt: the next one is another payment.
        payment.number = payment.number.max(1);
        payment.reference = head.end.reference.get();
        payment.happened_at_us = head.end.happened_at_us.get();
        payment.set_state(PaymentState::Failed);
        self.group_effect(slot, 0)
    }

    pub(super) fn apply_refund_requested(&mut self, head: &RefundRequested) -> Effect {
        let slot = self.order_of(head.request.order);
        let amount = head.request.amount.minor();
        let detail = self.orders.detail_mut(slot);
        let (reason, happened_at_us) = (head.request.reason.get(), head.request.happened_at_us.get());
        detail.refunds.push(Refund::new(amount, reason, happened_at_us));
        let is_placed = detail.refunds.len() == usize::from(head.number.get());
        assert!(is_placed, "event {}: refunds are numbered by their places", self.sequence);
        detail.money.refunds_pending += amount;
        let state = self.orders.head(slot).state();
        // A refund never finishes an order, so the time does not matter.
        self.move_state(0, slot, Action::Refund, state);
        self.order_effect(slot, head.number.get().into())
    }

    pub(super) fn apply_refund_settled(&mut self, at_us: i64, head: &RefundSettled) -> Effect {
        let settlement = &head.settlement;
        let slot = self.order_of(settlement.order);
        let (amount, reversal) = (head.amount.minor(), head.commission_reversal.minor());
        let detail = self.orders.detail_mut(slot);
        let place = usize::from(settlement.refund.get()).wrapping_sub(1);
        let Some(refund) = detail.refunds.get_mut(place) else {
            panic!("event {} settles refund {}, which is not there", self.sequence, settlement.refund);
        };
        assert_eq!(refund.state(), RefundState::Pending, "event {} settles a refund twice", self.sequence);
        let is_made = settlement.outcome == RefundOutcome::Succeeded as u8;
        refund.set_state(if is_made { RefundState::Succeeded } else { RefundState::Failed });
        refund.happened_at_us = settlement.happened_at_us.get();
        detail.money.refunds_pending -= refund.amount;
        detail.money.refunded += amount;
        detail.money.commission -= reversal;
        let refunded = detail.money.refunded;
        if is_made {
            let group = self.group_of(self.orders.group_of(slot));
            self.groups.get_mut(group).payment.refunded += amount;
            self.book(slot, [(EntryKind::Refund, amount), (EntryKind::Reversal, reversal)]);
        }
        let state = self.orders.head(slot).state();
        self.move_state(at_us, slot, Action::Refund, state);
        self.something_ended(at_us, slot);
        self.order_effect(slot, refunded as u64)
    }

    pub(super) fn apply_payout(&mut self, head: &PayoutRecorded) -> Effect {
        let payout = &head.payout;
        let ledger = self.ledgers.get_mut(payout.seller, payout.currency);
        ledger.book(EntryKind::Payout, payout.amount.minor(), false);
        Effect::entity(ledger.payable as u64, ledger.version, 0)
    }
}

/// Where a payment goes when what it promised and has not taken lapses.
fn lapsed(payment: &Payment, action: Action) -> PaymentState {
    match transitions::targets(Entity::Payment, payment.state() as u8, action) {
        &[to] => payment_state_in(to),
        to => panic!("{action:?} takes a payment that is {:?} to one state, not to {to:?}", payment.state()),
    }
}

/// The payment state with this number.
fn payment_state_in(number: u8) -> PaymentState {
    match PaymentState::from_number(number) {
        Some(state) => state,
        None => panic!("an event names payment state {number}, which there is not"),
    }
}

#[cfg(test)]
mod tests {
    use super::divide;

    /// Every amount over every three orders that lack up to seven.
    #[test]
    fn shares_add_up_and_nobody_gets_more_than_it_lacks() {
        for lacks in (0..512).map(|number| [number / 64, number / 8 % 8, number % 8]) {
            let of_all: i64 = lacks.iter().sum();
            for amount in 1..=of_all {
                let shares = divide(amount, &lacks);
                assert_eq!(shares.iter().sum::<i64>(), amount, "{amount} over {lacks:?}: {shares:?}");
                for (share, lack) in shares.iter().zip(&lacks) {
                    let (least, most) = (amount * lack / of_all, (amount * lack / of_all + 1).min(*lack));
                    assert!((least..=most).contains(share), "{amount} over {lacks:?}: {shares:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_left_over_goes_to_the_first_that_still_lack_one() {
        assert_eq!(divide(10, &[10, 10, 10]), [4, 3, 3]);
        assert_eq!(divide(11, &[10, 10, 10]), [4, 4, 3]);
        assert_eq!(divide(2, &[0, 1, 0, 9]), [0, 1, 0, 1]);
        assert_eq!(divide(1, &[1, 1]), [1, 0]);
        let most = 9_000_000_000_000_000;
        assert_eq!(divide(most, &[most; 500])[499], most / 500);
        assert_eq!(divide(0, &[0, 0]), [0, 0]);
    }
}
