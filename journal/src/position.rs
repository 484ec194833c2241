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
    /// At the beginning of a segment, given by its index. Its first batch, too, is taken at its word: meant for looking something up
    /// in the middle of a long log, where [`crate::first_sequence`] says which segment has it.
    Segment(u32),
}

impl Start {
    /// The place, given the oldest segment that there is, and whether sequence and chain of the first batch there are taken as
    /// they are: what came before a later segment was removed on purpose, or is not of interest.
    pub(crate) fn place(self, oldest: Option<u32>) -> (Position, bool) {
        let segment = match self {
            Self::At(position) => return (position, false),
            Self::Oldest => oldest.unwrap_or(1),
            Self::Segment(index) => index,
        };
        (Position { segment, ..Position::START }, segment > 1)
    }
}
