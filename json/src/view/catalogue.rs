//! The catalogue, policies and sourcing rules.

use orderline_protocol::command::{DefineSourcing, SourcingRule, Standing};
use orderline_protocol::reply::{CatalogueEntry, SettingsView};
use serde::Serialize;

use super::{currency, name, said, seller};
use crate::names::Names;

/// A seller of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Seller {
    /// Its code.
    pub seller: String,
    /// Its handle: its place in the catalogue, by which pages go on.
    pub handle: u32,
    /// Its version: it rises with each definition.
    pub version: u32,
    /// Whether it is in use.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::standing))]
    pub standing: &'static str,
    /// The marketplace's share in basis points.
    pub commission_bp: u16,
}

/// A location of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Location {
    /// Its code.
    pub location: String,
    /// Its handle: its place in the catalogue, by which pages go on.
    pub handle: u32,
    /// Its version: it rises with each definition.
    pub version: u32,
    /// Whether it is in use.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::standing))]
    pub standing: &'static str,
    /// The region that it ships from, as the marketplace numbers them.
    pub region: Option<u16>,
    /// Lower ships first.
    pub priority: u32,
    /// Orders that it takes a day; null: no bound.
    pub daily_capacity: Option<u32>,
}

/// A SKU of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sku {
    /// Its code.
    pub sku: String,
    /// Its handle: its place in the catalogue, by which pages go on.
    pub handle: u32,
    /// Its version: it rises with each definition.
    pub version: u32,
    /// Whether it is in use.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::standing))]
    pub standing: &'static str,
    /// Who sells it.
    pub seller: Option<String>,
    /// The one currency it is sold in; null: any.
    pub currency: Option<String>,
    /// Units that may be promised beyond the stock, over all orders.
    pub backorder_cap: u32,
}

/// Policies and sourcing rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Settings {
    /// The policies' version.
    pub version: u32,
    /// The policies.
    pub policy: Policy,
    /// Everybody's sourcing rules, then those of each seller that has its own.
    pub sourcing: Vec<Sourcing>,
}

/// How long things last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Policy {
    /// Seconds that a pending order waits for its confirmation before it expires; null: for ever.
    pub pending_order_s: Option<u32>,
    /// Seconds that a finished order or reservation stays in memory; null: for ever.
    pub retention_s: Option<u32>,
    /// Seconds that a reservation may be held from its making, extensions included.
    pub reservation_s_max: u32,
}

/// Ordered sourcing rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sourcing {
    /// Whose; null: everybody's.
    pub seller: Option<String>,
    /// The rules in the order in which they are asked.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::rules))]
    pub rules: Vec<&'static str>,
}

impl Seller {
    /// A seller's entry of a catalogue's page.
    pub fn of(entry: &CatalogueEntry) -> Self {
        let definition = entry.seller();
        Self {
            seller: code(entry),
            handle: entry.handle.get(),
            version: entry.version.get(),
            standing: standing(definition.standing),
            commission_bp: definition.commission_bp.get(),
        }
    }
}

impl Location {
    /// A location's entry of a catalogue's page.
    pub fn of(entry: &CatalogueEntry) -> Self {
        let definition = entry.location();
        Self {
            location: code(entry),
            handle: entry.handle.get(),
            version: entry.version.get(),
            standing: standing(definition.standing),
            region: said(definition.region.get()),
            priority: definition.priority.get(),
            daily_capacity: said(definition.daily_capacity.get()),
        }
    }
}

impl Sku {
    /// A SKU's entry of a catalogue's page.
    pub fn of(names: &dyn Names, entry: &CatalogueEntry) -> Self {
        let definition = entry.sku();
        Self {
            sku: code(entry),
            handle: entry.handle.get(),
            version: entry.version.get(),
            standing: standing(definition.standing),
            seller: seller(names, definition.seller),
            currency: currency(definition.currency),
            backorder_cap: definition.backorder_cap.get(),
        }
    }
}

impl Settings {
    /// The settings in a view.
    pub fn of(names: &dyn Names, view: &SettingsView, sourcing: &[DefineSourcing]) -> Self {
        let rules = |list: &DefineSourcing| Sourcing {
            seller: seller(names, list.seller),
            rules: list
                .rules
                .iter()
                .filter(|&&rule| rule != 0)
                .map(|&rule| name(rule, SourcingRule::from_number, SourcingRule::name))
                .collect(),
        };
        Self {
            version: view.version.get(),
            policy: Policy {
                pending_order_s: said(view.policy.pending_order_s.get()),
                retention_s: said(view.policy.retention_s.get()),
                reservation_s_max: view.policy.reservation_s_max.get(),
            },
            sourcing: sourcing.iter().map(rules).collect(),
        }
    }
}

fn code(entry: &CatalogueEntry) -> String {
    entry.code().unwrap_or_default().to_owned()
}

fn standing(number: u8) -> &'static str {
    name(number, Standing::from_number, Standing::name)
}
