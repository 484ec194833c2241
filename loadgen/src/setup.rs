//! What has to be there before the first order: sellers, locations, SKUs, stock.
//!
//! All of it is asked for before it is made, so a second run against one server adds nothing to its journal but
//! what is missing.

use orderline_client::catalogue::{self, CatalogueError, Location, Receipt, Seller, Sku};
use orderline_client::{Client, ClientError};
use orderline_protocol::command::{EntityKind, QueryStatus, QueryStock, ResolveCode};
use orderline_protocol::reply::{LevelView, StatusView};
use orderline_protocol::{Command, CurrencyCode, LocationHandle, Reply, SkuHandle};

use crate::error::LoadError;
use crate::goods::Catalogue;
use crate::ids::Ids;
use crate::options::LoadOptions;
use crate::workload::WorkloadName;

/// The one currency of generated orders: EUR.
pub(crate) const CURRENCY: CurrencyCode = CurrencyCode::new(978);

/// The marketplace's share of every seller's sales, so that captures split into a sale and a commission: 12.5 %.
const COMMISSION_BP: u16 = 1_250;

/// Units received of each SKU at each location: more than any run takes, and a hundred times less than a bucket holds.
pub(crate) const STOCK_UNITS: u64 = 1_000_000_000_000;

/// Sees to it that the catalogue is there, with stock. `ids` make the SKU of a flash sale this run's own, so that it has
/// exactly the stock that was asked for.
pub(crate) fn prepare(client: &mut Client, options: &LoadOptions, ids: &Ids) -> Result<Catalogue, LoadError> {
    let at = At { options };
    let plan = Plan::of(options);
    let seller_codes: Vec<_> =
        (0..options.sellers()).map(|index| numbered(plan.seller_code, index)).collect();
    let seller = |code| Seller { code, commission_bp: COMMISSION_BP };
    let sellers = catalogue::define_sellers(client, seller_codes.iter().map(|code| seller(code.as_str())))
        .map_err(|error| at.refused("the sellers", error))?;
    let location_codes: Vec<_> =
        (0..u32::from(options.locations())).map(|index| numbered("load-location", index)).collect();
    let locations = catalogue::define_locations(
        client,
        (0_u32..).zip(&location_codes).map(|(index, code)| Location {
            code,
            priority: index,
            region: (index + 1) as u16,
            daily_capacity: 0,
        }),
    )
    .map_err(|error| at.refused("the locations", error))?;
    let mut catalogue = Catalogue { sellers, locations, skus: Vec::new() };
    let were_there = if options.workload == WorkloadName::Flash {
        let code = format!("flash-{}", ids.order(0, 0));
        find_or_define(client, &at, &mut catalogue, 1, |_| code.clone())?
    } else {
        let per_seller = options.skus / options.sellers();
        let stem = plan.sku_stem(options);
        find_or_define(client, &at, &mut catalogue, per_seller as usize, |index| {
            sku_code(&stem, index as u32 / per_seller, index as u32 % per_seller)
        })?
    };
    let short = short_of_stock(client, &at, &plan, &catalogue, &were_there)?;
    catalogue::receive(client, short).map_err(|error| at.refused("the stock", error))?;
    Ok(catalogue)
}

/// What a workload's shop is called, and how much of everything it has.
struct Plan {
    seller_code: &'static str,
    sku_code: &'static str,
    /// Where less is available, more is received.
    low_units: i64,
    /// What is received: between these bounds, by SKU and location.
    units: (u64, u64),
}

impl Plan {
    fn of(options: &LoadOptions) -> Self {
        let plenty = Self {
            seller_code: "load-seller",
            sku_code: "sku",
            low_units: STOCK_UNITS as i64 / 10,
            units: (STOCK_UNITS, STOCK_UNITS),
        };
        match options.workload {
            WorkloadName::Place
            | WorkloadName::Life
            | WorkloadName::Carts
            | WorkloadName::Feed
            | WorkloadName::Availability => plenty,
            WorkloadName::Flash => Self { units: (options.flash_stock, options.flash_stock), ..plenty },
            // The specification's 10 to 100 units a thousand times over, for the run does not fill up what it takes.
            WorkloadName::Tpcc => Self {
                seller_code: "load-entry-seller",
                sku_code: "item",
                low_units: 10_000,
                units: (10_000, 100_000),
            },
        }
    }

    /// How the codes of SKUs begin. Runs that stock them at another number of locations have SKUs of their own, so that
    /// each of them is at just as many locations as its run says.
    fn sku_stem(&self, options: &LoadOptions) -> String {
        match options.locations() {
            1 => self.sku_code.to_owned(),
            locations => format!("{}-at{locations}", self.sku_code),
        }
    }

