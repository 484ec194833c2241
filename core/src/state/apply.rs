//! Applying: an event becomes state. Never refuses; what an event says was decided, and is fact. An event that
//! does not fit the state is a broken invariant, and stops the program rather than being bent to fit. Here an event finds
//! its room, and what all rooms share in applying one stands here, too.

use orderline_protocol::command::EXPECTED_NEW;
use orderline_protocol::event::{Event, OrderState, Origin};
use orderline_protocol::lifecycle::{Action, Entity};
use orderline_protocol::{KEYED_FROM, OrderId, Request, Sequence, SessionHandle};

use super::keys::Keyed;
use super::orders::OrderSlot;
use super::sessions::Answer;
use super::transitions;
use super::{Accepted, State};
use crate::bugs::is_planted;

/// What applying an event came to, for the answer.
pub(super) struct Effect {
    detail: u64,
    version: u32,
    state: u8,
}

impl Effect {
    /// About nothing that has a version or a state.
    pub(super) const fn of(detail: u64) -> Self {
        Self { detail, version: 0, state: 0 }
    }

    /// About something with a version, and a state where it has one.
    pub(super) const fn entity(detail: u64, version: u32, state: u8) -> Self {
        Self { detail, version, state }
    }
}

impl State {
    /// Applies the event of the next sequence, recorded at `recorded_at_us` (microseconds since 1970), and returns
    /// the answer to whoever asked for it.
    ///
    /// # Panics
    /// If the sequence is not the next one, or the event does not fit the state: the journal and the program
    /// disagree, and going on would make it worse.
    #[inline]
    pub fn apply(&mut self, sequence: Sequence, recorded_at_us: i64, event: &Event<'_>) -> Accepted {
        assert_eq!(sequence, self.sequence + 1, "events are applied in sequence");
        self.sequence = sequence;
        self.recorded_at_us = recorded_at_us;
        let (origin, effect) = match *event {
            Event::OrderPlaced(head, lines, allocations, _) => {
                (head.origin, self.apply_placed(recorded_at_us, head, lines, allocations))
            }
            Event::OrderConfirmed(head) => (head.origin, self.apply_confirmed(head)),
            _ => self.apply_rest(recorded_at_us, event),
        };
        let answer = Answer {
            sequence,
            detail: effect.detail,
            version: effect.version,
            digest: origin.digest.get(),
            state: effect.state,
            reserved: [0; 7],
        };
        if !origin.session.is_none() && !is_planted("forget-the-answers") {
            let request = origin.request.get();
            if request < KEYED_FROM {
                self.sessions.remember(origin.session, request, answer);
            } else {
                self.remember_key(origin.session, request, recorded_at_us, answer);
            }
        }
        answer.into()
    }

    #[cold]
    fn remember_key(
        &mut self,
        session: SessionHandle,
        request: Request,
        recorded_at_us: i64,
        answer: Answer,
    ) {
        let session = self.sessions.touch(session, answer.sequence);
        self.keys.remember(Keyed { session, request, recorded_at_us, answer });
    }

