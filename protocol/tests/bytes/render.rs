//! The made parts of the documents: tables in Markdown, out of what the compiler and the protocol's macros say.

use std::fmt::Write as _;

use orderline_protocol::command::CommandKind;
use orderline_protocol::event::EVENT_VERSION;
use orderline_protocol::frame::WIRE_VERSION;
use orderline_protocol::lifecycle::blocks;
use orderline_protocol::wire::{NumberTable, ShapeTable};
use orderline_protocol::{
    Amount, BuyerId, CurrencyCode, GroupId, LocationHandle, Locations, OrderId, RejectCode, ReservationId,
    SellerHandle, SessionHandle, SessionId, SkuHandle, limits,
};

use crate::tables::{COMMANDS, EVENTS, Layout, TABLES, Table};

/// How wide a line of text may be.
const TEXT_WIDTH: usize = 118;

/// What stands under a name: a structure, an enumeration, or one of the tables below. A made part ends without a
/// blank line.
pub(crate) fn made(name: &str) -> Option<String> {
    Some(match (name, TABLES.get(name)) {
        (_, Some(Table::Shape(table))) => structure(table),
        (_, Some(Table::Numbers(table))) => enumeration(table),
        ("types", _) => types(),
        ("limits", _) => limits(),
        ("blocks", _) => block_bits(),
        ("CommandKind", _) => command_kinds(),
        ("EventKind", _) => event_kinds(),
        ("RejectCode", _) => reject_codes(),
        ("wire version", _) => format!("The wire's version is {WIRE_VERSION}."),
        ("event version", _) => format!("The events' version is {EVENT_VERSION}."),
        _ => return None,
    })
}

/// The names of the types that stand in the tables' columns without being structures.
pub(crate) fn plain_types() -> Vec<&'static str> {
    let integers = ["u8", "u16", "u32", "u64", "u128", "i64", "bytes"];
    TYPES.iter().map(|&(name, ..)| name).chain(integers).collect()
}

/// A field's type as the documents call it.
pub(crate) fn type_name(type_name: &'static str) -> &'static str {
    match type_name {
        "U16" => "u16",
        "U32" => "u32",
        "U64" => "u64",
        "U128" => "u128",
        "I64" => "i64",
        _ if type_name.starts_with("[u8") => "bytes",
        other => other,
    }
}

/// The words in backticks of a text.
pub(crate) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn structure(table: &ShapeTable) -> String {
    let mut out = titled(table.name, table.text);
    let mut rows = Rows::new(&mut out, &["offset:", "bytes:", "field", "type", "meaning"]);
    for field in table.fields {
        let (offset, bytes) = (field.offset.to_string(), field.bytes.to_string());
        rows.add(&[&offset, &bytes, &code(field.name), &code(type_name(field.type_name)), field.text]);
    }
    out
}

fn enumeration(table: &NumberTable) -> String {
    let mut out = titled(table.name, table.text);
    let mut rows = Rows::new(&mut out, &["number:", "name", "meaning"]);
    for (number, name, text) in table.rows {
        rows.add(&[&number.to_string(), &code(name), text]);
    }
    out
}

const TYPES: [(&str, usize, &str); 13] = [
    ("SellerHandle", size_of::<SellerHandle>(), "A seller's number, from 0; all ones: NONE."),
    ("LocationHandle", size_of::<LocationHandle>(), "A location's number, from 0; all ones: NONE."),
    (
        "Locations",
        size_of::<Locations>(),
        "Up to 16 `LocationHandle`s in ascending order, each once, NONE behind the last.",
    ),
    ("SkuHandle", size_of::<SkuHandle>(), "A SKU's number, from 0; all ones: NONE."),
    ("SessionHandle", size_of::<SessionHandle>(), "A session's number, from 0; all ones: NONE."),
    ("OrderId", size_of::<OrderId>(), "A ULID that the caller makes."),
    (
        "GroupId",
        size_of::<GroupId>(),
        "A ULID that the caller makes; of an order placed alone, the order's own.",
    ),
    ("ReservationId", size_of::<ReservationId>(), "A ULID that the caller makes."),
    ("BuyerId", size_of::<BuyerId>(), "A buyer, as the front end numbers them."),
    ("SessionId", size_of::<SessionId>(), "128 random bits that the client makes."),
    ("Amount", size_of::<Amount>(), "Minor units of a currency, signed."),
    ("CurrencyCode", size_of::<CurrencyCode>(), "A currency's ISO 4217 number; 0: not said."),
    ("bytes", 0, "As many as the table says, as they are."),
];

fn types() -> String {
    let mut out = String::new();
    let mut rows = Rows::new(&mut out, &["type", "bytes:", "what it is"]);
    for (name, bytes, text) in TYPES {
        rows.add(&[&code(name), &if bytes == 0 { String::new() } else { bytes.to_string() }, text]);
    }
    out
}

/// Constants with their values as the compiler has them, by module.
macro_rules! values {
    ($module:ident: $($name:ident)+) => {
        [$((stringify!($name), $module::$name.into_value()),)+]
    };
}

/// Constants of several types in one table.
trait IntoValue {
    fn into_value(self) -> i128;
}

macro_rules! into_value {
    ($($number:ty)+) => {
        $(impl IntoValue for $number {
            fn into_value(self) -> i128 {
                self as i128
            }
        })+
    };
}
into_value!(u8 u32 u64 i64 usize);

fn limits() -> String {
    let values = values!(limits:
        ORDER_LINES_MAX LINE_QUANTITY_MAX UNIT_PRICE_MINOR_MAX ORDER_TOTAL_MINOR_MAX BUCKET_QUANTITY_MAX
        CODE_BYTES_MAX TRACKING_BYTES_MAX SELLERS_MAX LOCATIONS_MAX SKUS_MAX TOKENS_MAX TOKEN_LOCATIONS_MAX GROUP_ORDERS_MAX CART_LINES_MAX
        ORDER_PARTS_MAX DURATION_S_MAX ID_AHEAD_MS_MAX HAPPENED_AHEAD_US_MAX MOVEMENTS_MAX DUE_ENTRIES_MAX SESSIONS_MAX
        AVAILABILITY_SKUS_MAX SESSION_WINDOW KEYED_REQUESTS_MAX
        CREDITS_MAX FRAME_PAYLOAD_BYTES_MAX COMMAND_BYTES_MAX
    );
    constants(include_str!("../../src/limits.rs"), &values, &["limit", "value:", "what it bounds"])
}

fn block_bits() -> String {
    let values = values!(blocks: CONFIRM FULFIL CANCEL EDIT CAPTURE REFUND ALL);
    let source = include_str!("../../src/lifecycle.rs").split("\npub mod blocks {\n").nth(1).unwrap();
    let source = source.split("\n}\n").next().unwrap();
    let mut out = titled("blocks", "What a hold blocks, as bits of its `blocks` field.");
    out.push_str(&constants(source, &values, &["bit", "value:", "what it stops"]));
    out
}

/// Constants and the comments that they have in the source; none may be left out.
fn constants(source: &str, values: &[(&str, i128)], columns: &[&str; 3]) -> String {
    let mut out = String::new();
    let mut rows = Rows::new(&mut out, columns);
    let mut left = values.iter();
    let mut text = String::new();
    for line in source.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            text.push_str(comment);
        } else if let Some(constant) = line.strip_prefix("pub const ") {
            let name = constant.split(':').next().unwrap();
            let Some((_, value)) = left.next().filter(|value| value.0 == name) else {
                panic!("{name} is not in the list of constants, or not in the source's order")
            };
            rows.add(&[&code(name), &grouped(*value), &text.replace("[`", "`").replace("`]", "`")]);
            text.clear();
        }
    }
    assert_eq!(left.next(), None, "not in the source");
    out
}

