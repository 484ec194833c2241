//! The durable log: segments, group commit, recovery, readers and snapshot files. Payloads are opaque.
//!
//! One writer stages records and appends them in batches; a sync thread makes what was appended durable and raises
//! the [`Watermark`]; followers read the log itself, up to the watermark. The bytes are stated in `docs/format.md`.
//!
//! ```
//! use orderline_journal::{JournalOptions, MappedStorage, Reader, Start, open};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = tempfile::tempdir()?;
//! let options = JournalOptions { segment_bytes: 4 << 20, ..JournalOptions::default() };
//! let opened = open(MappedStorage::new(directory.path()), options)?;
//! let (mut writer, watermark, storage) = (opened.writer, opened.watermark, opened.storage);
//! let sync_thread = opened.syncer.spawn()?;
//!
//! let sequence = writer.stage(1, 1, |payload| payload.extend_from_slice(b"hello"));
//! writer.commit(0)?;
//! assert!(watermark.wait_for(sequence, std::time::Duration::from_secs(10)));
//!
//! let mut reader = Reader::open(storage, Start::Oldest)?;
//! let batch = reader.next_batch(watermark.durable())?.ok_or("one batch is durable")?;
//! assert!(batch.records().all(|record| record.payload == b"hello"));
//!
//! drop(writer);
//! sync_thread.join().map_err(|_| "the sync thread panicked")?;
//! # Ok(())
//! # }
//! ```

mod batch;
pub mod bugs;
mod damage;
mod error;
mod follower;
pub mod layout;
mod options;
mod position;
mod prepare;
mod reader;
mod recovery;
pub mod repair;
mod segment;
pub mod snapshot;
pub mod storage;
mod store;
pub mod survey;
mod sync;
mod syncer;
mod tail;
mod watermark;
mod window;
mod writer;

pub use batch::{BATCH_BYTES_LIMIT, Batch, Record, Records};
pub use damage::TornTail;
pub use error::JournalError;
pub use follower::{Follower, follow};
pub use options::JournalOptions;
pub use position::{Position, Start};
pub use reader::Reader;
pub use recovery::{Locked, Opened, Recovering, RecoveryReport, open};
pub use segment::{
    SegmentInfo, first_sequence, list_segments, remove_segments_before, segment_info, segment_path,
    segment_with,
};
pub use snapshot::{SnapshotInfo, SnapshotReader, SnapshotWriter, newest_good};
pub use storage::{MappedStorage, MemoryStorage, PositionalStorage, Refused, Storage, StorageFile};
pub use store::store_id;
pub use syncer::Syncer;
pub use watermark::{Watermark, WatermarkPublisher};
pub use writer::Writer;
