//! What a drill tells an operator, as text and as JSON.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::campaign::{Outcome, Recovered};
use crate::progress::grouped;
use crate::verb::Refusal;

/// The JSON report.
#[derive(Debug, Serialize)]
pub(super) struct DrillReport {
    workload: &'static str,
    pub(super) kills: usize,
    acked: u64,
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    state_hash_equal: bool,
    recovery_ms: RecoveryMs,
    /// Kills that fell before the server was ready.
    kills_in_recovery: usize,
    /// How many kills followed on one another without a recovery between them that came to its end, at most.
    pub(super) depth_max: u32,
    /// Recoveries that came to their end, each held against two replays.
    recoveries: usize,
    /// Acknowledgements held against the journal, all anew after each kill.
    checked: u64,
    bytes_replayed: u64,
    records_replayed: u64,
    rejected: u64,
    unknown: u64,
    snapshots_used: usize,
    /// Directories that were made, loaded and killed; what follows is of the last one.
    stores: usize,
    last_sequence: u64,
    state_hash: String,
    seconds: f64,
    seed: u64,
    /// The same by the moment of the kill.
    moments: BTreeMap<String, MomentReport>,
    pub(super) violations: Vec<String>,
    #[serde(skip)]
    took: Vec<Duration>,
    #[serde(skip)]
    hashes_unequal_count: usize,
}

/// Milliseconds from the start of a process to its `ready`.
#[derive(Debug, Serialize)]
pub(super) struct RecoveryMs {
    pub(super) p50: f64,
    pub(super) max: f64,
}

/// One row of the table.
#[derive(Debug, Default, Serialize)]
struct MomentReport {
    kills: usize,
    /// Kills that came before the moment: the server never passed the point, and was killed where it was.
    missed: usize,
    in_recovery: usize,
    depth_max: u32,
    checked: u64,
    lost: u64,
    duplicated: u64,
}

/// Milliseconds with one digit behind the point; 0 where there is no time.
pub(super) fn milliseconds(time: Option<&Duration>) -> f64 {
    time.map_or(0.0, |time| (time.as_secs_f64() * 1e4).round() / 10.0)
}

impl RecoveryMs {
    pub(super) fn of(took: &mut [Duration]) -> Self {
        let ms = milliseconds;
        took.sort_unstable();
        Self { p50: ms(took.get(took.len() / 2)), max: ms(took.last()) }
    }
}

impl DrillReport {
    pub(super) fn begin(workload: &'static str, seed: u64) -> Self {
        Self {
            workload,
            kills: 0,
            acked: 0,
            lost: 0,
            duplicated: 0,
            state_hash_equal: true,
            recovery_ms: RecoveryMs::of(&mut []),
            kills_in_recovery: 0,
            depth_max: 0,
            recoveries: 0,
            checked: 0,
            bytes_replayed: 0,
            records_replayed: 0,
            rejected: 0,
            unknown: 0,
            snapshots_used: 0,
            stores: 0,
            last_sequence: 0,
            state_hash: String::new(),
            seconds: 0.0,
            seed,
            moments: BTreeMap::new(),
            violations: Vec::new(),
            took: Vec::new(),
            hashes_unequal_count: 0,
        }
    }

