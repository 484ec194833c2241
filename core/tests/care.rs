//! The rules of care for placed orders (edit, hold, cancel), each through the door that the engine uses.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/money.rs"]
mod paying;
mod support;

use orderline_protocol::command::*;
use orderline_protocol::event::{Allocation, EVENT_VERSION, Event};
use orderline_protocol::lifecycle::{Action, Entity, HoldKind, HoldState, OrderState, blocks};
use orderline_protocol::*;
use paying::*;
use support::*;
use zerocopy::IntoBytes;

struct Shop {
    driver: Driver,
    shirts: SkuHandle,
    mugs: SkuHandle,
    near: LocationHandle,
    far: LocationHandle,
}

/// Twenty shirts and mugs near, ten shirts far; near comes first.
fn shop() -> Shop {
    let mut driver = Driver::new(11);
    let seller = driver.seller("acme");
    let near = driver.location("near", 1);
    let far = driver.location("far", 2);
    let shirts = driver.sku("shirt", seller);
    let mugs = driver.sku("mug", seller);
    driver.receive(shirts, near, 20);
    driver.receive(mugs, near, 20);
    driver.receive(shirts, far, 10);
    Shop { driver, shirts, mugs, near, far }
}

fn edit(order: u128, line: u16, quantity: u32) -> EditLine {
    EditLine {
        order: OrderId::new(order),
        expected_version: 0.into(),
        quantity: quantity.into(),
        line: line.into(),
        reason: 0.into(),
        reserved: [0; 4],
    }
}

fn going(order: u128, address: u64, region: u16) -> EditAddress {
    EditAddress {
        order: OrderId::new(order),
        address: address.into(),
        expected_version: 0.into(),
        region: region.into(),
        reserved: [0; 2],
    }
}

fn holding(order: u128, blocks: u8) -> PlaceHold {
    PlaceHold {
        order: OrderId::new(order),
        expected_version: 0.into(),
        seconds: 0.into(),
        kind: HoldKind::Fraud as u8,
        blocks,
        reason: 6.into(),
        reserved: [0; 4],
    }
}

fn releasing(order: u128, hold: u16) -> ReleaseHold {
    ReleaseHold {
        order: OrderId::new(order),
        expected_version: 0.into(),
        hold: hold.into(),
        reason: 0.into(),
    }
}

impl Driver {
    fn edit(&mut self, order: u128, line: u16, quantity: u32) -> Answer {
        self.run(&Command::EditLine(&edit(order, line, quantity)))
    }

    /// What is promised of a SKU at a location: reserved, committed.
    fn promised(&self, sku: SkuHandle, location: LocationHandle) -> (u64, u64) {
        let level = self.level(sku, location);
        (level.reserved.get(), level.committed.get())
    }

    /// Where the units of an order's lines are, as triples of line, location and units.
    fn units_of(&self, order: u128) -> Vec<(u16, LocationHandle, u32)> {
        let view = self.query(&Command::QueryOrder(&QueryOrder { order: OrderId::new(order) })).unwrap();
        let parts = reply::OrderView::read(&view).unwrap();
        let unit = |part: &Allocation| (part.line.get(), part.location, part.quantity.get());
        parts.allocations.iter().map(unit).collect()
    }
}

