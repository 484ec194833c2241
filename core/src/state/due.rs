//! What falls due by itself: refills of backorders, expiry by tick, finished orders and reservations leaving memory, the
//! naming of orders that a shortage hits. Each is decided here, journalled like a command's event, and applied here.

use orderline_protocol::event::{Event, EventKind, Expiry, ExpiryKind, OrderState, TimePassed};
use orderline_protocol::lifecycle::{Action, HoldState, ReservationState};
use orderline_protocol::limits::DUE_ENTRIES_MAX;
use orderline_protocol::{GroupId, LocationHandle, OrderId, ReservationId};

use super::State;
use super::apply::Effect;
use super::decide::{Scratch, write};
use super::orders::{OrderSlot, Orders};
use super::timers::{SECOND_US, TimerKey, TimerSlot};
use crate::bugs::is_planted;

/// What came of looking for what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// An event of this kind: its bytes have been written. Journal it, apply it, and look again.
    Event(EventKind),
    /// Nothing yet: a long search is under way. Look again when there is time.
    Searching,
    /// Nothing now.
    Nothing,
}

/// Timers and pending orders that one look puts into order: a second in which many are due takes several looks.
const LOOK_ENTRIES_MAX: usize = 4_096;

/// Pending orders of a past second that a placement looks at, so that they do not pile up where nobody looks for what is
/// due: when a journal is replayed.
const PLACEMENT_ENTRIES_MAX: usize = 2;

