//! Which fields of which structures samples have told apart: two fields that are the same in every sample could be
//! swapped, and a field that is always zero could be missing, and no golden file would show it.

use std::collections::{BTreeMap, BTreeSet};

use orderline_protocol::wire::{ShapeField, ShapeTable};

use crate::tables::{TABLES, Table, shape};

/// What samples have shown of the structures.
#[derive(Default)]
pub(crate) struct Seen(BTreeMap<&'static str, Unproven>);

/// What no sample of a structure has shown yet.
struct Unproven {
    /// Fields that were always zero.
    zero: BTreeSet<&'static str>,
    /// Pairs of fields of one length that were always equal.
    equal: BTreeSet<(&'static str, &'static str)>,
}

impl Seen {
    /// Looks at one sample of a structure, and at the structures inside it.
    pub(crate) fn note(&mut self, table: &'static ShapeTable, bytes: &[u8]) {
        assert_eq!(bytes.len(), table.bytes, "{}", table.name);
        let of = |field: &ShapeField| &bytes[field.offset..field.offset + field.bytes];
        let fields: Vec<_> = table.fields.iter().filter(|field| !is_padding(field)).collect();
        let unproven = self.0.entry(table.name).or_insert_with(|| Unproven {
            zero: fields.iter().map(|field| field.name).collect(),
            equal: pairs(&fields).map(|(one, other)| (one.name, other.name)).collect(),
        });
        for field in &fields {
            if of(field).iter().any(|&byte| byte != 0) {
                unproven.zero.remove(field.name);
            }
        }
        for (one, other) in pairs(&fields) {
            if of(one) != of(other) {
                unproven.equal.remove(&(one.name, other.name));
            }
        }
        for field in table.fields {
            if let Some(inner) = shape(field.type_name) {
                self.note(inner, of(field));
            }
        }
    }

    /// Panics unless every structure of these pages has been shown with its fields told apart.
    pub(crate) fn expect_all(&self, pages: &[&'static [ShapeTable]]) {
        for table in pages.iter().copied().flatten() {
            let unproven = self.0.get(table.name).unwrap_or_else(|| panic!("{} has no sample", table.name));
            assert!(unproven.zero.is_empty(), "{}: always zero: {:?}", table.name, unproven.zero);
            assert!(unproven.equal.is_empty(), "{}: always equal: {:?}", table.name, unproven.equal);
        }
    }
}

/// Whether a field is there for nothing yet: its text says so.
fn is_padding(field: &ShapeField) -> bool {
    matches!(field.text.trim(), "Zero." | "Zeros.")
}

/// Pairs of fields that have one length.
fn pairs<'a>(fields: &'a [&'static ShapeField]) -> impl Iterator<Item = (&'a ShapeField, &'a ShapeField)> {
    fields.iter().enumerate().flat_map(move |(index, one)| {
        let others = fields[index + 1..].iter();
        others.filter(|other| other.bytes == one.bytes).map(|other| (*one, *other))
    })
}

#[test]
fn padding_is_named_as_such() {
    for table in TABLES.values() {
        if let Table::Shape(table) = table {
            for field in table.fields.iter().filter(|field| is_padding(field)) {
                assert!(
                    field.name.starts_with("reserved"),
                    "{}: {} is said to be zero",
                    table.name,
                    field.name
                );
            }
        }
    }
}

#[test]
fn fields_that_no_sample_tells_apart_are_seen() {
    let table = shape("ConfirmOrder").unwrap();
    let edit = shape("EditLine").unwrap();
    let unproven = |samples: &[Vec<u8>], table: &'static ShapeTable| {
        let mut seen = Seen::default();
        samples.iter().for_each(|bytes| seen.note(table, bytes));
        seen.0.remove(table.name).unwrap()
    };
    assert_eq!(unproven(&[vec![0; table.bytes]], table).zero, BTreeSet::from(["order", "expected_version"]));
    let equal = unproven(&[vec![1; edit.bytes], vec![2; edit.bytes]], edit);
    assert_eq!(equal.equal, BTreeSet::from([("expected_version", "quantity"), ("line", "reason")]));
    let rising: Vec<u8> = (1..).take(edit.bytes).collect();
    let told = unproven(&[rising], edit);
    assert!(told.zero.is_empty() && told.equal.is_empty());
}
