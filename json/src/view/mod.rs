//! Views as JSON: a structure each, in the words of `docs/protocol.md`.
//!
//! They are read from the bytes of a reply's view, beside the reply's head where that says more.

mod catalogue;
mod group;
mod ledger;
mod order;
mod reservation;
#[cfg(feature = "openapi")]
mod schema;
mod status;
mod stock;
#[cfg(test)]
mod tests;

use orderline_protocol::event::Allocation;
use orderline_protocol::{CurrencyCode, LocationHandle, SellerHandle, SkuHandle};
use serde::Serialize;

use crate::names::Names;
use crate::show::{id_text, time_text};

pub use catalogue::{Location, Policy, Seller, Settings, Sku, Sourcing};
pub use group::{Group, GroupOrder};
pub use ledger::Ledger;
pub use order::{Hold, Order, OrderLine, Refund, Return, ReturnLine, Shipment, Work};
pub use reservation::{CartLine, Reservation};
pub use status::{Status, Transition};
pub use stock::{Availability, Level};

/// Units of a line at a location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Units {
    /// The line's index, from 0.
    pub line: u16,
    /// How many.
    pub quantity: u32,
    /// Where they are; null: they are backordered.
    pub location: Option<String>,
}

fn units(names: &dyn Names, list: &[Allocation]) -> Vec<Units> {
    let one = |part: &Allocation| Units {
        line: part.line.get(),
        quantity: part.quantity.get(),
        location: location(names, part.location),
    };
    list.iter().map(one).collect()
}

/// A seller by its code, or by its number if nobody knows one; none has none.
fn seller(names: &dyn Names, handle: SellerHandle) -> Option<String> {
    let code = || names.seller_code(handle).map_or_else(|| handle.to_string(), |code| code.into_owned());
    (!handle.is_none()).then(code)
}

/// A location, like a seller.
fn location(names: &dyn Names, handle: LocationHandle) -> Option<String> {
    let code = || names.location_code(handle).map_or_else(|| handle.to_string(), |code| code.into_owned());
    (!handle.is_none()).then(code)
}

/// A SKU by its code, or by its number if nobody knows one.
fn sku(names: &dyn Names, handle: SkuHandle) -> String {
    names.sku_code(handle).map_or_else(|| handle.to_string(), |code| code.into_owned())
}

/// A currency by its letters, or by its number if the standard has none.
fn currency(code: CurrencyCode) -> Option<String> {
    let text = || code.letters().map_or_else(|| code.get().to_string(), str::to_owned);
    (code != CurrencyCode::NONE).then(text)
}

/// An id that is never none.
fn known_id(bits: u128) -> String {
    id_text(bits).unwrap_or_default()
}

/// A time in microseconds since 1970; 0 is never, or not said.
fn time_said(us: i64) -> Option<String> {
    (us != 0).then(|| time_text(us))
}

/// A number of which 0 is "not said", "for ever" or "no bound".
fn said<T: PartialEq + Default>(number: T) -> Option<T> {
    (number != T::default()).then_some(number)
}

/// A number's name.
fn name<T>(number: u8, from_number: fn(u8) -> Option<T>, name: fn(T) -> &'static str) -> &'static str {
    from_number(number).map_or("unknown", name)
}
