//! A map's rules about rows: which to skip, and which make their order be rejected.

use chrono::{NaiveDate, NaiveDateTime};
use serde::Deserialize;

use super::map::Names;

/// A rule about rows. `[[skip]]`: such rows are not there as far as the import is concerned. `[[reject]]`: such a row
/// makes its whole order be rejected. Everything that is written down must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// What the rows or orders are counted under.
    pub(crate) reason: String,
    /// Only in files whose name contains this.
    pub(crate) file_contains: Option<String>,
    /// Rows dated then or later, as the file writes its local time.
    pub(crate) date_from: Option<String>,
    /// Rows dated earlier.
    pub(crate) date_before: Option<String>,
    /// The column that the tests below look at.
    pub(crate) column: Option<Names>,
    pub(crate) starts_with: Option<String>,
    pub(crate) ends_with: Option<String>,
    pub(crate) equals: Option<String>,
    pub(crate) one_of: Option<Vec<String>>,
    /// True: nothing but the digits 0 to 9, at least one; false: anything else.
    pub(crate) digits: Option<bool>,
    /// True: nothing but blanks; false: anything else.
    pub(crate) blank: Option<bool>,
    /// Letters match in either case (ASCII).
    #[serde(default)]
    pub(crate) ignore_case: bool,
}

impl Rule {
    /// Says what is wrong with the rule.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_name = |text: &str| {
            let is_of_names = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            !text.is_empty() && text.bytes().all(is_of_names)
        };
        if !is_name(&self.reason) {
            return Err(format!("reason {:?} is no name; use lower-case letters, digits and _", self.reason));
        }
        let is_about_text = self.starts_with.is_some()
            || self.ends_with.is_some()
            || self.equals.is_some()
            || self.one_of.is_some()
            || self.digits.is_some()
            || self.blank.is_some();
        let wrong = match (&self.column, is_about_text) {
            (None, true) => "it tests a text and does not say which column's; add column = \"…\"",
            (Some(_), false) => {
                "it names a column and no test; add starts_with, ends_with, equals, one_of, digits or blank"
            }
            (None, false) if self.date_from.is_none() && self.date_before.is_none() => {
                "it tests nothing; add column with a test, date_from or date_before"
            }
            _ if self.one_of.as_ref().is_some_and(Vec::is_empty) => {
                "one_of is empty and would never hold; list what it is to match"
            }
            _ => "",
        };
        if !wrong.is_empty() {
            return Err(wrong.to_owned());
        }
        for text in [&self.date_from, &self.date_before].into_iter().flatten() {
            local_ms(text)
                .ok_or_else(|| format!("{text:?} is no date; write 2010-12-01 or 2010-12-01T08:30:00"))?;
        }
        Ok(())
    }
}

/// A rule's date, in milliseconds since 1970 as if its local time were UTC.
fn local_ms(text: &str) -> Option<i64> {
    let date = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0);
    let time = text.parse::<NaiveDateTime>().ok().or_else(date)?;
    Some(time.and_utc().timestamp_millis())
}

/// A rule made ready for one file.
#[derive(Debug, Clone)]
pub(crate) struct ReadyRule {
    rule: Rule,
    /// The index of the column it looks at.
    column: Option<usize>,
    from_local_ms: Option<i64>,
    before_local_ms: Option<i64>,
    /// It concerns another file.
    is_off: bool,
}

impl ReadyRule {
    /// Makes the rule ready for the file of this name, the column it names (if any) being found at `column`.
    pub(crate) fn new(rule: &Rule, file_name: &str, column: Option<usize>) -> Self {
        Self {
            column,
            from_local_ms: rule.date_from.as_deref().and_then(local_ms),
            before_local_ms: rule.date_before.as_deref().and_then(local_ms),
            is_off: rule.file_contains.as_ref().is_some_and(|part| !file_name.contains(part)),
            rule: rule.clone(),
        }
    }

