//! What time does by itself: reservations and pending orders expire, and what has finished leaves memory.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/carts.rs"]
mod carts;
mod support;

use carts::*;
use orderline_core::state::Due;
use orderline_core::{Scratch, State};
use orderline_protocol::command::*;
use orderline_protocol::event::{EVENT_VERSION, Event, EventKind, ExpiryKind, RetiredKind};
use orderline_protocol::lifecycle::{
    Disposition, HoldKind, OrderState, PaymentState, ReservationState, blocks,
};
use orderline_protocol::limits::DUE_ENTRIES_MAX;
use orderline_protocol::*;
use support::*;

/// A time, as many seconds after the tests' own.
fn at(seconds: i64) -> i64 {
    NOW_US + seconds * SECOND_US
}

/// What a tick names: its kind, its id, and a hold's number.
type Named = (ExpiryKind, u128, u16);

/// The ticks, each with its time.
fn ticks(driver: &Driver) -> Vec<(i64, Vec<Named>)> {
    let of_kind = driver.events.iter().filter(|event| event.1 == EventKind::TimePassed as u16);
    let read = |(_, kind, bytes): &(i64, u16, Vec<u8>)| match Event::read(*kind, EVENT_VERSION, bytes) {
        Ok(Event::TimePassed(head, expiries)) => {
            let one = |expiry: &orderline_protocol::event::Expiry| {
                (ExpiryKind::from_number(expiry.kind).unwrap(), expiry.id.get(), expiry.number.get())
            };
            (head.now_us.get(), expiries.iter().map(one).collect())
        }
        other => panic!("{other:?}"),
    };
    of_kind.map(read).collect()
}

/// What left memory: kinds and ids, and how many were examined, event by event.
fn retirements(driver: &Driver) -> Vec<(u16, Vec<(RetiredKind, u128)>)> {
    let of_kind = driver.events.iter().filter(|event| event.1 == EventKind::FinishedRetired as u16);
    let read = |(_, kind, bytes): &(i64, u16, Vec<u8>)| match Event::read(*kind, EVENT_VERSION, bytes) {
        Ok(Event::FinishedRetired(head, retired)) => {
            let one = |entry: &orderline_protocol::event::Retired| {
                (RetiredKind::from_number(entry.kind).unwrap(), entry.id.get())
            };
            (head.examined_count.get(), retired.iter().map(one).collect())
        }
        other => panic!("{other:?}"),
    };
    of_kind.map(read).collect()
}

/// Looks for what is due: nothing must be.
#[track_caller]
fn assert_nothing_due(state: &mut State, now_us: i64) {
    let mut out = Vec::new();
    assert_eq!(state.decide_due(now_us, &mut Scratch::default(), &mut out), Due::Nothing);
    assert!(out.is_empty());
}

#[test]
fn a_reservation_ends_with_its_second_and_not_before() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 2);
    driver.reserve(id(1), &[wanted(shirts, 2)]).unwrap();
    assert_nothing_due(&mut driver.state, at(3_600) - 1);
    driver.pass_time(at(3_600));
    assert_eq!(ticks(&driver), [(at(3_600), vec![(ExpiryKind::Reservation, id(1), 0)])]);
    assert_eq!(driver.stands(shirts, near), (2, 0));
    let (view, state) = driver.reservation(id(1));
    assert_eq!((state, view.line_count.get()), (ReservationState::Expired, 0));
    assert_nothing_due(&mut driver.state, at(3_600));
    driver.assert_sound_and_replayed();
    // It cannot be held again.
    let head = ExtendReservation {
        reservation: ReservationId::new(id(1)),
        expected_version: 0.into(),
        seconds: 10.into(),
    };
    let refused = driver.refused(&Command::ExtendReservation(&head));
    assert_eq!(
        (refused.code, refused.state),
        (RejectCode::IllegalTransition, ReservationState::Expired as u8)
    );
}

