//! Sellers, locations and SKUs: dense tables by handle, with the codes that outside knows them by.

use orderline_protocol::command::{DefineLocation, DefineSeller, DefineSku, Standing};
use orderline_protocol::{CurrencyCode, LocationHandle, SellerHandle, SkuHandle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::codes::Codes;
use crate::arena::Arena;

/// "No level": the end of a SKU's chain of levels.
pub(crate) const NO_LEVEL: u32 = u32::MAX;

/// A SKU as the hot path reads it.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Sku {
    /// The first of its inventory levels; [`NO_LEVEL`]: none yet.
    pub(crate) first_level: u32,
    pub(crate) seller: SellerHandle,
    pub(crate) backorder_cap: u32,
    pub(crate) currency: CurrencyCode,
    pub(crate) standing: u8,
    pub(crate) reserved: u8,
}

impl Sku {
    pub(crate) fn is_active(&self) -> bool {
        self.standing == Standing::Active as u8
    }
}

/// The catalogue.
pub(crate) struct Catalogue {
    pub(crate) seller_codes: Codes,
    sellers: Vec<DefineSeller>,
    pub(crate) location_codes: Codes,
    locations: Vec<DefineLocation>,
    pub(crate) sku_codes: Codes,
    skus: Arena<Sku>,
}

impl Catalogue {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seller_codes: Codes::new(seed),
            sellers: Vec::new(),
            location_codes: Codes::new(seed.rotate_left(1)),
            locations: Vec::new(),
            sku_codes: Codes::new(seed.rotate_left(2)),
            skus: Arena::default(),
        }
    }

    pub(crate) fn sellers(&self) -> &[DefineSeller] {
        &self.sellers
    }

    pub(crate) fn seller(&self, handle: SellerHandle) -> Option<&DefineSeller> {
        self.sellers.get(handle.index())
    }

    /// Defines the next seller, or changes the one with this handle.
    pub(crate) fn set_seller(&mut self, handle: u32, code: &str, definition: &DefineSeller) {
        if handle as usize == self.sellers.len() {
            assert_eq!(self.seller_codes.add(code), handle, "handles are dense");
            self.sellers.push(*definition);
        } else {
            self.sellers[handle as usize] = *definition;
        }
    }

    pub(crate) fn locations(&self) -> &[DefineLocation] {
        &self.locations
    }

    pub(crate) fn location(&self, handle: LocationHandle) -> Option<&DefineLocation> {
        self.locations.get(handle.index())
    }

    /// The rank by which locations are tried: priority, then handle.
    #[inline]
    pub(crate) fn location_rank(&self, handle: LocationHandle) -> (u32, u32) {
        (self.locations[handle.index()].priority.get(), handle.get())
    }

    #[inline]
    pub(crate) fn location_is_active(&self, handle: LocationHandle) -> bool {
        self.locations[handle.index()].standing == Standing::Active as u8
    }

    /// Defines the next location, or changes the one with this handle.
    pub(crate) fn set_location(&mut self, handle: u32, code: &str, definition: &DefineLocation) {
        if handle as usize == self.locations.len() {
            assert_eq!(self.location_codes.add(code), handle, "handles are dense");
            self.locations.push(*definition);
        } else {
            self.locations[handle as usize] = *definition;
        }
    }

    pub(crate) fn sku_count(&self) -> usize {
        self.skus.len()
    }

    #[inline]
    pub(crate) fn sku(&self, handle: SkuHandle) -> Option<&Sku> {
        (handle.index() < self.skus.len()).then(|| self.skus.get(handle.index()))
    }

    #[inline]
    pub(crate) fn sku_mut(&mut self, handle: SkuHandle) -> &mut Sku {
        self.skus.get_mut(handle.index())
    }

    #[inline]
    pub(crate) fn prefetch_sku(&self, handle: SkuHandle) {
        self.skus.prefetch(handle.index());
    }

    /// Defines the next SKU, or changes the one with this handle.
    pub(crate) fn set_sku(&mut self, handle: u32, code: &str, definition: &DefineSku) {
        let first_level = if handle as usize == self.skus.len() {
            assert_eq!(self.sku_codes.add(code), handle, "handles are dense");
            self.skus.extend(1);
            NO_LEVEL
        } else {
            self.skus.get(handle as usize).first_level
        };
        *self.skus.get_mut(handle as usize) = Sku {
            first_level,
            seller: definition.seller,
            backorder_cap: definition.backorder_cap.get(),
            currency: definition.currency,
            standing: definition.standing,
            reserved: 0,
        };
    }

    /// A SKU's definition, as a command would give it.
    pub(crate) fn sku_definition(&self, handle: u32) -> DefineSku {
        let sku = self.skus.get(handle as usize);
        DefineSku {
            seller: sku.seller,
            backorder_cap: sku.backorder_cap.into(),
            currency: sku.currency,
            standing: sku.standing,
            code_bytes: self.sku_codes.code(handle).unwrap_or_default().len() as u8,
            reserved: [0; 4],
        }
    }
}
