//! Which locations ship what, and what decided it, through the door that the engine uses. (Over random worlds, sourcing
//! is compared with a plain telling of its rules beside its code.)

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/levels.rs"]
mod levels;
mod support;

use levels::*;
use orderline_protocol::command::*;
use orderline_protocol::event::DecidingRule;
use orderline_protocol::limits::LINE_QUANTITY_MAX;
use orderline_protocol::*;
use support::*;

const DAY_US: i64 = 86_400_000_000;
const ACME: SellerHandle = SellerHandle::new(0);

/// Locations in the order of their handles, as said; SKUs with units at each of them.
struct Shop {
    driver: Driver,
    places: Vec<LocationHandle>,
    skus: Vec<SkuHandle>,
}

fn shop(places: &[Place], units: &[&[u64]]) -> Shop {
    let mut driver = Driver::new(47);
    driver.seller("acme");
    let places: Vec<_> = places
        .iter()
        .enumerate()
        .map(|(number, &place)| driver.define_location(&format!("place {number}"), place))
        .collect();
    let skus: Vec<_> = (0..units.len()).map(|sku| driver.sku_with_cap(&format!("sku {sku}"), 0)).collect();
    for (&sku, units) in skus.iter().zip(units) {
        for (&place, &units) in places.iter().zip(*units).filter(|(_, units)| **units > 0) {
            driver.receive(sku, place, units);
        }
    }
    Shop { driver, places, skus }
}

impl Shop {
    /// Places an order of these quantities of the SKUs, one after the other, that goes to a region; says what decided and
    /// where its units are.
    #[track_caller]
    fn order(&mut self, order: u128, region: u16, units: &[u32]) -> (DecidingRule, Vec<(u16, u16, u32)>) {
        let wanted = self.skus.iter().zip(units).filter(|(_, units)| **units > 0);
        let lines: Vec<_> = wanted.map(|(&sku, &units)| line(sku, units, 5)).collect();
        let head = PlaceOrder { region: region.into(), ..placement(order, lines.len()) };
        self.driver.run(&Command::PlaceOrder(&head, &lines, "")).unwrap();
        let parts = self.driver.whereabouts(order);
        let parts = parts.into_iter().map(|(line, location, units)| (line, location.get(), units)).collect();
        (DecidingRule::from_number(self.driver.newest_rule()).unwrap(), parts)
    }
}

fn by_priority(priority: u32) -> Place {
    Place { priority, ..PLACE }
}

#[test]
fn each_rule_decides_where_it_stands_first() {
    use SourcingRule::*;
    let places = [
        Place { priority: 3, region: 1, capacity: 0, is_active: true },
        Place { priority: 1, region: 2, capacity: 9, is_active: true },
        Place { priority: 2, region: 3, capacity: 5, is_active: true },
    ];
    // Place 2 alone covers both SKUs.
    let mut shop = shop(&places, &[&[50, 50, 50], &[0, 0, 50]]);
    let cases = [
        (&[FewestPackages, SameRegion][..], DecidingRule::FewestPackages, 2),
        (&[SameRegion, FewestPackages], DecidingRule::SameRegion, 0),
        (&[Priority, FewestPackages], DecidingRule::Priority, 1),
        (&[Capacity, FewestPackages], DecidingRule::Capacity, 0),
    ];
    for (index, (rules, decided, place)) in cases.into_iter().enumerate() {
        shop.driver.define_rules(SellerHandle::NONE, rules);
        let (rule, parts) = shop.order(index as u128 + 1, 1, &[1, 1]);
        // What the first one does not have comes from the only place that does.
        assert_eq!((rule, parts), (decided, vec![(0, place, 1), (1, 2, 1)]), "{rules:?}");
    }
    // An order without a region is in nobody's.
    shop.driver.define_rules(SellerHandle::NONE, &[SameRegion]);
    assert_eq!(shop.order(9, 0, &[1]), (DecidingRule::Priority, vec![(0, 1, 1)]));
    // The seller's own rules go first, and go away.
    shop.driver.define_rules(ACME, &[Capacity]);
    assert_eq!(shop.order(10, 3, &[1]), (DecidingRule::Capacity, vec![(0, 0, 1)]));
    shop.driver.define_rules(ACME, &[]);
    assert_eq!(shop.order(11, 3, &[1]), (DecidingRule::SameRegion, vec![(0, 2, 1)]));
    shop.driver.assert_lasting();
}

