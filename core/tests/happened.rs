//! The caller's own time: kept with what it is about and in its event, judged before anything else, and ordering nothing.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/levels.rs"]
mod levels;
#[path = "support/money.rs"]
mod paying;
mod support;

use levels::{count, movement, setting};
use orderline_protocol::command::*;
use orderline_protocol::event::{EVENT_VERSION, Event};
use orderline_protocol::lifecycle::{Disposition, ReturnState, ShipmentState};
use orderline_protocol::limits::HAPPENED_AHEAD_US_MAX;
use orderline_protocol::reply::OrderView;
use orderline_protocol::*;
use paying::{authorization, capture, ending, payout, refund, settlement};
use support::*;
use zerocopy::IntoBytes;
use zerocopy::little_endian::I64;

fn shop() -> (Driver, SkuHandle, LocationHandle) {
    let mut driver = Driver::new(9);
    let seller = driver.seller("acme");
    let near = driver.location("near", 1);
    let tea = driver.sku("tea", seller);
    driver.receive(tea, near, 50);
    (driver, tea, near)
}

fn packing(order: u128, is_sent: u8, happened_at_us: i64) -> ShipLines {
    ShipLines {
        order: OrderId::new(order),
        happened_at_us: happened_at_us.into(),
        expected_version: 0.into(),
        location: LocationHandle::NONE,
        line_count: 0.into(),
        carrier: 7.into(),
        tracking_bytes: 0,
        is_sent,
    }
}

fn updating(order: u128, shipment: u16, step: ShipmentStep, happened_at_us: i64) -> UpdateShipment {
    UpdateShipment {
        order: OrderId::new(order),
        happened_at_us: happened_at_us.into(),
        expected_version: 0.into(),
        shipment: shipment.into(),
        step: step as u8,
        reserved: 0,
    }
}

fn returning(order: u128, step: ReturnStep, happened_at_us: i64) -> UpdateReturn {
    UpdateReturn {
        order: OrderId::new(order),
        happened_at_us: happened_at_us.into(),
        expected_version: 0.into(),
        return_number: 1.into(),
        step: step as u8,
        reserved: 0,
    }
}

fn receiving(order: u128, location: LocationHandle, happened_at_us: i64) -> ReceiveReturn {
    ReceiveReturn {
        order: OrderId::new(order),
        happened_at_us: happened_at_us.into(),
        expected_version: 0.into(),
        return_number: 1.into(),
        location,
        line_count: 1.into(),
        reserved: [0; 6],
    }
}

