//! The drill ends well: kills in the middle of load, and nothing lost, nothing twice.

use std::path::Path;

use crate::cli::load;
use crate::recovery::await_snapshots;
use crate::support::server::SMALL;
use crate::support::{Server, orderline, seed};

fn is_drilled(workload: &str, kills: u32) {
    let (seed, count) = (seed().to_string(), kills.to_string());
    let arguments =
        ["drill", "--kills", &count, "--seconds", "2", "--seed", &seed, "--workload", workload, "--json"];
    let report = orderline(arguments).well();
    assert_eq!(
        (&report["kills"], &report["workload"]),
        (&kills.into(), &workload.into()),
        "seed {seed}: {report}"
    );
    assert_eq!(report["violations"], serde_json::json!([]), "seed {seed}: {report}");
    assert_eq!((&report["lost"], &report["duplicated"]), (&0.into(), &0.into()), "seed {seed}: {report}");
    assert_eq!(report["state_hash_equal"], true, "seed {seed}: {report}");
    assert!(report["recovery_ms"]["p50"].is_number() && report["recovery_ms"]["max"].is_number(), "{report}");
    assert!(report["acked"].as_u64() > Some(0), "seed {seed}: {report}");
}

#[test]
fn three_kills_lose_nothing() {
    is_drilled("place", 3);
}

#[test]
fn kills_in_the_middle_of_lives_and_carts_lose_nothing() {
    is_drilled("life", 2);
    is_drilled("carts", 2);
}

#[test]
fn a_workload_that_a_drill_does_not_know_is_refused() {
    orderline(["drill", "--kills", "1", "--workload", "tpcc"]).refused(&["tpcc", "place, life, carts"]);
}

#[test]
fn a_directory_that_is_used_is_not_drilled_in() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("precious"), "mine").unwrap();
    orderline(["drill", "--data", directory.path().to_str().unwrap(), "--kills", "1"])
        .refused(&["not empty"]);
    assert_eq!(std::fs::read(directory.path().join("precious")).unwrap(), b"mine");
}

/// Every file below a directory with its bytes and the time of its last change.
fn seen(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut seen = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let changed = path.metadata().unwrap().modified().unwrap();
            if path.is_dir() {
                seen.push((path.clone(), Vec::new(), changed));
                left.push(path);
            } else {
                seen.push((path.clone(), std::fs::read(&path).unwrap(), changed));
            }
        }
    }
    seen.sort();
    seen
}

#[test]
fn a_drill_on_a_copy_tells_how_long_it_takes_and_touches_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, SMALL);
    load(&server, 12_000).well();
    // A late snapshot may hold all of that; so few more records make no next one, and a recovery replays them.
    await_snapshots(&data, 1);
    load(&server, 500).well();

    // What is served cannot be copied.
    let arguments = ["drill", "--data", data.to_str().unwrap(), "--copy", "--kills", "4", "--json"];
    orderline(arguments).refused(&[data.to_str().unwrap(), &server.pid().to_string()]);
    server.kill();

    let before = seen(&data);
    let report = orderline(arguments).well();
    assert!(seen(&data) == before, "the directory was touched");
    assert_eq!((&report["kills"], &report["violations"]), (&4.into(), &serde_json::json!([])), "{report}");
    assert_eq!(report["state_hash_equal"], true, "{report}");
    assert!(report["orders_placed"].as_u64() >= Some(12_500), "{report}");
    assert!(report["bytes_replayed"].as_u64() > Some(0), "{report}");
    assert!(report["recovery_ms"]["p50"].is_number() && report["recovery_cold_ms"].is_number(), "{report}");
    let verified = orderline(["verify", "--data", data.to_str().unwrap(), "--json"]).well();
    assert_eq!(report["state_hash"], verified["state_hash"]);

    // A directory that cannot be recovered is said to be one, and that is what the drill is for.
    let segment = data.join("journal/00000001.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[8] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let before = seen(&data);
    let ran = orderline(arguments);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.json()["violations"].to_string().contains("could not be recovered"), "{ran:?}");
    assert!(seen(&data) == before, "the directory was touched");
}
