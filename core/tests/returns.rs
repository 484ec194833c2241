//! The rules of returns: of goods that were delivered, and of packages that came back undelivered.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/parcels.rs"]
mod parcels;
mod support;

use orderline_protocol::command::*;
use orderline_protocol::event::{Event, EventKind};
use orderline_protocol::lifecycle::{Action, Disposition, Entity, OrderState, ReturnState, ReturnStatus};
use orderline_protocol::limits::{BUCKET_QUANTITY_MAX, ORDER_PARTS_MAX};
use orderline_protocol::*;
use parcels::*;
use support::*;

/// A delivered order of four shirts from near and two mugs from far.
fn delivered() -> Shop {
    let mut shop = shop();
    let Shop { driver, near, far, shirts, mugs, .. } = &mut shop;
    driver.receive(*shirts, *near, 10);
    driver.receive(*mugs, *far, 10);
    driver.place(1, &[line(*shirts, 4, 1_000), line(*mugs, 2, 250)]).unwrap();
    driver.confirm(1).unwrap();
    driver.ship(1, &[]).unwrap();
    driver.shipment(1, 1, ShipmentStep::Deliver).unwrap();
    assert_eq!(driver.order_state(1), OrderState::Completed);
    shop
}

fn return_status(driver: &Driver) -> ReturnStatus {
    ReturnStatus::from_number(driver.view(1, |parts| parts.head.return_status)).unwrap()
}

#[test]
fn goods_come_back_are_judged_and_the_return_is_closed() {
    let Shop { mut driver, near, far, shirts, mugs, .. } = delivered();
    let version = driver.version(1);
    let asked = driver.request_return(1, &[units(1, 2), units(0, 3)]).unwrap();
    assert_eq!((asked.detail, asked.version, asked.state), (1, version + 1, OrderState::Completed as u8));
    driver.view(1, |parts| {
        let (of, head) = (parts.returns[0], parts.head);
        assert_eq!((of.number.get(), of.reason.get(), of.line_count.get(), of.is_undelivered), (1, 3, 2, 0));
        assert_eq!(parts.return_lines, [units(0, 3), units(1, 2)]);
        assert_eq!(head.return_status, ReturnStatus::InProgress as u8);
    });
    driver.assert_kept();
    assert_eq!(driver.update_return(1, 1, ReturnStep::Approve).unwrap().version, version + 2);
    driver.assert_kept();
    // Three shirts were to come, two do, each in its own condition; both mugs come, one to be thrown away.
    let came = [
        returned(0, Disposition::Restock, 1),
        returned(1, Disposition::Discard, 1),
        returned(0, Disposition::Damaged, 1),
        returned(1, Disposition::Restock, 1),
    ];
    let received = driver.receive_return(1, 1, far, &came).unwrap();
    assert_eq!((received.detail, received.version), (2_500, version + 3));
    let level = driver.level(shirts, far);
    assert_eq!((level.available.get(), level.damaged.get()), (1, 1), "a level that was not there before");
    assert_eq!(driver.stock_at(mugs, far), (9, 0));
    assert_eq!(driver.stock_at(shirts, near), (6, 0));
    assert_eq!(driver.counters(1, 0), [0, 0, 0, 0, 4, 4, 2]);
    assert_eq!(driver.counters(1, 1), [0, 0, 0, 0, 2, 2, 2]);
    assert_eq!(driver.order(1).0.total.minor(), 2_000, "two shirts are kept");
    assert_eq!(return_status(&driver), ReturnStatus::PartiallyReturned);
    driver.assert_kept();
    assert_eq!(driver.update_return(1, 1, ReturnStep::Close).unwrap().version, version + 4);
    assert_eq!(driver.returns(1), [ReturnState::Closed]);
    // The shirt that did not come may still come, with the one that nobody had asked for.
    assert_eq!(driver.request_return(1, &[]).unwrap().detail, 2);
    driver.view(1, |parts| assert_eq!(parts.return_lines[2..], [units(0, 2)]));
    driver.update_return(1, 2, ReturnStep::Approve).unwrap();
    driver.receive_return(1, 2, near, &[returned(0, Disposition::Discard, 2)]).unwrap();
    assert_eq!(return_status(&driver), ReturnStatus::Returned);
    assert_eq!((driver.order(1).0.total.minor(), driver.stock_at(shirts, near)), (0, (6, 0)));
    driver.assert_kept();
}

