//! Inventory levels, what changes them from outside, and who is hit when less is there than was promised.

use orderline_protocol::RejectCode;
use orderline_protocol::command::*;
use orderline_protocol::limits::{BUCKET_QUANTITY_MAX, MOVEMENTS_MAX};

use crate::model::{Answer, Model, Rare, Refused, Told, refuse, seen_or_new};

/// One SKU at one location.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Level {
    pub available: i64,
    pub reserved: i64,
    pub committed: i64,
    pub safety: i64,
    pub damaged: i64,
    pub quality_hold: i64,
    pub incoming: i64,
    /// The newest sequence that it was set as of.
    pub as_of: u64,
    /// How often a stock command has changed it.
    pub version: u32,
    /// All that ever came and went, kept for itself: what is on hand must come to the same.
    pub came_and_went: i64,
}

impl Level {
    pub fn on_hand(&self) -> i64 {
        self.available + self.not_available()
    }

    /// On hand less available.
    pub fn not_available(&self) -> i64 {
        self.reserved + self.committed + self.safety + self.damaged + self.quality_hold
    }

    pub fn bucket(&mut self, bucket: Bucket) -> &mut i64 {
        match bucket {
            Bucket::Available => &mut self.available,
            Bucket::Safety => &mut self.safety,
            Bucket::Damaged => &mut self.damaged,
            Bucket::QualityHold => &mut self.quality_hold,
            Bucket::Incoming => &mut self.incoming,
        }
    }
}

/// A change of what is on hand.
#[derive(Debug, Clone)]
pub struct Movement {
    pub sequence: u64,
    pub level: (u32, u16),
    pub units: i64,
}

/// The orders that are hit because a level has less than is promised there, newest first, with their units there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    pub level: (u32, u16),
    pub short: u64,
    pub orders: Vec<(u128, u32)>,
}

/// Which bucket an order's units are in while it is pending, and from its confirmation on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    Reserved,
    Committed,
}

const BUCKET_MAX: i128 = BUCKET_QUANTITY_MAX as i128;

fn is_on_hand(bucket: Bucket) -> bool {
    bucket != Bucket::Incoming
}

fn read(number: u8) -> Bucket {
    Bucket::from_number(number).expect("the fields were checked")
}

fn overflow(holds: i64) -> Refused {
    Refused::new(RejectCode::StockOverflow).detail(holds as u64)
}

fn negative(holds: i64) -> Refused {
    Refused::new(RejectCode::StockNegative).detail(holds as u64)
}

impl Level {
    /// Whether it is as the caller has seen it.
    fn is_seen(&self, at: (u32, u16), expected: u32) -> Result<(), Refused> {
        seen_or_new(expected, self.version).map_err(|refused| refused.subject(at.1.into()))
    }

    /// Over all buckets but incoming a level holds so much at most.
    fn has_room(&self, more: i128) -> Result<(), Refused> {
        if i128::from(self.on_hand()) + more > BUCKET_MAX {
            return Err(overflow(self.on_hand()));
        }
        Ok(())
    }
}

impl Model {
    pub fn level(&self, level: (u32, u16)) -> Level {
        self.levels.get(&level).cloned().unwrap_or_default()
    }

    pub fn level_mut(&mut self, level: (u32, u16)) -> &mut Level {
        self.levels.entry(level).or_default()
    }

    fn promised(&mut self, level: (u32, u16), promise: Promise) -> &mut i64 {
        match promise {
            Promise::Reserved => &mut self.level_mut(level).reserved,
            Promise::Committed => &mut self.level_mut(level).committed,
        }
    }

    /// Units that were available are promised.
    pub fn take(&mut self, level: (u32, u16), promise: Promise, units: u32) {
        self.level_mut(level).available -= i64::from(units);
        *self.promised(level, promise) += i64::from(units);
    }

    /// Units that were promised are available again.
    pub fn give_back(&mut self, level: (u32, u16), promise: Promise, units: u32) {
        *self.promised(level, promise) -= i64::from(units);
        self.level_mut(level).available += i64::from(units);
    }

