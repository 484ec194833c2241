//! The rules of inventory levels: what changes them from outside, and who is named when less is there than was promised.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/levels.rs"]
mod levels;
mod support;

use levels::*;
use orderline_core::state::Due;
use orderline_protocol::command::*;
use orderline_protocol::event::EventKind;
use orderline_protocol::limits::{BUCKET_QUANTITY_MAX, DUE_ENTRIES_MAX, MOVEMENTS_MAX};
use orderline_protocol::*;
use support::*;

struct Shop {
    driver: Driver,
    shirts: SkuHandle,
    near: LocationHandle,
    far: LocationHandle,
}

fn shop() -> Shop {
    let mut driver = Driver::new(41);
    let seller = driver.seller("acme");
    let near = driver.location("near", 1);
    let far = driver.location("far", 2);
    let shirts = driver.sku("shirt", seller);
    Shop { driver, shirts, near, far }
}

const MAX: i64 = BUCKET_QUANTITY_MAX as i64;

#[test]
fn every_bucket_is_adjusted_within_its_bounds() {
    let Shop { mut driver, shirts, .. } = shop();
    for (place, &bucket) in Bucket::ALL.iter().enumerate() {
        // One location for each, for what is on hand is bounded over all buckets.
        let near = driver.location(bucket.name(), 3);
        // As they stand in a level: available, reserved, committed, safety, damaged, quality hold, incoming.
        let at = if place == 0 { 0 } else { place + 2 };
        assert_eq!(driver.adjust(shirts, near, bucket, 9).unwrap().detail, 9);
        assert_eq!(driver.adjust(shirts, near, bucket, -4).unwrap().detail, 5);
        assert_eq!(driver.buckets(shirts, near)[at], 5, "{bucket:?}");
        let over = adjustment(shirts, near, bucket, MAX - 4);
        assert_eq!(driver.no(&Command::AdjustStock(&over)), (RejectCode::StockOverflow, 0, 5));
        let most = adjustment(shirts, near, bucket, i64::MAX);
        assert_eq!(driver.no(&Command::AdjustStock(&most)), (RejectCode::StockOverflow, 0, 5));
        let least = adjustment(shirts, near, bucket, i64::MIN);
        assert_eq!(driver.no(&Command::AdjustStock(&least)), (RejectCode::StockNegative, 0, 5));
        assert_eq!(driver.adjust(shirts, near, bucket, MAX - 5).unwrap().detail as i64, MAX);
        assert_eq!(driver.adjust(shirts, near, bucket, 5 - MAX).unwrap().detail, 5);
        if bucket != Bucket::Available {
            let under = adjustment(shirts, near, bucket, -6);
            assert_eq!(driver.no(&Command::AdjustStock(&under)), (RejectCode::StockNegative, 0, 5));
        }
    }
    driver.assert_lasting();
}

#[test]
fn available_falls_below_zero_as_far_as_something_is_on_hand() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 10);
    driver.place(1, &[line(shirts, 6, 5)]).unwrap();
    driver.adjust(shirts, near, Bucket::Damaged, 2).unwrap();
    // 4 available, 6 reserved, 2 damaged: 12 on hand.
    let below = adjustment(shirts, near, Bucket::Available, -13);
    assert_eq!(driver.no(&Command::AdjustStock(&below)), (RejectCode::StockNegative, 0, 4));
    let left = driver.adjust(shirts, near, Bucket::Available, -11).unwrap().detail;
    assert_eq!(left as i64, -7);
    // One is on hand: what else is said to be there is not.
    let damaged = adjustment(shirts, near, Bucket::Damaged, -2);
    assert_eq!(driver.no(&Command::AdjustStock(&damaged)), (RejectCode::StockNegative, 0, 2));
    let away = movement(shirts, (near, Bucket::Damaged), (near, Bucket::Incoming), 2);
    assert_eq!(driver.no(&Command::MoveStock(&away)), (RejectCode::StockNegative, 0, 2));
    let available = movement(shirts, (near, Bucket::Available), (near, Bucket::Safety), 1);
    let negative = (RejectCode::StockNegative, 0, -7_i64 as u64);
    assert_eq!(driver.no(&Command::MoveStock(&available)), negative);
    driver.adjust(shirts, near, Bucket::Damaged, -1).unwrap();
    assert_eq!(driver.buckets(shirts, near), [-7, 6, 0, 0, 1, 0, 0]);
    driver.pass_time(NOW_US);
    driver.assert_lasting();
}

