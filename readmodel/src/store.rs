//! The part of the read models on disk: what each table holds, and how a head that is full gets there, as one batch together
//! with the place to go on from. Tables that only grow at their end are kept apart from those that change.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use orderline_journal::Position;
use orderline_protocol::{LocationHandle, Sequence};
use zerocopy::little_endian::{I64, U32, U64, U128};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::change::Moment;
use crate::error::{Damage, ReadModelError};
use crate::head::{GroupRow, Head, Held, Note, NoteKey, Number, STATES, StateCounts};
use crate::list::Listed;
use crate::options::ReadModelOptions;
use crate::order::{Cut, Order};
use crate::term::{Term, TermKind, each_page, page_key, read_page};

/// The layout of everything in here. A store of another version is built anew.
const STORE_VERSION: u32 = 3;

/// Orders in one entry of their table.
const BLOCK_ORDERS: usize = 32;

type Kept<T> = Result<T, ReadModelError>;

/// Tables of the store; a clone is the same store.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
    /// Blocks of orders as they were when their head was written, by the number of the first.
    rows: Keyspace,
    /// Orders that changed after that, by number.
    changed: Keyspace,
    /// Pages of terms; see `term.rs`.
    terms: Keyspace,
    /// What events were about which order.
    notes: Keyspace,
    /// All else, by a letter in front.
    rest: Keyspace,
}

/// Letters in front of the keys of `rest`.
pub(crate) mod letter {
    pub(crate) const META: u8 = b'm';
    pub(crate) const RUN: u8 = b'u';
    pub(crate) const QUEUE: u8 = b'q';
    pub(crate) const RETURN: u8 = b't';
    pub(crate) const LEVEL_BY_LOCATION: u8 = b'l';
    pub(crate) const LEVEL_BY_SKU: u8 = b's';
    pub(crate) const LEDGER: u8 = b'e';
    pub(crate) const RESERVATION: u8 = b'r';
    pub(crate) const GROUP: u8 = b'g';
    pub(crate) const PLACE: u8 = b'p';
    pub(crate) const ACTOR: u8 = b'a';
}

/// What the store says of itself.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Meta {
    version: U32,
    next_run: U32,
    store_id: U128,
    pub(crate) next_number: U64,
    pub(crate) known_from: U64,
    pub(crate) sequence: U64,
    pub(crate) recorded_at_us: I64,
    place: PlaceRow,
    states: [U64; STATES],
}

/// A place in the journal.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct PlaceRow {
    segment: U32,
    offset: U64,
    sequence: U64,
    chain: U64,
}

impl PlaceRow {
    fn of(position: Position) -> Self {
        let Position { segment, offset, sequence, chain } = position;
        Self {
            segment: segment.into(),
            offset: offset.into(),
            sequence: sequence.into(),
            chain: chain.into(),
        }
    }

    fn position(&self) -> Position {
        let Self { segment, offset, sequence, chain } = *self;
        Position {
            segment: segment.get(),
            offset: offset.get(),
            sequence: sequence.get(),
            chain: chain.get(),
        }
    }
}

impl Meta {
    /// Where the journal is read on; nothing: from its beginning.
    pub(crate) fn position(&self) -> Option<Position> {
        (self.place.segment.get() > 0).then(|| self.place.position())
    }
}

/// A run: the orders of one head, whose terms are in pages of their own.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Run {
    number: U32,
    count: U32,
    first: U64,
    /// Recorded time of its first order.
    first_at_us: I64,
    /// Ids of its orders lie between these: a run that cannot have an id is not asked for it.
    id_min: U128,
    id_max: U128,
}

impl Run {
    pub(crate) fn first(&self) -> Number {
        self.first.get()
    }

    pub(crate) fn next(&self) -> Number {
        self.first.get() + u64::from(self.count.get())
    }

    pub(crate) fn first_at_us(&self) -> i64 {
        self.first_at_us.get()
    }

    pub(crate) fn may_have(&self, id: u128) -> bool {
        (self.id_min.get()..=self.id_max.get()).contains(&id)
    }
}

/// The front of a held reservation's bytes: followed by its units and its notes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct HeldRow {
    location: LocationHandle,
    unit_count: U32,
    note_count: U32,
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct HeldNote {
    sequence: U64,
    note: Note,
}

