//! A thousand kills: at random moments and at every point of the disk seam, while stores are made, loaded and recovered,
//! three deep; after each, every acknowledgement is held against the journal, the invariants against the state, and the
//! state's hash against two replays. `orderline drill --campaign --kills N` makes any other number.

use crate::proof::Proof;
use crate::support::{orderline, seed};

fn is_survived(workload: &str, kills: u64) {
    let (seed, count) = (seed().to_string(), kills.to_string());
    let ran = orderline([
        "drill",
        "--campaign",
        "--kills",
        &count,
        "--seed",
        &seed,
        "--workload",
        workload,
        "--json",
    ]);
    let report = ran.json();
    let number = |key: &str| report[key].as_u64().unwrap_or_else(|| panic!("{key}: {report}"));
    let context = format!("seed {seed}: {}", ran.stderr);
    assert_eq!(number("kills"), kills, "{context}");
    assert!(number("checked") > 0 && number("acked") > 0, "{context}");
    // A third of the kills are made while something recovers; nested kills are what they are for.
    assert!(number("kills_in_recovery") >= kills / 5 && number("depth_max") >= 3, "{context}");
    let moments = report["moments"].as_object().expect("moments");
    let is_of_point = |name: &str| !name.starts_with("any ");
    let reached = |row: &serde_json::Value| row["kills"].as_u64() > row["missed"].as_u64();
    let points = moments.iter().filter(|(name, row)| is_of_point(name) && reached(row)).count();
    if kills >= 500 {
        assert!(points >= 50, "{points} points: {context}");
    }

    let violations = report["violations"].as_array().expect("violations").len() as u64;
    let broken = violations + number("lost") + number("duplicated");
    let of_recovery: u64 = number("kills_in_recovery");
    for (row, runs) in [(1, kills - of_recovery), (2, of_recovery)] {
        let mut proof = Proof::of(row, "campaign");
        proof.ran(runs);
        proof.hold(broken == 0 && ran.code == Some(0), || context.clone());
        proof.figure("recovery_ms_max", report["recovery_ms"]["max"].as_f64().expect("a time"));
        if row == 2 {
            proof.figure("depth_max", number("depth_max") as f64);
        } else {
            proof.figure("acknowledgements_checked", number("checked") as f64);
            proof.figure("moments_reached", points as f64);
        }
        proof.end();
    }
}

#[test]
fn five_hundred_kills_of_placements_lose_nothing() {
    is_survived("place", 500);
}

#[test]
fn two_hundred_and_fifty_kills_in_the_middle_of_lives_lose_nothing() {
    is_survived("life", 250);
}

#[test]
fn two_hundred_and_fifty_kills_in_the_middle_of_carts_lose_nothing() {
    is_survived("carts", 250);
}
