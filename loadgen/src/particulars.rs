//! What only some workloads report.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::LatencyUs;

/// What one workload alone reports; its fields stand among those of the report.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Particulars {
    /// Of `flash`.
    Flash(FlashReport),
    /// Of `life`.
    Life(LifeReport),
    /// Of `carts`, and of `place` with reservations.
    Carts(CartsReport),
    /// Of `feed`.
    Feed(FeedReport),
    /// Of `tpcc`.
    Tpcc(TpccReport),
    /// Of `availability`.
    Availability(AvailabilityReport),
}

/// The first and the last sequence of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SequenceRange {
    /// The lowest.
    pub first: u64,
    /// The highest.
    pub last: u64,
}

impl SequenceRange {
    /// Makes the range hold this sequence, too.
    pub(crate) fn extend(range: &mut Option<Self>, sequence: u64) {
        let Self { first, last } = range.unwrap_or(Self { first: sequence, last: sequence });
        *range = Some(Self { first: first.min(sequence), last: last.max(sequence) });
    }
}

/// How a flash sale went.
#[derive(Debug, Clone, Serialize)]
pub struct FlashReport {
    /// Units there were.
    pub stock: u64,
    /// Units sold: orders accepted.
    pub sold: u64,
    /// Where in the history they were sold.
    pub sold_at_sequence: Option<SequenceRange>,
    /// Orders refused because nothing was left.
    pub losers: u64,
    /// The sequences that the losers were told: as of which nothing was left.
    pub lost_at_sequence: Option<SequenceRange>,
}

/// How orders' lives ended. Together they are the accepted orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LifeReport {
    /// Delivered, for good.
    pub delivered: u64,
    /// Cancelled as a whole before anything shipped, and refunded.
    pub cancelled: u64,
    /// Delivered, returned and refunded, the return closed.
    pub returned: u64,
    /// Broken off, for a command was refused.
    pub broken_off: u64,
    /// Not at their end when the run was.
    pub unfinished: u64,
}

/// What became of carts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CartsReport {
    /// Carts reserved.
    pub reserved: u64,
    /// Of them: checked out.
    pub checked_out: u64,
    /// Of them: left to expire.
    pub left_to_expire: u64,
    /// Orders that a cart becomes, each of another seller.
    pub orders_per_cart: u32,
}

/// How the feed beside the orders went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeedReport {
    /// Updates accepted.
    pub feed_updates: u64,
    /// The same a second, from the run's beginning to the last answer to the feed.
    pub feed_updates_per_second: f64,
    /// Updates refused.
    pub feed_rejected: u64,
    /// The same by the reject code's name.
    pub feed_rejected_by_code: BTreeMap<&'static str, u64>,
    /// Updates sent and never answered.
    pub feed_unknown: u64,
    /// Bursts sent and answered as a whole.
    pub feed_bursts: u64,
    /// Updates of a burst.
    pub feed_burst_updates: u32,
    /// From when a burst was due to its last answer.
    pub feed_burst_ms: BurstMs,
    /// Levels that were read at the last burst, and set at the end as of that sequence to what was there then.
    pub feed_levels_checked: u64,
    /// Of them: those that stock had left, or come back to, since.
    pub feed_levels_moved: u64,
}

/// Latencies of whole bursts in milliseconds, exact.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs)] // Percentiles say what they are.
pub struct BurstMs {
    pub p50: f64,
    pub max: f64,
}

/// How the TPC-C-shaped mix went.
#[derive(Debug, Clone, Serialize)]
pub struct TpccReport {
    /// Transactions completed a second, of all kinds.
    pub transactions_per_second: f64,
    /// By the transaction's name.
    pub transactions: BTreeMap<&'static str, TransactionReport>,
    /// New-Orders that asked for an item that is not there, and were refused as a whole.
    pub rolled_back: u64,
    /// Orders that Delivery delivered.
    pub orders_delivered: u64,
    /// Money that Payment captured, in minor units.
    pub captured_minor: i64,
    /// Levels that Stock-Level found below its threshold.
    pub levels_low: u64,
    /// Orders placed before the run, so that every transaction has something to work on.
    pub initial_orders: u64,
}

/// What became of one kind of transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TransactionReport {
    /// Begun.
    pub started: u64,
    /// Ended as they were meant to, the intended rollbacks included.
    pub completed: u64,
    /// Ended by a refusal that was not meant.
    pub failed: u64,
    /// Not begun, for nothing was there to work on.
    pub skipped: u64,
    /// From the (intended) start to the last answer.
    pub latency_us: LatencyUs,
}

/// What queries of availability were answered. One answer is one SKU's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AvailabilityReport {
    /// SKUs that a query asked about.
    pub query_skus: u32,
    /// SKUs answered.
    pub sku_answers: u64,
    /// The same a second.
    pub sku_answers_per_second: f64,
    /// Of them: a unit could have been bought.
    pub skus_buyable: u64,
    /// The sequences up to which everything was in the answers.
    pub answered_at_sequence: Option<SequenceRange>,
    /// The most that the newest sequence that may be in an answer was ahead of that.
    pub sequence_spread_max: u64,
}
