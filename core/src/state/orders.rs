//! Orders: a block of one head and its lines, side by side, and for those that need it a detail.
//!
//! Most orders live whole: all units of all lines stand at one location and move together from reserved to
//! allocated to shipped to delivered. Such an order needs no counters: its stage says where everything is. Only
//! when units part (a partial cancellation, a split over locations) does its detail get the counters of each line and its
//! allocations. That keeps an open four-line order at 128 bytes and a slot in the id table.

use std::borrow::Cow;
use std::num::NonZeroU128;

use orderline_protocol::command::OrderLine;
use orderline_protocol::event::{Allocation, OrderState};
use orderline_protocol::reply::LineCounters;
use orderline_protocol::{BuyerId, CurrencyCode, GroupId, LocationHandle, OrderId, SellerHandle, Sequence};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::detail::Detail;
use super::frozen::Frozen;
use super::hash::{Sum, put};
use super::id_table::{IdHash, IdTable};
use super::order_head::{GROUP_ONLY, More, NO_DETAIL, OrderHead, Stage};
use super::slab::Slab;
use super::stack::Stack;
use super::stock::Promise;
use crate::arena::Arena;

/// What a new order is made of.
pub(crate) struct NewOrder<'a> {
    pub(crate) id: OrderId,
    pub(crate) placed_sequence: Sequence,
    pub(crate) placed_unix_s: u32,
    pub(crate) buyer: BuyerId,
    pub(crate) digest: u32,
    pub(crate) seller: SellerHandle,
    pub(crate) currency: CurrencyCode,
    pub(crate) region: u16,
    pub(crate) location: LocationHandle,
    pub(crate) lines: &'a [OrderLine],
    /// Where the units are, if not all at one location; what they do not have is backordered.
    pub(crate) allocations: &'a [Allocation],
    /// The group that it is placed in; 0: alone.
    pub(crate) group: u128,
}

/// The unit of the blocks: a cache line.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Unit([u8; 64]);

/// All orders.
pub(crate) struct Orders {
    ids: IdTable,
    blocks: Arena<Unit>,
    details: Slab<Box<Detail>>,
    /// Groups of orders without a detail.
    groups: Slab<NonZeroU128>,
    /// Blocks that nobody uses any more, by their units.
    free: Vec<Stack<u32>>,
    open_count: u64,
    /// While a snapshot is made: what it still needs, by the first unit of an order's block.
    frozen: Option<Box<Frozen>>,
}

/// Which order: the index of its first unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderSlot(u32);

fn units(bytes: usize) -> usize {
    bytes.div_ceil(size_of::<Unit>())
}

fn block_units(line_count: usize) -> usize {
    units(size_of::<OrderHead>() + line_count * size_of::<OrderLine>())
}

/// Reads what the arena's own writes have put there.
fn head_of<T: FromBytes + KnownLayout + Immutable>(bytes: &[u8]) -> &T {
    match T::ref_from_prefix(bytes) {
        Ok((head, _)) => head,
        Err(_) => panic!("a block holds its head"),
    }
}

fn head_of_mut<T: FromBytes + IntoBytes + KnownLayout>(bytes: &mut [u8]) -> &mut T {
    match T::mut_from_prefix(bytes) {
        Ok((head, _)) => head,
        Err(_) => panic!("a block holds its head"),
    }
}

fn list_of<T: FromBytes + KnownLayout + Immutable>(bytes: &[u8], count: usize) -> &[T] {
    match <[T]>::ref_from_prefix_with_elems(bytes, count) {
        Ok((list, _)) => list,
        Err(_) => panic!("a block holds its list"),
    }
}

impl Orders {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            ids: IdTable::new(seed),
            blocks: Arena::default(),
            details: Slab::default(),
            groups: Slab::default(),
            free: Vec::new(),
            open_count: 0,
            frozen: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Makes room for `count` more orders of four lines, its pages in memory already.
    pub(crate) fn preallocate(&mut self, count: usize) {
        self.ids.preallocate(count);
        self.blocks.preallocate(count * block_units(4));
    }

