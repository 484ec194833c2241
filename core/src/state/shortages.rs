//! Shortages: when less is at a level than is promised there, the orders that are hit are found and named. Finding them
//! means looking through all orders, so it goes in slices, for many levels at once, while everything else goes on.

use std::collections::{BTreeMap, BTreeSet};

use orderline_protocol::event::{Event, ShortOrder, ShortageNamed};
use orderline_protocol::limits::DUE_ENTRIES_MAX;
use orderline_protocol::{LocationHandle, OrderId, Sequence, SkuHandle};

use super::State;
use super::apply::Effect;
use super::decide::write;
use super::due::Due;
use super::orders::{OrderSlot, Stage};

/// Places in the orders' memory that one look goes through.
const SLICE_BLOCKS: usize = 8_192;

/// Levels whose orders are searched for at once.
const LEVELS_MAX: usize = 256;

type LevelKey = (SkuHandle, LocationHandle);

/// A search that is under way. It follows from the rest, and is neither hashed nor kept in snapshots: where it is lost, it
/// begins again.
///
/// Nobody gets units at a level below zero but by a placement out of a reservation that has some there, of which the
/// search is told. A level that rises to zero leaves the search, so what it finds is right when it ends.
#[derive(Debug)]
pub(crate) struct Search {
    /// Where it goes on; `None`: it has been through all orders.
    place: Option<usize>,
    /// By level: the newest orders that had units there when they were looked at, by placement and id.
    newest: BTreeMap<LevelKey, BTreeSet<(Sequence, u128)>>,
}

impl Search {
    fn new(levels: impl Iterator<Item = LevelKey>) -> Self {
        Self { place: Some(0), newest: levels.map(|level| (level, BTreeSet::new())).collect() }
    }

    /// A level has no shortage any more.
    pub(crate) fn forget(&mut self, sku: SkuHandle, location: LocationHandle) {
        self.newest.remove(&(sku, location));
    }

    /// An order has units at a level.
    fn found(&mut self, level: LevelKey, placed_sequence: Sequence, id: u128) {
        let Some(orders) = self.newest.get_mut(&level) else { return };
        orders.insert((placed_sequence, id));
        // One event names no more of them.
        if orders.len() > DUE_ENTRIES_MAX {
            orders.pop_first();
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
            // Nobody is short any more: whether others are, is looked at anew.
            if search.newest.is_empty() {
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
            if let Some((level, newest)) = search.newest.pop_first() {
                self.name_shortage(level, &newest, out);
                self.stock.search = Some(search);
                return Due::Event(orderline_protocol::event::EventKind::ShortageNamed);
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

    /// Names the orders at a level, newest first, until their units cover what lacks. What they have there is asked now.
    fn name_shortage(
        &self,
        (sku, location): LevelKey,
        newest: &BTreeSet<(Sequence, u128)>,
        out: &mut Vec<u8>,
    ) {
        let available = self
            .catalogue
            .sku(sku)
            .and_then(|sku| self.stock.find(sku, location))
            .map_or(0, |(row, _)| row.available());
        assert!(available < 0, "SKU {sku} at location {location} is searched for and has no shortage");
        let short = available.unsigned_abs();
        let mut covered = 0;
        let mut orders = Vec::new();
        for &(_, id) in newest.iter().rev() {
            if covered >= short {
                break;
            }
            let order = OrderId::new(id);
            let units = self.orders.find(order).map_or(0, |slot| self.units_at(slot, sku, location));
            if units > 0 {
                covered += units;
                let quantity = u32::try_from(units).unwrap_or(u32::MAX).into();
                orders.push(ShortOrder { order, quantity, reserved: [0; 4] });
            }
        }
        let order_count = (orders.len() as u16).into();
        write(
            Event::ShortageNamed(&ShortageNamed { sku, location, order_count, short: short.into() }, &orders),
            out,
        );
    }

    /// Units that an order has at a level, reserved or allocated.
    fn units_at(&self, slot: OrderSlot, sku: SkuHandle, location: LocationHandle) -> u64 {
        let lines = self.orders.lines(slot);
        let is_there = |line: u16, at: LocationHandle| at == location && lines[usize::from(line)].sku == sku;
        let parts = self.orders.open_units(slot);
        let there = parts.iter().filter(|part| is_there(part.line.get(), part.location));
        there.map(|part| u64::from(part.quantity.get())).sum()
    }

    pub(super) fn apply_shortage_named(&mut self, head: &ShortageNamed) -> Effect {
        self.stock.unnamed_shortages.remove(&(head.sku, head.location));
        Effect::of(0)
    }
}
