//! `orderline drill`: how well does it come back? Serve, load, kill -9, recover, compare with what the client was told.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orderline_loadgen::WorkloadName;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use crate::campaign::{self, Happening, Outcome, Plan};
use crate::cli::DrillArguments;
use crate::progress::{ProgressLine, grouped};
use crate::verb::{Ending, Refusal, VerbResult, print_json};

/// Small segments and frequent snapshots, so that kills fall into rolls and snapshots, too.
const CONFIG: &str = "[journal]\nsegment_mib = 16\n[snapshots]\nevery_records = 300000\nmib_per_s_max = 0\n";

/// What a drill can send: workloads that every acknowledged order of can be looked for in the journal, and that go on
/// as long as the drill does.
const WORKLOADS: [WorkloadName; 3] = [WorkloadName::Place, WorkloadName::Life, WorkloadName::Carts];

#[derive(Debug, Serialize)]
struct DrillReport {
    workload: &'static str,
    kills: usize,
    acked: u64,
    lost: u64,
    duplicated: u64,
    state_hash_equal: bool,
    recovery_ms: RecoveryMs,
    rejected: u64,
    unknown: u64,
    snapshots_used: usize,
    last_sequence: u64,
    state_hash: String,
    seconds: f64,
    seed: u64,
    violations: Vec<String>,
}

/// Milliseconds from the start of a process to its `ready`.
#[derive(Debug, Serialize)]
struct RecoveryMs {
    p50: f64,
    max: f64,
}

pub(crate) fn run(arguments: &DrillArguments) -> VerbResult {
    let seed = arguments.seed.unwrap_or_else(crate::offline::random_seed);
    let workload: WorkloadName = arguments.workload.parse()?;
    if !WORKLOADS.contains(&workload) {
        let known = WORKLOADS.map(WorkloadName::name).join(", ");
        return Err(Refusal::new(format!("--workload: a drill does not know {workload}; it knows {known}")));
    }
    let directory = DrillDirectory::choose(arguments.data.as_deref())?;
    let times = kill_times(arguments, &mut SmallRng::seed_from_u64(seed));
    let plan = Plan {
        data: &directory.path,
        config: CONFIG,
        kill_after: &times,
        then: Duration::from_millis(300),
        workload,
        seed,
    };
    eprintln!("drill with seed {seed}: {} kills of {workload} in {}", times.len(), directory.path.display());
    let start = Instant::now();
    let mut line = ProgressLine::new();
    let kills = times.len();
    let outcome = campaign::run(&plan, |happening| show(&mut line, kills, &happening))?;
    line.done();
    let report = report(kills, seed, start.elapsed(), outcome);
    tell(&report);
    if arguments.json {
        print_json(&report)?;
    }
    let is_well = report.violations.is_empty() && report.state_hash_equal;
    Ok(Ending::well_if(is_well && report.lost == 0 && report.duplicated == 0))
}

/// Times between kills: random, from within the first few milliseconds of load to a good second, or as the whole
/// time given allows.
fn kill_times(arguments: &DrillArguments, rng: &mut SmallRng) -> Vec<Duration> {
    let mean_ms =
        arguments.seconds.map_or(500.0, |seconds| seconds * 1_000.0 / f64::from(arguments.kills.max(1)));
    let bound_us = (mean_ms * 2_000.0).max(1.0) as u64;
    (0..arguments.kills).map(|_| Duration::from_micros(rng.random_range(0..bound_us))).collect()
}

fn show(line: &mut ProgressLine, kills: usize, happening: &Happening) {
    match happening {
        Happening::Loading { acked, orders_per_second } => line.show(|| {
            format!("{} orders acknowledged, {} orders/s", grouped(*acked), grouped(*orders_per_second))
        }),
        Happening::Killed { number } => {
            line.done();
            eprint!("kill {number} of {kills}: ");
        }
        Happening::Recovered { after, sequence } => {
            eprintln!("back at sequence {} after {:.0} ms", grouped(*sequence), after.as_secs_f64() * 1e3);
        }
        Happening::Comparing { acked } => {
            line.done();
            eprintln!("comparing {} acknowledgements with the journal", grouped(*acked));
        }
    }
}

fn report(kills: usize, seed: u64, took: Duration, outcome: Outcome) -> DrillReport {
    let mut recoveries = outcome.recoveries;
    recoveries.sort_unstable();
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| (time.as_secs_f64() * 1e4).round() / 10.0);
    let mut violations = outcome.comparison.violations;
    violations.extend(outcome.disagreements);
    if !outcome.stopped_well {
        violations.push("the server did not end well when it was asked to stop".to_owned());
    }
    if let Some(error) = outcome.load.error {
        violations.push(format!("the load run ended early: {error}"));
    }
    violations.extend(outcome.load.problems);
    DrillReport {
        workload: outcome.load.workload,
        kills,
        acked: outcome.comparison.acked,
        lost: outcome.comparison.lost,
        duplicated: outcome.comparison.duplicated,
        state_hash_equal: outcome.hashes_equal_count == kills,
        recovery_ms: RecoveryMs { p50: ms(recoveries.get(recoveries.len() / 2)), max: ms(recoveries.last()) },
        rejected: outcome.rejected,
        unknown: outcome.unknown,
        snapshots_used: outcome.snapshots_used_count,
        last_sequence: outcome.comparison.last_sequence,
        state_hash: outcome.comparison.state_hash,
        seconds: took.as_secs_f64(),
        seed,
        violations,
    }
}

fn tell(report: &DrillReport) {
    eprintln!(
        "{} kills, {} acknowledged, {} lost, {} duplicated, state hashes {}, recovery {} ms (p50) {} ms (max)",
        report.kills,
        grouped(report.acked),
        report.lost,
        report.duplicated,
        if report.state_hash_equal { "equal" } else { "NOT equal" },
        report.recovery_ms.p50,
        report.recovery_ms.max
    );
    for violation in &report.violations {
        eprintln!("violation: {violation}");
    }
}

/// Where a drill works: a directory that was given and is kept, or a temporary one.
struct DrillDirectory {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl DrillDirectory {
    fn choose(given: Option<&Path>) -> Result<Self, Refusal> {
        let Some(path) = given else {
            let temporary = tempfile::tempdir()?;
            return Ok(Self { path: temporary.path().join("data"), _temporary: Some(temporary) });
        };
        let is_used = path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        if is_used {
            return Err(Refusal::new(format!(
                "{} is not empty, and a drill kills its server; give a directory that is empty or absent",
                path.display()
            )));
        }
        Ok(Self { path: path.to_owned(), _temporary: None })
    }
}
