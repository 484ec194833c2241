//! Commands about access: tokens, the roles that they carry, and what a role's scope is.

use zerocopy::little_endian::{I64, U32};

use crate::ids::SellerHandle;
use crate::locations::Locations;
use crate::wire::{numbered, shapes};

numbered! {
    /// What a token's bearer is to the marketplace. Which commands a role may use stands in one table, which
    /// `orderline explain --access` prints.
    pub enum Role: u8 {
        /// Runs the marketplace: everything.
        Operator = 1 "operator",
        /// Sells: its own SKUs, stock, orders and ledger.
        Seller = 2 "seller",
        /// Ships: the work, the packages and the stock of its locations.
        Warehouse = 3 "warehouse",
        /// Helps buyers: their orders, holds, refunds and returns.
        Support = 4 "support",
        /// Counts: stock, ledgers and figures, and no single buyer's order.
        Analyst = 5 "analyst",
        /// Looks, and changes nothing.
        ReadOnly = 6 "read-only",
    }
}

/// What a token's bearer may touch: the engine refuses what lies outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// All there is.
    #[default]
    Everything,
    /// What is this seller's.
    Seller(SellerHandle),
    /// What is at one of these locations.
    Locations(Locations),
}

shapes! {
    /// Defines a token, or changes the one with this label: a new hash is a new secret for the same bearer. Followed by its
    /// label. The secret itself never comes here.
    pub struct DefineToken {
        /// The BLAKE3 hash of the secret's 32 bytes; no two tokens have the same.
        pub hash: [u8; 32],
        /// From when on it is not valid any more, in microseconds since 1970; 0: for ever.
        pub expires_at_us: I64,
        /// Whose it is, for the role seller; NONE for others.
        pub seller: SellerHandle,
        /// The version that the caller has seen; 0: whichever it is now, or none yet; 4,294,967,295: none, it must be new.
        pub expected_version: U32,
        /// Commands that it may bring in a second, over all its connections; 0: no bound.
        pub commands_per_s_max: U32,
        /// Where it works, for the role warehouse: at least one location. None for others.
        pub locations: Locations,
        /// A `Role`.
        pub role: u8,
        /// A `Standing`: active as it is defined; `RevokeToken` makes it inactive.
        pub standing: u8,
        /// Bytes of the label.
        pub label_bytes: u8,
        /// Zeros.
        pub reserved: [u8; 1],
    }

    /// Revokes a token: its secret is worth nothing from here on, and never again.
    pub struct RevokeToken {
        /// Its number, from 1.
        pub token: U32,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
    }

    /// Asks for a page of the tokens.
    pub struct QueryTokens {
        /// The first number, from 1; 0 is taken for 1.
        pub from: U32,
        /// Tokens at most; 0: as many as fit an answer.
        pub count: U32,
    }
}