#[test]
fn what_all_rules_find_equal_goes_by_priority_then_by_handle() {
    let mut shop = shop(&[by_priority(2), by_priority(1), by_priority(1)], &[&[9, 9, 9]]);
    shop.driver.define_rules(SellerHandle::NONE, &[SourcingRule::SameRegion]);
    assert_eq!(shop.order(1, 1, &[4]), (DecidingRule::Handle, vec![(0, 1, 4)]));
    assert_eq!(shop.order(2, 1, &[6]), (DecidingRule::Priority, vec![(0, 2, 6)]));
    assert_eq!(shop.order(3, 1, &[7]), (DecidingRule::OnlyChoice, vec![(0, 0, 7)]));
}

#[test]
fn rounds_go_on_with_what_is_not_placed_yet() {
    let places = [by_priority(1), by_priority(2), by_priority(3), by_priority(4)];
    // Four SKUs: place 3 has three of them, place 0 two, and after place 3 only one that is not placed.
    let units: [&[u64]; 5] = [&[5, 0, 0, 0], &[5, 0, 0, 5], &[0, 5, 0, 5], &[0, 5, 0, 5], &[2, 1, 3, 0]];
    let mut shop = shop(&places, &units);
    let (rule, parts) = shop.order(1, 0, &[1, 1, 1, 1, 6]);
    assert_eq!(rule, DecidingRule::FewestPackages);
    // The last one nobody covers: from the best of those that have any, on and on.
    assert_eq!(parts, [(0, 0, 1), (1, 3, 1), (2, 3, 1), (3, 3, 1), (4, 0, 2), (4, 1, 1), (4, 2, 3)]);
    shop.driver.assert_lasting();
}

#[test]
fn a_split_is_decided_by_what_the_first_of_its_locations_had_before_the_others() {
    let places = [by_priority(2), by_priority(1), Place { region: 7, ..by_priority(3) }];
    let mut shop = shop(&places, &[&[4, 4, 4]]);
    // The lines draw on the locations in the order in which they were chosen, whatever their handles.
    let lines = [line(shop.skus[0], 3, 5), line(shop.skus[0], 3, 6)];
    let head = PlaceOrder { region: 7.into(), ..placement(1, 2) };
    shop.driver.run(&Command::PlaceOrder(&head, &lines, "")).unwrap();
    assert_eq!(shop.driver.newest_rule(), DecidingRule::SameRegion as u8);
    let [_, second, third] = shop.places[..] else { panic!("three places") };
    assert_eq!(shop.driver.whereabouts(1), [(0, third, 3), (1, second, 2), (1, third, 1)]);
    shop.driver.assert_lasting();
}

#[test]
fn a_location_at_its_capacity_is_none_until_the_next_day() {
    let places = [Place { capacity: 2, ..by_priority(1) }, Place { capacity: 1, ..by_priority(2) }];
    let mut shop = shop(&places, &[&[9, 9], &[9, 0]]);
    assert_eq!(shop.order(1, 0, &[1, 1]).1, [(0, 0, 1), (1, 0, 1)]);
    assert_eq!(shop.order(2, 0, &[2]), (DecidingRule::Priority, vec![(0, 0, 2)]));
    // The first one is full: the second is the only choice, and has not the other SKU.
    let both = [line(shop.skus[0], 1, 5), line(shop.skus[1], 1, 5)];
    let refused = shop.driver.no(&Command::PlaceOrder(&placement(3, 2), &both, ""));
    assert_eq!(refused, (RejectCode::CapacityExhausted, 1, 0));
    let refused = shop.driver.no(&Command::PlaceOrder(&placement(3, 1), &[line(shop.skus[1], 9, 5)], ""));
    assert_eq!(refused, (RejectCode::InsufficientStock, 0, 8));
    assert_eq!(shop.order(3, 0, &[1]), (DecidingRule::OnlyChoice, vec![(0, 1, 1)]));
    let refused = shop.driver.no(&Command::PlaceOrder(&placement(4, 1), &[line(shop.skus[0], 14, 5)], ""));
    assert_eq!(refused, (RejectCode::CapacityExhausted, 0, 0));
    shop.driver.assert_lasting();
    shop.driver.now_us = (NOW_US / DAY_US + 1) * DAY_US - 1;
    let refused = shop.driver.no(&Command::PlaceOrder(&placement(4, 1), &both[..1], ""));
    assert_eq!(refused, (RejectCode::CapacityExhausted, 0, 0));
    shop.driver.now_us += 1;
    assert_eq!(shop.order(4, 0, &[14]), (DecidingRule::Priority, vec![(0, 0, 6), (0, 1, 8)]));
    // Only a better one has room now: capacity counts once for each location and order.
    assert_eq!(shop.order(5, 0, &[0, 1]), (DecidingRule::OnlyChoice, vec![(0, 0, 1)]));
    shop.driver.assert_lasting();
}

