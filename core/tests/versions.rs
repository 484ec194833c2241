//! Expected versions of what has no order to stand for it: inventory levels, sellers' ledgers, and the reservations that
//! another command uses up. A version that is not the one now is refused with the one now, and nothing has changed.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/levels.rs"]
mod levels;
#[path = "support/money.rs"]
mod paying;
mod support;

use levels::{count, movement, setting};
use orderline_core::state::Accepted;
use orderline_protocol::command::*;
use orderline_protocol::*;
use paying::{capture, payout};
use support::*;
use zerocopy::little_endian::U32;

struct Shop {
    driver: Driver,
    seller: SellerHandle,
    tea: SkuHandle,
    near: LocationHandle,
    far: LocationHandle,
}

fn shop() -> Shop {
    let mut driver = Driver::new(3);
    let seller = driver.seller("acme");
    let (near, far) = (driver.location("near", 1), driver.location("far", 2));
    let tea = driver.sku("tea", seller);
    Shop { driver, seller, tea, near, far }
}

fn receipt(sku: SkuHandle, location: LocationHandle, expected_version: U32) -> ReceiveStock {
    ReceiveStock {
        sku,
        expected_version,
        cause: Cause::NONE,
        location,
        from_incoming: 0,
        reserved: [0; 5],
        quantity: 10.into(),
    }
}

