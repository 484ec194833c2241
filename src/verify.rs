//! `orderline verify`: reads everything in a directory and checks every checksum, link and invariant. Changes nothing.

use orderline_core::state::Conservation;
use orderline_core::{State, recovery, snapshot};
use serde::Serialize;

use crate::cli::VerifyArguments;
use crate::offline;
use crate::progress::{ProgressLine, grouped};
use crate::verb::{Ending, VerbResult, print_json};

#[derive(Debug, Serialize)]
struct VerifyReport {
    ok: bool,
    records: u64,
    last_sequence: u64,
    orders_total: u64,
    orders_open: u64,
    state_hash: String,
    violations: Vec<String>,
    /// What a crash left at the journal's end and the next start will cut: no damage.
    torn_tail: Option<String>,
    /// How often every invariant was checked over the whole state: once at the end, and as often as was asked for.
    checks: u64,
    /// Sequences of the snapshots that were found, read, and equal to the replay at their place.
    snapshots_equal: Vec<u64>,
}

pub(crate) fn run(arguments: &VerifyArguments) -> VerbResult {
    let mut offline = offline::open_earliest(&arguments.data)?;
    let mut violations = Vec::new();
    let snapshots =
        snapshot::examine_all(&offline.storage, offline.reader.store_id(), offline::random_seed())?;
    violations.extend(snapshots.wrong);
    let first_sequence = offline.state.sequence();
    let mut snapshots_equal = Vec::new();
    let mut line = ProgressLine::new();
    // At each snapshot's place the hashes must agree.
    let mut due = snapshots.good.iter().filter(|(sequence, _)| *sequence >= first_sequence).peekable();
    let mut compare = |state: &State, violations: &mut Vec<String>| {
        while let Some((sequence, expected)) = due.next_if(|(sequence, _)| *sequence <= state.sequence()) {
            let found = state.hash();
            if *sequence == state.sequence() && found == *expected {
                snapshots_equal.push(*sequence);
            } else {
                let at = state.sequence();
                violations.push(format!(
                    "the snapshot at {sequence} has state hash {expected}, replay gives {found} at {at}"
                ));
            }
        }
        due.peek().map(|(sequence, _)| *sequence)
    };
    compare(&offline.state, &mut violations);
    let mut checks = 1;
    let mut conservation = Conservation::since(&offline.state);
    let mut broken_early = Vec::new();
    let replayed = recovery::replay_noting(
        &mut offline.reader,
        &mut offline.state,
        u64::MAX,
        |state, event| {
            let sequence = state.sequence();
            if sequence > first_sequence
                && arguments.check_every.is_some_and(|every| sequence.is_multiple_of(every))
            {
                checks += 1;
                if broken_early.len() < VIOLATIONS_MAX {
                    broken_early.extend(
                        broken(state, &conservation).map(|of| format!("at sequence {sequence}: {of}")),
                    );
                }
            }
            conservation.note(state, event);
        },
        |state, _| {
            compare(state, &mut violations);
            line.show(|| format!("verified up to {}", grouped(state.sequence())));
        },
    );
    violations.append(&mut broken_early);
    if let Err(error) = replayed {
        violations.push(error.to_string());
    }
    if let Some(sequence) = compare(&offline.state, &mut violations) {
        let end = offline.state.sequence();
        violations.push(format!("the snapshot at {sequence} lies behind the journal's end at {end}"));
    }
    line.done();
    violations.extend(broken(&offline.state, &conservation));
    let counts = offline.state.counts();
    let report = VerifyReport {
        ok: violations.is_empty(),
        records: offline.state.sequence() - first_sequence,
        last_sequence: offline.state.sequence(),
        orders_total: counts.orders_total,
        orders_open: counts.orders_open,
        state_hash: offline.state.hash().to_string(),
        violations,
        torn_tail: offline.reader.torn_tail().map(|torn| {
            format!(
                "{} bytes from offset {} of segment {} on ({})",
                torn.bytes_removed, torn.offset, torn.segment, torn.reason
            )
        }),
        checks,
        snapshots_equal,
    };
    eprintln!(
        "{} records up to sequence {}, {} orders ({} open), state hash {}",
        grouped(report.records),
        report.last_sequence,
        grouped(report.orders_total),
        grouped(report.orders_open),
        report.state_hash
    );
    if let Some(torn) = &report.torn_tail {
        eprintln!("torn tail, never acknowledged: {torn}");
    }
    for violation in &report.violations {
        eprintln!("violation: {violation}");
    }
    eprintln!("{}", if report.ok { "all is well" } else { "NOT well" });
    if arguments.json {
        print_json(&report)?;
    }
    Ok(Ending::well_if(report.ok))
}

/// Violations that are listed at most, and a few more: the first are what matters.
const VIOLATIONS_MAX: usize = 1_000;

/// Every invariant that the state breaks, by itself or against what the events add up to.
fn broken(state: &State, conservation: &Conservation) -> impl Iterator<Item = String> {
    state.check().into_iter().chain(conservation.check(state)).map(|violation| violation.to_string())
}
