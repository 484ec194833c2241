//! Answering queries from the state.

use orderline_protocol::command::{Command, EntityKind, RawCommand};
use orderline_protocol::reply::{LevelView, LineView, OrderView, StatusView};
use orderline_protocol::{LocationHandle, RejectCode, SkuHandle};
use zerocopy::IntoBytes;

use super::orders::OrderSlot;
use super::{Accepted, Rejection, State};

impl State {
    /// Answers a query: the view's bytes are appended to `out`. Speaks of everything up to [`State::sequence`].
    ///
    /// # Errors
    /// A rejection, with nothing appended.
    pub fn answer(&self, query: &RawCommand<'_>, out: &mut Vec<u8>) -> Result<Accepted, Rejection> {
        let command = match query.read() {
            Ok(command) => command,
            Err(None) => return Err(Rejection::new(RejectCode::UnknownKind)),
            Err(Some(_)) => return Err(Rejection::new(RejectCode::Malformed)),
        };
        let mut answer = Accepted { sequence: self.sequence, detail: 0, version: 0, state: 0 };
        match command {
            Command::QueryOrder(head) => {
                let Some(slot) = self.orders.find(head.order) else {
                    return Err(Rejection::new(RejectCode::UnknownOrder));
                };
                self.view_order(slot, out);
                let order = self.orders.head(slot);
                (answer.version, answer.state) = (order.version, order.state() as u8);
                answer.detail = self.orders.total_minor(slot) as u64;
            }
            Command::QueryStock(head) => {
                if self.catalogue.sku(head.sku).is_none() {
                    return Err(Rejection::new(RejectCode::UnknownSku).with(head.sku.get().into()));
                }
                if !head.location.is_none() && self.catalogue.location(head.location).is_none() {
                    return Err(Rejection::new(RejectCode::UnknownLocation).about(head.location.get()));
                }
                answer.detail = self.view_levels(head.sku, head.location, out);
            }
            Command::ResolveCode(head, code) => {
                let codes = match head.entity {
                    entity if entity == EntityKind::Seller as u8 => &self.catalogue.seller_codes,
                    entity if entity == EntityKind::Location as u8 => &self.catalogue.location_codes,
                    entity if entity == EntityKind::Sku as u8 => &self.catalogue.sku_codes,
                    _ => return Err(Rejection::new(RejectCode::InvalidField)),
                };
                let handle = codes.find(code).ok_or(Rejection::new(RejectCode::UnknownCode))?;
                answer.detail = handle.into();
            }
            Command::QueryStatus(head) => {
                let counts = self.counts();
                let hash = if head.with_state_hash == 1 { self.hash().0 } else { 0 };
                let view = StatusView {
                    state_hash: hash.into(),
                    orders_total: counts.orders_total.into(),
                    orders_open: counts.orders_open.into(),
                    sellers: counts.sellers.into(),
                    locations: counts.locations.into(),
                    skus: counts.skus.into(),
                    sessions: counts.sessions.into(),
                };
                out.extend_from_slice(view.as_bytes());
            }
            _ => return Err(Rejection::new(RejectCode::UnknownKind)),
        }
        Ok(answer)
    }

    fn view_order(&self, slot: OrderSlot, out: &mut Vec<u8>) {
        let head = self.orders.head(slot);
        let lines = self.orders.lines(slot);
        let view = OrderView {
            order: head.id,
            placed_sequence: head.placed_sequence.into(),
            buyer: head.buyer,
            seller: head.seller,
            currency: head.currency,
            line_count: head.line_count.into(),
            placed_unix_s: head.placed_unix_s.into(),
            shipment_count: head.shipment_count.into(),
            reserved: [0; 2],
        };
        out.extend_from_slice(view.as_bytes());
        for (index, line) in lines.iter().enumerate() {
            let view = LineView {
                line: *line,
                counters: self.orders.counters(slot, index),
                location: self.line_location(slot, index),
            };
            out.extend_from_slice(view.as_bytes());
        }
    }

    /// The one location that a line has units at; none where it has them at several, or nowhere any more.
    fn line_location(&self, slot: OrderSlot, line: usize) -> LocationHandle {
        let Some(detail) = self.orders.detail(slot) else { return self.orders.head(slot).location };
        let mut of_line = detail.allocations.iter().filter(|part| usize::from(part.line.get()) == line);
        match (of_line.next(), of_line.next()) {
            (Some(only), None) => only.location,
            _ => LocationHandle::NONE,
        }
    }

    /// Appends the levels and returns what is available over them.
    fn view_levels(&self, sku: SkuHandle, location: LocationHandle, out: &mut Vec<u8>) -> u64 {
        let mut available = 0_u64;
        let levels = self.stock.levels_of(&self.catalogue, sku);
        for level in levels.filter(|level| location.is_none() || level.location == location) {
            let view = LevelView {
                sku,
                location: level.location,
                available: level.available.into(),
                reserved: level.reserved.into(),
                committed: level.committed.into(),
                safety: level.safety.into(),
                damaged: level.damaged.into(),
                quality_hold: level.quality_hold.into(),
                incoming: level.incoming.into(),
            };
            out.extend_from_slice(view.as_bytes());
            available = available.saturating_add(level.available);
        }
        available
    }
}
