//! Events: what was decided. An event is one journal record; replay applies events and never decides again, so
//! every fact that a decision found (where stock was taken, which rule chose) stands in the event.
//!
//! Kind numbers are never reused. A record's version byte says which layout of its kind it has.

mod access;
mod cart;
mod due;
mod fulfilment;
mod money;
mod order;
mod stock;

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

pub use access::*;
pub use cart::*;
pub use due::*;
pub use fulfilment::*;
pub use money::*;
pub use order::*;
pub use stock::*;

use crate::command::{CartLine, GroupOrder, LineQuantity, OrderLine, ReturnedUnits};
use crate::ids::{Sequence, SessionHandle, SessionId};
pub use crate::lifecycle::OrderState;
use crate::wire::{Cut, Malformed, NumberTable, ShapeTable, numbered, shapes};

/// The layout version of every event kind below.
pub const EVENT_VERSION: u8 = 5;

/// Every structure of the events, page by page, for the documents.
pub const SHAPE_TABLES: &[&[ShapeTable]] = &[
    SHAPES,
    access::SHAPES,
    stock::SHAPES,
    cart::SHAPES,
    order::SHAPES,
    money::SHAPES,
    fulfilment::SHAPES,
    due::SHAPES,
];

/// Every enumeration of the events, page by page, for the documents.
pub const NUMBER_TABLES: &[&[NumberTable]] = &[NUMBERS, due::NUMBERS];

numbered! {
    /// What decided where units are: the first rule by which the chosen location was better than every other that could
    /// have served. 1 to 3 were of event version 1.
    pub enum DecidingRule: u8 {
        /// Only one location could serve.
        OnlyChoice = 4 "only choice",
        /// It had the most of the order's SKUs.
        FewestPackages = 5 "fewest packages",
        /// It is in the order's region.
        SameRegion = 6 "same region",
        /// It has the lowest priority number.
        Priority = 7 "priority",
        /// It can take the most orders more today.
        Capacity = 8 "capacity",
        /// All rules found it equal to another: the lower handle.
        Handle = 9 "handle",
        /// The units stayed where the reservation held them.
        Reservation = 10 "reservation",
        /// No location had any: all of it is backordered.
        Backorder = 11 "backorder",
    }
}

shapes! {
    /// Who asked for an event, and for what exactly: the key under which the same request is recognised.
    pub struct Origin {
        /// The session of the request; NONE for what the core did by itself.
        pub session: SessionHandle,
        /// The digest of the command: a CRC-32C of its kind and body.
        pub digest: U32,
        /// The request's number in its session.
        pub request: U64,
    }

    /// A session was opened, or goes on for another actor: then it has the id and the number that it had, and keeps what it
    /// remembers.
    pub struct SessionOpened {
        /// The client's own id for it.
        pub session: SessionId,
        /// The number that it has from here on. If another session had it, that one is forgotten.
        pub handle: SessionHandle,
        /// For whom its requests count from here on: the number of an access token. 0: nobody was named.
        pub actor: U32,
    }
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

/// A record of a journal that is no event that this program knows: the journal was written by another version of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record {sequence} of the journal is unreadable: {source}; run the version that wrote it")]
pub struct UnreadableRecord {
    /// The record's sequence.
    pub sequence: Sequence,
    /// What is wrong with it.
    pub source: UnreadableEvent,
}

/// From one table: the kinds, the events, and both ways between events and bytes.
macro_rules! events {
    ($( $number:literal $name:ident(
        $head:ident $(, $part:ident: [$item:ident] $($count:ident).+)* $(; $text:ident: $str:ident $($bytes:ident).+)?
    ) )+) => {
        /// What was decided. Each is documented at the structure of the same name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u16)]
        #[allow(missing_docs)] // Each is documented at the structure of the same name.
        pub enum EventKind {
            $( $name = $number, )+
        }

        impl EventKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }

        /// An event, its lists and texts borrowed from the record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)] // Each is documented at the structure of the same name.
        pub enum Event<'a> {
            $( $name(&'a $head $(, &'a [$item])* $(, &'a $str)?), )+
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
                let mut cut = Cut::new("event", payload);
                let event = match kind {
                    $( $number => {
                        let head: &$head = cut.head()?;
                        $( let $part = cut.list(head.$($count).+.get() as usize)?; )*
                        $( let $text = cut.text(head.$($bytes).+.into())?; )?
                        Self::$name(head $(, $part)* $(, $text)?)
                    } )+
                    _ => return Err(UnreadableEvent::Kind(kind)),
                };
                cut.end()?;
                Ok(event)
            }

            /// Its kind.
            pub const fn kind(&self) -> EventKind {
                match self {
                    $( Self::$name(..) => EventKind::$name, )+
                }
            }

            /// Appends the event's bytes: a record's payload, without padding.
            #[inline(always)] // The kind is known where it is called, and all others fall away.
            pub fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $( Self::$name(head $(, $part)* $(, $text)?) => {
                        out.extend_from_slice(head.as_bytes());
                        $( out.extend_from_slice($part.as_bytes()); )*
                        $( out.extend_from_slice($text.as_bytes()); )?
                    } )+
                }
            }
        }
    };
}

