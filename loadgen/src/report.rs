//! What a run found, whichever its workload.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::particulars::Particulars;

/// What a run found. Every order whose placement was sent is in exactly one of `acked`, `rejected` and `unknown`.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// The workload's name.
    pub workload: &'static str,
    /// Orders begun; for carts: carts, for `tpcc`: transactions, for `availability`: queries.
    pub started: u64,
    /// Orders whose placement was sent.
    pub sent: u64,
    /// Orders answered as accepted.
    pub acked: u64,
    /// Orders answered as refused.
    pub rejected: u64,
    /// Of these, refused with `Busy`: the server had too much to do.
    pub busy: u64,
    /// Orders sent and never answered.
    pub unknown: u64,
    /// From the first order's start to the last answer, in seconds.
    pub seconds: f64,
    /// Accepted orders a second.
    pub orders_per_second: f64,
    /// Accepted orders a second whose answer came within `deadline_ms` of their start.
    pub goodput_per_second: f64,
    /// What an answer must keep to count as goodput, in milliseconds.
    pub deadline_ms: f64,
    /// Answered orders a second: what counts where most are meant to be refused. For `availability`: SKUs answered.
    pub answers_per_second: f64,
    /// Answered commands a second, of every kind; a feed's are not among them.
    pub commands_per_second: f64,
    /// Answered commands by the kind's name; a feed's are not among them.
    pub commands: BTreeMap<&'static str, u64>,
    /// Commands sent and never answered, placements included.
    pub commands_unknown: u64,
    /// From an order's start (open loop: its intended start) to the answer to its placement, over all answered orders.
    /// Where a cart is reserved first, the start is the reservation's. For `availability`: of queries.
    pub latency_us: LatencyUs,
    /// The same, over accepted orders alone (and queries answered).
    pub latency_accepted_us: LatencyUs,
    /// Refused orders by the reject code's name.
    pub rejected_by_code: BTreeMap<&'static str, u64>,
    /// Refusals of commands that place nothing, by the reject code's name.
    pub refused_commands_by_code: BTreeMap<&'static str, u64>,
    /// `closed` or `open`: whether answers could slow the sending down.
    pub loop_kind: &'static str,
    /// Open loop: the orders (carts, transactions) a second that were asked for, at constant spacing.
    pub rate: Option<f64>,
    /// Open loop: by how much an order was sent after its intended start, at most, in milliseconds. More than a
    /// few says that generator or server could not keep up with the rate; the latencies count it.
    pub behind_ms_max: f64,
    /// Open loop: orders that were due and not sent when the time was over.
    pub due_not_sent: u64,
    /// How often a connection was lost and made again.
    pub reconnects: u64,
    /// Connections used, without a feed's.
    pub connections: u32,
    /// Commands unanswered, or waiting for their turn, on each connection at most.
    pub in_flight: u32,
    /// How long defining the catalogue and its stock took, in seconds. Not part of `seconds`.
    pub setup_seconds: f64,
    /// Why the run ended.
    pub ended: Ended,
    /// What this workload alone reports.
    #[serde(flatten)]
    pub particulars: Option<Particulars>,
    /// What was checked after the run, and whether it holds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<&'static str, bool>,
    /// Whether all of `checks` hold; absent where nothing is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistent: Option<bool>,
    /// What was found wrong, by the checks or otherwise, or kept them from being made; each in a sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// What the client said when the server was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl LoadReport {
    /// Whether everything that was sent was answered, all that was checked holds, and nothing else was found wrong.
    pub fn is_well(&self) -> bool {
        self.ended != Ended::ServerLost
            && self.unknown == 0
            && self.commands_unknown == 0
            && self.consistent != Some(false)
            && self.problems.is_empty()
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All was sent and waited for.
    Done,
    /// The caller stopped it.
    Stopped,
    /// The server went away, or went silent, and did not come back within the patience.
    ServerLost,
}

/// Latencies in microseconds, rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // Percentiles say what they are.
pub struct LatencyUs {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    /// The exact greatest.
    pub max: u64,
}

impl LatencyUs {
    /// The percentiles of a histogram of nanoseconds, below an exact maximum.
    pub(crate) fn of(histogram_ns: &Histogram<u64>, max_ns: u64) -> Self {
        let at = |quantile| micros(histogram_ns.value_at_quantile(quantile).min(max_ns));
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: micros(max_ns) }
    }
}

pub(crate) fn micros(ns: u64) -> u64 {
    ns.saturating_add(500) / 1_000
}

/// How a run goes, about once a second.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Since the first order, in seconds.
    pub elapsed_s: f64,
    /// Orders accepted a second, since the progress before.
    pub orders_per_second: f64,
    /// Orders answered a second, since the progress before.
    pub answers_per_second: f64,
    /// Commands of every kind answered a second, since the progress before; a feed's are not among them.
    pub commands_per_second: f64,
    /// Orders accepted in all.
    pub acked: u64,
    /// Orders refused in all.
    pub rejected: u64,
    /// Commands sent and not answered now.
    pub unanswered: u64,
    /// The 99th percentile of latency since the progress before, in microseconds.
    pub p99_us: u64,
    /// Connections that are down and trying to come back.
    pub connections_down: u32,
}
