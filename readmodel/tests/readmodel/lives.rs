//! Random lives: what the read models say, against the engine's views and what the events themselves tell.

use std::collections::{BTreeMap, BTreeSet};

use orderline_core::State;
use orderline_protocol::event::{EVENT_VERSION, Event, OrderState};
use orderline_protocol::lifecycle::ReturnState;
use orderline_protocol::reply::OrderView;
use orderline_protocol::{BuyerId, LocationHandle, OrderId, SellerHandle, SkuHandle};
use orderline_readmodel::{OrderFilter, ReadModelOptions, Reader, ReturnFilter};

use crate::generate::{LOCATIONS, SELLERS, SKUS};
use crate::world::{World, all, all_work};

/// Steps of one life.
const STEPS: usize = 900;

/// Small heads: most of what is asked is in the store, some is being written, some is new.
pub fn small() -> ReadModelOptions {
    ReadModelOptions { head_orders: 40, ..ReadModelOptions::default() }
}

/// Whether the read models say what the engine and the events say.
pub fn compare(world: &World, reader: &Reader, seed: u64) {
    let events = &world.pair.driver.events;
    let as_of = reader.as_of();
    assert_eq!(as_of.sequence, events.len() as u64, "seed {seed}");
    assert_eq!(as_of.recorded_at_us, events.last().unwrap().0, "seed {seed}");
    for heard in &world.heard {
        compare_order(world, reader, heard, seed);
    }
    compare_searches(world, reader, seed);
    compare_actors(world, reader, seed);
    assert_eq!(all_work(reader, LOCATIONS + 2, 3), world.work(), "seed {seed}");
    compare_returns(world, reader, seed);
    compare_levels(world, reader, seed);
    compare_ledgers(world, reader, seed);
}

fn compare_order(world: &World, reader: &Reader, heard: &crate::world::Heard, seed: u64) {
    let id = OrderId::new(heard.order);
    let order = reader.order(id).unwrap().unwrap_or_else(|| panic!("seed {seed}: order {id} is not known"));
    assert_eq!((order.order, order.group.get()), (id, heard.group), "seed {seed}");
    assert_eq!(order.is_retired, heard.is_retired, "seed {seed}, order {id}");
    assert_eq!(order.placed_at_us, heard.placed_at_us, "seed {seed}, order {id}");
    if let Some((state, view)) = world.view_of(heard.order) {
        let parts = OrderView::read(&view).unwrap();
        let head = parts.head;
        assert_eq!((order.state, order.total), (state, head.total), "seed {seed}, order {id}");
        assert_eq!((order.buyer, order.seller), (head.buyer, head.seller), "seed {seed}, order {id}");
        assert_eq!(
            (order.currency, order.region),
            (head.currency, head.region.get()),
            "seed {seed}, order {id}"
        );
        assert_eq!(order.placed_sequence, head.placed_sequence.get(), "seed {seed}, order {id}");
        let told: Vec<_> = order
            .lines
            .iter()
            .map(|of| (of.sku, of.ordered, of.cancelled, of.shipped, of.returned))
            .collect();
        let held: Vec<_> = parts
            .lines
            .iter()
            .map(|of| {
                let counters = &of.counters;
                (
                    of.line.sku,
                    of.line.quantity.get(),
                    counters.cancelled.get(),
                    counters.shipped.get(),
                    counters.returned.get(),
                )
            })
            .collect();
        assert_eq!(told, held, "seed {seed}, order {id}");
        for location in (0..LOCATIONS).map(LocationHandle::new) {
            let is_at = parts.allocations.iter().any(|part| part.location == location)
                || parts.works.iter().any(|work| work.location == location);
            assert_eq!(order.is_at(location), is_at, "seed {seed}, order {id} at {location}");
        }
    }
    compare_timeline(world, reader, heard, seed);
}

