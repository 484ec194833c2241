//! The end of a log, judged: clean, torn by a crash, or damaged where it had been durable.

use std::path::PathBuf;

use zerocopy::{FromBytes, IntoBytes};

use crate::batch::{Fault, check_length};
use crate::bugs::is_planted;
use crate::error::JournalError;
use crate::layout::{
    ALIGN_BYTES, BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, SEGMENT_HEADER_BYTES, batch_checksum,
    checksum_seed,
};
use crate::position::Position;
use crate::segment::{JOURNAL_DIRECTORY, check_segment, list_segments, segment_name};
use crate::storage::{Storage, StorageFile, read_full};
use crate::window::Window;

/// How much is looked at in one read while scanning on.
const SCAN_BYTES: usize = 1 << 20;

/// What a crash left behind the last good batch: bytes nobody was told about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment of the first torn byte.
    pub segment: u32,
    /// Its offset.
    pub offset: u64,
    /// From the first to the last byte that is not zero, over all segments.
    pub bytes_removed: u64,
    /// The sequence the log ends with.
    pub last_good_sequence: u64,
    /// Which rule the first torn batch breaks.
    pub reason: String,
    /// Where the bytes are kept; empty as long as nothing was cut.
    pub kept_in: Vec<PathBuf>,
    pub(crate) pieces: Vec<Piece>,
}

/// Torn bytes in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    segment: u32,
    from: u64,
    to: u64,
}

pub(crate) enum End {
    Clean,
    Torn(TornTail),
}

pub(crate) fn corrupt(storage: &dyn Storage, segment: u32, fault: Fault, proof: String) -> JournalError {
    let Fault { offset, what, expected, found } = fault;
    JournalError::Corrupt {
        path: storage.path(&segment_name(segment)),
        offset,
        what,
        expected: expected.into(),
        found: found.into(),
        proof: proof.into(),
    }
}

/// Looks at everything behind the last good batch. A later batch that is whole and says that the missing one was
/// durable proves damage, and is refused. Otherwise what is there is the torn end of a crash.
pub(crate) fn judge_end(
    storage: &dyn Storage,
    store_id: u128,
    position: Position,
    (fault_segment, fault): (u32, Fault),
) -> Result<End, JournalError> {
    let seed = checksum_seed(store_id);
    let mut pieces = Vec::new();
    for index in list_segments(storage)?.into_iter().filter(|index| *index >= position.segment) {
        let file = storage.open(&segment_name(index), false)?;
        let segment_bytes = check_segment(storage, &*file, store_id, index)?;
        let from = if index == position.segment { position.offset } else { SEGMENT_HEADER_BYTES };
        let scan = Scan { file: &*file, segment_bytes, seed, sequence: position.sequence };
        let scanned = scan.run(from)?;
        if let Some((offset, header)) = scanned.proof.filter(|_| !is_planted("take-damage-for-a-torn-end")) {
            let proof = format!(
                "the batch with sequence {} in segment {index} at offset {offset} says that sequence {} was durable",
                header.first_sequence, header.durable_sequence
            );
            return Err(corrupt(storage, fault_segment, fault, proof));
        }
        if let Some((from, to)) = scanned.nonzero {
            pieces.push(Piece { segment: index, from, to });
        }
    }
    let Some(first) = pieces.first() else {
        return Ok(End::Clean);
    };
    let Fault { what, expected, found, .. } = fault;
    Ok(End::Torn(TornTail {
        segment: first.segment,
        offset: first.from,
        bytes_removed: pieces.iter().map(|piece| piece.to - piece.from).sum(),
        last_good_sequence: position.last_sequence(),
        reason: format!("{what}: expected {expected}, found {found}"),
        kept_in: Vec::new(),
        pieces,
    }))
}

struct Scan<'a> {
    file: &'a dyn StorageFile,
    segment_bytes: u64,
    seed: u32,
    sequence: u64,
}

#[derive(Default)]
struct Scanned {
    nonzero: Option<(u64, u64)>,
    proof: Option<(u64, BatchHeader)>,
}

impl Scan<'_> {
    fn run(&self, from: u64) -> Result<Scanned, JournalError> {
        let mut scanned = Scanned::default();
        let mut window = Window::new();
        let block_bytes = SCAN_BYTES.min((self.segment_bytes - from) as usize).next_multiple_of(ALIGN_BYTES);
        let mut block = vec![0_u64; block_bytes / ALIGN_BYTES];
        let mut at = from;
        while at < self.segment_bytes {
            let wanted = (self.segment_bytes - at).min(block_bytes as u64) as usize;
            let read = read_full(self.file, at, &mut block.as_mut_bytes()[..wanted])?;
            let words = &block[..read / ALIGN_BYTES];
            // Most of what is scanned was never written; whole zero blocks cost no more than reading them.
            if words.iter().any(|word| *word != 0) {
                for (number, word) in words.iter().enumerate().filter(|(_, word)| **word != 0) {
                    let offset = at + (number * ALIGN_BYTES) as u64;
                    let (first, _) = scanned.nonzero.unwrap_or((offset, 0));
                    scanned.nonzero = Some((first, offset + ALIGN_BYTES as u64));
                    if u64::from_le(*word) as u32 == BATCH_MAGIC && scanned.proof.is_none() {
                        scanned.proof = self.proof_at(&mut window, offset)?;
                    }
                }
            }
            if read < wanted || scanned.proof.is_some() {
                break;
            }
            at += read as u64;
        }
        Ok(scanned)
    }

    /// The batch at an offset, if it is whole and proves that the sequence looked for had been durable.
    fn proof_at(&self, window: &mut Window, offset: u64) -> Result<Option<(u64, BatchHeader)>, JournalError> {
        let bytes = window.read(self.file, offset, BATCH_HEADER_BYTES, u64::MAX)?;
        let Ok((header, _)) = BatchHeader::read_from_prefix(bytes) else {
            return Ok(None);
        };
        let Ok(length) = check_length(offset, &header, self.segment_bytes - offset) else {
            return Ok(None);
        };
        let later = header.durable_sequence.get() >= self.sequence
            && header.first_sequence.get() > header.durable_sequence.get();
        if !later {
            return Ok(None);
        }
        let batch = window.read(self.file, offset, length, u64::MAX)?;
        let whole = batch.len() == length && batch_checksum(self.seed, batch) == header.checksum.get();
        Ok(whole.then_some((offset, header)))
    }
}

/// Copies the torn bytes aside, and only when the copies are durable replaces them by zeros.
pub(crate) fn cut(storage: &dyn Storage, torn: &mut TornTail) -> Result<(), JournalError> {
    let name = |piece: &Piece| format!("{JOURNAL_DIRECTORY}/torn-{:08}-{}.bytes", piece.segment, piece.from);
    for piece in &torn.pieces {
        let file = storage.open(&segment_name(piece.segment), false)?;
        let mut bytes = vec![0; (piece.to - piece.from) as usize];
        read_full(&*file, piece.from, &mut bytes)?;
        storage.write_small(&name(piece), &bytes)?;
        torn.kept_in.push(storage.path(&name(piece)));
    }
    // If this is interrupted, what remains is still a torn tail, and no batch is appended before all of it is gone.
    for piece in &torn.pieces {
        let file = storage.open(&segment_name(piece.segment), true)?;
        let zeros = vec![0; SCAN_BYTES];
        let mut at = piece.to;
        while at > piece.from {
            let length = (at - piece.from).min(SCAN_BYTES as u64);
            at -= length;
            file.write_at(at, &zeros[..length as usize])?;
        }
        file.sync(piece.from..piece.to)?;
    }
    Ok(())
}
