//! Mending a copy of a directory: each step is one that a rule allows, says what it did, and touches no bytes that are
//! good. Never to be used on the only copy.

use std::sync::Arc;

use zerocopy::IntoBytes;

use crate::error::JournalError;
use crate::layout::page_up;
use crate::position::Position;
use crate::segment::{JOURNAL_DIRECTORY, segment_header, segment_indices, segment_name};
use crate::snapshot::{SNAPSHOT_DIRECTORY, list_snapshots, snapshot_name};
use crate::storage::Storage;
use crate::store::write_store;
use crate::survey::{FindingKind, Survey, sound_header};

/// Mends what can be mended without losing a record: the store's file, segments' header pages, and snapshots that are not
/// whole, which are taken out. Returns what was done, a sentence each.
///
/// # Errors
/// If the disk refuses.
pub fn mend_frame(storage: &Arc<dyn Storage>, survey: &Survey) -> Result<Vec<String>, JournalError> {
    let mut done = Vec::new();
    let Some(store_id) = survey.store_id else { return Ok(done) };
    for finding in &survey.findings {
        match finding.kind {
            FindingKind::Store => {
                write_store(&**storage, store_id)?;
                done.push(format!(
                    "wrote the store's file anew for store {store_id:032x}, which all segments name"
                ));
            }
            FindingKind::SegmentHeader(index) if is_stranger(&**storage, store_id, index)? => {
                storage.remove(&segment_name(index))?;
                storage.sync_directory(JOURNAL_DIRECTORY)?;
                done.push(format!(
                    "left out the file of segment {index}: its header is sound and another one's"
                ));
            }
            FindingKind::SegmentHeader(index) => {
                let file = storage.open(&segment_name(index), true)?;
                // A file that was cut is made as long as it must be for whole pages; what it lost stays lost.
                let segment_bytes = page_up(file.len()?);
                file.write_at(0, segment_header(store_id, index, segment_bytes).as_bytes())?;
                if segment_bytes > file.len()? {
                    file.write_at(segment_bytes - 1, &[0])?;
                }
                file.sync(0..segment_bytes)?;
                done.push(format!(
                    "wrote the header page of segment {index} anew, for {segment_bytes} bytes"
                ));
            }
            FindingKind::Snapshot(sequence) => {
                storage.remove(&snapshot_name(sequence))?;
                storage.sync_directory(SNAPSHOT_DIRECTORY)?;
                done.push(format!("left out the snapshot at sequence {sequence}, which is not whole"));
            }
            _ => {}
        }
    }
    Ok(done)
}

/// Whether a file is a whole segment, but not the one that its name says, or another store's.
fn is_stranger(storage: &dyn Storage, store_id: u128, index: u32) -> Result<bool, JournalError> {
    let header = sound_header(storage, index)?;
    Ok(header.is_some_and(|header| (header.store_id.get(), header.segment_index.get()) != (store_id, index)))
}

/// Lets the log begin at a snapshot's place: what lies before is left out, damage and all. The state loses nothing; its
/// history does.
///
/// # Errors
/// If the disk refuses.
pub fn begin_at(
    storage: &Arc<dyn Storage>,
    sequence: u64,
    position: Position,
) -> Result<String, JournalError> {
    storage.create_directory(SNAPSHOT_DIRECTORY)?;
    let mut removed = 0;
    for index in segment_indices(&**storage)?.into_iter().filter(|index| *index < position.segment) {
        storage.remove(&segment_name(index))?;
        removed += 1;
    }
    for other in list_snapshots(&**storage)?.into_iter().filter(|other| *other != sequence) {
        storage.remove(&snapshot_name(other))?;
    }
    storage.sync_directory(JOURNAL_DIRECTORY)?;
    storage.sync_directory(SNAPSHOT_DIRECTORY)?;
    Ok(format!(
        "left out {removed} segments before the snapshot at sequence {sequence}, which holds all that they did"
    ))
}

/// Ends the log at a place: what stands behind it is overwritten with zeros or left out, snapshots of it as well.
///
/// # Errors
/// If the disk refuses.
pub fn end_at(storage: &Arc<dyn Storage>, position: Position) -> Result<String, JournalError> {
    storage.create_directory(SNAPSHOT_DIRECTORY)?;
    for index in segment_indices(&**storage)?.into_iter().filter(|index| *index > position.segment) {
        storage.remove(&segment_name(index))?;
    }
    let file = storage.open(&segment_name(position.segment), true)?;
    let length = file.len()?;
    let zeros = vec![0; 1 << 20];
    let mut at = position.offset;
    while at < length {
        let piece = (length - at).min(zeros.len() as u64);
        file.write_at(at, &zeros[..piece as usize])?;
        at += piece;
    }
    file.sync(0..length)?;
    let last = position.last_sequence();
    for sequence in list_snapshots(&**storage)?.into_iter().filter(|sequence| *sequence > last) {
        storage.remove(&snapshot_name(sequence))?;
    }
    storage.sync_directory(JOURNAL_DIRECTORY)?;
    storage.sync_directory(SNAPSHOT_DIRECTORY)?;
    Ok(format!(
        "ended the log behind sequence {last}, at offset {} of segment {}",
        position.offset, position.segment
    ))
}
