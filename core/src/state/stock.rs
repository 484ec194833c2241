//! Inventory levels: how many units of one SKU are at one location, in buckets.
//!
//! A level has two parts. Its row (16 bytes: location, available and reserved) is what sourcing reads and a placement
//! changes; the rows of a SKU lie side by side, and the row of a SKU with one level lies in the SKU itself. The rest (one
//! cache line) is only touched where other units move. Which location ships is decided by `sourcing`; here units only move
//! between buckets. `on_hand` is the sum of the buckets and therefore never stored.

use std::collections::BTreeSet;

use orderline_protocol::command::Bucket;
use orderline_protocol::limits::BUCKET_QUANTITY_MAX;
use orderline_protocol::{LocationHandle, Sequence, SkuHandle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::apply::next_version;
use super::availability::Touched;
use super::catalogue::{Catalogue, Sku};
use super::frozen::Frozen;
use super::hash::Sum;
use super::layouts::{LayoutId, Layouts};
use super::movements::Movements;
use super::shortages::Search;
use super::stack::Stack;
use crate::arena::Arena;
use crate::bugs::is_planted;

/// A level's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Row {
    /// What is available (signed, 48 bits) above its location (16 bits).
    place: u64,
    pub(crate) reserved: u64,
}

impl Row {
    pub(crate) const fn new(location: LocationHandle, available: i64) -> Self {
        Self { place: (available as u64) << 16 | location.get() as u64, reserved: 0 }
    }

    #[inline]
    pub(crate) const fn location(&self) -> LocationHandle {
        LocationHandle::new(self.place as u16)
    }

    /// Free to promise; below zero: a shortage.
    #[inline]
    pub(crate) const fn available(&self) -> i64 {
        self.place as i64 >> 16
    }

    /// Whether so many units are available; at most [`BUCKET_QUANTITY_MAX`] are asked for.
    #[inline]
    pub(crate) const fn has(&self, units: u64) -> bool {
        // The location below does not change the order of what is available above it.
        self.place as i64 >= (units << 16) as i64
    }

    #[inline]
    fn set_available(&mut self, available: i64) {
        self.place = (available as u64) << 16 | self.place & 0xffff;
    }

    /// What stands in a SKU with several levels instead of a row: where its rows begin, and where they are.
    const fn leading_to(first: usize, layout: LayoutId) -> Self {
        Self { place: first as u64, reserved: layout.number() as u64 }
    }

    const fn layout(&self) -> LayoutId {
        LayoutId::from_number(self.reserved as u32)
    }

    const fn first(&self) -> usize {
        self.place as usize
    }
}

/// A level without its row: a cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub(crate) struct Level {
    /// The number of its newest movement; 0: none yet.
    pub(crate) newest_movement: u64,
    pub(crate) committed: u64,
    pub(crate) safety: u64,
    pub(crate) damaged: u64,
    pub(crate) quality_hold: u64,
    pub(crate) incoming: u64,
    /// The newest sequence that it was set as of.
    pub(crate) set_as_of: Sequence,
    /// How often a stock command has changed it.
    pub(crate) version: u32,
    spare: u32,
}

const _: () = assert!(size_of::<Row>() == 16 && size_of::<Level>() == 64);

/// A level as snapshots and hashes have it.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct SavedLevel {
    pub(crate) sku: u64,
    /// What is available (signed, 48 bits) above its location (16 bits).
    place: u64,
    newest_movement: u64,
    reserved: u64,
    committed: u64,
    safety: u64,
    damaged: u64,
    quality_hold: u64,
    incoming: u64,
    set_as_of: Sequence,
    version: u64,
}

impl SavedLevel {
    pub(crate) fn new(sku: SkuHandle, row: &Row, level: &Level) -> Self {
        Self {
            sku: sku.get().into(),
            place: row.place,
            newest_movement: level.newest_movement,
            reserved: row.reserved,
            committed: level.committed,
            safety: level.safety,
            damaged: level.damaged,
            quality_hold: level.quality_hold,
            incoming: level.incoming,
            set_as_of: level.set_as_of,
            version: level.version.into(),
        }
    }

