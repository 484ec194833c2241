//! The rules of money, each through the door that the engine uses.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/money.rs"]
mod paying;
mod support;

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::{
    Action, Entity, HoldKind, OrderState, PaymentState, PaymentStatus, RefundState, blocks,
};
use orderline_protocol::reply::LedgerView;
use orderline_protocol::*;
use paying::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::*;

/// Three sellers with a SKU each, sold from one location; commissions of 10 %, 3.33 % and none.
struct Market {
    driver: Driver,
    sellers: Vec<SellerHandle>,
    skus: Vec<SkuHandle>,
}

fn market() -> Market {
    let mut driver = Driver::new(5);
    let near = driver.location("near", 1);
    let (mut sellers, mut skus) = (Vec::new(), Vec::new());
    for (code, commission_bp) in [("acme", 1_000), ("bolt", 333), ("core", 0)] {
        let seller = driver.commission(code, commission_bp);
        let sku = driver.sku(code, seller);
        driver.receive(sku, near, 100_000_000);
        sellers.push(seller);
        skus.push(sku);
    }
    Market { driver, sellers, skus }
}

impl Market {
    /// Places a group with one order for each price, of one unit, from the first seller on.
    fn check_out(&mut self, group: u128, orders: &[(u128, i64)]) {
        let of_seller = |(&(order, _), &seller): (&(u128, i64), &SellerHandle)| GroupOrder {
            order: OrderId::new(order),
            seller,
            line_count: 1.into(),
            reserved: [0; 2],
        };
        let heads: Vec<GroupOrder> = orders.iter().zip(&self.sellers).map(of_seller).collect();
        let lines: Vec<OrderLine> =
            orders.iter().zip(&self.skus).map(|(&(_, price), &sku)| line(sku, 1, price)).collect();
        let head = CheckOut {
            expected_version: 0.into(),
            group: GroupId::new(group),
            reservation: ReservationId::new(0),
            buyer: BuyerId::new(1),
            currency: POUNDS,
            order_count: (heads.len() as u16).into(),
            line_count: (lines.len() as u16).into(),
            region: 0.into(),
            external_id_bytes: 0,
        };
        self.driver.run(&Command::CheckOut(&head, &heads, &lines, "")).unwrap();
    }
}

/// What an accepted payment command answers with: detail, version, state.
fn told(answer: Answer) -> (u64, u32, PaymentState) {
    let answer = answer.unwrap();
    (answer.detail, answer.version, PaymentState::from_number(answer.state).unwrap())
}

/// A ledger's count of entries, then sales, commissions, refunds, reversals, then accrued, payable, paid.
fn sums(ledger: &LedgerView) -> (u64, [i64; 4], [i64; 3]) {
    let (came, went) = (
        [ledger.sales, ledger.commissions, ledger.refunds, ledger.reversals],
        [ledger.accrued, ledger.payable, ledger.paid],
    );
    (ledger.entry_count.get(), came.map(Amount::minor), went.map(Amount::minor))
}

fn illegal(entity: Entity, action: Action) -> (RejectCode, u32) {
    (RejectCode::IllegalTransition, (entity as u32) << 8 | action as u32)
}

