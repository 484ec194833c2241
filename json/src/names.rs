//! Where the codes behind handles come from.

use std::borrow::Cow;

use orderline_protocol::{LocationHandle, SellerHandle, SkuHandle};

/// Whoever knows the codes of sellers, locations and SKUs. What it does not know is shown by its handle's number.
pub trait Names {
    /// A seller's code.
    fn seller_code(&self, handle: SellerHandle) -> Option<Cow<'_, str>>;

    /// A location's code.
    fn location_code(&self, handle: LocationHandle) -> Option<Cow<'_, str>>;

    /// A SKU's code.
    fn sku_code(&self, handle: SkuHandle) -> Option<Cow<'_, str>>;
}