impl State {
    /// Looks for what must happen before any other command is decided: stock that came free for backorders. On
    /// [`Due::Event`] the event's bytes have been appended to `out`.
    pub fn decide_refill(&mut self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Due {
        self.next_refill(scratch, out)
    }

    /// Whether stock came free that somebody may wait for.
    #[inline]
    pub fn has_refills(&self) -> bool {
        !self.stock.refills_due.is_empty()
    }

    /// Looks for what is due at a recorded time (microseconds since 1970): expiries, retirements, shortages to be named. On
    /// [`Due::Event`] the event's bytes have been appended to `out`.
    ///
    /// It changes nothing that anybody can see: only how far what follows from the rest has been looked through.
    pub fn decide_due(&mut self, now_us: i64, _scratch: &mut Scratch, out: &mut Vec<u8>) -> Due {
        if self.next_expiry_us().is_some_and(|due_us| due_us <= now_us) {
            match self.decide_time_passed(now_us, out) {
                Due::Nothing => {}
                due => return due,
            }
        }
        if let Some(kind) = self.decide_retired(now_us, out) {
            return Due::Event(kind);
        }
        self.next_shortage(out)
    }

    /// When the next look is worth it, in microseconds since 1970; `None`: not before another event.
    pub fn next_due_us(&self) -> Option<i64> {
        self.next_expiry_us().into_iter().chain(self.next_retirement_us()).min()
    }

    /// When something may expire next. A pending order's time may turn out to have been for one that is confirmed by now.
    fn next_expiry_us(&self) -> Option<i64> {
        let pending_s = i64::from(self.settings.policy.pending_order_s.get());
        let placed_s = self.timers.pending.first_second();
        let order_us = placed_s.map(|placed_s| (i64::from(placed_s) + pending_s) * SECOND_US);
        self.timers.next_due_us().into_iter().chain(order_us).min()
    }

    /// Names what has expired, a bounded part of it, in the order of the due times.
    fn decide_time_passed(&mut self, now_us: i64, out: &mut Vec<u8>) -> Due {
        let pending_s = i64::from(self.settings.policy.pending_order_s.get());
        let is_all =
            self.timers.come_due(now_us, LOOK_ENTRIES_MAX) && self.pending_come_due(now_us, LOOK_ENTRIES_MAX);
        if !is_all {
            return Due::Searching;
        }
        let Self { orders, timers, .. } = self;
        let mut due = Vec::new();
        timers.due(DUE_ENTRIES_MAX, &mut due);
        let mut pending = Vec::new();
        timers.pending.first_due(DUE_ENTRIES_MAX, |id| is_pending(orders, id), &mut pending);
        due.extend(pending.into_iter().map(|(placed_s, id)| {
            (i64::from(placed_s) + pending_s, TimerKey { kind: ExpiryKind::Order, id, number: 0 })
        }));
        if due.is_empty() {
            return Due::Nothing;
        }
        due.sort_unstable();
        due.truncate(DUE_ENTRIES_MAX);
        let expiry = |&(_, key): &(i64, TimerKey)| Expiry {
            id: key.id.into(),
            number: key.number.into(),
            kind: key.kind as u8,
            reserved: [0; 5],
        };
        let expiries: Vec<Expiry> = due.iter().map(expiry).collect();
        let head = TimePassed {
            now_us: now_us.into(),
            expiry_count: (expiries.len() as u16).into(),
            reserved: [0; 6],
        };
        Due::Event(write(Event::TimePassed(&head, &expiries), out))
    }

    /// Looks at pending orders whose time is over, at most `count` of them; says whether that is all.
    fn pending_come_due(&mut self, now_us: i64, count: usize) -> bool {
        let Self { orders, timers, settings, .. } = self;
        let up_to_s = now_us / SECOND_US - i64::from(settings.policy.pending_order_s.get());
        let Ok(up_to_s) = u32::try_from(up_to_s) else { return true };
        timers.pending.come_due(up_to_s, count, |id| is_pending(orders, id))
    }

    pub(super) fn apply_time_passed(&mut self, at_us: i64, expiries: &[Expiry]) -> Effect {
        for expiry in expiries {
            let id = expiry.id.get();
            match ExpiryKind::from_number(expiry.kind) {
                Some(ExpiryKind::Reservation) => {
                    let slot = self.reservation_of(ReservationId::new(id));
                    if !is_planted("keep-the-stock-of-what-expires") {
                        self.give_reservation_back(slot);
                    }
                    self.end_reservation(at_us, slot, ReservationState::Expired);
                }
                Some(ExpiryKind::Order) => self.expire_order(at_us, OrderId::new(id)),
                Some(ExpiryKind::Payment) => self.expire_payment(at_us, GroupId::new(id)),
                Some(ExpiryKind::Hold) => self.expire_hold(at_us, OrderId::new(id), expiry.number.get()),
                None => panic!("event {} expires something of kind {}", self.sequence, expiry.kind),
            }
        }
        Effect::of(0)
    }

    /// All of a pending order goes back.
    fn expire_order(&mut self, at_us: i64, order: OrderId) {
        let slot = self.order_of(order);
        self.timers.pending.expired(self.orders.head(slot).placed_unix_s, order.get());
        let units = self.movable_units(slot, LocationHandle::NONE);
        let ordered: i64 = self.orders.lines(slot).iter().map(super::checkout::line_value).sum();
        let cancelled = ordered - self.value_of(slot, &units);
        if cancelled != 0 {
            self.orders.detail_mut(slot).cancelled_before_expiry = cancelled;
        }
        self.give_back(slot, &units);
        self.move_state(at_us, slot, Action::Expire, OrderState::Expired);
    }

    /// What was authorised and not captured lapses.
    fn expire_payment(&mut self, at_us: i64, group: GroupId) {
        let Some(slot) = self.groups.find(group) else {
            panic!("event {} expires the payment of group {group}, which is not there", self.sequence)
        };
        self.lapse_payment(at_us, slot, Action::Expire, 0);
    }

    /// What a hold blocked goes on.
    fn expire_hold(&mut self, at_us: i64, order: OrderId, number: u16) {
        self.end_hold(order, number, HoldState::Expired);
        let slot = self.order_of(order);
        self.count_change(slot);
        self.something_ended(at_us, slot);
    }

    /// Makes again what follows from the rest, after a snapshot was read: the queues of backorders, the timers. `detailed` are
    /// the orders that have a detail: of no other anything follows, but that it is pending.
    pub(super) fn rebuild_derived(&mut self, detailed: &[OrderSlot]) {
        self.rebuild_backorders(detailed);
        self.rebuild_timers(detailed);
        self.rebuild_pending();
        self.rebuild_finished(detailed);
    }

    fn rebuild_timers(&mut self, detailed: &[OrderSlot]) {
        for (due_us, key) in self.timers_wanted(detailed.iter().copied()) {
            let timer = self.timers.set(due_us, key);
            *self.timer_mut(key) = timer;
        }
    }

    /// The timers that there must be, each with its time: of held reservations, payments that can lapse, and active holds
    /// that end, of these orders.
    pub(super) fn timers_wanted(&self, orders: impl Iterator<Item = OrderSlot>) -> Vec<(i64, TimerKey)> {
        let held =
            self.reservations.iter().map(|reservation| &reservation.head).filter(|head| head.is_held());
        let of_reservation =
            |id: ReservationId| TimerKey { kind: ExpiryKind::Reservation, id: id.get(), number: 0 };
        let mut wanted: Vec<_> =
            held.map(|head| (head.expires_at_us.get(), of_reservation(head.id))).collect();
        for group in self.groups.iter() {
            let payment = &group.payment;
            if payment.is_promised() && payment.expires_at_us != 0 {
                let key = TimerKey { kind: ExpiryKind::Payment, id: group.id, number: 0 };
                wanted.push((payment.expires_at_us, key));
            }
        }
        for slot in orders {
            let Some(detail) = self.orders.detail(slot) else { continue };
            let id = self.orders.head(slot).id.get();
            for (number, hold) in (1..).zip(&detail.holds) {
                if hold.state() == HoldState::Active && hold.expires_at_us != 0 {
                    wanted.push((hold.expires_at_us, TimerKey { kind: ExpiryKind::Hold, id, number }));
                }
            }
        }
        wanted
    }

    /// Where the entity of a key keeps its timer.
    fn timer_mut(&mut self, key: TimerKey) -> &mut TimerSlot {
        match key.kind {
            ExpiryKind::Reservation => {
                let slot = self.reservation_of(ReservationId::new(key.id));
                &mut self.reservations.get_mut(slot).timer
            }
            ExpiryKind::Payment => match self.groups.find(GroupId::new(key.id)) {
                Some(slot) => &mut self.groups.get_mut(slot).payment.timer.0,
                None => panic!("a payment's timer is for a group that is not there"),
            },
            ExpiryKind::Hold => {
                let slot = self.order_of(OrderId::new(key.id));
                &mut self.orders.detail_mut(slot).holds[usize::from(key.number) - 1].timer.0
            }
            ExpiryKind::Order => panic!("pending orders have no timers of their own"),
        }
    }

    fn rebuild_pending(&mut self) {
        self.timers.pending.clear();
        if self.settings.policy.pending_order_s.get() == 0 {
            return;
        }
        let mut pending = Vec::new();
        for slot in self.orders.iter() {
            let head = self.orders.head(slot);
            if head.state() == OrderState::Pending {
                pending.push((head.placed_sequence, head.placed_unix_s, head.id.get()));
            }
        }
        pending.sort_unstable();
        self.timers.pending.is_on = true;
        pending.into_iter().for_each(|(_, placed_s, id)| self.timers.pending.add(placed_s, id));
    }

    /// An order was placed, whole or not: its lines wait for what is backordered of them, and its time runs.
    #[inline]
    pub(super) fn order_placed(&mut self, slot: OrderSlot, is_whole: bool) {
        self.wait_for(slot, is_whole);
        if self.timers.pending.is_on {
            self.pending_placed(slot);
        }
    }

    fn pending_placed(&mut self, slot: OrderSlot) {
        let head = self.orders.head(slot);
        let (placed_s, id) = (head.placed_unix_s, head.id.get());
        self.pending_come_due(i64::from(placed_s) * SECOND_US, PLACEMENT_ENTRIES_MAX);
        self.timers.pending.add(placed_s, id);
    }

    /// The time for pending orders may be another one now.
    pub(super) fn pending_policy_changed(&mut self) {
        let is_on = self.settings.policy.pending_order_s.get() > 0;
        if is_on && self.timers.pending.is_on {
            self.timers.pending.bound_changed();
        } else if is_on != self.timers.pending.is_on {
            self.rebuild_pending();
        }
    }
}

fn is_pending(orders: &Orders, id: u128) -> bool {
    let slot = orders.find(OrderId::new(id));
    slot.is_some_and(|slot| orders.head(slot).state() == OrderState::Pending)
}

#[cfg(test)]
pub(super) mod tests {
    use orderline_protocol::event::EVENT_VERSION;
    use orderline_protocol::lifecycle::{HoldKind, PaymentState, blocks};

