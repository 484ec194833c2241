//! A reservation as it stands.

use orderline_protocol::command;
use orderline_protocol::event::Allocation;
use orderline_protocol::lifecycle::ReservationState;
use orderline_protocol::reply::ReservationView;
use serde::Serialize;

use super::{Units, known_id, name, sku, time_said, units};
use crate::names::Names;

/// A timed hold of stock for a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reservation {
    /// Its id, a ULID.
    pub reservation: String,
    /// Its version: it rises with each change.
    pub version: u32,
    /// Its state.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::reservation_state))]
    pub state: &'static str,
    /// The sequence at which it was made.
    pub reserved_sequence: u64,
    /// Whose cart, as the front end numbers buyers.
    pub buyer: u64,
    /// When it expires.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub expires_at: Option<String>,
    /// Its lines.
    pub lines: Vec<CartLine>,
    /// Units of its lines at locations; none once it is finished.
    pub allocations: Vec<Units>,
}

/// One line of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CartLine {
    /// What.
    pub sku: String,
    /// How many.
    pub quantity: u32,
}

impl Reservation {
    /// The reservation in a view; the version stands in the head of the reply that carried it.
    pub fn of(
        names: &dyn Names,
        version: u32,
        view: &ReservationView,
        lines: &[command::CartLine],
        allocations: &[Allocation],
    ) -> Self {
        let line =
            |line: &command::CartLine| CartLine { sku: sku(names, line.sku), quantity: line.quantity.get() };
        Self {
            reservation: known_id(view.reservation.get()),
            version,
            state: name(view.state, ReservationState::from_number, ReservationState::name),
            reserved_sequence: view.reserved_sequence.get(),
            buyer: view.buyer.get(),
            expires_at: time_said(view.expires_at_us.get()),
            lines: lines.iter().map(line).collect(),
            allocations: units(names, allocations),
        }
    }
}