#[test]
fn units_in_an_open_return_are_spoken_for_until_it_ends() {
    let Shop { mut driver, near, .. } = delivered();
    let refused = |driver: &mut Driver, lines: &[LineQuantity]| {
        let refused = driver.refused(&Command::RequestReturn(&asking_back(1, lines), lines));
        (refused.code, refused.subject, refused.detail)
    };
    assert_eq!(refused(&mut driver, &[units(1, 3)]), (RejectCode::QuantityNotThere, 1, 2));
    driver.request_return(1, &[units(0, 3)]).unwrap();
    assert_eq!(refused(&mut driver, &[units(0, 2)]), (RejectCode::QuantityNotThere, 0, 1));
    driver.update_return(1, 1, ReturnStep::Approve).unwrap();
    assert_eq!(refused(&mut driver, &[units(0, 2)]), (RejectCode::QuantityNotThere, 0, 1));
    driver.update_return(1, 1, ReturnStep::Cancel).unwrap();
    driver.request_return(1, &[units(0, 4)]).unwrap();
    driver.update_return(1, 2, ReturnStep::Decline).unwrap();
    driver.request_return(1, &[]).unwrap();
    driver.update_return(1, 3, ReturnStep::Cancel).unwrap();
    assert_eq!(return_status(&driver), ReturnStatus::None);
    assert_eq!(driver.returns(1), [ReturnState::Cancelled, ReturnState::Declined, ReturnState::Cancelled]);
    driver.request_return(1, &[]).unwrap();
    assert_eq!(refused(&mut driver, &[]), (RejectCode::NothingToDo, 0, 0));
    driver.update_return(1, 4, ReturnStep::Approve).unwrap();
    driver.receive_return(1, 4, near, &[returned(0, Disposition::Restock, 4)]).unwrap();
    assert_eq!(refused(&mut driver, &[units(0, 1)]), (RejectCode::QuantityNotThere, 0, 0));
    driver.assert_kept();
}

#[test]
fn what_was_not_delivered_is_not_returned() {
    let Shop { mut driver, near, shirts, .. } = shop();
    driver.receive(shirts, near, 10);
    driver.place(1, &[line(shirts, 4, 1_000)]).unwrap();
    let ask = |driver: &mut Driver| driver.refused(&Command::RequestReturn(&asking_back(1, &[]), &[]));
    let refused = ask(&mut driver);
    assert_eq!((refused.code, refused.state), (RejectCode::IllegalTransition, OrderState::Pending as u8));
    driver.confirm(1).unwrap();
    assert_eq!(ask(&mut driver).code, RejectCode::NothingToDo);
    driver.ship(1, &[units(0, 2)]).unwrap();
    assert_eq!(ask(&mut driver).code, RejectCode::NothingToDo);
    driver.shipment(1, 1, ShipmentStep::Deliver).unwrap();
    let asked = driver.request_return(1, &[]).unwrap();
    assert_eq!((asked.detail, asked.state), (1, OrderState::Confirmed as u8));
    // Another package is lost: it does not count, and the order is completed with a return on its way.
    driver.ship(1, &[]).unwrap();
    driver.shipment(1, 2, ShipmentStep::Lose).unwrap();
    assert_eq!(driver.order_state(1), OrderState::Completed);
    assert_eq!(ask(&mut driver).code, RejectCode::NothingToDo);
    driver.update_return(1, 1, ReturnStep::Approve).unwrap();
    driver.receive_return(1, 1, near, &[returned(0, Disposition::Restock, 2)]).unwrap();
    assert_eq!(driver.counters(1, 0), [0, 0, 0, 0, 4, 2, 2]);
    driver.assert_kept();
}

