//! The transition table as people see it: printed, and as the documentation's pictures.

use std::path::Path;

use crate::support::program::orderline;

const ENTITIES: [&str; 8] =
    ["order", "reservation", "fulfilment order", "shipment", "payment", "refund", "return", "hold"];

fn explained(arguments: &[&str]) -> String {
    let ran = orderline([&["explain"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout
}

/// The part of the document that is made from the table.
fn pictures() -> String {
    let mut text = String::new();
    for entity in ENTITIES {
        let drawn = explained(&["--mermaid", "--entity", entity]);
        let drawn: String = drawn.lines().skip(1).map(|line| format!("{line}\n")).collect();
        text.push_str(&format!("\n### {}\n\n```mermaid\n{drawn}```\n", capitalised(entity)));
    }
    text.push_str(&format!("\n### All rows\n\n```text\n{}```\n", explained(&[])));
    text
}

fn capitalised(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_uppercase() + rest
}

#[test]
fn the_pictures_of_the_document_are_those_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/domain.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- made by `orderline explain` -->\n", "<!-- end -->\n");
    let (before, rest) = document.split_once(begin).expect("the document has a place for the table");
    let (stands, behind) = rest.split_once(end).expect("the place ends");
    let made = pictures();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{before}{begin}{made}{end}{behind}")).unwrap();
        return;
    }
    assert!(stands == made, "docs/domain.md shows another table; UPDATE_GOLDEN=1 makes it anew");
}

#[test]
fn the_table_is_also_told_to_programs_and_an_unknown_entity_is_refused() {
    let rows = orderline(["explain", "--json"]).well();
    let rows = rows["transitions"].as_array().unwrap().clone();
    assert!(rows.len() > 60, "{} rows", rows.len());
    assert!(
        rows.iter()
            .any(|row| row["entity"] == "payment" && row["from"] == "authorized" && row["action"] == "void")
    );
    orderline(["explain", "--entity", "parcel"]).refused(&["parcel", "shipment"]);
}
