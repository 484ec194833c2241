//! Whole runs against a fake server, of every workload.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orderline_protocol::lifecycle::{OrderState, ReservationState, ReturnState};
use orderline_protocol::{OrderId, RejectCode};
use serde::Serialize;

use crate::fake_server::{GOOD, Manners, start};
use crate::fake_shop::{FakeShop, Lie};
use crate::{
    Ended, Extent, LoadOptions, LoadReport, Nobody, Observer, Particulars, SequenceRange, TpccReport,
    WorkloadName, run,
};

fn options(manners: Manners, extent: Extent) -> LoadOptions {
    shop_and_options(manners, extent).1
}

fn shop_and_options(manners: Manners, extent: Extent) -> (Arc<Mutex<FakeShop>>, LoadOptions) {
    let (addr, shop) = start(manners);
    let options =
        LoadOptions { skus: 50, patience: Duration::from_secs(1), ..LoadOptions::new(addr, extent) };
    (shop, options)
}

fn run_quietly(options: &LoadOptions) -> LoadReport {
    run(options, &mut Nobody, &AtomicBool::new(false), &mut |_| {}).unwrap()
}

#[derive(Default)]
struct Book {
    accepted: HashSet<OrderId>,
    rejected: HashSet<OrderId>,
    unknown: HashSet<OrderId>,
}

impl Book {
    fn is_new(&self, order: OrderId) -> bool {
        ![&self.accepted, &self.rejected, &self.unknown].iter().any(|told| told.contains(&order))
    }
}

impl Observer for Book {
    fn accepted(&mut self, order: OrderId, sequence: u64) {
        assert!(sequence > 1_000 && self.is_new(order), "{order} was told of twice");
        self.accepted.insert(order);
    }
    fn rejected(&mut self, order: OrderId, code: Option<RejectCode>) {
        assert!(code.is_some() && self.is_new(order), "{order} was told of twice");
        self.rejected.insert(order);
    }
    fn unknown(&mut self, order: OrderId) {
        assert!(self.is_new(order), "{order} was told of twice");
        self.unknown.insert(order);
    }
}

fn run_with_book(options: &LoadOptions) -> (LoadReport, Book) {
    let mut book = Book::default();
    let report = run(options, &mut book, &AtomicBool::new(false), &mut |_| {}).unwrap();
    let told = [&book.accepted, &book.rejected, &book.unknown].map(|told| told.len() as u64);
    assert_eq!(told, [report.acked, report.rejected, report.unknown]);
    assert_eq!(report.sent, report.acked + report.rejected + report.unknown);
    (report, book)
}

/// What a program that reads the report's JSON sees.
fn field(report: &LoadReport, name: &str) -> serde_json::Value {
    json(report).get(name).cloned().unwrap_or_else(|| panic!("{name} is missing"))
}

fn json(report: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(report).unwrap()
}

#[test]
fn every_order_is_sent_and_answered_once_over_all_connections() {
    for (connections, in_flight, orders) in [(1, None, 0), (1, None, 10_000), (3, Some(7), 1_000)] {
        let options = LoadOptions { connections, in_flight, ..options(GOOD, Extent::Orders(orders)) };
        let (report, book) = run_with_book(&options);
        assert_eq!((report.started, report.sent, report.acked, report.unknown), (orders, orders, orders, 0));
        assert_eq!(book.accepted.len() as u64, orders);
        assert_eq!((report.ended, report.in_flight), (Ended::Done, in_flight.unwrap_or(64)));
        assert!(orders == 0 || report.latency_us.max > 0);
        assert_eq!(report.commands.values().sum::<u64>(), orders);
        assert!(report.is_well() && report.consistent.is_none());
    }
}

#[test]
fn the_same_shop_is_not_stocked_twice() {
    let (shop, options) = shop_and_options(GOOD, Extent::Orders(10));
    let options = LoadOptions { sellers: Some(2), locations: Some(3), ..options };
    let on_hand = |shop: &FakeShop| {
        let units: i64 = shop.levels.values().map(|level| level.available + level.promised).sum();
        (shop.levels.len(), units)
    };
    run_quietly(&options);
    let first = on_hand(&shop.lock().unwrap());
    run_quietly(&options);
    assert_eq!((first, first.0), (on_hand(&shop.lock().unwrap()), 50 * 3));
    run_quietly(&LoadOptions { locations: Some(2), ..options });
    assert_eq!(shop.lock().unwrap().levels.len(), 50 * 3 + 50 * 2, "at two locations are other SKUs");
}

