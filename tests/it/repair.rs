//! `check` and `repair`: each finding by file and offset, the directory untouched, a copy mended by rules, and nothing
//! acknowledged dropped without being told to, nor without its orders being named.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use orderline_journal::{PositionalStorage, Reader, Start, Storage};
use orderline_protocol::event::{EVENT_VERSION, Event};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::damage::{Ended, Sample, batch_ends, segment};
use crate::proof::Proof;
use crate::recovery::verified;
use crate::support::directory::{files, flip};
use crate::support::program::{Ran, orderline};
use crate::support::server::{NO_SNAPSHOTS, SMALL, recovered_hash};
use crate::support::{Server, seed, tree};

fn check(data: &Path) -> Ran {
    orderline(["check", "--data", data.to_str().unwrap(), "--json"])
}

fn repair(data: &Path, to: &Path, more: &[&str]) -> Ran {
    let arguments = ["repair", "--data", data.to_str().unwrap(), "--to", to.to_str().unwrap(), "--json"];
    orderline(arguments.iter().chain(more))
}

/// The damage that a check found; all of it has a file, and a remedy.
fn damage(ran: &Ran) -> Vec<Value> {
    let report = ran.json();
    let findings = report["findings"].as_array().unwrap().clone();
    assert!(
        findings.iter().all(|found| found["file"].is_string() && found["repair"].is_string()),
        "{report}"
    );
    findings.into_iter().filter(|found| found["severity"] == "damage").collect()
}

/// Orders placed behind a sequence, as the undamaged log has them.
fn placed_behind(data: &Path, sequence: u64) -> BTreeSet<String> {
    let storage: Arc<dyn Storage> = Arc::new(PositionalStorage::new(data));
    let mut reader = Reader::open(storage, Start::Oldest).unwrap();
    let mut placed = BTreeSet::new();
    while let Some(batch) = reader.next_batch(u64::MAX).unwrap() {
        for record in batch.records().filter(|record| record.sequence > sequence) {
            if let Ok(Event::OrderPlaced(head, ..)) = Event::read(record.kind, EVENT_VERSION, record.payload)
            {
                placed.insert(head.placement.order.to_string());
            }
        }
    }
    placed
}

/// That a damaged directory is mended without losing anything, the state being what it was.
fn is_mended(data: &Path, hash: &str, context: &str) {
    let before = tree(data);
    let ran = check(data);
    assert_eq!(ran.code, Some(1), "{context}: {ran:?}");
    assert!(!damage(&ran).is_empty(), "{context}: {ran:?}");
    let to = data.with_extension("mended");
    let report = repair(data, &to, &[]).well();
    assert_eq!(
        (&report["repaired"], &report["dropped"]),
        (&true.into(), &Value::Null),
        "{context}: {report}"
    );
    assert!(tree(data) == before, "{context}: the directory was touched");
    check(&to).well();
    let said = Server::start(&to, NO_SNAPSHOTS).kill();
    assert_eq!(recovered_hash(&said).0, hash, "{context}: {said}");
}

#[test]
fn what_is_sound_is_left_alone() {
    let sample = Sample::make(SMALL, 9_000, 1, Ended::Killed);
    let report = check(&sample.data).well();
    assert_eq!((&report["ok"], &report["starts"]), (&true.into(), &true.into()), "{report}");
    assert_eq!(report["last_sequence"], verified(&sample.data)["last_sequence"]);
    let to = sample.data.with_extension("mended");
    let report = repair(&sample.data, &to, &[]).well();
    assert_eq!(report["repaired"], false);
    assert!(!to.exists(), "no copy was needed");
    orderline(["check", "--data", "/nowhere"]).refused(&["/nowhere"]);
}

#[test]
fn what_can_be_mended_without_loss_is() {
    // So many that the newest snapshot, which holds more than the first half of them, is behind the first segment.
    let sample = Sample::make(SMALL, 30_000, 2, Ended::Well);
    let hash = verified(&sample.data)["state_hash"].as_str().unwrap().to_owned();

    let data = sample.copy("store-missing");
    std::fs::remove_file(data.join("store")).unwrap();
    is_mended(&data, &hash, "the store's file is missing");

    let data = sample.copy("store-flipped");
    flip(&data.join("store"), 40, 1);
    is_mended(&data, &hash, "the store's file is damaged");

    let data = sample.copy("header");
    flip(&segment(&data, 1), 20, 3);
    flip(&segment(&data, 2), 4_000, 3);
    is_mended(&data, &hash, "two headers are damaged");

    let data = sample.copy("snapshot");
    flip(files(&data, "snapshots").last().unwrap(), 100, 3);
    is_mended(&data, &hash, "the newest snapshot is damaged");

    // Behind a snapshot in a later segment, what comes before is only history.
    let data = sample.copy("history");
    let (_, end) = batch_ends(&sample.data)[3];
    flip(&segment(&data, 1), end as usize - 9, 3);
    is_mended(&data, &hash, "the log is damaged before the snapshots");
}

