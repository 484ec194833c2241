//! Ids and handles. Outside ids are what callers make (ULIDs, codes); handles are the dense numbers that the core
//! gives to sellers, locations, SKUs and sessions, so that the hot path indexes arrays and sees no strings.

use std::fmt;
use std::str::FromStr;

use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A position in the one history: the first event has sequence 1, and there are no gaps.
///
/// 0 stands for "before the first event".
pub type Sequence = u64;

/// The number that a client gives a command within its session; a session's first request is 1. From [`KEYED_FROM`] on it
/// is no number but a key.
pub type Request = u64;

/// The lowest keyed request: what has this bit is a key of 63 bits that a caller made, in no order, and is remembered beside those of all
/// other sessions instead of in its own session's window.
pub const KEYED_FROM: Request = 1 << 63;

/// Handles are shown and compared by their numbers.
macro_rules! shown_and_ordered {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if self.is_none() { f.write_str("none") } else { write!(f, "{}", self.get()) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.get().cmp(&other.get())
            }
        }
    };
}

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
        #[repr(transparent)]
        pub struct $name(U32);

        impl $name {
            /// "None of them": no valid entity ever has this handle.
            pub const NONE: Self = Self(U32::from_bytes([0xff; 4]));

            /// The handle with this number; numbers start at 0 and are dense.
            pub const fn new(number: u32) -> Self {
                Self(U32::from_bytes(number.to_le_bytes()))
            }

            /// Its number.
            pub const fn get(self) -> u32 {
                u32::from_le_bytes(self.0.to_bytes())
            }

            /// Its number as an index into a dense table.
            pub const fn index(self) -> usize {
                self.get() as usize
            }

            /// Whether this is [`Self::NONE`].
            pub const fn is_none(self) -> bool {
                self.get() == u32::MAX
            }
        }

        shown_and_ordered!($name);
    };
}

handle! {
    /// A seller, as the core numbers it.
    SellerHandle
}
/// A location (warehouse, store, drop-shipper), as the core numbers it: two bytes, for units at locations are what most
/// lists of the journal hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub struct LocationHandle(U16);

shown_and_ordered!(LocationHandle);

impl LocationHandle {
    /// "None of them": no location ever has this handle.
    pub const NONE: Self = Self(U16::from_bytes([0xff; 2]));

    /// The handle with this number; numbers start at 0 and are dense.
    pub const fn new(number: u16) -> Self {
        Self(U16::from_bytes(number.to_le_bytes()))
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        u16::from_le_bytes(self.0.to_bytes())
    }

    /// Its number as an index into a dense table.
    pub const fn index(self) -> usize {
        self.get() as usize
    }

    /// Whether this is [`Self::NONE`].
    pub const fn is_none(self) -> bool {
        self.get() == u16::MAX
    }
}

handle! {
    /// A SKU, as the core numbers it.
    SkuHandle
}
handle! {
    /// A client's session, as the core numbers it.
    SessionHandle
}

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
        #[repr(transparent)]
        pub struct $name(U128);

        impl $name {
            /// The id with these 128 bits.
            pub const fn new(bits: u128) -> Self {
                Self(U128::from_bytes(bits.to_le_bytes()))
            }

            /// The id made at `unix_ms` (its lower 48 bits count) with these random bits (their lower 80 count).
            pub const fn from_parts(unix_ms: u64, random: u128) -> Self {
                Self::new(((unix_ms as u128 & 0xffff_ffff_ffff) << 80) | (random & ((1 << 80) - 1)))
            }

            /// Its 128 bits.
            pub const fn get(self) -> u128 {
                u128::from_le_bytes(self.0.to_bytes())
            }

            /// The caller's time in it: milliseconds since 1970.
            pub const fn unix_ms(self) -> u64 {
                (self.get() >> 80) as u64
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&ulid::Ulid::from(self.get()), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match ulid::Ulid::from_string(text) {
                    Ok(id) => Ok(Self::new(u128::from(id))),
                    Err(_) => Err(NotAnId(text.to_owned())),
                }
            }
        }
    };
}

ulid_id! {
    /// An order's id: a ULID that the caller makes, so that placing the same order twice is placing it once.
    ///
    /// Its upper 48 bits are the caller's own time in milliseconds since 1970, kept apart from the recorded time.
    /// Shown and parsed as 26 characters of Crockford's base 32.
    OrderId
}
ulid_id! {
    /// A reservation's id: a ULID that the caller makes, as an order's.
    ReservationId
}
ulid_id! {
    /// An order group's id: a ULID that the caller makes. An order placed alone is a group of its own, under its own id.
    GroupId
}

impl From<OrderId> for GroupId {
    fn from(order: OrderId) -> Self {
        Self::new(order.get())
    }
}

/// A text that is not a ULID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an id: 26 characters of 0-9 and A-Z without I, L, O and U are expected")]
pub struct NotAnId(String);

/// A buyer, as the front end numbers it. The core keeps it and asks nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub struct BuyerId(U64);

impl BuyerId {
    /// The buyer with this number.
    pub const fn new(number: u64) -> Self {
        Self(U64::from_bytes(number.to_le_bytes()))
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        u64::from_le_bytes(self.0.to_bytes())
    }
}

impl fmt::Debug for BuyerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

/// A session's id: 128 random bits that the client makes and keeps for as long as it may have to ask again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub struct SessionId(U128);

impl SessionId {
    /// The session with these bits.
    pub const fn new(bits: u128) -> Self {
        Self(U128::from_bytes(bits.to_le_bytes()))
    }

    /// Its bits.
    pub const fn get(self) -> u128 {
        u128::from_le_bytes(self.0.to_bytes())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_id_survives_its_text() {
        let id = OrderId::from_parts(1_291_820_400_000, 0x1234_5678_9abc_def0_1122);
        assert_eq!(id.to_string().len(), 26);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.unix_ms(), 1_291_820_400_000);
        assert!("01ARZ3NDEKTSV4RRFFQ69G5FAU".parse::<OrderId>().is_err(), "U is not in Crockford's alphabet");
    }

    #[test]
    fn none_is_no_number() {
        assert!(SkuHandle::NONE.is_none());
        assert!(!SkuHandle::new(0).is_none());
        assert_eq!(SkuHandle::new(7).index(), 7);
    }
}
