//! The rules of orders, each through the door that the engine uses.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod support;

use orderline_protocol::command::PlaceOrder;
use orderline_protocol::command::ShipmentStep::Deliver;
use orderline_protocol::event::{EVENT_VERSION, Event, OrderState};
use orderline_protocol::*;
use support::*;

struct Shop {
    driver: Driver,
    shirts: SkuHandle,
    mugs: SkuHandle,
    near: LocationHandle,
    far: LocationHandle,
}

fn shop() -> Shop {
    let mut driver = Driver::new(11);
    let seller = driver.seller("acme");
    let far = driver.location("far", 2);
    let near = driver.location("near", 1);
    let shirts = driver.sku("shirt", seller);
    let mugs = driver.sku("mug", seller);
    Shop { driver, shirts, mugs, near, far }
}

fn code(result: Result<orderline_core::state::Accepted, orderline_core::Rejection>) -> RejectCode {
    result.unwrap_err().code
}

#[test]
fn a_placement_takes_all_its_lines_or_none_and_the_last_unit_has_one_winner() {
    let Shop { mut driver, shirts, mugs, near, .. } = shop();
    driver.receive(shirts, near, 3);
    driver.receive(mugs, near, 1);
    let placed = driver.place(1, &[line(shirts, 2, 1_000), line(mugs, 1, 250)]).unwrap();
    assert_eq!((placed.detail, placed.version, placed.state), (2_250, 1, OrderState::Pending as u8));
    let before = driver.state.hash();
    let refused = driver.place(2, &[line(shirts, 1, 1_000), line(mugs, 1, 250)]).unwrap_err();
    assert_eq!((refused.code, refused.subject, refused.detail), (RejectCode::InsufficientStock, 1, 0));
    assert_eq!(driver.state.hash(), before, "a refused command changes nothing");
    let level = driver.level(shirts, near);
    assert_eq!((level.available.get(), level.reserved.get()), (1, 2));
    driver.assert_sound();
}

#[test]
fn lines_that_repeat_a_sku_are_summed_before_stock_is_looked_at() {
    let Shop { mut driver, shirts, mugs, near, .. } = shop();
    driver.receive(shirts, near, 3);
    driver.receive(mugs, near, 100);
    assert_eq!(
        code(driver.place(1, &[line(shirts, 2, 5), line(shirts, 2, 5)])),
        RejectCode::InsufficientStock
    );
    // The same over the sorted path of long orders.
    let mut long: Vec<_> = (0..20).map(|_| line(mugs, 1, 5)).collect();
    long.extend([line(shirts, 2, 5), line(shirts, 2, 5)]);
    let refused = driver.place(2, &long).unwrap_err();
    assert_eq!((refused.code, refused.subject, refused.detail), (RejectCode::InsufficientStock, 20, 3));
    long.truncate(21);
    driver.place(3, &long).unwrap();
    assert_eq!(driver.level(mugs, near).reserved.get(), 20);
    driver.assert_sound();
}

#[test]
fn sourcing_prefers_one_package_then_priority_then_splits() {
    let Shop { mut driver, shirts, mugs, near, far } = shop();
    driver.receive(shirts, near, 5);
    driver.receive(shirts, far, 9);
    driver.receive(mugs, far, 4);
    // Both have shirts: the lower priority number ships.
    driver.place(1, &[line(shirts, 1, 5)]).unwrap();
    assert_eq!(driver.order(1).1[0].location, near);
    // Only far has both.
    driver.place(2, &[line(shirts, 1, 5), line(mugs, 1, 5)]).unwrap();
    assert_eq!(driver.order(2).1.iter().map(|line| line.location).collect::<Vec<_>>(), [far, far]);
    // None has everything: by SKU.
    driver.receive(mugs, near, 1);
    driver.place(3, &[line(shirts, 6, 5), line(mugs, 1, 5)]).unwrap();
    assert_eq!(driver.order(3).1[0].location, far);
    driver.place(4, &[line(shirts, 4, 5), line(mugs, 2, 5)]).unwrap();
    assert_eq!(driver.order(4).1.iter().map(|line| line.location).collect::<Vec<_>>(), [near, far]);
    // Too many for any one place: split, nearest first.
    driver.receive(shirts, near, 2);
    driver.place(5, &[line(shirts, 2, 5), line(shirts, 1, 6)]).unwrap();
    assert_eq!(driver.level(shirts, near).available.get(), 0);
    assert_eq!(driver.level(shirts, far).available.get(), 1);
    driver.assert_sound();
    // Shipping from one of the places ships only what is there.
    driver.confirm(5).unwrap();
    driver.ship_from(5, far, &[]).unwrap();
    let shipped: u32 = driver.order(5).1.iter().map(|line| line.counters.shipped.get()).sum();
    assert_eq!(shipped, 1);
    driver.assert_sound();
}