/// A number with its thousands set off.
fn grouped(value: i128) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn command_kinds() -> String {
    let mut out =
        titled("CommandKind", "What is asked. Numbers below 64 change something, those from 64 on only ask.");
    let mut rows = Rows::new(&mut out, &["number:", "name", "body", "meaning"]);
    for (layout, &(number, name, _, text)) in COMMANDS.iter().zip(CommandKind::TABLE) {
        rows.add(&[&number.to_string(), &code(name), &body(layout, Some(layout.head.name)), text]);
    }
    out
}

fn event_kinds() -> String {
    let mut out = titled("EventKind", "What was decided. The structure of the same name says more.");
    let mut rows = Rows::new(&mut out, &["number:", "event", "what follows the structure"]);
    for layout in EVENTS.iter() {
        rows.add(&[&layout.number.to_string(), &code(layout.name), &body(layout, None)]);
    }
    out
}

/// What a kind's bytes are, in words: its head (where it is not named as the kind), its lists, its text.
fn body(layout: &Layout, head: Option<&str>) -> String {
    let head = head.map(code);
    let lists = layout.lists.iter().map(|(item, count)| format!("{} × {}", code(count), code(item.name)));
    let text = layout.text.map(|(what, bytes)| format!("{} bytes: the {}", code(bytes), text_name(what)));
    let parts: Vec<String> = head.into_iter().chain(lists).chain(text).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// What a text is called in the documents.
fn text_name(what: &str) -> &str {
    match what {
        "tracking" => "tracking code",
        other => other,
    }
}

fn reject_codes() -> String {
    let mut out = titled("RejectCode", "Why a command was refused.");
    let mut rows = Rows::new(&mut out, &["number:", "name", "retryable", "meaning"]);
    for &reason in RejectCode::ALL {
        let retryable = if reason.is_retryable() { "yes" } else { "no" };
        rows.add(&[&(reason as u16).to_string(), &code(reason.name()), retryable, reason.text()]);
    }
    out
}

/// A heading, a text, and the blank line before a table.
fn titled(name: &str, text: &str) -> String {
    format!("### {}\n\n{}\n\n", code(name), wrapped(text.trim()))
}

fn code(name: &str) -> String {
    format!("`{name}`")
}

/// Breaks a text into lines.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let letters = word.chars().count();
        if width > 0 && width + 1 + letters > TEXT_WIDTH {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += letters;
    }
    out
}

/// Rows of a table as they are written.
struct Rows<'a>(&'a mut String);

impl<'a> Rows<'a> {
    /// Writes the head. A column whose name ends with a colon is one of numbers, set to the right.
    fn new(out: &'a mut String, columns: &[&str]) -> Self {
        let mut rows = Self(out);
        let names: Vec<_> = columns.iter().map(|column| column.trim_end_matches(':')).collect();
        rows.add(&names);
        for (column, name) in columns.iter().zip(names) {
            rows.0.push_str(if *column == name { "|---" } else { "|---:" });
        }
        rows.0.push_str("|\n");
        rows
    }

    fn add(&mut self, cells: &[&str]) {
        for cell in cells {
            assert!(!cell.contains('|') && !cell.contains('\n'), "{cell:?} would break its table");
            write!(self.0, "| {} ", cell.trim()).unwrap();
        }
        self.0.push_str("|\n");
    }
}
