//! Retention: finished orders and reservations leave memory when their time there is over. They wait in one queue in the
//! order in which they finished, so that a look costs the same however many wait.

use std::collections::{BTreeMap, BTreeSet};

use orderline_protocol::event::{Event, EventKind, FinishedRetired, Retired, RetiredKind};
use orderline_protocol::limits::DUE_ENTRIES_MAX;
use orderline_protocol::{OrderId, ReservationId};
use xxhash_rust::xxh3::Xxh3;

use super::State;
use super::apply::Effect;
use super::decide::write;
use super::frozen::Pieces;
use super::hash::put;
use super::orders::OrderSlot;
use super::queue::Queue;
use super::reservations::ReservationSlot;
use super::timers::{SECOND_US, second_of};

/// What has finished and waits to leave memory, oldest first.
#[derive(Default)]
pub(crate) struct Finished {
    /// Second in which it finished, kind ([`RetiredKind`]), id.
    pub(crate) queue: Queue<(u32, u8, u128)>,
    /// The newest time in the id of an order that ever left memory, or of its group, in milliseconds; 0: none has.
    pub(crate) orders_horizon_ms: u64,
    pub(crate) reservations_horizon_ms: u64,
    /// Entries that were taken off the queue: the place of its first one, counted from where this process began.
    taken_count: u64,
    /// Orders that came to the queue again, for something of theirs had ended: the place of their newest entry, the one
    /// that counts. Follows from the queue.
    again: BTreeMap<u128, u64>,
    /// While a snapshot is made: what it still needs of the queue.
    frozen: Option<Box<FrozenQueue>>,
}

/// What a snapshot that is being made still needs of the queue: its entries, oldest first.
struct FrozenQueue {
    /// The place of the entry that comes next, counted as in `taken_count`.
    next: u64,
    /// The place behind the last one.
    end: u64,
    pieces: Pieces,
    hash: Xxh3,
}

impl FrozenQueue {
    fn put(&mut self, entry: &(u32, u8, u128), out: &mut Vec<u8>) {
        let start = out.len();
        put(entry, out);
        self.hash.update(&out[start..]);
        self.next += 1;
    }
}

/// The kind of the one entity that the queue and the horizons are for the state hash.
const HASH_KIND: u8 = 11;

impl Finished {
    fn push(&mut self, second: u32, kind: RetiredKind, id: u128) -> u64 {
        self.queue.push_back((second, kind as u8, id));
        self.taken_count + self.queue.len() as u64 - 1
    }

    /// Whether the order's entry at a place is not its newest.
    fn is_overtaken(&self, id: u128, place: u64) -> bool {
        self.again.get(&id).is_some_and(|&newest| newest != place)
    }

    /// The first entry, and whether it is its order's newest.
    fn take_first(&mut self) -> (RetiredKind, u128, bool) {
        let Some((second, number, id)) = self.queue.pop_front() else {
            panic!("entries were taken off the queue of what finished that are not there")
        };
        if let Some(frozen) = &mut self.frozen
            && frozen.next == self.taken_count
            && frozen.next < frozen.end
        {
            let mut pieces = std::mem::take(&mut frozen.pieces);
            frozen.put(&(second, number, id), pieces.out());
            frozen.pieces = pieces;
        }
        let kind = kind_of(number);
        let is_newest = kind != RetiredKind::Order || !self.is_overtaken(id, self.taken_count);
        if kind == RetiredKind::Order && is_newest {
            self.again.remove(&id);
        }
        self.taken_count += 1;
        (kind, id, is_newest)
    }

    fn hash_of_front(&self) -> Xxh3 {
        let mut hash = Xxh3::new();
        let mut front = vec![HASH_KIND];
        put(&(self.orders_horizon_ms, self.reservations_horizon_ms), &mut front);
        put(&(self.queue.len() as u64), &mut front);
        hash.update(&front);
        hash
    }

