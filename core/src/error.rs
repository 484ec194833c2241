//! Why a directory could not be brought back, by its snapshots or its journal.

use orderline_journal::JournalError;
use orderline_protocol::Sequence;
use orderline_protocol::event::UnreadableRecord;

use crate::state::{ImageError, Violation};

/// Why a directory could not be brought back.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The journal could not be read, or refuses.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record cannot be understood.
    #[error(transparent)]
    Event(#[from] UnreadableRecord),
    /// A snapshot that passed its checksums holds what cannot be.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The journal does not reach back to its first record, and the snapshots that could stand in are not good.
    #[error("no snapshot could be used and the journal alone does not reach back: {journal}; {}", refused.join("; "))]
    NothingToStartFrom {
        /// What the journal says.
        journal: Box<RecoveryError>,
        /// What is wrong with each snapshot.
        refused: Vec<String>,
    },
    /// The state breaks its own invariants.
    #[error("the state at sequence {sequence} breaks {} invariants, first: {}", broken.len(), broken[0])]
    Broken {
        /// Where.
        sequence: Sequence,
        /// What is broken.
        broken: Vec<Violation>,
    },
    /// The journal starts behind where the state ends.
    #[error(
        "the journal starts at sequence {found}, the state ends at {expected}: segments in between are missing; \
         restore them from a copy, or start from a snapshot that reaches further"
    )]
    Gap {
        /// The sequence that must come next.
        expected: Sequence,
        /// The sequence that comes.
        found: Sequence,
    },
}
