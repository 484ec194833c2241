//! The rules of fulfilment: the work of locations, packages, and units that go to other locations.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/parcels.rs"]
mod parcels;
mod support;

use orderline_protocol::command::*;
use orderline_protocol::event::{DecidingRule, Event, EventKind};
use orderline_protocol::lifecycle::{
    Action, Entity, OrderState, ReturnState, ShipmentState, WorkState, blocks,
};
use orderline_protocol::limits::{BUCKET_QUANTITY_MAX, ORDER_PARTS_MAX};
use orderline_protocol::*;
use parcels::*;
use support::*;

const NOWHERE: LocationHandle = LocationHandle::NONE;

/// A confirmed order of three shirts at near and two mugs at far.
fn split() -> Shop {
    let mut shop = shop();
    let Shop { driver, near, far, shirts, mugs, .. } = &mut shop;
    driver.receive(*shirts, *near, 10);
    driver.receive(*mugs, *far, 10);
    driver.place(1, &[line(*shirts, 3, 1_000), line(*mugs, 2, 250)]).unwrap();
    driver.confirm(1).unwrap();
    assert_eq!(driver.works(1), [(*near, WorkState::Open), (*far, WorkState::Open)]);
    shop
}

#[test]
fn a_location_takes_work_on_stops_goes_on_and_ships_it_whole() {
    let Shop { mut driver, near, shirts, mugs, .. } = shop();
    driver.receive(shirts, near, 10);
    driver.receive(mugs, near, 10);
    driver.place(1, &[line(shirts, 3, 1_000), line(mugs, 2, 250)]).unwrap();
    assert_eq!(driver.works(1), [], "a pending order is nobody's work");
    driver.confirm(1).unwrap();
    let mut version = driver.version(1);
    let mut step = |step: WorkStep, state: WorkState, held_from: u8| {
        let answer = driver.work(1, near, step).unwrap();
        version += 1;
        assert_eq!((answer.version, answer.state), (version, OrderState::Confirmed as u8));
        let work = driver.view(1, |parts| parts.works[0]);
        assert_eq!((work.location, work.state, work.held_from), (near, state as u8, held_from), "{step:?}");
        driver.assert_kept();
    };
    step(WorkStep::Pause, WorkState::OnHold, WorkState::Open as u8);
    step(WorkStep::Resume, WorkState::Open, 0);
    step(WorkStep::Accept, WorkState::Accepted, 0);
    step(WorkStep::Pause, WorkState::OnHold, WorkState::Accepted as u8);
    step(WorkStep::Resume, WorkState::Accepted, 0);
    step(WorkStep::Start, WorkState::InProgress, 0);
    step(WorkStep::Pause, WorkState::OnHold, WorkState::InProgress as u8);
    step(WorkStep::Resume, WorkState::InProgress, 0);
    let shipped = driver.ship(1, &[]).unwrap();
    assert_eq!((shipped.detail, shipped.version), (1, version + 1));
    let Event::ShipmentMade(_, moves, tracking) = driver.newest(EventKind::ShipmentMade) else { panic!() };
    assert_eq!((moves, tracking), (&[][..], "1Z99"), "all that was open needs no list");
    assert_eq!(driver.works(1), [(near, WorkState::Closed)]);
    assert_eq!(
        [driver.counters(1, 0), driver.counters(1, 1)],
        [[0, 0, 0, 0, 3, 0, 0], [0, 0, 0, 0, 2, 0, 0]]
    );
    assert_eq!((driver.stock_at(shirts, near), driver.stock_at(mugs, near)), ((7, 0), (8, 0)));
    driver.view(1, |parts| {
        let package = parts.shipments[0];
        assert_eq!((package.number.get(), package.carrier.get(), package.tracking_bytes), (1, 7, 4));
        assert_eq!(&package.tracking[..5], b"1Z99\0");
        assert_eq!(parts.shipment_parts, [at(0, near, 3), at(1, near, 2)]);
        assert_eq!(parts.allocations, []);
    });
    driver.assert_kept();
    let delivered = driver.shipment(1, 1, ShipmentStep::Deliver).unwrap();
    assert_eq!((delivered.detail, delivered.state), (0, OrderState::Completed as u8));
    assert_eq!(driver.counters(1, 0), [0, 0, 0, 0, 3, 3, 0]);
    driver.assert_kept();
}

