//! Scopes: of every kind of command, what is one's own goes through and what is another's does not.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod support;

use std::collections::BTreeMap;

use orderline_core::State;
use orderline_protocol::command::*;
use orderline_protocol::reply::{CatalogueEntry, LevelView, SettingsView};
use orderline_protocol::*;
use zerocopy::FromZeros;

use support::Driver;

/// What belongs to one side.
#[derive(Clone, Copy)]
struct Side {
    seller: SellerHandle,
    location: LocationHandle,
    sku: SkuHandle,
    order: OrderId,
    reservation: ReservationId,
    shipment: u16,
    name: &'static str,
}

const SELLERS: [&str; 3] = ["acme", "zest", "mono"];
const LOCATIONS: [&str; 3] = ["york", "leeds", "bath"];

/// Three sellers with a SKU each, stocked at a location each; an order of each, packed there; a reservation of each.
fn world() -> (Driver, [Side; 3]) {
    let mut driver = Driver::new(3);
    let sellers = SELLERS.map(|code| driver.seller(code));
    let locations = LOCATIONS.map(|code| driver.location(code, 1));
    let mut sides = Vec::new();
    for place in 0..3 {
        let name = SELLERS[place];
        let (seller, location) = (sellers[place], locations[place]);
        let sku = driver.sku(&format!("{name}'s"), seller);
        driver.receive(sku, location, 100);
        let order = OrderId::new((1_u128 << 80) + place as u128 + 1);
        let reservation = ReservationId::new((1_u128 << 80) + place as u128 + 50);
        let lines = [OrderLine { sku, quantity: 2.into(), unit_price: Amount::new(5) }];
        let mut head = PlaceOrder::new_zeroed();
        (head.order, head.seller, head.line_count) = (order, seller, 1.into());
        head.currency = CurrencyCode::new(826);
        driver.run(&Command::PlaceOrder(&head, &lines, "")).unwrap();
        driver.confirm(order.get()).unwrap();
        let mut head = ReserveCart::new_zeroed();
        (head.reservation, head.seconds, head.line_count) = (reservation, 60.into(), 1.into());
        driver.run(&Command::ReserveCart(&head, &[CartLine { sku, quantity: 1.into() }])).unwrap();
        let mut head = ShipLines::new_zeroed();
        (head.order, head.location) = (order, location);
        driver.run(&Command::ShipLines(&head, &[], "")).unwrap();
        sides.push(Side { seller, location, sku, order, reservation, shipment: 1, name });
    }
    (driver, [sides[0], sides[1], sides[2]])
}

macro_rules! with {
    ($head:ident { $($field:ident = $value:expr),* $(,)? }) => {{
        #[allow(unused_mut)] // Some are as zeros make them.
        let mut head = $head::new_zeroed();
        $( head.$field = $value; )*
        head
    }};
}

