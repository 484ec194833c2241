//! Consumers that keep their place here instead of with their own data.

use std::collections::BTreeMap;
use std::sync::Arc;

use orderline_journal::Storage;
use orderline_protocol::Sequence;
use parking_lot::Mutex;
use serde::Serialize;

use crate::files::{self, FileError};

/// Consumers at most.
const CONSUMERS_MAX: usize = 1_000;

/// Bytes of a consumer's name at most.
const NAME_BYTES_MAX: usize = 64;

const FILE: &str = "consumers.json";

/// Why a position is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// Positions only go forward; a consumer that wants to read again reads without committing.
    #[error("consumer {name} is at {at} already, and a position only goes forward: {asked} is behind it")]
    Backwards {
        /// Who.
        name: String,
        /// Its position.
        at: Sequence,
        /// What was asked for.
        asked: Sequence,
    },
    /// Nobody can have consumed what is not there.
    #[error("sequence {asked} is not there yet: the journal ends at {durable}")]
    Ahead {
        /// What was asked for.
        asked: Sequence,
        /// The last durable sequence.
        durable: Sequence,
    },
    /// The name is empty, too long, or has characters that a name does not have.
    #[error("{name:?} is no name for a consumer: 1 to 64 letters, digits, dots, dashes and underscores are")]
    Name {
        /// The name.
        name: String,
    },
    /// There are too many.
    #[error("there are {CONSUMERS_MAX} consumers already; remove one that is not used")]
    TooMany,
    /// It is not there.
    #[error("there is no consumer {name:?}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The positions cannot be kept.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A consumer, as the console shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Consumer {
    /// Its name.
    pub name: String,
    /// Everything up to this sequence is consumed.
    pub position: Sequence,
    /// How many sequences of the journal lie behind it.
    pub lag: u64,
}

/// Named positions in the feed.
pub struct Consumers {
    storage: Arc<dyn Storage>,
    positions: Mutex<BTreeMap<String, Sequence>>,
}

impl Consumers {
    /// The positions kept in a data directory.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn open(storage: Arc<dyn Storage>) -> Result<Self, FileError> {
        files::make_directory(&*storage)?;
        let positions = files::read(&*storage, FILE)?.unwrap_or_default();
        Ok(Self { storage, positions: Mutex::new(positions) })
    }

    /// All of them, by name. `durable` is how far the feed goes.
    pub fn list(&self, durable: Sequence) -> Vec<Consumer> {
        let positions = self.positions.lock();
        positions.iter().map(|(name, &position)| shown(name, position, durable)).collect()
    }

    /// One of them.
    pub fn get(&self, name: &str, durable: Sequence) -> Option<Consumer> {
        self.positions.lock().get(name).map(|&position| shown(name, position, durable))
    }

    /// The first sequence that one of them still has to get; nothing: there is none.
    pub fn needed_from(&self) -> Option<Sequence> {
        self.positions.lock().values().min().map(|position| position + 1)
    }

    /// Says that a consumer has everything up to a sequence; a new one begins so, with 0 at the beginning. Durable when this
    /// returns.
    ///
    /// # Errors
    /// [`ConsumerError`]; the position is then as it was.
    pub fn commit(
        &self,
        name: &str,
        position: Sequence,
        durable: Sequence,
    ) -> Result<Consumer, ConsumerError> {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_of_name) {
            return Err(ConsumerError::Name { name: name.to_owned() });
        }
        if position > durable {
            return Err(ConsumerError::Ahead { asked: position, durable });
        }
        let mut positions = self.positions.lock();
        match positions.get(name) {
            Some(&at) if position < at => {
                return Err(ConsumerError::Backwards { name: name.to_owned(), at, asked: position });
            }
            None if positions.len() >= CONSUMERS_MAX => return Err(ConsumerError::TooMany),
            _ => {}
        }
        let mut changed = positions.clone();
        changed.insert(name.to_owned(), position);
        files::write(&*self.storage, FILE, &changed)?;
        *positions = changed;
        Ok(shown(name, position, durable))
    }

    /// Forgets a consumer.
    ///
    /// # Errors
    /// If there is none of this name, or it cannot be kept.
    pub fn remove(&self, name: &str) -> Result<(), ConsumerError> {
        let mut positions = self.positions.lock();
        let mut changed = positions.clone();
        if changed.remove(name).is_none() {
            return Err(ConsumerError::Unknown { name: name.to_owned() });
        }
        files::write(&*self.storage, FILE, &changed)?;
        *positions = changed;
        Ok(())
    }
}

fn shown(name: &str, position: Sequence, durable: Sequence) -> Consumer {
    Consumer { name: name.to_owned(), position, lag: durable.saturating_sub(position) }
}
