//! Followers: whatever reads the log up to the watermark and keeps its own progress beside its own data.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::batch::Batch;
use crate::error::JournalError;
use crate::position::Start;
use crate::reader::Reader;
use crate::watermark::Watermark;

/// How long a follower sleeps before it looks whether it should stop; it wakes at once for new batches.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// One reader of the log: a snapshot, a read model, a feed, a replica.
pub trait Follower {
    /// What this follower is called in messages.
    fn name(&self) -> &str;

    /// Where it resumes: the place it recorded in its own sink together with its data.
    ///
    /// # Errors
    /// If its sink cannot say.
    fn position(&mut self) -> Result<Start, Box<dyn std::error::Error + Send + Sync>>;

    /// Takes one batch; `batch.position_after` is what to record with it.
    ///
    /// # Errors
    /// If its sink refuses.
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

    /// Nothing more is to be read right now: a good time to commit what was applied.
    ///
    /// # Errors
    /// If its sink refuses.
    fn flush(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Feeds a follower until `stop` is set, flushing whenever it has caught up with the watermark. What is durable
/// when `stop` is seen is still applied.
///
/// # Errors
/// The follower's own failure, damage met on the way, or the journal's failure after everything durable was applied.
pub fn follow(
    reader: &mut Reader,
    watermark: &Watermark,
    follower: &mut dyn Follower,
    stop: &AtomicBool,
) -> Result<(), JournalError> {
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let failure = watermark.failure();
        let durable = watermark.durable();
        let mut applied = false;
        while let Some(batch) = reader.next_batch(durable)? {
            follower.apply(&batch).map_err(|source| failed(follower, source))?;
            applied = true;
        }
        if applied {
            follower.flush().map_err(|source| failed(follower, source))?;
        }
        if let Some(failure) = failure {
            return Err(JournalError::Poisoned(failure));
        }
        if stopping {
            return Ok(());
        }
        watermark.wait_for(reader.position().sequence, STOP_CHECK);
    }
}

fn failed(follower: &dyn Follower, source: Box<dyn std::error::Error + Send + Sync>) -> JournalError {
    JournalError::Follower { name: follower.name().to_owned(), source }
}
