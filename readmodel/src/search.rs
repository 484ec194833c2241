//! Searching orders: newest first, page by page, by whatever the caller knows. Of the terms in a filter the rarest kind finds
//! the candidates, the rest is looked up in each of them.

use std::ops::ControlFlow;

use orderline_protocol::event::OrderState;
use orderline_protocol::{BuyerId, GroupId, LocationHandle, OrderId, SellerHandle, SkuHandle};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::ReadModelError;
use crate::head::Number;
use crate::older::{Found, View};
use crate::order::{Order, Row};
use crate::reader::{Cursor, Page, Reader};
use crate::store::BlockCache;
use crate::term::Term;

/// Orders on a page at most.
pub const PAGE_ORDERS_MAX: usize = 500;

/// Orders that are looked at for one page at most: behind them the page ends, full or not.
const LOOKED_AT_MAX: usize = 10_000;

/// Runs of orders that are asked for one page at most.
const RUNS_MAX: usize = 1_000;

/// What orders must have to be found; what is not said matches all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct OrderFilter {
    /// Its id.
    pub order: Option<OrderId>,
    /// The caller's own text for it.
    pub external_id: Option<String>,
    /// The group that it was placed in.
    pub group: Option<GroupId>,
    /// Who buys.
    pub buyer: Option<BuyerId>,
    /// Who sells. What a seller may ask for is what this filter lets it see.
    pub seller: Option<SellerHandle>,
    /// What a line of it has.
    pub sku: Option<SkuHandle>,
    /// Where units of it are, or work of it is or was: at one of these; none: wherever.
    pub locations: Vec<LocationHandle>,
    /// Where it is in its life.
    pub state: Option<OrderState>,
    /// Placed at this recorded time or later, in microseconds since 1970.
    pub placed_from_us: Option<i64>,
    /// Placed before this recorded time, in microseconds since 1970.
    pub placed_before_us: Option<i64>,
}

type Kept<T> = Result<T, ReadModelError>;

impl OrderFilter {
    /// What a cursor of this search remembers of it.
    fn digest(&self) -> u32 {
        xxh3_64(format!("{self:?}").as_bytes()) as u32
    }

    /// The term that finds the fewest orders, as far as its kind tells.
    fn term(&self) -> Option<Term> {
        let external = self.external_id.as_deref().map(Term::external);
        external.or(self.buyer.map(Term::buyer)).or(self.sku.map(Term::sku)).or(self.seller.map(Term::seller))
    }

    fn matches(&self, found: &Found<'_>) -> Kept<bool> {
        match found {
            Found::Order(order) => Ok(self.matches_order(order)),
            Found::Bytes(bytes) => {
                let row = Row::read(bytes)?;
                let fits = self.order.is_none_or(|order| row.order == order)
                    && self.group.is_none_or(|group| row.group == group)
                    && self.buyer.is_none_or(|buyer| row.buyer == buyer)
                    && self.seller.is_none_or(|seller| row.seller == seller)
                    && self.state.is_none_or(|state| row.state == state as u8)
                    && self.placed_at_fits(row.placed_at_us.get());
                // Few get as far as to be read as a whole.
                Ok(fits
                    && (self.sku.is_none() && self.locations.is_empty() && self.external_id.is_none()
                        || self.matches_order(&Order::read(bytes)?)))
            }
        }
    }

    fn matches_order(&self, order: &Order) -> bool {
        self.order.is_none_or(|id| order.order == id)
            && self.external_id.as_ref().is_none_or(|id| order.external_id == *id)
            && self.group.is_none_or(|group| order.group == group)
            && self.buyer.is_none_or(|buyer| order.buyer == buyer)
            && self.seller.is_none_or(|seller| order.seller == seller)
            && self.sku.is_none_or(|sku| order.lines.iter().any(|line| line.sku == sku))
            && (self.locations.is_empty() || order.each_location().any(|own| self.locations.contains(&own)))
            && self.state.is_none_or(|state| order.state == state)
            && self.placed_at_fits(order.placed_at_us)
    }

    fn placed_at_fits(&self, at_us: i64) -> bool {
        self.placed_from_us.is_none_or(|from| at_us >= from)
            && self.placed_before_us.is_none_or(|before| at_us < before)
    }
}

impl Order {
    /// Whether units of it are at a location, or work of it is or was.
    pub fn is_at(&self, location: LocationHandle) -> bool {
        self.each_location().any(|own| own == location)
    }

    /// The locations that units of it are at, or that work of it is or was at.
    pub fn locations(&self) -> Vec<LocationHandle> {
        let mut locations: Vec<LocationHandle> = self.each_location().collect();
        locations.sort_unstable();
        locations.dedup();
        locations
    }

    fn each_location(&self) -> impl Iterator<Item = LocationHandle> {
        let units = self.units.iter().map(|part| part.location);
        units.chain(self.works.iter().map(|work| work.location))
    }
}

/// A page being filled.
struct Filling<'a> {
    view: View<'a>,
    filter: &'a OrderFilter,
    wanted: usize,
    found: Vec<Order>,
    cache: BlockCache,
    looked_at: usize,
    /// The number below which the search goes on.
    below: Number,
}

