//! The rules of carts: reservations, and checkouts over several sellers.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/carts.rs"]
mod carts;
mod support;

use carts::*;
use orderline_protocol::command::*;
use orderline_protocol::event::{DecidingRule, EVENT_VERSION, Event, EventKind};
use orderline_protocol::lifecycle::{Action, Entity, OrderState, PaymentState, ReservationState};
use orderline_protocol::limits::{CART_LINES_MAX, GROUP_ORDERS_MAX, ORDER_TOTAL_MINOR_MAX};
use orderline_protocol::*;
use support::*;

/// The newest event of a kind, read.
fn newest(driver: &Driver, kind: EventKind) -> Event<'_> {
    let (_, number, bytes) = driver.events.iter().rev().find(|event| event.1 == kind as u16).unwrap();
    Event::read(*number, EVENT_VERSION, bytes).unwrap()
}

#[test]
fn a_reservation_holds_every_line_or_none_until_a_whole_second() {
    let Shop { mut driver, shirts, mugs, near, .. } = shop();
    driver.receive(shirts, near, 3);
    driver.receive(mugs, near, 1);
    driver.now_us += 1;
    let held = driver.reserve(id(1), &[wanted(shirts, 2), wanted(mugs, 1)]).unwrap();
    let expires_at_us = NOW_US + 3_601 * SECOND_US;
    assert_eq!(
        (held.detail as i64, held.version, held.state),
        (expires_at_us, 1, ReservationState::Held as u8)
    );
    assert_eq!(driver.state.next_due_us(), Some(expires_at_us));
    assert_eq!((driver.stands(shirts, near), driver.stands(mugs, near)), ((1, 2), (0, 1)));
    let command = [wanted(shirts, 1), wanted(mugs, 1)];
    let refused = driver.refused(&Command::ReserveCart(&cart(id(2), 2), &command));
    assert_eq!((refused.code, refused.subject, refused.detail), (RejectCode::InsufficientStock, 1, 0));
    let (view, state) = driver.reservation(id(1));
    assert_eq!((state, view.line_count.get(), view.allocation_count.get()), (ReservationState::Held, 2, 2));
    assert_eq!((view.buyer, view.expires_at_us.get()), (BUYER, expires_at_us));
    driver.assert_sound_and_replayed();

    let released = driver.release(id(1)).unwrap();
    assert_eq!((released.version, released.state), (2, ReservationState::Released as u8));
    assert_eq!((driver.stands(shirts, near), driver.stands(mugs, near)), ((3, 0), (1, 0)));
    let head = ReleaseReservation {
        reservation: ReservationId::new(id(1)),
        expected_version: 0.into(),
        reserved: [0; 4],
    };
    let refused = driver.refused(&Command::ReleaseReservation(&head));
    assert_eq!(refused.code, RejectCode::IllegalTransition);
    assert_eq!(refused.subject, (Entity::Reservation as u32) << 8 | Action::Release as u32);
    assert_eq!((refused.state, refused.version), (ReservationState::Released as u8, 2));
    driver.assert_sound_and_replayed();
}

#[test]
fn a_cart_is_held_where_its_units_are_and_without_backorders() {
    let Shop { mut driver, acme, shirts, near, far, .. } = shop();
    driver.receive(shirts, near, 2);
    driver.receive(shirts, far, 2);
    // What a placement could have backordered, a reservation cannot hold.
    let definition = DefineSku {
        seller: acme,
        backorder_cap: 10.into(),
        currency: CurrencyCode::NONE,
        standing: 1,
        code_bytes: 5,
        expected_version: 0.into(),
    };
    driver.run(&Command::DefineSku(&definition, "shirt")).unwrap();
    let refused = driver.refused(&Command::ReserveCart(&cart(id(1), 1), &[wanted(shirts, 5)]));
    assert_eq!((refused.code, refused.detail), (RejectCode::InsufficientStock, 4));
    driver.reserve(id(1), &[wanted(shirts, 1), wanted(shirts, 2)]).unwrap();
    assert_eq!((driver.stands(shirts, near), driver.stands(shirts, far)), ((0, 2), (1, 1)));
    driver.assert_sound_and_replayed();
    driver.release(id(1)).unwrap();
    assert_eq!((driver.stands(shirts, near), driver.stands(shirts, far)), ((2, 0), (2, 0)));
    driver.assert_sound_and_replayed();
}

