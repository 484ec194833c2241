//! Shortages: when less is at a level than is promised there, the orders that are hit are found and named. Finding them
//! means looking through all orders, so it goes in slices, for many levels at once, while everything else goes on.

use std::collections::{BTreeMap, BTreeSet};

use orderline_protocol::event::{Event, EventKind, ShortOrder, ShortageNamed};
use orderline_protocol::limits::DUE_ENTRIES_MAX;
use orderline_protocol::{LocationHandle, OrderId, Sequence, SkuHandle};

use super::State;
use super::apply::Effect;
use super::decide::write;
use super::due::Due;
use super::order_head::Stage;
use super::orders::OrderSlot;

/// Places in the orders' memory that one look goes through.
const SLICE_BLOCKS: usize = 8_192;

/// Levels whose orders are searched for at once.
const LEVELS_MAX: usize = 256;

/// Orders that one search keeps in mind, over all its levels.
const ORDERS_MAX: usize = 131_072;

const _: () = assert!(ORDERS_MAX / LEVELS_MAX >= DUE_ENTRIES_MAX, "one pass finds what an event names");

type LevelKey = (SkuHandle, LocationHandle);

/// An order by its placement and id: the greater, the newer.
type OrderKey = (Sequence, u128);

/// A search that is under way. It follows from the rest, and is neither hashed nor kept in snapshots: where it is lost, it
/// begins again.
///
/// Nobody gets units at a level below zero but by a placement out of a reservation that has some there, of which the
/// search is told. A level that rises to zero leaves the search, so what it finds is right when it ends.
#[derive(Debug)]
pub(crate) struct Search {
    /// Where it goes on; `None`: it has been through all orders.
    place: Option<usize>,
    levels: BTreeMap<LevelKey, Hit>,
    /// Orders that each level keeps in mind.
    orders_max: usize,
}

/// What is known of a level that has a shortage.
#[derive(Debug, Default)]
struct Hit {
    /// The newest orders that had units there when they were looked at, and are not named.
    newest: BTreeSet<OrderKey>,
    /// Orders from the first of these to the second are named, have nothing there, or are among the newest.
    seen: Option<(OrderKey, OrderKey)>,
    /// Older orders were left out, for there are too many.
    is_cut: bool,
    /// The orders have to be gone through again, for older ones.
    waits: bool,
    /// Units that the orders named so far did not cover; `None`: none is named.
    lacking: Option<u64>,
}

impl Hit {
    /// All the newest have been looked at.
    fn see(&mut self, key: OrderKey) {
        let (oldest, newest) = self.seen.unwrap_or((key, key));
        self.seen = Some((oldest.min(key), newest.max(key)));
    }
}

impl Search {
    fn new(levels: impl Iterator<Item = LevelKey>) -> Self {
        let levels: BTreeMap<_, _> = levels.map(|level| (level, Hit::default())).collect();
        let orders_max = ORDERS_MAX / levels.len().max(1);
        Self { place: Some(0), levels, orders_max }
    }

    /// A level has no shortage any more.
    pub(crate) fn forget(&mut self, sku: SkuHandle, location: LocationHandle) {
        self.levels.remove(&(sku, location));
    }

    /// More units lack at a level.
    pub(crate) fn fall(&mut self, sku: SkuHandle, location: LocationHandle, units: u64) {
        if let Some(lacking) = self.levels.get_mut(&(sku, location)).and_then(|hit| hit.lacking.as_mut()) {
            *lacking += units;
        }
    }

    /// An order has units at a level.
    fn found(&mut self, level: LevelKey, placed_sequence: Sequence, id: u128) {
        let Some(hit) = self.levels.get_mut(&level) else { return };
        let key = (placed_sequence, id);
        if hit.seen.is_some_and(|(oldest, newest)| (oldest..=newest).contains(&key)) {
            return;
        }
        hit.newest.insert(key);
        if hit.newest.len() > self.orders_max {
            hit.newest.pop_first();
            hit.is_cut = true;
        }
    }
}

impl State {
    /// Goes on looking for the orders of levels below zero, and writes the event for one of them when they are found.
    pub(super) fn next_shortage(&mut self, out: &mut Vec<u8>) -> Due {
        loop {
            let Some(mut search) = self.stock.search.take() else {
                if self.stock.unnamed_shortages.is_empty() {
                    return Due::Nothing;
                }
                let levels = self.stock.unnamed_shortages.iter().copied().take(LEVELS_MAX);
                self.stock.search = Some(Box::new(Search::new(levels)));
                continue;
            };
            // Nobody is short any more, or all are named: whether others are, is looked at anew.
            if search.levels.is_empty() {
                continue;
            }
            if let Some(place) = search.place {
                search.place =
                    self.orders.visit_from(place, SLICE_BLOCKS, |slot| self.search_order(slot, &mut search));
                let is_done = search.place.is_none();
                self.stock.search = Some(search);
                if !is_done {
                    return Due::Searching;
                }
                continue;
            }
            let next = search.levels.iter_mut().find(|(_, hit)| !hit.waits);
            let is_named = match next {
                Some((&level, hit)) => {
                    let named = self.name_shortage(level, hit, out);
                    if named == Named::All {
                        search.levels.remove(&level);
                    }
                    named != Named::Nobody
                }
                None => {
                    search.levels.values_mut().for_each(|hit| (hit.waits, hit.is_cut) = (false, false));
                    search.place = Some(0);
                    false
                }
            };
            self.stock.search = Some(search);
            if is_named {
                return Due::Event(EventKind::ShortageNamed);
            }
        }
    }

