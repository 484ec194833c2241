//! Meters: what the engine counts, published for whoever looks, and how long fronts wait for their answers.
//!
//! The engine counts in memory of its own and publishes once a turn, so that looking costs it nothing. Each value is whole,
//! and two of them may be of two turns.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use orderline_protocol::RejectCode;

use crate::state::Counts;

/// Numbers of reject codes that are told apart.
pub const REJECT_CODES: usize = 128;

/// Upper bounds of the latency's buckets, in microseconds: each about 1.5 times the one before, from a wake-up of a thread to
/// what nobody waits for.
pub const LATENCY_BOUNDS_US: [u64; 32] = [
    32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048, 3_072, 4_096, 6_144, 8_192, 12_288,
    16_384, 24_576, 32_768, 49_152, 65_536, 98_304, 131_072, 196_608, 262_144, 524_288, 1_048_576, 2_097_152,
    4_194_304, 8_388_608,
];

/// What the engine has done in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Commands that became events.
    pub accepted_count: u64,
    /// Commands refused.
    pub rejected_count: u64,
    /// Commands that had been accepted before.
    pub repeated_count: u64,
    /// Queries answered.
    pub answered_count: u64,
    /// Events that the core made by itself: refills, expiries, retirements, shortages named.
    pub due_count: u64,
    /// Batches appended.
    pub batch_count: u64,
    /// Steps walked for snapshots, and microseconds that the longest took, as commands had to wait for it.
    pub walk_step_count: u64,
    /// See there.
    pub walk_step_us_max: u64,
}

/// What is counted since the start. All of it only grows but for what the state holds.
#[derive(Debug)]
pub struct Meters {
    accepted: AtomicU64,
    rejected: AtomicU64,
    repeated: AtomicU64,
    answered: AtomicU64,
    due: AtomicU64,
    batches: AtomicU64,
    sequence: AtomicU64,
    orders_total: AtomicU64,
    orders_open: AtomicU64,
    reservations: AtomicU64,
    sessions: AtomicU64,
    keys_horizon_us: AtomicI64,
    rejects: [AtomicU64; REJECT_CODES],
    latency: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_sum_us: AtomicU64,
}

impl Default for Meters {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            accepted: zero(),
            rejected: zero(),
            repeated: zero(),
            answered: zero(),
            due: zero(),
            batches: zero(),
            sequence: zero(),
            orders_total: zero(),
            orders_open: zero(),
            reservations: zero(),
            sessions: zero(),
            keys_horizon_us: AtomicI64::new(0),
            rejects: std::array::from_fn(|_| zero()),
            latency: std::array::from_fn(|_| zero()),
            latency_sum_us: zero(),
        }
    }
}

/// A look at the [`Meters`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Commands that became events.
    pub accepted: u64,
    /// Commands refused by the engine.
    pub rejected: u64,
    /// Commands that had been accepted before.
    pub repeated: u64,
    /// Queries answered by the engine.
    pub answered: u64,
    /// Events that the core made by itself.
    pub due: u64,
    /// Batches appended to the journal.
    pub batches: u64,
    /// The newest sequence decided.
    pub sequence: u64,
    /// Orders in memory.
    pub orders_total: u64,
    /// Of them: pending or confirmed.
    pub orders_open: u64,
    /// Reservations in memory.
    pub reservations: u64,
    /// Sessions remembered.
    pub sessions: u64,
    /// Refusals by their codes, of which there were any.
    pub rejects: Vec<(RejectCode, u64)>,
    /// Answers by how long they took from the front's door back to it, durable: one count for each of
    /// [`LATENCY_BOUNDS_US`], and one for what took longer. An answer here is a batch of commands.
    pub latency: Vec<u64>,
    /// The sum of those times, in microseconds.
    pub latency_sum_us: u64,
}

