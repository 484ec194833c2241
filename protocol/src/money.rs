//! Money: integer minor units and an ISO 4217 currency. No floats, no silent overflow.

use std::fmt;
use std::sync::LazyLock;

use zerocopy::little_endian::{I64, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// An amount in the minor units of a currency that stands beside it (pence, cents; yen have none and count whole).
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub struct Amount(I64);

impl Amount {
    /// This many minor units.
    pub const fn new(minor: i64) -> Self {
        Self(I64::from_bytes(minor.to_le_bytes()))
    }

    /// The minor units.
    pub const fn minor(self) -> i64 {
        i64::from_le_bytes(self.0.to_bytes())
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.minor())
    }
}

/// A bit for each numeric code below 1,024, set for currencies in circulation: every placement asks.
static CIRCULATING: LazyLock<[u64; 16]> = LazyLock::new(|| {
    let mut bits = [0; 16];
    for numeric in 0..1_000_u16 {
        let Some(currency) = iso_currency::Currency::from_numeric(numeric) else { continue };
        // The table calls the Venezuelan VES superseded by VED; the standard has both.
        let is_flagged = !currency.flags().is_empty() && currency != iso_currency::Currency::VES;
        if currency.exponent().is_some() && !is_flagged {
            bits[usize::from(numeric / 64)] |= 1 << (numeric % 64);
        }
    }
    bits
});

/// A currency by its ISO 4217 numeric code (826 is GBP). 0 stands for "not said".
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub struct CurrencyCode(U16);

impl CurrencyCode {
    /// "Not said".
    pub const NONE: Self = Self::new(0);

    /// The currency with this numeric code, known or not.
    pub const fn new(numeric: u16) -> Self {
        Self(U16::from_bytes(numeric.to_le_bytes()))
    }

    /// Its numeric code.
    pub const fn get(self) -> u16 {
        u16::from_le_bytes(self.0.to_bytes())
    }

    /// The currency with this three-letter code, if ISO 4217 has it.
    pub fn from_letters(letters: &str) -> Option<Self> {
        iso_currency::Currency::from_code(letters).map(|currency| Self::new(currency.numeric()))
    }

    /// Its three letters, if ISO 4217 has it.
    pub fn letters(self) -> Option<&'static str> {
        iso_currency::Currency::from_numeric(self.get()).map(|currency| currency.code())
    }

    /// Whether ISO 4217 has it.
    pub fn is_known(self) -> bool {
        iso_currency::Currency::from_numeric(self.get()).is_some()
    }

    /// Whether goods can be priced in it: ISO 4217 has it with an exponent, and it is neither a fund, nor special (metals,
    /// units of account, tests), nor superseded.
    #[inline]
    pub fn is_in_circulation(self) -> bool {
        let numeric = usize::from(self.get());
        CIRCULATING.get(numeric / 64).is_some_and(|bits| bits >> (numeric % 64) & 1 == 1)
    }

    /// How many decimals its major unit has (2 for GBP, 0 for JPY), if ISO 4217 has it and says so.
    pub fn exponent(self) -> Option<u32> {
        iso_currency::Currency::from_numeric(self.get())?.exponent().map(u32::from)
    }
}

impl fmt::Debug for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.letters() {
            Some(letters) => f.write_str(letters),
            None => write!(f, "{}", self.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_come_from_the_standard() {
        let pounds = CurrencyCode::from_letters("GBP").unwrap();
        assert_eq!((pounds.get(), pounds.exponent(), pounds.letters()), (826, Some(2), Some("GBP")));
        assert_eq!(CurrencyCode::from_letters("JPY").unwrap().exponent(), Some(0));
        assert_eq!(CurrencyCode::from_letters("BHD").unwrap().exponent(), Some(3));
        assert!(!CurrencyCode::NONE.is_known());
        assert!(CurrencyCode::from_letters("ZZZ").is_none());
    }

    #[test]
    fn goods_are_priced_in_what_circulates() {
        let circulates = |letters| CurrencyCode::from_letters(letters).unwrap().is_in_circulation();
        for letters in ["GBP", "EUR", "JPY", "BHD", "XOF", "XAF", "XPF", "XCD", "XCG", "VES", "VED", "SVC"] {
            assert!(circulates(letters), "{letters}");
        }
        // No exponent, special, funds, superseded.
        for letters in ["XXX", "XTS", "XAU", "XDR", "XAD", "CHE", "CLF", "USN", "UYI", "HRK", "BGN", "SLL"] {
            assert!(!circulates(letters), "{letters}");
        }
        assert!(!CurrencyCode::NONE.is_in_circulation() && !CurrencyCode::new(3).is_in_circulation());
    }
}
