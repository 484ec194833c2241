//! The transition table: the one place that says what may be done with which entity in which state, and where that can
//! lead. Decisions ask it before anything else; applying an event asserts it again; `orderline explain` prints it.

use std::fmt::Write as _;

use orderline_protocol::reply::TransitionView;

pub use orderline_protocol::lifecycle::{
    Action, Entity, HoldState, OrderState, PaymentState, RefundState, ReservationState, ReturnState,
    ShipmentState, WorkState,
};

/// One row of the table: in this state this action may lead to these states.
#[derive(Debug, Clone, Copy)]
pub struct Transition {
    /// Whose state.
    pub entity: Entity,
    /// Where it is: a number of the entity's states.
    pub from: u8,
    /// What is done.
    pub action: Action,
    /// Where it can be then. Which one, quantities and amounts decide.
    pub to: &'static [u8],
}

macro_rules! table {
    ($( $entity:ident $states:ident { $( $from:ident $action:ident -> $($to:ident)|+; )+ } )+) => {
        &[$($(
            Transition {
                entity: Entity::$entity,
                from: $states::$from as u8,
                action: Action::$action,
                to: &[$($states::$to as u8),+],
            },
        )+)+]
    };
}

/// The table. What is not in it is an illegal transition.
pub const TRANSITIONS: &[Transition] = table! {
    Order OrderState {
        Pending Confirm -> Confirmed;
        // A part of a pending order may be given up; the last unit takes the order with it.
        Pending Cancel -> Pending | Cancelled;
        Pending Expire -> Expired;
        Pending Edit -> Pending;
        Pending Refill -> Pending;
        Pending Hold -> Pending;
        Pending Release -> Pending;
        Pending Refund -> Pending;
        // Once something has shipped, giving up the rest can only complete the order, never cancel it.
        Confirmed Cancel -> Confirmed | Cancelled | Completed;
        Confirmed Edit -> Confirmed;
        Confirmed Refill -> Confirmed;
        Confirmed Ship -> Confirmed;
        Confirmed Send -> Confirmed;
        Confirmed Deliver -> Confirmed | Completed;
        Confirmed Lose -> Confirmed | Completed;
        Confirmed ReturnToSender -> Confirmed | Completed;
        Confirmed Accept -> Confirmed;
        Confirmed Start -> Confirmed;
        Confirmed Pause -> Confirmed;
        Confirmed Resume -> Confirmed;
        Confirmed Reject -> Confirmed;
        Confirmed Move -> Confirmed;
        Confirmed Hold -> Confirmed;
        Confirmed Release -> Confirmed;
        Confirmed Refund -> Confirmed;
        Confirmed RequestReturn -> Confirmed;
        Confirmed Receive -> Confirmed;
        Completed Hold -> Completed;
        Completed Release -> Completed;
        Completed Refund -> Completed;
        Completed RequestReturn -> Completed;
        Completed Receive -> Completed;
        Cancelled Hold -> Cancelled;
        Cancelled Release -> Cancelled;
        Cancelled Refund -> Cancelled;
        Expired Hold -> Expired;
        Expired Release -> Expired;
        Expired Refund -> Expired;
    }
    Reservation ReservationState {
        Held Extend -> Held;
        Held Consume -> Consumed;
        Held Release -> Released;
        Held Expire -> Expired;
    }
    Work WorkState {
        Open Accept -> Accepted;
        Open Pause -> OnHold;
        Open Reject -> Rejected;
        Open Move -> Open | Cancelled | Closed;
        Open Ship -> InProgress | Closed;
        Open Cancel -> Open | Cancelled | Closed;
        Accepted Start -> InProgress;
        Accepted Pause -> OnHold;
        Accepted Reject -> Rejected;
        Accepted Move -> Accepted | Cancelled | Closed;
        Accepted Ship -> InProgress | Closed;
        Accepted Cancel -> Accepted | Cancelled | Closed;
        InProgress Pause -> OnHold;
        InProgress Ship -> InProgress | Closed;
        InProgress Send -> InProgress | Closed;
        InProgress Cancel -> InProgress | Cancelled | Closed;
        OnHold Resume -> Open | Accepted | InProgress;
        // A package that was packed before the work was stopped may still leave.
        OnHold Send -> OnHold | Closed;
        OnHold Cancel -> OnHold | Cancelled | Closed;
    }
    Shipment ShipmentState {
        Created Send -> Shipped;
        Created Cancel -> Cancelled;
        Shipped Deliver -> Delivered;
        Shipped Lose -> Lost;
        Shipped ReturnToSender -> ReturnedToSender;
    }
    Payment PaymentState {
        Pending Authorize -> Authorized;
        Pending Fail -> Failed;
        Authorized Capture -> PartiallyCaptured | Captured;
        Authorized Void -> Voided;
        Authorized Expire -> Expired;
        PartiallyCaptured Capture -> PartiallyCaptured | Captured;
        PartiallyCaptured Void -> Captured;
        PartiallyCaptured Expire -> Captured;
        // Another attempt is another payment of the group.
        Failed Authorize -> Authorized;
        Voided Authorize -> Authorized;
        Expired Authorize -> Authorized;
    }
    Refund RefundState {
        Pending Succeed -> Succeeded;
        Pending Fail -> Failed;
    }
    Return ReturnState {
        Requested Approve -> Approved;
        Requested Decline -> Declined;
        Requested Cancel -> Cancelled;
        Approved Receive -> Received;
        Approved Cancel -> Cancelled;
        Received Close -> Closed;
    }
    Hold HoldState {
        Active Release -> Released;
        Active Expire -> Expired;
    }
};

