//! The state as a snapshot's bytes, and back. Handles stay what they are; places in memory do not travel.
//!
//! Small tables (sellers, locations, SKUs, sessions) are bincode records behind one version; levels and orders, of
//! which there are many, are fixed-layout bytes, as `docs/format.md` lists them.

use std::ops::Range;

use bincode::config;
use orderline_protocol::command::{DefineLocation, DefineSeller, DefineSku, OrderLine};
use orderline_protocol::event::Allocation;
use orderline_protocol::reply::LineCounters;
use orderline_protocol::{SessionId, SkuHandle};
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, IntoBytes};

use super::State;
use super::orders::OrderHead;
use super::sessions::{Answer, Session};
use super::stock::Level;

/// The sections of a snapshot, in the order in which they are written and read.
pub const SECTION_TAGS: [u32; 5] = [TAG_HEAD, TAG_CATALOGUE, TAG_LEVELS, TAG_ORDERS, TAG_SESSIONS];
const TAG_HEAD: u32 = 1;
const TAG_CATALOGUE: u32 = 2;
const TAG_LEVELS: u32 = 3;
const TAG_ORDERS: u32 = 4;
const TAG_SESSIONS: u32 = 5;

/// The version of the sections' contents.
const IMAGE_VERSION: u32 = 1;

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

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    sequence: u64,
}

/// One seller, location or SKU: its definition's bytes and its code.
#[derive(Serialize, Deserialize)]
struct Entry {
    definition: Vec<u8>,
    code: String,
}

#[derive(Serialize, Deserialize)]
struct CatalogueImage {
    sellers: Vec<Entry>,
    locations: Vec<Entry>,
    skus: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct SessionImage {
    id: u128,
    last_request: u64,
    last_sequence: u64,
    /// Request numbers and what was answered to them.
    answers: Vec<(u64, Vec<u8>)>,
}

/// The layout that `bincode` has used since version 1, pinned: other crates read it too.
fn layout() -> impl config::Config {
    config::legacy().with_limit::<{ 4 << 30 }>()
}

/// Writes one section's bytes to where it is told.
pub type WriteSection<'a> = &'a mut dyn FnMut(&mut dyn std::io::Write) -> Result<(), ImageError>;

/// Reads one section's bytes, to their end, from where it is told.
pub type ReadSection<'a> = &'a mut dyn FnMut(&mut dyn std::io::Read) -> Result<(), ImageError>;

/// A level as a snapshot keeps it.
#[derive(Clone, Copy, FromBytes, IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
#[repr(C)]
struct SavedLevel {
    sku: u64,
    level: [u64; 8],
}

impl State {
    /// Writes the state, section by section: `section` is told a tag and what writes its bytes.
    ///
    /// # Errors
    /// What the writing came to.
    pub fn write_image(
        &self,
        mut section: impl FnMut(u32, WriteSection<'_>) -> Result<(), ImageError>,
    ) -> Result<(), ImageError> {
        section(TAG_HEAD, &mut |out| {
            encode(TAG_HEAD, &Head { version: IMAGE_VERSION, sequence: self.sequence }, out)
        })?;
        section(TAG_CATALOGUE, &mut |out| encode(TAG_CATALOGUE, &self.catalogue_image(), out))?;
        section(TAG_LEVELS, &mut |out| self.write_levels(out))?;
        section(TAG_ORDERS, &mut |out| self.write_orders(out))?;
        section(TAG_SESSIONS, &mut |out| {
            let sessions: Vec<SessionImage> = self.sessions.iter().map(session_image).collect();
            encode(TAG_SESSIONS, &sessions, out)
        })
    }

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
        section(TAG_HEAD, &mut |from| {
            let head: Head = decode(TAG_HEAD, from)?;
            if head.version != IMAGE_VERSION {
                return Err(ImageError::Version { found: head.version });
            }
            state.sequence = head.sequence;
            Ok(())
        })?;
        section(TAG_CATALOGUE, &mut |from| state.read_catalogue(from))?;
        section(TAG_LEVELS, &mut |from| state.read_levels(from))?;
        section(TAG_ORDERS, &mut |from| state.read_orders(from))?;
        section(TAG_SESSIONS, &mut |from| state.read_sessions(from))?;
        Ok(state)
    }

