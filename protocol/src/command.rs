//! Commands: what may be asked of the core, and the bytes it is asked in.
//!
//! A command is a 16-byte header and a body; bodies are fixed-layout structures with a list or a text behind
//! them. [`Command`] borrows both ways: a server reads one where it lies in the frame, a client points it at its
//! own lines and encodes it. Kind numbers are never reused.

use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ids::{BuyerId, LocationHandle, OrderId, Request, SellerHandle, SkuHandle};
use crate::limits::COMMAND_BYTES_MAX;
use crate::money::{Amount, CurrencyCode};
use crate::wire::{self, Cut, Malformed};

/// Bytes of a command's header.
pub const COMMAND_HEADER_BYTES: usize = 16;

/// A command's header as it lies in a frame.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct CommandHeader {
    /// Bytes of the command with this header, a multiple of 8, at most [`COMMAND_BYTES_MAX`].
    pub bytes: U32,
    /// A [`CommandKind`].
    pub kind: u8,
    /// Zeros.
    pub reserved: [u8; 3],
    /// The request's number in its session.
    pub request: U64,
}

/// What is asked. Numbers below 64 change something, those from 64 on only ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // Each is documented at the variant of the same name of `Command`.
pub enum CommandKind {
    DefineSeller = 1,
    DefineLocation = 2,
    DefineSku = 3,
    ReceiveStock = 4,
    AdjustStock = 5,
    PlaceOrder = 6,
    ConfirmOrder = 7,
    CancelLines = 8,
    ShipLines = 9,
    DeliverLines = 10,
    QueryOrder = 64,
    QueryStock = 65,
    ResolveCode = 66,
    QueryStatus = 67,
}

/// Whether something is in use. Other numbers than these are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Standing {
    /// A seller that sells, a location that ships, a SKU that can be ordered.
    Active = 1,
    /// A suspended seller, an inactive location, a retired SKU.
    Inactive = 2,
}

impl Standing {
    /// The standing with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Active),
            2 => Some(Self::Inactive),
            _ => None,
        }
    }
}

/// Which bucket of an inventory level an adjustment changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Bucket {
    /// Free to promise.
    Available = 1,
    /// Kept back on purpose.
    Safety = 2,
    /// There, but not fit to sell.
    Damaged = 3,
    /// There, and waiting for a check.
    QualityHold = 4,
    /// On its way; stands outside what is on hand.
    Incoming = 5,
}

impl Bucket {
    /// The bucket with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Available,
            2 => Self::Safety,
            3 => Self::Damaged,
            4 => Self::QualityHold,
            5 => Self::Incoming,
            _ => return None,
        })
    }
}

/// Defines a seller, or changes the one with this code. Followed by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DefineSeller {
    /// The marketplace's share in basis points, at most 10,000.
    pub commission_bp: U16,
    /// A [`Standing`].
    pub standing: u8,
    /// Bytes of the code.
    pub code_bytes: u8,
    /// Zeros.
    pub reserved: [u8; 4],
}

/// Defines a location, or changes the one with this code. Followed by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DefineLocation {
    /// The region that it ships from, as the marketplace numbers them.
    pub region: U32,
    /// Lower ships first; equal priorities go by handle.
    pub priority: U32,
    /// Orders that it can take a day; 0: no bound.
    pub daily_capacity: U32,
    /// A [`Standing`].
    pub standing: u8,
    /// Bytes of the code.
    pub code_bytes: u8,
    /// Zeros.
    pub reserved: [u8; 2],
}

/// Defines a SKU, or changes the one with this code. Followed by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DefineSku {
    /// Who sells it. A SKU keeps its seller: defining it again under another one is refused.
    pub seller: SellerHandle,
    /// Units that may be promised beyond the stock; 0: none.
    pub backorder_cap: U32,
    /// The one currency it is sold in; [`CurrencyCode::NONE`]: any.
    pub currency: CurrencyCode,
    /// A [`Standing`].
    pub standing: u8,
    /// Bytes of the code.
    pub code_bytes: u8,
    /// Zeros.
    pub reserved: [u8; 4],
}

