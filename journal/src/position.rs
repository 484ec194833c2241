//! A place in the log: what a snapshot or a follower records to resume without reading from the start.

/// The place behind a batch, with all that is needed to check the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The segment's index, from 1.
    pub segment: u32,
    /// The offset in the segment at which the next batch is looked for.
    pub offset: u64,
    /// The sequence the next record has.
    pub sequence: u64,
    /// The hash of the last batch's header, which the next batch must carry; 0 before the first.
    pub chain: u64,
}

impl Position {
    /// The place of the very first record of a store.
    pub const START: Self =
        Self { segment: 1, offset: crate::layout::SEGMENT_HEADER_BYTES, sequence: 1, chain: 0 };

    /// The last sequence before this place, 0 if there is none.
    pub fn last_sequence(&self) -> u64 {
        self.sequence - 1
    }
}

/// Where reading starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Start {
    /// At the oldest segment kept. Its first batch is then taken at its word for sequence and chain.
    #[default]
    Oldest,
    /// Behind the batch a snapshot or a follower recorded.
    At(Position),
}