#[test]
fn an_order_alone_is_a_group_whose_payment_goes_from_promise_to_payout() {
    let Market { mut driver, sellers, skus } = market();
    driver.place(1, &[line(skus[0], 2, 500)]).unwrap();
    assert_eq!(driver.group(1).0.payment_state, PaymentState::Pending as u8);
    assert_eq!(told(driver.authorize(1, 1_000)), (1, 2, PaymentState::Authorized));
    assert_eq!(driver.order(1).0.payment_status, PaymentStatus::Authorized as u8);
    assert_eq!(told(driver.capture(1, 1, 400)), (400, 3, PaymentState::PartiallyCaptured));
    assert_eq!(told(driver.capture(1, 0, 600)), (1_000, 4, PaymentState::Captured));
    let order = driver.order(1).0;
    assert_eq!(
        (order.captured.minor(), order.commission.minor(), order.refund_owed.minor()),
        (1_000, 100, 0)
    );
    assert_eq!(order.payment_status, PaymentStatus::Paid as u8);
    assert_eq!(sums(&driver.ledger(sellers[0])), (4, [1_000, 100, 0, 0], [900, 0, 0]));
    assert_eq!(driver.pay_out(sellers[0], 1).unwrap_err().detail, 0, "nothing is payable of an open order");
    driver.assert_kept();

    // Its end makes it payable, and is no entry.
    driver.cancel(1, &[]).unwrap();
    assert_eq!(driver.order(1).0.refund_owed.minor(), 1_000);
    assert_eq!(sums(&driver.ledger(sellers[0])), (4, [1_000, 100, 0, 0], [0, 900, 0]));
    let refused = driver.refused(&Command::RecordPayout(&payout(sellers[0], 901)));
    assert_eq!((refused.code, refused.detail), (RejectCode::AmountTooLarge, 900));
    assert_eq!(driver.pay_out(sellers[0], 300).unwrap().detail, 600);
    assert_eq!(sums(&driver.ledger(sellers[0])), (5, [1_000, 100, 0, 0], [0, 600, 300]));

    // Refunded after it was paid out: the seller owes.
    assert_eq!(driver.refund_now(1, 1_000).detail, 1_000);
    assert_eq!(sums(&driver.ledger(sellers[0])), (7, [1_000, 100, 1_000, 100], [0, -300, 300]));
    let refused = driver.refused(&Command::RecordPayout(&payout(sellers[0], 1)));
    assert_eq!((refused.code, refused.detail), (RejectCode::AmountTooLarge, 0));
    assert_eq!(driver.order(1).0.payment_status, PaymentStatus::Refunded as u8);
    driver.assert_kept();
}

#[test]
fn an_authorisation_that_cannot_be_is_refused_by_name() {
    let mut market = market();
    market.check_out(50, &[(51, 1_000), (52, 500)]);
    let driver = &mut market.driver;
    let good = authorization(50, 1_500);
    let mut code = |head: &RecordAuthorization| {
        let refused = driver.refused(&Command::RecordAuthorization(head));
        (refused.code, refused.subject, refused.detail)
    };
    use RejectCode::*;
    let long = RecordAuthorization { seconds: (limits::DURATION_S_MAX + 1).into(), ..good };
    assert_eq!(code(&long), (InvalidField, 44, 0));
    assert_eq!(code(&RecordAuthorization { reserved: [0, 0, 0, 0, 0, 1], ..good }), (InvalidField, 50, 0));
    assert_eq!(code(&RecordAuthorization { amount: Amount::new(0), ..good }), (InvalidAmount, 0, 0));
    assert_eq!(code(&RecordAuthorization { amount: Amount::new(i64::MIN), ..good }), (InvalidAmount, 0, 0));
    assert_eq!(code(&RecordAuthorization { group: GroupId::new(99), ..good }), (UnknownGroup, 0, 0));
    assert_eq!(code(&RecordAuthorization { group: GroupId::new(51), ..good }), (UnknownGroup, 0, 0));
    assert_eq!(code(&RecordAuthorization { expected_version: 2.into(), ..good }), (VersionMismatch, 0, 0));
    assert_eq!(
        code(&RecordAuthorization { currency: CurrencyCode::new(1), ..good }),
        (UnknownCurrency, 0, 1)
    );
    let euros = RecordAuthorization { currency: CurrencyCode::new(978), ..good };
    assert_eq!(code(&euros), (CurrencyMismatch, 0, 826));
    assert_eq!(code(&RecordAuthorization { amount: Amount::new(1_501), ..good }), (AmountTooLarge, 0, 1_500));
    assert_eq!(
        code(&RecordAuthorization { amount: Amount::new(i64::MAX), ..good }),
        (AmountTooLarge, 0, 1_500)
    );

    let exact = RecordAuthorization { expected_version: 1.into(), seconds: 60.into(), ..good };
    let at_us = NOW_US + 1;
    assert_eq!(driver.run_at(at_us, &Command::RecordAuthorization(&exact)).unwrap().version, 2);
    let group = driver.group(50).0;
    assert_eq!(group.expires_at_us.get(), NOW_US + 61_000_000, "rounded up to whole seconds");
    assert_eq!((group.authorized.minor(), group.reference.get(), group.payment.get()), (1_500, 41, 1));
    let refused = driver.refused(&Command::RecordAuthorization(&good));
    assert_eq!((refused.code, refused.subject), illegal(Entity::Payment, Action::Authorize));
    assert_eq!((refused.state, refused.version), (PaymentState::Authorized as u8, 2));
    driver.assert_kept();
}

