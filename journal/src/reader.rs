//! Reading the log from any place, by positional reads: for recovery, followers and the commands that only look.

use std::sync::Arc;

use zerocopy::FromBytes;

use crate::batch::{Batch, Expected, Fault, check_batch, check_length};
use crate::damage::{End, TornTail, corrupt, judge_end};
use crate::error::JournalError;
use crate::layout::{
    BATCH_HEADER_BYTES, BatchHeader, PAGE_BYTES, SEGMENT_HEADER_BYTES, checksum_seed, page_up,
};
use crate::position::{Position, Start};
use crate::segment::{check_segment, list_segments, segment_name};
use crate::snapshot::list_snapshots;
use crate::storage::{Storage, StorageFile};
use crate::store::store_id;
use crate::window::Window;

/// Reads batches in order and checks each: checksum, sequence, chain, epoch, record walk. It changes nothing, and
/// may run beside the writer as long as it is asked for no more than the watermark.
pub struct Reader {
    storage: Arc<dyn Storage>,
    store_id: u128,
    seed: u32,
    segment: Option<Segment>,
    window: Window,
    position: Position,
    /// Sequence and chain of the first batch are taken as they are.
    any: bool,
    epoch: u64,
    /// The last batch was the mark of a clean shutdown.
    at_mark: bool,
    /// Set once the end of the log was found and judged.
    end: Option<End>,
}

struct Segment {
    file: Arc<dyn StorageFile>,
    segment_bytes: u64,
}

/// What stands at a place in a segment.
enum Found {
    Batch {
        offset: u64,
        header: BatchHeader,
    },
    /// Zeros at a page boundary, or no room for a batch: this segment's log ends here.
    SegmentEnd,
    Bad(Fault),
}

impl Reader {
    /// Opens a data directory for reading only. No lock is taken: a server may be running in it.
    ///
    /// # Errors
    /// If the directory holds no store or one of an unknown version, lacks a segment, or does not reach `start`.
    pub fn open(storage: Arc<dyn Storage>, start: Start) -> Result<Self, JournalError> {
        let store_id = store_id(&*storage)?;
        Self::open_store(storage, store_id, start)
    }

    pub(crate) fn open_store(
        storage: Arc<dyn Storage>,
        store_id: u128,
        start: Start,
    ) -> Result<Self, JournalError> {
        let segments = list_segments(&*storage)?;
        let oldest = segments.first().copied();
        let (position, any) = start.place(oldest);
        let mut reader = Self {
            seed: checksum_seed(store_id),
            storage,
            store_id,
            segment: None,
            window: Window::new(),
            position,
            any,
            epoch: 0,
            at_mark: false,
            end: None,
        };
        if segments.contains(&position.segment) {
            let segment = reader.open_segment(position.segment, &segments)?;
            let in_bounds = (SEGMENT_HEADER_BYTES..=segment.segment_bytes).contains(&position.offset)
                && position.offset.is_multiple_of(8)
                && position.sequence > 0;
            if !in_bounds {
                return Err(reader.no_such_position(format!("it has {} bytes", segment.segment_bytes)));
            }
            reader.segment = Some(segment);
        } else if position != Position::START
            || oldest.is_some()
            || !list_snapshots(&*reader.storage)?.is_empty()
        {
            let reason = oldest.map_or("no segment exists".to_owned(), |index| {
                format!("segments {index} to {} exist", segments.len() as u32 + index - 1)
            });
            return Err(reader.no_such_position(reason));
        }
        Ok(reader)
    }

    fn no_such_position(&self, reason: String) -> JournalError {
        let Position { segment, offset, .. } = self.position;
        let path = self.storage.path(&segment_name(segment));
        JournalError::NoSuchPosition { path, segment, offset, reason }
    }

