//! The codes that a state knows, for what is shown as JSON.

use std::borrow::Cow;

use orderline_core::State;
use orderline_json::Names;
use orderline_protocol::{LocationHandle, SellerHandle, SkuHandle};

/// A state as the one who knows the codes. A record is shown with the state that has its event applied already.
pub(crate) struct StateNames<'a>(pub(crate) &'a State);

impl Names for StateNames<'_> {
    fn seller_code(&self, handle: SellerHandle) -> Option<Cow<'_, str>> {
        self.0.seller_code(handle).map(Cow::Borrowed)
    }

    fn location_code(&self, handle: LocationHandle) -> Option<Cow<'_, str>> {
        self.0.location_code(handle).map(Cow::Borrowed)
    }

    fn sku_code(&self, handle: SkuHandle) -> Option<Cow<'_, str>> {
        self.0.sku_code(handle).map(Cow::Borrowed)
    }
}