/// Every kind of command about what is this side's. `each` is told the command.
fn each_about(side: &Side, mut each: impl FnMut(Command<'_>)) {
    let Side { seller, location, sku, order, reservation, shipment, name } = *side;
    let group = GroupId::from(order);
    let code = format!("{name}'s");
    let place = LOCATIONS[SELLERS.iter().position(|&of| of == name).unwrap()];
    each(Command::DefineSeller(&with!(DefineSeller {}), name));
    each(Command::DefineLocation(&with!(DefineLocation {}), place));
    each(Command::DefineSku(&with!(DefineSku { seller = seller }), &code));
    each(Command::DefineSourcing(&with!(DefineSourcing { seller = seller })));
    each(Command::SetPolicy(&with!(SetPolicy {})));
    each(Command::DefineToken(&with!(DefineToken {}), "one"));
    each(Command::RevokeToken(&with!(RevokeToken {})));
    each(Command::ReceiveStock(&with!(ReceiveStock { sku = sku, location = location })));
    each(Command::AdjustStock(&with!(AdjustStock { sku = sku, location = location })));
    each(Command::CountStock(&with!(CountStock { sku = sku, location = location })));
    each(Command::MoveStock(&with!(MoveStock { sku = sku, from = location, to = location })));
    each(Command::SetLevel(&with!(SetLevel { sku = sku, location = location })));
    let cart = [CartLine { sku, quantity: 1.into() }];
    each(Command::ReserveCart(&with!(ReserveCart { replaces = reservation }), &cart));
    each(Command::ExtendReservation(&with!(ExtendReservation { reservation = reservation })));
    each(Command::ReleaseReservation(&with!(ReleaseReservation { reservation = reservation })));
    each(Command::PlaceOrder(&with!(PlaceOrder { seller = seller }), &[], ""));
    let orders = [with!(GroupOrder { seller = seller })];
    each(Command::CheckOut(&with!(CheckOut { reservation = reservation }), &orders, &[], ""));
    each(Command::ConfirmOrder(&with!(ConfirmOrder { order = order })));
    each(Command::EditLine(&with!(EditLine { order = order })));
    each(Command::EditAddress(&with!(EditAddress { order = order })));
    each(Command::CancelLines(&with!(CancelLines { order = order }), &[]));
    each(Command::PlaceHold(&with!(PlaceHold { order = order })));
    each(Command::ReleaseHold(&with!(ReleaseHold { order = order })));
    each(Command::RecordAuthorization(&with!(RecordAuthorization { group = group })));
    each(Command::RecordCapture(&with!(RecordCapture { group = group })));
    each(Command::RecordVoid(&with!(EndPayment { group = group })));
    each(Command::RecordFailure(&with!(EndPayment { group = group })));
    each(Command::RequestRefund(&with!(RequestRefund { order = order })));
    each(Command::SettleRefund(&with!(SettleRefund { order = order })));
    each(Command::RecordPayout(&with!(RecordPayout { seller = seller })));
    each(Command::UpdateWork(&with!(UpdateWork { order = order, location = location })));
    each(Command::RejectWork(&with!(RejectWork { order = order, location = location })));
    each(Command::MoveWork(&with!(MoveWork { order = order, from = location }), &[]));
    each(Command::ShipLines(&with!(ShipLines { order = order, location = location }), &[], ""));
    each(Command::UpdateShipment(&with!(UpdateShipment { order = order, shipment = shipment.into() })));
    each(Command::RequestReturn(&with!(RequestReturn { order = order }), &[]));
    each(Command::UpdateReturn(&with!(UpdateReturn { order = order })));
    each(Command::ReceiveReturn(&with!(ReceiveReturn { order = order, location = location }), &[]));
    each(Command::QueryOrder(&with!(QueryOrder { order = order })));
    each(Command::QueryGroup(&with!(QueryGroup { group = group })));
    each(Command::QueryReservation(&with!(QueryReservation { reservation = reservation })));
    each(Command::QueryStock(&with!(QueryStock { sku = sku, location = location })));
    each(Command::QueryAvailability(&with!(QueryAvailability {}), &[AskedSku { sku }]));
    each(Command::QueryLedger(&with!(QueryLedger { seller = seller })));
    each(Command::QueryCatalogue(&with!(QueryCatalogue {})));
    each(Command::QuerySettings(&with!(QuerySettings {})));
    each(Command::QueryStatus(&with!(QueryStatus {})));
    each(Command::QueryTransitions(&with!(QueryTransitions {})));
    each(Command::QueryTokens(&with!(QueryTokens {})));
    for (entity, code) in
        [(EntityKind::Seller, name), (EntityKind::Location, place), (EntityKind::Sku, code.as_str())]
    {
        each(Command::ResolveCode(&with!(ResolveCode { entity = entity as u8 }), code));
    }
}

/// The kinds that go through within a scope about what is this side's; of codes, how many do.
fn within(state: &State, scope: Scope, side: &Side) -> BTreeMap<u8, usize> {
    let mut through = BTreeMap::new();
    let mut asked = BTreeMap::<u8, usize>::new();
    each_about(side, |command| {
        let kind = command.kind();
        *asked.entry(kind as u8).or_default() += 1;
        match state.check_scope(scope, &command) {
            Ok(()) => *through.entry(kind as u8).or_default() += 1,
            Err(refused) if kind == CommandKind::ResolveCode => {
                assert_eq!(refused.code, RejectCode::UnknownCode);
            }
            Err(refused) => assert_eq!(refused.code, RejectCode::OutOfScope, "{kind:?}"),
        }
    });
    assert_eq!(asked.len(), CommandKind::ALL.len(), "every kind is asked about");
    through
}

fn kinds(kinds: &[CommandKind]) -> BTreeMap<u8, usize> {
    kinds.iter().map(|&kind| (kind as u8, 1)).collect()
}

use CommandKind as K;

/// What goes through whoever's it is: narrowed, or the same for all.
const SHARED: [CommandKind; 3] = [K::QueryCatalogue, K::QuerySettings, K::QueryTransitions];

#[test]
fn a_seller_may_touch_what_is_its_own_and_nothing_of_another_one() {
    let (driver, [own, other, _]) = world();
    let scope = Scope::Seller(own.seller);
    let mut expected: BTreeMap<u8, usize> = kinds(K::ALL);
    for nobodys in [
        K::DefineSeller,
        K::DefineLocation,
        K::SetPolicy,
        K::DefineToken,
        K::RevokeToken,
        K::QueryStatus,
        K::QueryTokens,
    ] {
        expected.remove(&(nobodys as u8));
    }
    expected.insert(K::ResolveCode as u8, 3);
    assert_eq!(within(&driver.state, scope, &own), expected);
    let mut expected = kinds(&SHARED);
    // Where locations are is no secret to who ships to them.
    expected.insert(K::ResolveCode as u8, 1);
    assert_eq!(within(&driver.state, scope, &other), expected);
}

/// Who works at these locations.
fn at(locations: &[LocationHandle]) -> Scope {
    Scope::Locations(Locations::of(locations).unwrap())
}

/// What goes through about what is at a location of one's own.
fn of_own_location() -> BTreeMap<u8, usize> {
    let mut expected = kinds(&SHARED);
    expected.append(&mut kinds(&[
        K::ReceiveStock,
        K::AdjustStock,
        K::CountStock,
        K::MoveStock,
        K::SetLevel,
        K::UpdateWork,
        K::RejectWork,
        K::MoveWork,
        K::ShipLines,
        K::UpdateShipment,
        K::ReceiveReturn,
        K::QueryOrder,
        K::QueryStock,
    ]));
    expected.insert(K::ResolveCode as u8, 2);
    expected
}

/// What goes through about what is elsewhere: SKUs are everybody's to ship.
fn of_other_location() -> BTreeMap<u8, usize> {
    let mut expected = kinds(&SHARED);
    expected.insert(K::ResolveCode as u8, 1);
    expected
}

#[test]
fn a_warehouse_may_touch_what_is_at_its_location_and_nothing_elsewhere() {
    let (driver, [own, other, _]) = world();
    let scope = at(&[own.location]);
    assert_eq!(within(&driver.state, scope, &own), of_own_location());
    assert_eq!(within(&driver.state, scope, &other), of_other_location());
}

#[test]
fn a_warehouse_of_two_locations_may_touch_what_is_at_both_and_nothing_at_a_third() {
    let (driver, [one, other, third]) = world();
    let scope = at(&[other.location, one.location]);
    for own in [&one, &other] {
        assert_eq!(within(&driver.state, scope, own), of_own_location());
    }
    assert_eq!(within(&driver.state, scope, &third), of_other_location());
    // Between its own it may move stock, to and from elsewhere not.
    for (from, to, is_within) in
        [(one, other, true), (other, one, true), (one, third, false), (third, other, false)]
    {
        let movement = with!(MoveStock { sku = one.sku, from = from.location, to = to.location });
        let told = driver.state.check_scope(scope, &Command::MoveStock(&movement));
        assert_eq!(told.is_ok(), is_within, "{} to {}", from.name, to.name);
    }
    let elsewhere = with!(UpdateWork { order = third.order, location = third.location });
    let refused = driver.state.check_scope(scope, &Command::UpdateWork(&elsewhere)).unwrap_err();
    assert_eq!((refused.code, refused.subject), (RejectCode::OutOfScope, one.location.get().into()));
    // Nobody's location is no one's own, nor is one that there is not.
    for nowhere in [LocationHandle::NONE, LocationHandle::new(3)] {
        let step = with!(UpdateWork { order = one.order, location = nowhere });
        assert!(driver.state.check_scope(scope, &Command::UpdateWork(&step)).is_err());
    }
}

#[test]
fn a_package_out_of_two_locations_is_for_whoever_works_at_both() {
    let (mut driver, [one, other, third]) = world();
    driver.receive(one.sku, other.location, 100);
    let order = OrderId::new((1_u128 << 80) + 30);
    // More than the one has: the rest comes from the other.
    let lines = [OrderLine { sku: one.sku, quantity: 150.into(), unit_price: Amount::new(5) }];
    let mut head = PlaceOrder::new_zeroed();
    (head.order, head.seller, head.line_count) = (order, one.seller, 1.into());
    head.currency = CurrencyCode::new(826);
    driver.run(&Command::PlaceOrder(&head, &lines, "")).unwrap();
    driver.confirm(order.get()).unwrap();
    driver
        .run(&Command::ShipLines(&with!(ShipLines { order = order, location = one.location }), &[], ""))
        .unwrap();
    driver
        .run(&Command::ShipLines(&with!(ShipLines { order = order, location = other.location }), &[], ""))
        .unwrap();
    let may = |scope: Scope, shipment: u16| {
        let step = with!(UpdateShipment { order = order, shipment = shipment.into() });
        driver.state.check_scope(scope, &Command::UpdateShipment(&step)).is_ok()
    };
    let both = at(&[one.location, other.location]);
    let scopes = [both, at(&[one.location]), at(&[other.location]), at(&[third.location])];
    assert_eq!(
        scopes.map(|scope| [may(scope, 1), may(scope, 2)]),
        [[true, true], [true, false], [false, true], [false, false]]
    );
    let seen = |scope: Scope| {
        driver.state.check_scope(scope, &Command::QueryOrder(&with!(QueryOrder { order = order }))).is_ok()
    };
    assert_eq!(scopes.map(seen), [true, true, true, false], "an order is seen whole by whoever has a part");
}

#[test]
fn everything_is_in_the_scope_of_everything_and_what_is_not_there_is_nobodys() {
    let (driver, sides) = world();
    for side in &sides {
        each_about(side, |command| {
            assert_eq!(driver.state.check_scope(Scope::Everything, &command), Ok(()));
        });
    }
    let nobody = ConfirmOrder { order: OrderId::new(77), ..ConfirmOrder::new_zeroed() };
    let scope = Scope::Seller(sides[0].seller);
    assert_eq!(driver.state.check_scope(scope, &Command::ConfirmOrder(&nobody)), Ok(()));
}

#[test]
fn a_cart_or_a_group_with_one_line_of_another_seller_is_out_of_scope() {
    let (driver, [own, other, _]) = world();
    let scope = Scope::Seller(own.seller);
    let refused = |command: &Command<'_>| {
        let refused = driver.state.check_scope(scope, command).unwrap_err();
        assert_eq!((refused.code, refused.subject), (RejectCode::OutOfScope, own.seller.get()));
    };
    let lines = [own.sku, other.sku].map(|sku| CartLine { sku, quantity: 1.into() });
    refused(&Command::ReserveCart(&with!(ReserveCart {}), &lines));
    refused(&Command::ReserveCart(&with!(ReserveCart { replaces = other.reservation }), &lines[..1]));
    let orders = [own.seller, other.seller].map(|seller| with!(GroupOrder { seller = seller }));
    refused(&Command::CheckOut(&with!(CheckOut {}), &orders, &[], ""));
    let asked = [own.sku, other.sku].map(|sku| AskedSku { sku });
    refused(&Command::QueryAvailability(&with!(QueryAvailability {}), &asked));
}