    fn catalogue_image(&self) -> CatalogueImage {
        let catalogue = &self.catalogue;
        let entry = |definition: &[u8], code: Option<&str>| Entry {
            definition: definition.to_vec(),
            code: code.unwrap_or_default().to_owned(),
        };
        let sellers = catalogue.sellers().iter().enumerate();
        let locations = catalogue.locations().iter().enumerate();
        CatalogueImage {
            sellers: sellers
                .map(|(at, seller)| entry(seller.as_bytes(), catalogue.seller_codes.code(at as u32)))
                .collect(),
            locations: locations
                .map(|(at, location)| entry(location.as_bytes(), catalogue.location_codes.code(at as u32)))
                .collect(),
            skus: (0..catalogue.sku_count() as u32)
                .map(|at| entry(catalogue.sku_definition(at).as_bytes(), catalogue.sku_codes.code(at)))
                .collect(),
        }
    }

    fn read_catalogue(&mut self, from: &mut dyn std::io::Read) -> Result<(), ImageError> {
        let image: CatalogueImage = decode(TAG_CATALOGUE, from)?;
        let wrong =
            || ImageError::Section { tag: TAG_CATALOGUE, why: "a definition has another length".into() };
        for (handle, entry) in image.sellers.iter().enumerate() {
            let definition = DefineSeller::ref_from_bytes(&entry.definition).map_err(|_| wrong())?;
            self.catalogue.set_seller(handle as u32, &entry.code, definition);
        }
        for (handle, entry) in image.locations.iter().enumerate() {
            let definition = DefineLocation::ref_from_bytes(&entry.definition).map_err(|_| wrong())?;
            self.catalogue.set_location(handle as u32, &entry.code, definition);
        }
        for (handle, entry) in image.skus.iter().enumerate() {
            let definition = DefineSku::ref_from_bytes(&entry.definition).map_err(|_| wrong())?;
            self.catalogue.set_sku(handle as u32, &entry.code, definition);
        }
        Ok(())
    }

    fn write_levels(&self, out: &mut dyn std::io::Write) -> Result<(), ImageError> {
        for handle in 0..self.catalogue.sku_count() as u32 {
            for level in self.stock.levels_of(&self.catalogue, SkuHandle::new(handle)) {
                let saved = Level { next: 0, ..*level };
                let saved = SavedLevel { sku: handle.into(), level: zerocopy::transmute!(saved) };
                out.write_all(saved.as_bytes())?;
            }
        }
        Ok(())
    }

    fn read_levels(&mut self, from: &mut dyn std::io::Read) -> Result<(), ImageError> {
        let wrong = |why: &str| ImageError::Section { tag: TAG_LEVELS, why: why.into() };
        while let Some(saved) = read_struct::<SavedLevel>(TAG_LEVELS, from)? {
            let level: Level = zerocopy::transmute!(saved.level);
            let sku =
                u32::try_from(saved.sku).map(SkuHandle::new).map_err(|_| wrong("a SKU is out of range"))?;
            if self.catalogue.sku(sku).is_none() || self.catalogue.location(level.location).is_none() {
                return Err(wrong("a level names a SKU or location that is not defined"));
            }
            self.stock.restore(&mut self.catalogue, sku, &level);
        }
        Ok(())
    }

    fn write_orders(&self, out: &mut dyn std::io::Write) -> Result<(), ImageError> {
        for slot in self.orders.iter() {
            out.write_all(self.orders.head(slot).for_snapshot().as_bytes())?;
            out.write_all(self.orders.lines(slot).as_bytes())?;
            if let Some(detail) = self.orders.detail(slot) {
                out.write_all(&(detail.allocations.len() as u64).to_le_bytes())?;
                out.write_all(detail.counters.as_bytes())?;
                out.write_all(detail.allocations.as_bytes())?;
            }
        }
        Ok(())
    }

