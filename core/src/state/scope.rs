//! Scopes: whether what a command is about lies within what its bearer may touch. Asked before anything is decided, and
//! never of whoever may touch everything.
//!
//! What is not there is let through, for the answer says no more than that. Questions about a page or a whole are not refused
//! but narrowed, in `view`: the catalogue, the settings, a SKU's levels.

use orderline_protocol::command::{AskedSku, Command, EntityKind, GroupOrder, ResolveCode, Scope};
use orderline_protocol::{
    GroupId, LocationHandle, Locations, OrderId, RejectCode, ReservationId, SellerHandle, SkuHandle,
};

use super::decide::Refusable;
use super::orders::OrderSlot;
use super::{Rejection, State};

impl State {
    /// Whether a command, or a query, may be brought within this scope.
    ///
    /// # Errors
    /// [`RejectCode::OutOfScope`]; to whoever asks for the handle behind a code, what is somebody else's is as unknown as what
    /// there is not.
    pub fn check_scope(&self, scope: Scope, command: &Command<'_>) -> Refusable<()> {
        let (is_within, whose) = match scope {
            Scope::Everything => return Ok(()),
            Scope::Seller(seller) => (self.is_of_seller(seller, command), seller.get()),
            Scope::Locations(own) => (self.is_at_locations(&own, command), own.first().get().into()),
        };
        match command {
            _ if is_within => Ok(()),
            Command::ResolveCode(..) => Err(Rejection::new(RejectCode::UnknownCode)),
            _ => Err(Rejection::new(RejectCode::OutOfScope).about(whose)),
        }
    }

    fn is_of_seller(&self, seller: SellerHandle, command: &Command<'_>) -> bool {
        match *command {
            Command::DefineSku(head, _) => head.seller == seller,
            Command::DefineSourcing(head) => head.seller == seller,
            Command::ReceiveStock(head) => self.is_sku_of(seller, head.sku),
            Command::AdjustStock(head) => self.is_sku_of(seller, head.sku),
            Command::CountStock(head) => self.is_sku_of(seller, head.sku),
            Command::MoveStock(head) => self.is_sku_of(seller, head.sku),
            Command::SetLevel(head) => self.is_sku_of(seller, head.sku),
            Command::ReserveCart(head, lines) => {
                self.is_cart_of(seller, head.replaces)
                    && lines.iter().all(|line| self.is_sku_of(seller, line.sku))
            }
            Command::ExtendReservation(head) => self.is_cart_of(seller, head.reservation),
            Command::ReleaseReservation(head) => self.is_cart_of(seller, head.reservation),
            // Whether the lines are of the orders' sellers, the placement's own rules say.
            Command::PlaceOrder(head, _, _) => head.seller == seller,
            Command::CheckOut(head, orders, _, _) => {
                let is_own = |order: &GroupOrder| order.seller == seller;
                orders.iter().all(is_own) && self.is_cart_of(seller, head.reservation)
            }
            Command::ConfirmOrder(head) => self.is_order_of(seller, head.order),
            Command::CancelLines(head, _) => self.is_order_of(seller, head.order),
            Command::EditLine(head) => self.is_order_of(seller, head.order),
            Command::EditAddress(head) => self.is_order_of(seller, head.order),
            Command::PlaceHold(head) => self.is_order_of(seller, head.order),
            Command::ReleaseHold(head) => self.is_order_of(seller, head.order),
            Command::RecordAuthorization(head) => self.is_group_of(seller, head.group),
            Command::RecordCapture(head) => self.is_group_of(seller, head.group),
            Command::RecordVoid(head) | Command::RecordFailure(head) => self.is_group_of(seller, head.group),
            Command::RequestRefund(head) => self.is_order_of(seller, head.order),
            Command::SettleRefund(head) => self.is_order_of(seller, head.order),
            Command::RecordPayout(head) => head.seller == seller,
            Command::UpdateWork(head) => self.is_order_of(seller, head.order),
            Command::RejectWork(head) => self.is_order_of(seller, head.order),
            Command::MoveWork(head, _) => self.is_order_of(seller, head.order),
            Command::ShipLines(head, ..) => self.is_order_of(seller, head.order),
            Command::UpdateShipment(head) => self.is_order_of(seller, head.order),
            Command::RequestReturn(head, _) => self.is_order_of(seller, head.order),
            Command::UpdateReturn(head) => self.is_order_of(seller, head.order),
            Command::ReceiveReturn(head, _) => self.is_order_of(seller, head.order),
            Command::QueryOrder(head) => self.is_order_of(seller, head.order),
            Command::QueryGroup(head) => self.is_group_of(seller, head.group),
            Command::QueryReservation(head) => self.is_cart_of(seller, head.reservation),
            Command::QueryLedger(head) => head.seller == seller,
            Command::QueryStock(head) => self.is_sku_of(seller, head.sku),
            Command::QueryAvailability(_, skus) => {
                skus.iter().all(|asked: &AskedSku| self.is_sku_of(seller, asked.sku))
            }
            Command::ResolveCode(head, code) => match EntityKind::from_number(head.entity) {
                Some(EntityKind::Seller) => self.catalogue.seller_codes.find(code) == Some(seller.get()),
                Some(EntityKind::Sku) => {
                    let found = self.catalogue.sku_codes.find(code);
                    found.is_none_or(|sku| self.is_sku_of(seller, SkuHandle::new(sku)))
                }
                Some(EntityKind::Location) | None => true,
            },
            // Narrowed where they are answered, or the same for everybody.
            Command::QueryCatalogue(_) | Command::QuerySettings(_) | Command::QueryTransitions(_) => true,
            Command::DefineSeller(..)
            | Command::DefineLocation(..)
            | Command::SetPolicy(_)
            | Command::DefineToken(..)
            | Command::RevokeToken(_)
            | Command::QueryStatus(_)
            | Command::QueryTokens(_) => false,
        }
    }

