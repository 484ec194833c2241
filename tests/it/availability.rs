//! What a shop is told can be bought: the same as a look at the levels says, and never a sale that a kill takes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orderline_client::Client;
use orderline_protocol::command::{
    AskedSku, DefineLocation, DefineSku, QueryAvailability, QueryStock, Standing,
};
use orderline_protocol::reply::{AvailabilityView, LevelView, SaleStanding};
use orderline_protocol::{Command, LocationHandle, SkuHandle};
use serde_json::json;

use crate::support::desk::{Desk, line};
use crate::support::program::orderline;
use crate::support::server::{NO_SNAPSHOTS, SMALL};
use crate::support::{Server, Shop};

/// What can be bought of these SKUs, with the sequence that it speaks of and the newest that may be in it.
fn availability(client: &mut Client, skus: &[SkuHandle]) -> (u64, u64, Vec<AvailabilityView>) {
    let head = QueryAvailability { sku_count: (skus.len() as u16).into(), reserved: [0; 2] };
    let asked: Vec<AskedSku> = skus.iter().map(|&sku| AskedSku { sku }).collect();
    let reply = client.call(&Command::QueryAvailability(&head, &asked)).unwrap();
    assert_eq!(reply.header.code, 0, "{:?}", reply.header);
    let views = AvailabilityView::read_all(&reply.view).unwrap().to_vec();
    (reply.header.sequence.get(), reply.header.detail.get(), views)
}

/// What the levels of a SKU say is available.
fn stock(client: &mut Client, sku: SkuHandle) -> u64 {
    let query = QueryStock { sku, location: LocationHandle::NONE };
    let reply = client.call(&Command::QueryStock(&query)).unwrap();
    LevelView::read_all(&reply.view).unwrap().iter().map(|level| level.available.get().max(0) as u64).sum()
}

/// Places an order that must be accepted; returns where it took effect.
fn place(desk: &mut Desk, sku: SkuHandle, quantity: u32) -> u64 {
    let id = desk.new_id();
    let head = desk.placement(id, 1);
    let reply = desk.send(&Command::PlaceOrder(&head, &[line(sku, quantity, 250)], ""));
    assert!(reply.as_reply().is_accepted(), "{:?}", reply.header);
    reply.header.sequence.get()
}

#[test]
fn answers_are_what_the_levels_say_and_follow_what_is_closed_and_retired() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), NO_SNAPSHOTS);
    let mut desk = Desk::open(server.client());
    let mut shop = server.client();
    let unknown = SkuHandle::new(1_000);
    let skus = [desk.tea, desk.cups, desk.spoons, unknown];
    desk.receive(desk.tea, desk.store, 10);
    desk.receive(desk.tea, desk.depot, 5);
    desk.receive(desk.spoons, desk.depot, 7);
    let units =
        |views: &[AvailabilityView]| -> Vec<u64> { views.iter().map(|view| view.units.get()).collect() };
    // The first answer is the engine's, all later ones are read off the board.
    for round in 0..3 {
        let (since, until, views) = availability(&mut shop, &skus);
        assert_eq!((units(&views), since), (vec![15, 0, 7, 0], until), "round {round}");
        for (view, sku) in views.iter().zip(&skus[..3]) {
            assert_eq!(
                (view.units.get(), view.standing),
                (stock(&mut shop, *sku), SaleStanding::OnSale as u8)
            );
        }
        assert_eq!(views[3].standing, SaleStanding::UnknownSku as u8);
    }
    // What was accepted is in the next answer, over whichever connection.
    let placed = place(&mut desk, skus[0], 12);
    let (since, _, views) = availability(&mut shop, &skus);
    assert!(since >= placed, "{since} {placed}");
    assert_eq!(units(&views), [3, 0, 7, 0]);
    assert!(views[0].can_buy(3) && !views[0].can_buy(4) && !views[1].can_buy(1));

    let depot = DefineLocation {
        priority: 2.into(),
        daily_capacity: 0.into(),
        expected_version: 0.into(),
        region: 45.into(),
        standing: Standing::Inactive as u8,
        code_bytes: 5,
    };
    desk.run(&Command::DefineLocation(&depot, "depot"));
    assert_eq!(units(&availability(&mut shop, &skus).2), [0, 0, 0, 0]);
    desk.run(&Command::DefineLocation(
        &DefineLocation { standing: Standing::Active as u8, ..depot },
        "depot",
    ));
    let cups = DefineSku {
        seller: desk.acme,
        backorder_cap: 40.into(),
        currency: crate::support::shop::CURRENCY,
        standing: Standing::Active as u8,
        code_bytes: 4,
        expected_version: 0.into(),
    };
    desk.run(&Command::DefineSku(&cups, "cups"));
    place(&mut desk, skus[1], 30);
    let views = availability(&mut shop, &skus).2;
    assert_eq!((units(&views), views[1].backorder_units.get()), (vec![3, 0, 7, 0], 10));
    assert!(views[1].can_buy(10) && !views[1].can_buy(11));
    desk.run(&Command::DefineSku(&DefineSku { standing: Standing::Inactive as u8, ..cups }, "cups"));
    let views = availability(&mut shop, &skus).2;
    assert_eq!(views[1].standing, SaleStanding::SkuRetired as u8);
    assert!(!views[1].can_buy(1));
    server.stop();
}

