//! Why an order is rejected.

use orderline_protocol::RejectCode;

/// Why an order is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// By the map's reject rule with this index.
    Rule(u16),
    /// Something about one of its rows.
    Fault(Fault),
    /// By the core.
    Core(RejectCode),
    /// By the core, with a code that this program does not know.
    CoreUnknown(u16),
}

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $fault:ident $name:literal,)*) => {
        /// What can be wrong with a row, whatever the map says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Fault {
            $($(#[doc = $doc])+ $fault,)*
        }

        impl Fault {
            /// Its name in reports.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)*
                }
            }

            /// Whether a map's rule may not be called this.
            pub(crate) fn is_name(text: &str) -> bool {
                [$($name),*].contains(&text)
            }
        }
    };
}

faults! {
    /// The row has fewer or more fields than the file's first line.
    FieldCount "wrong_field_count",
    /// A field is not in the encoding that the map says.
    Encoding "bad_encoding",
    /// No order id. Each such row is an order of its own.
    NoOrder "missing_order_id",
    /// No SKU.
    NoSku "missing_sku",
    /// Not a code: too long, or with control characters.
    BadSku "bad_sku",
    /// No seller.
    NoSeller "missing_seller",
    /// Not a code: too long, or with control characters.
    BadSeller "bad_seller",
    /// No buyer, and the map asks for one.
    NoBuyer "missing_buyer",
    /// Not a whole number.
    BadQuantity "bad_quantity",
    /// Zero units.
    ZeroQuantity "zero_quantity",
    /// Less than zero units.
    NegativeQuantity "negative_quantity",
    /// More units than a line may have.
    QuantityTooLarge "quantity_too_large",
    /// Not a decimal number.
    BadPrice "bad_price",
    /// A price of zero.
    ZeroPrice "zero_price",
    /// A price below zero.
    NegativePrice "negative_price",
    /// A price with a fraction of the currency's minor unit.
    SubMinorPrice "sub_minor_price",
    /// A line total that is no multiple of its quantity.
    IndivisibleTotal "indivisible_line_total",
    /// A price above what a line may have.
    PriceTooLarge "price_too_large",
    /// Not a currency of ISO 4217.
    BadCurrency "bad_currency",
    /// Rows of one order in several currencies.
    MixedCurrencies "mixed_currencies",
    /// No date by any of the map's formats.
    BadDate "bad_date",
    /// More rows than an order may have lines.
    TooManyLines "too_many_lines",
}