#[test]
fn what_is_packed_is_still_committed_and_is_not_there_for_anything_else() {
    let Shop { mut driver, near, far, shirts, .. } = shop();
    driver.receive(shirts, near, 5);
    driver.receive(shirts, far, 9);
    driver.place(1, &[line(shirts, 5, 1_000)]).unwrap();
    driver.confirm(1).unwrap();
    assert_eq!(driver.pack(1, near, &[units(0, 3)]).unwrap().detail, 1);
    assert_eq!(driver.works(1), [(near, WorkState::InProgress)]);
    assert_eq!(driver.stock_at(shirts, near), (0, 5));
    assert_eq!(driver.counters(1, 0), [0, 0, 0, 5, 0, 0, 0]);
    driver.assert_kept();
    let cancel = Command::CancelLines(&cancelling(1, &[]), &[]);
    let too_many = [units(0, 3)];
    for command in [
        Command::CancelLines(&cancelling(1, &too_many), &too_many),
        Command::ShipLines(&packing(1, near, &too_many), &too_many, "P1"),
        Command::ShipLines(&packing(1, NOWHERE, &too_many), &too_many, "P1"),
    ] {
        let refused = driver.refused(&command);
        assert_eq!((refused.code, refused.subject, refused.detail), (RejectCode::QuantityNotThere, 0, 2));
    }
    assert_eq!(driver.pack(1, NOWHERE, &[]).unwrap().detail, 2, "the rest");
    for command in [Command::ShipLines(&packing(1, NOWHERE, &[]), &[], "P1"), cancel] {
        assert_eq!(driver.refused(&command).code, RejectCode::NothingToDo);
    }
    // Unpacked, the units are open again; sent, they leave.
    driver.shipment(1, 2, ShipmentStep::Cancel).unwrap();
    assert_eq!(driver.works(1), [(near, WorkState::InProgress)]);
    driver.shipment(1, 1, ShipmentStep::Send).unwrap();
    assert_eq!(driver.stock_at(shirts, near), (0, 2));
    assert_eq!(driver.counters(1, 0), [0, 0, 0, 2, 3, 0, 0]);
    assert_eq!(driver.packages(1), [ShipmentState::Shipped, ShipmentState::Cancelled]);
    driver.assert_kept();
    // The order is whole until then, and the last package completes it.
    driver.pack(1, near, &[]).unwrap();
    driver.shipment(1, 1, ShipmentStep::Deliver).unwrap();
    assert_eq!(driver.order_state(1), OrderState::Confirmed, "a package has not left");
    driver.shipment(1, 3, ShipmentStep::Send).unwrap();
    assert_eq!(driver.works(1), [(near, WorkState::Closed)]);
    driver.shipment(1, 3, ShipmentStep::Deliver).unwrap();
    assert_eq!(driver.order_state(1), OrderState::Completed);
    driver.assert_kept();
}

#[test]
fn a_whole_order_packed_whole_leaves_and_arrives_whole() {
    let Shop { mut driver, near, shirts, mugs, .. } = shop();
    driver.receive(shirts, near, 5);
    driver.receive(mugs, near, 5);
    driver.place(1, &[line(shirts, 2, 1_000), line(mugs, 1, 250)]).unwrap();
    driver.confirm(1).unwrap();
    driver.pack(1, near, &[]).unwrap();
    driver.assert_kept();
    driver.shipment(1, 1, ShipmentStep::Send).unwrap();
    driver.assert_kept();
    assert_eq!(
        [driver.counters(1, 0), driver.counters(1, 1)],
        [[0, 0, 0, 0, 2, 0, 0], [0, 0, 0, 0, 1, 0, 0]]
    );
    driver.shipment(1, 1, ShipmentStep::Deliver).unwrap();
    assert_eq!(
        [driver.counters(1, 0), driver.counters(1, 1)],
        [[0, 0, 0, 0, 2, 2, 0], [0, 0, 0, 0, 1, 1, 0]]
    );
    assert_eq!((driver.stock_at(shirts, near), driver.stock_at(mugs, near)), ((3, 0), (4, 0)));
    driver.assert_kept();
}

#[test]
fn one_package_takes_from_all_locations_or_from_the_one_named() {
    let Shop { mut driver, near, far, shirts, mugs, .. } = split();
    driver.ship(1, &[units(1, 1), units(0, 2)]).unwrap();
    let Event::ShipmentMade(_, moves, _) = driver.newest(EventKind::ShipmentMade) else { panic!() };
    assert_eq!(moves, [at(0, near, 2), at(1, far, 1)]);
    assert_eq!(driver.works(1), [(near, WorkState::InProgress), (far, WorkState::InProgress)]);
    driver.ship_from(1, far, &[]).unwrap();
    assert_eq!(driver.works(1), [(near, WorkState::InProgress), (far, WorkState::Closed)]);
    assert_eq!((driver.stock_at(shirts, near), driver.stock_at(mugs, far)), ((7, 1), (8, 0)));
    driver.assert_kept();
    let refused = driver.refused(&Command::ShipLines(&packing(1, far, &[]), &[], "P1"));
    assert_eq!((refused.code, refused.state), (RejectCode::IllegalTransition, WorkState::Closed as u8));
    driver.ship(1, &[]).unwrap();
    for package in 1..=3 {
        assert_eq!(driver.order_state(1), OrderState::Confirmed);
        driver.shipment(1, package, ShipmentStep::Deliver).unwrap();
    }
    assert_eq!(driver.order_state(1), OrderState::Completed);
    driver.assert_kept();
}

