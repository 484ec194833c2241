//! Commands about placed orders: confirm, edit, cancel, hold.

use zerocopy::little_endian::{U16, U32, U64};

use crate::ids::OrderId;
use crate::wire::shapes;

shapes! {
    /// Confirms a pending order.
    pub struct ConfirmOrder {
        /// Which order.
        pub order: OrderId,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Zeros.
        pub reserved: [u8; 4],
    }

    /// Gives up units of an order's lines. Followed by `LineQuantity`s; without any, it means all that can be given up.
    pub struct CancelLines {
        /// Which order.
        pub order: OrderId,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Line quantities that follow.
        pub line_count: U16,
        /// The caller's own reason code.
        pub reason: U16,
    }

    /// How many units of which line.
    pub struct LineQuantity {
        /// The line's index in its order, from 0.
        pub line: U16,
        /// Zeros.
        pub reserved: [u8; 2],
        /// Units, at least one.
        pub quantity: U32,
    }

    /// Changes a line's quantity before fulfilment begins. More is sourced as at placement, all or nothing; less is
    /// given back: backordered units first, then the last location's.
    pub struct EditLine {
        /// Which order.
        pub order: OrderId,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// The line's whole quantity from now on, at least 1 more than was cancelled of it.
        pub quantity: U32,
        /// The line's index.
        pub line: U16,
        /// The caller's own reason code.
        pub reason: U16,
        /// Zeros.
        pub reserved: [u8; 4],
    }

    /// Changes where an order goes before fulfilment begins. Where it ships from stays as it is.
    pub struct EditAddress {
        /// Which order.
        pub order: OrderId,
        /// The front end's own number of the address.
        pub address: U64,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// The region that it goes to; 0: not said.
        pub region: U16,
        /// Zeros.
        pub reserved: [u8; 2],
    }

    /// Stops an order for a reason, until it is released or its time is over. Several may stand at once.
    pub struct PlaceHold {
        /// Which order.
        pub order: OrderId,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// How long, in seconds from the recorded time; 0: until it is released.
        pub seconds: U32,
        /// A `HoldKind`.
        pub kind: u8,
        /// What it blocks: bits of `blocks`, at least one.
        pub blocks: u8,
        /// The caller's own reason code.
        pub reason: U16,
        /// Zeros.
        pub reserved: [u8; 4],
    }

    /// Takes a hold off.
    pub struct ReleaseHold {
        /// Which order.
        pub order: OrderId,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// The hold's number in its order, from 1.
        pub hold: U16,
        /// The caller's own reason code.
        pub reason: U16,
    }
}
