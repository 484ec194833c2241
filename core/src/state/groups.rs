//! Order groups: one checkout of one buyer, and its payment. An order placed alone is a group under its own id; its group
//! comes to be when money is first recorded for it.

use orderline_protocol::lifecycle::PaymentState;
use orderline_protocol::{BuyerId, CurrencyCode, GroupId, OrderId, Sequence};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::frozen::Frozen;
use super::hash::{Sum, put};
use super::id_table::{IdHash, IdTable};
use super::slab::Slab;
use super::timers::TimerSlot;

/// A group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: u128,
    /// Where it was placed; for an order alone, where that was.
    pub(crate) placed_sequence: Sequence,
    /// The digest of the checkout; for an order alone, of its placement.
    pub(crate) digest: u32,
    pub(crate) version: u32,
    pub(crate) buyer: u64,
    pub(crate) currency: u16,
    /// What its orders cost when they were placed.
    pub(crate) placed_total: i64,
    /// Its orders, as they were placed. One that has left memory is still here.
    pub(crate) orders: SmallVec<[u128; 1]>,
    /// Orders that are still in memory.
    pub(crate) order_count: u32,
    pub(crate) payment: Payment,
}

impl Group {
    pub(crate) fn id(&self) -> GroupId {
        GroupId::new(self.id)
    }

    pub(crate) fn buyer(&self) -> BuyerId {
        BuyerId::new(self.buyer)
    }

    pub(crate) fn currency(&self) -> CurrencyCode {
        CurrencyCode::new(self.currency)
    }

    /// Writes it as a snapshot keeps it.
    fn put_image(&self, out: &mut Vec<u8>, sum: &mut Sum) {
        put(self, out);
        self.add_hash(sum);
    }

    /// Adds its hash.
    pub(super) fn add_hash(&self, sum: &mut Sum) {
        sum.add(8, |out| put(self, out));
    }

    /// Its orders' ids, as they were placed.
    pub(crate) fn orders(&self) -> impl Iterator<Item = OrderId> {
        self.orders.iter().map(|&id| OrderId::new(id))
    }
}

/// The newest payment of a group, in minor units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Payment {
    /// Attempts so far; 0: none yet.
    pub(crate) number: u16,
    state: u8,
    /// What is promised, captures included.
    pub(crate) authorized: i64,
    /// Captured by this payment. No other follows one that captured anything, so this is what was captured of the group.
    pub(crate) captured: i64,
    /// Refunded of that, for orders that have left memory, too.
    pub(crate) refunded: i64,
    /// When the promise lapses; 0: never.
    pub(crate) expires_at_us: i64,
    /// The payment service's number.
    pub(crate) reference: u64,
    /// When what was last reported of it happened, as the caller said; 0: not said.
    pub(crate) happened_at_us: i64,
    #[serde(skip)]
    pub(crate) timer: PaymentTimer,
}

/// A payment's timer: where it stands is no part of what the payment is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PaymentTimer(pub(crate) TimerSlot);

impl PartialEq for PaymentTimer {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Default for Payment {
    fn default() -> Self {
        Self {
            number: 0,
            state: PaymentState::Pending as u8,
            authorized: 0,
            captured: 0,
            refunded: 0,
            expires_at_us: 0,
            reference: 0,
            happened_at_us: 0,
            timer: PaymentTimer::default(),
        }
    }
}

impl Payment {
    pub(crate) fn state(&self) -> PaymentState {
        match PaymentState::from_number(self.state) {
            Some(state) => state,
            None => panic!("there is no payment state {}", self.state),
        }
    }

    /// Whether a payment read from a snapshot has a state that this program knows.
    pub(crate) fn is_sound(&self) -> bool {
        PaymentState::from_number(self.state).is_some()
    }

    pub(crate) fn set_state(&mut self, state: PaymentState) {
        self.state = state as u8;
    }

    /// Whether something is promised that was neither captured nor given back, and has not lapsed.
    pub(crate) fn is_promised(&self) -> bool {
        matches!(self.state(), PaymentState::Authorized | PaymentState::PartiallyCaptured)
    }
}

/// All groups.
pub(crate) struct Groups {
    ids: IdTable,
    groups: Slab<Group>,
    /// While a snapshot is made: what it still needs, by slot.
    frozen: Option<Box<Frozen>>,
}

/// Which group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupSlot(u32);

impl Groups {
    pub(crate) fn new(seed: u64) -> Self {
        Self { ids: IdTable::new(seed), groups: Slab::default(), frozen: None }
    }

    fn hash(&self, id: u128) -> IdHash {
        self.ids.hash(id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.len() == 0
    }

    #[inline]
    pub(crate) fn find(&self, id: GroupId) -> Option<GroupSlot> {
        let is_it = |slot| self.groups.get(slot).id == id.get();
        self.ids.find(self.hash(id.get()), is_it).map(GroupSlot)
    }

    /// Has an id's place fetched, if there is any group.
    #[inline]
    pub(crate) fn prefetch(&self, id: u128) {
        if self.ids.len() > 0 {
            self.ids.prefetch(self.hash(id));
        }
    }

    #[inline]
    pub(crate) fn get(&self, slot: GroupSlot) -> &Group {
        self.groups.get(slot.0)
    }

    pub(crate) fn get_mut(&mut self, slot: GroupSlot) -> &mut Group {
        self.keep(slot);
        self.groups.get_mut(slot.0)
    }

    /// Adds a group whose id is not there yet.
    pub(crate) fn insert(&mut self, group: Group) -> GroupSlot {
        let hash = self.hash(group.id);
        let slot = self.groups.insert(group);
        if let Some(frozen) = &mut self.frozen {
            frozen.needs(slot as usize);
        }
        self.ids.insert(hash, slot);
        GroupSlot(slot)
    }

    pub(crate) fn remove(&mut self, slot: GroupSlot) -> Group {
        self.keep(slot);
        let group = self.groups.remove(slot.0);
        self.ids.remove(self.hash(group.id), slot.0);
        group
    }

    /// Whatever changes a group comes through here first: a snapshot under way may still need it as it is.
    fn keep(&mut self, slot: GroupSlot) {
        if let Some(frozen) = &mut self.frozen
            && frozen.needs(slot.0 as usize)
        {
            let (out, sum) = frozen.kept();
            self.groups.get(slot.0).put_image(out, sum);
        }
    }

    /// Begins a snapshot: a list of groups, its length first.
    pub(crate) fn freeze(&mut self) {
        let mut frozen = Box::new(Frozen::new(self.groups.places()));
        put(&(self.groups.len() as u64), frozen.kept().0);
        self.frozen = Some(frozen);
    }

    /// Forgets the snapshot under way.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// Writes more of the snapshot under way, about up to so many bytes. Returns the sum of all hashes at its end.
    pub(crate) fn walk(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Option<u128> {
        let total = self.frozen.as_mut()?.walk(out, bytes_max, |place, is_needed, out, sum| {
            if let Some(group) = self.groups.at(place).filter(|_| is_needed) {
                group.put_image(out, sum);
            }
            place + 1
        });
        self.frozen.take_if(|_| total.is_some());
        total
    }

    /// What stands at the places from one on, each with the place behind it.
    pub(crate) fn iter_from(&self, place: usize) -> impl Iterator<Item = (usize, Option<&Group>)> {
        self.groups.iter_from(place)
    }

    /// Every group, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }
}