#[test]
fn what_is_wrong_with_a_reservation_is_said() {
    let Shop { mut driver, bolt, shirts, lamps, near, .. } = shop();
    driver.receive(shirts, near, 10);
    driver.receive(lamps, near, 10);
    let good = cart(id(1), 1);
    let line = [wanted(shirts, 1)];
    let refused = |driver: &mut Driver, head: &ReserveCart, lines: &[CartLine]| {
        let head = ReserveCart { line_count: (lines.len() as u16).into(), ..*head };
        let refused = driver.refused(&Command::ReserveCart(&head, lines));
        (refused.code, refused.subject, refused.detail)
    };
    let with_seconds = |seconds: u32| ReserveCart { seconds: seconds.into(), ..good };
    assert_eq!(refused(&mut driver, &with_seconds(0), &line), (RejectCode::InvalidField, 40, 0));
    assert_eq!(refused(&mut driver, &with_seconds(315_360_001), &line), (RejectCode::InvalidField, 40, 0));
    assert_eq!(
        refused(&mut driver, &with_seconds(86_401), &line),
        (RejectCode::NotHeldLongEnough, 0, 86_400)
    );
    let with_id = |id| ReserveCart { reservation: ReservationId::new(id), ..good };
    assert_eq!(refused(&mut driver, &with_id(0), &line).0, RejectCode::InvalidOrderId);
    let now_ms = NOW_US as u64 / 1_000;
    let ahead = id_at(86_401, 1);
    assert_eq!(refused(&mut driver, &with_id(ahead), &line), (RejectCode::IdAhead, 0, now_ms));
    assert_eq!(refused(&mut driver, &good, &[]).0, RejectCode::NoLines);
    let many = vec![line[0]; CART_LINES_MAX + 1];
    assert_eq!(refused(&mut driver, &good, &many), (RejectCode::TooManyLines, 0, 2_001));
    let unknown = [line[0], wanted(SkuHandle::new(99), 1)];
    assert_eq!(refused(&mut driver, &good, &unknown), (RejectCode::UnknownSku, 1, 99));
    assert_eq!(refused(&mut driver, &good, &[line[0], wanted(lamps, 0)]), (RejectCode::ZeroQuantity, 1, 0));
    let huge = [wanted(shirts, 1_000_000_001)];
    assert_eq!(refused(&mut driver, &good, &huge), (RejectCode::QuantityTooLarge, 0, 0));
    let summed = [wanted(shirts, 1_000_000_000), wanted(shirts, 1)];
    assert_eq!(refused(&mut driver, &good, &summed), (RejectCode::QuantityTooLarge, 1, 0));
    let replacing = ReserveCart { replaces: ReservationId::new(id(7)), ..good };
    assert_eq!(refused(&mut driver, &replacing, &line).0, RejectCode::UnknownReservation);

    let suspended =
        DefineSeller { commission_bp: 1_000.into(), standing: 2, code_bytes: 4, expected_version: 0.into() };
    driver.run(&Command::DefineSeller(&suspended, "bolt")).unwrap();
    let of_bolt = [line[0], wanted(lamps, 1)];
    assert_eq!(refused(&mut driver, &good, &of_bolt), (RejectCode::SellerSuspended, bolt.get(), 0));
    let retired = DefineSku {
        seller: SellerHandle::new(0),
        backorder_cap: 0.into(),
        currency: CurrencyCode::NONE,
        standing: 2,
        code_bytes: 5,
        expected_version: 0.into(),
    };
    driver.run(&Command::DefineSku(&retired, "shirt")).unwrap();
    assert_eq!(refused(&mut driver, &good, &line), (RejectCode::SkuRetired, 0, 0));
}

#[test]
fn the_same_reservation_is_made_once_whoever_asks_again() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 3);
    let (head, lines) = (cart(id(1), 1), [wanted(shirts, 2)]);
    let command = Command::ReserveCart(&head, &lines);
    let first = driver.run(&command).unwrap();
    assert_eq!(driver.again_in(2, &command).unwrap(), first);
    assert_eq!(driver.stands(shirts, near), (1, 2));
    // An extension moves the expiry that is told; the rest of the answer is the first one's.
    driver.now_us += SECOND_US;
    let extended = driver.extend(id(1), 3_600).unwrap();
    assert_eq!((extended.detail as i64, extended.version), (NOW_US + 3_601 * SECOND_US, 2));
    let again = driver.again_in(3, &command).unwrap();
    assert_eq!((again.sequence, again.detail, again.version), (first.sequence, extended.detail, 1));
    // A finished one, too.
    driver.release(id(1)).unwrap();
    let again = driver.again_in(4, &command).unwrap();
    assert_eq!((again.sequence, again.version, again.state), (first.sequence, 1, first.state));
    assert_eq!(driver.stands(shirts, near), (3, 0));
    let refused = driver.refused(&Command::ReserveCart(&head, &[wanted(shirts, 1)]));
    assert_eq!((refused.code, refused.sequence), (RejectCode::ReservationIdReused, Some(first.sequence)));
    driver.assert_sound_and_replayed();
}