#[test]
fn a_pending_order_gives_everything_back_when_its_time_is_over() {
    let Shop { mut driver, bolt, shirts, lamps, near, far, .. } = shop();
    driver.receive(shirts, near, 2);
    driver.receive(shirts, far, 2);
    driver.receive(lamps, far, 5);
    driver.set_policy(&policy(60, 0, 86_400));
    driver.now_us += 999_999;
    driver.place(id(1), &[line(shirts, 3, 10)]).unwrap();
    driver.place(id(2), &[line(shirts, 1, 10)]).unwrap();
    driver.check_out(id(9), 0, &[(id(3), bolt, &[line(lamps, 2, 7)])]).unwrap();
    driver.cancel(id(1), &[units(0, 1)]).unwrap();
    driver.confirm(id(2)).unwrap();
    // From the whole second in which it was placed.
    assert_eq!(driver.state.next_due_us(), Some(at(60)));
    assert_nothing_due(&mut driver.state, at(60) - 1);
    driver.pass_time(at(60));
    assert_eq!(
        ticks(&driver),
        [(at(60), vec![(ExpiryKind::Order, id(1), 0), (ExpiryKind::Order, id(3), 0)])]
    );
    assert_eq!(
        [id(1), id(2), id(3)].map(|order| driver.order_state(order)),
        [OrderState::Expired, OrderState::Confirmed, OrderState::Expired]
    );
    let (order, lines) = driver.order(id(1));
    assert_eq!((order.total.minor(), lines[0].counters.cancelled.get()), (0, 3));
    assert_eq!(driver.order(id(3)).1[0].counters.cancelled.get(), 2);
    assert_eq!(driver.stands(lamps, far), (5, 0));
    let shirts_free = driver.stands(shirts, near).0 + driver.stands(shirts, far).0;
    assert_eq!(shirts_free, 3, "the confirmed order keeps its shirt");
    let refused = driver.refused(&Command::ConfirmOrder(&ConfirmOrder {
        order: OrderId::new(id(3)),
        expected_version: 0.into(),
        reserved: [0; 4],
    }));
    assert_eq!((refused.code, refused.version), (RejectCode::IllegalTransition, 2));
    driver.assert_sound_and_replayed();
}

#[test]
fn a_changed_policy_counts_for_orders_that_wait_already() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 9);
    // Placed while nothing bounded their time; one is confirmed.
    driver.place(id(1), &[line(shirts, 1, 10)]).unwrap();
    driver.place(id(2), &[line(shirts, 1, 10)]).unwrap();
    driver.confirm(id(2)).unwrap();
    assert_eq!(driver.state.next_due_us(), None);
    driver.now_us = at(10);
    driver.place(id(3), &[line(shirts, 1, 10)]).unwrap();
    driver.set_policy(&policy(100, 0, 86_400));
    assert_eq!(driver.state.next_due_us(), Some(at(100)));
    driver.assert_sound_and_replayed();
    // Both are looked at as due, and before that is written the policy gives them longer.
    let mut scratch = Scratch::default();
    let due = driver.state.decide_due(at(110), &mut scratch, &mut Vec::new());
    assert_eq!(due, Due::Event(EventKind::TimePassed));
    driver.set_policy(&policy(200, 0, 86_400));
    driver.pass_time(at(199));
    assert_eq!(ticks(&driver), []);
    driver.pass_time(at(200));
    assert_eq!(ticks(&driver), [(at(200), vec![(ExpiryKind::Order, id(1), 0)])]);
    // Shorter: the other one is due at once. For ever: nobody is.
    driver.set_policy(&policy(0, 0, 86_400));
    assert_eq!(driver.state.next_due_us(), None);
    driver.pass_time(at(10_000));
    assert_eq!(driver.order_state(id(3)), OrderState::Pending);
    driver.set_policy(&policy(1, 0, 86_400));
    driver.pass_time(at(10_000));
    assert_eq!(driver.order_state(id(3)), OrderState::Expired);
    assert_eq!(driver.order_state(id(2)), OrderState::Confirmed);
    driver.assert_sound_and_replayed();
}

