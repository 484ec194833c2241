//! Holds the documents of bytes against the code: what stands between a marker and its end is made of the protocol's
//! own tables, and `UPDATE_GOLDEN=1` writes it anew. What no marker names, but should, is missed.

use std::collections::BTreeSet;

use orderline_protocol::{command, event, frame, lifecycle, reply};

use crate::hex::{is_update, path};
use crate::render::{made, plain_types, quoted, type_name};
use crate::tables::{EVENTS, TABLES, Table};

const MARKER: &str = "<!-- made by the protocol's tests: ";
const END: &str = "<!-- end -->";

/// A document, and the names in its markers in their order.
struct Document {
    file: &'static str,
    text: String,
    names: Vec<String>,
}

impl Document {
    /// Reads a document, and holds what is made in it against what would be made now, or writes that.
    fn checked(file: &'static str) -> Self {
        let path = path(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let (now, names) = remade(file, &text);
        if is_update() {
            std::fs::write(&path, &now).unwrap();
        } else if now != text {
            let line = now.lines().zip(text.lines()).take_while(|(now, text)| now == text).count();
            let (now, text) = (now.lines().nth(line), text.lines().nth(line));
            panic!(
                "{file}:{}: the document says {text:?}, the code {now:?}; \
                 `UPDATE_GOLDEN=1 cargo test -p orderline-protocol` writes the made parts anew",
                line + 1
            );
        }
        Self { file, text: now, names }
    }

    /// Every name that must be there is there: `roots`, and what they name in turn.
    fn expect(&self, roots: impl IntoIterator<Item = &'static str>) {
        let mut missing = BTreeSet::new();
        let mut wanted = BTreeSet::new();
        let mut left: Vec<&str> = roots.into_iter().collect();
        while let Some(name) = left.pop() {
            if wanted.insert(name) {
                if !self.names.iter().any(|shown| shown == name) {
                    missing.insert(name);
                }
                left.extend(named_by(name));
            }
        }
        assert!(missing.is_empty(), "{}: no marker names {missing:?}", self.file);
        // Who reads a table by its heading finds one.
        let headings: Vec<&str> = self.text.lines().filter(|line| line.starts_with("### `")).collect();
        let distinct: BTreeSet<&str> = headings.iter().copied().collect();
        assert_eq!(headings.len(), distinct.len(), "{}: a heading stands twice in {headings:?}", self.file);
    }
}

/// The text with its made parts as they would be made now, and the names in its markers.
fn remade(file: &str, text: &str) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut names = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(listed) = line.strip_prefix(MARKER).and_then(|rest| rest.strip_suffix(" -->")) else {
            assert!(!line.starts_with("<!--"), "{file}: {line:?} is no marker, or nothing's end");
            continue;
        };
        for name in listed.split(", ") {
            assert!(!names.iter().any(|shown| shown == name), "{file}: {name} is made twice");
            let part =
                made(name).unwrap_or_else(|| panic!("{file}: nothing is made under the name {name:?}"));
            out.push('\n');
            out.push_str(part.trim_end());
            out.push('\n');
            names.push(name.to_owned());
        }
        out.push_str("\n<!-- end -->\n");
        let end = lines.by_ref().find(|line| *line == END || line.starts_with(MARKER));
        assert_eq!(end, Some(END), "{file}: what is made of {listed} does not end");
    }
    (out, names)
}

/// What a structure or an enumeration leads its reader to: the structures inside it, and what its texts name.
fn named_by(name: &str) -> Vec<&'static str> {
    let is_made = |word: &&'static str| made(word).is_some();
    match TABLES.get(name) {
        Some(Table::Shape(table)) => {
            let texts = table.fields.iter().map(|field| field.text).chain([table.text]);
            let types = table.fields.iter().map(|field| type_name(field.type_name));
            let structures = types.filter(|name| {
                let is_structure = TABLES.contains_key(name);
                assert!(is_structure || plain_types().contains(name), "{}: what is a {name}?", table.name);
                is_structure
            });
            texts.flat_map(quoted).filter(is_made).chain(structures).collect()
        }
        Some(Table::Numbers(table)) => {
            let texts = table.rows.iter().map(|row| row.2).chain([table.text]);
            texts.flat_map(quoted).filter(is_made).collect()
        }
        None => Vec::new(),
    }
}

/// The names of what stands on these pages.
fn structures(
    pages: &'static [&'static [orderline_protocol::wire::ShapeTable]],
) -> impl Iterator<Item = &'static str> {
    pages.iter().copied().flatten().map(|table| table.name)
}

/// The names of what stands on these pages.
fn enumerations(
    pages: &'static [&'static [orderline_protocol::wire::NumberTable]],
) -> impl Iterator<Item = &'static str> {
    pages.iter().copied().flatten().map(|table| table.name)
}

#[test]
fn the_wire_is_what_its_document_says() {
    let roots = ["wire version", "types", "limits", "blocks", "CommandKind", "RejectCode"]
        .into_iter()
        .chain(structures(frame::SHAPE_TABLES))
        .chain(structures(command::SHAPE_TABLES))
        .chain(structures(reply::SHAPE_TABLES))
        .chain(enumerations(frame::NUMBER_TABLES))
        .chain(enumerations(command::NUMBER_TABLES))
        .chain(enumerations(reply::NUMBER_TABLES))
        .chain(enumerations(lifecycle::NUMBER_TABLES));
    Document::checked("docs/protocol.md").expect(roots);
}

#[test]
fn events_are_what_their_document_says() {
    let items = EVENTS.iter().flat_map(|layout| layout.lists.iter().map(|(item, _)| item.name));
    let roots = ["event version", "types", "EventKind"]
        .into_iter()
        .chain(structures(event::SHAPE_TABLES))
        .chain(enumerations(event::NUMBER_TABLES))
        .chain(items);
    Document::checked("docs/format.md").expect(roots);
}

#[test]
fn a_document_that_says_otherwise_is_seen() {
    let right = "Text.\n<!-- made by the protocol's tests: Outcome -->\n<!-- end -->\nMore.\n";
    let (made, names) = remade("a document", right);
    assert_eq!(names, ["Outcome"]);
    assert!(made.contains("| 3 | `Rejected` | It was refused and changed nothing. |\n"), "{made}");
    assert!(made.ends_with("\n\n<!-- end -->\nMore.\n"), "{made}");
    assert_eq!(remade("a document", &made).0, made);
    let wrong = made.replace("| 3 | `Rejected`", "| 4 | `Rejected`");
    assert_eq!(remade("a document", &wrong).0, made);
    for bad in
        ["<!-- made by the protocol's tests: Nothing -->\n<!-- end -->\n", "<!-- end -->\n", &right[..60]]
    {
        assert!(std::panic::catch_unwind(|| remade("a document", bad)).is_err(), "{bad:?} was taken");
    }
}