#[test]
fn a_reservation_is_extended_within_the_policy_and_by_version() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.set_policy(&policy(0, 0, 7_200));
    driver.receive(shirts, near, 1);
    driver.reserve(id(1), &[wanted(shirts, 1)]).unwrap();
    driver.now_us += 1_000 * SECOND_US + 1;
    let extending = |seconds: u32, expected_version: u32| ExtendReservation {
        reservation: ReservationId::new(id(1)),
        expected_version: expected_version.into(),
        seconds: seconds.into(),
    };
    let refused = driver.refused(&Command::ExtendReservation(&extending(6_200, 0)));
    assert_eq!((refused.code, refused.detail), (RejectCode::NotHeldLongEnough, 6_199));
    assert_eq!((refused.version, refused.state), (1, ReservationState::Held as u8));
    let refused = driver.refused(&Command::ExtendReservation(&extending(10, 2)));
    assert_eq!((refused.code, refused.version), (RejectCode::VersionMismatch, 1));
    let refused = driver.refused(&Command::ExtendReservation(&extending(0, 0)));
    assert_eq!((refused.code, refused.subject), (RejectCode::InvalidField, 20));
    let extended = driver.run(&Command::ExtendReservation(&extending(6_199, 1))).unwrap();
    let expires_at_us = NOW_US + 7_200 * SECOND_US;
    assert_eq!((extended.detail as i64, extended.version), (expires_at_us, 2));
    assert_eq!(driver.state.next_due_us(), Some(expires_at_us), "the old timer is gone");
    // Shorter is allowed, too.
    driver.extend(id(1), 10).unwrap();
    assert_eq!(driver.reservation(id(1)).0.expires_at_us.get(), NOW_US + 1_011 * SECOND_US);
    driver.assert_sound_and_replayed();
    let unknown = ExtendReservation { reservation: ReservationId::new(id(2)), ..extending(1, 0) };
    assert_eq!(driver.refused(&Command::ExtendReservation(&unknown)).code, RejectCode::UnknownReservation);
}

#[test]
fn a_changed_cart_takes_the_stock_of_the_one_that_it_replaces() {
    let Shop { mut driver, shirts, mugs, near, .. } = shop();
    driver.receive(shirts, near, 2);
    driver.receive(mugs, near, 1);
    driver.reserve(id(1), &[wanted(shirts, 2)]).unwrap();
    // Both shirts are the cart's own: a cart with a mug beside them is no shortage.
    let lines = [wanted(shirts, 2), wanted(mugs, 1)];
    let replacing = ReserveCart { replaces: ReservationId::new(id(1)), ..cart(id(2), 2) };
    let other = ReserveCart { buyer: BuyerId::new(2), ..replacing };
    let refused = driver.refused(&Command::ReserveCart(&other, &lines));
    assert_eq!((refused.code, refused.detail), (RejectCode::OtherBuyer, 1));
    // Not even its own stock is enough: nothing is released.
    let refused = driver.refused(&Command::ReserveCart(&replacing, &[wanted(shirts, 3), wanted(mugs, 1)]));
    assert_eq!(refused.code, RejectCode::InsufficientStock);
    let events = driver.events.len();
    driver.run(&Command::ReserveCart(&replacing, &lines)).unwrap();
    assert_eq!(driver.events.len(), events + 1, "one record says it all");
    assert_eq!(driver.reservation(id(1)).1, ReservationState::Released);
    assert_eq!(driver.reservation(id(2)).1, ReservationState::Held);
    assert_eq!((driver.stands(shirts, near), driver.stands(mugs, near)), ((0, 2), (0, 1)));
    // What was replaced cannot be replaced again.
    let late = ReserveCart { replaces: ReservationId::new(id(1)), ..cart(id(3), 1) };
    let refused = driver.refused(&Command::ReserveCart(&late, &[wanted(shirts, 1)]));
    assert_eq!(
        (refused.code, refused.state),
        (RejectCode::IllegalTransition, ReservationState::Released as u8)
    );
    driver.assert_sound_and_replayed();
}

