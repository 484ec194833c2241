//! Giving way: the read models' threads run where nobody else wants to, and rest where somebody does.
//!
//! The lowest priority alone is not enough. A kernel that preempts lazily lets a thread of it run on until the next tick while
//! one that decides orders waits behind it; at full load that took a fifth of the orders a second. So the follower asks the
//! system how long it had to wait for a processor itself, which tells that others want one, and then rests.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// Records that the thread follows before it looks whether others wait.
const LOOK_EVERY_RECORDS: u64 = 1_000;

/// Others want processors if the thread has waited for this part of what it ran.
const CROWDED_PART: u64 = 4;

/// Records that are then followed in a second at most. Fewer than come at full load, so that deciding goes first and the read
/// models lag until there is room; more than come on most days.
const CROWDED_RECORDS_PER_S: u64 = 150_000;

/// The same where even more come, so that the read models lag at either pace, and what they take is taken from the orders for
/// little. They still go on: searches of what is older stay answered, and begin where they were once there is room.
const FLOODED_RECORDS_PER_S: u64 = 40_000;

/// For how long what comes is counted, so that what had to wait for a moment and then comes at once is no flood: within half a second it
/// was one at 100,000 orders a second, and searches lagged by 280 ms then.
const FLOOD_WINDOW: Duration = Duration::from_secs(2);

/// The longest rest: the end of the process does not wait for more.
const REST_MAX: Duration = Duration::from_millis(100);

/// Lets every other thread go first. Where the system does not allow it, the thread runs all the same.
pub(crate) fn give_way() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
}

/// Whether more comes than can be followed while others want processors, from one window to the next.
struct Inflow {
    since: Instant,
    /// The newest durable sequence then.
    durable: u64,
    is_flood: bool,
}

impl Inflow {
    /// Takes note of the newest durable sequence; whether it is a flood.
    fn note(&mut self, now: Instant, durable: u64) -> bool {
        let passed = now.duration_since(self.since);
        if passed >= FLOOD_WINDOW {
            let came = u128::from(durable - self.durable) * 1_000_000_000;
            self.is_flood = came > u128::from(CROWDED_RECORDS_PER_S) * passed.as_nanos();
            (self.since, self.durable) = (now, durable);
        }
        self.is_flood
    }
}

/// The pace of the thread that made it.
pub(crate) struct Pace {
    /// What the system counts of the thread; nothing where it does not, and the thread then never rests.
    counts: Option<File>,
    ran_ns: u64,
    waited_ns: u64,
    /// The last look, and records followed since.
    looked: Instant,
    record_count: u64,
    inflow: Inflow,
}

impl Pace {
    /// Of this thread; `durable` is the newest durable sequence.
    pub(crate) fn of_this_thread(durable: u64) -> Self {
        let counts = File::open("/proc/thread-self/schedstat").ok();
        let looked = Instant::now();
        let inflow = Inflow { since: looked, durable, is_flood: false };
        let mut pace = Self { counts, ran_ns: 0, waited_ns: 0, looked, record_count: 0, inflow };
        (pace.ran_ns, pace.waited_ns) = pace.counted().unwrap_or_default();
        pace
    }

    /// Nanoseconds for which the thread ran, and for which it could have and no processor was free.
    fn counted(&self) -> Option<(u64, u64)> {
        let mut bytes = [0; 64];
        let length = self.counts.as_ref()?.read_at(&mut bytes, 0).ok()?;
        let mut numbers = std::str::from_utf8(&bytes[..length]).ok()?.split_ascii_whitespace();
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }

    /// Counts records that were followed, and rests if they were many and others want processors. `durable` is the newest durable
    /// sequence, which never falls.
    pub(crate) fn keep(&mut self, record_count: u64, durable: u64) {
        self.record_count += record_count;
        if self.record_count < LOOK_EVERY_RECORDS {
            return;
        }
        let Some((ran_ns, waited_ns)) = self.counted() else { return };
        let is_flood = self.inflow.note(Instant::now(), durable);
        if (waited_ns - self.waited_ns) * CROWDED_PART > ran_ns - self.ran_ns {
            let most_per_s = if is_flood { FLOODED_RECORDS_PER_S } else { CROWDED_RECORDS_PER_S };
            let due = Duration::from_nanos(self.record_count * 1_000_000_000 / most_per_s);
            std::thread::sleep(due.saturating_sub(self.looked.elapsed()).min(REST_MAX));
        }
        (self.ran_ns, self.waited_ns) = (ran_ns, waited_ns);
        (self.looked, self.record_count) = (Instant::now(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_what_comes_faster_than_is_followed_for_a_whole_window() {
        let begin = Instant::now();
        let mut inflow = Inflow { since: begin, durable: 1_000, is_flood: false };
        let mut at = |ms: u64, durable: u64| inflow.note(begin + Duration::from_millis(ms), durable);
        let window_ms = FLOOD_WINDOW.as_millis() as u64;
        let followed = CROWDED_RECORDS_PER_S * window_ms / 1_000;
        assert!(!at(window_ms / 2, 10_000_000), "a burst is no flood");
        assert!(!at(window_ms, 1_000 + followed), "so much is followed");
        assert!(at(2 * window_ms, 1_000 + 2 * followed + 1), "more is not");
        assert!(at(2 * window_ms + 1, 1_000 + 2 * followed + 1), "it stays so until the next window is over");
        assert!(!at(3 * window_ms, 1_000 + 2 * followed + 1));
    }
}