#[test]
fn orders_of_ten_sellers_are_sourced_from_ten_locations() {
    let (shop, options) = shop_and_options(GOOD, Extent::Orders(1_000));
    run_with_book(&LoadOptions { sellers: Some(10), locations: Some(10), ..options });
    let shop = shop.lock().unwrap();
    let sellers: HashSet<_> = shop.orders.values().map(|order| order.seller).collect();
    let locations: HashSet<_> =
        shop.orders.values().flat_map(|order| &order.open).map(|part| part.location).collect();
    assert_eq!((shop.orders.len(), sellers.len(), locations.len()), (1_000, 10, 10));
}

#[test]
fn placing_out_of_reservations_counts_both_and_orders_once() {
    let (shop, options) = shop_and_options(GOOD, Extent::Orders(500));
    let options = LoadOptions { reserve: true, sellers: Some(5), ..options };
    let (report, _) = run_with_book(&options);
    assert_eq!((report.acked, report.started), (500, 500));
    assert_eq!(report.commands, BTreeMap::from([("CheckOut", 500), ("ReserveCart", 500)]));
    assert!((report.commands_per_second / report.orders_per_second - 2.0).abs() < 1e-6);
    assert_eq!(shop.lock().unwrap().reservations_in(ReservationState::Consumed), 500);
}

#[test]
fn a_flash_sale_sells_exactly_what_there_is_and_tells_every_loser_when() {
    let (_, options) = shop_and_options(GOOD, Extent::Orders(1_000));
    let options = LoadOptions { workload: WorkloadName::Flash, flash_stock: 100, connections: 3, ..options };
    let (report, book) = run_with_book(&options);
    assert_eq!((report.acked, report.rejected, report.unknown), (100, 900, 0));
    assert_eq!(report.rejected_by_code["InsufficientStock"], 900);
    assert_eq!(book.rejected.len(), 900);
    assert!(report.answers_per_second > report.orders_per_second * 9.0);
    let Some(Particulars::Flash(flash)) = &report.particulars else { panic!("{report:?}") };
    let (Some(sold_at), Some(lost_at)) = (flash.sold_at_sequence, flash.lost_at_sequence) else { panic!() };
    assert_eq!((flash.sold, flash.losers, sold_at.last - sold_at.first), (100, 900, 99));
    assert_eq!(lost_at, SequenceRange { first: sold_at.last, last: sold_at.last });
    assert!(report.is_well() && report.checks.len() == 3);
    assert_eq!((field(&report, "sold"), field(&report, "lost_at_sequence")), (json(&100), json(&lost_at)));
}

#[test]
fn a_flash_sale_that_goes_wrong_is_found_out() {
    for (lie, check) in
        [(Lie::Oversells, "sold_exactly"), (Lie::KeepsSequences, "every_loser_was_told_a_sequence")]
    {
        let options = options(Manners { lie, ..GOOD }, Extent::Orders(200));
        let options = LoadOptions { workload: WorkloadName::Flash, flash_stock: 100, ..options };
        let report = run_quietly(&options);
        assert_eq!(wrong(&report), [check], "{report:?}");
        assert!(!report.is_well() && report.consistent == Some(false));
    }
}

/// The checks that do not hold.
fn wrong(report: &LoadReport) -> Vec<&'static str> {
    report.checks.iter().filter(|&(_, &holds)| !holds).map(|(&check, _)| check).collect()
}