    /// Opens one of the segments that there are. What is being appended to is in memory, and so may the segment before it be. Older
    /// ones are read past the page cache: once, and without taking memory from anybody.
    fn open_segment(&self, index: u32, segments: &[u32]) -> Result<Segment, JournalError> {
        let name = segment_name(index);
        // Behind the one appended to stands the one prepared next.
        let is_complete = segments.last().is_some_and(|&last| index + 2 < last);
        let file =
            if is_complete { self.storage.open_stream(&name) } else { self.storage.open(&name, false) }?;
        let segment_bytes = check_segment(&*self.storage, &*file, self.store_id, index)?;
        Ok(Segment { file, segment_bytes })
    }

    /// The identity of the store being read.
    pub fn store_id(&self) -> u128 {
        self.store_id
    }

    /// Where reading goes on.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The highest epoch read so far.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn at_mark(&self) -> bool {
        self.at_mark
    }

    /// Once [`Reader::next_batch`] came to the end of the log: the torn tail found there, which the next start of
    /// a writer will cut.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        match &self.end {
            Some(End::Torn(torn)) => Some(torn),
            _ => None,
        }
    }

    /// The next batch whose first record is at or below `up_to`, or nothing if there is none. Beside a writer
    /// `up_to` is the watermark, which always falls between batches; `u64::MAX` reads a log at rest to its end,
    /// where a torn tail is told from damage.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] if bytes that had been durable are not what was written.
    pub fn next_batch(&mut self, up_to: u64) -> Result<Option<Batch<'_>>, JournalError> {
        let Some((position, header)) = self.advance(up_to)? else {
            return Ok(None);
        };
        let bytes = self.window.slice(position.offset, header.length_bytes.get() as usize);
        Ok(Some(Batch {
            first_sequence: header.first_sequence.get(),
            record_count: header.record_count.get(),
            recorded_at_us: header.recorded_at_us.get(),
            durable_sequence: header.durable_sequence.get(),
            epoch: header.epoch.get(),
            position,
            position_after: self.position,
            bytes,
        }))
    }

    fn advance(&mut self, up_to: u64) -> Result<Option<(Position, BatchHeader)>, JournalError> {
        let mut looked_again = None;
        while self.end.is_none() && self.position.sequence <= up_to {
            let (segment, fault) = match self.look(up_to)? {
                Found::Batch { offset, header } => {
                    let at = self.accept(offset, &header);
                    if header.record_count.get() > 0 {
                        return Ok(Some((at, header)));
                    }
                    continue;
                }
                // The bytes were read before the watermark came this far: they may just be old.
                _ if self.window.read_for < up_to => {
                    self.window.clear();
                    self.window.read_for = up_to;
                    continue;
                }
                Found::SegmentEnd => match self.next_segment(up_to)? {
                    Some(found) => found,
                    None => continue,
                },
                Found::Bad(fault) => (self.position.segment, fault),
            };
            if up_to < u64::MAX {
                let proof = format!("the log was durable up to sequence {up_to}");
                return Err(corrupt(&*self.storage, segment, fault, proof));
            }
            match judge_end(&*self.storage, self.store_id, self.position, (segment, fault)) {
                Ok(end) => self.end = Some(end),
                // A writer at work may have put the batch there since it was looked for, and others behind it.
                Err(_) if looked_again != Some(self.position) => {
                    looked_again = Some(self.position);
                    self.window.clear();
                }
                Err(error) => return Err(error),
            }
            if self.end.is_some() && self.any {
                return Err(
                    self.no_such_position("it holds no batch that says where the log stands".to_owned())
                );
            }
        }
        Ok(None)
    }

    fn expected(&self) -> Expected {
        Expected {
            sequence: self.position.sequence,
            chain: self.position.chain,
            epoch: self.epoch,
            any: self.any,
        }
    }

    fn look(&mut self, up_to: u64) -> Result<Found, JournalError> {
        let expected = self.expected();
        match &self.segment {
            Some(segment) => {
                look(segment, &mut self.window, self.position.offset, self.seed, expected, up_to)
            }
            None => Ok(Found::SegmentEnd),
        }
    }

    /// Steps into the next segment if the log goes on there; otherwise says in which segment what is wrong: there, if
    /// something stands there, or here, where nothing follows.
    fn next_segment(&mut self, up_to: u64) -> Result<Option<(u32, Fault)>, JournalError> {
        let here = page_up(self.position.offset);
        let missing = Fault {
            offset: here,
            what: "the end of the log",
            expected: format!("a batch with sequence {}", self.position.sequence),
            found: "zeros".to_owned(),
        };
        let index = self.position.segment + 1;
        if self.segment.is_none() {
            return Ok(Some((self.position.segment, missing)));
        }
        let segments = list_segments(&*self.storage)?;
        if !segments.contains(&index) {
            return Ok(Some((self.position.segment, missing)));
        }
        let segment = self.open_segment(index, &segments)?;
        let mut window = Window::new();
        let first = look(&segment, &mut window, SEGMENT_HEADER_BYTES, self.seed, self.expected(), up_to)?;
        match first {
            Found::Batch { .. } => {}
            Found::SegmentEnd => return Ok(Some((self.position.segment, missing))),
            Found::Bad(fault) => return Ok(Some((index, fault))),
        }
        self.segment = Some(segment);
        self.window = window;
        self.position.segment = index;
        self.position.offset = SEGMENT_HEADER_BYTES;
        Ok(None)
    }

    fn accept(&mut self, offset: u64, header: &BatchHeader) -> Position {
        let first = header.first_sequence.get();
        let segment = self.position.segment;
        let at = Position { segment, offset, sequence: first, chain: header.previous.get() };
        self.position = Position {
            segment,
            offset: offset + u64::from(header.length_bytes.get()),
            sequence: first + u64::from(header.record_count.get()),
            chain: header.chain(),
        };
        self.any = false;
        self.at_mark = header.record_count.get() == 0;
        self.epoch = header.epoch.get();
        at
    }
}