    pub(crate) fn open_count(&self) -> u64 {
        self.open_count
    }

    #[inline]
    pub(crate) fn hash(&self, id: OrderId) -> IdHash {
        self.ids.hash(id.get())
    }

    #[inline]
    pub(crate) fn prefetch(&self, hash: IdHash) {
        self.ids.prefetch(hash);
    }

    #[inline]
    pub(crate) fn find(&self, id: OrderId) -> Option<OrderSlot> {
        let is_it = |slot| self.head(OrderSlot(slot)).id == id;
        self.ids.find(self.hash(id), is_it).map(OrderSlot)
    }

    #[inline]
    pub(crate) fn head(&self, slot: OrderSlot) -> &OrderHead {
        head_of(&self.blocks.get(slot.0 as usize).0)
    }

    /// Whatever changes an order comes through here first: a snapshot under way may still need it as it is.
    #[inline]
    fn keep(&mut self, slot: OrderSlot) {
        if self.frozen.is_some() {
            self.keep_frozen(slot);
        }
    }

    #[cold]
    fn keep_frozen(&mut self, slot: OrderSlot) {
        let Some(mut frozen) = self.frozen.take() else { return };
        if frozen.needs(slot.0 as usize) {
            let (out, sum) = frozen.kept();
            self.put_image(slot, out, sum);
        }
        self.frozen = Some(frozen);
    }

    #[inline]
    fn head_mut(&mut self, slot: OrderSlot) -> &mut OrderHead {
        self.keep(slot);
        head_of_mut(&mut self.blocks.get_mut(slot.0 as usize).0)
    }

    #[inline]
    pub(crate) fn lines(&self, slot: OrderSlot) -> &[OrderLine] {
        let count = self.head(slot).line_count as usize;
        let block = self.blocks.slice(slot.0 as usize, block_units(count)).as_bytes();
        list_of(&block[size_of::<OrderHead>()..], count)
    }

    /// What the order costs now, in minor units: what was ordered, less what was cancelled, less what came back. An order
    /// that expired costs nothing.
    pub(crate) fn cost_minor(&self, slot: OrderSlot) -> i64 {
        let of_line = |(index, line): (usize, &OrderLine)| {
            let counters = self.counters(slot, index);
            let units = line.quantity.get() - counters.cancelled.get() - counters.returned.get();
            line.unit_price.minor() * i64::from(units)
        };
        self.lines(slot).iter().enumerate().map(of_line).sum()
    }

    /// Units that left a location.
    pub(crate) fn shipped_units(&self, slot: OrderSlot) -> u64 {
        (0..self.lines(slot).len()).map(|line| u64::from(self.counters(slot, line).shipped.get())).sum()
    }

    /// Adds an order whose id is not there yet, pending, with its stock held.
    #[inline]
    pub(crate) fn insert(&mut self, order: &NewOrder<'_>) -> OrderSlot {
        let stage = if order.location.is_none() { Stage::Parted } else { Stage::Reserved };
        let slot = self.write_block(order, OrderState::Pending, stage, 1);
        if order.location.is_none() {
            self.insert_detail(slot, order);
        } else if let Some(group) = NonZeroU128::new(order.group) {
            self.put_group(slot, group);
        }
        slot
    }

    #[cold]
    fn insert_detail(&mut self, slot: OrderSlot, order: &NewOrder<'_>) {
        let mut counters = vec![LineCounters::default(); order.lines.len()];
        for part in order.allocations {
            counters[usize::from(part.line.get())].reserved += part.quantity;
        }
        for (counters, line) in counters.iter_mut().zip(order.lines) {
            counters.backordered = line.quantity - counters.reserved;
        }
        let allocations = order.allocations.to_vec();
        self.put_detail(slot, Detail { group: order.group, counters, allocations, ..Detail::default() });
    }