    pub(crate) fn row(&self) -> Row {
        Row { place: self.place, reserved: self.reserved }
    }

    pub(crate) fn level(&self) -> Level {
        Level {
            newest_movement: self.newest_movement,
            committed: self.committed,
            safety: self.safety,
            damaged: self.damaged,
            quality_hold: self.quality_hold,
            incoming: self.incoming,
            set_as_of: self.set_as_of,
            // Nobody but `new` has written it.
            version: self.version as u32,
            spare: 0,
        }
    }
}

impl Level {
    /// What is on hand, given the level's row. Never below zero.
    pub(crate) fn on_hand(&self, row: &Row) -> i64 {
        row.available()
            + (row.reserved + self.committed + self.safety + self.damaged + self.quality_hold) as i64
    }

    /// A bucket other than available.
    pub(crate) fn bucket(&self, bucket: Bucket) -> Option<u64> {
        Some(match bucket {
            Bucket::Available => return None,
            Bucket::Safety => self.safety,
            Bucket::Damaged => self.damaged,
            Bucket::QualityHold => self.quality_hold,
            Bucket::Incoming => self.incoming,
        })
    }

    fn bucket_mut(&mut self, bucket: Bucket) -> Option<&mut u64> {
        Some(match bucket {
            Bucket::Available => return None,
            Bucket::Safety => &mut self.safety,
            Bucket::Damaged => &mut self.damaged,
            Bucket::QualityHold => &mut self.quality_hold,
            Bucket::Incoming => &mut self.incoming,
        })
    }
}

/// Rows of a SKU that are prefetched: four cache lines.
const PREFETCHED_ROWS: usize = 4 * 64 / size_of::<Row>();

/// Where units stand for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Held for a reservation or a pending order.
    Reserved,
    /// Committed to a confirmed order.
    Committed,
}

/// Which level: its place among its SKU's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LevelPlace(u16);

impl LevelPlace {
    /// The first.
    pub(crate) const FIRST: Self = Self(0);
}

// Whoever formats a number in place keeps it in memory just for that; so these take theirs by value.

#[cold]
fn no_level(handle: SkuHandle, location: LocationHandle) -> ! {
    panic!("an event names a level that never was: SKU {handle} at location {location}")
}

#[cold]
fn oversold(handle: SkuHandle, location: LocationHandle) -> ! {
    panic!("oversold: SKU {handle} at location {location}")
}

/// The place of the row at a location, which is likely this one.
#[inline]
fn place_near(rows: &[Row], location: LocationHandle, likely: LevelPlace) -> Option<LevelPlace> {
    if rows.get(usize::from(likely.0)).is_some_and(|row| row.location() == location) {
        return Some(likely);
    }
    let place = rows.iter().position(|row| row.location() == location)?;
    Some(LevelPlace(place as u16))
}

/// All levels.
#[derive(Default)]
pub(crate) struct Stock {
    rows: Arena<Row>,
    levels: Arena<Level>,
    /// Where SKUs with several levels are.
    pub(crate) layouts: Layouts,
    /// Runs of rows and of levels that nobody uses any more, by the power of two of their lengths.
    free_rows: [Stack<u32>; 17],
    free_levels: [Stack<u32>; 17],
    pub(crate) movements: Movements,
    /// Levels below zero whose orders have not been named yet.
    pub(crate) unnamed_shortages: BTreeSet<(SkuHandle, LocationHandle)>,
    /// SKUs with backorders of which something came free. What it comes to is an event; this is only where to look.
    pub(crate) refills_due: BTreeSet<SkuHandle>,
    /// SKUs of which something came or went, for who publishes what can be bought.
    pub(crate) touched: Touched,
    /// The search for orders that a shortage hits, while one is under way.
    pub(crate) search: Option<Box<Search>>,
    /// While a snapshot is made: the levels that it still needs, by SKU.
    frozen: Option<Box<Frozen>>,
}

impl Stock {
    /// The rows of a SKU's levels, in the order in which they came to be.
    #[inline]
    pub(crate) fn rows<'a>(&'a self, sku: &'a Sku) -> &'a [Row] {
        match sku.level_count {
            0 => &[],
            1 => std::slice::from_ref(&sku.row),
            count => self.rows.slice(sku.row.first(), count.into()),
        }
    }

