//! What is owed to a seller.

use orderline_protocol::reply::LedgerView;
use serde::Serialize;

use super::{currency, seller};
use crate::names::Names;

/// What is owed to a seller in a currency: `sales - commissions - refunds + reversals = accrued + payable + paid`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ledger {
    /// Who.
    pub seller: Option<String>,
    /// In which currency, an ISO 4217 code.
    pub currency: Option<String>,
    /// Its version: it rises with each change.
    pub version: u32,
    /// Entries made so far.
    pub entry_count: u64,
    /// Captured for its orders.
    pub sales_minor: i64,
    /// The marketplace's share of that.
    pub commissions_minor: i64,
    /// Refunded of its orders.
    pub refunds_minor: i64,
    /// Commission given back with refunds.
    pub reversals_minor: i64,
    /// Of orders that are not finished yet.
    pub accrued_minor: i64,
    /// Of finished orders, to be paid; below zero: the seller owes.
    pub payable_minor: i64,
    /// Paid.
    pub paid_minor: i64,
}

impl Ledger {
    /// The ledger in a view; the version stands in the head of the reply that carried it.
    pub fn of(names: &dyn Names, version: u32, view: &LedgerView) -> Self {
        Self {
            seller: seller(names, view.seller),
            currency: currency(view.currency),
            version,
            entry_count: view.entry_count.get(),
            sales_minor: view.sales.minor(),
            commissions_minor: view.commissions.minor(),
            refunds_minor: view.refunds.minor(),
            reversals_minor: view.reversals.minor(),
            accrued_minor: view.accrued.minor(),
            payable_minor: view.payable.minor(),
            paid_minor: view.paid.minor(),
        }
    }
}