/// Calls with every command that reports something, about things that are not there, all else being right but this time.
fn each_report(happened_at_us: i64, mut each: impl FnMut(&Command<'_>)) {
    let happened_at_us = I64::new(happened_at_us);
    let cause = Cause { happened_at_us, ..Cause::NONE };
    let (sku, at) = (SkuHandle::new(77), LocationHandle::new(77));
    let receive = ReceiveStock {
        sku,
        expected_version: 0.into(),
        cause,
        location: at,
        from_incoming: 0,
        reserved: [0; 5],
        quantity: 1.into(),
    };
    each(&Command::ReceiveStock(&receive));
    let adjust = AdjustStock { cause, ..adjustment(sku, at, Bucket::Safety, 1) };
    each(&Command::AdjustStock(&adjust));
    each(&Command::CountStock(&CountStock { cause, ..count(sku, at, 1) }));
    let moving = movement(sku, (at, Bucket::Safety), (at, Bucket::Damaged), 1);
    each(&Command::MoveStock(&MoveStock { cause, ..moving }));
    each(&Command::SetLevel(&SetLevel { cause, ..setting(sku, at, 1, 1) }));
    let authorized = RecordAuthorization { happened_at_us, ..authorization(99, 1) };
    each(&Command::RecordAuthorization(&authorized));
    each(&Command::RecordCapture(&RecordCapture { happened_at_us, ..capture(99, 0, 1) }));
    let ended = EndPayment { happened_at_us, ..ending(99) };
    each(&Command::RecordVoid(&ended));
    each(&Command::RecordFailure(&ended));
    each(&Command::RequestRefund(&RequestRefund { happened_at_us, ..refund(99, 1) }));
    let settled = SettleRefund { happened_at_us, ..settlement(99, 1, RefundOutcome::Succeeded) };
    each(&Command::SettleRefund(&settled));
    each(&Command::RecordPayout(&RecordPayout { happened_at_us, ..payout(SellerHandle::new(77), 1) }));
    let at_us = happened_at_us.get();
    each(&Command::ShipLines(&packing(99, 1, at_us), &[], ""));
    each(&Command::UpdateShipment(&updating(99, 1, ShipmentStep::Deliver, at_us)));
    each(&Command::RequestReturn(&RequestReturn { happened_at_us, ..asking_back(99, &[]) }, &[]));
    each(&Command::UpdateReturn(&returning(99, ReturnStep::Approve, at_us)));
    let came = ReturnedUnits {
        line: 0.into(),
        disposition: Disposition::Restock as u8,
        reserved: 0,
        quantity: 1.into(),
    };
    each(&Command::ReceiveReturn(&receiving(99, at, at_us), &[came]));
}

#[test]
fn a_time_that_cannot_be_one_is_refused_before_anything_else_and_its_field_is_named() {
    let (mut driver, ..) = shop();
    let mut count = 0;
    for wrong in [-1, i64::MIN, NOW_US + HAPPENED_AHEAD_US_MAX + 1, i64::MAX] {
        each_report(wrong, |command| {
            let refused = driver.refused(command);
            let mut bytes = Vec::new();
            command.write(1, &mut bytes);
            assert_eq!(refused.code, RejectCode::InvalidField, "{command:?}");
            // What stands at the offset that is named is the time.
            let at = COMMAND_HEADER_BYTES + refused.subject as usize;
            assert_eq!(bytes[at..at + 8], *I64::new(wrong).as_bytes(), "{command:?}");
            count += 1;
        });
    }
    assert_eq!(count, 4 * 17);
    // The first and the last that can be: something else stands in the way.
    for right in [0, 1, NOW_US + HAPPENED_AHEAD_US_MAX] {
        each_report(right, |command| {
            let refused = driver.refused(command);
            assert_ne!(refused.code, RejectCode::InvalidField, "{command:?}");
        });
    }
}

#[test]
fn each_thing_has_the_time_at_which_its_state_came_about() {
    let (mut driver, tea, near) = shop();
    driver.place(1, &[line(tea, 2, 500)]).unwrap();
    driver.confirm(1).unwrap();
    // Times go back and forth: they order nothing.
    let at = |minutes: i64| NOW_US - minutes * 60_000_000;
    let of_payment = |driver: &Driver| driver.group(1).0.happened_at_us.get();
    assert_eq!(of_payment(&driver), 0);
    let authorized = RecordAuthorization { happened_at_us: at(9).into(), ..authorization(1, 1_000) };
    driver.run(&Command::RecordAuthorization(&authorized)).unwrap();
    assert_eq!(of_payment(&driver), at(9));
    driver.capture(1, 1, 100).unwrap();
    assert_eq!(of_payment(&driver), 0, "what is not said is not guessed");
    let captured = RecordCapture { happened_at_us: at(20).into(), ..capture(1, 1, 900) };
    driver.run(&Command::RecordCapture(&captured)).unwrap();
    assert_eq!(of_payment(&driver), at(20));

    let seen = |driver: &Driver| {
        let view = driver.query(&Command::QueryOrder(&QueryOrder { order: OrderId::new(1) })).unwrap();
        let parts = OrderView::read(&view).unwrap();
        let shipment = parts.shipments.first().map(|of| (of.state, of.happened_at_us.get()));
        let returned = parts.returns.first().map(|of| (of.state, of.happened_at_us.get()));
        let refund = parts.refunds.first().map(|of| of.happened_at_us.get());
        (shipment, returned, refund)
    };
    driver.run(&Command::ShipLines(&packing(1, 0, at(30)), &[], "")).unwrap();
    assert_eq!(seen(&driver).0, Some((ShipmentState::Created as u8, at(30))));
    driver.run(&Command::UpdateShipment(&updating(1, 1, ShipmentStep::Send, at(29)))).unwrap();
    assert_eq!(seen(&driver).0, Some((ShipmentState::Shipped as u8, at(29))));
    driver.run(&Command::UpdateShipment(&updating(1, 1, ShipmentStep::Deliver, at(31)))).unwrap();
    assert_eq!(seen(&driver).0, Some((ShipmentState::Delivered as u8, at(31))));

    let asked = RequestReturn { happened_at_us: at(8).into(), ..asking_back(1, &[]) };
    driver.run(&Command::RequestReturn(&asked, &[])).unwrap();
    assert_eq!(seen(&driver).1, Some((ReturnState::Requested as u8, at(8))));
    driver.run(&Command::UpdateReturn(&returning(1, ReturnStep::Approve, at(7)))).unwrap();
    assert_eq!(seen(&driver).1, Some((ReturnState::Approved as u8, at(7))));
    let came = ReturnedUnits {
        line: 0.into(),
        disposition: Disposition::Restock as u8,
        reserved: 0,
        quantity: 2.into(),
    };
    driver.run(&Command::ReceiveReturn(&receiving(1, near, at(6)), &[came])).unwrap();
    assert_eq!(seen(&driver).1, Some((ReturnState::Received as u8, at(6))));

    let asked = RequestRefund { happened_at_us: at(5).into(), ..refund(1, 1_000) };
    driver.run(&Command::RequestRefund(&asked)).unwrap();
    assert_eq!(seen(&driver).2, Some(at(5)));
    let settled = SettleRefund { happened_at_us: at(4).into(), ..settlement(1, 1, RefundOutcome::Succeeded) };
    driver.run(&Command::SettleRefund(&settled)).unwrap();
    assert_eq!(seen(&driver).2, Some(at(4)));
    // The events have them unchanged.
    let mut said = Vec::new();
    for (_, kind, bytes) in &driver.events {
        said.push(match Event::read(*kind, EVENT_VERSION, bytes).unwrap() {
            Event::PaymentAuthorized(head, _) => head.authorization.happened_at_us.get(),
            Event::PaymentCaptured(head, ..) => head.capture.happened_at_us.get(),
            Event::ShipmentMade(head, ..) => head.happened_at_us.get(),
            Event::ShipmentUpdated(head) => head.update.happened_at_us.get(),
            Event::ReturnRequested(head, _) => head.request.happened_at_us.get(),
            Event::ReturnUpdated(head) => head.update.happened_at_us.get(),
            Event::ReturnReceived(head, _) => head.receipt.happened_at_us.get(),
            Event::RefundRequested(head) => head.request.happened_at_us.get(),
            Event::RefundSettled(head) => head.settlement.happened_at_us.get(),
            _ => continue,
        });
    }
    let all = [at(9), 0, at(20), at(30), at(29), at(31), at(8), at(7), at(6), at(5), at(4)];
    assert_eq!(said, all);
    driver.assert_kept();
}

#[test]
fn what_comes_back_undelivered_and_what_lapses_have_their_times() {
    let (mut driver, tea, _) = shop();
    driver.place(1, &[line(tea, 2, 500)]).unwrap();
    driver.confirm(1).unwrap();
    driver.run(&Command::ShipLines(&packing(1, 1, NOW_US - 3), &[], "")).unwrap();
    driver.run(&Command::UpdateShipment(&updating(1, 1, ShipmentStep::ReturnToSender, NOW_US - 2))).unwrap();
    let view = driver.query(&Command::QueryOrder(&QueryOrder { order: OrderId::new(1) })).unwrap();
    let parts = OrderView::read(&view).unwrap();
    let times = (parts.shipments[0].happened_at_us.get(), parts.returns[0].happened_at_us.get());
    assert_eq!(times, (NOW_US - 2, NOW_US - 2));
    let head = RecordAuthorization {
        happened_at_us: (NOW_US - 5).into(),
        seconds: 60.into(),
        ..authorization(1, 1_000)
    };
    driver.run(&Command::RecordAuthorization(&head)).unwrap();
    // A lapse is the core's own: nobody reported it.
    driver.pass_time(NOW_US + 61_000_000);
    assert_eq!(driver.group(1).0.happened_at_us.get(), 0);
    driver.assert_kept();
}
