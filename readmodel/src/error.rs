//! What can go wrong with the read models, each as one sentence.

use std::io;
use std::path::PathBuf;

use orderline_journal::JournalError;
use orderline_protocol::Sequence;
use orderline_protocol::event::UnreadableRecord;

/// Bytes of the store that are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damage(pub(crate) &'static str);

/// Everything that this crate reports. Nothing of it touches an order: what the read models hold can be read out of the
/// journal again.
#[derive(Debug, thiserror::Error)]
pub enum ReadModelError {
    /// The store refuses, or holds what it was not given.
    #[error("the store of the read models refuses: {0}; it is built anew out of the journal")]
    Store(#[from] fjall::Error),
    /// An entry of the store is not what was written.
    #[error("the store of the read models is damaged: {0}; it is built anew out of the journal")]
    Damaged(#[from] Damage),
    /// The store is not one of this program and this journal.
    #[error("the store of the read models {0}; it is built anew out of the journal")]
    Foreign(&'static str),
    /// The operating system refused something of the store's directory.
    #[error(
        "cannot {action} {path}: {source}; the read models stand still until that is repaired and the server started again"
    )]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record cannot be understood.
    #[error(transparent)]
    Event(#[from] UnreadableRecord),
    /// A cursor that no page of this search handed out.
    #[error("the cursor {0:?} is not one of this search; begin again without a cursor")]
    Cursor(String),
    /// The read models have stopped.
    #[error("the read models have stopped at sequence {sequence}: {reason}")]
    Stopped {
        /// The last sequence in them.
        sequence: Sequence,
        /// Why.
        reason: String,
    },
}

impl ReadModelError {
    /// Whether a new store would help.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) | Self::Foreign(_) => true,
            Self::Store(fjall::Error::Io(_) | fjall::Error::Poisoned) => false,
            Self::Store(_) => true,
            _ => false,
        }
    }
}