#[test]
fn a_count_sets_on_hand_and_the_difference_goes_to_available() {
    let Shop { mut driver, shirts, near, far } = shop();
    driver.receive(shirts, near, 10);
    driver.adjust(shirts, near, Bucket::Safety, 3).unwrap();
    driver.adjust(shirts, near, Bucket::Incoming, 50).unwrap();
    driver.place(1, &[line(shirts, 4, 5)]).unwrap();
    assert_eq!(driver.count(shirts, near, 20).unwrap().detail, 13);
    assert_eq!(driver.buckets(shirts, near), [13, 4, 0, 3, 0, 0, 50]);
    // The same again changes nothing but is an event of its own.
    assert_eq!(driver.count(shirts, near, 20).unwrap().detail, 13);
    assert_eq!(driver.count(shirts, near, 3).unwrap().detail as i64, -4);
    let few = count(shirts, near, 2);
    assert_eq!(driver.no(&Command::CountStock(&few)), (RejectCode::StockNegative, 0, 7));
    let many = count(shirts, near, u64::MAX);
    assert_eq!(driver.no(&Command::CountStock(&many)), (RejectCode::StockOverflow, 0, 3));
    let most = count(shirts, near, BUCKET_QUANTITY_MAX + 1);
    assert_eq!(driver.no(&Command::CountStock(&most)), (RejectCode::StockOverflow, 0, 3));
    let most = BUCKET_QUANTITY_MAX;
    assert_eq!(driver.count(shirts, near, most).unwrap().detail, most - 7);
    // A level comes to be by its first count.
    assert_eq!(driver.count(shirts, far, 0).unwrap().detail, 0);
    assert_eq!(driver.buckets(shirts, far), [0; 7]);
    driver.pass_time(NOW_US);
    driver.assert_lasting();
}

#[test]
fn units_move_between_buckets_and_locations() {
    let Shop { mut driver, shirts, near, far } = shop();
    driver.receive(shirts, near, 10);
    let mut go = |from, to, units| driver.run(&Command::MoveStock(&movement(shirts, from, to, units)));
    assert_eq!(go((near, Bucket::Available), (near, Bucket::Safety), 4).unwrap().detail, 4);
    assert_eq!(go((near, Bucket::Safety), (far, Bucket::Available), 3).unwrap().detail, 3);
    assert_eq!(go((near, Bucket::Available), (far, Bucket::Incoming), 2).unwrap().detail, 2);
    assert_eq!(go((far, Bucket::Incoming), (far, Bucket::QualityHold), 1).unwrap().detail, 1);
    assert_eq!(driver.buckets(shirts, near), [4, 0, 0, 1, 0, 0, 0]);
    assert_eq!(driver.buckets(shirts, far), [3, 0, 0, 0, 0, 1, 1]);
    let mut no = |from, to, units| driver.no(&Command::MoveStock(&movement(shirts, from, to, units)));
    let (here, there) = ((near, Bucket::Available), (far, Bucket::Damaged));
    assert_eq!(no(here, there, 5), (RejectCode::StockNegative, 0, 4));
    assert_eq!(no(here, there, u64::MAX), (RejectCode::StockNegative, 0, 4));
    assert_eq!(no(here, there, 0), (RejectCode::ZeroQuantity, 0, 0));
    assert_eq!(no(here, here, 1), (RejectCode::SameLocation, 0, 0));
    assert_eq!(no((LocationHandle::new(7), Bucket::Safety), there, 1), (RejectCode::UnknownLocation, 7, 0));
    assert_eq!(no(here, (LocationHandle::new(8), Bucket::Safety), 1), (RejectCode::UnknownLocation, 8, 0));
    // Four are on hand there: the limit is over all of it, and incoming has one of its own.
    driver.adjust(shirts, far, Bucket::Damaged, MAX - 4).unwrap();
    driver.adjust(shirts, far, Bucket::Incoming, MAX - 1).unwrap();
    for bucket in Bucket::ALL {
        let full = movement(shirts, here, (far, *bucket), 1);
        assert_eq!(driver.no(&Command::MoveStock(&full)), (RejectCode::StockOverflow, 0, MAX as u64));
    }
    let inside = movement(shirts, there, (far, Bucket::Available), 7);
    assert_eq!(driver.run(&Command::MoveStock(&inside)).unwrap().detail, 10);
    driver.assert_lasting();
}

