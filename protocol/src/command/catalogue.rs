//! Commands that configure: sellers, locations, SKUs, sourcing rules, policies.

use zerocopy::little_endian::{U16, U32};

use crate::ids::SellerHandle;
use crate::money::CurrencyCode;
use crate::wire::{numbered, shapes};

numbered! {
    /// Whether something is in use.
    pub enum Standing: u8 {
        /// A seller that sells, a location that ships, a SKU that can be ordered.
        Active = 1 "active",
        /// A suspended seller, an inactive location, a retired SKU.
        Inactive = 2 "inactive",
    }

    /// A rule by which sourcing prefers one location to another. Rules are asked in their order; what is equal by all of
    /// them goes by priority, then by handle.
    pub enum SourcingRule: u8 {
        /// Prefers the location that has the most of the order's SKUs, each in the whole quantity: fewest packages.
        FewestPackages = 5 "fewest packages",
        /// Prefers a location in the region that the order goes to.
        SameRegion = 6 "same region",
        /// Prefers the lower priority number.
        Priority = 7 "priority",
        /// Prefers the location that can take the most orders more today; one without a bound before all.
        Capacity = 8 "capacity",
    }
}

/// Rules of one list at most.
pub const SOURCING_RULES_MAX: usize = 8;

/// As the expected version of a seller, location or SKU: none, it must be new.
pub const EXPECTED_NEW: u32 = u32::MAX;

/// What tells one list of rules, as it travels, from another: its CRC-32C, or 1 where that is 0.
pub fn rules_digest(rules: &[u8; SOURCING_RULES_MAX]) -> u32 {
    crc32c::crc32c(rules).max(1)
}

shapes! {
    /// Defines a seller, or changes the one with this code. Followed by its code.
    pub struct DefineSeller {
        /// The marketplace's share in basis points, at most 10,000.
        pub commission_bp: U16,
        /// A `Standing`. A suspended seller's orders go on; new ones are refused.
        pub standing: u8,
        /// Bytes of the code.
        pub code_bytes: u8,
        /// The version that the caller has seen; 0: whichever it is now, or none yet; 4,294,967,295: none, it must be new.
        pub expected_version: U32,
    }

    /// Defines a location, or changes the one with this code. Followed by its code.
    pub struct DefineLocation {
        /// Lower ships first; equal priorities go by handle.
        pub priority: U32,
        /// Orders that it takes a day (of UTC, by recorded time); 0: no bound.
        pub daily_capacity: U32,
        /// The version that the caller has seen; 0: whichever it is now, or none yet; 4,294,967,295: none, it must be new.
        pub expected_version: U32,
        /// The region that it ships from, as the marketplace numbers them; 0: none.
        pub region: U16,
        /// A `Standing`. An inactive location gets no new units and may ship what it has.
        pub standing: u8,
        /// Bytes of the code.
        pub code_bytes: u8,
    }

    /// Defines a SKU, or changes the one with this code. Followed by its code.
    pub struct DefineSku {
        /// Who sells it. A SKU keeps its seller: defining it again under another one is refused.
        pub seller: SellerHandle,
        /// Units that may be promised beyond the stock, over all orders; 0: none.
        pub backorder_cap: U32,
        /// The one currency it is sold in; 0: any.
        pub currency: CurrencyCode,
        /// A `Standing`.
        pub standing: u8,
        /// Bytes of the code.
        pub code_bytes: u8,
        /// The version that the caller has seen; 0: whichever it is now, or none yet; 4,294,967,295: none, it must be new.
        pub expected_version: U32,
    }

    /// Sets the ordered sourcing rules of a seller's orders, or of all sellers' that have none of their own.
    pub struct DefineSourcing {
        /// Whose; NONE: everybody's.
        pub seller: SellerHandle,
        /// `SourcingRule` numbers in their order, each once, zeros behind them. For a seller, all zeros: back to
        /// everybody's.
        pub rules: [u8; SOURCING_RULES_MAX],
        /// The [`rules_digest`] of the rules that the caller has seen there, all zeros for a seller without its own; 0:
        /// whichever they are now. Zero in events and views.
        pub expected_rules: U32,
    }

    /// Sets the policies: how long things last. One set for the whole core, each as it is then.
    pub struct SetPolicy {
        /// Seconds that a pending order waits for its confirmation before it expires; 0: for ever.
        pub pending_order_s: U32,
        /// Seconds that a finished order or reservation stays in memory; 0: for ever.
        pub retention_s: U32,
        /// Seconds that a reservation may be held from its making, extensions included; at least 1.
        pub reservation_s_max: U32,
        /// The version of the policies that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
    }
}
