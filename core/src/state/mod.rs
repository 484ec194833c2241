//! The state machine: pure, single-threaded, and the same on every machine.
//!
//! `decide` looks and never changes; `apply` changes and never refuses. Live traffic, recovery, snapshots' makers and
//! a standby all go through the one `apply`, so equal journals give equal states. There is no clock, thread, I/O,
//! float, randomness or hash order in here: time is handed in, and hash tables are only ever asked, never iterated.
//! (The seeds of those tables are handed in too and reach nothing that is written or compared.)

mod apply;
mod availability;
mod backorders;
mod care;
mod cart;
mod catalogue;
mod catalogue_image;
mod check;
mod check_due;
mod check_fulfilment;
mod check_money;
mod check_stock;
mod checkout;
mod codes;
mod conservation;
mod coverage;
mod decide;
mod define;
mod detail;
mod due;
mod edits;
mod entries;
mod frozen;
mod fulfilment;
mod groups;
mod happened;
mod hash;
mod holds;
mod id_table;
mod image;
mod keys;
mod layouts;
mod ledger;
mod money;
mod movements;
mod order_head;
mod orders;
mod pending;
mod plain;
mod queue;
mod refills;
mod reservations;
mod retention;
mod returns;
mod ring;
mod rounds;
mod sample;
mod scope;
mod sessions;
mod settings;
mod shipments;
mod shortages;
mod slab;
mod sourcing;
#[cfg(test)]
mod sourcing_reference;
mod stack;
mod stock;
mod stock_moves;
mod timers;
mod tokens;
pub mod transitions;
mod view;
mod walk;
mod work;

use orderline_protocol::command::RawCommand;
use orderline_protocol::event::{Event, EventKind};
use orderline_protocol::lifecycle::{Action, Entity};
use orderline_protocol::{
    Command, Malformed, OrderId, RejectCode, Request, Sequence, SessionHandle, SessionId, SkuHandle,
};

pub(crate) use availability::check_asked;
pub use availability::{Availability, Terms};
pub use check::Violation;
pub use codes::is_code;
pub use conservation::Conservation;
pub use decide::Scratch;
pub use due::Due;
pub use entries::LedgerEntry;
pub use hash::StateHash;
pub use image::{ImageError, ReadSection, SECTION_TAGS};
pub use sample::SamplePlaces;
pub use tokens::Token;
pub use walk::{Step, Walk};

use backorders::Backorders;
use catalogue::Catalogue;
use groups::Groups;
use keys::Keys;
use ledger::Ledgers;
use orders::Orders;
use reservations::Reservations;
use retention::Finished;
use sessions::{Answer, Known, Sessions};
use settings::Settings;
use stock::Stock;
use timers::Timers;

/// Everything that the core knows.
pub struct State {
    sequence: Sequence,
    /// The newest time at which anything was recorded, as far as is known: a snapshot does not hold it, and the newest of what
    /// finished stands in for it there.
    recorded_at_us: i64,
    catalogue: Catalogue,
    settings: Settings,
    stock: Stock,
    orders: Orders,
    groups: Groups,
    reservations: Reservations,
    ledgers: Ledgers,
    sessions: Sessions,
    keys: Keys,
    finished: Finished,
    // What follows from the rest, kept beside it to be found quickly.
    backorders: Backorders,
    timers: Timers,
    /// Tokens have changed since somebody asked.
    tokens_changed: bool,
    /// The snapshot under way.
    walk: Option<Box<Walk>>,
}

/// A command as it came, and its body read once for all the times that it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Parsed<'a> {
    /// As it lies in its frame.
    pub raw: RawCommand<'a>,
    /// What it says; `None` inside: a kind that is not known.
    pub body: Result<Command<'a>, Option<Malformed>>,
}

impl<'a> Parsed<'a> {
    /// Reads the body.
    #[inline]
    pub fn new(raw: RawCommand<'a>) -> Self {
        Self { raw, body: raw.read() }
    }
}

/// Why a command was refused: the code, and what it says about whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// The reason.
    pub code: RejectCode,
    /// See the code.
    pub subject: u32,
    /// See the code.
    pub detail: u64,
    /// Where the state speaks from, if not from now: the event that stands in the way.
    pub sequence: Option<Sequence>,
    /// The state of the entity that the command was about, 0 where none is meant.
    pub state: u8,
    /// Its version, 0 where none is meant.
    pub version: u32,
}

impl Rejection {
    pub(crate) const fn new(code: RejectCode) -> Self {
        Self { code, subject: 0, detail: 0, sequence: None, state: 0, version: 0 }
    }

    pub(crate) const fn about(self, subject: u32) -> Self {
        Self { subject, ..self }
    }

    pub(crate) const fn with(self, detail: u64) -> Self {
        Self { detail, ..self }
    }

    /// An action that the transition table does not have for this state of this entity.
    pub(crate) const fn illegal(entity: Entity, state: u8, action: Action) -> Self {
        let subject = (entity as u32) << 8 | action as u32;
        Self { state, ..Self::new(RejectCode::IllegalTransition).about(subject) }
    }
}

