//! The entries of sellers' ledgers, as the events say them. The sums are the engine's to tell, and so is how far payouts have
//! come; here is what they are sums of.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use orderline_protocol::{CurrencyCode, EntryKind, OrderId, SellerHandle, Sequence};
use zerocopy::FromBytes;

use crate::error::{Damage, ReadModelError};
use crate::head::{EntryKey, EntryRow};
use crate::reader::{Cursor, Page, Reader};
use crate::store::{key, ledger_key, letter};
use crate::timeline::PAGE_ENTRIES_MAX;

/// One entry of a seller's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The sequence of the event that made it.
    pub sequence: Sequence,
    /// Its recorded time, in microseconds since 1970.
    pub recorded_at_us: i64,
    /// When it happened outside, in microseconds since 1970, as the caller said; 0: not said.
    pub happened_at_us: i64,
    /// What it is about.
    pub kind: EntryKind,
    /// Of which order; none for a payout.
    pub order: Option<OrderId>,
    /// How much, in minor units, above zero; [`EntryKind::signed`] says which way.
    pub amount_minor: i64,
    /// In which currency.
    pub currency: CurrencyCode,
    /// Whether its order is finished, so that it is payable, or was paid; false: it is accrued. A payout's is true.
    pub is_payable: bool,
}

impl Reader {
    /// The entries of a seller's ledger, newest first, at most `limit` of them from a cursor on. Entries made before
    /// [`crate::AsOf::known_from`] are not among them.
    ///
    /// # Errors
    /// [`ReadModelError::Cursor`] if the cursor is another seller's; if the store is damaged.
    pub fn ledger_entries(
        &self,
        seller: SellerHandle,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<LedgerEntry>, ReadModelError> {
        self.shared.noting(self.ledger_page(seller, cursor, limit))
    }

    fn ledger_page(
        &self,
        seller: SellerHandle,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<LedgerEntry>, ReadModelError> {
        let asked = !seller.get();
        let (below_sequence, below_place) = match Cursor::of(cursor, asked)? {
            Some([sequence, place]) => (sequence, place as u16),
            None => (Sequence::MAX, 0),
        };
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let seller = seller.get();
        let parts = self.shared.parts.read();
        let view = parts.view();
        let below = EntryKey { seller, sequence: below_sequence, place: below_place };
        let mut found: BTreeMap<EntryKey, EntryRow> = BTreeMap::new();
        for head in view.heads() {
            let first = EntryKey { seller, sequence: 0, place: 0 };
            found.extend(head.ledger.range(first..below).rev().take(limit).map(|(&key, &row)| (key, row)));
        }
        let (prefix, mut read) = (key(letter::LEDGER, &[&seller.to_be_bytes()]), 0);
        let below_key = ledger_key(seller, below_sequence, below_place);
        view.older.store.each_below(&prefix, &below_key, |key, value| {
            const ENTRY: Damage = Damage("an entry of a ledger is not one");
            let (sequence, place) = key.get(5..13).zip(key.get(13..15)).ok_or(ENTRY)?;
            let sequence = u64::from_be_bytes(sequence.try_into().map_err(|_| ENTRY)?);
            let place = u16::from_be_bytes(place.try_into().map_err(|_| ENTRY)?);
            let row = EntryRow::read_from_bytes(value).map_err(|_| ENTRY)?;
            found.insert(EntryKey { seller, sequence, place }, row);
            read += 1;
            Ok(if read < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let mut items = Vec::new();
        let mut next = None;
        for (key, row) in found.into_iter().rev().take(limit) {
            let order = (row.order.get() != 0).then(|| OrderId::new(row.order.get()));
            let is_payable = match order {
                None => true,
                Some(order) => {
                    let number = view.number_of(order)?;
                    let order = number.map(|number| view.order(number)).transpose()?.flatten();
                    order.is_some_and(|order| !order.state.is_open())
                }
            };
            let kind = EntryKind::ALL.into_iter().find(|kind| *kind as u8 == row.kind);
            items.push(LedgerEntry {
                sequence: key.sequence,
                recorded_at_us: row.recorded_at_us.get(),
                happened_at_us: row.happened_at_us.get(),
                kind: kind.ok_or(Damage("an entry of a ledger is of no known kind"))?,
                order,
                amount_minor: row.amount_minor.get(),
                currency: CurrencyCode::new(row.currency.get()),
                is_payable,
            });
            if items.len() == limit {
                next = Some(Cursor { asked, at: [key.sequence, key.place.into()] });
            }
        }
        Ok(Page { as_of: parts.as_of(), items, next })
    }
}
