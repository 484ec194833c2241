//! The sellers' ledgers: what came in for each seller and currency, and how far it is on its way to the seller. Entries are
//! events of the journal; here are their sums and their count.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use orderline_protocol::{CurrencyCode, EntryKind, SellerHandle};
use serde::{Deserialize, Serialize};

use super::apply::next_version;
use super::frozen::Pieces;
use super::hash::{Sum, put};

/// One seller's ledger in one currency, in minor units.
/// `sales - commissions - refunds + reversals = accrued + payable + paid`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    pub(crate) entry_count: u64,
    pub(crate) sales: i64,
    pub(crate) commissions: i64,
    pub(crate) refunds: i64,
    pub(crate) reversals: i64,
    /// Of orders that are not finished.
    pub(crate) accrued: i64,
    /// Of finished orders; below zero: the seller owes.
    pub(crate) payable: i64,
    pub(crate) paid: i64,
    /// How often it has changed.
    pub(crate) version: u32,
}

impl Ledger {
    /// Makes an entry, of an amount that is never below zero. What one about an order comes to is accrued while the order is
    /// open, payable once it is finished; a payout lowers what is payable. An entry of nothing is not made.
    pub(crate) fn book(&mut self, entry: EntryKind, amount: i64, is_open: bool) {
        if amount == 0 {
            return;
        }
        self.entry_count += 1;
        self.version = next_version(self.version);
        // Deciding has kept the sales within their type, and everything else is a part of them.
        *match entry {
            EntryKind::Sale => &mut self.sales,
            EntryKind::Commission => &mut self.commissions,
            EntryKind::Refund => &mut self.refunds,
            EntryKind::Reversal => &mut self.reversals,
            EntryKind::Payout => &mut self.paid,
        } += amount;
        *(if is_open { &mut self.accrued } else { &mut self.payable }) += entry.signed(amount);
    }

    /// An order finished: what was accrued of it is payable. No entry, for nothing comes in or goes out.
    pub(crate) fn finish(&mut self, net: i64) {
        self.version = next_version(self.version);
        self.accrued -= net;
        self.payable += net;
    }
}

/// All ledgers.
#[derive(Default)]
pub(crate) struct Ledgers {
    ledgers: BTreeMap<Key, Ledger>,
    /// While a snapshot is made: what it still needs.
    frozen: Option<Box<FrozenLedgers>>,
}

/// Seller and currency.
type Key = (u32, u16);

/// What a snapshot that is being made still needs of the ledgers.
#[derive(Default)]
struct FrozenLedgers {
    /// The last one that was walked.
    walked: Option<Key>,
    /// Behind that: written before they changed, or come to be later.
    done: BTreeSet<Key>,
    pieces: Pieces,
    sum: Sum,
}

impl Ledgers {
    /// A seller's ledger: all zeros before its first entry.
    pub(crate) fn get(&self, seller: SellerHandle, currency: CurrencyCode) -> Ledger {
        self.ledgers.get(&(seller.get(), currency.get())).copied().unwrap_or_default()
    }

    pub(crate) fn get_mut(&mut self, seller: SellerHandle, currency: CurrencyCode) -> &mut Ledger {
        let key = (seller.get(), currency.get());
        self.keep(key);
        self.ledgers.entry(key).or_default()
    }

    /// Whatever changes a ledger comes through here first: a snapshot under way may still need it as it is.
    fn keep(&mut self, key: Key) {
        let Some(frozen) = &mut self.frozen else { return };
        let is_needed = frozen.walked.is_none_or(|walked| key > walked) && frozen.done.insert(key);
        if let Some(ledger) = self.ledgers.get(&key).filter(|_| is_needed) {
            put_image(key, ledger, frozen.pieces.out(), &mut frozen.sum);
        }
    }

    /// Begins a snapshot: a list of ledgers, its length first.
    pub(crate) fn freeze(&mut self) {
        let mut frozen = Box::<FrozenLedgers>::default();
        put(&(self.ledgers.len() as u64), frozen.pieces.out());
        self.frozen = Some(frozen);
    }

    /// Forgets the snapshot under way.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// Writes more of the snapshot under way, about up to so many bytes. Returns the sum of all hashes at its end.
    pub(crate) fn walk(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Option<u128> {
        let frozen = self.frozen.as_mut()?;
        if frozen.pieces.take(out) {
            return None;
        }
        let from = frozen.walked.map_or(Bound::Unbounded, Bound::Excluded);
        for (&key, ledger) in self.ledgers.range((from, Bound::Unbounded)) {
            if out.len() >= bytes_max {
                return None;
            }
            if !frozen.done.contains(&key) {
                put_image(key, ledger, out, &mut frozen.sum);
            }
            frozen.walked = Some(key);
        }
        let total = frozen.sum.total();
        self.frozen = None;
        Some(total)
    }

    /// Adds the hashes of all ledgers.
    pub(super) fn add_hashes(&self, sum: &mut Sum) {
        self.ledgers.iter().for_each(|(&key, ledger)| add_hash(key, ledger, sum));
    }

    /// The ledgers behind the one of a seller and currency, by those; `None`: all.
    pub(crate) fn iter_behind(
        &self,
        last: Option<(u32, u16)>,
    ) -> impl Iterator<Item = (SellerHandle, CurrencyCode, &Ledger)> {
        self.ledgers.range((last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).map(named)
    }

    /// Every ledger, by seller and currency.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SellerHandle, CurrencyCode, &Ledger)> {
        self.iter_behind(None)
    }
}

/// Writes a ledger as a snapshot keeps it.
fn put_image(key: Key, ledger: &Ledger, out: &mut Vec<u8>, sum: &mut Sum) {
    put(&(key.0, key.1, ledger), out);
    add_hash(key, ledger, sum);
}

fn add_hash(key: Key, ledger: &Ledger, sum: &mut Sum) {
    sum.add(10, |out| put(&(key.0, key.1, ledger), out));
}

fn named<'a>(
    (&(seller, currency), ledger): (&(u32, u16), &'a Ledger),
) -> (SellerHandle, CurrencyCode, &'a Ledger) {
    (SellerHandle::new(seller), CurrencyCode::new(currency), ledger)
}
