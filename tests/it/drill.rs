//! The drill ends well: kills in the middle of load, and nothing lost, nothing twice.

use crate::support::{orderline, seed};

#[test]
fn three_kills_lose_nothing() {
    let seed = seed().to_string();
    let ran = orderline(["drill", "--kills", "3", "--seconds", "2", "--seed", &seed, "--json"]);
    let report = ran.well();
    assert_eq!(report["kills"], 3, "seed {seed}: {report}");
    assert_eq!((&report["lost"], &report["duplicated"]), (&0.into(), &0.into()), "seed {seed}: {report}");
    assert_eq!(report["state_hash_equal"], true, "seed {seed}: {report}");
    assert!(report["recovery_ms"]["p50"].is_number() && report["recovery_ms"]["max"].is_number(), "{report}");
    assert!(report["acked"].as_u64() > Some(0), "seed {seed}: {report}");
}

#[test]
fn a_directory_that_is_used_is_not_drilled_in() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("precious"), "mine").unwrap();
    orderline(["drill", "--data", directory.path().to_str().unwrap(), "--kills", "1"])
        .refused(&["not empty"]);
    assert_eq!(std::fs::read(directory.path().join("precious")).unwrap(), b"mine");
}
