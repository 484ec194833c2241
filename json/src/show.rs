//! How the parts of what is shown are shown: handles by their codes, numbers by their names, ids and times as text.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use orderline_protocol::command::{Cause, GroupOrder, OrderLine};
use orderline_protocol::event::{Allocation, Expiry, ExpiryKind, Retired, RetiredKind};
use orderline_protocol::lifecycle::blocks;
use orderline_protocol::{CurrencyCode, LocationHandle, OrderId, SellerHandle, SkuHandle};
use serde_json::{Value, json};

use crate::names::Names;

/// The values of handles, by the codes that somebody knows for them.
pub(crate) struct Shown<'a>(pub(crate) &'a dyn Names);

impl Shown<'_> {
    pub(crate) fn sku(&self, handle: SkuHandle) -> Value {
        code(handle.is_none(), handle.get(), || self.0.sku_code(handle))
    }

    pub(crate) fn seller(&self, handle: SellerHandle) -> Value {
        code(handle.is_none(), handle.get(), || self.0.seller_code(handle))
    }

    pub(crate) fn location(&self, handle: LocationHandle) -> Value {
        code(handle.is_none(), handle.get().into(), || self.0.location_code(handle))
    }

    pub(crate) fn line(&self, line: &OrderLine) -> Value {
        json!({
            "sku": self.sku(line.sku), "quantity": line.quantity.get(),
            "unit_price_minor": line.unit_price.minor(),
        })
    }

    /// Units at a location, or backordered ones.
    pub(crate) fn units(&self, location: LocationHandle, quantity: u32) -> Value {
        if location.is_none() {
            json!({"quantity": quantity, "is_backordered": true})
        } else {
            json!({"quantity": quantity, "location": self.location(location)})
        }
    }

    /// Units of an order's, or a cart's, lines.
    pub(crate) fn moves(&self, moves: &[Allocation]) -> Value {
        list(moves, |part| {
            with(self.units(part.location, part.quantity.get()), "line", part.line.get().into())
        })
    }
}

/// A code; the handle's number if nothing is known under it, which no sound journal has.
fn code<'a>(is_none: bool, number: u32, code: impl FnOnce() -> Option<Cow<'a, str>>) -> Value {
    if is_none {
        return Value::Null;
    }
    code().map_or_else(|| number.into(), |code| code.into_owned().into())
}

/// Which order and which of its lines a line of a group is.
pub(crate) struct Places(Vec<(OrderId, usize)>);

impl Places {
    pub(crate) fn of(orders: &[GroupOrder]) -> Self {
        let lines = |order: &GroupOrder| {
            let order_id = order.order;
            (0..usize::from(order.line_count.get())).map(move |line| (order_id, line))
        };
        Self(orders.iter().flat_map(lines).collect())
    }

    /// What stands at a line of the group, with its order and the line's index there.
    pub(crate) fn at(&self, line: usize, value: Value) -> Value {
        match self.0.get(line) {
            Some((order, line)) => with(with(value, "order", id(order.get())), "line", (*line).into()),
            None => with(value, "line_of_group", line.into()),
        }
    }
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    if let Value::Object(object) = &mut object {
        object.insert(key.into(), value);
    }
    object
}

pub(crate) fn list<T>(items: &[T], one: impl Fn(&T) -> Value) -> Value {
    items.iter().map(one).collect()
}

/// A number by its name. 0, which no enumeration has, is none; a number without a name is shown as it is.
pub(crate) fn named<T>(number: u8, from_number: fn(u8) -> Option<T>, name: fn(T) -> &'static str) -> Value {
    match from_number(number) {
        Some(known) => name(known).into(),
        None if number == 0 => Value::Null,
        None => number.into(),
    }
}

/// An id as a ULID; 0 is none.
pub fn id(bits: u128) -> Value {
    id_text(bits).into()
}

/// An id as a ULID, if it is one.
pub(crate) fn id_text(bits: u128) -> Option<String> {
    (bits != 0).then(|| OrderId::new(bits).to_string())
}

