//! The core's own figures, and its transition table.

use orderline_protocol::lifecycle::{Action, Entity};
use orderline_protocol::reply::{StatusView, TransitionView};
use serde::Serialize;

use super::{name, said, time_said, time_text};

/// The core's own figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// A hash that any two equal states share, 32 hexadecimal digits; null where it was not asked for.
    pub state_hash: Option<String>,
    /// Orders that the core holds.
    pub orders_total: u64,
    /// Of them: pending or confirmed.
    pub orders_open: u64,
    /// Reservations that the core holds, finished ones included.
    pub reservations: u64,
    /// The newest time in the id of an order that left memory; null: none has.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub orders_horizon: Option<String>,
    /// When the newest accepted keyed request was recorded that is no longer known; null: all are known.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub keys_horizon: Option<String>,
    /// Sellers defined.
    pub sellers: u32,
    /// Locations defined.
    pub locations: u32,
    /// SKUs defined.
    pub skus: u32,
    /// Sessions remembered.
    pub sessions: u32,
}

/// One row of the transition table: in this state this action may lead to these states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Transition {
    /// What it is about.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::entity))]
    pub entity: &'static str,
    /// Where it is.
    pub from: &'static str,
    /// What is done.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::action))]
    pub action: &'static str,
    /// Where it can be then. Which one, quantities and amounts decide.
    pub to: Vec<&'static str>,
}

impl Status {
    /// The figures in a view.
    pub fn of(view: &StatusView) -> Self {
        Self {
            state_hash: said(view.state_hash.get()).map(|hash| format!("{hash:032x}")),
            orders_total: view.orders_total.get(),
            orders_open: view.orders_open.get(),
            reservations: view.reservations.get(),
            orders_horizon: said(view.orders_horizon_ms.get())
                .map(|ms| time_text(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000))),
            keys_horizon: time_said(view.keys_horizon_us.get()),
            sellers: view.sellers.get(),
            locations: view.locations.get(),
            skus: view.skus.get(),
            sessions: view.sessions.get(),
        }
    }
}

impl Transition {
    /// A row of a view.
    pub fn of(row: &TransitionView) -> Self {
        let state =
            |number: u8| Entity::from_number(row.entity).map_or("unknown", |of| of.state_name(number));
        Self {
            entity: name(row.entity, Entity::from_number, Entity::name),
            from: state(row.from),
            action: name(row.action, Action::from_number, Action::name),
            to: row.targets().iter().map(|&target| state(target)).collect(),
        }
    }
}
