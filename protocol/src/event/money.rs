//! Events of payments, refunds and the sellers' ledgers.

use zerocopy::little_endian::{I64, U16};

use super::Origin;
use crate::command::{
    EndPayment, RecordAuthorization, RecordCapture, RecordPayout, RequestRefund, SettleRefund,
};
use crate::ids::OrderId;
use crate::money::Amount;
use crate::wire::shapes;

shapes! {
    /// Money was promised. Followed by `LateHold`s: the orders that had expired meanwhile.
    pub struct PaymentAuthorized {
        /// Who asked.
        pub origin: Origin,
        /// What was promised.
        pub authorization: RecordAuthorization,
        /// When the promise lapses, in microseconds since 1970; 0: never.
        pub expires_at_us: I64,
        /// The payment's number in its group, from 1: an attempt after a failure is another payment.
        pub number: U16,
        /// Holds that follow.
        pub hold_count: U16,
        /// Zeros.
        pub reserved: [u8; 4],
    }

    /// A hold of kind payment on an order that had expired before its money came.
    pub struct LateHold {
        /// Which order.
        pub order: OrderId,
        /// The hold's number in its order.
        pub number: U16,
        /// Zeros.
        pub reserved: [u8; 6],
    }

    /// Money was taken. Followed by `CapturedShare`s, then by `LateHold`s: of the shares' orders, those that had expired.
    pub struct PaymentCaptured {
        /// Who asked.
        pub origin: Origin,
        /// What was taken.
        pub capture: RecordCapture,
        /// Shares that follow.
        pub share_count: U16,
        /// The payment's `PaymentState` from here on.
        pub state: u8,
        /// Zeros.
        pub reserved: [u8; 3],
        /// Holds that follow.
        pub hold_count: U16,
    }

    /// One order's share of a capture, and what its seller's ledger gets: a sale of the share, a commission off it.
    pub struct CapturedShare {
        /// Which order.
        pub order: OrderId,
        /// The share.
        pub amount: Amount,
        /// The commission on it.
        pub commission: Amount,
    }

    /// A promise was given back.
    pub struct PaymentVoided {
        /// Who asked.
        pub origin: Origin,
        /// Whose.
        pub end: EndPayment,
        /// What was given back.
        pub amount: Amount,
        /// The payment's `PaymentState` from here on.
        pub state: u8,
        /// Zeros.
        pub reserved: [u8; 7],
    }

    /// A payment failed.
    pub struct PaymentFailed {
        /// Who asked.
        pub origin: Origin,
        /// Whose.
        pub end: EndPayment,
    }

    /// A refund was asked for.
    pub struct RefundRequested {
        /// Who asked.
        pub origin: Origin,
        /// What was asked for.
        pub request: RequestRefund,
        /// Its number in its order, from 1.
        pub number: U16,
        /// Zeros.
        pub reserved: [u8; 6],
    }

    /// A refund ended; if well, the seller's ledger gets a refund and a commission reversal.
    pub struct RefundSettled {
        /// Who asked.
        pub origin: Origin,
        /// How it ended.
        pub settlement: SettleRefund,
        /// The refund's amount; 0 if it failed.
        pub amount: Amount,
        /// The commission that is given back to the seller.
        pub commission_reversal: Amount,
    }

    /// A seller was paid.
    pub struct PayoutRecorded {
        /// Who asked.
        pub origin: Origin,
        /// Who, how much.
        pub payout: RecordPayout,
    }
}
