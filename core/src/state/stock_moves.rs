//! Stock: decisions about inventory levels, and what their events do.

use std::mem::offset_of;

use orderline_protocol::command::{
    AdjustStock, Bucket, Cause, CountStock, MoveStock, ReceiveStock, SetLevel,
};
use orderline_protocol::event::{
    Event, EventKind, LevelSet, Origin, StockAdjusted, StockCounted, StockMoved, StockReceived,
};
use orderline_protocol::limits::BUCKET_QUANTITY_MAX;
use orderline_protocol::{LocationHandle, RejectCode, SkuHandle};
use zerocopy::FromZeros;

use super::apply::Effect;
use super::decide::{Refusable, check_flag, check_zeros, expects, write};
use super::stock::{Level, Row};
use super::{Rejection, State};

impl State {
    pub(super) fn decide_receive(
        &self,
        origin: Origin,
        head: &ReceiveStock,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_cause(&head.cause, offset_of!(ReceiveStock, cause))?;
        check_flag(head.from_incoming, offset_of!(ReceiveStock, from_incoming) as u32)?;
        check_zeros(&head.reserved, offset_of!(ReceiveStock, reserved) as u32)?;
        if head.quantity.get() == 0 {
            return Err(Rejection::new(RejectCode::ZeroQuantity));
        }
        self.check_level(head.sku, head.location)?;
        let level = self.level_of(head.sku, head.location);
        level.check_version(head.location, head.expected_version.get())?;
        level.check_room(head.quantity.get().into())?;
        if head.from_incoming == 1 && level.rest.incoming < head.quantity.get() {
            return Err(Rejection::new(RejectCode::StockNegative).with(level.rest.incoming));
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
        self.level_effect(sku, location, held)
    }

    pub(super) fn decide_adjust(
        &self,
        origin: Origin,
        head: &AdjustStock,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_cause(&head.cause, offset_of!(AdjustStock, cause))?;
        let bucket = check_bucket(head.bucket, offset_of!(AdjustStock, bucket) as u32)?;
        check_zeros(&head.reserved, offset_of!(AdjustStock, reserved) as u32)?;
        let delta = head.delta.get();
        if delta == 0 {
            return Err(Rejection::new(RejectCode::ZeroQuantity));
        }
        self.check_level(head.sku, head.location)?;
        let level = self.level_of(head.sku, head.location);
        level.check_version(head.location, head.expected_version.get())?;
        let holds = level.bucket(bucket);
        let sum = i128::from(holds) + i128::from(delta);
        if bucket != Bucket::Available && sum < 0 {
            return Err(negative(holds));
        }
        if is_on_hand(bucket) && i128::from(level.on_hand()) + i128::from(delta) < 0 && delta < 0 {
            return Err(negative(holds));
        }
        if is_on_hand(bucket) {
            level.check_room(delta.into())?;
        } else if sum > i128::from(BUCKET_QUANTITY_MAX) {
            return Err(overflow(holds));
        }
        Ok(write(Event::StockAdjusted(&StockAdjusted { origin, adjustment: *head }), out))
    }

    pub(super) fn decide_count(
        &self,
        origin: Origin,
        head: &CountStock,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_cause(&head.cause, offset_of!(CountStock, cause))?;
        check_zeros(&head.reserved, offset_of!(CountStock, reserved) as u32)?;
        self.check_level(head.sku, head.location)?;
        let level = self.level_of(head.sku, head.location);
        level.check_version(head.location, head.expected_version.get())?;
        let delta = level.delta_to(head.on_hand.get().into())?;
        Ok(write(Event::StockCounted(&StockCounted { origin, count: *head, delta: delta.into() }), out))
    }

    pub(super) fn decide_move_stock(
        &self,
        origin: Origin,
        head: &MoveStock,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_cause(&head.cause, offset_of!(MoveStock, cause))?;
        let from_bucket = check_bucket(head.from_bucket, offset_of!(MoveStock, from_bucket) as u32)?;
        let to_bucket = check_bucket(head.to_bucket, offset_of!(MoveStock, to_bucket) as u32)?;
        check_zeros(&head.reserved, offset_of!(MoveStock, reserved) as u32)?;
        let units = head.quantity.get();
        if units == 0 {
            return Err(Rejection::new(RejectCode::ZeroQuantity));
        }
        if head.from == head.to && from_bucket == to_bucket {
            return Err(Rejection::new(RejectCode::SameLocation));
        }
        self.check_level(head.sku, head.from)?;
        self.check_level(head.sku, head.to)?;
        let (from, to) = (self.level_of(head.sku, head.from), self.level_of(head.sku, head.to));
        from.check_version(head.from, head.expected_from_version.get())?;
        to.check_version(head.to, head.expected_to_version.get())?;
        let holds = from.bucket(from_bucket);
        if i128::from(holds) < i128::from(units) {
            return Err(negative(holds));
        }
        // With a shortage beside it, what another bucket holds is not all there.
        let leaves = is_on_hand(from_bucket) && (head.from != head.to || !is_on_hand(to_bucket));
        if leaves && i128::from(from.on_hand()) < i128::from(units) {
            return Err(negative(holds));
        }
        let held = to.bucket(to_bucket);
        let comes = is_on_hand(to_bucket) && (head.from != head.to || !is_on_hand(from_bucket));
        if comes {
            to.check_room(units.into())?;
        } else if !is_on_hand(to_bucket)
            && i128::from(held) + i128::from(units) > i128::from(BUCKET_QUANTITY_MAX)
        {
            return Err(overflow(held));
        }
        Ok(write(Event::StockMoved(&StockMoved { origin, movement: *head }), out))
    }

    pub(super) fn decide_set_level(
        &self,
        origin: Origin,
        head: &SetLevel,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_cause(&head.cause, offset_of!(SetLevel, cause))?;
        check_zeros(&head.reserved, offset_of!(SetLevel, reserved) as u32)?;
        self.check_level(head.sku, head.location)?;
        let level = self.level_of(head.sku, head.location);
        level.check_version(head.location, head.expected_version.get())?;
        let as_of = head.as_of.get();
        if as_of > self.sequence {
            return Err(Rejection::new(RejectCode::AsOfAhead).with(self.sequence));
        }
        if as_of < level.rest.set_as_of {
            return Err(Rejection::new(RejectCode::AsOfStale).with(level.rest.set_as_of));
        }
        let since = match self.stock.movements.since(as_of, level.rest.newest_movement) {
            Ok(since) => since,
            Err(oldest) => return Err(Rejection::new(RejectCode::AsOfTooOld).with(oldest)),
        };
        let delta = level.delta_to(i128::from(head.on_hand.get()) + i128::from(since))?;
        Ok(write(Event::LevelSet(&LevelSet { origin, set: *head, delta: delta.into() }), out))
    }

    /// A level as it is; all zeros if it has not come to be.
    fn level_of(&self, sku: SkuHandle, location: LocationHandle) -> Held {
        let found = self.catalogue.sku(sku).and_then(|sku| self.stock.find(sku, location));
        let none = || Held { row: FromZeros::new_zeroed(), rest: FromZeros::new_zeroed() };
        found.map_or_else(none, |(row, rest)| Held { row: *row, rest: *rest })
    }

    pub(super) fn apply_adjusted(&mut self, head: &StockAdjusted) -> Effect {
        let of = &head.adjustment;
        let bucket = bucket_in(of.bucket);
        let delta = of.delta.get();
        let holds = self.stock.adjust(&mut self.catalogue, of.sku, of.location, bucket, delta);
        if is_on_hand(bucket) {
            self.stock.moved(&mut self.catalogue, of.sku, of.location, self.sequence, delta);
        }
        self.level_effect(of.sku, of.location, holds)
    }

    pub(super) fn apply_counted(&mut self, head: &StockCounted) -> Effect {
        let (sku, location, delta) = (head.count.sku, head.count.location, head.delta.get());
        let available = self.stock.adjust(&mut self.catalogue, sku, location, Bucket::Available, delta);
        self.stock.moved(&mut self.catalogue, sku, location, self.sequence, delta);
        self.level_effect(sku, location, available)
    }

    pub(super) fn apply_stock_moved(&mut self, head: &StockMoved) -> Effect {
        let of = &head.movement;
        let (from_bucket, to_bucket) = (bucket_in(of.from_bucket), bucket_in(of.to_bucket));
        // A bucket held that many, so they are far below the sign bit.
        let units = of.quantity.get() as i64;
        self.stock.adjust(&mut self.catalogue, of.sku, of.from, from_bucket, -units);
        let holds = self.stock.adjust(&mut self.catalogue, of.sku, of.to, to_bucket, units);
        // Between buckets that are on hand at one location, nothing moves.
        if of.from != of.to || is_on_hand(from_bucket) != is_on_hand(to_bucket) {
            if is_on_hand(from_bucket) {
                self.stock.moved(&mut self.catalogue, of.sku, of.from, self.sequence, -units);
            }
            if is_on_hand(to_bucket) {
                self.stock.moved(&mut self.catalogue, of.sku, of.to, self.sequence, units);
            }
        }
        if of.from != of.to {
            self.stock.count_change(&mut self.catalogue, of.sku, of.from);
        }
        self.level_effect(of.sku, of.to, holds)
    }

    pub(super) fn apply_level_set(&mut self, head: &LevelSet) -> Effect {
        let (set, delta) = (&head.set, head.delta.get());
        let as_of = set.as_of.get();
        let available = self.stock.set(&mut self.catalogue, set.sku, set.location, delta, as_of);
        self.level_effect(set.sku, set.location, available)
    }

    /// The answer to a command about a level, which counts as a change of it.
    fn level_effect(&mut self, sku: SkuHandle, location: LocationHandle, detail: i64) -> Effect {
        let version = self.stock.count_change(&mut self.catalogue, sku, location);
        Effect::entity(detail as u64, version, 0)
    }
}

/// What a level holds.
struct Held {
    row: Row,
    rest: Level,
}

impl Held {
    fn bucket(&self, bucket: Bucket) -> i64 {
        self.rest.bucket(bucket).map_or(self.row.available(), |held| held as i64)
    }