#[test]
fn a_whole_order_that_was_delivered_parts_when_some_of_it_comes_back() {
    let Shop { mut driver, near, shirts, mugs, .. } = shop();
    driver.receive(shirts, near, 10);
    driver.receive(mugs, near, 10);
    driver.place(1, &[line(shirts, 2, 1_000), line(mugs, 2, 250)]).unwrap();
    driver.confirm(1).unwrap();
    driver.ship(1, &[]).unwrap();
    driver.shipment(1, 1, ShipmentStep::Deliver).unwrap();
    driver.request_return(1, &[units(1, 1)]).unwrap();
    driver.update_return(1, 1, ReturnStep::Approve).unwrap();
    driver.assert_kept();
    driver.receive_return(1, 1, near, &[returned(1, Disposition::Restock, 1)]).unwrap();
    assert_eq!(
        [driver.counters(1, 0), driver.counters(1, 1)],
        [[0, 0, 0, 0, 2, 2, 0], [0, 0, 0, 0, 2, 2, 1]]
    );
    driver.assert_kept();
}

#[test]
fn a_package_that_comes_back_undelivered_is_received_and_lowers_nothing() {
    let Shop { mut driver, near, far, shirts, mugs, .. } = shop();
    driver.receive(shirts, near, 10);
    driver.receive(mugs, far, 10);
    driver.receive(shirts, far, 1);
    driver.place(1, &[line(shirts, 11, 1_000), line(mugs, 2, 250)]).unwrap();
    driver.confirm(1).unwrap();
    driver.ship(1, &[]).unwrap();
    let back = driver.shipment(1, 1, ShipmentStep::ReturnToSender).unwrap();
    assert_eq!((back.detail, back.state), (1, OrderState::Completed as u8));
    driver.view(1, |parts| {
        let of = parts.returns[0];
        assert_eq!((of.number.get(), of.reason.get(), of.is_undelivered), (1, 0, 1));
        assert_eq!(of.state, ReturnState::Approved as u8);
        assert_eq!(parts.return_lines, [units(0, 11), units(1, 2)], "line by line, wherever they came from");
    });
    driver.assert_kept();
    let came = [returned(0, Disposition::Restock, 10), returned(1, Disposition::Restock, 2)];
    let received = driver.receive_return(1, 1, near, &came).unwrap();
    assert_eq!(received.detail, 10_500, "what came is worth something all the same");
    let Event::ReturnReceived(head, _) = driver.newest(EventKind::ReturnReceived) else { panic!() };
    assert_eq!(head.refund_owed.minor(), 0);
    assert_eq!(
        [driver.counters(1, 0), driver.counters(1, 1)],
        [[0, 0, 0, 0, 11, 0, 0], [0, 0, 0, 0, 2, 0, 0]]
    );
    assert_eq!(driver.order(1).0.total.minor(), 11_500);
    assert_eq!((driver.stock_at(shirts, near), driver.stock_at(mugs, near)), ((10, 0), (2, 0)));
    assert_eq!(return_status(&driver), ReturnStatus::None);
    driver.update_return(1, 1, ReturnStep::Close).unwrap();
    let refused = driver.refused(&Command::RequestReturn(&asking_back(1, &[]), &[]));
    assert_eq!(refused.code, RejectCode::NothingToDo);
    driver.assert_kept();
}

