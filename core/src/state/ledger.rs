//! The sellers' ledgers: what came in for each seller and currency, and how far it is on its way to the seller. Entries are
//! events of the journal; here are their sums and their count.

use std::collections::BTreeMap;
use std::ops::Bound;

use orderline_protocol::{CurrencyCode, SellerHandle};
use serde::{Deserialize, Serialize};

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
}

/// What an entry is about; its amount is never below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Money was captured for the seller's order.
    Sale,
    /// The marketplace keeps its share of that.
    Commission,
    /// Money of the order went back to the buyer.
    Refund,
    /// The marketplace gives back its share of that.
    Reversal,
}

impl Ledger {
    /// Makes an entry about an order: what it comes to is accrued while the order is open, payable once it is finished.
    /// An entry of nothing is not made.
    pub(crate) fn book(&mut self, entry: Entry, amount: i64, is_open: bool) {
        if amount == 0 {
            return;
        }
        self.entry_count += 1;
        let (sum, net) = match entry {
            Entry::Sale => (&mut self.sales, amount),
            Entry::Commission => (&mut self.commissions, -amount),
            Entry::Refund => (&mut self.refunds, -amount),
            Entry::Reversal => (&mut self.reversals, amount),
        };
        // Deciding has kept the sales within their type, and everything else is a part of them.
        *sum += amount;
        *(if is_open { &mut self.accrued } else { &mut self.payable }) += net;
    }

    /// An order finished: what was accrued of it is payable. No entry, for nothing comes in or goes out.
    pub(crate) fn finish(&mut self, net: i64) {
        self.accrued -= net;
        self.payable += net;
    }

    /// The seller was paid.
    pub(crate) fn pay(&mut self, amount: i64) {
        self.entry_count += 1;
        self.payable -= amount;
        self.paid += amount;
    }
}

/// All ledgers.
#[derive(Default)]
pub(crate) struct Ledgers(BTreeMap<(u32, u16), Ledger>);

impl Ledgers {
    /// A seller's ledger: all zeros before its first entry.
    pub(crate) fn get(&self, seller: SellerHandle, currency: CurrencyCode) -> Ledger {
        self.0.get(&(seller.get(), currency.get())).copied().unwrap_or_default()
    }

    pub(crate) fn get_mut(&mut self, seller: SellerHandle, currency: CurrencyCode) -> &mut Ledger {
        self.0.entry((seller.get(), currency.get())).or_default()
    }

    /// The ledgers behind the one of a seller and currency, by those; `None`: all.
    pub(crate) fn iter_behind(
        &self,
        last: Option<(u32, u16)>,
    ) -> impl Iterator<Item = (SellerHandle, CurrencyCode, &Ledger)> {
        self.0.range((last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).map(named)
    }

    /// Every ledger, by seller and currency.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SellerHandle, CurrencyCode, &Ledger)> {
        self.iter_behind(None)
    }
}

fn named<'a>(
    (&(seller, currency), ledger): (&(u32, u16), &'a Ledger),
) -> (SellerHandle, CurrencyCode, &'a Ledger) {
    (SellerHandle::new(seller), CurrencyCode::new(currency), ledger)
}
