//! `orderline demo`: a newcomer's first two minutes. Orders stream in, a kill -9, a recovery, the proof that nothing
//! was lost, and what to try next.

use std::time::Duration;

use orderline_loadgen::WorkloadName;
use serde::Serialize;

use crate::campaign::{self, Happening, LoadPlan, Moment, Plan};
use crate::cli::DemoArguments;
use crate::progress::{ProgressLine, grouped};
use crate::verb::{Ending, VerbResult, print_json};

/// How long orders stream before the kill, and after the recovery.
const BEFORE_KILL: Duration = Duration::from_secs(10);
const AFTER_RECOVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize)]
struct DemoReport {
    orders_per_second: u64,
    acked: u64,
    lost: u64,
    duplicated: u64,
    recovery_ms: f64,
    state_hash: String,
    state_hash_equal: bool,
    violations: Vec<String>,
}

pub(crate) fn run(arguments: &DemoArguments) -> VerbResult {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    eprintln!(
        "1. A server starts on a fresh directory, and {} s of orders stream in over TCP.",
        BEFORE_KILL.as_secs()
    );
    eprintln!("   Four lines each, 10,000 SKUs; each is durable on disk before it is acknowledged.");
    let plan = Plan {
        data: &data,
        config: "",
        kills: &[Moment::Loaded(BEFORE_KILL)],
        then: AFTER_RECOVERY,
        load: LoadPlan {
            workload: WorkloadName::Place,
            seed: 1,
            skus: 10_000,
            rate: None,
            connections: 2,
            in_flight: None,
            reconnect_pause_max: Duration::from_secs(1),
        },
    };
    let mut line = ProgressLine::new();
    let (mut rate, mut acked_at_kill, mut killed) = (0, 0, false);
    let outcome = campaign::run(&plan, |happening| match happening {
        Happening::Loading { acked, orders_per_second } => {
            if !killed {
                (rate, acked_at_kill) = (orders_per_second, acked);
            }
            line.show(|| {
                format!("   {} acknowledged, {} orders/s", grouped(acked), grouped(orders_per_second))
            });
        }
        Happening::Killed { acked, .. } => {
            line.done();
            killed = true;
            eprintln!("   {} orders acknowledged, {} orders/s.", grouped(acked_at_kill), grouped(rate));
            eprintln!(
                "2. kill -9, in the middle of it. The clients keep what was not answered and try again."
            );
            eprintln!("   What it left was read, and held against {} acknowledgements.", grouped(acked));
        }
        Happening::Recovered { sequence, .. } => {
            eprintln!("3. It is back, at sequence {}, and the orders go on.", grouped(sequence));
        }
    })?;
    line.done();
    eprintln!(
        "4. The server has stopped, and the journal was read from its first record and held against {} acknowledgements.",
        grouped(outcome.comparison.acked)
    );
    let report = DemoReport {
        orders_per_second: rate,
        acked: outcome.comparison.acked,
        lost: outcome.comparison.lost,
        duplicated: outcome.comparison.duplicated,
        recovery_ms: outcome
            .recoveries
            .first()
            .map_or(0.0, |of| (of.took.as_secs_f64() * 1e4).round() / 10.0),
        state_hash: outcome.state_hash,
        state_hash_equal: outcome.recoveries.len() == 1 && outcome.hashes_unequal_count == 0,
        violations: outcome.violations,
    };
    tell(&report);
    if arguments.json {
        print_json(&report)?;
    }
    let is_well =
        report.lost == 0 && report.duplicated == 0 && report.state_hash_equal && report.violations.is_empty();
    Ok(Ending::well_if(is_well))
}

fn tell(report: &DemoReport) {
    eprintln!();
    eprintln!(
        "   {} acknowledged, {} lost, {} twice.",
        grouped(report.acked),
        report.lost,
        report.duplicated
    );
    eprintln!(
        "   Recovery took {} ms; the restarted server and two independent replays {} on the state:",
        report.recovery_ms,
        if report.state_hash_equal { "agree" } else { "DISAGREE" }
    );
    eprintln!("   {}", report.state_hash);
    for violation in &report.violations {
        eprintln!("   violation: {violation}");
    }
    eprintln!();
    eprintln!("Try next:");
    eprintln!("   orderline serve --data ./data            a server of your own");
    eprintln!("   orderline load --connect 127.0.0.1:7411 --seconds 10");
    eprintln!("   orderline inspect --data ./data --limit 5");
    eprintln!("   orderline drill --kills 20               twenty kills instead of one");
}