impl Reading {
    /// The upper bound, in microseconds, of the bucket that this share of the answers (0 to 1) stays within; 0: there is none.
    pub fn latency_us(&self, share: f64) -> u64 {
        let count: u64 = self.latency.iter().sum();
        let wanted = (share * count as f64).ceil() as u64;
        let mut seen = 0;
        for (index, &in_bucket) in self.latency.iter().enumerate() {
            seen += in_bucket;
            if seen >= wanted && seen > 0 {
                return LATENCY_BOUNDS_US.get(index).copied().unwrap_or(u64::MAX);
            }
        }
        0
    }
}

impl Meters {
    /// The engine's side: everything that it has counted, once a turn.
    pub(crate) fn publish(&self, stats: &EngineStats, counts: &Counts, sequence: u64) {
        self.accepted.store(stats.accepted_count, Relaxed);
        self.rejected.store(stats.rejected_count, Relaxed);
        self.repeated.store(stats.repeated_count, Relaxed);
        self.answered.store(stats.answered_count, Relaxed);
        self.due.store(stats.due_count, Relaxed);
        self.batches.store(stats.batch_count, Relaxed);
        self.sequence.store(sequence, Relaxed);
        self.orders_total.store(counts.orders_total, Relaxed);
        self.orders_open.store(counts.orders_open, Relaxed);
        self.reservations.store(counts.reservations, Relaxed);
        self.sessions.store(counts.sessions.into(), Relaxed);
        self.keys_horizon_us.store(counts.keys_horizon_us, Relaxed);
    }

    /// The engine's side: a command was refused.
    #[cold]
    pub(crate) fn refused(&self, code: RejectCode) {
        if let Some(count) = self.rejects.get(code as usize) {
            // Only the engine's thread writes.
            count.store(count.load(Relaxed) + 1, Relaxed);
        }
    }

    /// A front's side: when the newest accepted keyed request was recorded that is no longer known, in microseconds since 1970;
    /// 0: all are known.
    pub fn keys_horizon_us(&self) -> i64 {
        self.keys_horizon_us.load(Relaxed)
    }

    /// A front's side: an answer took this long from the door back to it, durable.
    pub fn took(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_US.partition_point(|&bound| bound < us);
        self.latency[bucket].fetch_add(1, Relaxed);
        self.latency_sum_us.fetch_add(us, Relaxed);
    }

    /// Looks.
    pub fn read(&self) -> Reading {
        let of = |count: &AtomicU64| count.load(Relaxed);
        let rejects = RejectCode::ALL.iter().filter_map(|&code| {
            let count = of(self.rejects.get(code as usize)?);
            (count > 0).then_some((code, count))
        });
        Reading {
            accepted: of(&self.accepted),
            rejected: of(&self.rejected),
            repeated: of(&self.repeated),
            answered: of(&self.answered),
            due: of(&self.due),
            batches: of(&self.batches),
            sequence: of(&self.sequence),
            orders_total: of(&self.orders_total),
            orders_open: of(&self.orders_open),
            reservations: of(&self.reservations),
            sessions: of(&self.sessions),
            rejects: rejects.collect(),
            latency: self.latency.iter().map(of).collect(),
            latency_sum_us: of(&self.latency_sum_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_meter_and_bounds_rise() {
        assert!(RejectCode::ALL.iter().all(|&code| (code as usize) < REJECT_CODES));
        assert!(LATENCY_BOUNDS_US.is_sorted());
    }

    #[test]
    fn latencies_fall_into_their_buckets() {
        let meters = Meters::default();
        assert_eq!(meters.read().latency_us(0.5), 0);
        for us in [1, 32, 33, 1_000, 60_000_000] {
            meters.took(Duration::from_micros(us));
        }
        let reading = meters.read();
        assert_eq!((reading.latency[0], reading.latency[1], reading.latency[32]), (2, 1, 1));
        assert_eq!(
            (reading.latency_us(0.2), reading.latency_us(0.5), reading.latency_us(0.8)),
            (32, 48, 1_024)
        );
        assert_eq!((reading.latency_us(1.0), reading.latency_sum_us), (u64::MAX, 60_001_066));
    }
}
