//! What an order has beyond its head and lines once it needs more: counters and allocations when its units have parted,
//! and its work, packages, returns, refunds, holds and money.

use std::collections::BTreeMap;

use orderline_protocol::LocationHandle;
use orderline_protocol::command::LineQuantity;
use orderline_protocol::event::Allocation;
use orderline_protocol::lifecycle::{HoldState, RefundState, ReturnState, ShipmentState, WorkState};
use orderline_protocol::reply::LineCounters;
use serde::{Deserialize, Serialize};

use super::order_head::Stage;
use super::timers::TimerSlot;

/// Lists of plain structures as bytes, for snapshots and hashes.
mod plain {
    use serde::{Deserialize, Deserializer, Serializer};
    use zerocopy::{FromBytes, Immutable, IntoBytes};

    pub(super) fn serialize<T: IntoBytes + Immutable, S: Serializer>(
        list: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(list.as_bytes())
    }

    pub(super) fn deserialize<'de, T: FromBytes + Clone, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        if !bytes.len().is_multiple_of(size_of::<T>()) {
            return Err(serde::de::Error::custom("a list does not hold whole entries"));
        }
        let entry = |entry| match T::read_from_bytes(entry) {
            Ok(entry) => Ok(entry),
            Err(_) => Err(serde::de::Error::custom("an entry has another length")),
        };
        bytes.chunks_exact(size_of::<T>()).map(entry).collect()
    }
}

/// See the page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Detail {
    /// Where the units of each line are; empty while the order is whole (its stage tells).
    #[serde(with = "plain")]
    pub(crate) counters: Vec<LineCounters>,
    /// Units of lines that are reserved or allocated at locations, packed ones included: sorted by line and location,
    /// none of quantity zero. Empty while the order is whole.
    #[serde(with = "plain")]
    pub(crate) allocations: Vec<Allocation>,
    /// The group that it was placed in; 0: alone.
    pub(crate) group: u128,
    pub(crate) address: u64,
    /// Of an order that has expired: what the units cost that had been cancelled before. All units count as cancelled
    /// since.
    pub(crate) cancelled_before_expiry: i64,
    pub(crate) money: Money,
    /// Fulfilment orders that are not as they began: by location. One that is not here, and whose location has units of
    /// the confirmed order, is open.
    pub(crate) works: Vec<Work>,
    /// By number, from 1.
    pub(crate) shipments: Vec<Shipment>,
    pub(crate) returns: Vec<Return>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) holds: Vec<Hold>,
}

/// An order's share of its group's money, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Money {
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
    /// Refunds that were asked for and have not ended.
    pub(crate) refunds_pending: i64,
    /// The commission kept: taken less reversed.
    pub(crate) commission: i64,
    /// The seller's rate at the first capture.
    pub(crate) commission_bp: u16,
}

impl Money {
    /// Whether it can be: nothing below zero, and no part above what was captured.
    fn is_sound(&self) -> bool {
        let parts = [self.refunded, self.refunds_pending, self.commission];
        self.captured >= 0 && parts.iter().all(|part| (0..=self.captured).contains(part))
    }

    /// What can still be refunded.
    pub(crate) fn refundable(&self) -> i64 {
        self.captured - self.refunded - self.refunds_pending
    }

    /// What the marketplace keeps of the order now: the rest of the division is the seller's.
    pub(crate) fn commission_due(&self) -> i64 {
        let kept = i128::from(self.captured - self.refunded) * i128::from(self.commission_bp) / 10_000;
        kept as i64
    }

    /// What the seller has of it: sales less commissions less refunds plus reversals.
    pub(crate) fn of_seller(&self) -> i64 {
        self.captured - self.refunded - self.commission
    }
}

/// A fulfilment order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) location: u16,
    /// A [`WorkState`].
    state: u8,
    /// On hold: the [`WorkState`] that it goes back to; else 0.
    pub(crate) held_from: u8,
    /// Something of the order has shipped from here.
    pub(crate) has_shipped: bool,
    /// The location has refused this order's work once; it may have got units of it by hand since.
    pub(crate) has_rejected: bool,
}

