//! Dates as files write them.

use chrono::format::{Item, StrftimeItems};
use chrono::{FixedOffset, NaiveDate, NaiveDateTime, TimeZone};

/// Reads dates by a map's formats, naive local time at a fixed offset from UTC.
#[derive(Debug, Clone)]
pub(crate) struct Dates {
    formats: Vec<Format>,
    offset: FixedOffset,
    /// The rows of an order share their date, so the last text is looked at once.
    last: (String, Option<i64>),
}

#[derive(Debug, Clone)]
struct Format {
    items: Vec<Item<'static>>,
    has_time: bool,
}

impl Dates {
    /// Takes the formats, or says which is none.
    pub(crate) fn new(formats: &[String], offset: FixedOffset) -> Result<Self, String> {
        let formats = formats.iter().map(|format| Format::new(format)).collect::<Result<_, _>>()?;
        Ok(Self { formats, offset, last: (String::new(), None) })
    }

    /// Milliseconds since 1970 in UTC, by the first format that reads the text to its end; `None` where none does,
    /// or it is before 1970.
    pub(crate) fn unix_ms(&mut self, text: &str) -> Option<i64> {
        if self.last.0 != text {
            self.last = (text.to_owned(), self.read(text));
        }
        self.last.1
    }

    /// The same moment as [`Dates::unix_ms`], as if the file's local time were UTC.
    pub(crate) fn local_ms(&mut self, text: &str) -> Option<i64> {
        let offset_ms = i64::from(self.offset.local_minus_utc()) * 1_000;
        self.unix_ms(text).map(|unix_ms| unix_ms + offset_ms)
    }

    fn read(&self, text: &str) -> Option<i64> {
        let naive = self.formats.iter().find_map(|format| format.read(text))?;
        let unix_ms = self.offset.from_local_datetime(&naive).single()?.timestamp_millis();
        (0..1 << 48).contains(&unix_ms).then_some(unix_ms)
    }
}

impl Format {
    fn new(format: &str) -> Result<Self, String> {
        let items: Vec<_> = StrftimeItems::new(format).map(Item::to_owned).collect();
        if format.is_empty() || items.contains(&Item::Error) {
            return Err(format!("{format:?} is no date format; %Y-%m-%d %H:%M:%S is one"));
        }
        // Whichever reads a text that it has itself written is the kind that the format is of.
        let sample = NaiveDate::from_ymd_opt(2001, 2, 3).and_then(|date| date.and_hms_opt(4, 5, 6));
        let mut written = String::new();
        if let Some(sample) = sample {
            use std::fmt::Write;
            // A format that needs an offset cannot write a naive date, and is refused with the rest.
            let _ = write!(written, "{}", sample.format_with_items(items.iter()));
        }
        for has_time in [true, false] {
            let format = Self { items: items.clone(), has_time };
            if format.read(&written).is_some() {
                return Ok(format);
            }
        }
        Err(format!(
            "{format:?} does not hold a whole date: year, month and day are needed, hour and minute or none"
        ))
    }

    fn read(&self, text: &str) -> Option<NaiveDateTime> {
        let mut parsed = chrono::format::Parsed::new();
        chrono::format::parse(&mut parsed, text, self.items.iter()).ok()?;
        if self.has_time {
            parsed.to_naive_datetime_with_offset(0).ok()
        } else {
            parsed.to_naive_date().ok()?.and_hms_opt(0, 0, 0)
        }
    }
}

/// Reads an offset as maps write it: `Z`, `+01:00`, `-05:30`.
pub(crate) fn offset(text: &str) -> Option<FixedOffset> {
    if text == "Z" {
        return FixedOffset::east_opt(0);
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok())?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60)
        .then(|| FixedOffset::east_opt(sign * (i32::from(hours) * 3_600 + i32::from(minutes) * 60)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix_ms(formats: &[&str], east: &str, text: &str) -> Option<i64> {
        let formats: Vec<_> = formats.iter().map(|&format| format.to_owned()).collect();
        Dates::new(&formats, offset(east).unwrap()).unwrap().unix_ms(text)
    }

    #[test]
    fn the_first_format_that_fits_reads_the_date() {
        let formats = ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y"];
        assert_eq!(unix_ms(&formats, "Z", "2010-12-01 08:26:00"), Some(1_291_191_960_000));
        assert_eq!(unix_ms(&formats, "+00:00", "01.12.2010"), Some(1_291_161_600_000));
        assert_eq!(unix_ms(&formats, "+01:30", "01.12.2010"), Some(1_291_161_600_000 - 5_400_000));
        assert_eq!(unix_ms(&["%d/%m/%y %H:%M"], "Z", "01/12/10 08:26"), Some(1_291_191_960_000));
        for text in ["", "2010-13-01 08:26:00", "2010-12-01", "2010-12-01 08:26:00x", "31.11.2010"] {
            assert_eq!(unix_ms(&formats, "Z", text), None, "{text:?}");
        }
        assert_eq!(unix_ms(&formats, "Z", "01.12.1969"), None, "before 1970");
    }

    #[test]
    fn the_last_text_is_remembered_with_its_failure() {
        let mut dates = Dates::new(&["%Y".to_owned() + "-%m-%d"], offset("Z").unwrap()).unwrap();
        for _ in 0..2 {
            assert_eq!(dates.unix_ms("nonsense"), None);
            assert_eq!(dates.unix_ms("1970-01-02"), Some(86_400_000));
        }
        assert_eq!(dates.unix_ms(""), None);
    }

    #[test]
    fn formats_and_offsets_that_are_none_are_refused() {
        for format in ["", "%Q", "%H:%M", "%Y-%m", "soon"] {
            assert!(Dates::new(&[format.to_owned()], offset("Z").unwrap()).is_err(), "{format:?}");
        }
        for text in ["", "1", "+1", "+25:00", "+01:60", "01:00", "UTC", "+1:00", "+é:00"] {
            assert!(offset(text).is_none(), "{text:?}");
        }
    }
}