    /// The row of a SKU that has one level.
    #[inline]
    pub(crate) fn only_row<'a>(&self, sku: &'a Sku) -> Option<&'a Row> {
        (sku.level_count == 1).then_some(&sku.row)
    }

    /// Where a SKU with several levels has them; `None`: it has no or one level.
    #[inline]
    pub(crate) fn layout(&self, sku: &Sku) -> Option<LayoutId> {
        (sku.level_count > 1).then(|| sku.row.layout())
    }

    #[inline]
    fn row_mut<'a>(&'a mut self, sku: &'a mut Sku, place: LevelPlace) -> &'a mut Row {
        match sku.level_count {
            1 => &mut sku.row,
            _ => self.rows.get_mut(sku.row.first() + usize::from(place.0)),
        }
    }

    /// Whether any SKU has several levels, and so rows to be fetched.
    #[inline]
    pub(crate) fn has_rows(&self) -> bool {
        self.rows.len() > 0
    }

    /// Has the rows of a SKU with several levels fetched: those of the first lines.
    #[inline]
    pub(crate) fn prefetch(&self, sku: &Sku) {
        let count = usize::from(sku.level_count).min(PREFETCHED_ROWS);
        if count > 1 {
            self.rows.prefetch_run(sku.row.first(), count);
        }
    }

    /// A SKU's level at a location, if there is one.
    #[inline]
    pub(crate) fn place(&self, sku: &Sku, location: LocationHandle) -> Option<LevelPlace> {
        place_near(self.rows(sku), location, LevelPlace::FIRST)
    }

    /// A level of a SKU.
    #[inline]
    pub(crate) fn level(&self, sku: &Sku, place: LevelPlace) -> &Level {
        self.levels.get(sku.levels as usize + usize::from(place.0))
    }

    /// A SKU's level at a location: its row and the rest; `None`: there is no level.
    pub(crate) fn find<'a>(&'a self, sku: &'a Sku, location: LocationHandle) -> Option<(&'a Row, &'a Level)> {
        let place = self.place(sku, location)?;
        Some((&self.rows(sku)[usize::from(place.0)], self.level(sku, place)))
    }

    /// Every level of a SKU, with its row.
    pub(crate) fn levels<'a>(&'a self, sku: &'a Sku) -> impl Iterator<Item = (&'a Row, &'a Level)> {
        let level = |(place, row)| (row, self.levels.get(sku.levels as usize + place));
        self.rows(sku).iter().enumerate().map(level)
    }

    /// The SKU of which a level is about to change. Whatever changes one comes through here first: a snapshot under way may
    /// still need the SKU's levels as they are.
    #[inline]
    fn sku_to_change<'a>(&mut self, catalogue: &'a mut Catalogue, handle: SkuHandle) -> &'a mut Sku {
        let sku = catalogue.sku_mut(handle);
        if self.frozen.is_some() {
            self.keep(handle, sku);
        }
        sku
    }

    #[cold]
    fn keep(&mut self, handle: SkuHandle, sku: &Sku) {
        let Some(mut frozen) = self.frozen.take() else { return };
        if frozen.needs(handle.index()) {
            let (out, sum) = frozen.kept();
            self.put_image(handle, sku, out, sum);
        }
        self.frozen = Some(frozen);
    }

    /// Begins a snapshot of the levels of so many SKUs.
    pub(crate) fn freeze(&mut self, sku_count: usize) {
        self.frozen = Some(Box::new(Frozen::new(sku_count)));
    }

    /// Forgets the snapshot under way.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
        self.movements.ring.thaw();
    }

    /// Writes more of the levels for the snapshot under way, about up to so many bytes. Returns the sum of all hashes at its
    /// end.
    pub(crate) fn walk(
        &mut self,
        catalogue: &Catalogue,
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Option<u128> {
        let mut frozen = self.frozen.take()?;
        let total = frozen.walk(out, bytes_max, |place, is_needed, out, sum| {
            let handle = SkuHandle::new(place as u32);
            if let Some(sku) = catalogue.sku(handle).filter(|_| is_needed) {
                self.put_image(handle, sku, out, sum);
            }
            place + 1
        });
        self.frozen = Some(frozen).filter(|_| total.is_none());
        total
    }

    /// Writes the levels of a SKU as a snapshot keeps them.
    fn put_image(&self, handle: SkuHandle, sku: &Sku, out: &mut Vec<u8>, sum: &mut Sum) {
        for (row, level) in self.levels(sku) {
            out.extend_from_slice(SavedLevel::new(handle, row, level).as_bytes());
        }
        self.add_hashes(handle, sku, sum);
    }

    /// Adds the hashes of a SKU's levels.
    pub(super) fn add_hashes(&self, handle: SkuHandle, sku: &Sku, sum: &mut Sum) {
        for (row, level) in self.levels(sku) {
            sum.add(4, |out| {
                out.extend_from_slice(handle.as_bytes());
                // The upper half of the handle is nothing.
                let saved = SavedLevel::new(handle, row, level);
                out.extend_from_slice(&saved.as_bytes()[size_of::<u64>()..]);
            });
        }
    }

    /// A SKU's level at a location, made if there is none.
    fn ensure(&mut self, sku: &mut Sku, location: LocationHandle) -> LevelPlace {
        match self.place(sku, location) {
            Some(place) => place,
            None => self.append(sku, location),
        }
    }

    #[cold]
    fn append(&mut self, sku: &mut Sku, location: LocationHandle) -> LevelPlace {
        let count = usize::from(sku.level_count);
        let layout = match count {
            0 => LayoutId::EMPTY,
            1 => self.layouts.longer(LayoutId::EMPTY, sku.row.location()),
            _ => sku.row.layout(),
        };
        let has_room = count > 0 && count < 1 << sku.level_room_log2;
        if !has_room {
            let log2 = if count == 0 { 0 } else { sku.level_room_log2 + 1 };
            self.make_room(sku, log2);
        }
        sku.level_count += 1;
        if count > 0 {
            sku.row = Row::leading_to(sku.row.first(), self.layouts.longer(layout, location));
        }
        let place = LevelPlace(count as u16);
        *self.row_mut(sku, place) = Row::new(location, 0);
        place
    }

    /// Moves a SKU's rows and levels to runs of 2^log2.
    fn make_room(&mut self, sku: &mut Sku, log2: u8) {
        let (count, room, class) = (usize::from(sku.level_count), 1 << log2, usize::from(log2));
        let levels = match self.free_levels[class].pop() {
            Some(first) => first as usize,
            None => self.levels.extend(room),
        };
        let old: Vec<Level> =
            if count > 0 { self.levels.slice(sku.levels as usize, count).to_vec() } else { Vec::new() };
        let new = self.levels.slice_mut(levels, room);
        new.fill(zerocopy::FromZeros::new_zeroed());
        new[..count].copy_from_slice(&old);
        if room > 1 {
            let rows = match self.free_rows[class].pop() {
                Some(first) => first as usize,
                None => self.rows.extend(room),
            };
            let old = self.rows(sku).to_vec();
            self.rows.slice_mut(rows, room)[..count].copy_from_slice(&old);
            if count > 1 {
                self.free_rows[usize::from(sku.level_room_log2)].push(sku.row.first() as u32);
            }
            sku.row = Row::leading_to(rows, LayoutId::EMPTY);
        }
        if count > 0 {
            self.free_levels[usize::from(sku.level_room_log2)].push(sku.levels);
        }
        sku.levels = u32::try_from(levels).unwrap_or(u32::MAX);
        assert!(sku.levels < u32::MAX, "the levels' arena is full");
        sku.level_room_log2 = log2;
    }

    #[inline]
    fn existing(&self, sku: &Sku, handle: SkuHandle, location: LocationHandle) -> LevelPlace {
        match self.place(sku, location) {
            Some(place) => place,
            None => no_level(handle, location),
        }
    }

    /// Adds to what is available, and takes note of what follows from it: a shortage, or stock for backorders.
    #[inline]
    fn add_available(&mut self, sku: &mut Sku, handle: SkuHandle, place: LevelPlace, delta: i64) -> i64 {
        let has_backorders = sku.has_backorders != 0;
        let row = self.row_mut(sku, place);
        let (before, location) = (row.available(), row.location());
        let after = if is_planted("clamp-a-negative") { (before + delta).max(0) } else { before + delta };
        assert!(
            after.unsigned_abs() <= BUCKET_QUANTITY_MAX,
            "{delta} units added to {before} available: SKU {handle} at location {location}"
        );
        row.set_available(after);
        self.touched.note_units(handle, sku);
        if delta > 0 && has_backorders {
            self.refills_due.insert(handle);
        }
        if after < 0 && delta < 0 {
            self.unnamed_shortages.insert((handle, location));
            if let Some(search) = &mut self.search {
                search.fall(handle, location, delta.unsigned_abs());
            }
        } else if before < 0 && after >= 0 {
            self.unnamed_shortages.remove(&(handle, location));
            if let Some(search) = &mut self.search {
                search.forget(handle, location);
            }
        }
        after
    }

    /// Adds a signed number of units to a bucket, as an event says; returns what it holds then.
    ///
    /// # Panics
    /// If the bucket would go beyond its bounds: the decision has ruled that out.
    pub(crate) fn adjust(
        &mut self,
        catalogue: &mut Catalogue,
        handle: SkuHandle,
        location: LocationHandle,
        bucket: Bucket,
        delta: i64,
    ) -> i64 {
        let sku = self.sku_to_change(catalogue, handle);
        let place = self.ensure(sku, location);
        let level = self.levels.get_mut(sku.levels as usize + usize::from(place.0));
        let Some(held) = level.bucket_mut(bucket) else {
            return self.add_available(sku, handle, place, delta);
        };
        *held = match held.checked_add_signed(delta) {
            Some(sum) if sum <= BUCKET_QUANTITY_MAX => sum,
            _ => panic!("{delta} units added to a bucket of {held}: SKU {handle} at location {location}"),
        };
        *held as i64
    }

    /// Counts a change of a level by a stock command; returns its version then.
    pub(crate) fn count_change(
        &mut self,
        catalogue: &mut Catalogue,
        handle: SkuHandle,
        location: LocationHandle,
    ) -> u32 {
        let sku = self.sku_to_change(catalogue, handle);
        let place = self.ensure(sku, location);
        let level = self.levels.get_mut(sku.levels as usize + usize::from(place.0));
        level.version = next_version(level.version);
        level.version
    }

    /// Takes note that what is on hand at a level has changed.
    pub(crate) fn moved(
        &mut self,
        catalogue: &mut Catalogue,
        handle: SkuHandle,
        location: LocationHandle,
        sequence: Sequence,
        delta: i64,
    ) {
        if delta == 0 {
            return;
        }
        let sku = self.sku_to_change(catalogue, handle);
        let place = self.ensure(sku, location);
        let level = self.levels.get_mut(sku.levels as usize + usize::from(place.0));
        level.newest_movement = self.movements.add(sequence, handle, location, delta, level.newest_movement);
    }

    /// Sets a level: available changes by a number, as of a sequence.
    pub(crate) fn set(
        &mut self,
        catalogue: &mut Catalogue,
        handle: SkuHandle,
        location: LocationHandle,
        delta: i64,
        as_of: Sequence,
    ) -> i64 {
        let sku = self.sku_to_change(catalogue, handle);
        let place = self.ensure(sku, location);
        self.levels.get_mut(sku.levels as usize + usize::from(place.0)).set_as_of = as_of;
        self.add_available(sku, handle, place, delta)
    }

    /// Takes units out of what is available and holds them.
    pub(crate) fn reserve(
        &mut self,
        catalogue: &mut Catalogue,
        handle: SkuHandle,
        location: LocationHandle,
        units: u64,
    ) {
        self.reserve_near(catalogue, handle, location, LevelPlace::FIRST, units);
    }

    /// The same. Returns the level's place, which is where to look first for the next SKU at the same location (`likely`): SKUs
    /// are often at the same locations.
    #[inline(always)] // Once for each line of each placement.
    pub(crate) fn reserve_near(
        &mut self,
        catalogue: &mut Catalogue,
        handle: SkuHandle,
        location: LocationHandle,
        likely: LevelPlace,
        units: u64,
    ) -> LevelPlace {
        let sku = self.sku_to_change(catalogue, handle);
        let (place, row) = match sku.level_count {
            1 if sku.row.location() == location => (likely, &mut sku.row),
            0 | 1 => no_level(handle, location),
            count => {
                let rows = self.rows.slice_mut(sku.row.first(), count.into());
                let place = place_near(rows, location, likely).unwrap_or_else(|| no_level(handle, location));
                (place, &mut rows[usize::from(place.0)])
            }
        };
        let available = row.available();
        if available < units as i64 {
            oversold(handle, location);
        }
        row.set_available(available - units as i64);
        row.reserved += units;
        self.touched.note_units(handle, sku);
        place
    }

    /// Commits what was held for an order that is now confirmed.
    pub(crate) fn commit(
        &mut self,
        catalogue: &mut Catalogue,
        handle: SkuHandle,
        location: LocationHandle,
        units: u64,
    ) {
        let sku = self.sku_to_change(catalogue, handle);
        let place = self.existing(sku, handle, location);
        let row = self.row_mut(sku, place);
        assert!(row.reserved >= units, "committed without being held: SKU {handle} at location {location}");
        row.reserved -= units;
        self.levels.get_mut(sku.levels as usize + usize::from(place.0)).committed += units;
    }

    /// Takes units off what is promised at a level, without giving them back to anything.
    fn unpromise(
        &mut self,
        sku: &mut Sku,
        handle: SkuHandle,
        place: LevelPlace,
        promise: Promise,
        units: u64,
    ) {
        let promised = match promise {
            Promise::Reserved => &mut self.row_mut(sku, place).reserved,
            Promise::Committed => {
                &mut self.levels.get_mut(sku.levels as usize + usize::from(place.0)).committed
            }
        };
        assert!(*promised >= units, "given back without being promised: SKU {handle}");
        *promised -= units;
    }

    /// Gives back what was promised; what is on hand stays as it is.
    pub(crate) fn release(
        &mut self,
        catalogue: &mut Catalogue,
        handle: SkuHandle,
        location: LocationHandle,
        promise: Promise,
        units: u64,
    ) {
        let sku = self.sku_to_change(catalogue, handle);
        let place = self.existing(sku, handle, location);
        self.unpromise(sku, handle, place, promise, units);
        self.add_available(sku, handle, place, units as i64);
    }

    /// Puts promised units aside as waiting for a check; what is on hand stays as it is.
    pub(crate) fn set_aside(
        &mut self,
        catalogue: &mut Catalogue,
        handle: SkuHandle,
        location: LocationHandle,
        promise: Promise,
        units: u64,
    ) {
        let sku = self.sku_to_change(catalogue, handle);
        let place = self.existing(sku, handle, location);
        self.unpromise(sku, handle, place, promise, units);
        self.levels.get_mut(sku.levels as usize + usize::from(place.0)).quality_hold += units;
    }

    /// Ships committed units: they leave what is on hand.
    pub(crate) fn ship(
        &mut self,
        catalogue: &mut Catalogue,
        handle: SkuHandle,
        location: LocationHandle,
        sequence: Sequence,
        units: u64,
    ) {
        let sku = self.sku_to_change(catalogue, handle);
        let place = self.existing(sku, handle, location);
        self.unpromise(sku, handle, place, Promise::Committed, units);
        self.moved(catalogue, handle, location, sequence, -(units as i64));
    }

    /// Restores a level from a snapshot.
    pub(crate) fn restore(&mut self, catalogue: &mut Catalogue, handle: SkuHandle, saved: &SavedLevel) {
        let sku = self.sku_to_change(catalogue, handle);
        let place = self.ensure(sku, saved.row().location());
        *self.row_mut(sku, place) = saved.row();
        *self.levels.get_mut(sku.levels as usize + usize::from(place.0)) = saved.level();
    }
}
