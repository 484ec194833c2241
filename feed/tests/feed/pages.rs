//! Pages: nothing is missed, whatever the filter, the bounds and the place to begin at.

use std::sync::Arc;

use orderline_feed::{Feed, FeedError, Filter, PageBounds};
use orderline_journal::{MemoryStorage, Position, Reader, Start, Storage, remove_segments_before};
use orderline_json::{Party, each_id, each_party};
use orderline_protocol::event::{Event, EventKind};
use orderline_protocol::{LocationHandle, SellerHandle};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;

use crate::support::{LOCATIONS, SELLERS, Store, capture_of, order_id, random, seller_defined, seller_of};

/// What the filter should let through, by reading the whole journal in the plainest way.
fn expected(storage: &MemoryStorage, filter: &Filter, durable: u64) -> Vec<u64> {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    let mut reader = Reader::open(storage, Start::Oldest).unwrap();
    let mut found = Vec::new();
    let mut places = std::collections::HashMap::<u128, Vec<LocationHandle>>::new();
    while let Some(batch) = reader.next_batch(durable).unwrap() {
        for record in batch.records() {
            let event = Event::read(record.kind, record.version, record.payload).unwrap();
            let (mut ids, mut locations, mut sellers) = (Vec::new(), Vec::new(), Vec::new());
            each_id(&event, |id| ids.push(id));
            each_party(&event, |party| match party {
                Party::Seller(seller) => sellers.push(seller),
                Party::Location(location) => locations.push(location),
                Party::Sku(sku) => sellers.push(SellerHandle::new(sku.get() % SELLERS)),
            });
            if let Event::GroupPlaced(_, orders, ..) = event {
                orders.iter().for_each(|order| drop(places.insert(order.order.get(), locations.clone())));
            } else if let Event::OrderPlaced(head, ..) = event {
                places.insert(head.placement.order.get(), locations.clone());
            }
            // The tests' groups have a bit that no order has.
            let of_orders = ids.iter().filter(|id| **id >> 70 & 1 == 0);
            sellers.extend(of_orders.map(|id| seller_of((id & u128::from(u64::MAX)) as u64)));
            let is_there = |location: LocationHandle| match locations.is_empty() {
                true => ids.iter().filter_map(|id| places.get(id)).any(|at| at.contains(&location)),
                false => locations.contains(&location),
            };
            let matches = (filter.kinds.is_empty() || filter.kinds.contains(&event.kind()))
                && filter.entity.is_none_or(|id| ids.contains(&id.get()))
                && filter.seller.is_none_or(|seller| sellers.contains(&seller))
                && filter.location.is_none_or(is_there);
            if matches {
                found.push(record.sequence);
            }
        }
    }
    found
}

fn some_filter(random: &mut StdRng, orders: u64) -> Filter {
    let kinds =
        [EventKind::OrderPlaced, EventKind::WorkUpdated, EventKind::GroupPlaced, EventKind::TimePassed];
    Filter {
        kinds: kinds.into_iter().filter(|_| random.random_bool(0.2)).collect(),
        entity: random.random_bool(0.2).then(|| order_id(random.random_range(0..orders))),
        seller: random.random_bool(0.3).then(|| SellerHandle::new(random.random_range(0..SELLERS))),
        location: random.random_bool(0.3).then(|| LocationHandle::new(random.random_range(0..LOCATIONS))),
    }
}

fn some_bounds(random: &mut StdRng) -> PageBounds {
    PageBounds {
        events_max: random.random_range(1..60),
        bytes_max: random.random_range(1..20_000),
        scanned_max: random.random_range(1..500),
    }
}

/// Reads from a sequence to the durable end, page by page, as a consumer that proves that it missed nothing.
fn consume(feed: &Feed, from: u64, filter: &Filter, bounds: PageBounds) -> Vec<u64> {
    let (mut next, mut seen) = (from, Vec::new());
    loop {
        let page = feed.page(next, filter, bounds).unwrap();
        assert_eq!((page.from, page.next), (next, page.to + 1), "ranges follow each other");
        let mut previous = page.from - 1;
        for event in &page.events {
            let cloud: Value = serde_json::from_str(event.json.get()).unwrap();
            assert_eq!(cloud["previous"], previous.to_string(), "{cloud}");
            assert_eq!(cloud["sequence"], event.sequence.to_string(), "{cloud}");
            assert!((page.from..=page.to).contains(&event.sequence), "{cloud}");
            previous = event.sequence;
            seen.push(event.sequence);
        }
        if page.to == page.durable {
            return seen;
        }
        assert!(page.to >= next, "every page goes on");
        next = page.next;
    }
}

#[test]
fn every_filter_sees_all_that_matches_and_nothing_else() {
    let (mut random, seed) = random();
    let storage = MemoryStorage::new();
    let mut store = Store::open(&storage);
    for round in 0..12 {
        store.grow(&mut random, 500);
        let durable = store.feed.durable();
        for _ in 0..6 {
            let filter = some_filter(&mut random, store.orders);
            let bounds = some_bounds(&mut random);
            // What a location's events are is learned from the beginning on.
            let from = if filter.location.is_some() { 1 } else { random.random_range(1..=durable + 1) };
            let mut wanted = expected(&storage, &filter, durable);
            wanted.retain(|sequence| *sequence >= from);
            let seen = consume(&store.feed, from, &filter, bounds);
            assert!(
                seen == wanted,
                "seed {seed}, round {round}, from {from}, {filter:?}, {bounds:?}: {} of {}",
                seen.len(),
                wanted.len()
            );
        }
    }
}

