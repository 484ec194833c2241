//! Events of placed orders.

use zerocopy::little_endian::{I64, U16, U32};

use super::Origin;
use crate::command::{EditAddress, EditLine, PlaceHold, ReleaseHold};
use crate::ids::OrderId;
use crate::money::Amount;
use crate::wire::shapes;

shapes! {
    /// An order was confirmed: what was reserved for it is committed.
    pub struct OrderConfirmed {
        /// Who asked.
        pub origin: Origin,
        /// Which order.
        pub order: OrderId,
    }

    /// Units of an order were cancelled. Followed by `Allocation`s: how many of which line go back to which location
    /// (NONE: they were backordered); without any, all that was open.
    pub struct LinesCancelled {
        /// Who asked.
        pub origin: Origin,
        /// Which order.
        pub order: OrderId,
        /// The order's `OrderState` from here on.
        pub state: u8,
        /// Zero.
        pub reserved: u8,
        /// The caller's own reason code.
        pub reason: U16,
        /// Moves that follow.
        pub move_count: U32,
        /// What the buyer is owed back then: captured, less refunds made or asked for, less what the order still costs;
        /// never below zero.
        pub refund_owed: Amount,
    }

    /// A line's quantity was changed. Followed by `Allocation`s: the units that came to the line, or, if it has fewer now,
    /// those that it gave back (location NONE: backordered units).
    pub struct LineEdited {
        /// Who asked.
        pub origin: Origin,
        /// The change.
        pub edit: EditLine,
        /// What the buyer is owed back then, as for a cancellation.
        pub refund_owed: Amount,
        /// Moves that follow.
        pub move_count: U32,
        /// The `DecidingRule` where units came; 0 where they went.
        pub rule: u8,
        /// Zeros.
        pub reserved: [u8; 3],
    }

    /// An order goes elsewhere.
    pub struct AddressEdited {
        /// Who asked.
        pub origin: Origin,
        /// The change.
        pub edit: EditAddress,
    }

    /// A hold was placed.
    pub struct HoldPlaced {
        /// Who asked.
        pub origin: Origin,
        /// The hold.
        pub hold: PlaceHold,
        /// When it expires, in microseconds since 1970; 0: never.
        pub expires_at_us: I64,
        /// Its number in its order, from 1.
        pub number: U16,
        /// Zeros.
        pub reserved: [u8; 6],
    }

    /// A hold was released.
    pub struct HoldReleased {
        /// Who asked.
        pub origin: Origin,
        /// Which.
        pub release: ReleaseHold,
    }
}
