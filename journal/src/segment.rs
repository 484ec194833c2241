//! Segment files: their names, their header page, and how a new one comes to be.

use std::path::PathBuf;
use std::sync::Arc;

use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::bugs::is_planted;
use crate::error::JournalError;
use crate::layout::{
    BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, FORMAT_VERSION, SEGMENT_HEADER_BYTES, SEGMENT_MAGIC,
    SegmentHeader,
};
use crate::storage::{Storage, StorageFile, TEMPORARY_SUFFIX, read_full};

/// The directory of the segments below the data directory.
pub(crate) const JOURNAL_DIRECTORY: &str = "journal";
const SUFFIX: &str = ".segment";
/// Zeros are written in pieces this large, because the page cache then holds large folios: a journal mapped over
/// them runs several times faster than over single pages.
pub(crate) const FILL_BYTES: u64 = 256 << 10;
/// At a pace, so much goes under one sync at most: what is wanted by then. The writer's own syncs queue behind it.
const FILL_SYNCED_BYTES_MAX: u64 = 2 << 20;

/// The name of a segment file in the data directory.
pub(crate) fn segment_name(index: u32) -> String {
    format!("{JOURNAL_DIRECTORY}/{index:08}{SUFFIX}")
}

fn segment_index(file_name: &str) -> Option<u32> {
    let digits = file_name.strip_suffix(SUFFIX)?;
    let index: u32 = digits.parse().ok()?;
    // One spelling only: `1.segment` is not a segment.
    (format!("{index:08}") == digits && index > 0).then_some(index)
}

/// The indices of all segments present, in order, be there holes between them or not.
pub(crate) fn segment_indices(storage: &dyn Storage) -> Result<Vec<u32>, JournalError> {
    let names = storage.list(JOURNAL_DIRECTORY)?;
    let mut indices: Vec<u32> = names.iter().filter_map(|name| segment_index(name)).collect();
    indices.sort_unstable();
    Ok(indices)
}

/// The indices of all segments present, without a hole: oldest first, and last the one that is prepared to be written next, if there
/// is one.
///
/// # Errors
/// If the directory cannot be read, or one is missing.
pub fn list_segments(storage: &dyn Storage) -> Result<Vec<u32>, JournalError> {
    let indices = segment_indices(storage)?;
    for pair in indices.windows(2) {
        if pair[1] != pair[0] + 1 {
            return Err(JournalError::MissingSegment {
                path: storage.path(&segment_name(pair[0] + 1)),
                before: pair[0],
                after: pair[1],
            });
        }
    }
    Ok(indices)
}

/// Removes what a crash left half made, for good: an entry that came back could be taken for the one that is made next
/// under the same name.
pub(crate) fn remove_temporaries(storage: &dyn Storage, directory: &str) -> Result<(), JournalError> {
    let names = storage.list(directory)?;
    let temporaries: Vec<&String> = names.iter().filter(|name| name.ends_with(TEMPORARY_SUFFIX)).collect();
    for name in &temporaries {
        storage.remove(&format!("{directory}/{name}"))?;
    }
    if temporaries.is_empty() { Ok(()) } else { storage.sync_directory(directory) }
}

/// The header page of a segment.
pub(crate) fn segment_header(store_id: u128, index: u32, segment_bytes: u64) -> SegmentHeader {
    let mut header = SegmentHeader::new_zeroed();
    header.magic = SEGMENT_MAGIC;
    header.format_version = U32::new(FORMAT_VERSION);
    header.segment_index = U32::new(index);
    header.store_id = U128::new(store_id);
    header.segment_bytes = U64::new(segment_bytes);
    header.checksum = U32::new(segment_header_checksum(&header));
    header
}

/// The checksum that a header page must carry.
pub(crate) fn segment_header_checksum(header: &SegmentHeader) -> u32 {
    crc32c::crc32c(&header.as_bytes()[..std::mem::offset_of!(SegmentHeader, checksum)])
}

