//! The newest part of the read models, in memory: what the follower adds to and what has not reached the store yet. It is
//! made for being written to: columns that a query reads through, and maps only where the follower itself looks up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use orderline_journal::Position;
use orderline_protocol::command::OrderLine;
use orderline_protocol::event::{Allocation, OrderState};
use orderline_protocol::{LocationHandle, Sequence};
use zerocopy::FromBytes;
use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::change::Moment;
use crate::error::Damage;
use crate::order::{Order, Placed, Returned, Row};
use crate::term::{Term, TermKind};

/// The number of an order: how many were placed before it. Later orders have higher numbers, and a group's are side by side.
pub(crate) type Number = u64;

/// Where a note is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NoteKey {
    pub(crate) number: Number,
    /// It is about the whole group whose first order has the number.
    pub(crate) is_of_group: bool,
    pub(crate) sequence: Sequence,
}

/// That an event was about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Note {
    pub(crate) at_us: I64,
    pub(crate) kind: U16,
}

/// A place in a location's queue: first opened, first listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueKey {
    pub(crate) location: LocationHandle,
    pub(crate) opened_sequence: Sequence,
    pub(crate) number: Number,
}

/// What stands in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Queued {
    pub(crate) opened_at_us: I64,
    /// A `WorkState`.
    pub(crate) state: u8,
}

/// A place in a list of returns: asked for last, first listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReturnKey {
    /// Which list.
    pub(crate) list: u8,
    /// The complement of the sequence at which it was asked for.
    pub(crate) before: u64,
    /// Its order's number, and its own in that.
    pub(crate) part: u64,
}

/// Where an entry of a ledger is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryKey {
    pub(crate) seller: u32,
    pub(crate) sequence: Sequence,
    /// Its place among the entries of its event.
    pub(crate) place: u16,
}

/// An entry of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct EntryRow {
    pub(crate) order: zerocopy::little_endian::U128,
    pub(crate) amount_minor: I64,
    pub(crate) recorded_at_us: I64,
    pub(crate) happened_at_us: I64,
    pub(crate) currency: U16,
    /// An `EntryKind`.
    pub(crate) kind: u8,
}

/// A reservation that is held: where its units are, and the events about it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) location: LocationHandle,
    pub(crate) units: Vec<Allocation>,
    pub(crate) notes: Vec<(Sequence, Note)>,
}

/// The orders of a group of several, or of a group whose id is not its order's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct GroupRow {
    pub(crate) first: U64,
    pub(crate) count: U32,
}

/// Orders that are known by the number of their state, in memory of the engine or not any more.
pub(crate) type StateCounts = [u64; STATES];

/// Numbers of order states, which begin at 1.
pub(crate) const STATES: usize = OrderState::ALL.len() + 1;

/// See the page.
pub(crate) struct Head {
    /// The number of its first order.
    pub(crate) first: Number,
    /// Bytes of the orders placed, one behind the other, as they were placed.
    rows: Vec<u8>,
    row_ends: Vec<u32>,
    buyers: Vec<u64>,
    sellers: Vec<u32>,
    skus: Vec<u32>,
    sku_ends: Vec<u32>,
    /// Hashes of external ids; 0: none.
    externals: Vec<u64>,
    /// The places of its orders, by their ids.
    pub(crate) ids: HashMap<u128, u32>,
    pub(crate) groups: BTreeMap<u128, GroupRow>,
    /// Orders, placed here or before, as they were changed since.
    pub(crate) changed: BTreeMap<Number, Order>,
    pub(crate) notes: BTreeMap<NoteKey, Note>,
    /// What came to queues, and what left them (nothing).
    pub(crate) queue: BTreeMap<QueueKey, Option<Queued>>,
    /// What came to the lists of returns or was changed there, and what left them (nothing).
    pub(crate) returns: BTreeMap<ReturnKey, Option<Returned>>,
    pub(crate) levels: BTreeSet<(u16, u32)>,
    pub(crate) ledger: BTreeMap<EntryKey, EntryRow>,
    /// Reservations that are held, and those that are not any more (nothing).
    pub(crate) reservations: BTreeMap<u128, Option<Held>>,
    /// For which token a session went on from a sequence on.
    pub(crate) actors: BTreeMap<(u32, Sequence), u32>,
    /// Places of the journal, some way apart.
    pub(crate) places: Vec<Position>,
    /// What is known reaches back to this sequence.
    pub(crate) known_from: Sequence,
    /// Up to where the journal was read.
    pub(crate) now: Moment,
    pub(crate) position: Option<Position>,
    /// Orders that are known, here and before, by their states.
    pub(crate) states: StateCounts,
    /// Records read since the part before this one.
    pub(crate) record_count: u64,
}

impl Head {
    /// An empty part behind another one.
    pub(crate) fn behind(
        first: Number,
        known_from: Sequence,
        now: Moment,
        position: Option<Position>,
        states: StateCounts,
    ) -> Self {
        Self {
            first,
            rows: Vec::new(),
            row_ends: Vec::new(),
            buyers: Vec::new(),
            sellers: Vec::new(),
            skus: Vec::new(),
            sku_ends: Vec::new(),
            externals: Vec::new(),
            ids: HashMap::new(),
            groups: BTreeMap::new(),
            changed: BTreeMap::new(),
            notes: BTreeMap::new(),
            queue: BTreeMap::new(),
            returns: BTreeMap::new(),
            levels: BTreeSet::new(),
            ledger: BTreeMap::new(),
            reservations: BTreeMap::new(),
            actors: BTreeMap::new(),
            places: Vec::new(),
            known_from,
            now,
            position,
            states,
            record_count: 0,
        }
    }

