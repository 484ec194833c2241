//! The state hash: equal states have equal hashes, whatever path led to them.
//!
//! Each entity is written out in full (ids and handles, never places in memory), hashed with XXH3-128, and the hashes
//! are added up. A sum does not ask for an order, so a state that a snapshot restored and one that replay built
//! agree. It guards against faults and bugs, not against an adversary.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;
use zerocopy::IntoBytes;

use super::State;
use orderline_protocol::SkuHandle;

/// A hash of everything that a state holds. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateHash(pub u128);

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Adds up the hashes of entities.
#[derive(Default)]
pub(super) struct Sum {
    total: u128,
    bytes: Vec<u8>,
}

impl Sum {
    /// Adds one entity: its kind, then all that `write` appends.
    pub(super) fn add(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.clear();
        self.bytes.push(kind);
        write(&mut self.bytes);
        self.add_hash(xxh3_128(&self.bytes));
    }

    /// Adds the hash of an entity that was hashed piece by piece, its kind first.
    pub(super) fn add_hash(&mut self, hash: u128) {
        self.total = self.total.wrapping_add(hash);
    }

    pub(super) fn total(&self) -> u128 {
        self.total
    }
}

impl State {
    /// The hash of this state. Reads all of it: about 0.1 us an order.
    pub fn hash(&self) -> StateHash {
        let mut sum = Sum::default();
        self.add_small_hashes(&mut sum);
        self.catalogue.add_hashes(&mut sum);
        for handle in (0..self.catalogue.sku_count() as u32).map(SkuHandle::new) {
            let Some(sku) = self.catalogue.sku(handle) else { continue };
            self.stock.add_hashes(handle, sku, &mut sum);
        }
        sum.add_hash(self.stock.movements.ring.hash());
        self.orders.iter().for_each(|slot| self.orders.add_hash(slot, &mut sum));
        self.reservations.iter().for_each(|reservation| reservation.add_hash(&mut sum));
        sum.add_hash(self.finished.hash());
        self.groups.iter().for_each(|group| group.add_hash(&mut sum));
        self.ledgers.add_hashes(&mut sum);
        self.sessions.iter().for_each(|session| session.add_hash(&mut sum));
        sum.add_hash(self.keys.ring.hash());
        StateHash(sum.total())
    }

    /// Adds the hashes of what is small enough to be looked at in one breath.
    pub(super) fn add_small_hashes(&self, sum: &mut Sum) {
        sum.add(0, |out| out.extend_from_slice(&self.sequence.to_le_bytes()));
        sum.add(7, |out| {
            out.extend_from_slice(&self.settings.version.to_le_bytes());
            out.extend_from_slice(self.settings.policy.as_bytes());
            self.settings.sourcing().for_each(|rules| out.extend_from_slice(rules.as_bytes()));
            out.extend_from_slice(&self.keys.horizon_us.to_le_bytes());
        });
        for (sku, location) in &self.stock.unnamed_shortages {
            sum.add(13, |out| {
                out.extend_from_slice(sku.as_bytes());
                out.extend_from_slice(location.as_bytes());
            });
        }
    }
}

/// Appends the bytes that a snapshot has of it.
pub(super) fn put<T: serde::Serialize>(value: &T, out: &mut Vec<u8>) {
    if let Err(error) = bincode::serde::encode_into_std_write(value, out, super::image::layout()) {
        panic!("what is in memory can be written to memory: {error}");
    }
}
