//! Stock: decisions about inventory levels, and what their events do.

use orderline_protocol::command::{AdjustStock, Bucket, CountStock, MoveStock, ReceiveStock, SetLevel};
use orderline_protocol::event::{
    Event, EventKind, LevelSet, Origin, Refill, BackordersRefilled, ShortageNamed, StockAdjusted, StockCounted,
    StockMoved, StockReceived,
};
use orderline_protocol::limits::BUCKET_QUANTITY_MAX;
use orderline_protocol::{LocationHandle, RejectCode, SkuHandle};

use super::decide::{check_flag, check_zeros, write};
use super::orders::OrderSlot;
use super::apply::Effect;
use super::decide::Refusable;
use super::{Rejection, State};


impl State {
    pub(super) fn decide_receive(
        &self,
        origin: Origin,
        head: &ReceiveStock,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_flag(head.from_incoming, 6)?;
        check_zeros(std::slice::from_ref(&head.reserved), 7)?;
        check_zeros(&head.cause.reserved, 30)?;
        if head.quantity.get() == 0 {
            return Err(Rejection::new(RejectCode::ZeroQuantity));
        }
        self.check_level(head.sku, head.location)?;
        let level = self.catalogue.sku(head.sku).and_then(|sku| self.stock.find(sku, head.location));
        let (available, incoming) = level.map_or((0, 0), |(available, level)| (available, level.incoming));
        let sum = i64::try_from(head.quantity.get()).ok().and_then(|units| available.checked_add(units));
        if sum.is_none_or(|sum| sum > BUCKET_QUANTITY_MAX as i64) {
            return Err(Rejection::new(RejectCode::StockOverflow).with(available as u64));
        }
        if head.from_incoming == 1 && incoming < head.quantity.get() {
            return Err(Rejection::new(RejectCode::StockNegative).with(incoming));
        }
        Ok(write(Event::StockReceived(&StockReceived { origin, receipt: *head }), out))
    }

    fn check_level(&self, sku: SkuHandle, location: LocationHandle) -> Refusable<()> {
        if self.catalogue.sku(sku).is_none() {
            return Err(Rejection::new(RejectCode::UnknownSku).with(sku.get().into()));
        }
        if self.catalogue.location(location).is_none() {
            return Err(Rejection::new(RejectCode::UnknownLocation).about(location.get().into()));
        }
        Ok(())
    }

    pub(super) fn apply_received(&mut self, head: &StockReceived) -> Effect {
        let receipt = &head.receipt;
        // The quantity was bounded far below the sign bit when it was decided.
        let units = receipt.quantity.get() as i64;
        let (sku, location) = (receipt.sku, receipt.location);
        if receipt.from_incoming == 1 {
            self.stock.adjust(&mut self.catalogue, sku, location, Bucket::Incoming, -units);
        }
        let held = self.stock.adjust(&mut self.catalogue, sku, location, Bucket::Available, units);
        self.stock.moved(&mut self.catalogue, sku, location, self.sequence, units);
        Effect::of(held as u64)
    }

    /// Units of a line wait for stock no more.
    pub(super) fn wait_no_more(&mut self, slot: OrderSlot, line: usize, units: u32) {
        let _ = (slot, line, units);
    }
}

/// Rooms that are being built.
#[allow(clippy::unused_self, clippy::too_many_arguments)]
impl State {
    pub(super) fn decide_adjust(&self, _origin: Origin, _head: &AdjustStock, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_count(&self, _origin: Origin, _head: &CountStock, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_move_stock(&self, _origin: Origin, _head: &MoveStock, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn decide_set_level(&self, _origin: Origin, _head: &SetLevel, _out: &mut Vec<u8>) -> Refusable<EventKind> {
        Err(Rejection::new(RejectCode::UnknownKind))
    }

    pub(super) fn apply_adjusted(&mut self, _head: &StockAdjusted) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_counted(&mut self, _head: &StockCounted) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_stock_moved(&mut self, _head: &StockMoved) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_level_set(&mut self, _head: &LevelSet) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_refilled(&mut self, _head: &BackordersRefilled, _refills: &[Refill]) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_shortage_named(&mut self, _head: &ShortageNamed) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    /// More units of a line wait; its counter is the caller's to change.
    pub(super) fn wait_for_more(&mut self, slot: OrderSlot, line: usize, units: u32) {
        let _ = (slot, line, units);
    }
}