#[test]
fn every_life_goes_through_all_its_stages() {
    let (shop, options) = shop_and_options(GOOD, Extent::Orders(2_000));
    let options =
        LoadOptions { workload: WorkloadName::Life, connections: 2, lines: 3, locations: Some(4), ..options };
    let (report, _) = run_with_book(&options);
    let expected = [
        ("CancelLines", 200),
        ("ConfirmOrder", 2_000),
        ("PlaceOrder", 2_000),
        ("ReceiveReturn", 100),
        ("RecordAuthorization", 2_000),
        ("RecordCapture", 2_000),
        ("RequestRefund", 300),
        ("RequestReturn", 100),
        ("SettleRefund", 300),
        ("ShipLines", 1_800),
        ("UpdateReturn", 200),
        ("UpdateShipment", 1_800),
    ];
    assert_eq!(report.commands, BTreeMap::from(expected));
    assert_eq!((report.acked, report.is_well()), (2_000, true), "{report:?}");
    assert!(report.refused_commands_by_code.is_empty());
    let ratio = report.commands_per_second / report.orders_per_second;
    assert!((ratio - 12_800.0 / 2_000.0).abs() < 1e-6, "{ratio}");
    let found =
        ["delivered", "cancelled", "returned", "broken_off", "unfinished"].map(|name| field(&report, name));
    assert_eq!(found, [1_700, 200, 100, 0, 0].map(|count| json(&count)));
    let shop = shop.lock().unwrap();
    let count = |state| shop.orders.values().filter(|order| order.state == state).count();
    assert_eq!((count(OrderState::Completed), count(OrderState::Cancelled)), (1_800, 200));
    let returned = shop.orders.values().filter(|order| order.returns == [ReturnState::Closed]);
    assert_eq!(returned.count(), 100);
    let refunded =
        shop.orders.values().filter(|order| order.refunded == order.captured && order.captured > 0);
    assert_eq!(refunded.count(), 300);
    let (available, promised) = shop.levels.values().fold((0, 0), |(available, promised), level| {
        (available + level.available, promised + level.promised)
    });
    // What was delivered and not returned is gone; nothing stays promised.
    assert_eq!((available, promised), (50 * 4 * 1_000_000_000_000 - 1_700 * 3, 0));
}

#[test]
fn a_refused_command_breaks_lives_off_and_is_found_out() {
    let options = options(Manners { lie: Lie::RefusesCaptures, ..GOOD }, Extent::Orders(100));
    let report = run_quietly(&LoadOptions { workload: WorkloadName::Life, ..options });
    assert_eq!((report.acked, field(&report, "broken_off")), (100, json(&100)));
    assert_eq!(report.refused_commands_by_code["IllegalTransition"], 100);
    assert_eq!((wrong(&report), report.is_well()), (vec!["no_life_was_broken_off"], false));
}

#[test]
fn half_of_the_carts_are_checked_out_and_half_are_left() {
    let (shop, options) = shop_and_options(GOOD, Extent::Orders(1_000));
    let options =
        LoadOptions { workload: WorkloadName::Carts, connections: 2, locations: Some(2), ..options };
    let (report, book) = run_with_book(&options);
    let found =
        ["started", "reserved", "checked_out", "left_to_expire", "acked"].map(|name| field(&report, name));
    assert_eq!(found, [1_000, 1_000, 500, 500, 1_500].map(|count| json(&count)));
    assert_eq!(report.commands, BTreeMap::from([("CheckOut", 500), ("ReserveCart", 1_000)]));
    assert_eq!(report.rejected_by_code.len() + report.refused_commands_by_code.len(), 0);
    assert_eq!((report.checks.get("what_was_left_has_expired"), report.is_well()), (Some(&true), true));
    let shop = shop.lock().unwrap();
    assert_eq!(book.accepted, shop.orders.keys().copied().collect());
    assert_eq!(shop.reservations_in(ReservationState::Held), 500);
    let sellers: HashSet<_> = shop.orders.values().map(|order| order.seller).collect();
    assert_eq!(sellers.len(), 3);
}

#[test]
fn a_feed_sends_whole_bursts_beside_the_orders() {
    let (shop, options) = shop_and_options(GOOD, Extent::For(Duration::from_millis(400)));
    let options = LoadOptions {
        workload: WorkloadName::Feed,
        locations: Some(2),
        feed_burst: 1_000,
        feed_every: Duration::from_millis(100),
        in_flight: Some(8),
        ..options
    };
    let (report, book) = run_with_book(&options);
    assert!(!book.accepted.is_empty() && report.is_well(), "{report:?}");
    let Some(Particulars::Feed(feed)) = &report.particulars else { panic!("{report:?}") };
    assert!((1..=4).contains(&feed.feed_bursts), "{feed:?}");
    assert_eq!((feed.feed_updates, feed.feed_rejected, feed.feed_unknown), (feed.feed_bursts * 1_000, 0, 0));
    assert!(feed.feed_burst_ms.max >= feed.feed_burst_ms.p50 && feed.feed_burst_ms.p50 > 0.0);
    assert_eq!(report.commands.keys().copied().collect::<Vec<_>>(), ["PlaceOrder"]);
    assert!(field(&report, "feed_updates_per_second").as_f64().unwrap() > 0.0);
    // Every level was set: none has just what was received any more, but for those whose difference was 0.
    let shop = shop.lock().unwrap();
    let on_hand = |level: &crate::fake_shop::Level| level.available + level.promised - 1_000_000_000_000;
    assert!(shop.levels.values().all(|level| (0..1_024).contains(&on_hand(level))));
    let moved = shop.levels.values().filter(|level| on_hand(level) > 0).count();
    assert!(moved > 90, "{moved} of 100 levels were set");
}