    /// The hash of the queue and the horizons.
    pub(super) fn hash(&self) -> u128 {
        let mut hash = self.hash_of_front();
        let mut bytes = Vec::new();
        for entry in self.queue.iter() {
            bytes.clear();
            put(entry, &mut bytes);
            hash.update(&bytes);
        }
        hash.digest128()
    }

    /// Begins a snapshot: a list of entries, its length first.
    pub(super) fn freeze(&mut self) {
        let (next, end) = (self.taken_count, self.taken_count + self.queue.len() as u64);
        let mut pieces = Pieces::default();
        put(&(self.queue.len() as u64), pieces.out());
        self.frozen = Some(Box::new(FrozenQueue { next, end, pieces, hash: self.hash_of_front() }));
    }

    /// Forgets the snapshot under way.
    pub(super) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// Writes more of the queue for the snapshot under way, about up to so many bytes. Returns its hash at its end.
    pub(super) fn walk(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Option<u128> {
        let mut frozen = self.frozen.take()?;
        if !frozen.pieces.take(out) {
            if frozen.next < frozen.end {
                // What was taken off meanwhile has been kept: the next entry is in the queue.
                let place = (frozen.next - self.taken_count) as usize;
                for entry in self.queue.iter_from(place).take((frozen.end - frozen.next) as usize) {
                    if out.len() >= bytes_max {
                        break;
                    }
                    frozen.put(entry, out);
                }
            }
            if frozen.next == frozen.end {
                return Some(frozen.hash.digest128());
            }
        }
        self.frozen = Some(frozen);
        None
    }
}

/// The kind of an entry of the queue.
pub(super) fn kind_of(number: u8) -> RetiredKind {
    match RetiredKind::from_number(number) {
        Some(kind) => kind,
        None => panic!("something of kind {number} has finished, which there is not"),
    }
}

/// Whether the time in an id lies ahead of a recorded time. What has such an id stays in memory, so that no horizon lies
/// ahead, where it would refuse everybody's new ids.
fn is_ahead(unix_ms: u64, now_us: i64) -> bool {
    unix_ms > now_us.max(0) as u64 / 1_000
}

impl State {
    /// When the oldest of what finished leaves memory.
    pub(super) fn next_retirement_us(&self) -> Option<i64> {
        let retention_s = self.settings.policy.retention_s.get();
        let &(second, ..) = self.finished.queue.front().filter(|_| retention_s > 0)?;
        Some((i64::from(second) + i64::from(retention_s)) * SECOND_US)
    }

    /// Takes what has been finished for long enough off the queue, a bounded part of it.
    pub(super) fn decide_retired(&self, now_us: i64, out: &mut Vec<u8>) -> Option<EventKind> {
        self.next_retirement_us().filter(|&due_us| due_us <= now_us)?;
        let finished = &self.finished;
        let up_to_s = now_us / SECOND_US - i64::from(self.settings.policy.retention_s.get());
        let due =
            finished.queue.iter().take_while(|entry| i64::from(entry.0) <= up_to_s).take(DUE_ENTRIES_MAX);
        let mut retired = Vec::new();
        let mut examined_count = 0_u16;
        let mut horizons_ms = [finished.orders_horizon_ms, finished.reservations_horizon_ms];
        for (&(_, number, id), place) in due.zip(finished.taken_count..) {
            examined_count += 1;
            let kind = kind_of(number);
            let is_overtaken = kind == RetiredKind::Order && finished.is_overtaken(id, place);
            let unix_ms = self.newest_unix_ms(kind, id);
            if is_overtaken || self.stands(kind, id) || is_ahead(unix_ms, now_us) {
                continue;
            }
            let horizon_ms = match kind {
                RetiredKind::Order => &mut horizons_ms[0],
                RetiredKind::Reservation => &mut horizons_ms[1],
            };
            // A horizon of zero would say that nothing has left.
            *horizon_ms = (*horizon_ms).max(unix_ms).max(1);
            retired.push(Retired { id: id.into(), kind: kind as u8, reserved: [0; 7] });
        }
        let event = FinishedRetired {
            orders_horizon_ms: horizons_ms[0].into(),
            reservations_horizon_ms: horizons_ms[1].into(),
            retired_count: (retired.len() as u16).into(),
            examined_count: examined_count.into(),
            reserved: [0; 4],
        };
        Some(write(Event::FinishedRetired(&event, &retired), out))
    }

