//! Whose an order is and where it was placed from, for feeds that are narrowed to a seller or a location.
//!
//! The read models know every order, the retired ones as well, and where the journal has its placement: what is answered of that
//! never changes. They come a moment after the feed, so what they do not know yet the engine is asked for.

use std::sync::Arc;

use orderline_feed::{Whose, placed_from};
use orderline_protocol::event::Event;
use orderline_protocol::reply::OrderParts;
use orderline_protocol::{LocationHandle, OrderId, SellerHandle, SkuHandle};
use orderline_readmodel::{ReadModelError, Reader};

use crate::names::Names;

/// Whoever knows.
pub struct Owners {
    models: Reader,
    names: Arc<Names>,
}

impl Owners {
    /// Asks these read models, and the engine as these names do.
    pub fn new(models: Reader, names: Arc<Names>) -> Self {
        Self { models, names }
    }

    /// Where an order was placed from, by its placement's record; nothing if that is not known, or not kept.
    fn by_record(&self, order: OrderId) -> Result<Option<Vec<LocationHandle>>, ReadModelError> {
        let Some(entry) = self.models.placement(order)? else { return Ok(None) };
        let Some(record) = &entry.record else { return Ok(None) };
        let event = Event::read(entry.kind, record.version, &record.payload);
        Ok(event.ok().and_then(|event| placed_from(&event, order)))
    }
}

impl Whose for Owners {
    fn order_seller(&self, order: OrderId) -> Option<SellerHandle> {
        let known = self.models.order(order).ok().flatten().map(|order| order.seller);
        known.or_else(|| self.names.with_order(order, |parts| parts.head.seller))
    }

    fn order_locations(&self, order: OrderId) -> Vec<LocationHandle> {
        let now = |parts: &OrderParts<'_>| {
            let works = parts.works.iter().map(|work| work.location);
            works.chain(parts.allocations.iter().map(|part| part.location)).collect()
        };
        let known = self.by_record(order).ok().flatten();
        // Units that stayed where a reservation held them: where they are, or were at last.
        let at_last = || self.models.order(order).ok().flatten().map(|order| order.locations());
        known.or_else(at_last).or_else(|| self.names.with_order(order, now)).unwrap_or_default()
    }

    fn sku_seller(&self, sku: SkuHandle) -> Option<SellerHandle> {
        self.names.sku_seller(sku)
    }
}