impl Store {
    /// Opens or creates a store in a directory.
    pub(crate) fn open(path: &Path, options: &ReadModelOptions) -> Kept<Self> {
        let database = Database::builder(path)
            .cache_size(options.cache_bytes)
            // A thread that is told to wait needs no helpers; one has to be.
            .worker_threads(1)
            .max_journaling_size(64 << 20)
            .open()?;
        let table = |name: &str, memtable_bytes: u64| {
            database.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes))
        };
        Ok(Self {
            rows: table("rows", options.write_bytes)?,
            changed: table("changed", options.write_bytes)?,
            terms: table("terms", options.write_bytes)?,
            notes: table("notes", options.write_bytes)?,
            rest: table("rest", options.write_bytes)?,
            database,
        })
    }

    /// What the store says of itself, if it is one of this version and this journal; nothing in a new one.
    pub(crate) fn meta(&self, store_id: u128) -> Kept<Option<Meta>> {
        let Some(bytes) = self.rest.get([letter::META])? else { return Ok(None) };
        let meta = Meta::read_from_bytes(&bytes).map_err(|_| Damage("it does not say what it is"))?;
        if meta.version.get() != STORE_VERSION {
            return Err(ReadModelError::Foreign("is of another version of the program"));
        }
        if meta.store_id.get() != store_id {
            return Err(ReadModelError::Foreign("belongs to another journal"));
        }
        Ok(Some(meta))
    }

    /// The runs, oldest first.
    pub(crate) fn runs(&self) -> Kept<Vec<Run>> {
        let read = |entry: Guard| {
            let value = entry.value()?;
            Ok(Run::read_from_bytes(&value).map_err(|_| Damage("a run does not say what it is"))?)
        };
        self.rest.prefix([letter::RUN]).map(read).collect()
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> Kept<u64> {
        Ok(self.database.disk_space()?)
    }

    /// Writes a head, as one batch, and returns its run if orders were placed in it.
    pub(crate) fn write(&self, head: &Head, store_id: u128, number: u32) -> Kept<Option<Run>> {
        let mut batch = self.database.batch();
        self.put_orders(head, &mut batch)?;
        let run = self.put_terms(head, number, &mut batch)?;
        for (key, note) in &head.notes {
            batch.insert(&self.notes, note_key(key), note.as_bytes());
        }
        self.put_rest(head, &mut batch);
        let mut meta = Meta::new_zeroed();
        meta.version = STORE_VERSION.into();
        meta.next_run = (number + u32::from(run.is_some())).into();
        meta.store_id = store_id.into();
        meta.next_number = head.next().into();
        meta.known_from = head.known_from.into();
        meta.sequence = head.now.sequence.into();
        meta.recorded_at_us = head.now.at_us.into();
        meta.states = head.states.map(U64::new);
        if let Some(position) = head.position {
            meta.place = PlaceRow::of(position);
        }
        batch.insert(&self.rest, [letter::META], meta.as_bytes());
        batch.durability(Some(PersistMode::SyncData)).commit()?;
        Ok(run)
    }

    fn put_orders(&self, head: &Head, batch: &mut OwnedWriteBatch) -> Kept<()> {
        let mut number = head.first;
        while number < head.next() {
            let behind = head.next().min(number + BLOCK_ORDERS as u64);
            let mut block = vec![0; 4 * (behind - number) as usize];
            for (index, number) in (number..behind).enumerate() {
                match head.changed.get(&number) {
                    Some(order) => order.write(&mut block),
                    None => block.extend_from_slice(head.row(number).ok_or(Damage("an order is missing"))?),
                }
                let end = block.len() as u32;
                block[4 * index..4 * index + 4].copy_from_slice(&end.to_le_bytes());
            }
            batch.insert(&self.rows, number.to_be_bytes(), block);
            number = behind;
        }
        for (number, order) in head.changed.range(..head.first) {
            let mut bytes = Vec::new();
            order.write(&mut bytes);
            batch.insert(&self.changed, number.to_be_bytes(), bytes);
        }
        Ok(())
    }

    fn put_terms(&self, head: &Head, number: u32, batch: &mut OwnedWriteBatch) -> Kept<Option<Run>> {
        let (Some(id_min), Some(id_max)) = (head.ids.keys().min(), head.ids.keys().max()) else {
            return Ok(None);
        };
        let mut pairs = Vec::new();
        for kind in TermKind::ALL {
            pairs.clear();
            head.each_term(kind, |term, place| pairs.push((term, place)));
            pairs.sort_unstable();
            pairs.dedup();
            each_page(number, kind, &pairs, |key, page| batch.insert(&self.terms, key, page));
        }
        let first = head.order(head.first)?.ok_or(Damage("a run without its first order"))?;
        let run = Run {
            number: number.into(),
            count: (head.order_count() as u32).into(),
            first: head.first.into(),
            first_at_us: first.placed_at_us.into(),
            id_min: (*id_min).into(),
            id_max: (*id_max).into(),
        };
        batch.insert(&self.rest, key(letter::RUN, &[&number.to_be_bytes()]), run.as_bytes());
        Ok(Some(run))
    }

    fn put_rest(&self, head: &Head, batch: &mut OwnedWriteBatch) {
        let rest = &self.rest;
        self.put_list(&head.queue, batch);
        self.put_list(&head.returns, batch);
        for &(location, sku) in &head.levels {
            let (location, sku) = (location.to_be_bytes(), sku.to_be_bytes());
            batch.insert(rest, key(letter::LEVEL_BY_LOCATION, &[&location, &sku]), []);
            batch.insert(rest, key(letter::LEVEL_BY_SKU, &[&sku, &location]), []);
        }
        for (of, entry) in &head.ledger {
            batch.insert(rest, ledger_key(of.seller, of.sequence, of.place), entry.as_bytes());
        }
        for (id, group) in &head.groups {
            batch.insert(rest, key(letter::GROUP, &[&id.to_be_bytes()]), group.as_bytes());
        }
        for (id, held) in &head.reservations {
            let key = key(letter::RESERVATION, &[&id.to_be_bytes()]);
            match held {
                Some(held) => batch.insert(rest, key, held_bytes(held)),
                None => batch.remove(rest, key),
            }
        }
        for (&(session, since), actor) in &head.actors {
            batch.insert(rest, actor_key(session, since), actor.to_be_bytes());
        }
        for &position in &head.places {
            let row = PlaceRow::of(position);
            batch.insert(rest, key(letter::PLACE, &[&position.sequence.to_be_bytes()]), row.as_bytes());
        }
    }

    fn put_list<T: Listed>(&self, list: &BTreeMap<T, Option<T::Entry>>, batch: &mut OwnedWriteBatch) {
        for (of, entry) in list {
            match entry {
                Some(entry) => batch.insert(&self.rest, of.key(), entry.as_bytes()),
                None => batch.remove(&self.rest, of.key()),
            }
        }
    }

    /// Hands the bytes of the order with a number over, as it was last written.
    pub(crate) fn order<T>(
        &self,
        number: Number,
        cache: &mut BlockCache,
        read: impl FnOnce(&[u8]) -> Kept<T>,
    ) -> Kept<Option<T>> {
        if let Some(bytes) = self.changed.get(number.to_be_bytes())? {
            return read(&bytes).map(Some);
        }
        if !cache.holds(number) {
            let Some(entry) = self.rows.range(..=number.to_be_bytes()).next_back() else { return Ok(None) };
            let (key, bytes) = entry.into_inner()?;
            cache.first = u64::from_be_bytes(key.as_ref().try_into().map_err(|_| BLOCK)?);
            cache.bytes = bytes.to_vec();
        }
        cache.row(number)?.map(read).transpose()
    }

    /// The places in a run of orders that have a term, below a place, newest first.
    pub(crate) fn places(
        &self,
        run: &Run,
        term: Term,
        below: u32,
        mut each: impl FnMut(Number) -> Kept<ControlFlow<()>>,
    ) -> Kept<ControlFlow<()>> {
        let Some(last) = below.checked_sub(1) else { return Ok(ControlFlow::Continue(())) };
        let number = run.number.get();
        let (from, to) = (page_key(number, term.kind, 0, 0), page_key(number, term.kind, term.value, last));
        for entry in self.terms.range(from..=to).rev() {
            let (key, bytes) = entry.into_inner()?;
            let pairs = read_page(&key, &bytes)?;
            let behind = pairs.partition_point(|&pair| pair <= (term.value, last));
            for &(value, place) in pairs[..behind].iter().rev() {
                if value < term.value {
                    return Ok(ControlFlow::Continue(()));
                }
                if each(run.first() + u64::from(place))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Notes between two keys, in their order.
    pub(crate) fn notes(&self, from: &NoteKey, to: &NoteKey) -> Kept<Vec<(Sequence, Note)>> {
        let read = |entry: Guard| {
            const NOTE: Damage = Damage("a note is not one");
            let (key, value) = entry.into_inner()?;
            let sequence = key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(NOTE)?;
            Ok((sequence, Note::read_from_bytes(&value).map_err(|_| NOTE)?))
        };
        self.notes.range(note_key(from)..=note_key(to)).map(read).collect()
    }

    pub(crate) fn group(&self, id: u128) -> Kept<Option<GroupRow>> {
        let Some(bytes) = self.rest.get(key(letter::GROUP, &[&id.to_be_bytes()]))? else { return Ok(None) };
        Ok(Some(GroupRow::read_from_bytes(&bytes).map_err(|_| Damage("a group is not one"))?))
    }

    pub(crate) fn reservation(&self, id: u128) -> Kept<Option<Held>> {
        let Some(bytes) = self.rest.get(key(letter::RESERVATION, &[&id.to_be_bytes()]))? else {
            return Ok(None);
        };
        let mut cut = Cut(&bytes);
        let row: &HeldRow = cut.head()?;
        let units = cut.list(row.unit_count.get() as usize)?.to_vec();
        let notes: &[HeldNote] = cut.list(row.note_count.get() as usize)?;
        let notes = notes.iter().map(|of| (of.sequence.get(), of.note)).collect();
        Ok(Some(Held { location: row.location, units, notes }))
    }

    /// The last place of the journal at or before a sequence.
    pub(crate) fn place_before(&self, sequence: Sequence) -> Kept<Option<Position>> {
        let to = key(letter::PLACE, &[&sequence.to_be_bytes()]);
        let Some(entry) = self.rest.range(key(letter::PLACE, &[])..=to).next_back() else { return Ok(None) };
        let row = PlaceRow::read_from_bytes(&entry.value()?).map_err(|_| Damage("a place is not one"))?;
        Ok(Some(row.position()))
    }

    /// The token that a session went on for last, at or before a sequence.
    pub(crate) fn actor(&self, session: u32, at: Sequence) -> Kept<Option<u32>> {
        let Some(entry) = self.rest.range(actor_key(session, 0)..=actor_key(session, at)).next_back() else {
            return Ok(None);
        };
        let bytes = entry.value()?;
        let actor = bytes.as_ref().try_into().map_err(|_| Damage("an actor is not one"))?;
        Ok(Some(u32::from_be_bytes(actor)))
    }

    /// Entries of the mixed table from a key on that begin with `prefix`, as many as `each` wants.
    pub(crate) fn each_from(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Kept<ControlFlow<()>>,
    ) -> Kept<()> {
        for entry in self.rest.range(from..) {
            let (key, value) = entry.into_inner()?;
            if !key.starts_with(prefix) || each(&key, &value)?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Entries of the mixed table below a key that begin with `prefix`, last first, as many as `each` wants.
    pub(crate) fn each_below(
        &self,
        prefix: &[u8],
        below: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Kept<ControlFlow<()>>,
    ) -> Kept<()> {
        for entry in self.rest.range(prefix..below).rev() {
            let (key, value) = entry.into_inner()?;
            if each(&key, &value)?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Meta {
    pub(crate) fn next_run(&self) -> u32 {
        self.next_run.get()
    }

    pub(crate) fn states(&self) -> StateCounts {
        self.states.map(U64::get)
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment { sequence: self.sequence.get(), at_us: self.recorded_at_us.get() }
    }
}

const BLOCK: Damage = Damage("a block of orders is not one");

/// The block of orders that was read last: who reads through orders reads each block once.
#[derive(Default)]
pub(crate) struct BlockCache {
    first: Number,
    bytes: Vec<u8>,
}

impl BlockCache {
    fn end(&self, index: usize) -> Option<usize> {
        let end = self.bytes.get(4 * index..4 * index + 4)?;
        Some(u32::from_le_bytes(end.try_into().ok()?) as usize)
    }

    /// The number of orders in the block: its rows begin behind their ends.
    fn count(&self) -> u64 {
        let row_bytes = |end: usize| (end, self.bytes.len());
        let Some((_, bytes)) = self.end(0).map(row_bytes) else { return 0 };
        (0..BLOCK_ORDERS).position(|index| self.end(index) == Some(bytes)).map_or(0, |last| last as u64 + 1)
    }

    fn holds(&self, number: Number) -> bool {
        number >= self.first && number - self.first < self.count()
    }

    fn row(&self, number: Number) -> Kept<Option<&[u8]>> {
        if !self.holds(number) {
            return Ok(None);
        }
        let index = (number - self.first) as usize;
        let start = match index.checked_sub(1) {
            None => 4 * self.count() as usize,
            Some(before) => self.end(before).ok_or(BLOCK)?,
        };
        let end = self.end(index).ok_or(BLOCK)?;
        Ok(Some(self.bytes.get(start..end).ok_or(BLOCK)?))
    }
}

/// A key of the mixed table.
pub(crate) fn key(letter: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![letter];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

fn note_key(key: &NoteKey) -> [u8; 17] {
    let mut bytes = [0; 17];
    bytes[..8].copy_from_slice(&key.number.to_be_bytes());
    bytes[8] = key.is_of_group.into();
    bytes[9..].copy_from_slice(&key.sequence.to_be_bytes());
    bytes
}

/// The number that stands at a place in a key.
pub(crate) fn number_at(key: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(at..at + 8)?.try_into().ok()?))
}

pub(crate) fn ledger_key(seller: u32, sequence: Sequence, place: u16) -> Vec<u8> {
    key(letter::LEDGER, &[&seller.to_be_bytes(), &sequence.to_be_bytes(), &place.to_be_bytes()])
}

fn actor_key(session: u32, since: Sequence) -> Vec<u8> {
    key(letter::ACTOR, &[&session.to_be_bytes(), &since.to_be_bytes()])
}

fn held_bytes(held: &Held) -> Vec<u8> {
    let row = HeldRow {
        location: held.location,
        unit_count: (held.units.len() as u32).into(),
        note_count: (held.notes.len() as u32).into(),
    };
    let mut bytes = row.as_bytes().to_vec();
    bytes.extend_from_slice(held.units.as_bytes());
    for &(sequence, note) in &held.notes {
        bytes.extend_from_slice(HeldNote { sequence: sequence.into(), note }.as_bytes());
    }
    bytes
}

/// The directories of stores that were made below the read models' own, by number. A store that is thrown away is followed
/// by one with a new number, so that whoever still reads the old one never meets the new one's files.
fn generations(path: &Path) -> Kept<Vec<u32>> {
    let io = |action, source| ReadModelError::Io { action, path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(|source| io("create", source))?;
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|source| io("list", source))? {
        let name = entry.map_err(|source| io("list", source))?.file_name();
        found.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// The newest store's directory below the read models' own; removes those that were thrown away.
pub(crate) fn newest_directory(path: &Path) -> Kept<PathBuf> {
    let mut found = generations(path)?;
    let newest = found.pop().unwrap_or(1);
    found.into_iter().for_each(|old| remove(&path.join(old.to_string())));
    Ok(path.join(newest.to_string()))
}

/// A directory for a new store; those before it are removed.
pub(crate) fn next_directory(path: &Path) -> Kept<PathBuf> {
    let found = generations(path)?;
    let next = found.last().map_or(1, |last| last + 1);
    found.into_iter().for_each(|old| remove(&path.join(old.to_string())));
    Ok(path.join(next.to_string()))
}

/// What cannot be removed now is removed at the next start.
fn remove(path: &Path) {
    let _: io::Result<()> = fs::remove_dir_all(path);
}

/// Reads an order.
pub(crate) fn read_order(bytes: &[u8]) -> Kept<Order> {
    Ok(Order::read(bytes)?)
}