#[test]
fn a_checkout_places_an_order_for_each_seller() {
    let Shop { mut driver, acme, bolt, shirts, mugs, lamps, near, far } = shop();
    driver.receive(shirts, near, 5);
    driver.receive(mugs, far, 5);
    driver.receive(lamps, far, 5);
    let of_acme = [line(shirts, 2, 1_000), line(mugs, 1, 250)];
    let of_bolt = [line(lamps, 3, 40)];
    let placed = driver.check_out(id(9), 0, &[(id(1), acme, &of_acme), (id(2), bolt, &of_bolt)]).unwrap();
    assert_eq!((placed.detail, placed.version, placed.state), (2_370, 1, PaymentState::Pending as u8));
    let (first, lines) = driver.order(id(1));
    assert_eq!((first.group, first.seller, first.total.minor()), (GroupId::new(id(9)), acme, 2_250));
    assert_eq!(lines.iter().map(|line| line.location).collect::<Vec<_>>(), [near, far]);
    let (second, lines) = driver.order(id(2));
    assert_eq!((second.group, second.seller, second.total.minor()), (GroupId::new(id(9)), bolt, 120));
    assert_eq!((lines.len(), lines[0].location, lines[0].counters.reserved.get()), (1, far, 3));
    assert_eq!(first.placed_sequence, second.placed_sequence);
    let (group, orders) = driver.group(id(9));
    assert_eq!((group.total.minor(), group.order_count.get(), group.buyer), (2_370, 2, BUYER));
    assert_eq!(orders.iter().map(|order| order.order.get()).collect::<Vec<_>>(), [id(1), id(2)]);
    driver.assert_sound_and_replayed();
    // From here on each order goes its own way.
    driver.confirm(id(1)).unwrap();
    driver.cancel(id(2), &[]).unwrap();
    assert_eq!(
        (driver.order_state(id(1)), driver.order_state(id(2))),
        (OrderState::Confirmed, OrderState::Cancelled)
    );
    assert_eq!(driver.stands(lamps, far), (5, 0));
    driver.assert_sound_and_replayed();
}

#[test]
fn a_group_whose_one_line_fails_is_not_placed_at_all() {
    let Shop { mut driver, acme, bolt, shirts, mugs, lamps, near, .. } = shop();
    driver.receive(shirts, near, 5);
    driver.receive(lamps, near, 1);
    let good = [line(shirts, 1, 1_000)];
    let refused = |driver: &mut Driver, parts: &[Part<'_>]| {
        let refused = driver.refused_check_out(id(9), 0, parts);
        (refused.code, refused.subject, refused.detail)
    };
    let short = [line(lamps, 2, 40)];
    let parts = [(id(1), acme, &good[..]), (id(2), bolt, &short[..])];
    assert_eq!(refused(&mut driver, &parts), (RejectCode::InsufficientStock, 1, 1));
    let unknown = [line(lamps, 1, 40), line(SkuHandle::new(77), 1, 40)];
    let parts = [(id(1), acme, &good[..]), (id(2), bolt, &unknown[..])];
    assert_eq!(refused(&mut driver, &parts), (RejectCode::UnknownSku, 2, 77));
    let others = [line(mugs, 1, 40)];
    let parts = [(id(1), acme, &good[..]), (id(2), bolt, &others[..])];
    assert_eq!(refused(&mut driver, &parts), (RejectCode::SkuOfOtherSeller, 1, acme.get().into()));
    let free = [line(lamps, 1, 0)];
    let parts = [(id(1), acme, &good[..]), (id(2), bolt, &free[..])];
    assert_eq!(refused(&mut driver, &parts), (RejectCode::InvalidPrice, 1, 0));
    let parts = [(id(1), acme, &good[..]), (id(2), SellerHandle::new(8), &free[..])];
    assert_eq!(refused(&mut driver, &parts), (RejectCode::UnknownSeller, 8, 0));
    assert_eq!(driver.state.counts().orders_total, 0);
    assert_eq!(driver.stands(shirts, near), (5, 0));
}