#[test]
fn no_answer_counts_a_sale_that_a_kill_takes_back() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, NO_SNAPSHOTS);
    let mut buyer = server.client();
    let shop = Shop::open(&mut buyer);
    let sku = shop.skus[0];
    let is_over = AtomicBool::new(false);
    let mut told = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Orders until the server is gone.
            let lines = [shop.line(0, 1)];
            for id in 1.. {
                while buyer.credits_left() > 0 {
                    let id = id << 32 | u128::from(buyer.next_request());
                    buyer.submit(&Command::PlaceOrder(&shop.order(id, 1), &lines, "")).unwrap();
                }
                if buyer.pump(|_| ()).is_err() {
                    break;
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let mut asker = server.client();
        // As often as it takes until the disk has made some of the orders durable, and often.
        let start = Instant::now();
        while told.len() < 2_000 || told.last() == told.first() {
            assert!(start.elapsed() < Duration::from_secs(60), "no order was placed meanwhile");
            let (since, until, views) = availability(&mut asker, &[sku]);
            assert!(since <= until);
            told.push((since, until, views[0].units.get()));
        }
        server.kill();
    });
    assert!(is_over.load(Ordering::Relaxed));
    assert!(told.is_sorted_by_key(|&(since, ..)| since), "one connection is never told of an earlier time");
    assert!(told.last() > told.first(), "orders were placed meanwhile");

    // Units only go: the journal holds each sale that was in an answer, and at least what each answer had still to sell.
    let server = Server::start(&data, NO_SNAPSHOTS);
    let mut client = server.client();
    let left = stock(&mut client, sku);
    let (last, _, views) = availability(&mut client, &[sku]);
    assert_eq!(views[0].units.get(), left);
    for (since, until, units) in told {
        assert!(until <= last && units >= left, "{since} to {until}: {units} units, but {left} at {last}");
    }
    server.stop();
}

#[test]
fn the_workload_asks_beside_orders_and_is_answered_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), SMALL);
    let connect = server.addr.to_string();
    let run = |arguments: &str| {
        let head = ["load", "--json", "--skus", "300", "--connect", &connect];
        orderline(head.into_iter().chain(arguments.split(' '))).well()
    };
    run("--orders 100");
    let (report, orders) = std::thread::scope(|scope| {
        let orders = scope.spawn(|| run("--orders 20000"));
        (run("--workload availability --orders 5000 --query-skus 50 --connections 2"), orders.join().unwrap())
    });
    assert_eq!(orders["acked"], 20_000);
    assert_eq!((&report["acked"], &report["started"]), (&json!(0), &json!(5_000)), "{report}");
    assert_eq!((&report["sku_answers"], &report["skus_buyable"]), (&json!(250_000), &json!(250_000)));
    assert_eq!((&report["consistent"], &report["unknown"]), (&json!(true), &json!(0)), "{report}");
    assert!(report["answers_per_second"].as_f64() > report["commands_per_second"].as_f64(), "{report}");
    assert_eq!(report["commands"], json!({"QueryAvailability": 5_000}));
    server.stop();
}
