//! Reservations of carts: decisions about them, and what their events do.

use std::mem::offset_of;

use orderline_protocol::command::{CartLine, ExtendReservation, ReleaseReservation, ReserveCart};
use orderline_protocol::event::ExpiryKind;
use orderline_protocol::event::{
    Allocation, CartReserved, Event, EventKind, Origin, ReservationExtended, ReservationReleased,
};
use orderline_protocol::lifecycle::{Action, Entity, ReservationState};
use orderline_protocol::limits::{CART_LINES_MAX, LINE_QUANTITY_MAX};
use orderline_protocol::{BuyerId, RejectCode, ReservationId, SellerHandle};
use zerocopy::little_endian::U32;

use super::apply::Effect;
use super::decide::{Refusable, Scratch, check_duration, check_zeros, write};
use super::reservations::{Reservation, ReservationSlot, Reservations};
use super::sourcing::{Backordering, Request};
use super::stock::Promise;
use super::timers::{SECOND_US, TimerKey, round_up};
use super::transitions;
use super::{Accepted, Decision, Rejection, State};

/// Where `seconds` stands in the commands' bodies.
const RESERVE_SECONDS_OFFSET: u32 = offset_of!(ReserveCart, seconds) as u32;
const EXTEND_SECONDS_OFFSET: u32 = offset_of!(ExtendReservation, seconds) as u32;
const RELEASE_RESERVED_OFFSET: u32 = offset_of!(ReleaseReservation, reserved) as u32;

