//! A journal record as JSON, with the codes that people know things by.

use chrono::{DateTime, SecondsFormat};
use orderline_core::State;
use orderline_protocol::command::{Bucket, OrderLine, Standing};
use orderline_protocol::event::{Allocation, Event, OrderState, Origin, SourcingRule};
use orderline_protocol::{LocationHandle, OrderId, SellerHandle, SkuHandle};
use serde_json::{Map, Value, json};

/// The order that an event is about, if it is about one.
pub(crate) fn order_of(event: &Event<'_>) -> Option<OrderId> {
    match event {
        Event::OrderPlaced(head, ..) => Some(head.placement.order),
        Event::OrderConfirmed(head) => Some(head.order),
        Event::LinesCancelled(head, _) => Some(head.order),
        Event::LinesShipped(head, ..) => Some(head.order),
        Event::LinesDelivered(head, _) => Some(head.order),
        _ => None,
    }
}

/// The record as one JSON object. `state` has the event applied already.
pub(crate) fn to_json(state: &State, sequence: u64, recorded_at_us: i64, event: &Event<'_>) -> Value {
    let names = Names(state);
    let mut object = Map::new();
    object.insert("sequence".into(), sequence.into());
    object.insert("recorded_at".into(), time(recorded_at_us));
    object.insert("kind".into(), format!("{:?}", event.kind()).into());
    let body = match event {
        Event::SellerDefined(head, code) => with_origin(
            &head.origin,
            json!({"seller": code, "handle": head.handle.get(), "standing": standing(head.definition.standing),
                "commission_bp": head.definition.commission_bp.get()}),
        ),
        Event::LocationDefined(head, code) => with_origin(
            &head.origin,
            json!({"location": code, "handle": head.handle.get(), "standing": standing(head.definition.standing),
                "region": head.definition.region.get(), "priority": head.definition.priority.get()}),
        ),
        Event::SkuDefined(head, code) => with_origin(
            &head.origin,
            json!({"sku": code, "handle": head.handle.get(), "standing": standing(head.definition.standing),
                "seller": names.seller(head.definition.seller), "currency": head.definition.currency.letters()}),
        ),
        Event::StockReceived(head) => with_origin(
            &head.origin,
            json!({"sku": names.sku(head.receipt.sku), "location": names.location(head.receipt.location),
                "quantity": head.receipt.quantity.get(), "reason": head.receipt.reason.get(),
                "reference": head.receipt.reference.get()}),
        ),
        Event::StockAdjusted(head) => with_origin(
            &head.origin,
            json!({"sku": names.sku(head.adjustment.sku), "location": names.location(head.adjustment.location),
                "bucket": Bucket::from_number(head.adjustment.bucket).map(|bucket| format!("{bucket:?}")),
                "delta": head.adjustment.delta.get(), "reason": head.adjustment.reason.get(),
                "reference": head.adjustment.reference.get()}),
        ),
        Event::OrderPlaced(head, lines, allocations) => with_origin(
            &head.origin,
            json!({"order": head.placement.order.to_string(), "buyer": head.placement.buyer.get(),
                "seller": names.seller(head.placement.seller), "currency": head.placement.currency.letters(),
                "rule": rule(head.rule), "location": names.location(head.location),
                "lines": lines.iter().map(|line| names.line(line)).collect::<Vec<_>>(),
                "allocations": names.moves(allocations)}),
        ),
        Event::OrderConfirmed(head) => with_origin(&head.origin, json!({"order": head.order.to_string()})),
        Event::LinesCancelled(head, moves) => with_origin(
            &head.origin,
            json!({"order": head.order.to_string(), "state": order_state(head.state),
                "reason": head.reason.get(), "moves": names.moves(moves), "all_open": moves.is_empty()}),
        ),
        Event::LinesShipped(head, moves, tracking) => with_origin(
            &head.origin,
            json!({"order": head.order.to_string(), "shipment": head.shipment.get(),
                "carrier": head.carrier.get(), "tracking": tracking, "moves": names.moves(moves),
                "all_open": moves.is_empty()}),
        ),
        Event::LinesDelivered(head, moves) => with_origin(
            &head.origin,
            json!({"order": head.order.to_string(), "state": order_state(head.state),
                "moves": names.moves(moves), "all_shipped": moves.is_empty()}),
        ),
        Event::SessionOpened(head) => {
            json!({"session": head.handle.get(), "session_id": format!("{:032x}", head.session.get())})
        }
    };
    if let Value::Object(body) = body {
        object.extend(body);
    }
    Value::Object(object)
}

fn with_origin(origin: &Origin, mut body: Value) -> Value {
    if let Value::Object(body) = &mut body
        && !origin.session.is_none()
    {
        body.insert("session".into(), origin.session.get().into());
        body.insert("request".into(), origin.request.get().into());
    }
    body
}

fn time(recorded_at_us: i64) -> Value {
    DateTime::from_timestamp_micros(recorded_at_us)
        .map_or(Value::Null, |time| time.to_rfc3339_opts(SecondsFormat::Micros, true).into())
}

fn standing(number: u8) -> &'static str {
    match Standing::from_number(number) {
        Some(Standing::Active) => "active",
        Some(Standing::Inactive) => "inactive",
        None => "unknown",
    }
}

fn order_state(number: u8) -> Option<&'static str> {
    OrderState::from_number(number).map(OrderState::name)
}

fn rule(number: u8) -> &'static str {
    match number {
        number if number == SourcingRule::WholeOrder as u8 => "whole order",
        number if number == SourcingRule::PerSku as u8 => "per SKU",
        number if number == SourcingRule::SplitSku as u8 => "split SKU",
        _ => "unknown",
    }
}

/// Handles to codes.
struct Names<'a>(&'a State);

impl Names<'_> {
    fn sku(&self, handle: SkuHandle) -> Option<&str> {
        self.0.sku_code(handle)
    }

    fn seller(&self, handle: SellerHandle) -> Option<&str> {
        self.0.seller_code(handle)
    }

    fn location(&self, handle: LocationHandle) -> Option<&str> {
        self.0.location_code(handle)
    }

    fn line(&self, line: &OrderLine) -> Value {
        json!({"sku": self.sku(line.sku), "quantity": line.quantity.get(),
            "unit_price_minor": line.unit_price.minor()})
    }

    fn moves(&self, moves: &[Allocation]) -> Vec<Value> {
        let one = |part: &Allocation| json!({"line": part.line.get(), "quantity": part.quantity.get(), "location": self.location(part.location)});
        moves.iter().map(one).collect()
    }
}
