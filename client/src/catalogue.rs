//! Defining sellers, locations and SKUs by code and getting their handles, many at once.

use orderline_protocol::command::{DefineLocation, DefineSeller, DefineSku, ReceiveStock, Standing};
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

/// Defines active sellers with these codes, without a commission.
///
/// # Errors
/// When the client fails, or the first refusal once all are answered.
pub fn sellers<'a>(
    client: &mut Client,
    codes: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<SellerHandle>, CatalogueError> {
    let submit = |client: &mut Client, code: &'a str| {
        let head = DefineSeller {
            commission_bp: U16::ZERO,
            standing: Standing::Active as u8,
            code_bytes: code.len() as u8,
            reserved: [0; 4],
        };
        client.submit(&Command::DefineSeller(&head, code))
    };
    let details = Details::of(|on_reply| client.call_all(codes, submit, on_reply))?;
    Ok(details.into_iter().map(|detail| SellerHandle::new(detail as u32)).collect())
}

/// Defines active locations with these codes, which ship in the order they are given.
///
/// # Errors
/// As [`sellers`].
pub fn locations<'a>(
    client: &mut Client,
    codes: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<LocationHandle>, CatalogueError> {
    let submit = |client: &mut Client, (priority, code): (u32, &'a str)| {
        let head = DefineLocation {
            region: U32::ZERO,
            priority: U32::new(priority),
            daily_capacity: U32::ZERO,
            standing: Standing::Active as u8,
            code_bytes: code.len() as u8,
            reserved: [0; 2],
        };
        client.submit(&Command::DefineLocation(&head, code))
    };
    let details = Details::of(|on_reply| client.call_all((0_u32..).zip(codes), submit, on_reply))?;
    Ok(details.into_iter().map(|detail| LocationHandle::new(detail as u32)).collect())
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
    let submit = |client: &mut Client, code: S| {
        let code = code.as_ref();
        let head = DefineSku {
            seller,
            backorder_cap: U32::ZERO,
            currency,
            standing: Standing::Active as u8,
            code_bytes: code.len() as u8,
            reserved: [0; 4],
        };
        client.submit(&Command::DefineSku(&head, code))
    };
    let details = Details::of(|on_reply| client.call_all(codes, submit, on_reply))?;
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
    let submit = |client: &mut Client, sku: SkuHandle| {
        let head = ReceiveStock {
            sku,
            location,
            quantity: U64::new(quantity),
            reference: U64::ZERO,
            reason: U16::ZERO,
            reserved: [0; 6],
        };
        client.submit(&Command::ReceiveStock(&head))
    };
    Details::of(|on_reply| client.call_all(skus, submit, on_reply))?;
    Ok(())
}