/// For whom each session counts, from its opening until it goes on for somebody else.
fn compare_actors(world: &World, reader: &Reader, seed: u64) {
    let mut counts_for = BTreeMap::new();
    for (sequence, (_, kind, payload)) in (1..).zip(&world.pair.driver.events) {
        let Ok(Event::SessionOpened(head)) = Event::read(*kind, EVENT_VERSION, payload) else { continue };
        let (session, actor) = (head.handle, head.actor.get());
        let before = counts_for.insert(session.get(), actor);
        assert_eq!(reader.actor(session, sequence - 1).unwrap(), before, "seed {seed}");
        assert_eq!(reader.actor(session, sequence).unwrap(), Some(actor), "seed {seed}");
    }
    assert!(!counts_for.is_empty(), "seed {seed}: no session was opened");
}

fn compare_timeline(world: &World, reader: &Reader, heard: &crate::world::Heard, seed: u64) {
    let (id, mut cursor, mut told) = (OrderId::new(heard.order), None, Vec::new());
    loop {
        let page = reader.timeline(id, cursor.as_ref(), 4).unwrap().unwrap();
        told.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let sequences: Vec<u64> = told.iter().map(|entry| entry.sequence).collect();
    assert!(
        sequences.iter().eq(&heard.sequences),
        "seed {seed}, order {id}: {sequences:?}, not {:?}",
        heard.sequences
    );
    for entry in told {
        let (at_us, kind, payload) = &world.pair.driver.events[entry.sequence as usize - 1];
        let record =
            entry.record.unwrap_or_else(|| panic!("seed {seed}: record {} is not read", entry.sequence));
        assert_eq!((entry.recorded_at_us, entry.kind), (*at_us, *kind), "seed {seed}, order {id}");
        assert_eq!((&record.payload, record.version), (payload, EVENT_VERSION), "seed {seed}, order {id}");
    }
}

fn compare_searches(world: &World, reader: &Reader, seed: u64) {
    let none = OrderFilter::default;
    let check = |filter: OrderFilter, expected: Vec<u128>| {
        assert_eq!(all(reader, &filter, 7), expected, "seed {seed}: {filter:?}");
    };
    check(none(), world.newest(|_| true));
    let buyers: BTreeSet<u64> = world.heard.iter().map(|heard| heard.buyer).collect();
    for &buyer in &buyers {
        let filter = || OrderFilter { buyer: Some(BuyerId::new(buyer)), ..none() };
        check(filter(), world.newest(|heard| heard.buyer == buyer));
        // What a seller may see is bounded by its own filter, whatever else it asks for.
        for seller in 0..SELLERS {
            let own = OrderFilter { seller: Some(SellerHandle::new(seller)), ..filter() };
            check(own, world.newest(|heard| heard.buyer == buyer && heard.seller == seller));
        }
    }
    for sku in 0..SKUS {
        let filter = || OrderFilter { sku: Some(SkuHandle::new(sku)), ..none() };
        check(filter(), world.newest(|heard| heard.skus.contains(&sku)));
        let seller = Some(SellerHandle::new(1));
        let own = OrderFilter { seller, ..filter() };
        check(own, world.newest(|heard| heard.skus.contains(&sku) && heard.seller == 1));
    }
    for location in 0..LOCATIONS {
        let is_at = |order: u128, location: u16| {
            let order = reader.order(OrderId::new(order)).unwrap().unwrap();
            order.is_at(LocationHandle::new(location))
        };
        let at = |locations: &[u16]| {
            let locations = locations.iter().map(|&location| LocationHandle::new(location)).collect();
            OrderFilter { locations, ..none() }
        };
        let other = (location + 1) % LOCATIONS;
        check(at(&[location]), world.newest(|heard| is_at(heard.order, location)));
        let either = |order: u128| is_at(order, location) || is_at(order, other);
        check(at(&[location, other]), world.newest(|heard| either(heard.order)));
    }
    let times: Vec<i64> = world.heard.iter().map(|heard| heard.placed_at_us).collect();
    let (from, before) = (times[times.len() / 4], times[times.len() / 2]);
    let filter = OrderFilter { placed_from_us: Some(from), placed_before_us: Some(before), ..none() };
    check(filter, world.newest(|heard| (from..before).contains(&heard.placed_at_us)));
    for &state in OrderState::ALL {
        let found = all(reader, &OrderFilter { state: Some(state), ..none() }, 9);
        let counted = reader.orders_by_state().into_iter().find(|(of, _)| *of == state).unwrap().1;
        assert_eq!(counted, found.len() as u64, "seed {seed}: {state:?}");
        let held = world.newest(|heard| world.view_of(heard.order).is_some_and(|(of, _)| of == state));
        let held: BTreeSet<u128> = held.into_iter().collect();
        assert!(held.is_subset(&found.iter().copied().collect()), "seed {seed}: {state:?}");
    }
    for heard in world.heard.iter().step_by(7) {
        let order = Some(OrderId::new(heard.order));
        check(OrderFilter { order, ..none() }, vec![heard.order]);
        // Another seller does not find it by its id, nor by its group.
        let seller = Some(SellerHandle::new(heard.seller + 1));
        check(OrderFilter { order, seller, ..none() }, vec![]);
        let group = OrderFilter { group: Some(orderline_protocol::GroupId::new(heard.group)), ..none() };
        check(group.clone(), world.newest(|other| other.group == heard.group));
        let seller = Some(SellerHandle::new(heard.seller));
        let own = OrderFilter { seller, ..group };
        check(own, world.newest(|other| other.group == heard.group && other.seller == heard.seller));
    }
}

/// A return: its order, its number there, how far it is, and whether it is a package.
pub type Returned = (u128, u16, ReturnState, bool);

/// Pages of returns to their end, and their units.
pub fn all_returns(reader: &Reader, filter: ReturnFilter) -> Vec<(Returned, Option<u32>)> {
    let (mut told, mut cursor) = (Vec::new(), None);
    loop {
        let page = reader.returns(&filter, cursor.as_ref(), 2).unwrap();
        assert!(page.items.is_sorted_by_key(|of| std::cmp::Reverse(of.asked_at_us)), "newest first");
        for of in page.items {
            let returned = (of.order.order.get(), of.number, of.state, of.is_undelivered);
            assert!(told.iter().all(|(other, _)| *other != returned), "{returned:?} comes twice");
            told.push((returned, of.units));
        }
        cursor = page.next;
        if cursor.is_none() {
            return told;
        }
    }
}

/// What the engine says of the returns of orders that are still in memory, and the units of each.
pub fn held_returns(world: &World) -> BTreeMap<Returned, u32> {
    let mut held = BTreeMap::new();
    for heard in &world.heard {
        let Some((_, view)) = world.view_of(heard.order) else { continue };
        let parts = OrderView::read(&view).unwrap();
        let mut lines = parts.return_lines;
        for of in parts.returns {
            let state = ReturnState::from_number(of.state).unwrap();
            let of_engine = (heard.order, of.number.get(), state, of.is_undelivered == 1);
            let (own, behind) = lines.split_at(of.line_count.get().into());
            lines = behind;
            held.insert(of_engine, own.iter().map(|line| line.quantity.get()).sum());
        }
    }
    held
}

fn compare_returns(world: &World, reader: &Reader, seed: u64) {
    let told: BTreeMap<Returned, Option<u32>> =
        all_returns(reader, ReturnFilter::default()).into_iter().collect();
    let states: BTreeSet<Returned> = told.keys().copied().collect();
    let held = held_returns(world);
    for (of, units) in &held {
        let told = told.get(of).unwrap_or_else(|| panic!("seed {seed}: {of:?} is not told of"));
        // Fewer may have come than were asked for, and a package's are not known before.
        assert!(told.is_none_or(|told| told <= *units), "seed {seed}: {of:?}: {told:?} of {units}");
        assert!(told.is_some() || of.3, "seed {seed}: {of:?}");
    }
    // Those of orders that have left memory have ended.
    let over = [ReturnState::Declined, ReturnState::Closed, ReturnState::Cancelled];
    for of in told.keys().filter(|of| !held.contains_key(of)) {
        let is_retired = world.heard.iter().any(|heard| heard.order == of.0 && heard.is_retired);
        assert!(is_retired && over.contains(&of.2), "seed {seed}: {of:?}");
    }
    let only = |filter| all_returns(reader, filter).into_iter().map(|(of, _)| of).collect::<BTreeSet<_>>();
    let of = |is_wanted: &dyn Fn(&Returned) -> bool| {
        states.iter().copied().filter(|of| is_wanted(of)).collect::<BTreeSet<_>>()
    };
    let waiting = ReturnFilter { is_waiting: true, ..ReturnFilter::default() };
    assert_eq!(only(waiting), of(&|of| !over.contains(&of.2)), "seed {seed}");
    for &state in ReturnState::ALL {
        let filter = ReturnFilter { state: Some(state), ..ReturnFilter::default() };
        assert_eq!(only(filter), of(&|of| of.2 == state), "seed {seed}: {state:?}");
    }
    let sold_by_one =
        |of: &Returned| world.heard.iter().any(|heard| heard.order == of.0 && heard.seller == 1);
    let own = ReturnFilter { seller: Some(SellerHandle::new(1)), ..ReturnFilter::default() };
    assert_eq!(only(own), of(&sold_by_one), "seed {seed}");
}

fn compare_levels(world: &World, reader: &Reader, seed: u64) {
    let mut told = BTreeSet::new();
    for location in 0..LOCATIONS + 2 {
        let mut cursor = None;
        loop {
            let page = reader.levels_at(LocationHandle::new(location), cursor.as_ref(), 2).unwrap();
            told.extend(page.items.iter().map(|level| (level.location.get(), level.sku.get())));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    assert_eq!(told, world.levels, "seed {seed}");
    for sku in 0..SKUS {
        let page = reader.levels_of(SkuHandle::new(sku), None, 100).unwrap();
        let told: Vec<u16> = page.items.iter().map(|level| level.location.get()).collect();
        let held = world.levels.iter().filter(|&&(_, of)| of == sku).map(|&(location, _)| location);
        assert!(held.eq(told.iter().copied()), "seed {seed}: SKU {sku} is at {told:?}");
    }
}

fn compare_ledgers(world: &World, reader: &Reader, seed: u64) {
    let mut state = State::new(1);
    type Entry = (u64, &'static str, i64, Option<OrderId>);
    let mut expected: BTreeMap<u32, Vec<Entry>> = BTreeMap::new();
    for (index, (at_us, kind, payload)) in world.pair.driver.events.iter().enumerate() {
        let event = Event::read(*kind, EVENT_VERSION, payload).unwrap();
        let sequence = index as u64 + 1;
        state.apply(sequence, *at_us, &event);
        state.each_ledger_entry(&event, |entry| {
            let of = (sequence, entry.kind.name(), entry.amount, entry.order);
            expected.entry(entry.seller.get()).or_default().push(of);
        });
    }
    for seller in 0..SELLERS {
        let (mut told, mut cursor) = (Vec::new(), None);
        loop {
            let page = reader.ledger_entries(SellerHandle::new(seller), cursor.as_ref(), 3).unwrap();
            told.extend(
                page.items
                    .iter()
                    .map(|entry| (entry.sequence, entry.kind.name(), entry.amount_minor, entry.order)),
            );
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        told.reverse();
        assert_eq!(told, expected.remove(&seller).unwrap_or_default(), "seed {seed}: seller {seller}");
    }
}

#[test]
fn random_lives_are_told_as_the_engine_and_the_events_tell_them() {
    let mut returns = 0;
    for seed in 1..=6 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("readmodel");
        let mut world = World::new(seed, directory.path());
        for _ in 0..3 {
            world.live(STEPS / 3);
            let (reader, told) = world.catch_up(world.open(&path, small()));
            assert_eq!(told, Vec::<String>::new(), "seed {seed}");
            compare(&world, &reader, seed);
        }
        let (reader, _) = world.catch_up(world.open(&path, small()));
        returns += all_returns(&reader, ReturnFilter::default()).len();
        assert!(world.heard.len() > 40, "seed {seed} placed {} orders", world.heard.len());
        world.end();
    }
    assert!(returns > 20, "{returns} returns over all");
}
