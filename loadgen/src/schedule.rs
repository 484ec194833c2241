//! When orders are meant to start.

/// An open-loop schedule with constant spacing: order `n` is meant to start `n / rate` seconds after the first,
/// whatever became of the orders before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// Picoseconds, so that no rate drifts by more than one part in a million, at any rate up to a billion.
    interval_ps: u64,
}

impl Schedule {
    /// # Panics
    /// If the rate is not a positive number; the options were checked before.
    pub(crate) fn new(orders_per_second: f64) -> Self {
        assert!(orders_per_second > 0.0, "a rate of {orders_per_second} has no schedule");
        Self { interval_ps: ((1e12 / orders_per_second) as u64).max(1) }
    }

    /// The intended start of the order with this index, in nanoseconds after the run's beginning.
    #[inline]
    pub(crate) fn start_ns(&self, index: u64) -> u64 {
        (u128::from(index) * u128::from(self.interval_ps) / 1_000) as u64
    }

    /// How many orders are meant to have started at this time, in nanoseconds after the run's beginning.
    #[inline]
    pub(crate) fn due(&self, now_ns: u64) -> u64 {
        (((u128::from(now_ns) + 1) * 1_000 - 1) / u128::from(self.interval_ps)) as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_start_evenly_and_do_not_drift() {
        let schedule = Schedule::new(100_000.0);
        assert_eq!((schedule.start_ns(0), schedule.start_ns(1), schedule.start_ns(7)), (0, 10_000, 70_000));
        let hour_ns = 3_600 * 1_000_000_000;
        for rate in [0.1, 3.0, 7_777.0, 333_333.3] {
            let due = Schedule::new(rate).due(hour_ns) as f64;
            let meant = rate * 3_600.0;
            assert!((due - meant).abs() <= 1.0 + meant / 1e6, "{due} orders in an hour at {rate}/s");
        }
    }

    #[test]
    fn due_counts_exactly_what_has_started() {
        for rate in [1.0, 3.0, 999_999.0, 7_000_001.0] {
            let schedule = Schedule::new(rate);
            for now_ns in (0..5_000).chain(1_999_999_900..2_000_000_100) {
                let due = schedule.due(now_ns);
                assert!(schedule.start_ns(due - 1) <= now_ns, "{rate} {now_ns}");
                assert!(schedule.start_ns(due) > now_ns, "{rate} {now_ns}");
            }
        }
    }
}
