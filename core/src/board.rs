//! The board: what can be bought of each SKU, published by the engine and read by any front without asking it.
//!
//! Each publication stands between two sequences (`core/src/bracket.rs`). Nobody waits for anybody, and what was read may leave
//! the process once the second is durable.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use orderline_protocol::command::{Command, RawCommand};
use orderline_protocol::limits::SKUS_MAX;
use orderline_protocol::reply::{AvailabilityView, Outcome, REPLY_HEADER_BYTES, ReplyHeader, SaleStanding};
use orderline_protocol::{RejectCode, Sequence, SkuHandle};
use zerocopy::IntoBytes;

use crate::answer::{accepted_reply, rejected_reply};
use crate::bracket::Bracket;
use crate::door::{Commands, Work};
use crate::state::{Accepted, Availability, Rejection, State, Terms, check_asked};

/// SKUs of one chunk: a quarter of a megabyte, which the system clears in some ten microseconds.
const CHUNK_CELLS: usize = 1 << 14;

const CHUNKS: usize = SKUS_MAX / CHUNK_CELLS;

const _: () = assert!(CHUNKS * CHUNK_CELLS == SKUS_MAX);

/// SKUs that one publication writes beside those that were touched, while the board is not whole: some hundred
/// microseconds of work, so that commands do not wait for ten million SKUs.
const SWEPT_SKUS: usize = 4_096;

/// What can be bought of one SKU. Both words of a SKU that was never published are zero.
#[derive(Default)]
struct Cell {
    units: AtomicU64,
    /// A [`SaleStanding`] above 32 bits of units that may be backordered.
    terms: AtomicU64,
}

impl Cell {
    #[inline]
    fn put(&self, units: u64, terms: Option<Terms>) {
        self.units.store(units, Ordering::Relaxed);
        if let Some(Terms { backorder_units, standing }) = terms {
            let terms = (standing as u64) << 32 | u64::from(backorder_units);
            self.terms.store(terms, Ordering::Relaxed);
        }
    }

    #[inline]
    fn get(&self) -> Availability {
        let terms = self.terms.load(Ordering::Relaxed);
        let standing = SaleStanding::from_number((terms >> 32) as u8).unwrap_or(SaleStanding::UnknownSku);
        Availability {
            units: self.units.load(Ordering::Relaxed),
            terms: Terms { backorder_units: terms as u32, standing },
        }
    }
}

struct Inner {
    bracket: Bracket,
    is_wanted: AtomicBool,
    /// Chunks come as SKUs do, and never move or go.
    chunks: Box<[OnceLock<Box<[Cell]>>]>,
}

/// The readers' end of a board.
#[derive(Clone)]
pub struct Board {
    inner: Arc<Inner>,
}

/// The end that writes a [`Board`].
pub struct BoardWriter {
    inner: Arc<Inner>,
}

/// An empty board that nobody wants yet.
pub fn board() -> (BoardWriter, Board) {
    let chunks = (0..CHUNKS).map(|_| OnceLock::new()).collect();
    let inner = Arc::new(Inner { bracket: Bracket::default(), is_wanted: AtomicBool::new(false), chunks });
    (BoardWriter { inner: Arc::clone(&inner) }, Board { inner })
}

impl Default for Board {
    /// A board that never becomes whole.
    fn default() -> Self {
        board().1
    }
}

impl BoardWriter {
    /// Whether anybody has asked for it.
    pub fn is_wanted(&self) -> bool {
        self.inner.is_wanted.load(Ordering::Relaxed)
    }

    /// Begins a publication: values of up to this sequence follow.
    pub fn begin(&mut self, sequence: Sequence) {
        self.inner.bracket.begin(sequence);
    }

    /// Writes how many units of a SKU are available, and its terms unless they stay as they are.
    ///
    /// # Panics
    /// If its handle is beyond the most SKUs that there can be.
    #[inline]
    pub fn put(&mut self, sku: SkuHandle, units: u64, terms: Option<Terms>) {
        let chunk = self.inner.chunks[sku.index() / CHUNK_CELLS]
            .get_or_init(|| (0..CHUNK_CELLS).map(|_| Cell::default()).collect());
        chunk[sku.index() % CHUNK_CELLS].put(units, terms);
    }