#[test]
fn each_way_to_be_refused_has_its_name_and_changes_nothing() {
    let Shop { mut driver, near, .. } = delivered();
    driver.request_return(1, &[units(0, 3)]).unwrap();
    driver.update_return(1, 1, ReturnStep::Approve).unwrap();
    let version = driver.version(1);
    use Disposition::Restock;
    use RejectCode::*;
    let mut receive = |change: fn(&mut ReceiveReturn), came: &[ReturnedUnits]| {
        let mut head = receiving(1, 1, near, came);
        change(&mut head);
        let refused = driver.refused(&Command::ReceiveReturn(&head, came));
        (refused.code, refused.subject, refused.detail)
    };
    let nothing = |_: &mut ReceiveReturn| {};
    let good = returned(0, Restock, 1);
    assert_eq!(size_of::<ReceiveReturn>(), 40);
    assert_eq!(receive(|head| head.reserved[5] = 1, &[good]), (InvalidField, 34, 0));
    assert_eq!(receive(nothing, &[good, ReturnedUnits { disposition: 4, ..good }]), (InvalidField, 50, 0));
    assert_eq!(receive(nothing, &[ReturnedUnits { reserved: 1, ..good }]), (InvalidField, 43, 0));
    assert_eq!(receive(nothing, &[good, returned(7, Restock, 0)]), (ZeroQuantity, 7, 0));
    assert_eq!(receive(|head| head.order = OrderId::new(9), &[good]), (UnknownOrder, 0, 0));
    for number in [0, 2] {
        let head = ReceiveReturn { return_number: number.into(), ..receiving(1, 1, near, &[]) };
        let refused = driver.refused(&Command::ReceiveReturn(&head, &[]));
        assert_eq!((refused.code, refused.subject), (UnknownReturn, number.into()));
    }
    let mut receive = |change: fn(&mut ReceiveReturn), came: &[ReturnedUnits]| {
        let mut head = receiving(1, 1, near, came);
        change(&mut head);
        let refused = driver.refused(&Command::ReceiveReturn(&head, came));
        (refused.code, refused.subject, refused.detail)
    };
    assert_eq!(receive(|head| head.location = LocationHandle::new(77), &[good]), (UnknownLocation, 77, 0));
    assert_eq!(receive(nothing, &[returned(2, Restock, 1)]), (UnknownLine, 2, 0));
    assert_eq!(receive(|head| head.expected_version = 1.into(), &[]), (VersionMismatch, 0, 0));
    assert_eq!(receive(nothing, &[]), (NothingToDo, 0, 0));
    assert_eq!(receive(nothing, &[good, returned(0, Restock, 3)]), (QuantityNotThere, 0, 3));
    assert_eq!(receive(nothing, &[returned(1, Restock, 1)]), (QuantityNotThere, 1, 0));

    let mut update = |change: fn(&mut UpdateReturn)| {
        let mut head = returning(1, 1, ReturnStep::Close);
        change(&mut head);
        let refused = driver.refused(&Command::UpdateReturn(&head));
        (refused.code, refused.subject)
    };
    assert_eq!(update(|head| head.step = 0), (InvalidField, 30));
    assert_eq!(update(|head| head.step = 5), (InvalidField, 30));
    assert_eq!(update(|head| head.reserved = 1), (InvalidField, 31));
    assert_eq!(update(|head| head.order = OrderId::new(9)), (UnknownOrder, 0));
    assert_eq!(update(|head| head.return_number = 0.into()), (UnknownReturn, 0));
    assert_eq!(update(|head| head.return_number = 2.into()), (UnknownReturn, 2));
    assert_eq!(update(|head| head.expected_version = 1.into()), (VersionMismatch, 0));
    let illegal = (Entity::Return as u32) << 8 | Action::Close as u32;
    assert_eq!(update(|_| {}), (IllegalTransition, illegal));
    assert_eq!(driver.version(1), version);
    // Received once, and not again.
    let head = ReceiveReturn { expected_version: version.into(), ..receiving(1, 1, near, &[good]) };
    driver.run(&Command::ReceiveReturn(&head, &[good])).unwrap();
    let refused = driver.refused(&Command::ReceiveReturn(&receiving(1, 1, near, &[good]), &[good]));
    assert_eq!((refused.code, refused.state), (IllegalTransition, ReturnState::Received as u8));
    driver.assert_kept();
}

#[test]
fn a_level_that_could_not_hold_it_takes_nothing_back() {
    let Shop { mut driver, near, shirts, .. } = delivered();
    driver.request_return(1, &[]).unwrap();
    driver.update_return(1, 1, ReturnStep::Approve).unwrap();
    let level = driver.level(shirts, near);
    assert_eq!((level.reserved.get(), level.committed.get(), level.damaged.get()), (0, 0, 0));
    let held = BUCKET_QUANTITY_MAX - 3;
    driver.adjust(shirts, near, Bucket::Damaged, held as i64 - level.available.get()).unwrap();
    for disposition in [Disposition::Restock, Disposition::Damaged] {
        let came = [returned(0, disposition, 2), returned(0, Disposition::Damaged, 2)];
        let refused = driver.refused(&Command::ReceiveReturn(&receiving(1, 1, near, &came), &came));
        assert_eq!((refused.code, refused.subject, refused.detail), (RejectCode::StockOverflow, 0, held));
    }
    let came = [returned(0, Disposition::Restock, 3), returned(0, Disposition::Discard, 1)];
    driver.receive_return(1, 1, near, &came).unwrap();
    driver.assert_kept();
}

