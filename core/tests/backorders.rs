//! The rules of backorders: who may be promised units that nobody has, and who gets what comes free.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/levels.rs"]
mod levels;
mod support;

use levels::*;
use orderline_protocol::command::*;
use orderline_protocol::event::DecidingRule;
use orderline_protocol::lifecycle::WorkState;
use orderline_protocol::limits::DUE_ENTRIES_MAX;
use orderline_protocol::reply::OrderView;
use orderline_protocol::*;
use support::*;

/// "Nowhere yet".
const NONE: LocationHandle = LocationHandle::NONE;

struct Shop {
    driver: Driver,
    /// May be promised ten units beyond the stock.
    shirts: SkuHandle,
    /// May not.
    mugs: SkuHandle,
    near: LocationHandle,
    far: LocationHandle,
}

fn shop() -> Shop {
    let mut driver = Driver::new(43);
    let seller = driver.seller("acme");
    let far = driver.location("far", 2);
    let near = driver.location("near", 1);
    let shirts = driver.sku_with_cap("shirt", 10);
    let mugs = driver.sku("mug", seller);
    Shop { driver, shirts, mugs, near, far }
}

fn version(driver: &Driver, order: u128) -> u32 {
    let query = QueryOrder { order: OrderId::new(order) };
    let mut bytes = Vec::new();
    Command::QueryOrder(&query).write(1, &mut bytes);
    let raw = RawCommand::take(&mut &bytes[..]).unwrap();
    driver.state.answer(&raw, &mut Vec::new()).unwrap().version
}

fn works(driver: &Driver, order: u128) -> Vec<(LocationHandle, WorkState)> {
    let query = QueryOrder { order: OrderId::new(order) };
    let view = driver.query(&Command::QueryOrder(&query)).unwrap();
    let works = OrderView::read(&view).unwrap().works.to_vec();
    works.iter().map(|work| (work.location, WorkState::from_number(work.state).unwrap())).collect()
}

#[test]
fn a_sku_is_promised_as_far_as_its_cap_goes_over_all_orders() {
    let Shop { mut driver, shirts, mugs, near, .. } = shop();
    driver.receive(shirts, near, 3);
    driver.receive(mugs, near, 5);
    // Nothing is there of what is backordered: eleven units more than the stock are too many.
    let too_many = [line(mugs, 1, 5), line(shirts, 8, 5), line(shirts, 6, 5)];
    let refused = driver.no(&Command::PlaceOrder(&placement(1, 3), &too_many, ""));
    assert_eq!(refused, (RejectCode::InsufficientStock, 1, 3));
    // Lines that repeat the SKU get what is there in their order.
    driver.place(1, &[line(mugs, 1, 5), line(shirts, 2, 5), line(shirts, 5, 5)]).unwrap();
    assert_eq!(driver.whereabouts(1), [(0, near, 1), (1, near, 2), (2, near, 1), (2, NONE, 4)]);
    driver.place(2, &[line(shirts, 4, 5)]).unwrap();
    assert_eq!(driver.newest_rule(), DecidingRule::Backorder as u8);
    assert_eq!(driver.whereabouts(2), [(0, NONE, 4)]);
    let refused = driver.no(&Command::PlaceOrder(&placement(3, 1), &[line(shirts, 3, 5)], ""));
    assert_eq!(refused, (RejectCode::InsufficientStock, 0, 0));
    driver.place(3, &[line(shirts, 2, 5)]).unwrap();
    driver.assert_lasting();
    // A cart is never promised what is not there.
    let cart = ReserveCart {
        expected_version: 0.into(),
        reservation: ReservationId::new(1),
        replaces: ReservationId::new(0),
        buyer: BuyerId::new(1),
        seconds: 60.into(),
        region: 0.into(),
        line_count: 1.into(),
    };
    driver.sku_with_cap("shirt", 100);
    let lines = [CartLine { sku: shirts, quantity: 1.into() }];
    assert_eq!(driver.no(&Command::ReserveCart(&cart, &lines)), (RejectCode::InsufficientStock, 0, 0));
    // A lower cap leaves what was promised.
    driver.sku_with_cap("shirt", 0);
    driver.cancel(2, &[]).unwrap();
    let refused = driver.no(&Command::PlaceOrder(&placement(4, 1), &[line(shirts, 1, 5)], ""));
    assert_eq!(refused, (RejectCode::InsufficientStock, 0, 0));
    driver.assert_lasting();
}