#[test]
fn own_fields_are_judged_before_what_they_name() {
    let Shop { mut driver, near, .. } = shop();
    let nothing = SkuHandle::new(99);
    let invalid = |offset| (RejectCode::InvalidField, offset, 0);
    let unsaid = Cause { reserved: [0, 1], ..Cause::NONE };

    let adjust = adjustment(nothing, near, Bucket::Safety, 0);
    let cases = [
        (AdjustStock { bucket: 0, ..adjust }, invalid(34)),
        (AdjustStock { bucket: 6, ..adjust }, invalid(34)),
        (AdjustStock { reserved: [1, 0, 0, 0, 0], ..adjust }, invalid(35)),
        (AdjustStock { cause: unsaid, ..adjust }, invalid(30)),
        (adjust, (RejectCode::ZeroQuantity, 0, 0)),
        (AdjustStock { delta: 1.into(), ..adjust }, (RejectCode::UnknownSku, 0, 99)),
    ];
    for (head, expected) in cases {
        assert_eq!(driver.no(&Command::AdjustStock(&head)), expected, "{head:?}");
    }
    let of = count(nothing, near, 1);
    let cases = [
        (CountStock { reserved: [1, 0, 0, 0, 0, 0], ..of }, invalid(34)),
        (CountStock { cause: unsaid, ..of }, invalid(30)),
        (of, (RejectCode::UnknownSku, 0, 99)),
    ];
    for (head, expected) in cases {
        assert_eq!(driver.no(&Command::CountStock(&head)), expected, "{head:?}");
    }
    let of = movement(nothing, (near, Bucket::Available), (near, Bucket::Safety), 1);
    let cases = [
        (MoveStock { from_bucket: 9, ..of }, invalid(48)),
        (MoveStock { to_bucket: 9, ..of }, invalid(49)),
        (MoveStock { reserved: [0, 0, 0, 0, 0, 1], ..of }, invalid(50)),
        (MoveStock { cause: unsaid, ..of }, invalid(46)),
        (of, (RejectCode::UnknownSku, 0, 99)),
    ];
    for (head, expected) in cases {
        assert_eq!(driver.no(&Command::MoveStock(&head)), expected, "{head:?}");
    }
    let of = setting(nothing, near, 1, u64::MAX);
    let cases = [
        (SetLevel { reserved: [0, 1, 0, 0, 0, 0], ..of }, invalid(34)),
        (SetLevel { cause: unsaid, ..of }, invalid(30)),
        (of, (RejectCode::UnknownSku, 0, 99)),
    ];
    for (head, expected) in cases {
        assert_eq!(driver.no(&Command::SetLevel(&head)), expected, "{head:?}");
    }
}