    /// Ends a publication: everything up to its sequence is there.
    pub fn end(&mut self) {
        self.inner.bracket.end();
    }

    /// Nothing is to be read until the next end: values are missing, or from before something that many hang on.
    pub fn break_up(&mut self) {
        self.inner.bracket.break_up();
    }

    fn done(&self) -> Sequence {
        self.inner.bracket.done()
    }
}

/// A look at a board.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    inner: &'a Inner,
    /// Everything up to this sequence is in what is seen.
    pub since: Sequence,
}

impl Board {
    /// Looks at the board; `None`: it is not whole. Whoever looks wants it to be kept.
    pub fn look(&self) -> Option<Look<'_>> {
        let since = self.inner.bracket.since();
        if since == 0 {
            self.inner.is_wanted.store(true, Ordering::Relaxed);
            return None;
        }
        Some(Look { inner: &self.inner, since })
    }

    /// Answers a work that holds availability queries and nothing else, if the board is whole: its replies are there
    /// then, and `release_at` says when they may leave. False: nothing was done, and the engine must be asked.
    ///
    /// # Panics
    /// If a payload is not what a checked frame holds.
    pub fn answer(&self, work: &mut Work) -> bool {
        let Some(look) = self.look() else { return false };
        // The input is set aside so that replies can be pushed while it is read.
        let input = std::mem::take(&mut work.input);
        let payloads = std::mem::take(&mut work.payloads);
        for command in payloads.iter().flat_map(|range| Commands::new(&input[range.clone()])) {
            work.release_at = look.answer(&command, work);
        }
        work.input = input;
        work.payloads = payloads;
        true
    }
}

impl Look<'_> {
    /// What can be bought of a SKU.
    #[inline]
    pub fn availability(&self, sku: SkuHandle) -> Availability {
        let chunk = self.inner.chunks.get(sku.index() / CHUNK_CELLS).and_then(OnceLock::get);
        chunk.map_or(Availability::UNKNOWN, |chunk| chunk[sku.index() % CHUNK_CELLS].get())
    }

    /// Nothing beyond this sequence is in what was seen so far.
    #[inline]
    pub fn until(&self) -> Sequence {
        self.inner.bracket.until()
    }

    /// Answers a query; returns the newest sequence that may be in the answer.
    fn answer(&self, query: &RawCommand<'_>, work: &mut Work) -> Sequence {
        let asked = match query.read() {
            Ok(Command::QueryAvailability(head, skus)) => check_asked(head, skus),
            Ok(_) | Err(None) => Err(Rejection::new(RejectCode::UnknownKind)),
            Err(Some(_)) => Err(Rejection::new(RejectCode::Malformed)),
        };
        let skus = match asked {
            Ok(skus) => skus,
            Err(rejection) => {
                let header = rejected_reply(query, rejection, self.since);
                work.push_reply(REPLY_HEADER_BYTES, |out| out.extend_from_slice(header.as_bytes()));
                return self.until();
            }
        };
        let bytes = REPLY_HEADER_BYTES + skus.len() * size_of::<AvailabilityView>();
        let mut until = 0;
        work.push_reply(bytes, |out| {
            let start = out.len();
            out.resize(start + REPLY_HEADER_BYTES, 0);
            for asked in skus {
                out.extend_from_slice(self.availability(asked.sku).view().as_bytes());
            }
            until = self.until();
            let accepted = Accepted { sequence: self.since, detail: until, version: 0, state: 0 };
            let header = accepted_reply(query, Outcome::Answered, accepted);
            let header = ReplyHeader { bytes: (bytes as u32).into(), ..header };
            out[start..start + REPLY_HEADER_BYTES].copy_from_slice(header.as_bytes());
        });
        until
    }
}

/// Keeps a board up to date with a state, once somebody wants it.
pub struct Publisher {
    writer: BoardWriter,
    is_kept: bool,
    /// While the board is not whole: the next SKU to be written, whether it was touched or not.
    swept: Option<usize>,
}