#[test]
fn more_units_of_a_line_are_sourced_and_fewer_go_back_from_the_last_location() {
    let Shop { mut driver, shirts, mugs, near, far } = shop();
    let prices = [line(shirts, 2, 1_000), line(mugs, 1, 250)];
    driver.place(1, &prices).unwrap();
    let answer = driver.edit(1, 0, 5).unwrap();
    assert_eq!((answer.detail, answer.version, answer.state), (5_250, 2, OrderState::Pending as u8));
    assert_eq!(
        (driver.promised(shirts, near), driver.units_of(1)),
        ((5, 0), vec![(0, near, 5), (1, near, 1)])
    );
    driver.confirm(1).unwrap();
    // Near has fifteen left, far has ten: twenty more come from both, and are committed at once.
    assert_eq!(driver.edit(1, 0, 25).unwrap().detail, 25_250);
    assert_eq!(driver.units_of(1), [(0, near, 20), (0, far, 5), (1, near, 1)]);
    assert_eq!((driver.promised(shirts, near), driver.promised(shirts, far)), ((0, 20), (0, 5)));
    driver.assert_kept();
    assert_eq!(driver.edit(1, 0, 18).unwrap().detail, 18_250);
    assert_eq!(driver.units_of(1), [(0, near, 18), (1, near, 1)]);
    assert_eq!((driver.promised(shirts, near), driver.promised(shirts, far)), ((0, 18), (0, 0)));
    assert_eq!(driver.level(shirts, near).available.get(), 2);
    assert_eq!(driver.order(1).1[0].line.quantity.get(), 18);
    assert_eq!(driver.order(1).1[0].counters.cancelled.get(), 0, "an edit is no cancellation");
    driver.assert_kept();
    driver.cancel(1, &[]).unwrap();
    assert_eq!(driver.level(shirts, near).available.get(), 20);
    driver.assert_kept();
}