#[test]
fn an_inactive_location_ships_nothing_new() {
    let Shop { mut driver, shirts, near, far, .. } = shop();
    driver.receive(shirts, near, 5);
    let close = command::DefineLocation {
        region: 1.into(),
        priority: 1.into(),
        daily_capacity: 0.into(),
        standing: 2,
        code_bytes: 4,
        expected_version: 0.into(),
    };
    driver.run(&Command::DefineLocation(&close, "near")).unwrap();
    assert_eq!(code(driver.place(1, &[line(shirts, 1, 5)])), RejectCode::InsufficientStock);
    driver.receive(shirts, far, 1);
    driver.place(1, &[line(shirts, 1, 5)]).unwrap();
    assert_eq!(driver.order(1).1[0].location, far);
}

#[test]
fn an_order_lives_from_cart_to_door_with_parts_given_up() {
    let Shop { mut driver, shirts, mugs, near, .. } = shop();
    driver.receive(shirts, near, 10);
    driver.receive(mugs, near, 10);
    driver.place(1, &[line(shirts, 4, 1_000), line(mugs, 2, 250)]).unwrap();
    assert_eq!(driver.cancel(1, &[units(0, 1)]).unwrap().detail, 1_000);
    driver.assert_sound();
    driver.confirm(1).unwrap();
    driver.assert_sound();
    let shipped = driver.ship(1, &[units(0, 2)]).unwrap();
    assert_eq!((shipped.detail, shipped.state), (1, OrderState::Confirmed as u8));
    driver.assert_sound();
    assert_eq!(driver.shipment(1, 1, Deliver).unwrap().state, OrderState::Confirmed as u8);
    assert_eq!(driver.ship(1, &[]).unwrap().detail, 2);
    driver.assert_sound();
    let (head, lines) = driver.order(1);
    assert_eq!(head.shipment_count.get(), 2);
    let counters = lines[0].counters;
    assert_eq!((counters.cancelled.get(), counters.shipped.get(), counters.delivered.get()), (1, 3, 2));
    let done = driver.shipment(1, 2, Deliver).unwrap();
    assert_eq!(done.state, OrderState::Completed as u8);
    assert_eq!(driver.state.counts().orders_open, 0);
    let level = driver.level(shirts, near);
    assert_eq!((level.available.get(), level.reserved.get(), level.committed.get()), (7, 0, 0));
    driver.assert_sound();
}

#[test]
fn giving_up_the_rest_cancels_or_completes() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 10);
    driver.place(1, &[line(shirts, 2, 5)]).unwrap();
    assert_eq!(driver.cancel(1, &[]).unwrap().state, OrderState::Cancelled as u8);
    driver.place(2, &[line(shirts, 2, 5)]).unwrap();
    driver.confirm(2).unwrap();
    driver.ship(2, &[units(0, 1)]).unwrap();
    assert_eq!(driver.cancel(2, &[]).unwrap().state, OrderState::Confirmed as u8, "one is on its way");
    assert_eq!(driver.shipment(2, 1, Deliver).unwrap().state, OrderState::Completed as u8);
    driver.place(3, &[line(shirts, 2, 5)]).unwrap();
    driver.confirm(3).unwrap();
    driver.ship(3, &[units(0, 1)]).unwrap();
    driver.shipment(3, 1, Deliver).unwrap();
    assert_eq!(driver.cancel(3, &[units(0, 1)]).unwrap().state, OrderState::Completed as u8);
    assert_eq!(driver.level(shirts, near).available.get(), 8);
    driver.assert_sound();
}