#[test]
fn a_tick_lists_by_time_then_kind_then_id() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 99);
    driver.set_policy(&policy(10, 0, 86_400));
    let reserve = |driver: &mut Driver, n: u128, seconds: u32| {
        let head = ReserveCart { seconds: seconds.into(), ..cart(id(n), 1) };
        driver.run(&Command::ReserveCart(&head, &[wanted(shirts, 1)])).unwrap();
    };
    for n in [8, 3, 5] {
        driver.place(id(n), &[line(shirts, 1, 10)]).unwrap();
        reserve(&mut driver, n, 10);
    }
    reserve(&mut driver, 1, 11);
    reserve(&mut driver, 9, 9);
    driver.now_us = at(1);
    driver.place(id(2), &[line(shirts, 1, 10)]).unwrap();
    driver.pass_time(at(20));
    use ExpiryKind::{Order, Reservation};
    let expected = [
        (Reservation, id(9), 0),
        (Reservation, id(3), 0),
        (Reservation, id(5), 0),
        (Reservation, id(8), 0),
        (Order, id(3), 0),
        (Order, id(5), 0),
        (Order, id(8), 0),
        (Reservation, id(1), 0),
        (Order, id(2), 0),
    ];
    assert_eq!(ticks(&driver), [(at(20), expected.to_vec())]);
    assert_eq!(driver.stands(shirts, near), (99, 0));
    driver.assert_sound_and_replayed();
}

#[test]
fn what_is_due_in_crowds_comes_in_events_of_a_bounded_length() {
    let Shop { mut driver, shirts, near, .. } = shop();
    let (orders, carts) = (6_000_u128, 5_000_u128);
    driver.receive(shirts, near, 20_000);
    driver.set_policy(&policy(3_600, 3_600, 86_400));
    for n in 0..orders {
        driver.place(id(n), &[line(shirts, 1, 10)]).unwrap();
        if n % 3 == 0 {
            driver.confirm(id(n)).unwrap();
        }
    }
    for n in 0..carts {
        driver.reserve(id(n), &[wanted(shirts, 1)]).unwrap();
        if n % 5 == 0 {
            driver.release(id(n)).unwrap();
        }
    }
    // Looks come in bounded parts, and a snapshot between them changes nothing.
    let due = driver.state.decide_due(at(3_600), &mut Scratch::default(), &mut Vec::new());
    assert_eq!(due, Due::Searching);
    driver.reopen();
    driver.pass_time(at(3_600));
    let ticks = ticks(&driver);
    let (last, full) = ticks.split_last().unwrap();
    assert!(full.iter().all(|(_, expiries)| expiries.len() == DUE_ENTRIES_MAX));
    assert!((1..=DUE_ENTRIES_MAX).contains(&last.1.len()));
    let expired: Vec<_> = ticks.into_iter().flat_map(|(_, expiries)| expiries).collect();
    let carts_left = (0..carts).filter(|n| n % 5 != 0).map(|n| (ExpiryKind::Reservation, id(n), 0));
    let pending = (0..orders).filter(|n| n % 3 != 0).map(|n| (ExpiryKind::Order, id(n), 0));
    assert!(expired.into_iter().eq(carts_left.chain(pending)), "by kind, then by id");
    assert_eq!(driver.stands(shirts, near), (18_000, 0), "the confirmed ones are committed");
    // What was released an hour ago has left memory already, the rest follows an hour later.
    assert_eq!(driver.state.counts().reservations, 4_000);
    driver.assert_sound_and_replayed();
    driver.pass_time(at(7_200));
    let counts = driver.state.counts();
    assert_eq!((counts.orders_total, counts.reservations), (2_000, 0));
    let retired: usize = retirements(&driver).iter().map(|(_, retired)| retired.len()).sum();
    assert_eq!(retired, 9_000);
    assert!(retirements(&driver).iter().all(|&(examined, _)| usize::from(examined) <= DUE_ENTRIES_MAX));
    driver.assert_sound_and_replayed();
}

#[test]
fn timers_survive_a_snapshot_in_the_middle() {
    let Shop { mut driver, bolt, shirts, lamps, near, .. } = shop();
    driver.receive(shirts, near, 99);
    driver.receive(lamps, near, 99);
    driver.set_policy(&policy(100, 1_000, 86_400));
    driver.reserve(id(1), &[wanted(shirts, 1)]).unwrap();
    driver.reserve(id(2), &[wanted(shirts, 2)]).unwrap();
    driver.extend(id(2), 50).unwrap();
    driver.place(id(3), &[line(shirts, 1, 10)]).unwrap();
    driver.place(id(4), &[line(shirts, 1, 10)]).unwrap();
    driver.confirm(id(4)).unwrap();
    driver.check_out(id(9), 0, &[(id(5), bolt, &[line(lamps, 1, 7)])]).unwrap();
    driver.reopen();
    assert_eq!(driver.state.next_due_us(), Some(at(50)));
    driver.pass_time(at(60));
    driver.reopen();
    driver.release(id(1)).unwrap();
    driver.reopen();
    driver.pass_time(at(100));
    driver.reopen();
    let named: Vec<_> = ticks(&driver).into_iter().flat_map(|(_, expiries)| expiries).collect();
    use ExpiryKind::{Order, Reservation};
    assert_eq!(named, [(Reservation, id(2), 0), (Order, id(3), 0), (Order, id(5), 0)]);
    driver.pass_time(at(1_060));
    assert_eq!(driver.state.counts().reservations, 0);
    driver.reopen();
    driver.pass_time(at(1_100));
    assert_eq!(driver.state.counts().orders_total, 1);
    assert_eq!(driver.state.next_due_us(), None);
    driver.assert_sound_and_replayed();
}

