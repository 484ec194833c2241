//! A state out of a snapshot's bytes, which `walk` writes. Handles stay what they are; places in memory do not travel.
//!
//! Small tables (sellers, locations, SKUs, settings, groups, ledgers, sessions) are bincode records behind one version;
//! levels, movements, orders and reservations, of which there are many, are fixed-layout bytes, as `docs/format.md` lists
//! them. What follows from the rest (timers, queues) is not kept but made again.

use std::ops::Range;

use bincode::config;
use orderline_protocol::command::{CartLine, DefineSourcing, OrderLine, SetPolicy};
use orderline_protocol::event::{Allocation, RetiredKind};
use orderline_protocol::limits::SESSIONS_MAX;
use orderline_protocol::{
    CurrencyCode, KEYED_FROM, LocationHandle, SellerHandle, SessionHandle, SessionId, SkuHandle,
};
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, IntoBytes};

use super::State;
use super::detail::Detail;
use super::groups::Group;
use super::keys::Keyed;
use super::ledger::Ledger;
use super::order_head::{OrderHead, Stage};
use super::orders::OrderSlot;
use super::reservations::ReservationHead;
use super::ring::{Entry, Ring};
use super::sessions::{Answer, Session, SessionHead};
use super::stock::SavedLevel;
use super::timers::SECOND_US;

/// The sections of a snapshot, in the order in which they are written and read.
pub const SECTION_TAGS: [u32; 10] = [
    TAG_HEAD,
    TAG_CATALOGUE,
    TAG_LEVELS,
    TAG_MOVEMENTS,
    TAG_ORDERS,
    TAG_RESERVATIONS,
    TAG_GROUPS,
    TAG_LEDGERS,
    TAG_SESSIONS,
    TAG_KEYS,
];
pub(super) const TAG_HEAD: u32 = 1;
pub(super) const TAG_CATALOGUE: u32 = 2;
pub(super) const TAG_LEVELS: u32 = 3;
pub(super) const TAG_ORDERS: u32 = 4;
pub(super) const TAG_SESSIONS: u32 = 5;
pub(super) const TAG_MOVEMENTS: u32 = 6;
pub(super) const TAG_RESERVATIONS: u32 = 7;
pub(super) const TAG_GROUPS: u32 = 8;
pub(super) const TAG_LEDGERS: u32 = 9;
pub(super) const TAG_KEYS: u32 = 10;

/// The version of the sections' contents.
pub(super) const IMAGE_VERSION: u32 = 5;

/// A snapshot's sections hold what cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The sections are of another version.
    #[error("the snapshot's contents are of version {found}, this program reads version {IMAGE_VERSION}")]
    Version {
        /// What it says.
        found: u32,
    },
    /// A section's bytes are not what its tag says.
    #[error("section {tag} of the snapshot is unreadable: {why}")]
    Section {
        /// Which section.
        tag: u32,
        /// What is wrong.
        why: String,
    },
    /// Reading or writing failed.
    #[error("the snapshot could not be read or written: {0}")]
    Io(#[from] std::io::Error),
}

/// What the first section begins with. Behind it stand the queue of what has finished and the unnamed shortages, each a list.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) version: u32,
    pub(super) sequence: u64,
    pub(super) policy: Vec<u8>,
    pub(super) policy_version: u32,
    /// Everybody's rules first, then those of sellers that have their own.
    pub(super) sourcing: Vec<Vec<u8>>,
    pub(super) orders_horizon_ms: u64,
    pub(super) reservations_horizon_ms: u64,
    pub(super) keys_horizon_us: i64,
}

/// Bytes that one record of a section may take.
const RECORD_BYTES_MAX: usize = 4 << 30;

/// The layout that `bincode` has used since version 1, pinned: other crates read it too.
pub(super) fn layout() -> impl config::Config {
    config::legacy().with_limit::<RECORD_BYTES_MAX>()
}

/// Reads one section's bytes, to their end, from where it is told.
pub type ReadSection<'a> = &'a mut dyn FnMut(&mut dyn std::io::Read) -> Result<(), ImageError>;