    fn put_group(&mut self, slot: OrderSlot, group: NonZeroU128) {
        let index = self.groups.insert(group);
        assert!(index < GROUP_ONLY - 1, "there is no room for another order's group");
        self.head_mut(slot).detail = GROUP_ONLY | index;
    }

    fn put_detail(&mut self, slot: OrderSlot, detail: Detail) {
        let index = self.details.insert(Box::new(detail));
        assert!(index < GROUP_ONLY, "there is no room for another order's detail");
        self.head_mut(slot).detail = index;
    }

    /// The group that an order was placed in; 0: alone.
    #[inline]
    fn group(&self, slot: OrderSlot) -> u128 {
        match self.head(slot).more() {
            More::Nothing => 0,
            More::Group(index) => self.groups.get(index).get(),
            More::Detail(index) => self.details.get(index).group,
        }
    }

    /// The group that an order is in: an order placed alone is one under its own id.
    pub(crate) fn group_of(&self, slot: OrderSlot) -> GroupId {
        match self.group(slot) {
            0 => self.head(slot).id.into(),
            group => GroupId::new(group),
        }
    }

    /// Whether an order was placed alone.
    pub(crate) fn is_alone(&self, slot: OrderSlot) -> bool {
        self.group(slot) == 0
    }

    #[inline(always)] // A placement's parts go straight to their places, without a `NewOrder` in between.
    fn write_block(
        &mut self,
        order: &NewOrder<'_>,
        state: OrderState,
        stage: Stage,
        version: u32,
    ) -> OrderSlot {
        let units = block_units(order.lines.len());
        let (first, block) = match self.free.get_mut(units).and_then(Stack::pop) {
            Some(first) => (first as usize, self.blocks.slice_mut(first as usize, units)),
            None => self.blocks.extend_mut(units),
        };
        assert!(first < u32::MAX as usize - 1, "the orders' arena is full");
        let slot = OrderSlot(first as u32);
        if let Some(frozen) = &mut self.frozen {
            // A new order in an old block is no part of a snapshot that began before it.
            frozen.needs(first);
        }
        let head = OrderHead {
            id: order.id,
            placed_sequence: order.placed_sequence,
            buyer: order.buyer,
            digest: order.digest,
            seller: order.seller,
            location: order.location,
            region: order.region,
            currency: order.currency,
            line_count: order.lines.len() as u16,
            state: state as u8,
            stage: stage as u8,
            reserved: 0,
            version,
            placed_unix_s: order.placed_unix_s,
            detail: NO_DETAIL,
        };
        let (head_bytes, line_bytes) = block.as_mut_bytes().split_at_mut(size_of::<OrderHead>());
        head_bytes.copy_from_slice(head.as_bytes());
        line_bytes[..size_of_val(order.lines)].copy_from_slice(order.lines.as_bytes());
        self.ids.insert(self.ids.hash(order.id.get()), slot.0);
        self.open_count += u64::from(state.is_open());
        slot
    }

    /// Takes a finished order out of memory.
    pub(crate) fn remove(&mut self, slot: OrderSlot) {
        self.keep(slot);
        let head = *self.head(slot);
        assert!(!head.state().is_open(), "order {} leaves memory while it is open", head.id);
        self.take_more(&head);
        self.ids.remove(self.hash(head.id), slot.0);
        self.head_mut(slot).state = 0;
        let units = block_units(head.line_count.into());
        if self.free.len() <= units {
            self.free.resize_with(units + 1, Stack::default);
        }
        self.free[units].push(slot.0);
    }

    /// Takes what an order has beyond its head and lines out of memory.
    fn take_more(&mut self, head: &OrderHead) {
        match head.more() {
            More::Nothing => {}
            More::Group(index) => drop(self.groups.remove(index)),
            More::Detail(index) => drop(self.details.remove(index)),
        }
    }

