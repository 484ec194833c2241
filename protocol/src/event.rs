//! Events: what was decided. An event is one journal record; replay applies events and never decides again, so
//! every fact that a decision found (where stock was taken, which rule chose) stands in the event.
//!
//! Kind numbers are never reused. A record's version byte says which layout of its kind it has.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::command::{
    AdjustStock, DefineLocation, DefineSeller, DefineSku, OrderLine, PlaceOrder, ReceiveStock,
};
use crate::ids::{LocationHandle, OrderId, SessionHandle, SessionId};
use crate::wire::{Cut, Malformed};

/// The layout version of every event kind below.
pub const EVENT_VERSION: u8 = 1;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
#[allow(missing_docs)] // Each is documented at the structure of the same name.
pub enum EventKind {
    SellerDefined = 1,
    LocationDefined = 2,
    SkuDefined = 3,
    StockReceived = 4,
    StockAdjusted = 5,
    OrderPlaced = 6,
    OrderConfirmed = 7,
    LinesCancelled = 8,
    LinesShipped = 9,
    LinesDelivered = 10,
    SessionOpened = 32,
}

/// An order's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum OrderState {
    /// Placed; its stock is reserved.
    Pending = 1,
    /// Confirmed; its stock is committed and may be shipped.
    Confirmed = 2,
    /// All that was not cancelled has been delivered.
    Completed = 3,
    /// All of it was cancelled before anything shipped.
    Cancelled = 4,
    /// Its time ran out before it was confirmed.
    Expired = 5,
}

impl OrderState {
    /// The state with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Pending,
            2 => Self::Confirmed,
            3 => Self::Completed,
            4 => Self::Cancelled,
            5 => Self::Expired,
            _ => return None,
        })
    }

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether something is still to be done with the order.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Confirmed)
    }
}

/// Which sourcing rule chose the locations of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SourcingRule {
    /// One location has everything: the one of the lowest priority number among those.
    WholeOrder = 1,
    /// No location has everything: each SKU ships from the first location by priority that has enough of it.
    PerSku = 2,
    /// Some SKU had to be taken from several locations, in the order of their priority.
    SplitSku = 3,
}

/// Who asked for an event, and for what exactly: the key under which the same request is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Origin {
    /// The session of the request; [`SessionHandle::NONE`] for what the core did by itself.
    pub session: SessionHandle,
    /// The digest of the command ([`crate::command::RawCommand::digest`]).
    pub digest: U32,
    /// The request's number in its session.
    pub request: U64,
}

/// A seller was defined or changed. Followed by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SellerDefined {
    /// Who asked.
    pub origin: Origin,
    /// Its handle: the next free one for a new seller.
    pub handle: U32,
    /// Zeros.
    pub reserved: [u8; 4],
    /// What it is now.
    pub definition: DefineSeller,
}

/// A location was defined or changed. Followed by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LocationDefined {
    /// Who asked.
    pub origin: Origin,
    /// Its handle: the next free one for a new location.
    pub handle: U32,
    /// Zeros.
    pub reserved: [u8; 4],
    /// What it is now.
    pub definition: DefineLocation,
}

/// A SKU was defined or changed. Followed by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SkuDefined {
    /// Who asked.
    pub origin: Origin,
    /// Its handle: the next free one for a new SKU.
    pub handle: U32,
    /// Zeros.
    pub reserved: [u8; 4],
    /// What it is now.
    pub definition: DefineSku,
}

/// Stock came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct StockReceived {
    /// Who asked.
    pub origin: Origin,
    /// What came, where, and why.
    pub receipt: ReceiveStock,
}

/// A bucket was adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct StockAdjusted {
    /// Who asked.
    pub origin: Origin,
    /// What changed, where, and why.
    pub adjustment: AdjustStock,
}

/// An order was placed and its stock reserved. Followed by its lines, then its allocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct OrderPlaced {
    /// Who asked.
    pub origin: Origin,
    /// The order.
    pub placement: PlaceOrder,
    /// Where all of it ships from; [`LocationHandle::NONE`]: the allocations tell.
    pub location: LocationHandle,
    /// Allocations that follow the lines; 0 when `location` says it all.
    pub allocation_count: U16,
    /// The [`SourcingRule`] that chose.
    pub rule: u8,
    /// Zero.
    pub reserved: u8,
}

