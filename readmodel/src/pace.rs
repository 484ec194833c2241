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

/// The longest rest: the end of the process does not wait for more.
const REST_MAX: Duration = Duration::from_millis(100);

/// Lets every other thread go first. Where the system does not allow it, the thread runs all the same.
pub(crate) fn give_way() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
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
}

impl Pace {
    /// Of this thread.
    pub(crate) fn of_this_thread() -> Self {
        let counts = File::open("/proc/thread-self/schedstat").ok();
        let mut pace = Self { counts, ran_ns: 0, waited_ns: 0, looked: Instant::now(), record_count: 0 };
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

    /// Counts records that were followed, and rests if they were many and others want processors.
    pub(crate) fn keep(&mut self, record_count: u64) {
        self.record_count += record_count;
        if self.record_count < LOOK_EVERY_RECORDS {
            return;
        }
        let Some((ran_ns, waited_ns)) = self.counted() else { return };
        if (waited_ns - self.waited_ns) * CROWDED_PART > ran_ns - self.ran_ns {
            let due = Duration::from_nanos(self.record_count * 1_000_000_000 / CROWDED_RECORDS_PER_S);
            std::thread::sleep(due.saturating_sub(self.looked.elapsed()).min(REST_MAX));
        }
        (self.ran_ns, self.waited_ns) = (ran_ns, waited_ns);
        (self.looked, self.record_count) = (Instant::now(), 0);
    }
}