#[test]
fn what_comes_free_goes_to_the_oldest_who_waits_before_anybody_else() {
    let Shop { mut driver, shirts, near, far, .. } = shop();
    driver.place(7, &[line(shirts, 2, 5), line(shirts, 1, 5)]).unwrap();
    driver.place(3, &[line(shirts, 4, 5)]).unwrap();
    driver.place(5, &[line(shirts, 3, 5)]).unwrap();
    driver.confirm(3).unwrap();
    assert_eq!([7, 3, 5].map(|order| version(&driver, order)), [1, 2, 1]);

    // A part of a line, if there is no more.
    let first = driver.events.len();
    driver.receive(shirts, far, 5);
    assert_eq!(driver.refills_since(first), [[(7, 0, far, 2), (7, 1, far, 1), (3, 0, far, 2)]]);
    assert_eq!(driver.buckets(shirts, far), [0, 3, 2, 0, 0, 0, 0]);
    assert_eq!([7, 3, 5].map(|order| version(&driver, order)), [2, 3, 1], "once for each event");
    assert_eq!(works(&driver, 3), [(far, WorkState::Open)]);
    driver.assert_lasting();

    // Whatever the reason: a cancellation.
    let first = driver.events.len();
    driver.cancel(7, &[units(0, 1)]).unwrap();
    assert_eq!(driver.refills_since(first), [[(3, 0, far, 1)]]);
    // Units that are not available are nobody's; by whatever they become so, they are given away.
    let first = driver.events.len();
    driver.adjust(shirts, far, Bucket::Damaged, 1).unwrap();
    assert_eq!(driver.refills_since(first), Vec::<Vec<Given>>::new());
    let found = movement(shirts, (far, Bucket::Damaged), (near, Bucket::Available), 1);
    driver.run(&Command::MoveStock(&found)).unwrap();
    driver.set_level(shirts, far, 6, driver.state.sequence()).unwrap();
    assert_eq!(driver.refills_since(first), [[(3, 0, near, 1)], [(5, 0, far, 1)]]);
    let first = driver.events.len();
    driver.count(shirts, near, 9).unwrap();
    assert_eq!(driver.refills_since(first), [[(5, 0, near, 2)]]);
    assert_eq!(driver.whereabouts(5), [(0, far, 1), (0, near, 2)]);
    assert_eq!(driver.buckets(shirts, near)[0], 6, "the rest is free");
    driver.place(8, &[line(shirts, 6, 5)]).unwrap();
    driver.assert_lasting();
}

#[test]
fn who_gives_up_waits_no_more() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.place(1, &[line(shirts, 3, 5)]).unwrap();
    driver.place(2, &[line(shirts, 3, 5)]).unwrap();
    driver.cancel(1, &[units(0, 2)]).unwrap();
    let first = driver.events.len();
    driver.receive(shirts, near, 2);
    assert_eq!(driver.refills_since(first), [[(1, 0, near, 1), (2, 0, near, 1)]]);
    driver.cancel(2, &[units(0, 2)]).unwrap();
    assert_eq!(driver.whereabouts(2), [(0, near, 1)]);
    driver.receive(shirts, near, 5);
    assert_eq!(driver.refills_since(first).len(), 1);
    assert_eq!(driver.buckets(shirts, near)[0], 5);
    driver.assert_lasting();
}

#[test]
fn a_snapshot_forgets_nobody_who_waits() {
    let Shop { mut driver, shirts, near, far, .. } = shop();
    driver.receive(shirts, far, 1);
    driver.place(9, &[line(shirts, 3, 5)]).unwrap();
    driver.place(4, &[line(shirts, 2, 5)]).unwrap();
    let (mut other, first) = (image_and_back(&mut driver.state), driver.events.len());
    driver.receive(shirts, near, 3);
    std::mem::swap(&mut driver.state, &mut other);
    driver.events.truncate(first);
    driver.receive(shirts, near, 3);
    assert_eq!(driver.refills_since(first), [[(9, 0, near, 2), (4, 0, near, 1)]]);
    driver.assert_lasting();
}

#[test]
fn a_location_that_refused_an_order_gives_it_nothing_more() {
    let Shop { mut driver, shirts, near, far, .. } = shop();
    driver.receive(shirts, near, 2);
    driver.place(1, &[line(shirts, 2, 5)]).unwrap();
    driver.confirm(1).unwrap();
    let reject = RejectWork {
        order: OrderId::new(1),
        expected_version: 0.into(),
        location: near,
        reason: 1.into(),
        is_missing: 0,
        reserved: [0; 7],
    };
    let first = driver.events.len();
    driver.run(&Command::RejectWork(&reject)).unwrap();
    assert_eq!(driver.whereabouts(1), [(0, NONE, 2)]);
    assert_eq!(driver.buckets(shirts, near)[0], 2, "it waits, and not for these");
    // Who comes later and has not been refused does not wait for it.
    driver.place(2, &[line(shirts, 5, 5)]).unwrap();
    driver.receive(shirts, near, 1);
    assert_eq!(driver.refills_since(first), [[(2, 0, near, 1)]]);
    driver.receive(shirts, far, 3);
    assert_eq!(driver.refills_since(first)[1..], [[(1, 0, far, 2), (2, 0, far, 1)]]);
    assert_eq!(works(&driver, 1), [(far, WorkState::Open), (near, WorkState::Rejected)]);
    driver.assert_lasting();
}