#[test]
fn fewer_units_than_were_paid_for_leave_something_owed() {
    let Shop { mut driver, shirts, .. } = shop();
    driver.place(1, &[line(shirts, 4, 100)]).unwrap();
    driver.authorize(1, 400).unwrap();
    driver.capture(1, 0, 400).unwrap();
    driver.refund(1, 50).unwrap();
    driver.edit(1, 0, 3).unwrap();
    let owed = |driver: &Driver| {
        let (_, kind, bytes) = driver.events.last().unwrap();
        match Event::read(*kind, EVENT_VERSION, bytes).unwrap() {
            Event::LineEdited(head, _) => head.refund_owed.minor(),
            Event::LinesCancelled(head, _) => head.refund_owed.minor(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((owed(&driver), driver.order(1).0.refund_owed.minor()), (50, 50));
    driver.edit(1, 0, 10).unwrap();
    assert_eq!((owed(&driver), driver.order(1).0.refund_owed.minor()), (0, 0));
    driver.edit(1, 0, 2).unwrap();
    driver.cancel(1, &[units(0, 1)]).unwrap();
    assert_eq!((owed(&driver), driver.order(1).0.refund_owed.minor()), (250, 250));
    driver.assert_kept();
}

#[test]
fn backordered_units_go_first_and_more_wait_within_the_cap() {
    let Shop { mut driver, near, .. } = shop();
    let capped = DefineSku {
        seller: SellerHandle::new(0),
        backorder_cap: 13.into(),
        currency: CurrencyCode::NONE,
        standing: 1,
        code_bytes: 3,
        expected_version: 0.into(),
    };
    let hats = SkuHandle::new(driver.run(&Command::DefineSku(&capped, "hat")).unwrap().detail as u32);
    driver.receive(hats, near, 5);
    driver.place(1, &[line(hats, 9, 10)]).unwrap();
    driver.place(2, &[line(hats, 9, 10)]).unwrap();
    let counters = |driver: &Driver, order| {
        let counters = driver.order(order).1[0].counters;
        (counters.cancelled.get(), counters.backordered.get(), counters.reserved.get())
    };
    assert_eq!((counters(&driver, 1), counters(&driver, 2)), ((0, 4, 5), (0, 9, 0)));
    driver.edit(1, 0, 7).unwrap();
    assert_eq!(counters(&driver, 1), (0, 2, 5));
    driver.cancel(1, &[units(0, 1)]).unwrap();
    driver.cancel(1, &[units(0, 1)]).unwrap();
    assert_eq!(counters(&driver, 1), (2, 0, 5));
    // Nine wait for the other order, so four more may.
    assert_eq!(driver.refused(&Command::EditLine(&edit(1, 0, 12))).code, RejectCode::InsufficientStock);
    assert_eq!(driver.edit(1, 0, 11).unwrap().detail, 90);
    assert_eq!(counters(&driver, 1), (2, 4, 5));
    driver.assert_kept();
    // What comes is given to the first that waits, and then to the next.
    driver.receive(hats, near, 7);
    assert_eq!((counters(&driver, 1), counters(&driver, 2)), ((2, 0, 9), (0, 6, 3)));
    // All of the other: what waits and what is there.
    let answer = driver.cancel(2, &[]).unwrap();
    assert_eq!((answer.detail, answer.state), (90, OrderState::Cancelled as u8));
    assert_eq!(counters(&driver, 2), (9, 0, 0));
    assert_eq!(driver.promised(hats, near), (9, 0));
    driver.assert_kept();
}

#[test]
fn an_edit_that_cannot_be_is_refused_by_name() {
    let Shop { mut driver, shirts, mugs, near, .. } = shop();
    driver.place(1, &[line(shirts, 4, 100), line(shirts, 1, 100), line(mugs, 1, 5)]).unwrap();
    driver.cancel(1, &[units(0, 2)]).unwrap();
    use RejectCode::*;
    let good = edit(1, 0, 3);
    let mut code = |head: &EditLine| {
        let refused = driver.refused(&Command::EditLine(head));
        (refused.code, refused.subject, refused.detail)
    };
    // Its own fields come before everything else, the order and its line before its version.
    let nobody = OrderId::new(9);
    assert_eq!(code(&EditLine { reserved: [0, 0, 0, 1], order: nobody, ..good }), (InvalidField, 28, 0));
    assert_eq!(code(&EditLine { quantity: 0.into(), order: nobody, ..good }), (ZeroQuantity, 0, 0));
    let most = limits::LINE_QUANTITY_MAX;
    assert_eq!(
        code(&EditLine { quantity: (most + 1).into(), order: nobody, ..good }),
        (QuantityTooLarge, 0, 0)
    );
    assert_eq!(code(&EditLine { order: nobody, ..good }), (UnknownOrder, 0, 0));
    assert_eq!(code(&EditLine { expected_version: 1.into(), ..good }), (VersionMismatch, 0, 0));
    assert_eq!(code(&EditLine { expected_version: 1.into(), line: 3.into(), ..good }), (UnknownLine, 3, 0));
    assert_eq!(code(&edit(1, 0, 4)), (NothingToDo, 0, 0));
    assert_eq!(code(&edit(1, 0, 2)), (QuantityNotThere, 0, 2), "two were cancelled");
    assert_eq!(code(&edit(1, 2, 22)), (InsufficientStock, 2, 19));
    assert_eq!(code(&edit(1, 1, most - 3)), (QuantityTooLarge, 1, 0), "with the four of the other line");
    driver.hold(1, blocks::EDIT);
    let refused = driver.refused(&Command::EditLine(&good));
    assert_eq!((refused.code, refused.subject, refused.version), (OnHold, 1, 3));
    driver.run(&Command::ReleaseHold(&releasing(1, 1))).unwrap();
    driver.cancel(1, &[]).unwrap();
    let refused = driver.refused(&Command::EditLine(&good));
    assert_eq!((refused.code, refused.state), (IllegalTransition, OrderState::Cancelled as u8));
    assert_eq!(driver.promised(shirts, near), (0, 0));
    driver.assert_kept();
}

#[test]
fn nothing_more_is_had_of_what_is_not_sold_any_more_but_less_is() {
    let Shop { mut driver, shirts, .. } = shop();
    driver.place(1, &[line(shirts, 4, 100)]).unwrap();
    let retire = |standing: u8| DefineSku {
        seller: SellerHandle::new(0),
        backorder_cap: 0.into(),
        currency: CurrencyCode::NONE,
        standing,
        code_bytes: 5,
        expected_version: 0.into(),
    };
    driver.run(&Command::DefineSku(&retire(2), "shirt")).unwrap();
    assert_eq!(driver.refused(&Command::EditLine(&edit(1, 0, 5))).code, RejectCode::SkuRetired);
    driver.edit(1, 0, 3).unwrap();
    driver.run(&Command::DefineSku(&retire(1), "shirt")).unwrap();
    let suspend =
        DefineSeller { commission_bp: 0.into(), standing: 2, code_bytes: 4, expected_version: 0.into() };
    driver.run(&Command::DefineSeller(&suspend, "acme")).unwrap();
    assert_eq!(driver.refused(&Command::EditLine(&edit(1, 0, 4))).code, RejectCode::SellerSuspended);
    driver.edit(1, 0, 2).unwrap();
    driver.assert_kept();
}

#[test]
fn an_order_does_not_grow_over_the_limit_of_a_total_not_even_by_what_it_gave_up() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 10_000);
    let price = limits::UNIT_PRICE_MINOR_MAX;
    driver.place(1, &[line(shirts, 899, price)]).unwrap();
    assert_eq!(driver.refused(&Command::EditLine(&edit(1, 0, 901))).code, RejectCode::TotalTooLarge);
    let total = driver.edit(1, 0, 900).unwrap().detail;
    assert_eq!(total as i64, limits::ORDER_TOTAL_MINOR_MAX);
    driver.cancel(1, &[units(0, 899)]).unwrap();
    assert_eq!(driver.refused(&Command::EditLine(&edit(1, 0, 901))).code, RejectCode::TotalTooLarge);
    driver.assert_kept();
}

#[test]
fn an_order_goes_elsewhere_until_it_is_over() {
    let Shop { mut driver, shirts, .. } = shop();
    driver.place(1, &[line(shirts, 2, 10)]).unwrap();
    let answer = driver.run(&Command::EditAddress(&going(1, 77, 3))).unwrap();
    assert_eq!((answer.version, answer.state), (2, OrderState::Pending as u8));
    let head = driver.order(1).0;
    assert_eq!((head.address.get(), head.region.get()), (77, 3));
    driver.confirm(1).unwrap();
    driver.run(&Command::EditAddress(&going(1, 0, 0))).unwrap();
    let head = driver.order(1).0;
    assert_eq!((head.address.get(), head.region.get()), (0, 0));
    use RejectCode::*;
    let mut code = |head: &EditAddress| driver.refused(&Command::EditAddress(head)).code;
    assert_eq!(code(&EditAddress { reserved: [1, 0], ..going(1, 1, 1) }), InvalidField);
    assert_eq!(code(&going(2, 1, 1)), UnknownOrder);
    assert_eq!(code(&EditAddress { expected_version: 1.into(), ..going(1, 1, 1) }), VersionMismatch);
    driver.hold(1, blocks::EDIT);
    assert_eq!(driver.refused(&Command::EditAddress(&going(1, 1, 1))).code, OnHold);
    driver.cancel(1, &[]).unwrap();
    assert_eq!(driver.refused(&Command::EditAddress(&going(1, 1, 1))).code, IllegalTransition);
    driver.assert_kept();
}

#[test]
fn a_hold_stops_what_it_blocks_and_nothing_else() {
    let Shop { mut driver, shirts, .. } = shop();
    let lines = [line(shirts, 2, 100)];
    let try_all = |driver: &mut Driver, order: u128| {
        let refusal = |answer: Answer| answer.err().map(|rejection| (rejection.code, rejection.subject));
        let blocked = [
            (blocks::CANCEL, refusal(driver.cancel(order, &[units(0, 1)]))),
            (blocks::EDIT, refusal(driver.run(&Command::EditAddress(&going(order, 1, 1))))),
            (blocks::CAPTURE, refusal(driver.capture(order, order, 1))),
            (blocks::REFUND, refusal(driver.refund(order, 1))),
            (blocks::CONFIRM, refusal(driver.confirm(order))),
        ];
        blocked.into_iter().fold(0, |bits, (bit, refusal)| match refusal {
            None => bits,
            Some((RejectCode::OnHold, 2)) => bits | bit,
            other => panic!("{other:?}"),
        })
    };
    for (order, bits) in
        (1..).zip([blocks::CONFIRM, blocks::CANCEL, blocks::EDIT, blocks::CAPTURE, blocks::REFUND])
    {
        driver.place(order, &lines).unwrap();
        driver.authorize(order, 200).unwrap();
        driver.capture(order, order, 1).unwrap();
        // One that is released blocks nothing, and keeps its number.
        assert_eq!(driver.hold(order, blocks::ALL), 1);
        driver.run(&Command::ReleaseHold(&releasing(order, 1))).unwrap();
        assert_eq!(driver.run(&Command::PlaceHold(&holding(order, bits))).unwrap().detail, 2);
        assert_eq!(driver.order(order).0.blocked, bits);
        assert_eq!(try_all(&mut driver, order), bits);
    }
    driver.assert_kept();
}

#[test]
fn any_order_is_held_and_released_and_the_first_hold_is_named() {
    let Shop { mut driver, shirts, .. } = shop();
    driver.place(1, &[line(shirts, 2, 100)]).unwrap();
    driver.place(2, &[line(shirts, 2, 100)]).unwrap();
    driver.cancel(2, &[]).unwrap();
    let timed = PlaceHold { seconds: 90.into(), expected_version: 2.into(), ..holding(2, blocks::REFUND) };
    let answer = driver.run_at(NOW_US + 1, &Command::PlaceHold(&timed)).unwrap();
    assert_eq!((answer.detail, answer.version, answer.state), (1, 3, OrderState::Cancelled as u8));
    let hold = driver.parts(2).1[0];
    assert_eq!(hold.expires_at_us.get(), NOW_US + 91_000_000, "rounded up to whole seconds");
    assert_eq!((hold.kind, hold.blocks, hold.reason.get()), (HoldKind::Fraud as u8, blocks::REFUND, 6));
    assert_eq!(driver.state.next_due_us(), Some(NOW_US + 91_000_000));
    driver.run(&Command::ReleaseHold(&releasing(2, 1))).unwrap();
    assert_eq!(driver.parts(2).1[0].state, HoldState::Released as u8);

    driver.run(&Command::PlaceHold(&holding(1, blocks::CONFIRM))).unwrap();
    driver
        .run(&Command::PlaceHold(&PlaceHold { kind: HoldKind::Address as u8, ..holding(1, blocks::ALL) }))
        .unwrap();
    let confirm = ConfirmOrder { order: OrderId::new(1), expected_version: 0.into(), reserved: [0; 4] };
    let refused = driver.refused(&Command::ConfirmOrder(&confirm));
    assert_eq!(
        (refused.code, refused.subject, refused.detail),
        (RejectCode::OnHold, 1, HoldKind::Fraud as u64)
    );
    driver.run(&Command::ReleaseHold(&releasing(1, 1))).unwrap();
    let refused = driver.refused(&Command::ConfirmOrder(&confirm));
    assert_eq!(
        (refused.code, refused.subject, refused.detail),
        (RejectCode::OnHold, 2, HoldKind::Address as u64)
    );
    driver.run(&Command::ReleaseHold(&releasing(1, 2))).unwrap();
    assert_eq!(driver.confirm(1).unwrap().version, 6);
    driver.assert_kept();
}

#[test]
fn a_hold_that_cannot_be_placed_or_released_is_refused_by_name() {
    let Shop { mut driver, shirts, .. } = shop();
    driver.place(1, &[line(shirts, 2, 100)]).unwrap();
    use RejectCode::*;
    let good = holding(1, blocks::ALL);
    let mut code = |head: &PlaceHold| {
        let refused = driver.refused(&Command::PlaceHold(head));
        (refused.code, refused.subject)
    };
    let nobody = OrderId::new(9);
    let long = (limits::DURATION_S_MAX + 1).into();
    assert_eq!(code(&PlaceHold { seconds: long, kind: 0, order: nobody, ..good }), (InvalidField, 20));
    assert_eq!(code(&PlaceHold { kind: 0, blocks: 0, ..good }), (InvalidField, 24));
    assert_eq!(code(&PlaceHold { kind: 5, ..good }), (InvalidField, 24));
    assert_eq!(code(&PlaceHold { blocks: 0, ..good }), (InvalidField, 25));
    assert_eq!(code(&PlaceHold { blocks: 64, ..good }), (InvalidField, 25));
    assert_eq!(code(&PlaceHold { reserved: [0, 1, 0, 0], ..good }), (InvalidField, 28));
    assert_eq!(code(&PlaceHold { order: nobody, ..good }), (UnknownOrder, 0));
    assert_eq!(code(&PlaceHold { expected_version: 2.into(), ..good }), (VersionMismatch, 0));
    let mut code = |order: u128, hold: u16| {
        let refused = driver.refused(&Command::ReleaseHold(&releasing(order, hold)));
        (refused.code, refused.subject)
    };
    assert_eq!(code(9, 1), (UnknownOrder, 0));
    assert_eq!(code(1, 0), (UnknownHold, 0));
    assert_eq!(code(1, 1), (UnknownHold, 1));
    for number in 1..=limits::ORDER_PARTS_MAX as u64 {
        assert_eq!(driver.run(&Command::PlaceHold(&good)).unwrap().detail, number);
    }
    let refused = driver.refused(&Command::PlaceHold(&good));
    assert_eq!((refused.code, refused.detail), (TooManyParts, 1_000));
    driver.run(&Command::ReleaseHold(&releasing(1, 1_000))).unwrap();
    let refused = driver.refused(&Command::ReleaseHold(&releasing(1, 1_000)));
    let hold = (Entity::Hold as u32) << 8 | Action::Release as u32;
    assert_eq!(
        (refused.code, refused.subject, refused.state),
        (IllegalTransition, hold, HoldState::Released as u8)
    );
    driver.assert_kept();
}

#[test]
fn a_cancellation_that_cannot_be_is_refused_by_name() {
    let Shop { mut driver, shirts, mugs, .. } = shop();
    driver.place(1, &[line(shirts, 4, 100), line(mugs, 1, 5)]).unwrap();
    use RejectCode::*;
    let mut code = |order: u128, lines: &[LineQuantity]| {
        let refused = driver.refused(&Command::CancelLines(&cancelling(order, lines), lines));
        (refused.code, refused.subject, refused.detail)
    };
    let odd = LineQuantity { reserved: [0, 1], ..units(1, 1) };
    assert_eq!(
        code(9, &[units(0, 1), odd]),
        (InvalidField, 34, 0),
        "behind 24 bytes, one entry and two bytes"
    );
    assert_eq!(code(9, &[units(0, 1), units(1, 0)]), (ZeroQuantity, 1, 0));
    assert_eq!(code(9, &[units(0, 1)]), (UnknownOrder, 0, 0));
    assert_eq!(code(1, &[units(2, 1)]), (UnknownLine, 2, 0));
    assert_eq!(code(1, &[units(0, 1), units(0, 1)]), (LineRepeated, 0, 0));
    assert_eq!(code(1, &[units(1, 1), units(0, 5)]), (QuantityNotThere, 0, 4));
    assert_eq!(size_of_val(&odd) + cancelling(1, &[]).as_bytes().len(), 32);
    driver.cancel(1, &[units(0, 4)]).unwrap();
    let refused = driver.refused(&Command::CancelLines(&cancelling(1, &[units(0, 1)]), &[units(0, 1)]));
    assert_eq!((refused.code, refused.detail), (QuantityNotThere, 0));
    assert_eq!(driver.cancel(1, &[]).unwrap().state, OrderState::Cancelled as u8);
    let refused = driver.refused(&Command::CancelLines(&cancelling(1, &[]), &[]));
    assert_eq!((refused.code, refused.state), (IllegalTransition, OrderState::Cancelled as u8));
    driver.assert_kept();
}
