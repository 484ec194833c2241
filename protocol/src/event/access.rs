//! Events of access: who may come in, and who not any more.

use zerocopy::little_endian::U32;

use super::Origin;
use crate::command::DefineToken;
use crate::wire::shapes;

shapes! {
    /// A token was defined or changed. Followed by its label.
    pub struct TokenDefined {
        /// Who asked.
        pub origin: Origin,
        /// Its number: the next free one, from 1, for a new token. Sessions say who opened them by it.
        pub token: U32,
        /// Its version from here on: 1 for a new token.
        pub version: U32,
        /// What it is now; its `expected_version` is zero.
        pub definition: DefineToken,
    }

    /// A token was revoked.
    pub struct TokenRevoked {
        /// Who asked.
        pub origin: Origin,
        /// Its number.
        pub token: U32,
        /// Its version from here on.
        pub version: U32,
    }
}
