//! Work queues: the fulfilment orders of a location that are not over, longest open first.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use orderline_protocol::lifecycle::WorkState;
use orderline_protocol::{LocationHandle, Sequence};
use zerocopy::FromBytes;

use crate::error::{Damage, ReadModelError};
use crate::head::{QueueKey, Queued};
use crate::order::Order;
use crate::reader::{Cursor, Page, Reader};
use crate::store::{key, letter, queue_key};
use crate::timeline::PAGE_ENTRIES_MAX;

/// A fulfilment order that waits for its location, or that its location is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedWork {
    /// Of which order.
    pub order: Order,
    /// How far its location is.
    pub state: WorkState,
    /// The sequence at which it was opened.
    pub opened_sequence: Sequence,
    /// Recorded time of that, in microseconds since 1970: how old it is.
    pub opened_at_us: i64,
}

/// Entries of a queue that are read over for one page at most: those that a state leaves out, and those that the head has
/// taken out of it.
const LOOKED_AT_MAX: usize = 10_000;

impl Reader {
    /// The fulfilment orders of a location that are open, accepted, in progress or on hold, or in one of these states, longest
    /// open first, at most `limit` of them from a cursor on.
    ///
    /// # Errors
    /// [`ReadModelError::Cursor`] if the cursor is another location's; if the store is damaged.
    pub fn work(
        &self,
        location: LocationHandle,
        state: Option<WorkState>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<QueuedWork>, ReadModelError> {
        self.shared.noting(self.work_page(location, state, cursor, limit))
    }

    fn work_page(
        &self,
        location: LocationHandle,
        state: Option<WorkState>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<QueuedWork>, ReadModelError> {
        let asked = u32::from(location.get()) << 8 | state.map_or(0, |state| state as u32);
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let parts = self.shared.parts.read();
        let view = parts.view();
        let mut items = Vec::new();
        let mut from = Cursor::of(cursor, asked)?;
        let mut looked_at = 0;
        while items.len() < limit && looked_at < LOOKED_AT_MAX {
            // What the store has, then what the heads say of these, newest head last.
            let behind = match from {
                None => QueueKey { location, opened_sequence: 0, number: 0 },
                Some([opened_sequence, number]) => QueueKey { location, opened_sequence, number: number + 1 },
            };
            let mut found: BTreeMap<QueueKey, Queued> = BTreeMap::new();
            let prefix = key(letter::QUEUE, &[&location.get().to_be_bytes()]);
            view.older.store.each_from(&prefix, &queue_key(&behind), |key, value| {
                found.insert(read_key(location, key)?, Queued::read_from_bytes(value).map_err(|_| QUEUED)?);
                Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
            // Where the store was read up to: behind it the heads must not run ahead.
            let last = if found.len() < limit { None } else { found.last_key_value().map(|(&key, _)| key) };
            let end = QueueKey { location, opened_sequence: Sequence::MAX, number: u64::MAX };
            looked_at += found.len();
            let heads: Vec<_> = view.heads().collect();
            for head in heads.into_iter().rev() {
                for (&key, queued) in
                    head.queue.range((Bound::Included(behind), Bound::Included(last.unwrap_or(end))))
                {
                    looked_at += 1;
                    match queued {
                        Some(queued) => _ = found.insert(key, *queued),
                        None => _ = found.remove(&key),
                    }
                }
            }
            let mut reached = last;
            for (key, queued) in found {
                if items.len() == limit {
                    break;
                }
                let is_wanted = state.is_none_or(|state| queued.state == state as u8);
                if is_wanted {
                    let order = view.order(key.number)?.ok_or(Damage("an order in a queue is not kept"))?;
                    let state = WorkState::from_number(queued.state).ok_or(QUEUED)?;
                    let (opened_sequence, opened_at_us) = (key.opened_sequence, queued.opened_at_us.get());
                    items.push(QueuedWork { order, state, opened_sequence, opened_at_us });
                }
                if items.len() == limit {
                    reached = Some(key);
                }
            }
            let Some(reached) = reached else {
                return Ok(Page { as_of: parts.as_of(), items, next: None });
            };
            from = Some([reached.opened_sequence, reached.number]);
        }
        let next = from.map(|at| Cursor { asked, at });
        Ok(Page { as_of: parts.as_of(), items, next })
    }
}

const QUEUED: Damage = Damage("an entry of a queue is not one");

fn read_key(location: LocationHandle, key: &[u8]) -> Result<QueueKey, Damage> {
    let number = |from: usize| {
        let bytes = key.get(from..from + 8).and_then(|bytes| bytes.try_into().ok()).ok_or(QUEUED)?;
        Ok(u64::from_be_bytes(bytes))
    };
    Ok(QueueKey { location, opened_sequence: number(3)?, number: number(11)? })
}
