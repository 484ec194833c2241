//! Counting answers and their latencies.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use orderline_protocol::RejectCode;
use orderline_protocol::command::CommandKind;

use crate::report::{LatencyUs, micros};

/// Latencies are kept up to so many nanoseconds (an hour); longer ones count as this long. The maximum is exact.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

/// Reject codes are numbered below this; whatever a newer server sends beyond is counted together.
const CODES: usize = 128;

/// Counts of answers, and their latencies.
pub(crate) struct Tally {
    /// Orders accepted.
    pub(crate) acked: u64,
    /// Orders refused.
    pub(crate) rejected: u64,
    /// SKUs whose availability was told.
    looked_up: u64,
    by_code: CodeCounts,
    /// Since the last interval's end. Merged into the totals then, so that each answer is recorded once.
    interval: Histogram<u64>,
    interval_refused: Histogram<u64>,
    /// Of all answers, and of those that accepted something (or told what was asked).
    total: Histogram<u64>,
    total_accepted: Histogram<u64>,
    max_ns: u64,
    accepted_max_ns: u64,
    /// Answers come in batches that share their times, so equal latencies are recorded together: nanoseconds, answers,
    /// and whether they refuse.
    pending: (u64, u64, bool),
    /// Accepted orders that are answered within this are in time.
    deadline_ns: u64,
    in_time: u64,
}

impl Tally {
    /// A tally of answers that are in time up to a latency in nanoseconds.
    pub(crate) fn new(deadline_ns: u64) -> Self {
        Self {
            acked: 0,
            rejected: 0,
            looked_up: 0,
            by_code: CodeCounts::default(),
            interval: histogram(),
            interval_refused: histogram(),
            total: histogram(),
            total_accepted: histogram(),
            max_ns: 0,
            accepted_max_ns: 0,
            pending: (0, 0, false),
            deadline_ns,
            in_time: 0,
        }
    }

    /// Orders accepted in time.
    pub(crate) fn in_time(&self) -> u64 {
        self.in_time
    }

    /// Orders refused because the server had too much to do.
    pub(crate) fn busy(&self) -> u64 {
        self.by_code.of(RejectCode::Busy)
    }

    /// Orders answered, and SKUs whose availability was told.
    pub(crate) fn answered(&self) -> u64 {
        self.acked + self.rejected + self.looked_up
    }

    #[inline]
    pub(crate) fn accepted(&mut self, latency_ns: u64) {
        self.acked += 1;
        self.in_time += u64::from(latency_ns <= self.deadline_ns);
        self.record(latency_ns, false);
    }

    #[inline]
    pub(crate) fn refused(&mut self, code: u16, latency_ns: u64) {
        self.rejected += 1;
        self.by_code.count(code);
        self.record(latency_ns, true);
    }

    /// Takes note of a query that was answered about so many SKUs.
    #[inline]
    pub(crate) fn looked_up(&mut self, skus: u64, latency_ns: u64) {
        self.looked_up += skus;
        self.record(latency_ns, false);
    }

    #[inline]
    fn record(&mut self, latency_ns: u64, is_refused: bool) {
        if (self.pending.0, self.pending.2) == (latency_ns, is_refused) {
            self.pending.1 += 1;
        } else {
            self.settle();
            self.pending = (latency_ns, 1, is_refused);
            self.max_ns = self.max_ns.max(latency_ns);
            if !is_refused {
                self.accepted_max_ns = self.accepted_max_ns.max(latency_ns);
            }
        }
    }

    fn settle(&mut self) {
        let (latency_ns, count, is_refused) = std::mem::take(&mut self.pending);
        if count > 0 {
            let histogram = if is_refused { &mut self.interval_refused } else { &mut self.interval };
            histogram.saturating_record_n(latency_ns.max(1), count);
        }
    }

    /// Ends an interval: its 99th percentile in microseconds.
    pub(crate) fn end_interval(&mut self) -> u64 {
        self.settle();
        // All have the same bounds, so nothing can be refused.
        let added = self.total_accepted.add(&self.interval);
        debug_assert!(added.is_ok());
        let added = self.interval.add(&self.interval_refused).and_then(|()| self.total.add(&self.interval));
        debug_assert!(added.is_ok());
        let p99_us = micros(self.interval.value_at_quantile(0.99));
        self.interval.reset();
        self.interval_refused.reset();
        p99_us
    }

    /// Latencies of the answers that accepted something.
    pub(crate) fn latency_accepted_us(&mut self) -> LatencyUs {
        self.end_interval();
        LatencyUs::of(&self.total_accepted, self.accepted_max_ns)
    }

    /// Latencies of all answers.
    pub(crate) fn latency_us(&mut self) -> LatencyUs {
        self.end_interval();
        LatencyUs::of(&self.total, self.max_ns)
    }

    /// Refused orders by the reject code's name.
    pub(crate) fn rejected_by_code(&self) -> BTreeMap<&'static str, u64> {
        self.by_code.by_name()
    }
}

/// Refusals by their code.
#[derive(Debug)]
pub(crate) struct CodeCounts([u64; CODES]);

impl Default for CodeCounts {
    fn default() -> Self {
        Self([0; CODES])
    }
}