#[test]
fn a_capture_that_cannot_be_is_refused_by_name() {
    let mut market = market();
    market.check_out(50, &[(51, 1_000), (52, 500)]);
    let driver = &mut market.driver;
    driver.place(1, &[line(market.skus[0], 1, 700)]).unwrap();
    use RejectCode::*;
    let refused = driver.refused(&Command::RecordCapture(&capture(50, 0, 1)));
    assert_eq!((refused.code, refused.subject), illegal(Entity::Payment, Action::Capture));
    assert_eq!((refused.state, refused.version), (PaymentState::Pending as u8, 1));
    driver.authorize(50, 1_200).unwrap();
    let mut code = |head: &RecordCapture| {
        let refused = driver.refused(&Command::RecordCapture(head));
        (refused.code, refused.detail)
    };
    assert_eq!(code(&RecordCapture { reserved: [1, 0, 0, 0], ..capture(50, 0, 1) }), (InvalidField, 0));
    assert_eq!(code(&capture(50, 0, 0)), (InvalidAmount, 0));
    assert_eq!(code(&capture(49, 0, 1)), (UnknownGroup, 0));
    assert_eq!(code(&capture(50, 99, 1)), (UnknownOrder, 0));
    assert_eq!(code(&capture(50, 1, 1)), (NotInGroup, 0));
    let stale = RecordCapture { expected_version: 1.into(), ..capture(50, 0, 1) };
    assert_eq!(code(&stale), (VersionMismatch, 0));
    assert_eq!(code(&capture(50, 0, 1_201)), (AmountTooLarge, 1_200), "authorised");
    assert_eq!(code(&capture(50, 51, 1_001)), (AmountTooLarge, 1_000), "lacking of the order");
    assert_eq!(code(&capture(50, 52, i64::MAX)), (AmountTooLarge, 1_200));
    driver.capture(50, 51, 1_000).unwrap();
    let refused = driver.refused(&Command::RecordCapture(&capture(50, 51, 1)));
    assert_eq!((refused.code, refused.detail), (AmountTooLarge, 0));
    // A part of the promise has no order left that lacks it.
    driver.cancel(52, &[]).unwrap();
    let refused = driver.refused(&Command::RecordCapture(&capture(50, 0, 1)));
    assert_eq!((refused.code, refused.detail), (AmountTooLarge, 0));
    driver.assert_kept();
}

#[test]
fn a_capture_over_all_orders_is_divided_by_what_each_lacks() {
    let mut market = market();
    market.check_out(50, &[(51, 10), (52, 10), (53, 10)]);
    let driver = &mut market.driver;
    driver.authorize(50, 30).unwrap();
    assert_eq!(told(driver.capture(50, 0, 11)), (11, 3, PaymentState::PartiallyCaptured));
    assert_eq!(driver.shares(50), [4, 4, 3]);
    assert_eq!([51, 52, 53].map(|order| driver.order(order).0.captured.minor()), [4, 4, 3]);
    // Refunds aside: what went back is not captured again.
    driver.refund_now(51, 4);
    driver.capture(50, 52, 5).unwrap();
    assert_eq!(driver.capture(50, 0, 3).unwrap().detail, 19);
    assert_eq!(
        driver.shares(50),
        [6, 9, 4],
        "6, 1 and 7 lacked: 18/14, 3/14 and 21/14, one left over to the first"
    );
    assert_eq!(told(driver.capture(50, 0, 11)), (30, 6, PaymentState::Captured));
    assert_eq!(driver.shares(50), [10, 10, 10]);
    driver.assert_kept();
}

