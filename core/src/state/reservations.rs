//! Reservations: timed holds of stock for carts. A finished one stays, without its stock, until retention takes it, so that
//! its id is not used again.

use orderline_protocol::command::{CartLine, OrderLine};
use orderline_protocol::event::Allocation;
use orderline_protocol::lifecycle::ReservationState;
use orderline_protocol::{BuyerId, LocationHandle, ReservationId, Sequence, SkuHandle};
use smallvec::SmallVec;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::frozen::Frozen;
use super::hash::Sum;
use super::id_table::{IdHash, IdTable};
use super::slab::Slab;
use super::timers::TimerSlot;

/// A reservation's fixed part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ReservationHead {
    pub(crate) id: ReservationId,
    pub(crate) sequence: zerocopy::little_endian::U64,
    pub(crate) reserved_at_us: zerocopy::little_endian::I64,
    pub(crate) expires_at_us: zerocopy::little_endian::I64,
    pub(crate) buyer: BuyerId,
    pub(crate) digest: zerocopy::little_endian::U32,
    pub(crate) version: zerocopy::little_endian::U32,
    /// Where all of it is held; NONE: the allocations tell.
    pub(crate) location: LocationHandle,
    pub(crate) line_count: zerocopy::little_endian::U16,
    pub(crate) allocation_count: zerocopy::little_endian::U16,
    state: u8,
    pub(crate) reserved: u8,
}

const _: () = assert!(size_of::<ReservationHead>() == 64);

impl ReservationHead {
    #[inline]
    pub(crate) fn state(&self) -> ReservationState {
        match ReservationState::from_number(self.state) {
            Some(state) => state,
            None => panic!("there is no reservation state {}", self.state),
        }
    }

    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.state == ReservationState::Held as u8
    }

    /// Whether a head read from a snapshot has values that this program can hold.
    pub(crate) fn is_sound(&self) -> bool {
        ReservationState::from_number(self.state).is_some()
    }

    pub(crate) fn sequence(&self) -> Sequence {
        self.sequence.get()
    }
}

/// Lines of a cart that stand in its reservation; those of a longer one lie on the heap.
const CART_LINES_INSIDE: usize = 6;

/// A reservation. Its lists are empty once it is finished.
#[derive(Debug, Clone)]
pub(crate) struct Reservation {
    pub(crate) head: ReservationHead,
    pub(crate) lines: SmallVec<[CartLine; CART_LINES_INSIDE]>,
    /// Empty where all of it is held at one location.
    pub(crate) allocations: Box<[Allocation]>,
    pub(crate) timer: TimerSlot,
}

impl Reservation {
    /// Where its units are, line by line; nothing once it is finished.
    pub(crate) fn units(&self) -> impl Iterator<Item = Allocation> {
        let location = self.head.location;
        let whole = if location.is_none() { &[] } else { &*self.lines };
        let of_line = move |(line, of): (usize, &CartLine)| Allocation {
            line: (line as u16).into(),
            location,
            quantity: of.quantity,
        };
        whole.iter().enumerate().map(of_line).chain(self.allocations.iter().copied())
    }

    /// Writes it as a snapshot keeps it: its head and its lists.
    fn put_image(&self, out: &mut Vec<u8>, sum: &mut Sum) {
        let start = out.len();
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(self.lines.as_bytes());
        out.extend_from_slice(self.allocations.as_bytes());
        let bytes = &out[start..];
        sum.add(9, |out| out.extend_from_slice(bytes));
    }

    /// Adds its hash.
    pub(super) fn add_hash(&self, sum: &mut Sum) {
        self.put_image(&mut Vec::new(), sum);
    }

    /// Its units by SKU and location, sorted, each pair once: what sourcing counts as its owner's own.
    pub(crate) fn own_units(&self) -> Vec<(SkuHandle, LocationHandle, u64)> {
        let of_part = |part: Allocation| {
            let sku = self.lines[usize::from(part.line.get())].sku;
            (sku, part.location, u64::from(part.quantity.get()))
        };
        let mut own: Vec<_> = self.units().map(of_part).collect();
        own.sort_unstable_by_key(|&(sku, location, _)| (sku, location));
        own.dedup_by(|next, kept| {
            let is_same = (next.0, next.1) == (kept.0, kept.1);
            kept.2 += if is_same { next.2 } else { 0 };
            is_same
        });
        own
    }

    /// Whether an order's lines are, one for one, what is held.
    #[inline]
    pub(crate) fn is_exactly(&self, lines: &[OrderLine]) -> bool {
        let is_same =
            |(held, line): (&CartLine, &OrderLine)| held.sku == line.sku && held.quantity == line.quantity;
        self.lines.len() == lines.len() && self.lines.iter().zip(lines).all(is_same)
    }
}

/// All reservations.
pub(crate) struct Reservations {
    ids: IdTable,
    slab: Slab<Reservation>,
    /// While a snapshot is made: what it still needs, by slot.
    frozen: Option<Box<Frozen>>,
}

