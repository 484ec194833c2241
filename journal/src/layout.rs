//! Every byte the journal puts on disk, as fixed little-endian structures. `docs/format.md` states the same
//! offsets as tables, and a test holds the two together.

use zerocopy::little_endian::{I64, U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The unit in which the page cache and the disk are dirtied; nothing synced shares a page with what comes later.
pub const PAGE_BYTES: u64 = 4096;
/// The version of the journal's byte layout this build reads and writes.
pub const FORMAT_VERSION: u32 = 1;
/// The first eight bytes of a segment file.
pub const SEGMENT_MAGIC: [u8; 8] = *b"ORDLSEGM";
/// The first four bytes of a batch, `OBAT` as text.
pub const BATCH_MAGIC: u32 = u32::from_le_bytes(*b"OBAT");
/// Batches and records start at multiples of this, so that a scan for the next one has few places to look.
pub const ALIGN_BYTES: usize = 8;
/// Bytes of a [`BatchHeader`].
pub const BATCH_HEADER_BYTES: usize = size_of::<BatchHeader>();
/// Bytes of a [`RecordHeader`].
pub const RECORD_HEADER_BYTES: usize = size_of::<RecordHeader>();
/// Bytes of a [`SegmentHeader`]; the first batch of a segment starts here.
pub const SEGMENT_HEADER_BYTES: u64 = size_of::<SegmentHeader>() as u64;
/// The batch checksum covers everything behind this offset.
pub const BATCH_CHECKSUM_FROM: usize = std::mem::offset_of!(BatchHeader, record_count);

// A torn header would otherwise be possible within one sector, and batches would lose their alignment.
const _: () = assert!(BATCH_HEADER_BYTES == 64);
const _: () = assert!(RECORD_HEADER_BYTES == ALIGN_BYTES);
const _: () = assert!(SEGMENT_HEADER_BYTES == PAGE_BYTES);

/// The first page of a segment file: whose it is and which one.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SegmentHeader {
    /// [`SEGMENT_MAGIC`].
    pub magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    pub format_version: U32,
    /// Which segment this is, from 1; the file name says the same.
    pub segment_index: U32,
    /// The random identity of the store, so that a file of another store is never read as one's own.
    pub store_id: U128,
    /// The length of the whole file.
    pub segment_bytes: U64,
    /// Zeros.
    pub reserved: [u8; 4052],
    /// crc32c of everything before it.
    pub checksum: U32,
}

/// What stands before the records of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct BatchHeader {
    /// [`BATCH_MAGIC`].
    pub magic: U32,
    /// The whole batch with this header; a multiple of eight.
    pub length_bytes: U32,
    /// crc32c of everything behind this field, seeded by the store's identity.
    pub checksum: U32,
    /// How many records follow. Zero only in the mark a clean shutdown leaves.
    pub record_count: U32,
    /// The sequence of the first record; sequences start at 1 and leave no gap.
    pub first_sequence: U64,
    /// The one time of all records in the batch, in microseconds since 1970, as the caller gave it.
    pub recorded_at_us: I64,
    /// xxh3-64 of the previous batch's header; zero in the very first batch.
    pub previous: U64,
    /// How far the log was durable when this batch was written: the proof by which torn and corrupt are told apart.
    pub durable_sequence: U64,
    /// The writer's epoch; never falls along the log.
    pub epoch: U64,
    /// Zeros.
    pub reserved: U64,
}

impl BatchHeader {
    /// What the next batch carries as `previous`.
    pub fn chain(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(self.as_bytes())
    }
}

/// What stands before the payload of a record.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct RecordHeader {
    /// The payload's length without the zeros that pad it to a multiple of eight.
    pub payload_bytes: U32,
    /// What the payload is; the journal does not look.
    pub kind: U16,
    /// The version of the payload's own layout.
    pub version: u8,
    /// Zero.
    pub flags: u8,
}

/// The first eight bytes of a snapshot file.
pub const SNAPSHOT_MAGIC: [u8; 8] = *b"ORDLSNAP";
/// The first eight bytes of a snapshot's trailer.
pub const SNAPSHOT_END_MAGIC: [u8; 8] = *b"ORDLSEND";
/// The most bytes of a section that one chunk holds.
pub const CHUNK_BYTES_MAX: usize = 1 << 20;

/// The start of a snapshot file: of which store, up to where, and where the log goes on.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SnapshotHeader {
    /// [`SNAPSHOT_MAGIC`].
    pub magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    pub format_version: U32,
    /// The segment in which the log goes on.
    pub segment: U32,
    /// The identity of the store.
    pub store_id: U128,
    /// The last sequence that is in the snapshot; the file name says the same.
    pub sequence: U64,
    /// The offset in the segment at which the log goes on.
    pub offset: U64,
    /// The hash of the last batch's header in the snapshot.
    pub chain: U64,
    /// Zeros.
    pub reserved: U32,
    /// crc32c of everything before it.
    pub checksum: U32,
}

/// What stands before each piece of a section.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct ChunkHeader {
    /// What the section is; the journal does not look.
    pub tag: U32,
    /// Bytes that follow, at most [`CHUNK_BYTES_MAX`], without padding.
    pub length_bytes: U32,
    /// 1 if this is the section's last chunk, else 0.
    pub last: U32,
    /// crc32c of the three fields before it and of the bytes that follow.
    pub checksum: U32,
}

/// The end of a snapshot file.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SnapshotTrailer {
    /// [`SNAPSHOT_END_MAGIC`].
    pub magic: [u8; 8],
    /// The length of the whole file.
    pub total_bytes: U64,
    /// The hash of the state in it, as the caller computed it.
    pub state_hash: U128,
    /// How many sections there are.
    pub section_count: U32,
    /// Zeros.
    pub reserved: [u8; 12],
    /// xxh3-128 of everything before it.
    pub content_hash: U128,
}

const _: () = assert!(size_of::<SnapshotHeader>() == 64);
const _: () = assert!(size_of::<ChunkHeader>() == 16);
const _: () = assert!(size_of::<SnapshotTrailer>() == 64);

/// The checksum of a chunk, given its header and its bytes.
pub(crate) fn chunk_checksum(header: &ChunkHeader, bytes: &[u8]) -> u32 {
    let covered = std::mem::offset_of!(ChunkHeader, checksum);
    crc32c::crc32c_append(crc32c::crc32c(&header.as_bytes()[..covered]), bytes)
}

/// The checksum of a snapshot's header.
pub(crate) fn snapshot_header_checksum(header: &SnapshotHeader) -> u32 {
    crc32c::crc32c(&header.as_bytes()[..std::mem::offset_of!(SnapshotHeader, checksum)])
}

/// The checksum seed of a store. A payload that imitates a batch cannot pass for one without knowing the identity,
/// and neither can a batch of another store.
pub(crate) fn checksum_seed(store_id: u128) -> u32 {
    xxhash_rust::xxh3::xxh3_64(&store_id.to_le_bytes()) as u32
}

/// The checksum of a whole batch, given its bytes from the header on.
pub(crate) fn batch_checksum(seed: u32, batch: &[u8]) -> u32 {
    crc32c::crc32c_append(seed, &batch[BATCH_CHECKSUM_FROM..])
}

/// The next multiple of a page at or after `offset`.
pub(crate) fn page_up(offset: u64) -> u64 {
    offset.next_multiple_of(PAGE_BYTES)
}

/// A payload's room on disk with its header and padding.
pub(crate) fn record_bytes(payload_bytes: usize) -> usize {
    RECORD_HEADER_BYTES + payload_bytes.next_multiple_of(ALIGN_BYTES)
}
