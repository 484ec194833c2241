//! Every workload of the load generator against a real server: it ends well, what it checks holds, its report has what the
//! contract says, and what it leaves verifies. Lives go on through a kill.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::has_keys;
use crate::recovery::{self, await_snapshots, replayed};
use crate::support::Server;
use crate::support::program::{Running, command, orderline};
use crate::support::server::{NO_SNAPSHOTS, SMALL, recovered_hash};
use crate::support::shop::{await_orders, status};

/// What every report of a load run has.
const KEYS: [&str; 11] = [
    "workload",
    "acked",
    "rejected",
    "unknown",
    "seconds",
    "orders_per_second",
    "latency_us.p50",
    "latency_us.p90",
    "latency_us.p99",
    "latency_us.p999",
    "latency_us.max",
];

/// Runs the load generator with these arguments.
fn load(server: &Server, arguments: &str) -> Value {
    let connect = server.addr.to_string();
    let head = ["load", "--json", "--connect", &connect];
    orderline(head.into_iter().chain(arguments.split(' '))).well()
}

/// What `verify` says of a directory in which all must be well, at its end and at twenty places on the way there.
fn verified(data: &Path) -> Value {
    let records = recovery::verified(data)["records"].as_u64().unwrap();
    let every = (records / 20).to_string();
    let arguments = ["verify", "--json", "--check-every", &every, "--data", data.to_str().unwrap()];
    let report = orderline(arguments).well();
    assert!(report["ok"] == true && report["checks"].as_u64() >= Some(20), "{report}");
    report
}

/// Runs it against a server of its own that ends well, and returns what it reports and what `verify` says of the rest.
fn ran(arguments: &str) -> (Value, Value) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, SMALL);
    let report = load(&server, arguments);
    server.stop();
    has_keys(&report, &KEYS);
    assert_eq!((&report["unknown"], &report["ended"]), (&json!(0), &json!("done")), "{report}");
    let verified = verified(&data);
    assert_eq!(verified["orders_total"], report["acked"], "{report} {verified}");
    (report, verified)
}

/// Numbers of a report.
fn counts<const N: usize>(report: &Value, keys: [&str; N]) -> [u64; N] {
    keys.map(|key| report[key].as_u64().unwrap_or_else(|| panic!("{key} in {report}")))
}

#[test]
fn orders_are_placed_over_many_sellers_and_locations_and_out_of_reservations() {
    let (report, found) =
        ran("--orders 4000 --skus 300 --sellers 10 --locations 10 --connections 3 --in-flight 64");
    assert_eq!(counts(&report, ["acked", "rejected"]), [4_000, 0]);
    assert_eq!(found["orders_open"], 4_000);
    let (report, _) = ran("--orders 4000 --skus 300 --sellers 10 --locations 10 --reserve");
    assert_eq!(counts(&report, ["acked", "reserved", "checked_out"]), [4_000; 3]);
    assert_eq!(report["commands"], json!({"CheckOut": 4_000, "ReserveCart": 4_000}));
}

#[test]
fn lives_end_and_leave_no_order_open() {
    let (report, found) = ran("--workload life --orders 4000 --skus 300 --locations 3 --connections 2");
    has_keys(&report, &["commands_per_second"]);
    assert_eq!(report["consistent"], true, "{report}");
    let ended = ["delivered", "cancelled", "returned", "broken_off", "unfinished"];
    assert_eq!(counts(&report, ended), [3_400, 400, 200, 0, 0]);
    assert_eq!(report["refused_commands_by_code"], json!({}));
    assert_eq!(found["orders_open"], 0, "{found}");
}

/// Orders stay for longer than a load takes from one command of a life to the next: what comes back does so after its order
/// has ended.
const POLICY: &str = "[policy]\npending_order_s = 0\nretention_s = 5\nreservation_s_max = 86400\n";

#[test]
fn finished_lives_leave_memory() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, SMALL);
    let file = directory.path().join("policy.toml");
    std::fs::write(&file, POLICY).unwrap();
    let connect = server.addr.to_string();
    orderline(["config", "apply", "--json", "--connect", &connect, file.to_str().unwrap()]).well();
    let report = load(&server, "--workload life --orders 3000 --skus 300");
    assert_eq!(counts(&report, ["acked", "broken_off"]), [3_000, 0], "{report}");
    let mut client = server.client();
    let start = std::time::Instant::now();
    while status(&mut client).0.orders_total.get() > 0 {
        assert!(start.elapsed().as_secs() < 60, "orders were due to leave");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.stop();
    let found = verified(&data);
    assert_eq!(counts(&found, ["orders_total", "orders_open"]), [0, 0]);
}

#[test]
fn half_of_the_carts_are_checked_out_and_the_others_expire() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, SMALL);
    // Long enough for every cart that is checked out, however long a sync takes in between.
    let report = load(&server, "--workload carts --orders 3000 --skus 300 --reservation-seconds 6");
    has_keys(&report, &KEYS);
    let carts = ["acked", "rejected", "reserved", "checked_out", "left_to_expire"];
    assert_eq!(counts(&report, carts), [4_500, 0, 3_000, 1_500, 1_500]);
    assert_eq!(report["checks"]["what_was_left_has_expired"], true, "{report}");
    // Nothing is reserved any more but by the orders: four lines of one unit each.
    let mut client = server.client();
    let start = std::time::Instant::now();
    while reserved(&mut client, 300) > 4_500 * 4 {
        assert!(start.elapsed().as_secs() < 60, "carts were due to expire");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(reserved(&mut client, 300), 4_500 * 4);
    server.stop();
    let found = verified(&data);
    assert_eq!(counts(&found, ["orders_total", "orders_open"]), [4_500, 4_500]);
}