impl Filling<'_> {
    /// Looks at the order with a number; breaks when the page is full, the bound is reached, or nothing older can match.
    fn look(&mut self, number: Number) -> Kept<ControlFlow<()>> {
        if self.found.len() == self.wanted || self.looked_at == LOOKED_AT_MAX {
            return Ok(ControlFlow::Break(()));
        }
        self.looked_at += 1;
        let filter = self.filter;
        let mut is_too_old = false;
        let read = |found: &Found<'_>| {
            if filter.matches(found)? {
                return found.to_order().map(Some);
            }
            let placed_at_us = match found {
                Found::Order(order) => order.placed_at_us,
                Found::Bytes(bytes) => Row::read(bytes)?.placed_at_us.get(),
            };
            is_too_old = filter.placed_from_us.is_some_and(|from| placed_at_us < from);
            Ok(None)
        };
        self.found.extend(self.view.look(number, &mut self.cache, read)?.flatten());
        if is_too_old {
            self.below = 0;
            return Ok(ControlFlow::Break(()));
        }
        self.below = number;
        Ok(ControlFlow::Continue(()))
    }

    /// Looks at the orders that a term finds, or at all.
    fn look_through(&mut self, term: Option<Term>) -> Kept<()> {
        let View { head, older } = self.view;
        for head in std::iter::once(head).chain(older.frozen.as_deref()) {
            for number in head.numbers(term, self.below) {
                if self.look(number)?.is_break() {
                    return Ok(());
                }
            }
            self.below = self.below.min(head.first);
        }
        let behind = older.runs.partition_point(|run| run.first() < self.below);
        for (asked, run) in older.runs[..behind].iter().rev().enumerate() {
            if asked == RUNS_MAX {
                return Ok(());
            }
            let below = self.below.min(run.next());
            let flow = match term {
                Some(term) => {
                    let place = (below - run.first()) as u32;
                    older.store.places(run, term, place, |number| self.look(number))?
                }
                None => {
                    let mut flow = ControlFlow::Continue(());
                    for number in (run.first()..below).rev() {
                        flow = self.look(number)?;
                        if flow.is_break() {
                            break;
                        }
                    }
                    flow
                }
            };
            if flow.is_break() {
                return Ok(());
            }
            self.below = run.first();
        }
        self.below = 0;
        Ok(())
    }

    /// The number of the first order that was not placed before a recorded time.
    fn first_not_before(&mut self, at_us: i64) -> Kept<Number> {
        let placed_at = |found: &Found<'_>| match found {
            Found::Order(order) => Ok(order.placed_at_us),
            Found::Bytes(bytes) => Ok(Row::read(bytes)?.placed_at_us.get()),
        };
        let (mut low, mut high) = (0, self.view.head.next());
        // The runs say when they begin, so that only one of them is looked into.
        let runs = &self.view.older.runs;
        let behind = runs.partition_point(|run| run.first_at_us() < at_us);
        if let Some(run) = behind.checked_sub(1) {
            low = runs[run].first();
        }
        if let Some(run) = runs.get(behind) {
            high = run.first();
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match self.view.look(middle, &mut self.cache, placed_at)? {
                Some(placed_at_us) if placed_at_us < at_us => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

impl Reader {
    /// Orders that match a filter, newest placement first, at most `limit` of them (which is at most [`PAGE_ORDERS_MAX`]), from
    /// a cursor on. A page does a bounded work: it may hold fewer, and still have a next one.
    ///
    /// # Errors
    /// [`ReadModelError::Cursor`] if the cursor is of another search; if the store is damaged.
    pub fn search(
        &self,
        filter: &OrderFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Order>, ReadModelError> {
        self.shared.noting(self.search_page(filter, cursor, limit))
    }

    fn search_page(
        &self,
        filter: &OrderFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Order>, ReadModelError> {
        let asked = filter.digest();
        let below = Cursor::of(cursor, asked)?.map(|[below, _]| below);
        let parts = self.shared.parts.read();
        let mut filling = Filling {
            view: parts.view(),
            filter,
            wanted: limit.clamp(1, PAGE_ORDERS_MAX),
            found: Vec::new(),
            cache: BlockCache::default(),
            looked_at: 0,
            below: below.unwrap_or(parts.head.next()),
        };
        if let Some(before_us) = filter.placed_before_us {
            filling.below = filling.below.min(filling.first_not_before(before_us)?);
        }
        if let Some(order) = filter.order {
            let number = filling.view.number_of(order)?;
            filling.look_at(number.into_iter())?;
        } else if let Some(group) = filter.group {
            let row = filling.view.group(group)?;
            let numbers =
                row.map_or(0..0, |row| row.first.get()..row.first.get() + u64::from(row.count.get()));
            filling.look_at(numbers.rev())?;
        } else {
            filling.look_through(filter.term())?;
        }
        let next = (filling.below > 0).then_some(Cursor { asked, at: [filling.below, 0] });
        Ok(Page { as_of: parts.as_of(), items: filling.found, next })
    }
}

impl Filling<'_> {
    /// Looks at some orders alone, newest first, from where the page before ended.
    fn look_at(&mut self, numbers: impl Iterator<Item = Number>) -> Kept<()> {
        let below = self.below;
        for number in numbers.filter(|&number| number < below) {
            if self.look(number)?.is_break() {
                return Ok(());
            }
        }
        self.below = 0;
        Ok(())
    }
}
