//! Commands about inventory levels.

use zerocopy::little_endian::{I64, U16, U32, U64};

use crate::ids::{LocationHandle, SkuHandle};
use crate::wire::{numbered, shapes};

numbered! {
    /// A bucket of an inventory level that can be changed from outside. Reserved and committed are orders' and
    /// reservations' alone.
    pub enum Bucket: u8 {
        /// Free to promise. Falls below zero when less is there than is promised: a shortage.
        Available = 1 "available",
        /// Kept back on purpose.
        Safety = 2 "safety",
        /// There, but not fit to sell.
        Damaged = 3 "damaged",
        /// There, and waiting for a check.
        QualityHold = 4 "quality hold",
        /// On its way; stands outside what is on hand.
        Incoming = 5 "incoming",
    }
}

shapes! {
    /// Why stock changed, by whom, by which paper, and when; all of it as the caller says.
    pub struct Cause {
        /// The paper: a delivery note, a count's number.
        pub reference: U64,
        /// When it happened outside, in microseconds since 1970, as the caller says; 0: not said.
        pub happened_at_us: I64,
        /// Who: a person or a system.
        pub actor: U32,
        /// Why.
        pub reason: U16,
        /// Zeros.
        pub reserved: [u8; 2],
    }

    /// Receives stock: raises what is on hand and available.
    pub struct ReceiveStock {
        /// What came.
        pub sku: SkuHandle,
        /// The version of the level that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Why, by whom, when.
        pub cause: Cause,
        /// Where it came to.
        pub location: LocationHandle,
        /// 1: it was announced, so incoming falls by as much; 0: it was not.
        pub from_incoming: u8,
        /// Zeros.
        pub reserved: [u8; 5],
        /// Units, at least one.
        pub quantity: U64,
    }

    /// Adjusts one bucket of a level by a signed number of units. Only available may fall below zero, and on hand never.
    pub struct AdjustStock {
        /// Of what.
        pub sku: SkuHandle,
        /// The version of the level that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Why, by whom, when.
        pub cause: Cause,
        /// Where.
        pub location: LocationHandle,
        /// A `Bucket`.
        pub bucket: u8,
        /// Zeros.
        pub reserved: [u8; 5],
        /// Units to add (or, negative, to take away); not zero.
        pub delta: I64,
    }

    /// Says how many units somebody counted on hand; the difference goes to available.
    pub struct CountStock {
        /// Of what.
        pub sku: SkuHandle,
        /// The version of the level that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Why, by whom, when.
        pub cause: Cause,
        /// Where.
        pub location: LocationHandle,
        /// Zeros.
        pub reserved: [u8; 6],
        /// Units counted, over all buckets but incoming.
        pub on_hand: U64,
    }

    /// Moves units between locations, buckets, or both.
    pub struct MoveStock {
        /// Of what.
        pub sku: SkuHandle,
        /// From where.
        pub from: LocationHandle,
        /// To where.
        pub to: LocationHandle,
        /// The version of the level at `from` that the caller has seen; 0: whichever it is now.
        pub expected_from_version: U32,
        /// The version of the level at `to` that the caller has seen; 0: whichever it is now.
        pub expected_to_version: U32,
        /// Units, at least one and at most what the bucket holds (of available: above zero).
        pub quantity: U64,
        /// Why, by whom, when.
        pub cause: Cause,
        /// The `Bucket` that they leave.
        pub from_bucket: u8,
        /// The `Bucket` that they come to; not the same bucket at the same location.
        pub to_bucket: u8,
        /// Zeros.
        pub reserved: [u8; 6],
    }

    /// Sets what is on hand, as an outside system knows it. What happened at the level behind `as_of` (shipped,
    /// received, counted, …) is taken into account once: the level becomes `on_hand` plus all changes since.
    pub struct SetLevel {
        /// Of what.
        pub sku: SkuHandle,
        /// The version of the level that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Why, by whom, when.
        pub cause: Cause,
        /// Where.
        pub location: LocationHandle,
        /// Zeros.
        pub reserved: [u8; 6],
        /// Units that the outside system has on hand, over all buckets but incoming.
        pub on_hand: U64,
        /// The newest sequence that the outside system had seen when it said so.
        pub as_of: U64,
    }
}

impl Cause {
    /// Says nothing: all zeros.
    pub const NONE: Self = Self {
        reference: U64::ZERO,
        happened_at_us: I64::ZERO,
        actor: U32::ZERO,
        reason: U16::ZERO,
        reserved: [0; 2],
    };
}
