//! Holds: stops on an order, placed and released by commands. Those whose time is over are released by tick.

use orderline_protocol::command::{PlaceHold, ReleaseHold};
use orderline_protocol::event::{Event, EventKind, ExpiryKind, HoldPlaced, HoldReleased, Origin};
use orderline_protocol::lifecycle::{Action, Entity, HoldKind, HoldState, blocks};
use orderline_protocol::{OrderId, RejectCode};

use super::apply::Effect;
use super::decide::{Refusable, check_duration, check_zeros, write};
use super::detail::{Hold, HoldTimer};
use super::orders::OrderSlot;
use super::timers::{SECOND_US, TimerKey, round_up};
use super::{Rejection, State};

/// When something ends that begins now and lasts so many seconds, in microseconds since 1970; 0, never, for 0 seconds.
pub(super) fn end_of(now_us: i64, seconds: u32) -> i64 {
    match seconds {
        0 => 0,
        seconds => round_up(now_us.saturating_add(i64::from(seconds) * SECOND_US)),
    }
}

impl State {
    pub(super) fn decide_hold(
        &self,
        origin: Origin,
        now_us: i64,
        head: &PlaceHold,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_duration(head.seconds.get(), 20)?;
        if HoldKind::from_number(head.kind).is_none() {
            return Err(Rejection::new(RejectCode::InvalidField).about(24));
        }
        if head.blocks == 0 || head.blocks & !blocks::ALL != 0 {
            return Err(Rejection::new(RejectCode::InvalidField).about(25));
        }
        check_zeros(&head.reserved, 28)?;
        let slot = self.order_for(head.order, head.expected_version.get(), Action::Hold, 0)?;
        let hold_count = self.orders.detail(slot).map_or(0, |detail| detail.holds.len());
        let event = HoldPlaced {
            origin,
            hold: *head,
            expires_at_us: end_of(now_us, head.seconds.get()).into(),
            number: self.part_number(slot, hold_count)?.into(),
            reserved: [0; 6],
        };
        Ok(write(Event::HoldPlaced(&event), out))
    }

    pub(super) fn decide_release_hold(
        &self,
        origin: Origin,
        head: &ReleaseHold,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        let slot = self.known_order(head.order)?;
        let number = head.hold.get();
        let holds = self.orders.detail(slot).map_or(&[][..], |detail| &detail.holds);
        let Some(hold) = number.checked_sub(1).and_then(|place| holds.get(usize::from(place))) else {
            return Err(self.refuse(slot, RejectCode::UnknownHold).about(number.into()));
        };
        self.order_for(head.order, head.expected_version.get(), Action::Release, 0)?;
        self.check_part(slot, Entity::Hold, hold.state() as u8, Action::Release)?;
        Ok(write(Event::HoldReleased(&HoldReleased { origin, release: *head }), out))
    }

    pub(super) fn apply_hold_placed(&mut self, head: &HoldPlaced) -> Effect {
        let slot = self.order_of(head.hold.order);
        let hold = &head.hold;
        let hold = Hold::new(hold.kind, hold.blocks, hold.reason.get(), head.expires_at_us.get());
        let number = self.put_hold(slot, hold);
        assert_eq!(number, head.number.get(), "event {}: holds are numbered by their places", self.sequence);
        self.order_effect(slot, number.into())
    }

    /// Puts a hold on an order, which counts as a change of it, and returns its number there.
    pub(super) fn put_hold(&mut self, slot: OrderSlot, mut hold: Hold) -> u16 {
        let (order, state) = (self.orders.head(slot).id, self.orders.head(slot).state());
        let number = self.orders.detail(slot).map_or(0, |detail| detail.holds.len()) as u16 + 1;
        let key = TimerKey { kind: ExpiryKind::Hold, id: order.get(), number };
        hold.timer = HoldTimer(self.timers.set(hold.expires_at_us, key));
        self.orders.detail_mut(slot).holds.push(hold);
        // A hold never finishes an order, so the time does not matter.
        self.move_state(0, slot, Action::Hold, state);
        number
    }

    pub(super) fn apply_hold_released(&mut self, at_us: i64, head: &HoldReleased) -> Effect {
        let slot = self.order_of(head.release.order);
        self.end_hold(head.release.order, head.release.hold.get(), HoldState::Released);
        let state = self.orders.head(slot).state();
        self.move_state(at_us, slot, Action::Release, state);
        self.something_ended(at_us, slot);
        self.order_effect(slot, 0)
    }

    /// Takes a hold off an order, and its timer with it. That the order has changed is its caller's to count.
    ///
    /// # Panics
    /// If it is not there, or not active.
    pub(super) fn end_hold(&mut self, order: OrderId, number: u16, state: HoldState) {
        let slot = self.order_of(order);
        let place = usize::from(number).wrapping_sub(1);
        let Some(hold) = self.orders.detail_mut(slot).holds.get_mut(place) else {
            panic!("event {} ends hold {number} of order {order}, which is not there", self.sequence);
        };
        assert_eq!(hold.state(), HoldState::Active, "hold {number} of order {order} ends twice");
        hold.set_state(state);
        let timer = std::mem::take(&mut hold.timer.0);
        self.timers.cancel(timer);
    }
}
