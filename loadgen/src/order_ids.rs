//! The ids of a run's orders.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use orderline_protocol::OrderId;

/// A run's order ids: ULIDs of the time at which it began, their 80 random bits counted up from a random base.
///
/// The base owes nothing to the run's seed: two runs with one seed send the same orders under different ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrderIds {
    unix_ms: u64,
    base: u128,
}

impl OrderIds {
    /// Ids that no other run has.
    pub(crate) fn random() -> Self {
        let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        // The keys of the standard hasher are the one source of the system's randomness that needs no crate.
        let random = || u128::from(RandomState::new().build_hasher().finish());
        Self { unix_ms, base: random() << 64 | random() }
    }

    /// The id of the order with this index.
    pub(crate) fn nth(&self, index: u64) -> OrderId {
        OrderId::from_parts(self.unix_ms, self.base.wrapping_add(u128::from(index)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_within_a_run_and_between_runs_and_carry_the_time() {
        let before_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let (one, other) = (OrderIds::random(), OrderIds::random());
        let ids: HashSet<u128> =
            (0..10_000).flat_map(|index| [one.nth(index).get(), other.nth(index).get()]).collect();
        assert_eq!(ids.len(), 20_000);
        assert!(one.nth(0).unix_ms() >= before_ms);
    }

    #[test]
    fn counting_past_eighty_bits_keeps_the_time() {
        let ids = OrderIds { unix_ms: 5, base: u128::MAX };
        assert_eq!((ids.nth(0).unix_ms(), ids.nth(1).unix_ms()), (5, 5));
        assert_ne!(ids.nth(0), ids.nth(1));
    }
}
