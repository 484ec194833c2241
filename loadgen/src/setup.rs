//! What has to be there before the first order: seller, location, SKUs, stock.
//!
//! All of it is asked for before it is made, so a second run against one server adds nothing to its journal but
//! what is missing.

use orderline_client::{Client, ClientError, catalogue, catalogue::CatalogueError};
use orderline_protocol::command::{EntityKind, QueryStatus, QueryStock, ResolveCode};
use orderline_protocol::reply::{LevelView, StatusView};
use orderline_protocol::{Command, CurrencyCode, LocationHandle, OrderId, Reply, SellerHandle, SkuHandle};

use crate::error::LoadError;
use crate::options::LoadOptions;
use crate::workload::WorkloadName;

/// The one currency of generated orders: EUR.
pub(crate) const CURRENCY: CurrencyCode = CurrencyCode::new(978);

/// Who sells everything.
const SELLER_CODE: &str = "load-seller";
/// Where everything is.
const LOCATION_CODE: &str = "load-location";

/// Units received of each SKU: more than any run takes, and millions of times less than a bucket holds.
const STOCK_UNITS: u64 = 1_000_000_000_000;
/// Below this, more is received.
const STOCK_LOW_UNITS: i64 = STOCK_UNITS as i64 / 10;

/// What the orders need to name.
pub(crate) struct Catalogue {
    /// Who sells everything.
    pub(crate) seller: SellerHandle,
    /// The catalogue's SKUs, or the one of a flash sale.
    pub(crate) skus: Vec<SkuHandle>,
}

/// Sees to it that the catalogue is there, with stock. `run` makes the SKU of a flash sale this run's own, so that
/// it has exactly the stock that was asked for.
pub(crate) fn prepare(
    client: &mut Client,
    options: &LoadOptions,
    run: OrderId,
) -> Result<Catalogue, LoadError> {
    let at = At { options };
    let seller =
        one(catalogue::sellers(client, [SELLER_CODE]).map_err(|error| at.refused("the seller", error))?);
    let location =
        one(catalogue::locations(client, [LOCATION_CODE])
            .map_err(|error| at.refused("the location", error))?);
    let (seller, location) = (seller.unwrap_or(SellerHandle::NONE), location.unwrap_or(LocationHandle::NONE));
    let skus = match options.workload {
        WorkloadName::Place => {
            let (skus, were_there) = catalogue_skus(client, &at, seller)?;
            let short = short_of_stock(client, &at, location, &skus, &were_there)?;
            receive(client, &at, location, short, STOCK_UNITS)?;
            skus
        }
        WorkloadName::Flash => {
            let skus = catalogue::skus(client, seller, CURRENCY, [format!("flash-{run}")])
                .map_err(|error| at.refused("the SKU on sale", error))?;
            receive(client, &at, location, skus.clone(), options.flash_stock)?;
            skus
        }
    };
    Ok(Catalogue { seller, skus })
}

fn one<T>(handles: Vec<T>) -> Option<T> {
    handles.into_iter().next()
}

/// Finds or defines the catalogue's SKUs; says of each whether it was there.
fn catalogue_skus(
    client: &mut Client,
    at: &At<'_>,
    seller: SellerHandle,
) -> Result<(Vec<SkuHandle>, Vec<bool>), LoadError> {
    let count = at.options.skus;
    let mut skus = vec![SkuHandle::NONE; count as usize];
    if sku_count(client).map_err(|error| at.lost(error))? > 0 {
        let submit = |client: &mut Client, index: u32| {
            let code = sku_code(index);
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
    let missing = || (0..count).filter(|&index| !were_there[index as usize]);
    let made = catalogue::skus(client, seller, CURRENCY, missing().map(sku_code))
        .map_err(|error| at.refused("the SKUs", error))?;
    for (index, sku) in missing().zip(made) {
        skus[index as usize] = sku;
    }
    Ok((skus, were_there))
}

/// The SKUs that have too little stock: the new ones, and of the others those that say so.
fn short_of_stock(
    client: &mut Client,
    at: &At<'_>,
    location: LocationHandle,
    skus: &[SkuHandle],
    were_there: &[bool],
) -> Result<Vec<SkuHandle>, LoadError> {
    let is_old = |&(_, &was_there): &(&SkuHandle, &bool)| was_there;
    let old: Vec<SkuHandle> = skus.iter().zip(were_there).filter(is_old).map(|(&sku, _)| sku).collect();
    let mut short: Vec<SkuHandle> =
        skus.iter().zip(were_there).filter(|pair| !is_old(pair)).map(|(&sku, _)| sku).collect();
    let submit = |client: &mut Client, &sku: &SkuHandle| {
        client.submit(&Command::QueryStock(&QueryStock { sku, location }))
    };
    let on_reply = |index: usize, reply: Reply<'_>| {
        let levels = LevelView::read_all(reply.view).unwrap_or_default();
        let available: i64 = levels.iter().map(|level| level.available.get()).sum();
        if available < STOCK_LOW_UNITS {
            short.push(old[index]);
        }
    };
    client.call_all(&old, submit, on_reply).map_err(|error| at.lost(error))?;
    Ok(short)
}

fn receive(
    client: &mut Client,
    at: &At<'_>,
    location: LocationHandle,
    skus: Vec<SkuHandle>,
    units: u64,
) -> Result<(), LoadError> {
    catalogue::stock(client, location, skus, units).map_err(|error| at.refused("the stock", error))
}

fn sku_count(client: &mut Client) -> Result<u32, ClientError> {
    let query = QueryStatus { with_state_hash: 0, reserved: [0; 7] };
    let reply = client.call(&Command::QueryStatus(&query))?;
    // A status that cannot be read only means that every code is asked for.
    Ok(StatusView::read(&reply.view).map_or(u32::MAX, |status| status.skus.get()))
}

/// `sku-0000001` and so on.
fn sku_code(index: u32) -> String {
    format!("sku-{:07}", index + 1)
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
    use super::*;

    #[test]
    fn sku_codes_sort_as_they_count() {
        assert_eq!(sku_code(0), "sku-0000001");
        assert_eq!(sku_code(99_999), "sku-0100000");
        assert!(sku_code(33_554_431).len() <= orderline_protocol::limits::CODE_BYTES_MAX);
    }
}
