//! What lies on disk to come back from, asked over HTTP, and verified while the server runs: counts where all is well, file and
//! offset where it is not.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::load;
use crate::damage::{batch_ends, segment};
use crate::http::Caller;
use crate::recovery::{await_snapshot_behind, verified};
use crate::support::directory::{files, flip};
use crate::support::program::orderline;
use crate::support::server::{NO_SNAPSHOTS, SMALL};
use crate::support::shop::status;
use crate::support::{Server, copy};

/// Segments as small as elsewhere, and verifications that take their time.
const SLOW: &str = "[journal]\nsegment_mib = 3\n[snapshots]\nevery_records = 0\nmib_per_s_max = 1\n";

/// Has a server verify what it has, and waits for what came of it.
fn verify(http: &Caller) -> Value {
    let begun = http.post("/v1/recovery/verify", json!({})).is(202);
    assert!(begun["running"].is_object() || begun["last"].is_object(), "{begun}");
    loop {
        let stand = http.get("/v1/recovery/verify").is(200);
        if stand["running"].is_null() {
            return stand["last"].clone();
        }
        let (done, of) = (&stand["running"]["records"], &stand["running"]["records_total"]);
        assert!(done.as_u64() <= of.as_u64(), "{stand}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A directory with several segments, two snapshots, and records behind them, whose server has ended well.
fn sample(data: &Path) {
    let server = Server::start(data, SMALL);
    for _ in 0..2 {
        let (_, before) = status(&mut server.client());
        // More than fit into a segment: the newest snapshot is behind the first one.
        load(&server, 30_000).well();
        await_snapshot_behind(data, before);
    }
    server.stop();
    // A late snapshot may hold all of that, and an early one may have the next one due at once: what comes behind the newest is
    // from a server that makes none, and so is whoever serves the directory then.
    let server = Server::start(data, NO_SNAPSHOTS);
    load(&server, 2_000).well();
    server.stop();
}

#[test]
fn what_a_start_would_find_is_told_and_verified_beside_the_engine() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    sample(&data);
    let drill = ["drill", "--data", data.to_str().unwrap(), "--copy", "--kills", "1", "--record", "--json"];
    let drilled = orderline(drill).well();

    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    let found = http.get("/v1/recovery").is(200);
    let last = found["as_of"].as_u64().unwrap();
    // The segments follow on one another from the first record to the last durable one.
    let segments = found["segments"].as_array().unwrap();
    let with_records = segments.iter().filter(|segment| segment["state"] != "prepared").count();
    assert!(with_records > 1, "more than the one in use: {found}");
    let mut next = 1;
    for segment in segments.iter().filter(|segment| segment["state"] != "prepared") {
        assert_eq!(segment["first_sequence"], next, "{found}");
        next = segment["last_sequence"].as_u64().unwrap() + 1;
        let bytes = data.join(segment["file"].as_str().unwrap()).metadata().unwrap().len();
        assert_eq!(segment["bytes"], bytes, "{found}");
    }
    assert_eq!(next, last + 1, "{found}");
    let in_use = segments.iter().filter(|segment| segment["state"] == "in_use").count();
    assert_eq!(in_use, 1, "{found}");
    // Snapshots, and what was and would be done with the newest.
    let snapshots = found["snapshots"].as_array().unwrap();
    assert_eq!(snapshots.len(), 2, "{found}");
    assert!(
        snapshots.iter().all(|snapshot| snapshot["problem"].is_null() && snapshot["made_at"].is_string())
    );
    let newest = snapshots[1]["sequence"].as_u64().unwrap();
    let started = &found["last_start"];
    assert_eq!(started["snapshot_sequence"], newest, "{found}");
    assert_eq!((&started["torn_tail"], &started["snapshots_refused"]), (&Value::Null, &json!([])), "{found}");
    let sequence = started["sequence"].as_u64().unwrap();
    assert!(sequence > newest, "{found}");
    assert_eq!(started["records_replayed"], sequence - newest, "{found}");
    assert_eq!(found["next_start"]["records_to_replay"], last - newest, "{found}");
    // The drill that was recorded.
    assert_eq!(found["last_drill"]["is_well"], true, "{found}");
    assert_eq!(found["last_drill"]["state_hash"], drilled["state_hash"], "{found}");
    assert_eq!(found["last_drill"]["recoveries"], drilled["recoveries"], "{found}");

    // Verified while orders come: what was durable when it began.
    let report = verify(&http);
    assert_eq!((&report["ok"], &report["faults"]), (&json!(true), &json!([])), "{report}");
    assert_eq!(report["records"], report["to_sequence"], "{report}");
    assert!(report["to_sequence"].as_u64().unwrap() >= last && report["snapshots"] == 2, "{report}");
    assert_eq!(http.get("/v1/recovery").is(200)["verify"]["last"], report);
    server.stop();

    // One at a time; a server that is told to end does not wait for it.
    let server = Server::with_http(&data, SLOW);
    let http = Caller::of(&server);
    let begun = http.post("/v1/recovery/verify", json!({})).is(202);
    assert!(begun["running"]["records_total"].as_u64() >= Some(last), "{begun}");
    http.post("/v1/recovery/verify", json!({})).is_problem(409, "VerifyUnderWay");
    server.stop();

    // A record of a drill on another store says nothing about this one.
    let file = data.join("drill.json");
    let mut record: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    record["store_id"] = json!("0");
    std::fs::write(&file, record.to_string()).unwrap();
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let found = Caller::of(&server).get("/v1/recovery").is(200);
    assert_eq!(found["last_drill"], Value::Null, "{found}");
    assert!(found["last_drill_problem"].as_str().unwrap().contains("drill.json"), "{found}");
    server.stop();
    verified(&data);
}

#[test]
fn a_damaged_copy_is_served_and_told_by_file_and_offset() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    sample(&data);
    let damaged = directory.path().join("damaged");
    copy(&data, &damaged);
    // In the middle of the first segment, and in the older of the two snapshots: a start passes by both.
    let ends: Vec<u64> =
        batch_ends(&damaged).into_iter().filter(|(index, _)| *index == 1).map(|(_, end)| end).collect();
    let middle = ends.len() / 2;
    flip(&segment(&damaged, 1), ends[middle] as usize - 20, 3);
    let older = files(&damaged, "snapshots").remove(0);
    let in_snapshot = older.metadata().unwrap().len() / 2;
    flip(&older, in_snapshot as usize, 5);

    let server = Server::with_http(&damaged, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    let report = verify(&http);
    assert_eq!(report["ok"], false, "{report}");
    let faults = report["faults"].as_array().unwrap();
    let of = |file: &str| {
        let found = faults.iter().find(|fault| fault["file"] == file);
        found.unwrap_or_else(|| panic!("no fault in {file}: {report}"))["offset"].as_u64().unwrap()
    };
    assert_eq!(faults.len(), 2, "{report}");
    let offset = of("journal/00000001.segment");
    assert!(offset >= ends[middle - 1] && offset < ends[middle], "{report}");
    let name = format!("snapshots/{}", older.file_name().unwrap().to_str().unwrap());
    assert!(of(&name) <= in_snapshot, "{report}");
    // What stands before the fault was read, and is counted.
    assert!(
        report["records"].as_u64() > Some(0) && report["records"].as_u64() < report["to_sequence"].as_u64()
    );
    // It goes on taking orders: nothing that it needs is touched.
    load(&server, 100).well();
    server.stop();
}

/// As [`SMALL`], and old segments go.
const REMOVING: &str = "[journal]\nsegment_mib = 3\n[snapshots]\nevery_records = 8000\nremove_segments = true\n\
     [http]\nread_model_orders = 2000\n";

/// The first segment that there is.
fn oldest_segment(data: &Path) -> u32 {
    let paths = files(data, "journal");
    let names = paths.iter().filter(|path| path.extension().is_some_and(|end| end == "segment"));
    names.map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap()).min().unwrap()
}

/// Loads a server until something is so; each load makes a snapshot or two.
fn load_until(server: &Server, mut is_so: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed().as_secs() < 120, "it never came to be so");
        load(server, 10_000).well();
    }
}

