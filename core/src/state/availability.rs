//! Availability: what can be bought of a SKU now, and of which SKUs that may have changed since somebody last looked.
//!
//! Keeping the board (see `board`) outside the state needs no more of the state than this: a list of the SKUs that
//! events touched. Nobody who replays asks for it, and then nothing is listed.

use orderline_protocol::command::{AskedSku, QueryAvailability, Standing};
use orderline_protocol::limits::AVAILABILITY_SKUS_MAX;
use orderline_protocol::reply::{AvailabilityView, SaleStanding};
use orderline_protocol::{RejectCode, SkuHandle};

use super::decide::check_zeros;
use super::stock::Row;
use super::{Rejection, State};

/// What can be bought of one SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Availability {
    /// Units available over all active locations.
    pub units: u64,
    /// Units that may be promised beyond these.
    pub backorder_units: u32,
    /// Whether it is sold at all.
    pub standing: SaleStanding,
}

impl Availability {
    /// Of a SKU that is not defined.
    pub const UNKNOWN: Self = Self { units: 0, backorder_units: 0, standing: SaleStanding::UnknownSku };

    /// As it travels.
    #[inline]
    pub fn view(&self) -> AvailabilityView {
        AvailabilityView {
            units: self.units.into(),
            backorder_units: self.backorder_units.into(),
            standing: self.standing as u8,
            reserved: [0; 3],
        }
    }
}

/// SKUs whose availability may have changed since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    is_kept: bool,
    /// Of any SKU it may have.
    is_all: bool,
    /// Each as often as something happened to it.
    skus: Vec<SkuHandle>,
}

impl Touched {
    /// Something happened to what can be bought of this SKU.
    #[inline]
    pub(crate) fn note(&mut self, sku: SkuHandle) {
        if self.is_kept {
            self.skus.push(sku);
        }
    }

    /// Something happened that many SKUs may hang on: a location or a seller came or went.
    pub(crate) fn note_all(&mut self) {
        self.is_all = self.is_kept;
    }
}

impl State {
    /// What can be bought of a SKU, as of [`State::sequence`]. What a location may still take on today is not looked at.
    #[inline]
    pub fn availability(&self, handle: SkuHandle) -> Availability {
        let Some(sku) = self.catalogue.sku(handle) else { return Availability::UNKNOWN };
        let is_open =
            |location| self.catalogue.location(location).is_some_and(|location| location.is_active());
        let of_row = |row: &Row| match row.available() {
            units if units > 0 && is_open(row.location()) => units as u64,
            _ => 0,
        };
        let backordered = if sku.has_backorders != 0 { self.backorders.units(handle) } else { 0 };
        let cap = self.catalogue.sku_backorder_cap(handle);
        let seller = self.catalogue.seller(sku.seller);
        let standing = if !sku.is_active() {
            SaleStanding::SkuRetired
        } else if seller.is_some_and(|seller| seller.definition.standing == Standing::Active as u8) {
            SaleStanding::OnSale
        } else {
            SaleStanding::SellerSuspended
        };
        Availability {
            units: self.stock.rows(sku).iter().map(of_row).sum(),
            backorder_units: u64::from(cap).saturating_sub(backordered) as u32,
            standing,
        }
    }

    /// From now on lists the SKUs that events touch, beginning with all of them.
    pub fn keep_touched(&mut self) {
        self.stock.touched = Touched { is_kept: true, is_all: true, skus: Vec::new() };
    }

    /// Whether any SKU may have been touched, of which [`State::take_touched`] does not tell. Says so once.
    pub fn take_touched_all(&mut self) -> bool {
        std::mem::take(&mut self.stock.touched.is_all)
    }

    /// Tells every SKU that events touched since the last time, once or several times, and what can be bought of it.
    pub fn take_touched(&mut self, mut each: impl FnMut(SkuHandle, Availability)) {
        let mut skus = std::mem::take(&mut self.stock.touched.skus);
        skus.drain(..).for_each(|sku| each(sku, self.availability(sku)));
        // The list keeps its room.
        self.stock.touched.skus = skus;
    }
}

/// Refuses a query for too many SKUs, or for none.
///
/// # Errors
/// The rejection.
pub(crate) fn check_asked<'a>(
    head: &QueryAvailability,
    skus: &'a [AskedSku],
) -> Result<&'a [AskedSku], Rejection> {
    if skus.is_empty() || skus.len() > AVAILABILITY_SKUS_MAX {
        return Err(Rejection::new(RejectCode::InvalidField).about(0));
    }
    check_zeros(&head.reserved, 2)?;
    Ok(skus)
}