#[test]
fn refused_feed_updates_are_found_out() {
    let (_, options) = shop_and_options(Manners { lie: Lie::RefusesLevels, ..GOOD }, Extent::Orders(10));
    let report = run_quietly(&LoadOptions { workload: WorkloadName::Feed, feed_burst: 300, ..options });
    assert_eq!((field(&report, "feed_rejected"), report.acked), (json(&300), 10));
    assert_eq!(wrong(&report), ["no_feed_update_was_refused"]);
}

#[test]
fn a_shop_that_forgets_what_left_since_a_level_was_seen_is_found_out() {
    // The shop for tests does: it takes what is said for what is there now.
    let (_, options) = shop_and_options(GOOD, Extent::Orders(400));
    let options = LoadOptions { workload: WorkloadName::Feed, feed_burst: 100, ship: true, ..options };
    let report = run_quietly(&options);
    let Some(Particulars::Feed(feed)) = &report.particulars else { panic!("{report:?}") };
    assert!(feed.feed_levels_checked > 3 && feed.feed_levels_moved > 0, "{feed:?}");
    assert_eq!(wrong(&report), ["what_left_since_is_deducted_once"]);
}

#[test]
fn availability_counts_skus_and_finds_an_answer_out_that_is_not_whole() {
    for (lie, wrong_checks, answers) in
        [(Lie::No, &[][..], 30_000), (Lie::ForgetsAnAnswer, &["every_query_was_answered_as_a_whole"], 0)]
    {
        let options = options(Manners { lie, ..GOOD }, Extent::Orders(1_000));
        let options = LoadOptions { workload: WorkloadName::Availability, query_skus: 30, ..options };
        let (report, _) = run_with_book(&options);
        assert_eq!((wrong(&report), report.sent, report.started), (wrong_checks.to_vec(), 0, 1_000));
        assert_eq!(field(&report, "sku_answers"), json(&answers));
        let per_second = field(&report, "sku_answers_per_second").as_f64().unwrap();
        assert!((report.answers_per_second - per_second).abs() < 1.0, "{report:?}");
    }
}

fn tpcc(report: &LoadReport) -> &TpccReport {
    let Some(Particulars::Tpcc(tpcc)) = &report.particulars else { panic!("{report:?}") };
    tpcc
}

#[test]
fn the_order_entry_mix_has_its_shares_and_its_books_agree() {
    for (connections, extent) in [(1, 5_000), (3, 2_000)] {
        let options = LoadOptions {
            workload: WorkloadName::Tpcc,
            connections,
            in_flight: Some(16),
            ..options(GOOD, Extent::Orders(extent))
        };
        let (report, _) = run_with_book(&options);
        assert!(report.is_well() && report.checks.len() == 7, "{report:?}");
        let tpcc = tpcc(&report);
        let started = ["new_order", "payment", "order_status", "delivery", "stock_level"]
            .map(|name| tpcc.transactions[name].started * 100 / extent);
        assert_eq!(started, [45, 43, 4, 4, 4]);
        for (name, transaction) in &tpcc.transactions {
            assert_eq!((transaction.failed, transaction.skipped), (0, 0), "{name}");
            assert_eq!(transaction.completed, transaction.started, "{name}");
            assert!(transaction.latency_us.max > 0);
        }
        assert_eq!((report.started, report.sent), (extent, tpcc.transactions["new_order"].started));
        assert_eq!(report.rejected_by_code, BTreeMap::from([("UnknownSku", tpcc.rolled_back)]));
        let (rolled_back, sent) = (tpcc.rolled_back, report.sent);
        assert!((sent / 400..sent / 30).contains(&rolled_back), "{rolled_back} of {sent} were rolled back");
        assert_eq!(report.commands["RecordCapture"], tpcc.transactions["payment"].completed);
        assert_eq!(report.commands["UpdateShipment"], tpcc.orders_delivered);
        assert!(tpcc.orders_delivered > tpcc.transactions["delivery"].started * 9);
        assert!(tpcc.captured_minor > 0 && tpcc.levels_low > 0);
    }
}

