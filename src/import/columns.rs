//! Where the columns of a map stand in one file.

use std::path::Path;

use csv::ByteRecord;

use super::error::ImportError;
use super::map::{Encoding, Map, Names};
use super::rule::{ReadyRule, Rule};

/// Where the columns of a map stand in one file, and the map's rules made ready for it.
#[derive(Debug)]
pub(crate) struct Columns {
    /// Fields of a row.
    pub(crate) count: usize,
    pub(crate) order: usize,
    pub(crate) sku: usize,
    pub(crate) price: usize,
    pub(crate) date: usize,
    pub(crate) quantity: Option<usize>,
    pub(crate) currency: Option<usize>,
    pub(crate) seller: Option<usize>,
    pub(crate) buyer: Option<usize>,
    pub(crate) skip: Vec<ReadyRule>,
    pub(crate) reject: Vec<ReadyRule>,
}

impl Columns {
    /// Finds the map's columns by the names in the file's first line.
    pub(crate) fn find(map: &Map, file: &Path, header: &ByteRecord) -> Result<Self, ImportError> {
        let found: Vec<String> = header.iter().map(|name| heading(name, map.csv.encoding)).collect();
        let index = |key: &str, names: &Names| {
            let names = names.as_slice();
            let at = names.iter().find_map(|name| found.iter().position(|other| other == name.trim()));
            at.ok_or_else(|| ImportError::Column {
                file: file.to_owned(),
                key: key.to_owned(),
                wanted: quoted(names),
                found: quoted(&found),
            })
        };
        let optional = |key: &str, names: Option<&Names>| names.map(|names| index(key, names)).transpose();
        let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let ready = |table: &str, rules: &[Rule]| {
            let one = |(number, rule): (usize, &Rule)| {
                let column = optional(&format!("{table}[{number}].column"), rule.column.as_ref())?;
                Ok(ReadyRule::new(rule, &file_name, column))
            };
            rules.iter().enumerate().map(one).collect::<Result<_, ImportError>>()
        };
        Ok(Self {
            count: header.len(),
            order: index("order.column", &map.order.column)?,
            sku: index("sku.column", &map.sku.column)?,
            price: index("price.column", &map.price.column)?,
            date: index("date.column", &map.date.column)?,
            quantity: optional("quantity.column", map.quantity.column.as_ref())?,
            currency: optional("currency.column", map.currency.column.as_ref())?,
            seller: optional("seller.column", map.seller.column.as_ref())?,
            buyer: optional("buyer.column", map.buyer.as_ref().map(|buyer| &buyer.column))?,
            skip: ready("skip", &map.skip)?,
            reject: ready("reject", &map.reject)?,
        })
    }
}

/// A name of the first line as text, without the mark that some programs put before UTF-8.
fn heading(name: &[u8], encoding: Encoding) -> String {
    let text = match encoding {
        Encoding::Utf8 => String::from_utf8_lossy(name).into_owned(),
        Encoding::Latin1 => latin1(name),
    };
    text.trim_start_matches('\u{feff}').trim().to_owned()
}

/// Latin-1 is the first 256 characters of Unicode.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::map::tests::{SMALL, parse};
    use super::*;

    #[test]
    fn columns_are_found_by_any_of_their_names() {
        let text = SMALL.replace("order.column = \"order\"", "order.column = [\"Invoice\", \"InvoiceNo\"]");
        let map = parse(&text).unwrap();
        let header = ByteRecord::from(vec!["\u{feff}date", "price", " InvoiceNo ", "sku", "units"]);
        let columns = Columns::find(&map, Path::new("a.csv"), &header).unwrap();
        assert_eq!((columns.order, columns.date, columns.sku, columns.quantity), (2, 0, 3, Some(4)));
        assert_eq!((columns.seller, columns.count), (None, 5));
    }

    #[test]
    fn a_missing_column_is_named_with_those_there_are() {
        let map = parse(SMALL).unwrap();
        let header = ByteRecord::from(vec!["order", "sku", "units", "Price", "date"]);
        let error = Columns::find(&map, Path::new("a.csv"), &header).unwrap_err().to_string();
        for part in ["a.csv", "\"price\"", "price.column", "\"Price\""] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
}