#[test]
fn a_level_set_as_of_a_sequence_takes_what_happened_since_into_account_once() {
    let Shop { mut driver, shirts, near, far } = shop();
    driver.receive(shirts, near, 100);
    let seen = driver.state.sequence();
    // Behind it: 30 shipped, 5 received, 2 damaged ones found, 10 sent elsewhere, 1 counted away, 4 announced ones came.
    driver.place(1, &[line(shirts, 30, 5)]).unwrap();
    driver.confirm(1).unwrap();
    driver.ship_from(1, near, &[]).unwrap();
    driver.receive(shirts, near, 5);
    driver.adjust(shirts, near, Bucket::Damaged, 2).unwrap();
    driver.adjust(shirts, near, Bucket::Incoming, 4).unwrap();
    let moves = [
        movement(shirts, (near, Bucket::Available), (far, Bucket::Available), 10),
        // These do not change what is on hand.
        movement(shirts, (near, Bucket::Available), (near, Bucket::Safety), 7),
        movement(shirts, (near, Bucket::Incoming), (far, Bucket::Incoming), 1),
        movement(shirts, (near, Bucket::Incoming), (near, Bucket::QualityHold), 3),
    ];
    for head in &moves {
        driver.run(&Command::MoveStock(head)).unwrap();
    }
    driver.count(shirts, near, 100 - 30 + 5 + 2 - 10 + 3 - 1).unwrap();
    assert_eq!(driver.buckets(shirts, near), [57, 0, 0, 7, 2, 3, 0]);
    // The outside system had 98, not 100, when it had seen that much: two less are here now.
    assert_eq!(driver.set_level(shirts, near, 98, seen).unwrap().detail, 55);
    // Said again, it is the same: earlier settings are not movements.
    assert_eq!(driver.set_level(shirts, near, 98, seen).unwrap().detail, 55);
    // As of now, it is what is said.
    let now = driver.state.sequence();
    assert_eq!(driver.set_level(shirts, near, 20, now).unwrap().detail, 8);
    assert_eq!(driver.buckets(shirts, far), [10, 0, 0, 0, 0, 0, 1]);

    let stale = setting(shirts, near, 98, seen);
    assert_eq!(driver.no(&Command::SetLevel(&stale)), (RejectCode::AsOfStale, 0, now));
    let ahead = setting(shirts, near, 98, driver.state.sequence() + 1);
    let sequence = driver.state.sequence();
    assert_eq!(driver.no(&Command::SetLevel(&ahead)), (RejectCode::AsOfAhead, 0, sequence));
    // Twelve are there that are not free: they must fit.
    let few = setting(shirts, near, 11, sequence);
    assert_eq!(driver.no(&Command::SetLevel(&few)), (RejectCode::StockNegative, 0, 12));
    let many = setting(shirts, near, u64::MAX, sequence);
    assert_eq!(driver.no(&Command::SetLevel(&many)), (RejectCode::StockOverflow, 0, 20));
    // What was shipped since may leave less than nothing of what is said.
    driver.place(2, &[line(shirts, 8, 5)]).unwrap();
    driver.confirm(2).unwrap();
    driver.ship_from(2, near, &[]).unwrap();
    let few = setting(shirts, near, 7, sequence);
    assert_eq!(driver.no(&Command::SetLevel(&few)), (RejectCode::StockNegative, 0, 12));
    driver.assert_lasting();
}

#[test]
fn a_level_cannot_be_set_as_of_what_is_forgotten() {
    let Shop { mut driver, shirts, near, far } = shop();
    driver.receive(shirts, near, 5);
    let seen = driver.state.sequence();
    driver.receive(shirts, near, 1);
    let newest = driver.state.sequence();
    // Pushes the two of them out, up to the newest.
    for _ in 0..MOVEMENTS_MAX {
        driver.receive(shirts, far, 1);
    }
    let oldest = newest + 1;
    let old = setting(shirts, near, 5, seen);
    assert_eq!(driver.no(&Command::SetLevel(&old)), (RejectCode::AsOfTooOld, 0, oldest));
    assert_eq!(driver.set_level(shirts, near, 7, oldest).unwrap().detail, 7);
    // Levels that did not move since need nothing to be remembered.
    let mugs = driver.sku_with_cap("mug", 0);
    assert_eq!(driver.set_level(mugs, near, 3, 0).unwrap().detail, 3);
}

