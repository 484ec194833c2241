//! Waiting for stock: who is promised units that nobody has, and how these come to them when stock comes free.

use orderline_protocol::SkuHandle;
use orderline_protocol::event::{Allocation, BackordersRefilled, Event, OrderState, Refill};
use orderline_protocol::lifecycle::Action;
use orderline_protocol::limits::DUE_ENTRIES_MAX;

use super::State;
use super::apply::Effect;
use super::backorders::{Backorders, Waiting};
use super::decide::{Scratch, write};
use super::due::Due;
use super::orders::OrderSlot;
use super::sourcing::SourcingScratch;

impl State {
    /// An order was placed: its lines wait for what is backordered of them.
    #[inline]
    pub(super) fn wait_for(&mut self, slot: OrderSlot, is_whole: bool) {
        if self.stock.search.is_some() {
            self.note_placed(slot);
        }
        if !is_whole {
            self.wait_for_lines(slot);
        }
    }

    #[cold]
    fn wait_for_lines(&mut self, slot: OrderSlot) {
        for line in 0..self.orders.lines(slot).len() {
            let units = self.orders.counters(slot, line).backordered.get();
            if units > 0 {
                self.wait_for_more(slot, line, units);
            }
        }
    }

    /// More units of a line wait; its counter is the caller's to change.
    pub(super) fn wait_for_more(&mut self, slot: OrderSlot, line: usize, units: u32) {
        let (sku, waiting) = self.waiting(slot, line);
        self.backorders.add(sku, waiting, units);
        let of = self.catalogue.sku_mut(sku);
        of.has_backorders = 1;
        self.stock.touched.note_terms(sku, of);
        // A location that takes no more orders today may have some: refills are not bound by that.
        self.stock.refills_due.insert(sku);
    }

    /// Units of a line wait for stock no more; its counter is the caller's to change.
    pub(super) fn wait_no_more(&mut self, slot: OrderSlot, line: usize, units: u32) {
        let (sku, waiting) = self.waiting(slot, line);
        self.stock.touched.note_terms(sku, self.catalogue.sku_mut(sku));
        if !self.backorders.take(sku, waiting, units) {
            self.catalogue.sku_mut(sku).has_backorders = 0;
            self.stock.refills_due.remove(&sku);
        }
    }

    fn waiting(&self, slot: OrderSlot, line: usize) -> (SkuHandle, Waiting) {
        let head = self.orders.head(slot);
        let waiting =
            Waiting { placed_sequence: head.placed_sequence, order: head.id.get(), line: line as u16 };
        (self.orders.lines(slot)[line].sku, waiting)
    }

    /// Makes the queues again from the orders' counters.
    pub(super) fn rebuild_backorders(&mut self, detailed: &[OrderSlot]) {
        for sku in self.backorders.skus() {
            self.catalogue.sku_mut(sku).has_backorders = 0;
        }
        self.backorders = Backorders::default();
        self.stock.refills_due.clear();
        for &slot in detailed {
            if !self.orders.is_whole(slot) {
                self.wait_for_lines(slot);
            }
        }
    }

    /// Finds out for whom the stock is that came free of some SKU, and writes the event. SKUs of which there is nothing to
    /// give are looked at no more until something changes.
    pub(super) fn next_refill(&mut self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Due {
        while let Some(&sku) = self.stock.refills_due.first() {
            self.find_refills(sku, &mut scratch.sourcing);
            let refills = &scratch.sourcing.refills;
            if refills.is_empty() {
                self.stock.refills_due.remove(&sku);
                continue;
            }
            let refill_count = (refills.len() as u16).into();
            let head = BackordersRefilled { sku, refill_count, reserved: [0; 2] };
            return Due::Event(write(Event::BackordersRefilled(&head, refills), out));
        }
        Due::Nothing
    }

    /// Gives a SKU's available units to the lines that wait for it, oldest placement first, each from the first location by
    /// priority that has not rejected its order. A line that can be given nothing keeps no later one waiting.
    fn find_refills(&self, sku: SkuHandle, scratch: &mut SourcingScratch) {
        let SourcingScratch { free, refills, .. } = scratch;
        free.clear();
        refills.clear();
        let (Some(queue), Some(of)) = (self.backorders.queue(sku), self.catalogue.sku(sku)) else { return };
        for row in self.stock.rows(of) {
            let location = self.catalogue.location(row.location()).filter(|location| location.is_active());
            if let Some(location) = location.filter(|_| row.available() > 0) {
                free.push((location.definition.priority.get(), row.location(), row.available() as u64));
            }
        }
        free.sort_unstable();
        for (waiting, &units) in &queue.lines {
            if free.is_empty() {
                return;
            }
            let slot = self.order_of(waiting.order());
            let detail = self.orders.detail(slot);
            let mut wanted = u64::from(units);
            for (_, location, left) in free.iter_mut() {
                if wanted == 0 {
                    break;
                }
                if detail.is_some_and(|detail| detail.has_rejected(*location)) {
                    continue;
                }
                if refills.len() == DUE_ENTRIES_MAX {
                    return;
                }
                let given = wanted.min(*left);
                wanted -= given;
                *left -= given;
                refills.push(Refill {
                    order: waiting.order(),
                    line: waiting.line.into(),
                    location: *location,
                    quantity: (given as u32).into(),
                });
            }
            free.retain(|&(_, _, left)| left > 0);
        }
    }

    pub(super) fn apply_refilled(
        &mut self,
        at_us: i64,
        head: &BackordersRefilled,
        refills: &[Refill],
    ) -> Effect {
        // An order's refills stand side by side, and change it once.
        for of_order in refills.chunk_by(|one, next| one.order == next.order) {
            self.refill_order(at_us, head.sku, of_order);
        }
        Effect::of(0)
    }

    fn refill_order(&mut self, at_us: i64, sku: SkuHandle, refills: &[Refill]) {
        let slot = self.order_of(refills[0].order);
        let state = self.orders.head(slot).state();
        let part_of = |refill: &Refill| Allocation {
            line: refill.line,
            location: refill.location,
            quantity: refill.quantity,
        };
        let parts: Vec<Allocation> = refills.iter().map(part_of).collect();
        self.count_newcomers(at_us, slot, &parts);
        for (refill, part) in refills.iter().zip(&parts) {
            let (line, units) = (usize::from(refill.line.get()), refill.quantity.get());
            self.wait_no_more(slot, line, units);
            self.stock.reserve(&mut self.catalogue, sku, refill.location, units.into());
            if state == OrderState::Confirmed {
                self.stock.commit(&mut self.catalogue, sku, refill.location, units.into());
            }
            let detail = self.orders.part(slot);
            let counters = &mut detail.counters[line];
            counters.backordered -= units;
            match state {
                OrderState::Confirmed => counters.allocated += units,
                _ => counters.reserved += units,
            }
            detail.allocate(part);
            if state == OrderState::Confirmed {
                self.work_given(slot, refill.location);
            }
        }
        self.move_state(at_us, slot, Action::Refill, state);
    }
}
