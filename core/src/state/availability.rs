//! Availability: what can be bought of a SKU now, and of which SKUs that may have changed since somebody last looked.
//!
//! Keeping the board (see `board`) outside the state needs no more of the state than this: a list of the SKUs that
//! events touched. Nobody who replays asks for it, and then nothing is listed.

use orderline_protocol::command::{AskedSku, QueryAvailability};
use orderline_protocol::limits::AVAILABILITY_SKUS_MAX;
use orderline_protocol::reply::{AvailabilityView, SaleStanding};
use orderline_protocol::{LocationHandle, RejectCode, SkuHandle};

use super::catalogue::{Location, Sku};
use super::decide::check_zeros;
use super::stock::Row;
use super::{Rejection, State};

/// What can be bought of one SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Availability {
    /// Units available over all active locations.
    pub units: u64,
    /// On which terms.
    pub terms: Terms,
}

/// What of a SKU's availability orders seldom change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Units that may be promised beyond those that are available.
    pub backorder_units: u32,
    /// Whether it is sold at all.
    pub standing: SaleStanding,
}

impl Availability {
    /// Of a SKU that is not defined.
    pub const UNKNOWN: Self =
        Self { units: 0, terms: Terms { backorder_units: 0, standing: SaleStanding::UnknownSku } };

    /// As it travels.
    #[inline]
    pub fn view(&self) -> AvailabilityView {
        AvailabilityView {
            units: self.units.into(),
            backorder_units: self.terms.backorder_units.into(),
            standing: self.terms.standing as u8,
            reserved: [0; 3],
        }
    }
}

/// What may have changed, as bits of [`Sku::touched`].
const UNITS: u8 = 1;
const TERMS: u8 = 2;

/// SKUs whose availability may have changed since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    is_kept: bool,
    /// Of any SKU it may have.
    is_all: bool,
    /// Each once: it says itself that it is in here, and what of it is touched.
    skus: Vec<SkuHandle>,
}

impl Touched {
    /// What is available of this SKU has changed.
    #[inline]
    pub(crate) fn note_units(&mut self, handle: SkuHandle, sku: &mut Sku) {
        self.note(handle, sku, UNITS);
    }

    /// Something else has changed of what can be bought of this SKU.
    pub(crate) fn note_terms(&mut self, handle: SkuHandle, sku: &mut Sku) {
        self.note(handle, sku, TERMS);
    }

    #[inline]
    fn note(&mut self, handle: SkuHandle, sku: &mut Sku, what: u8) {
        if self.is_kept {
            if sku.touched == 0 {
                self.skus.push(handle);
            }
            sku.touched |= what;
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
        match self.catalogue.sku(handle) {
            Some(sku) => Availability { units: self.units(sku), terms: self.terms(handle, sku) },
            None => Availability::UNKNOWN,
        }
    }

    #[inline]
    fn units(&self, sku: &Sku) -> u64 {
        let of_row = |row: &Row| match row.available() {
            units if units > 0 && self.is_open(row.location()) => units as u64,
            _ => 0,
        };
        self.stock.rows(sku).iter().map(of_row).sum()
    }

    #[inline]
    fn is_open(&self, location: LocationHandle) -> bool {
        self.catalogue.location(location).is_some_and(Location::is_active)
    }

    fn terms(&self, handle: SkuHandle, sku: &Sku) -> Terms {
        let backordered = if sku.has_backorders != 0 { self.backorders.units(handle) } else { 0 };
        let cap = self.catalogue.sku_backorder_cap(handle);
        let standing = if !sku.is_active() {
            SaleStanding::SkuRetired
        } else if self.check_seller(sku.seller).is_ok() {
            SaleStanding::OnSale
        } else {
            SaleStanding::SellerSuspended
        };
        Terms { backorder_units: u64::from(cap).saturating_sub(backordered) as u32, standing }
    }

    /// From now on lists the SKUs that events touch, beginning with all of them.
    pub fn keep_touched(&mut self) {
        self.stock.touched.is_kept = true;
        self.stock.touched.is_all = true;
    }

    /// Whether any SKU may have been touched, of which [`State::take_touched`] does not tell. Says so once.
    pub fn take_touched_all(&mut self) -> bool {
        std::mem::take(&mut self.stock.touched.is_all)
    }

    /// Tells each SKU that events touched since the last time: the units of it that are available now, and the terms if
    /// they may have changed.
    pub fn take_touched(&mut self, mut each: impl FnMut(SkuHandle, u64, Option<Terms>)) {
        let mut handles = std::mem::take(&mut self.stock.touched.skus);
        for handle in handles.drain(..) {
            let touched = std::mem::take(&mut self.catalogue.sku_mut(handle).touched);
            let Some(sku) = self.catalogue.sku(handle) else { continue };
            each(handle, self.units(sku), (touched & TERMS != 0).then(|| self.terms(handle, sku)));
        }
        // The list keeps its room.
        self.stock.touched.skus = handles;
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
