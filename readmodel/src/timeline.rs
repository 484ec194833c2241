//! An order's timeline: every event about it, about its group and about the reservation that it was placed out of, read back
//! out of the journal.

use std::sync::Arc;

use orderline_journal::{JournalError, Start};
use orderline_protocol::event::EventKind;
use orderline_protocol::{OrderId, Sequence, SessionHandle};

use crate::error::ReadModelError;
use crate::reader::{AsOf, Cursor, Page, Reader};
use crate::shared::Shared;

/// Entries on a page of a timeline at most.
pub const PAGE_ENTRIES_MAX: usize = 500;

/// One entry of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// The event's sequence.
    pub sequence: Sequence,
    /// Its recorded time, in microseconds since 1970.
    pub recorded_at_us: i64,
    /// The number of its `EventKind`.
    pub kind: u16,
    /// Its record as the journal has it; none if that segment was removed.
    pub record: Option<KeptRecord>,
}

/// A record's content, as `Event::read` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRecord {
    /// The version of its layout.
    pub version: u8,
    /// Its payload.
    pub payload: Vec<u8>,
}

type Kept<T> = Result<T, ReadModelError>;

impl Reader {
    /// The events about an order in the order of their sequences, those of its group's payments and its cart's reservation
    /// among them, at most `limit` of them from a cursor on; none: the order is not known.
    ///
    /// # Errors
    /// [`ReadModelError::Cursor`] if the cursor is another order's; if the store or the journal is damaged.
    pub fn timeline(
        &self,
        order: OrderId,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Option<Page<TimelineEntry>>, ReadModelError> {
        self.shared.noting(self.timeline_page(order, cursor, limit))
    }

    /// An order's placement, with its record if that is kept; nothing where the order is not known, or was placed before what is known
    /// begins.
    ///
    /// # Errors
    /// If the store or the journal is damaged.
    pub fn placement(&self, order: OrderId) -> Result<Option<TimelineEntry>, ReadModelError> {
        self.shared.noting(self.placement_entry(order))
    }

    fn placement_entry(&self, id: OrderId) -> Kept<Option<TimelineEntry>> {
        let Some(order) = self.order(id)? else { return Ok(None) };
        let Some((as_of, mut entries, places)) = self.noted(id, order.placed_sequence, 1)? else {
            return Ok(None);
        };
        read_back(&self.shared, &as_of, &mut entries, &places)?;
        Ok(entries.pop().filter(|entry| entry.sequence == order.placed_sequence))
    }

    /// For whom a session's request at a sequence counted: the number of an access token; 0: nobody was named. Nothing where it is not
    /// known, for what is known begins later.
    ///
    /// # Errors
    /// If the store is damaged.
    pub fn actor(&self, session: SessionHandle, at: Sequence) -> Result<Option<u32>, ReadModelError> {
        let parts = self.shared.parts.read();
        self.shared.noting(parts.view().actor(session.get(), at))
    }

    fn timeline_page(
        &self,
        order: OrderId,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Option<Page<TimelineEntry>>, ReadModelError> {
        let asked = (order.get() as u32) ^ (order.get() >> 40) as u32;
        let from = Cursor::of(cursor, asked)?.map_or(0, |[from, _]| from);
        let Some((as_of, mut entries, places)) = self.noted(order, from, limit)? else { return Ok(None) };
        // Behind the last one there may be more.
        let is_full = entries.len() == limit.clamp(1, PAGE_ENTRIES_MAX);
        let next =
            entries.last().filter(|_| is_full).map(|last| Cursor { asked, at: [last.sequence + 1, 0] });
        read_back(&self.shared, &as_of, &mut entries, &places)?;
        Ok(Some(Page { as_of, items: entries, next }))
    }

    /// What was noted of an order, and for each entry a place of the journal before it.
    #[allow(clippy::type_complexity)] // It is taken apart at once.
    fn noted(
        &self,
        id: OrderId,
        from: Sequence,
        limit: usize,
    ) -> Kept<Option<(AsOf, Vec<TimelineEntry>, Vec<Option<orderline_journal::Position>>)>> {
        let parts = self.shared.parts.read();
        let view = parts.view();
        let Some(number) = view.number_of(id)? else { return Ok(None) };
        let Some(order) = view.order(number)? else { return Ok(None) };
        let mut notes = view.notes(number, false)?;
        if let Some(group) = view.group(order.group)? {
            notes.extend(view.notes(group.first.get(), true)?);
        }
        let entry =
            |sequence, recorded_at_us, kind| TimelineEntry { sequence, recorded_at_us, kind, record: None };
        let mut entries: Vec<TimelineEntry> =
            notes.into_iter().map(|(at, note)| entry(at, note.at_us.get(), note.kind.get())).collect();
        // An order placed before what is known begins was not seen to be placed.
        if order.placed_sequence >= parts.head.known_from {
            let is_alone = view.checked_out(order.group)?.is_none();
            let kind = if is_alone { EventKind::OrderPlaced } else { EventKind::GroupPlaced };
            entries.push(entry(order.placed_sequence, order.placed_at_us, kind as u16));
        }
        entries.sort_by_key(|entry| entry.sequence);
        // A payment that put the order on hold is noted of both.
        entries.dedup_by_key(|entry| entry.sequence);
        entries.retain(|entry| entry.sequence >= from);
        entries.truncate(limit.clamp(1, PAGE_ENTRIES_MAX));
        let places: Kept<Vec<_>> = entries.iter().map(|entry| view.place_before(entry.sequence)).collect();
        Ok(Some((parts.as_of(), entries, places?)))
    }
}

/// Reads the entries' records out of the journal, which the follower has read up to there already.
fn read_back(
    shared: &Shared,
    as_of: &AsOf,
    entries: &mut [TimelineEntry],
    places: &[Option<orderline_journal::Position>],
) -> Kept<()> {
    let mut reading: Option<orderline_journal::Reader> = None;
    for (entry, place) in entries.iter_mut().zip(places) {
        let Some(place) = place else { continue };
        // Entries that lie close together are read in one go.
        let is_near = |reader: &orderline_journal::Reader| {
            let at = reader.position();
            at.sequence <= entry.sequence && at.sequence >= place.sequence
        };
        if !reading.as_ref().is_some_and(is_near) {
            reading = match orderline_journal::Reader::open(Arc::clone(&shared.storage), Start::At(*place)) {
                Ok(reader) => Some(reader),
                // The segment was removed on purpose.
                Err(JournalError::NoSuchPosition { .. }) => None,
                Err(error) => return Err(error.into()),
            };
        }
        let Some(reader) = &mut reading else { continue };
        while reader.position().sequence <= entry.sequence {
            let Some(batch) = reader.next_batch(as_of.sequence)? else { break };
            if batch.last_sequence() < entry.sequence {
                continue;
            }
            let record = batch.records().find(|record| record.sequence == entry.sequence);
            entry.record =
                record.map(|record| KeptRecord { version: record.version, payload: record.payload.to_vec() });
        }
    }
    Ok(())
}