#[test]
fn asking_again_gets_the_first_answer_and_runs_nothing_twice() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 10);
    let lines = [line(shirts, 1, 5)];
    let mut place = Vec::new();
    Command::PlaceOrder(&placement(7, 1), &lines, "").write(500, &mut place);
    let session = driver.session;
    let first = driver.send(session, &place).unwrap();
    let hash = driver.state.hash();
    assert_eq!(driver.send(session, &place), Ok(first), "the same request");
    let other = driver.open_session(2);
    let hash_with_session = driver.state.hash();
    assert_eq!(driver.send(other, &place), Ok(first), "the same order from another session");
    assert_eq!(driver.state.hash(), hash_with_session);
    assert_ne!(hash, hash_with_session);

    let mut reused = Vec::new();
    Command::PlaceOrder(&placement(8, 1), &lines, "").write(500, &mut reused);
    let refused = driver.send(session, &reused).unwrap_err();
    assert_eq!((refused.code, refused.sequence), (RejectCode::RequestReused, Some(first.sequence)));
    let mut changed = Vec::new();
    Command::PlaceOrder(&placement(7, 1), &[line(shirts, 2, 5)], "").write(501, &mut changed);
    let refused = driver.send(session, &changed).unwrap_err();
    assert_eq!((refused.code, refused.sequence), (RejectCode::OrderIdReused, Some(first.sequence)));

    // The window ends with the 16,384th number back from the newest.
    let ahead = |driver: &mut Driver, order, request| {
        let mut bytes = Vec::new();
        Command::PlaceOrder(&placement(order, 1), &lines, "").write(request, &mut bytes);
        driver.send(session, &bytes).unwrap();
    };
    ahead(&mut driver, 9, 500 + limits::SESSION_WINDOW - 1);
    assert_eq!(driver.send(session, &place), Ok(first), "the oldest request that is remembered");
    ahead(&mut driver, 10, 500 + limits::SESSION_WINDOW);
    assert_eq!(driver.send(session, &place).unwrap_err().code, RejectCode::RequestTooOld);
    driver.assert_sound();
}

#[test]
fn a_version_that_was_not_expected_is_refused_with_the_one_now() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 10);
    driver.place(1, &[line(shirts, 2, 5)]).unwrap();
    let confirm = |version: u32| command::ConfirmOrder {
        order: OrderId::new(1),
        expected_version: version.into(),
        reserved: [0; 4],
    };
    let refused = driver.run(&Command::ConfirmOrder(&confirm(2))).unwrap_err();
    assert_eq!((refused.code, refused.version), (RejectCode::VersionMismatch, 1));
    assert_eq!(driver.run(&Command::ConfirmOrder(&confirm(1))).unwrap().version, 2);
}

#[test]
fn bad_orders_are_refused_by_name_and_change_nothing() {
    let Shop { mut driver, shirts, mugs, near, .. } = shop();
    driver.receive(shirts, near, limits::BUCKET_QUANTITY_MAX / 2);
    driver.receive(mugs, near, 10);
    let other = driver.seller("other");
    let foreign = driver.sku("foreign", other);
    let mut euro = command::DefineSku {
        seller: SellerHandle::new(0),
        backorder_cap: 0.into(),
        currency: CurrencyCode::new(978),
        standing: 1,
        code_bytes: 4,
        expected_version: 0.into(),
    };
    let euros = driver.run(&Command::DefineSku(&euro, "euro")).unwrap().detail as u32;
    euro.standing = 2;
    euro.currency = CurrencyCode::NONE;
    let retired = driver.run(&Command::DefineSku(&euro, "gone")).unwrap().detail as u32;
    let before = driver.state.hash();
    let mut refused = |order: u128, lines: &[command::OrderLine]| {
        let rejection = driver.place(order, lines).unwrap_err();
        assert_eq!(driver.state.hash(), before, "{rejection:?}");
        (rejection.code, rejection.subject)
    };
    let good = line(mugs, 1, 5);
    use RejectCode::*;
    assert_eq!(refused(0, &[good]), (InvalidOrderId, 0));
    assert_eq!(refused(1, &[]), (NoLines, 0));
    assert_eq!(refused(1, &vec![good; 2_001]), (TooManyLines, 0));
    assert_eq!(refused(1, &[good, line(SkuHandle::new(999), 1, 5)]), (UnknownSku, 1));
    assert_eq!(refused(1, &[good, line(SkuHandle::NONE, 1, 5)]), (UnknownSku, 1));
    assert_eq!(refused(1, &[line(mugs, 0, 5)]), (ZeroQuantity, 0));
    assert_eq!(refused(1, &[good, line(shirts, u32::MAX, 5)]), (QuantityTooLarge, 1));
    assert_eq!(
        refused(1, &[line(shirts, 600_000_000, 1), line(shirts, 600_000_000, 1)]),
        (QuantityTooLarge, 1)
    );
    assert_eq!(refused(1, &[line(mugs, 1, 0)]), (InvalidPrice, 0));
    assert_eq!(refused(1, &[line(mugs, 1, -5)]), (InvalidPrice, 0));
    assert_eq!(refused(1, &[line(mugs, 1, i64::MAX)]), (PriceTooLarge, 0));
    assert_eq!(refused(1, &[line(shirts, 1_000_000_000, 10_000_000_000_000)]), (TotalTooLarge, 0));
    assert_eq!(refused(1, &[line(foreign, 1, 5)]), (SkuOfOtherSeller, 0));
    assert_eq!(refused(1, &[good, line(SkuHandle::new(euros), 1, 5)]), (MixedCurrencies, 1));
    assert_eq!(refused(1, &[line(SkuHandle::new(retired), 1, 5)]), (SkuRetired, 0));
    let mut strange = placement(1, 1);
    for numeric in [1, 999, 963, 959, 191] {
        strange.currency = CurrencyCode::new(numeric);
        assert_eq!(code(driver.run(&Command::PlaceOrder(&strange, &[good], ""))), UnknownCurrency);
        let sku = command::DefineSku { currency: strange.currency, ..euro };
        assert_eq!(code(driver.run(&Command::DefineSku(&sku, "gold"))), UnknownCurrency);
    }
    assert_eq!(driver.state.hash(), before);
}

