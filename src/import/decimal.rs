//! Exact decimals: what a price is before it is known to be a whole number of minor units.

/// Decimals kept behind the point. Texts with more digits there (zeros aside) are no prices and no quantities.
const SCALE: u32 = 9;
const ONE: i128 = 10_i128.pow(SCALE);

/// Digits before the point that are taken: far beyond any limit of the core, far below what 128 bits hold.
const WHOLE_DIGITS_MAX: usize = 20;

/// A decimal number, exact to nine decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Decimal {
    billionths: i128,
}

impl Decimal {
    pub(crate) const ZERO: Self = Self { billionths: 0 };

    /// Reads a decimal: a sign or none, digits with or without a separator of thousands between them, and a point
    /// with digits or none. `None` for anything else.
    pub(crate) fn parse(text: &str, point: u8, thousands: Option<u8>) -> Option<Self> {
        let (is_negative, digits) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            all => (false, all),
        };
        let split = digits.iter().position(|&byte| byte == point);
        let (whole, fraction) = match split {
            Some(at) => (&digits[..at], &digits[at + 1..]),
            None => (digits, &[][..]),
        };
        let zeros = fraction.iter().rev().take_while(|&&byte| byte == b'0').count();
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let significant = &fraction[..fraction.len() - zeros];
        if whole.is_empty() && fraction.is_empty()
            || whole.len() > WHOLE_DIGITS_MAX
            || significant.len() > SCALE as usize
        {
            return None;
        }
        let mut number = 0_i128;
        let mut is_after_digit = false;
        for &byte in whole {
            if is_after_digit && Some(byte) == thousands {
                is_after_digit = false;
                continue;
            }
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + i128::from(byte - b'0');
            is_after_digit = true;
        }
        if !is_after_digit && !whole.is_empty() {
            return None;
        }
        for &byte in significant {
            number = number * 10 + i128::from(byte - b'0');
        }
        let billionths = number * 10_i128.pow(SCALE - significant.len() as u32);
        Some(Self { billionths: if is_negative { -billionths } else { billionths } })
    }

    /// A whole number.
    pub(crate) fn whole(number: i64) -> Self {
        Self { billionths: i128::from(number) * ONE }
    }

    /// It as a whole number, if it is one that fits.
    pub(crate) fn to_whole(self) -> Option<i64> {
        (self.billionths % ONE == 0).then(|| i64::try_from(self.billionths / ONE).ok())?
    }

    pub(crate) fn is_whole(self) -> bool {
        self.billionths % ONE == 0
    }

    pub(crate) fn is_negative(self) -> bool {
        self.billionths < 0
    }

    pub(crate) fn is_zero(self) -> bool {
        self.billionths == 0
    }

    /// Its decimal point moved to the right: major units in minor units of a currency with this exponent. `None`
    /// beyond 128 bits.
    pub(crate) fn shifted(self, exponent: u32) -> Option<Self> {
        let billionths = self.billionths.checked_mul(10_i128.checked_pow(exponent)?)?;
        Some(Self { billionths })
    }

    pub(crate) fn times(self, count: u32) -> Option<Self> {
        Some(Self { billionths: self.billionths.checked_mul(count.into())? })
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        Some(Self { billionths: self.billionths.checked_add(other.billionths)? })
    }

    /// Divided, if the result is a whole number that fits.
    pub(crate) fn divided_whole(self, by: u32) -> Option<i64> {
        let by = i128::from(by) * ONE;
        (by != 0 && self.billionths % by == 0).then(|| i64::try_from(self.billionths / by).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Decimal> {
        Decimal::parse(text, b'.', Some(b','))
    }

    fn minor(text: &str) -> Option<i64> {
        parse(text)?.shifted(2)?.to_whole()
    }

    #[test]
    fn prices_are_exact_or_not_whole() {
        for (text, pence) in [
            ("2.55", Some(255)),
            ("0.1", Some(10)),
            ("38970", Some(3_897_000)),
            ("38970.0", Some(3_897_000)),
            ("1,234.50", Some(123_450)),
            (".5", Some(50)),
            ("5.", Some(500)),
            ("-53594.36", Some(-5_359_436)),
            ("+1.00000000000", Some(100)),
            ("0.001", None),
            ("8.295", None),
        ] {
            assert_eq!(minor(text), pence, "{text}");
        }
        assert_eq!(parse("8.295").unwrap().times(200).unwrap().shifted(2).unwrap().to_whole(), Some(165_900));
    }

    #[test]
    fn other_texts_are_no_decimals() {
        for text in [
            "",
            "-",
            ".",
            "1.2.3",
            "1e3",
            "£1",
            "1 000",
            ",1",
            "1,",
            "1,,0",
            "0x1",
            "١",
            "1.0000000001",
            "123456789012345678901",
            "1.5-",
            "--1",
            "NaN",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(Decimal::parse("1.234,5", b',', Some(b'.')), parse("1234.5"));
        assert_eq!(Decimal::parse("1,5", b'.', None), None);
    }

    #[test]
    fn a_line_total_divides_exactly_or_not_at_all() {
        let total = parse("10.00").unwrap().shifted(2).unwrap();
        assert_eq!(
            (total.divided_whole(4), total.divided_whole(3), total.divided_whole(0)),
            (Some(250), None, None)
        );
    }

    #[test]
    fn nothing_wraps() {
        let large = parse("99999999999999999999").unwrap();
        assert!(large.shifted(9).and_then(|large| large.shifted(9)).is_none());
        assert!(large.times(u32::MAX).is_none());
        assert!(large.times(1_000).unwrap().to_whole().is_none());
    }
}
