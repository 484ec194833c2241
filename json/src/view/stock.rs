//! Stock: levels, and what can be bought.

use orderline_protocol::SkuHandle;
use orderline_protocol::reply::{AvailabilityView, LevelView, SaleStanding};
use serde::Serialize;

use super::{location, name, sku};
use crate::names::Names;

/// One inventory level: `on_hand = available + reserved + committed + safety + damaged + quality_hold`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Level {
    /// Of what.
    pub sku: String,
    /// Where.
    pub location: Option<String>,
    /// Its version: how often a stock command has changed it. What orders and reservations do does not count.
    pub version: u32,
    /// All that is there.
    pub on_hand: i64,
    /// Free to promise; below zero: a shortage.
    pub available: i64,
    /// Held for reservations and pending orders.
    pub reserved: u64,
    /// Committed to confirmed orders.
    pub committed: u64,
    /// Kept back on purpose.
    pub safety: u64,
    /// Not fit to sell.
    pub damaged: u64,
    /// Waiting for a check.
    pub quality_hold: u64,
    /// On its way, outside what is on hand.
    pub incoming: u64,
}

/// What can be bought of one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Availability {
    /// Of what.
    pub sku: String,
    /// Whether the SKU is sold at all: nothing can be bought of one that is not on sale, whatever is available.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::sale_standing))]
    pub standing: &'static str,
    /// Units available, over all active locations; a shortage at one takes nothing from another.
    pub units: u64,
    /// Units that may be promised beyond these: what the SKU's cap leaves of backorders.
    pub backorder_units: u32,
}

impl Level {
    /// The level in a view.
    pub fn of(names: &dyn Names, view: &LevelView) -> Self {
        let (reserved, committed) = (view.reserved.get(), view.committed.get());
        let (safety, damaged) = (view.safety.get(), view.damaged.get());
        let quality_hold = view.quality_hold.get();
        let kept = reserved + committed + safety + damaged + quality_hold;
        Self {
            sku: sku(names, view.sku),
            location: location(names, view.location),
            version: view.version.get(),
            // Each bucket has 48 bits.
            on_hand: view.available.get() + kept as i64,
            available: view.available.get(),
            reserved,
            committed,
            safety,
            damaged,
            quality_hold,
            incoming: view.incoming.get(),
        }
    }
}

impl Availability {
    /// What a view says of a SKU, which the view does not name: it was asked about.
    pub fn of(names: &dyn Names, asked: SkuHandle, view: &AvailabilityView) -> Self {
        Self {
            sku: sku(names, asked),
            standing: name(view.standing, SaleStanding::from_number, SaleStanding::name),
            units: view.units.get(),
            backorder_units: view.backorder_units.get(),
        }
    }
}