// Numbers are never reused; 10 was one of event version 1.
events! {
    1 SellerDefined(SellerDefined; code: str definition.code_bytes)
    2 LocationDefined(LocationDefined; code: str definition.code_bytes)
    3 SkuDefined(SkuDefined; code: str definition.code_bytes)
    4 StockReceived(StockReceived)
    5 StockAdjusted(StockAdjusted)
    6 OrderPlaced(
        OrderPlaced,
        lines: [OrderLine] placement.line_count,
        allocations: [Allocation] allocation_count;
        external_id: str placement.external_id_bytes
    )
    7 OrderConfirmed(OrderConfirmed)
    8 LinesCancelled(LinesCancelled, moves: [Allocation] move_count)
    9 ShipmentMade(ShipmentMade, moves: [Allocation] move_count; tracking: str tracking_bytes)
    11 StockCounted(StockCounted)
    12 StockMoved(StockMoved)
    13 LevelSet(LevelSet)
    14 SourcingDefined(SourcingDefined)
    15 PolicySet(PolicySet)
    16 CartReserved(CartReserved, lines: [CartLine] cart.line_count, allocations: [Allocation] allocation_count)
    17 ReservationExtended(ReservationExtended)
    18 ReservationReleased(ReservationReleased)
    19 GroupPlaced(
        GroupPlaced,
        orders: [GroupOrder] checkout.order_count,
        lines: [OrderLine] checkout.line_count,
        allocations: [Allocation] allocation_count;
        external_id: str checkout.external_id_bytes
    )
    20 LineEdited(LineEdited, moves: [Allocation] move_count)
    21 AddressEdited(AddressEdited)
    22 PaymentAuthorized(PaymentAuthorized, holds: [LateHold] hold_count)
    23 PaymentCaptured(PaymentCaptured, shares: [CapturedShare] share_count, holds: [LateHold] hold_count)
    24 PaymentVoided(PaymentVoided)
    25 PaymentFailed(PaymentFailed)
    26 RefundRequested(RefundRequested)
    27 RefundSettled(RefundSettled)
    28 HoldPlaced(HoldPlaced)
    29 HoldReleased(HoldReleased)
    30 WorkUpdated(WorkUpdated)
    31 WorkRejected(WorkRejected, moves: [Allocation] move_count)
    32 SessionOpened(SessionOpened)
    33 WorkMoved(WorkMoved, moves: [Allocation] move_count)
    34 ShipmentUpdated(ShipmentUpdated)
    35 ReturnRequested(ReturnRequested, lines: [LineQuantity] request.line_count)
    36 ReturnUpdated(ReturnUpdated)
    37 ReturnReceived(ReturnReceived, units: [ReturnedUnits] receipt.line_count)
    38 PayoutRecorded(PayoutRecorded)
    39 BackordersRefilled(BackordersRefilled, refills: [Refill] refill_count)
    40 ShortageNamed(ShortageNamed, orders: [ShortOrder] order_count)
    41 TimePassed(TimePassed, expiries: [Expiry] expiry_count)
    42 FinishedRetired(FinishedRetired, retired: [Retired] retired_count)
    43 TokenDefined(TokenDefined; label: str definition.label_bytes)
    44 TokenRevoked(TokenRevoked)
}
