//! Sellers, locations, SKUs and tokens: dense tables by handle, with the codes that outside knows them by.

use orderline_protocol::command::{DefineLocation, DefineSeller, DefineSku, DefineToken, Standing};
use orderline_protocol::{CurrencyCode, LocationHandle, SellerHandle, SkuHandle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::catalogue_image::{FrozenCatalogue, List};
use super::codes::Codes;
use super::stock::Row;
use super::tokens::Token;
use crate::arena::Arena;

/// A seller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seller {
    pub(crate) definition: DefineSeller,
    pub(crate) version: u32,
}

/// A location, and how much it has taken on lately.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Location {
    pub(crate) definition: DefineLocation,
    pub(crate) version: u32,
    /// The newest day (since 1970, UTC) on which it took an order.
    pub(crate) day: u32,
    /// Orders that it took on that day.
    pub(crate) taken_count: u32,
}

impl Location {
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.definition.standing == Standing::Active as u8
    }

    /// Orders that it can take more on a day; none without a bound.
    #[inline]
    pub(crate) fn orders_left(&self, day: u32) -> Option<u32> {
        let capacity = self.definition.daily_capacity.get();
        let taken_count = if self.day == day { self.taken_count } else { 0 };
        (capacity > 0).then(|| capacity.saturating_sub(taken_count))
    }

    /// Whether it gets new units on a day.
    #[inline]
    pub(crate) fn takes_orders(&self, day: u32) -> bool {
        self.is_active() && self.orders_left(day) != Some(0)
    }
}

/// What sourcing asks of every location in question, side by side for all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocationTerms {
    pub(crate) priority: u32,
    pub(crate) region: u16,
    pub(crate) takes: Takes,
}

/// Whether a location gets new units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// No.
    None,
    /// Of any number of orders a day.
    Orders,
    /// As long as it has taken fewer orders today than it can.
    OrdersWithinBound,
}

impl LocationTerms {
    fn of(location: &Location) -> Self {
        let definition = &location.definition;
        let takes = match definition.daily_capacity.get() {
            _ if !location.is_active() => Takes::None,
            0 => Takes::Orders,
            _ => Takes::OrdersWithinBound,
        };
        Self { priority: definition.priority.get(), region: definition.region.get(), takes }
    }
}

/// A SKU as the hot path reads it: half a cache line, with what is available at its only location in it. Most catalogues
/// have one location a SKU, and those are decided without looking any further.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Sku {
    /// With one level: that level's row; with more: what leads to the rows of its levels. See `stock`.
    pub(crate) row: Row,
    /// Where its levels begin.
    pub(crate) levels: u32,
    pub(crate) seller: SellerHandle,
    pub(crate) currency: CurrencyCode,
    pub(crate) level_count: u16,
    pub(crate) standing: u8,
    /// Rows and levels that there is room for: 2 to this power.
    pub(crate) level_room_log2: u8,
    /// 1: units of it are backordered, so that stock which comes free is not free.
    pub(crate) has_backorders: u8,
    /// What of its availability was touched since that was last published; see `availability`.
    pub(crate) touched: u8,
}

const _: () = assert!(size_of::<Sku>() == 32);

/// What placements do not read of a SKU.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct SkuTerms {
    backorder_cap: u32,
    version: u32,
}

impl Sku {
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.standing == Standing::Active as u8
    }
}

/// The catalogue.
pub(crate) struct Catalogue {
    pub(crate) seller_codes: Codes,
    sellers: Vec<Seller>,
    pub(crate) location_codes: Codes,
    locations: Vec<Location>,
    /// By location.
    location_terms: Vec<LocationTerms>,
    pub(crate) sku_codes: Codes,
    skus: Arena<Sku>,
    sku_terms: Arena<SkuTerms>,
    pub(crate) token_labels: Codes,
    tokens: Vec<Token>,
    /// While a snapshot is made: what it still needs.
    pub(super) frozen: Option<Box<FrozenCatalogue>>,
}

