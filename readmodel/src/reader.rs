//! Asking: a reader, what its answers speak of, and pages.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use orderline_journal::Watermark;
use orderline_protocol::event::OrderState;
use orderline_protocol::{GroupId, OrderId, Sequence};

use crate::error::ReadModelError;
use crate::order::Order;
use crate::shared::{Parts, Shared};

/// Asks the read models. Clones of it may ask from any thread while the follower goes on.
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

/// What an answer speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// All events up to this sequence are in it, and none behind it.
    pub sequence: Sequence,
    /// Recorded time of that sequence, in microseconds since 1970; 0: nothing happened yet.
    pub recorded_at_us: i64,
    /// What happened before this sequence is not known, but for how it left the orders that the engine still held; 1: all is.
    pub known_from: Sequence,
}

/// A page of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What it speaks of.
    pub as_of: AsOf,
    /// What is on it. It may be short, or even empty, while there is more: no page does more than a bounded work.
    pub items: Vec<T>,
    /// What to ask the next page with; none: this was the last one.
    pub next: Option<Cursor>,
}

/// Where the next page of an answer begins. It is handed out with a page and says nothing to anybody else; it stays good while
/// orders come and change, across restarts as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// A digest of what was asked, which must be asked again.
    pub(crate) asked: u32,
    /// Two numbers whose meaning is the question's.
    pub(crate) at: [u64; 2],
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, at: [first, second] } = self;
        write!(f, "{asked:08x}{first:016x}{second:016x}")
    }
}

impl FromStr for Cursor {
    type Err = ReadModelError;

    fn from_str(text: &str) -> Result<Self, ReadModelError> {
        let part = |from: usize, to: usize| {
            let digits = text.get(from..to).filter(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
            digits.and_then(|digits| u64::from_str_radix(digits, 16).ok())
        };
        match (text.len(), part(0, 8), part(8, 24), part(24, 40)) {
            (40, Some(asked), Some(first), Some(second)) => {
                Ok(Self { asked: asked as u32, at: [first, second] })
            }
            _ => Err(ReadModelError::Cursor(text.chars().take(64).collect())),
        }
    }
}

impl Cursor {
    /// Where a page begins whose question has this digest; nothing: at the beginning.
    ///
    /// # Errors
    /// [`ReadModelError::Cursor`] if the cursor is another question's.
    pub(crate) fn of(cursor: Option<&Self>, asked: u32) -> Result<Option<[u64; 2]>, ReadModelError> {
        match cursor {
            Some(cursor) if cursor.asked != asked => Err(ReadModelError::Cursor(cursor.to_string())),
            cursor => Ok(cursor.map(|cursor| cursor.at)),
        }
    }
}

impl Parts {
    pub(crate) fn as_of(&self) -> AsOf {
        let now = self.head.now;
        AsOf { sequence: now.sequence, recorded_at_us: now.at_us, known_from: self.head.known_from }
    }
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// How far the read models have come.
    pub fn as_of(&self) -> AsOf {
        self.shared.parts.read().as_of()
    }

    /// Orders that are known, in the engine's memory or not any more, by their states.
    pub fn orders_by_state(&self) -> Vec<(OrderState, u64)> {
        let states = self.shared.parts.read().head.states;
        OrderState::ALL.iter().map(|&state| (state, states[state as usize])).collect()
    }

    /// Waits until a sequence is in the read models, so that a caller reads what it wrote; false if the time ran out first.
    pub fn wait_for(&self, sequence: Sequence, timeout: Duration) -> bool {
        // While a store is built anew it has less in it than it had.
        self.shared.applied.wait_for(sequence, timeout) && self.as_of().sequence >= sequence
    }

    /// How far the read models have come, as a cursor that can be subscribed to.
    pub fn applied(&self) -> Watermark {
        self.shared.applied.clone()
    }

    /// Why the read models do not follow any more; nothing while they do. What they hold can still be asked.
    pub fn stopped(&self) -> Option<String> {
        self.shared.parts.read().stopped.clone()
    }

    /// The last sequence that is in the store: a start reads the journal again from there on.
    pub fn stored(&self) -> Sequence {
        self.shared.parts.read().older.stored
    }

    /// Bytes that the store takes on disk.
    ///
    /// # Errors
    /// If its directory cannot be read.
    pub fn disk_bytes(&self) -> Result<u64, ReadModelError> {
        let store = self.shared.parts.read().older.store.clone();
        store.disk_bytes()
    }

    /// One order, in the engine's memory or not any more.
    ///
    /// # Errors
    /// If the store is damaged.
    pub fn order(&self, order: OrderId) -> Result<Option<Order>, ReadModelError> {
        let parts = self.shared.parts.read();
        let view = parts.view();
        let order =
            view.number_of(order).and_then(|number| number.map_or(Ok(None), |number| view.order(number)));
        self.shared.noting(order)
    }

    /// The orders of a group, in the order in which they were placed; none: the group is not known.
    ///
    /// # Errors
    /// If the store is damaged.
    pub fn group(&self, group: GroupId) -> Result<Vec<Order>, ReadModelError> {
        let parts = self.shared.parts.read();
        let view = parts.view();
        let Some(row) = self.shared.noting(view.group(group))? else { return Ok(Vec::new()) };
        let numbers = row.first.get()..row.first.get() + u64::from(row.count.get());
        self.shared.noting(numbers.filter_map(|number| view.order(number).transpose()).collect())
    }
}