/// Receives stock: raises what is on hand and available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ReceiveStock {
    /// What came.
    pub sku: SkuHandle,
    /// Where it came to.
    pub location: LocationHandle,
    /// Units, at least one.
    pub quantity: U64,
    /// The caller's own reference (a delivery note, say).
    pub reference: U64,
    /// The caller's own reason code.
    pub reason: U16,
    /// Zeros.
    pub reserved: [u8; 6],
}

/// Adjusts one bucket of a level by a signed number of units. Never below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct AdjustStock {
    /// Of what.
    pub sku: SkuHandle,
    /// Where.
    pub location: LocationHandle,
    /// Units to add (or, negative, to take away); not zero.
    pub delta: I64,
    /// The caller's own reference.
    pub reference: U64,
    /// The caller's own reason code.
    pub reason: U16,
    /// A [`Bucket`].
    pub bucket: u8,
    /// Zeros.
    pub reserved: [u8; 5],
}

/// Places an order: every line or none. Followed by its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PlaceOrder {
    /// The caller-made id: the same id and body are the same order.
    pub order: OrderId,
    /// Who buys.
    pub buyer: BuyerId,
    /// Who sells every line.
    pub seller: SellerHandle,
    /// The currency of every price.
    pub currency: CurrencyCode,
    /// Lines that follow.
    pub line_count: U16,
}

/// One line of an order: immutable once placed, but for an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct OrderLine {
    /// What is bought.
    pub sku: SkuHandle,
    /// Units, at least one.
    pub quantity: U32,
    /// The price of one unit, above zero.
    pub unit_price: Amount,
}

/// A command about an order as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ConfirmOrder {
    /// Which order.
    pub order: OrderId,
    /// The version that the caller has seen; 0: whichever it is now.
    pub expected_version: U32,
    /// Zeros.
    pub reserved: [u8; 4],
}

/// A command about quantities of an order's lines (cancel, deliver). Followed by [`LineQuantity`]s; without any,
/// it means all that can be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MoveLines {
    /// Which order.
    pub order: OrderId,
    /// The version that the caller has seen; 0: whichever it is now.
    pub expected_version: U32,
    /// Line quantities that follow.
    pub line_count: U16,
    /// The caller's own reason code.
    pub reason: U16,
}

/// Ships quantities of an order's lines in one package. Followed by [`LineQuantity`]s (without any: all that the
/// location has to ship) and the tracking code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ShipLines {
    /// Which order.
    pub order: OrderId,
    /// The version that the caller has seen; 0: whichever it is now.
    pub expected_version: U32,
    /// From where; [`LocationHandle::NONE`]: from wherever the order is allocated.
    pub location: LocationHandle,
    /// Line quantities that follow.
    pub line_count: U16,
    /// The caller's own number of the carrier.
    pub carrier: U16,
    /// Bytes of the tracking code.
    pub tracking_bytes: u8,
    /// Zeros.
    pub reserved: [u8; 3],
}

/// How many units of which line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LineQuantity {
    /// The line's index in its order, from 0.
    pub line: U16,
    /// Zeros.
    pub reserved: [u8; 2],
    /// Units, at least one.
    pub quantity: U32,
}

/// Asks for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct QueryOrder {
    /// Which.
    pub order: OrderId,
}

/// Asks for the inventory levels of a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct QueryStock {
    /// Which SKU.
    pub sku: SkuHandle,
    /// At which location; [`LocationHandle::NONE`]: at all of them.
    pub location: LocationHandle,
}

/// What a code names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EntityKind {
    /// A seller.
    Seller = 1,
    /// A location.
    Location = 2,
    /// A SKU.
    Sku = 3,
}

/// Asks for the handle behind a code. Followed by the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ResolveCode {
    /// An [`EntityKind`].
    pub entity: u8,
    /// Bytes of the code.
    pub code_bytes: u8,
    /// Zeros.
    pub reserved: [u8; 6],
}

/// Asks for the core's own figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct QueryStatus {
    /// 1: also compute the state hash, which reads the whole state and holds up everything else meanwhile
    /// (about 0.1 us an order); meant for drills. 0: leave it zero.
    pub with_state_hash: u8,
    /// Zeros.
    pub reserved: [u8; 7],
}