#[test]
fn where_segments_are_gone_searches_begin_with_what_the_engine_holds() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    // Without HTTP nobody holds segments back.
    let server = Server::start(&data, REMOVING);
    load_until(&server, || oldest_segment(&data) > 1);
    server.stop();
    let server = Server::with_http(&data, REMOVING);
    let http = Caller::of(&server);
    let held = http.get("/v1/status").is(200);
    let (mut found, mut cursor) = (0, String::new());
    let known_from = loop {
        let page = http.get(&format!("/v1/orders?limit=500{cursor}")).is(200);
        found += page["items"].as_array().unwrap().len() as u64;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break page["known_from"].as_u64().unwrap(),
        }
    };
    assert_eq!(held["orders_total"], found, "{held}");
    assert!(known_from > found, "what was before is not known: {known_from}");
    // And it goes on from there.
    load(&server, 1_000).well();
    let sequence = http.get("/v1/recovery").is(200)["as_of"].as_u64().unwrap();
    let newest = http.get(&format!("/v1/orders?limit=1&at_least={sequence}")).is(200);
    assert!(newest["items"][0]["last_sequence"].as_u64().unwrap() > known_from, "{newest}");
    server.stop();
}

#[test]
fn what_a_consumer_has_not_read_yet_is_not_removed() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, REMOVING);
    let http = Caller::of(&server);
    http.put("/v1/consumers/erp", json!({"position": 0})).is(200);
    load(&server, 40_000).well();
    // The newest snapshot of the two kept is late enough for segments to go, if nobody needed them.
    let snapshots = || http.get("/v1/recovery").is(200)["snapshots"].clone();
    load_until(&server, || snapshots()[0]["sequence"].as_u64().is_some_and(|older| older > 40_000));
    assert_eq!(oldest_segment(&data), 1, "somebody still reads from the beginning");
    http.get("/v1/events?from=1&limit=1").is(200);
    let durable = http.get("/v1/consumers/erp").is(200)["lag"].as_u64().unwrap();
    http.put("/v1/consumers/erp", json!({"position": durable})).is(200);
    load_until(&server, || oldest_segment(&data) > 1);
    server.stop();
}