/// Units of a line at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Allocation {
    /// The line's index in its order.
    pub line: U16,
    /// Zeros.
    pub reserved: [u8; 2],
    /// Where they are.
    pub location: LocationHandle,
    /// Units, at least one.
    pub quantity: U32,
}

/// An order was confirmed: what was reserved for it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct OrderConfirmed {
    /// Who asked.
    pub origin: Origin,
    /// Which order.
    pub order: OrderId,
}

/// Units of an order were cancelled. Followed by [`Allocation`]s: how many of which line go back to which location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LinesCancelled {
    /// Who asked.
    pub origin: Origin,
    /// Which order.
    pub order: OrderId,
    /// The order's [`OrderState`] from here on.
    pub state: u8,
    /// Zero.
    pub reserved: u8,
    /// Moves that follow.
    pub move_count: U16,
    /// The caller's own reason code.
    pub reason: U16,
    /// Zeros.
    pub reserved_2: [u8; 2],
}

/// A package left. Followed by [`Allocation`]s (how many of which line from which location) and the tracking code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LinesShipped {
    /// Who asked.
    pub origin: Origin,
    /// Which order.
    pub order: OrderId,
    /// The package's number in its order, from 1.
    pub shipment: U16,
    /// Moves that follow.
    pub move_count: U16,
    /// The caller's own number of the carrier.
    pub carrier: U16,
    /// Bytes of the tracking code.
    pub tracking_bytes: u8,
    /// Zero.
    pub reserved: u8,
}

/// Shipped units arrived. Followed by [`Allocation`]s; their locations are [`LocationHandle::NONE`], for arriving
/// takes nothing from a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LinesDelivered {
    /// Who asked.
    pub origin: Origin,
    /// Which order.
    pub order: OrderId,
    /// The order's [`OrderState`] from here on.
    pub state: u8,
    /// Zero.
    pub reserved: u8,
    /// Moves that follow.
    pub move_count: U16,
    /// Zeros.
    pub reserved_2: [u8; 4],
}

/// A session was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SessionOpened {
    /// The client's own id for it.
    pub session: SessionId,
    /// The number that it has from here on. If another session had it, that one is forgotten.
    pub handle: SessionHandle,
    /// Zeros.
    pub reserved: [u8; 4],
}

