//! `orderline drill`: how well does it come back? Serve, load, kill -9, recover, compare with what the client was told.

mod copy;
mod episode;
mod report;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orderline_journal::storage::FAULT_POINTS;
use orderline_loadgen::WorkloadName;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use self::episode::Episodes;
use self::report::DrillReport;
use crate::campaign::{self, Happening, LoadPlan, Moment, Plan};
use crate::cli::DrillArguments;
use crate::progress::{ProgressLine, grouped};
use crate::verb::{Ending, Refusal, VerbResult, print_json};

/// Small segments and frequent snapshots, so that kills fall into rolls and snapshots, too.
const CONFIG: &str = "[journal]\nsegment_mib = 16\n[snapshots]\nevery_records = 300000\nmib_per_s_max = 0\n";

/// The smallest segments and a snapshot whenever one is looked for: what a campaign of small stores has.
const SMALL_CONFIG: &str =
    "[journal]\nsegment_mib = 3\n[snapshots]\nevery_records = 300\nmib_per_s_max = 0\n";

/// What a drill can send: workloads that every acknowledged order of can be looked for in the journal, and that go on
/// as long as the drill does.
const WORKLOADS: [WorkloadName; 3] = [WorkloadName::Place, WorkloadName::Life, WorkloadName::Carts];

pub(crate) fn run(arguments: &DrillArguments) -> VerbResult {
    if arguments.copy {
        return copy::run(arguments);
    }
    let seed = arguments.seed.unwrap_or_else(crate::offline::random_seed);
    let workload: WorkloadName = arguments.workload.parse()?;
    if !WORKLOADS.contains(&workload) {
        let known = WORKLOADS.map(WorkloadName::name).join(", ");
        return Err(Refusal::new(format!("--workload: a drill does not know {workload}; it knows {known}")));
    }
    let directory = DrillDirectory::choose(arguments.data.as_deref())?;
    let mut report = DrillReport::begin(workload.name(), seed);
    let start = Instant::now();
    if arguments.campaign {
        run_campaign(arguments, workload, seed, &directory, &mut report)?;
    } else {
        run_one(arguments, workload, seed, &directory, &mut report)?;
    }
    report.end(start.elapsed());
    report.tell();
    if arguments.json {
        print_json(&report)?;
    }
    Ok(Ending::well_if(report.is_well()))
}

/// One store that grows, under all the load that it takes, killed now and then.
fn run_one(
    arguments: &DrillArguments,
    workload: WorkloadName,
    seed: u64,
    directory: &DrillDirectory,
    report: &mut DrillReport,
) -> Result<(), Refusal> {
    let kills = kill_times(arguments, &mut SmallRng::seed_from_u64(seed));
    let load = LoadPlan {
        workload,
        seed,
        skus: 10_000,
        rate: None,
        connections: 2,
        in_flight: None,
        reconnect_pause_max: Duration::from_secs(1),
    };
    let plan =
        Plan { data: &directory.path, config: CONFIG, kills: &kills, then: Duration::from_millis(300), load };
    eprintln!("drill with seed {seed}: {} kills of {workload} in {}", kills.len(), directory.path.display());
    let mut line = ProgressLine::new();
    let outcome = campaign::run(&plan, |happening| show(&mut line, kills.len(), &happening))?;
    line.done();
    report.add(outcome);
    Ok(())
}

/// Many small stores, each made, loaded, killed and recovered as an episode says.
fn run_campaign(
    arguments: &DrillArguments,
    workload: WorkloadName,
    seed: u64,
    directory: &DrillDirectory,
    report: &mut DrillReport,
) -> Result<(), Refusal> {
    let points = match FAULT_POINTS.len() {
        0 => "at random moments (this build has no fault points)".to_owned(),
        count => format!("at random moments and at {count} fault points"),
    };
    eprintln!("campaign with seed {seed}: {} kills of {workload} {points}", arguments.kills);
    let mut episodes = Episodes::new(seed, workload);
    let mut line = ProgressLine::new();
    let kills = arguments.kills as usize;
    let mut number = 0;
    while report.kills < kills {
        number += 1;
        let episode = episodes.next(kills - report.kills);
        let data = directory.path.join(format!("store-{number}"));
        let plan = Plan {
            data: &data,
            config: SMALL_CONFIG,
            kills: &episode.moments,
            then: Duration::from_millis(20),
            load: episode.load,
        };
        let outcome = campaign::run(&plan, |_| {})?;
        let is_well = outcome.violations.is_empty();
        report.add(outcome);
        if is_well {
            std::fs::remove_dir_all(&data)?;
        } else {
            report.keep(&data)?;
            if report.violations.len() >= VIOLATIONS_MAX {
                break;
            }
        }
        line.show(|| {
            let (done, depth) = (report.kills, report.depth_max);
            format!("{done} of {kills} kills in {number} stores, nested {depth} deep")
        });
    }
    line.done();
    Ok(())
}

/// Broken promises after which a campaign ends: the first are what matters.
const VIOLATIONS_MAX: usize = 20;

/// Times between kills: random, from within the first few milliseconds of load to a good second, or as the whole
/// time given allows.
fn kill_times(arguments: &DrillArguments, rng: &mut SmallRng) -> Vec<Moment> {
    let mean_ms =
        arguments.seconds.map_or(500.0, |seconds| seconds * 1_000.0 / f64::from(arguments.kills.max(1)));
    let bound_us = (mean_ms * 2_000.0).max(1.0) as u64;
    let mut after = || Moment::Loaded(Duration::from_micros(rng.random_range(0..bound_us)));
    (0..arguments.kills).map(|_| after()).collect()
}

fn show(line: &mut ProgressLine, kills: usize, happening: &Happening) {
    match happening {
        Happening::Loading { acked, orders_per_second } => line.show(|| {
            format!("{} orders acknowledged, {} orders/s", grouped(*acked), grouped(*orders_per_second))
        }),
        Happening::Killed { number, acked } => {
            line.done();
            eprintln!(
                "kill {number} of {kills}: {} acknowledgements held against the journal",
                grouped(*acked)
            );
        }
        Happening::Recovered { after, sequence } => {
            eprintln!("back at sequence {} after {:.0} ms", grouped(*sequence), after.as_secs_f64() * 1e3);
        }
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
                "{} is not empty, and a drill kills its server; give a directory that is empty or absent, or --copy to \
                 drill on a copy of it",
                path.display()
            )));
        }
        Ok(Self { path: path.to_owned(), _temporary: None })
    }
}
