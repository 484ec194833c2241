//! What falls due by itself: refills of backorders, expiry by tick, finished orders and reservations leaving memory, the
//! naming of orders that a shortage hits. Each is decided here, journalled like a command's event, and applied here.

use std::collections::VecDeque;

use orderline_protocol::event::{EventKind, Expiry, FinishedRetired, Retired};

use super::State;
use super::apply::Effect;
use super::decide::Scratch;
use super::orders::OrderSlot;

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

/// What has finished and waits to leave memory, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    /// Second in which it finished, kind ([`orderline_protocol::event::RetiredKind`]), id.
    pub(crate) queue: VecDeque<(u32, u8, u128)>,
    /// The newest time in the id of an order that ever left memory, in milliseconds; 0: none has.
    pub(crate) orders_horizon_ms: u64,
    pub(crate) reservations_horizon_ms: u64,
}

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
    pub fn decide_due(&mut self, _now_us: i64, _scratch: &mut Scratch, out: &mut Vec<u8>) -> Due {
        self.next_shortage(out)
    }

    /// When the next look is worth it, in microseconds since 1970; `None`: not before another event.
    pub fn next_due_us(&self) -> Option<i64> {
        self.timers.next_due_us()
    }

    /// Makes again what follows from the rest, after a snapshot was read: the queues of backorders, the timers.
    pub(super) fn rebuild_derived(&mut self) {
        self.rebuild_backorders();
    }

    /// An order was placed: its lines wait for what is backordered of them, and its time runs.
    pub(super) fn order_placed(&mut self, slot: OrderSlot) {
        self.wait_for(slot);
    }

    /// An order was completed, cancelled, or has expired.
    pub(super) fn order_finished(&mut self, _at_us: i64, _slot: OrderSlot) {}

    /// The time for pending orders may be another one now.
    pub(super) fn pending_policy_changed(&mut self) {}

    pub(super) fn apply_time_passed(&mut self, _at_us: i64, _expiries: &[Expiry]) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }

    pub(super) fn apply_retired(&mut self, _head: &FinishedRetired, _retired: &[Retired]) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }
}
