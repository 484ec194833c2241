//! Replies: what the core answers, one for each command, and the views that answer queries.

use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::command::OrderLine;
use crate::ids::{BuyerId, LocationHandle, OrderId, SellerHandle, SkuHandle};
use crate::money::CurrencyCode;
use crate::wire::{Cut, Malformed};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It took effect at the reply's sequence, and that is durable.
    Accepted = 1,
    /// It had taken effect before, at the reply's sequence; this is the first answer again.
    AcceptedBefore = 2,
    /// It was refused and changed nothing.
    Rejected = 3,
    /// A query's answer, true at the reply's sequence.
    Answered = 4,
}

impl Outcome {
    /// The outcome with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Accepted,
            2 => Self::AcceptedBefore,
            3 => Self::Rejected,
            4 => Self::Answered,
            _ => return None,
        })
    }
}

/// A reply's fixed part as it lies in a frame; a view may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ReplyHeader {
    /// Bytes of the reply with this header, a multiple of 8.
    pub bytes: U32,
    /// An [`Outcome`].
    pub outcome: u8,
    /// The order's state then ([`crate::event::OrderState`]), 0 where no order is meant.
    pub state: u8,
    /// A [`crate::RejectCode`]'s number, 0 unless rejected.
    pub code: U16,
    /// Which request this answers.
    pub request: U64,
    /// The sequence at which the command took effect, or up to which its answer speaks.
    pub sequence: U64,
    /// What it means is said at each command and reject code.
    pub detail: U64,
    /// What it means is said at each reject code.
    pub subject: U32,
    /// The order's version then, 0 where no order is meant.
    pub version: U32,
}

/// Bytes of a reply without a view.
pub const REPLY_HEADER_BYTES: usize = size_of::<ReplyHeader>();

/// A reply with what follows it.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// Its fixed part.
    pub header: &'a ReplyHeader,
    /// The view behind it; empty but for queries.
    pub view: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Takes the reply at the front of `rest` off it.
    ///
    /// # Errors
    /// When the bytes are cut short, or the length or outcome is none that a reply has.
    pub fn take(rest: &mut &'a [u8]) -> Result<Self, Malformed> {
        let error = |why| Malformed { what: "reply", why };
        let (header, _) =
            ReplyHeader::ref_from_prefix(rest).map_err(|_| error("its header ends too early"))?;
        let bytes = header.bytes.get() as usize;
        if bytes < REPLY_HEADER_BYTES || !bytes.is_multiple_of(8) {
            return Err(error("its length is not a multiple of 8, or shorter than its header"));
        }
        let (reply, behind) = rest.split_at_checked(bytes).ok_or_else(|| error("it ends too early"))?;
        if Outcome::from_number(header.outcome).is_none() {
            return Err(error("its outcome is not known"));
        }
        *rest = behind;
        Ok(Self { header, view: &reply[REPLY_HEADER_BYTES..] })
    }

    /// How the command ended.
    pub fn outcome(&self) -> Outcome {
        Outcome::from_number(self.header.outcome).unwrap_or(Outcome::Rejected)
    }

    /// Whether the command took effect, now or before.
    pub fn is_accepted(&self) -> bool {
        matches!(self.outcome(), Outcome::Accepted | Outcome::AcceptedBefore)
    }
}

/// An order as it stands: this head, then a [`LineView`] for each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct OrderView {
    /// Its id.
    pub order: OrderId,
    /// The sequence at which it was placed.
    pub placed_sequence: U64,
    /// Who buys.
    pub buyer: BuyerId,
    /// Who sells.
    pub seller: SellerHandle,
    /// The currency of its prices.
    pub currency: CurrencyCode,
    /// Its lines.
    pub line_count: U16,
    /// Recorded time of the placement, seconds since 1970.
    pub placed_unix_s: U32,
    /// Packages shipped so far.
    pub shipment_count: U16,
    /// Zeros.
    pub reserved: [u8; 2],
}

/// One line of an order as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LineView {
    /// What was ordered.
    pub line: OrderLine,
    /// Where its units are.
    pub counters: LineCounters,
    /// Where it ships from; [`LocationHandle::NONE`] where it is split over several locations.
    pub location: LocationHandle,
}

/// Where a line's units are: `ordered = cancelled + backordered + reserved + allocated + shipped`,
/// `delivered <= shipped`, `returned <= delivered`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct LineCounters {
    /// Given up.
    pub cancelled: U32,
    /// Promised without stock.
    pub backordered: U32,
    /// Held at a location for a pending order.
    pub reserved: U32,
    /// Committed at a location for a confirmed order.
    pub allocated: U32,
    /// Left a location.
    pub shipped: U32,
    /// Of the shipped: arrived.
    pub delivered: U32,
    /// Of the delivered: came back.
    pub returned: U32,
}

impl OrderView {
    /// Reads an order's view.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn read(view: &[u8]) -> Result<(&Self, &[LineView]), Malformed> {
        let mut cut = Cut::new("order view", view);
        let head: &Self = cut.head()?;
        let lines = cut.list(head.line_count.get().into())?;
        cut.end()?;
        Ok((head, lines))
    }
}

/// One inventory level: `on_hand = available + reserved + committed + safety + damaged + quality_hold`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LevelView {
    /// Of what.
    pub sku: SkuHandle,
    /// Where.
    pub location: LocationHandle,
    /// Free to promise.
    pub available: U64,
    /// Held for pending orders.
    pub reserved: U64,
    /// Committed to confirmed orders.
    pub committed: U64,
    /// Kept back on purpose.
    pub safety: U64,
    /// Not fit to sell.
    pub damaged: U64,
    /// Waiting for a check.
    pub quality_hold: U64,
    /// On its way, outside what is on hand.
    pub incoming: U64,
}

impl LevelView {
    /// Reads the levels that answer a stock query.
    ///
    /// # Errors
    /// When the bytes are not whole levels.
    pub fn read_all(view: &[u8]) -> Result<&[Self], Malformed> {
        <[Self]>::ref_from_bytes(view)
            .map_err(|_| Malformed { what: "stock view", why: "it does not hold whole levels" })
    }
}

/// The core's own figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct StatusView {
    /// A hash that any two equal states share; 0 where it was not asked for.
    pub state_hash: U128,
    /// Orders that the core holds.
    pub orders_total: U64,
    /// Of them: pending or confirmed.
    pub orders_open: U64,
    /// Sellers defined.
    pub sellers: U32,
    /// Locations defined.
    pub locations: U32,
    /// SKUs defined.
    pub skus: U32,
    /// Sessions remembered.
    pub sessions: U32,
}

impl StatusView {
    /// Reads the answer to a status query.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn read(view: &[u8]) -> Result<&Self, Malformed> {
        Self::ref_from_bytes(view)
            .map_err(|_| Malformed { what: "status view", why: "its length is another" })
    }
}
