//! Commands of warehouses and carriers: fulfilment orders, shipments, returns.

use zerocopy::little_endian::{I64, U16, U32};

use crate::ids::{LocationHandle, OrderId};
use crate::wire::{numbered, shapes};

numbered! {
    /// What a location says about its work.
    pub enum WorkStep: u8 {
        /// It takes the work on.
        Accept = 1 "accept",
        /// It begins.
        Start = 2 "start",
        /// It stops for a while.
        Pause = 3 "pause",
        /// It goes on.
        Resume = 4 "resume",
    }

    /// What happens to a package.
    pub enum ShipmentStep: u8 {
        /// It goes to the carrier.
        Send = 1 "send",
        /// It is unpacked before it leaves.
        Cancel = 2 "cancel",
        /// It arrives.
        Deliver = 3 "deliver",
        /// It is lost.
        Lose = 4 "lose",
        /// It comes back undelivered: an approved return is made for its units.
        ReturnToSender = 5 "return to sender",
    }

    /// What happens to a return, its receipt aside.
    pub enum ReturnStep: u8 {
        /// It is allowed.
        Approve = 1 "approve",
        /// It is refused.
        Decline = 2 "decline",
        /// It is given up before the goods came.
        Cancel = 3 "cancel",
        /// It is finished.
        Close = 4 "close",
    }
}

shapes! {
    /// Says how far a location is with an order.
    pub struct UpdateWork {
        /// Which order.
        pub order: OrderId,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Whose work.
        pub location: LocationHandle,
        /// A `WorkStep`.
        pub step: u8,
        /// Zero.
        pub reserved: u8,
    }

    /// Refuses a location's work: its units are sourced again in the same record, elsewhere, by the same rules; what
    /// nobody else has becomes backordered, whatever the cap.
    pub struct RejectWork {
        /// Which order.
        pub order: OrderId,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Who refuses.
        pub location: LocationHandle,
        /// The caller's own reason code.
        pub reason: U16,
        /// 1: the goods are not to be found, so they go to quality hold until somebody has counted; 0: they are there,
        /// and available to others again.
        pub is_missing: u8,
        /// Zeros.
        pub reserved: [u8; 7],
    }

    /// Gives units of an order from one location to another by hand. Followed by `LineQuantity`s; without any: all that
    /// the location has of it.
    pub struct MoveWork {
        /// Which order.
        pub order: OrderId,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// From where.
        pub from: LocationHandle,
        /// To where: it must have them available.
        pub to: LocationHandle,
        /// Line quantities that follow.
        pub line_count: U16,
        /// The caller's own reason code.
        pub reason: U16,
    }

    /// Packs quantities of an order's lines into one package. Followed by `LineQuantity`s (without any: all that the
    /// location has to ship and is not packed yet) and the tracking code.
    pub struct ShipLines {
        /// Which order.
        pub order: OrderId,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// From where; NONE: from all locations that the order is allocated at, in one package.
        pub location: LocationHandle,
        /// Line quantities that follow.
        pub line_count: U16,
        /// The caller's own number of the carrier.
        pub carrier: U16,
        /// Bytes of the tracking code.
        pub tracking_bytes: u8,
        /// 1: it leaves at once (shipped); 0: it is packed (created) and sent later.
        pub is_sent: u8,
    }

    /// Says what happened to a package.
    pub struct UpdateShipment {
        /// Which order.
        pub order: OrderId,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// The package's number in its order, from 1.
        pub shipment: U16,
        /// A `ShipmentStep`.
        pub step: u8,
        /// Zero.
        pub reserved: u8,
    }

    /// Asks to send delivered units back. Followed by `LineQuantity`s; without any, it means all that were delivered and are
    /// not on their way back.
    pub struct RequestReturn {
        /// Which order.
        pub order: OrderId,
        /// When the buyer asked, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Line quantities that follow.
        pub line_count: U16,
        /// The caller's own reason code.
        pub reason: U16,
    }

    /// Says what happened to a return.
    pub struct UpdateReturn {
        /// Which order.
        pub order: OrderId,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// The return's number in its order, from 1.
        pub return_number: U16,
        /// A `ReturnStep`.
        pub step: u8,
        /// Zero.
        pub reserved: u8,
    }

    /// Takes the goods of an approved return in, once. Followed by what came; what is not named did not come.
    pub struct ReceiveReturn {
        /// Which order.
        pub order: OrderId,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// The return's number in its order, from 1.
        pub return_number: U16,
        /// Where they came to.
        pub location: LocationHandle,
        /// Entries that follow.
        pub line_count: U16,
        /// Zeros.
        pub reserved: [u8; 6],
    }

    /// Units of a line that came back, and what becomes of them. A line may come back in several dispositions.
    pub struct ReturnedUnits {
        /// The line's index in its order.
        pub line: U16,
        /// A `Disposition`.
        pub disposition: u8,
        /// Zero.
        pub reserved: u8,
        /// Units, at least one.
        pub quantity: U32,
    }
}