#[test]
fn a_shortage_names_the_newest_orders_until_they_cover_it() {
    let Shop { mut driver, shirts, near, far } = shop();
    driver.names_shortages = false;
    driver.receive(shirts, near, 20);
    driver.receive(shirts, far, 5);
    for order in 1..=4 {
        driver.place(order, &[line(shirts, 3, 5), line(shirts, 1, 6)]).unwrap();
    }
    driver.confirm(3).unwrap();
    // The last one is split: it has the rest of both.
    driver.place(5, &[line(shirts, 9, 5)]).unwrap();
    assert_eq!(driver.whereabouts(5), [(0, near, 4), (0, far, 5)]);
    let first = driver.events.len();
    driver.adjust(shirts, near, Bucket::Available, -7).unwrap();
    assert_eq!(driver.shortages_since(first), vec![], "named when there is time, not by the command");
    driver.pass_time(NOW_US);
    let named = vec![(shirts, near, 7, vec![(5, 4), (4, 4)])];
    assert_eq!(driver.shortages_since(first), named);
    driver.pass_time(NOW_US);
    assert_eq!(driver.shortages_since(first), named, "once");

    // Further below: all that lacks now is named.
    let first = driver.events.len();
    driver.adjust(shirts, near, Bucket::Available, -2).unwrap();
    driver.assert_lasting();
    // What is still to be named is in a snapshot, too.
    driver.state = image_and_back(&mut driver.state);
    driver.pass_time(NOW_US);
    assert_eq!(driver.shortages_since(first), vec![(shirts, near, 9, vec![(5, 4), (4, 4), (3, 4)])]);

    // Less below, and at zero again: nothing is named.
    let first = driver.events.len();
    driver.cancel(4, &[]).unwrap();
    driver.adjust(shirts, near, Bucket::Available, -1).unwrap();
    driver.adjust(shirts, near, Bucket::Available, 6).unwrap();
    driver.pass_time(NOW_US);
    assert_eq!(driver.buckets(shirts, near)[0], 0);
    assert_eq!(driver.shortages_since(first), vec![]);
    driver.assert_lasting();
}

#[test]
fn a_shortage_that_only_carts_have_a_part_in_names_nobody() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 5);
    let head = ReserveCart {
        expected_version: 0.into(),
        reservation: ReservationId::new(1),
        replaces: ReservationId::new(0),
        buyer: BuyerId::new(1),
        seconds: 60.into(),
        region: 0.into(),
        line_count: 1.into(),
    };
    driver.run(&Command::ReserveCart(&head, &[CartLine { sku: shirts, quantity: 5.into() }])).unwrap();
    let first = driver.events.len();
    driver.adjust(shirts, near, Bucket::Available, -2).unwrap();
    driver.pass_time(NOW_US);
    assert_eq!(driver.shortages_since(first), vec![(shirts, near, 2, vec![])]);
    driver.assert_lasting();
}

/// Looks until something is named, and says how many looks found nothing yet.
fn look_until_named(driver: &mut Driver) -> usize {
    let mut searching_count = 0;
    loop {
        match driver.look_once() {
            Due::Searching => searching_count += 1,
            Due::Event(EventKind::ShortageNamed) => return searching_count,
            other => panic!("{other:?} while a shortage is to be named"),
        }
    }
}

