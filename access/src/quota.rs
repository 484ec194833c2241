//! Quotas: how many commands a bearer may bring in a second, over all connections and fronts together.

use std::sync::atomic::{AtomicI64, Ordering};

const SECOND_NS: i64 = 1_000_000_000;

/// A bucket of commands that fills at a steady rate and holds what a second brings. The time is handed in; any number
/// of threads may take from it at once, and none waits.
#[derive(Debug)]
pub struct Quota {
    commands_per_s_max: u32,
    /// When the bucket would be full again, in nanoseconds: behind the time now by what is missing from it.
    full_at_ns: AtomicI64,
}

impl Quota {
    /// A full bucket. 0: no bound.
    pub fn new(commands_per_s_max: u32) -> Self {
        Self { commands_per_s_max, full_at_ns: AtomicI64::new(i64::MIN) }
    }

    /// Commands a second; 0: no bound.
    pub fn commands_per_s_max(&self) -> u32 {
        self.commands_per_s_max
    }

    /// Takes up to so many commands out of the bucket, and says how many. Times are microseconds of one clock.
    pub fn take(&self, wanted: u32, now_us: i64) -> u32 {
        if self.commands_per_s_max == 0 || wanted == 0 {
            return wanted;
        }
        let now_ns = now_us.saturating_mul(1_000);
        let mut taken = 0;
        let _ = self.full_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at_ns| {
            let missing_ns = full_at_ns.saturating_sub(now_ns).max(0);
            let left_ns = (SECOND_NS - missing_ns).max(0);
            let left = left_ns as i128 * i128::from(self.commands_per_s_max) / i128::from(SECOND_NS);
            taken = wanted.min(left as u32);
            Some(now_ns.saturating_add(missing_ns).saturating_add(self.cost_ns(taken)))
        });
        taken
    }

    /// Microseconds after which there will be a command in the bucket; 0: there is one now.
    pub fn wait_us(&self, now_us: i64) -> u64 {
        if self.commands_per_s_max == 0 {
            return 0;
        }
        let missing_ns = self.full_at_ns.load(Ordering::Relaxed).saturating_sub(now_us.saturating_mul(1_000));
        let short_ns = missing_ns.max(0) + self.cost_ns(1) - SECOND_NS;
        (short_ns.max(0) as u64).div_ceil(1_000)
    }

    fn cost_ns(&self, count: u32) -> i64 {
        // Rounded up: nobody gains by taking one at a time.
        let rate = i128::from(self.commands_per_s_max);
        ((i128::from(count) * i128::from(SECOND_NS) + rate - 1) / rate) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 1_800_000_000_000_000;

    #[test]
    fn a_second_brings_as_many_as_it_says_and_no_more_are_saved_up() {
        let quota = Quota::new(100);
        assert_eq!((quota.take(60, NOW_US), quota.take(60, NOW_US), quota.take(1, NOW_US)), (60, 40, 0));
        assert_eq!(quota.wait_us(NOW_US), 10_000);
        assert_eq!(quota.take(9, NOW_US + 9_999), 0);
        assert_eq!(quota.take(9, NOW_US + 10_000), 1);
        assert_eq!(quota.take(900, NOW_US + 3_600_000_000), 100, "an hour saves nothing up");
        assert_eq!(quota.wait_us(NOW_US + 3_601_000_000), 0);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let quota = Quota::new(10);
        assert_eq!(quota.take(10, NOW_US), 10);
        assert_eq!(quota.take(10, NOW_US - 5_000_000), 0);
        assert_eq!(quota.take(10, NOW_US + 1_000_000), 10);
    }

    #[test]
    fn any_rate_adds_up() {
        assert_eq!(Quota::new(0).take(u32::MAX, NOW_US), u32::MAX);
        assert_eq!(Quota::new(0).wait_us(NOW_US), 0);
        for rate in [1, 3, 7, 999, 1_000_003, u32::MAX] {
            let quota = Quota::new(rate);
            assert_eq!(quota.take(u32::MAX, NOW_US), rate, "{rate}");
            let mut over_10_s: u64 = 0;
            for step in 1..=1_000 {
                over_10_s += u64::from(quota.take(u32::MAX, NOW_US + step * 10_000));
            }
            let expected = 10 * u64::from(rate);
            assert!((expected - expected / 100 - 1..=expected).contains(&over_10_s), "{rate}: {over_10_s}");
        }
    }
}
