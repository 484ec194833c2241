//! `orderline replay`: rebuilds the state from a directory and times it. Changes nothing.

use std::time::Instant;

use orderline_core::recovery;
use serde::Serialize;

use crate::cli::ReplayArguments;
use crate::offline::{self, ReadFrom};
use crate::progress::{ProgressLine, grouped};
use crate::verb::{Ending, Refusal, VerbResult, print_json};

#[derive(Debug, Serialize)]
struct ReplayReport {
    records: u64,
    seconds: f64,
    records_per_second: f64,
    /// The sequence reached: with `--to` beyond the end, the journal's last.
    last_sequence: u64,
    snapshot_sequence: u64,
    snapshot_seconds: f64,
    orders_total: u64,
    orders_open: u64,
    state_hash: String,
}

pub(crate) fn run(arguments: &ReplayArguments) -> VerbResult {
    let from = if arguments.from_snapshot { ReadFrom::Snapshot } else { ReadFrom::Oldest };
    let opening = Instant::now();
    let mut offline = offline::open(&arguments.data, from)?;
    let snapshot_seconds = if offline.snapshot_sequence > 0 { opening.elapsed().as_secs_f64() } else { 0.0 };
    let to = arguments.to.unwrap_or(u64::MAX);
    if to < offline.snapshot_sequence {
        return Err(Refusal::new(format!(
            "--to {to} lies before the snapshot at {}; leave --from-snapshot away",
            offline.snapshot_sequence
        )));
    }
    let mut line = ProgressLine::new();
    let start = Instant::now();
    let replayed = recovery::replay(&mut offline.reader, &mut offline.state, to, |state, _| {
        line.show(|| format!("replayed up to {}", grouped(state.sequence())));
    });
    let seconds = start.elapsed().as_secs_f64();
    line.done();
    let ending = match replayed {
        Ok(()) => match arguments.to.filter(|&to| to > offline.state.sequence()) {
            None => Ending::Well,
            Some(to) => {
                let last = offline.state.sequence();
                eprintln!(
                    "orderline: --to {to} lies beyond the journal's end; the state is that of its last sequence, {last}"
                );
                Ending::FoundWrong
            }
        },
        Err(error) => {
            eprintln!("orderline: {error}");
            Ending::FoundWrong
        }
    };
    let counts = offline.state.counts();
    let records = offline.state.sequence() - offline.snapshot_sequence;
    let report = ReplayReport {
        records,
        seconds,
        records_per_second: if records == 0 { 0.0 } else { records as f64 / seconds },
        last_sequence: offline.state.sequence(),
        snapshot_sequence: offline.snapshot_sequence,
        snapshot_seconds,
        orders_total: counts.orders_total,
        orders_open: counts.orders_open,
        state_hash: offline.state.hash().to_string(),
    };
    eprintln!(
        "{} records in {:.3} s ({} records/s), {} orders ({} open), state hash {}",
        grouped(report.records),
        report.seconds,
        grouped(report.records_per_second as u64),
        grouped(report.orders_total),
        grouped(report.orders_open),
        report.state_hash
    );
    if arguments.json {
        print_json(&report)?;
    }
    Ok(ending)
}