#[test]
fn what_came_back_is_owed_to_who_paid_for_it() {
    let Shop { mut driver, near, .. } = delivered();
    let authorization = RecordAuthorization {
        happened_at_us: 0.into(),
        group: GroupId::new(1),
        amount: Amount::new(4_500),
        reference: 1.into(),
        expected_version: 0.into(),
        seconds: 0.into(),
        currency: CurrencyCode::new(826),
        reserved: [0; 6],
    };
    driver.run(&Command::RecordAuthorization(&authorization)).unwrap();
    let capture = RecordCapture {
        happened_at_us: 0.into(),
        group: GroupId::new(1),
        order: OrderId::new(1),
        amount: Amount::new(3_000),
        reference: 1.into(),
        expected_version: 0.into(),
        reserved: [0; 4],
    };
    driver.run(&Command::RecordCapture(&capture)).unwrap();
    driver.request_return(1, &[units(0, 3)]).unwrap();
    driver.update_return(1, 1, ReturnStep::Approve).unwrap();
    let came = [returned(0, Disposition::Discard, 1), returned(0, Disposition::Restock, 1)];
    driver.receive_return(1, 1, near, &came).unwrap();
    let Event::ReturnReceived(head, units) = driver.newest(EventKind::ReturnReceived) else { panic!() };
    assert_eq!(
        (head.refund_owed.minor(), units),
        (500, &came[..]),
        "it costs 2,500 now, and 3,000 were paid"
    );
    assert_eq!(driver.order(1).0.refund_owed.minor(), 500);
    driver.assert_kept();
}

#[test]
fn what_is_restocked_goes_to_those_who_wait() {
    let Shop { mut driver, near, shirts, .. } = delivered();
    // The next order takes what is left, and its location cannot find it.
    driver.place(2, &[line(shirts, 6, 1_000)]).unwrap();
    driver.confirm(2).unwrap();
    driver.reject(2, near).unwrap();
    let attic = driver.location("cellar", 5);
    driver.request_return(1, &[units(0, 2)]).unwrap();
    driver.update_return(1, 1, ReturnStep::Approve).unwrap();
    driver.receive_return(1, 1, attic, &[returned(0, Disposition::Restock, 2)]).unwrap();
    assert_eq!(driver.counters(2, 0), [0, 4, 0, 2, 0, 0, 0]);
    driver.assert_kept();
}

#[test]
fn an_order_has_a_thousand_returns_at_most() {
    let Shop { mut driver, near, shirts, .. } = delivered();
    for number in 1..=ORDER_PARTS_MAX as u16 {
        assert_eq!(driver.request_return(1, &[units(0, 1)]).unwrap().detail, u64::from(number));
        driver.update_return(1, number, ReturnStep::Decline).unwrap();
    }
    let refused = driver.refused(&Command::RequestReturn(&asking_back(1, &[]), &[]));
    assert_eq!((refused.code, refused.detail), (RejectCode::TooManyParts, 1_000));
    driver.assert_kept();
    // A package that comes back would be one return too many.
    driver.receive(shirts, near, 1);
    driver.place(2, &[line(shirts, 3, 1)]).unwrap();
    driver.confirm(2).unwrap();
    driver.ship(2, &[units(0, 1)]).unwrap();
    driver.shipment(2, 1, ShipmentStep::Deliver).unwrap();
    for number in 1..=ORDER_PARTS_MAX as u16 {
        driver.request_return(2, &[]).unwrap();
        driver.update_return(2, number, ReturnStep::Cancel).unwrap();
    }
    driver.ship(2, &[units(0, 1)]).unwrap();
    let refused = driver.refused(&Command::UpdateShipment(&updating(2, 2, ShipmentStep::ReturnToSender)));
    assert_eq!((refused.code, refused.detail), (RejectCode::TooManyParts, 1_000));
    driver.shipment(2, 2, ShipmentStep::Lose).unwrap();
    driver.assert_kept();
}
