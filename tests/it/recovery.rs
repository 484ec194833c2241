//! A server that was killed comes back with all that it had acknowledged, and says the same again.

use std::path::Path;

use orderline_protocol::command::{DefineSeller, OrderLine, PlaceOrder};
use orderline_protocol::reply::Outcome;
use orderline_protocol::{Command, RejectCode, SessionId};
use serde_json::Value;

use crate::cli::load;
use crate::damage::batch_ends;
use crate::support::directory::files;
use crate::support::program::{Running, command, orderline};
use crate::support::server::{NO_SNAPSHOTS, SMALL, recovered_hash};
use crate::support::shop::{await_orders, status};
use crate::support::{RawConnection, Server, Shop};

/// What `verify` says of a directory in which all must be well.
pub(crate) fn verified(data: &Path) -> Value {
    let report = orderline(["verify", "--data", data.to_str().unwrap(), "--json"]).well();
    assert_eq!(report["ok"], true, "{report}");
    report
}

/// What a replay reports.
pub(crate) fn replayed(data: &Path, more: &[&str]) -> Value {
    let arguments = [&["replay", "--data", data.to_str().unwrap(), "--json"], more].concat();
    orderline(arguments).well()
}

/// Waits until the sequences of the snapshots that have been made are enough.
fn await_made(data: &Path, due: &str, is_enough: impl Fn(&[u64]) -> bool) {
    let start = std::time::Instant::now();
    let sequence = |path: &std::path::PathBuf| -> Option<u64> {
        let is_whole = path.extension().is_some_and(|end| end == "snapshot");
        is_whole.then(|| path.file_stem().unwrap().to_str().unwrap().parse().unwrap())
    };
    while !is_enough(&files(data, "snapshots").iter().filter_map(sequence).collect::<Vec<_>>()) {
        assert!(start.elapsed().as_secs() < 120, "{due} due");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Waits until the snapshots' maker has made so many files.
pub(crate) fn await_snapshots(data: &Path, count: usize) {
    await_made(data, &format!("{count} snapshots were"), |made| made.len() >= count);
}

/// Waits until there is a snapshot that holds more than what was there up to this sequence. It takes as many records more as there
/// are between two snapshots; how many of them the snapshot holds is chance, for its maker may be late.
pub(crate) fn await_snapshot_behind(data: &Path, sequence: u64) {
    let due = format!("a snapshot behind {sequence} was");
    await_made(data, &due, |made| made.iter().any(|&of| of > sequence));
}

#[test]
fn killed_under_load_it_comes_back_to_the_state_that_any_replay_gives() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, SMALL);
    let connect = server.addr.to_string();
    let mut running = Running::start(command([
        "load",
        "--connect",
        &connect,
        "--seconds",
        "120",
        "--skus",
        "500",
        // A disk may take longer for a sync than the least that could be said here, and that must not end the load.
        "--patience",
        "2",
        "--json",
    ]));
    // Killed when segments have rolled and a snapshot has been made: while more of both are under way.
    let mut client = server.client();
    await_orders(&mut client, &mut running, 40_000);
    await_snapshots(&data, 1);
    server.kill();
    let told = running.finish().json();
    let (acked, unknown) = (told["acked"].as_u64().unwrap(), told["unknown"].as_u64().unwrap());
    assert!(batch_ends(&data).last().unwrap().0 > 1, "segments have rolled");

    // What is read before the restart is what the restart finds.
    let report = verified(&data);
    let total = report["orders_total"].as_u64().unwrap();
    assert!((acked..=acked + unknown).contains(&total), "{told} {report}");
    let whole = replayed(&data, &[]);
    let from_snapshot = replayed(&data, &["--from-snapshot"]);
    assert!(from_snapshot["records"].as_u64() < whole["records"].as_u64(), "a snapshot was used");
    for replay in [&whole, &from_snapshot] {
        assert_eq!(replay["state_hash"], report["state_hash"]);
    }
    let server = Server::start(&data, SMALL);
    let (found, sequence) = status(&mut server.client());
    assert_eq!(found.orders_total.get(), total);
    let said = server.kill();
    assert_eq!(recovered_hash(&said).0, report["state_hash"].as_str().unwrap(), "{said}");
    assert!(sequence > report["last_sequence"].as_u64().unwrap(), "the client's session is in the journal");
    verified(&data);
}