#[test]
fn a_paused_location_packs_nothing_and_sends_what_it_has_packed() {
    let Shop { mut driver, near, far, .. } = split();
    driver.pack(1, near, &[units(0, 2)]).unwrap();
    driver.work(1, near, WorkStep::Pause).unwrap();
    for location in [near, NOWHERE] {
        let refused = driver.refused(&Command::ShipLines(&packing(1, location, &[]), &[], "P1"));
        let subject = (Entity::Work as u32) << 8 | Action::Ship as u32;
        assert_eq!((refused.code, refused.subject), (RejectCode::IllegalTransition, subject));
        assert_eq!(refused.state, WorkState::OnHold as u8);
    }
    driver.ship_from(1, far, &[]).unwrap();
    driver.shipment(1, 1, ShipmentStep::Send).unwrap();
    let held = driver.view(1, |parts| parts.works[0]);
    assert_eq!((held.state, held.held_from), (WorkState::OnHold as u8, WorkState::InProgress as u8));
    driver.assert_kept();
    // The last unit is given up while it is paused: something had shipped, so it is closed.
    driver.cancel(1, &[]).unwrap();
    assert_eq!(driver.works(1), [(near, WorkState::Closed), (far, WorkState::Closed)]);
    assert_eq!(driver.order_state(1), OrderState::Confirmed, "packages are on their way");
    driver.assert_kept();
}

#[test]
fn the_last_package_that_was_sent_completes_the_order_however_it_ends() {
    for (number, step) in
        [ShipmentStep::Deliver, ShipmentStep::Lose, ShipmentStep::ReturnToSender].into_iter().enumerate()
    {
        let Shop { mut driver, near, far, .. } = split();
        driver.ship_from(1, near, &[]).unwrap();
        driver.ship_from(1, far, &[units(1, 1)]).unwrap();
        driver.shipment(1, 2, ShipmentStep::Lose).unwrap();
        let ended = driver.shipment(1, 1, step).unwrap();
        assert_eq!(ended.state, OrderState::Confirmed as u8, "a mug is open");
        assert_eq!(ended.detail, u64::from(step == ShipmentStep::ReturnToSender));
        driver.ship_from(1, far, &[]).unwrap();
        let ended = driver.shipment(1, 3, step).unwrap();
        assert_eq!(ended.state, OrderState::Completed as u8);
        assert_eq!(ended.detail, if number == 2 { 2 } else { 0 });
        let delivered = if step == ShipmentStep::Deliver { 1 } else { 0 };
        assert_eq!(driver.counters(1, 1), [0, 0, 0, 0, 2, delivered, 0]);
        assert_eq!(driver.returns(1), vec![ReturnState::Approved; ended.detail as usize]);
        driver.assert_kept();
    }
}

#[test]
fn giving_up_units_ends_the_work_that_is_left_empty() {
    let Shop { mut driver, near, far, .. } = split();
    driver.cancel(1, &[units(1, 2)]).unwrap();
    assert_eq!(driver.works(1), [(near, WorkState::Open), (far, WorkState::Cancelled)]);
    driver.ship(1, &[units(0, 1)]).unwrap();
    driver.shipment(1, 1, ShipmentStep::Deliver).unwrap();
    driver.assert_kept();
    assert_eq!(driver.cancel(1, &[]).unwrap().state, OrderState::Completed as u8);
    assert_eq!(driver.works(1), [(near, WorkState::Closed), (far, WorkState::Cancelled)]);
    driver.assert_kept();
    // A whole confirmed order that is given up.
    let Shop { mut driver, near, shirts, .. } = shop();
    driver.receive(shirts, near, 5);
    driver.place(1, &[line(shirts, 5, 1_000)]).unwrap();
    driver.confirm(1).unwrap();
    assert_eq!(driver.cancel(1, &[]).unwrap().state, OrderState::Cancelled as u8);
    assert_eq!(driver.works(1), [(near, WorkState::Cancelled)]);
    driver.assert_kept();
}