impl Work {
    pub(crate) fn new(location: LocationHandle, state: WorkState) -> Self {
        let location = location.get();
        Self { location, state: state as u8, held_from: 0, has_shipped: false, has_rejected: false }
    }

    fn is_sound(&self) -> bool {
        let is_state = |number| WorkState::from_number(number).is_some();
        is_state(self.state) && (self.held_from == 0 || is_state(self.held_from))
    }

    pub(crate) fn location(&self) -> LocationHandle {
        LocationHandle::new(self.location)
    }

    pub(crate) fn state(&self) -> WorkState {
        state_of(WorkState::from_number(self.state), self.state)
    }

    /// Whether it has ended: its location has nothing of the order any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state(), WorkState::Closed | WorkState::Rejected | WorkState::Cancelled)
    }

    pub(crate) fn set_state(&mut self, state: WorkState) {
        self.state = state as u8;
    }
}

/// A package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shipment {
    state: u8,
    pub(crate) carrier: u16,
    /// When its state came about, as the caller that reported it said; 0: not said.
    pub(crate) happened_at_us: i64,
    pub(crate) tracking: String,
    /// Units of lines from locations.
    #[serde(with = "plain")]
    pub(crate) parts: Vec<Allocation>,
}

impl Shipment {
    pub(crate) fn new(
        state: ShipmentState,
        carrier: u16,
        happened_at_us: i64,
        tracking: &str,
        parts: Vec<Allocation>,
    ) -> Self {
        Self { state: state as u8, carrier, happened_at_us, tracking: tracking.to_owned(), parts }
    }

    pub(crate) fn state(&self) -> ShipmentState {
        state_of(ShipmentState::from_number(self.state), self.state)
    }

    pub(crate) fn set_state(&mut self, state: ShipmentState) {
        self.state = state as u8;
    }

    /// Whether its units have left their locations.
    pub(crate) fn has_left(&self) -> bool {
        !matches!(self.state(), ShipmentState::Created | ShipmentState::Cancelled)
    }
}

/// A return.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Return {
    state: u8,
    /// A package that came back undelivered.
    pub(crate) is_undelivered: bool,
    pub(crate) reason: u16,
    /// When its state came about, as the caller that reported it said; 0: not said.
    pub(crate) happened_at_us: i64,
    /// What is to come, by line.
    #[serde(with = "plain")]
    pub(crate) lines: Vec<LineQuantity>,
    /// What came, by line; empty before it was received.
    #[serde(with = "plain")]
    pub(crate) received: Vec<LineQuantity>,
}

impl Return {
    pub(crate) fn new(
        state: ReturnState,
        is_undelivered: bool,
        reason: u16,
        happened_at_us: i64,
        lines: Vec<LineQuantity>,
    ) -> Self {
        Self { state: state as u8, is_undelivered, reason, happened_at_us, lines, received: Vec::new() }
    }

    pub(crate) fn state(&self) -> ReturnState {
        state_of(ReturnState::from_number(self.state), self.state)
    }

    pub(crate) fn set_state(&mut self, state: ReturnState) {
        self.state = state as u8;
    }

    /// Whether its goods are still to come.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state(), ReturnState::Requested | ReturnState::Approved)
    }
}

/// A refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) amount: i64,
    /// When its state came about, as the caller that reported it said; 0: not said.
    pub(crate) happened_at_us: i64,
    pub(crate) reason: u16,
    state: u8,
}

impl Refund {
    pub(crate) fn new(amount: i64, reason: u16, happened_at_us: i64) -> Self {
        Self { amount, happened_at_us, reason, state: RefundState::Pending as u8 }
    }

    pub(crate) fn state(&self) -> RefundState {
        state_of(RefundState::from_number(self.state), self.state)
    }

    pub(crate) fn set_state(&mut self, state: RefundState) {
        self.state = state as u8;
    }
}