    fn is_at_locations(&self, own: &Locations, command: &Command<'_>) -> bool {
        match *command {
            Command::ReceiveStock(head) => own.has(head.location),
            Command::AdjustStock(head) => own.has(head.location),
            Command::CountStock(head) => own.has(head.location),
            Command::MoveStock(head) => own.has(head.from) && own.has(head.to),
            Command::SetLevel(head) => own.has(head.location),
            Command::UpdateWork(head) => own.has(head.location),
            Command::RejectWork(head) => own.has(head.location),
            // It gives its own work away, and takes nobody's.
            Command::MoveWork(head, _) => own.has(head.from),
            Command::ShipLines(head, ..) => own.has(head.location),
            Command::UpdateShipment(head) => self.is_package_of(own, head.order, head.shipment.get().into()),
            Command::ReceiveReturn(head, _) => own.has(head.location),
            Command::QueryOrder(head) => {
                self.orders.find(head.order).is_none_or(|slot| self.has_part_at(own, slot))
            }
            Command::QueryStock(head) => head.location.is_none() || own.has(head.location),
            Command::ResolveCode(ResolveCode { entity, .. }, code) => {
                match EntityKind::from_number(*entity) {
                    Some(EntityKind::Location) => {
                        let found = self.catalogue.location_codes.find(code);
                        found.is_some_and(|handle| own.has(LocationHandle::new(handle as u16)))
                    }
                    Some(EntityKind::Seller) => false,
                    Some(EntityKind::Sku) | None => true,
                }
            }
            // Narrowed where they are answered, or the same for everybody.
            Command::QueryCatalogue(_) | Command::QuerySettings(_) | Command::QueryTransitions(_) => true,
            // What is a seller's, a buyer's or the marketplace's is at no location.
            Command::DefineSeller(..)
            | Command::DefineLocation(..)
            | Command::DefineSku(..)
            | Command::DefineSourcing(_)
            | Command::SetPolicy(_)
            | Command::DefineToken(..)
            | Command::RevokeToken(_)
            | Command::ReserveCart(..)
            | Command::ExtendReservation(_)
            | Command::ReleaseReservation(_)
            | Command::PlaceOrder(..)
            | Command::CheckOut(..)
            | Command::ConfirmOrder(_)
            | Command::CancelLines(..)
            | Command::EditLine(_)
            | Command::EditAddress(_)
            | Command::PlaceHold(_)
            | Command::ReleaseHold(_)
            | Command::RecordAuthorization(_)
            | Command::RecordCapture(_)
            | Command::RecordVoid(_)
            | Command::RecordFailure(_)
            | Command::RequestRefund(_)
            | Command::SettleRefund(_)
            | Command::RecordPayout(_)
            | Command::RequestReturn(..)
            | Command::UpdateReturn(_)
            | Command::QueryGroup(_)
            | Command::QueryReservation(_)
            | Command::QueryLedger(_)
            | Command::QueryAvailability(..)
            | Command::QueryStatus(_)
            | Command::QueryTokens(_) => false,
        }
    }

    fn is_sku_of(&self, seller: SellerHandle, sku: SkuHandle) -> bool {
        self.catalogue.sku(sku).is_none_or(|sku| sku.seller == seller)
    }

    fn is_order_of(&self, seller: SellerHandle, order: OrderId) -> bool {
        self.orders.find(order).is_none_or(|slot| self.orders.head(slot).seller == seller)
    }

    /// Whether a reservation holds nothing but this seller's.
    fn is_cart_of(&self, seller: SellerHandle, reservation: ReservationId) -> bool {
        let Some(slot) = self.reservations.find(reservation) else { return true };
        self.reservations.get(slot).lines.iter().all(|line| self.is_sku_of(seller, line.sku))
    }

    /// Whether all orders of a group are this seller's. One that has left memory may have been anybody's.
    fn is_group_of(&self, seller: SellerHandle, group: GroupId) -> bool {
        let Some(group) = self.group_as_it_stands(group) else { return true };
        let is_own =
            |order| self.orders.find(order).is_some_and(|slot| self.orders.head(slot).seller == seller);
        group.order_count as usize == group.orders.len() && group.orders().all(is_own)
    }

    /// Whether all of a package left, or leaves, from these locations.
    fn is_package_of(&self, own: &Locations, order: OrderId, number: usize) -> bool {
        let Some(slot) = self.orders.find(order) else { return true };
        let Some(detail) = self.orders.detail(slot) else { return true };
        let shipment = number.checked_sub(1).and_then(|place| detail.shipments.get(place));
        shipment.is_none_or(|shipment| shipment.parts.iter().all(|part| own.has(part.location)))
    }

    /// Whether one of these locations has units of an order, sent some, or had work with it.
    fn has_part_at(&self, own: &Locations, slot: OrderSlot) -> bool {
        let is_here = |part: &orderline_protocol::event::Allocation| own.has(part.location);
        self.orders.open_units(slot).iter().any(is_here)
            || self.works(slot).iter().any(|work| own.has(work.location))
            || self.orders.detail(slot).is_some_and(|detail| {
                detail.shipments.iter().flat_map(|shipment| &shipment.parts).any(is_here)
            })
    }
}
