//! Whom and what an event touches beside orders: the sellers, locations and SKUs that it names.

use orderline_protocol::event::{Allocation, Event};
use orderline_protocol::{LocationHandle, SellerHandle, SkuHandle};

/// Somebody or something of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// A seller.
    Seller(SellerHandle),
    /// A location.
    Location(LocationHandle),
    /// A SKU that the event is about. The SKUs of an order's lines are not told: there the order says whose it is.
    Sku(SkuHandle),
}

/// Calls with every seller, location and SKU that an event names, none of them NONE; with some of them more than once.
pub fn each_party(event: &Event<'_>, mut each: impl FnMut(Party)) {
    let mut tell = |party: Party| {
        let is_none = match party {
            Party::Seller(handle) => handle.is_none(),
            Party::Location(handle) => handle.is_none(),
            Party::Sku(handle) => handle.is_none(),
        };
        if !is_none {
            each(party);
        }
    };
    let locations = |tell: &mut dyn FnMut(Party), moves: &[Allocation]| {
        moves.iter().for_each(|part| tell(Party::Location(part.location)));
    };
    match *event {
        Event::SellerDefined(head, _) => tell(Party::Seller(SellerHandle::new(head.handle.get()))),
        Event::LocationDefined(head, _) => {
            tell(Party::Location(LocationHandle::new(head.handle.get() as u16)));
        }
        Event::SkuDefined(head, _) => {
            tell(Party::Sku(SkuHandle::new(head.handle.get())));
            tell(Party::Seller(head.definition.seller));
        }
        Event::SourcingDefined(head) => tell(Party::Seller(head.definition.seller)),
        Event::StockReceived(head) => {
            tell(Party::Sku(head.receipt.sku));
            tell(Party::Location(head.receipt.location));
        }
        Event::StockAdjusted(head) => {
            tell(Party::Sku(head.adjustment.sku));
            tell(Party::Location(head.adjustment.location));
        }
        Event::StockCounted(head) => {
            tell(Party::Sku(head.count.sku));
            tell(Party::Location(head.count.location));
        }
        Event::StockMoved(head) => {
            tell(Party::Sku(head.movement.sku));
            tell(Party::Location(head.movement.from));
            tell(Party::Location(head.movement.to));
        }
        Event::LevelSet(head) => {
            tell(Party::Sku(head.set.sku));
            tell(Party::Location(head.set.location));
        }
        Event::BackordersRefilled(head, refills) => {
            tell(Party::Sku(head.sku));
            refills.iter().for_each(|refill| tell(Party::Location(refill.location)));
        }
        Event::ShortageNamed(head, _) => {
            tell(Party::Sku(head.sku));
            tell(Party::Location(head.location));
        }
        Event::CartReserved(head, _, allocations) => {
            tell(Party::Location(head.location));
            locations(&mut tell, allocations);
        }
        Event::OrderPlaced(head, _, allocations, _) => {
            tell(Party::Seller(head.placement.seller));
            tell(Party::Location(head.location));
            locations(&mut tell, allocations);
        }
        Event::GroupPlaced(head, orders, _, allocations, _) => {
            orders.iter().for_each(|order| tell(Party::Seller(order.seller)));
            tell(Party::Location(head.location));
            locations(&mut tell, allocations);
        }
        Event::LinesCancelled(_, moves) | Event::LineEdited(_, moves) | Event::ShipmentMade(_, moves, _) => {
            locations(&mut tell, moves);
        }
        Event::PayoutRecorded(head) => tell(Party::Seller(head.payout.seller)),
        Event::WorkUpdated(head) => tell(Party::Location(head.update.location)),
        Event::WorkRejected(head, moves) => {
            tell(Party::Location(head.rejection.location));
            locations(&mut tell, moves);
        }
        Event::WorkMoved(head, moves) => {
            tell(Party::Location(head.movement.from));
            tell(Party::Location(head.movement.to));
            locations(&mut tell, moves);
        }
        Event::ReturnReceived(head, _) => tell(Party::Location(head.receipt.location)),
        Event::TokenDefined(head, _) => {
            tell(Party::Seller(head.definition.seller));
            head.definition.locations.iter().for_each(|location| tell(Party::Location(location)));
        }
        Event::SessionOpened(_)
        | Event::TokenRevoked(_)
        | Event::PolicySet(_)
        | Event::ReservationExtended(_)
        | Event::ReservationReleased(_)
        | Event::OrderConfirmed(_)
        | Event::AddressEdited(_)
        | Event::HoldPlaced(_)
        | Event::HoldReleased(_)
        | Event::PaymentAuthorized(..)
        | Event::PaymentCaptured(..)
        | Event::PaymentVoided(_)
        | Event::PaymentFailed(_)
        | Event::RefundRequested(_)
        | Event::RefundSettled(_)
        | Event::ShipmentUpdated(_)
        | Event::ReturnRequested(..)
        | Event::ReturnUpdated(_)
        | Event::TimePassed(..)
        | Event::FinishedRetired(..) => {}
    }
}