    /// Whether something of an order stands, so that it stays.
    fn stands(&self, kind: RetiredKind, id: u128) -> bool {
        kind == RetiredKind::Order && self.has_something_standing(self.order_of(OrderId::new(id)))
    }

    /// The newest time in the ids that are not known any more when something leaves: its own, and that of its group, which
    /// may leave with it.
    fn newest_unix_ms(&self, kind: RetiredKind, id: u128) -> u64 {
        let own_ms = OrderId::new(id).unix_ms();
        match kind {
            RetiredKind::Order => own_ms.max(self.orders.group_of(self.order_of(OrderId::new(id))).unix_ms()),
            RetiredKind::Reservation => own_ms,
        }
    }

    pub(super) fn apply_retired(
        &mut self,
        at_us: i64,
        head: &FinishedRetired,
        retired: &[Retired],
    ) -> Effect {
        let mut leaving = retired.iter().map(|entry| (entry.kind, entry.id.get())).peekable();
        for _ in 0..head.examined_count.get() {
            let (kind, id, is_newest) = self.finished.take_first();
            let stays = !is_newest || self.stands(kind, id);
            if !stays && leaving.next_if_eq(&(kind as u8, id)).is_none() {
                // The time in its id has not come: it waits once more.
                self.finished.push(second_of(at_us), kind, id);
            }
        }
        self.finished.orders_horizon_ms = head.orders_horizon_ms.get();
        self.finished.reservations_horizon_ms = head.reservations_horizon_ms.get();
        for entry in retired {
            match kind_of(entry.kind) {
                RetiredKind::Order => self.retire_order(OrderId::new(entry.id.get())),
                RetiredKind::Reservation => {
                    let slot = self.reservation_of(ReservationId::new(entry.id.get()));
                    self.reservations.remove(slot);
                }
            }
        }
        Effect::of(0)
    }

    fn retire_order(&mut self, order: OrderId) {
        let slot = self.order_of(order);
        let group = self.orders.group_of(slot);
        assert!(
            !self.has_something_standing(slot),
            "order {order} leaves memory while something of it stands"
        );
        self.orders.remove(slot);
        // An order alone has a group only once money was recorded for it.
        let Some(slot) = self.groups.find(group) else { return };
        let of = self.groups.get_mut(slot);
        of.order_count -= 1;
        if of.order_count == 0 {
            // Nothing of its payment is promised, or its orders would have stayed: it has no timer.
            self.groups.remove(slot);
        }
    }

    /// An order was completed, cancelled, or has expired: its money is the seller's, and its time in memory runs, unless
    /// something of it still stands.
    pub(super) fn order_finished(&mut self, at_us: i64, slot: OrderSlot) {
        if !self.has_something_standing(slot) {
            let id = self.orders.head(slot).id.get();
            self.finished.push(second_of(at_us), RetiredKind::Order, id);
        }
        self.order_money_payable(slot);
    }

    /// A hold, a refund or a return of an order has ended, or what was promised for its group. If that was the last that stood of a finished order, the order's
    /// time in memory runs from now on.
    pub(super) fn something_ended(&mut self, at_us: i64, slot: OrderSlot) {
        let head = self.orders.head(slot);
        if head.state().is_open() || self.has_something_standing(slot) {
            return;
        }
        let id = head.id.get();
        let place = self.finished.push(second_of(at_us), RetiredKind::Order, id);
        self.finished.again.insert(id, place);
    }

