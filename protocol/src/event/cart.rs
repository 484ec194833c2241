//! Events of checkouts.

use zerocopy::little_endian::{I64, U16, U32};

use super::Origin;
use crate::command::{CheckOut, PlaceOrder, ReserveCart};
use crate::ids::{LocationHandle, ReservationId};
use crate::wire::shapes;

shapes! {
    /// An order was placed alone and its stock reserved. Followed by its lines, its allocations, then the caller's own
    /// id of it. Units of a line that no allocation has are backordered.
    pub struct OrderPlaced {
        /// Who asked.
        pub origin: Origin,
        /// The order.
        pub placement: PlaceOrder,
        /// Where all of it ships from; NONE: the allocations tell.
        pub location: LocationHandle,
        /// Allocations that follow the lines; 0 when `location` says it all.
        pub allocation_count: U16,
        /// The `DecidingRule`.
        pub rule: u8,
    }

    /// Units of a line at a location.
    pub struct Allocation {
        /// The line's index: in its order, or, for a cart or a group, over all its lines.
        pub line: U16,
        /// Where they are; in a list of units that move, NONE: they are backordered.
        pub location: LocationHandle,
        /// Units, at least one.
        pub quantity: U32,
    }

    /// A cart's stock is held. Followed by its lines, then its allocations.
    pub struct CartReserved {
        /// Who asked.
        pub origin: Origin,
        /// The cart.
        pub cart: ReserveCart,
        /// When it expires, in microseconds since 1970.
        pub expires_at_us: I64,
        /// Where all of it is held; NONE: the allocations tell.
        pub location: LocationHandle,
        /// Allocations that follow the lines; 0 when `location` says it all.
        pub allocation_count: U16,
        /// The `DecidingRule`.
        pub rule: u8,
        /// Zeros.
        pub reserved: [u8; 3],
    }

    /// A reservation is held for longer.
    pub struct ReservationExtended {
        /// Who asked.
        pub origin: Origin,
        /// Which.
        pub reservation: ReservationId,
        /// When it expires, in microseconds since 1970.
        pub expires_at_us: I64,
    }

    /// A reservation's stock was given back.
    pub struct ReservationReleased {
        /// Who asked.
        pub origin: Origin,
        /// Which.
        pub reservation: ReservationId,
    }

    /// A cart's orders were placed and their stock reserved. Followed by its orders, its lines and its allocations, whose
    /// lines count over the whole group. Units of a line that no allocation has are backordered.
    pub struct GroupPlaced {
        /// Who asked.
        pub origin: Origin,
        /// The group.
        pub checkout: CheckOut,
        /// Where all of it ships from; NONE: the allocations tell.
        pub location: LocationHandle,
        /// Allocations that follow the lines; 0 when `location` says it all.
        pub allocation_count: U32,
        /// The `DecidingRule`.
        pub rule: u8,
        /// 1: the units stay where its reservation held them, line for line, and only change their owner (the
        /// allocations do not say it again); 0: the reservation's units were given back first.
        pub is_as_reserved: u8,
    }
}