#[test]
fn what_has_finished_leaves_memory_and_is_never_run_again() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 99);
    driver.set_policy(&policy(0, 100, 86_400));
    let order = (placement(id(1), 1), [line(shirts, 1, 10)]);
    let reserve = (cart(id(2), 1), [wanted(shirts, 1)]);
    let placed = driver.run(&Command::PlaceOrder(&order.0, &order.1, "")).unwrap();
    driver.run(&Command::ReserveCart(&reserve.0, &reserve.1)).unwrap();
    driver.now_us += 500_000;
    driver.cancel(id(1), &[]).unwrap();
    driver.release(id(2)).unwrap();
    // Until then each is still known.
    assert_nothing_due(&mut driver.state, at(100) - 1);
    assert_eq!(driver.again_in(2, &Command::PlaceOrder(&order.0, &order.1, "")).unwrap(), placed);
    driver.pass_time(at(100));
    assert_eq!(
        retirements(&driver),
        [(2, vec![(RetiredKind::Order, id(1)), (RetiredKind::Reservation, id(2))])]
    );
    let horizon_ms = NOW_US as u64 / 1_000;
    let query = Command::QueryOrder(&QueryOrder { order: OrderId::new(id(1)) });
    let refused = driver.query(&query).unwrap_err();
    assert_eq!((refused.code, refused.detail), (RejectCode::OrderRetired, horizon_ms));
    let query = Command::QueryReservation(&QueryReservation { reservation: ReservationId::new(id(2)) });
    assert_eq!(driver.query(&query).unwrap_err().code, RejectCode::OrderRetired);
    // In another session nobody can tell any more: refused rather than run again.
    for session in [3, 4] {
        let refused = driver.again_in(session, &Command::PlaceOrder(&order.0, &order.1, "")).unwrap_err();
        assert_eq!((refused.code, refused.detail), (RejectCode::OrderIdTooOld, horizon_ms));
        let refused =
            driver.again_in(session + 10, &Command::ReserveCart(&reserve.0, &reserve.1)).unwrap_err();
        assert_eq!((refused.code, refused.detail), (RejectCode::OrderIdTooOld, horizon_ms));
        driver.reopen();
    }
    // An id made one moment later is as good as ever.
    driver.place(id_at(1, 1), &[line(shirts, 1, 10)]).unwrap();
    driver.reserve(id_at(1, 2), &[wanted(shirts, 1)]).unwrap();
    driver.assert_sound_and_replayed();
}

#[test]
fn ids_without_a_time_are_not_used_again_either() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 9);
    driver.set_policy(&policy(0, 10, 86_400));
    driver.place(7, &[line(shirts, 1, 10)]).unwrap();
    driver.cancel(7, &[]).unwrap();
    driver.pass_time(at(10));
    assert_eq!(driver.state.counts().orders_total, 0);
    let refused = driver.refused(&Command::PlaceOrder(&placement(7, 1), &[line(shirts, 1, 10)], ""));
    assert_eq!(refused.code, RejectCode::OrderIdTooOld);
}