#[test]
fn pages_and_wholes_are_narrowed() {
    let (mut driver, [own, other, third]) = world();
    let rules = [SourcingRule::Priority as u8, 0, 0, 0, 0, 0, 0, 0];
    for seller in [own.seller, other.seller] {
        driver
            .run(&Command::DefineSourcing(&with!(DefineSourcing { seller = seller, rules = rules })))
            .unwrap();
    }
    driver.receive(own.sku, other.location, 5);
    driver.receive(own.sku, third.location, 5);
    let ask = |scope, command: &Command<'_>| {
        let (mut bytes, mut view) = (Vec::new(), Vec::new());
        command.write(1, &mut bytes);
        let raw = RawCommand::take(&mut &bytes[..]).unwrap();
        driver.state.answer_within(scope, &raw, &mut view).map(|_| view)
    };
    let listed = |scope, entity: EntityKind| {
        let query = with!(QueryCatalogue { entity = entity as u8 });
        let view = ask(scope, &Command::QueryCatalogue(&query)).unwrap();
        let entries = CatalogueEntry::read_all(&view).unwrap();
        entries.iter().map(|entry| entry.code().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (seller, place) = (Scope::Seller(own.seller), at(&[own.location]));
    let both = at(&[own.location, other.location]);
    assert_eq!(listed(seller, EntityKind::Seller), ["acme"]);
    assert_eq!(listed(seller, EntityKind::Location), ["york", "leeds", "bath"]);
    assert_eq!(listed(seller, EntityKind::Sku), ["acme's"]);
    assert!(listed(place, EntityKind::Seller).is_empty());
    assert_eq!(listed(place, EntityKind::Location), ["york"]);
    assert_eq!(listed(both, EntityKind::Location), ["york", "leeds"]);
    assert_eq!(listed(place, EntityKind::Sku), ["acme's", "zest's", "mono's"]);
    assert_eq!(listed(Scope::Everything, EntityKind::Seller).len(), 3);

    for (scope, count) in [(Scope::Everything, 3), (seller, 2), (place, 1)] {
        let view = ask(scope, &Command::QuerySettings(&with!(QuerySettings {}))).unwrap();
        assert_eq!(SettingsView::read(&view).unwrap().1.len(), count, "{scope:?}");
    }
    let levels = QueryStock { sku: own.sku, location: LocationHandle::NONE };
    let shown = |scope, levels: &QueryStock| {
        let view = ask(scope, &Command::QueryStock(levels)).unwrap();
        LevelView::read_all(&view).unwrap().iter().map(|level| level.location).collect::<Vec<_>>()
    };
    let [york, leeds, bath] = [own.location, other.location, third.location];
    assert_eq!(shown(Scope::Everything, &levels), [york, leeds, bath]);
    assert_eq!(shown(seller, &levels), [york, leeds, bath]);
    assert_eq!(shown(place, &levels), [york]);
    assert_eq!(shown(both, &levels), [york, leeds]);
    assert_eq!(shown(both, &QueryStock { sku: own.sku, location: leeds }), [leeds]);
    for (scope, location) in [(place, leeds), (place, bath), (both, bath)] {
        let elsewhere = QueryStock { sku: own.sku, location };
        assert_eq!(ask(scope, &Command::QueryStock(&elsewhere)).unwrap_err().code, RejectCode::OutOfScope);
    }
}