fn look(
    segment: &Segment,
    window: &mut Window,
    offset: u64,
    seed: u32,
    expected: Expected,
    up_to: u64,
) -> Result<Found, JournalError> {
    let mut offset = offset;
    let file = &*segment.file;
    loop {
        let room_bytes = segment.segment_bytes - offset;
        if room_bytes == 0 {
            return Ok(Found::SegmentEnd);
        }
        let gap_bytes = (page_up(offset) - offset) as usize;
        let bytes = window.read(file, offset, BATCH_HEADER_BYTES.max(gap_bytes), up_to)?;
        let header = BatchHeader::read_from_prefix(bytes).ok().map(|(header, _)| header);
        // A batch starts with its magic, never with zeros: these are the rest of a page whose group was synced.
        if gap_bytes > 0 && bytes.iter().take(gap_bytes).all(|byte| *byte == 0) {
            // Unless they were read before the watermark came this far: a batch may stand there by now.
            if window.read_for < up_to {
                window.clear();
                window.read_for = up_to;
                continue;
            }
            offset += gap_bytes as u64;
            continue;
        }
        let Some(header) = header else {
            let fault = Fault::new(offset, "the end of the segment", "zeros or a batch", "other bytes");
            return Ok(fault.map_or_else(Found::Bad, |()| Found::SegmentEnd));
        };
        if header.magic.get() == 0 && offset.is_multiple_of(PAGE_BYTES) {
            return Ok(Found::SegmentEnd);
        }
        let length = match check_length(offset, &header, room_bytes) {
            Ok(length) => length,
            Err(fault) => return Ok(Found::Bad(fault)),
        };
        let batch = window.read(file, offset, length, up_to)?;
        if batch.len() < length {
            let fault =
                Fault::new(offset, "the file length", offset + length as u64, offset + batch.len() as u64);
            return Ok(fault.map_or_else(Found::Bad, |()| Found::SegmentEnd));
        }
        return Ok(match check_batch(offset, &header, batch, seed, expected) {
            Ok(()) => Found::Batch { offset, header },
            Err(fault) => Found::Bad(fault),
        });
    }
}