    /// Adds what a store's campaign came to.
    pub(super) fn add(&mut self, outcome: Outcome) {
        for killed in &outcome.kills {
            let row = self.moments.entry(killed.moment.row()).or_default();
            row.kills += 1;
            row.missed += usize::from(!killed.is_reached);
            row.in_recovery += usize::from(killed.is_in_recovery);
            row.depth_max = row.depth_max.max(killed.depth);
            row.checked += killed.comparison.acked;
            row.lost += killed.comparison.lost;
            row.duplicated += killed.comparison.duplicated;
            self.kills += 1;
            self.kills_in_recovery += usize::from(killed.is_in_recovery);
            self.depth_max = self.depth_max.max(killed.depth);
            self.checked += killed.comparison.acked;
        }
        // A kill that ended the campaign by what was found after it has no row.
        let last_kill = outcome.kills.last().map(|killed| killed.comparison).unwrap_or_default();
        let worst = |found: fn(&crate::ledger::Comparison) -> u64| {
            found(&outcome.comparison)
                .max(outcome.kills.iter().map(|killed| found(&killed.comparison)).max().unwrap_or(0))
        };
        self.acked += outcome.comparison.acked.max(last_kill.acked);
        self.checked += outcome.comparison.acked;
        self.lost += worst(|comparison| comparison.lost);
        self.duplicated += worst(|comparison| comparison.duplicated);
        for Recovered { took, bytes, records, used_snapshot } in outcome.recoveries {
            self.took.push(took);
            self.bytes_replayed += bytes;
            self.records_replayed += records;
            self.snapshots_used += usize::from(used_snapshot);
        }
        self.hashes_unequal_count += outcome.hashes_unequal_count;
        self.stores += 1;
        self.rejected += outcome.rejected;
        self.unknown += outcome.unknown;
        (self.last_sequence, self.state_hash) = (outcome.last_sequence, outcome.state_hash);
        self.violations.extend(outcome.violations);
    }

    /// Keeps a store in which something was broken, for whoever looks into it.
    pub(super) fn keep(&mut self, data: &Path) -> Result<(), Refusal> {
        let kept = tempfile::Builder::new().prefix("orderline-broken-").tempdir()?.keep();
        std::fs::rename(data, kept.join("data"))?;
        self.violations.push(format!("what it left is kept in {}", kept.join("data").display()));
        Ok(())
    }

    pub(super) fn end(&mut self, took: Duration) {
        self.seconds = took.as_secs_f64();
        self.recoveries = self.took.len();
        self.recovery_ms = RecoveryMs::of(&mut self.took);
        self.state_hash_equal = self.hashes_unequal_count == 0;
    }

    pub(super) fn is_well(&self) -> bool {
        self.violations.is_empty() && self.state_hash_equal && self.lost == 0 && self.duplicated == 0
    }

    /// For people.
    pub(super) fn tell(&self) {
        if self.moments.len() > 1 {
            self.tell_moments();
        }
        eprintln!(
            "{} kills, {} acknowledged, {} lost, {} duplicated, state hashes {}, recovery {} ms (p50) {} ms (max)",
            grouped(self.kills as u64),
            grouped(self.acked),
            self.lost,
            self.duplicated,
            if self.state_hash_equal { "equal" } else { "NOT equal" },
            self.recovery_ms.p50,
            self.recovery_ms.max
        );
        eprintln!(
            "{} of the kills fell into recoveries, nested {} deep; {} recoveries came to their end and replayed {} records \
             ({} MiB); {} comparisons of an acknowledgement with the journal; {:.0} s",
            grouped(self.kills_in_recovery as u64),
            self.depth_max,
            grouped(self.recoveries as u64),
            grouped(self.records_replayed),
            grouped(self.bytes_replayed >> 20),
            grouped(self.checked),
            self.seconds
        );
        let stores = if self.stores > 1 { ", of the last store" } else { "" };
        eprintln!("state hash {} at sequence {}{stores}", self.state_hash, grouped(self.last_sequence));
        for violation in &self.violations {
            eprintln!("violation: {violation}");
        }
    }

    fn tell_moments(&self) {
        let width = self.moments.keys().map(String::len).max().unwrap_or_default();
        eprintln!(
            "{:width$}  {:>6} {:>6} {:>11} {:>5} {:>12} {:>5} {:>10}",
            "killed at", "kills", "missed", "in recovery", "depth", "acks checked", "lost", "duplicated"
        );
        for (moment, row) in &self.moments {
            eprintln!(
                "{moment:width$}  {:>6} {:>6} {:>11} {:>5} {:>12} {:>5} {:>10}",
                row.kills,
                row.missed,
                row.in_recovery,
                row.depth_max,
                grouped(row.checked),
                row.lost,
                row.duplicated
            );
        }
    }
}
