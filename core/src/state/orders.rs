//! Orders: a block of one head and its lines, side by side, and for few of them a second block of details.
//!
//! Most orders live whole: all units of all lines stand at one location and move together from reserved to
//! allocated to shipped to delivered. Such an order needs no counters: its stage says where everything is. Only
//! when units part (a partial cancellation, a split over locations) does it get a detail block with the counters
//! of each line and its allocations. That keeps an open four-line order at 128 bytes and a slot in the id table.

use orderline_protocol::command::OrderLine;
use orderline_protocol::event::{Allocation, OrderState};
use orderline_protocol::reply::LineCounters;
use orderline_protocol::{BuyerId, CurrencyCode, LocationHandle, OrderId, SellerHandle, Sequence};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::id_table::{IdHash, IdTable};
use super::stock::Promise;
use crate::arena::Arena;

/// Where all units of a whole order stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    Reserved = 1,
    Allocated = 2,
    Shipped = 3,
    Delivered = 4,
    Cancelled = 5,
    /// Not whole any more: the detail block tells.
    Detailed = 6,
}

impl Stage {
    const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Reserved,
            2 => Self::Allocated,
            3 => Self::Shipped,
            4 => Self::Delivered,
            5 => Self::Cancelled,
            6 => Self::Detailed,
            _ => panic!("an order's stage is one of six"),
        }
    }
}

/// "No detail block".
const NO_DETAIL: u32 = u32::MAX;

/// An order's fixed part: one cache line, its lines behind it.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct OrderHead {
    pub(crate) id: OrderId,
    pub(crate) placed_sequence: Sequence,
    pub(crate) buyer: BuyerId,
    /// The digest of the placement: tells the same order from another under the same id.
    pub(crate) digest: u32,
    pub(crate) seller: SellerHandle,
    /// Where a whole order ships from.
    pub(crate) location: LocationHandle,
    pub(crate) currency: CurrencyCode,
    pub(crate) line_count: u16,
    state: u8,
    stage: u8,
    pub(crate) shipment_count: u16,
    /// Counts the events of the order, from 1.
    pub(crate) version: u32,
    pub(crate) placed_unix_s: u32,
    detail: u32,
}

const _: () = assert!(size_of::<OrderHead>() == 64);

impl OrderHead {
    pub(crate) fn state(&self) -> OrderState {
        match OrderState::from_number(self.state) {
            Some(state) => state,
            None => panic!("order {} has no state {}", self.id, self.state),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage::from_number(self.stage)
    }
}

/// What a new order is made of.
pub(crate) struct NewOrder<'a> {
    pub(crate) id: OrderId,
    pub(crate) placed_sequence: Sequence,
    pub(crate) placed_unix_s: u32,
    pub(crate) buyer: BuyerId,
    pub(crate) digest: u32,
    pub(crate) seller: SellerHandle,
    pub(crate) currency: CurrencyCode,
    pub(crate) location: LocationHandle,
    pub(crate) lines: &'a [OrderLine],
    pub(crate) allocations: &'a [Allocation],
}

/// The unit of the blocks: a cache line.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Unit([u8; 64]);

/// The head of a detail block; counters and allocations follow.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct DetailHead {
    allocation_count: u32,
    reserved: u32,
}

/// All orders.
pub(crate) struct Orders {
    ids: IdTable,
    blocks: Arena<Unit>,
    details: Arena<Unit>,
    open_count: u64,
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

fn detail_units(line_count: usize, allocation_count: usize) -> usize {
    units(
        size_of::<DetailHead>()
            + line_count * size_of::<LineCounters>()
            + allocation_count * size_of::<Allocation>(),
    )
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

/// Counters and allocations of an order whose units have parted.
pub(crate) struct Detail<'a> {
    pub(crate) counters: &'a [LineCounters],
    /// Units of lines that are reserved or allocated at locations; spent ones stay with quantity 0.
    pub(crate) allocations: &'a [Allocation],
}

pub(crate) struct DetailMut<'a> {
    pub(crate) counters: &'a mut [LineCounters],
    pub(crate) allocations: &'a mut [Allocation],
}