    /// Remembers that what is on hand changed; the buckets are the caller's to change.
    pub fn note_movement(&mut self, level: (u32, u16), units: i64) {
        if units == 0 {
            return;
        }
        self.level_mut(level).came_and_went += units;
        self.movements.push_back(Movement { sequence: self.next_sequence(), level, units });
        if self.movements.len() > MOVEMENTS_MAX {
            self.forgotten = self.movements.pop_front().map_or(0, |movement| movement.sequence);
        }
    }

    pub fn receive_stock(&mut self, head: &ReceiveStock) -> Answer {
        let quantity = head.quantity.get();
        if quantity == 0 {
            return Err(Refused::new(RejectCode::ZeroQuantity).subject(0));
        }
        let at = (self.known_sku(head.sku, 0)?, self.known_location(head.location)?);
        let level = self.level(at);
        level.is_seen(at, head.expected_version.get())?;
        level.has_room(quantity.into())?;
        if head.from_incoming == 1 && i128::from(level.incoming) < i128::from(quantity) {
            return Err(negative(level.incoming));
        }
        let units = quantity as i64;
        let level = self.level_mut(at);
        if head.from_incoming == 1 {
            level.incoming -= units;
        }
        level.available += units;
        self.note_movement(at, units);
        Ok(self.changed(at, self.level(at).available))
    }

    pub fn adjust_stock(&mut self, head: &AdjustStock) -> Answer {
        let delta = head.delta.get();
        if delta == 0 {
            return Err(Refused::new(RejectCode::ZeroQuantity).subject(0));
        }
        let at = (self.known_sku(head.sku, 0)?, self.known_location(head.location)?);
        let bucket = read(head.bucket);
        let mut level = self.level(at);
        level.is_seen(at, head.expected_version.get())?;
        let on_hand = i128::from(level.on_hand());
        let holds = *level.bucket(bucket);
        let new = i128::from(holds) + i128::from(delta);
        if bucket != Bucket::Available && new < 0 {
            return Err(negative(holds));
        }
        if is_on_hand(bucket) && delta < 0 && on_hand + i128::from(delta) < 0 {
            return Err(negative(holds));
        }
        if is_on_hand(bucket) {
            level.has_room(delta.into())?;
        } else if new > BUCKET_MAX {
            return Err(overflow(holds));
        }
        *self.level_mut(at).bucket(bucket) = new as i64;
        if is_on_hand(bucket) {
            self.note_movement(at, delta);
        }
        if bucket == Bucket::Available {
            self.name_shortage(at, holds);
        }
        Ok(self.changed(at, new as i64))
    }

    pub fn count_stock(&mut self, head: &CountStock) -> Answer {
        let at = (self.known_sku(head.sku, 0)?, self.known_location(head.location)?);
        let level = self.level(at);
        level.is_seen(at, head.expected_version.get())?;
        let new = self.available_with(&level, head.on_hand.get().into())?;
        self.level_mut(at).available = new;
        self.note_movement(at, new - level.available);
        self.name_shortage(at, level.available);
        Ok(self.changed(at, new))
    }

    /// What is available if this much is on hand: safety, damaged and quality hold must fit into it.
    fn available_with(&self, level: &Level, on_hand: i128) -> Result<i64, Refused> {
        let new = on_hand - i128::from(level.not_available());
        if new < -i128::from(level.reserved + level.committed) {
            return Err(negative(level.not_available()));
        }
        level.has_room(on_hand - i128::from(level.on_hand()))?;
        Ok(new as i64)
    }

