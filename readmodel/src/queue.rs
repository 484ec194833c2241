//! Work queues: the fulfilment orders of a location that are not over, longest open first.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use orderline_protocol::lifecycle::WorkState;
use orderline_protocol::{LocationHandle, Sequence};

use crate::error::{Damage, ReadModelError};
use crate::head::{Head, QueueKey, Queued};
use crate::list::{Listed, walk};
use crate::order::Order;
use crate::reader::{Cursor, Page, Reader};
use crate::store::{key, letter, number_at};
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

impl Listed for QueueKey {
    type Entry = Queued;

    fn key(&self) -> Vec<u8> {
        let location = self.location.get().to_be_bytes();
        key(letter::QUEUE, &[&location, &self.opened_sequence.to_be_bytes(), &self.number.to_be_bytes()])
    }

    fn read(key: &[u8]) -> Option<Self> {
        let location = LocationHandle::new(u16::from_be_bytes(key.get(1..3)?.try_into().ok()?));
        Some(Self { location, opened_sequence: number_at(key, 3)?, number: number_at(key, 11)? })
    }

    fn changes(head: &Head) -> &BTreeMap<Self, Option<Queued>> {
        &head.queue
    }
}

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
        let behind = Cursor::of(cursor, asked)?.map(|[opened_sequence, number]| QueueKey {
            location,
            opened_sequence,
            number,
        });
        let ends = (
            QueueKey { location, opened_sequence: 0, number: 0 },
            QueueKey { location, opened_sequence: Sequence::MAX, number: u64::MAX },
        );
        let prefix = key(letter::QUEUE, &[&location.get().to_be_bytes()]);
        let parts = self.shared.parts.read();
        let view = parts.view();
        let mut items = Vec::new();
        let reached = walk(&view, &prefix, ends, behind, limit, |key: QueueKey, queued| {
            if state.is_none_or(|state| queued.state == state as u8) {
                let order = view.order(key.number)?.ok_or(Damage("an order in a queue is not kept"))?;
                let state = WorkState::from_number(queued.state)
                    .ok_or(Damage("work in a queue is in no known state"))?;
                let (opened_sequence, opened_at_us) = (key.opened_sequence, queued.opened_at_us.get());
                items.push(QueuedWork { order, state, opened_sequence, opened_at_us });
            }
            Ok(if items.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let next = reached.map(|key| Cursor { asked, at: [key.opened_sequence, key.number] });
        Ok(Page { as_of: parts.as_of(), items, next })
    }
}