#[test]
fn what_is_not_durable_is_not_shown() {
    let storage = MemoryStorage::new();
    let mut store = Store::open(&storage);
    let first = store.place();
    store.stage(&Event::SellerDefined(&seller_defined(0), "a"));
    store.commit();
    let page = store.feed.page(0, &Filter::default(), PageBounds::default()).unwrap();
    assert_eq!((page.from, page.to, page.durable, page.events.len()), (1, first, first, 1));
    store.sync();
    let page = store.feed.page(page.next, &Filter::default(), PageBounds::default()).unwrap();
    assert_eq!((page.events.len(), page.to), (1, first + 1));
    let end = store.feed.page(page.next, &Filter::default(), PageBounds::default()).unwrap();
    assert_eq!((end.to, end.next, end.events.len()), (page.to, page.next, 0));
    let ahead = store.feed.page(page.next + 1, &Filter::default(), PageBounds::default()).unwrap_err();
    assert!(matches!(ahead, FeedError::Ahead { asked: 4, durable: 2 }), "{ahead}");
}

#[test]
fn an_event_is_a_cloud_event() {
    let storage = MemoryStorage::new();
    let mut store = Store::open(&storage);
    store.place();
    store.confirm(0);
    let page = store.feed.page(2, &Filter::default(), PageBounds::default()).unwrap();
    let shown = serde_json::to_value(&page.events[0]).unwrap();
    let order = order_id(0).to_string();
    assert_eq!(
        shown,
        serde_json::json!({
            "specversion": "1.0", "id": "2", "source": "urn:uuid:01234567-89ab-cdef-0011-223344556677",
            "type": "org.orderline.order.confirmed.v1", "subject": order, "time": "2023-11-14T22:13:20.250000Z",
            "datacontenttype": "application/json", "sequence": "2", "previous": "1",
            "data": {
                "sequence": 2, "recorded_at": "2023-11-14T22:13:20.250000Z", "kind": "OrderConfirmed", "order": order,
                "session": 0, "request": 0,
            },
        })
    );
}

#[test]
fn a_seller_sees_nothing_of_the_others_in_a_shared_event() {
    let storage = MemoryStorage::new();
    let mut store = Store::open(&storage);
    store.place();
    store.place();
    let (head, shares) = capture_of(0, 1);
    store.stage(&Event::PaymentCaptured(&head, &shares, &[]));
    store.commit();
    store.sync();
    let filter = Filter { seller: Some(seller_of(1)), ..Filter::default() };
    let page = store.feed.page(1, &filter, PageBounds::default()).unwrap();
    assert_eq!(page.events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [2, 3]);
    let shown: Value = serde_json::from_str(page.events[1].json.get()).unwrap();
    assert_eq!(shown["data"]["shares"].as_array().map(Vec::len), Some(1), "{shown}");
    assert_eq!(shown["data"]["shares"][0]["amount_minor"], 200);
    assert!(shown["data"]["amount_minor"].is_null(), "{shown}");
    assert!(!shown.to_string().contains(&order_id(0).to_string()), "{shown}");
}

#[test]
fn a_removed_sequence_is_refused_with_the_oldest_kept() {
    let (mut random, seed) = random();
    let storage = MemoryStorage::new();
    let mut store = Store::open(&storage);
    store.grow(&mut random, 6_000);
    let all = consume(&store.feed, 1, &Filter::default(), PageBounds::default());
    assert_eq!(all.len(), 6_000, "seed {seed}");
    assert_eq!(store.feed.first_kept().unwrap(), 1);
    let keep_from = Position { segment: 3, ..Position::START };
    assert_eq!(remove_segments_before(&storage, keep_from.segment).unwrap(), 2);
    let first_kept = store.feed.first_kept().unwrap();
    assert!(first_kept > 1, "seed {seed}");
    // What was remembered of removed segments leads nowhere, and what is kept is all there.
    for from in [1, first_kept - 1] {
        let gone = store.feed.page(from, &Filter::default(), PageBounds::default()).unwrap_err();
        assert!(
            matches!(gone, FeedError::Gone { asked, first_kept: first } if asked == from && first == first_kept),
            "seed {seed}: {gone}"
        );
    }
    let kept = consume(&store.feed, first_kept, &Filter::default(), PageBounds::default());
    assert_eq!(kept, (first_kept..=6_000).collect::<Vec<_>>(), "seed {seed}");
}

#[test]
fn every_kind_has_a_type_of_its_own() {
    let mut types = std::collections::BTreeSet::new();
    for &kind in EventKind::ALL {
        let name = orderline_feed::event_type(kind);
        assert!(name.starts_with("org.orderline.") && name.ends_with(".v1"), "{name}");
        assert_eq!(orderline_feed::kind_of_type(name), Some(kind));
        types.insert(name);
    }
    assert_eq!(types.len(), EventKind::ALL.len());
}