    pub fn move_stock(&mut self, head: &MoveStock) -> Answer {
        let quantity = head.quantity.get();
        if quantity == 0 {
            return Err(Refused::new(RejectCode::ZeroQuantity).subject(0));
        }
        let (from_bucket, to_bucket) = (read(head.from_bucket), read(head.to_bucket));
        if head.from == head.to && from_bucket == to_bucket {
            return refuse(RejectCode::SameLocation);
        }
        let sku = self.known_sku(head.sku, 0)?;
        let from = (sku, self.known_location(head.from)?);
        let to = (sku, self.known_location(head.to)?);
        let mut source = self.level(from);
        source.is_seen(from, head.expected_from_version.get())?;
        self.level(to).is_seen(to, head.expected_to_version.get())?;
        let holds = *source.bucket(from_bucket);
        if i128::from(holds) < i128::from(quantity) {
            return Err(negative(holds));
        }
        let units = quantity as i64;
        let leaves = is_on_hand(from_bucket) && (from != to || !is_on_hand(to_bucket));
        if leaves && source.on_hand() < units {
            return Err(negative(holds));
        }
        let mut target = self.level(to);
        let held = *target.bucket(to_bucket);
        let comes = is_on_hand(to_bucket) && (from != to || !is_on_hand(from_bucket));
        if comes {
            target.has_room(units.into())?;
        } else if !is_on_hand(to_bucket) && i128::from(held) + i128::from(units) > BUCKET_MAX {
            return Err(overflow(held));
        }
        *self.level_mut(from).bucket(from_bucket) -= units;
        *self.level_mut(to).bucket(to_bucket) += units;
        if leaves {
            self.note_movement(from, -units);
        }
        if is_on_hand(to_bucket) && (from != to || !is_on_hand(from_bucket)) {
            self.note_movement(to, units);
        }
        if from != to {
            self.changed(from, 0);
        }
        Ok(self.changed(to, held + units))
    }

    pub fn set_level(&mut self, head: &SetLevel) -> Answer {
        let at = (self.known_sku(head.sku, 0)?, self.known_location(head.location)?);
        let as_of = head.as_of.get();
        let level = self.level(at);
        level.is_seen(at, head.expected_version.get())?;
        if as_of > self.sequence {
            return Err(Refused::new(RejectCode::AsOfAhead).detail(self.sequence));
        }
        if as_of < level.as_of {
            return Err(Refused::new(RejectCode::AsOfStale).detail(level.as_of));
        }
        if as_of < self.forgotten {
            return Err(Refused::new(RejectCode::AsOfTooOld).detail(self.forgotten));
        }
        let since: i64 = self
            .movements
            .iter()
            .filter(|movement| movement.level == at && movement.sequence > as_of)
            .map(|movement| movement.units)
            .sum();
        let new = self.available_with(&level, i128::from(head.on_hand.get()) + i128::from(since))?;
        self.met(Rare::SetLevelWithMovements, since != 0);
        let changed = self.level_mut(at);
        changed.available = new;
        changed.as_of = as_of;
        changed.came_and_went += new - level.available;
        self.name_shortage(at, level.available);
        Ok(self.changed(at, new))
    }

    /// A stock command has changed a level.
    fn changed(&mut self, at: (u32, u16), detail: i64) -> Told {
        self.level_mut(at).version += 1;
        Told { version: self.level(at).version, ..Told::detail(detail as u64) }
    }

    /// If available fell below zero, or further below: the orders with units there, newest placement first, until their
    /// units cover what lacks.
    fn name_shortage(&mut self, at: (u32, u16), before: i64) {
        let available = self.level(at).available;
        if available >= 0 || available >= before {
            return;
        }
        let short = available.unsigned_abs();
        let mut there: Vec<(u64, u128, u32)> = self
            .orders
            .values()
            .map(|order| (order.placed_sequence, order.id, order.units_at(at)))
            .filter(|&(_, _, units)| units > 0)
            .collect();
        there.sort_unstable();
        let mut orders = Vec::new();
        let mut covered = 0;
        for (_, id, units) in there.into_iter().rev() {
            if covered >= short {
                break;
            }
            covered += u64::from(units);
            orders.push((id, units));
        }
        self.shortages.push(Shortage { level: at, short, orders });
    }
}
