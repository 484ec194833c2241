//! Where in the journal a sequence is, without reading the journal from its start.

use std::collections::{BTreeMap, VecDeque};

use orderline_journal::{JournalError, Position, Start, Storage, first_sequence, list_segments};

/// Places in the middle of segments that are remembered, 40 bytes each.
const PLACES_MAX: usize = 4_096;

/// How far apart remembered places are while a segment is read through.
const PLACE_EVERY_BYTES: u64 = 4 << 20;

/// Segments' beginnings, looked up once each, and places that readers came by.
#[derive(Default)]
pub(crate) struct Seeker {
    begins: BTreeMap<u32, u64>,
    places: BTreeMap<u64, Position>,
    order: VecDeque<u64>,
}

impl Seeker {
    /// The oldest sequence still kept, and, unless that is newer, where to begin reading so that `sequence` is met soon. All at or
    /// below `durable`, which `sequence` is too.
    pub(crate) fn seek(
        &mut self,
        storage: &dyn Storage,
        sequence: u64,
        durable: u64,
    ) -> Result<(u64, Start), JournalError> {
        let segments = list_segments(storage)?;
        let Some(&oldest) = segments.first() else { return Ok((1, Start::Oldest)) };
        self.begins.retain(|index, _| *index >= oldest);
        let first_kept =
            if oldest == 1 { 1 } else { self.begin_of(storage, oldest, durable)?.unwrap_or(durable + 1) };
        if sequence < first_kept {
            return Ok((first_kept, Start::Oldest));
        }
        // The last segment that begins at or before the sequence. What has no beginning yet lies behind all that is durable.
        let (mut low, mut high) = (0, segments.len());
        while high - low > 1 {
            let middle = low.midpoint(high);
            match self.begin_of(storage, segments[middle], durable)? {
                Some(begin) if begin <= sequence => low = middle,
                _ => high = middle,
            }
        }
        let segment = segments[low];
        let place = self.places.range(..=sequence).next_back().map(|(_, place)| *place);
        let is_nearer = place.filter(|place| place.segment == segment);
        Ok((first_kept, is_nearer.map_or(Start::Segment(segment), Start::At)))
    }

    fn begin_of(
        &mut self,
        storage: &dyn Storage,
        index: u32,
        durable: u64,
    ) -> Result<Option<u64>, JournalError> {
        if let Some(&begin) = self.begins.get(&index) {
            return Ok(Some(begin));
        }
        let begin = first_sequence(storage, index)?.filter(|&begin| begin <= durable);
        self.begins.extend(begin.map(|begin| (index, begin)));
        Ok(begin)
    }

    /// Remembers where a reader stands, unless a place just before it is remembered.
    pub(crate) fn pass(&mut self, place: Position) {
        let before = self.places.range(..=place.sequence).next_back();
        let is_near = before.is_some_and(|(_, before)| {
            before.segment == place.segment && place.offset.abs_diff(before.offset) < PLACE_EVERY_BYTES
        });
        if !is_near {
            self.stop(place);
        }
    }

    /// Remembers where a reader stopped: there somebody will go on.
    pub(crate) fn stop(&mut self, place: Position) {
        if self.places.insert(place.sequence, place).is_none() {
            self.order.push_back(place.sequence);
        }
        if self.order.len() > PLACES_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.places.remove(&first);
        }
    }
}
