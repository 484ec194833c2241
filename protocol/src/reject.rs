//! Reject codes: every way in which a command can be refused, each with a number that is never reused.

macro_rules! reject_codes {
    ($($number:literal $name:ident $retryable:literal $text:literal,)*) => {
        /// Why a command was refused. A refused command changed nothing.
        ///
        /// What a reply's `subject` and `detail` mean beside a code is said at the code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum RejectCode {
            $(#[doc = $text] $name = $number,)*
        }

        impl RejectCode {
            /// Every code, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code with this number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name, as it stands in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// What it says, in a sentence.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Whether the same command may succeed later without being changed.
            pub const fn is_retryable(self) -> bool {
                match self {
                    $(Self::$name => $retryable,)*
                }
            }
        }
    };
}

reject_codes! {
    1 Malformed false "The command's bytes are not what its kind says.",
    2 UnknownKind false "No command of this kind is known.",
    3 InvalidField false "A field has a value that it cannot have; subject: the field's byte offset in the command's body.",
    10 RequestTooOld false "The request number lies further back than the session remembers; it is never run a second time.",
    11 RequestReused false "The request number was used for another command; sequence: where that was accepted.",
    20 UnknownSeller false "No seller has this handle; subject: the handle.",
    21 UnknownLocation false "No location has this handle; subject: the handle.",
    22 UnknownSku false "No SKU has this handle; subject: the line's index (0 where there are no lines), detail: the handle.",
    23 UnknownOrder false "No order has this id.",
    24 UnknownCode false "Nothing is defined under this code.",
    25 SellerSuspended false "The seller is suspended; subject: the handle.",
    26 LocationInactive false "The location is inactive; subject: the handle.",
    27 SkuRetired false "The SKU is retired; subject: the line's index.",
    28 SkuOfOtherSeller false "The SKU belongs to another seller; subject: the line's index, detail: the seller it belongs to.",
    29 InvalidCode false "A code has 1 to 64 bytes of UTF-8 without control characters and without blanks at its ends.",
    30 CatalogueFull false "No more sellers, locations, SKUs or tokens can be defined.",
    40 ZeroQuantity false "A quantity is zero; subject: the line's index.",
    41 QuantityTooLarge false "A quantity, or a SKU's sum of them, is over its limit; subject: the line's index.",
    42 InvalidPrice false "A unit price is zero or negative; subject: the line's index.",
    43 PriceTooLarge false "A unit price is over its limit; subject: the line's index.",
    44 NoLines false "An order has at least one line.",
    45 TooManyLines false "An order has at most 2,000 lines; detail: how many came.",
    46 UnknownCurrency false "ISO 4217 has no currency with this number, or goods are not priced in it: a fund, a metal, a unit of account or of tests, a superseded one; detail: the number.",
    47 MixedCurrencies false "The SKU is sold in another currency than the order's; subject: the line's index, detail: the SKU's currency.",
    48 TotalTooLarge false "The order's total is over its limit.",
    49 OrderIdReused false "The order id was used for another order; sequence: where that was placed.",
    50 InvalidOrderId false "The id of an order, a group or a reservation is not zero.",
    51 InsufficientStock true "There is not enough stock; subject: the line's index, detail: how much is available.",
    52 UnknownLine false "The order has no such line; subject: the line's index.",
    53 QuantityNotThere false "The line has less than that left to move; subject: the line's index, detail: how much.",
    54 IllegalTransition false "The entity's state does not allow this; the reply's state names it, subject: the Entity's number times 256 and the Action's number.",
    55 VersionMismatch false "The entity was changed since; the reply's version says what it is now (of a level: subject, the location's handle).",
    56 NothingToDo false "Nothing is left for this command to do.",
    57 LineRepeated false "A line is named twice; subject: the line's index.",
    58 OnHold true "An active hold blocks this; subject: the hold's number, detail: its HoldKind.",
    59 FulfilmentBegun false "Something of the order is packed, in work or has shipped; edits come before that.",
    60 StockOverflow false "More would be on hand (or incoming) at the level than can be; detail: what is.",
    61 StockNegative false "The bucket would hold less than nothing (available: less than is promised and not there); detail: what it holds, signed for available.",
    62 AsOfAhead false "The level is set as of a sequence that has not happened yet; detail: the sequence now.",
    63 AsOfTooOld false "The core no longer knows what happened at the level since then; ask again as of a newer sequence; detail: the oldest that would do.",
    64 AsOfStale false "The level was set as of a newer sequence already; detail: that sequence.",
    70 StorageFull true "The disk is full; nothing was changed, reads go on.",
    71 Busy true "The server has no room for this command now.",
    73 AnswerTooLarge false "The answer does not fit a frame; ask for less; detail: its bytes.",
    80 UnknownReservation false "No reservation has this id.",
    81 UnknownGroup false "No group has this id.",
    82 UnknownWork false "The location has no work for this order; subject: the location's handle.",
    83 UnknownShipment false "The order has no such shipment; subject: its number.",
    84 UnknownReturn false "The order has no such return; subject: its number.",
    85 UnknownRefund false "The order has no such refund; subject: its number.",
    86 UnknownHold false "The order has no such hold; subject: its number.",
    87 ReservationIdReused false "The reservation id was used for another cart; sequence: where that was reserved.",
    88 GroupIdReused false "The group id was used for another cart; sequence: where that was placed.",
    89 OtherBuyer false "The reservation belongs to another buyer; detail: who.",
    90 SellerRepeated false "A group has one order for each seller; subject: the order's index.",
    91 OrderIdTooOld false "The id is not in memory and not newer than the newest that left it: it may have been used, and is never run a second time; detail: that time in milliseconds since 1970.",
    92 OrderRetired false "The id is not in memory and not newer than the newest that left it; if it was ever used, the journal has it: orderline inspect --data DIR --order ID; detail: that time in milliseconds since 1970.",
    93 IdAhead false "The time in the id lies more than a day ahead of the recorded time; detail: the recorded time in milliseconds since 1970.",
    94 TooManyOrders false "A group has at most 500 orders; detail: how many came.",
    95 GroupNotWhole false "The orders' line counts do not add up to the lines that came; detail: what they add up to.",
    100 InvalidAmount false "An amount is zero or negative.",
    101 AmountTooLarge false "The amount is over what is left; detail: what is left, in minor units.",
    102 CurrencyMismatch false "The group is in another currency; detail: its numeric code.",
    103 NotInGroup false "The order is not of this group.",
    104 CapacityExhausted true "Locations that have the stock take no more orders today; subject: the line's index.",
    105 SameLocation false "From and to are the same.",
    106 NotHeldLongEnough false "The reservation would be held longer than the policy allows; detail: the seconds that are left.",
    107 TooManyParts false "The order has as many of these as it may have; detail: how many.",
    110 Forbidden false "The token's role may not use commands of this kind; subject: the Role's number.",
    111 OutOfScope false "What this is about is not the token's seller's, or not at one of the token's locations; subject: the handle of that seller, or of the lowest of those locations.",
    112 QuotaExceeded true "The token has brought as many commands as it may for now; detail: microseconds after which it may bring another one.",
    113 UnknownToken false "No token has this number; subject: the number.",
    114 TokenHashReused false "The hash is another token's, or that of a revoked one: make a new secret; subject: that token's number.",
}

#[cfg(test)]
mod tests {
    use super::RejectCode;

    #[test]
    fn numbers_rise_and_come_back() {
        assert!(RejectCode::ALL.windows(2).all(|pair| (pair[0] as u16) < (pair[1] as u16)));
        for &code in RejectCode::ALL {
            assert_eq!(RejectCode::from_number(code as u16), Some(code));
        }
        assert_eq!(RejectCode::from_number(0), None);
    }
}
