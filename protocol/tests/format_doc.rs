//! Holds the events of `docs/format.md` against the code: a table that says another offset, size or number than the
//! compiler fails here.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod support;

use orderline_protocol::Event;
use orderline_protocol::command::OrderLine;
use orderline_protocol::event::{
    Allocation, EVENT_VERSION, EventKind, LinesCancelled, LinesDelivered, LinesShipped, LocationDefined,
    OrderConfirmed, OrderPlaced, OrderState, Origin, SellerDefined, SessionOpened, SkuDefined, SourcingRule,
    StockAdjusted, StockReceived, UnreadableEvent,
};
use orderline_protocol::reply::LineCounters;
use zerocopy::FromZeros;

use support::{all, byte, compare, numbered, shapes, tables};

const DOC: &str = include_str!("../../docs/format.md");

#[test]
fn every_field_of_every_event_stands_in_the_document() {
    let shapes = shapes! {
        Origin { session, digest, request }
        SellerDefined {
            origin, handle, reserved, definition.commission_bp, definition.standing, definition.code_bytes,
            definition.reserved,
        }
        LocationDefined {
            origin, handle, reserved, definition.region, definition.priority, definition.daily_capacity,
            definition.standing, definition.code_bytes, definition.reserved,
        }
        SkuDefined {
            origin, handle, reserved, definition.seller, definition.backorder_cap, definition.currency,
            definition.standing, definition.code_bytes, definition.reserved,
        }
        StockReceived {
            origin, receipt.sku, receipt.location, receipt.quantity, receipt.reference, receipt.reason,
            receipt.reserved,
        }
        StockAdjusted {
            origin, adjustment.sku, adjustment.location, adjustment.delta, adjustment.reference,
            adjustment.reason, adjustment.bucket, adjustment.reserved,
        }
        OrderPlaced {
            origin, placement.order, placement.buyer, placement.seller, placement.currency,
            placement.line_count, location, allocation_count, rule, reserved,
        }
        OrderLine { sku, quantity, unit_price }
        Allocation { line, reserved, location, quantity }
        OrderConfirmed { origin, order }
        LinesCancelled { origin, order, state, reserved, move_count, reason, reserved_2 }
        LinesShipped { origin, order, shipment, move_count, carrier, tracking_bytes, reserved }
        LinesDelivered { origin, order, state, reserved, move_count, reserved_2 }
        SessionOpened { session, handle, reserved }
        LineCounters { cancelled, backordered, reserved, allocated, shipped, delivered, returned }
    };
    // Names of nested fields come out of the macro with blanks around their dots.
    let shapes = shapes.map(|(name, bytes, fields)| {
        let plain =
            |(field, offset, size): (&'static str, _, _)| (&*field.replace(' ', "").leak(), offset, size);
        (name, bytes, fields.into_iter().map(plain).collect())
    });
    compare(&tables(DOC), &shapes);
}

#[test]
fn every_number_of_an_event_stands_in_the_document() {
    let tables = tables(DOC);
    let kinds = [
        EventKind::SellerDefined,
        EventKind::LocationDefined,
        EventKind::SkuDefined,
        EventKind::StockReceived,
        EventKind::StockAdjusted,
        EventKind::OrderPlaced,
        EventKind::OrderConfirmed,
        EventKind::LinesCancelled,
        EventKind::LinesShipped,
        EventKind::LinesDelivered,
        EventKind::SessionOpened,
    ];
    let is_known =
        |kind: &u16| !matches!(Event::read(*kind, EVENT_VERSION, &[]), Err(UnreadableEvent::Kind(_)));
    assert_eq!((0..=u16::MAX).filter(is_known).count(), kinds.len(), "a kind is not in the list above");
    let kinds = kinds.map(|kind| (kind as u16, format!("{kind:?}")));
    assert_eq!(numbered(&tables["EventKind"]), kinds);
    assert_eq!(numbered(&tables["OrderState"]), all(byte(OrderState::from_number)));
    let rules = [SourcingRule::WholeOrder, SourcingRule::PerSku, SourcingRule::SplitSku];
    assert_eq!(numbered(&tables["SourcingRule"]), rules.map(|rule| (rule as u16, format!("{rule:?}"))));
}
