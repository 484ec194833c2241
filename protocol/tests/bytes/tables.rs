//! The protocol's tables by their names, and the layouts of commands and events: which lists and texts follow a head.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use orderline_protocol::wire::{NumberTable, ShapeTable};
use orderline_protocol::{command, event, frame, lifecycle, reply};

/// A structure or an enumeration.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Table {
    Shape(&'static ShapeTable),
    Numbers(&'static NumberTable),
}

/// Every structure and enumeration of the protocol by its name.
pub(crate) static TABLES: LazyLock<BTreeMap<&'static str, Table>> = LazyLock::new(|| {
    let mut tables = BTreeMap::new();
    let mut add = |name, table| assert!(tables.insert(name, table).is_none(), "{name} stands twice");
    for pages in [command::SHAPE_TABLES, event::SHAPE_TABLES, reply::SHAPE_TABLES, frame::SHAPE_TABLES] {
        pages.iter().copied().flatten().for_each(|table| add(table.name, Table::Shape(table)));
    }
    for pages in [
        command::NUMBER_TABLES,
        event::NUMBER_TABLES,
        reply::NUMBER_TABLES,
        frame::NUMBER_TABLES,
        lifecycle::NUMBER_TABLES,
    ] {
        pages.iter().copied().flatten().for_each(|table| add(table.name, Table::Numbers(table)));
    }
    tables
});

/// The structure with this name.
pub(crate) fn shape(name: &str) -> Option<&'static ShapeTable> {
    match TABLES.get(name) {
        Some(Table::Shape(table)) => Some(table),
        _ => None,
    }
}

/// What the bytes of a kind of command or event are: a head, lists, a text.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) number: u16,
    pub(crate) name: &'static str,
    pub(crate) head: &'static ShapeTable,
    /// Of each list its items, and the head's field (a path through structures) that counts them.
    pub(crate) lists: Vec<(&'static ShapeTable, &'static str)>,
    /// What the text is, and the head's field that has its length.
    pub(crate) text: Option<(&'static str, &'static str)>,
}

/// The layouts of the commands' bodies.
pub(crate) static COMMANDS: LazyLock<Vec<Layout>> =
    LazyLock::new(|| layouts(include_str!("../../src/command/mod.rs"), "\ncommands! {\n"));

/// The layouts of the events.
pub(crate) static EVENTS: LazyLock<Vec<Layout>> =
    LazyLock::new(|| layouts(include_str!("../../src/event/mod.rs"), "\nevents! {\n"));

/// Reads the table that the macro reads: `7 Name(Head, lines: [Item] line_count; code: str code_bytes)`, and so on.
fn layouts(source: &'static str, start: &str) -> Vec<Layout> {
    let table = source.split(start).nth(1).unwrap().split("\n}\n").next().unwrap();
    let mut layouts = Vec::new();
    let mut entry = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        entry.push(line);
        if line.ends_with(')') {
            layouts.push(layout(&entry));
            entry.clear();
        }
    }
    assert_eq!(entry, [""; 0], "an entry does not end");
    layouts
}

/// Reads one entry of such a table.
fn layout(lines: &[&'static str]) -> Layout {
    // Words are borrowed from the source; only which of them belong together is found out here.
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_.".contains(letter);
    let words_of =
        |text: &'static str| text.split(move |letter| !is_word(letter)).filter(|word| !word.is_empty());
    let mut words = lines.iter().copied().flat_map(words_of);
    let mut next = || words.next();
    let (number, name, head) = (next().unwrap().parse().unwrap(), next().unwrap(), next().unwrap());
    let mut layout = Layout {
        number,
        name,
        head: shape(head).unwrap_or_else(|| panic!("{head} is no structure")),
        lists: Vec::new(),
        text: None,
    };
    while let Some(what) = next() {
        let (item, count) = (next().unwrap(), next().unwrap());
        if item == "str" {
            layout.text = Some((what, count));
        } else {
            layout.lists.push((shape(item).unwrap_or_else(|| panic!("{item} is no structure")), count));
        }
    }
    layout
}

impl Layout {
    /// Takes bytes apart by the tables alone: the head, then each item of each list. What is left is the text, whose
    /// length must be the told one, and padding.
    pub(crate) fn parts<'a>(&self, bytes: &'a [u8]) -> Vec<(&'static ShapeTable, &'a [u8])> {
        let (head, mut rest) = bytes.split_at(self.head.bytes);
        let mut parts = vec![(self.head, head)];
        for (item, count) in &self.lists {
            for _ in 0..number(self.head, count, head) {
                let (one, behind) = rest.split_at(item.bytes);
                parts.push((*item, one));
                rest = behind;
            }
        }
        let text_bytes = self.text.map_or(0, |(_, length)| number(self.head, length, head));
        let (_, padding) = rest.split_at(text_bytes);
        assert!(
            padding.len() < 8 && padding.iter().all(|&byte| byte == 0),
            "{}: {padding:?} is left",
            self.name
        );
        parts
    }

    /// How many items follow in each list, for the samples' titles.
    pub(crate) fn title(&self, bytes: &[u8]) -> String {
        let mut title = format!("{} {}", self.number, self.name);
        for (item, count) in &self.lists {
            title.push_str(&format!(", {} {}", number(self.head, count, bytes), item.name));
        }
        title
    }
}

/// The number in the field at the end of a path through structures (`placement.line_count`).
fn number(table: &ShapeTable, path: &str, bytes: &[u8]) -> usize {
    let (name, inner) = path.split_once('.').map_or((path, None), |(name, inner)| (name, Some(inner)));
    let field = table.fields.iter().find(|field| field.name == name);
    let field = field.unwrap_or_else(|| panic!("{} has no field {name}", table.name));
    let bytes = &bytes[field.offset..field.offset + field.bytes];
    match inner {
        Some(inner) => number(shape(field.type_name).unwrap(), inner, bytes),
        None => bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)),
    }
}

#[test]
fn no_structure_has_a_gap() {
    for table in TABLES.values() {
        if let Table::Shape(table) = table {
            let end = table.fields.iter().fold(0, |end, field| {
                assert_eq!(end, field.offset, "{} has a gap before {}", table.name, field.name);
                end + field.bytes
            });
            assert_eq!(end, table.bytes, "a field of {} is not told", table.name);
        }
    }
}

#[test]
fn layouts_are_those_of_every_kind() {
    let commands: Vec<_> =
        COMMANDS.iter().map(|layout| (layout.number as u8, layout.name, layout.head.name)).collect();
    let told: Vec<_> =
        command::CommandKind::TABLE.iter().map(|&(number, name, head, _)| (number, name, head)).collect();
    assert_eq!(commands, told);
    let events: Vec<_> = EVENTS.iter().map(|layout| (layout.number, layout.name.to_owned())).collect();
    let told: Vec<_> = event::EventKind::ALL.iter().map(|&kind| (kind as u16, format!("{kind:?}"))).collect();
    assert_eq!(events, told);
}