#[test]
fn an_order_that_is_still_here_is_found_however_old_its_id() {
    let Shop { mut driver, acme, shirts, near, .. } = shop();
    driver.receive(shirts, near, 99);
    driver.set_policy(&policy(0, 100, 86_400));
    let (head, lines) = (placement(id(1), 1), [line(shirts, 1, 10)]);
    let first = driver.run(&Command::PlaceOrder(&head, &lines, "")).unwrap();
    driver.place(id_at(50, 2), &lines).unwrap();
    driver.cancel(id_at(50, 2), &[]).unwrap();
    driver.pass_time(at(100));
    assert_eq!(driver.state.counts().orders_total, 1);
    assert_eq!(driver.again_in(2, &Command::PlaceOrder(&head, &lines, "")).unwrap(), first);
    assert_eq!(driver.order_state(id(1)), OrderState::Pending);
    // Beside it, an id of the same time that is not here, alone or in a group.
    let refused = driver.refused(&Command::PlaceOrder(&placement(id(3), 1), &lines, ""));
    assert_eq!(refused.code, RejectCode::OrderIdTooOld);
    let refused = driver.refused_check_out(id_at(60, 9), 0, &[(id(3), acme, &lines)]);
    assert_eq!((refused.code, refused.subject), (RejectCode::OrderIdTooOld, 0));
    let refused = driver.refused_check_out(id(9), 0, &[(id_at(60, 3), acme, &lines)]);
    assert_eq!(refused.code, RejectCode::OrderIdTooOld);
    driver.assert_sound_and_replayed();
}

#[test]
fn a_group_leaves_with_the_last_of_its_orders() {
    let Shop { mut driver, acme, bolt, shirts, lamps, near, .. } = shop();
    driver.receive(shirts, near, 9);
    driver.receive(lamps, near, 9);
    driver.set_policy(&policy(0, 100, 86_400));
    let (s, l) = ([line(shirts, 1, 10)], [line(lamps, 1, 7)]);
    // The group's id was made later than its orders'.
    let group = id_at(30, 9);
    let (orders, lines) = parts_of(&[(id(1), acme, &s), (id(2), bolt, &l)]);
    let head = checkout(group, 0, 2, 2);
    let first = driver.run(&Command::CheckOut(&head, &orders, &lines, "")).unwrap();
    driver.cancel(id(1), &[]).unwrap();
    driver.pass_time(at(100));
    assert_eq!(driver.state.counts().orders_total, 1);
    let (view, orders_left) = driver.group(group);
    assert_eq!((view.total.minor(), orders_left.len()), (7, 1));
    assert_eq!(driver.again_in(2, &Command::CheckOut(&head, &orders, &lines, "")).unwrap(), first);
    driver.reopen();
    driver.cancel(id(2), &[]).unwrap();
    driver.pass_time(at(200));
    let query = Command::QueryGroup(&QueryGroup { group: GroupId::new(group) });
    assert_eq!(driver.query(&query).unwrap_err().code, RejectCode::OrderRetired);
    let refused = driver.again_in(3, &Command::CheckOut(&head, &orders, &lines, "")).unwrap_err();
    assert_eq!(refused.code, RejectCode::OrderIdTooOld);
    // Nor is its id free for another cart, though no order was ever made as late.
    let refused = driver.refused_check_out(group, 0, &[(id_at(40, 1), acme, &s)]);
    assert_eq!(refused.code, RejectCode::OrderIdTooOld);
    driver.assert_sound_and_replayed();
}

#[test]
fn a_longer_retention_counts_for_what_waits_and_zero_is_for_ever() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 9);
    assert_eq!(driver.state.next_due_us(), None);
    driver.place(id(1), &[line(shirts, 1, 10)]).unwrap();
    driver.cancel(id(1), &[]).unwrap();
    assert_eq!(driver.state.next_due_us(), Some(at(2_592_000)), "thirty days at first");
    driver.set_policy(&policy(0, 0, 86_400));
    assert_eq!(driver.state.next_due_us(), None);
    driver.pass_time(at(9_000_000));
    assert_eq!(driver.order_state(id(1)), OrderState::Cancelled);
    driver.set_policy(&policy(0, 9_000_001, 86_400));
    assert_nothing_due(&mut driver.state, at(9_000_001) - 1);
    driver.pass_time(at(9_000_001));
    assert_eq!(driver.state.counts().orders_total, 0);
    driver.assert_sound_and_replayed();
}

/// A promise of money for a group, for so many seconds.
fn authorization(group: u128, amount: i64, seconds: u32) -> RecordAuthorization {
    RecordAuthorization {
        happened_at_us: 0.into(),
        group: GroupId::new(group),
        amount: Amount::new(amount),
        reference: 1.into(),
        expected_version: 0.into(),
        seconds: seconds.into(),
        currency: CurrencyCode::new(826),
        reserved: [0; 6],
    }
}