/// Checks a segment's header page and length; returns the length.
pub(crate) fn check_segment(
    storage: &dyn Storage,
    file: &dyn StorageFile,
    store_id: u128,
    index: u32,
) -> Result<u64, JournalError> {
    let path = storage.path(&segment_name(index));
    let mut page = [0; SEGMENT_HEADER_BYTES as usize];
    let read = read_full(file, 0, &mut page)?;
    let corrupt = |offset: usize, what, expected: String, found: String| JournalError::Corrupt {
        path: path.clone(),
        offset: offset as u64,
        what,
        expected: expected.into(),
        found: found.into(),
        proof: "a segment is complete and synced before it gets its name".into(),
    };
    if read < page.len() {
        return Err(corrupt(
            read,
            "the header page",
            format!("{} bytes", page.len()),
            format!("{read} bytes"),
        ));
    }
    let header = SegmentHeader::read_from_bytes(&page).map_err(|_| {
        corrupt(0, "the header page", format!("{} bytes", page.len()), format!("{read} bytes"))
    })?;
    if header.magic != SEGMENT_MAGIC {
        let (expected, found) = (SEGMENT_MAGIC.escape_ascii(), header.magic.escape_ascii());
        return Err(corrupt(0, "the segment magic", expected.to_string(), found.to_string()));
    }
    let at = std::mem::offset_of!(SegmentHeader, checksum);
    let checksum = crc32c::crc32c(&page[..at]);
    // A version this build does not know may well keep its checksum elsewhere, so it is asked first. A flipped bit
    // in the version of a known segment leads here too; the refusal is the same.
    if header.format_version.get() != FORMAT_VERSION {
        let found = header.format_version.get().to_string();
        return Err(JournalError::UnknownVersion { path, found, known: FORMAT_VERSION });
    }
    if checksum != header.checksum.get() {
        let (expected, found) = (format!("{checksum:08x}"), format!("{:08x}", header.checksum.get()));
        return Err(corrupt(at, "the header checksum", expected, found));
    }
    if header.store_id.get() != store_id {
        return Err(JournalError::ForeignStore { path, expected: store_id, found: header.store_id.get() });
    }
    if header.segment_index.get() != index {
        let at = std::mem::offset_of!(SegmentHeader, segment_index);
        return Err(corrupt(
            at,
            "the segment index",
            index.to_string(),
            header.segment_index.get().to_string(),
        ));
    }
    let length = file.len()?;
    if header.segment_bytes.get() != length {
        let at = std::mem::offset_of!(SegmentHeader, segment_bytes);
        return Err(corrupt(
            at,
            "the file length",
            header.segment_bytes.get().to_string(),
            length.to_string(),
        ));
    }
    Ok(length)
}

/// A segment, looked at from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its index, from 1.
    pub index: u32,
    /// The file.
    pub path: PathBuf,
    /// The sequence at which it begins, as its first batch says: nothing if no batch stands there yet.
    pub first_sequence: Option<u64>,
    /// The file's length.
    pub bytes: u64,
}

/// Looks at a segment: nothing if it is gone. Only the header of its first batch is looked at, and beside a writer it may not be
/// durable yet: a sequence above the watermark is not to be believed. A reader that starts there checks the rest.
///
/// # Errors
/// If the segment cannot be read.
pub fn segment_info(storage: &dyn Storage, index: u32) -> Result<Option<SegmentInfo>, JournalError> {
    if !segment_indices(storage)?.contains(&index) {
        return Ok(None);
    }
    let file = storage.open(&segment_name(index), false)?;
    let mut bytes = [0; BATCH_HEADER_BYTES];
    let read = read_full(&*file, SEGMENT_HEADER_BYTES, &mut bytes)?;
    let header = BatchHeader::read_from_bytes(&bytes[..read]).ok();
    let begins = header.filter(|header| header.magic.get() == BATCH_MAGIC && header.first_sequence.get() > 0);
    Ok(Some(SegmentInfo {
        index,
        path: segment_path(storage, index),
        first_sequence: begins.map(|header| header.first_sequence.get()),
        bytes: file.len()?,
    }))
}

/// The sequence at which a segment begins: see [`segment_info`].
///
/// # Errors
/// If the segment cannot be read.
pub fn first_sequence(storage: &dyn Storage, index: u32) -> Result<Option<u64>, JournalError> {
    Ok(segment_info(storage, index)?.and_then(|info| info.first_sequence))
}