    /// Notes the levels at which an order has units.
    fn search_order(&self, slot: OrderSlot, search: &mut Search) {
        let head = self.orders.head(slot);
        let lines = self.orders.lines(slot);
        match head.stage() {
            Stage::Reserved | Stage::Allocated => {
                for line in lines {
                    search.found((line.sku, head.location), head.placed_sequence, head.id.get());
                }
            }
            Stage::Parted => {
                for part in self.orders.detail(slot).map_or(&[][..], |detail| &detail.allocations) {
                    let sku = lines[usize::from(part.line.get())].sku;
                    search.found((sku, part.location), head.placed_sequence, head.id.get());
                }
            }
            Stage::Shipped | Stage::Delivered | Stage::Cancelled => {}
        }
    }

    /// An order was placed while a search is under way.
    #[cold]
    pub(super) fn note_placed(&mut self, slot: OrderSlot) {
        if let Some(mut search) = self.stock.search.take() {
            self.search_order(slot, &mut search);
            self.stock.search = Some(search);
        }
    }

    /// Names the orders at a level, newest first, until their units cover what lacks, as many as an event has room for. What
    /// they have there is asked now.
    fn name_shortage(&self, (sku, location): LevelKey, hit: &mut Hit, out: &mut Vec<u8>) -> Named {
        let available = self
            .catalogue
            .sku(sku)
            .and_then(|sku| self.stock.find(sku, location))
            .map_or(0, |(row, _)| row.available());
        assert!(available < 0, "SKU {sku} at location {location} is searched for and has no shortage");
        let short = available.unsigned_abs();
        // What was cancelled meanwhile may have been of orders not named: then a few more are than need be.
        let short = hit.lacking.map_or(short, |lacking| lacking.min(short));
        let mut covered = 0;
        let mut orders = Vec::new();
        let mut keys = Vec::new();
        while covered < short && orders.len() < DUE_ENTRIES_MAX {
            let Some(key) = hit.newest.pop_last() else { break };
            hit.see(key);
            let order = OrderId::new(key.1);
            let units = self.orders.find(order).map_or(0, |slot| self.units_at(slot, sku, location));
            if units > 0 {
                covered += units;
                let quantity = u32::try_from(units).unwrap_or(u32::MAX).into();
                orders.push(ShortOrder { order, quantity, reserved: [0; 4] });
                keys.push(key);
            }
        }
        if covered < short && orders.len() < DUE_ENTRIES_MAX && hit.is_cut {
            // Older ones were left out: they are looked for before these are named.
            hit.newest.extend(keys);
            hit.waits = true;
            return Named::Nobody;
        }
        let order_count = (orders.len() as u16).into();
        let head = ShortageNamed { sku, location, order_count, short: short.into() };
        write(Event::ShortageNamed(&head, &orders), out);
        if is_last(&head, &orders) {
            return Named::All;
        }
        hit.lacking = Some(short - covered);
        Named::Some
    }

    /// Units that an order has at a level, reserved or allocated.
    fn units_at(&self, slot: OrderSlot, sku: SkuHandle, location: LocationHandle) -> u64 {
        let lines = self.orders.lines(slot);
        let is_there = |line: u16, at: LocationHandle| at == location && lines[usize::from(line)].sku == sku;
        let parts = self.orders.open_units(slot);
        let there = parts.iter().filter(|part| is_there(part.line.get(), part.location));
        there.map(|part| u64::from(part.quantity.get())).sum()
    }

    pub(super) fn apply_shortage_named(&mut self, head: &ShortageNamed, orders: &[ShortOrder]) -> Effect {
        if is_last(head, orders) {
            self.stock.unnamed_shortages.remove(&(head.sku, head.location));
        }
        Effect::of(0)
    }
}

/// Whom a look named.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    /// All that are hit: an event was written.
    All,
    /// As many as an event has room for: one was written.
    Some,
    /// Nobody yet.
    Nobody,
}

/// Whether an event names the last orders of its shortage: it covers what lacks, or there were no more.
fn is_last(head: &ShortageNamed, orders: &[ShortOrder]) -> bool {
    let covered: u64 = orders.iter().map(|order| u64::from(order.quantity.get())).sum();
    covered >= head.short.get() || orders.len() < DUE_ENTRIES_MAX
}
