//! Defining sellers, locations and SKUs by code and getting their handles, many at once.

use orderline_protocol::command::{Cause, DefineLocation, DefineSeller, DefineSku, ReceiveStock, Standing};
use orderline_protocol::{Command, CurrencyCode, LocationHandle, RejectCode, Reply, SellerHandle, SkuHandle};
use zerocopy::little_endian::{U16, U32, U64};

use crate::{Client, ClientError};

/// Why a catalogue could not be set up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CatalogueError {
    /// The client could not get its answers.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server refused one of the entries.
    #[error("entry {index} was refused with {code:?}: {}", code.text())]
    Rejected {
        /// Which of the entries that were handed over.
        index: usize,
        /// Why.
        code: RejectCode,
    },
}

/// Collects the detail of each reply, and the first rejection.
struct Details {
    details: Vec<u64>,
    rejected: Option<CatalogueError>,
}

impl Details {
    fn of(
        run: impl FnOnce(&mut dyn FnMut(usize, Reply<'_>)) -> Result<(), ClientError>,
    ) -> Result<Vec<u64>, CatalogueError> {
        let mut all = Self { details: Vec::new(), rejected: None };
        run(&mut |index, reply| {
            let code = RejectCode::from_number(reply.header.code.get());
            if let (Some(code), None) = (code, &all.rejected) {
                all.rejected = Some(CatalogueError::Rejected { index, code });
            }
            if all.details.len() <= index {
                all.details.resize(index + 1, 0);
            }
            all.details[index] = reply.header.detail.get();
        })?;
        all.rejected.map_or(Ok(all.details), Err)
    }
}

/// A seller to define.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seller<'a> {
    /// Its code, 1 to 64 bytes.
    pub code: &'a str,
    /// The marketplace's share in basis points, at most 10,000.
    pub commission_bp: u16,
}

/// A location to define.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location<'a> {
    /// Its code, 1 to 64 bytes.
    pub code: &'a str,
    /// Lower ships first.
    pub priority: u32,
    /// The region that it ships from; 0: none.
    pub region: u16,
    /// Orders that it takes a day; 0: no bound.
    pub daily_capacity: u32,
}

/// A SKU to define.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sku<S> {
    /// Its code, 1 to 64 bytes.
    pub code: S,
    /// Who sells it.
    pub seller: SellerHandle,
    /// The one currency it is sold in; [`CurrencyCode::NONE`]: any.
    pub currency: CurrencyCode,
    /// Units that may be promised beyond the stock, over all orders; 0: none.
    pub backorder_cap: u32,
}

/// Units to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Of what.
    pub sku: SkuHandle,
    /// Where.
    pub location: LocationHandle,
    /// How many, at least one.
    pub quantity: u64,
}

/// Defines active sellers with these codes, without a commission.
///
/// # Errors
/// When the client fails, or the first refusal once all are answered.
pub fn sellers<'a>(
    client: &mut Client,
    codes: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<SellerHandle>, CatalogueError> {
    define_sellers(client, codes.into_iter().map(|code| Seller { code, commission_bp: 0 }))
}

/// Defines active sellers.
///
/// # Errors
/// As [`sellers`].
pub fn define_sellers<'a>(
    client: &mut Client,
    sellers: impl IntoIterator<Item = Seller<'a>>,
) -> Result<Vec<SellerHandle>, CatalogueError> {
    let submit = |client: &mut Client, seller: Seller<'a>| {
        let head = DefineSeller {
            commission_bp: U16::new(seller.commission_bp),
            standing: Standing::Active as u8,
            code_bytes: seller.code.len() as u8,
            expected_version: U32::ZERO,
        };
        client.submit(&Command::DefineSeller(&head, seller.code))
    };
    let details = Details::of(|on_reply| client.call_all(sellers, submit, on_reply))?;
    Ok(details.into_iter().map(|detail| SellerHandle::new(detail as u32)).collect())
}

