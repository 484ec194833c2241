//! The transition table of orders: the one place that says what may be done with an order in which state, and where
//! that can lead. Decisions ask it before anything else; applying an event asserts it again.

pub use orderline_protocol::event::OrderState;

/// What can be done with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Commit to it.
    Confirm,
    /// Give up units that have not been shipped.
    Cancel,
    /// Let its time run out.
    Expire,
    /// Send units.
    Ship,
    /// Record that units arrived.
    Deliver,
}

/// One row of the table: in this state this action may lead to these states.
#[derive(Debug, Clone, Copy)]
pub struct Transition {
    /// Where the order is.
    pub from: OrderState,
    /// What is done.
    pub action: Action,
    /// Where it can be then. Which one, the quantities decide.
    pub to: &'static [OrderState],
}

use OrderState::{Cancelled, Completed, Confirmed, Expired, Pending};

const fn row(from: OrderState, action: Action, to: &'static [OrderState]) -> Transition {
    Transition { from, action, to }
}

/// The table. What is not in it is an illegal transition.
pub const ORDER_TRANSITIONS: [Transition; 6] = [
    row(Pending, Action::Confirm, &[Confirmed]),
    // A part of a pending order may be given up; the last unit takes the order with it.
    row(Pending, Action::Cancel, &[Pending, Cancelled]),
    row(Pending, Action::Expire, &[Expired]),
    // Once something has shipped, giving up the rest can only complete the order, never cancel it.
    row(Confirmed, Action::Cancel, &[Confirmed, Cancelled, Completed]),
    row(Confirmed, Action::Ship, &[Confirmed]),
    row(Confirmed, Action::Deliver, &[Confirmed, Completed]),
];

/// Where an action in a state can lead; empty when it is illegal.
pub fn targets(from: OrderState, action: Action) -> &'static [OrderState] {
    ORDER_TRANSITIONS
        .iter()
        .find(|transition| transition.from == from && transition.action == action)
        .map_or(&[], |transition| transition.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_stands_once_and_finished_orders_do_not_move() {
        for (index, row) in ORDER_TRANSITIONS.iter().enumerate() {
            assert!(!row.to.is_empty());
            assert!(row.from.is_open(), "{row:?} moves a finished order");
            let twin = |other: &&Transition| other.from == row.from && other.action == row.action;
            assert_eq!(ORDER_TRANSITIONS.iter().position(|other| twin(&other)), Some(index));
        }
        assert_eq!(targets(Completed, Action::Cancel), &[]);
    }
}
