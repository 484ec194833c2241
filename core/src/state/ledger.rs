//! The sellers' ledgers: what came in for each seller and currency, and how far it is on its way to the seller. Entries are
//! events of the journal; here are their sums and their count.

use std::collections::BTreeMap;

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

    /// Every ledger, by seller and currency.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SellerHandle, CurrencyCode, &Ledger)> {
        let named = |(&(seller, currency), ledger)| (SellerHandle::new(seller), CurrencyCode::new(currency), ledger);
        self.0.iter().map(named)
    }
}