#[test]
fn a_second_mix_on_one_server_is_consistent_by_itself() {
    let (_, options) = shop_and_options(GOOD, Extent::Orders(1_000));
    let options = LoadOptions { workload: WorkloadName::Tpcc, in_flight: Some(4), ..options };
    for _ in 0..2 {
        let report = run_quietly(&options);
        assert!(report.is_well(), "{report:?}");
    }
}

#[test]
fn each_condition_finds_out_what_it_is_there_for() {
    let [placed, lines, money, gone, promised, rolled_back, status] = [
        "orders_placed_are_orders_acknowledged",
        "order_lines_are_lines_counted",
        "money_captured_is_payments_made",
        "stock_gone_is_units_shipped",
        "stock_promised_is_what_orders_hold",
        "rolled_back_orders_left_nothing",
        "order_status_saw_what_was_acknowledged",
    ];
    let cases = [
        (Lie::No, vec![]),
        (Lie::LosesOrders, vec![lines, placed, rolled_back, promised]),
        (Lie::DropsLines, vec![lines, status, placed, rolled_back, gone, promised]),
        (Lie::BooksTwice, vec![money]),
        (Lie::ShipsOneMore, vec![gone]),
        (Lie::PlacesRefused, vec![rolled_back, promised]),
        (Lie::PromisesRefused, vec![rolled_back, promised]),
    ];
    for (lie, mut expected) in cases {
        let options = options(Manners { lie, ..GOOD }, Extent::Orders(3_000));
        let report =
            run_quietly(&LoadOptions { workload: WorkloadName::Tpcc, in_flight: Some(16), ..options });
        // Whether somebody asked for one of the few lost orders is chance.
        let found: Vec<_> =
            wrong(&report).into_iter().filter(|&one| lie != Lie::LosesOrders || one != status).collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "{lie:?}: {:?}", report.problems);
        assert_eq!(report.consistent, Some(expected.is_empty()));
        assert_eq!(report.problems.is_empty(), expected.is_empty(), "{:?}", report.problems);
    }
}

#[test]
fn refused_payments_leave_the_books_consistent_but_not_the_run_well() {
    let options = options(Manners { lie: Lie::RefusesCaptures, ..GOOD }, Extent::Orders(500));
    let report = run_quietly(&LoadOptions { workload: WorkloadName::Tpcc, in_flight: Some(8), ..options });
    assert_eq!((report.consistent, report.is_well()), (Some(true), false), "{report:?}");
    assert_eq!(report.problems.len(), 1);
    let payments = tpcc(&report).transactions["payment"];
    assert_eq!((payments.completed, payments.failed), (0, 215));
}

#[test]
fn refused_reservations_are_found_out() {
    let options = options(Manners { lie: Lie::RefusesCarts, ..GOOD }, Extent::Orders(50));
    let report = run_quietly(&LoadOptions { workload: WorkloadName::Carts, ..options });
    assert_eq!((report.sent, field(&report, "reserved"), report.is_well()), (0, json(&0), false));
    assert_eq!(report.refused_commands_by_code, BTreeMap::from([("InsufficientStock", 50)]));
}

#[test]
fn reservations_that_do_not_expire_are_found_out() {
    let options = options(Manners { lie: Lie::KeepsCarts, ..GOOD }, Extent::Orders(10));
    let report = run_quietly(&LoadOptions { workload: WorkloadName::Carts, reservation_s: 1, ..options });
    assert_eq!((wrong(&report), report.is_well()), (vec!["what_was_left_has_expired"], false));
    assert_eq!(
        report.problems,
        ["5 of the newest reservations that were left to expire have not, 6 s after the end"]
    );
}

#[test]
fn what_was_not_asked_for_is_not_said_to_hold() {
    let manners = Manners { answers: 4_000, ..GOOD };
    let options = LoadOptions {
        workload: WorkloadName::Tpcc,
        in_flight: Some(16),
        ..options(manners, Extent::Orders(1_000_000))
    };
    let report = run_quietly(&options);
    assert_eq!((report.ended, report.consistent), (Ended::ServerLost, Some(false)));
    assert!(report.checks.values().all(|holds| !holds) && report.problems.len() == 1, "{report:?}");
}