#[test]
fn a_search_goes_on_while_the_world_changes_and_is_right_when_it_ends() {
    let Shop { mut driver, shirts, near, far } = shop();
    driver.names_shortages = false;
    let mugs = driver.sku_with_cap("mug", 0);
    // Ids, with a time in them that is newer than that of an order which has left memory.
    const FIRST: u128 = 3 << 80;
    const ORDERS: u128 = FIRST + 20_000;
    driver.receive(shirts, near, 20_100);
    driver.receive(mugs, far, 50);
    // The first place in memory is free again before the search begins, for another order of as many lines.
    driver.place(1, &[line(shirts, 1, 5); 5]).unwrap();
    driver.place(2, &[line(mugs, 50, 5)]).unwrap();
    driver.cancel(1, &[]).unwrap();
    for retention_s in [1, 0] {
        let policy = SetPolicy {
            pending_order_s: 0.into(),
            retention_s: retention_s.into(),
            reservation_s_max: 60.into(),
            expected_version: 0.into(),
        };
        driver.run(&Command::SetPolicy(&policy)).unwrap();
        driver.pass_time(driver.now_us + 2_000_000);
    }
    assert_eq!(driver.state.counts().orders_total, 1);
    let cart = ReserveCart {
        expected_version: 0.into(),
        reservation: ReservationId::new(1),
        replaces: ReservationId::new(0),
        buyer: BuyerId::new(1),
        seconds: 60.into(),
        region: 0.into(),
        line_count: 5.into(),
    };
    let cart_lines = [CartLine { sku: shirts, quantity: 1.into() }; 5];
    driver.run(&Command::ReserveCart(&cart, &cart_lines)).unwrap();
    for order in FIRST..=ORDERS {
        driver.place(order, &[line(shirts, 1, 5)]).unwrap();
    }
    let available = driver.buckets(shirts, near)[0];
    let first = driver.events.len();
    driver.adjust(shirts, near, Bucket::Available, -available - 7).unwrap();
    driver.adjust(mugs, far, Bucket::Available, -1).unwrap();
    // Begun, and not at its end.
    assert_eq!(driver.look_once(), Due::Searching);
    // The newest of all is cancelled meanwhile, the cart is bought: the newest order is another one now, in a place that
    // the search has been at. Another level's shortage is over.
    driver.cancel(ORDERS, &[]).unwrap();
    let group = CheckOut {
        expected_version: 0.into(),
        group: GroupId::new(ORDERS + 7),
        reservation: ReservationId::new(1),
        buyer: BuyerId::new(1),
        currency: CurrencyCode::new(826),
        order_count: 1.into(),
        line_count: 5.into(),
        region: 0.into(),
        external_id_bytes: 0,
    };
    let order = GroupOrder {
        order: OrderId::new(ORDERS + 8),
        seller: SellerHandle::new(0),
        line_count: 5.into(),
        reserved: [0; 2],
    };
    driver.run(&Command::CheckOut(&group, &[order], &[line(shirts, 1, 5); 5], "")).unwrap();
    driver.adjust(shirts, near, Bucket::Available, -1).unwrap();
    driver.adjust(mugs, far, Bucket::Available, 1).unwrap();
    driver.assert_lasting();
    assert!(look_until_named(&mut driver) > 0, "twenty thousand orders take several looks");
    // Seven lacked, one was cancelled, one more got lost.
    let named = vec![(shirts, near, 7, vec![(ORDERS + 8, 5), (ORDERS - 1, 1), (ORDERS - 2, 1)])];
    assert_eq!(driver.shortages_since(first), named);
    assert_eq!(driver.look_once(), Due::Nothing);

    // A level that rose and fell again meanwhile is searched for anew.
    let first = driver.events.len();
    driver.adjust(shirts, near, Bucket::Available, -1).unwrap();
    assert_eq!(driver.look_once(), Due::Searching);
    driver.adjust(shirts, near, Bucket::Available, 9).unwrap();
    driver.place(ORDERS + 9, &[line(shirts, 1, 5)]).unwrap();
    driver.adjust(shirts, near, Bucket::Available, -1).unwrap();
    look_until_named(&mut driver);
    assert_eq!(driver.shortages_since(first), vec![(shirts, near, 1, vec![(ORDERS + 9, 1)])]);

    // One event names no more than its share, the newest; the next ones go on where it ended, until all is covered. A
    // snapshot in between has the search begin again, and one cancelled or lost meanwhile counts.
    let first = driver.events.len();
    driver.adjust(shirts, near, Bucket::Available, -1_200).unwrap();
    for round in 0..3 {
        look_until_named(&mut driver);
        if round == 0 {
            // The newest one, named, is cancelled: what lacks of the others is as before. Two more get lost.
            driver.cancel(ORDERS + 9, &[]).unwrap();
            driver.adjust(shirts, near, Bucket::Available, -2).unwrap();
            driver.assert_lasting();
        }
    }
    assert_eq!(driver.look_once(), Due::Nothing);
    let shortages = driver.shortages_since(first);
    let shape: Vec<_> = shortages.iter().map(|named| (named.2, named.3.len())).collect();
    assert_eq!(shape, [(1_201, DUE_ENTRIES_MAX), (699, DUE_ENTRIES_MAX), (199, 199)]);
    let mut names: Vec<u128> =
        shortages.iter().flat_map(|named| named.3.iter().map(|order| order.0)).collect();
    assert_eq!(names[0], ORDERS + 9);
    let is_newest_first = names.windows(2).all(|pair| pair[0] > pair[1]);
    names.dedup();
    assert!(is_newest_first && names.len() == 1_199, "{} are named", names.len());
    driver.assert_lasting();
}