/// Every command about one level, each of which changes it, and expects this version.
fn each_of_a_level(
    driver: &mut Driver,
    sku: SkuHandle,
    at: LocationHandle,
    expected_version: U32,
    mut each: impl FnMut(&mut Driver, &Command<'_>),
) {
    let as_of = driver.state.sequence();
    let adjust = AdjustStock { expected_version, ..adjustment(sku, at, Bucket::Incoming, 4) };
    each(driver, &Command::ReceiveStock(&receipt(sku, at, expected_version)));
    each(driver, &Command::AdjustStock(&adjust));
    each(driver, &Command::CountStock(&CountStock { expected_version, ..count(sku, at, 12) }));
    each(driver, &Command::SetLevel(&SetLevel { expected_version, ..setting(sku, at, 12, as_of) }));
}

#[test]
fn stock_commands_count_the_versions_of_levels_and_refuse_one_that_is_not_theirs() {
    let Shop { mut driver, tea, near, far, .. } = shop();
    let new = U32::new(EXPECTED_NEW);
    // Nothing has changed the level yet: a version that somebody claims to have seen is none of it.
    each_of_a_level(&mut driver, tea, near, 1.into(), |driver, command| {
        let refused = driver.refused(command);
        assert_eq!((refused.code, refused.version), (RejectCode::VersionMismatch, 0), "{command:?}");
        assert_eq!(refused.subject, near.get().into());
    });
    let receive = receipt(tea, near, new);
    assert_eq!(driver.run(&Command::ReceiveStock(&receive)).unwrap().version, 1);
    let refused = driver.refused(&Command::ReceiveStock(&receive));
    assert_eq!((refused.code, refused.version), (RejectCode::VersionMismatch, 1));
    let mut version = 1;
    for _ in 0..2 {
        // One each expects the version that the one before it has left.
        for place in 0..4 {
            let mut at = 0;
            let expected = U32::new(version);
            each_of_a_level(&mut driver, tea, near, expected, |driver, command| {
                if at == place {
                    let Accepted { version: told, .. } = driver.run(command).unwrap();
                    assert_eq!(told, version + 1, "{command:?}");
                } else if at > place {
                    let refused = driver.refused(command);
                    assert_eq!(refused.version, version + 1, "{command:?}");
                }
                at += 1;
            });
            version += 1;
        }
    }
    assert_eq!(driver.level(tea, near).version, version);

    // A move is about two levels: each has its version, and the one that does not fit is named.
    let free = |at| (at, Bucket::Available);
    let moving = movement(tea, free(near), free(far), 1);
    let expecting = |from: u32, to: u32| MoveStock {
        expected_from_version: from.into(),
        expected_to_version: to.into(),
        ..moving
    };
    let refused = driver.refused(&Command::MoveStock(&expecting(version + 1, EXPECTED_NEW)));
    assert_eq!((refused.version, refused.subject), (version, near.get().into()));
    let refused = driver.refused(&Command::MoveStock(&expecting(version, 1)));
    assert_eq!((refused.version, refused.subject), (0, far.get().into()));
    assert_eq!(driver.run(&Command::MoveStock(&expecting(version, EXPECTED_NEW))).unwrap().version, 1);
    let versions = [near, far].map(|at| driver.level(tea, at).version.get());
    assert_eq!(versions, [version + 1, 1]);
    // Inside one level it is one change.
    let inside = MoveStock {
        expected_from_version: (version + 1).into(),
        expected_to_version: (version + 1).into(),
        ..movement(tea, free(near), (near, Bucket::Safety), 1)
    };
    assert_eq!(driver.run(&Command::MoveStock(&inside)).unwrap().version, version + 2);
    driver.assert_kept();
}

#[test]
fn what_orders_do_to_a_level_is_no_change_of_its_version() {
    let Shop { mut driver, tea, near, .. } = shop();
    driver.receive(tea, near, 10);
    driver.place(1, &[line(tea, 4, 5)]).unwrap();
    driver.confirm(1).unwrap();
    driver.cancel(1, &[units(0, 1)]).unwrap();
    driver.ship(1, &[]).unwrap();
    assert_eq!(driver.level(tea, near).version, 1);
    let count = CountStock { expected_version: 1.into(), ..count(tea, near, 7) };
    assert_eq!(driver.run(&Command::CountStock(&count)).unwrap().version, 2);
    driver.assert_kept();
}

#[test]
fn a_payout_expects_the_version_of_its_ledger() {
    let Shop { mut driver, seller, tea, near, .. } = shop();
    driver.receive(tea, near, 10);
    let version = |driver: &Driver| {
        let mut bytes = Vec::new();
        let head = QueryLedger { seller, currency: paying::POUNDS, reserved: [0; 2] };
        Command::QueryLedger(&head).write(1, &mut bytes);
        let raw = RawCommand::take(&mut &bytes[..]).unwrap();
        driver.state.answer(&raw, &mut Vec::new()).unwrap().version
    };
    assert_eq!(version(&driver), 0);
    driver.place(1, &[line(tea, 2, 500)]).unwrap();
    driver.confirm(1).unwrap();
    driver.authorize(1, 1_000).unwrap();
    driver.run(&Command::RecordCapture(&capture(1, 1, 1_000))).unwrap();
    assert_eq!(version(&driver), 2, "a sale and a commission");
    driver.ship(1, &[]).unwrap();
    driver.shipment(1, 1, ShipmentStep::Deliver).unwrap();
    assert_eq!(version(&driver), 3, "what was accrued is payable");
    let paying = |expected: u32| RecordPayout { expected_version: expected.into(), ..payout(seller, 100) };
    for stale in [2, 4, EXPECTED_NEW] {
        let refused = driver.refused(&Command::RecordPayout(&paying(stale)));
        assert_eq!((refused.code, refused.version), (RejectCode::VersionMismatch, 3));
    }
    let paid = driver.run(&Command::RecordPayout(&paying(3))).unwrap();
    assert_eq!((paid.detail, paid.version, version(&driver)), (800, 4, 4));
    let refused =
        driver.refused(&Command::RecordPayout(&RecordPayout { amount: Amount::new(801), ..paying(4) }));
    assert_eq!((refused.code, refused.version), (RejectCode::AmountTooLarge, 4));
    driver.assert_kept();
}

#[test]
fn what_uses_up_a_reservation_expects_its_version() {
    let Shop { mut driver, seller, tea, near, .. } = shop();
    driver.receive(tea, near, 10);
    let id = |n: u64| OrderId::from_parts((NOW_US / 1_000) as u64, n.into()).get();
    let lines = [CartLine { sku: tea, quantity: 2.into() }];
    let cart = |reservation: u128, replaces: u128, expected_version: u32| ReserveCart {
        reservation: ReservationId::new(reservation),
        replaces: ReservationId::new(replaces),
        buyer: BuyerId::new(1),
        seconds: 600.into(),
        expected_version: expected_version.into(),
        region: 0.into(),
        line_count: 1.into(),
    };
    // Of none there is no version to expect.
    let nothing = driver.refused(&Command::ReserveCart(&cart(id(1), 0, 1), &lines));
    assert_eq!((nothing.code, nothing.subject), (RejectCode::InvalidField, 44));
    driver.run(&Command::ReserveCart(&cart(id(1), 0, 0), &lines)).unwrap();
    let extend = ExtendReservation {
        reservation: ReservationId::new(id(1)),
        expected_version: 1.into(),
        seconds: 900.into(),
    };
    driver.run(&Command::ExtendReservation(&extend)).unwrap();
    let refused = driver.refused(&Command::ReserveCart(&cart(id(2), id(1), 1), &lines));
    assert_eq!((refused.code, refused.version), (RejectCode::VersionMismatch, 2));
    driver.run(&Command::ReserveCart(&cart(id(2), id(1), 2), &lines)).unwrap();

    let order = GroupOrder { order: OrderId::new(id(4)), seller, line_count: 1.into(), reserved: [0; 2] };
    let bought = [line(tea, 2, 500)];
    let checkout = |reservation: u128, expected_version: u32| CheckOut {
        group: GroupId::new(id(3)),
        reservation: ReservationId::new(reservation),
        buyer: BuyerId::new(1),
        expected_version: expected_version.into(),
        currency: paying::POUNDS,
        order_count: 1.into(),
        line_count: 1.into(),
        region: 0.into(),
        external_id_bytes: 0,
    };
    let nothing = driver.refused(&Command::CheckOut(&checkout(0, 7), &[order], &bought, ""));
    assert_eq!((nothing.code, nothing.subject), (RejectCode::InvalidField, 40));
    let refused = driver.refused(&Command::CheckOut(&checkout(id(2), 2), &[order], &bought, ""));
    assert_eq!((refused.code, refused.version), (RejectCode::VersionMismatch, 1));
    driver.run(&Command::CheckOut(&checkout(id(2), 1), &[order], &bought, "")).unwrap();
    driver.assert_kept();
}