    use super::*;
    use crate::state::check::tests::one_order;
    use crate::state::detail::Hold;

    pub(in crate::state) const ORDER: OrderId = OrderId::new(7);

    /// Does all that is due at a second, and returns the kinds of the events.
    pub(in crate::state) fn tick(state: &mut State, second: i64) -> Vec<EventKind> {
        let mut kinds = Vec::new();
        loop {
            let mut bytes = Vec::new();
            match state.decide_due(second * SECOND_US, &mut Scratch::default(), &mut bytes) {
                Due::Event(kind) => {
                    let event = Event::read(kind as u16, EVENT_VERSION, &bytes).unwrap();
                    state.apply(state.sequence() + 1, second * SECOND_US, &event);
                    kinds.push(kind);
                }
                Due::Searching => {}
                Due::Nothing => return kinds,
            }
        }
    }

    /// Places a hold, as its event would; 0: it does not end by itself.
    pub(in crate::state) fn hold(state: &mut State, ends_s: i64) -> u16 {
        let slot = state.order_of(ORDER);
        let number = state.orders.detail_mut(slot).holds.len() as u16 + 1;
        let key = TimerKey { kind: ExpiryKind::Hold, id: ORDER.get(), number };
        let mut hold = Hold::new(HoldKind::Manual as u8, blocks::CONFIRM, 0, ends_s * SECOND_US);
        hold.timer.0 = state.timers.set(hold.expires_at_us, key);
        state.orders.detail_mut(slot).holds.push(hold);
        number
    }