impl State {
    /// Reads a state back: `section` is told a tag and what reads its bytes. `seed` as in
    /// [`State::new`].
    ///
    /// # Errors
    /// What does not fit: nothing half-read is returned.
    pub fn read_image(
        seed: u64,
        mut section: impl FnMut(u32, ReadSection<'_>) -> Result<(), ImageError>,
    ) -> Result<Self, ImageError> {
        let mut state = Self::new(seed);
        section(TAG_HEAD, &mut |from| state.read_head(from))?;
        section(TAG_CATALOGUE, &mut |from| state.catalogue.read_image(from))?;
        state.check_head()?;
        section(TAG_LEVELS, &mut |from| state.read_levels(from))?;
        section(TAG_MOVEMENTS, &mut |from| state.read_movements(from))?;
        let mut detailed = Vec::new();
        section(TAG_ORDERS, &mut |from| state.read_orders(from, &mut detailed))?;
        section(TAG_RESERVATIONS, &mut |from| state.read_reservations(from))?;
        section(TAG_GROUPS, &mut |from| state.read_groups(from))?;
        section(TAG_LEDGERS, &mut |from| {
            let ledgers: Vec<(u32, u16, Ledger)> = decode(TAG_LEDGERS, from)?;
            for (seller, currency, ledger) in ledgers {
                if state.catalogue.seller(SellerHandle::new(seller)).is_none() {
                    let why = format!("a ledger is of seller {seller}, who is not defined");
                    return Err(ImageError::Section { tag: TAG_LEDGERS, why });
                }
                *state.ledgers.get_mut(SellerHandle::new(seller), CurrencyCode::new(currency)) = ledger;
            }
            Ok(())
        })?;
        section(TAG_SESSIONS, &mut |from| state.read_sessions(from))?;
        section(TAG_KEYS, &mut |from| state.read_keys(from))?;
        state.rebuild_derived(&detailed);
        let finished_s = state.finished.queue.iter().map(|&(second, ..)| second).max();
        state.recorded_at_us = finished_s.map_or(0, |second| i64::from(second) * SECOND_US);
        Ok(state)
    }

    fn read_head(&mut self, mut from: &mut dyn std::io::Read) -> Result<(), ImageError> {
        // The version comes first and alone: what follows it may have another shape.
        let version: u32 = decode(TAG_HEAD, from)?;
        if version != IMAGE_VERSION {
            return Err(ImageError::Version { found: version });
        }
        let mut version = std::io::Cursor::new(version.to_le_bytes());
        let head: Head = decode(TAG_HEAD, &mut std::io::Read::chain(&mut version, &mut from))?;
        let wrong = || ImageError::Section { tag: TAG_HEAD, why: "a setting has another length".into() };
        self.sequence = head.sequence;
        self.settings.policy = SetPolicy::read_from_bytes(&head.policy).map_err(|_| wrong())?;
        self.settings.version = head.policy_version;
        for rules in &head.sourcing {
            let rules = DefineSourcing::ref_from_bytes(rules).map_err(|_| wrong())?;
            self.settings.define_sourcing(rules);
        }
        self.finished.orders_horizon_ms = head.orders_horizon_ms;
        self.finished.reservations_horizon_ms = head.reservations_horizon_ms;
        self.keys.horizon_us = head.keys_horizon_us;
        let finished_count: u64 = decode(TAG_HEAD, from)?;
        for _ in 0..finished_count {
            let finished: (u32, u8, u128) = decode(TAG_HEAD, from)?;
            if RetiredKind::from_number(finished.1).is_none() {
                let why = format!("something of kind {} has finished, which there is not", finished.1);
                return Err(ImageError::Section { tag: TAG_HEAD, why });
            }
            self.finished.queue.push_back(finished);
        }
        let unnamed_shortages: Vec<(u32, u16)> = decode(TAG_HEAD, from)?;
        let named = |(sku, location)| (SkuHandle::new(sku), LocationHandle::new(location));
        self.stock.unnamed_shortages = unnamed_shortages.into_iter().map(named).collect();
        Ok(())
    }

    /// Whether what the head names is in the catalogue, which is read behind it.
    fn check_head(&self) -> Result<(), ImageError> {
        let wrong = |why: &str| Err(ImageError::Section { tag: TAG_HEAD, why: why.into() });
        let is_known = |seller: SellerHandle| self.catalogue.seller(seller).is_some();
        if !self.settings.sourcing().all(|rules| rules.seller.is_none() || is_known(rules.seller)) {
            return wrong("sourcing rules are those of a seller that is not defined");
        }
        let is_level = |&(sku, location): &(SkuHandle, LocationHandle)| {
            self.catalogue.sku(sku).is_some() && self.catalogue.location(location).is_some()
        };
        if !self.stock.unnamed_shortages.iter().all(is_level) {
            return wrong("a shortage names a SKU or location that is not defined");
        }
        Ok(())
    }

    fn read_levels(&mut self, from: &mut dyn std::io::Read) -> Result<(), ImageError> {
        let wrong = |why: &str| ImageError::Section { tag: TAG_LEVELS, why: why.into() };
        while let Some(saved) = read_struct::<SavedLevel>(TAG_LEVELS, from)? {
            let sku =
                u32::try_from(saved.sku).map(SkuHandle::new).map_err(|_| wrong("a SKU is out of range"))?;
            let location = saved.row().location();
            if self.catalogue.sku(sku).is_none() || self.catalogue.location(location).is_none() {
                return Err(wrong("a level names a SKU or location that is not defined"));
            }
            self.stock.restore(&mut self.catalogue, sku, &saved);
        }
        Ok(())
    }

    fn read_movements(&mut self, from: &mut dyn std::io::Read) -> Result<(), ImageError> {
        let (count, newest) = read_ring(TAG_MOVEMENTS, from)?;
        self.stock.movements.ring = Ring::restore(count, &newest);
        Ok(())
    }

    fn read_keys(&mut self, from: &mut dyn std::io::Read) -> Result<(), ImageError> {
        let wrong = |why: String| ImageError::Section { tag: TAG_KEYS, why };
        let (count, newest) = read_ring::<Keyed>(TAG_KEYS, from)?;
        if let Some(keyed) = newest.iter().find(|keyed| keyed.request < KEYED_FROM) {
            return Err(wrong(format!("request {} is no key", keyed.request)));
        }
        let twice = |request| wrong(format!("request {request:#x} is remembered twice"));
        self.keys.restore(count, &newest).map_err(twice)
    }

    fn read_reservations(&mut self, from: &mut dyn std::io::Read) -> Result<(), ImageError> {
        let wrong = |why: &str| ImageError::Section { tag: TAG_RESERVATIONS, why: why.into() };
        while let Some(head) = read_struct::<ReservationHead>(TAG_RESERVATIONS, from)? {
            if !head.is_sound() {
                return Err(wrong("a reservation's head has values that it cannot have"));
            }
            let lines: Vec<CartLine> = read_list(TAG_RESERVATIONS, head.line_count.get().into(), from)?;
            let allocations: Vec<Allocation> =
                read_list(TAG_RESERVATIONS, head.allocation_count.get().into(), from)?;
            if lines.iter().any(|line| self.catalogue.sku(line.sku).is_none()) {
                return Err(wrong("a reservation names a SKU that is not defined"));
            }
            let is_place = |part: &Allocation| {
                usize::from(part.line.get()) < lines.len() && self.is_location(part.location)
            };
            if !(head.location.is_none() || self.is_location(head.location))
                || !allocations.iter().all(is_place)
            {
                return Err(wrong("a reservation holds what it cannot, or where nothing is"));
            }
            if self.reservations.find(head.id).is_some() {
                return Err(wrong("a reservation is there twice"));
            }
            self.reservations.insert(head, &lines, &allocations);
        }
        Ok(())
    }

    fn is_location(&self, location: LocationHandle) -> bool {
        self.catalogue.location(location).is_some()
    }

    /// Reads the orders, and notes those that have a detail.
    fn read_orders(
        &mut self,
        from: &mut dyn std::io::Read,
        detailed: &mut Vec<OrderSlot>,
    ) -> Result<(), ImageError> {
        let mut window = Window::new(from);
        // In groups: each order's place in the id table is fetched while the others are read.
        let mut group: Vec<SavedOrder> = Vec::with_capacity(GROUP_ORDERS);
        loop {
            window.fill()?;
            let mut at = 0;
            group.clear();
            while group.len() < GROUP_ORDERS
                && let Some(order) = SavedOrder::find(&window.bytes()[at..], at)?
            {
                at = order.end;
                self.orders.prefetch(self.orders.hash(order.head.id));
                group.push(order);
            }
            for order in &group {
                let slot = self.read_order(order, window.bytes())?;
                if order.detail.is_some() {
                    detailed.push(slot);
                }
            }
            window.consume(at);
            if group.is_empty() && !window.bytes().is_empty() && window.grow()? {
                continue;
            }
            if group.is_empty() {
                return if window.bytes().is_empty() {
                    Ok(())
                } else {
                    Err(wrong_order("it ends inside an order"))
                };
            }
        }
    }

    fn read_order(&mut self, order: &SavedOrder, bytes: &[u8]) -> Result<OrderSlot, ImageError> {
        let cut = || wrong_order("an order is cut");
        let lines = <[OrderLine]>::ref_from_bytes(&bytes[order.lines.clone()]).map_err(|_| cut())?;
        if lines.iter().any(|line| self.catalogue.sku(line.sku).is_none()) {
            return Err(wrong_order("an order names a SKU that is not defined"));
        }
        let head = &order.head;
        let is_somewhere =
            self.is_location(head.location) || head.location.is_none() && head.stage() == Stage::Parted;
        if self.catalogue.seller(head.seller).is_none() || !is_somewhere {
            return Err(wrong_order("an order names a seller or location that is not defined"));
        }
        if self.orders.find(head.id).is_some() {
            return Err(wrong_order("an order is there twice"));
        }
        let detail = match &order.detail {
            None => None,
            Some(detail) => Some(self.read_detail(head, &bytes[detail.clone()])?),
        };
        Ok(self.orders.restore(head, lines, detail))
    }

    fn read_detail(&self, head: &OrderHead, mut bytes: &[u8]) -> Result<Detail, ImageError> {
        let detail: Detail = decode(TAG_ORDERS, &mut bytes)?;
        let is_sound = detail.is_sound(head.stage(), head.line_count, |location| self.is_location(location));
        if bytes.is_empty() && is_sound {
            Ok(detail)
        } else {
            Err(wrong_order("an order's detail has values that it cannot have"))
        }
    }

    fn read_groups(&mut self, from: &mut dyn std::io::Read) -> Result<(), ImageError> {
        let count: u64 = decode(TAG_GROUPS, from)?;
        for _ in 0..count {
            let group = decode::<Group>(TAG_GROUPS, from)?;
            if !group.payment.is_sound() {
                let why = format!("the payment of group {:032x} has a state that is not known", group.id);
                return Err(ImageError::Section { tag: TAG_GROUPS, why });
            }
            if self.groups.find(group.id()).is_some() {
                let why = format!("group {:032x} is there twice", group.id);
                return Err(ImageError::Section { tag: TAG_GROUPS, why });
            }
            self.groups.insert(group);
        }
        Ok(())
    }

    fn read_sessions(&mut self, from: &mut dyn std::io::Read) -> Result<(), ImageError> {
        let wrong = |why: String| ImageError::Section { tag: TAG_SESSIONS, why };
        let count: u64 = decode(TAG_SESSIONS, from)?;
        if count > SESSIONS_MAX as u64 {
            return Err(wrong(format!("there are {count} sessions, and at most {SESSIONS_MAX} can be")));
        }
        for handle in 0..count as u32 {
            let (head, answer_count): (SessionHead, u64) = decode(TAG_SESSIONS, from)?;
            let SessionHead { id, actor, last_request, last_sequence } = head;
            if self.sessions.find(SessionId::new(id)).is_some() {
                return Err(wrong(format!("session {id:032x} is there twice")));
            }
            let mut session = Session::new(SessionId::new(id), actor, last_sequence);
            for _ in 0..answer_count {
                let (request, bytes): (u64, u64) = decode(TAG_SESSIONS, from)?;
                let answer = read_struct::<Answer>(TAG_SESSIONS, from)?;
                let Some(answer) = answer.filter(|_| bytes == size_of::<Answer>() as u64) else {
                    return Err(wrong("an answer has another length".into()));
                };
                if request == 0 || request > last_request || request >= KEYED_FROM {
                    return Err(wrong(format!(
                        "a session that has come to request {last_request} remembers {request}"
                    )));
                }
                session.remember(request, answer);
            }
            session.last_request = last_request;
            session.last_sequence = last_sequence;
            self.sessions.insert(SessionHandle::new(handle), session);
        }
        Ok(())
    }
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(
    tag: u32,
    mut from: &mut dyn std::io::Read,
) -> Result<T, ImageError> {
    bincode::serde::decode_from_std_read(&mut from, layout())
        .map_err(|error| ImageError::Section { tag, why: error.to_string() })
}

/// Reads a structure, or nothing at the section's end.
fn read_struct<T: FromBytes + IntoBytes>(
    tag: u32,
    from: &mut dyn std::io::Read,
) -> Result<Option<T>, ImageError> {
    let mut value = T::new_zeroed();
    let bytes = value.as_mut_bytes();
    let mut read = 0;
    while read < bytes.len() {
        match from.read(&mut bytes[read..])? {
            0 if read == 0 => return Ok(None),
            0 => return Err(ImageError::Section { tag, why: "it ends inside an entry".into() }),
            count => read += count,
        }
    }
    Ok(Some(value))
}

/// Reads how many entries a ring has had, and the newest of them.
fn read_ring<T: Entry>(tag: u32, from: &mut dyn std::io::Read) -> Result<(u64, Vec<T>), ImageError> {
    let wrong = |why: &str| ImageError::Section { tag, why: why.into() };
    let count = read_struct::<u64>(tag, from)?.ok_or_else(|| wrong("it is empty"))?;
    let mut bytes = Vec::new();
    // The ring has its bound; what is longer is none of ours.
    let bound = (T::COUNT_MAX * size_of::<T>()) as u64;
    std::io::Read::read_to_end(&mut std::io::Read::take(from, bound + 1), &mut bytes)?;
    let is_whole = bytes.len() as u64 <= bound && bytes.len().is_multiple_of(size_of::<T>());
    let kept = bytes.len() / size_of::<T>();
    if !is_whole || kept as u64 != count.min(T::COUNT_MAX as u64) || count == u64::MAX {
        return Err(wrong("it does not hold the entries that it says"));
    }
    let one = |entry| T::read_from_bytes(entry).map_err(|_| wrong("an entry is cut"));
    let newest = bytes.chunks_exact(size_of::<T>()).map(one).collect::<Result<_, _>>()?;
    Ok((count, newest))
}

/// Reads a list of so many structures.
fn read_list<T: FromBytes + IntoBytes>(
    tag: u32,
    count: usize,
    from: &mut dyn std::io::Read,
) -> Result<Vec<T>, ImageError> {
    let one = |_| {
        let cut = || ImageError::Section { tag, why: "it ends inside a list".into() };
        read_struct(tag, from)?.ok_or_else(cut)
    };
    (0..count).map(one).collect()
}

/// Orders that are prefetched together when a snapshot is read.
const GROUP_ORDERS: usize = 32;

/// Bytes that the window asks for at a time.
const WINDOW_BYTES: usize = 2 << 20;

/// A moving view over a section's bytes, which grows for an order that is longer.
struct Window<'a> {
    from: &'a mut dyn std::io::Read,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<'a> Window<'a> {
    fn new(from: &'a mut dyn std::io::Read) -> Self {
        Self { from, buffer: vec![0; 2 * WINDOW_BYTES], start: 0, end: 0 }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Reads on until a window's worth is there, or all.
    fn fill(&mut self) -> Result<(), ImageError> {
        if self.end - self.start >= WINDOW_BYTES {
            return Ok(());
        }
        self.read_on()
    }

    /// Reads on when what is there is not a whole order; says whether more came.
    fn grow(&mut self) -> Result<bool, ImageError> {
        let before = self.end - self.start;
        if before == self.buffer.len() {
            self.buffer.resize(2 * before, 0);
        }
        self.read_on()?;
        Ok(self.end - self.start > before)
    }

    fn read_on(&mut self) -> Result<(), ImageError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < self.buffer.len() {
            match self.from.read(&mut self.buffer[self.end..])? {
                0 => break,
                count => self.end += count,
            }
        }
        Ok(())
    }
}

/// An order in a window: its head, and where its lists lie.
struct SavedOrder {
    head: OrderHead,
    lines: Range<usize>,
    detail: Option<Range<usize>>,
    end: usize,
}

impl SavedOrder {
    /// Finds the order at the front of `bytes`, which lie at `base` in the window; nothing if it is not all there.
    fn find(bytes: &[u8], base: usize) -> Result<Option<Self>, ImageError> {
        let Ok((head, _)) = OrderHead::read_from_prefix(bytes) else { return Ok(None) };
        if !head.is_sound() {
            return Err(wrong_order("an order's head has values that it cannot have"));
        }
        let line_count = usize::from(head.line_count);
        let lines_end = size_of::<OrderHead>() + line_count * size_of::<OrderLine>();
        let lines = base + size_of::<OrderHead>()..base + lines_end;
        if !head.has_saved_detail() {
            let is_there = lines_end <= bytes.len();
            return Ok(is_there.then_some(Self { head, lines, detail: None, end: base + lines_end }));
        }
        let Some(count) = bytes.get(lines_end..lines_end + 8) else { return Ok(None) };
        let detail_bytes = u64::read_from_bytes(count).unwrap_or(u64::MAX);
        let detail_bytes = usize::try_from(detail_bytes).unwrap_or(usize::MAX);
        if detail_bytes > RECORD_BYTES_MAX {
            return Err(wrong_order("an order's detail is longer than any can be"));
        }
        let end = lines_end + 8 + detail_bytes;
        let detail = Some(base + lines_end + 8..base + end);
        Ok((end <= bytes.len()).then_some(Self { head, lines, detail, end: base + end }))
    }
}

fn wrong_order(why: &str) -> ImageError {
    ImageError::Section { tag: TAG_ORDERS, why: why.into() }
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use orderline_protocol::lifecycle::PaymentState;

    use super::super::groups::Payment;
    use super::super::hash::put;
    use super::*;

    fn group_paid(state: PaymentState) -> Vec<u8> {
        let mut group = Group {
            id: 1,
            placed_sequence: 2,
            digest: 3,
            version: 1,
            buyer: 4,
            currency: 978,
            placed_total: 0,
            orders: Default::default(),
            order_count: 0,
            payment: Payment::default(),
        };
        group.payment.set_state(state);
        let mut bytes = Vec::new();
        put(&1_u64, &mut bytes);
        put(&group, &mut bytes);
        bytes
    }

    #[test]
    fn a_payment_in_a_state_that_is_not_known_is_refused() {
        let mut bytes = group_paid(PaymentState::Captured);
        assert!(State::new(1).read_groups(&mut bytes.as_slice()).is_ok());
        let pending = group_paid(PaymentState::Pending);
        let place = bytes.iter().zip(&pending).position(|(one, other)| one != other).expect("they differ");
        for state in [0, 99] {
            bytes[place] = state;
            let read = State::new(1).read_groups(&mut bytes.as_slice());
            assert!(matches!(read, Err(ImageError::Section { tag: TAG_GROUPS, .. })), "{state}: {read:?}");
        }
    }

    #[test]
    fn a_session_that_remembers_what_it_never_asked_is_refused() {
        for (request, is_sound) in [(0_u64, false), (1, true), (5, true), (6, false)] {
            let mut bytes = Vec::new();
            put(&1_u64, &mut bytes);
            put(&(7_u128, 0_u32, 5_u64, 9_u64, 1_u64), &mut bytes);
            put(&(request, Answer::new_zeroed().as_bytes()), &mut bytes);
            let read = State::new(1).read_sessions(&mut bytes.as_slice());
            assert_eq!(read.is_ok(), is_sound, "request {request}: {read:?}");
        }
    }
}