impl Orders {
    pub(crate) fn new(seed: u64) -> Self {
        Self { ids: IdTable::new(seed), blocks: Arena::default(), details: Arena::default(), open_count: 0 }
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

    #[inline]
    fn head_mut(&mut self, slot: OrderSlot) -> &mut OrderHead {
        head_of_mut(&mut self.blocks.get_mut(slot.0 as usize).0)
    }

    #[inline]
    pub(crate) fn lines(&self, slot: OrderSlot) -> &[OrderLine] {
        let count = self.head(slot).line_count as usize;
        let block = self.blocks.slice(slot.0 as usize, block_units(count)).as_bytes();
        list_of(&block[size_of::<OrderHead>()..], count)
    }

    pub(crate) fn total_minor(&self, slot: OrderSlot) -> i64 {
        let of_line = |line: &OrderLine| line.unit_price.minor() * i64::from(line.quantity.get());
        self.lines(slot).iter().map(of_line).sum()
    }

    /// Adds an order whose id is not there yet, pending, with its stock held.
    #[inline]
    pub(crate) fn insert(&mut self, order: &NewOrder<'_>) -> OrderSlot {
        let slot = self.write_block(order, OrderState::Pending, Stage::Reserved, 1, 0);
        if order.location.is_none() {
            let mut counters = vec![LineCounters::default(); order.lines.len()];
            for (counters, line) in counters.iter_mut().zip(order.lines) {
                counters.reserved = line.quantity;
            }
            self.write_detail(slot, &counters, order.allocations);
        }
        slot
    }

    fn write_block(
        &mut self,
        order: &NewOrder<'_>,
        state: OrderState,
        stage: Stage,
        version: u32,
        shipment_count: u16,
    ) -> OrderSlot {
        let units = block_units(order.lines.len());
        let first = self.blocks.extend(units);
        let slot = OrderSlot(u32::try_from(first).unwrap_or(u32::MAX));
        assert!((slot.0 as usize) == first && slot.0 < u32::MAX - 1, "the orders' arena is full");
        let head = OrderHead {
            id: order.id,
            placed_sequence: order.placed_sequence,
            buyer: order.buyer,
            digest: order.digest,
            seller: order.seller,
            location: order.location,
            currency: order.currency,
            line_count: order.lines.len() as u16,
            state: state as u8,
            stage: stage as u8,
            shipment_count,
            version,
            placed_unix_s: order.placed_unix_s,
            detail: NO_DETAIL,
        };
        let block = self.blocks.slice_mut(first, units).as_mut_bytes();
        let (head_bytes, line_bytes) = block.split_at_mut(size_of::<OrderHead>());
        head_bytes.copy_from_slice(head.as_bytes());
        line_bytes[..size_of_val(order.lines)].copy_from_slice(order.lines.as_bytes());
        self.ids.insert(self.ids.hash(order.id.get()), slot.0);
        self.open_count += u64::from(state.is_open());
        slot
    }

    fn write_detail(&mut self, slot: OrderSlot, counters: &[LineCounters], allocations: &[Allocation]) {
        let units = detail_units(counters.len(), allocations.len());
        let first = self.details.extend(units);
        let detail = u32::try_from(first).unwrap_or(NO_DETAIL);
        assert!(detail < NO_DETAIL, "the details' arena is full");
        let head = DetailHead { allocation_count: allocations.len() as u32, reserved: 0 };
        let bytes = self.details.slice_mut(first, units).as_mut_bytes();
        let (head_bytes, rest) = bytes.split_at_mut(size_of::<DetailHead>());
        head_bytes.copy_from_slice(head.as_bytes());
        let (counter_bytes, rest) = rest.split_at_mut(size_of_val(counters));
        counter_bytes.copy_from_slice(counters.as_bytes());
        rest[..size_of_val(allocations)].copy_from_slice(allocations.as_bytes());
        let head = self.head_mut(slot);
        head.stage = Stage::Detailed as u8;
        head.location = LocationHandle::NONE;
        head.detail = detail;
    }

    /// The detail block, if the order has one.
    pub(crate) fn detail(&self, slot: OrderSlot) -> Option<Detail<'_>> {
        let head = self.head(slot);
        if head.detail == NO_DETAIL {
            return None;
        }
        let first = head.detail as usize;
        let line_count = head.line_count as usize;
        let allocation_count = head_of::<DetailHead>(&self.details.get(first).0).allocation_count as usize;
        let bytes = self.details.slice(first, detail_units(line_count, allocation_count)).as_bytes();
        let rest = &bytes[size_of::<DetailHead>()..];
        let counters = list_of(rest, line_count);
        Some(Detail { counters, allocations: list_of(&rest[size_of_val(counters)..], allocation_count) })
    }

