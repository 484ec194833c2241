//! Commands: what may be asked of the core, and the bytes it is asked in.
//!
//! A command is a 16-byte header and a body; bodies are fixed-layout structures with lists or a text behind them.
//! [`Command`] borrows both ways: a server reads one where it lies in the frame, a client points it at its own lines
//! and encodes it. Kind numbers are never reused; 10 was one of wire version 1.

mod access;
mod cart;
mod catalogue;
mod fulfilment;
mod money;
mod order;
mod query;
mod stock;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, IntoBytes};

pub use access::*;
pub use cart::*;
pub use catalogue::*;
pub use fulfilment::*;
pub use money::*;
pub use order::*;
pub use query::*;
pub use stock::*;

use crate::ids::Request;
use crate::limits::COMMAND_BYTES_MAX;
use crate::wire::{self, Cut, Malformed, NumberTable, ShapeTable, shapes};

/// Bytes of a command's header.
pub const COMMAND_HEADER_BYTES: usize = 16;

/// Kinds from this number on only ask; those below it change something.
pub const FIRST_QUERY: u8 = 64;

/// Every structure of the commands, page by page, for the documents.
pub const SHAPE_TABLES: &[&[ShapeTable]] = &[
    SHAPES,
    access::SHAPES,
    catalogue::SHAPES,
    stock::SHAPES,
    cart::SHAPES,
    order::SHAPES,
    money::SHAPES,
    fulfilment::SHAPES,
    query::SHAPES,
];

/// Every enumeration of the commands, page by page, for the documents.
pub const NUMBER_TABLES: &[&[NumberTable]] = &[
    access::NUMBERS,
    catalogue::NUMBERS,
    stock::NUMBERS,
    money::NUMBERS,
    fulfilment::NUMBERS,
    query::NUMBERS,
];

shapes! {
    /// A command's header as it lies in a frame.
    pub struct CommandHeader {
        /// Bytes of the command with this header, a multiple of 8, at most 65,536.
        pub bytes: U32,
        /// A `CommandKind`.
        pub kind: u8,
        /// Zeros.
        pub reserved: [u8; 3],
        /// The request's number in its session.
        pub request: U64,
    }
}