#[test]
fn refused_work_goes_to_who_has_the_units_and_never_back() {
    let Shop { mut driver, near, far, attic, shirts, mugs } = shop();
    for location in [near, far] {
        driver.receive(shirts, location, 5);
        driver.receive(mugs, location, 5);
    }
    driver.receive(shirts, attic, 2);
    driver.place(1, &[line(shirts, 4, 1_000), line(mugs, 1, 250)]).unwrap();
    driver.confirm(1).unwrap();
    assert_eq!(driver.works(1), [(near, WorkState::Open)]);
    driver.work(1, near, WorkStep::Accept).unwrap();
    let rejected = driver.reject(1, near).unwrap();
    assert_eq!((rejected.detail, rejected.state), (0, OrderState::Confirmed as u8));
    let Event::WorkRejected(head, moves) = driver.newest(EventKind::WorkRejected) else { panic!() };
    assert_eq!(moves, [at(0, far, 4), at(1, far, 1)]);
    assert_eq!(head.rule, DecidingRule::OnlyChoice as u8);
    assert_eq!(driver.works(1), [(near, WorkState::Rejected), (far, WorkState::Open)]);
    assert_eq!((driver.stock_at(shirts, near), driver.stock_at(shirts, far)), ((5, 0), (1, 4)));
    driver.assert_kept();
    // The next one says that the goods are missing. The attic has half of the shirts and nobody a mug.
    let missing = driver.run(&Command::RejectWork(&rejecting(1, far, 1))).unwrap();
    assert_eq!(missing.detail, 3, "two shirts and a mug wait");
    let Event::WorkRejected(_, moves) = driver.newest(EventKind::WorkRejected) else { panic!() };
    assert_eq!(moves, [at(0, attic, 2), at(0, NOWHERE, 2), at(1, NOWHERE, 1)]);
    let level = driver.level(shirts, far);
    assert_eq!((level.available.get(), level.committed.get(), level.quality_hold.get()), (1, 0, 4));
    let states = [(near, WorkState::Rejected), (far, WorkState::Rejected), (attic, WorkState::Open)];
    assert_eq!(driver.works(1), states);
    assert_eq!(driver.counters(1, 0), [0, 2, 0, 2, 0, 0, 0]);
    driver.assert_kept();
    // Stock that comes free at a location that has refused is not for this order.
    driver.receive(shirts, near, 1);
    assert_eq!(driver.counters(1, 0), [0, 2, 0, 2, 0, 0, 0]);
    driver.receive(shirts, attic, 1);
    assert_eq!(driver.counters(1, 0), [0, 1, 0, 3, 0, 0, 0]);
    // Nobody is left: everything waits, whatever the cap is.
    let last = driver.reject(1, attic).unwrap();
    assert_eq!(last.detail, 5);
    let Event::WorkRejected(head, moves) = driver.newest(EventKind::WorkRejected) else { panic!() };
    assert_eq!((head.rule, moves), (DecidingRule::Backorder as u8, &[at(0, NOWHERE, 3)][..]));
    assert_eq!(driver.order_state(1), OrderState::Confirmed);
    driver.assert_kept();
    // By hand a location can be asked that has refused. Then it has open work, and has still refused.
    let garage = driver.location("garage", 9);
    driver.receive(shirts, garage, 4);
    assert_eq!(driver.counters(1, 0), [0, 0, 0, 4, 0, 0, 0]);
    driver.move_work(1, garage, near, &[units(0, 1)]).unwrap();
    let all = driver.works(1);
    assert_eq!((all[0], all[3]), ((near, WorkState::Open), (garage, WorkState::Open)));
    driver.receive(mugs, near, 1);
    assert_eq!(driver.counters(1, 1), [0, 1, 0, 0, 0, 0, 0]);
    driver.assert_kept();
}

#[test]
fn work_that_was_over_is_open_again_when_stock_comes_for_what_waits() {
    let Shop { mut driver, near, far, shirts, mugs, .. } = shop();
    driver.receive(shirts, near, 2);
    driver.receive(mugs, near, 2);
    driver.place(1, &[line(shirts, 2, 1_000), line(mugs, 2, 250)]).unwrap();
    driver.confirm(1).unwrap();
    driver.ship(1, &[units(0, 2)]).unwrap();
    driver.shipment(1, 1, ShipmentStep::Deliver).unwrap();
    driver.receive(mugs, far, 1);
    driver.assert_kept();
    // In progress, it cannot be refused or moved: the location is at it.
    for action in [Action::Reject, Action::Move] {
        let refused = match action {
            Action::Reject => driver.refused(&Command::RejectWork(&rejecting(1, near, 0))),
            _ => driver.refused(&Command::MoveWork(&moving_work(1, near, far, &[]), &[])),
        };
        let subject = (Entity::Work as u32) << 8 | action as u32;
        assert_eq!((refused.code, refused.subject), (RejectCode::IllegalTransition, subject));
        assert_eq!(refused.state, WorkState::InProgress as u8);
    }
    driver.ship(1, &[]).unwrap();
    assert_eq!(driver.works(1), [(near, WorkState::Closed)]);
    // Another order's units wait at nobody, and come to where the first one's work was over.
    driver.receive(shirts, far, 2);
    driver.place(2, &[line(shirts, 2, 1_000)]).unwrap();
    driver.confirm(2).unwrap();
    driver.reject(2, far).unwrap();
    assert_eq!(driver.counters(2, 0), [0, 2, 0, 0, 0, 0, 0]);
    driver.receive(shirts, near, 1);
    driver.ship(2, &[]).unwrap();
    assert_eq!(driver.works(2), [(near, WorkState::Closed), (far, WorkState::Rejected)]);
    driver.receive(shirts, near, 1);
    assert_eq!(driver.works(2), [(near, WorkState::Open), (far, WorkState::Rejected)]);
    // What had shipped from here still counts: given up, its work is closed.
    driver.cancel(2, &[]).unwrap();
    assert_eq!(driver.works(2), [(near, WorkState::Closed), (far, WorkState::Rejected)]);
    driver.assert_kept();
}