#[test]
fn what_is_wrong_with_a_checkout_is_said() {
    let Shop { mut driver, acme, bolt, shirts, lamps, near, .. } = shop();
    driver.receive(shirts, near, 10_000_000);
    driver.receive(lamps, near, 10_000_000);
    let (s, l) = ([line(shirts, 1, 10)], [line(lamps, 1, 10)]);
    let refused = |driver: &mut Driver, head: &CheckOut, orders: &[GroupOrder], lines: &[OrderLine]| {
        let (order_count, line_count) = (orders.len() as u16, lines.len() as u16);
        let head = CheckOut { order_count: order_count.into(), line_count: line_count.into(), ..*head };
        let refused = driver.refused(&Command::CheckOut(&head, orders, lines, ""));
        (refused.code, refused.subject, refused.detail)
    };
    let good = checkout(id(9), 0, 2, 2);
    let (orders, lines) = parts_of(&[(id(1), acme, &s), (id(2), bolt, &l)]);

    let mut marked = orders.clone();
    marked[1].reserved = [0, 1];
    assert_eq!(refused(&mut driver, &good, &marked, &lines), (RejectCode::InvalidField, 53 + 24 + 22, 0));
    let with_group = |group| CheckOut { group: GroupId::new(group), ..good };
    assert_eq!(refused(&mut driver, &with_group(0), &orders, &lines).0, RejectCode::InvalidOrderId);
    assert_eq!(refused(&mut driver, &with_group(id_at(90_000, 1)), &orders, &lines).0, RejectCode::IdAhead);
    assert_eq!(refused(&mut driver, &good, &orders, &[]).0, RejectCode::NoLines);
    assert_eq!(refused(&mut driver, &good, &[], &lines), (RejectCode::GroupNotWhole, 0, 0));
    assert_eq!(refused(&mut driver, &good, &orders, &lines[..1]), (RejectCode::GroupNotWhole, 0, 2));
    let long = vec![s[0]; CART_LINES_MAX + 1];
    assert_eq!(refused(&mut driver, &good, &orders, &long), (RejectCode::TooManyLines, 0, 2_001));
    let mut empty = orders.clone();
    (empty[0].line_count, empty[1].line_count) = (2.into(), 0.into());
    assert_eq!(refused(&mut driver, &good, &empty, &lines), (RejectCode::NoLines, 1, 0));
    let many: Vec<GroupOrder> = (0..GROUP_ORDERS_MAX as u32 + 1)
        .map(|n| GroupOrder { order: OrderId::new(id(n.into())), seller: SellerHandle::new(n), ..orders[0] })
        .collect();
    let long = vec![s[0]; many.len()];
    assert_eq!(refused(&mut driver, &good, &many, &long), (RejectCode::TooManyOrders, 0, 501));
    // No currency, gold, and one that another has superseded.
    for numeric in [3, 959, 191] {
        let strange = CheckOut { currency: CurrencyCode::new(numeric), ..good };
        let unknown = (RejectCode::UnknownCurrency, 0, numeric.into());
        assert_eq!(refused(&mut driver, &strange, &orders, &lines), unknown);
    }
    let mut zero = orders.clone();
    zero[1].order = OrderId::new(0);
    assert_eq!(refused(&mut driver, &good, &zero, &lines), (RejectCode::InvalidOrderId, 1, 0));
    let mut twins = orders.clone();
    twins[1].order = twins[0].order;
    assert_eq!(refused(&mut driver, &good, &twins, &lines), (RejectCode::OrderIdReused, 1, 0));
    let mut twice = orders.clone();
    twice[1].seller = acme;
    assert_eq!(refused(&mut driver, &good, &twice, &lines), (RejectCode::SellerRepeated, 1, 0));
    // The same where orders are too many to be compared with each other.
    let mut sellers: Vec<GroupOrder> = (0..40_u32)
        .map(|n| GroupOrder {
            order: OrderId::new(id(u128::from(n) + 10)),
            seller: SellerHandle::new(n),
            line_count: 1.into(),
            reserved: [0; 2],
        })
        .collect();
    let long = vec![s[0]; 40];
    sellers[39].seller = SellerHandle::new(7);
    sellers[31].seller = SellerHandle::new(30);
    assert_eq!(refused(&mut driver, &good, &sellers, &long), (RejectCode::SellerRepeated, 31, 0));
    sellers[25].order = sellers[3].order;
    assert_eq!(refused(&mut driver, &good, &sellers, &long), (RejectCode::OrderIdReused, 25, 0));

    let dear = 10_000_000_000_000;
    let units = (ORDER_TOTAL_MINOR_MAX / dear) as u32;
    let (most, one) = ([line(shirts, units, dear)], [line(lamps, 1, 1)]);
    let (orders, over) = parts_of(&[(id(1), acme, &most), (id(2), bolt, &one)]);
    assert_eq!(refused(&mut driver, &good, &orders, &over), (RejectCode::TotalTooLarge, 1, 0));
    driver.check_out(id(8), 0, &[(id(1), acme, &most)]).unwrap();
    driver.assert_sound_and_replayed();
}

#[test]
fn the_same_checkout_happens_once_whoever_asks_again() {
    let Shop { mut driver, acme, bolt, shirts, lamps, near, .. } = shop();
    driver.receive(shirts, near, 5);
    driver.receive(lamps, near, 5);
    let (s, l) = ([line(shirts, 1, 10)], [line(lamps, 1, 10)]);
    let (orders, lines) = parts_of(&[(id(1), acme, &s), (id(2), bolt, &l)]);
    let head = checkout(id(9), 0, 2, 2);
    let command = Command::CheckOut(&head, &orders, &lines, "");
    let first = driver.run(&command).unwrap();
    driver.confirm(id(1)).unwrap();
    driver.cancel(id(2), &[]).unwrap();
    assert_eq!(driver.again_in(2, &command).unwrap(), first, "whatever became of the orders");
    assert_eq!(driver.state.counts().orders_total, 2);
    // Another cart under the group's id, another group with one of its orders, one of its orders alone.
    let refused = driver.refused_check_out(id(9), 0, &[(id(1), acme, &s)]);
    assert_eq!((refused.code, refused.sequence), (RejectCode::GroupIdReused, Some(first.sequence)));
    let refused = driver.refused_check_out(id(10), 0, &[(id(3), bolt, &l), (id(1), acme, &s)]);
    assert_eq!(
        (refused.code, refused.subject, refused.sequence),
        (RejectCode::OrderIdReused, 1, Some(first.sequence))
    );
    let refused = driver.refused(&Command::PlaceOrder(&placement(id(1), 1), &s, ""));
    assert_eq!((refused.code, refused.sequence), (RejectCode::OrderIdReused, Some(first.sequence)));
    driver.assert_sound_and_replayed();
}