#[test]
fn an_order_counts_a_change_for_each_share_and_no_other() {
    let mut market = market();
    market.check_out(50, &[(51, 9), (52, 1)]);
    let driver = &mut market.driver;
    driver.authorize(50, 10).unwrap();
    let version = |driver: &Driver, order: u128| {
        let head =
            ConfirmOrder { order: OrderId::new(order), expected_version: 999.into(), reserved: [0; 4] };
        let mut bytes = Vec::new();
        Command::ConfirmOrder(&head).write(1_000, &mut bytes);
        let raw = RawCommand::take(&mut &bytes[..]).unwrap();
        let parsed = orderline_core::state::Parsed::new(raw);
        let mut out = Vec::new();
        match driver.state.decide(driver.session, NOW_US, &parsed, &mut Default::default(), &mut out) {
            orderline_core::Decision::Rejected(rejection) => rejection.version,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((version(driver, 51), version(driver, 52)), (1, 1), "an authorisation is the group's");
    driver.capture(50, 0, 1).unwrap();
    assert_eq!(driver.shares(50), [1, 0]);
    assert_eq!((version(driver, 51), version(driver, 52)), (2, 1));
    driver.refund_now(51, 1);
    assert_eq!((version(driver, 51), version(driver, 52)), (4, 1));
    assert_eq!(told(driver.capture(50, 52, 1)).1, 4, "refunds are none of the group's changes");
    driver.assert_kept();
}

#[test]
fn a_hold_on_captures_stops_what_would_give_its_order_a_share() {
    let mut market = market();
    market.check_out(50, &[(51, 100), (52, 100), (53, 100)]);
    let driver = &mut market.driver;
    driver.authorize(50, 300).unwrap();
    driver.hold(52, blocks::ALL & !blocks::CAPTURE);
    driver.capture(50, 0, 30).unwrap();
    let hold = driver.hold(52, blocks::CAPTURE);
    assert_eq!(hold, 2);
    for stopped in [capture(50, 0, 30), capture(50, 52, 1), capture(50, 52, 9_999)] {
        let refused = driver.refused(&Command::RecordCapture(&stopped));
        assert_eq!((refused.code, refused.subject, refused.detail), (RejectCode::OnHold, 2, 4));
        assert_eq!((refused.state, refused.version), (PaymentState::PartiallyCaptured as u8, 3));
    }
    // The first order alone would get this one, and its own capture is its own.
    driver.capture(50, 0, 1).unwrap();
    driver.capture(50, 53, 90).unwrap();
    assert_eq!(driver.shares(50), [11, 10, 100]);
    let release =
        ReleaseHold { order: OrderId::new(52), expected_version: 0.into(), hold: 2.into(), reason: 0.into() };
    driver.run(&Command::ReleaseHold(&release)).unwrap();
    driver.capture(50, 52, 90).unwrap();
    driver.assert_kept();
}

#[test]
fn commission_is_rounded_over_all_captures_and_refunds_and_a_full_refund_gives_it_all_back() {
    let mut market = market();
    market.check_out(50, &[(51, 1_000), (52, 1_000), (53, 1_000)]);
    let (sellers, driver) = (market.sellers.clone(), &mut market.driver);
    driver.authorize(50, 3_000).unwrap();
    // 3.33 %: 29 are 0.9657, 31 are 1.0323, 1,000 are 33.3.
    let commission = |driver: &Driver| driver.order(52).0.commission.minor();
    driver.capture(50, 52, 29).unwrap();
    assert_eq!(
        (commission(driver), driver.ledger(sellers[1]).entry_count.get()),
        (0, 1),
        "no entry of nothing"
    );
    driver.capture(50, 52, 2).unwrap();
    assert_eq!((commission(driver), driver.ledger(sellers[1]).entry_count.get()), (1, 3));
    // The rate is that of the first capture.
    driver.commission("bolt", 9_000);
    driver.capture(50, 52, 969).unwrap();
    assert_eq!(commission(driver), 33);
    driver.refund_now(52, 9);
    assert_eq!(commission(driver), 33, "991 are 33.0003");
    driver.refund_now(52, 1);
    assert_eq!(commission(driver), 32, "990 are 32.967");
    driver.assert_kept();
    driver.refund_now(52, 990);
    assert_eq!(commission(driver), 0);
    assert_eq!(sums(&driver.ledger(sellers[1])), (10, [1_000, 33, 1_000, 33], [0, 0, 0]));
    // No commission at all, and one whose rate is the new one.
    driver.capture(50, 53, 1_000).unwrap();
    driver.refund_now(53, 400);
    assert_eq!(sums(&driver.ledger(sellers[2])), (2, [1_000, 0, 400, 0], [600, 0, 0]));
    driver.assert_kept();
}

#[test]
fn refunds_never_exceed_what_was_captured_while_they_are_under_way_or_made() {
    let Market { mut driver, skus, sellers } = market();
    driver.place(1, &[line(skus[0], 1, 1_000)]).unwrap();
    use RejectCode::*;
    let refused = driver.refused(&Command::RequestRefund(&refund(1, 1)));
    assert_eq!((refused.code, refused.detail), (AmountTooLarge, 0));
    driver.authorize(1, 1_000).unwrap();
    driver.capture(1, 1, 800).unwrap();
    assert_eq!(driver.refund(1, 500).unwrap().detail, 1);
    assert_eq!(driver.ledger(sellers[0]).refunds.minor(), 0, "asked for is not made");
    let refused = driver.refused(&Command::RequestRefund(&refund(1, 301)));
    assert_eq!((refused.code, refused.detail), (AmountTooLarge, 300));
    assert_eq!(driver.refund(1, 300).unwrap().detail, 2);
    let mut code = |head: &SettleRefund| {
        let refused = driver.refused(&Command::SettleRefund(head));
        (refused.code, refused.subject)
    };
    let good = settlement(1, 1, RefundOutcome::Failed);
    assert_eq!(code(&SettleRefund { outcome: 3, ..good }), (InvalidField, 38));
    assert_eq!(code(&SettleRefund { reserved: 1, ..good }), (InvalidField, 39));
    assert_eq!(code(&SettleRefund { order: OrderId::new(2), ..good }), (UnknownOrder, 0));
    assert_eq!(code(&SettleRefund { expected_version: 1.into(), ..good }), (VersionMismatch, 0));
    assert_eq!(code(&SettleRefund { refund: 0.into(), ..good }), (UnknownRefund, 0));
    assert_eq!(code(&SettleRefund { refund: 3.into(), ..good }), (UnknownRefund, 3));
    assert_eq!(driver.settle(1, 1, RefundOutcome::Failed).unwrap().detail, 0);
    let refused = driver.refused(&Command::SettleRefund(&settlement(1, 1, RefundOutcome::Succeeded)));
    assert_eq!((refused.code, refused.subject), illegal(Entity::Refund, Action::Succeed));
    assert_eq!(refused.state, RefundState::Failed as u8);
    // What failed can be asked for again.
    assert_eq!(driver.settle(1, 2, RefundOutcome::Succeeded).unwrap().detail, 300);
    assert_eq!(driver.refund_now(1, 500).detail, 800);
    let states: Vec<u8> = driver.parts(1).0.iter().map(|refund| refund.state).collect();
    assert_eq!(states, [3, 2, 2]);
    assert_eq!(driver.parts(1).0[0].reason.get(), 8);
    let mut code = |head: &RequestRefund| driver.refused(&Command::RequestRefund(head)).code;
    assert_eq!(code(&RequestRefund { reserved: [0, 1], ..refund(1, 1) }), InvalidField);
    assert_eq!(code(&refund(1, -1)), InvalidAmount);
    assert_eq!(code(&refund(9, 1)), UnknownOrder);
    driver.hold(1, blocks::REFUND);
    let refused = driver.refused(&Command::RequestRefund(&refund(1, 1)));
    assert_eq!((refused.code, refused.subject, refused.state), (OnHold, 1, OrderState::Pending as u8));
    driver.assert_kept();
}

#[test]
fn an_order_has_so_many_refunds() {
    let Market { mut driver, skus, .. } = market();
    driver.place(1, &[line(skus[0], 1, 5_000)]).unwrap();
    driver.authorize(1, 5_000).unwrap();
    driver.capture(1, 0, 5_000).unwrap();
    for number in 1..=limits::ORDER_PARTS_MAX as u64 {
        assert_eq!(driver.refund(1, 1).unwrap().detail, number);
    }
    let refused = driver.refused(&Command::RequestRefund(&refund(1, 1)));
    assert_eq!((refused.code, refused.detail), (RejectCode::TooManyParts, 1_000));
    driver.assert_kept();
}

#[test]
fn a_payment_that_came_to_nothing_is_followed_by_another() {
    let Market { mut driver, skus, .. } = market();
    driver.place(1, &[line(skus[0], 1, 1_000)]).unwrap();
    assert_eq!(told(driver.fail(1)), (0, 2, PaymentState::Failed));
    assert_eq!((driver.group(1).0.payment.get(), driver.group(1).0.reference.get()), (1, 43));
    let refused = driver.refused(&Command::RecordFailure(&ending(1)));
    assert_eq!((refused.code, refused.subject), illegal(Entity::Payment, Action::Fail));
    let refused = driver.refused(&Command::RecordVoid(&ending(1)));
    assert_eq!((refused.code, refused.subject), illegal(Entity::Payment, Action::Void));
    assert_eq!(told(driver.authorize(1, 900)), (2, 3, PaymentState::Authorized));
    let stale = EndPayment { expected_version: 2.into(), ..ending(1) };
    assert_eq!(driver.refused(&Command::RecordVoid(&stale)).code, RejectCode::VersionMismatch);
    let strange = EndPayment { reserved: [9, 0], ..ending(1) };
    assert_eq!(driver.refused(&Command::RecordVoid(&strange)).subject, 38);
    assert_eq!(driver.refused(&Command::RecordFailure(&strange)).subject, 38);
    assert_eq!(driver.refused(&Command::RecordVoid(&ending(2))).code, RejectCode::UnknownGroup);
    assert_eq!(driver.refused(&Command::RecordFailure(&ending(2))).code, RejectCode::UnknownGroup);
    assert_eq!(told(driver.void(1)), (900, 4, PaymentState::Voided));
    assert_eq!(driver.group(1).0.authorized.minor(), 0);
    assert_eq!(told(driver.authorize(1, 1_000)), (3, 5, PaymentState::Authorized));
    driver.capture(1, 1, 250).unwrap();
    // A part was taken, the rest is given back: the payment is over, and has what it has.
    assert_eq!(told(driver.void(1)), (750, 7, PaymentState::Captured));
    let group = driver.group(1).0;
    assert_eq!((group.authorized.minor(), group.captured.minor()), (250, 250));
    for (command, action) in [
        (Command::RecordAuthorization(&authorization(1, 1)), Action::Authorize),
        (Command::RecordCapture(&capture(1, 1, 1)), Action::Capture),
        (Command::RecordVoid(&ending(1)), Action::Void),
    ] {
        let refused = driver.refused(&command);
        assert_eq!((refused.code, refused.subject), illegal(Entity::Payment, action));
        assert_eq!(refused.state, PaymentState::Captured as u8);
    }
    assert_eq!(driver.order(1).0.payment_status, PaymentStatus::PartiallyPaid as u8);
    driver.assert_kept();
}

#[test]
fn money_that_comes_for_orders_that_have_expired_is_held() {
    let mut market = market();
    let policy = SetPolicy {
        pending_order_s: 60.into(),
        retention_s: 86_400.into(),
        reservation_s_max: 60.into(),
        expected_version: 0.into(),
    };
    market.driver.run(&Command::SetPolicy(&policy)).unwrap();
    market.check_out(50, &[(51, 1_000), (52, 500)]);
    market.check_out(60, &[(61, 1_000), (62, 500)]);
    let driver = &mut market.driver;
    driver.place(70, &[line(market.skus[0], 3, 100)]).unwrap();
    driver.cancel(70, &[units(0, 1)]).unwrap();
    driver.confirm(61).unwrap();
    driver.pass_time(NOW_US + 100_000_000);
    assert_eq!(driver.group(60).0.total.minor(), 1_000);
    assert_eq!(driver.group(50).0.total.minor(), 0);
    // One order still costs something, and that is all that can be promised.
    let refused = driver.refused(&Command::RecordAuthorization(&authorization(60, 1_001)));
    assert_eq!((refused.code, refused.detail), (RejectCode::AmountTooLarge, 1_000));
    driver.authorize(60, 1_000).unwrap();
    assert_eq!((driver.order(61).0.blocked, driver.order(62).0.blocked), (0, blocks::ALL));
    driver.capture(60, 0, 1_000).unwrap();
    assert_eq!(driver.shares(60), [1_000, 0]);
    // All have expired: what they cost before can be promised, and somebody must decide.
    let refused = driver.refused(&Command::RecordAuthorization(&authorization(50, 1_501)));
    assert_eq!((refused.code, refused.detail), (RejectCode::AmountTooLarge, 1_500));
    assert_eq!(told(driver.authorize(50, 1_500)), (1, 2, PaymentState::Authorized));
    for order in [51, 52] {
        let holds = driver.parts(order).1;
        let hold = holds.iter().map(|hold| (hold.kind, hold.blocks, hold.expires_at_us.get()));
        assert_eq!(hold.collect::<Vec<_>>(), [(HoldKind::Payment as u8, blocks::ALL, 0)]);
    }
    let refused = driver.refused(&Command::RecordCapture(&capture(50, 51, 1)));
    assert_eq!((refused.code, refused.subject), (RejectCode::OnHold, 1));
    let refused = driver.refused(&Command::RecordCapture(&capture(50, 0, 1)));
    assert_eq!((refused.code, refused.subject), (RejectCode::OnHold, 1));
    let refused = driver.refused(&Command::RecordAuthorization(&authorization(70, 201)));
    assert_eq!(
        (refused.code, refused.detail),
        (RejectCode::AmountTooLarge, 200),
        "what was cancelled before is not"
    );
    // Given back and promised again: another payment, another hold.
    driver.void(50).unwrap();
    driver.authorize(50, 1).unwrap();
    assert_eq!(driver.parts(51).1.len(), 2);
    driver.assert_kept();
}

#[test]
fn money_promised_before_an_expiry_and_taken_after_it_is_recorded_and_held() {
    let mut market = market();
    let policy = SetPolicy {
        pending_order_s: 60.into(),
        retention_s: 86_400.into(),
        reservation_s_max: 60.into(),
        expected_version: 0.into(),
    };
    market.driver.run(&Command::SetPolicy(&policy)).unwrap();
    market.check_out(50, &[(51, 1_000), (52, 500), (53, 500)]);
    let driver = &mut market.driver;
    driver.place(70, &[line(market.skus[0], 3, 100)]).unwrap();
    driver.cancel(70, &[units(0, 1)]).unwrap();
    driver.authorize(50, 2_000).unwrap();
    driver.authorize(70, 200).unwrap();
    driver.confirm(51).unwrap();
    driver.capture(50, 53, 100).unwrap();
    driver.pass_time(NOW_US + 100_000_000);

    // Within what was promised, and no more than it cost before.
    let refused = driver.refused(&Command::RecordCapture(&capture(70, 70, 201)));
    assert_eq!((refused.code, refused.detail), (RejectCode::AmountTooLarge, 200));
    driver.capture(70, 70, 150).unwrap();
    let (order, ..) = driver.order(70);
    let money = (order.captured.minor(), order.total.minor(), order.refund_owed.minor());
    assert_eq!((money, order.blocked), ((150, 0, 150), blocks::ALL));
    let hold = driver.parts(70).1[0];
    assert_eq!((hold.kind, hold.blocks, hold.expires_at_us.get()), (HoldKind::Payment as u8, blocks::ALL, 0));
    let refused = driver.refused(&Command::RecordCapture(&capture(70, 70, 1)));
    assert_eq!((refused.code, refused.subject), (RejectCode::OnHold, 1), "somebody must decide");
    // It costs nothing, so all of it is owed back, and can go back once the hold is released.
    let release =
        ReleaseHold { order: OrderId::new(70), expected_version: 0.into(), hold: 1.into(), reason: 0.into() };
    let released = driver.run(&Command::ReleaseHold(&release)).unwrap();
    assert_eq!(released.state, OrderState::Expired as u8);
    assert_eq!(released.version, 5, "cancelled, expired, captured and held in one change, released");
    driver.refund_now(70, 150);
    let (order, ..) = driver.order(70);
    assert_eq!((order.refunded.minor(), order.refund_owed.minor()), (150, 0));
    assert_eq!(order.payment_status, PaymentStatus::Refunded as u8);

    // What stands gets its money first; what it does not lack was taken for those that have expired.
    driver.capture(50, 0, 1_000).unwrap();
    assert_eq!((driver.shares(50), driver.order(52).0.blocked), (vec![1_000, 0, 100], 0));
    driver.capture(50, 0, 90).unwrap();
    assert_eq!(driver.shares(50), [1_000, 50, 140], "500 and 400 lacked");
    assert_eq!([51, 52, 53].map(|order| driver.order(order).0.blocked), [0, blocks::ALL, blocks::ALL]);
    // They are in memory until somebody has decided, and retention runs from then.
    driver.pass_time(NOW_US + 500_000_000_000);
    assert_eq!(driver.parts(52).1.len(), 1);
    driver.assert_kept();
}

#[test]
fn a_payout_that_cannot_be_is_refused_by_name() {
    let Market { mut driver, sellers, .. } = market();
    use RejectCode::*;
    let mut code = |head: &RecordPayout| {
        let refused = driver.refused(&Command::RecordPayout(head));
        (refused.code, refused.subject)
    };
    let good = payout(sellers[0], 1);
    assert_eq!(code(&RecordPayout { reserved: [0, 1, 0, 0, 0, 0], ..good }), (InvalidField, 34));
    assert_eq!(code(&RecordPayout { currency: CurrencyCode::NONE, ..good }), (UnknownCurrency, 0));
    assert_eq!(code(&RecordPayout { amount: Amount::new(0), ..good }), (InvalidAmount, 0));
    assert_eq!(code(&RecordPayout { seller: SellerHandle::new(9), ..good }), (UnknownSeller, 9));
    assert_eq!(code(&good), (AmountTooLarge, 0));
}

#[test]
fn a_ledger_is_full_before_it_runs_over() {
    let Market { mut driver, sellers, skus } = market();
    let price = limits::UNIT_PRICE_MINOR_MAX;
    let most = limits::ORDER_TOTAL_MINOR_MAX;
    let mut order = 0;
    let left = loop {
        order += 1;
        driver.place(order, &[line(skus[0], 900, price)]).unwrap();
        driver.authorize(order, most).unwrap();
        match driver.capture(order, 0, most) {
            Ok(_) => {}
            Err(refused) => {
                assert_eq!(refused.code, RejectCode::AmountTooLarge);
                break refused.detail as i64;
            }
        }
    };
    assert_eq!(left, i64::MAX - (order as i64 - 1) * most);
    driver.capture(order, order, left).unwrap();
    assert_eq!(driver.ledger(sellers[0]).sales.minor(), i64::MAX);
    driver.assert_sound();
}

/// Groups of up to three orders, and money that goes to and fro.
#[test]
fn whatever_is_captured_and_refunded_adds_up() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut market = market();
    for group in 1..=12_u128 {
        let count = random.random_range(1..=3);
        let orders: Vec<(u128, i64)> =
            (1..=count).map(|of| (group * 1_000 + of, random.random_range(1..=60))).collect();
        market.check_out(group, &orders);
    }
    for _ in 0..1_500 {
        let driver = &mut market.driver;
        let group = random.random_range(1..=12_u128);
        let (head, orders) = driver.group(group);
        let order = group * 1_000 + random.random_range(1..=3);
        let amount = random.random_range(1..=40);
        let lacks: Vec<i64> =
            orders.iter().map(|order| (order.total.minor() - order.captured.minor()).max(0)).collect();
        match random.random_range(0..16) {
            0..4 => drop(driver.authorize(group, amount.min(head.total.minor()))),
            4 => drop(driver.void(group)),
            5 => drop(driver.cancel(order, &[])),
            6..10 if driver.capture(group, 0, amount).is_ok() => {
                let got: Vec<i64> = driver
                    .shares(group)
                    .iter()
                    .zip(&orders)
                    .map(|(now, was)| now - was.captured.minor())
                    .collect();
                let all: i64 = lacks.iter().sum();
                assert_eq!(got.iter().sum::<i64>(), amount, "seed {seed}: {got:?} of {lacks:?}");
                for (got, lack) in got.iter().zip(&lacks) {
                    let share = amount * lack / all;
                    assert!(
                        (share..=(share + 1).min(*lack)).contains(got),
                        "seed {seed}: {amount} of {lacks:?}"
                    );
                }
            }
            10 | 11 => drop(driver.capture(group, order, amount)),
            12 | 13 => drop(driver.refund(order, amount)),
            14 => drop(driver.settle(order, random.random_range(1..=4), RefundOutcome::Succeeded)),
            15 => drop(driver.settle(order, random.random_range(1..=4), RefundOutcome::Failed)),
            _ => {}
        }
        let broken = driver.state.check();
        assert!(broken.is_empty(), "seed {seed}: {broken:?}");
    }
    let captured: i64 = (1..=12).map(|group| market.driver.group(group).0.captured.minor()).sum();
    assert!(captured > 0, "seed {seed} captured nothing");
    market.driver.assert_kept();
}
