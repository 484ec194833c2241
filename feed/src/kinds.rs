//! What events are called outside: the types of CloudEvents.

use orderline_protocol::event::EventKind;

/// The type of an event of this kind. Its last part is the version of what its data says: it rises when a field goes or changes
/// its meaning, and stays when one is added.
pub const fn event_type(kind: EventKind) -> &'static str {
    match kind {
        EventKind::SellerDefined => "org.orderline.seller.defined.v1",
        EventKind::LocationDefined => "org.orderline.location.defined.v1",
        EventKind::SkuDefined => "org.orderline.sku.defined.v1",
        EventKind::SourcingDefined => "org.orderline.sourcing.defined.v1",
        EventKind::PolicySet => "org.orderline.policy.set.v1",
        EventKind::SessionOpened => "org.orderline.session.opened.v1",
        EventKind::StockReceived => "org.orderline.stock.received.v1",
        EventKind::StockAdjusted => "org.orderline.stock.adjusted.v1",
        EventKind::StockCounted => "org.orderline.stock.counted.v1",
        EventKind::StockMoved => "org.orderline.stock.moved.v1",
        EventKind::LevelSet => "org.orderline.stock.level_set.v1",
        EventKind::BackordersRefilled => "org.orderline.stock.backorders_refilled.v1",
        EventKind::ShortageNamed => "org.orderline.stock.shortage_named.v1",
        EventKind::CartReserved => "org.orderline.reservation.made.v1",
        EventKind::ReservationExtended => "org.orderline.reservation.extended.v1",
        EventKind::ReservationReleased => "org.orderline.reservation.released.v1",
        EventKind::OrderPlaced => "org.orderline.order.placed.v1",
        EventKind::GroupPlaced => "org.orderline.group.placed.v1",
        EventKind::OrderConfirmed => "org.orderline.order.confirmed.v1",
        EventKind::LinesCancelled => "org.orderline.order.lines_cancelled.v1",
        EventKind::LineEdited => "org.orderline.order.line_edited.v1",
        EventKind::AddressEdited => "org.orderline.order.address_edited.v1",
        EventKind::HoldPlaced => "org.orderline.hold.placed.v1",
        EventKind::HoldReleased => "org.orderline.hold.released.v1",
        EventKind::PaymentAuthorized => "org.orderline.payment.authorized.v1",
        EventKind::PaymentCaptured => "org.orderline.payment.captured.v1",
        EventKind::PaymentVoided => "org.orderline.payment.voided.v1",
        EventKind::PaymentFailed => "org.orderline.payment.failed.v1",
        EventKind::RefundRequested => "org.orderline.refund.requested.v1",
        EventKind::RefundSettled => "org.orderline.refund.settled.v1",
        EventKind::PayoutRecorded => "org.orderline.payout.recorded.v1",
        EventKind::WorkUpdated => "org.orderline.fulfilment.updated.v1",
        EventKind::WorkRejected => "org.orderline.fulfilment.rejected.v1",
        EventKind::WorkMoved => "org.orderline.fulfilment.moved.v1",
        EventKind::ShipmentMade => "org.orderline.shipment.made.v1",
        EventKind::ShipmentUpdated => "org.orderline.shipment.updated.v1",
        EventKind::ReturnRequested => "org.orderline.return.requested.v1",
        EventKind::ReturnUpdated => "org.orderline.return.updated.v1",
        EventKind::ReturnReceived => "org.orderline.return.received.v1",
        EventKind::TokenDefined => "org.orderline.token.defined.v1",
        EventKind::TokenRevoked => "org.orderline.token.revoked.v1",
        EventKind::TimePassed => "org.orderline.time.passed.v1",
        EventKind::FinishedRetired => "org.orderline.finished.retired.v1",
    }
}

/// The kind of the events of a type.
pub fn kind_of_type(type_name: &str) -> Option<EventKind> {
    EventKind::ALL.iter().copied().find(|&kind| event_type(kind) == type_name)
}