#[test]
fn orders_and_groups_share_their_ids() {
    let Shop { mut driver, acme, bolt, shirts, lamps, near, .. } = shop();
    driver.receive(shirts, near, 9);
    driver.receive(lamps, near, 9);
    let (s, l) = ([line(shirts, 1, 10)], [line(lamps, 1, 10)]);
    let alone = driver.place(id(1), &s).unwrap();
    // A group under the id of an order placed alone, or of an order of another group.
    let refused = driver.refused_check_out(id(1), 0, &[(id(2), acme, &s)]);
    assert_eq!((refused.code, refused.sequence), (RejectCode::GroupIdReused, Some(alone.sequence)));
    let group = driver.check_out(id(9), 0, &[(id(2), acme, &s)]).unwrap();
    let refused = driver.refused_check_out(id(2), 0, &[(id(3), acme, &s)]);
    assert_eq!((refused.code, refused.sequence), (RejectCode::GroupIdReused, Some(group.sequence)));
    // An order under the id of a group: it would be a group of its own under that id.
    let refused = driver.refused(&Command::PlaceOrder(&placement(id(9), 1), &s, ""));
    assert_eq!((refused.code, refused.sequence), (RejectCode::OrderIdReused, Some(group.sequence)));
    let refused = driver.refused_check_out(id(10), 0, &[(id(4), bolt, &l), (id(9), acme, &s)]);
    assert_eq!(
        (refused.code, refused.subject, refused.sequence),
        (RejectCode::OrderIdReused, 1, Some(group.sequence))
    );
    // A group's own order may bear its id: a cart of one seller needs no second one.
    driver.check_out(id(11), 0, &[(id(11), acme, &s), (id(12), bolt, &l)]).unwrap();
    assert_eq!(driver.order(id(11)).0.group, GroupId::new(id(11)));
    assert_eq!(driver.group(id(11)).1.len(), 2);
    let refused = driver.refused(&Command::PlaceOrder(&placement(id(11), 1), &s, ""));
    assert_eq!(refused.code, RejectCode::OrderIdReused);
    driver.assert_sound_and_replayed();
}

#[test]
fn a_reserved_cart_checks_out_where_it_stands() {
    let Shop { mut driver, acme, bolt, shirts, lamps, near, far, .. } = shop();
    driver.receive(shirts, near, 2);
    driver.receive(shirts, far, 2);
    driver.receive(lamps, far, 1);
    driver.reserve(id(5), &[wanted(shirts, 3), wanted(lamps, 1)]).unwrap();
    let before = [driver.stands(shirts, near), driver.stands(shirts, far), driver.stands(lamps, far)];
    assert_eq!(before, [(0, 2), (1, 1), (0, 1)]);
    // Nothing is free any more, and the location that has some is closed: the cart stays where it is.
    let closed = DefineLocation {
        priority: 2.into(),
        daily_capacity: 0.into(),
        expected_version: 0.into(),
        region: 1.into(),
        standing: 2,
        code_bytes: 3,
    };
    driver.run(&Command::DefineLocation(&closed, "far")).unwrap();
    let (s, l) = ([line(shirts, 3, 10)], [line(lamps, 1, 7)]);
    let placed = driver.check_out(id(9), id(5), &[(id(1), acme, &s), (id(2), bolt, &l)]).unwrap();
    assert_eq!(placed.detail, 37);
    let Event::GroupPlaced(event, _, _, allocations, _) = newest(&driver, EventKind::GroupPlaced) else {
        panic!()
    };
    assert_eq!(
        (event.is_as_reserved, event.rule, allocations),
        (1, DecidingRule::Reservation as u8, &[][..])
    );
    assert_eq!([driver.stands(shirts, near), driver.stands(shirts, far), driver.stands(lamps, far)], before);
    let (view, state) = driver.reservation(id(5));
    assert_eq!(
        (state, view.line_count.get(), view.allocation_count.get()),
        (ReservationState::Consumed, 0, 0)
    );
    assert_eq!(driver.order(id(2)).1[0].location, far);
    driver.assert_sound_and_replayed();
    // The orders have the units: a part of the split one goes back to where it was.
    driver.confirm(id(1)).unwrap();
    driver.cancel(id(1), &[]).unwrap();
    driver.cancel(id(2), &[]).unwrap();
    let free = [driver.stands(shirts, near), driver.stands(shirts, far), driver.stands(lamps, far)];
    assert_eq!(free, [(2, 0), (2, 0), (1, 0)]);
    driver.assert_sound_and_replayed();
}

