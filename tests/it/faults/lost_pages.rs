//! A segment that is truncated under the server: it says which and stops, working or idle, and a restart refuses.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use super::full_load_command;
use crate::proof::Proof;
use crate::support::directory::files;
use crate::support::program::Running;
use crate::support::server::NO_SNAPSHOTS;
use crate::support::{Server, Shop};

/// Leaves of each segment its header and a page.
fn truncate_segments(data: &Path) {
    let is_segment = |file: &std::path::PathBuf| file.extension().is_some_and(|end| end == "segment");
    for file in files(data, "journal").into_iter().filter(is_segment) {
        let segment = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        segment.set_len(8192).unwrap();
    }
}

/// Waits until it has stopped by itself, saying which file, and tries it again; how long it took, and what it said.
fn is_told_and_refused(proof: &mut Proof, data: &Path, server: Server) -> (f64, String) {
    let start = Instant::now();
    let (code, said) = server.ended();
    let stopped_ms = start.elapsed().as_secs_f64() * 1e3;
    let is_told = said.contains(data.join("journal").to_str().unwrap()) && said.contains("truncated");
    let is_by_sentence = code == Some(1) && is_told && !said.contains("panicked");
    proof.check(is_by_sentence, || format!("exit code {code:?}: {said}"));
    match Server::try_start(data, NO_SNAPSHOTS) {
        Ok(_) => proof.hold(false, || "a truncated segment was served".to_owned()),
        Err(ran) => ran.refused(&[".segment", "file length"]),
    }
    (stopped_ms, said)
}

#[test]
fn an_idle_server_whose_segment_is_truncated_says_so_and_stops() {
    let mut proof = Proof::of(11, "truncated while idle");
    let mut stopped_ms = Vec::new();
    for _ in 0..5 {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let server = Server::start(&data, NO_SNAPSHOTS);
        let mut client = server.client();
        Shop::open(&mut client).place(&mut client, 1..200);
        truncate_segments(&data);
        stopped_ms.push(is_told_and_refused(&mut proof, &data, server).0);
    }
    proof.figure("stop_ms_max", stopped_ms.into_iter().fold(0.0, f64::max));
    proof.end();
}

#[test]
fn a_busy_server_whose_mapping_has_lost_its_file_says_so_and_stops() {
    let mut proof = Proof::of(11, "truncated under load");
    let mut stopped_ms = Vec::new();
    let mut by_signal = 0;
    // Most find it by storing into the mapping, some by the sync; at least one must be told by the signal.
    for run in 0..40 {
        if run >= 5 && by_signal > 0 {
            break;
        }
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        // Slow syncs make large groups, and those are written through the mapping.
        let server = Server::faulty(
            &data,
            "[journal]\nsegment_mib = 64\n[snapshots]\nevery_records = 0\n",
            "slow segment.sync 40",
        );
        let mut load = full_load_command(&server, "60");
        load.args(["--patience", "2"]);
        let mut load = Running::start(load);
        let segment = std::fs::File::open(data.join("journal/00000001.segment")).unwrap();
        let mut page = [0; 4096];
        let mut is_filled = |at: u64| {
            assert!(load.is_running(), "the load has ended before its server did");
            segment.read_exact_at(&mut page, at).unwrap();
            page.iter().any(|byte| *byte != 0)
        };
        // Far enough that groups are large by now.
        let mut at = 6 << 20;
        while !is_filled(at) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // In the middle of what is stored between two syncs: where all waits for a sync, that is what finds it.
        while at < 60 << 20 && is_filled(at) {
            at += 64 << 10;
        }
        while at < 60 << 20 && !is_filled(at) {
            std::thread::yield_now();
        }
        truncate_segments(&data);
        let (ms, said) = is_told_and_refused(&mut proof, &data, server);
        stopped_ms.push(ms);
        by_signal += u32::from(said.contains("SIGBUS"));
        let ran = load.finish();
        proof.hold(ran.code == Some(1), || format!("the load: {ran:?}"));
    }
    proof.hold(by_signal > 0, || "no run was stopped by the signal".to_owned());
    proof.figure("by_signal", f64::from(by_signal));
    proof.figure("stop_ms_max", stopped_ms.into_iter().fold(0.0, f64::max));
    proof.end();
}