impl Publisher {
    /// A publisher to a board that is empty yet.
    pub fn new(writer: BoardWriter) -> Self {
        Self { writer, is_kept: false, swept: None }
    }

    /// Publishes what has been touched since the last time. To be called when the events of a turn are appended, and
    /// before anybody is told of them: who has seen an answer then finds at least that on the board.
    #[inline]
    pub fn publish(&mut self, state: &mut State) {
        if self.is_kept || self.writer.is_wanted() {
            self.publish_wanted(state);
        }
    }

    /// Whether there is more to be published without anything having happened.
    pub fn is_sweeping(&self) -> bool {
        self.swept.is_some()
    }

    fn publish_wanted(&mut self, state: &mut State) {
        if !self.is_kept {
            self.is_kept = true;
            state.keep_touched();
        }
        if state.take_touched_all() {
            self.writer.break_up();
            self.swept = Some(0);
        }
        if self.swept.is_none() && self.writer.done() == state.sequence() {
            return;
        }
        self.writer.begin(state.sequence());
        state.take_touched(|sku, units, terms| self.writer.put(sku, units, terms));
        if let Some(from) = self.swept {
            let end = state.sku_count().min(from + SWEPT_SKUS);
            for sku in (from..end).map(|sku| SkuHandle::new(sku as u32)) {
                let Availability { units, terms } = state.availability(sku);
                self.writer.put(sku, units, Some(terms));
            }
            self.swept = (end < state.sku_count()).then_some(end);
        }
        if self.swept.is_none() {
            self.writer.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON_SALE: Terms = Terms { backorder_units: 0, standing: SaleStanding::OnSale };

    #[test]
    fn what_was_seen_lies_between_the_two_sequences() {
        // Four SKUs of each of sixteen chunks, which come to be under the reader's eyes.
        let skus: Vec<SkuHandle> = (0..64).map(|sku| SkuHandle::new(sku * CHUNK_CELLS as u32 / 4)).collect();
        let (mut writer, board) = board();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for sequence in 1..=20_000 {
                    writer.begin(sequence);
                    // Not all of them each time, so that there is something in front of the bracket and behind it.
                    let some = skus.iter().skip(sequence as usize % 3).step_by(1 + sequence as usize % 2);
                    some.for_each(|&sku| writer.put(sku, sequence, Some(ON_SALE)));
                    skus.iter().take(1).for_each(|&sku| writer.put(sku, sequence, None));
                    writer.end();
                }
            });
            let (mut exact, mut since) = (0_u64, 0);
            while since < 20_000 {
                let Some(look) = board.look() else { continue };
                assert!(look.since >= since, "the board never goes back");
                since = look.since;
                // The first SKU is written in every publication: it cannot be older than the first sequence.
                let first = look.availability(skus[0]).units;
                let newest = skus.iter().map(|&sku| look.availability(sku).units).max().unwrap_or(0);
                let until = look.until();
                assert!(first >= since && newest <= until, "{since} {first} {newest} {until}");
                exact += u64::from(since == until);
            }
            assert!(exact > 0, "the last look is at a board at rest");
        });
    }

    #[test]
    fn a_board_is_wanted_by_whoever_looks_and_seen_only_when_whole() {
        let (mut writer, board) = board();
        assert!(!writer.is_wanted() && board.look().is_none() && writer.is_wanted());
        let sku = SkuHandle::new(5);
        writer.begin(7);
        writer.put(sku, 3, Some(ON_SALE));
        assert!(board.look().is_none());
        writer.end();
        let look = board.look().unwrap();
        assert_eq!((look.since, look.until(), look.availability(sku).units), (7, 7, 3));
        // Handles beyond what was ever written, and beyond what there can be.
        for unknown in [SkuHandle::new(6), SkuHandle::new(SKUS_MAX as u32), SkuHandle::NONE] {
            assert_eq!(look.availability(unknown), Availability::UNKNOWN);
        }
        writer.begin(8);
        writer.put(sku, 2, None);
        assert_eq!((look.availability(sku).terms, look.until()), (ON_SALE, 8));
        writer.break_up();
        assert!(board.look().is_none());
        writer.end();
        assert_eq!(board.look().unwrap().since, 8);
    }
}
