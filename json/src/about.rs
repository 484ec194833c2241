//! What an event is about: the orders, groups and reservations that it names.

use orderline_protocol::OrderId;
use orderline_protocol::event::Event;

/// The life of an order, a reservation or a group: which events are part of it.
///
/// Payments name a group and not its orders. So an order's life has its group's id beside its own as soon as it has seen
/// the order placed; an order that was placed alone has that id already, for it is its own group.
pub struct Life {
    id: u128,
    group: Option<u128>,
}

impl Life {
    /// The life of what has this id: usually an order; a reservation's or a group's bits do as well.
    pub fn of(id: OrderId) -> Self {
        Self { id: id.get(), group: None }
    }

    /// Whether an event is part of it. Must be asked of each event in its turn, for a placement tells the group.
    pub fn has(&mut self, event: &Event<'_>) -> bool {
        if let Event::GroupPlaced(head, orders, ..) = event
            && orders.iter().any(|order| order.order.get() == self.id)
        {
            self.group = Some(head.checkout.group.get());
        }
        is_about(event, self.id) || self.group.is_some_and(|group| is_about(event, group))
    }
}

/// Whether an event names this id: as an order's, a group's or a reservation's.
fn is_about(event: &Event<'_>, id: u128) -> bool {
    let mut found = false;
    // 0 stands for "none" wherever an id may be left out, so no event is about it.
    each_id(event, |named| found |= named == id && id != 0);
    found
}

/// Every id of an order, a group or a reservation that an event names.
pub fn ids(event: &Event<'_>) -> Vec<OrderId> {
    let mut named = Vec::new();
    each_id(event, |id| named.extend((id != 0).then_some(OrderId::new(id))));
    named
}

/// Calls with every id of an order, a group or a reservation that an event names.
pub fn each_id(event: &Event<'_>, mut each: impl FnMut(u128)) {
    match *event {
        Event::SellerDefined(..)
        | Event::LocationDefined(..)
        | Event::SkuDefined(..)
        | Event::SourcingDefined(_)
        | Event::PolicySet(_)
        | Event::TokenDefined(..)
        | Event::TokenRevoked(_)
        | Event::SessionOpened(_)
        | Event::StockReceived(_)
        | Event::StockAdjusted(_)
        | Event::StockCounted(_)
        | Event::StockMoved(_)
        | Event::LevelSet(_)
        | Event::PayoutRecorded(_) => {}
        Event::BackordersRefilled(_, refills) => refills.iter().for_each(|refill| each(refill.order.get())),
        Event::ShortageNamed(_, orders) => orders.iter().for_each(|short| each(short.order.get())),
        Event::CartReserved(head, ..) => {
            each(head.cart.reservation.get());
            each(head.cart.replaces.get());
        }
        Event::ReservationExtended(head) => each(head.reservation.get()),
        Event::ReservationReleased(head) => each(head.reservation.get()),
        Event::OrderPlaced(head, ..) => each(head.placement.order.get()),
        Event::GroupPlaced(head, orders, ..) => {
            each(head.checkout.group.get());
            each(head.checkout.reservation.get());
            orders.iter().for_each(|order| each(order.order.get()));
        }
        Event::OrderConfirmed(head) => each(head.order.get()),
        Event::LinesCancelled(head, _) => each(head.order.get()),
        Event::LineEdited(head, _) => each(head.edit.order.get()),
        Event::AddressEdited(head) => each(head.edit.order.get()),
        Event::HoldPlaced(head) => each(head.hold.order.get()),
        Event::HoldReleased(head) => each(head.release.order.get()),
        Event::PaymentAuthorized(head, holds) => {
            each(head.authorization.group.get());
            holds.iter().for_each(|hold| each(hold.order.get()));
        }
        Event::PaymentCaptured(head, shares, _) => {
            each(head.capture.group.get());
            each(head.capture.order.get());
            shares.iter().for_each(|share| each(share.order.get()));
        }
        Event::PaymentVoided(head) => each(head.end.group.get()),
        Event::PaymentFailed(head) => each(head.end.group.get()),
        Event::RefundRequested(head) => each(head.request.order.get()),
        Event::RefundSettled(head) => each(head.settlement.order.get()),
        Event::WorkUpdated(head) => each(head.update.order.get()),
        Event::WorkRejected(head, _) => each(head.rejection.order.get()),
        Event::WorkMoved(head, _) => each(head.movement.order.get()),
        Event::ShipmentMade(head, ..) => each(head.order.get()),
        Event::ShipmentUpdated(head) => each(head.update.order.get()),
        Event::ReturnRequested(head, _) => each(head.request.order.get()),
        Event::ReturnUpdated(head) => each(head.update.order.get()),
        Event::ReturnReceived(head, _) => each(head.receipt.order.get()),
        Event::TimePassed(_, expiries) => expiries.iter().for_each(|expiry| each(expiry.id.get())),
        Event::FinishedRetired(_, retired) => retired.iter().for_each(|gone| each(gone.id.get())),
    }
}