    /// The number that the next order gets.
    pub(crate) fn next(&self) -> Number {
        self.first + self.row_ends.len() as u64
    }

    /// Orders placed here.
    pub(crate) fn order_count(&self) -> usize {
        self.row_ends.len()
    }

    /// Entries here, by which its memory is bounded.
    pub(crate) fn entry_count(&self) -> usize {
        // A changed order is some hundred bytes on the heap, a note a few.
        self.row_ends.len()
            + 2 * self.changed.len()
            + self.notes.len() / 2
            + self.ledger.len()
            + self.returns.len() / 2
            + self.reservations.len()
            + self.actors.len()
    }

    /// Adds an order.
    pub(crate) fn place(&mut self, now: Moment, placed: &Placed<'_>) -> Number {
        let number = self.next();
        self.states[OrderState::Pending as usize] += 1;
        self.ids.insert(placed.order.get(), self.row_ends.len() as u32);
        placed.write(now.sequence, now.at_us, &mut self.rows);
        self.add_columns(placed.buyer.get(), placed.seller.get(), placed.lines, placed.external_id);
        number
    }

    /// Adds an order that the engine holds already, as it stands.
    pub(crate) fn take_over(&mut self, order: &Order) -> Number {
        let number = self.next();
        self.states[order.state as usize] += 1;
        self.ids.insert(order.order.get(), self.row_ends.len() as u32);
        let start = self.rows.len();
        order.write(&mut self.rows);
        let lines = Row::lines(&self.rows[start..]).map(<[OrderLine]>::to_vec).unwrap_or_default();
        self.add_columns(order.buyer.get(), order.seller.get(), &lines, &order.external_id);
        number
    }

    fn add_columns(&mut self, buyer: u64, seller: u32, lines: &[OrderLine], external_id: &str) {
        self.row_ends.push(self.rows.len() as u32);
        self.buyers.push(buyer);
        self.sellers.push(seller);
        self.skus.extend(lines.iter().map(|line| line.sku.get()));
        self.sku_ends.push(self.skus.len() as u32);
        let external = if external_id.is_empty() { 0 } else { Term::external(external_id).value };
        self.externals.push(external);
    }

    /// The bytes of an order placed here, as it was placed.
    pub(crate) fn row(&self, number: Number) -> Option<&[u8]> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let end = *self.row_ends.get(place)? as usize;
        Some(&self.rows[start_of(&self.row_ends, place)..end])
    }

    /// The order with a number, if it was placed or changed here.
    pub(crate) fn order(&self, number: Number) -> Result<Option<Order>, Damage> {
        match self.changed.get(&number) {
            Some(order) => Ok(Some(order.clone())),
            None => self.row(number).map(Order::read).transpose(),
        }
    }

    fn skus_of(&self, place: usize) -> &[u32] {
        &self.skus[start_of(&self.sku_ends, place)..self.sku_ends[place] as usize]
    }

    /// Whether an order placed here has a term.
    fn has(&self, place: usize, term: Term) -> bool {
        match term.kind {
            TermKind::Buyer => self.buyers[place] == term.value,
            TermKind::Seller => u64::from(self.sellers[place]) == term.value,
            TermKind::Sku => self.skus_of(place).iter().any(|&sku| u64::from(sku) == term.value),
            TermKind::External => self.externals[place] == term.value,
            TermKind::Order => false, // They are looked up by `ids`.
        }
    }

    /// The numbers of orders placed here that have a term (all, without one), below a number, newest first.
    pub(crate) fn numbers(&self, term: Option<Term>, below: Number) -> impl Iterator<Item = Number> {
        let count = below.saturating_sub(self.first).min(self.row_ends.len() as u64) as usize;
        (0..count)
            .rev()
            .filter(move |&place| term.is_none_or(|term| self.has(place, term)))
            .map(|place| self.first + place as u64)
    }

    /// Calls with every term and the place of the order that has it.
    pub(crate) fn each_term(&self, kind: TermKind, mut each: impl FnMut(u64, u32)) {
        for place in 0..self.row_ends.len() {
            let at = place as u32;
            match kind {
                TermKind::Buyer => each(self.buyers[place], at),
                TermKind::Seller => each(self.sellers[place].into(), at),
                TermKind::Sku => self.skus_of(place).iter().for_each(|&sku| each(sku.into(), at)),
                TermKind::External if self.externals[place] != 0 => each(self.externals[place], at),
                TermKind::External | TermKind::Order => {}
            }
        }
        if kind == TermKind::Order {
            self.ids.iter().for_each(|(&id, &place)| each(Term::order(id).value, place));
        }
    }
}

fn start_of(ends: &[u32], place: usize) -> usize {
    place.checked_sub(1).map_or(0, |before| ends[before] as usize)
}