/// A command, its lists and texts borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// See [`DefineSeller`]; accepted with the seller's handle as detail.
    DefineSeller(&'a DefineSeller, &'a str),
    /// See [`DefineLocation`]; accepted with the location's handle as detail.
    DefineLocation(&'a DefineLocation, &'a str),
    /// See [`DefineSku`]; accepted with the SKU's handle as detail.
    DefineSku(&'a DefineSku, &'a str),
    /// See [`ReceiveStock`]; accepted with what is available then as detail.
    ReceiveStock(&'a ReceiveStock),
    /// See [`AdjustStock`]; accepted with what the bucket holds then as detail.
    AdjustStock(&'a AdjustStock),
    /// See [`PlaceOrder`]; accepted with the order's total in minor units as detail.
    PlaceOrder(&'a PlaceOrder, &'a [OrderLine]),
    /// Confirms a pending order: what was reserved for it is now committed.
    ConfirmOrder(&'a ConfirmOrder),
    /// Cancels quantities that have not been shipped and gives their stock back; accepted with the value of what
    /// was cancelled in minor units as detail.
    CancelLines(&'a MoveLines, &'a [LineQuantity]),
    /// See [`ShipLines`]; accepted with the shipment's number in its order as detail.
    ShipLines(&'a ShipLines, &'a [LineQuantity], &'a str),
    /// Records that shipped quantities have arrived; the order is completed when nothing is left to arrive.
    DeliverLines(&'a MoveLines, &'a [LineQuantity]),
    /// See [`QueryOrder`]; answered with an [`crate::reply::OrderView`].
    QueryOrder(&'a QueryOrder),
    /// See [`QueryStock`]; answered with [`crate::reply::LevelView`]s.
    QueryStock(&'a QueryStock),
    /// See [`ResolveCode`]; answered with the handle as detail.
    ResolveCode(&'a ResolveCode, &'a str),
    /// See [`QueryStatus`]; answered with a [`crate::reply::StatusView`].
    QueryStatus(&'a QueryStatus),
}

/// A command's bytes as they lie in a frame: header read, length checked, body not yet looked at.
#[derive(Debug, Clone, Copy)]
pub struct RawCommand<'a> {
    /// The request's number in its session.
    pub request: Request,
    /// A [`CommandKind`]'s number, known or not.
    pub kind: u8,
    /// The body with its padding.
    pub body: &'a [u8],
}

impl<'a> RawCommand<'a> {
    /// Takes the command at the front of `rest` off it.
    ///
    /// # Errors
    /// When the header is cut short or its length is odd, too large or beyond the bytes.
    pub fn take(rest: &mut &'a [u8]) -> Result<Self, Malformed> {
        let error = |why| Malformed { what: "command", why };
        let (header, _) =
            CommandHeader::ref_from_prefix(rest).map_err(|_| error("its header ends too early"))?;
        let bytes = header.bytes.get() as usize;
        if !(COMMAND_HEADER_BYTES..=COMMAND_BYTES_MAX).contains(&bytes) || !bytes.is_multiple_of(8) {
            return Err(error("its length is not a multiple of 8 within the limits"));
        }
        let (command, behind) = rest.split_at_checked(bytes).ok_or_else(|| error("it ends too early"))?;
        *rest = behind;
        Ok(Self { request: header.request.get(), kind: header.kind, body: &command[COMMAND_HEADER_BYTES..] })
    }

    /// What tells one command's content from another's: a CRC-32C of its kind and body. Two requests with one
    /// number and different digests are different requests; 1 in 2^32 such mistakes goes unseen.
    pub fn digest(&self) -> u32 {
        crc32c::crc32c_append(u32::from(self.kind), self.body)
    }

    /// Whether it only asks. Its kind may still be unknown.
    pub const fn is_query(&self) -> bool {
        self.kind >= 64
    }

    /// Reads the body.
    ///
    /// # Errors
    /// `None` for an unknown kind, else what is malformed. Values are judged by the core, not here.
    #[inline]
    pub fn read(&self) -> Result<Command<'a>, Option<Malformed>> {
        const DEFINE_SELLER: u8 = CommandKind::DefineSeller as u8;
        const DEFINE_LOCATION: u8 = CommandKind::DefineLocation as u8;
        const DEFINE_SKU: u8 = CommandKind::DefineSku as u8;
        const RECEIVE_STOCK: u8 = CommandKind::ReceiveStock as u8;
        const ADJUST_STOCK: u8 = CommandKind::AdjustStock as u8;
        const PLACE_ORDER: u8 = CommandKind::PlaceOrder as u8;
        const CONFIRM_ORDER: u8 = CommandKind::ConfirmOrder as u8;
        const CANCEL_LINES: u8 = CommandKind::CancelLines as u8;
        const SHIP_LINES: u8 = CommandKind::ShipLines as u8;
        const DELIVER_LINES: u8 = CommandKind::DeliverLines as u8;
        const QUERY_ORDER: u8 = CommandKind::QueryOrder as u8;
        const QUERY_STOCK: u8 = CommandKind::QueryStock as u8;
        const RESOLVE_CODE: u8 = CommandKind::ResolveCode as u8;
        const QUERY_STATUS: u8 = CommandKind::QueryStatus as u8;

        let mut cut = Cut::new("command body", self.body);
        let command = match self.kind {
            PLACE_ORDER => {
                let head: &PlaceOrder = cut.head()?;
                Command::PlaceOrder(head, cut.list(head.line_count.get().into())?)
            }
            DEFINE_SELLER => {
                let head: &DefineSeller = cut.head()?;
                Command::DefineSeller(head, cut.text(head.code_bytes.into())?)
            }
            DEFINE_LOCATION => {
                let head: &DefineLocation = cut.head()?;
                Command::DefineLocation(head, cut.text(head.code_bytes.into())?)
            }
            DEFINE_SKU => {
                let head: &DefineSku = cut.head()?;
                Command::DefineSku(head, cut.text(head.code_bytes.into())?)
            }
            RECEIVE_STOCK => Command::ReceiveStock(cut.head()?),
            ADJUST_STOCK => Command::AdjustStock(cut.head()?),
            CONFIRM_ORDER => Command::ConfirmOrder(cut.head()?),
            CANCEL_LINES => {
                let head: &MoveLines = cut.head()?;
                Command::CancelLines(head, cut.list(head.line_count.get().into())?)
            }
            SHIP_LINES => {
                let head: &ShipLines = cut.head()?;
                let lines = cut.list(head.line_count.get().into())?;
                Command::ShipLines(head, lines, cut.text(head.tracking_bytes.into())?)
            }
            DELIVER_LINES => {
                let head: &MoveLines = cut.head()?;
                Command::DeliverLines(head, cut.list(head.line_count.get().into())?)
            }
            QUERY_ORDER => Command::QueryOrder(cut.head()?),
            QUERY_STOCK => Command::QueryStock(cut.head()?),
            RESOLVE_CODE => {
                let head: &ResolveCode = cut.head()?;
                Command::ResolveCode(head, cut.text(head.code_bytes.into())?)
            }
            QUERY_STATUS => Command::QueryStatus(cut.head()?),
            _ => return Err(None),
        };
        cut.end()?;
        Ok(command)
    }
}

impl Command<'_> {
    /// Its kind.
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::DefineSeller(..) => CommandKind::DefineSeller,
            Self::DefineLocation(..) => CommandKind::DefineLocation,
            Self::DefineSku(..) => CommandKind::DefineSku,
            Self::ReceiveStock(..) => CommandKind::ReceiveStock,
            Self::AdjustStock(..) => CommandKind::AdjustStock,
            Self::PlaceOrder(..) => CommandKind::PlaceOrder,
            Self::ConfirmOrder(..) => CommandKind::ConfirmOrder,
            Self::CancelLines(..) => CommandKind::CancelLines,
            Self::ShipLines(..) => CommandKind::ShipLines,
            Self::DeliverLines(..) => CommandKind::DeliverLines,
            Self::QueryOrder(..) => CommandKind::QueryOrder,
            Self::QueryStock(..) => CommandKind::QueryStock,
            Self::ResolveCode(..) => CommandKind::ResolveCode,
            Self::QueryStatus(..) => CommandKind::QueryStatus,
        }
    }

    /// Appends the command's bytes, header and padding included.
    ///
    /// The counts inside the heads (`line_count`, `code_bytes`, `tracking_bytes`) are the caller's to keep equal to
    /// what is handed over; a mismatch is read as malformed on the other side.
    #[inline]
    pub fn write(&self, request: Request, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; COMMAND_HEADER_BYTES]);
        match self {
            Self::DefineSeller(head, code) => put(out, &[head.as_bytes(), code.as_bytes()]),
            Self::DefineLocation(head, code) => put(out, &[head.as_bytes(), code.as_bytes()]),
            Self::DefineSku(head, code) => put(out, &[head.as_bytes(), code.as_bytes()]),
            Self::ReceiveStock(head) => put(out, &[head.as_bytes()]),
            Self::AdjustStock(head) => put(out, &[head.as_bytes()]),
            Self::PlaceOrder(head, lines) => put(out, &[head.as_bytes(), lines.as_bytes()]),
            Self::ConfirmOrder(head) => put(out, &[head.as_bytes()]),
            Self::CancelLines(head, lines) | Self::DeliverLines(head, lines) => {
                put(out, &[head.as_bytes(), lines.as_bytes()]);
            }
            Self::ShipLines(head, lines, tracking) => {
                put(out, &[head.as_bytes(), lines.as_bytes(), tracking.as_bytes()]);
            }
            Self::QueryOrder(head) => put(out, &[head.as_bytes()]),
            Self::QueryStock(head) => put(out, &[head.as_bytes()]),
            Self::ResolveCode(head, code) => put(out, &[head.as_bytes(), code.as_bytes()]),
            Self::QueryStatus(head) => put(out, &[head.as_bytes()]),
        }
        wire::pad(out, start);
        let header = CommandHeader {
            bytes: U32::new((out.len() - start) as u32),
            kind: self.kind() as u8,
            reserved: [0; 3],
            request: U64::new(request),
        };
        out[start..start + COMMAND_HEADER_BYTES].copy_from_slice(header.as_bytes());
    }
}