    fn apply_rest(&mut self, at_us: i64, event: &Event<'_>) -> (Origin, Effect) {
        match *event {
            Event::OrderPlaced(..) | Event::OrderConfirmed(_) => unreachable!("applied before"),
            Event::CartReserved(head, lines, allocations) => {
                (head.origin, self.apply_reserved(at_us, head, lines, allocations))
            }
            Event::GroupPlaced(head, orders, lines, allocations, _) => {
                (head.origin, self.apply_group_placed(at_us, head, orders, lines, allocations))
            }
            Event::ShipmentMade(head, moves, tracking) => {
                (head.origin, self.apply_shipment_made(head, moves, tracking))
            }
            Event::ShipmentUpdated(head) => (head.origin, self.apply_shipment_updated(at_us, head)),
            Event::PaymentAuthorized(head, holds) => (head.origin, self.apply_authorized(head, holds)),
            Event::PaymentCaptured(head, shares, holds) => {
                (head.origin, self.apply_captured(at_us, head, shares, holds))
            }
            Event::LinesCancelled(head, moves) => (head.origin, self.apply_cancelled(at_us, head, moves)),
            Event::StockReceived(head) => (head.origin, self.apply_received(head)),
            Event::StockAdjusted(head) => (head.origin, self.apply_adjusted(head)),
            Event::StockCounted(head) => (head.origin, self.apply_counted(head)),
            Event::StockMoved(head) => (head.origin, self.apply_stock_moved(head)),
            Event::LevelSet(head) => (head.origin, self.apply_level_set(head)),
            Event::ReservationExtended(head) => (head.origin, self.apply_extended(head)),
            Event::ReservationReleased(head) => (head.origin, self.apply_released(at_us, head)),
            Event::LineEdited(head, moves) => (head.origin, self.apply_line_edited(at_us, head, moves)),
            Event::AddressEdited(head) => (head.origin, self.apply_address_edited(head)),
            Event::PaymentVoided(head) => (head.origin, self.apply_voided(at_us, head)),
            Event::PaymentFailed(head) => (head.origin, self.apply_failed(head)),
            Event::RefundRequested(head) => (head.origin, self.apply_refund_requested(head)),
            Event::RefundSettled(head) => (head.origin, self.apply_refund_settled(at_us, head)),
            Event::PayoutRecorded(head) => (head.origin, self.apply_payout(head)),
            Event::HoldPlaced(head) => (head.origin, self.apply_hold_placed(head)),
            Event::HoldReleased(head) => (head.origin, self.apply_hold_released(at_us, head)),
            Event::WorkUpdated(head) => (head.origin, self.apply_work_updated(head)),
            Event::WorkRejected(head, moves) => (head.origin, self.apply_work_rejected(at_us, head, moves)),
            Event::WorkMoved(head, moves) => (head.origin, self.apply_work_moved(at_us, head, moves)),
            Event::ReturnRequested(head, lines) => (head.origin, self.apply_return_requested(head, lines)),
            Event::ReturnUpdated(head) => (head.origin, self.apply_return_updated(at_us, head)),
            Event::ReturnReceived(head, units) => (head.origin, self.apply_return_received(head, units)),
            Event::SellerDefined(head, code) => (head.origin, self.apply_seller(head, code)),
            Event::LocationDefined(head, code) => (head.origin, self.apply_location(head, code)),
            Event::SkuDefined(head, code) => (head.origin, self.apply_sku(head, code)),
            Event::SourcingDefined(head) => (head.origin, self.apply_sourcing(head)),
            Event::PolicySet(head) => (head.origin, self.apply_policy(head)),
            Event::TokenDefined(head, label) => (head.origin, self.apply_token(head, label)),
            Event::TokenRevoked(head) => (head.origin, self.apply_revoked(head)),
            Event::SessionOpened(head) => {
                self.sessions.open(head.handle, head.session, head.actor.get(), self.sequence);
                (nobody(), Effect::of(head.handle.get().into()))
            }
            Event::BackordersRefilled(head, refills) => (nobody(), self.apply_refilled(at_us, head, refills)),
            Event::ShortageNamed(head, orders) => (nobody(), self.apply_shortage_named(head, orders)),
            Event::TimePassed(_, expiries) => (nobody(), self.apply_time_passed(at_us, expiries)),
            Event::FinishedRetired(head, retired) => (nobody(), self.apply_retired(at_us, head, retired)),
        }
    }

    /// The order that an event is about.
    pub(super) fn order_of(&self, order: OrderId) -> OrderSlot {
        match self.orders.find(order) {
            Some(slot) => slot,
            None => panic!("event {} is about order {order}, which is not there", self.sequence),
        }
    }

    /// The answer to a command about an order, as that stands now.
    pub(super) fn order_effect(&self, slot: OrderSlot, detail: u64) -> Effect {
        let head = self.orders.head(slot);
        Effect::entity(detail, head.version, head.state() as u8)
    }

    /// Moves an order to a state (the same one where nothing changes in that), counts the change, and sees to what
    /// follows when it is finished. Called once for each order that an event changes.
    pub(super) fn move_state(&mut self, at_us: i64, slot: OrderSlot, action: Action, to: OrderState) {
        let head = self.orders.head(slot);
        let (id, from) = (head.id, head.state());
        let is_allowed = transitions::targets(Entity::Order, from as u8, action).contains(&(to as u8));
        assert!(is_allowed, "event {}: {action:?} takes order {id} from {from:?} to {to:?}", self.sequence);
        self.orders.set_state(slot, to);
        if from.is_open() && !to.is_open() {
            self.order_finished(at_us, slot);
        }
    }

    /// Counts a change of an order that leaves its state as it is.
    pub(super) fn count_change(&mut self, slot: OrderSlot) {
        self.orders.count_change(slot);
    }
}

/// The version behind this one, of what is changed too often to count on for ever: it goes round. Nobody looks at something,
/// sees it change four billion times, and then expects what it was. 0 says that nothing has changed it yet, and the
/// highest number, as an expected version, asks for just that.
pub(super) const fn next_version(version: u32) -> u32 {
    if version >= EXPECTED_NEW - 1 { 1 } else { version + 1 }
}

/// The origin of what the core does by itself.
fn nobody() -> Origin {
    Origin { session: SessionHandle::NONE, digest: 0.into(), request: 0.into() }
}

/// The order state that an event names.
pub(super) fn state_in(number: u8) -> OrderState {
    match OrderState::from_number(number) {
        Some(state) => state,
        None => panic!("an event names order state {number}, which there is not"),
    }
}