/// Units that are reserved, over all levels of the first SKUs.
fn reserved(client: &mut orderline_client::Client, skus: u32) -> u64 {
    use orderline_protocol::command::QueryStock;
    use orderline_protocol::reply::{LevelView, Reply};
    use orderline_protocol::{Command, LocationHandle, SkuHandle};
    let mut units = 0;
    let submit = |client: &mut orderline_client::Client, sku| {
        let query = QueryStock { sku: SkuHandle::new(sku), location: LocationHandle::NONE };
        client.submit(&Command::QueryStock(&query))
    };
    let on_reply = |_: usize, reply: Reply<'_>| {
        units +=
            LevelView::read_all(reply.view).unwrap().iter().map(|level| level.reserved.get()).sum::<u64>();
    };
    client.call_all(0..skus, submit, on_reply).unwrap();
    units
}

#[test]
fn a_feed_runs_beside_the_orders() {
    let arguments =
        "--workload feed --seconds 1 --skus 500 --locations 2 --feed-burst 1000 --feed-seconds 0.2";
    let (report, _) = ran(&format!("{arguments} --in-flight 64"));
    let [bursts, updates, refused, unknown] =
        counts(&report, ["feed_bursts", "feed_updates", "feed_rejected", "feed_unknown"]);
    assert!(bursts > 0 && report["acked"].as_u64() > Some(0), "{report}");
    assert_eq!((updates, refused, unknown), (bursts * 1_000, 0, 0), "{report}");
    assert_eq!(report["consistent"], true);
}

#[test]
fn what_has_left_since_a_level_was_seen_is_deducted_once() {
    let arguments = "--workload feed --ship --orders 3000 --skus 200 --feed-burst 500 --feed-seconds 0.1";
    let (report, _) = ran(&format!("{arguments} --in-flight 64"));
    let checks = report["checks"].as_object().unwrap();
    assert_eq!(checks.get("what_left_since_is_deducted_once"), Some(&true.into()), "{report}");
    assert!(checks.values().all(|holds| holds == true), "{report}");
    assert!(report["feed_levels_moved"].as_u64() > Some(0), "{report}");
}

#[test]
fn the_order_entry_mix_is_consistent() {
    let (report, _) = ran_tpcc("--workload tpcc --orders 4000 --skus 1000 --in-flight 32");
    assert_eq!(report["consistent"], true, "{report}");
    assert_eq!(report["checks"].as_object().unwrap().len(), 7, "{report}");
    assert!(report["checks"].as_object().unwrap().values().all(|holds| holds == true), "{report}");
    for (name, transaction) in report["transactions"].as_object().unwrap() {
        assert_eq!((&transaction["failed"], &transaction["skipped"]), (&json!(0), &json!(0)), "{name}");
    }
    has_keys(&report, &["transactions_per_second", "commands_per_second"]);
}

/// As [`ran`], but for the orders that the mix places before it begins.
fn ran_tpcc(arguments: &str) -> (Value, Value) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, SMALL);
    let report = load(&server, arguments);
    server.stop();
    has_keys(&report, &KEYS);
    let found = verified(&data);
    let [acked, initial] = counts(&report, ["acked", "initial_orders"]);
    assert_eq!(found["orders_total"], acked + initial, "{report} {found}");
    (report, found)
}

#[test]
fn a_flash_sale_sells_exactly_what_there_is_and_tells_each_loser_as_of_when() {
    let (report, found) = ran("--workload flash --orders 20000 --flash-stock 700 --connections 4");
    assert_eq!(counts(&report, ["acked", "rejected", "sold", "losers"]), [700, 19_300, 700, 19_300]);
    assert_eq!(report["rejected_by_code"], json!({"InsufficientStock": 19_300}));
    for check in ["sold_exactly", "every_loser_was_told_a_sequence", "nobody_lost_before_the_last_was_sold"] {
        assert_eq!(report["checks"][check], true, "{report}");
    }
    let last_sold = report["sold_at_sequence"]["last"].as_u64();
    assert!(last_sold.is_some() && report["lost_at_sequence"]["first"].as_u64() >= last_sold, "{report}");
    assert_eq!(found["orders_open"], 700);
}

/// Starts lives without an end, and returns once so many orders are there and a snapshot was made.
fn living(server: &Server, data: &Path, patience: &str) -> Running {
    let connect = server.addr.to_string();
    let arguments = "load --workload life --seconds 120 --skus 400 --locations 2 --connections 2 --json";
    let mut running =
        Running::start(command(arguments.split(' ').chain(["--connect", &connect, "--patience", patience])));
    await_orders(&mut server.client(), &mut running, 4_000);
    await_snapshots(data, 1);
    running
}

#[test]
fn killed_in_the_middle_of_lives_it_comes_back_to_the_state_that_any_replay_gives() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, SMALL);
    let running = living(&server, &data, "2");
    server.kill();
    let told = running.finish().json();
    let [acked, unknown] = counts(&told, ["acked", "unknown"]);
    assert_eq!(told["broken_off"], 0, "{told}");

    let found = verified(&data);
    let total = found["orders_total"].as_u64().unwrap();
    assert!((acked..=acked + unknown).contains(&total), "{told} {found}");
    assert!(!found["snapshots_equal"].as_array().unwrap().is_empty(), "{found}");
    for more in [&[][..], &["--from-snapshot"]] {
        assert_eq!(replayed(&data, more)["state_hash"], found["state_hash"], "{more:?}");
    }
    let said = Server::start(&data, NO_SNAPSHOTS).kill();
    let (hash, sequence) = recovered_hash(&said);
    assert_eq!(hash, found["state_hash"].as_str().unwrap(), "{said}");
    assert_eq!(sequence, found["last_sequence"].as_u64().unwrap(), "{said}");
    verified(&data);
}
