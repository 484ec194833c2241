//! A disk that takes its time: no acknowledgement comes early, what waits is bounded, and once the disk is itself again, so
//! is the server.

use std::time::{Duration, Instant};

use orderline_protocol::Command;

use super::{full_load, paced_load};
use crate::proof::Proof;
use crate::recovery::verified;
use crate::support::server::NO_SNAPSHOTS;
use crate::support::shop::status;
use crate::support::{Server, Shop};

const DELAY: Duration = Duration::from_millis(40);

#[test]
fn no_answer_comes_before_a_slow_sync_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::faulty(&data, NO_SNAPSHOTS, &format!("slow segment.sync {}", DELAY.as_millis()));
    let mut client = server.client();
    let shop = Shop::open(&mut client);
    let mut proof = Proof::of(12, "no answer before the sync has ended");
    for id in 1..=40 {
        let start = Instant::now();
        let reply = client.call(&Command::PlaceOrder(&shop.order(id, 1), &[shop.line(0, 1)], "")).unwrap();
        // A lower bound, which no slow machine can break.
        let took = start.elapsed();
        proof.check(reply.as_reply().is_accepted() && took >= DELAY, || format!("order {id} after {took:?}"));
    }
    proof.end();
}

#[test]
fn what_waits_for_a_slow_disk_is_bounded_and_goes_on_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let config = format!("{NO_SNAPSHOTS}[gateway]\nworks_per_connection_max = 4\n")
        .replace("segment_mib = 3", "segment_mib = 16\nunsynced_mib_max = 1");
    // Three seconds and more of slow syncs, then none.
    let server = Server::faulty(&data, &config, "slow segment.sync 60 50");
    let before_mib = server.peak_mib();
    let mut proof = Proof::of(12, "bounded while slow, and itself again");
    let slow = full_load(&server, "2").finish().well();
    let number = |report: &serde_json::Value, key: &str| report[key].as_u64().unwrap();
    let adds_up = |report: &serde_json::Value| {
        number(report, "sent")
            == number(report, "acked") + number(report, "rejected") + number(report, "unknown")
    };
    proof.check(adds_up(&slow) && number(&slow, "unknown") == 0, || format!("{slow}"));
    let while_slow_mib = server.peak_mib();
    full_load(&server, "2").finish().well();
    let after = paced_load(&server, "2000", "3").finish().well();
    proof.check(adds_up(&after) && number(&after, "unknown") == 0, || format!("{after}"));
    let (found, _) = status(&mut server.client());
    server.kill();
    let report = verified(&data);
    proof.check(report["orders_total"] == found.orders_total.get(), || format!("{report}"));
    proof.figure("p99_after_ms", after["latency_us"]["p99"].as_f64().unwrap() / 1e3);
    proof.figure("p99_while_slow_ms", slow["latency_us"]["p99"].as_f64().unwrap() / 1e3);
    proof.figure("memory_grown_mib", while_slow_mib - before_mib);
    proof.end();
}
