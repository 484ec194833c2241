//! The column map: how a shop's files say what an order is. `docs/import.md` explains every key.

use std::path::Path;

use orderline_core::state::is_code;
use orderline_protocol::CurrencyCode;
use orderline_protocol::limits::CODE_BYTES_MAX;
use serde::Deserialize;

use super::date::{self, Dates};
use super::error::ImportError;
use super::reason::Fault;
use super::rule::Rule;

/// A column map, as written in TOML.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Map {
    /// Part of every order's id: another name makes other orders of the same file.
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) csv: Csv,
    pub(crate) order: OrderKey,
    pub(crate) sku: Sku,
    pub(crate) quantity: ColumnOr<u32>,
    pub(crate) price: Price,
    pub(crate) currency: ColumnOr<String>,
    pub(crate) date: Date,
    pub(crate) seller: ColumnOr<String>,
    pub(crate) buyer: Option<Buyer>,
    pub(crate) location: Location,
    #[serde(default)]
    pub(crate) stock: Stock,
    #[serde(default)]
    pub(crate) skip: Vec<Rule>,
    #[serde(default)]
    pub(crate) reject: Vec<Rule>,
}

/// `[csv]`: how the file is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Csv {
    pub(crate) delimiter: char,
    pub(crate) quote: char,
    pub(crate) encoding: Encoding,
}

impl Default for Csv {
    fn default() -> Self {
        Self { delimiter: ',', quote: '"', encoding: Encoding::Utf8 }
    }
}

/// How the file writes characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "latin-1")]
    Latin1,
}

/// One column, by the first of its names that a file has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// `[order]`: what makes rows one order.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderKey {
    pub(crate) column: Names,
    #[serde(default)]
    pub(crate) grouping: Grouping,
}

/// Where the rows of one order stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Grouping {
    /// Anywhere in all files: everything is read before the first order is placed.
    #[default]
    WholeInput,
    /// Together: orders are placed while the files are read.
    Adjacent,
}

/// `[sku]`: what is sold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sku {
    pub(crate) column: Names,
    #[serde(default)]
    pub(crate) case: Case,
    #[serde(default)]
    pub(crate) scope: Scope,
}

/// What is done to a code's letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Case {
    #[default]
    AsWritten,
    Upper,
    Lower,
}

/// Whose a SKU's code is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scope {
    /// One code is one SKU, whoever sells it.
    #[default]
    Shop,
    /// Each seller has codes of its own: the SKU's code becomes `SELLER/CODE`.
    Seller,
}

/// A column, or one value for every row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnOr<T> {
    pub(crate) column: Option<Names>,
    pub(crate) constant: Option<T>,
}

/// `[price]`: what a line costs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    pub(crate) column: Names,
    #[serde(default)]
    pub(crate) unit: PriceUnit,
    #[serde(default)]
    pub(crate) of: PriceOf,
    #[serde(default = "point")]
    pub(crate) decimal_separator: char,
    pub(crate) thousands_separator: Option<char>,
}

fn point() -> char {
    '.'
}

/// What a price counts in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PriceUnit {
    /// Pounds, euros, yen, with decimals.
    #[default]
    Major,
    /// Pence, cents, yen: whole.
    Minor,
}

/// What a price is the price of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PriceOf {
    /// One unit.
    #[default]
    Unit,
    /// The whole line.
    Line,
}

/// `[date]`: when it was ordered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Date {
    pub(crate) column: Names,
    pub(crate) formats: Vec<String>,
    #[serde(default = "utc")]
    pub(crate) utc_offset: String,
}

fn utc() -> String {
    "Z".to_owned()
}

/// `[buyer]`: who bought.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Buyer {
    pub(crate) column: Names,
    #[serde(default)]
    pub(crate) missing: MissingBuyer,
}

/// What becomes of rows without a buyer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MissingBuyer {
    /// The buyer is 0: nobody in particular.
    #[default]
    Anonymous,
    /// The order is rejected.
    Reject,
}

/// `[location]`: where stock is and ships from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Location {
    pub(crate) code: String,
}

/// `[stock]`: where stock comes from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Stock {
    pub(crate) assume: Assume,
}

/// What is assumed about stock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Assume {
    /// Files that do not say what was in stock had enough: what the orders take is received first.
    #[default]
    Enough,
    /// Stock is somebody else's business: an order without it is rejected.
    None,
}

impl Map {
    /// Reads and checks a map.
    pub(crate) fn read(file: &Path) -> Result<Self, ImportError> {
        let text =
            std::fs::read_to_string(file).map_err(|why| ImportError::File { file: file.to_owned(), why })?;
        Self::parse(&text, file)
    }

