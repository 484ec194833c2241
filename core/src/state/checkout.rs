//! Placements: one order alone, or the orders of a cart, and what their events do.

use orderline_protocol::command::{CheckOut, GroupOrder, OrderLine, PlaceOrder};
use orderline_protocol::event::{Allocation, Event, EventKind, GroupPlaced, OrderPlaced, OrderState, Origin};
use orderline_protocol::limits::{
    ID_AHEAD_MS_MAX, LINE_QUANTITY_MAX, ORDER_LINES_MAX, ORDER_TOTAL_MINOR_MAX, UNIT_PRICE_MINOR_MAX,
};
use orderline_protocol::{CurrencyCode, RejectCode, SellerHandle};

use super::apply::Effect;
use super::decide::{Refusable, Scratch, write};
use super::orders::NewOrder;
use super::sourcing::{Backordering, Request};
use super::{Accepted, Decision, Rejection, State};

impl State {
    #[inline]
    pub(super) fn decide_place(
        &self,
        origin: Origin,
        now_us: i64,
        head: &PlaceOrder,
        lines: &[OrderLine],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Decision {
        if let Some(slot) = self.orders.find(head.order) {
            let order = self.orders.head(slot);
            // An order of a group has no placement of its own to be repeated.
            let is_alone = self.orders.detail(slot).is_none_or(|detail| detail.group == 0);
            if order.digest != origin.digest.get() || !is_alone {
                return Decision::Rejected(Rejection {
                    sequence: Some(order.placed_sequence),
                    ..Rejection::new(RejectCode::OrderIdReused)
                });
            }
            // Another session has placed it: the same first answer.
            return Decision::Before(Accepted {
                sequence: order.placed_sequence,
                detail: lines.iter().map(line_value).sum::<i64>() as u64,
                version: 1,
                state: OrderState::Pending as u8,
            });
        }
        match self.place(origin, now_us, head, lines, scratch, out) {
            Ok(()) => Decision::Event(EventKind::OrderPlaced),
            Err(rejection) => Decision::Rejected(rejection),
        }
    }

    #[inline]
    fn place(
        &self,
        origin: Origin,
        now_us: i64,
        head: &PlaceOrder,
        lines: &[OrderLine],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<()> {
        self.check_id(head.order.get(), self.finished.orders_horizon_ms, now_us)?;
        self.check_lines_count(lines.len(), ORDER_LINES_MAX)?;
        self.check_seller(head.seller)?;
        if !head.currency.is_known() {
            return Err(Rejection::new(RejectCode::UnknownCurrency).with(head.currency.get().into()));
        }
        let total = self.check_order_lines(0, head.seller, head.currency, lines)?;
        if total > i128::from(ORDER_TOTAL_MINOR_MAX) {
            return Err(Rejection::new(RejectCode::TotalTooLarge));
        }
        let request = Request {
            region: head.region.get(),
            seller: head.seller,
            now_us,
            own: &[],
            excluded: &[],
            backordering: Backordering::WithinCap,
        };
        let sourced = self.source(&request, lines, &mut scratch.sourcing)?;
        let allocations = scratch.sourcing.allocations_of(&sourced);
        let Ok(allocation_count) = u16::try_from(allocations.len()) else {
            return Err(Rejection::new(RejectCode::TooManyLines).with(allocations.len() as u64));
        };
        let event = OrderPlaced {
            origin,
            placement: *head,
            location: sourced.location,
            allocation_count: allocation_count.into(),
            rule: sourced.rule as u8,
            reserved: 0,
        };
        write(Event::OrderPlaced(&event, lines, allocations), out);
        Ok(())
    }

    /// Whether an id may be given to something new.
    #[inline]
    pub(super) fn check_id(&self, id: u128, horizon_ms: u64, now_us: i64) -> Refusable<()> {
        if id == 0 {
            return Err(Rejection::new(RejectCode::InvalidOrderId));
        }
        let (id_ms, now_ms) = ((id >> 80) as u64, now_us.max(0) as u64 / 1_000);
        if id_ms > now_ms + ID_AHEAD_MS_MAX {
            return Err(Rejection::new(RejectCode::IdAhead).with(now_ms));
        }
        if horizon_ms > 0 && id_ms <= horizon_ms {
            return Err(Rejection::new(RejectCode::OrderIdTooOld).with(horizon_ms));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn check_lines_count(&self, count: usize, count_max: usize) -> Refusable<()> {
        match count {
            0 => Err(Rejection::new(RejectCode::NoLines)),
            count if count > count_max => Err(Rejection::new(RejectCode::TooManyLines).with(count as u64)),
            _ => Ok(()),
        }
    }

    /// Checks the lines of one order, the first of which has the index `first` in its command; returns what they cost.
    #[inline]
    pub(super) fn check_order_lines(
        &self,
        first: usize,
        seller: SellerHandle,
        currency: CurrencyCode,
        lines: &[OrderLine],
    ) -> Refusable<i128> {
        let mut total: i128 = 0;
        for (index, line) in lines.iter().enumerate() {
            let index = (first + index) as u32;
            let refuse = |code| Err(Rejection::new(code).about(index));
            let Some(sku) = self.catalogue.sku(line.sku) else {
                return Err(Rejection::new(RejectCode::UnknownSku).about(index).with(line.sku.get().into()));
            };
            if !sku.is_active() {
                return refuse(RejectCode::SkuRetired);
            }
            if sku.seller != seller {
                return Err(Rejection::new(RejectCode::SkuOfOtherSeller)
                    .about(index)
                    .with(sku.seller.get().into()));
            }
            if sku.currency.get() != 0 && sku.currency != currency {
                return Err(Rejection::new(RejectCode::MixedCurrencies)
                    .about(index)
                    .with(sku.currency.get().into()));
            }
            match line.quantity.get() {
                0 => return refuse(RejectCode::ZeroQuantity),
                1..=LINE_QUANTITY_MAX => {}
                _ => return refuse(RejectCode::QuantityTooLarge),
            }
            match line.unit_price.minor() {
                ..=0 => return refuse(RejectCode::InvalidPrice),
                1..=UNIT_PRICE_MINOR_MAX => {}
                _ => return refuse(RejectCode::PriceTooLarge),
            }
            total += i128::from(line.unit_price.minor()) * i128::from(line.quantity.get());
        }
        Ok(total)
    }

    #[allow(clippy::too_many_arguments)] // A command's parts, and where its decision works and goes.
    pub(super) fn decide_check_out(
        &self,
        _origin: Origin,
        _now_us: i64,
        _head: &CheckOut,
        _orders: &[GroupOrder],
        _lines: &[OrderLine],
        _scratch: &mut Scratch,
        _out: &mut Vec<u8>,
    ) -> Decision {
        Decision::Rejected(Rejection::new(RejectCode::UnknownKind))
    }

    #[inline]
    pub(super) fn apply_placed(
        &mut self,
        at_us: i64,
        head: &OrderPlaced,
        lines: &[OrderLine],
        allocations: &[Allocation],
    ) -> Effect {
        self.hold_units(at_us, head.location, lines, allocations);
        let placement = &head.placement;
        let total = lines.iter().map(line_value).sum::<i64>();
        let slot = self.orders.insert(&NewOrder {
            id: placement.order,
            placed_sequence: self.sequence,
            // Seconds in 32 bits without a sign last until 2106.
            placed_unix_s: (at_us / 1_000_000) as u32,
            buyer: placement.buyer,
            digest: head.origin.digest.get(),
            seller: placement.seller,
            currency: placement.currency,
            region: placement.region.get(),
            location: head.location,
            lines,
            allocations,
            group: 0,
        });
        self.order_placed(slot);
        self.order_effect(slot, total as u64)
    }

    pub(super) fn apply_group_placed(
        &mut self,
        _at_us: i64,
        _head: &GroupPlaced,
        _orders: &[GroupOrder],
        _lines: &[OrderLine],
        _allocations: &[Allocation],
    ) -> Effect {
        panic!("event {} is of a kind that is not decided yet", self.sequence)
    }
}

/// What a line costs.
#[inline]
pub(super) fn line_value(line: &OrderLine) -> i64 {
    line.unit_price.minor() * i64::from(line.quantity.get())
}
