//! Timers: what expires when. Timers stand in buckets by the second in which they are due, so setting and cancelling one
//! costs the same however many there are, and a tick looks at those that are due and at no other.

use std::collections::{BTreeMap, BTreeSet};

use orderline_protocol::event::ExpiryKind;

use super::pending::PendingOrders;
use super::slab::Slab;

/// Microseconds of a second.
pub(crate) const SECOND_US: i64 = 1_000_000;

/// What a timer is for: the kind first, then the id, then the number, which is the order in which a tick lists what is
/// due in the same second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    pub(crate) kind: ExpiryKind,
    pub(crate) id: u128,
    pub(crate) number: u16,
}

/// Which timer: whoever sets one keeps this to cancel it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerSlot(u32);

impl TimerSlot {
    /// No timer.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

impl Default for TimerSlot {
    fn default() -> Self {
        Self::NONE
    }
}

struct Timer {
    key: TimerKey,
    due_s: i64,
    /// Where it stands in its bucket; [`IN_DUE`]: it is among those whose time has come.
    place: u32,
}

const IN_DUE: u32 = u32::MAX;

/// All timers. They follow from the entities that they are for, and are neither hashed nor kept in snapshots.
#[derive(Default)]
pub(crate) struct Timers {
    timers: Slab<Timer>,
    /// By the second: its timers, in no order. As many buckets as there are different seconds ahead.
    by_second: BTreeMap<i64, Vec<u32>>,
    /// Timers whose second has come, in the order in which ticks list them. Putting a second's timers into order is spread
    /// over looks, for there may be many.
    due: BTreeSet<(i64, TimerKey, u32)>,
    /// The time of pending orders, which is the same for all of them and needs no timer each.
    pub(crate) pending: PendingOrders,
}

/// The whole second, not before a time.
pub(crate) fn round_up(us: i64) -> i64 {
    us.div_euclid(SECOND_US).saturating_add(i64::from(us.rem_euclid(SECOND_US) > 0)).saturating_mul(SECOND_US)
}

/// The whole second that a recorded time lies in, as what is kept by the second counts: seconds in 32 bits without a sign
/// last until 2106.
pub(crate) fn second_of(at_us: i64) -> u32 {
    (at_us / SECOND_US) as u32
}

impl Timers {
    /// Sets a timer for a whole second; none for a time of 0.
    pub(crate) fn set(&mut self, due_us: i64, key: TimerKey) -> TimerSlot {
        if due_us == 0 {
            return TimerSlot::NONE;
        }
        let due_s = round_up(due_us) / SECOND_US;
        let bucket = self.by_second.entry(due_s).or_default();
        let index = self.timers.insert(Timer { key, due_s, place: bucket.len() as u32 });
        bucket.push(index);
        TimerSlot(index)
    }

    /// Takes a timer off, if there is one.
    pub(crate) fn cancel(&mut self, slot: TimerSlot) {
        if slot == TimerSlot::NONE {
            return;
        }
        let timer = self.timers.remove(slot.0);
        if timer.place == IN_DUE {
            self.due.remove(&(timer.due_s, timer.key, slot.0));
            return;
        }
        let Some(bucket) = self.by_second.get_mut(&timer.due_s) else {
            panic!("a timer's bucket is gone: {:?}", timer.key)
        };
        bucket.swap_remove(timer.place as usize);
        if let Some(&moved) = bucket.get(timer.place as usize) {
            self.timers.get_mut(moved).place = timer.place;
        } else if bucket.is_empty() {
            self.by_second.remove(&timer.due_s);
        }
    }

    /// When the next timer is due.
    pub(crate) fn next_due_us(&self) -> Option<i64> {
        let ahead = self.by_second.first_key_value().map(|(&second, _)| second);
        let come = self.due.first().map(|&(second, ..)| second);
        come.into_iter().chain(ahead).min().map(|second| second.saturating_mul(SECOND_US))
    }

    /// Puts timers whose time has come into order, at most `count` of them; says whether that is all.
    pub(crate) fn come_due(&mut self, now_us: i64, mut count: usize) -> bool {
        let now_s = now_us.div_euclid(SECOND_US);
        while let Some(mut entry) = self.by_second.first_entry().filter(|entry| *entry.key() <= now_s) {
            while let Some(index) = entry.get_mut().pop() {
                if count == 0 {
                    entry.get_mut().push(index);
                    return false;
                }
                count -= 1;
                let timer = self.timers.get_mut(index);
                timer.place = IN_DUE;
                self.due.insert((timer.due_s, timer.key, index));
            }
            entry.remove();
        }
        true
    }

    /// Appends the first of those that are due, each with its second, in the order of seconds and keys.
    pub(crate) fn due(&self, count_max: usize, out: &mut Vec<(i64, TimerKey)>) {
        out.extend(self.due.iter().take(count_max).map(|&(second, key, _)| (second, key)));
    }

    /// Every timer with its second, in the order of seconds and keys.
    pub(crate) fn all(&self) -> Vec<(i64, TimerKey)> {
        let of = |timer: &Timer| (timer.due_s, timer.key);
        let mut all: Vec<_> = self.timers.iter().map(of).collect();
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u128) -> TimerKey {
        TimerKey { kind: ExpiryKind::Hold, id, number: 1 }
    }

    #[test]
    fn what_is_due_comes_in_order_and_what_was_cancelled_does_not() {
        let mut timers = Timers::default();
        let slots: Vec<_> = (0..100).map(|id| timers.set(1 + (id as i64 % 7) * SECOND_US, key(id))).collect();
        for (id, slot) in slots.into_iter().enumerate() {
            if id % 3 == 0 {
                timers.cancel(slot);
            }
        }
        let none = timers.set(0, key(0));
        timers.cancel(none);
        assert_eq!(timers.next_due_us(), Some(SECOND_US));
        // A bounded part at a time, and one of those that have come is cancelled yet.
        assert!(!timers.come_due(3 * SECOND_US + 5, 10));
        while !timers.come_due(3 * SECOND_US + 5, 10) {}
        let late = timers.set(2 * SECOND_US, key(1_000));
        assert!(timers.come_due(3 * SECOND_US + 5, 10));
        timers.cancel(late);
        let expected: Vec<_> = (0..3)
            .flat_map(|second| {
                let of_second = (0..100).filter(move |id| id % 7 == second && id % 3 != 0);
                of_second.map(move |id| (second as i64 + 1, key(id)))
            })
            .collect();
        let mut due = Vec::new();
        timers.due(1_000, &mut due);
        assert_eq!(due, expected);
        let mut first = Vec::new();
        timers.due(5, &mut first);
        assert_eq!(first, expected[..5]);
        for timer in timers.due.clone() {
            timers.cancel(TimerSlot(timer.2));
        }
        assert_eq!(timers.next_due_us(), Some(4 * SECOND_US));
    }

    #[test]
    fn times_are_rounded_up_to_seconds() {
        assert_eq!(
            [round_up(1), round_up(SECOND_US), round_up(SECOND_US + 1)],
            [1, 1, 2].map(|s| s * SECOND_US)
        );
    }
}