#[inline]
fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placement_survives_its_bytes_and_every_cut_of_them_is_malformed() {
        let lines = [
            OrderLine { sku: SkuHandle::new(3), quantity: U32::new(2), unit_price: Amount::new(1_250) },
            OrderLine { sku: SkuHandle::new(9), quantity: U32::new(1), unit_price: Amount::new(99) },
        ];
        let head = PlaceOrder {
            order: OrderId::new(42),
            buyer: BuyerId::new(5),
            seller: SellerHandle::new(0),
            currency: CurrencyCode::new(826),
            line_count: U16::new(2),
        };
        let command = Command::PlaceOrder(&head, &lines);
        let mut bytes = Vec::new();
        command.write(11, &mut bytes);
        let mut rest = &bytes[..];
        let raw = RawCommand::take(&mut rest).unwrap();
        assert!(rest.is_empty());
        assert_eq!((raw.request, raw.read()), (11, Ok(command)));
        for cut in 0..bytes.len() {
            assert!(RawCommand::take(&mut &bytes[..cut]).is_err(), "cut at {cut}");
        }
        for body_bytes in 0..raw.body.len() {
            let short = RawCommand { body: &raw.body[..body_bytes], ..raw };
            assert!(short.read().is_err(), "body cut at {body_bytes}");
        }
        assert_eq!(RawCommand { kind: 63, ..raw }.read(), Err(None));
    }

    #[test]
    fn the_digest_sees_kind_and_body_but_not_the_request_number() {
        let status = QueryStatus { with_state_hash: 0, reserved: [0; 7] };
        let digest = |request, body: &QueryStatus| {
            let mut bytes = Vec::new();
            Command::QueryStatus(body).write(request, &mut bytes);
            RawCommand::take(&mut &bytes[..]).unwrap().digest()
        };
        assert_eq!(digest(1, &status), digest(2, &status));
        assert_ne!(digest(1, &status), digest(1, &QueryStatus { with_state_hash: 1, ..status }));
    }
}