/// An event, its lists and texts borrowed from the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // Each is documented at the structure of the same name.
pub enum Event<'a> {
    SellerDefined(&'a SellerDefined, &'a str),
    LocationDefined(&'a LocationDefined, &'a str),
    SkuDefined(&'a SkuDefined, &'a str),
    StockReceived(&'a StockReceived),
    StockAdjusted(&'a StockAdjusted),
    OrderPlaced(&'a OrderPlaced, &'a [OrderLine], &'a [Allocation]),
    OrderConfirmed(&'a OrderConfirmed),
    LinesCancelled(&'a LinesCancelled, &'a [Allocation]),
    LinesShipped(&'a LinesShipped, &'a [Allocation], &'a str),
    LinesDelivered(&'a LinesDelivered, &'a [Allocation]),
    SessionOpened(&'a SessionOpened),
}

/// A record that is no event that this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableEvent {
    /// A kind that this version does not have.
    #[error("records of kind {0} are not known to this version of the program")]
    Kind(u16),
    /// A layout that this version does not have.
    #[error("records of kind {kind} and version {version} are not known to this version of the program")]
    Version {
        /// The record's kind.
        kind: u16,
        /// The record's version.
        version: u8,
    },
    /// The bytes are not what their kind says.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl<'a> Event<'a> {
    /// Reads the event in a record.
    ///
    /// # Errors
    /// [`UnreadableEvent`]; a journal that holds one is not replayed past it.
    #[inline]
    pub fn read(kind: u16, version: u8, payload: &'a [u8]) -> Result<Self, UnreadableEvent> {
        if version != EVENT_VERSION {
            return Err(UnreadableEvent::Version { kind, version });
        }
        const SELLER_DEFINED: u16 = EventKind::SellerDefined as u16;
        const LOCATION_DEFINED: u16 = EventKind::LocationDefined as u16;
        const SKU_DEFINED: u16 = EventKind::SkuDefined as u16;
        const STOCK_RECEIVED: u16 = EventKind::StockReceived as u16;
        const STOCK_ADJUSTED: u16 = EventKind::StockAdjusted as u16;
        const ORDER_PLACED: u16 = EventKind::OrderPlaced as u16;
        const ORDER_CONFIRMED: u16 = EventKind::OrderConfirmed as u16;
        const LINES_CANCELLED: u16 = EventKind::LinesCancelled as u16;
        const LINES_SHIPPED: u16 = EventKind::LinesShipped as u16;
        const LINES_DELIVERED: u16 = EventKind::LinesDelivered as u16;
        const SESSION_OPENED: u16 = EventKind::SessionOpened as u16;

        let mut cut = Cut::new("event", payload);
        let event = match kind {
            ORDER_PLACED => {
                let head: &OrderPlaced = cut.head()?;
                let lines = cut.list(head.placement.line_count.get().into())?;
                Self::OrderPlaced(head, lines, cut.list(head.allocation_count.get().into())?)
            }
            ORDER_CONFIRMED => Self::OrderConfirmed(cut.head()?),
            LINES_CANCELLED => {
                let head: &LinesCancelled = cut.head()?;
                Self::LinesCancelled(head, cut.list(head.move_count.get().into())?)
            }
            LINES_SHIPPED => {
                let head: &LinesShipped = cut.head()?;
                let moves = cut.list(head.move_count.get().into())?;
                Self::LinesShipped(head, moves, cut.text(head.tracking_bytes.into())?)
            }
            LINES_DELIVERED => {
                let head: &LinesDelivered = cut.head()?;
                Self::LinesDelivered(head, cut.list(head.move_count.get().into())?)
            }
            STOCK_RECEIVED => Self::StockReceived(cut.head()?),
            STOCK_ADJUSTED => Self::StockAdjusted(cut.head()?),
            SELLER_DEFINED => {
                let head: &SellerDefined = cut.head()?;
                Self::SellerDefined(head, cut.text(head.definition.code_bytes.into())?)
            }
            LOCATION_DEFINED => {
                let head: &LocationDefined = cut.head()?;
                Self::LocationDefined(head, cut.text(head.definition.code_bytes.into())?)
            }
            SKU_DEFINED => {
                let head: &SkuDefined = cut.head()?;
                Self::SkuDefined(head, cut.text(head.definition.code_bytes.into())?)
            }
            SESSION_OPENED => Self::SessionOpened(cut.head()?),
            _ => return Err(UnreadableEvent::Kind(kind)),
        };
        cut.end()?;
        Ok(event)
    }

    /// Its kind.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::SellerDefined(..) => EventKind::SellerDefined,
            Self::LocationDefined(..) => EventKind::LocationDefined,
            Self::SkuDefined(..) => EventKind::SkuDefined,
            Self::StockReceived(..) => EventKind::StockReceived,
            Self::StockAdjusted(..) => EventKind::StockAdjusted,
            Self::OrderPlaced(..) => EventKind::OrderPlaced,
            Self::OrderConfirmed(..) => EventKind::OrderConfirmed,
            Self::LinesCancelled(..) => EventKind::LinesCancelled,
            Self::LinesShipped(..) => EventKind::LinesShipped,
            Self::LinesDelivered(..) => EventKind::LinesDelivered,
            Self::SessionOpened(..) => EventKind::SessionOpened,
        }
    }

    /// Appends the event's bytes: a record's payload, without padding.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        let parts: [&[u8]; 3] = match self {
            Self::SellerDefined(head, code) => [head.as_bytes(), code.as_bytes(), &[]],
            Self::LocationDefined(head, code) => [head.as_bytes(), code.as_bytes(), &[]],
            Self::SkuDefined(head, code) => [head.as_bytes(), code.as_bytes(), &[]],
            Self::StockReceived(head) => [head.as_bytes(), &[], &[]],
            Self::StockAdjusted(head) => [head.as_bytes(), &[], &[]],
            Self::OrderPlaced(head, lines, allocations) => {
                [head.as_bytes(), lines.as_bytes(), allocations.as_bytes()]
            }
            Self::OrderConfirmed(head) => [head.as_bytes(), &[], &[]],
            Self::LinesCancelled(head, moves) => [head.as_bytes(), moves.as_bytes(), &[]],
            Self::LinesShipped(head, moves, tracking) => {
                [head.as_bytes(), moves.as_bytes(), tracking.as_bytes()]
            }
            Self::LinesDelivered(head, moves) => [head.as_bytes(), moves.as_bytes(), &[]],
            Self::SessionOpened(head) => [head.as_bytes(), &[], &[]],
        };
        for part in parts {
            out.extend_from_slice(part);
        }
    }
}