/// A hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// 0: never.
    pub(crate) expires_at_us: i64,
    pub(crate) reason: u16,
    pub(crate) kind: u8,
    pub(crate) blocks: u8,
    state: u8,
    #[serde(skip)]
    pub(crate) timer: HoldTimer,
}

/// A hold's timer: where it stands is no part of what the hold is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HoldTimer(pub(crate) TimerSlot);

impl PartialEq for HoldTimer {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for HoldTimer {}

impl Hold {
    pub(crate) fn new(kind: u8, blocks: u8, reason: u16, expires_at_us: i64) -> Self {
        let timer = HoldTimer::default();
        Self { expires_at_us, reason, kind, blocks, state: HoldState::Active as u8, timer }
    }

    pub(crate) fn state(&self) -> HoldState {
        state_of(HoldState::from_number(self.state), self.state)
    }

    pub(crate) fn set_state(&mut self, state: HoldState) {
        self.state = state as u8;
    }
}

/// A state that this program wrote, or found sound as it read a snapshot.
fn state_of<T>(state: Option<T>, number: u8) -> T {
    match state {
        Some(state) => state,
        None => panic!("there is no state {number}"),
    }
}

/// What lists of units at locations are sorted by: line and location, NONE behind all.
pub(crate) fn place_of(part: &Allocation) -> (u16, u16) {
    (part.line.get(), part.location.get())
}

impl Detail {
    /// Whether a detail read from a snapshot can be one of an order with so many lines: every list in its order, every state and
    /// line known, every location one that `is_location` knows, no part of its money above the whole.
    pub(crate) fn is_sound(
        &self,
        stage: Stage,
        line_count: u16,
        is_location: impl Fn(LocationHandle) -> bool,
    ) -> bool {
        let is_parted = !self.counters.is_empty();
        let is_place = |part: &Allocation| part.line.get() < line_count && is_location(part.location);
        let is_line = |of: &LineQuantity| of.line.get() < line_count;
        // They are numbered, in 16 bits and from 1.
        let is_numbered = |len: usize| len <= usize::from(u16::MAX);
        is_parted == (stage == Stage::Parted)
            && (!is_parted || self.counters.len() == usize::from(line_count))
            && self.allocations.iter().all(|part| is_place(part) && part.quantity.get() > 0)
            && self.allocations.is_sorted_by(|part, next| place_of(part) < place_of(next))
            && self.works.iter().all(|work| work.is_sound() && is_location(work.location()))
            && self.works.is_sorted_by(|work, next| work.location < next.location)
            && self.money.is_sound()
            && is_numbered(self.shipments.len())
            && self.shipments.iter().all(|of| ShipmentState::from_number(of.state).is_some())
            && self.shipments.iter().flat_map(|shipment| &shipment.parts).all(is_place)
            && self.packs_what_can_be()
            && is_numbered(self.returns.len())
            && self.returns.iter().all(|of| ReturnState::from_number(of.state).is_some())
            && self.returns.iter().flat_map(|of| of.lines.iter().chain(&of.received)).all(is_line)
            && is_numbered(self.refunds.len())
            && self.refunds.iter().all(|of| RefundState::from_number(of.state).is_some())
            && is_numbered(self.holds.len())
            && self.holds.iter().all(|of| HoldState::from_number(of.state).is_some())
    }

    /// Whether the packed units of each line at each location can be counted, as [`Detail::packed_units`] does.
    fn packs_what_can_be(&self) -> bool {
        let mut units: BTreeMap<(u16, u16), u64> = BTreeMap::new();
        for part in self.packed_parts() {
            *units.entry(place_of(part)).or_default() += u64::from(part.quantity.get());
        }
        units.values().all(|&units| units <= u32::MAX.into())
    }

    /// The fulfilment order of a location, if it is not as it began.
    pub(crate) fn work(&self, location: LocationHandle) -> Option<&Work> {
        self.works.iter().find(|work| work.location == location.get())
    }

