//! What an import found.

use std::collections::BTreeMap;

use serde::Serialize;

/// What an import found. `read = accepted + rejected + skipped + unanswered`, in orders.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ImportReport {
    /// Orders found in the files.
    pub(crate) read: u64,
    /// Orders that the core holds now.
    pub(crate) accepted: u64,
    /// Orders refused, by the map or by the core.
    pub(crate) rejected: u64,
    /// Orders of which every row was skipped by the map.
    pub(crate) skipped: u64,
    /// Orders that were to be placed and got no answer, for the server was lost.
    pub(crate) unanswered: u64,
    /// Of the accepted orders: those that an earlier import had placed.
    pub(crate) accepted_before: u64,
    /// Rejected orders by reason.
    pub(crate) reasons: BTreeMap<String, u64>,
    /// Rows in the files, first lines aside.
    pub(crate) rows_read: u64,
    /// Rows skipped by the map, and blank ones.
    pub(crate) rows_skipped: u64,
    /// Skipped rows by the map's reasons, and `blank`.
    pub(crate) rows_skipped_by: BTreeMap<String, u64>,
    /// Lines of the accepted orders.
    pub(crate) lines_accepted: u64,
    /// Units of the accepted orders.
    pub(crate) units_accepted: u64,
    /// The accepted orders' rows summed up from the files' decimals, in minor units, by currency.
    pub(crate) money_file_minor: BTreeMap<String, i128>,
    /// The accepted orders' totals as the core answered them, in minor units, by currency.
    pub(crate) money_engine_minor: BTreeMap<String, i128>,
    /// Accepted orders whose total the core answered differently from the file's.
    pub(crate) orders_money_differs: u64,
    /// SKUs that had to be defined.
    pub(crate) skus_defined: u64,
    /// Units that had to be received.
    pub(crate) units_received: u64,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    /// What ended it early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Where each reason was met first: file and line.
    #[serde(skip)]
    pub(crate) first_at: BTreeMap<String, String>,
}

impl ImportReport {
    /// Whether everything adds up.
    pub(crate) fn is_well(&self) -> bool {
        self.error.is_none()
            && self.unanswered == 0
            && self.orders_money_differs == 0
            && self.money_file_minor == self.money_engine_minor
            && self.read == self.accepted + self.rejected + self.skipped
            && self.rejected == self.reasons.values().sum::<u64>()
    }
}
