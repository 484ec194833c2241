//! What the follower, the writer of heads and the readers share, behind one lock that nobody holds for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orderline_journal::{Storage, Watermark, WatermarkPublisher};
use orderline_protocol::Sequence;
use parking_lot::{Condvar, Mutex, RwLock};

use crate::change::Moment;
use crate::error::ReadModelError;
use crate::head::{Head, StateCounts};
use crate::older::{Older, View};
use crate::options::ReadModelOptions;
use crate::store::Store;

/// All that can be read.
pub(crate) struct Parts {
    pub(crate) head: Head,
    pub(crate) older: Older,
    /// Why nothing more comes.
    pub(crate) stopped: Option<String>,
}

impl Parts {
    /// The parts over a store, as that stands.
    pub(crate) fn over(store: Store, store_id: u128) -> Result<Self, ReadModelError> {
        let meta = store.meta(store_id)?;
        let runs = store.runs()?;
        let head = match meta {
            None => Head::behind(0, 1, Moment { sequence: 0, at_us: 0 }, None, StateCounts::default()),
            Some(meta) => {
                let (next, known_from) = (meta.next_number.get(), meta.known_from.get());
                Head::behind(next, known_from, meta.moment(), meta.position(), meta.states())
            }
        };
        let stored = head.now.sequence;
        Ok(Self { head, older: Older { frozen: None, store, runs, stored }, stopped: None })
    }

    pub(crate) fn view(&self) -> View<'_> {
        View { head: &self.head, older: &self.older }
    }
}

/// See the page.
pub(crate) struct Shared {
    pub(crate) parts: RwLock<Parts>,
    /// Whether a head waits to be written, or is being written.
    pub(crate) is_writing: Mutex<bool>,
    pub(crate) written: Condvar,
    /// Up to where readers see.
    pub(crate) applied: Watermark,
    pub(crate) publisher: WatermarkPublisher,
    /// Somebody who asked has met damage.
    pub(crate) has_met_damage: AtomicBool,
    /// The journal's directory.
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) store_id: u128,
    pub(crate) options: ReadModelOptions,
}

impl Shared {
    /// Hands an answer on; that it met damage is told to the follower, which has the store built anew.
    pub(crate) fn noting<T>(&self, answer: Result<T, ReadModelError>) -> Result<T, ReadModelError> {
        if answer.as_ref().is_err_and(ReadModelError::is_damage) {
            self.has_met_damage.store(true, Ordering::Release);
        }
        answer
    }

    /// Says up to where readers see. While a store is built anew they see less than they did.
    pub(crate) fn publish(&self, sequence: Sequence) {
        if sequence > self.applied.durable() {
            self.publisher.publish(sequence);
        }
    }
}
