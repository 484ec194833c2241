//! A drill on a copy of a real directory: could we come back from this, and how long would it take? The directory itself
//! is read and nothing else.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use orderline_journal::{PositionalStorage, Storage, store_id};
use orderline_web::api::types::Time;
use orderline_web::recovery::{DRILL_FILE, DrillRecord};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use super::report::{RecoveryMs, milliseconds};
use crate::campaign::{LeftBehind, look_at};
use crate::cli::DrillArguments;
use crate::copying::{check_at_rest, copy_directory};
use crate::ledger::count_duplicated;
use crate::progress::grouped;
use crate::serve::unix_us;
use crate::server_process::{ServerProcess, recovered_hash};
use crate::verb::{Ending, Refusal, VerbResult, print_json};

#[derive(Debug, Serialize)]
struct CopyReport {
    /// Kills in the middle of recoveries.
    kills: u32,
    /// Nobody was told anything: a copy is not loaded.
    acked: u64,
    lost: u64,
    /// Orders that the journal has more than once.
    duplicated: u64,
    /// Every recovery gave the state that a replay of every record gives.
    state_hash_equal: bool,
    recovery_ms: RecoveryMs,
    /// The first recovery, of files that the page cache did not hold.
    recovery_cold_ms: f64,
    recoveries: usize,
    bytes_copied: u64,
    copy_seconds: f64,
    bytes_replayed: u64,
    records_replayed: u64,
    snapshot_used: bool,
    orders_placed: u64,
    last_sequence: u64,
    state_hash: String,
    seconds: f64,
    seed: u64,
    violations: Vec<String>,
}

pub(super) fn run(arguments: &DrillArguments) -> VerbResult {
    let Some(data) = arguments.data.as_deref() else {
        return Err(Refusal::new("--copy: say by --data which directory is to be copied"));
    };
    let start = Instant::now();
    check_at_rest(data)?;
    let scratch = match &arguments.scratch {
        Some(scratch) => tempfile::Builder::new().prefix("orderline-drill-").tempdir_in(scratch)?,
        None => tempfile::tempdir()?,
    };
    let copy = scratch.path().join("data");
    let bytes_copied = copy_directory(data, &copy)?;
    let copy_seconds = start.elapsed().as_secs_f64();
    eprintln!("copied {} MiB to {} in {copy_seconds:.1} s", grouped(bytes_copied >> 20), copy.display());

    let seed = arguments.seed.unwrap_or_else(crate::offline::random_seed);
    let mut drill = Drill { copy: &copy, recoveries: Vec::new(), violations: Vec::new(), left: None };
    let mut kills = 0;
    if drill.recover()? {
        drill.left = Some(look_at(data)?);
        let mut rng = SmallRng::seed_from_u64(seed);
        let whole_us = drill.recoveries[0].0.as_micros().max(1) as u64;
        for _ in 0..arguments.kills {
            let after = Duration::from_micros(rng.random_range(0..whole_us));
            drill.kill_after(after)?;
            kills += 1;
        }
        drill.recover()?;
        drill.recover()?;
    }
    let report = drill.report(kills, bytes_copied, copy_seconds, start.elapsed(), seed);
    tell(&report);
    if arguments.record {
        keep(&report, data)?;
    }
    if arguments.json {
        print_json(&report)?;
    }
    Ok(Ending::well_if(report.is_well()))
}

/// Keeps what came of a drill where a server on the directory finds it.
fn keep(report: &CopyReport, data: &Path) -> Result<(), Refusal> {
    let storage = PositionalStorage::new(data);
    let record = DrillRecord {
        at: Time(unix_us()),
        store_id: format!("{:032x}", store_id(&storage)?),
        is_well: report.is_well(),
        recoveries: report.recoveries,
        kills: report.kills,
        recovery_cold_ms: report.recovery_cold_ms,
        recovery_ms_max: report.recovery_ms.max,
        records_replayed: report.records_replayed,
        bytes_replayed: report.bytes_replayed,
        snapshot_used: report.snapshot_used,
        last_sequence: report.last_sequence,
        state_hash: report.state_hash.clone(),
        violations: report.violations.clone(),
    };
    Ok(storage.write_small(DRILL_FILE, &serde_json::to_vec_pretty(&record)?)?)
}

impl CopyReport {
    fn is_well(&self) -> bool {
        self.violations.is_empty() && self.duplicated == 0
    }
}

/// A copy, and what became of recovering it.
struct Drill<'a> {
    copy: &'a Path,
    /// How long each took, and what it gave.
    recoveries: Vec<(Duration, String, u64)>,
    violations: Vec<String>,
    /// What the directory itself holds.
    left: Option<LeftBehind>,
}

