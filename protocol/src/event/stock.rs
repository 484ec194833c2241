//! Events of the catalogue, the settings and the inventory levels.

use zerocopy::little_endian::{I64, U16, U32, U64};

use super::Origin;
use crate::command::{
    AdjustStock, CountStock, DefineLocation, DefineSeller, DefineSku, DefineSourcing, MoveStock,
    ReceiveStock, SetLevel, SetPolicy,
};
use crate::ids::{LocationHandle, OrderId, SkuHandle};
use crate::wire::shapes;

shapes! {
    /// A seller was defined or changed. Followed by its code.
    pub struct SellerDefined {
        /// Who asked.
        pub origin: Origin,
        /// Its handle: the next free one for a new seller.
        pub handle: U32,
        /// Its version from here on: 1 for a new seller.
        pub version: U32,
        /// What it is now; its `expected_version` is zero.
        pub definition: DefineSeller,
    }

    /// A location was defined or changed. Followed by its code.
    pub struct LocationDefined {
        /// Who asked.
        pub origin: Origin,
        /// Its handle: the next free one for a new location.
        pub handle: U32,
        /// Its version from here on: 1 for a new location.
        pub version: U32,
        /// What it is now; its `expected_version` is zero.
        pub definition: DefineLocation,
    }

    /// A SKU was defined or changed. Followed by its code.
    pub struct SkuDefined {
        /// Who asked.
        pub origin: Origin,
        /// Its handle: the next free one for a new SKU.
        pub handle: U32,
        /// Its version from here on: 1 for a new SKU.
        pub version: U32,
        /// What it is now; its `expected_version` is zero.
        pub definition: DefineSku,
    }

    /// Sourcing rules were set.
    pub struct SourcingDefined {
        /// Who asked.
        pub origin: Origin,
        /// What they are now.
        pub definition: DefineSourcing,
    }

    /// The policies were set.
    pub struct PolicySet {
        /// Who asked.
        pub origin: Origin,
        /// Their version from here on.
        pub version: U32,
        /// What they are now; their `expected_version` is zero.
        pub policy: SetPolicy,
        /// Zeros.
        pub reserved: [u8; 4],
    }

    /// Stock came in.
    pub struct StockReceived {
        /// Who asked.
        pub origin: Origin,
        /// What came, where, and why.
        pub receipt: ReceiveStock,
    }

    /// A bucket was adjusted.
    pub struct StockAdjusted {
        /// Who asked.
        pub origin: Origin,
        /// What changed, where, and why.
        pub adjustment: AdjustStock,
    }

    /// A level was counted.
    pub struct StockCounted {
        /// Who asked.
        pub origin: Origin,
        /// What was counted, where, and why.
        pub count: CountStock,
        /// What it changed available by.
        pub delta: I64,
    }

    /// Units were moved between locations or buckets.
    pub struct StockMoved {
        /// Who asked.
        pub origin: Origin,
        /// What, from where to where, and why.
        pub movement: MoveStock,
    }

    /// A level was set as of a sequence.
    pub struct LevelSet {
        /// Who asked.
        pub origin: Origin,
        /// What was said.
        pub set: SetLevel,
        /// What it changed available by: what was said plus what happened since, less what was on hand.
        pub delta: I64,
    }

    /// Stock came free for backordered units, first come first served. Followed by `Refill`s.
    pub struct BackordersRefilled {
        /// Of what.
        pub sku: SkuHandle,
        /// Refills that follow.
        pub refill_count: U16,
        /// Zeros.
        pub reserved: [u8; 2],
    }

    /// Units of a line that were backordered and are now reserved (of a pending order) or allocated (of a confirmed one).
    pub struct Refill {
        /// Whose.
        pub order: OrderId,
        /// The line's index.
        pub line: U16,
        /// Where they are.
        pub location: LocationHandle,
        /// Units.
        pub quantity: U32,
    }

    /// Less is at a level than is promised there, and these orders are hit: the newest, up to the units that lack.
    /// Followed by `ShortOrder`s, newest first. With 500 of them whose units do not cover what lacks, another one
    /// follows and names the next older ones.
    pub struct ShortageNamed {
        /// Of what.
        pub sku: SkuHandle,
        /// Where.
        pub location: LocationHandle,
        /// Orders that follow.
        pub order_count: U16,
        /// Units that lack, beyond those that the events before it covered.
        pub short: U64,
    }

    /// An order that a shortage hits.
    pub struct ShortOrder {
        /// Which.
        pub order: OrderId,
        /// Units that it has at the level.
        pub quantity: U32,
        /// Zeros.
        pub reserved: [u8; 4],
    }
}
