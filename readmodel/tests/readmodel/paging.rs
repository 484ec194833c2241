//! Pages while orders stream in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orderline_readmodel::{OrderFilter, ReadModelError};

use crate::lives::small;
use crate::world::World;

#[test]
fn pages_neither_skip_nor_repeat_while_orders_come_and_change() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::new(11, directory.path());
    world.live(500);
    let model = world.open(&directory.path().join("readmodel"), small());
    let (reader, stop, before) = (model.reader(), AtomicBool::new(false), world.heard.len());
    let watermark = world.watermark.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| model.run(&watermark, &stop, |told| panic!("{told}")));
        let sequence = world.watermark.durable();
        assert!(reader.wait_for(sequence, Duration::from_secs(20)));
        let expected = world.newest(|_| true);
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = reader.search(&OrderFilter::default(), cursor.as_ref(), 5).unwrap();
            found.extend(page.items.iter().map(|order| order.order.get()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            world.live(15);
        }
        assert_eq!(found, expected, "what was there when the first page was asked for, each once");
        stop.store(true, Ordering::Release);
    });
    assert!(world.heard.len() > before, "orders came meanwhile");
    world.end();
}

#[test]
fn a_cursor_of_another_search_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::new(3, directory.path());
    world.live(300);
    let (reader, _) = world.catch_up(world.open(&directory.path().join("readmodel"), small()));
    let page = reader.search(&OrderFilter::default(), None, 2).unwrap();
    let cursor = page.next.unwrap();
    let other = OrderFilter { buyer: Some(orderline_protocol::BuyerId::new(1)), ..OrderFilter::default() };
    assert!(matches!(reader.search(&other, Some(&cursor), 2), Err(ReadModelError::Cursor(_))));
    for bad in ["", "1", "xyz", &"g".repeat(40), &"é".repeat(20)] {
        assert!(bad.parse::<orderline_readmodel::Cursor>().is_err(), "{bad:?}");
    }
    world.end();
}