#[test]
fn stock_never_falls_below_nothing_and_never_runs_over() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 5);
    let mut adjust = |delta: i64, bucket: command::Bucket| {
        let head = command::AdjustStock {
            sku: shirts,
            expected_version: 0.into(),
            location: near,
            bucket: bucket as u8,
            reserved: [0; 5],
            delta: delta.into(),
            cause: command::Cause::NONE,
        };
        driver
            .run(&Command::AdjustStock(&head))
            .map(|accepted| accepted.detail)
            .map_err(|r| (r.code, r.detail))
    };
    use command::Bucket::*;
    assert_eq!(adjust(-5, Available), Ok(0));
    assert_eq!(adjust(-1, Available), Err((RejectCode::StockNegative, 0)));
    assert_eq!(adjust(3, Damaged), Ok(3));
    assert_eq!(adjust(i64::MIN, Damaged), Err((RejectCode::StockNegative, 3)));
    assert_eq!(adjust(i64::MAX, Damaged), Err((RejectCode::StockOverflow, 3)));
    assert_eq!(adjust(0, Damaged), Err((RejectCode::ZeroQuantity, 0)));
}

#[test]
fn defining_twice_is_defining_once_and_defining_otherwise_is_changing() {
    let mut driver = Driver::new(1);
    let acme = driver.seller("acme");
    let sequence = driver.state.sequence();
    assert_eq!(driver.seller("acme"), acme);
    assert_eq!(driver.state.sequence(), sequence, "nothing changed, nothing journalled");
    let change = command::DefineSeller {
        commission_bp: 5.into(),
        standing: 2,
        code_bytes: 4,
        expected_version: 0.into(),
    };
    assert_eq!(driver.run(&Command::DefineSeller(&change, "acme")).unwrap().detail, u64::from(acme.get()));
    assert_eq!(driver.state.sequence(), sequence + 1);
    let sku = command::DefineSku {
        seller: acme,
        backorder_cap: 0.into(),
        currency: CurrencyCode::NONE,
        standing: 1,
        code_bytes: 1,
        expected_version: 0.into(),
    };
    for bad in ["", " x", "x\u{7}"] {
        let head = command::DefineSku { code_bytes: bad.len() as u8, ..sku };
        assert_eq!(code(driver.run(&Command::DefineSku(&head, bad))), RejectCode::InvalidCode, "{bad:?}");
    }
}