#[test]
fn work_that_was_over_is_open_again_when_units_come() {
    let Shop { mut driver, shirts, near, .. } = shop();
    driver.receive(shirts, near, 1);
    driver.place(1, &[line(shirts, 2, 5)]).unwrap();
    driver.confirm(1).unwrap();
    driver.ship_from(1, near, &[]).unwrap();
    assert_eq!(works(&driver, 1), [(near, WorkState::Closed)]);
    driver.receive(shirts, near, 1);
    assert_eq!(works(&driver, 1), [(near, WorkState::Open)]);
    driver.ship_from(1, near, &[]).unwrap();
    driver.assert_lasting();
}

#[test]
fn a_location_that_opens_again_serves_who_waits_whatever_its_capacity() {
    let Shop { mut driver, shirts, near, far, .. } = shop();
    let closed = Place { is_active: false, ..PLACE };
    driver.define_location("near", closed);
    driver.receive(shirts, near, 4);
    driver.place(1, &[line(shirts, 1, 5)]).unwrap();
    driver.place(2, &[line(shirts, 1, 5)]).unwrap();
    let first = driver.events.len();
    driver.define_location("near", Place { capacity: 1, ..PLACE });
    assert_eq!(driver.refills_since(first), [[(1, 0, near, 1), (2, 0, near, 1)]]);
    // Both count: a new order finds no room, and waits for what is there, and gets it.
    let refused = driver.no(&Command::PlaceOrder(&placement(3, 1), &[line(shirts, 13, 5)], ""));
    assert_eq!(refused, (RejectCode::InsufficientStock, 0, 2));
    driver.place(3, &[line(shirts, 1, 5)]).unwrap();
    assert_eq!(driver.newest_rule(), DecidingRule::Backorder as u8);
    assert_eq!(driver.whereabouts(3), [(0, near, 1)]);
    driver.assert_lasting();
    driver.receive(shirts, far, 1);
    driver.place(4, &[line(shirts, 1, 5)]).unwrap();
    assert_eq!(driver.whereabouts(4), [(0, far, 1)]);
}

#[test]
fn a_long_queue_is_served_in_events_of_bounded_length() {
    let Shop { mut driver, shirts, near, far, .. } = shop();
    driver.sku_with_cap("shirt", 1_000_000);
    let orders = DUE_ENTRIES_MAX as u128 + 100;
    for order in 1..=orders {
        driver.place(order, &[line(shirts, 2, 5)]).unwrap();
    }
    driver.receive(shirts, far, 1);
    let first = driver.events.len();
    driver.receive(shirts, near, 2_000);
    let refills = driver.refills_since(first);
    assert_eq!(refills.iter().map(Vec::len).collect::<Vec<_>>(), [DUE_ENTRIES_MAX, 100]);
    let given: Vec<_> = refills.concat().iter().map(|refill| (refill.0, refill.3)).collect();
    let expected: Vec<_> = (1..=orders).map(|order| (order, if order == 1 { 1 } else { 2 })).collect();
    assert_eq!(given, expected);
    assert_eq!(driver.buckets(shirts, near)[0], 2_000 - 2 * orders as i64 + 1);
    driver.assert_lasting();
}

#[test]
fn random_stock_and_orders_leave_nobody_waiting_for_what_is_free() {
    let seed = std::env::var("ORDERLINE_TEST_SEED").ok().map_or(5, |seed| seed.parse().unwrap());
    let mut numbers: u64 = seed;
    let mut below = |end: u64| {
        numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (numbers >> 33) % end
    };
    let Shop { mut driver, shirts, near, far, .. } = shop();
    driver.sku_with_cap("shirt", 40);
    driver.receive(shirts, near, 1);
    driver.receive(shirts, far, 1);
    let mut refilled_count = 0;
    for step in 0..2_000_u128 {
        let location = if below(2) == 0 { near } else { far };
        let first = driver.events.len();
        let earlier = u128::from(below(step as u64 + 1));
        match below(8) {
            0..=3 => {
                let lines: Vec<_> = (0..1 + below(2)).map(|_| line(shirts, 1 + below(6) as u32, 5)).collect();
                _ = driver.place(step + 1, &lines);
            }
            4 => _ = driver.confirm(earlier),
            5 => _ = driver.cancel(earlier, &[]),
            6 => driver.receive(shirts, location, 1 + below(8)),
            _ => _ = driver.adjust(shirts, location, Bucket::Available, below(9) as i64 - 6),
        }
        refilled_count += driver.refills_since(first).concat().len();
        let free = driver.buckets(shirts, near)[0].max(0) + driver.buckets(shirts, far)[0].max(0);
        let waits = (1..=step + 1).any(|order| {
            let query = QueryOrder { order: OrderId::new(order) };
            let view = driver.query(&Command::QueryOrder(&query));
            view.is_ok_and(|view| {
                OrderView::read(&view).unwrap().lines.iter().any(|line| line.counters.backordered.get() > 0)
            })
        });
        assert!(free == 0 || !waits, "seed {seed}, step {step}: {free} are free and somebody waits");
        if step % 100 == 0 {
            driver.assert_sound();
        }
    }
    assert!(refilled_count > 100, "seed {seed}: {refilled_count}");
    driver.assert_lasting();
}