    /// A reservation was consumed or released, or has expired: its time in memory runs.
    pub(super) fn reservation_finished(&mut self, at_us: i64, slot: ReservationSlot) {
        let id = self.reservations.get(slot).head.id.get();
        self.finished.push(second_of(at_us), RetiredKind::Reservation, id);
    }

    /// Whether something of an order still stands that it must not be forgotten with: a hold, a refund, a return, or money
    /// that is promised for its group and can still be captured.
    pub(super) fn has_something_standing(&self, slot: OrderSlot) -> bool {
        let of_itself = self.orders.detail(slot).is_some_and(|detail| detail.has_something_standing());
        of_itself || self.is_promised_money(slot)
    }

    fn is_promised_money(&self, slot: OrderSlot) -> bool {
        let group = self.groups.find(self.orders.group_of(slot));
        group.is_some_and(|group| self.groups.get(group).payment.is_promised())
    }

    /// Finds again, after a snapshot was read, which entry of the queue counts for orders that are in it more than once.
    pub(super) fn rebuild_finished(&mut self, detailed: &[OrderSlot]) {
        // Only an order of which something can have stood comes to the queue again.
        let mut candidates = BTreeSet::new();
        for &slot in detailed.iter().filter(|&&slot| !self.orders.head(slot).state().is_open()) {
            if self.orders.detail(slot).is_some_and(|detail| {
                !detail.holds.is_empty() || !detail.refunds.is_empty() || !detail.returns.is_empty()
            }) {
                candidates.insert(self.orders.head(slot).id.get());
            }
        }
        for group in self.groups.iter().filter(|group| group.payment.number > 0) {
            let slots = group.orders().filter_map(|order| self.orders.find(order));
            let finished = slots.filter(|&slot| !self.orders.head(slot).state().is_open());
            candidates.extend(finished.map(|slot| self.orders.head(slot).id.get()));
        }
        if candidates.is_empty() {
            return;
        }
        for (&(_, kind, id), place) in self.finished.queue.iter().zip(self.finished.taken_count..) {
            if kind == RetiredKind::Order as u8 && candidates.contains(&id) {
                self.finished.again.insert(id, place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orderline_protocol::LocationHandle;
    use orderline_protocol::lifecycle::{
        Action, HoldState, OrderState, PaymentState, RefundState, ReturnState,
    };

    use super::*;
    use crate::state::check::tests::one_order;
    use crate::state::detail::{Detail, Refund, Return};
    use crate::state::due::tests::{ORDER, authorize, hold, tick};

    const RETIRED: [EventKind; 1] = [EventKind::FinishedRetired];

    /// An order that was cancelled in second 100; what finished is kept for 50 seconds.
    fn cancelled() -> State {
        let mut state = one_order();
        state.settings.policy.retention_s = 50.into();
        cancel(&mut state, 100);
        state
    }

    fn cancel(state: &mut State, second: i64) {
        let slot = state.order_of(ORDER);
        let units = state.movable_units(slot, LocationHandle::NONE);
        state.give_back(slot, &units);
        state.move_state(second * SECOND_US, slot, Action::Cancel, OrderState::Cancelled);
    }

    /// Changes something of the order, and says that it ended, as the events of its room do.
    fn end(state: &mut State, second: i64, change: impl FnOnce(&mut Detail)) {
        let slot = state.order_of(ORDER);
        change(state.orders.detail_mut(slot));
        state.something_ended(second * SECOND_US, slot);
    }

    fn release(state: &mut State, second: i64, number: u16) {
        end(state, second, |detail| detail.holds[usize::from(number) - 1].set_state(HoldState::Released));
    }

    fn image_and_back(state: &mut State) -> State {
        let mut sections = BTreeMap::new();
        state
            .write_image(|tag, bytes| {
                sections.entry(tag).or_insert_with(Vec::new).extend_from_slice(bytes);
                Ok(())
            })
            .unwrap();
        State::read_image(3, |tag, read| read(&mut &sections[&tag][..])).unwrap()
    }

    #[test]
    fn a_hold_keeps_a_finished_order_until_its_end_and_the_retention_behind_it() {
        let mut state = cancelled();
        let number = hold(&mut state, 0);
        assert_eq!(state.check(), vec![]);
        assert_eq!(tick(&mut state, 150), RETIRED, "it is taken off the queue, and stays in memory");
        assert_eq!((state.orders.len(), state.finished.queue.len()), (1, 0));
        assert_eq!((tick(&mut state, 1_000), state.check()), (vec![], vec![]));
        release(&mut state, 2_000, number);
        assert_eq!(tick(&mut state, 2_049), []);
        assert_eq!(tick(&mut state, 2_050), RETIRED);
        assert_eq!((state.orders.len(), state.check()), (0, vec![]));
    }

    #[test]
    fn an_order_that_finishes_under_a_hold_waits_from_the_holds_end() {
        let mut state = one_order();
        state.settings.policy.retention_s = 50.into();
        hold(&mut state, 500);
        cancel(&mut state, 100);
        assert!(state.finished.queue.front().is_none());
        assert_eq!(tick(&mut state, 500), [EventKind::TimePassed]);
        assert_eq!(tick(&mut state, 549), []);
        assert_eq!(tick(&mut state, 550), RETIRED);
        assert_eq!(state.orders.len(), 0);
    }

    #[test]
    fn of_an_orders_entries_the_newest_counts() {
        for goes_through_a_snapshot in [false, true] {
            let mut state = cancelled();
            for second in [110, 120] {
                let number = hold(&mut state, 0);
                release(&mut state, second, number);
            }
            if goes_through_a_snapshot {
                state = image_and_back(&mut state);
            }
            assert_eq!((state.finished.queue.len(), state.check()), (3, vec![]));
            assert_eq!(tick(&mut state, 160), RETIRED);
            assert_eq!((state.orders.len(), state.finished.queue.len()), (1, 1));
            if goes_through_a_snapshot {
                state = image_and_back(&mut state);
            }
            assert_eq!(tick(&mut state, 169), []);
            assert_eq!(tick(&mut state, 170), RETIRED);
            assert_eq!((state.orders.len(), state.finished.queue.len()), (0, 0));
            assert!(state.finished.again.is_empty());

            // All entries in one look: it leaves once.
            let mut state = cancelled();
            let number = hold(&mut state, 0);
            release(&mut state, 110, number);
            assert_eq!(tick(&mut state, 9_000), RETIRED);
            assert_eq!((state.orders.len(), state.finished.queue.len()), (0, 0));
        }
    }

    #[test]
    fn refunds_and_returns_that_have_not_ended_keep_their_order() {
        let mut state = cancelled();
        let slot = state.order_of(ORDER);
        let detail = state.orders.detail_mut(slot);
        detail.refunds.push(Refund::new(5, 0, 0));
        detail.returns.push(Return::new(ReturnState::Requested, false, 0, 0, Vec::new()));
        assert_eq!(tick(&mut state, 200), RETIRED);
        end(&mut state, 210, |detail| detail.refunds[0].set_state(RefundState::Failed));
        assert_eq!(tick(&mut state, 300), []);
        // A return that was received is not finished before it is closed.
        for state_of_return in [ReturnState::Approved, ReturnState::Received] {
            end(&mut state, 310, |detail| detail.returns[0].set_state(state_of_return));
            assert_eq!(tick(&mut state, 400), []);
        }
        end(&mut state, 410, |detail| detail.returns[0].set_state(ReturnState::Closed));
        assert_eq!(tick(&mut state, 459), []);
        assert_eq!(tick(&mut state, 460), RETIRED);
        assert_eq!(state.orders.len(), 0);
    }

    #[test]
    fn what_has_an_id_from_the_future_stays_until_its_time_has_come() {
        for goes_through_a_snapshot in [false, true] {
            let mut state = cancelled();
            // As if its group's id were made in second 250.
            let slot = state.order_of(ORDER);
            let group = orderline_protocol::GroupId::from_parts(250_000, 1);
            state.orders.detail_mut(slot).group = group.get();
            assert_eq!(tick(&mut state, 150), RETIRED, "it is looked at, and waits again");
            let horizon_ms = |state: &State| state.finished.orders_horizon_ms;
            assert_eq!(
                (state.orders.len(), state.finished.queue.front().map(|entry| entry.0), horizon_ms(&state)),
                (1, Some(150), 0)
            );
            if goes_through_a_snapshot {
                state = image_and_back(&mut state);
            }
            assert_eq!(tick(&mut state, 200), RETIRED);
            // A hold that ends meanwhile makes another entry, and that one counts.
            let number = hold(&mut state, 0);
            release(&mut state, 210, number);
            assert_eq!(tick(&mut state, 250), RETIRED);
            assert_eq!((state.orders.len(), state.finished.queue.len(), horizon_ms(&state)), (1, 1, 0));
            assert_eq!(tick(&mut state, 259), []);
            assert_eq!(tick(&mut state, 260), RETIRED);
            assert_eq!((state.orders.len(), state.finished.queue.len()), (0, 0));
            assert_eq!(horizon_ms(&state), 250_000, "and the horizon is not ahead of the recorded time");
        }
    }

    #[test]
    fn money_that_is_promised_keeps_a_finished_order_until_the_promise_ends() {
        let is_there = |state: &State| (state.orders.len(), state.groups.iter().count());
        for goes_through_a_snapshot in [false, true] {
            // It lapses.
            let mut state = cancelled();
            authorize(&mut state, PaymentState::Authorized, 0, 9_000);
            assert_eq!(tick(&mut state, 150), RETIRED, "it is taken off the queue, and stays in memory");
            assert_eq!((is_there(&state), state.finished.queue.len(), state.check()), ((1, 1), 0, vec![]));
            if goes_through_a_snapshot {
                state = image_and_back(&mut state);
            }
            assert_eq!(tick(&mut state, 8_999), []);
            assert_eq!(tick(&mut state, 9_000), [EventKind::TimePassed]);
            assert_eq!((tick(&mut state, 9_049), state.check()), (vec![], vec![]));
            if goes_through_a_snapshot {
                state = image_and_back(&mut state);
            }
            assert_eq!(tick(&mut state, 9_050), RETIRED);
            assert_eq!((is_there(&state), state.timers.all().len(), state.next_due_us()), ((0, 0), 0, None));

            // What is left of it is given back, while the order still waits: it waits from then on.
            let mut state = cancelled();
            authorize(&mut state, PaymentState::PartiallyCaptured, 6, 9_000);
            let group = state.groups.find(ORDER.into()).unwrap();
            state.lapse_payment(120 * SECOND_US, group, Action::Void, 0);
            assert_eq!(state.finished.queue.len(), 2);
            if goes_through_a_snapshot {
                state = image_and_back(&mut state);
            }
            assert_eq!(tick(&mut state, 150), RETIRED);
            assert_eq!(is_there(&state), (1, 1));
            assert_eq!(tick(&mut state, 169), []);
            assert_eq!(tick(&mut state, 170), RETIRED);
            assert_eq!(is_there(&state), (0, 0));
        }

        // A hold that ends does not send it away while the promise stands, nor the other way round.
        let mut state = cancelled();
        authorize(&mut state, PaymentState::Authorized, 0, 9_000);
        let number = hold(&mut state, 0);
        release(&mut state, 110, number);
        let number = hold(&mut state, 0);
        assert_eq!(tick(&mut state, 9_000), [EventKind::TimePassed, EventKind::FinishedRetired]);
        assert_eq!((is_there(&state), state.finished.queue.len()), ((1, 1), 0));
        release(&mut state, 9_100, number);
        assert_eq!(tick(&mut state, 9_150), RETIRED);
        assert_eq!((is_there(&state), state.check()), ((0, 0), vec![]));
    }
}
