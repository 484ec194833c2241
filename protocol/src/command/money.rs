//! Commands that record what a payment service did. The core moves no money: it records and enforces.

use zerocopy::little_endian::{I64, U16, U32, U64};

use crate::ids::{GroupId, OrderId, SellerHandle};
use crate::money::{Amount, CurrencyCode};
use crate::wire::{numbered, shapes};

numbered! {
    /// How a refund ended.
    pub enum RefundOutcome: u8 {
        /// The buyer has the money.
        Succeeded = 1 "succeeded",
        /// The payment service refused.
        Failed = 2 "failed",
    }
}

shapes! {
    /// Records that a payment service promised money for a group (an order placed alone is its own group).
    pub struct RecordAuthorization {
        /// Which group.
        pub group: GroupId,
        /// How much, at least 1 and at most what the group's orders cost now.
        pub amount: Amount,
        /// The payment service's own number.
        pub reference: U64,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// The version of the group that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Seconds until the promise lapses; 0: never.
        pub seconds: U32,
        /// The currency: the group's.
        pub currency: CurrencyCode,
        /// Zeros.
        pub reserved: [u8; 6],
    }

    /// Records that promised money was taken, for one order of the group or over all of them.
    pub struct RecordCapture {
        /// Which group.
        pub group: GroupId,
        /// Whose share; 0: divided over the orders in proportion to what each of them still lacks, rounded down, the
        /// minor units that are left over going to the first orders that still lack one, one each.
        pub order: OrderId,
        /// How much, at least 1.
        pub amount: Amount,
        /// The payment service's own number.
        pub reference: U64,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// The version of the group that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Zeros.
        pub reserved: [u8; 4],
    }

    /// Records that a promise was given back (void), or never made (failure).
    pub struct EndPayment {
        /// Which group.
        pub group: GroupId,
        /// The payment service's own number.
        pub reference: U64,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// The version of the group that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// The caller's own reason code.
        pub reason: U16,
        /// Zeros.
        pub reserved: [u8; 2],
    }

    /// Asks for a refund of an order's captured money.
    pub struct RequestRefund {
        /// Which order.
        pub order: OrderId,
        /// How much, at least 1 and at most what was captured and is not refunded or asked for yet.
        pub amount: Amount,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// The version of the order that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// The caller's own reason code.
        pub reason: U16,
        /// Zeros.
        pub reserved: [u8; 2],
    }

    /// Records how a refund ended.
    pub struct SettleRefund {
        /// Which order.
        pub order: OrderId,
        /// The payment service's own number.
        pub reference: U64,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// The version of the order that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// The refund's number in its order, from 1.
        pub refund: U16,
        /// A `RefundOutcome`.
        pub outcome: u8,
        /// Zero.
        pub reserved: u8,
    }

    /// Records that a seller was paid.
    pub struct RecordPayout {
        /// Who.
        pub seller: SellerHandle,
        /// The version of the ledger that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// How much, at least 1 and at most what is payable.
        pub amount: Amount,
        /// The bank's own number.
        pub reference: U64,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// In which currency.
        pub currency: CurrencyCode,
        /// Zeros.
        pub reserved: [u8; 6],
    }
}
