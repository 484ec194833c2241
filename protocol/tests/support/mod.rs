//! What the tests of bytes share: tables read out of a document, shapes measured by the compiler, golden files.
#![allow(dead_code, unused_macros, unused_imports)] // Each test file uses its own part of this.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// A structure's name, its size, and of each field the name, the offset and the size.
pub(crate) type Shape = (&'static str, usize, Vec<(&'static str, usize, usize)>);

/// The tables of a document by their headings; rows of cells without blanks and backticks, the header row left out.
pub(crate) type Tables = BTreeMap<&'static str, Vec<Vec<&'static str>>>;

pub(crate) fn tables(document: &'static str) -> Tables {
    let mut tables = Tables::new();
    let mut heading = "";
    for line in document.lines() {
        if let Some(text) = line.strip_prefix('#') {
            heading = text.trim_start_matches('#').trim().trim_matches('`');
        } else if line.starts_with('|') && !line.starts_with("|--") {
            let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`'));
            tables.entry(heading).or_default().push(cells.collect());
        }
    }
    for rows in tables.values_mut() {
        rows.remove(0);
    }
    tables
}

/// Measures structures: names, offsets and sizes as the compiler has them. A field may lie in a field.
macro_rules! shapes {
    ($($name:ident { $($($field:ident).+),* $(,)? })*) => {
        [$((stringify!($name), size_of::<$name>(), {
            let value = $name::new_zeroed();
            vec![$((
                stringify!($($field).+),
                std::mem::offset_of!($name, $($field).+),
                size_of_val(&value.$($field).+),
            ),)*]
        }),)*]
    };
}
pub(crate) use shapes;

/// Compares structures with the tables of the same names: offset, size and field in the first three columns, no gap,
/// and nothing left out.
pub(crate) fn compare(tables: &Tables, shapes: &[Shape]) {
    for (name, bytes, fields) in shapes {
        let rows = tables.get(name).unwrap_or_else(|| panic!("{name} has no table"));
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row[2], row[0].parse::<usize>().unwrap(), row[1].parse::<usize>().unwrap()))
            .collect();
        assert_eq!(&told, fields, "{name}");
        let end = fields.iter().fold(0, |end, &(_, offset, size)| {
            assert_eq!(end, offset, "{name} has a gap");
            offset + size
        });
        assert_eq!(end, *bytes, "a field of {name} is not told");
    }
}

/// Every number that `from_number` knows, with its name.
pub(crate) fn all<T: std::fmt::Debug>(from_number: impl Fn(u16) -> Option<T>) -> Vec<(u16, String)> {
    (0..=u16::MAX).filter_map(|number| Some((number, format!("{:?}", from_number(number)?)))).collect()
}

/// Widens what looks for a byte.
pub(crate) fn byte<T>(from_number: impl Fn(u8) -> Option<T>) -> impl Fn(u16) -> Option<T> {
    move |number| from_number(number.try_into().ok()?)
}

/// Numbers and names of the first two columns.
pub(crate) fn numbered(rows: &[Vec<&str>]) -> Vec<(u16, String)> {
    rows.iter().map(|row| (row[0].parse().unwrap(), row[1].to_owned())).collect()
}

/// Paragraphs of bytes as a golden file has them: a first line, then what each is and its bytes in hexadecimal.
pub(crate) fn hex_text(title: &str, paragraphs: &[(String, Vec<u8>)]) -> String {
    let mut text = format!("# {title}\n");
    for (what, bytes) in paragraphs {
        write!(text, "\n# {what}").unwrap();
        for (index, byte) in bytes.iter().enumerate() {
            let gap = if index % 16 == 0 { "\n" } else { " " };
            write!(text, "{gap}{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// Reads such a text back.
pub(crate) fn read_hex(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut paragraphs: Vec<(String, Vec<u8>)> = Vec::new();
    for line in text.lines().skip(1) {
        match line.strip_prefix("# ") {
            Some(what) => paragraphs.push((what.to_owned(), Vec::new())),
            None => {
                let bytes = line.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap());
                if let Some((_, paragraph)) = paragraphs.last_mut() {
                    paragraph.extend(bytes);
                }
            }
        }
    }
    paragraphs
}

/// Compares with a golden file. `UPDATE_GOLDEN=1` writes it: only for the first file of a new version, for the old
/// ones are kept for ever.
pub(crate) fn is_golden(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).expect("the golden file");
    assert!(text == golden, "{file} is no longer what is written, which is now:\n{text}");
}