    /// Units to receive of a SKU at a location, by their indexes.
    fn units(&self, sku: usize, location: usize) -> u64 {
        let (low, high) = self.units;
        let spread = ((sku as u64) << 16 | location as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        low + spread % (high - low + 1)
    }
}

/// `stem`, `stem-2`, `stem-3` and so on.
fn numbered(stem: &str, index: u32) -> String {
    if index == 0 { stem.to_owned() } else { format!("{stem}-{}", index + 1) }
}

/// The code of a seller's SKU, by the indexes of both.
fn sku_code(stem: &str, seller: u32, index: u32) -> String {
    let number = index + 1;
    format!("{}-{number:07}", numbered(stem, seller))
}

/// Finds or defines `per_seller` SKUs of each seller, seller by seller, `code` saying what each is called; says of each
/// whether it was there.
fn find_or_define(
    client: &mut Client,
    at: &At<'_>,
    catalogue: &mut Catalogue,
    per_seller: usize,
    code: impl Fn(usize) -> String,
) -> Result<Vec<bool>, LoadError> {
    let count = per_seller * catalogue.sellers.len();
    let mut skus = vec![SkuHandle::NONE; count];
    if sku_count(client).map_err(|error| at.lost(error))? > 0 {
        let submit = |client: &mut Client, index: usize| {
            let code = code(index);
            let head =
                ResolveCode { entity: EntityKind::Sku as u8, code_bytes: code.len() as u8, reserved: [0; 6] };
            client.submit(&Command::ResolveCode(&head, &code))
        };
        let on_reply = |index: usize, reply: Reply<'_>| {
            if reply.header.code == 0 {
                skus[index] = SkuHandle::new(reply.header.detail.get() as u32);
            }
        };
        client.call_all(0..count, submit, on_reply).map_err(|error| at.lost(error))?;
    }
    let were_there: Vec<bool> = skus.iter().map(|sku| !sku.is_none()).collect();
    let missing = || (0..count).filter(|&index| !were_there[index]);
    let entry = |index: usize| Sku {
        code: code(index),
        seller: catalogue.sellers[index / per_seller],
        currency: CURRENCY,
        backorder_cap: 0,
    };
    let made = catalogue::define_skus(client, missing().map(entry))
        .map_err(|error| at.refused("the SKUs", error))?;
    for (index, sku) in missing().zip(made) {
        skus[index] = sku;
    }
    catalogue.skus = skus;
    Ok(were_there)
}

/// What has to be received: of the new SKUs everything, of the others what they say that they lack.
fn short_of_stock(
    client: &mut Client,
    at: &At<'_>,
    plan: &Plan,
    catalogue: &Catalogue,
    were_there: &[bool],
) -> Result<Vec<Receipt>, LoadError> {
    let Catalogue { locations, skus, .. } = catalogue;
    let mut short = Vec::new();
    let receipt = |sku: usize, location: usize| Receipt {
        sku: skus[sku],
        location: locations[location],
        quantity: plan.units(sku, location),
    };
    let is_old = |&sku: &usize| were_there[sku];
    for sku in (0..skus.len()).filter(|sku| !is_old(sku)) {
        short.extend((0..locations.len()).map(|location| receipt(sku, location)));
    }
    let old: Vec<usize> = (0..skus.len()).filter(is_old).collect();
    let submit = |client: &mut Client, &sku: &usize| {
        client.submit(&Command::QueryStock(&QueryStock { sku: skus[sku], location: LocationHandle::NONE }))
    };
    let on_reply = |index: usize, reply: Reply<'_>| {
        // An answer that cannot be read, or a refusal, says that nothing is there.
        let levels = LevelView::read_all(reply.view).unwrap_or_default();
        for (location, &handle) in locations.iter().enumerate() {
            let level = levels.iter().find(|level| level.location == handle);
            if level.is_none_or(|level| level.available.get() < plan.low_units) {
                short.push(receipt(old[index], location));
            }
        }
    };
    client.call_all(&old, submit, on_reply).map_err(|error| at.lost(error))?;
    Ok(short)
}

fn sku_count(client: &mut Client) -> Result<u32, ClientError> {
    let query = QueryStatus { with_state_hash: 0, reserved: [0; 7] };
    let reply = client.call(&Command::QueryStatus(&query))?;
    // A status that cannot be read only means that every code is asked for.
    Ok(StatusView::read(&reply.view).map_or(u32::MAX, |status| status.skus.get()))
}

/// Where errors happened.
struct At<'a> {
    options: &'a LoadOptions,
}

impl At<'_> {
    fn lost(&self, source: ClientError) -> LoadError {
        LoadError::Server { addr: self.options.connect, source }
    }

    fn refused(&self, what: &str, error: CatalogueError) -> LoadError {
        match error {
            CatalogueError::Client(source) => self.lost(source),
            CatalogueError::Rejected { index, code } => {
                LoadError::SetupRefused { what: format!("{what} (entry {})", index + 1), code: Some(code) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::options::Extent;

    #[test]
    fn sku_codes_sort_as_they_count_and_fit() {
        assert_eq!(sku_code("sku", 0, 0), "sku-0000001");
        assert_eq!(sku_code("sku", 0, 99_999), "sku-0100000");
        assert_eq!(sku_code("sku-at65535", 1_048_575, 33_554_431), "sku-at65535-1048576-33554432");
    }

    #[test]
    fn skus_of_other_sellers_or_at_other_locations_are_others() {
        let stem = |locations| {
            let options = LoadOptions::new(([127, 0, 0, 1], 1).into(), Extent::Orders(1));
            let options = LoadOptions { locations, ..options };
            Plan::of(&options).sku_stem(&options)
        };
        let stems = [stem(None), stem(Some(2)), stem(Some(10))];
        let codes = stems.iter().flat_map(|stem| {
            (0..12).flat_map(move |seller| (0..30).map(move |index| sku_code(stem, seller, index)))
        });
        assert_eq!(codes.collect::<HashSet<_>>().len(), 3 * 12 * 30);
        assert_eq!(stem(None), stem(Some(1)));
    }

    #[test]
    fn stock_lies_within_its_bounds_and_differs() {
        let options = LoadOptions::new(([127, 0, 0, 1], 1).into(), Extent::Orders(1));
        let plan = Plan::of(&LoadOptions { workload: WorkloadName::Tpcc, ..options });
        let units: Vec<u64> = (0..1_000).map(|index| plan.units(index / 10, index % 10)).collect();
        assert!(units.iter().all(|&units| (10_000..=100_000).contains(&units)));
        let low = units.iter().filter(|&&units| units < 55_000).count();
        assert!((400..600).contains(&low), "{low} of 1,000 are below the middle");
    }
}
