//! What following costs: a journal of placed orders is followed at the lowest priority from its beginning, then asked. Says CPU
//! time an order, bytes an order on disk, memory, and what questions take. `ORDERS` takes another number than a million.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use orderline_journal::{JournalOptions, MappedStorage, Opened};
use orderline_protocol::command::{OrderLine, PlaceOrder};
use orderline_protocol::event::{EVENT_VERSION, Event, OrderPlaced, Origin};
use orderline_protocol::{
    Amount, BuyerId, CurrencyCode, LocationHandle, OrderId, SellerHandle, SessionHandle, SkuHandle,
};
use orderline_readmodel::{OrderFilter, ReadModel, ReadModelOptions, Reader};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const SKUS: f64 = 100_000.0;
const BUYERS: u64 = 1_000_000;
const BATCH_ORDERS: u64 = 256;

fn place(number: u64, random: &mut SmallRng, out: &mut Vec<u8>) {
    let ms = 1_700_000_000_000 + number / 100;
    let lines: [OrderLine; 4] = std::array::from_fn(|_| OrderLine {
        // Popular SKUs are a hundred times as popular as those a hundred times further down.
        sku: SkuHandle::new(SKUS.powf(random.random::<f64>()) as u32),
        quantity: 1.into(),
        unit_price: Amount::new(1_250),
    });
    let head = OrderPlaced {
        origin: Origin { session: SessionHandle::new(0), digest: 7.into(), request: (number + 1).into() },
        placement: PlaceOrder {
            order: OrderId::from_parts(ms, random.random()),
            buyer: BuyerId::new(random.random_range(0..BUYERS)),
            seller: SellerHandle::new(random.random_range(0..1_000)),
            currency: CurrencyCode::new(826),
            line_count: 4.into(),
            region: 1.into(),
            external_id_bytes: 0,
        },
        location: LocationHandle::new(0),
        allocation_count: 0.into(),
        rule: 4,
    };
    Event::OrderPlaced(&head, &lines, &[], "").write(out);
}

/// Processor time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = stat.rsplit(") ").next().unwrap();
    let fields: Vec<u64> = behind_name.split(' ').filter_map(|field| field.parse().ok()).collect();
    // User and system time are the fourteenth and fifteenth field; the state letter was not a number.
    Duration::from_millis(10 * (fields[10] + fields[11]))
}

/// The most memory this process ever had, in MiB.
fn resident_mib_max() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

fn ask(what: &str, reader: &Reader, filters: impl Iterator<Item = OrderFilter>) {
    let (start, mut asked, mut found, mut slowest) = (Instant::now(), 0, 0, Duration::ZERO);
    for filter in filters {
        let one = Instant::now();
        found += reader.search(&filter, None, 50).unwrap().items.len();
        slowest = slowest.max(one.elapsed());
        asked += 1;
    }
    let mean_us = start.elapsed().as_micros() / asked;
    println!(
        "search by {what:<8} {mean_us:>6} us, slowest {:>6} us, {found} found in {asked}",
        slowest.as_micros()
    );
}

fn main() {
    let orders: u64 = std::env::var("ORDERS").map_or(1_000_000, |orders| orders.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let Opened { mut writer, syncer, watermark, recovery, storage } =
        orderline_journal::open(MappedStorage::new(directory.path()), JournalOptions::default()).unwrap();
    let sync_thread = syncer.spawn().unwrap();
    let mut random = SmallRng::seed_from_u64(1);
    for number in 0..orders {
        writer.stage(6, EVENT_VERSION, |out| place(number, &mut random, out));
        if number % BATCH_ORDERS == BATCH_ORDERS - 1 || number + 1 == orders {
            while writer.unsynced_bytes() > 32 << 20 {
                std::thread::sleep(Duration::from_millis(1));
            }
            writer.commit(1_700_000_000_000_000 + number as i64 * 10).unwrap();
        }
    }
    assert!(watermark.wait_for(orders, Duration::from_secs(60)));

    let path = directory.path().join("readmodel");
    let model =
        ReadModel::open(&path, Arc::clone(&storage), recovery.store_id, ReadModelOptions::default()).unwrap();
    let reader = model.reader();
    let (before, start) = (cpu(), Instant::now());
    model.run(&watermark, &AtomicBool::new(true), |told| println!("{told}"));
    let (spent, took) = (cpu() - before, start.elapsed());
    assert_eq!(reader.as_of().sequence, orders);
    println!(
        "{orders} orders followed in {:.2} s: {:.2} us of CPU time an order, {} bytes an order on disk, {} MiB resident at most",
        took.as_secs_f64(),
        spent.as_secs_f64() * 1e6 / orders as f64,
        reader.disk_bytes().unwrap() / orders,
        resident_mib_max()
    );

    let mut random = SmallRng::seed_from_u64(1);
    let mut ids = Vec::new();
    for number in 0..orders {
        let mut bytes = Vec::new();
        place(number, &mut random, &mut bytes);
        let event = Event::read(6, EVENT_VERSION, &bytes).unwrap();
        if let (Event::OrderPlaced(head, ..), true) = (event, number % (orders / 500).max(1) == 0) {
            ids.push(head.placement.order);
        }
    }
    let none = OrderFilter::default;
    ask("id", &reader, ids.into_iter().map(|id| OrderFilter { order: Some(id), ..none() }));
    let buyers = (0..500).map(|number| BuyerId::new(number * 1_999));
    ask("buyer", &reader, buyers.map(|buyer| OrderFilter { buyer: Some(buyer), ..none() }));
    let skus = (0..200).map(|number| SkuHandle::new(number * 499));
    ask("SKU", &reader, skus.map(|sku| OrderFilter { sku: Some(sku), ..none() }));
    let sellers = (0..200).map(SellerHandle::new);
    ask("seller", &reader, sellers.map(|seller| OrderFilter { seller: Some(seller), ..none() }));
    let times = (0..200).map(|at| 1_700_000_000_000_000 + at * orders as i64 / 20);
    ask("time", &reader, times.map(|time| OrderFilter { placed_before_us: Some(time + 1), ..none() }));
    drop(writer);
    sync_thread.join().unwrap();
}