    /// Checks a map's text; `file` is what errors call it.
    pub(crate) fn parse(text: &str, file: &Path) -> Result<Self, ImportError> {
        let map: Self = toml::from_str(text).map_err(|error| ImportError::MapSyntax {
            file: file.to_owned(),
            why: error.to_string().trim_end().to_owned(),
        })?;
        map.check().map_err(|(key, why)| ImportError::MapKey { file: file.to_owned(), key, why })?;
        Ok(map)
    }

    /// The reader of its dates.
    pub(crate) fn dates(&self) -> Result<Dates, String> {
        let offset = date::offset(&self.date.utc_offset)
            .ok_or_else(|| format!("{:?} is no offset; write Z, +01:00 or -05:00", self.date.utc_offset))?;
        Dates::new(&self.date.formats, offset)
    }

    /// The currency of every row, if it is one.
    pub(crate) fn currency_constant(&self) -> Option<CurrencyCode> {
        self.currency.constant.as_deref().and_then(CurrencyCode::from_letters)
    }

    /// Says the key and what is wrong with it.
    fn check(&self) -> Result<(), (String, String)> {
        let wrong = |key: &str, why: String| Err((key.to_owned(), why));
        if self.name.trim().is_empty() {
            return wrong(
                "name",
                "it is empty; give the shop a name, for order ids are made of it".to_owned(),
            );
        }
        for (key, character) in [
            ("csv.delimiter", Some(self.csv.delimiter)),
            ("csv.quote", Some(self.csv.quote)),
            ("price.decimal_separator", Some(self.price.decimal_separator)),
            ("price.thousands_separator", self.price.thousands_separator),
        ] {
            if let Some(character) = character
                && (!character.is_ascii() || character.is_ascii_alphanumeric())
            {
                return wrong(
                    key,
                    format!("{character:?} cannot separate; use a single ASCII sign such as ; or ,"),
                );
            }
        }
        if Some(self.price.decimal_separator) == self.price.thousands_separator {
            return wrong(
                "price.thousands_separator",
                "it is the decimal separator too; change one".to_owned(),
            );
        }
        for (key, names) in self.columns() {
            if names.as_slice().is_empty() || names.as_slice().iter().any(|name| name.trim().is_empty()) {
                return wrong(&key, "a column needs a name, as the file's first line has it".to_owned());
            }
        }
        either("quantity", &self.quantity)?;
        either("currency", &self.currency)?;
        either("seller", &self.seller)?;
        if self.quantity.constant == Some(0) {
            return wrong("quantity.constant", "nobody orders 0 units; write at least 1".to_owned());
        }
        if let Some(letters) = &self.currency.constant {
            let Some(currency) = CurrencyCode::from_letters(letters) else {
                return wrong(
                    "currency.constant",
                    format!("ISO 4217 has no {letters:?}; write GBP, EUR, JPY"),
                );
            };
            if !currency.is_in_circulation() {
                return wrong(
                    "currency.constant",
                    format!("{letters} is not in circulation by ISO 4217; write GBP, EUR, JPY"),
                );
            }
        }
        for (key, code) in
            [("seller.constant", self.seller.constant.as_ref()), ("location.code", Some(&self.location.code))]
        {
            if let Some(code) = code
                && !is_code(code)
            {
                return wrong(
                    key,
                    format!(
                        "{code:?} is no code: 1 to {CODE_BYTES_MAX} bytes without control characters or blanks at the ends"
                    ),
                );
            }
        }
        if self.date.formats.is_empty() {
            return wrong("date.formats", "at least one format is needed, such as %Y-%m-%d".to_owned());
        }
        if let Err(why) = self.dates() {
            return wrong("date", why);
        }
        for (index, rule) in self.skip.iter().enumerate() {
            rule.check().map_err(|why| (format!("skip[{index}] ({})", rule.reason), why))?;
        }
        for (index, rule) in self.reject.iter().enumerate() {
            let key = || format!("reject[{index}] ({})", rule.reason);
            rule.check().map_err(|why| (key(), why))?;
            if Fault::is_name(&rule.reason) {
                return Err((
                    key(),
                    "this reason is counted already for what no map allows; choose another name".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Every column that the map names, with its key.
    pub(crate) fn columns(&self) -> Vec<(String, &Names)> {
        let mut columns = vec![
            ("order.column".to_owned(), &self.order.column),
            ("sku.column".to_owned(), &self.sku.column),
            ("price.column".to_owned(), &self.price.column),
            ("date.column".to_owned(), &self.date.column),
        ];
        let optional = [
            ("quantity.column", self.quantity.column.as_ref()),
            ("currency.column", self.currency.column.as_ref()),
            ("seller.column", self.seller.column.as_ref()),
            ("buyer.column", self.buyer.as_ref().map(|buyer| &buyer.column)),
        ];
        columns.extend(optional.into_iter().filter_map(|(key, names)| Some((key.to_owned(), names?))));
        let skips = self.skip.iter().map(|rule| rule.column.as_ref()).enumerate();
        columns.extend(skips.filter_map(|(index, names)| Some((format!("skip[{index}].column"), names?))));
        let rejects = self.reject.iter().map(|rule| rule.column.as_ref()).enumerate();
        columns
            .extend(rejects.filter_map(|(index, names)| Some((format!("reject[{index}].column"), names?))));
        columns
    }
}

fn either<T>(key: &str, value: &ColumnOr<T>) -> Result<(), (String, String)> {
    match (&value.column, &value.constant) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        (None, None) => Err((key.to_owned(), "write column = \"…\" or constant = …".to_owned())),
        (Some(_), Some(_)) => {
            Err((key.to_owned(), "column and constant exclude each other; remove one".to_owned()))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const SMALL: &str = r#"
name = "small"
order.column = "order"
sku.column = "sku"
quantity.column = "units"
price.column = "price"
currency.constant = "EUR"
date = { column = "date", formats = ["%Y-%m-%d"] }
seller.constant = "me"
location.code = "here"
"#;

    pub(crate) fn parse(text: &str) -> Result<Map, ImportError> {
        Map::parse(text, Path::new("small.toml"))
    }

    #[test]
    fn a_small_map_has_the_defaults() {
        let map = parse(SMALL).unwrap();
        assert_eq!((map.csv.delimiter, map.csv.encoding), (',', Encoding::Utf8));
        assert_eq!((map.order.grouping, map.stock.assume), (Grouping::WholeInput, Assume::Enough));
        assert_eq!(map.currency_constant(), CurrencyCode::from_letters("EUR"));
    }

    /// Changes a line of the small map and expects the refusal to name file, key and remedy.
    fn refused(from: &str, to: &str, parts: &[&str]) {
        assert!(SMALL.contains(from), "{from}");
        let error = parse(&SMALL.replacen(from, to, 1)).unwrap_err().to_string();
        for part in ["small.toml"].iter().chain(parts) {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }

    #[test]
    fn every_mistake_in_a_map_is_named_by_file_and_key() {
        refused("name = \"small\"", "name = \" \"", &["name", "give the shop a name"]);
        refused("currency.constant = \"EUR\"", "currency.constant = \"EURO\"", &["currency.constant", "GBP"]);
        refused("currency.constant = \"EUR\"", "currency = {}", &["currency", "column = "]);
        refused(
            "quantity.column = \"units\"",
            "quantity = { column = \"u\", constant = 1 }",
            &["quantity", "exclude"],
        );
        refused("quantity.column = \"units\"", "quantity.constant = 0", &["quantity.constant", "at least 1"]);
        refused("\"%Y-%m-%d\"", "", &["date.formats", "at least one"]);
        refused("\"%Y-%m-%d\"", "\"%H\"", &["date", "%H"]);
        refused("formats", "utc_offset = \"CET\", formats", &["date", "CET", "+01:00"]);
        refused("seller.constant = \"me\"", "seller.constant = \" me\"", &["seller.constant", "no code"]);
        refused("location.code = \"here\"", "location.code = \"\"", &["location.code"]);
        refused("order.column = \"order\"", "order.column = []", &["order.column", "needs a name"]);
        refused(
            "price.column = \"price\"",
            "price = { column = \"p\", decimal_separator = \"x\" }",
            &["price.decimal_separator"],
        );
        refused(
            "price.column = \"price\"",
            "price = { column = \"p\", thousands_separator = \".\" }",
            &["price.thousands_separator"],
        );
        // What the parser itself refuses comes with line and column.
        refused("sku.column = \"sku\"", "sku.colum = \"sku\"", &["line 4", "colum"]);
        refused("sku.column = \"sku\"\n", "", &["sku"]);
    }

    #[test]
    fn every_mistake_in_a_rule_is_named_too() {
        for (rule, part) in [
            ("[[reject]]\nreason = \"x\"\ncolumn = \"order\"", "starts_with"),
            ("[[reject]]\nreason = \"x\"\nstarts_with = \"C\"", "column"),
            ("[[reject]]\nreason = \"bad_price\"\ncolumn = \"a\"\nequals = \"C\"", "another name"),
            ("[[reject]]\nreason = \"two words\"\ncolumn = \"a\"\nequals = \"C\"", "two words"),
            ("[[skip]]\nreason = \"x\"", "date_from"),
            ("[[skip]]\nreason = \"x\"\ndate_from = \"soon\"", "soon"),
            ("[[skip]]\nreason = \"x\"\ncolumn = \"a\"\none_of = []", "one_of"),
        ] {
            let error = parse(&format!("{SMALL}\n{rule}")).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("small.toml"), "{part:?} is not in: {error}");
        }
    }
}