#[test]
fn what_a_vanished_server_never_answered_is_unknown() {
    for (workload, per_start) in [(WorkloadName::Place, 1), (WorkloadName::Life, 1), (WorkloadName::Carts, 3)]
    {
        let options = options(Manners { answers: 500, ..GOOD }, Extent::Orders(1_000_000));
        let (report, book) = run_with_book(&LoadOptions { workload, ..options });
        assert_eq!(report.ended, Ended::ServerLost);
        assert!(report.acked <= 500 * per_start && report.unknown > 0, "{report:?}");
        assert_eq!(book.unknown.len() as u64, report.unknown);
        assert!(report.unknown % per_start == 0 && report.commands_unknown * per_start >= report.unknown);
        assert!(report.error.is_some() && !report.is_well());
    }
}

#[test]
fn a_server_that_answers_nothing_is_not_waited_for_for_ever() {
    let options = options(Manners { answers: 500, is_silent: true, ..GOOD }, Extent::Orders(1_000_000));
    let report = run_quietly(&options);
    assert_eq!((report.ended, report.acked, report.unknown), (Ended::ServerLost, 500, 64));
}

#[test]
fn an_open_loop_sends_what_its_schedule_says() {
    let extent = Extent::For(Duration::from_millis(500));
    // Where the machine stands still just before the end, some are sent no more, and that is said; some time it does not.
    let mut reports =
        (0..50).map(|_| run_quietly(&LoadOptions { rate: Some(2_000.0), ..options(GOOD, extent) }));
    let is_whole = |report: &LoadReport| {
        assert_eq!((report.sent + report.due_not_sent, report.acked), (1_000, report.sent), "{report:?}");
        report.due_not_sent == 0
    };
    let report = reports.find(is_whole).expect("it keeps up in one of many runs");
    assert!((0.4..2.0).contains(&report.seconds), "{report:?}");
    assert_eq!(report.loop_kind, "open");
}

#[test]
fn every_workload_starts_on_a_schedule() {
    for &workload in WorkloadName::ALL {
        let options = LoadOptions {
            workload,
            rate: Some(1_000.0),
            in_flight: Some(60),
            feed_burst: 1_000,
            ..options(GOOD, Extent::Orders(300))
        };
        let report = run_quietly(&options);
        assert_eq!((report.started, report.unknown, report.commands_unknown), (300, 0, 0), "{report:?}");
        assert!(report.seconds > 0.298, "the last one starts 299 ms after the first: {report:?}");
        assert_eq!((report.loop_kind, report.is_well()), ("open", true), "{report:?}");
    }
}

#[test]
fn an_open_loop_that_cannot_keep_up_says_so() {
    let extent = Extent::For(Duration::from_millis(300));
    let report = run_quietly(&LoadOptions { rate: Some(1e9), ..options(GOOD, extent) });
    assert!(report.behind_ms_max > 200.0 && report.due_not_sent > 1_000_000, "{report:?}");
    assert!(report.latency_us.max > 200_000, "latency counts from the intended start: {report:?}");
    assert_eq!(report.unknown, 0);
}

#[test]
fn a_stop_ends_the_sending_and_lets_lives_end() {
    for workload in [WorkloadName::Place, WorkloadName::Life] {
        let stop = AtomicBool::new(false);
        let options = LoadOptions { workload, ..options(GOOD, Extent::For(Duration::from_secs(3_600))) };
        let report = run(&options, &mut Nobody, &stop, &mut |progress| {
            assert!(progress.acked > 0 && progress.orders_per_second > 0.0);
            assert!(progress.commands_per_second >= progress.orders_per_second);
            stop.store(true, Ordering::Relaxed);
        });
        let report = report.unwrap();
        assert_eq!((report.ended, report.unknown, report.commands_unknown), (Ended::Stopped, 0, 0));
        assert_eq!(report.sent, report.acked);
        if workload == WorkloadName::Life {
            assert_eq!(field(&report, "unfinished"), json(&0));
        }
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    // A port that the system gives to nobody: another test could come to listen on one that was only free.
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let options = LoadOptions::new(nowhere, Extent::Orders(1));
    let error = run(&options, &mut Nobody, &AtomicBool::new(false), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("orderline serve"), "{error}");
}