#[test]
fn an_inactive_location_is_no_candidate_and_its_stock_does_not_count() {
    let mut shop = shop(&[by_priority(1), by_priority(2)], &[&[5, 1]]);
    shop.driver.define_location("place 0", Place { is_active: false, ..by_priority(1) });
    let refused = shop.driver.no(&Command::PlaceOrder(&placement(1, 1), &[line(shop.skus[0], 2, 5)], ""));
    assert_eq!(refused, (RejectCode::InsufficientStock, 0, 1));
    assert_eq!(shop.order(1, 0, &[1]), (DecidingRule::OnlyChoice, vec![(0, 1, 1)]));
}

#[test]
fn a_cart_of_ones_own_is_no_obstacle() {
    // Two units each at two places; a cart holds both of the first, and what it holds is free for its own checkout.
    let mut shop = shop(&[by_priority(1), by_priority(2)], &[&[2, 2]]);
    let cart = ReserveCart {
        expected_version: 0.into(),
        reservation: ReservationId::new(1),
        replaces: ReservationId::new(0),
        buyer: BuyerId::new(1),
        seconds: 60.into(),
        region: 0.into(),
        line_count: 1.into(),
    };
    let sku = shop.skus[0];
    shop.driver.run(&Command::ReserveCart(&cart, &[CartLine { sku, quantity: 2.into() }])).unwrap();
    let check_out = |reservation: u128, order: u128| {
        let head = CheckOut {
            expected_version: 0.into(),
            group: GroupId::new(order + 100),
            reservation: ReservationId::new(reservation),
            buyer: BuyerId::new(1),
            currency: CurrencyCode::new(826),
            order_count: 1.into(),
            line_count: 1.into(),
            region: 0.into(),
            external_id_bytes: 0,
        };
        let order = OrderId::new(order);
        (head, [GroupOrder { order, seller: ACME, line_count: 1.into(), reserved: [0; 2] }])
    };
    let lines = [line(sku, 3, 5)];
    let (head, orders) = check_out(0, 1);
    assert_eq!(
        shop.driver.no(&Command::CheckOut(&head, &orders, &lines, "")),
        (RejectCode::InsufficientStock, 0, 2)
    );
    let (head, orders) = check_out(1, 1);
    shop.driver.run(&Command::CheckOut(&head, &orders, &lines, "")).unwrap();
    let [first, second] = shop.places[..] else { panic!("two places") };
    assert_eq!(shop.driver.whereabouts(1), [(0, first, 2), (0, second, 1)]);
    shop.driver.assert_lasting();
}

#[test]
fn the_sum_of_a_skus_lines_is_bounded_by_the_first_line_that_passes_it() {
    let mut shop = shop(&[by_priority(1)], &[&[5], &[5]]);
    let [a, b] = shop.skus[..] else { panic!("two SKUs") };
    let most = LINE_QUANTITY_MAX;
    // The same whether lines are compared or sorted.
    for rest in [0, 30] {
        let mut lines = vec![line(b, most, 5), line(a, most, 5), line(b, 1, 5), line(a, 1, 5)];
        lines.extend((0..rest).map(|_| line(a, 1, 5)));
        let refused = shop.driver.no(&Command::PlaceOrder(&placement(1, lines.len()), &lines, ""));
        assert_eq!(refused, (RejectCode::QuantityTooLarge, 2, 0), "{rest} more lines");
    }
}