    fn read_orders(&mut self, from: &mut dyn std::io::Read) -> Result<(), ImageError> {
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
                self.read_order(order, window.bytes())?;
            }
            window.consume(at);
            if group.is_empty() {
                return if window.bytes().is_empty() {
                    Ok(())
                } else {
                    Err(wrong_order("it ends inside an order"))
                };
            }
        }
    }

    fn read_order(&mut self, order: &SavedOrder, bytes: &[u8]) -> Result<(), ImageError> {
        let cut = || wrong_order("an order is cut");
        let lines = <[OrderLine]>::ref_from_bytes(&bytes[order.lines.clone()]).map_err(|_| cut())?;
        if lines.iter().any(|line| self.catalogue.sku(line.sku).is_none()) {
            return Err(wrong_order("an order names a SKU that is not defined"));
        }
        let detail = match &order.detail {
            None => None,
            Some((counters, allocations)) => Some((
                <[LineCounters]>::ref_from_bytes(&bytes[counters.clone()]).map_err(|_| cut())?,
                <[Allocation]>::ref_from_bytes(&bytes[allocations.clone()]).map_err(|_| cut())?,
            )),
        };
        self.orders.restore(&order.head, lines, detail);
        Ok(())
    }

    fn read_sessions(&mut self, from: &mut dyn std::io::Read) -> Result<(), ImageError> {
        let images: Vec<SessionImage> = decode(TAG_SESSIONS, from)?;
        for (handle, image) in images.iter().enumerate() {
            let mut session = Session::new(SessionId::new(image.id), image.last_sequence);
            for (request, answer) in &image.answers {
                let answer = Answer::read_from_bytes(answer).map_err(|_| ImageError::Section {
                    tag: TAG_SESSIONS,
                    why: "an answer has another length".into(),
                })?;
                session.remember(*request, answer);
            }
            session.last_request = image.last_request;
            session.last_sequence = image.last_sequence;
            self.sessions.open(orderline_protocol::SessionHandle::new(handle as u32), session);
        }
        Ok(())
    }
}

fn session_image(session: &Session) -> SessionImage {
    SessionImage {
        id: session.id.get(),
        last_request: session.last_request,
        last_sequence: session.last_sequence,
        answers: session.answers().map(|(request, answer)| (request, answer.as_bytes().to_vec())).collect(),
    }
}

fn encode<T: Serialize>(tag: u32, value: &T, mut out: &mut dyn std::io::Write) -> Result<(), ImageError> {
    bincode::serde::encode_into_std_write(value, &mut out, layout())
        .map_err(|error| ImageError::Section { tag, why: error.to_string() })?;
    Ok(())
}

fn decode<T: serde::de::DeserializeOwned>(
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

/// Orders that are prefetched together when a snapshot is read.
const GROUP_ORDERS: usize = 32;

/// Bytes that the window asks for at a time; an order with 2,000 lines and 65,535 allocations takes 0.9 MB.
const WINDOW_BYTES: usize = 2 << 20;

/// A moving view over a section's bytes, always long enough for the largest order.
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
    detail: Option<(Range<usize>, Range<usize>)>,
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
        let allocation_count = u64::read_from_bytes(count).unwrap_or(u64::MAX);
        if allocation_count > u64::from(u16::MAX) {
            return Err(wrong_order("an order has more allocations than an event can give it"));
        }
        let counters_end = lines_end + 8 + line_count * size_of::<LineCounters>();
        let end = counters_end + allocation_count as usize * size_of::<Allocation>();
        let detail = Some((base + lines_end + 8..base + counters_end, base + counters_end..base + end));
        Ok((end <= bytes.len()).then_some(Self { head, lines, detail, end: base + end }))
    }
}

fn wrong_order(why: &str) -> ImageError {
    ImageError::Section { tag: TAG_ORDERS, why: why.into() }
}