/// What came of deciding a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// An event of this kind: its bytes have been written. Journal it, then apply it.
    Event(EventKind),
    /// Nothing to do: it was accepted before, and this was the answer.
    Before(Accepted),
    /// It is refused.
    Rejected(Rejection),
}

/// The answer to an accepted command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Where it took effect.
    pub sequence: Sequence,
    /// See the command.
    pub detail: u64,
    /// The version then of the entity that the command was about, 0 where none is meant.
    pub version: u32,
    /// Its state then, 0 where none is meant.
    pub state: u8,
}

/// Figures about the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Orders held.
    pub orders_total: u64,
    /// Of them: pending or confirmed.
    pub orders_open: u64,
    /// Reservations held in memory, finished ones included.
    pub reservations: u64,
    /// Sellers defined.
    pub sellers: u32,
    /// Locations defined.
    pub locations: u32,
    /// SKUs defined.
    pub skus: u32,
    /// Sessions remembered.
    pub sessions: u32,
    /// When the newest accepted keyed request was recorded that is no longer known, in microseconds since 1970; 0: all are known.
    pub keys_horizon_us: i64,
}

impl State {
    /// An empty state. `seed` only guards hash tables against crafted ids: states with different seeds that applied
    /// the same events are equal.
    pub fn new(seed: u64) -> Self {
        Self {
            sequence: 0,
            recorded_at_us: 0,
            catalogue: Catalogue::new(seed),
            settings: Settings::default(),
            stock: Stock::default(),
            orders: Orders::new(seed),
            groups: Groups::new(seed.rotate_left(3)),
            reservations: Reservations::new(seed.rotate_left(4)),
            ledgers: Ledgers::default(),
            sessions: Sessions::new(seed),
            keys: Keys::new(seed.rotate_left(5)),
            finished: Finished::default(),
            backorders: Backorders::default(),
            timers: Timers::default(),
            tokens_changed: false,
            walk: None,
        }
    }

    /// Makes room for `count` more orders of four lines (about 150 bytes each), its pages in memory already, so that
    /// growing up to there costs nothing. Changes nothing that anybody can see.
    pub fn preallocate_orders(&mut self, count: usize) {
        self.orders.preallocate(count);
    }

    /// The sequence of the newest event applied; 0 before the first.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The newest recorded time that is known, in microseconds since 1970: what is recorded next must not be older, for what
    /// waits for its time stands in the order of time.
    pub fn recorded_at_us(&self) -> i64 {
        self.recorded_at_us
    }

    /// How much it holds.
    pub fn counts(&self) -> Counts {
        Counts {
            orders_total: self.orders.len() as u64,
            orders_open: self.orders.open_count(),
            reservations: self.reservations.len() as u64,
            sellers: self.catalogue.sellers().len() as u32,
            locations: self.catalogue.locations().len() as u32,
            skus: self.catalogue.sku_count() as u32,
            sessions: self.sessions.len() as u32,
            keys_horizon_us: self.keys.horizon_us,
        }
    }

    /// SKUs defined: their handles are below this.
    pub fn sku_count(&self) -> usize {
        self.catalogue.sku_count()
    }

    /// The session with this id: its handle and the newest request that it accepted.
    pub fn session(&self, id: SessionId) -> Option<(SessionHandle, u64)> {
        self.sessions.find(id).map(|(handle, session)| (handle, session.last_request))
    }

    /// The code of a SKU, for people.
    pub fn sku_code(&self, handle: orderline_protocol::SkuHandle) -> Option<&str> {
        self.catalogue.sku_codes.code(handle.get())
    }

    /// The code of a seller, for people.
    pub fn seller_code(&self, handle: orderline_protocol::SellerHandle) -> Option<&str> {
        self.catalogue.seller_codes.code(handle.get())
    }

    /// The code of a location, for people.
    pub fn location_code(&self, handle: orderline_protocol::LocationHandle) -> Option<&str> {
        self.catalogue.location_codes.code(handle.get().into())
    }

    /// First pass over a group of commands: has what a placement reads first fetched (its id's place, its SKUs).
    #[inline]
    pub fn prefetch_first(&self, command: &Parsed<'_>) {
        match command.body {
            Ok(Command::PlaceOrder(head, lines, _)) => {
                self.orders.prefetch(self.orders.hash(head.order));
                // Orders and groups share their ids.
                self.groups.prefetch(head.order.get());
                self.prefetch_skus(lines.iter().map(|line| line.sku));
            }
            Ok(Command::ReserveCart(head, lines)) => {
                self.reservations.prefetch(self.reservations.hash(head.reservation));
                self.prefetch_skus(lines.iter().map(|line| line.sku));
            }
            Ok(Command::CheckOut(head, orders, lines, _)) => {
                self.reservations.prefetch(self.reservations.hash(head.reservation));
                self.orders.prefetch(self.orders.hash(OrderId::new(head.group.get())));
                self.groups.prefetch(head.group.get());
                for order in orders.iter().take(PREFETCHED_ORDERS) {
                    self.orders.prefetch(self.orders.hash(order.order));
                    self.groups.prefetch(order.order.get());
                }
                self.prefetch_skus(lines.iter().map(|line| line.sku));
            }
            Ok(command) => {
                if let Some(order) = order_of(&command) {
                    self.orders.prefetch(self.orders.hash(order));
                }
            }
            Err(_) => {}
        }
    }

