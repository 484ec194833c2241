//! Inventory levels: how many units of one SKU are at one location, in buckets.
//!
//! A level is one cache line. A SKU's levels form a chain, most often of one; which location ships is decided by
//! `sourcing`, here units only move between buckets. `on_hand` is the sum of the buckets and therefore never stored.

use orderline_protocol::command::Bucket;
use orderline_protocol::limits::BUCKET_QUANTITY_MAX;
use orderline_protocol::{LocationHandle, SkuHandle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::catalogue::{Catalogue, NO_LEVEL};
use crate::arena::Arena;

/// One SKU at one location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub(crate) struct Level {
    pub(crate) location: LocationHandle,
    /// The SKU's next level; [`NO_LEVEL`]: the last.
    pub(crate) next: u32,
    pub(crate) available: u64,
    pub(crate) reserved: u64,
    pub(crate) committed: u64,
    pub(crate) safety: u64,
    pub(crate) damaged: u64,
    pub(crate) quality_hold: u64,
    pub(crate) incoming: u64,
}

const _: () = assert!(size_of::<Level>() == 64);

impl Level {
    pub(crate) fn bucket(&self, bucket: Bucket) -> u64 {
        match bucket {
            Bucket::Available => self.available,
            Bucket::Safety => self.safety,
            Bucket::Damaged => self.damaged,
            Bucket::QualityHold => self.quality_hold,
            Bucket::Incoming => self.incoming,
        }
    }

    fn bucket_mut(&mut self, bucket: Bucket) -> &mut u64 {
        match bucket {
            Bucket::Available => &mut self.available,
            Bucket::Safety => &mut self.safety,
            Bucket::Damaged => &mut self.damaged,
            Bucket::QualityHold => &mut self.quality_hold,
            Bucket::Incoming => &mut self.incoming,
        }
    }
}

/// Where units stand for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Held for a pending order.
    Reserved,
    /// Committed to a confirmed order.
    Committed,
}

/// All levels.
#[derive(Default)]
pub(crate) struct Stock {
    levels: Arena<Level>,
}