/// Stops everything of an order for so many seconds, 0: until it is released; returns the hold's number.
fn place_hold(driver: &mut Driver, order: u128, seconds: u32) -> u16 {
    let head = PlaceHold {
        order: OrderId::new(order),
        expected_version: 0.into(),
        seconds: seconds.into(),
        kind: HoldKind::Manual as u8,
        blocks: blocks::ALL,
        reason: 0.into(),
        reserved: [0; 4],
    };
    driver.run(&Command::PlaceHold(&head)).unwrap().detail as u16
}

fn release_hold(driver: &mut Driver, order: u128, hold: u16) {
    let order = OrderId::new(order);
    let head = ReleaseHold { order, expected_version: 0.into(), hold: hold.into(), reason: 0.into() };
    driver.run(&Command::ReleaseHold(&head)).unwrap();
}

#[test]
fn holds_and_promises_of_money_lapse() {
    let Shop { mut driver, acme, bolt, shirts, lamps, near, .. } = shop();
    driver.receive(shirts, near, 9);
    driver.receive(lamps, near, 9);
    driver.set_policy(&policy(100, 1_000, 86_400));
    let (s, l) = ([line(shirts, 1, 1_000)], [line(lamps, 1, 70)]);
    driver.check_out(id(9), 0, &[(id(1), acme, &s), (id(2), bolt, &l)]).unwrap();
    driver.run(&Command::RecordAuthorization(&authorization(id(9), 1_070, 50))).unwrap();
    assert_eq!(place_hold(&mut driver, id(1), 500), 1);
    let group_of = |driver: &Driver| {
        let view = driver.group(id(9)).0;
        (
            PaymentState::from_number(view.payment_state).unwrap(),
            view.authorized.minor(),
            view.expires_at_us.get(),
        )
    };
    assert_eq!(group_of(&driver), (PaymentState::Authorized, 1_070, at(50)));
    driver.reopen();
    driver.pass_time(at(50));
    assert_eq!(group_of(&driver), (PaymentState::Expired, 0, 0));
    // A hold does not keep a pending order from expiring; and it is kept in memory by it.
    driver.confirm(id(2)).unwrap();
    driver.reopen();
    driver.pass_time(at(100));
    assert_eq!(driver.order_state(id(1)), OrderState::Expired);
    // A second promise, of which a part is taken before it lapses.
    driver.run(&Command::RecordAuthorization(&authorization(id(9), 70, 300))).unwrap();
    let capture = RecordCapture {
        happened_at_us: 0.into(),
        group: GroupId::new(id(9)),
        order: OrderId::new(id(2)),
        amount: Amount::new(30),
        reference: 2.into(),
        expected_version: 0.into(),
        reserved: [0; 4],
    };
    driver.run(&Command::RecordCapture(&capture)).unwrap();
    driver.reopen();
    driver.pass_time(at(600));
    assert_eq!(group_of(&driver), (PaymentState::Captured, 30, 0));
    use ExpiryKind::{Hold, Order, Payment};
    let named: Vec<_> = ticks(&driver).into_iter().flat_map(|(_, expiries)| expiries).collect();
    assert_eq!(named, [(Payment, id(9), 0), (Order, id(1), 0), (Payment, id(9), 0), (Hold, id(1), 1)]);
    driver.assert_sound_and_replayed();
    // The money that came late has put a hold on the expired order: it stays for as long as that stands.
    driver.pass_time(at(5_000));
    assert_eq!((driver.state.counts().orders_total, driver.state.next_due_us()), (2, None));
    release_hold(&mut driver, id(1), 2);
    driver.pass_time(at(5_999));
    assert_eq!(driver.state.counts().orders_total, 2);
    driver.reopen();
    driver.pass_time(at(6_000));
    assert_eq!(driver.state.counts().orders_total, 1);
    assert_eq!(driver.group(id(9)).1.len(), 1);
    driver.assert_sound_and_replayed();
}