#[test]
fn a_location_counts_an_order_that_it_gets_by_refusal_or_by_hand() {
    let Shop { mut driver, near, far, attic, shirts, .. } = shop();
    let bounded = DefineLocation {
        priority: 2.into(),
        daily_capacity: 1.into(),
        expected_version: 0.into(),
        region: 1.into(),
        standing: 1,
        code_bytes: 3,
    };
    driver.run(&Command::DefineLocation(&bounded, "far")).unwrap();
    driver.receive(shirts, near, 9);
    driver.receive(shirts, far, 9);
    for order in 1..=3 {
        driver.place(order, &[line(shirts, 1, 1_000)]).unwrap();
        driver.confirm(order).unwrap();
        assert_eq!(driver.works(order), [(near, WorkState::Open)]);
    }
    driver.reject(1, near).unwrap();
    assert_eq!(driver.works(1), [(near, WorkState::Rejected), (far, WorkState::Open)]);
    // Its day is full: no candidate for another order's refused units. But they wait, and refills know no bound.
    driver.receive(shirts, attic, 1);
    driver.reject(2, near).unwrap();
    assert_eq!(driver.works(2), [(near, WorkState::Rejected), (attic, WorkState::Open)]);
    driver.reject(3, near).unwrap();
    let Event::WorkRejected(_, moves) = driver.newest(EventKind::WorkRejected) else { panic!() };
    assert_eq!(moves, [at(0, NOWHERE, 1)]);
    assert_eq!(driver.works(3), [(near, WorkState::Rejected), (far, WorkState::Open)]);
    driver.assert_kept();
    // By hand a full location gets more, too.
    driver.place(4, &[line(shirts, 1, 1_000)]).unwrap();
    driver.confirm(4).unwrap();
    driver.move_work(4, near, far, &[]).unwrap();
    assert_eq!(driver.works(4), [(near, WorkState::Cancelled), (far, WorkState::Open)]);
    driver.assert_kept();
}

#[test]
fn units_go_to_another_location_by_hand() {
    let Shop { mut driver, near, far, attic, shirts, mugs } = split();
    driver.receive(shirts, attic, 2);
    let code_of = |driver: &mut Driver, from, to, lines: &[LineQuantity]| {
        let refused = driver.refused(&Command::MoveWork(&moving_work(1, from, to, lines), lines));
        (refused.code, refused.subject, refused.detail)
    };
    assert_eq!(code_of(&mut driver, near, near, &[]), (RejectCode::SameLocation, 0, 0));
    assert_eq!(code_of(&mut driver, near, attic, &[]), (RejectCode::InsufficientStock, 0, 2));
    assert_eq!(code_of(&mut driver, near, far, &[]), (RejectCode::InsufficientStock, 0, 0));
    assert_eq!(code_of(&mut driver, near, attic, &[units(0, 4)]), (RejectCode::QuantityNotThere, 0, 3));
    assert_eq!(code_of(&mut driver, near, attic, &[units(1, 1)]), (RejectCode::QuantityNotThere, 1, 0));
    let no_work = (RejectCode::UnknownWork, u32::from(attic.get()), 0);
    assert_eq!(code_of(&mut driver, attic, near, &[]), no_work);
    let moved = driver.move_work(1, near, attic, &[units(0, 2)]).unwrap();
    assert_eq!((moved.detail, moved.state), (2, OrderState::Confirmed as u8));
    let Event::WorkMoved(head, moves) = driver.newest(EventKind::WorkMoved) else { panic!() };
    assert_eq!((head.movement.line_count.get(), moves), (0, &[at(0, attic, 2)][..]));
    let all_open = [(near, WorkState::Open), (far, WorkState::Open), (attic, WorkState::Open)];
    assert_eq!(driver.works(1), all_open);
    assert_eq!((driver.stock_at(shirts, near), driver.stock_at(shirts, attic)), ((9, 1), (0, 2)));
    driver.assert_kept();
    // The last unit goes: nothing had shipped from there.
    driver.receive(shirts, attic, 1);
    driver.work(1, near, WorkStep::Accept).unwrap();
    driver.move_work(1, near, attic, &[]).unwrap();
    assert_eq!(driver.works(1)[0], (near, WorkState::Cancelled));
    driver.assert_kept();
    // Back to where work was given up: it is open again.
    driver.move_work(1, attic, near, &[units(0, 1)]).unwrap();
    assert_eq!(driver.works(1)[0], (near, WorkState::Open));
    let closed = DefineLocation {
        priority: 2.into(),
        daily_capacity: 0.into(),
        expected_version: 0.into(),
        region: 1.into(),
        standing: 2,
        code_bytes: 3,
    };
    driver.run(&Command::DefineLocation(&closed, "far")).unwrap();
    driver.receive(shirts, far, 9);
    let inactive = (RejectCode::LocationInactive, u32::from(far.get()), 0);
    assert_eq!(code_of(&mut driver, attic, far, &[]), inactive);
    // An inactive location still ships what it has, and gives it away.
    driver.receive(mugs, attic, 1);
    driver.move_work(1, far, attic, &[units(1, 1)]).unwrap();
    driver.ship(1, &[]).unwrap();
    driver.assert_kept();
}

