//! What the head is behind of: the head that is being written to the store, and the store. Whoever looks something up asks the
//! head first, then here.

use std::sync::Arc;

use orderline_journal::Position;
use orderline_protocol::{GroupId, OrderId, Sequence};

use crate::error::ReadModelError;
use crate::head::{GroupRow, Head, Held, Note, NoteKey, Number};
use crate::order::{Order, Row};
use crate::store::{BlockCache, Run, Store, read_order};
use crate::term::Term;

type Kept<T> = Result<T, ReadModelError>;

/// See the page.
pub(crate) struct Older {
    pub(crate) frozen: Option<Arc<Head>>,
    pub(crate) store: Store,
    pub(crate) runs: Vec<Run>,
    /// The last sequence that is in the store.
    pub(crate) stored: Sequence,
}

/// An order where it lies.
pub(crate) enum Found<'a> {
    Order(&'a Order),
    Bytes(&'a [u8]),
}

impl Found<'_> {
    /// The order, taken out.
    pub(crate) fn to_order(&self) -> Kept<Order> {
        match self {
            Self::Order(order) => Ok((*order).clone()),
            Self::Bytes(bytes) => read_order(bytes),
        }
    }
}

/// All of the read models at one sequence: the newest part over the older ones.
pub(crate) struct View<'a> {
    pub(crate) head: &'a Head,
    pub(crate) older: &'a Older,
}

impl View<'_> {
    /// The heads, newest first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &Head> {
        std::iter::once(self.head).chain(self.older.frozen.as_deref())
    }

    /// Hands the order with a number over, where it lies.
    pub(crate) fn look<T>(
        &self,
        number: Number,
        cache: &mut BlockCache,
        read: impl FnOnce(&Found<'_>) -> Kept<T>,
    ) -> Kept<Option<T>> {
        for head in self.heads() {
            if let Some(order) = head.changed.get(&number) {
                return read(&Found::Order(order)).map(Some);
            }
            if let Some(bytes) = head.row(number) {
                return read(&Found::Bytes(bytes)).map(Some);
            }
        }
        self.older.store.order(number, cache, |bytes| read(&Found::Bytes(bytes)))
    }

    /// The order with a number.
    pub(crate) fn order(&self, number: Number) -> Kept<Option<Order>> {
        self.look(number, &mut BlockCache::default(), |found| found.to_order())
    }

    /// The number of an order.
    pub(crate) fn number_of(&self, order: OrderId) -> Kept<Option<Number>> {
        let id = order.get();
        for head in self.heads() {
            if let Some(&place) = head.ids.get(&id) {
                return Ok(Some(head.first + u64::from(place)));
            }
        }
        let mut cache = BlockCache::default();
        for run in self.older.runs.iter().rev().filter(|run| run.may_have(id)) {
            let mut found = None;
            let _ = self.older.store.places(run, Term::order(id), u32::MAX, |number| {
                // Another id may have the same hash.
                let is_it = |bytes: &[u8]| Ok(Row::read(bytes)?.order == order);
                if self.older.store.order(number, &mut cache, is_it)? == Some(true) {
                    found = Some(number);
                    return Ok(std::ops::ControlFlow::Break(()));
                }
                Ok(std::ops::ControlFlow::Continue(()))
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The orders of a group that was checked out: the number of the first, and how many there are.
    pub(crate) fn checked_out(&self, group: GroupId) -> Kept<Option<GroupRow>> {
        for head in self.heads() {
            if let Some(row) = head.groups.get(&group.get()) {
                return Ok(Some(*row));
            }
        }
        self.older.store.group(group.get())
    }

    /// The orders of a group; an order placed alone is its own.
    pub(crate) fn group(&self, group: GroupId) -> Kept<Option<GroupRow>> {
        if let Some(row) = self.checked_out(group)? {
            return Ok(Some(row));
        }
        let alone = self.number_of(OrderId::new(group.get()))?;
        Ok(alone.map(|number| GroupRow { first: number.into(), count: 1.into() }))
    }

    /// A reservation that is held.
    pub(crate) fn reservation(&self, id: u128) -> Kept<Option<Held>> {
        for head in self.heads() {
            if let Some(held) = head.reservations.get(&id) {
                return Ok(held.clone());
            }
        }
        self.older.store.reservation(id)
    }

    /// The notes of an order, or of a group by its first order: in the order of their sequences.
    pub(crate) fn notes(&self, number: Number, is_of_group: bool) -> Kept<Vec<(Sequence, Note)>> {
        let from = NoteKey { number, is_of_group, sequence: 0 };
        let to = NoteKey { sequence: Sequence::MAX, ..from };
        let mut notes = self.older.store.notes(&from, &to)?;
        for head in self.heads() {
            notes.extend(head.notes.range(from..=to).map(|(key, &note)| (key.sequence, note)));
        }
        notes.sort_unstable_by_key(|&(sequence, _)| sequence);
        // A head that was just written is still here as well.
        notes.dedup_by_key(|&mut (sequence, _)| sequence);
        Ok(notes)
    }

    /// The token for which a session went on at a sequence; 0: nobody was named. Nothing: what is known begins later.
    pub(crate) fn actor(&self, session: u32, at: Sequence) -> Kept<Option<u32>> {
        for head in self.heads() {
            if let Some((_, actor)) = head.actors.range((session, 0)..=(session, at)).next_back() {
                return Ok(Some(*actor));
            }
        }
        self.older.store.actor(session, at)
    }

    /// A place of the journal at or before a sequence.
    pub(crate) fn place_before(&self, sequence: Sequence) -> Kept<Option<Position>> {
        for head in self.heads() {
            let behind = head.places.partition_point(|place| place.sequence <= sequence);
            if let Some(place) = behind.checked_sub(1) {
                return Ok(Some(head.places[place]));
            }
        }
        self.older.store.place_before(sequence)
    }
}