#[test]
fn a_full_catalogue_takes_changes_and_nothing_new_and_unknown_codes_are_said_to_be_so() {
    let mut driver = Driver::new(5);
    for number in 0..limits::LOCATIONS_MAX {
        driver.location(&format!("l{number}"), 1);
    }
    let location = |priority: u32| command::DefineLocation {
        region: 0.into(),
        priority: priority.into(),
        daily_capacity: 0.into(),
        standing: 1,
        code_bytes: 2,
        expected_version: 0.into(),
    };
    let before = driver.state.hash();
    let refused = driver.run(&Command::DefineLocation(&location(1), "lx")).unwrap_err();
    assert_eq!((refused.code, driver.state.hash()), (RejectCode::CatalogueFull, before));
    assert_eq!(driver.run(&Command::DefineLocation(&location(9), "l7")).unwrap().detail, 7);

    let resolve =
        command::ResolveCode { entity: command::EntityKind::Location as u8, code_bytes: 2, reserved: [0; 6] };
    assert_eq!(
        driver.query(&Command::ResolveCode(&resolve, "lx")).unwrap_err().code,
        RejectCode::UnknownCode
    );
    assert!(driver.query(&Command::ResolveCode(&resolve, "l7")).is_ok());
}

#[test]
fn what_must_be_new_is_refused_once_it_is_there() {
    let mut driver = Driver::new(6);
    let seller = |commission: u16, expected: u32| command::DefineSeller {
        commission_bp: commission.into(),
        standing: 1,
        code_bytes: 4,
        expected_version: expected.into(),
    };
    let new = seller(5, command::EXPECTED_NEW);
    assert_eq!(driver.run(&Command::DefineSeller(&new, "acme")).unwrap().version, 1);
    let before = driver.state.hash();
    for again in [new, seller(6, command::EXPECTED_NEW), seller(6, 7)] {
        let refused = driver.run(&Command::DefineSeller(&again, "acme")).unwrap_err();
        assert_eq!((refused.code, refused.version), (RejectCode::VersionMismatch, 1));
    }
    assert_eq!(driver.state.hash(), before);
}

#[test]
fn rules_that_somebody_else_has_set_are_not_overwritten() {
    use command::{DefineSourcing, SOURCING_RULES_MAX, SourcingRule, rules_digest};
    let mut driver = Driver::new(7);
    let acme = driver.seller("acme");
    let list = |rule: SourcingRule| {
        let mut rules = [0; SOURCING_RULES_MAX];
        rules[0] = rule as u8;
        rules
    };
    let none = [0; SOURCING_RULES_MAX];
    for seller in [acme, SellerHandle::NONE] {
        let set = |rules, expected_rules: u32| DefineSourcing {
            seller,
            rules,
            expected_rules: expected_rules.into(),
        };
        let (mine, theirs) = (list(SourcingRule::Priority), list(SourcingRule::Capacity));
        if seller == acme {
            driver.run(&Command::DefineSourcing(&set(theirs, rules_digest(&none)))).unwrap();
        } else {
            driver.run(&Command::DefineSourcing(&set(theirs, 0))).unwrap();
        }
        let before = driver.state.hash();
        for seen in [none, mine] {
            let refused = driver.run(&Command::DefineSourcing(&set(mine, rules_digest(&seen)))).unwrap_err();
            assert_eq!((refused.code, refused.version), (RejectCode::VersionMismatch, rules_digest(&theirs)));
        }
        assert_eq!(driver.state.hash(), before);
        driver.run(&Command::DefineSourcing(&set(mine, rules_digest(&theirs)))).unwrap();
    }
}

#[test]
fn the_callers_own_id_stands_in_the_event_and_is_like_a_code() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 10);
    let mut place = |external_id: &str| {
        let head = PlaceOrder { external_id_bytes: external_id.len() as u8, ..placement(1, 1) };
        driver.run(&Command::PlaceOrder(&head, &[line(shirts, 1, 5)], external_id))
    };
    let long = "x".repeat(65);
    for wrong in [" po-1", "po-1 ", "po\t1", &long] {
        assert_eq!(code(place(wrong)), RejectCode::InvalidCode, "{wrong:?}");
    }
    let placed = place("PO-1/ä").unwrap();
    assert_eq!(place("PO-1/ä"), Ok(placed));
    assert_eq!(code(place("PO-2")), RejectCode::OrderIdReused, "it is part of what was asked");
    let (_, kind, bytes) = driver.events.last().unwrap();
    match Event::read(*kind, EVENT_VERSION, bytes) {
        Ok(Event::OrderPlaced(head, lines, _, external_id)) => {
            assert_eq!((head.placement.order.get(), lines.len(), external_id), (1, 1, "PO-1/ä"));
        }
        other => panic!("{other:?}"),
    }
}