impl Drill<'_> {
    fn spawn(&self) -> Result<ServerProcess, Refusal> {
        ServerProcess::spawn(self.copy, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None, None)
    }

    /// Recovers the copy to its end and kills the server; false if it refused.
    fn recover(&mut self) -> Result<bool, Refusal> {
        let mut server = self.spawn()?;
        let is_ready = server.await_ready()?;
        let ready_after = server.ready_after;
        let said = server.end()?.said;
        match recovered_hash(&said).filter(|_| is_ready) {
            Some(hash) => {
                let took = ready_after.saturating_sub(hash.took);
                eprintln!(
                    "recovered to sequence {} in {:.0} ms",
                    grouped(hash.sequence),
                    took.as_secs_f64() * 1e3
                );
                self.recoveries.push((took, hash.state_hash, hash.sequence));
            }
            None => self.violations.push(format!("the copy could not be recovered: {}", said.trim())),
        }
        Ok(is_ready)
    }

    fn kill_after(&mut self, after: Duration) -> Result<(), Refusal> {
        let mut server = self.spawn()?;
        std::thread::sleep(after);
        server.ends_within(Duration::ZERO)?;
        let ended = server.end()?;
        eprintln!("killed {:.1} ms after its start", after.as_secs_f64() * 1e3);
        if !ended.is_killed {
            self.violations.push(format!("the server ended by itself: {}", ended.said.trim()));
        }
        Ok(())
    }

    fn report(
        self,
        kills: u32,
        bytes_copied: u64,
        copy_seconds: f64,
        took: Duration,
        seed: u64,
    ) -> CopyReport {
        let Self { recoveries, mut violations, left, .. } = self;
        let expected = left.as_ref().map(|left| (left.state_hash.clone(), left.sequence)).unwrap_or_default();
        let mut state_hash_equal = left.is_some();
        for (_, hash, sequence) in &recoveries {
            if left.is_some() && (hash, sequence) != (&expected.0, &expected.1) {
                state_hash_equal = false;
                violations.push(format!(
                    "a replay of every record gives {} at {}, a recovery gave {hash} at {sequence}",
                    expected.0, expected.1
                ));
            }
        }
        let placed = left.as_ref().map(|left| left.placed.as_slice()).unwrap_or_default();
        violations.extend(left.iter().flat_map(|left| left.violations.iter().cloned()));
        let mut took_each: Vec<Duration> = recoveries.iter().map(|(took, ..)| *took).collect();
        CopyReport {
            kills,
            acked: 0,
            lost: 0,
            duplicated: count_duplicated(placed),
            state_hash_equal,
            recovery_cold_ms: milliseconds(took_each.first()),
            recovery_ms: RecoveryMs::of(&mut took_each),
            recoveries: recoveries.len(),
            bytes_copied,
            copy_seconds,
            bytes_replayed: left.as_ref().map_or(0, |left| left.bytes_to_replay),
            records_replayed: left.as_ref().map_or(0, |left| left.records_to_replay),
            snapshot_used: left.as_ref().is_some_and(|left| left.used_snapshot),
            orders_placed: placed.len() as u64,
            last_sequence: expected.1,
            state_hash: expected.0,
            seconds: took.as_secs_f64(),
            seed,
            violations,
        }
    }
}

fn tell(report: &CopyReport) {
    eprintln!(
        "{} recoveries, {} more cut short by kills: {} ms with cold files, {} ms (p50) {} ms (max) over all",
        report.recoveries,
        report.kills,
        report.recovery_cold_ms,
        report.recovery_ms.p50,
        report.recovery_ms.max
    );
    eprintln!(
        "each replayed {} records ({} MiB) {} up to sequence {}; {} orders placed, {} twice; state hashes {}",
        grouped(report.records_replayed),
        grouped(report.bytes_replayed >> 20),
        if report.snapshot_used { "behind a snapshot" } else { "from the first record on" },
        grouped(report.last_sequence),
        grouped(report.orders_placed),
        report.duplicated,
        if report.state_hash_equal { "equal" } else { "NOT equal" }
    );
    eprintln!("state hash {} at sequence {}", report.state_hash, grouped(report.last_sequence));
    for violation in &report.violations {
        eprintln!("violation: {violation}");
    }
    eprintln!(
        "{}",
        if report.violations.is_empty() {
            "we could come back from this"
        } else {
            "we could NOT come back from this"
        }
    );
}
