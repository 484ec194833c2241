//! The ids of a run: of its orders, groups and reservations.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use orderline_protocol::{GroupId, OrderId, ReservationId};

/// A run's ids: ULIDs of the time at which their order was (meant to be) begun, as front ends make them, their 80 random
/// bits counted up from a random base.
///
/// The bases owe nothing to the run's seed: two runs with one seed send the same orders under different ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    began_unix_ms: u64,
    orders: u128,
    groups: u128,
    reservations: u128,
}

impl Ids {
    /// Ids that no other run has.
    pub(crate) fn random() -> Self {
        let began_unix_ms =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        // The keys of the standard hasher are the one source of the system's randomness that needs no crate.
        let half = || u128::from(RandomState::new().build_hasher().finish());
        let base = || half() << 64 | half();
        Self { began_unix_ms, orders: base(), groups: base(), reservations: base() }
    }

    /// The id of the order with this index, begun so many nanoseconds after the run.
    #[inline]
    pub(crate) fn order(&self, index: u64, start_ns: u64) -> OrderId {
        OrderId::from_parts(self.unix_ms(start_ns), self.orders.wrapping_add(u128::from(index)))
    }

    /// The ids of the orders that one start places, if each start places so many.
    #[inline]
    pub(crate) fn orders(self, start: u64, count: u32, start_ns: u64) -> impl Iterator<Item = OrderId> {
        let first = start.wrapping_mul(count.into());
        (0..count).map(move |nth| self.order(first.wrapping_add(nth.into()), start_ns))
    }

    /// The id of a start's group.
    pub(crate) fn group(&self, start: u64, start_ns: u64) -> GroupId {
        GroupId::from_parts(self.unix_ms(start_ns), self.groups.wrapping_add(u128::from(start)))
    }

    /// The id of a start's reservation.
    pub(crate) fn reservation(&self, start: u64, start_ns: u64) -> ReservationId {
        ReservationId::from_parts(self.unix_ms(start_ns), self.reservations.wrapping_add(u128::from(start)))
    }

    /// The wall clock's time so many nanoseconds after the run began, in microseconds since 1970.
    pub(crate) fn unix_us(&self, start_ns: u64) -> i64 {
        (self.began_unix_ms.wrapping_mul(1_000).wrapping_add(start_ns / 1_000)) as i64
    }

    #[inline]
    fn unix_ms(&self, start_ns: u64) -> u64 {
        // Wrapping, here and above, so that an id which nobody looks at costs nothing.
        self.began_unix_ms.wrapping_add(start_ns / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_within_a_run_and_between_runs_and_carry_the_time() {
        let before_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let (one, other) = (Ids::random(), Ids::random());
        let ids: HashSet<u128> =
            (0..10_000).flat_map(|index| [one.order(index, 0).get(), other.order(index, 0).get()]).collect();
        assert_eq!(ids.len(), 20_000);
        assert!(one.order(0, 0).unix_ms() >= before_ms);
        assert_eq!(one.order(3, 2_999_999).unix_ms() - one.order(3, 0).unix_ms(), 2);
        assert_ne!(one.group(0, 0).get(), one.reservation(0, 0).get());
    }

    #[test]
    fn counting_past_eighty_bits_keeps_the_time() {
        let ids = Ids { began_unix_ms: 5, orders: u128::MAX, groups: 0, reservations: 0 };
        assert_eq!((ids.order(0, 0).unix_ms(), ids.order(1, 0).unix_ms()), (5, 5));
        assert_ne!(ids.order(0, 0), ids.order(1, 0));
    }

    #[test]
    fn the_orders_of_different_starts_are_different() {
        let ids = Ids::random();
        let all: HashSet<_> = (0..100).flat_map(|start| ids.orders(start, 7, 0)).map(OrderId::get).collect();
        assert_eq!(all.len(), 700);
        assert_eq!(ids.orders(41, 1, 0).collect::<Vec<_>>(), [ids.order(41, 0)]);
    }
}
