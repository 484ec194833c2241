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
struct Sum {
    total: u128,
    bytes: Vec<u8>,
}

impl Sum {
    /// Adds one entity: its kind, then all that `write` appends.
    fn add(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.clear();
        self.bytes.push(kind);
        write(&mut self.bytes);
        self.total = self.total.wrapping_add(xxh3_128(&self.bytes));
    }
}

impl State {
    /// The hash of this state. Reads all of it: about 0.1 us an order.
    pub fn hash(&self) -> StateHash {
        let mut sum = Sum { total: 0, bytes: Vec::new() };
        sum.add(0, |out| out.extend_from_slice(&self.sequence.to_le_bytes()));
        self.hash_catalogue(&mut sum);
        self.hash_orders(&mut sum);
        for session in self.sessions.iter() {
            sum.add(6, |out| {
                out.extend_from_slice(session.id.as_bytes());
                out.extend_from_slice(&session.last_request.to_le_bytes());
                out.extend_from_slice(&session.last_sequence.to_le_bytes());
                for (request, answer) in session.answers() {
                    out.extend_from_slice(&request.to_le_bytes());
                    out.extend_from_slice(answer.as_bytes());
                }
            });
        }
        StateHash(sum.total)
    }

    fn hash_catalogue(&self, sum: &mut Sum) {
        for (handle, seller) in self.catalogue.sellers().iter().enumerate() {
            sum.add(1, |out| {
                out.extend_from_slice(&(handle as u32).to_le_bytes());
                out.extend_from_slice(seller.as_bytes());
                out.extend_from_slice(
                    self.catalogue.seller_codes.code(handle as u32).unwrap_or("").as_bytes(),
                );
            });
        }
        for (handle, location) in self.catalogue.locations().iter().enumerate() {
            sum.add(2, |out| {
                out.extend_from_slice(&(handle as u32).to_le_bytes());
                out.extend_from_slice(location.as_bytes());
                out.extend_from_slice(
                    self.catalogue.location_codes.code(handle as u32).unwrap_or("").as_bytes(),
                );
            });
        }
        for handle in 0..self.catalogue.sku_count() as u32 {
            sum.add(3, |out| {
                out.extend_from_slice(&handle.to_le_bytes());
                out.extend_from_slice(self.catalogue.sku_definition(handle).as_bytes());
                out.extend_from_slice(self.catalogue.sku_codes.code(handle).unwrap_or("").as_bytes());
            });
            for level in self.stock.levels_of(&self.catalogue, SkuHandle::new(handle)) {
                sum.add(4, |out| {
                    out.extend_from_slice(&handle.to_le_bytes());
                    let without_place = super::stock::Level { next: 0, ..*level };
                    out.extend_from_slice(without_place.as_bytes());
                });
            }
        }
    }

    fn hash_orders(&self, sum: &mut Sum) {
        for slot in self.orders.iter() {
            sum.add(5, |out| {
                out.extend_from_slice(self.orders.head(slot).for_snapshot().as_bytes());
                out.extend_from_slice(self.orders.lines(slot).as_bytes());
                if let Some(detail) = self.orders.detail(slot) {
                    out.extend_from_slice(detail.counters.as_bytes());
                    out.extend_from_slice(detail.allocations.as_bytes());
                }
            });
        }
    }
}
