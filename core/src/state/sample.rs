//! A sample of the invariants: a bounded part of the state, each thing checked by itself, going round over all of it while a
//! server runs.

use super::State;
use super::check::{Promised, Violation};
use super::check_due::check_reservation;
use super::check_money::check_balance;

/// Where the next sample goes on, kind by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SamplePlaces {
    order: usize,
    reservation: usize,
    group: usize,
    sku: usize,
    /// The last ledger looked at, by seller and currency.
    ledger: Option<(u32, u16)>,
}

/// Goes over things, or empty places, that each come with the place behind them, until `count` parts of them have been
/// looked at; says where to go on, `None` at the end: at the beginning.
fn go_on<T, P>(
    things: impl Iterator<Item = (P, T)>,
    count: usize,
    mut look: impl FnMut(T) -> usize,
) -> Option<P> {
    let mut part_count = 0;
    for (behind, thing) in things {
        part_count += look(thing).max(1);
        if part_count >= count {
            return Some(behind);
        }
    }
    None
}

impl State {
    /// Checks the invariants of about `count` orders, reservations, groups (by their orders), levels and ledgers, each by
    /// itself, from some places on, which then say where to go on; returns what is broken.
    pub fn check_some(&self, places: &mut SamplePlaces, count: usize) -> Vec<Violation> {
        let mut violations = Vec::new();
        // A sample of some orders adds up nothing.
        let mut promised = Promised(Vec::new());
        let orders = self.orders.iter_from(places.order).map(|slot| (self.orders.place_behind(slot), slot));
        let order = go_on(orders, count, |slot| {
            self.check_order(slot, &mut promised, &mut violations);
            1
        });
        let reservations = self.reservations.iter_from(places.reservation);
        let reservation = go_on(reservations, count, |reservation| {
            reservation.into_iter().for_each(|reservation| check_reservation(reservation, &mut violations));
            1
        });
        let group = go_on(self.groups.iter_from(places.group), count, |group| {
            let Some(group) = group else { return 1 };
            self.check_group_money(group, &mut violations);
            group.orders.len()
        });
        let skus = (places.sku..self.catalogue.sku_count()).map(|sku| (sku + 1, sku));
        let sku = go_on(skus, count, |sku| self.check_levels(sku, &mut violations));
        let ledgers = self.ledgers.iter_behind(places.ledger).map(|of| ((of.0.get(), of.1.get()), of));
        let ledger = go_on(ledgers, count, |of| {
            check_balance(of, &mut violations);
            1
        });
        *places = SamplePlaces {
            order: order.unwrap_or(0),
            reservation: reservation.unwrap_or(0),
            group: group.unwrap_or(0),
            sku: sku.unwrap_or(0),
            ledger,
        };
        violations
    }
}

#[cfg(test)]
mod tests {
    use orderline_protocol::command::{Bucket, CartLine};
    use orderline_protocol::lifecycle::PaymentState;
    use orderline_protocol::{
        BuyerId, CurrencyCode, GroupId, LocationHandle, ReservationId, SellerHandle, SkuHandle,
    };

    use super::*;
    use crate::state::check::tests::one_order;
    use crate::state::due::tests::{ORDER, authorize};
    use crate::state::reservations::Reservations;

    /// A state with one of each: an order, its group and payment, a reservation, a level, a ledger.
    fn one_of_each() -> State {
        let mut state = one_order();
        authorize(&mut state, PaymentState::Authorized, 0, 0);
        let head = Reservations::held(
            ReservationId::new(9),
            4,
            0,
            1,
            BuyerId::new(1),
            0,
            LocationHandle::new(0),
            1,
            0,
        );
        let line = CartLine { sku: SkuHandle::new(0), quantity: 2.into() };
        state.reservations.insert(head, &[line], &[]);
        state.ledgers.get_mut(SellerHandle::new(0), CurrencyCode::new(826));
        state
    }

    /// What samples of one thing each find on their way round.
    fn sampled(state: &State) -> Vec<Violation> {
        let mut places = SamplePlaces::default();
        let mut found = Vec::new();
        for _ in 0..3 {
            found.extend(state.check_some(&mut places, 1));
        }
        found.dedup();
        found
    }

    #[test]
    fn damage_of_every_kind_is_found_by_samples() {
        assert_eq!(sampled(&one_of_each()), vec![]);
        let damaged = |damage: &dyn Fn(&mut State)| {
            let mut state = one_of_each();
            damage(&mut state);
            sampled(&state)
        };
        let (sku, location) = (SkuHandle::new(0), LocationHandle::new(0));

        let order = damaged(&|state| {
            let slot = state.order_of(ORDER);
            state.orders.part(slot).counters[0].cancelled = 1.into();
        });
        assert!(order.contains(&Violation::Counters { order: ORDER, line: 0 }), "{order:?}");

        let reservation = ReservationId::new(9);
        let lost = damaged(&|state| {
            let slot = state.reservation_of(reservation);
            state.reservations.get_mut(slot).head.location = LocationHandle::NONE;
        });
        assert_eq!(lost, [Violation::Reservation { reservation }]);

        let group = GroupId::from(ORDER);
        let refunded = damaged(&|state| {
            let slot = state.groups.find(group).unwrap();
            state.groups.get_mut(slot).payment.refunded += 1;
        });
        assert_eq!(refunded, [Violation::GroupMoney { group }]);

        let level = damaged(&|state| {
            state.stock.adjust(&mut state.catalogue, sku, location, Bucket::Available, -500);
        });
        assert_eq!(level, [Violation::Level { sku, location }]);

        let (seller, currency) = (SellerHandle::new(0), CurrencyCode::new(826));
        let ledger = damaged(&|state| state.ledgers.get_mut(seller, currency).paid += 1);
        assert_eq!(ledger, [Violation::Ledger { seller, currency }]);
    }

    #[test]
    fn samples_go_round_and_their_work_is_bounded() {
        let mut state = State::new(1);
        for seller in 0..10 {
            state.ledgers.get_mut(SellerHandle::new(seller), CurrencyCode::new(826));
        }
        let mut places = SamplePlaces::default();
        let mut seen = Vec::new();
        for _ in 0..5 {
            state.check_some(&mut places, 4);
            seen.push(places.ledger);
        }
        assert_eq!(seen, [Some((3, 826)), Some((7, 826)), None, Some((3, 826)), Some((7, 826))]);
    }
}