#[test]
fn a_reserved_cart_at_one_location_makes_whole_orders() {
    let Shop { mut driver, acme, bolt, shirts, lamps, near, .. } = shop();
    driver.receive(shirts, near, 2);
    driver.receive(lamps, near, 2);
    driver.reserve(id(5), &[wanted(shirts, 2), wanted(lamps, 2)]).unwrap();
    let (s, l) = ([line(shirts, 2, 10)], [line(lamps, 2, 7)]);
    driver.check_out(id(9), id(5), &[(id(1), acme, &s), (id(2), bolt, &l)]).unwrap();
    let Event::GroupPlaced(event, ..) = newest(&driver, EventKind::GroupPlaced) else { panic!() };
    assert_eq!((event.is_as_reserved, event.location), (1, near));
    assert_eq!((driver.stands(shirts, near), driver.stands(lamps, near)), ((0, 2), (0, 2)));
    driver.assert_sound_and_replayed();
}

#[test]
fn a_reservation_is_checked_out_by_its_buyer_while_it_is_held_and_once() {
    let Shop { mut driver, acme, shirts, near, .. } = shop();
    driver.receive(shirts, near, 9);
    let s = [line(shirts, 1, 10)];
    let refused = driver.refused_check_out(id(9), id(5), &[(id(1), acme, &s)]);
    assert_eq!(refused.code, RejectCode::UnknownReservation);
    driver.reserve(id(5), &[wanted(shirts, 1)]).unwrap();
    let (orders, lines) = parts_of(&[(id(1), acme, &s)]);
    let other = CheckOut { buyer: BuyerId::new(2), ..checkout(id(9), id(5), 1, 1) };
    let refused = driver.refused(&Command::CheckOut(&other, &orders, &lines, ""));
    assert_eq!((refused.code, refused.detail), (RejectCode::OtherBuyer, 1));
    driver.check_out(id(9), id(5), &[(id(1), acme, &s)]).unwrap();
    let refused = driver.refused_check_out(id(10), id(5), &[(id(2), acme, &s)]);
    assert_eq!(
        (refused.code, refused.state),
        (RejectCode::IllegalTransition, ReservationState::Consumed as u8)
    );
    assert_eq!(refused.subject, (Entity::Reservation as u32) << 8 | Action::Consume as u32);
    // One whose time is over.
    driver.reserve(id(6), &[wanted(shirts, 1)]).unwrap();
    driver.pass_time(NOW_US + 3_600 * SECOND_US);
    let refused = driver.refused_check_out(id(10), id(6), &[(id(2), acme, &s)]);
    assert_eq!(
        (refused.code, refused.state),
        (RejectCode::IllegalTransition, ReservationState::Expired as u8)
    );
    assert_eq!(driver.stands(shirts, near), (8, 1));
    driver.assert_sound_and_replayed();
}

#[test]
fn a_reservation_never_stands_in_its_owners_way() {
    let Shop { mut driver, acme, shirts, mugs, near, far, .. } = shop();
    driver.receive(shirts, near, 1);
    driver.receive(mugs, far, 1);
    driver.reserve(id(5), &[wanted(shirts, 1)]).unwrap();
    // The last shirt is reserved: for everybody else it is gone, for its owner it is there, with a mug beside it.
    let lines = [line(mugs, 1, 5), line(shirts, 1, 10)];
    let refused = driver.refused_check_out(id(9), 0, &[(id(1), acme, &lines)]);
    assert_eq!((refused.code, refused.subject), (RejectCode::InsufficientStock, 1));
    driver.check_out(id(9), id(5), &[(id(1), acme, &lines)]).unwrap();
    let Event::GroupPlaced(event, ..) = newest(&driver, EventKind::GroupPlaced) else { panic!() };
    assert_eq!(event.is_as_reserved, 0);
    assert_eq!(driver.order(id(1)).1.iter().map(|line| line.location).collect::<Vec<_>>(), [far, near]);
    assert_eq!((driver.stands(shirts, near), driver.stands(mugs, far)), ((0, 1), (0, 1)));
    assert_eq!(driver.reservation(id(5)).1, ReservationState::Consumed);
    driver.assert_sound_and_replayed();
}

