//! docs/events.md says what the code does: its table of types, and its signed example.

use orderline_feed::event_type;
use orderline_protocol::event::EventKind;
use standardwebhooks::Webhook;

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events.md")).unwrap()
}

/// The table of types, with what each event says in the words of its structure.
fn table() -> String {
    let shapes: Vec<_> = orderline_protocol::event::SHAPE_TABLES.iter().copied().flatten().collect();
    let mut rows = "| type | event | what happened |\n|---|---|---|\n".to_owned();
    for &kind in EventKind::ALL {
        let name = format!("{kind:?}");
        let shape = shapes.iter().find(|shape| shape.name == name).unwrap();
        // The first sentence; what follows is about bytes.
        let text = shape.text.trim().split_inclusive(['.', ':']).next().unwrap_or_default();
        let text = text.trim_end_matches([':', '.']);
        rows.push_str(&format!("| `{}` | `{name}` | {text} |\n", event_type(kind)));
    }
    rows
}

#[test]
fn the_document_lists_every_type() {
    let (document, table) = (document(), table());
    assert!(document.contains(&table), "docs/events.md should hold this table:\n\n{table}");
}

#[test]
fn the_documents_example_is_signed_as_it_says() {
    let document = document();
    let block = document.split("```http\n").nth(1).unwrap().split("\n```").next().unwrap();
    let (head, body) = block.split_once("\n\n").unwrap();
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("the example has no {name}")).to_owned()
    };
    let secret = document.split('`').find(|text| text.starts_with("whsec_")).unwrap();
    let unix_s = header("webhook-timestamp").parse().unwrap();
    let signature =
        Webhook::new(secret).unwrap().sign(&header("webhook-id"), unix_s, body.as_bytes()).unwrap();
    assert_eq!(header("webhook-signature"), signature);
    let cloud: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(header("webhook-id").ends_with(&format!("_{}", cloud["id"].as_str().unwrap())));
}