    /// Records a promise for the order's group, as its event would.
    pub(in crate::state) fn authorize(
        state: &mut State,
        payment_state: PaymentState,
        captured: i64,
        ends_s: i64,
    ) {
        let id: GroupId = ORDER.into();
        let mut group = state.group_as_it_stands(id).unwrap();
        let key = TimerKey { kind: ExpiryKind::Payment, id: id.get(), number: 0 };
        (group.payment.number, group.payment.authorized, group.payment.captured) = (1, 15, captured);
        group.payment.expires_at_us = ends_s * SECOND_US;
        group.payment.set_state(payment_state);
        group.payment.timer.0 = state.timers.set(group.payment.expires_at_us, key);
        state.groups.insert(group);
    }

    #[test]
    fn a_hold_ends_with_its_time_and_raises_the_version() {
        let mut state = one_order();
        hold(&mut state, 10);
        hold(&mut state, 0);
        hold(&mut state, 20);
        assert_eq!(state.check(), vec![]);
        assert_eq!(tick(&mut state, 9), []);
        assert_eq!(tick(&mut state, 10), [EventKind::TimePassed]);
        let slot = state.order_of(ORDER);
        let states = |state: &State| {
            state.orders.detail(slot).unwrap().holds.iter().map(Hold::state).collect::<Vec<_>>()
        };
        assert_eq!(states(&state), [HoldState::Expired, HoldState::Active, HoldState::Active]);
        assert_eq!(state.orders.head(slot).version, 2);
        assert_eq!(tick(&mut state, 100), [EventKind::TimePassed]);
        assert_eq!(states(&state), [HoldState::Expired, HoldState::Active, HoldState::Expired]);
        assert_eq!((state.orders.head(slot).version, state.next_due_us()), (3, None));
        assert_eq!(state.check(), vec![]);
    }

    #[test]
    fn a_promise_lapses_and_leaves_what_was_captured() {
        let cases = [
            (PaymentState::Authorized, 0, PaymentState::Expired),
            (PaymentState::PartiallyCaptured, 6, PaymentState::Captured),
        ];
        for (from, captured, to) in cases {
            let mut state = one_order();
            authorize(&mut state, from, captured, 30);
            assert_eq!(state.next_due_us(), Some(30 * SECOND_US));
            assert_eq!(tick(&mut state, 30), [EventKind::TimePassed]);
            let group = state.groups.get(state.groups.find(ORDER.into()).unwrap());
            assert_eq!((group.payment.state(), group.version), (to, 2));
            assert_eq!((group.payment.authorized, group.payment.captured), (captured, captured));
            assert_eq!(state.next_due_us(), None);
            assert!(state.timers.all().is_empty());
        }
    }

    #[test]
    fn damage_to_what_waits_for_its_time_is_seen() {
        use crate::state::check::Violation;

        let mut state = one_order();
        hold(&mut state, 10);
        let slot = state.order_of(ORDER);
        state.orders.detail_mut(slot).holds[0].expires_at_us += SECOND_US;
        let timer = Violation::Timer { kind: ExpiryKind::Hold, id: 7, number: 1 };
        assert_eq!(state.check(), vec![timer.clone(), timer]);

        let mut state = one_order();
        state.settings.policy.pending_order_s = 5.into();
        assert_eq!(state.check(), vec![Violation::Timer { kind: ExpiryKind::Order, id: 7, number: 0 }]);

        let mut state = one_order();
        state.finished.queue.push_back((0, 1, 7));
        let retention = Violation::Retention { kind: orderline_protocol::event::RetiredKind::Order, id: 7 };
        assert_eq!(state.check(), vec![retention]);

        let mut state = one_order();
        let slot = state.order_of(ORDER);
        state.orders.detail_mut(slot).group = 3;
        assert_eq!(state.check(), vec![Violation::Group { group: GroupId::new(3) }]);
    }
}