    /// The fulfilment order of a location, made open if it was as it began.
    pub(crate) fn work_mut(&mut self, location: LocationHandle) -> &mut Work {
        let place = self.works.partition_point(|work| work.location < location.get());
        if self.works.get(place).is_none_or(|work| work.location != location.get()) {
            self.works.insert(place, Work::new(location, WorkState::Open));
        }
        &mut self.works[place]
    }

    /// Whether a location has refused this order's work.
    pub(crate) fn has_rejected(&self, location: LocationHandle) -> bool {
        self.work(location).is_some_and(|work| work.has_rejected)
    }

    /// Locations that have refused this order's work.
    pub(crate) fn rejected_locations(&self) -> impl Iterator<Item = LocationHandle> {
        self.works.iter().filter(|work| work.has_rejected).map(Work::location)
    }

    /// A location gets units of a confirmed order: if its fulfilment order was over, it has an open one again.
    pub(crate) fn reopen(&mut self, location: LocationHandle) {
        if self.work(location).is_some_and(Work::is_over) {
            self.work_mut(location).set_state(WorkState::Open);
        }
    }

    /// What is in packages that have not left, package by package.
    fn packed_parts(&self) -> impl Iterator<Item = &Allocation> {
        let created = self.shipments.iter().filter(|shipment| shipment.state() == ShipmentState::Created);
        created.flat_map(|shipment| &shipment.parts)
    }

    /// The units of a line at a location that are packed and have not left.
    pub(crate) fn packed(&self, line: u16, location: LocationHandle) -> u32 {
        let of_line = self.packed_parts().filter(|part| part.line.get() == line && part.location == location);
        of_line.map(|part| part.quantity.get()).sum()
    }

    /// All units that are packed and have not left: sorted by line and location, each pair once.
    pub(crate) fn packed_units(&self) -> Vec<Allocation> {
        let mut parts: Vec<Allocation> = self.packed_parts().copied().collect();
        parts.sort_unstable_by_key(place_of);
        parts.dedup_by(|part, before| {
            let is_same = place_of(part) == place_of(before);
            if is_same {
                before.quantity += part.quantity;
            }
            is_same
        });
        parts
    }

    /// Adds units of a line at a location.
    pub(crate) fn allocate(&mut self, part: &Allocation) {
        let place = self.allocations.partition_point(|of| place_of(of) < place_of(part));
        match self.allocations.get_mut(place) {
            Some(of) if place_of(of) == place_of(part) => of.quantity += part.quantity,
            _ => self.allocations.insert(place, *part),
        }
    }

    /// Takes units of a line off a location.
    ///
    /// # Panics
    /// If they are not there.
    pub(crate) fn take(&mut self, part: &Allocation) {
        let Ok(place) = self.allocations.binary_search_by_key(&place_of(part), place_of) else {
            panic!("units move that were not allocated: line {} at {}", part.line, part.location);
        };
        // Subtraction is checked: overflow checks stay on in release.
        self.allocations[place].quantity -= part.quantity;
        if self.allocations[place].quantity.get() == 0 {
            self.allocations.remove(place);
        }
    }

    /// Takes units of lines off locations, sorted by line and location.
    ///
    /// # Panics
    /// If they are not there.
    pub(crate) fn take_all(&mut self, parts: &[Allocation]) {
        let mut parts = parts.iter().peekable();
        self.allocations.retain_mut(|of| {
            if let Some(part) = parts.next_if(|part| place_of(part) == place_of(of)) {
                of.quantity -= part.quantity;
            }
            of.quantity.get() > 0
        });
        assert!(parts.next().is_none(), "units move that were not allocated");
    }

    /// Whether something of it still stands that a finished order must not be forgotten with.
    pub(crate) fn has_something_standing(&self) -> bool {
        self.holds.iter().any(|hold| hold.state() == HoldState::Active)
            || self.refunds.iter().any(|refund| refund.state() == RefundState::Pending)
            || self.returns.iter().any(|of| of.is_open() || of.state() == ReturnState::Received)
    }
}