#[test]
fn lines_of_one_sku_share_what_is_there() {
    let Shop { mut driver, near, far, shirts, .. } = shop();
    driver.receive(shirts, near, 4);
    driver.place(1, &[line(shirts, 2, 1_000), line(shirts, 2, 900)]).unwrap();
    driver.confirm(1).unwrap();
    driver.receive(shirts, far, 3);
    // The units are summed in the order of the command.
    for (lines, subject) in [(&[][..], 1), (&[units(0, 2), units(1, 2)], 1), (&[units(1, 2), units(0, 2)], 0)]
    {
        let refused = driver.refused(&Command::MoveWork(&moving_work(1, near, far, lines), lines));
        let expected = (RejectCode::InsufficientStock, subject, 3);
        assert_eq!((refused.code, refused.subject, refused.detail), expected);
    }
    driver.reject(1, near).unwrap();
    let Event::WorkRejected(_, moves) = driver.newest(EventKind::WorkRejected) else { panic!() };
    assert_eq!(moves, [at(0, far, 2), at(1, far, 1), at(1, NOWHERE, 1)]);
    driver.assert_kept();
    driver.ship(1, &[units(1, 1)]).unwrap();
    assert_eq!(
        [driver.counters(1, 0), driver.counters(1, 1)],
        [[0, 0, 0, 2, 0, 0, 0], [0, 1, 0, 0, 1, 0, 0]]
    );
    driver.assert_kept();
}

#[test]
fn nothing_leaves_that_is_not_on_hand() {
    let Shop { mut driver, near, shirts, .. } = shop();
    driver.receive(shirts, near, 4);
    driver.place(1, &[line(shirts, 3, 1_000), line(shirts, 1, 900)]).unwrap();
    driver.confirm(1).unwrap();
    driver.pack(1, near, &[units(0, 2)]).unwrap();
    // Three of the four were never there.
    driver.adjust(shirts, near, Bucket::Available, -3).unwrap();
    let refused = driver.refused(&Command::UpdateShipment(&updating(1, 1, ShipmentStep::Send)));
    assert_eq!((refused.code, refused.subject, refused.detail), (RejectCode::InsufficientStock, 0, 1));
    let sent = |lines| ShipLines { is_sent: 1, ..packing(1, near, lines) };
    let lines = [units(0, 1), units(1, 1)];
    let refused = driver.refused(&Command::ShipLines(&sent(&lines), &lines, "P1"));
    assert_eq!((refused.code, refused.subject, refused.detail), (RejectCode::InsufficientStock, 1, 1));
    driver.ship_from(1, near, &[units(0, 1)]).unwrap();
    assert_eq!(driver.stock_at(shirts, near), (-3, 3));
    driver.assert_kept();
    driver.adjust(shirts, near, Bucket::Available, 2).unwrap();
    driver.shipment(1, 1, ShipmentStep::Send).unwrap();
    assert_eq!(driver.stock_at(shirts, near), (-1, 1));
    driver.assert_kept();
}

#[test]
fn what_is_missing_fits_a_level_that_is_as_full_as_can_be() {
    let Shop { mut driver, near, shirts, .. } = split();
    let level = driver.level(shirts, near);
    let on_hand = level.available.get() as u64 + level.reserved.get() + level.committed.get();
    driver.adjust(shirts, near, Bucket::QualityHold, (BUCKET_QUANTITY_MAX - on_hand) as i64).unwrap();
    let missing = rejecting(1, near, 1);
    driver.run(&Command::RejectWork(&missing)).unwrap();
    driver.assert_kept();
}