    /// The detail block, made from the stage if the order is whole.
    pub(crate) fn detail_mut(&mut self, slot: OrderSlot) -> DetailMut<'_> {
        if self.head(slot).detail == NO_DETAIL {
            let counters: Vec<LineCounters> =
                (0..self.lines(slot).len()).map(|line| self.counters(slot, line)).collect();
            let allocations = self.open_units(slot);
            self.write_detail(slot, &counters, &allocations);
        }
        let head = self.head(slot);
        let (first, line_count) = (head.detail as usize, head.line_count as usize);
        let allocation_count = head_of::<DetailHead>(&self.details.get(first).0).allocation_count as usize;
        let units = detail_units(line_count, allocation_count);
        let bytes = self.details.slice_mut(first, units).as_mut_bytes();
        let rest = &mut bytes[size_of::<DetailHead>()..];
        let (counter_bytes, rest) = rest.split_at_mut(line_count * size_of::<LineCounters>());
        let allocation_bytes = &mut rest[..allocation_count * size_of::<Allocation>()];
        match (
            <[LineCounters]>::mut_from_bytes(counter_bytes),
            <[Allocation]>::mut_from_bytes(allocation_bytes),
        ) {
            (Ok(counters), Ok(allocations)) => DetailMut { counters, allocations },
            _ => panic!("a detail block holds its lists"),
        }
    }

    /// Where a line's units are.
    pub(crate) fn counters(&self, slot: OrderSlot, line: usize) -> LineCounters {
        if let Some(detail) = self.detail(slot) {
            return detail.counters[line];
        }
        let quantity = self.lines(slot)[line].quantity;
        let mut counters = LineCounters::default();
        match self.head(slot).stage() {
            Stage::Reserved => counters.reserved = quantity,
            Stage::Allocated => counters.allocated = quantity,
            Stage::Shipped => counters.shipped = quantity,
            Stage::Delivered => {
                counters.shipped = quantity;
                counters.delivered = quantity;
            }
            Stage::Cancelled => counters.cancelled = quantity,
            Stage::Detailed => panic!("a detailed order has a detail block"),
        }
        counters
    }

    /// What stands at locations for the order, reserved or allocated: line by line.
    pub(crate) fn open_units(&self, slot: OrderSlot) -> Vec<Allocation> {
        if let Some(detail) = self.detail(slot) {
            return detail.allocations.iter().filter(|part| part.quantity.get() > 0).copied().collect();
        }
        let head = self.head(slot);
        if !matches!(head.stage(), Stage::Reserved | Stage::Allocated) {
            return Vec::new();
        }
        let part = |(line, of): (usize, &OrderLine)| Allocation {
            line: (line as u16).into(),
            reserved: [0; 2],
            location: head.location,
            quantity: of.quantity,
        };
        self.lines(slot).iter().enumerate().map(part).collect()
    }

    /// What holds the order's open units: reservations while it is pending, commitments once it is confirmed.
    pub(crate) fn promise(state: OrderState) -> Promise {
        if state == OrderState::Pending { Promise::Reserved } else { Promise::Committed }
    }

    /// Sets where all units of a whole order stand. Does nothing to a detailed one.
    pub(crate) fn set_stage(&mut self, slot: OrderSlot, stage: Stage) {
        let head = self.head_mut(slot);
        if head.detail == NO_DETAIL {
            head.stage = stage as u8;
        }
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

    pub(crate) fn count_shipment(&mut self, slot: OrderSlot) {
        self.head_mut(slot).shipment_count += 1;
    }

    /// Every order, in the order of placing.
    pub(crate) fn iter(&self) -> impl Iterator<Item = OrderSlot> {
        let mut next = 0;
        std::iter::from_fn(move || {
            while next < self.blocks.len() {
                let head: &OrderHead = head_of(&self.blocks.get(next).0);
                if head.line_count == 0 {
                    // The unused rest of a chunk: the next block starts the next chunk.
                    next = (next / Arena::<Unit>::CHUNK_ITEMS + 1) * Arena::<Unit>::CHUNK_ITEMS;
                    continue;
                }
                let slot = OrderSlot(next as u32);
                next += block_units(head.line_count as usize);
                return Some(slot);
            }
            None
        })
    }

    /// Restores an order from a snapshot: its head and lines, and its detail where it had one.
    pub(crate) fn restore(
        &mut self,
        head: &OrderHead,
        lines: &[OrderLine],
        detail: Option<(&[LineCounters], &[Allocation])>,
    ) {
        let slot = self.write_block(
            &NewOrder {
                id: head.id,
                placed_sequence: head.placed_sequence,
                placed_unix_s: head.placed_unix_s,
                buyer: head.buyer,
                digest: head.digest,
                seller: head.seller,
                currency: head.currency,
                location: head.location,
                lines,
                allocations: &[],
            },
            head.state(),
            head.stage(),
            head.version,
            head.shipment_count,
        );
        if let Some((counters, allocations)) = detail {
            self.write_detail(slot, counters, allocations);
        }
    }
}

impl OrderHead {
    /// The head as a snapshot keeps it: the place of the detail block means nothing elsewhere, only that there is one.
    pub(crate) fn for_snapshot(&self) -> Self {
        Self { detail: if self.detail == NO_DETAIL { 0 } else { 1 }, ..*self }
    }

    /// Whether a head read from a snapshot is followed by a detail.
    pub(crate) fn has_saved_detail(&self) -> bool {
        self.detail == 1
    }

    /// Whether a head read from a snapshot has values that this program can hold.
    pub(crate) fn is_sound(&self) -> bool {
        OrderState::from_number(self.state).is_some()
            && (1..=6).contains(&self.stage)
            && self.line_count > 0
            && self.detail <= 1
            && (self.stage == Stage::Detailed as u8) == (self.detail == 1)
    }
}