impl Stock {
    /// The SKU's levels, in the order in which they came to be.
    pub(crate) fn levels_of<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        sku: SkuHandle,
    ) -> impl Iterator<Item = &'a Level> {
        let mut next = catalogue.sku(sku).map_or(NO_LEVEL, |sku| sku.first_level);
        std::iter::from_fn(move || {
            let level = (next != NO_LEVEL).then(|| self.levels.get(next as usize))?;
            next = level.next;
            Some(level)
        })
    }

    /// The level with this index.
    #[inline]
    pub(crate) fn level(&self, index: u32) -> &Level {
        self.levels.get(index as usize)
    }

    #[inline]
    pub(crate) fn prefetch(&self, index: u32) {
        self.levels.prefetch(index as usize);
    }

    /// The SKU's level at a location, if there is one.
    pub(crate) fn find<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        sku: SkuHandle,
        location: LocationHandle,
    ) -> Option<&'a Level> {
        self.levels_of(catalogue, sku).find(|level| level.location == location)
    }

    #[inline]
    fn index_of(&self, catalogue: &Catalogue, sku: SkuHandle, location: LocationHandle) -> Option<usize> {
        let mut index = catalogue.sku(sku)?.first_level;
        while index != NO_LEVEL {
            let level = self.levels.get(index as usize);
            if level.location == location {
                return Some(index as usize);
            }
            index = level.next;
        }
        None
    }

    #[inline]
    fn existing(&mut self, catalogue: &Catalogue, sku: SkuHandle, location: LocationHandle) -> &mut Level {
        match self.index_of(catalogue, sku, location) {
            Some(index) => self.levels.get_mut(index),
            None => panic!("an event names a level that never was: SKU {sku} at location {location}"),
        }
    }

    /// The SKU's level at a location, made if there is none.
    pub(crate) fn ensure(
        &mut self,
        catalogue: &mut Catalogue,
        sku: SkuHandle,
        location: LocationHandle,
    ) -> &mut Level {
        let index = match self.index_of(catalogue, sku, location) {
            Some(index) => index,
            None => self.append(catalogue, sku, location),
        };
        self.levels.get_mut(index)
    }

    fn append(&mut self, catalogue: &mut Catalogue, sku: SkuHandle, location: LocationHandle) -> usize {
        let index = self.levels.extend(1);
        let level = self.levels.get_mut(index);
        level.location = location;
        level.next = NO_LEVEL;
        // New levels go to the end, so that chains keep the order of their making whatever path built them.
        let mut last = catalogue.sku(sku).map_or(NO_LEVEL, |sku| sku.first_level);
        if last == NO_LEVEL {
            catalogue.sku_mut(sku).first_level = index as u32;
            return index;
        }
        while self.levels.get(last as usize).next != NO_LEVEL {
            last = self.levels.get(last as usize).next;
        }
        self.levels.get_mut(last as usize).next = index as u32;
        index
    }

    /// Adds a signed number of units to a bucket, as an event says.
    ///
    /// # Panics
    /// If the bucket would fall below zero or over its limit: the decision has ruled that out.
    pub(crate) fn adjust(
        &mut self,
        catalogue: &mut Catalogue,
        sku: SkuHandle,
        location: LocationHandle,
        bucket: Bucket,
        delta: i64,
    ) -> u64 {
        let held = self.ensure(catalogue, sku, location).bucket_mut(bucket);
        *held = match held.checked_add_signed(delta) {
            Some(sum) if sum <= BUCKET_QUANTITY_MAX => sum,
            _ => panic!("{delta} units added to a bucket of {held}: SKU {sku} at location {location}"),
        };
        *held
    }

    /// Takes units out of what is available and holds them for a pending order.
    #[inline]
    pub(crate) fn reserve(
        &mut self,
        catalogue: &Catalogue,
        sku: SkuHandle,
        location: LocationHandle,
        units: u64,
    ) {
        let level = self.existing(catalogue, sku, location);
        assert!(level.available >= units, "oversold: SKU {sku} at location {location}");
        level.available -= units;
        level.reserved += units;
    }

    /// Commits what was held for an order that is now confirmed.
    pub(crate) fn commit(
        &mut self,
        catalogue: &Catalogue,
        sku: SkuHandle,
        location: LocationHandle,
        units: u64,
    ) {
        let level = self.existing(catalogue, sku, location);
        assert!(level.reserved >= units, "committed without being held: SKU {sku} at location {location}");
        level.reserved -= units;
        level.committed += units;
    }

    /// Gives back what was promised; what is on hand stays as it is.
    pub(crate) fn release(
        &mut self,
        catalogue: &Catalogue,
        sku: SkuHandle,
        location: LocationHandle,
        promise: Promise,
        units: u64,
    ) {
        let level = self.existing(catalogue, sku, location);
        let promised = match promise {
            Promise::Reserved => &mut level.reserved,
            Promise::Committed => &mut level.committed,
        };
        assert!(*promised >= units, "given back without being promised: SKU {sku} at location {location}");
        *promised -= units;
        level.available += units;
    }

    /// Ships committed units: they leave what is on hand.
    pub(crate) fn ship(
        &mut self,
        catalogue: &Catalogue,
        sku: SkuHandle,
        location: LocationHandle,
        units: u64,
    ) {
        let level = self.existing(catalogue, sku, location);
        assert!(
            level.committed >= units,
            "shipped without being committed: SKU {sku} at location {location}"
        );
        level.committed -= units;
    }

    /// Restores a level from a snapshot.
    pub(crate) fn restore(&mut self, catalogue: &mut Catalogue, sku: SkuHandle, saved: &Level) {
        let level = self.ensure(catalogue, sku, saved.location);
        *level = Level { next: level.next, ..*saved };
    }
}