    /// Whether it holds for a row. `field` gives a column's text without the blanks around it, `local_ms` the
    /// row's date as if its local time were UTC. A test about the date does not hold where there is none.
    pub(crate) fn holds<'r>(
        &self,
        field: impl Fn(usize) -> &'r str,
        local_ms: impl FnOnce() -> Option<i64>,
    ) -> bool {
        if self.is_off || !self.column.is_none_or(|column| self.text_holds(field(column))) {
            return false;
        }
        if self.from_local_ms.is_none() && self.before_local_ms.is_none() {
            return true;
        }
        local_ms().is_some_and(|local_ms| {
            self.from_local_ms.is_none_or(|from| local_ms >= from)
                && self.before_local_ms.is_none_or(|before| local_ms < before)
        })
    }

    fn text_holds(&self, text: &str) -> bool {
        let rule = &self.rule;
        let same = |a: &[u8], b: &str| {
            if rule.ignore_case { a.eq_ignore_ascii_case(b.as_bytes()) } else { a == b.as_bytes() }
        };
        let bytes = text.as_bytes();
        let starts = |part: &String| bytes.get(..part.len()).is_some_and(|start| same(start, part));
        let ends =
            |part: &String| bytes.len().checked_sub(part.len()).is_some_and(|at| same(&bytes[at..], part));
        let is_digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
        rule.starts_with.as_ref().is_none_or(starts)
            && rule.ends_with.as_ref().is_none_or(ends)
            && rule.equals.as_ref().is_none_or(|other| same(bytes, other))
            && rule.one_of.as_ref().is_none_or(|others| others.iter().any(|other| same(bytes, other)))
            && rule.digits.is_none_or(|wanted| wanted == is_digits)
            && rule.blank.is_none_or(|wanted| wanted == bytes.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(test: &str, text: &'static str) -> bool {
        let rule: Rule = toml::from_str(&format!("reason = \"r\"\ncolumn = \"c\"\n{test}")).unwrap();
        ReadyRule::new(&rule, "shop.csv", Some(0)).holds(|_| text, || None)
    }

    #[test]
    fn texts_are_tested_as_the_rule_says() {
        let check = |test: &str, yes: &[&'static str], no: &[&'static str]| {
            yes.iter().for_each(|text| assert!(holds(test, text), "{test}: {text:?}"));
            no.iter().for_each(|text| assert!(!holds(test, text), "{test}: {text:?}"));
        };
        check("starts_with = \"C\"", &["C1", "C"], &["c1", "1C", ""]);
        check("starts_with = \"C\"\nignore_case = true", &["C1", "c1"], &["", "é"]);
        check("ends_with = \"-X\"", &["1-X"], &["X", "-x", ""]);
        check("equals = \"POST\"", &["POST"], &["POSTS", "post", ""]);
        check("one_of = [\"M\", \"D\"]\nignore_case = true", &["m", "D"], &["MD", ""]);
        check("digits = true", &["0123"], &["", "1a", "-1", "٣"]);
        check("digits = false", &["", "1a"], &["123"]);
        check("blank = true", &[""], &["x"]);
        check("starts_with = \"A\"\ndigits = false\nends_with = \"Z\"", &["AZ"], &["A", "Z"]);
    }

    #[test]
    fn dates_and_files_narrow_a_rule() {
        let rule: Rule =
            toml::from_str("reason = \"r\"\nfile_contains = \"first\"\ndate_from = \"2010-12-01\"\ndate_before = \"2010-12-02T12:00:00\"").unwrap();
        let at = |file, text: &str| {
            let date = local_ms(text);
            ReadyRule::new(&rule, file, None).holds(|_| "", || date)
        };
        assert!(at("first.csv", "2010-12-01") && at("first.csv", "2010-12-02T11:59:59"));
        assert!(!at("first.csv", "2010-11-30T23:59:59") && !at("first.csv", "2010-12-02T12:00:00"));
        assert!(!at("second.csv", "2010-12-01") && !at("first.csv", "no date"));
    }
}