    /// The order's detail, if it has one.
    #[inline]
    pub(crate) fn detail(&self, slot: OrderSlot) -> Option<&Detail> {
        match self.head(slot).more() {
            More::Detail(index) => Some(self.details.get(index)),
            More::Nothing | More::Group(_) => None,
        }
    }

    /// The order's detail, made if it has none.
    pub(crate) fn detail_mut(&mut self, slot: OrderSlot) -> &mut Detail {
        self.keep(slot);
        let head = *self.head(slot);
        if !matches!(head.more(), More::Detail(_)) {
            let group = self.group(slot);
            self.take_more(&head);
            self.put_detail(slot, Detail { group, ..Detail::default() });
        }
        self.details.get_mut(self.head(slot).detail)
    }

    /// The detail as snapshots and hashes have it: there an order that has no more than its group has one, too.
    fn saved_detail(&self, slot: OrderSlot) -> Option<Cow<'_, Detail>> {
        match self.head(slot).more() {
            More::Nothing => None,
            More::Group(_) => Some(Cow::Owned(Detail { group: self.group(slot), ..Detail::default() })),
            More::Detail(index) => Some(Cow::Borrowed(self.details.get(index))),
        }
    }

    /// The order's detail with counters and allocations: the order is not whole from here on.
    pub(crate) fn part(&mut self, slot: OrderSlot) -> &mut Detail {
        if self.head(slot).stage() != Stage::Parted {
            let counters = (0..self.lines(slot).len()).map(|line| self.counters(slot, line)).collect();
            let allocations = self.open_units(slot);
            let head = self.head_mut(slot);
            head.stage = Stage::Parted as u8;
            head.location = LocationHandle::NONE;
            let detail = self.detail_mut(slot);
            detail.counters = counters;
            detail.allocations = allocations;
        }
        self.detail_mut(slot)
    }

    /// Whether all units of all lines stand together.
    #[inline]
    pub(crate) fn is_whole(&self, slot: OrderSlot) -> bool {
        self.head(slot).stage != Stage::Parted as u8
    }

    /// Changes a line's quantity. The order has parted, so that its counters tell where the units are.
    pub(crate) fn set_quantity(&mut self, slot: OrderSlot, line: usize, quantity: u32) {
        assert!(!self.is_whole(slot), "a whole order's quantities are where its units are");
        self.keep(slot);
        let count = self.head(slot).line_count as usize;
        let block = self.blocks.slice_mut(slot.0 as usize, block_units(count)).as_mut_bytes();
        let lines = &mut block[size_of::<OrderHead>()..][..count * size_of::<OrderLine>()];
        match <[OrderLine]>::mut_from_bytes(lines) {
            Ok(lines) => lines[line].quantity = quantity.into(),
            Err(_) => panic!("a block holds its lines"),
        }
    }

    /// Sets where an order goes.
    pub(crate) fn set_region(&mut self, slot: OrderSlot, region: u16) {
        self.head_mut(slot).region = region;
    }

    /// Where a line's units are.
    pub(crate) fn counters(&self, slot: OrderSlot, line: usize) -> LineCounters {
        let stage = self.head(slot).stage();
        if stage == Stage::Parted {
            return self.detail(slot).map_or_else(LineCounters::default, |detail| detail.counters[line]);
        }
        let quantity = self.lines(slot)[line].quantity;
        let mut counters = LineCounters::default();
        match stage {
            Stage::Reserved => counters.reserved = quantity,
            Stage::Allocated => counters.allocated = quantity,
            Stage::Shipped => counters.shipped = quantity,
            Stage::Delivered => {
                counters.shipped = quantity;
                counters.delivered = quantity;
            }
            Stage::Cancelled => counters.cancelled = quantity,
            Stage::Parted => panic!("told above"),
        }
        counters
    }

    /// What stands at locations for the order, reserved or allocated: line by line.
    pub(crate) fn open_units(&self, slot: OrderSlot) -> Vec<Allocation> {
        let head = self.head(slot);
        if head.stage() == Stage::Parted {
            return self.detail(slot).map_or_else(Vec::new, |detail| detail.allocations.clone());
        }
        if !matches!(head.stage(), Stage::Reserved | Stage::Allocated) {
            return Vec::new();
        }
        let part = |(line, of): (usize, &OrderLine)| Allocation {
            line: (line as u16).into(),
            location: head.location,
            quantity: of.quantity,
        };
        self.lines(slot).iter().enumerate().map(part).collect()
    }

    /// Whether a location has units of the order, reserved or allocated.
    pub(crate) fn has_units_at(&self, slot: OrderSlot, location: LocationHandle) -> bool {
        let head = self.head(slot);
        match head.stage() {
            Stage::Parted => self
                .detail(slot)
                .is_some_and(|detail| detail.allocations.iter().any(|part| part.location == location)),
            Stage::Reserved | Stage::Allocated => head.location == location,
            Stage::Shipped | Stage::Delivered | Stage::Cancelled => false,
        }
    }

    /// Whether units of the order are backordered, or reserved or allocated at locations.
    pub(crate) fn has_open(&self, slot: OrderSlot) -> bool {
        match self.head(slot).stage() {
            Stage::Parted => self.detail(slot).is_some_and(|detail| {
                !detail.allocations.is_empty()
                    || detail.counters.iter().any(|counters| counters.backordered.get() > 0)
            }),
            stage => matches!(stage, Stage::Reserved | Stage::Allocated),
        }
    }

    /// What holds the order's open units: reservations while it is pending, commitments once it is confirmed.
    pub(crate) fn promise(state: OrderState) -> Promise {
        if state == OrderState::Pending { Promise::Reserved } else { Promise::Committed }
    }

    /// Sets where all units of a whole order stand. Does nothing to one that has parted.
    pub(crate) fn set_stage(&mut self, slot: OrderSlot, stage: Stage) {
        let head = self.head_mut(slot);
        if head.stage() != Stage::Parted {
            head.stage = stage as u8;
        }
    }

    /// Counts a change of the order.
    pub(crate) fn count_change(&mut self, slot: OrderSlot) {
        self.head_mut(slot).version += 1;
    }

    /// Moves the order to a state and counts the change.
    pub(crate) fn set_state(&mut self, slot: OrderSlot, state: OrderState) {
        let head = self.head_mut(slot);
        let was_open = head.state().is_open();
        head.state = state as u8;
        head.version += 1;
        if was_open && !state.is_open() {
            self.open_count -= 1;
        }
    }

    /// Every order, by its place in memory.
    pub(crate) fn iter(&self) -> impl Iterator<Item = OrderSlot> {
        self.iter_from(0)
    }

    /// The place in memory behind an order.
    pub(crate) fn place_behind(&self, slot: OrderSlot) -> usize {
        slot.0 as usize + block_units(self.head(slot).line_count.into())
    }

    /// Every order from a place in memory on, which is 0 or behind an order.
    pub(crate) fn iter_from(&self, place: usize) -> impl Iterator<Item = OrderSlot> {
        let mut next = place;
        std::iter::from_fn(move || {
            while next < self.blocks.len() {
                let head: &OrderHead = head_of(&self.blocks.get(next).0);
                if head.line_count == 0 {
                    next = Self::next_chunk(next);
                    continue;
                }
                let (slot, is_free) = (OrderSlot(next as u32), head.state == 0);
                next += block_units(head.line_count as usize);
                if !is_free {
                    return Some(slot);
                }
            }
            None
        })
    }

    /// Visits the orders in at most `count` blocks of memory, free ones counted, from a place on, which is 0 or where the
    /// visit before ended. Returns where to go on; `None`: that was all.
    pub(crate) fn visit_from(
        &self,
        place: usize,
        count: usize,
        mut visit: impl FnMut(OrderSlot),
    ) -> Option<usize> {
        let mut next = place;
        for _ in 0..count {
            if next >= self.blocks.len() {
                return None;
            }
            let head: &OrderHead = head_of(&self.blocks.get(next).0);
            if head.line_count == 0 {
                next = Self::next_chunk(next);
                continue;
            }
            if head.state != 0 {
                visit(OrderSlot(next as u32));
            }
            next += block_units(head.line_count as usize);
        }
        (next < self.blocks.len()).then_some(next)
    }

    /// Begins a snapshot.
    pub(crate) fn freeze(&mut self) {
        self.frozen = Some(Box::new(Frozen::new(self.blocks.len())));
    }

    /// Forgets the snapshot under way.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// Writes more of the snapshot under way, about up to so many bytes. Returns the sum of all hashes at its end.
    pub(crate) fn walk(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Option<u128> {
        let mut frozen = self.frozen.take()?;
        let total = frozen.walk(out, bytes_max, |place, is_needed, out, sum| {
            let head: &OrderHead = head_of(&self.blocks.get(place).0);
            if head.line_count == 0 {
                return Self::next_chunk(place);
            }
            if is_needed && head.state != 0 {
                self.put_image(OrderSlot(place as u32), out, sum);
            }
            place + block_units(head.line_count as usize)
        });
        self.frozen = Some(frozen).filter(|_| total.is_none());
        total
    }

    /// Writes an order as a snapshot keeps it: its head and its lines, and its detail behind its length where it has one.
    fn put_image(&self, slot: OrderSlot, out: &mut Vec<u8>, sum: &mut Sum) {
        out.extend_from_slice(self.head(slot).for_snapshot().as_bytes());
        out.extend_from_slice(self.lines(slot).as_bytes());
        if let Some(detail) = self.saved_detail(slot) {
            let length_at = out.len();
            out.extend_from_slice(&[0; size_of::<u64>()]);
            let detail_at = out.len();
            put(&*detail, out);
            let length = (out.len() - detail_at) as u64;
            out[length_at..detail_at].copy_from_slice(&length.to_le_bytes());
        }
        self.add_hash(slot, sum);
    }

    /// Adds an order's hash.
    pub(super) fn add_hash(&self, slot: OrderSlot, sum: &mut Sum) {
        sum.add(5, |out| {
            out.extend_from_slice(self.head(slot).for_snapshot().as_bytes());
            out.extend_from_slice(self.lines(slot).as_bytes());
            if let Some(detail) = self.saved_detail(slot) {
                put(&*detail, out);
            }
        });
    }

    /// Behind the unused rest of a chunk the next block starts the next chunk.
    fn next_chunk(place: usize) -> usize {
        (place / Arena::<Unit>::CHUNK_ITEMS + 1) * Arena::<Unit>::CHUNK_ITEMS
    }

    /// Restores an order from a snapshot: its head and lines, and its detail where it had one.
    pub(crate) fn restore(
        &mut self,
        head: &OrderHead,
        lines: &[OrderLine],
        detail: Option<Detail>,
    ) -> OrderSlot {
        let slot = self.write_block(
            &NewOrder {
                id: head.id,
                placed_sequence: head.placed_sequence,
                placed_unix_s: head.placed_unix_s,
                buyer: head.buyer,
                digest: head.digest,
                seller: head.seller,
                currency: head.currency,
                region: head.region,
                location: head.location,
                lines,
                allocations: &[],
                group: 0,
            },
            head.state(),
            head.stage(),
            head.version,
        );
        if let Some(detail) = detail {
            match NonZeroU128::new(detail.group) {
                Some(group) if detail == (Detail { group: detail.group, ..Detail::default() }) => {
                    self.put_group(slot, group);
                }
                _ => self.put_detail(slot, detail),
            }
        }
        slot
    }
}