/// Which reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReservationSlot(u32);

impl Reservations {
    pub(crate) fn new(seed: u64) -> Self {
        Self { ids: IdTable::new(seed), slab: Slab::default(), frozen: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn hash(&self, id: ReservationId) -> IdHash {
        self.ids.hash(id.get())
    }

    pub(crate) fn prefetch(&self, hash: IdHash) {
        self.ids.prefetch(hash);
    }

    #[inline]
    pub(crate) fn find(&self, id: ReservationId) -> Option<ReservationSlot> {
        let is_it = |slot| self.slab.get(slot).head.id == id;
        self.ids.find(self.hash(id), is_it).map(ReservationSlot)
    }

    #[inline]
    pub(crate) fn get(&self, slot: ReservationSlot) -> &Reservation {
        self.slab.get(slot.0)
    }

    pub(crate) fn get_mut(&mut self, slot: ReservationSlot) -> &mut Reservation {
        self.keep(slot);
        self.slab.get_mut(slot.0)
    }

    /// Adds a held reservation whose id is not there yet; its timer is its caller's to set.
    pub(crate) fn insert(
        &mut self,
        head: ReservationHead,
        lines: &[CartLine],
        allocations: &[Allocation],
    ) -> ReservationSlot {
        let hash = self.hash(head.id);
        let reservation = Reservation {
            head,
            lines: lines.into(),
            allocations: allocations.into(),
            timer: TimerSlot::NONE,
        };
        let slot = self.slab.insert(reservation);
        if let Some(frozen) = &mut self.frozen {
            frozen.needs(slot as usize);
        }
        self.ids.insert(hash, slot);
        ReservationSlot(slot)
    }

    /// The head of a new, held reservation.
    #[allow(clippy::too_many_arguments)] // They are its fields.
    pub(crate) fn held(
        id: ReservationId,
        sequence: Sequence,
        reserved_at_us: i64,
        expires_at_us: i64,
        buyer: BuyerId,
        digest: u32,
        location: LocationHandle,
        line_count: usize,
        allocation_count: usize,
    ) -> ReservationHead {
        ReservationHead {
            id,
            sequence: sequence.into(),
            reserved_at_us: reserved_at_us.into(),
            expires_at_us: expires_at_us.into(),
            buyer,
            digest: digest.into(),
            version: 1.into(),
            location,
            line_count: (line_count as u16).into(),
            allocation_count: (allocation_count as u16).into(),
            state: ReservationState::Held as u8,
            reserved: 0,
        }
    }

    /// Finishes a held reservation: its lists go, and its timer is returned to be cancelled.
    pub(crate) fn finish(&mut self, slot: ReservationSlot, state: ReservationState) -> TimerSlot {
        let reservation = self.get_mut(slot);
        assert!(reservation.head.is_held(), "reservation {} is finished twice", reservation.head.id);
        let head = &mut reservation.head;
        head.state = state as u8;
        head.version += 1;
        (head.line_count, head.allocation_count) = (0.into(), 0.into());
        head.location = LocationHandle::NONE;
        reservation.lines = SmallVec::new();
        reservation.allocations = Box::default();
        std::mem::take(&mut reservation.timer)
    }

    /// Takes a finished reservation out of memory.
    pub(crate) fn remove(&mut self, slot: ReservationSlot) {
        self.keep(slot);
        let head = self.slab.remove(slot.0).head;
        assert!(!head.is_held(), "reservation {} leaves memory while it is held", head.id);
        self.ids.remove(self.hash(head.id), slot.0);
    }

    /// Whatever changes a reservation comes through here first: a snapshot under way may still need it as it is.
    fn keep(&mut self, slot: ReservationSlot) {
        if let Some(frozen) = &mut self.frozen
            && frozen.needs(slot.0 as usize)
        {
            let (out, sum) = frozen.kept();
            self.slab.get(slot.0).put_image(out, sum);
        }
    }

    /// Begins a snapshot.
    pub(crate) fn freeze(&mut self) {
        self.frozen = Some(Box::new(Frozen::new(self.slab.places())));
    }

    /// Forgets the snapshot under way.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// Writes more of the snapshot under way, about up to so many bytes. Returns the sum of all hashes at its end.
    pub(crate) fn walk(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Option<u128> {
        let total = self.frozen.as_mut()?.walk(out, bytes_max, |place, is_needed, out, sum| {
            if let Some(reservation) = self.slab.at(place).filter(|_| is_needed) {
                reservation.put_image(out, sum);
            }
            place + 1
        });
        self.frozen.take_if(|_| total.is_some());
        total
    }

    /// What stands at the places from one on, each with the place behind it.
    pub(crate) fn iter_from(&self, place: usize) -> impl Iterator<Item = (usize, Option<&Reservation>)> {
        self.slab.iter_from(place)
    }

    /// Every reservation, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Reservation> {
        self.slab.iter()
    }
}