#[test]
fn what_a_checkout_does_not_take_of_its_reservation_is_given_back() {
    let Shop { mut driver, acme, shirts, mugs, near, .. } = shop();
    driver.receive(shirts, near, 3);
    driver.receive(mugs, near, 1);
    driver.reserve(id(5), &[wanted(shirts, 2), wanted(shirts, 1), wanted(mugs, 1)]).unwrap();
    driver.check_out(id(9), id(5), &[(id(1), acme, &[line(shirts, 2, 10)])]).unwrap();
    assert_eq!((driver.stands(shirts, near), driver.stands(mugs, near)), ((1, 2), (1, 0)));
    assert_eq!(driver.reservation(id(5)).1, ReservationState::Consumed);
    assert_ne!(driver.state.next_due_us(), Some(NOW_US + 3_600 * SECOND_US), "its timer is gone");
    driver.assert_sound_and_replayed();
    // More than its own and what is free: the reservation stays as it is.
    driver.reserve(id(6), &[wanted(shirts, 1)]).unwrap();
    let refused = driver.refused_check_out(id(10), id(6), &[(id(2), acme, &[line(shirts, 2, 10)])]);
    assert_eq!(refused.code, RejectCode::InsufficientStock);
    assert_eq!(driver.reservation(id(6)).1, ReservationState::Held);
}

#[test]
fn a_location_counts_an_order_once_and_a_reserved_one_not_again() {
    let Shop { mut driver, acme, bolt, shirts, lamps, near, .. } = shop();
    let bounded = DefineLocation {
        priority: 1.into(),
        daily_capacity: 3.into(),
        expected_version: 0.into(),
        region: 1.into(),
        standing: 1,
        code_bytes: 4,
    };
    driver.run(&Command::DefineLocation(&bounded, "near")).unwrap();
    driver.receive(shirts, near, 9);
    driver.receive(lamps, near, 9);
    driver.reserve(id(5), &[wanted(shirts, 1)]).unwrap();
    driver.check_out(id(8), id(5), &[(id(1), acme, &[line(shirts, 1, 10)])]).unwrap();
    // One of three: two more orders fit, here of one group.
    let (s, l) = ([line(shirts, 1, 10), line(shirts, 2, 10)], [line(lamps, 1, 7)]);
    driver.check_out(id(9), 0, &[(id(2), acme, &s), (id(3), bolt, &l)]).unwrap();
    let refused = driver.refused(&Command::PlaceOrder(&placement(id(4), 1), &[line(shirts, 1, 10)], ""));
    assert_eq!(refused.code, RejectCode::CapacityExhausted);
    driver.assert_sound_and_replayed();
}

#[test]
fn a_checkout_has_backordered_what_the_stock_lacks_and_an_expiry_gives_it_up() {
    let Shop { mut driver, acme, bolt, shirts, lamps, near, .. } = shop();
    let capped = DefineSku {
        seller: acme,
        backorder_cap: 4.into(),
        currency: CurrencyCode::NONE,
        standing: 1,
        code_bytes: 5,
        expected_version: 0.into(),
    };
    driver.run(&Command::DefineSku(&capped, "shirt")).unwrap();
    driver.set_policy(&policy(60, 3_600, 86_400));
    driver.receive(shirts, near, 2);
    driver.receive(lamps, near, 1);
    let l = [line(lamps, 1, 7)];
    let over = [line(shirts, 7, 10)];
    let refused = driver.refused_check_out(id(9), 0, &[(id(1), acme, &over), (id(2), bolt, &l)]);
    assert_eq!((refused.code, refused.subject, refused.detail), (RejectCode::InsufficientStock, 0, 2));
    let most = [line(shirts, 4, 10), line(shirts, 2, 10)];
    driver.check_out(id(9), 0, &[(id(1), acme, &most), (id(2), bolt, &l)]).unwrap();
    let counters = |driver: &Driver, order: u128, line: usize| {
        let counters = driver.order(order).1[line].counters;
        (counters.reserved.get(), counters.backordered.get(), counters.cancelled.get())
    };
    assert_eq!((counters(&driver, id(1), 0), counters(&driver, id(1), 1)), ((2, 2, 0), (0, 2, 0)));
    assert_eq!(counters(&driver, id(2), 0), (1, 0, 0));
    driver.assert_sound_and_replayed();
    // The cap is full: nobody else gets a shirt promised. Then the order's time is over, and nobody waits any more.
    let refused = driver.refused(&Command::PlaceOrder(&placement(id(3), 1), &[line(shirts, 1, 10)], ""));
    assert_eq!(refused.code, RejectCode::InsufficientStock);
    driver.pass_time(NOW_US + 60 * SECOND_US);
    assert_eq!((counters(&driver, id(1), 0), counters(&driver, id(1), 1)), ((0, 0, 4), (0, 0, 2)));
    assert_eq!(driver.stands(shirts, near), (2, 0));
    driver.receive(shirts, near, 5);
    assert_eq!(driver.stands(shirts, near), (7, 0));
    driver.assert_sound_and_replayed();
}
