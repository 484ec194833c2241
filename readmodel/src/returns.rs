//! Returns, found by how far they are: those that wait for somebody, and all, newest first.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use orderline_protocol::SellerHandle;
use orderline_protocol::lifecycle::ReturnState;

use crate::error::{Damage, ReadModelError};
use crate::head::{Head, Number, ReturnKey};
use crate::list::{Listed, walk};
use crate::order::{Order, Returned};
use crate::reader::{Cursor, Page, Reader};
use crate::store::{key, letter, number_at};
use crate::timeline::PAGE_ENTRIES_MAX;

/// Which returns; what is not said matches all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReturnFilter {
    /// Only those that wait for somebody: to be approved, received or closed.
    pub is_waiting: bool,
    /// Only those in this state.
    pub state: Option<ReturnState>,
    /// Only those of orders of this seller. What a seller may ask for is what this filter lets it see.
    pub seller: Option<SellerHandle>,
}

/// A return that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundReturn {
    /// Of which order.
    pub order: Order,
    /// Its number in its order, from 1.
    pub number: u16,
    /// How far it is.
    pub state: ReturnState,
    /// A package that came back undelivered.
    pub is_undelivered: bool,
    /// Units that are to come back, or that came; nothing: of a package, they are not known before it has come.
    pub units: Option<u32>,
    /// Recorded time of its beginning, in microseconds since 1970.
    pub asked_at_us: i64,
    /// Recorded time of what last happened to it, in microseconds since 1970.
    pub changed_at_us: i64,
}

/// Whether somebody has to do something about a return in this state.
fn waits(state: ReturnState) -> bool {
    matches!(state, ReturnState::Requested | ReturnState::Approved | ReturnState::Received)
}

impl Listed for ReturnKey {
    type Entry = Returned;

    fn key(&self) -> Vec<u8> {
        key(letter::RETURN, &[&[self.list], &self.before.to_be_bytes(), &self.part.to_be_bytes()])
    }

    fn read(key: &[u8]) -> Option<Self> {
        Some(Self { list: *key.get(1)?, before: number_at(key, 2)?, part: number_at(key, 10)? })
    }

    fn changes(head: &Head) -> &BTreeMap<Self, Option<Returned>> {
        &head.returns
    }
}

impl ReturnKey {
    /// The list of all returns.
    const ALL: u8 = 0;
    /// The list of those that wait for somebody.
    const WAITING: u8 = 1;

    /// The number of the order that it is of.
    fn order(self) -> Number {
        self.part >> u16::BITS
    }
}

/// Where the returns of an order stand in the lists.
pub(crate) fn listed_of(number: Number, order: &Order) -> Vec<(ReturnKey, Returned)> {
    let mut listed = Vec::new();
    for of in &order.returns {
        let part = number << u16::BITS | u64::from(of.number.get());
        let key = |list| ReturnKey { list, before: !of.asked_sequence.get(), part };
        listed.push((key(ReturnKey::ALL), *of));
        if ReturnState::from_number(of.state).is_some_and(waits) {
            listed.push((key(ReturnKey::WAITING), *of));
        }
    }
    listed
}

impl Reader {
    /// Returns that match a filter, the one asked for last first, at most `limit` of them from a cursor on.
    ///
    /// # Errors
    /// [`ReadModelError::Cursor`] if the cursor is another question's; if the store is damaged.
    pub fn returns(
        &self,
        filter: &ReturnFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<FoundReturn>, ReadModelError> {
        self.shared.noting(self.returns_page(filter, cursor, limit))
    }

    fn returns_page(
        &self,
        filter: &ReturnFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<FoundReturn>, ReadModelError> {
        // Those that wait are few, and have a list of their own.
        let is_waiting = filter.is_waiting || filter.state.is_some_and(waits);
        let list = if is_waiting { ReturnKey::WAITING } else { ReturnKey::ALL };
        let asked = filter.digest();
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let behind = Cursor::of(cursor, asked)?.map(|[before, part]| ReturnKey { list, before, part });
        let ends =
            (ReturnKey { list, before: 0, part: 0 }, ReturnKey { list, before: u64::MAX, part: u64::MAX });
        let prefix = key(letter::RETURN, &[&[list]]);
        let parts = self.shared.parts.read();
        let view = parts.view();
        let mut items = Vec::new();
        let reached = walk(&view, &prefix, ends, behind, limit, |key: ReturnKey, of| {
            if filter.state.is_none_or(|state| of.state == state as u8) {
                let order = view.order(key.order())?.ok_or(Damage("an order with a return is not kept"))?;
                let state =
                    ReturnState::from_number(of.state).ok_or(Damage("a return is in no known state"))?;
                if filter.seller.is_none_or(|seller| order.seller == seller) {
                    items.push(FoundReturn {
                        order,
                        number: of.number.get(),
                        state,
                        is_undelivered: of.is_undelivered == 1,
                        units: Some(of.units.get()).filter(|&units| units > 0),
                        asked_at_us: of.asked_at_us.get(),
                        changed_at_us: of.changed_at_us.get(),
                    });
                }
            }
            Ok(if items.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let next = reached.map(|key| Cursor { asked, at: [key.before, key.part] });
        Ok(Page { as_of: parts.as_of(), items, next })
    }
}

impl ReturnFilter {
    /// What a cursor of this question remembers of it.
    fn digest(&self) -> u32 {
        xxhash_rust::xxh3::xxh3_64(format!("{self:?}").as_bytes()) as u32
    }
}