    /// Whether the level is as its caller has seen it.
    fn check_version(&self, location: LocationHandle, expected: u32) -> Refusable<()> {
        let version = self.rest.version;
        if expects(expected, version) {
            return Ok(());
        }
        let rejection = Rejection::new(RejectCode::VersionMismatch).about(location.get().into());
        Err(Rejection { version, ..rejection })
    }

    fn on_hand(&self) -> i64 {
        self.rest.on_hand(&self.row)
    }

    /// Whether so many more units fit. What bounds a level is what is on hand, over all buckets: whatever is given back then
    /// fits into available.
    fn check_room(&self, more: i128) -> Refusable<()> {
        if i128::from(self.on_hand()) + more > i128::from(BUCKET_QUANTITY_MAX) {
            return Err(overflow(self.on_hand()));
        }
        Ok(())
    }

    /// What available must change by so that this much is on hand. What is not promised must fit into it.
    fn delta_to(&self, on_hand: i128) -> Refusable<i64> {
        let not_available = self.on_hand() - self.row.available();
        let promised = self.row.reserved + self.rest.committed;
        let available = on_hand - i128::from(not_available);
        if available < -i128::from(promised) {
            return Err(negative(not_available));
        }
        self.check_room(on_hand - i128::from(self.on_hand()))?;
        // Both are within a bucket's limits.
        Ok((available - i128::from(self.row.available())) as i64)
    }
}

/// Whether units in a bucket are on hand.
fn is_on_hand(bucket: Bucket) -> bool {
    bucket != Bucket::Incoming
}

fn negative(holds: i64) -> Rejection {
    Rejection::new(RejectCode::StockNegative).with(holds as u64)
}

fn overflow(holds: i64) -> Rejection {
    Rejection::new(RejectCode::StockOverflow).with(holds as u64)
}

/// The cause's time has been judged with those of all commands.
fn check_cause(cause: &Cause, offset: usize) -> Refusable<()> {
    check_zeros(&cause.reserved, (offset + offset_of!(Cause, reserved)) as u32)
}

fn check_bucket(number: u8, offset: u32) -> Refusable<Bucket> {
    match Bucket::from_number(number) {
        Some(bucket) => Ok(bucket),
        None => Err(Rejection::new(RejectCode::InvalidField).about(offset)),
    }
}

/// The bucket that an event names.
pub(super) fn bucket_in(number: u8) -> Bucket {
    match Bucket::from_number(number) {
        Some(bucket) => bucket,
        None => panic!("an event names bucket {number}, which there is not"),
    }
}