impl Catalogue {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seller_codes: Codes::new(seed),
            sellers: Vec::new(),
            location_codes: Codes::new(seed.rotate_left(1)),
            locations: Vec::new(),
            location_terms: Vec::new(),
            sku_codes: Codes::new(seed.rotate_left(2)),
            skus: Arena::default(),
            sku_terms: Arena::default(),
            token_labels: Codes::new(seed.rotate_left(5)),
            tokens: Vec::new(),
            frozen: None,
        }
    }

    pub(crate) fn sellers(&self) -> &[Seller] {
        &self.sellers
    }

    #[inline]
    pub(crate) fn seller(&self, handle: SellerHandle) -> Option<&Seller> {
        self.sellers.get(handle.index())
    }

    /// Defines the next seller, or changes the one with this handle.
    pub(crate) fn set_seller(&mut self, handle: u32, version: u32, code: &str, definition: &DefineSeller) {
        self.keep(List::Sellers, handle);
        let seller = Seller { definition: *definition, version };
        if handle as usize == self.sellers.len() {
            assert_eq!(self.seller_codes.add(code), handle, "handles are dense");
            self.sellers.push(seller);
        } else {
            self.sellers[handle as usize] = seller;
        }
    }

    pub(crate) fn locations(&self) -> &[Location] {
        &self.locations
    }

    /// What sourcing asks of locations, by handle.
    #[inline]
    pub(crate) fn location_terms(&self) -> &[LocationTerms] {
        &self.location_terms
    }

    #[inline]
    pub(crate) fn location(&self, handle: LocationHandle) -> Option<&Location> {
        self.locations.get(handle.index())
    }

    /// Defines the next location, or changes the one with this handle.
    pub(crate) fn set_location(
        &mut self,
        handle: u32,
        version: u32,
        code: &str,
        definition: &DefineLocation,
    ) {
        self.keep(List::Locations, handle);
        let definition = *definition;
        match self.locations.get_mut(handle as usize) {
            Some(location) => {
                *location = Location { definition, version, ..*location };
                self.location_terms[handle as usize] = LocationTerms::of(location);
            }
            None => {
                assert_eq!(self.location_codes.add(code), handle, "handles are dense");
                assert_eq!(handle as usize, self.locations.len(), "handles are dense");
                let location = Location { definition, version, day: 0, taken_count: 0 };
                self.locations.push(location);
                self.location_terms.push(LocationTerms::of(&location));
            }
        }
    }

    /// Counts an order that a location got units of.
    #[inline]
    pub(crate) fn count_order(&mut self, handle: LocationHandle, day: u32) {
        self.keep(List::Locations, handle.get().into());
        let location = &mut self.locations[handle.index()];
        if location.day != day {
            location.day = day;
            location.taken_count = 0;
        }
        location.taken_count += 1;
    }

    /// Restores how much a location has taken on.
    pub(crate) fn restore_taken(&mut self, handle: u32, day: u32, taken_count: u32) {
        let location = &mut self.locations[handle as usize];
        location.day = day;
        location.taken_count = taken_count;
    }

    pub(crate) fn sku_count(&self) -> usize {
        self.skus.len()
    }

    #[inline]
    pub(crate) fn sku(&self, handle: SkuHandle) -> Option<&Sku> {
        self.skus.try_get(handle.index())
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
    pub(crate) fn set_sku(&mut self, handle: u32, version: u32, code: &str, definition: &DefineSku) {
        self.keep(List::Skus, handle);
        if handle as usize == self.skus.len() {
            assert_eq!(self.sku_codes.add(code), handle, "handles are dense");
            self.skus.extend(1);
            self.sku_terms.extend(1);
        }
        let sku = self.skus.get_mut(handle as usize);
        sku.seller = definition.seller;
        sku.currency = definition.currency;
        sku.standing = definition.standing;
        *self.sku_terms.get_mut(handle as usize) =
            SkuTerms { backorder_cap: definition.backorder_cap.get(), version };
    }

    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Defines the next token, or changes the one at this place; its label stays what it is.
    pub(crate) fn set_token(&mut self, place: u32, version: u32, label: &str, definition: &DefineToken) {
        self.keep(List::Tokens, place);
        let token = Token { definition: *definition, version };
        if place as usize == self.tokens.len() {
            assert_eq!(self.token_labels.add(label), place, "places are dense");
            self.tokens.push(token);
        } else {
            self.tokens[place as usize] = token;
        }
    }

    /// Units of a defined SKU that may be promised without stock.
    pub(crate) fn sku_backorder_cap(&self, handle: SkuHandle) -> u32 {
        self.sku_terms.get(handle.index()).backorder_cap
    }

    /// The version of a SKU's definition; `None`: it is not defined.
    pub(crate) fn sku_version(&self, handle: SkuHandle) -> Option<u32> {
        (handle.index() < self.sku_terms.len()).then(|| self.sku_terms.get(handle.index()).version)
    }

    /// A SKU's definition, as a command would give it.
    pub(crate) fn sku_definition(&self, handle: u32) -> DefineSku {
        let sku = self.skus.get(handle as usize);
        DefineSku {
            seller: sku.seller,
            backorder_cap: self.sku_backorder_cap(SkuHandle::new(handle)).into(),
            currency: sku.currency,
            standing: sku.standing,
            code_bytes: self.sku_codes.code(handle).unwrap_or_default().len() as u8,
            expected_version: 0.into(),
        }
    }
}