/// Defines active locations with these codes, of no region and without a bound, which ship in the order they are given.
///
/// # Errors
/// As [`sellers`].
pub fn locations<'a>(
    client: &mut Client,
    codes: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<LocationHandle>, CatalogueError> {
    let location = |(priority, code)| Location { code, priority, region: 0, daily_capacity: 0 };
    define_locations(client, (0_u32..).zip(codes).map(location))
}

/// Defines active locations.
///
/// # Errors
/// As [`sellers`].
pub fn define_locations<'a>(
    client: &mut Client,
    locations: impl IntoIterator<Item = Location<'a>>,
) -> Result<Vec<LocationHandle>, CatalogueError> {
    let submit = |client: &mut Client, location: Location<'a>| {
        let head = DefineLocation {
            priority: U32::new(location.priority),
            daily_capacity: U32::new(location.daily_capacity),
            expected_version: U32::ZERO,
            region: U16::new(location.region),
            standing: Standing::Active as u8,
            code_bytes: location.code.len() as u8,
        };
        client.submit(&Command::DefineLocation(&head, location.code))
    };
    let details = Details::of(|on_reply| client.call_all(locations, submit, on_reply))?;
    Ok(details.into_iter().map(|detail| LocationHandle::new(detail as u16)).collect())
}

/// Defines active SKUs of one seller with these codes, sold in one currency and never beyond the stock.
///
/// # Errors
/// As [`sellers`].
pub fn skus<S: AsRef<str>>(
    client: &mut Client,
    seller: SellerHandle,
    currency: CurrencyCode,
    codes: impl IntoIterator<Item = S>,
) -> Result<Vec<SkuHandle>, CatalogueError> {
    define_skus(client, codes.into_iter().map(|code| Sku { code, seller, currency, backorder_cap: 0 }))
}

/// Defines active SKUs.
///
/// # Errors
/// As [`sellers`].
pub fn define_skus<S: AsRef<str>>(
    client: &mut Client,
    skus: impl IntoIterator<Item = Sku<S>>,
) -> Result<Vec<SkuHandle>, CatalogueError> {
    let submit = |client: &mut Client, sku: Sku<S>| {
        let code = sku.code.as_ref();
        let head = DefineSku {
            seller: sku.seller,
            backorder_cap: U32::new(sku.backorder_cap),
            currency: sku.currency,
            standing: Standing::Active as u8,
            code_bytes: code.len() as u8,
            expected_version: U32::ZERO,
        };
        client.submit(&Command::DefineSku(&head, code))
    };
    let details = Details::of(|on_reply| client.call_all(skus, submit, on_reply))?;
    Ok(details.into_iter().map(|detail| SkuHandle::new(detail as u32)).collect())
}

/// Receives so many units of each of these SKUs at one location.
///
/// # Errors
/// As [`sellers`].
pub fn stock(
    client: &mut Client,
    location: LocationHandle,
    skus: impl IntoIterator<Item = SkuHandle>,
    quantity: u64,
) -> Result<(), CatalogueError> {
    receive(client, skus.into_iter().map(|sku| Receipt { sku, location, quantity }))
}

/// Receives units that nobody announced, for no stated cause.
///
/// # Errors
/// As [`sellers`].
pub fn receive(
    client: &mut Client,
    receipts: impl IntoIterator<Item = Receipt>,
) -> Result<(), CatalogueError> {
    let cause = Cause {
        happened_at_us: 0.into(),
        reference: U64::ZERO,
        actor: U32::ZERO,
        reason: U16::ZERO,
        reserved: [0; 2],
    };
    let submit = |client: &mut Client, receipt: Receipt| {
        let head = ReceiveStock {
            expected_version: 0.into(),
            sku: receipt.sku,
            location: receipt.location,
            from_incoming: 0,
            reserved: [0; 5],
            quantity: U64::new(receipt.quantity),
            cause,
        };
        client.submit(&Command::ReceiveStock(&head))
    };
    Details::of(|on_reply| client.call_all(receipts, submit, on_reply))?;
    Ok(())
}