/// A number of which 0 is "not said", "for ever" or "no bound".
pub(crate) fn said(number: impl Into<u64>) -> Value {
    match number.into() {
        0 => Value::Null,
        number => number.into(),
    }
}

/// A text, of which an empty one is none.
pub(crate) fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// A currency by its letters, or by its number if the standard has none.
pub fn currency(currency: CurrencyCode) -> Value {
    match currency.letters() {
        _ if currency == CurrencyCode::NONE => Value::Null,
        Some(letters) => letters.into(),
        None => currency.get().into(),
    }
}

pub(crate) fn cause(cause: &Cause) -> Value {
    json!({
        "reference": cause.reference.get(), "actor": cause.actor.get(), "reason": cause.reason.get(),
        "happened_at": happened(cause.happened_at_us.get()),
    })
}

/// What a hold can block, bit by bit.
pub(crate) const BLOCKS: [(u8, &str); 6] = [
    (blocks::CONFIRM, "confirm"),
    (blocks::FULFIL, "fulfil"),
    (blocks::CANCEL, "cancel"),
    (blocks::EDIT, "edit"),
    (blocks::CAPTURE, "capture"),
    (blocks::REFUND, "refund"),
];

/// What a hold blocks.
pub(crate) fn blocked(bits: u8) -> Vec<&'static str> {
    BLOCKS.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name).collect()
}

/// What expired, under the key by which other records name it.
pub(crate) fn expired(expiry: &Expiry) -> Value {
    let (kind, bits) = (named(expiry.kind, ExpiryKind::from_number, ExpiryKind::name), expiry.id.get());
    match ExpiryKind::from_number(expiry.kind) {
        Some(ExpiryKind::Reservation) => json!({"expired": kind, "reservation": id(bits)}),
        Some(ExpiryKind::Order) => json!({"expired": kind, "order": id(bits)}),
        Some(ExpiryKind::Payment) => json!({"expired": kind, "group": id(bits)}),
        Some(ExpiryKind::Hold) => {
            json!({"expired": kind, "order": id(bits), "hold": expiry.number.get()})
        }
        None => json!({"expired": kind, "id": id(bits), "number": expiry.number.get()}),
    }
}

/// What left memory, under the key by which other records name it.
pub(crate) fn retired(gone: &Retired) -> Value {
    let (kind, bits) = (named(gone.kind, RetiredKind::from_number, RetiredKind::name), gone.id.get());
    match RetiredKind::from_number(gone.kind) {
        Some(RetiredKind::Order) => json!({"retired": kind, "order": id(bits)}),
        Some(RetiredKind::Reservation) => json!({"retired": kind, "reservation": id(bits)}),
        None => json!({"retired": kind, "id": id(bits)}),
    }
}

/// A time in microseconds since 1970.
pub fn time(us: i64) -> Value {
    DateTime::from_timestamp_micros(us)
        .map_or_else(|| us.into(), |time| rfc_3339(time, SecondsFormat::Micros))
}

/// A time in microseconds since 1970 as text; one beyond what a calendar has, as its number.
pub fn time_text(us: i64) -> String {
    match time(us) {
        Value::String(text) => text,
        number => number.to_string(),
    }
}

/// A time in microseconds since 1970; 0 is never.
pub(crate) fn expiry(us: i64) -> Value {
    if us == 0 { Value::Null } else { time(us) }
}

/// When something happened, as its caller said, in microseconds since 1970; 0 is "not said".
pub fn happened(us: i64) -> Value {
    if us == 0 { Value::Null } else { time(us) }
}

/// A time in milliseconds since 1970, out of an id; 0 is "none yet".
pub(crate) fn time_of_ms(ms: u64) -> Value {
    match i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis) {
        _ if ms == 0 => Value::Null,
        Some(time) => rfc_3339(time, SecondsFormat::Millis),
        None => ms.into(),
    }
}

fn rfc_3339(time: DateTime<Utc>, precision: SecondsFormat) -> Value {
    time.to_rfc3339_opts(precision, true).into()
}