    /// Second pass: has what those lead to fetched (the SKUs' levels).
    #[inline]
    pub fn prefetch_second(&self, command: &Parsed<'_>) {
        match command.body {
            Ok(Command::PlaceOrder(_, lines, _)) => self.prefetch_levels(lines.iter().map(|line| line.sku)),
            Ok(Command::CheckOut(head, _, lines, _)) => {
                // Looking for the reservation has it fetched, while the other commands' fetches are under way.
                let is_held =
                    head.reservation.get() != 0 && self.reservations.find(head.reservation).is_some();
                if !is_held {
                    self.prefetch_levels(lines.iter().map(|line| line.sku));
                }
            }
            Ok(Command::ReserveCart(_, lines)) => self.prefetch_levels(lines.iter().map(|line| line.sku)),
            _ => {}
        }
    }

    /// The first pass over a group of events.
    #[inline]
    pub fn prefetch_event_first(&self, event: &Event<'_>) {
        if let Event::OrderPlaced(head, lines, _, _) = event {
            self.orders.prefetch(self.orders.hash(head.placement.order));
            self.prefetch_skus(lines.iter().map(|line| line.sku));
        }
    }

    /// The second pass over a group of events.
    #[inline]
    pub fn prefetch_event_second(&self, event: &Event<'_>) {
        if let Event::OrderPlaced(_, lines, _, _) = event {
            self.prefetch_levels(lines.iter().map(|line| line.sku));
        }
    }

    #[inline]
    fn prefetch_skus(&self, skus: impl Iterator<Item = SkuHandle>) {
        skus.take(PREFETCHED_LINES).for_each(|sku| self.catalogue.prefetch_sku(sku));
    }

    #[inline]
    fn prefetch_levels(&self, skus: impl Iterator<Item = SkuHandle>) {
        if !self.stock.has_rows() {
            return;
        }
        for sku in skus.take(PREFETCHED_LINES) {
            if let Some(sku) = self.catalogue.sku(sku) {
                self.stock.prefetch(sku);
            }
        }
    }

    /// What is known about a request that has a key instead of a number.
    #[cold]
    fn known_key(&self, session: SessionHandle, request: Request) -> Known {
        match self.sessions.id_of(session) {
            Some(id) => self.keys.known(id, request),
            None => Known::TooOld,
        }
    }

    /// When the newest accepted keyed request was recorded that is no longer known, in microseconds since 1970; 0: all are known. A key
    /// that was made later was not forgotten: it is known, or it was never accepted.
    pub fn keys_horizon_us(&self) -> i64 {
        self.keys.horizon_us
    }

    /// What a request comes to that is too old to tell, or that was accepted before.
    #[cold]
    fn known(known: Known, command: &RawCommand<'_>) -> Decision {
        Decision::Rejected(match known {
            Known::Undecided => panic!("what is undecided is to be decided"),
            Known::TooOld => Rejection::new(RejectCode::RequestTooOld),
            Known::Accepted(answer) if answer.digest == command.digest() => {
                return Decision::Before(answer.into());
            }
            Known::Accepted(answer) => {
                Rejection { sequence: Some(answer.sequence), ..Rejection::new(RejectCode::RequestReused) }
            }
        })
    }
}

/// The placed order that a command is about.
#[inline]
fn order_of(command: &Command<'_>) -> Option<OrderId> {
    Some(match command {
        Command::ConfirmOrder(head) => head.order,
        Command::CancelLines(head, _) => head.order,
        Command::RequestReturn(head, _) => head.order,
        Command::ShipLines(head, ..) => head.order,
        Command::UpdateShipment(head) => head.order,
        Command::UpdateWork(head) => head.order,
        Command::UpdateReturn(head) => head.order,
        Command::ReceiveReturn(head, _) => head.order,
        Command::RequestRefund(head) => head.order,
        Command::SettleRefund(head) => head.order,
        // An order placed alone is a group under its own id.
        Command::RecordAuthorization(head) => OrderId::new(head.group.get()),
        Command::RecordCapture(head) => OrderId::new(head.group.get()),
        _ => return None,
    })
}

/// Orders of a group whose ids are prefetched.
const PREFETCHED_ORDERS: usize = 4;

/// Lines of an order that are prefetched: the processor has some ten to twenty fetches under way at once.
const PREFETCHED_LINES: usize = 8;

impl From<Answer> for Accepted {
    fn from(answer: Answer) -> Self {
        Self {
            sequence: answer.sequence,
            detail: answer.detail,
            version: answer.version,
            state: answer.state,
        }
    }
}