#[test]
fn holds_stop_packing_and_sending_and_nothing_else_of_it() {
    let Shop { mut driver, near, far, attic, shirts, .. } = split();
    driver.receive(shirts, attic, 9);
    driver.pack(1, near, &[units(0, 1)]).unwrap();
    driver.hold(1, blocks::FULFIL).unwrap();
    for command in [
        Command::UpdateWork(&working(1, far, WorkStep::Accept)),
        Command::ShipLines(&packing(1, far, &[]), &[], "P1"),
        Command::UpdateShipment(&updating(1, 1, ShipmentStep::Send)),
    ] {
        let refused = driver.refused(&command);
        assert_eq!(
            (refused.code, refused.subject, refused.detail),
            (RejectCode::OnHold, 1, 1),
            "{command:?}"
        );
    }
    // The state of the part is judged first.
    let refused = driver.refused(&Command::UpdateWork(&working(1, far, WorkStep::Start)));
    assert_eq!(refused.code, RejectCode::IllegalTransition);
    driver.shipment(1, 1, ShipmentStep::Cancel).unwrap();
    driver.work(1, near, WorkStep::Pause).unwrap();
    driver.work(1, near, WorkStep::Resume).unwrap();
    driver.reject(1, far).unwrap();
    driver.assert_kept();
}

#[test]
fn each_way_to_be_refused_has_its_name_and_changes_nothing() {
    let Shop { mut driver, near, far, attic, .. } = split();
    driver.pack(1, near, &[units(0, 1)]).unwrap();
    use RejectCode::*;
    let zeros = LineQuantity { line: 0.into(), reserved: [0, 1], quantity: 1.into() };
    let named = |driver: &mut Driver, lines: &[LineQuantity]| {
        let commands = [
            (36, Command::ShipLines(&ShipLines { is_sent: 1, ..packing(1, near, lines) }, lines, "P1")),
            (28, Command::MoveWork(&moving_work(1, far, attic, lines), lines)),
            (32, Command::RequestReturn(&asking_back(1, lines), lines)),
        ];
        let refused = |(_, command)| {
            let refused = driver.refused(&command);
            (refused.code, refused.subject)
        };
        commands.map(refused)
    };
    assert_eq!(size_of::<RequestReturn>(), 32);
    assert_eq!((size_of::<ShipLines>(), size_of::<MoveWork>()), (36, 28));
    let offsets = [36, 28, 32].map(|bytes| (InvalidField, bytes + 8 + 2));
    assert_eq!(named(&mut driver, &[units(0, 1), zeros]), offsets);
    assert_eq!(named(&mut driver, &[units(9, 0), units(0, 1)]), [(ZeroQuantity, 9); 3]);
    assert_eq!(named(&mut driver, &[units(0, 1), units(9, 1), units(9, 1)]), [(LineRepeated, 9); 3]);
    assert_eq!(named(&mut driver, &[units(0, 9), units(9, 1)]), [(UnknownLine, 9); 3]);

    let mut refused = |command: Command<'_>| {
        let refused = driver.refused(&command);
        (refused.code, refused.subject)
    };
    let work = working(1, near, WorkStep::Pause);
    assert_eq!(refused(Command::UpdateWork(&UpdateWork { step: 0, ..work })), (InvalidField, 22));
    assert_eq!(refused(Command::UpdateWork(&UpdateWork { step: 5, ..work })), (InvalidField, 22));
    assert_eq!(refused(Command::UpdateWork(&UpdateWork { reserved: 1, ..work })), (InvalidField, 23));
    let rejection = rejecting(1, near, 0);
    assert_eq!(refused(Command::RejectWork(&RejectWork { is_missing: 2, ..rejection })), (InvalidField, 24));
    assert_eq!(
        refused(Command::RejectWork(&RejectWork { reserved: [1; 7], ..rejection })),
        (InvalidField, 25)
    );
    let pack = packing(1, near, &[]);
    assert_eq!(refused(Command::ShipLines(&ShipLines { is_sent: 2, ..pack }, &[], "P1")), (InvalidField, 35));
    let long = "x".repeat(65);
    let tracked = ShipLines { tracking_bytes: 65, ..pack };
    assert_eq!(refused(Command::ShipLines(&tracked, &[], &long)), (InvalidField, 34));
    let send = updating(1, 1, ShipmentStep::Send);
    assert_eq!(refused(Command::UpdateShipment(&UpdateShipment { step: 6, ..send })), (InvalidField, 30));
    assert_eq!(refused(Command::UpdateShipment(&UpdateShipment { reserved: 1, ..send })), (InvalidField, 31));

    let unknown = LocationHandle::new(77);
    for order in [9, 1] {
        let expected = |code, subject| if order == 9 { (UnknownOrder, 0) } else { (code, subject) };
        let at_77 = expected(UnknownLocation, 77);
        assert_eq!(refused(Command::UpdateWork(&working(order, unknown, WorkStep::Accept))), at_77);
        assert_eq!(refused(Command::RejectWork(&rejecting(order, unknown, 0))), at_77);
        assert_eq!(refused(Command::MoveWork(&moving_work(order, unknown, far, &[]), &[])), at_77);
        assert_eq!(refused(Command::MoveWork(&moving_work(order, near, unknown, &[]), &[])), at_77);
        assert_eq!(refused(Command::ShipLines(&packing(order, unknown, &[]), &[], "P1")), at_77);
        let at_attic = expected(UnknownWork, attic.get().into());
        assert_eq!(refused(Command::UpdateWork(&working(order, attic, WorkStep::Accept))), at_attic);
        assert_eq!(refused(Command::RejectWork(&rejecting(order, attic, 0))), at_attic);
        assert_eq!(refused(Command::MoveWork(&moving_work(order, attic, far, &[]), &[])), at_attic);
        assert_eq!(refused(Command::ShipLines(&packing(order, attic, &[]), &[], "P1")), at_attic);
        for number in [0, 2] {
            let unknown = expected(UnknownShipment, number.into());
            let update = updating(order, number, ShipmentStep::Deliver);
            assert_eq!(refused(Command::UpdateShipment(&update)), unknown);
        }
    }
    let stale = 99.into();
    let mut outdated = |command: Command<'_>| {
        let refused = driver.refused(&command);
        assert_eq!((refused.code, refused.version), (VersionMismatch, 3), "{command:?}");
    };
    // The version is judged before the states, and those before quantities.
    outdated(Command::UpdateWork(&UpdateWork { expected_version: stale, ..work }));
    outdated(Command::RejectWork(&RejectWork { expected_version: stale, ..rejection }));
    let lines = [units(0, 99)];
    outdated(Command::MoveWork(
        &MoveWork { expected_version: stale, ..moving_work(1, near, far, &lines) },
        &lines,
    ));
    outdated(Command::ShipLines(
        &ShipLines { expected_version: stale, ..packing(1, near, &lines) },
        &lines,
        "P1",
    ));
    outdated(Command::UpdateShipment(&UpdateShipment { expected_version: stale, ..send }));
    let right = UpdateShipment { expected_version: 3.into(), ..send };
    assert_eq!(driver.run(&Command::UpdateShipment(&right)).unwrap().version, 4);
    driver.assert_kept();
}

