//! Events of fulfilment orders, shipments and returns.

use zerocopy::little_endian::{I64, U16, U32};

use super::Origin;
use crate::command::{
    MoveWork, ReceiveReturn, RejectWork, RequestReturn, UpdateReturn, UpdateShipment, UpdateWork,
};
use crate::ids::OrderId;
use crate::money::Amount;
use crate::wire::shapes;

shapes! {
    /// A location said how far it is.
    pub struct WorkUpdated {
        /// Who asked.
        pub origin: Origin,
        /// What it said.
        pub update: UpdateWork,
        /// The fulfilment order's `WorkState` from here on.
        pub state: u8,
        /// Zeros.
        pub reserved: [u8; 7],
    }

    /// A location refused its work. All the order's units there went; followed by `Allocation`s: where they are now
    /// (NONE: backordered).
    pub struct WorkRejected {
        /// Who asked.
        pub origin: Origin,
        /// The refusal.
        pub rejection: RejectWork,
        /// Allocations that follow.
        pub move_count: U32,
        /// The `DecidingRule`; 0 if nobody had any.
        pub rule: u8,
        /// Zeros.
        pub reserved: [u8; 3],
    }

    /// Units were given to another location by hand. Followed by `Allocation`s: how many of which line; their location
    /// is where they came to.
    pub struct WorkMoved {
        /// Who asked.
        pub origin: Origin,
        /// From where to where; its `line_count` is zero.
        pub movement: MoveWork,
        /// Moves that follow.
        pub move_count: U32,
        /// Zeros.
        pub reserved: [u8; 4],
    }

    /// A package was made. Followed by `Allocation`s (how many of which line from which location; without any, all that
    /// was open) and the tracking code.
    pub struct ShipmentMade {
        /// Who asked.
        pub origin: Origin,
        /// Which order.
        pub order: OrderId,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// The package's number in its order, from 1.
        pub shipment: U16,
        /// Moves that follow.
        pub move_count: U16,
        /// The caller's own number of the carrier.
        pub carrier: U16,
        /// Bytes of the tracking code.
        pub tracking_bytes: u8,
        /// 1: it left at once; 0: it is packed.
        pub is_sent: u8,
    }

    /// Something happened to a package.
    pub struct ShipmentUpdated {
        /// Who asked.
        pub origin: Origin,
        /// What happened.
        pub update: UpdateShipment,
        /// The order's `OrderState` from here on.
        pub order_state: u8,
        /// The package's `ShipmentState` from here on.
        pub state: u8,
        /// The number of the return that was made for its units; 0: none.
        pub return_number: U16,
        /// Zeros.
        pub reserved: [u8; 4],
    }

    /// A return was asked for. Followed by its `LineQuantity`s.
    pub struct ReturnRequested {
        /// Who asked.
        pub origin: Origin,
        /// Which order, why; its `line_count` counts what follows.
        pub request: RequestReturn,
        /// The return's number in its order, from 1.
        pub number: U16,
        /// Zeros.
        pub reserved: [u8; 6],
    }

    /// Something happened to a return.
    pub struct ReturnUpdated {
        /// Who asked.
        pub origin: Origin,
        /// What happened.
        pub update: UpdateReturn,
        /// The return's `ReturnState` from here on.
        pub state: u8,
        /// Zeros.
        pub reserved: [u8; 7],
    }

    /// Returned goods were taken in. Followed by `ReturnedUnits`.
    pub struct ReturnReceived {
        /// Who asked.
        pub origin: Origin,
        /// Of which return, where.
        pub receipt: ReceiveReturn,
        /// What the buyer is owed back then, as for a cancellation.
        pub refund_owed: Amount,
    }
}