#[test]
fn the_same_order_after_a_restart_gets_the_first_answer() {
    for (config, with_snapshot) in [(NO_SNAPSHOTS, false), (SMALL, true)] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let server = Server::start(&data, config);
        let shop = Shop::open(&mut server.client());
        let session = SessionId::new(0xfeed);
        let (mut connection, welcome) = RawConnection::welcomed(server.addr, session);
        assert_eq!(welcome.last_request, 0);
        let (order, lines) = (shop.order(99, 1), [shop.line(0, 2)]);
        let first = connection.ask(1, &Command::PlaceOrder(&order, &lines, ""));
        assert_eq!((first.outcome, first.detail.get()), (Outcome::Accepted as u8, 500), "{first:?}");
        let refused = connection.ask(2, &Command::PlaceOrder(&shop.order(98, 1), &[shop.line(0, 0)], ""));
        assert_eq!(refused.code, RejectCode::ZeroQuantity as u16);
        if with_snapshot {
            load(&server, 9_000).well();
            await_snapshots(&data, 1);
        }
        server.kill();

        let server = Server::start(&data, config);
        let (mut connection, welcome) = RawConnection::welcomed(server.addr, session);
        assert_eq!(welcome.last_request, 1, "what was refused is not remembered");
        let ask = |connection: &mut RawConnection, request, order: &PlaceOrder, lines: &[OrderLine]| {
            connection.ask(request, &Command::PlaceOrder(order, lines, ""))
        };
        let again = ask(&mut connection, 1, &order, &lines);
        let same = [again.sequence, again.detail] == [first.sequence, first.detail];
        assert!(again.outcome == Outcome::AcceptedBefore as u8 && same, "{first:?} then {again:?}");
        let other = ask(&mut connection, 2, &order, &[shop.line(1, 2)]);
        assert_eq!(other.code, RejectCode::OrderIdReused as u16, "{other:?}");
        assert_eq!(other.sequence, first.sequence, "it says where the id was used");

        // Another session that sends the same order is told the same; the same request with another body is not.
        let (mut stranger, _) = RawConnection::welcomed(server.addr, SessionId::new(0xbeef));
        let told = ask(&mut stranger, 1, &order, &lines);
        assert_eq!((told.outcome, told.sequence), (Outcome::AcceptedBefore as u8, first.sequence));
        let (mut connection, _) = RawConnection::welcomed(server.addr, session);
        let seller =
            DefineSeller { commission_bp: 0.into(), standing: 1, code_bytes: 3, expected_version: 0.into() };
        let reused = connection.ask(1, &Command::DefineSeller(&seller, "new"));
        assert_eq!(reused.code, RejectCode::RequestReused as u16, "{reused:?}");
        server.stop();
        verified(&data);
    }
}

#[test]
fn removed_segments_leave_a_directory_that_verifies_and_restarts() {
    let config = format!("{SMALL}remove_segments = true\n");
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, &config);
    let mut acked = 0;
    let start = std::time::Instant::now();
    while data.join("journal/00000001.segment").exists() {
        acked += load(&server, 10_000).well()["acked"].as_u64().unwrap();
        assert!(start.elapsed().as_secs() < 120, "the first segment was due to be removed");
    }
    let (before, sequence) = status(&mut server.client());
    assert_eq!(before.orders_total.get(), acked);
    server.kill();
    let report = verified(&data);
    assert_eq!(
        (report["orders_total"].as_u64(), report["last_sequence"].as_u64()),
        (Some(acked), Some(sequence))
    );
    assert_eq!(report["state_hash"], format!("{:032x}", before.state_hash.get()));
    assert_eq!(replayed(&data, &["--from-snapshot"])["state_hash"], report["state_hash"]);
    let inspected = orderline(["inspect", "--data", data.to_str().unwrap(), "--limit", "3"]);
    assert_eq!((inspected.code, inspected.stdout.lines().count()), (Some(0), 3), "{inspected:?}");

    let server = Server::start(&data, &config);
    load(&server, 100).well();
    server.stop();
    assert_eq!(verified(&data)["orders_total"], acked + 100);
}

#[test]
fn both_backends_read_what_the_other_wrote() {
    let positional = NO_SNAPSHOTS.replace("[journal]", "[journal]\nbackend = \"positional\"");
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for (round, config) in [NO_SNAPSHOTS, &positional, NO_SNAPSHOTS].into_iter().enumerate() {
        let server = Server::start(&data, config);
        load(&server, 1_000).well();
        if round == 1 {
            server.kill()
        } else {
            server.stop()
        };
    }
    assert_eq!(verified(&data)["orders_total"], 3_000);
}