#[test]
fn an_order_has_a_thousand_packages_at_most() {
    let Shop { mut driver, near, shirts, .. } = shop();
    driver.receive(shirts, near, 2_000);
    driver.place(1, &[line(shirts, 2_000, 1)]).unwrap();
    driver.confirm(1).unwrap();
    for number in 1..=ORDER_PARTS_MAX as u64 {
        assert_eq!(driver.pack(1, near, &[units(0, 1)]).unwrap().detail, number);
    }
    let refused = driver.refused(&Command::ShipLines(&packing(1, near, &[]), &[], "P1"));
    assert_eq!((refused.code, refused.detail), (RejectCode::TooManyParts, 1_000));
    driver.assert_kept();
}

#[test]
fn a_package_lists_no_more_units_than_its_event_can_count() {
    const LINES: usize = 2_000;
    const LOCATIONS: usize = 32;
    let mut driver = Driver::new(9);
    let seller = driver.seller("acme");
    let locations: Vec<_> =
        (0..=LOCATIONS).map(|n| driver.location(&format!("place {n}"), n as u32)).collect();
    let (last, spare) = (locations[LOCATIONS - 1], locations[LOCATIONS]);
    let skus: Vec<_> = (0..LINES).map(|n| driver.sku(&format!("sku {n}"), seller)).collect();
    for &sku in &skus {
        locations[..LOCATIONS - 1].iter().for_each(|&location| driver.receive(sku, location, 1));
        driver.receive(sku, last, 2);
    }
    let lines: Vec<_> = skus.iter().map(|&sku| line(sku, LOCATIONS as u32 + 1, 1)).collect();
    driver.place(1, &lines).unwrap();
    driver.confirm(1).unwrap();
    // Half of what the last location has goes to another one: more places than were allowed at the placement.
    skus.iter().for_each(|&sku| driver.receive(sku, spare, 1));
    let halves: Vec<_> = (0..LINES as u16).map(|line| units(line, 1)).collect();
    driver.move_work(1, last, spare, &halves).unwrap();
    let refused = driver.refused(&Command::ShipLines(&packing(1, NOWHERE, &[]), &[], "P1"));
    assert_eq!((refused.code, refused.detail), (RejectCode::TooManyLines, 66_000));
    driver.ship_from(1, spare, &[]).unwrap();
    driver.ship(1, &[]).unwrap();
    assert_eq!(driver.works(1).len(), LOCATIONS + 1);
    driver.assert_kept();
}