impl CodeCounts {
    #[inline]
    pub(crate) fn count(&mut self, code: u16) {
        let code = usize::from(code);
        self.0[if code < CODES { code } else { 0 }] += 1;
    }

    /// All of them.
    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those with this code.
    pub(crate) fn of(&self, code: RejectCode) -> u64 {
        self.0[code as usize]
    }

    /// Those that there were, by the code's name.
    pub(crate) fn by_name(&self) -> BTreeMap<&'static str, u64> {
        let name = |number: usize| {
            RejectCode::from_number(number as u16).map_or("a code unknown to this program", RejectCode::name)
        };
        let mut by_name = BTreeMap::new();
        for (number, &count) in self.0.iter().enumerate().filter(|&(_, &count)| count > 0) {
            *by_name.entry(name(number)).or_insert(0) += count;
        }
        by_name
    }
}

/// Answers by the kind of their command.
#[derive(Debug)]
pub(crate) struct KindCounts([u64; u8::MAX as usize + 1]);

impl Default for KindCounts {
    fn default() -> Self {
        Self([0; u8::MAX as usize + 1])
    }
}

impl KindCounts {
    #[inline]
    pub(crate) fn count(&mut self, kind: CommandKind) {
        self.0[kind as usize] += 1;
    }

    /// All of them.
    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those that there were, by the kind's name.
    pub(crate) fn by_name(&self) -> BTreeMap<&'static str, u64> {
        let counts = CommandKind::TABLE.iter().map(|&(number, name, ..)| (name, self.0[usize::from(number)]));
        counts.filter(|&(_, count)| count > 0).collect()
    }
}

/// Latencies alone, for what is counted elsewhere.
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
    max_ns: u64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { histogram: histogram(), max_ns: 0 }
    }

    pub(crate) fn record(&mut self, latency_ns: u64) {
        self.histogram.saturating_record(latency_ns.max(1));
        self.max_ns = self.max_ns.max(latency_ns);
    }

    pub(crate) fn latency_us(&self) -> LatencyUs {
        LatencyUs::of(&self.histogram, self.max_ns)
    }
}

fn histogram() -> Histogram<u64> {
    // Constants that the histogram takes: 3 significant digits between 1 ns and an hour.
    match Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3) {
        Ok(histogram) => histogram,
        Err(error) => unreachable!("the histogram's bounds are constants: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_counts_once_and_percentiles_are_of_all() {
        let mut tally = Tally::new(u64::MAX);
        for us in 1..=1_000_u64 {
            tally.accepted(us * 1_000);
            if us % 100 == 0 {
                tally.end_interval();
            }
        }
        let latency_us = tally.latency_us();
        assert_eq!((tally.acked, tally.total.len()), (1_000, 1_000));
        assert_eq!(latency_us.max, 1_000);
        for (found, exact) in [(latency_us.p50, 500), (latency_us.p90, 900), (latency_us.p99, 990)] {
            assert!(found.abs_diff(exact) <= 1, "{found} for {exact}");
        }
        assert_eq!(tally.latency_us(), latency_us, "asking changes nothing");
    }

    #[test]
    fn equal_latencies_recorded_together_weigh_what_they_should() {
        let mut tally = Tally::new(u64::MAX);
        for _ in 0..989 {
            tally.accepted(50_000);
        }
        for _ in 0..11 {
            tally.accepted(7_000_000);
        }
        let latency_us = tally.latency_us();
        assert_eq!((latency_us.p50, latency_us.p90), (50, 50));
        assert!(latency_us.p99.abs_diff(7_000) <= 7, "{latency_us:?}");
        assert_eq!(latency_us.max, 7_000);
    }

    #[test]
    fn the_maximum_is_exact_beyond_what_the_histogram_holds() {
        let mut tally = Tally::new(u64::MAX);
        tally.accepted(LATENCY_NS_MAX * 2 + 1_000);
        tally.accepted(0);
        assert_eq!(tally.latency_us().max, LATENCY_NS_MAX * 2 / 1_000 + 1);
        assert_eq!(tally.total.len(), 2);
    }

    #[test]
    fn refusals_are_counted_by_name_and_unknown_ones_not_lost() {
        let mut tally = Tally::new(u64::MAX);
        for code in [51, 51, 71, 127, 128, u16::MAX] {
            tally.refused(code, 1_000);
        }
        let by_code = tally.rejected_by_code();
        assert_eq!((by_code["InsufficientStock"], by_code["Busy"]), (2, 1));
        assert_eq!(by_code.values().sum::<u64>(), tally.rejected);
        assert_eq!((tally.rejected, tally.answered(), tally.by_code.sum()), (6, 6, 6));
    }

    #[test]
    fn answers_are_counted_by_the_name_of_what_was_asked() {
        let mut kinds = KindCounts::default();
        for &kind in CommandKind::ALL {
            kinds.count(kind);
        }
        kinds.count(CommandKind::QuerySettings);
        let by_name = kinds.by_name();
        assert_eq!((by_name["PlaceOrder"], by_name["QuerySettings"]), (1, 2));
        assert_eq!(by_name.values().sum::<u64>(), kinds.sum());
    }
}