/// From one table: the kinds, the commands, and both ways between commands and bytes.
macro_rules! commands {
    ($( $(#[doc = $doc:literal])+ $number:literal $name:ident(
        $head:ident $(, $part:ident: [$item:ident] $count:ident)* $(; $text:ident: $str:ident $bytes:ident)?
    ) )+) => {
        /// What is asked. Numbers below 64 change something, those from 64 on only ask.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum CommandKind {
            $( $(#[doc = $doc])+ $name = $number, )+
        }

        impl CommandKind {
            /// Every kind, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Number, name, structure, and what is asked: for the documents.
            pub const TABLE: &'static [(u8, &'static str, &'static str, &'static str)] =
                &[$(($number, stringify!($name), stringify!($head), concat!($($doc),+)),)+];
        }

        /// A command, its lists and texts borrowed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Command<'a> {
            $( $(#[doc = $doc])+ $name(&'a $head $(, &'a [$item])* $(, &'a $str)?), )+
        }

        impl<'a> RawCommand<'a> {
            /// Reads the body.
            ///
            /// # Errors
            /// `None` for an unknown kind, else what is malformed. Values are judged by the core, not here.
            #[inline(always)] // One caller reads what all others look at.
            pub fn read(&self) -> Result<Command<'a>, Option<Malformed>> {
                let mut cut = Cut::new("command body", self.body);
                let command = match self.kind {
                    $( $number => {
                        let head: &$head = cut.head()?;
                        $( let $part = cut.list(head.$count.get().into())?; )*
                        $( let $text = cut.text(head.$bytes.into())?; )?
                        Command::$name(head $(, $part)* $(, $text)?)
                    } )+
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
                    $( Self::$name(..) => CommandKind::$name, )+
                }
            }

            #[inline]
            fn write_body(&self, out: &mut Vec<u8>) {
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

commands! {
    /// Defines or changes a seller; accepted with its handle as detail and its version.
    1 DefineSeller(DefineSeller; code: str code_bytes)
    /// Defines or changes a location; accepted with its handle as detail and its version.
    2 DefineLocation(DefineLocation; code: str code_bytes)
    /// Defines or changes a SKU; accepted with its handle as detail and its version.
    3 DefineSku(DefineSku; code: str code_bytes)
    /// Receives stock; accepted with what is available then as detail (a signed number).
    4 ReceiveStock(ReceiveStock)
    /// Adjusts a bucket; accepted with what it holds then as detail (signed for available).
    5 AdjustStock(AdjustStock)
    /// Places an order alone; accepted with its total in minor units as detail.
    6 PlaceOrder(PlaceOrder, lines: [OrderLine] line_count; external_id: str external_id_bytes)
    /// Confirms a pending order: what was reserved for it is now committed, and its locations have work.
    7 ConfirmOrder(ConfirmOrder)
    /// Cancels quantities that have not been shipped or packed and gives their stock back; accepted with the value of
    /// what was cancelled in minor units as detail.
    8 CancelLines(CancelLines, lines: [LineQuantity] line_count)
    /// Packs, and where it says so sends, a package; accepted with the shipment's number in its order as detail.
    9 ShipLines(ShipLines, lines: [LineQuantity] line_count; tracking: str tracking_bytes)
    /// Records a count; accepted with what is available then as detail (signed).
    11 CountStock(CountStock)
    /// Moves stock; accepted with what the bucket that the units came to holds then as detail (signed for available).
    12 MoveStock(MoveStock)
    /// Sets a level as of a sequence; accepted with what is available then as detail (signed).
    13 SetLevel(SetLevel)
    /// Sets sourcing rules.
    14 DefineSourcing(DefineSourcing)
    /// Sets the policies; accepted with their version.
    15 SetPolicy(SetPolicy)
    /// Reserves stock for a cart; accepted with the time at which it expires as detail, in microseconds since 1970.
    16 ReserveCart(ReserveCart, lines: [CartLine] line_count)
    /// Extends a reservation; accepted with the time at which it expires as detail, in microseconds since 1970.
    17 ExtendReservation(ExtendReservation)
    /// Releases a reservation.
    18 ReleaseReservation(ReleaseReservation)
    /// Places a cart's orders; accepted with the group's total in minor units as detail.
    19 CheckOut(CheckOut, orders: [GroupOrder] order_count, lines: [OrderLine] line_count; external_id: str external_id_bytes)
    /// Changes a line's quantity; accepted with the order's total in minor units then as detail.
    20 EditLine(EditLine)
    /// Changes where an order goes.
    21 EditAddress(EditAddress)
    /// Records an authorisation; accepted with the payment's number in its group as detail.
    22 RecordAuthorization(RecordAuthorization)
    /// Records a capture; accepted with what is captured then as detail, in minor units.
    23 RecordCapture(RecordCapture)
    /// Records that a promise was given back; accepted with what was given back as detail, in minor units.
    24 RecordVoid(EndPayment)
    /// Records that a payment failed.
    25 RecordFailure(EndPayment)
    /// Asks for a refund; accepted with its number in its order as detail.
    26 RequestRefund(RequestRefund)
    /// Records how a refund ended; accepted with what of the order is refunded then as detail, in minor units.
    27 SettleRefund(SettleRefund)
    /// Places a hold; accepted with its number in its order as detail.
    28 PlaceHold(PlaceHold)
    /// Releases a hold.
    29 ReleaseHold(ReleaseHold)
    /// Says how far a location is with an order.
    30 UpdateWork(UpdateWork)
    /// Refuses a location's work; accepted with the units that are backordered then as detail.
    31 RejectWork(RejectWork)
    /// Gives work to another location; accepted with the units moved as detail.
    32 MoveWork(MoveWork, lines: [LineQuantity] line_count)
    /// Says what happened to a package; a package that comes back is accepted with its return's number as detail.
    33 UpdateShipment(UpdateShipment)
    /// Asks to send delivered units back; accepted with the return's number in its order as detail.
    34 RequestReturn(RequestReturn, lines: [LineQuantity] line_count)
    /// Says what happened to a return.
    35 UpdateReturn(UpdateReturn)
    /// Takes returned goods in; accepted with their value in minor units as detail.
    36 ReceiveReturn(ReceiveReturn, units: [ReturnedUnits] line_count)
    /// Records that a seller was paid; accepted with what is still payable as detail, in minor units (signed).
    37 RecordPayout(RecordPayout)
    /// Defines or changes a token; accepted with its number as detail and its version.
    38 DefineToken(DefineToken; label: str label_bytes)
    /// Revokes a token; accepted with its number as detail and its version.
    39 RevokeToken(RevokeToken)
    /// Asks for an order; answered with an `OrderView`.
    64 QueryOrder(QueryOrder)
    /// Asks for levels; answered with `LevelView`s, and what is available over them as detail (signed).
    65 QueryStock(QueryStock)
    /// Asks for the handle behind a code; answered with it as detail.
    66 ResolveCode(ResolveCode; code: str code_bytes)
    /// Asks for the core's own figures; answered with a `StatusView`.
    67 QueryStatus(QueryStatus)
    /// Asks for a group; answered with a `GroupView`.
    68 QueryGroup(QueryGroup)
    /// Asks for a reservation; answered with a `ReservationView`.
    69 QueryReservation(QueryReservation)
    /// Asks for a seller's ledger; answered with a `LedgerView`.
    70 QueryLedger(QueryLedger)
    /// Asks for a page of the catalogue; answered with `CatalogueEntry`s and the first handle of the next page as
    /// detail, 0 behind the last.
    71 QueryCatalogue(QueryCatalogue)
    /// Asks for policies and rules; answered with a `SettingsView`.
    72 QuerySettings(QuerySettings)
    /// Asks what can be bought of some SKUs; answered with an `AvailabilityView` for each, in the order in which they were
    /// asked for, and as detail with the newest sequence that may be in it (the reply's own: all up to it is in it).
    73 QueryAvailability(QueryAvailability, skus: [AskedSku] sku_count)
    /// Asks for the transition table; answered with a `TransitionView` for each of its rows.
    74 QueryTransitions(QueryTransitions)
    /// Asks for a page of the tokens; answered with `TokenView`s and the first number of the next page as detail, 0 behind
    /// the last.
    75 QueryTokens(QueryTokens)
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
    #[inline]
    pub fn take(rest: &mut &'a [u8]) -> Result<Self, Malformed> {
        let error = |why| Malformed { what: "command", why };
        let (header, _) = <CommandHeader as FromBytes>::ref_from_prefix(rest)
            .map_err(|_| error("its header ends too early"))?;
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
    #[inline]
    pub fn digest(&self) -> u32 {
        crc32c::crc32c_append(u32::from(self.kind), self.body)
    }

    /// Whether it only asks. Its kind may still be unknown.
    pub const fn is_query(&self) -> bool {
        self.kind >= FIRST_QUERY
    }
}

impl Command<'_> {
    /// Appends the command's bytes, header and padding included.
    ///
    /// The counts inside the heads (`line_count`, `code_bytes`, `tracking_bytes`) are the caller's to keep equal to
    /// what is handed over; a mismatch is read as malformed on the other side.
    #[inline]
    pub fn write(&self, request: Request, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; COMMAND_HEADER_BYTES]);
        self.write_body(out);
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

#[cfg(test)]
mod tests {
    use zerocopy::little_endian::U16;

    use super::*;
    use crate::ids::{BuyerId, OrderId, SellerHandle, SkuHandle};
    use crate::money::{Amount, CurrencyCode};

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
            region: U16::new(7),
            external_id_bytes: 0,
        };
        let command = Command::PlaceOrder(&head, &lines, "");
        let mut bytes = Vec::new();
        command.write(11, &mut bytes);
        let mut rest = &bytes[..];
        let raw = RawCommand::take(&mut rest).unwrap();
        assert!(rest.is_empty());
        assert_eq!((raw.request, raw.read()), (11, Ok(command)));
        for cut in 0..bytes.len() {
            assert!(RawCommand::take(&mut &bytes[..cut]).is_err(), "cut at {cut}");
        }
        // What is cut behind the last line is only padding.
        for body_bytes in 0..size_of::<PlaceOrder>() + size_of_val(&lines) {
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
