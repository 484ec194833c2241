//! Stores that a kill left behind, that are damaged, or that belong to another journal.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orderline_journal::{JournalError, Reader as JournalReader, Start, Watermark};
use orderline_protocol::{OrderId, Sequence};
use orderline_readmodel::{OrderFilter, ReadModelError, ReadModelOptions, Reader, ReturnFilter};

use crate::generate::LOCATIONS;
use crate::lives::{Returned, all_returns, compare, held_returns, small};
use crate::world::{World, all, all_work};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else if entry.file_name() != "lock" {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn what_a_kill_took_is_read_again_and_nothing_is_counted_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("readmodel");
    let mut world = World::new(21, directory.path());
    for round in 0..4 {
        world.live(150);
        // Whoever follows a journal that has failed stops at once, as after a kill: what is in its head is gone.
        let (publisher, failed) = Watermark::new(world.watermark.durable());
        publisher.fail(Arc::new(JournalError::Options { reason: "a test".to_owned() }));
        let model = world.open(&path, ReadModelOptions { head_orders: 100, ..small() });
        let reader = model.reader();
        model.run(&failed, &AtomicBool::new(false), |told| panic!("{told}"));
        assert_eq!(reader.as_of().sequence, world.watermark.durable());
        assert!(reader.stored() < world.watermark.durable(), "round {round}: {} is stored", reader.stored());
        compare(&world, &reader, 21);
    }
    let model = world.open(&path, small());
    let left = model.reader().as_of().sequence;
    assert!(0 < left && left < world.watermark.durable(), "something was written, and not all: {left}");
    let (reader, told) = world.catch_up(model);
    assert_eq!(told, Vec::<String>::new());
    compare(&world, &reader, 21);
    world.end();
}

/// All orders, newest first, as a reader tells them; nothing if it meets damage.
fn all_or_damage(reader: &Reader) -> Option<Vec<u128>> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        match reader.search(&OrderFilter::default(), cursor.as_ref(), 50) {
            Ok(page) => {
                found.extend(page.items.iter().map(|order| order.order.get()));
                cursor = page.next;
            }
            Err(ReadModelError::Cursor(cursor)) => panic!("{cursor} was just handed out"),
            Err(_) => return None,
        }
        if cursor.is_none() {
            return Some(found);
        }
    }
}

#[test]
fn a_damaged_store_is_thrown_away_and_built_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("readmodel");
    let mut world = World::new(31, directory.path());
    world.live(700);
    let (reader, _) = world.catch_up(world.open(&path, small()));
    drop(reader);
    let damaged = directory.path().join("damaged");
    let mut said = 0;
    for (number, file) in files(&path).iter().enumerate() {
        let length = fs::metadata(file).unwrap().len();
        if length == 0 {
            continue;
        }
        let _ = fs::remove_dir_all(&damaged);
        copy(&path, &damaged);
        let own = damaged.join(file.strip_prefix(&path).unwrap());
        if !own.exists() {
            continue; // The lock file is not copied.
        }
        let mut bytes = fs::read(&own).unwrap();
        let at = (number * 7_919) % bytes.len();
        bytes[at] ^= 0x40;
        fs::write(&own, bytes).unwrap();
        let told = Mutex::new(Vec::new());
        let (model, stop) = (world.open(&damaged, small()), AtomicBool::new(false));
        let (reader, watermark) = (model.reader(), world.watermark.clone());
        std::thread::scope(|scope| {
            scope.spawn(|| model.run(&watermark, &stop, |sentence| told.lock().unwrap().push(sentence)));
            // Whoever meets damage is told so, and never gets other orders; with the next event it is all built anew.
            let mut tries = 0;
            while all_or_damage(&reader).is_none_or(|found| found != world.newest(|_| true)) {
                tries += 1;
                assert!(tries < 200, "{file:?} at {at}: {:?}", told.lock().unwrap());
                world.live(3);
                assert!(watermark.wait_for(world.watermark.durable(), Duration::from_secs(20)));
                while reader.as_of().sequence < watermark.durable() {
                    std::thread::yield_now();
                }
            }
            stop.store(true, Ordering::Release);
        });
        let told = told.into_inner().unwrap();
        said += usize::from(!told.is_empty());
        assert!(told.iter().all(|sentence| sentence.contains("built anew")), "{file:?}: {told:?}");
    }
    assert!(said > 0, "no damage was met");
    world.end();
}

#[test]
fn a_store_of_another_journal_is_not_believed() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = one.path().join("readmodel");
    let (mut first, mut second) = (World::new(41, one.path()), World::new(42, other.path()));
    first.live(300);
    second.live(300);
    drop(first.catch_up(first.open(&path, small())));
    let (reader, told) = second.catch_up(second.open(&path, small()));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("belongs to another journal"), "{told:?}");
    compare(&second, &reader, 42);
    first.end();
    second.end();
}

#[test]
fn read_models_begin_with_what_the_engine_holds_where_the_journal_does_not_reach_back() {
    for seed in 51..=56 {
        begin_with_what_is_held(seed, true);
        begin_with_what_is_held(seed, false);
    }
}

/// Without the reservations that are held, where the units of orders placed out of them are is not known; all else is.
fn begin_with_what_is_held(seed: u64, with_reservations: bool) {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::new(seed, directory.path());
    world.live(600);
    let held: Vec<_> =
        world.heard.iter().filter_map(|heard| Some((heard.order, world.view_of(heard.order)?))).collect();
    let orders: Vec<u128> = held.iter().map(|(order, _)| *order).collect();
    let begin: Sequence = world.watermark.durable() + 1;
    let mut reader = JournalReader::open(Arc::clone(&world.storage), Start::Oldest).unwrap();
    while reader.next_batch(world.watermark.durable()).unwrap().is_some() {}
    let mut model = world.open(&directory.path().join("readmodel"), small());
    assert!(!model.lacks_its_beginning().unwrap(), "this journal reaches back");
    let at_us = world.pair.driver.events.last().unwrap().0;
    let reservations = if with_reservations { world.reservation_views() } else { Vec::new() };
    model
        .take_over(reader.position(), at_us, held.into_iter().map(|(_, held)| held), reservations.into_iter())
        .unwrap();
    world.live(300);
    let (reader, told) = world.catch_up(model);
    assert_eq!(told, Vec::<String>::new(), "seed {seed}");
    assert_eq!(reader.as_of().known_from, begin);
    let all = all(&reader, &OrderFilter::default(), 20);
    assert!(all.iter().rev().take(orders.len()).eq(&orders), "the orders that were held come first");
    for order in all {
        let told = reader.order(OrderId::new(order)).unwrap().unwrap();
        if let Some((state, view)) = world.view_of(order) {
            let view = orderline_protocol::reply::OrderView::read(&view).unwrap();
            assert_eq!(
                (told.state, told.total),
                (state, view.head.total),
                "seed {seed}, order {}",
                told.order
            );
        }
    }
    let returns: BTreeSet<Returned> =
        all_returns(&reader, ReturnFilter::default()).into_iter().map(|(of, _)| of).collect();
    for of in held_returns(&world).into_keys() {
        assert!(returns.contains(&of), "seed {seed}: {of:?} is not told of");
    }
    if with_reservations {
        let work = all_work(&reader, LOCATIONS + 2, 4);
        assert_eq!(work, world.work(), "seed {seed}");
    }
    world.end();
}