impl Transition {
    /// The row as queries are answered with it.
    pub fn view(&self) -> TransitionView {
        let mut to = [0; 4];
        to[..self.to.len()].copy_from_slice(self.to);
        let (entity, action) = (self.entity as u8, self.action as u8);
        TransitionView { entity, from: self.from, action, to_count: self.to.len() as u8, to }
    }
}

/// Where an action in a state of an entity can lead; empty when it is illegal.
pub fn targets(entity: Entity, from: u8, action: Action) -> &'static [u8] {
    TRANSITIONS
        .iter()
        .find(|row| row.entity == entity && row.from == from && row.action == action)
        .map_or(&[], |row| row.to)
}

/// The rows of one entity, or of all, as lines of text.
pub fn as_text(only: Option<Entity>) -> String {
    let mut text = String::new();
    for &entity in Entity::ALL.iter().filter(|&&entity| only.is_none_or(|only| only == entity)) {
        let _ = writeln!(text, "{}", entity.name());
        for row in TRANSITIONS.iter().filter(|row| row.entity == entity) {
            let to: Vec<_> = row.to.iter().map(|&state| entity.state_name(state)).collect();
            let (from, action) = (entity.state_name(row.from), row.action.name());
            let _ = writeln!(text, "  {from:<20} {action:<18} -> {}", to.join(" | "));
        }
    }
    text
}

/// One entity's rows as a Mermaid state diagram. What leaves a state as it is is not drawn.
pub fn as_mermaid(entity: Entity) -> String {
    let mut text = String::from("stateDiagram-v2\n");
    let id = |state: u8| entity.state_name(state).replace(' ', "_");
    for (number, name) in entity.states() {
        if name.contains(' ') {
            let _ = writeln!(text, "    state \"{name}\" as {}", id(number));
        }
    }
    let _ = writeln!(text, "    [*] --> {}", id(1));
    for row in TRANSITIONS.iter().filter(|row| row.entity == entity) {
        for &to in row.to.iter().filter(|&&to| to != row.from) {
            let _ = writeln!(text, "    {} --> {}: {}", id(row.from), id(to), row.action.name());
        }
    }
    let is_final = |state: u8| {
        !TRANSITIONS
            .iter()
            .any(|row| row.entity == entity && row.from == state && row.to.iter().any(|&to| to != state))
    };
    for (number, _) in entity.states().into_iter().filter(|&(number, _)| is_final(number)) {
        let _ = writeln!(text, "    {} --> [*]", id(number));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_stands_once_and_finished_orders_stay_finished() {
        for (index, row) in TRANSITIONS.iter().enumerate() {
            assert!(!row.to.is_empty() && row.view().targets() == row.to);
            let is_twin = |other: &Transition| {
                other.entity == row.entity && other.action == row.action && other.from == row.from
            };
            assert_eq!(TRANSITIONS.iter().position(is_twin), Some(index));
            let known: Vec<u8> = row.entity.states().into_iter().map(|(number, _)| number).collect();
            assert!(known.contains(&row.from) && row.to.iter().all(|to| known.contains(to)), "{row:?}");
            if row.entity == Entity::Order && !OrderState::from_number(row.from).unwrap().is_open() {
                assert_eq!(row.to, &[row.from], "{row:?} moves a finished order");
            }
        }
        assert_eq!(targets(Entity::Order, OrderState::Completed as u8, Action::Cancel), &[] as &[u8]);
    }

    #[test]
    fn every_state_is_reached_and_drawn() {
        for &entity in Entity::ALL {
            let drawn = as_mermaid(entity);
            for (number, name) in entity.states().into_iter().skip(1) {
                let is_reached = |row: &&Transition| row.entity == entity && row.to.contains(&number);
                assert!(TRANSITIONS.iter().any(|row| is_reached(&row)), "{} {name}", entity.name());
                assert!(drawn.contains(&name.replace(' ', "_")), "{drawn}");
            }
        }
        assert!(as_text(Some(Entity::Hold)).contains("active               release            -> released"));
    }
}