/// The file of a segment.
pub fn segment_path(storage: &dyn Storage, index: u32) -> PathBuf {
    storage.path(&segment_name(index))
}

/// Says how a segment is to be filled in step with something else: called before each piece with the bytes filled so
/// far, it waits until more are wanted, and says how many; `None` if none will be.
pub(crate) type Pace<'a> = &'a dyn Fn(u64) -> Option<u64>;

/// Makes a segment under a temporary name, fills it with zeros, syncs and renames it: at once, or at a pace. The
/// half-made file is removed if that says no or anything fails, so that its room is given back.
pub(crate) fn make_segment(
    storage: &dyn Storage,
    store_id: u128,
    index: u32,
    segment_bytes: u64,
    pace: Option<Pace<'_>>,
) -> Result<bool, JournalError> {
    let name = segment_name(index);
    let temporary = format!("{name}{TEMPORARY_SUFFIX}");
    let result = fill_segment(storage, &temporary, segment_header(store_id, index, segment_bytes), pace);
    match result {
        Ok(true) => {
            storage.rename(&temporary, &name)?;
            if !is_planted("skip-the-directory-sync") {
                storage.sync_directory(JOURNAL_DIRECTORY)?;
            }
            Ok(true)
        }
        unfinished => {
            // The first error is the one worth reporting; a file that stays is removed at the next open.
            let _ = storage.remove(&temporary).and_then(|()| storage.sync_directory(JOURNAL_DIRECTORY));
            unfinished
        }
    }
}

fn fill_segment(
    storage: &dyn Storage,
    temporary: &str,
    header: SegmentHeader,
    pace: Option<Pace<'_>>,
) -> Result<bool, JournalError> {
    let segment_bytes = header.segment_bytes.get();
    let file: Arc<dyn StorageFile> = storage.create(temporary)?;
    file.allocate(segment_bytes)?;
    let zeros = vec![0; FILL_BYTES.min(segment_bytes) as usize];
    let mut offset = 0;
    while offset < segment_bytes {
        let start = offset;
        let mut end = segment_bytes;
        if let Some(pace) = pace {
            let Some(wanted) = pace(start) else { return Ok(false) };
            // Whatever is wanted by now, and no less than a piece: who has fallen behind must not wait for a sync of each.
            let synced = wanted.saturating_sub(start).clamp(FILL_BYTES, FILL_SYNCED_BYTES_MAX);
            end = end.min(start + synced);
        }
        while offset < end {
            let piece = (end - offset).min(FILL_BYTES);
            file.write_at(offset, &zeros[..piece as usize])?;
            offset += piece;
        }
        if pace.is_some() {
            // The writer's own syncs must never queue behind a whole segment.
            file.sync(start..end)?;
        }
    }
    file.write_at(0, header.as_bytes())?;
    file.sync(0..segment_bytes)?;
    Ok(true)
}

/// The segment that has a sequence, or would have it: the last that begins at or before it. Nothing if none does.
///
/// # Errors
/// If a segment cannot be read.
pub fn segment_with(storage: &dyn Storage, sequence: u64) -> Result<Option<u32>, JournalError> {
    for index in list_segments(storage)?.into_iter().rev() {
        if first_sequence(storage, index)?.is_some_and(|begins| begins <= sequence) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Removes the segments before one, oldest first, and tells how many. Only ask for it once nothing reads there any more: every
/// follower and both kept snapshots must stand in this segment or a later one.
///
/// # Errors
/// If the directory cannot be read or a file cannot be removed; what is left has no hole.
pub fn remove_segments_before(storage: &dyn Storage, segment: u32) -> Result<u32, JournalError> {
    let mut removed = 0;
    for index in list_segments(storage)?.into_iter().filter(|&index| index < segment) {
        storage.remove(&segment_name(index))?;
        // One by one: a later removal that survives a crash without an earlier one would leave a hole.
        storage.sync_directory(JOURNAL_DIRECTORY)?;
        removed += 1;
    }
    Ok(removed)
}