impl State {
    /// Decides a reservation. One whose id is in memory gets its first answer again, but for the time of its expiry, which
    /// is what it is now: extensions may have moved it.
    pub(super) fn decide_reserve(
        &self,
        origin: Origin,
        now_us: i64,
        head: &ReserveCart,
        lines: &[CartLine],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Decision {
        if let Some(slot) = self.reservations.find(head.reservation) {
            let known = &self.reservations.get(slot).head;
            if known.digest != origin.digest {
                return Decision::Rejected(Rejection {
                    sequence: Some(known.sequence()),
                    ..Rejection::new(RejectCode::ReservationIdReused)
                });
            }
            return Decision::Before(Accepted {
                sequence: known.sequence(),
                detail: known.expires_at_us.get() as u64,
                version: 1,
                state: ReservationState::Held as u8,
            });
        }
        match self.reserve_cart(origin, now_us, head, lines, scratch, out) {
            Ok(()) => Decision::Event(EventKind::CartReserved),
            Err(rejection) => Decision::Rejected(rejection),
        }
    }

    fn reserve_cart(
        &self,
        origin: Origin,
        now_us: i64,
        head: &ReserveCart,
        lines: &[CartLine],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<()> {
        check_seconds(head.seconds.get(), RESERVE_SECONDS_OFFSET)?;
        check_expected(head.replaces, head.expected_version, offset_of!(ReserveCart, expected_version))?;
        self.check_id(head.reservation.get(), self.finished.reservations_horizon_ms, now_us)?;
        self.check_lines_count(lines.len(), CART_LINES_MAX)?;
        self.check_cart_lines(lines)?;
        let replaced = self.reservation_for_buyer(
            head.replaces,
            head.expected_version.get(),
            head.buyer,
            Action::Release,
        )?;
        let expires_at_us = self.expiry(now_us, now_us, head.seconds.get())?;
        let own = replaced.map_or_else(Vec::new, Reservation::own_units);
        let request = Request {
            region: head.region.get(),
            seller: SellerHandle::NONE,
            now_us,
            own: &own,
            excluded: &[],
            backordering: Backordering::Never,
        };
        let sourced = self.source(&request, lines, &mut scratch.sourcing)?;
        let allocations = scratch.sourcing.allocations_of(&sourced);
        let Ok(allocation_count) = u16::try_from(allocations.len()) else {
            return Err(Rejection::new(RejectCode::TooManyLines).with(allocations.len() as u64));
        };
        let event = CartReserved {
            origin,
            cart: *head,
            expires_at_us: expires_at_us.into(),
            location: sourced.location,
            allocation_count: allocation_count.into(),
            rule: sourced.rule as u8,
            reserved: [0; 3],
        };
        write(Event::CartReserved(&event, lines, allocations), out);
        Ok(())
    }

    fn check_cart_lines(&self, lines: &[CartLine]) -> Refusable<()> {
        for (index, line) in (0..).zip(lines) {
            let refuse = |code| Err(Rejection::new(code).about(index));
            let Some(sku) = self.catalogue.sku(line.sku) else {
                return Err(Rejection::new(RejectCode::UnknownSku).about(index).with(line.sku.get().into()));
            };
            if !sku.is_active() {
                return refuse(RejectCode::SkuRetired);
            }
            self.check_seller(sku.seller)?;
            match line.quantity.get() {
                0 => return refuse(RejectCode::ZeroQuantity),
                1..=LINE_QUANTITY_MAX => {}
                _ => return refuse(RejectCode::QuantityTooLarge),
            }
        }
        Ok(())
    }

    /// When a reservation that was made at one time expires if it is held for so many seconds from now on.
    fn expiry(&self, reserved_at_us: i64, now_us: i64, seconds: u32) -> Refusable<i64> {
        let seconds_max = i64::from(self.settings.policy.reservation_s_max.get());
        let left_us = reserved_at_us + seconds_max * SECOND_US - now_us;
        let held_us = i64::from(seconds) * SECOND_US;
        if held_us > left_us {
            let left_s = left_us.max(0) / SECOND_US;
            return Err(Rejection::new(RejectCode::NotHeldLongEnough).with(left_s as u64));
        }
        Ok(round_up(now_us + held_us))
    }

    /// The held reservation of a buyer that a command names, if it names one.
    pub(super) fn reservation_for_buyer(
        &self,
        id: ReservationId,
        expected_version: u32,
        buyer: BuyerId,
        action: Action,
    ) -> Refusable<Option<&Reservation>> {
        if id.get() == 0 {
            return Ok(None);
        }
        let slot = self.reservation_for(id, expected_version, action)?;
        let reservation = self.reservations.get(slot);
        if reservation.head.buyer != buyer {
            return Err(Rejection::new(RejectCode::OtherBuyer).with(reservation.head.buyer.get()));
        }
        Ok(Some(reservation))
    }

    /// The reservation that a command means, if it is there, its version is the expected one and its state allows the
    /// action.
    fn reservation_for(
        &self,
        id: ReservationId,
        expected_version: u32,
        action: Action,
    ) -> Refusable<ReservationSlot> {
        let Some(slot) = self.reservations.find(id) else {
            return Err(Rejection::new(RejectCode::UnknownReservation));
        };
        let head = &self.reservations.get(slot).head;
        let (version, state) = (head.version.get(), head.state() as u8);
        if expected_version != 0 && expected_version != version {
            return Err(Rejection { version, state, ..Rejection::new(RejectCode::VersionMismatch) });
        }
        if transitions::targets(Entity::Reservation, state, action).is_empty() {
            return Err(Rejection { version, ..Rejection::illegal(Entity::Reservation, state, action) });
        }
        Ok(slot)
    }

    pub(super) fn decide_extend(
        &self,
        origin: Origin,
        now_us: i64,
        head: &ExtendReservation,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_seconds(head.seconds.get(), EXTEND_SECONDS_OFFSET)?;
        let slot = self.reservation_for(head.reservation, head.expected_version.get(), Action::Extend)?;
        let known = &self.reservations.get(slot).head;
        let refuse =
            |rejection| Rejection { version: known.version.get(), state: known.state() as u8, ..rejection };
        let expires_at_us =
            self.expiry(known.reserved_at_us.get(), now_us, head.seconds.get()).map_err(refuse)?;
        let event = ReservationExtended {
            origin,
            reservation: head.reservation,
            expires_at_us: expires_at_us.into(),
        };
        Ok(write(Event::ReservationExtended(&event), out))
    }

    pub(super) fn decide_release(
        &self,
        origin: Origin,
        head: &ReleaseReservation,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_zeros(&head.reserved, RELEASE_RESERVED_OFFSET)?;
        self.reservation_for(head.reservation, head.expected_version.get(), Action::Release)?;
        Ok(write(
            Event::ReservationReleased(&ReservationReleased { origin, reservation: head.reservation }),
            out,
        ))
    }

    pub(super) fn apply_reserved(
        &mut self,
        at_us: i64,
        head: &CartReserved,
        lines: &[CartLine],
        allocations: &[Allocation],
    ) -> Effect {
        let cart = &head.cart;
        if cart.replaces.get() != 0 {
            let replaced = self.reservation_of(cart.replaces);
            self.give_reservation_back(replaced);
            self.end_reservation(at_us, replaced, ReservationState::Released);
        }
        self.hold_units(head.location, lines, allocations);
        let new = Reservations::held(
            cart.reservation,
            self.sequence,
            at_us,
            head.expires_at_us.get(),
            cart.buyer,
            head.origin.digest.get(),
            head.location,
            lines.len(),
            allocations.len(),
        );
        let slot = self.reservations.insert(new, lines, allocations);
        self.set_reservation_timer(slot);
        self.reservation_effect(slot, head.expires_at_us.get())
    }

    pub(super) fn apply_extended(&mut self, head: &ReservationExtended) -> Effect {
        let slot = self.reservation_of(head.reservation);
        let reservation = self.reservations.get_mut(slot);
        reservation.head.expires_at_us = head.expires_at_us;
        reservation.head.version += 1;
        let timer = std::mem::take(&mut reservation.timer);
        self.timers.cancel(timer);
        self.set_reservation_timer(slot);
        self.reservation_effect(slot, head.expires_at_us.get())
    }

    pub(super) fn apply_released(&mut self, at_us: i64, head: &ReservationReleased) -> Effect {
        let slot = self.reservation_of(head.reservation);
        self.give_reservation_back(slot);
        self.end_reservation(at_us, slot, ReservationState::Released);
        self.reservation_effect(slot, 0)
    }

    /// The reservation that an event is about.
    pub(super) fn reservation_of(&self, id: ReservationId) -> ReservationSlot {
        match self.reservations.find(id) {
            Some(slot) => slot,
            None => panic!("event {} is about reservation {id}, which is not there", self.sequence),
        }
    }

    /// Gives the stock of a held reservation back; the reservation is its caller's to end.
    pub(super) fn give_reservation_back(&mut self, slot: ReservationSlot) {
        for (sku, location, units) in self.reservations.get(slot).own_units() {
            self.stock.release(&mut self.catalogue, sku, location, Promise::Reserved, units);
        }
    }

    /// Ends a held reservation whose stock has been seen to.
    pub(super) fn end_reservation(&mut self, at_us: i64, slot: ReservationSlot, state: ReservationState) {
        let timer = self.reservations.finish(slot, state);
        self.timers.cancel(timer);
        self.reservation_finished(at_us, slot);
    }

    fn set_reservation_timer(&mut self, slot: ReservationSlot) {
        let reservation = self.reservations.get_mut(slot);
        let key = TimerKey { kind: ExpiryKind::Reservation, id: reservation.head.id.get(), number: 0 };
        reservation.timer = self.timers.set(reservation.head.expires_at_us.get(), key);
    }

    /// The answer to a command about a reservation, as that stands now.
    fn reservation_effect(&self, slot: ReservationSlot, detail: i64) -> Effect {
        let head = &self.reservations.get(slot).head;
        Effect::entity(detail as u64, head.version.get(), head.state() as u8)
    }
}

/// A version is only expected of a reservation that is named.
pub(super) fn check_expected(id: ReservationId, expected_version: U32, offset: usize) -> Refusable<()> {
    if id.get() == 0 && expected_version.get() != 0 {
        return Err(Rejection::new(RejectCode::InvalidField).about(offset as u32));
    }
    Ok(())
}

/// A reservation is held for a second at least.
fn check_seconds(seconds: u32, offset: u32) -> Refusable<()> {
    if seconds == 0 {
        return Err(Rejection::new(RejectCode::InvalidField).about(offset));
    }
    check_duration(seconds, offset)
}
