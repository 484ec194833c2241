//! Which events a consumer wants.

use orderline_json::{Party, each_id, each_party};
use orderline_protocol::event::{Event, EventKind};
use orderline_protocol::{LocationHandle, OrderId, SellerHandle};

use crate::whose::{Lately, Whose};

/// What a consumer wants to see: all that fulfils every part that is set. Nothing set is everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Kinds of events; none: all.
    pub kinds: Vec<EventKind>,
    /// Events that name this order, group or reservation. The payment of a group names the group.
    pub entity: Option<OrderId>,
    /// Events of this seller: that name it, one of its orders or one of its SKUs. What they say of others is left out.
    pub seller: Option<SellerHandle>,
    /// Events of this location: that name it, or that name no location and an order that was placed with units
    /// there.
    pub location: Option<LocationHandle>,
}

impl Filter {
    /// Whether it asks for what events do not say by themselves.
    pub(crate) fn asks_whose(&self) -> bool {
        self.seller.is_some() || self.location.is_some()
    }

    pub(crate) fn has(&self, event: &Event<'_>, lately: &mut Lately, whose: &dyn Whose) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&event.kind()))
            && self.entity.is_none_or(|id| names(event, id.get()))
            && self.seller.is_none_or(|seller| is_of_seller(event, seller, lately, whose))
            && self.location.is_none_or(|location| is_of_location(event, location, lately, whose))
    }
}

fn names(event: &Event<'_>, id: u128) -> bool {
    let mut is_named = false;
    each_id(event, |named| is_named |= named == id && id != 0);
    is_named
}

fn is_of_seller(event: &Event<'_>, seller: SellerHandle, lately: &Lately, whose: &dyn Whose) -> bool {
    let mut is_its = false;
    each_party(event, |party| {
        is_its |= match party {
            Party::Seller(named) => named == seller,
            Party::Sku(sku) => lately.sku_seller(whose, sku) == Some(seller),
            Party::Location(_) => false,
        };
    });
    each_id(event, |id| {
        is_its = is_its || lately.order_seller(whose, OrderId::new(id)) == Some(seller);
    });
    is_its
}

fn is_of_location(
    event: &Event<'_>,
    location: LocationHandle,
    lately: &mut Lately,
    whose: &dyn Whose,
) -> bool {
    let (mut names_it, mut names_one) = (false, false);
    each_party(event, |party| {
        if let Party::Location(named) = party {
            (names_it, names_one) = (names_it || named == location, true);
        }
    });
    if names_it || names_one {
        return names_it;
    }
    let mut is_there = false;
    each_id(event, |id| is_there = is_there || lately.is_at(whose, OrderId::new(id), location));
    is_there
}