#[test]
fn what_was_acknowledged_is_dropped_only_when_told_and_named() {
    let seed = seed();
    let mut rng = SmallRng::seed_from_u64(seed);
    let sample = Sample::make(NO_SNAPSHOTS, 40_000, 0, Ended::Well);
    let ends = batch_ends(&sample.data);
    assert!(ends.last().unwrap().0 > 1, "the log has several segments");
    let missing = (ends.iter().position(|&(index, _)| index == 2).unwrap(), true);
    for (round, (chosen, is_missing)) in
        [(rng.random_range(1..ends.len() - 1), false), (rng.random_range(1..ends.len() - 1), false), missing]
            .into_iter()
            .enumerate()
    {
        let data = sample.copy(&format!("cut-{round}"));
        let (index, end) = ends[chosen];
        if is_missing {
            std::fs::remove_file(segment(&data, 1)).unwrap();
        } else {
            flip(&segment(&data, index), end as usize - 9, 3);
        }
        let context = format!("seed {seed}, round {round}: batch {chosen} in segment {index}");
        let before = tree(&data);
        let ran = check(&data);
        assert_eq!(ran.code, Some(1), "{context}: {ran:?}");
        assert!(!damage(&ran).is_empty(), "{context}: {ran:?}");
        if is_missing {
            // Without its beginning and without a snapshot there is nothing to keep.
            let ran = repair(&data, &data.with_extension("mended"), &[]);
            assert_ne!(ran.code, Some(0), "{context}: {ran:?}");
            assert!(tree(&data) == before, "{context}: touched");
            continue;
        }
        let to = data.with_extension("mended");
        let ran = repair(&data, &to, &[]);
        assert_eq!(ran.code, Some(1), "{context}: {ran:?}");
        assert!(
            !to.exists() && tree(&data) == before,
            "{context}: the copy stayed, or the directory was touched"
        );
        let report = ran.json();
        let cut = report["dropped"]["first_sequence"].as_u64().unwrap();
        let named: BTreeSet<String> = report["dropped"]["orders"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect();
        // All that is lost, but for the one batch that cannot be read.
        let lost = placed_behind(&sample.data, cut - 1);
        let records_lost = report["dropped"]["last_sequence"].as_u64().unwrap() - cut + 1;
        let unread = records_lost - report["dropped"]["readable"].as_u64().unwrap();
        assert!(named.is_subset(&lost) && (lost.len() - named.len()) as u64 <= unread, "{context}: {report}");
        assert!(report["dropped"]["acknowledged_up_to"].as_u64() >= Some(cut), "{context}");

        let report = repair(&data, &to, &["--drop-acknowledged"]).well();
        assert_eq!(
            (&report["repaired"], &report["last_sequence"]),
            (&true.into(), &(cut - 1).into()),
            "{context}"
        );
        assert!(tree(&data) == before, "{context}: touched");
        check(&to).well();
        let said = Server::start(&to, NO_SNAPSHOTS).kill();
        assert_eq!(recovered_hash(&said).1, cut - 1, "{context}: {said}");
        assert!(verified(&to)["state_hash"].is_string(), "{context}");
    }
}

/// No bit of any file can be flipped unnoticed: damage, or a torn tail where nothing had been told.
#[test]
fn a_flip_anywhere_is_told() {
    let seed = seed();
    let mut rng = SmallRng::seed_from_u64(seed);
    let sample = Sample::make(SMALL, 20_000, 2, Ended::Well);
    let mut proof = Proof::of(5, "check: a bit of any file of a directory");
    let data = sample.copy("flips");
    let mut paths = files(&data, "journal");
    paths.extend(files(&data, "snapshots"));
    paths.push(data.join("store"));
    for _ in 0..150 {
        let path = &paths[rng.random_range(0..paths.len())];
        let bytes = std::fs::read(path).unwrap();
        let (offset, bit) = (rng.random_range(0..bytes.len()), rng.random_range(0..8));
        flip(path, offset, bit);
        let ran = check(&data);
        let report = ran.json();
        let told = report["findings"].to_string();
        let is_told = told.contains(path.file_name().unwrap().to_str().unwrap());
        let is_torn = told.contains("which nobody was told of") || told.contains("not zeros");
        let context = || format!("seed {seed}: bit {bit} at {offset} of {}: {report}", path.display());
        proof.check(is_told && (ran.code == Some(1) || is_torn), context);
        std::fs::write(path, &bytes).unwrap();
    }
    check(&data).well();
    proof.end();
}
