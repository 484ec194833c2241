//! The invariants of what waits for its time: timers, pending orders, what finished, and the groups that leave with the last
//! of their orders.

use orderline_protocol::event::{ExpiryKind, OrderState, RetiredKind};
use orderline_protocol::{OrderId, ReservationId};

use super::State;
use super::check::Violation;
use super::reservations::Reservation;
use super::retention::kind_of;
use super::timers::{SECOND_US, TimerKey, round_up};

/// A held reservation has all units of each of its lines, a finished one has none.
pub(super) fn check_reservation(reservation: &Reservation, violations: &mut Vec<Violation>) {
    let mut missing: Vec<i64> = reservation.lines.iter().map(|line| line.quantity.get().into()).collect();
    for part in reservation.units() {
        missing[usize::from(part.line.get())] -= i64::from(part.quantity.get());
    }
    let is_held = reservation.head.is_held();
    if missing.iter().any(|&units| units != 0) || is_held == missing.is_empty() {
        violations.push(Violation::Reservation { reservation: reservation.head.id });
    }
}

impl State {
    pub(super) fn check_due(&self, violations: &mut Vec<Violation>) {
        self.reservations.iter().for_each(|reservation| check_reservation(reservation, violations));
        self.check_timers(violations);
        self.check_pending(violations);
        self.check_finished(violations);
        self.check_groups(violations);
    }

    /// There is one timer for each thing that expires, and no other.
    fn check_timers(&self, violations: &mut Vec<Violation>) {
        let in_seconds = |(due_us, key)| (round_up(due_us) / SECOND_US, key);
        let mut wanted: Vec<(i64, TimerKey)> =
            self.timers_wanted(self.orders.iter()).into_iter().map(in_seconds).collect();
        wanted.sort_unstable();
        let kept = self.timers.all();
        let mut differs = |(_, key): &(i64, TimerKey)| {
            violations.push(Violation::Timer { kind: key.kind, id: key.id, number: key.number });
        };
        wanted.iter().filter(|timer| kept.binary_search(timer).is_err()).for_each(&mut differs);
        kept.iter().filter(|timer| wanted.binary_search(timer).is_err()).for_each(&mut differs);
        kept.windows(2).filter(|pair| pair[0] == pair[1]).for_each(|pair| differs(&pair[0]));
    }

    /// While a policy bounds their time, every pending order is waited for.
    fn check_pending(&self, violations: &mut Vec<Violation>) {
        let is_on = self.settings.policy.pending_order_s.get() > 0;
        let mut kept: Vec<u128> = self.timers.pending.ids().collect();
        kept.sort_unstable();
        let missing = self.orders.iter().map(|slot| self.orders.head(slot)).filter(|head| {
            head.state() == OrderState::Pending && is_on && kept.binary_search(&head.id.get()).is_err()
        });
        let violation = |id| Violation::Timer { kind: ExpiryKind::Order, id, number: 0 };
        violations.extend(missing.map(|head| violation(head.id.get())));
        violations.extend(kept.first().filter(|_| !is_on).map(|&id| violation(id)));
    }

    /// What finished, and nothing else, waits to leave memory, unless something of it still stands; in the order of time.
    fn check_finished(&self, violations: &mut Vec<Violation>) {
        let queue = &self.finished.queue;
        let mut kept: Vec<(u8, u128)> = queue.iter().map(|&(_, kind, id)| (kind, id)).collect();
        kept.sort_unstable();
        let of_order = RetiredKind::Order as u8;
        let orders = self
            .orders
            .iter()
            .filter(|&slot| !self.orders.head(slot).state().is_open() && !self.has_something_standing(slot));
        let orders = orders.map(|slot| (of_order, self.orders.head(slot).id.get()));
        let reservations = self.reservations.iter().filter(|reservation| !reservation.head.is_held());
        let reservations =
            reservations.map(|reservation| (RetiredKind::Reservation as u8, reservation.head.id.get()));
        let missing = orders.chain(reservations).filter(|entry| kept.binary_search(entry).is_err());
        let violation = |(kind, id)| Violation::Retention { kind: kind_of(kind), id };
        violations.extend(missing.map(violation));
        let is_wrong = |&&(kind, id): &&(u8, u128)| match kind_of(kind) {
            RetiredKind::Order => {
                let slot = self.orders.find(OrderId::new(id));
                slot.is_none_or(|slot| self.orders.head(slot).state().is_open())
            }
            RetiredKind::Reservation => {
                let slot = self.reservations.find(ReservationId::new(id));
                slot.is_none_or(|slot| self.reservations.get(slot).head.is_held())
            }
        };
        violations.extend(kept.iter().filter(is_wrong).map(|&entry| violation(entry)));
        let back_in_time = queue.iter().zip(queue.iter().skip(1)).filter(|(entry, next)| entry.0 > next.0);
        violations.extend(back_in_time.map(|(_, next)| violation((next.1, next.2))));
    }

    /// A group is there as long as one of its orders is.
    fn check_groups(&self, violations: &mut Vec<Violation>) {
        for group in self.groups.iter() {
            let is_here = |order: &OrderId| {
                self.orders.find(*order).is_some_and(|slot| self.orders.group_of(slot) == group.id())
            };
            let count = group.orders().filter(is_here).count();
            if count == 0 || count != group.order_count as usize {
                violations.push(Violation::Group { group: group.id() });
            }
        }
        for slot in self.orders.iter() {
            let group = self.orders.group_of(slot);
            let order = self.orders.head(slot).id.get();
            let has_it = |of| self.groups.get(of).orders.contains(&order);
            if !self.orders.is_alone(slot) && !self.groups.find(group).is_some_and(has_it) {
                violations.push(Violation::Group { group });
            }
        }
    }
}
