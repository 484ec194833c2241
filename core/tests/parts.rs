//! Parts that an order does not have, or has no more: what can be asked of them is refused by their name, and changes
//! nothing.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/parcels.rs"]
mod parcels;
mod support;

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::*;
use orderline_protocol::*;
use parcels::*;
use support::*;

const NOWHERE: LocationHandle = LocationHandle::NONE;

/// Three shirts, at near, and two mugs, at far, are ordered.
fn placed() -> Shop {
    let mut shop = shop();
    let Shop { driver, near, far, shirts, mugs, .. } = &mut shop;
    driver.receive(*shirts, *near, 10);
    driver.receive(*mugs, *far, 10);
    driver.place(1, &[line(*shirts, 3, 1_000), line(*mugs, 2, 250)]).unwrap();
    shop
}

fn confirmed() -> Shop {
    let mut shop = placed();
    shop.driver.confirm(1).unwrap();
    shop
}

/// An order in a state that it comes to without being confirmed.
fn never_confirmed(state: OrderState) -> Shop {
    let mut shop = placed();
    match state {
        OrderState::Cancelled => {
            shop.driver.cancel(1, &[]).unwrap();
        }
        OrderState::Expired => {
            let policy = SetPolicy {
                pending_order_s: 60.into(),
                retention_s: 0.into(),
                reservation_s_max: 60.into(),
                expected_version: 0.into(),
            };
            shop.driver.run(&Command::SetPolicy(&policy)).unwrap();
            shop.driver.pass_time(NOW_US + 61_000_000);
        }
        _ => {}
    }
    assert_eq!(shop.driver.order_state(1), state);
    shop
}

/// Orders that never were confirmed have no work, packages or returns, whatever has become of them.
#[test]
fn parts_that_an_order_cannot_have_are_not_there() {
    for state in [OrderState::Pending, OrderState::Expired, OrderState::Cancelled] {
        let mut shop = never_confirmed(state);
        let (near, far) = (shop.near, shop.far);
        let driver = &mut shop.driver;
        let refusals = [
            (Command::RejectWork(&rejecting(1, near, 0)), RejectCode::UnknownWork),
            (Command::MoveWork(&moving_work(1, near, far, &[]), &[]), RejectCode::UnknownWork),
            (Command::ShipLines(&packing(1, near, &[]), &[], "P1"), RejectCode::UnknownWork),
            (Command::ReceiveReturn(&receiving(1, 1, near, &[]), &[]), RejectCode::UnknownReturn),
        ];
        for (command, code) in refusals {
            assert_eq!(driver.refused(&command).code, code, "{state:?}: {command:?}");
        }
        for &step in WorkStep::ALL {
            let refused = driver.refused(&Command::UpdateWork(&working(1, near, step)));
            assert_eq!(refused.code, RejectCode::UnknownWork, "{state:?}: {step:?}");
        }
        for &step in ShipmentStep::ALL {
            let refused = driver.refused(&Command::UpdateShipment(&updating(1, 1, step)));
            assert_eq!(refused.code, RejectCode::UnknownShipment, "{state:?}: {step:?}");
        }
        for &step in ReturnStep::ALL {
            let refused = driver.refused(&Command::UpdateReturn(&returning(1, 1, step)));
            assert_eq!(refused.code, RejectCode::UnknownReturn, "{state:?}: {step:?}");
        }
        // What is about the order itself names its state.
        for (command, action) in [
            (Command::ShipLines(&packing(1, NOWHERE, &[]), &[], "P1"), Action::Ship),
            (Command::RequestReturn(&asking_back(1, &[]), &[]), Action::RequestReturn),
        ] {
            let refused = driver.refused(&command);
            let named = ((Entity::Order as u32) << 8) | action as u32;
            let illegal = (RejectCode::IllegalTransition, named, state as u8);
            assert_eq!((refused.code, refused.subject, refused.state), illegal, "{command:?}");
        }
    }
}

/// Packages outlive the work that they were packed by: what can be done with them is theirs to say, and its state stays.
#[test]
fn packages_of_work_that_has_ended() {
    let packed_and_unpacked = || {
        let mut shop = confirmed();
        let near = shop.near;
        shop.driver.pack(1, near, &[]).unwrap();
        shop.driver.shipment(1, 1, ShipmentStep::Cancel).unwrap();
        shop
    };
    let closed = || {
        let mut shop = confirmed();
        let near = shop.near;
        shop.driver.ship_from(1, near, &[]).unwrap();
        shop
    };
    let cancelled = || {
        let mut shop = packed_and_unpacked();
        shop.driver.cancel(1, &[units(0, 3)]).unwrap();
        shop
    };
    for (mut shop, work, package) in [
        (closed(), WorkState::Closed, ShipmentState::Shipped),
        (cancelled(), WorkState::Cancelled, ShipmentState::Cancelled),
    ] {
        let near = shop.near;
        let driver = &mut shop.driver;
        for (step, action) in [(ShipmentStep::Send, Action::Send), (ShipmentStep::Cancel, Action::Cancel)] {
            let refused = driver.refused(&Command::UpdateShipment(&updating(1, 1, step)));
            let named = ((Entity::Shipment as u32) << 8) | action as u32;
            let illegal = (RejectCode::IllegalTransition, named, package as u8);
            assert_eq!((refused.code, refused.subject, refused.state), illegal, "{work:?}: {step:?}");
        }
        // Nothing of the order is left there to be cancelled.
        let refused = driver.refused(&Command::CancelLines(&cancelling(1, &[units(0, 1)]), &[units(0, 1)]));
        assert_eq!(refused.code, RejectCode::QuantityNotThere, "{work:?}");
        let works = driver.works(1);
        assert_eq!(works.iter().find(|work| work.0 == near).unwrap().1, work);
        driver.assert_kept();
    }
}