#[test]
fn a_completed_order_stays_until_its_returns_and_refunds_have_ended() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 9);
    driver.set_policy(&policy(0, 100, 86_400));
    driver.place(id(1), &[line(shirts, 2, 1_000)]).unwrap();
    driver.run(&Command::RecordAuthorization(&authorization(id(1), 2_000, 0))).unwrap();
    let capture = RecordCapture {
        happened_at_us: 0.into(),
        group: GroupId::new(id(1)),
        order: OrderId::new(0),
        amount: Amount::new(2_000),
        reference: 2.into(),
        expected_version: 0.into(),
        reserved: [0; 4],
    };
    driver.run(&Command::RecordCapture(&capture)).unwrap();
    driver.confirm(id(1)).unwrap();
    driver.ship(id(1), &[]).unwrap();
    driver.shipment(id(1), 1, ShipmentStep::Deliver).unwrap();
    assert_eq!(driver.order_state(id(1)), OrderState::Completed);
    assert_eq!(driver.state.next_due_us(), Some(at(100)));
    driver.now_us = at(50);
    let lines = [units(0, 1)];
    driver.run(&Command::RequestReturn(&asking_back(id(1), &lines), &lines)).unwrap();
    let refund = RequestRefund {
        happened_at_us: 0.into(),
        order: OrderId::new(id(1)),
        amount: Amount::new(1_000),
        expected_version: 0.into(),
        reason: 0.into(),
        reserved: [0; 2],
    };
    driver.run(&Command::RequestRefund(&refund)).unwrap();
    driver.pass_time(at(100));
    assert_eq!(retirements(&driver), [(1, vec![])], "looked at, and kept");
    let step = |driver: &mut Driver, step: ReturnStep| {
        let head = UpdateReturn {
            happened_at_us: 0.into(),
            order: OrderId::new(id(1)),
            expected_version: 0.into(),
            return_number: 1.into(),
            step: step as u8,
            reserved: 0,
        };
        driver.run(&Command::UpdateReturn(&head)).unwrap();
    };
    step(&mut driver, ReturnStep::Approve);
    let came = [ReturnedUnits {
        line: 0.into(),
        disposition: Disposition::Restock as u8,
        reserved: 0,
        quantity: 1.into(),
    }];
    let receipt = ReceiveReturn {
        happened_at_us: 0.into(),
        order: OrderId::new(id(1)),
        expected_version: 0.into(),
        return_number: 1.into(),
        location: near,
        line_count: 1.into(),
        reserved: [0; 6],
    };
    driver.run(&Command::ReceiveReturn(&receipt, &came)).unwrap();
    driver.now_us = at(1_000);
    let settlement = SettleRefund {
        happened_at_us: 0.into(),
        order: OrderId::new(id(1)),
        reference: 3.into(),
        expected_version: 0.into(),
        refund: 1.into(),
        outcome: RefundOutcome::Succeeded as u8,
        reserved: 0,
    };
    driver.run(&Command::SettleRefund(&settlement)).unwrap();
    // The return is not closed yet.
    driver.pass_time(at(5_000));
    assert_eq!(driver.state.counts().orders_total, 1);
    driver.assert_sound_and_replayed();
    step(&mut driver, ReturnStep::Close);
    driver.reopen();
    driver.pass_time(at(5_099));
    assert_eq!(driver.state.counts().orders_total, 1);
    driver.pass_time(at(5_100));
    assert_eq!(driver.state.counts().orders_total, 0);
    assert_eq!(driver.state.next_due_us(), None);
    driver.assert_sound_and_replayed();
}

#[test]
fn a_hold_that_came_and_went_makes_the_retention_begin_anew() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 9);
    driver.set_policy(&policy(0, 100, 86_400));
    driver.place(id(1), &[line(shirts, 1, 10)]).unwrap();
    driver.cancel(id(1), &[]).unwrap();
    for second in [30, 60] {
        driver.now_us = at(second);
        let hold = place_hold(&mut driver, id(1), 0);
        release_hold(&mut driver, id(1), hold);
        driver.reopen();
    }
    driver.pass_time(at(159));
    assert_eq!(driver.order_state(id(1)), OrderState::Cancelled);
    driver.pass_time(at(160));
    let examined: Vec<_> =
        retirements(&driver).iter().map(|(count, retired)| (*count, retired.len())).collect();
    assert_eq!(examined, [(2, 0), (1, 1)]);
    driver.assert_sound_and_replayed();
}
