//! The state hash: equal states have equal hashes, whatever path led to them.
//!
//! Each entity is written out in full (ids and handles, never places in memory), hashed with XXH3-128, and the hashes
//! are added up. A sum does not ask for an order, so a state that a snapshot restored and one that replay built
//! agree. It guards against faults and bugs, not against an adversary.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

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
        self.hash_stock(&mut sum);
        self.hash_orders(&mut sum);
        self.hash_money(&mut sum);
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
                out.extend_from_slice([handle as u32, seller.version].map(U32::new).as_bytes());
                out.extend_from_slice(seller.definition.as_bytes());
                out.extend_from_slice(code_of(&self.catalogue.seller_codes, handle as u32));
            });
        }
        for (handle, location) in self.catalogue.locations().iter().enumerate() {
            sum.add(2, |out| {
                let numbers = [handle as u32, location.version, location.day, location.taken_count];
                out.extend_from_slice(numbers.map(U32::new).as_bytes());
                out.extend_from_slice(location.definition.as_bytes());
                out.extend_from_slice(code_of(&self.catalogue.location_codes, handle as u32));
            });
        }
        for handle in 0..self.catalogue.sku_count() as u32 {
            let version = self.catalogue.sku_version(SkuHandle::new(handle)).unwrap_or(0);
            sum.add(3, |out| {
                out.extend_from_slice([handle, version].map(U32::new).as_bytes());
                out.extend_from_slice(self.catalogue.sku_definition(handle).as_bytes());
                out.extend_from_slice(code_of(&self.catalogue.sku_codes, handle));
            });
        }
        sum.add(7, |out| {
            out.extend_from_slice(&self.settings.version.to_le_bytes());
            out.extend_from_slice(self.settings.policy.as_bytes());
            self.settings.sourcing().for_each(|rules| out.extend_from_slice(rules.as_bytes()));
        });
    }

    fn hash_stock(&self, sum: &mut Sum) {
        for handle in 0..self.catalogue.sku_count() as u32 {
            let Some(sku) = self.catalogue.sku(SkuHandle::new(handle)) else { continue };
            for (row, level) in self.stock.levels(sku) {
                sum.add(4, |out| {
                    // The upper half of the handle is nothing.
                    let saved = super::stock::SavedLevel::new(SkuHandle::new(handle), row, level);
                    out.extend_from_slice(&handle.to_le_bytes());
                    out.extend_from_slice(&saved.as_bytes()[size_of::<u64>()..]);
                });
            }
        }
        sum.add(12, |out| {
            out.extend_from_slice(&self.stock.movements.count().to_le_bytes());
            self.stock.movements.iter().for_each(|movement| out.extend_from_slice(movement.as_bytes()));
        });
        for (sku, location) in &self.stock.unnamed_shortages {
            sum.add(13, |out| {
                out.extend_from_slice(sku.as_bytes());
                out.extend_from_slice(location.as_bytes());
            });
        }
    }

    fn hash_orders(&self, sum: &mut Sum) {
        for slot in self.orders.iter() {
            sum.add(5, |out| {
                out.extend_from_slice(self.orders.head(slot).for_snapshot().as_bytes());
                out.extend_from_slice(self.orders.lines(slot).as_bytes());
                if let Some(detail) = self.orders.detail(slot) {
                    put(detail, out);
                }
            });
        }
        for reservation in self.reservations.iter() {
            sum.add(9, |out| {
                out.extend_from_slice(reservation.head.as_bytes());
                out.extend_from_slice(reservation.lines.as_bytes());
                out.extend_from_slice(reservation.allocations.as_bytes());
            });
        }
        sum.add(11, |out| {
            put(&(self.finished.orders_horizon_ms, self.finished.reservations_horizon_ms), out);
            put(&self.finished.queue, out);
        });
    }

    fn hash_money(&self, sum: &mut Sum) {
        for group in self.groups.iter() {
            sum.add(8, |out| put(group, out));
        }
        for (seller, currency, ledger) in self.ledgers.iter() {
            sum.add(10, |out| put(&(seller.get(), currency.get(), ledger), out));
        }
    }
}

fn code_of(codes: &super::codes::Codes, handle: u32) -> &[u8] {
    codes.code(handle).unwrap_or_default().as_bytes()
}

/// Appends the bytes that a snapshot would have of it.
fn put<T: serde::Serialize>(value: &T, out: &mut Vec<u8>) {
    if let Err(error) = bincode::serde::encode_into_std_write(value, out, super::image::layout()) {
        panic!("what is in memory can be written to memory: {error}");
    }
}
