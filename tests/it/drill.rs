//! The drill ends well: kills in the middle of load, and nothing lost, nothing twice.

use crate::support::{orderline, seed};

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
